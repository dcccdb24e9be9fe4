//! Reading any message and writing it again.

use super::{
    append_header, append_result, append_result_error, Advance, Answer, BatchHeader, Check, Codec,
    Describe, Downtime, DowntimeList, Headers, Heartbeat, Init, InitReply, KeyList, Latency,
    Migrate, Output, Pulse, RawRecord, RecordResult, Recovery, ScanPage, ScanRequest, Selftest,
    ValueList,
};
use crate::wire::{append_array_header, Reader, SyntaxError};
use crate::zz_abi::STATUS_ERROR;

/// Reads the message called `name` (as in `abi/vectors`) from `b`, all of it,
/// and returns its canonical form; `None` for a name that is not known. It is
/// how a codec proves itself on the vectors, natively and inside a module.
pub fn recode(name: &str, b: &[u8]) -> Option<Result<Vec<u8>, SyntaxError>> {
    let mut out = Vec::new();
    macro_rules! whole {
        ($type:ident) => {
            $type::read(b).map(|m| m.append(&mut out))
        };
    }
    let done = match name {
        "Describe" => whole!(Describe),
        "Init" => whole!(Init),
        "InitReply" => whole!(InitReply),
        "Batch" => batch(b, &mut out),
        "Advance" => whole!(Advance),
        "Downtime" => whole!(Downtime),
        "Recovery" => whole!(Recovery),
        "Check" => whole!(Check),
        "Selftest" => whole!(Selftest),
        "Migrate" => whole!(Migrate),
        "Codec" => whole!(Codec),
        "Reply" => reply(b, &mut out),
        "Answers" => answers(b, &mut out),
        "ScanRequest" => whole!(ScanRequest),
        "ScanPage" => whole!(ScanPage),
        "KeyList" => whole!(KeyList),
        "ValueList" => whole!(ValueList),
        "Heartbeat" => whole!(Heartbeat),
        "Latency" => whole!(Latency),
        "Pulse" => whole!(Pulse),
        "DowntimeList" => whole!(DowntimeList),
        "Value" => value(b, &mut out),
        _ => return None,
    };
    Some(done.map(|()| out))
}

fn batch(b: &[u8], out: &mut Vec<u8>) -> Result<(), SyntaxError> {
    let mut r = Reader::new(b);
    let head = BatchHeader::read(&mut r);
    head.append(out);
    for _ in 0..head.count {
        let rec = RawRecord::read(&mut r);
        let headers = headers(rec.headers);
        let headers = headers.as_deref();
        RawRecord { headers, ..rec }.append(out);
    }
    r.err().map_or(Ok(()), Err)
}

/// Writes a header array again.
fn headers(raw: Option<&[u8]>) -> Option<Vec<u8>> {
    let n = Headers::new(raw).count();
    if n == 0 {
        return None;
    }
    let mut out = Vec::new();
    append_array_header(&mut out, n);
    for (name, value) in Headers::new(raw) {
        append_header(&mut out, name, value);
    }
    Some(out)
}

fn reply(b: &[u8], out: &mut Vec<u8>) -> Result<(), SyntaxError> {
    let mut r = Reader::new(b);
    while r.ok() && r.left() > 0 {
        let res = RecordResult::read(&mut r);
        if res.status == STATUS_ERROR {
            append_result_error(out, res.index, res.code, res.message, res.retry_after_ms);
            continue;
        }
        append_result(out, res.index, res.status, res.outputs);
        for _ in 0..res.outputs {
            let o = Output::read(&mut r);
            if !r.ok() {
                break;
            }
            let headers = headers(o.headers);
            let headers = headers.as_deref();
            Output { headers, ..o }.append(out);
        }
        res.end(&mut r);
    }
    r.err().map_or(Ok(()), Err)
}

fn answers(b: &[u8], out: &mut Vec<u8>) -> Result<(), SyntaxError> {
    let mut r = Reader::new(b);
    while r.ok() && r.left() > 0 {
        Answer::read(&mut r).append(out);
    }
    r.err().map_or(Ok(()), Err)
}

fn value(b: &[u8], out: &mut Vec<u8>) -> Result<(), SyntaxError> {
    let mut r = Reader::new(b);
    out.extend_from_slice(r.skip());
    r.end();
    r.err().map_or(Ok(()), Err)
}
