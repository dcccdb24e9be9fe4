//! The reply stream: results one after the other in input order, without an
//! outer array: `[index, 0, [output...]]`,
//! `[index, 1, code, message, retry_after_ms]`, `[index, 2, [output...]]`.

use super::record::{append_headers, no_headers, read_headers};
use crate::wire::{append_array_header, append_bin, append_int, append_str, append_uint, Reader};
use crate::zz_abi::{STATUS_ERROR, STATUS_MORE, STATUS_OK, STATUS_VALUE};

/// As an output's sink: each sink of the handler in the order of the manifest.
pub const EVERY_SINK: i32 = -1;

/// One record a handler emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Output<'a> {
    /// The position in the binding's list of sinks, or [`EVERY_SINK`].
    pub sink: i32,
    /// `None` is absent.
    pub key: Option<&'a [u8]>,
    /// `None` is absent.
    pub value: Option<&'a [u8]>,
    /// The raw header array, `None` for none.
    pub headers: Option<&'a [u8]>,
    /// Milliseconds; `None`: the input's.
    pub timestamp: Option<i64>,
    /// The partition to write to; `None`: the partitioner's choice.
    pub partition: Option<i32>,
}

/// Appends the head of `[index, status, [n outputs]]` with status ok or more.
pub fn append_result(b: &mut Vec<u8>, index: i32, status: u64, outputs: usize) {
    b.push(0x93);
    append_int(b, i64::from(index));
    b.push(status as u8);
    append_array_header(b, outputs);
}

/// Appends `[index, 1, code, message, retry_after_ms]`.
pub fn append_result_error(b: &mut Vec<u8>, index: i32, code: u64, message: &[u8], retry_ms: i64) {
    b.push(0x95);
    append_int(b, i64::from(index));
    b.push(STATUS_ERROR as u8);
    append_uint(b, code);
    append_str(b, message);
    append_int(b, retry_ms.max(0));
}

impl<'a> Output<'a> {
    /// Appends one output; trailing nils are cut.
    #[inline]
    pub fn append(&self, b: &mut Vec<u8>) {
        let n = if self.partition.is_some() {
            6
        } else if self.timestamp.is_some() {
            5
        } else if !no_headers(self.headers) {
            4
        } else {
            3
        };
        b.push(0x90 | n);
        append_int(b, i64::from(self.sink));
        append_bin(b, self.key);
        append_bin(b, self.value);
        if n > 3 {
            append_headers(b, self.headers);
        }
        if n > 4 {
            match self.timestamp {
                None => b.push(0xc0),
                Some(t) => append_int(b, t),
            }
        }
        if let Some(p) = self.partition {
            append_int(b, i64::from(p));
        }
    }

    /// Reads one output.
    pub fn read(r: &mut Reader<'a>) -> Self {
        let n = r.array_min(3, "an output of at least 3 fields");
        let at = r.offset();
        let sink = r.int32();
        if sink < EVERY_SINK {
            r.fail_at(at, "a sink from -1 up");
        }
        let mut o = Output {
            sink,
            key: r.bytes(),
            value: r.bytes(),
            ..Output::default()
        };
        if n > 0 {
            o.headers = read_headers(r);
        }
        if n > 1 && !r.nil() {
            o.timestamp = Some(r.int());
        }
        if n > 2 && !r.nil() {
            o.partition = Some(r.int32());
        }
        r.skip_n(n.saturating_sub(3));
        o
    }
}

/// The head of one result: how one record ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordResult<'a> {
    /// The record's position in the batch.
    pub index: i32,
    /// A `STATUS_...`.
    pub status: u64,
    /// The number of outputs that follow (status ok and more); read each with
    /// [`Output::read`], then call [`RecordResult::end`].
    pub outputs: usize,
    /// Status error only: a `CODE_...`.
    pub code: u64,
    /// Status error only.
    pub message: &'a [u8],
    /// Status error only.
    pub retry_after_ms: i64,
    more: usize,
}

impl<'a> RecordResult<'a> {
    /// Reads the head of the next result.
    pub fn read(r: &mut Reader<'a>) -> Self {
        let start = r.offset();
        let more = r.array_min(3, "a result of at least 3 fields");
        let mut res = RecordResult {
            index: read_index(r),
            ..RecordResult::default()
        };
        let at = r.offset();
        res.status = r.uint();
        if !r.ok() {
            return res;
        }
        match res.status {
            STATUS_OK | STATUS_MORE => {
                res.outputs = r.array();
                res.more = more;
            }
            STATUS_ERROR if more < 2 => r.fail_at(start, "an error result of 5 fields"),
            STATUS_ERROR => {
                read_error(r, &mut res);
                r.skip_n(more - 2);
            }
            _ => r.fail_at(at, "a result status of ok, error or more"),
        }
        res
    }

    /// Passes over what a newer minor version put behind the outputs.
    pub fn end(&self, r: &mut Reader<'_>) {
        r.skip_n(self.more);
    }
}

/// Reads a position in the batch.
pub(super) fn read_index(r: &mut Reader<'_>) -> i32 {
    r.uint_max(i32::MAX as u64, "an index within 31 bits") as i32
}

/// Reads code, message and retry_after_ms.
pub(super) fn read_error<'a>(r: &mut Reader<'a>, res: &mut RecordResult<'a>) {
    res.code = r.uint_max(0xffff, "an error code below 65536");
    res.message = r.str();
    res.retry_after_ms = r.uint_max(i64::MAX as u64, "milliseconds within 63 bits") as i64;
}

/// A result of a kind that asks for a value: `[index, 3, value]`, or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The answer.
    Value {
        /// The position in the batch.
        index: i32,
        /// One raw msgpack value.
        value: &'a [u8],
    },
    /// Why there is none; its status is error.
    Error(RecordResult<'a>),
}

impl<'a> Answer<'a> {
    /// Reads the next answer.
    pub fn read(r: &mut Reader<'a>) -> Self {
        let start = r.offset();
        let more = r.array_min(3, "an answer of at least 3 fields");
        let index = read_index(r);
        let at = r.offset();
        let status = r.uint();
        let mut res = RecordResult {
            index,
            status: STATUS_ERROR,
            ..RecordResult::default()
        };
        match status {
            STATUS_VALUE => {
                let value = r.skip();
                r.skip_n(more);
                return Answer::Value { index, value };
            }
            STATUS_ERROR if more < 2 => r.fail_at(start, "an error result of 5 fields"),
            STATUS_ERROR => {
                read_error(r, &mut res);
                r.skip_n(more - 2);
            }
            _ => r.fail_at(at, "a status of value or error"),
        }
        Answer::Error(res)
    }

    /// Appends the answer.
    pub fn append(&self, b: &mut Vec<u8>) {
        match self {
            Answer::Value { index, value } => {
                b.push(0x93);
                append_int(b, i64::from(*index));
                b.push(STATUS_VALUE as u8);
                b.extend_from_slice(value);
            }
            Answer::Error(e) => {
                append_result_error(b, e.index, e.code, e.message, e.retry_after_ms);
            }
        }
    }
}
