//! One input record and its headers.

use crate::wire::{append_bin, append_int, append_str, append_uint32, Reader};

/// The size of the length in front of each record of a batch.
pub const RECORD_PREFIX: usize = 5;

/// One input record as it travels:
/// `[offset_delta, timestamp_delta, key, value, headers]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawRecord<'a> {
    /// Relative to the batch's base offset.
    pub offset_delta: i64,
    /// Relative to the batch's base timestamp, in milliseconds.
    pub timestamp_delta: i64,
    /// `None` is absent, which is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// `None` is absent, which is not the same as empty.
    pub value: Option<&'a [u8]>,
    /// The raw array of `[name, value|nil]`, `None` when there are none.
    pub headers: Option<&'a [u8]>,
}

impl<'a> RawRecord<'a> {
    /// Appends the length and the record.
    pub fn append(&self, b: &mut Vec<u8>) {
        let start = b.len();
        append_uint32(b, 0);
        b.push(0x95);
        append_int(b, self.offset_delta);
        append_int(b, self.timestamp_delta);
        append_bin(b, self.key);
        append_bin(b, self.value);
        append_headers(b, self.headers);
        let n = (b.len() - start - RECORD_PREFIX) as u32;
        b[start + 1..start + RECORD_PREFIX].copy_from_slice(&n.to_be_bytes());
    }

    /// Reads the length and the record behind it, which must fill its length
    /// exactly.
    #[inline]
    pub fn read(r: &mut Reader<'a>) -> Self {
        if r.ok() {
            if let Some((rec, n)) = quick(r.rest()) {
                r.pass(n);
                return rec;
            }
        }
        RawRecord::read_any(r)
    }

    /// [`RawRecord::read`] for every form.
    #[inline(never)]
    fn read_any(r: &mut Reader<'a>) -> Self {
        if r.peek() != Some(0xce) || r.left() < RECORD_PREFIX {
            r.fail("a record's length in the fixed 5-byte form");
            return RawRecord::default();
        }
        let start = r.offset();
        let n = r.uint();
        if n > r.left() as u64 {
            r.fail_at(start, "a record that ends within the message");
            return RawRecord::default();
        }
        let end = r.offset() + n as usize;
        let more = r.array_min(5, "a record of 5 fields");
        let rec = RawRecord {
            offset_delta: r.int(),
            timestamp_delta: r.int(),
            key: r.bytes(),
            value: r.bytes(),
            headers: read_headers(r),
        };
        r.skip_n(more);
        if r.ok() && r.offset() != end {
            r.fail_at(start, "a record as long as its length says");
        }
        rec
    }
}

/// Reads a record in the forms a host writes for most: small numbers, no
/// headers. `None` leaves it to the general way, which also says what is wrong
/// where something is; where this one answers both agree, which a test compares.
#[inline(always)]
fn quick(b: &[u8]) -> Option<(RawRecord<'_>, usize)> {
    let (n, rest) = match b {
        [0xce, a, b, c, d, 0x95, rest @ ..] => (u32::from_be_bytes([*a, *b, *c, *d]), rest),
        _ => return None,
    };
    // The 0x95 belongs to the record.
    let rest = rest.get(..(n as usize).checked_sub(1)?)?;
    let (offset_delta, rest) = quick_int(rest)?;
    let (timestamp_delta, rest) = quick_int(rest)?;
    let (key, rest) = quick_bin(rest)?;
    let (value, rest) = quick_bin(rest)?;
    if !matches!(rest, [0xc0]) {
        return None;
    }
    let rec = RawRecord {
        offset_delta,
        timestamp_delta,
        key,
        value,
        headers: None,
    };
    Some((rec, RECORD_PREFIX + n as usize))
}

#[inline(always)]
fn quick_int(b: &[u8]) -> Option<(i64, &[u8])> {
    match b {
        [c @ 0..=0x7f, rest @ ..] => Some((i64::from(*c), rest)),
        [0xcc, c, rest @ ..] => Some((i64::from(*c), rest)),
        [0xcd, c, d, rest @ ..] => Some((i64::from(u16::from_be_bytes([*c, *d])), rest)),
        _ => None,
    }
}

#[inline(always)]
fn quick_bin(b: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (n, rest) = match b {
        [0xc4, n, rest @ ..] => (usize::from(*n), rest),
        [0xc5, c, d, rest @ ..] => (usize::from(u16::from_be_bytes([*c, *d])), rest),
        [0xc0, rest @ ..] => return Some((None, rest)),
        _ => return None,
    };
    Some((Some(rest.get(..n)?), rest.get(n..)?))
}

