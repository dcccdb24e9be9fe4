//! Sessions: runs of records with gaps between them.

use super::sweep::{
    alarm, append_time, cut_time, dated, expire, foreign, report_late, sweep, wrong, RECORD, TIME,
};
use super::{Close, Window};
use crate::advance::Advance;
use crate::cache::{Cache, Key};
use crate::call::Call;
use crate::error::Result;
use crate::record::Record;
use crate::sink::Sink;

/// Joins the values of two sessions that become one, the earlier one first.
type Merge = fn(&mut Call, &[u8], &[u8]) -> Result<Vec<u8>>;

/// A value for each key and session: a run of records of one key in which none
/// is more than the gap after the one before it. A record that lies between two
/// sessions merges them.
///
/// A session is open until stream time is past the time of its last record plus
/// gap plus grace. Then it is closed: no record joins it any more, reads do not
/// see it, and its entries are removed little by little, as those of
/// [`Tumbling`](super::Tumbling). A record is late if the session that it would
/// belong to is closed.
///
/// The cache has keys of type bytes and holds nothing else. A session takes two
/// entries, and an update some five calls of the host however many there are.
///
/// # Errors
/// Every method returns an error for a gap below 1 or a grace below 0, and those
/// of [`Cache`].
#[derive(Clone, Copy)]
pub struct Session {
    cache: &'static Cache,
    gap: i64,
    grace: i64,
    merge: Merge,
    late: Option<&'static Sink>,
    close: Option<Close>,
}

/// A session with its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUpdate {
    /// The session; its end is the time of its last record.
    pub window: Window<Vec<u8>>,
    /// The sessions that became this one, if their start or end is another, with
    /// their old values, in order of time: what was emitted for them holds no
    /// more.
    pub replaced: Vec<Window<Vec<u8>>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?})", self.gap)
    }
}

impl Session {
    /// Sessions whose records are at most `gap` milliseconds apart and that take
    /// records `grace` milliseconds longer.
    pub const fn new(cache: &'static Cache, gap: i64, grace: i64, merge: Merge) -> Self {
        Session {
            cache,
            gap,
            grace,
            merge,
            late: None,
            close: None,
        }
    }

    /// Emits late records to `sink`.
    pub const fn late(mut self, sink: &'static Sink) -> Self {
        self.late = Some(sink);
        self
    }

    /// See [`Tumbling::close`](super::Tumbling::close); the order is that of the
    /// sessions' ends, then of keys.
    pub const fn close(mut self, close: Close) -> Self {
        self.close = Some(close);
        self
    }

    /// Changes the value of the session of `key` that the record belongs to: `f`
    /// gets the value of the sessions that it joins, merged, `None` if there is
    /// none. `None` comes back when the record is late.
    ///
    /// # Errors
    /// Those of [`Tumbling::update`](super::Tumbling::update).
    pub fn update(
        &self,
        call: &mut Call,
        rec: Record<'_>,
        key: impl Key,
        f: impl FnOnce(Option<&[u8]>) -> Result<Vec<u8>>,
    ) -> Result<Option<SessionUpdate>> {
        let key = self.cache.form(key)?;
        let key = key.as_ref();
        self.check()?;
        dated(self.cache, rec)?;
        let (at, border) = (rec.timestamp(), self.border(call.stream_time()));
        self.sweep(call, border)?;
        let found = self.near(call, key, at, border)?;
        if found.is_empty() && at < border {
            report_late(call, rec, self.late);
            return Ok(None);
        }
        let (mut start, mut end, mut old) = (at, at, None);
        for part in &found {
            start = start.min(part.start);
            end = end.max(part.end);
            old = Some(match old {
                None => part.value.clone(),
                Some(earlier) => {
                    let earlier: Vec<u8> = earlier;
                    (self.merge)(call, &earlier, &part.value)?
                }
            });
        }
        let value = f(old.as_deref())?;
        let (mut replaced, mut same) = (Vec::new(), false);
        for part in found {
            if part.start == start && part.end == end {
                same = true;
                continue;
            }
            if part.start != start {
                self.cache.delete(call, &record_key(key, part.start))?;
            }
            if part.end != end {
                self.cache.delete(call, &alarm_key(part.end, key))?;
            }
            replaced.push(part);
        }
        let mut time = Vec::with_capacity(TIME + value.len());
        if !same {
            append_time(&mut time, start);
            self.cache.put(call, &alarm_key(end, key), &time)?;
            time.clear();
        }
        append_time(&mut time, end);
        time.extend_from_slice(&value);
        self.cache.put(call, &record_key(key, start), &time)?;
        let window = Window { start, end, value };
        Ok(Some(SessionUpdate { window, replaced }))
    }

