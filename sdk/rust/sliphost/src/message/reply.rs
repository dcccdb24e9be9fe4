//! The reply stream: results one after the other in input order, without an
//! outer array: `[index, 0, [output...]]`,
//! `[index, 1, code, message, retry_after_ms]`, `[index, 2, [output...]]`.

use super::record::read_headers;
use crate::wire::{append_array_header, append_bin, append_int, append_str, append_uint, Reader};
use crate::zz_abi::{STATUS_ERROR, STATUS_MORE, STATUS_OK};

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
    append_int(b, retry_ms);
}

/// Appends one output; trailing nils are cut.
#[inline]
pub fn append_output(b: &mut Vec<u8>, o: &Output<'_>) {
    let n = if o.partition.is_some() {
        6
    } else if o.timestamp.is_some() {
        5
    } else if o.headers.is_some() {
        4
    } else {
        3
    };
    b.push(0x90 | n);
    append_int(b, i64::from(o.sink));
    append_bin(b, o.key);
    append_bin(b, o.value);
    if n > 3 {
        match o.headers {
            None => b.push(0xc0),
            Some(raw) => b.extend_from_slice(raw),
        }
    }
    if n > 4 {
        match o.timestamp {
            None => b.push(0xc0),
            Some(t) => append_int(b, t),
        }
    }
    if let Some(p) = o.partition {
        append_int(b, i64::from(p));
    }
}

/// The head of one result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Result<'a> {
    /// The record's position in the batch.
    pub index: i32,
    /// A `STATUS_...`.
    pub status: u64,
    /// The number of outputs that follow (status ok and more); read each with
    /// [`read_output`], then call [`end_result`].
    pub outputs: usize,
    /// Status error only: a `CODE_...`.
    pub code: u64,
    /// Status error only.
    pub message: &'a [u8],
    /// Status error only.
    pub retry_after_ms: i64,
    more: usize,
}

/// Reads the head of the next result.
pub fn read_result<'a>(r: &mut Reader<'a>) -> Result<'a> {
    let more = r.array_min(2, "a result of at least 2 fields");
    let mut res = Result {
        index: r.int32(),
        ..Result::default()
    };
    let status = r.uint();
    if !r.ok() {
        return res;
    }
    res.status = status;
    if status == STATUS_OK || status == STATUS_MORE {
        if more < 1 {
            r.fail("a result with a list of outputs");
            return res;
        }
        res.outputs = r.array();
        res.more = more - 1;
    } else if status == STATUS_ERROR {
        if more < 3 {
            r.fail("an error result of 5 fields");
            return res;
        }
        let code = r.uint();
        if code > 0xffff {
            r.fail("an error code below 65536");
        }
        res.code = code;
        res.message = r.str();
        res.retry_after_ms = r.int();
        r.skip_n(more - 3);
    } else {
        r.fail("a result status of ok, error or more");
    }
    res
}

/// Passes over what a newer minor version put behind the outputs.
pub fn end_result(r: &mut Reader<'_>, res: &Result<'_>) {
    r.skip_n(res.more);
}

/// Reads one output.
pub fn read_output<'a>(r: &mut Reader<'a>) -> Output<'a> {
    let n = r.array_min(3, "an output of at least 3 fields");
    let mut o = Output {
        sink: r.int32(),
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
