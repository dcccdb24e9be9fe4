//! What checkpoints say and are told.

use super::{each, message, Marker};
use crate::wire::{
    append_array_header, append_bool, append_int, append_map_header, append_nil, append_str,
    append_uint, Reader, SyntaxError,
};
use crate::zz_abi::{
    CHECK_RECOVERY, KIND_CHECK, KIND_DOWNTIME, KIND_RECOVERY, MAX_BINDINGS, MAX_POSITIONS,
    MAX_STATE,
};

message! {
    /// A dependency went down.
    Downtime<'a>, 7 "a downtime of 7 fields",
    kind KIND_DOWNTIME "kind downtime",
    {
        /// The position in the binding's list of checkpoints.
        checkpoint: i32 = Reader::int32, int32;
        /// Its name.
        dependency: &'a [u8] = Reader::name, text;
        /// At detection.
        dependent_marker: Marker<'a> = Marker::read, marker;
        /// At detection.
        dependency_marker: Marker<'a> = Marker::read, marker;
        /// What the check found, above 0.
        downtime_ms: i64 = Reader::int, int;
        /// The dependent's state, a raw map.
        state: &'a [u8] = read_state, state;
    }
}

message! {
    /// A dependency recovered.
    Recovery<'a>, 8 "a recovery of 8 fields",
    kind KIND_RECOVERY "kind recovery",
    {
        /// The position in the binding's list of checkpoints.
        checkpoint: i32 = Reader::int32, int32;
        /// Its name.
        dependency: &'a [u8] = Reader::name, text;
        /// At recovery.
        dependent_marker: Marker<'a> = Marker::read, marker;
        /// At recovery.
        dependency_marker: Marker<'a> = Marker::read, marker;
        /// The dependency's checkpoint state, a raw map.
        state: &'a [u8] = read_state, state;
        /// The dependent's positions at the last heartbeat before the downtime.
        healthy: Vec<Position> = read_positions, positions;
        /// The dependent's positions at detection.
        detected: Vec<Position> = read_positions, positions;
    }
}

/// The record last processed of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The position in the binding's list of sources.
    pub source: i32,
    /// The partition of that source.
    pub partition: i32,
    /// Seeking to it delivers that record again.
    pub offset: i64,
}

message! {
    /// A checkpoint asks a handler's own check.
    Check<'a>, 7 "a check of 7 fields",
    kind KIND_CHECK "kind check",
    {
        /// The position in the binding's list of checkpoints.
        checkpoint: i32 = Reader::int32, int32;
        /// A `CHECK_...`.
        which: u64 = read_which, uint;
        /// The dependency in question.
        dependency: &'a [u8] = Reader::name, text;
        /// What is to be judged.
        dependent_marker: Marker<'a> = Marker::read, marker;
        /// What is to be judged.
        dependency_marker: Marker<'a> = Marker::read, marker;
        /// The dependency's threshold.
        threshold_ms: i64 = Reader::int, int;
    }
}

message! {
    /// The request of checkpoint_heartbeat.
    Heartbeat<'a>, 2 "a heartbeat of 2 fields",
    {
        /// The dependency's name; `None`: the checkpoint's only one.
        dependency: Option<&'a [u8]> = read_name, name;
        /// How far it is.
        marker: Marker<'a> = Marker::read, marker;
    }
}

message! {
    /// The result of checkpoint_heartbeat.
    Latency<'a>, 3 "a latency of 3 fields",
    {
        /// The dependency is down, also after this heartbeat.
        is_late: bool = Reader::bool, boolean;
        /// How far the dependent is.
        dependent_marker: Marker<'a> = Marker::read, marker;
        /// How far the dependency is.
        dependency_marker: Marker<'a> = Marker::read, marker;
    }
}

message! {
    /// The request of checkpoint_pulse.
    Pulse<'a>, 2 "a pulse of 2 fields",
    {
        /// How far the dependent is.
        marker: Marker<'a> = Marker::read, marker;
        /// The keys to set, a raw map.
        state: &'a [u8] = read_state, state;
    }
}

