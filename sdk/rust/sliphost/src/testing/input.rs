//! What goes into a handler and what comes out.

use super::json::{from_json, to_json};
use crate::call::Level;
use crate::message::append_header;
use crate::wire::append_array_header;
use crate::zz_abi::CODE_LIMIT;

/// A record to be handled.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) offset: Option<i64>,
    pub(crate) replayed: bool,
}

impl Input {
    /// A record with this value and neither key nor headers.
    pub fn new(value: impl AsRef<[u8]>) -> Self {
        Input {
            value: Some(value.as_ref().to_vec()),
            ..Input::default()
        }
    }

    /// A record whose value is a document, given as JSON: what the handler gets
    /// from a topic with `codec = "json"`. Use it with [`Harness::json`] or a
    /// source of [`Repr::Msgpack`].
    ///
    /// # Panics
    /// If `text` is not JSON.
    ///
    /// [`Harness::json`]: super::Harness::json
    /// [`Repr::Msgpack`]: super::Repr::Msgpack
    pub fn json(text: &str) -> Self {
        Input::new(from_json(text))
    }

    /// A record without a value.
    pub fn tombstone() -> Self {
        Input::default()
    }

    /// Sets the key.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = Some(value.as_ref().to_vec());
        self.headers.push((name.to_owned(), value));
        self
    }

    /// Sets the timestamp in milliseconds; 0 by default, -1 for none.
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Sets the offset; by default one more than that of the record before.
    pub fn offset(mut self, offset: i64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Has the handler get the record as one that comes again after a seek. All
    /// records of a batch do, or none.
    pub fn replayed(mut self) -> Self {
        self.replayed = true;
        self
    }

    pub(crate) fn raw_headers(&self) -> Option<Vec<u8>> {
        if self.headers.is_empty() {
            return None;
        }
        let mut raw = Vec::new();
        append_array_header(&mut raw, self.headers.len());
        for (name, value) in &self.headers {
            append_header(&mut raw, name.as_bytes(), value.as_deref());
        }
        Some(raw)
    }
}

impl From<&str> for Input {
    fn from(value: &str) -> Self {
        Input::new(value)
    }
}

impl From<&[u8]> for Input {
    fn from(value: &[u8]) -> Self {
        Input::new(value)
    }
}

/// A record that a handler emitted to one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The sink.
    pub sink: String,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds; `None` is the input's.
    pub timestamp: Option<i64>,
    /// `None` is the partitioner's choice.
    pub partition: Option<i32>,
}

impl Output {
    /// The value as text; empty for a tombstone.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().unwrap_or(&[])).expect("the value is not UTF-8")
    }

    /// The value of a sink with `codec = "json"` as JSON, on one line, fields in
    /// the order of emission.
    ///
    /// # Panics
    /// If it is not one msgpack value.
    pub fn json(&self) -> String {
        to_json(self.value.as_deref().unwrap_or(&[0xc0]))
    }
}

/// Why a record failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A `CODE_...` of [`crate::zz_abi`].
    pub code: u64,
    /// The text of the error.
    pub message: String,
    /// What [`Error::retry`](crate::Error::retry) was given.
    pub retry_after_ms: i64,
}

/// What one record led to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What counts of the emitted records, one a sink; none if it failed.
    pub outputs: Vec<Output>,
    /// Why it failed, if it did.
    pub error: Option<Failure>,
    /// The log lines of this record.
    pub logs: Vec<(Level, String)>,
    /// The metrics of this record: name and value.
    pub metrics: Vec<(String, f64)>,
    /// Where a call of kind downtime or recovery goes back to: source,
    /// partition and offset, -2 for the beginning and -1 for the end; only the
    /// last of a partition counts.
    pub seeks: Vec<(String, i32, i64)>,
}

impl Outcome {
    /// The record reached a limit and fails, whatever the handler returned.
    pub(super) fn limit(&mut self) {
        self.outputs.clear();
        self.error.get_or_insert_with(|| Failure {
            code: CODE_LIMIT,
            message: "a limit of this record was reached".to_owned(),
            retry_after_ms: 0,
        });
    }

    /// The values of the outputs as text.
    ///
    /// # Panics
    /// If the record failed, or a value is not UTF-8.
    pub fn values(&self) -> Vec<&str> {
        self.ok().iter().map(Output::text).collect()
    }

    /// The outputs.
    ///
    /// # Panics
    /// If the record failed.
    pub fn ok(&self) -> &[Output] {
        if let Some(e) = &self.error {
            panic!("the handler failed: {}", e.message);
        }
        &self.outputs
    }

    /// The failure.
    ///
    /// # Panics
    /// If the record did not fail.
    pub fn failure(&self) -> &Failure {
        match &self.error {
            Some(e) => e,
            None => panic!("the handler did not fail"),
        }
    }
}