/// Appends a raw header array, or nil when it holds none.
pub(super) fn append_headers(b: &mut Vec<u8>, raw: Option<&[u8]>) {
    match raw {
        Some(raw) if !no_headers(Some(raw)) => b.extend_from_slice(raw),
        _ => b.push(0xc0),
    }
}

#[inline]
pub(super) fn no_headers(raw: Option<&[u8]>) -> bool {
    matches!(raw, None | Some([] | [0x90]))
}

/// Passes over a header array or nil, checking its shape.
#[inline]
pub(super) fn read_headers<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    if r.nil() {
        return None;
    }
    read_header_list(r)
}

#[inline(never)]
fn read_header_list<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let start = r.offset();
    let n = r.array();
    for _ in 0..n {
        let more = r.array_min(2, "a header of 2 fields");
        r.str();
        r.bytes();
        r.skip_n(more);
        if !r.ok() {
            return None;
        }
    }
    if r.ok() {
        Some(r.since(start))
    } else {
        None
    }
}

/// Appends one header of an array whose header the caller wrote.
pub fn append_header(b: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    b.push(0x92);
    append_str(b, name);
    append_bin(b, value);
}

/// The headers of a record in order, duplicates kept: an iterator over
/// `(name, value)`. A value of `None` is absent, not empty. Names are bytes,
/// because Kafka does not promise UTF-8.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    raw: Option<&'a [u8]>,
    r: Reader<'a>,
    left: usize,
}

impl<'a> Headers<'a> {
    /// The headers of a raw array, which must be well-formed, as those of a
    /// record are.
    #[inline]
    pub fn new(raw: Option<&'a [u8]>) -> Self {
        let mut r = Reader::new(raw.unwrap_or(&[]));
        let left = if raw.is_some() { r.array() } else { 0 };
        Headers { raw, r, left }
    }

    /// The raw msgpack array of all headers; `None` or empty if there are none.
    #[inline]
    pub fn raw(&self) -> Option<&'a [u8]> {
        self.raw
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let more = self.r.array_min(2, "a header of 2 fields");
        let name = self.r.str();
        let value = self.r.bytes();
        self.r.skip_n(more);
        if self.r.ok() {
            Some((name, value))
        } else {
            self.left = 0;
            None
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::{quick, RawRecord, Reader};

    /// What the general reader makes of the first record.
    fn any(b: &[u8]) -> Option<(RawRecord<'_>, usize)> {
        let mut r = Reader::new(b);
        let rec = RawRecord::read_any(&mut r);
        r.ok().then(|| (rec, r.offset()))
    }

    fn same(b: &[u8]) -> bool {
        match (quick(b), any(b)) {
            (None, _) => false,
            (Some(got), Some(want)) => {
                assert_eq!(format!("{:?}", got), format!("{:?}", want), "{:x?}", b);
                true
            }
            (got, None) => panic!("{:x?} is not a record but was read as {:?}", b, got),
        }
    }

    #[test]
    fn the_quick_way_agrees_with_the_general_one() {
        let long = vec![7; 70_000];
        let slices: [Option<&[u8]>; 6] = [
            None,
            Some(&[]),
            Some(b"k"),
            Some(&long[..255]),
            Some(&long[..256]),
            Some(&long),
        ];
        let numbers = [0, 1, 127, 128, 255, 256, 65_535, 65_536, -1];
        let headers: [Option<&[u8]>; 2] = [None, Some(&[0x91, 0x92, 0xa1, b'n', 0xc0])];
        let mut quickly = 0;
        for key in slices {
            for value in slices {
                for delta in numbers {
                    for headers in headers {
                        let rec = RawRecord {
                            offset_delta: delta,
                            timestamp_delta: delta / 2,
                            key,
                            value,
                            headers,
                        };
                        let mut b = Vec::new();
                        rec.append(&mut b);
                        quickly += usize::from(same(&b));
                        // What follows is the next record's.
                        b.push(0xce);
                        same(&b);
                    }
                }
            }
        }
        // Five of six keys and values and seven of nine numbers are usual.
        assert_eq!(quickly, 5 * 5 * 7);
    }

    /// Every change of one byte and every cut: the quick way must not read
    /// anything that the general one refuses, or reads otherwise.
    #[test]
    fn the_quick_way_agrees_on_broken_records() {
        let mut b = Vec::new();
        let rec = RawRecord {
            offset_delta: 200,
            timestamp_delta: 300,
            key: Some(b"key"),
            value: Some(b"value"),
            headers: None,
        };
        rec.append(&mut b);
        assert!(same(&b));
        for n in 0..b.len() {
            same(&b[..n]);
        }
        for at in 0..b.len() {
            let mut broken = b.clone();
            for byte in 0..=255 {
                broken[at] = byte;
                same(&broken);
                broken.push(0xc0);
                same(&broken);
                broken.pop();
            }
        }
    }
}
