//! The head of a batch.

use crate::wire::{append_int, append_uint, Reader};
use crate::zz_abi::{KIND_RECORDS, KIND_REPLAYED, KIND_TIMER};

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
