//! Stream time that moved without a record.

use std::fmt;

use crate::call::Call;
use crate::error::Result;
use crate::export::{Item, ItemKind, Options};
use crate::message;
use crate::runtime::unreadable;
use crate::zz_abi::{FLAG_ADVANCE, KIND_ADVANCE};

/// Stream time moved without a record for the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The task's partition.
    pub partition: i32,
    /// The new stream time in milliseconds since 1970; -1 if the task has seen
    /// no record with a timestamp.
    pub stream_time: i64,
    /// No record follows: a run with `--until-idle` ends. What is open is to be
    /// closed.
    pub is_final: bool,
}

/// Has a function called when stream time of a task moved although the handler
/// got no record that says so: at most once between two batches, and once more
/// with [`Advance::is_final`] when a run with `--until-idle` ends. List it in
/// [`export!`](crate::export); a handler may have several, which are called in
/// their order until one fails.
///
/// The function does to a task what a handler does to a record: outputs and
/// cache writes count if all return `Ok` and are undone if one does not. An
/// output without a timestamp has that of stream time. With an error the
/// handler's `on_error` policy acts, but there is no record that could be kept:
/// what would skip a record or send it to dead letters skips this call, to
/// which the next one comes anyway, and what would retry or stop does so.
///
/// How often it is called depends on the run; what is emitted must not: go by
/// the stream time, which is the same for every order of calls. It does not
/// decrease within a task, but a new owner of the task may start lower.
///
/// ```
/// use sliphost::prelude::*;
/// use sliphost::testing::{Harness, Input};
/// use sliphost::{Advance, OnAdvance};
///
/// static LAST: Cache = Cache::new("last");
///
/// fn keep(call: &mut Call, rec: Record<'_>) -> Result<()> {
///     LAST.put(call, "last", rec.value())
/// }
///
/// /// Emits the last value when nothing follows.
/// fn close(call: &mut Call, advance: &Advance) -> Result<()> {
///     if advance.is_final {
///         let last = LAST.get(call, "last")?;
///         call.emit(NIL, last.as_deref());
///     }
///     Ok(())
/// }
///
/// export! { "last" => keep, LAST, OnAdvance::new(close) }
///
/// # fn main() {
/// let mut last = Harness::new(HANDLERS, "last");
/// last.send("a");
/// last.send("b");
/// assert_eq!(last.advance(1000).ok().len(), 0);
/// assert_eq!(last.finish().values(), ["b"]);
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct OnAdvance {
    run: fn(&mut Call, &Advance) -> Result<()>,
}

impl OnAdvance {
    /// Has `run` called.
    pub const fn new(run: fn(&mut Call, &Advance) -> Result<()>) -> Self {
        OnAdvance { run }
    }
}

impl fmt::Debug for OnAdvance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnAdvance")
    }
}

impl Item for OnAdvance {
    fn kind(&self) -> ItemKind {
        ItemKind::Event
    }

    fn options(&self) -> Options {
        Options::flag(FLAG_ADVANCE)
    }

    fn take(&self, call: &mut Call, kind: u64, message: &[u8]) -> Result<bool> {
        if kind != KIND_ADVANCE {
            return Ok(false);
        }
        let advance = read(message)?;
        call.partition = advance.partition;
        (self.run)(call, &advance)?;
        Ok(true)
    }
}

/// Reads a message of kind advance.
pub(crate) fn read(message: &[u8]) -> Result<Advance> {
    match message::Advance::read(message) {
        Ok(m) => Ok(Advance {
            partition: m.partition,
            stream_time: m.stream_time,
            is_final: m.is_final,
        }),
        Err(e) => Err(unreadable(e.want)),
    }
}
