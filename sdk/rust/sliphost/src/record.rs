//! The input record.

use crate::binding::{text, Bound};
use crate::error::{join, Error, Result};
use crate::message::{Endpoint, Headers};
use crate::value::Doc;
use crate::zz_abi::{CODE_DECODE, REPR_MSGPACK, REPR_TEXT};

/// One input record. It borrows from the host's message and is valid until the
/// handler returns; what is kept longer must be copied.
///
/// Key and value are what the source's codecs made of them: bytes (codec
/// `raw`), UTF-8 text (`string`), or one msgpack value (`json` and the other
/// decoded codecs), which [`Record::doc`] and, with the feature `serde`,
/// [`Record::decode`] read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Option<&'a [u8]>,
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
    pub(crate) partition: i32,
    pub(crate) source: i32,
    pub(crate) replayed: bool,
    /// The timestamp is not the input's, and -1 is a time like any other.
    pub(crate) dated: bool,
    pub(crate) bound: &'a Bound,
}

impl<'a> Record<'a> {
    /// The key; `None` if the record has none.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value; empty for a tombstone, which [`Record::value_opt`] tells from
    /// an empty value.
    #[inline]
    pub fn value(&self) -> &'a [u8] {
        self.value.unwrap_or(&[])
    }

    /// The value; `None` for a tombstone.
    #[inline]
    pub fn value_opt(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The value as text; an error if it is not UTF-8. A tombstone is empty.
    pub fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.value()).map_err(|_| Error::decode("the value is not UTF-8 text"))
    }

    /// Milliseconds since 1970, -1 if the record has none.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// The same record with another timestamp: one that its value names, for a
    /// [`Tumbling`](crate::Tumbling) window. What is emitted still has the
    /// timestamp of the input unless it says otherwise.
    #[inline]
    pub fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self.dated = true;
        self
    }

    /// The position in the partition. A record that came through a proxy has
    /// that of the record it was made from.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The partition.
    #[inline]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Whether the record was delivered to this handler before and comes again
    /// because a checkpoint's handler sought back to it.
    #[inline]
    pub fn replayed(&self) -> bool {
        self.replayed
    }

    /// The name of the source the record came from, as the manifest has it: the
    /// id of a topic, or of what else the handler reads.
    pub fn topic(&self) -> &'a str {
        match self.port() {
            Some(p) => text(p.name),
            None => "",
        }
    }

    /// The headers in order, duplicates kept.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        Headers::new(self.headers)
    }

    /// The value of the last header of that name, as Kafka's clients do;
    /// `None` if there is none or it has no value. [`Record::headers`] tells
    /// these apart.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let same = self.headers().filter(|(n, _)| *n == name.as_bytes());
        same.last().and_then(|(_, value)| value)
    }

    /// The value for reading field by field, in place:
    /// `rec.doc()?.get("delay").as_i64()`. Text is one string; a tombstone is
    /// null; a value of bytes is an error that says which codec to set.
    pub fn doc(&self) -> Result<Doc<'a>> {
        let repr = self.port().map_or(0, |p| p.value);
        self.open(self.value, repr, "value", "codec")
    }

    /// [`Record::doc`] for the key.
    pub fn key_doc(&self) -> Result<Doc<'a>> {
        let repr = self.port().map_or(0, |p| p.key);
        self.open(self.key, repr, "key", "key_codec")
    }

    fn port(&self) -> Option<&'a Endpoint<'static>> {
        self.bound.sources.get(self.source as usize)
    }

    fn open(&self, bytes: Option<&'a [u8]>, repr: u64, what: &str, codec: &str) -> Result<Doc<'a>> {
        match (repr, bytes) {
            (_, None) => Ok(Doc::null()),
            (REPR_TEXT, Some(text)) => Ok(Doc::text(text)),
            (REPR_MSGPACK, Some(raw)) => Doc::parse(raw),
            _ => Err(self.opaque(what, codec)),
        }
    }

    #[cold]
    fn opaque(&self, what: &str, codec: &str) -> Error {
        let topic = self.topic();
        let why = [
            "the ",
            what,
            " of \"",
            topic,
            "\" is bytes: set ",
            codec,
            " = \"json\" on topic \"",
            topic,
            "\" in the manifest",
        ];
        Error::coded(CODE_DECODE, join(&why))
    }
}
