//! Requests to caches and their results.

use super::{each, message};
use crate::wire::{
    append_array_header, append_bin, append_bool, append_int, append_uint, Reader, SyntaxError,
};
use crate::zz_abi::{MAX_KEYS, MAX_SCAN};

message! {
    /// The request of cache_scan; `None` is absent.
    ScanRequest<'a>, 6 "a scan of 6 fields",
    {
        /// Only keys that begin so.
        prefix: Option<&'a [u8]> = Reader::bytes, bin_or_nil;
        /// The least key, included.
        from: Option<&'a [u8]> = Reader::bytes, bin_or_nil;
        /// The end of the range, not included.
        to: Option<&'a [u8]> = Reader::bytes, bin_or_nil;
        /// From the end of the range downwards.
        reverse: bool = Reader::bool, boolean;
        /// The greatest number of entries in the page.
        limit: i32 = read_limit, int32;
        /// `next` of the page before.
        cursor: Option<&'a [u8]> = Reader::bytes, bin_or_nil;
    }
}

fn read_limit(r: &mut Reader<'_>) -> i32 {
    let at = r.offset();
    let limit = r.int32();
    if limit < 1 || limit as usize > MAX_SCAN {
        r.fail_at(at, "a limit from 1 to 4096");
    }
    limit
}

fn bin_or_nil(b: &mut Vec<u8>, v: &Option<&[u8]>) {
    append_bin(b, *v);
}

fn boolean(b: &mut Vec<u8>, v: &bool) {
    append_bool(b, *v);
}

fn int32(b: &mut Vec<u8>, v: &i32) {
    append_int(b, i64::from(*v));
}

/// The result of cache_scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPage<'a> {
    /// The cursor of the next page, `None` for the last.
    pub next: Option<&'a [u8]>,
    /// Keys and values in the order of the scan.
    pub entries: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> ScanPage<'a> {
    /// Reads a whole message.
    pub fn read(b: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut r = Reader::new(b);
        let values = r.array_min(2, "a page of at least 2 fields");
        let mut m = ScanPage {
            next: r.bytes(),
            ..ScanPage::default()
        };
        let count = r.int32();
        if count > MAX_SCAN as i32 {
            r.fail_at(0, "a page of at most 4096 entries");
        }
        let more = r.entries(0, values, 2, count);
        m.entries = entries(&mut r, count);
        r.skip_n(more);
        r.end();
        r.err().map_or(Ok(m), Err)
    }

    /// Appends the message in canonical form.
    pub fn append(&self, b: &mut Vec<u8>) {
        append_array_header(b, 2 + 2 * self.entries.len());
        append_bin(b, self.next);
        append_uint(b, self.entries.len() as u64);
        append_entries(b, &self.entries);
    }
}

/// Reads cache entries; none is nil. A count comes from [`Reader::entries`].
pub(super) fn entries<'a>(r: &mut Reader<'a>, count: i32) -> Vec<(&'a [u8], &'a [u8])> {
    let mut all = Vec::new();
    for _ in 0..count {
        let entry = (r.bin(), r.bin());
        if !r.ok() {
            break;
        }
        all.push(entry);
    }
    all
}

pub(super) fn append_entries(b: &mut Vec<u8>, all: &[(&[u8], &[u8])]) {
    for (key, value) in all {
        append_bin(b, Some(key));
        append_bin(b, Some(value));
    }
}

message! {
    /// The request of cache_get_many.
    KeyList<'a>, 1 "a list of 1 field",
    {
        /// The keys.
        keys: Vec<&'a [u8]> = read_keys, keys;
    }
}

message! {
    /// The result of cache_get_many.
    ValueList<'a>, 1 "a list of 1 field",
    {
        /// One for each key; `None` where absent.
        values: Vec<Option<&'a [u8]>> = read_values, values;
    }
}

const KEYS: &str = "at most 4096 keys";

fn read_keys<'a>(r: &mut Reader<'a>) -> Vec<&'a [u8]> {
    each(r, MAX_KEYS, KEYS, Reader::bin)
}

fn read_values<'a>(r: &mut Reader<'a>) -> Vec<Option<&'a [u8]>> {
    each(r, MAX_KEYS, KEYS, Reader::bytes)
}

fn keys(b: &mut Vec<u8>, all: &[&[u8]]) {
    append_array_header(b, all.len());
    for key in all {
        append_bin(b, Some(key));
    }
}

fn values(b: &mut Vec<u8>, all: &[Option<&[u8]>]) {
    append_array_header(b, all.len());
    for value in all {
        append_bin(b, *value);
    }
}
