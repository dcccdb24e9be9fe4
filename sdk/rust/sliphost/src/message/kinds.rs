//! Batch messages of the kinds that are not records.

use super::call::{append_entries, entries};
use super::message;
use crate::wire::{
    append_array_header, append_bin, append_bool, append_int, append_str, append_uint, Reader,
    SyntaxError,
};
use crate::zz_abi::{
    KIND_ADVANCE, KIND_DECODE, KIND_ENCODE, KIND_MIGRATE, KIND_SELFTEST, PART_VALUE,
};

message! {
    /// Stream time moved without a record.
    Advance, 4 "an advance of 4 fields",
    kind KIND_ADVANCE "kind advance",
    {
        /// The task's partition.
        partition: i32 = Reader::int32, int32;
        /// The new stream time in milliseconds.
        stream_time: i64 = Reader::int, int;
        /// No record follows: close what is open.
        is_final: bool = Reader::bool, boolean;
    }
}

message! {
    /// The handler tests itself before it gets traffic.
    Selftest, 1 "a selftest of 1 field",
    kind KIND_SELFTEST "kind selftest",
    {}
}

fn int32(b: &mut Vec<u8>, v: &i32) {
    append_int(b, i64::from(*v));
}

fn int(b: &mut Vec<u8>, v: &i64) {
    append_int(b, *v);
}

fn boolean(b: &mut Vec<u8>, v: &bool) {
    append_bool(b, *v);
}

/// Cache entries of an older state version are brought to the present one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrate<'a> {
    /// The position in the binding's list of caches.
    pub cache: i32,
    /// The state version the entries were written by.
    pub from: u64,
    /// The state version of this handler.
    pub to: u64,
    /// Keys and values.
    pub entries: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Migrate<'a> {
    /// Reads a whole message.
    pub fn read(b: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut r = Reader::new(b);
        let values = r.array_min(5, "a migration of at least 5 fields");
        super::kind(&mut r, KIND_MIGRATE, "kind migrate");
        let mut m = Migrate {
            cache: r.int32(),
            from: r.uint(),
            to: r.uint(),
            ..Migrate::default()
        };
        let count = r.int32();
        let more = r.entries(0, values, 2, count);
        m.entries = entries(&mut r, count);
        r.skip_n(more);
        r.end();
        r.err().map_or(Ok(m), Err)
    }

    /// Appends the message in canonical form.
    pub fn append(&self, b: &mut Vec<u8>) {
        append_array_header(b, 5 + 2 * self.entries.len());
        append_uint(b, KIND_MIGRATE);
        append_int(b, i64::from(self.cache));
        append_uint(b, self.from);
        append_uint(b, self.to);
        append_uint(b, self.entries.len() as u64);
        append_entries(b, &self.entries);
    }
}

/// Keys or values of a topic are encoded or decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codec<'a> {
    /// `KIND_ENCODE` or `KIND_DECODE`.
    pub kind: u64,
    /// The topic's name.
    pub topic: &'a [u8],
    /// A `PART_...`.
    pub part: u64,
    /// Encode: one msgpack value each; decode: the bytes on the wire.
    pub values: Vec<&'a [u8]>,
}

impl<'a> Codec<'a> {
    /// Reads a whole message.
    pub fn read(b: &'a [u8]) -> Result<Self, SyntaxError> {
        const WANT: &str = "kind encode or decode";
        let mut r = Reader::new(b);
        let values = r.array_min(4, "a codec message of at least 4 fields");
        let at = r.offset();
        let kind = r.uint_max(255, WANT);
        if kind != KIND_ENCODE && kind != KIND_DECODE {
            r.fail_at(at, WANT);
        }
        let mut m = Codec {
            kind,
            topic: r.str(),
            part: r.uint_max(PART_VALUE, "part key or value"),
            values: Vec::new(),
        };
        let count = r.int32();
        let more = r.entries(0, values, 1, count);
        for _ in 0..count {
            let value = r.bin();
            if !r.ok() {
                break;
            }
            m.values.push(value);
        }
        r.skip_n(more);
        r.end();
        r.err().map_or(Ok(m), Err)
    }

    /// Appends the message in canonical form.
    pub fn append(&self, b: &mut Vec<u8>) {
        append_array_header(b, 4 + self.values.len());
        append_uint(b, self.kind);
        append_str(b, self.topic);
        append_uint(b, self.part);
        append_uint(b, self.values.len() as u64);
        for value in &self.values {
            append_bin(b, Some(value));
        }
    }
}
