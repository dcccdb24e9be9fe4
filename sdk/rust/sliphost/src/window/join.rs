//! Two streams.

use super::sweep::{
    alarm, append_time, cut_time, dated, expire, foreign, report_late, sweep, wrong, RECORD, SWEEP,
    TIME,
};
use crate::advance::Advance;
use crate::cache::Cache;
use crate::call::Call;
use crate::error::Result;
use crate::record::Record;
use crate::sink::Sink;

/// Which records without a partner come out of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// None: pairs only.
    Inner,
    /// Those of the left side.
    Left,
    /// Those of either side. A [`TableJoin`](super::TableJoin) has none.
    Outer,
}

/// What a join emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'p> {
    /// The key; `None` for a record without one.
    pub key: Option<&'p [u8]>,
    /// The value of the left side; `None` if there is no record.
    pub left: Option<&'p [u8]>,
    /// The value of the right side.
    pub right: Option<&'p [u8]>,
    /// The timestamp of the left side's record, -1 if there is none.
    pub left_time: i64,
    /// The timestamp of the right side's record, -1 if there is none.
    pub right_time: i64,
}

type Emit = fn(&mut Call, Pair<'_>) -> Result<()>;

/// Joins two streams by key: a record of the left side and one of the right side
/// are a pair if they have the same key and their timestamps are near:
/// `left - before <= right <= left + after`.
///
/// Each pair is emitted once, when the second of the two comes, whichever that
/// is. Both sides are kept in a cache until no partner can come any more: until
/// stream time is past the end of the record's interval plus the grace. The kinds
/// that want it then emit a record that found no partner.
///
/// The sides may be two sources of a handler or two handlers that share the
/// cache, with one `Join`. The cache has keys of type bytes and holds nothing
/// else.
///
/// A record whose own interval is over when it comes is late. As long as no
/// record is more than the grace behind stream time, the pairs and the unmatched
/// records do not depend on the order in which records come.
///
/// # Errors
/// Every method returns an error for an empty interval or a grace below 0, those
/// of [`Cache`] and those of the function that emits.
#[derive(Clone, Copy)]
pub struct Join {
    cache: &'static Cache,
    before: i64,
    after: i64,
    grace: i64,
    kind: JoinKind,
    emit: Emit,
    late: Option<&'static Sink>,
}

impl std::fmt::Debug for Join {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Join({:?}, {:?}, {:?})",
            self.kind, self.before, self.after
        )
    }
}

const LEFT: u8 = 0;
const RIGHT: u8 = 1;

/// The bytes behind the key: timestamp and number.
const TAIL: usize = TIME + 4;

/// What stands in front of a kept value.
const SETTLED: u8 = 0;
const UNMATCHED: u8 = 1;

impl Join {
    /// A join of kind `kind`; times are in milliseconds. `emit` gets the pairs of
    /// a record in order of the partners' time, and the records without a partner
    /// by the end of their interval. It must not write to the cache.
    pub const fn new(
        cache: &'static Cache,
        kind: JoinKind,
        before: i64,
        after: i64,
        grace: i64,
        emit: Emit,
    ) -> Self {
        Join {
            cache,
            before,
            after,
            grace,
            kind,
            emit,
            late: None,
        }
    }

    /// Emits late records to `sink`.
    pub const fn late(mut self, sink: &'static Sink) -> Self {
        self.late = Some(sink);
        self
    }

