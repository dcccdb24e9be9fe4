//! One call of a handler: where it emits, logs and counts.

use std::fmt::{self, Write as _};

use crate::abi;
use crate::binding::{text, Bound};
use crate::error::{join, Error, Result};
use crate::field::Field;
use crate::message::{Output, EVERY_SINK};
use crate::reply::Reply;
use crate::sink::{Out, Sink};
use crate::value::Writer;
use crate::window::Swept;
use crate::wire::Reader;
use crate::zz_abi::{
    LEVEL_DEBUG, LEVEL_ERROR, LEVEL_INFO, LEVEL_WARN, MAX_TEXT, METRIC_COUNTER, METRIC_GAUGE,
    METRIC_HISTOGRAM, REPR_MSGPACK, REPR_TEXT,
};

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the handler's author.
    Debug,
    /// Normal events.
    Info,
    /// Handled trouble.
    Warn,
    /// Trouble someone should look at.
    Error,
}

impl Level {
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn of(number: i32) -> Self {
        match number {
            LEVEL_DEBUG => Level::Debug,
            LEVEL_INFO => Level::Info,
            LEVEL_WARN => Level::Warn,
            _ => Level::Error,
        }
    }

    fn number(self) -> i32 {
        match self {
            Level::Debug => LEVEL_DEBUG,
            Level::Info => LEVEL_INFO,
            Level::Warn => LEVEL_WARN,
            Level::Error => LEVEL_ERROR,
        }
    }
}

/// One call of a handler with one record. What is emitted counts when the
/// handler returns `Ok`; it is copied at once.
///
/// Emitting returns nothing to check: if an output cannot be taken (its sink is
/// not bound, a limit is reached), the record fails whatever the handler
/// returns, and [`Call::failure`] tells early.
#[derive(Debug)]
pub struct Call {
    pub(crate) bound: &'static Bound,
    pub(crate) reply: Reply,
    /// The first failure that the handler was not told of.
    failure: Option<Error>,
    /// Headers that an [`Out`] adds.
    pub(crate) headers: Vec<u8>,
    /// A whole header list.
    pub(crate) raw_headers: Vec<u8>,
    /// A value being encoded.
    pub(crate) scratch: Vec<u8>,
    /// A cached value that was read.
    pub(crate) held: Vec<u8>,
    /// Where the windows of this instance were last swept.
    pub(crate) swept: Vec<Swept>,
    /// The partition that the batch is of.
    pub(crate) partition: i32,
    /// A log line being formatted.
    line: String,
}

impl Call {
    pub(crate) fn new(bound: &'static Bound) -> Self {
        Call {
            bound,
            reply: Reply::new(),
            failure: None,
            headers: Vec::new(),
            raw_headers: Vec::new(),
            scratch: Vec::new(),
            held: Vec::new(),
            swept: Vec::new(),
            partition: 0,
            line: String::new(),
        }
    }

