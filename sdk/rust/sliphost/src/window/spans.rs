//! Windows of one size that begin at the multiples of a step.

use std::cmp::Ordering;

use super::sweep::{
    cut_time, dated, expire, floor, report_late, sweep, window_key, with_key, wrong, TIME,
};
use super::{Close, Window};
use crate::cache::{Cache, Key, Scan};
use crate::call::Call;
use crate::error::Result;
use crate::record::Record;
use crate::sink::Sink;

/// How many windows a record may belong to.
const MOST: i64 = 1024;

#[derive(Clone, Copy)]
pub(super) struct Spans {
    pub(super) cache: &'static Cache,
    pub(super) size: i64,
    pub(super) step: i64,
    pub(super) grace: i64,
    pub(super) late: Option<&'static Sink>,
    pub(super) close: Option<Close>,
}

impl Spans {
    pub(super) const fn new(cache: &'static Cache, size: i64, step: i64, grace: i64) -> Self {
        Spans {
            cache,
            size,
            step,
            grace,
            late: None,
            close: None,
        }
    }

    /// Removes what is closed; the starts of the first and the last open window
    /// of the record, or `None` for a late record.
    pub(super) fn enter(&self, call: &mut Call, rec: Record<'_>) -> Result<Option<(i64, i64)>> {
        self.check()?;
        dated(self.cache, rec)?;
        let border = self.border(call.stream_time());
        self.sweep(call, border)?;
        let before = rec.timestamp().saturating_sub(self.size);
        let first = floor(before, self.step)
            .saturating_add(self.step)
            .max(border);
        let last = floor(rec.timestamp(), self.step);
        if first > last {
            report_late(call, rec, self.late);
            return Ok(None);
        }
        Ok(Some((first, last)))
    }

    /// Changes the value of `key` in the window that begins at `start`.
    pub(super) fn set(
        &self,
        call: &mut Call,
        start: i64,
        key: &[u8],
        f: impl FnOnce(Option<&[u8]>) -> Result<Vec<u8>>,
    ) -> Result<Window<Vec<u8>>> {
        let value = with_key(call, start, key, |call, key| {
            let value = f(self.cache.peek(call, key)?)?;
            self.cache.put(call, key, &value)?;
            Ok(value)
        })?;
        let end = start.saturating_add(self.size);
        Ok(Window { start, end, value })
    }

    pub(super) fn get(
        &self,
        call: &mut Call,
        start: i64,
        key: impl Key,
    ) -> Result<Option<Vec<u8>>> {
        let key = self.cache.form(key)?;
        if start < self.border(call.stream_time()) {
            return Ok(None);
        }
        with_key(call, start, key.as_ref(), |call, key| {
            self.cache.get(call, key)
        })
    }

    pub(super) fn windows(&self, call: &Call, key: impl Key) -> Windows {
        let key = self.cache.form(key).map(|key| key.as_ref().to_vec());
        let (scan, key) = match key.and_then(|key| self.check().map(|()| key)) {
            Err(e) => (Scan::failed(e), Vec::new()),
            Ok(key) => {
                let first = self.border(call.stream_time());
                let mut scan = self.cache.scan(call).page(1);
                scan.seek(window_key(first, &key));
                (scan, key)
            }
        };
        let spans = *self;
        Windows { spans, scan, key }
    }

    pub(super) fn entries(&self, call: &Call, at: i64) -> Scan {
        if let Err(e) = self.check() {
            return Scan::failed(e);
        }
        let start = floor(at, self.step);
        let scan = self.cache.scan(call).strip(TIME);
        if start < self.border(call.stream_time()) {
            return scan.range(..b"");
        }
        scan.prefix(window_key(start, &[]))
    }

    pub(super) fn advance(&self, call: &mut Call, all: bool) -> Result<()> {
        self.check()?;
        if all {
            let mut visit =
                |call: &mut Call, key: &[u8], value: &[u8]| self.closed(call, key, value);
            return expire(call, self.cache, None, None, true, &mut visit).map(drop);
        }
        let border = self.border(call.stream_time());
        self.sweep(call, border)
    }

    pub(super) fn sweep(&self, call: &mut Call, border: i64) -> Result<()> {
        let key = |at| window_key(at, &[]);
        let mut visit = |call: &mut Call, key: &[u8], value: &[u8]| self.closed(call, key, value);
        sweep(call, self.cache, border, key, &mut visit)
    }

    fn closed(&self, call: &mut Call, key: &[u8], value: &[u8]) -> Result<()> {
        if let (Some(close), Some((start, key))) = (self.close, cut_time(key)) {
            let end = start.saturating_add(self.size);
            return close(call, key, Window { start, end, value });
        }
        Ok(())
    }

    /// The start of the first window that is not closed.
    pub(super) fn border(&self, stream_time: i64) -> i64 {
        let over = stream_time
            .saturating_sub(self.grace)
            .saturating_sub(self.size);
        floor(over, self.step).saturating_add(self.step)
    }

    pub(super) fn check(&self) -> Result<()> {
        let (size, step) = (self.size, self.step);
        let why = if size < 1 {
            ["size ", &size.to_string(), ": want at least 1", ""].concat()
        } else if self.grace < 0 {
            ["grace ", &self.grace.to_string(), ": want at least 0"].concat()
        } else if step < 1 || step > size {
            let of = size.to_string();
            ["step ", &step.to_string(), ": want 1 to the size, ", &of].concat()
        } else if (size - 1) / step >= MOST {
            let of = [" windows of size ", &size.to_string()].concat();
            let more = ": a record would belong to more than ";
            ["step ", &step.to_string(), more, &MOST.to_string(), &of].concat()
        } else {
            return Ok(());
        };
        Err(wrong(self.cache, &[&why]))
    }
}

/// The windows of a key; see [`Tumbling::windows`](super::Tumbling::windows).
#[must_use = "nothing is read before the first window is taken"]
pub struct Windows {
    spans: Spans,
    scan: Scan,
    key: Vec<u8>,
}

impl std::fmt::Debug for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Windows({:?})", self.key)
    }
}

impl Windows {
    /// The next window; leaves the scan where the search goes on.
    fn step(&mut self) -> Result<Option<Window<Vec<u8>>>> {
        while let Some(entry) = self.scan.next() {
            let entry = entry?;
            let (start, key) = match cut_time(entry.key()) {
                Some(found) => found,
                _ => {
                    return Err(wrong(
                        self.spans.cache,
                        &["the cache has keys of something else"],
                    ))
                }
            };
            match key.cmp(&self.key) {
                Ordering::Less => self.scan.seek(window_key(start, &self.key)),
                Ordering::Equal => {
                    let mut next = entry.key().to_vec();
                    next.push(0);
                    self.scan.seek(next);
                    return Ok(Some(Window {
                        start,
                        end: start.saturating_add(self.spans.size),
                        value: entry.value().to_vec(),
                    }));
                }
                Ordering::Greater => match start.checked_add(1) {
                    Some(next) => self.scan.seek(window_key(next, &self.key)),
                    None => return Ok(None),
                },
            }
        }
        Ok(None)
    }
}

impl Iterator for Windows {
    type Item = Result<Window<Vec<u8>>>;

    fn next(&mut self) -> Option<Self::Item> {
        let window = self.step();
        if !matches!(window, Ok(Some(_))) {
            // Nothing more after the end or an error.
            self.scan.stop();
        }
        window.transpose()
    }
}

impl std::iter::FusedIterator for Windows {}