    /// Handles a record of the left side; false if it is late. A record without a
    /// value is ignored, as is one without a key, unless the kind emits records
    /// without a partner.
    ///
    /// # Errors
    /// Those of [`Join`].
    pub fn left(
        &self,
        call: &mut Call,
        rec: Record<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<bool> {
        self.add(call, LEFT, rec, key, value)
    }

    /// [`Join::left`] for the right side.
    ///
    /// # Errors
    /// Those of [`Join`].
    pub fn right(
        &self,
        call: &mut Call,
        rec: Record<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<bool> {
        self.add(call, RIGHT, rec, key, value)
    }

    /// Emits records without a partner when stream time moved; see
    /// [`Tumbling::advance`](super::Tumbling::advance).
    ///
    /// # Errors
    /// Those of [`Join`].
    pub fn advance(&self, call: &mut Call, advance: &Advance) -> Result<()> {
        self.check()?;
        if !advance.is_final {
            let border = call.stream_time().saturating_sub(self.grace);
            return self.sweep(call, border);
        }
        let mut visit = |call: &mut Call, key: &[u8], value: &[u8]| self.expired(call, key, value);
        expire(call, self.cache, None, Some(vec![RECORD]), true, &mut visit).map(drop)
    }

    fn add(
        &self,
        call: &mut Call,
        side: u8,
        rec: Record<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<bool> {
        self.check()?;
        dated(self.cache, rec)?;
        // The first end of an interval that is not over.
        let border = call.stream_time().saturating_sub(self.grace);
        self.sweep(call, border)?;
        let at = rec.timestamp();
        let value = match value {
            Some(value) => value,
            None => return Ok(true),
        };
        if at.saturating_add(self.stay(side)) < border {
            report_late(call, rec, self.late);
            return Ok(false);
        }
        let key = match key {
            Some(key) => key,
            None => {
                if self.keeps(side) {
                    (self.emit)(call, alone(side, None, at, value))?;
                }
                return Ok(true);
            }
        };
        let matched = self.pairs(call, side, key, at, value, border)?;
        self.store(call, side, key, at, value, matched)?;
        Ok(true)
    }

    /// Emits the pairs of a record with those of the other side.
    fn pairs(
        &self,
        call: &mut Call,
        side: u8,
        key: &[u8],
        at: i64,
        value: &[u8],
        border: i64,
    ) -> Result<bool> {
        let other = 1 - side;
        // Those whose interval is over are gone, also if they are not removed yet.
        let first = at.saturating_sub(self.span(other));
        let first = first.max(border.saturating_sub(self.stay(other)));
        let last = at.saturating_add(self.span(side));
        let (from, to) = (
            record_key(other, key, first, 0),
            record_key(other, key, last, u32::MAX),
        );
        let scan = self.cache.scan(call).prefix(prefix(other, key));
        if from > to {
            return Ok(false);
        }
        let mut matched = false;
        for entry in scan.range(&from..=&to).page(SWEEP) {
            let entry = entry?;
            let (k, v) = (entry.key(), entry.value());
            let time = k.get(k.len().saturating_sub(TAIL)..).and_then(cut_time);
            let (time, flag, theirs) = match (time, v.split_first()) {
                (Some((time, _)), Some((flag, theirs))) => (time, *flag, theirs),
                _ => return Err(foreign(self.cache)),
            };
            let mut pair = Pair {
                key: Some(key),
                left: Some(value),
                right: Some(theirs),
                left_time: at,
                right_time: time,
            };
            if side == RIGHT {
                std::mem::swap(&mut pair.left, &mut pair.right);
                std::mem::swap(&mut pair.left_time, &mut pair.right_time);
            }
            (self.emit)(call, pair)?;
            if flag == UNMATCHED {
                self.keep(call, k, SETTLED, theirs)?;
            }
            matched = true;
        }
        Ok(matched)
    }

    fn keep(&self, call: &mut Call, key: &[u8], flag: u8, value: &[u8]) -> Result<()> {
        let mut b = Vec::with_capacity(1 + value.len());
        b.push(flag);
        b.extend_from_slice(value);
        self.cache.put(call, key, &b)
    }

    /// Keeps a record for partners to come.
    fn store(
        &self,
        call: &mut Call,
        side: u8,
        key: &[u8],
        at: i64,
        value: &[u8],
        matched: bool,
    ) -> Result<()> {
        let mut same = prefix(side, key);
        append_time(&mut same, at);
        let mut scan = self.cache.scan(call).prefix(&same).backwards().page(1);
        let number = match scan.next().transpose()? {
            None => 0,
            Some(last) => match last.key().get(same.len()..).map(<[u8; 4]>::try_from) {
                Some(Ok(number)) => u32::from_be_bytes(number).wrapping_add(1),
                _ => return Err(foreign(self.cache)),
            },
        };
        let flag = if !matched && self.keeps(side) {
            UNMATCHED
        } else {
            SETTLED
        };
        self.keep(call, &record_key(side, key, at, number), flag, value)?;
        let mut due = alarm(at.saturating_add(self.stay(side)));
        due.extend_from_slice(key);
        due.push(side);
        due.extend_from_slice(&number.to_be_bytes());
        let mut time = Vec::with_capacity(TIME);
        append_time(&mut time, at);
        self.cache.put(call, &due, &time)
    }

    fn sweep(&self, call: &mut Call, border: i64) -> Result<()> {
        let mut visit = |call: &mut Call, key: &[u8], value: &[u8]| self.expired(call, key, value);
        sweep(call, self.cache, border, alarm, &mut visit)
    }

    /// Removes the record of an alarm.
    fn expired(&self, call: &mut Call, alarm: &[u8], value: &[u8]) -> Result<()> {
        let tail = alarm.len().saturating_sub(5);
        let parts = (
            cut_time(value),
            alarm.get(1 + TIME..tail),
            alarm.get(tail..),
        );
        let (at, key, side, number) = match parts {
            (Some((at, _)), Some(key), Some([side, n @ ..])) => match <[u8; 4]>::try_from(n) {
                Ok(number) => (at, key, *side, u32::from_be_bytes(number)),
                Err(_) => return Err(foreign(self.cache)),
            },
            _ => return Err(foreign(self.cache)),
        };
        let full = record_key(side, key, at, number);
        if self.keeps(side) {
            let held = self.cache.get(call, &full)?;
            match held.as_deref().and_then(<[u8]>::split_first) {
                Some((&UNMATCHED, value)) => {
                    (self.emit)(call, alone(side, Some(key), at, value))?;
                }
                Some(_) => {}
                None => return Err(foreign(self.cache)),
            }
        }
        self.cache.delete(call, &full)
    }

    /// How much later than a record of that side a partner may be.
    fn span(&self, side: u8) -> i64 {
        if side == LEFT {
            self.after
        } else {
            self.before
        }
    }

    /// How much later than a record of that side its partners may be, itself
    /// included: one whose partners all are earlier is not late for that.
    fn stay(&self, side: u8) -> i64 {
        self.span(side).max(0)
    }

    /// Whether records of that side without a partner are emitted.
    fn keeps(&self, side: u8) -> bool {
        self.kind == JoinKind::Outer || self.kind == JoinKind::Left && side == LEFT
    }

    fn check(&self) -> Result<()> {
        if self.before.saturating_add(self.after) < 0 {
            let (before, after) = (self.before.to_string(), self.after.to_string());
            let why = [
                "before ",
                &before,
                ", after ",
                &after,
                ": the interval is empty",
            ];
            return Err(wrong(self.cache, &why));
        }
        if self.grace < 0 {
            let grace = self.grace.to_string();
            return Err(wrong(self.cache, &["grace ", &grace, ": want at least 0"]));
        }
        Ok(())
    }
}

/// The pair of a record without a partner.
fn alone<'p>(side: u8, key: Option<&'p [u8]>, at: i64, value: &'p [u8]) -> Pair<'p> {
    let mut pair = Pair {
        key,
        left: None,
        right: None,
        left_time: -1,
        right_time: -1,
    };
    if side == LEFT {
        pair.left = Some(value);
        pair.left_time = at;
    } else {
        pair.right = Some(value);
        pair.right_time = at;
    }
    pair
}

/// The length stands in front of the key, so that no key begins another.
fn prefix(side: u8, key: &[u8]) -> Vec<u8> {
    let mut b = Vec::with_capacity(4 + key.len() + TAIL + 1);
    b.push(RECORD);
    b.push(side);
    b.extend_from_slice(&(key.len() as u16).to_be_bytes());
    b.extend_from_slice(key);
    b
}

fn record_key(side: u8, key: &[u8], at: i64, number: u32) -> Vec<u8> {
    let mut b = prefix(side, key);
    append_time(&mut b, at);
    b.extend_from_slice(&number.to_be_bytes());
    b
}