    /// The open sessions that a record of that time joins, in order.
    fn near(&self, call: &Call, key: &[u8], at: i64, border: i64) -> Result<Vec<Window<Vec<u8>>>> {
        let last = record_key(key, at.saturating_add(self.gap));
        let scan = self.cache.scan(call).range(..=&last).prefix(prefix(key));
        let mut found = Vec::new();
        for entry in scan.backwards().page(2).take(2) {
            let entry = entry?;
            let session = self.read(entry.key(), entry.value())?;
            if session.end < border || session.end < at.saturating_sub(self.gap) {
                break;
            }
            found.push(session);
        }
        found.reverse();
        Ok(found)
    }

    /// The open sessions of `key`, in order of time.
    ///
    /// # Errors
    /// Those of [`Session`].
    pub fn windows(&self, call: &Call, key: impl Key) -> Result<Vec<Window<Vec<u8>>>> {
        let key = self.cache.form(key)?;
        self.check()?;
        let border = self.border(call.stream_time());
        let mut open = Vec::new();
        for entry in self.cache.scan(call).prefix(prefix(key.as_ref())) {
            let entry = entry?;
            let session = self.read(entry.key(), entry.value())?;
            if session.end >= border {
                open.push(session);
            }
        }
        Ok(open)
    }

    /// See [`Tumbling::advance`](super::Tumbling::advance).
    ///
    /// # Errors
    /// Those of [`Session`], and of what [`Session::close`] was given.
    pub fn advance(&self, call: &mut Call, advance: &Advance) -> Result<()> {
        self.check()?;
        if !advance.is_final {
            let border = self.border(call.stream_time());
            return self.sweep(call, border);
        }
        let mut visit = |call: &mut Call, key: &[u8], value: &[u8]| self.expired(call, key, value);
        expire(call, self.cache, None, Some(vec![RECORD]), true, &mut visit).map(drop)
    }

    fn sweep(&self, call: &mut Call, border: i64) -> Result<()> {
        let mut visit = |call: &mut Call, key: &[u8], value: &[u8]| self.expired(call, key, value);
        sweep(call, self.cache, border, alarm, &mut visit)
    }

    /// Removes the session of an alarm.
    fn expired(&self, call: &mut Call, alarm: &[u8], value: &[u8]) -> Result<()> {
        let (start, key) = match (cut_time(value), alarm.get(1 + TIME..)) {
            (Some((start, _)), Some(key)) => (start, key),
            _ => return Err(foreign(self.cache)),
        };
        let full = record_key(key, start);
        if let Some(close) = self.close {
            let held = self.cache.get(call, &full)?;
            let (end, value) = match held.as_deref().and_then(cut_time) {
                Some(held) => held,
                None => return Err(foreign(self.cache)),
            };
            close(call, key, Window { start, end, value })?;
        }
        self.cache.delete(call, &full)
    }

    fn read(&self, key: &[u8], value: &[u8]) -> Result<Window<Vec<u8>>> {
        let start = key.get(key.len().saturating_sub(TIME)..).and_then(cut_time);
        match (start, cut_time(value)) {
            (Some((start, _)), Some((end, value))) => Ok(Window {
                start,
                end,
                value: value.to_vec(),
            }),
            _ => Err(foreign(self.cache)),
        }
    }

    /// Sessions that end before it are closed.
    fn border(&self, stream_time: i64) -> i64 {
        stream_time
            .saturating_sub(self.grace)
            .saturating_sub(self.gap)
    }

    fn check(&self) -> Result<()> {
        let want = ": want at least ";
        if self.gap < 1 {
            return Err(wrong(
                self.cache,
                &["gap ", &self.gap.to_string(), want, "1"],
            ));
        }
        if self.grace < 0 {
            let grace = self.grace.to_string();
            return Err(wrong(self.cache, &["grace ", &grace, want, "0"]));
        }
        Ok(())
    }
}

/// The length stands in front of the key, so that no key begins another.
fn prefix(key: &[u8]) -> Vec<u8> {
    let mut b = Vec::with_capacity(3 + key.len() + TIME + 1);
    b.push(RECORD);
    b.extend_from_slice(&(key.len() as u16).to_be_bytes());
    b.extend_from_slice(key);
    b
}

fn record_key(key: &[u8], start: i64) -> Vec<u8> {
    let mut b = prefix(key);
    append_time(&mut b, start);
    b
}

fn alarm_key(end: i64, key: &[u8]) -> Vec<u8> {
    let mut b = alarm(end);
    b.extend_from_slice(key);
    b
}