/// The result of checkpoint_pulse: names of dependencies that are down, and for
/// how many milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DowntimeList<'a> {
    /// In the order of the manifest.
    pub down: Vec<(&'a [u8], i64)>,
}

impl<'a> DowntimeList<'a> {
    /// Reads a whole message, or 0 bytes as an empty list.
    pub fn read(b: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut m = DowntimeList::default();
        if b.is_empty() {
            return Ok(m);
        }
        let mut r = Reader::new(b);
        let more = r.array_min(1, "a list of downtimes of 1 field");
        m.down = each(&mut r, MAX_BINDINGS, "at most 1024 downtimes", |r| {
            let more = r.array_min(2, "a downtime of 2 fields");
            let entry = (r.name(), r.int());
            r.skip_n(more);
            entry
        });
        r.skip_n(more);
        r.end();
        r.err().map_or(Ok(m), Err)
    }

    /// Appends the message in canonical form: nothing for an empty list.
    pub fn append(&self, b: &mut Vec<u8>) {
        if self.down.is_empty() {
            return;
        }
        append_array_header(b, 1);
        append_array_header(b, self.down.len());
        for (name, downtime_ms) in &self.down {
            append_array_header(b, 2);
            append_str(b, name);
            append_int(b, *downtime_ms);
        }
    }
}

fn int32(b: &mut Vec<u8>, v: &i32) {
    append_int(b, i64::from(*v));
}

fn int(b: &mut Vec<u8>, v: &i64) {
    append_int(b, *v);
}

fn uint(b: &mut Vec<u8>, v: &u64) {
    append_uint(b, *v);
}

fn boolean(b: &mut Vec<u8>, v: &bool) {
    append_bool(b, *v);
}

fn text(b: &mut Vec<u8>, v: &[u8]) {
    append_str(b, v);
}

fn marker(b: &mut Vec<u8>, v: &Marker<'_>) {
    v.append(b);
}

fn name(b: &mut Vec<u8>, v: &Option<&[u8]>) {
    match v {
        None => append_nil(b),
        Some(name) => append_str(b, name),
    }
}

fn read_name<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    if r.nil() {
        None
    } else {
        Some(r.name())
    }
}

fn read_which(r: &mut Reader<'_>) -> u64 {
    r.uint_max(CHECK_RECOVERY, "a check of downtime or recovery")
}

/// Appends a raw map; none is an empty one.
fn state(b: &mut Vec<u8>, raw: &[u8]) {
    if raw.is_empty() {
        append_map_header(b, 0);
    } else {
        b.extend_from_slice(raw);
    }
}

/// Reads a checkpoint's state, a map, and returns its raw bytes.
fn read_state<'a>(r: &mut Reader<'a>) -> &'a [u8] {
    const WANT: &str = "a map of at most 65536 bytes";
    let at = r.offset();
    if !matches!(r.peek(), Some(0x80..=0x8f | 0xde | 0xdf)) {
        r.fail(WANT);
    }
    let raw = r.skip();
    if raw.len() > MAX_STATE {
        r.fail_at(at, WANT);
    }
    raw
}

fn positions(b: &mut Vec<u8>, all: &[Position]) {
    append_array_header(b, all.len());
    for p in all {
        append_array_header(b, 3);
        append_int(b, i64::from(p.source));
        append_int(b, i64::from(p.partition));
        append_int(b, p.offset);
    }
}

fn read_positions(r: &mut Reader<'_>) -> Vec<Position> {
    each(r, MAX_POSITIONS, "at most 65536 positions", |r| {
        let more = r.array_min(3, "a position of 3 fields");
        let p = Position {
            source: r.int32(),
            partition: r.int32(),
            offset: r.int(),
        };
        r.skip_n(more);
        p
    })
}
