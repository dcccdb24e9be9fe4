//! Where records are emitted to.

use crate::binding::Decl;
use crate::call::Call;
use crate::error::Result;
use crate::export::{Item, ItemKind};
use crate::field::Field;
use crate::message::{append_header, Output};
use crate::value::{Doc, Writer};
use crate::wire::{append_array_header, Reader};

/// A sink that handlers emit to by name. Declare it as a static and list it in
/// [`export!`](crate::export); the manifest says which topic, proxy or file
/// stands behind it.
#[derive(Debug)]
pub struct Sink {
    pub(crate) decl: Decl,
}

impl Sink {
    /// Declares a sink; `name` is the module's own name for it.
    pub const fn new(name: &'static str) -> Self {
        Sink {
            decl: Decl::new(name),
        }
    }

    /// Emits one record to this sink alone; see [`Call::emit`].
    pub fn emit<'d>(&self, call: &mut Call, key: impl Field<'d>, value: impl Field<'d>) {
        self.record(call).key(key).value(value).emit();
    }

    /// Begins a record with headers, timestamp or partition for this sink
    /// alone; see [`Call::record`].
    pub fn record<'c, 'd>(&self, call: &'c mut Call) -> Out<'c, 'd> {
        let sink = call.sink_id(self);
        Out::new(call, sink)
    }

    /// Emits a value that `write` writes to this sink alone; see
    /// [`Call::emit_doc`].
    pub fn emit_doc<'d>(
        &self,
        call: &mut Call,
        key: impl Field<'d>,
        write: impl FnOnce(&mut Writer<'_>) -> Result<()>,
    ) -> Result<()> {
        self.record(call).key(key).emit_doc(write)
    }
}

impl Item for Sink {
    fn kind(&self) -> ItemKind {
        ItemKind::Sink
    }

    fn decl(&self) -> Option<&Decl> {
        Some(&self.decl)
    }
}

/// A record that is being emitted; nothing happens before [`Out::emit`].
#[must_use = "nothing is emitted before .emit()"]
#[derive(Debug)]
pub struct Out<'c, 'd> {
    call: &'c mut Call,
    output: Output<'d>,
    added: usize,
    copied: Option<&'d [u8]>,
}

impl<'c, 'd> Out<'c, 'd> {
    #[inline]
    pub(crate) fn new(call: &'c mut Call, sink: i32) -> Self {
        call.headers.clear();
        Out {
            call,
            output: Output {
                sink,
                ..Output::default()
            },
            added: 0,
            copied: None,
        }
    }

    /// The key; none if not called.
    #[inline]
    pub fn key(mut self, key: impl Field<'d>) -> Self {
        self.output.key = key.field();
        self
    }

    /// The value; a tombstone if not called.
    #[inline]
    pub fn value(mut self, value: impl Field<'d>) -> Self {
        self.output.value = value.field();
        self
    }

    /// Adds one header; names may repeat, a value of [`NIL`](crate::NIL) is an
    /// absent one.
    pub fn header<'h>(mut self, name: &str, value: impl Field<'h>) -> Self {
        append_header(&mut self.call.headers, name.as_bytes(), value.field());
        self.added += 1;
        self
    }

    /// Passes headers on, in front of those that [`Out::header`] adds. A second
    /// call replaces the first one's.
    #[inline]
    pub fn headers(mut self, headers: crate::Headers<'d>) -> Self {
        self.copied = headers.raw();
        self
    }

    /// Milliseconds since 1970; the input's if not called.
    #[inline]
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.output.timestamp = Some(timestamp);
        self
    }

    /// The partition to write to; by the key if not called.
    #[inline]
    pub fn partition(mut self, partition: i32) -> Self {
        self.output.partition = Some(partition);
        self
    }

    /// Emits the record.
    #[inline]
    pub fn emit(self) {
        if self.added == 0 {
            let output = Output {
                headers: self.copied,
                ..self.output
            };
            self.call.put(&output);
        } else {
            self.with_headers(|call, output| call.put(output));
        }
    }

    /// Emits the record with a value that `write` writes; see
    /// [`Call::emit_doc`].
    pub fn emit_doc(self, write: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Result<()> {
        self.emit_encoded(|b| {
            write(&mut Writer::new(b))?;
            match Doc::parse(b) {
                Ok(_) => Ok(()),
                Err(e) => Err(e.context("emit_doc")),
            }
        })
    }

    /// Emits the record with the one msgpack value that `encode` appends.
    pub(crate) fn emit_encoded(
        self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.with_headers(|call, output| {
            let mut buf = std::mem::take(&mut call.scratch);
            buf.clear();
            let result = encode(&mut buf).and_then(|()| call.put_value(output, &buf));
            call.scratch = buf;
            result
        })
    }

    /// Puts the header list together and hands the output to `then`.
    fn with_headers<T>(self, then: impl FnOnce(&mut Call, &Output<'_>) -> T) -> T {
        if self.added == 0 {
            let output = Output {
                headers: self.copied,
                ..self.output
            };
            return then(self.call, &output);
        }
        let mut copied = Reader::new(self.copied.unwrap_or(&[0x90]));
        let n = copied.array();
        // The list is put together in a second buffer of the call, so that
        // nothing is allocated for it once both have grown.
        let mut raw = std::mem::take(&mut self.call.raw_headers);
        raw.clear();
        append_array_header(&mut raw, n + self.added);
        raw.extend_from_slice(copied.rest());
        raw.extend_from_slice(&self.call.headers);
        let output = Output {
            headers: Some(&raw),
            ..self.output
        };
        let result = then(self.call, &output);
        self.call.raw_headers = raw;
        result
    }
}
