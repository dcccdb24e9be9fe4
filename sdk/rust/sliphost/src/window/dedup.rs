//! Which record of a key is the first.

use super::spans::Spans;
use super::sweep::{append_time, cut_time, floor, with_key, wrong, TIME};
use crate::cache::{Cache, Key};
use crate::call::Call;
use crate::error::Result;

/// Tells the first record of a key from those that repeat it within a time.
///
/// The cache has keys of type bytes and holds nothing else. A key takes one
/// entry and a call three of the host, however many keys there are.
///
/// # Errors
/// A ttl below 1, and those of [`Cache`].
#[derive(Clone, Copy, Debug)]
pub struct Dedup {
    cache: &'static Cache,
    ttl: i64,
}

impl Dedup {
    /// Keys are remembered for `ttl` milliseconds of stream time. A repetition
    /// does not prolong it.
    pub const fn new(cache: &'static Cache, ttl: i64) -> Self {
        Dedup { cache, ttl }
    }

    /// Whether `key` was not seen in the last `ttl` milliseconds of stream time;
    /// if so it is remembered from now on. The record's own timestamp does not
    /// matter.
    ///
    /// # Errors
    /// Those of [`Dedup`].
    pub fn first(&self, call: &mut Call, key: impl Key) -> Result<bool> {
        let (cache, ttl) = (self.cache, self.ttl);
        let key = cache.form(key)?;
        if ttl < 1 {
            return Err(wrong(
                cache,
                &["ttl ", &ttl.to_string(), ": want at least 1"],
            ));
        }
        // Keys lie in windows of the ttl by the time they were first seen: what
        // is remembered is in this one or in the one before.
        let spans = Spans::new(cache, ttl, ttl, ttl);
        let now = call.stream_time();
        spans.sweep(call, spans.border(now))?;
        let last = floor(now, ttl);
        for start in [last, last.saturating_sub(ttl)] {
            let seen = with_key(call, start, key.as_ref(), |call, key| {
                Ok(cache.peek(call, key)?.and_then(cut_time).map(|t| t.0))
            })?;
            if seen.map_or(false, |at| at > now.saturating_sub(ttl)) {
                return Ok(false);
            }
        }
        let mut at = Vec::with_capacity(TIME);
        append_time(&mut at, now);
        with_key(call, last, key.as_ref(), |call, key| {
            cache.put(call, key, &at)
        })?;
        Ok(true)
    }
}
