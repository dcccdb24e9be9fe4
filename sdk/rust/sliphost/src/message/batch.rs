//! The head of a batch.

use crate::wire::{append_int, append_uint, Reader};
use crate::zz_abi::{KIND_RECORDS, KIND_REPLAYED, KIND_TIMER, MAX_BATCH};

/// The head of a Batch of kind records, replayed or timer:
/// `[kind, source, partition, base_offset, base_timestamp, count, len, record, ...]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchHeader {
    /// What the batch asks of the handler: a `KIND_...`.
    pub kind: u64,
    /// The position in the handler binding's list of sources.
    pub source: i32,
    /// The partition that all records are of.
    pub partition: i32,
    /// What the records' offset deltas refer to.
    pub base_offset: i64,
    /// What the records' timestamp deltas refer to, in milliseconds.
    pub base_timestamp: i64,
    /// The number of records that follow.
    pub count: i32,
}

impl BatchHeader {
    /// Appends the head; `count` records must follow.
    pub fn append(&self, b: &mut Vec<u8>) {
        b.push(0xdd);
        b.extend_from_slice(&(6 + 2 * self.count as u32).to_be_bytes());
        append_uint(b, self.kind);
        append_int(b, i64::from(self.source));
        append_int(b, i64::from(self.partition));
        append_int(b, self.base_offset);
        append_int(b, self.base_timestamp);
        append_int(b, i64::from(self.count));
    }

    /// The head of a batch of records in the form a host writes, and the bytes
    /// it takes. `None` leaves it to [`BatchHeader::read`]; where this one answers both
    /// agree, which a test compares.
    #[inline]
    pub(crate) fn quick(b: &[u8]) -> Option<(Self, usize)> {
        let (values, kind, source, partition, rest) = match b {
            [0xdd, a, b, c, d, kind @ 0..=0x7f, source @ 0..=0x7f, partition @ 0..=0x7f, rest @ ..] => {
                (
                    u32::from_be_bytes([*a, *b, *c, *d]),
                    u64::from(*kind),
                    i32::from(*source),
                    i32::from(*partition),
                    rest,
                )
            }
            _ => return None,
        };
        let (base_offset, rest) = quick_uint(rest)?;
        let (base_timestamp, rest) = quick_uint(rest)?;
        let (count, rest) = quick_uint(rest)?;
        let known = matches!(kind, KIND_RECORDS | KIND_REPLAYED | KIND_TIMER);
        let fits = count <= MAX_BATCH as i64 && i64::from(values) == 6 + 2 * count;
        if !known || !fits || rest.len() < 2 * count as usize {
            return None;
        }
        let head = BatchHeader {
            kind,
            source,
            partition,
            base_offset,
            base_timestamp,
            count: count as i32,
        };
        Some((head, b.len() - rest.len()))
    }

    /// Reads the head and leaves `r` in front of the first record. What follows
    /// the last record belongs to a newer minor version and need not be read.
    #[cold]
    pub fn read(r: &mut Reader<'_>) -> Self {
        let start = r.offset();
        let values = r.array_min(6, "a batch of at least 6 fields");
        let at = r.offset();
        let kind = r.uint_max(255, "a kind of batch");
        if !matches!(kind, KIND_RECORDS | KIND_REPLAYED | KIND_TIMER) {
            r.fail_at(at, "kind records, replayed or timer");
        }
        let mut h = BatchHeader {
            kind,
            source: r.int32(),
            partition: r.int32(),
            base_offset: r.int(),
            base_timestamp: r.int(),
            count: r.int32(),
        };
        r.entries(start, values, 2, h.count);
        if !r.ok() {
            h.count = 0;
        }
        h
    }
}

#[inline(never)]
fn quick_uint(b: &[u8]) -> Option<(i64, &[u8])> {
    let (n, rest) = match b {
        [c @ 0..=0x7f, rest @ ..] => return Some((i64::from(*c), rest)),
        [c @ 0xcc..=0xcf, rest @ ..] => (1 << (c - 0xcc), rest),
        _ => return None,
    };
    let mut v = 0;
    for c in rest.get(..n)? {
        v = v << 8 | u64::from(*c);
    }
    Some((i64::try_from(v).ok()?, rest.get(n..)?))
}

/// The kind of a batch message of any layout, which says how to read it;
/// `None` if it does not begin as a batch message does.
#[cold]
pub fn message_kind(message: &[u8]) -> Option<u64> {
    let mut r = Reader::new(message);
    r.array_min(1, "a batch message");
    let kind = r.uint_max(255, "a kind of batch");
    if r.ok() {
        Some(kind)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchHeader, Reader};

    fn same(b: &[u8]) -> bool {
        let mut r = Reader::new(b);
        let want = BatchHeader::read(&mut r);
        match BatchHeader::quick(b) {
            None => false,
            Some(got) => {
                assert!(r.ok(), "{:x?} was read as {:?}", b, got);
                assert_eq!(got, (want, r.offset()), "{:x?}", b);
                true
            }
        }
    }

    #[test]
    fn the_quick_way_agrees_with_the_general_one() {
        let mut quickly = 0;
        for base in [0, 127, 128, 1 << 16, 1 << 40, i64::MAX, -1] {
            for count in [0, 1, 3] {
                for kind in 0..=10 {
                    let head = BatchHeader {
                        kind,
                        source: 1,
                        partition: 2,
                        base_offset: base,
                        base_timestamp: base,
                        count,
                    };
                    let mut b = Vec::new();
                    head.append(&mut b);
                    b.resize(b.len() + 2 * count as usize, 0xc0);
                    quickly += usize::from(same(&b));
                    for n in 0..b.len() {
                        same(&b[..n]);
                    }
                    for at in 0..b.len() {
                        let mut broken = b.clone();
                        for byte in 0..=255 {
                            broken[at] = byte;
                            same(&broken);
                        }
                    }
                }
            }
        }
        // All but the negative base, of the three kinds laid out as records.
        assert_eq!(quickly, 6 * 3 * 3);
    }
}