    #[inline]
    pub(crate) fn bound(&self) -> &'static Bound {
        self.bound
    }

    /// Ends a record with what the handler returned.
    #[inline]
    pub(crate) fn finish(&mut self, result: Result<()>) {
        if self.failure.is_none() && result.is_ok() {
            self.reply.finish();
        } else {
            self.finish_failed(result);
        }
    }

    #[cold]
    #[inline(never)]
    fn finish_failed(&mut self, result: Result<()>) {
        if let Some(e) = self.failure.take().or(result.err()) {
            if let Some(rollback) = self.bound.rollback {
                rollback();
                // What was removed from windows is back.
                self.swept.clear();
            }
            self.reply.fail(&e);
        }
    }

    /// Emits one record to every sink of the handler, in the order of the
    /// manifest. It has the input's timestamp and no headers; the partition
    /// follows from the key.
    #[inline]
    pub fn emit<'d>(&mut self, key: impl Field<'d>, value: impl Field<'d>) {
        self.put(&Output {
            sink: EVERY_SINK,
            key: key.field(),
            value: value.field(),
            ..Output::default()
        });
    }

    /// Begins a record with headers, timestamp or partition:
    ///
    /// ```
    /// # use sliphost::prelude::*;
    /// # fn handler(call: &mut Call, rec: Record<'_>) -> Result<()> {
    /// call.record()
    ///     .key(rec.key())
    ///     .value("hello")
    ///     .header("seen", "1")
    ///     .timestamp(rec.timestamp() + 1)
    ///     .partition(0)
    ///     .emit();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn record<'c, 'd>(&'c mut self) -> Out<'c, 'd> {
        Out::new(self, EVERY_SINK)
    }

    /// Emits a value that `write` writes, to every sink: as one msgpack value
    /// where the sink's codec is `json` or another decoded one, as the text
    /// itself where it is `string`.
    ///
    /// # Errors
    /// The value is not what a sink takes; what `write` returns.
    pub fn emit_doc<'d>(
        &mut self,
        key: impl Field<'d>,
        write: impl FnOnce(&mut Writer<'_>) -> Result<()>,
    ) -> Result<()> {
        self.record().key(key).emit_doc(write)
    }

    /// Why the record will fail whatever the handler returns, if it will: a
    /// handler that emits much can stop early.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    #[cold]
    pub(crate) fn fail(&mut self, e: Error) {
        if self.failure.is_none() {
            self.failure = Some(e);
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, o: &Output<'_>) {
        // -2: the sink has no id, the record has failed.
        if self.failure.is_some() || o.sink < EVERY_SINK {
            return;
        }
        if let Err(e) = self.reply.put(o) {
            self.fail(e);
        }
    }

    /// The id of a sink, or -2 after failing the record.
    #[inline]
    pub(crate) fn sink_id(&mut self, sink: &Sink) -> i32 {
        match self.bound.id("sink", &sink.decl) {
            Ok(id) => id,
            Err(e) => {
                self.fail(e);
                -2
            }
        }
    }

    /// Emits `o` with one msgpack value, in each sink's representation.
    pub(crate) fn put_value(&mut self, o: &Output<'_>, value: &[u8]) -> Result<()> {
        let bound = self.bound;
        let repr = match bound.sinks.get(o.sink as usize) {
            Some(port) => Some(port.value),
            None => bound.common,
        };
        if let Some(repr) = repr {
            let value = represent(bound, o.sink, repr, value)?;
            self.put(&Output { value, ..*o });
            return Ok(());
        }
        for (sink, port) in bound.sinks.iter().enumerate() {
            let sink = sink as i32;
            let value = represent(bound, sink, port.value, value)?;
            self.put(&Output { sink, value, ..*o });
        }
        Ok(())
    }

    /// The task's stream time in milliseconds: the largest timestamp it has
    /// seen, that of the record at hand included; -1 before any record with a
    /// timestamp. It depends on the records alone, and so is the clock that a
    /// handler may go by.
    pub fn stream_time(&self) -> i64 {
        abi::stream_time()
    }

    /// Writes a line to the host's log; see also [`log!`](crate::log!). The
    /// host adds handler, module and worker, and bounds rate and length; a
    /// line that is about a record says itself which.
    pub fn log(&mut self, level: Level, line: impl AsRef<[u8]>) {
        let line = line.as_ref();
        abi::log(level.number(), &line[..line.len().min(MAX_TEXT)]);
    }

    #[doc(hidden)]
    pub fn log_fmt(&mut self, level: Level, line: fmt::Arguments<'_>) {
        let mut text = std::mem::take(&mut self.line);
        text.clear();
        // A value that cannot be formatted leaves its line unfinished.
        let _ = text.write_fmt(line);
        self.log(level, crate::reply::cut(&text, MAX_TEXT));
        self.line = text;
    }

    /// Adds `n`, which is not negative, to a counter.
    pub fn counter(&mut self, name: &str, n: f64) {
        abi::metric(METRIC_COUNTER, name, n);
    }

    /// Sets a gauge.
    pub fn gauge(&mut self, name: &str, value: f64) {
        abi::metric(METRIC_GAUGE, name, value);
    }

    /// Adds one observation to a histogram.
    pub fn histogram(&mut self, name: &str, value: f64) {
        abi::metric(METRIC_HISTOGRAM, name, value);
    }
}

/// One msgpack value as a sink takes it.
fn represent<'v>(bound: &Bound, sink: i32, repr: u64, value: &'v [u8]) -> Result<Option<&'v [u8]>> {
    if repr == REPR_MSGPACK {
        return Ok(Some(value));
    }
    let name = match bound
        .sinks
        .get(sink as usize)
        .or_else(|| bound.sinks.first())
    {
        Some(port) => text(port.name),
        // Without sinks nobody sees the value.
        None => return Ok(Some(value)),
    };
    if repr != REPR_TEXT {
        let why = [
            "sink \"",
            name,
            "\" takes bytes: set codec = \"json\" on its topic in the manifest, ",
            "or emit bytes",
        ];
        return Err(Error::failed(join(&why)));
    }
    match value.first() {
        Some(0xa0..=0xbf | 0xd9..=0xdb) => Ok(Some(Reader::new(value).str())),
        _ => {
            let why = [
                "sink \"",
                name,
                "\" takes text: emit a string, or set codec = \"json\" on its ",
                "topic in the manifest",
            ];
            Err(Error::failed(join(&why)))
        }
    }
}

/// Writes a formatted line to the host's log:
///
/// ```
/// # use sliphost::prelude::*;
/// # fn handler(call: &mut Call, rec: Record<'_>) -> Result<()> {
/// log!(call, Level::Warn, "late by {} minutes", 20);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! log {
    ($call:expr, $level:expr, $($arg:tt)+) => {
        $call.log_fmt($level, ::core::format_args!($($arg)+))
    };
}
