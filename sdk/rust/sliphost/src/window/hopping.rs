//! Windows that overlap.

use super::spans::{Spans, Windows};
use super::{Close, Window};
use crate::advance::Advance;
use crate::cache::{Cache, Key, Scan};
use crate::call::Call;
use crate::error::Result;
use crate::record::Record;
use crate::sink::Sink;

/// [`Tumbling`](super::Tumbling) with windows that overlap: one begins at each
/// multiple of the step and is as long as the size, so that a record belongs to
/// size / step of them, 1024 at most. A record is late if every window that it
/// belongs to is closed; to the others it counts. Everything else is as there.
#[derive(Clone, Copy)]
pub struct Hopping {
    spans: Spans,
}

impl std::fmt::Debug for Hopping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hopping({:?}, {:?})", self.spans.size, self.spans.step)
    }
}

impl Hopping {
    /// Windows of `size` milliseconds, one each `step`, that stay open for
    /// `grace` after their end. 1 <= step <= size.
    pub const fn new(cache: &'static Cache, size: i64, step: i64, grace: i64) -> Self {
        Hopping {
            spans: Spans::new(cache, size, step, grace),
        }
    }

    /// Emits late records to `sink`.
    pub const fn late(mut self, sink: &'static Sink) -> Self {
        self.spans.late = Some(sink);
        self
    }

    /// See [`Tumbling::close`](super::Tumbling::close).
    pub const fn close(mut self, close: Close) -> Self {
        self.spans.close = Some(close);
        self
    }

    /// Changes the value of `key` in every open window of the record's timestamp,
    /// in order of time, and returns these windows; none if the record is late.
    ///
    /// # Errors
    /// Those of [`Tumbling::update`](super::Tumbling::update).
    pub fn update(
        &self,
        call: &mut Call,
        rec: Record<'_>,
        key: impl Key,
        mut f: impl FnMut(Option<&[u8]>) -> Result<Vec<u8>>,
    ) -> Result<Vec<Window<Vec<u8>>>> {
        let key = self.spans.cache.form(key)?;
        let mut all = Vec::new();
        if let Some((first, last)) = self.spans.enter(call, rec)? {
            let mut next = Some(first);
            while let Some(start) = next.filter(|start| *start <= last) {
                all.push(self.spans.set(call, start, key.as_ref(), &mut f)?);
                next = start.checked_add(self.spans.step);
            }
        }
        Ok(all)
    }

    /// The value of `key` in the window that begins at `start`.
    ///
    /// # Errors
    /// Those of [`Tumbling`](super::Tumbling), and so the following.
    pub fn get(&self, call: &mut Call, start: i64, key: impl Key) -> Result<Option<Vec<u8>>> {
        self.spans.check()?;
        self.spans.get(call, start, key)
    }

    /// See [`Tumbling::windows`](super::Tumbling::windows).
    pub fn windows(&self, call: &Call, key: impl Key) -> Windows {
        self.spans.windows(call, key)
    }

    /// The keys and values of the window that begins at `start`.
    pub fn entries(&self, call: &Call, start: i64) -> Scan {
        self.spans.entries(call, start)
    }

    /// See [`Tumbling::advance`](super::Tumbling::advance).
    pub fn advance(&self, call: &mut Call, advance: &Advance) -> Result<()> {
        self.spans.advance(call, advance.is_final)
    }
}
