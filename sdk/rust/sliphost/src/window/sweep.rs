//! What windows, joins and deduplication share: entries that sort by time are
//! removed from the front, in pages.

use std::mem;
use std::ptr;

use crate::abi;
use crate::binding::Bound;
use crate::cache::Cache;
use crate::call::Call;
use crate::error::{join, Error, Result};
use crate::record::Record;
use crate::sink::Sink;

/// Counts late records; the host shows it by handler.
const LATE: &str = "slip_late_records";

/// How many keys a record removes at most. Both SDKs have the same: what a cache
/// holds must not depend on the language.
pub(super) const SWEEP: usize = 512;

/// How many sweeps rely on what was swept before.
const TRUST: i32 = 1024;

/// The bytes of a time in a key.
pub(super) const TIME: usize = 8;

/// Up to where a cache is swept, so that what was removed is not looked at
/// again: a store takes long to pass over what is deleted. A memo, which may be
/// lost.
#[derive(Debug)]
pub(crate) struct Swept {
    bound: &'static Bound,
    cache: i32,
    partition: i32,
    /// Nothing is left before it.
    border: i64,
    /// How many sweeps may begin at the border; 0: the next one looks at
    /// everything again. Another host whose stream time began lower may have had
    /// the partition in between.
    trusted: i32,
}

/// What is done with an entry before it is removed.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&mut Call, &[u8], &[u8]) -> Result<()>;

/// Removes the entries that are due before `border`: a page of them.
pub(super) fn sweep(
    call: &mut Call,
    cache: &'static Cache,
    border: i64,
    key: fn(i64) -> Vec<u8>,
    visit: Visit<'_>,
) -> Result<()> {
    let (bound, id, partition) = (call.bound, cache.id(call)?, call.partition);
    let same = |s: &Swept| ptr::eq(s.bound, bound) && s.cache == id && s.partition == partition;
    let mut from = None;
    if let Some(known) = call.swept.iter().find(|s| same(s)) {
        if known.border >= border {
            return Ok(());
        }
        if known.trusted > 0 {
            from = Some(key(known.border));
        }
    }
    if !expire(call, cache, from, Some(key(border)), false, visit)? {
        return Ok(());
    }
    match call.swept.iter_mut().find(|s| same(s)) {
        Some(known) => {
            known.border = border;
            known.trusted = if known.trusted == 0 {
                TRUST
            } else {
                known.trusted - 1
            };
        }
        None => call.swept.push(Swept {
            bound,
            cache: id,
            partition,
            border,
            trusted: TRUST,
        }),
    }
    Ok(())
}

/// Removes the keys from `from` up to `end`, nothing being open, in order: a
/// page of them, or with `all` every one. It says whether none is left.
pub(super) fn expire(
    call: &mut Call,
    cache: &'static Cache,
    from: Option<Vec<u8>>,
    end: Option<Vec<u8>>,
    all: bool,
    visit: Visit<'_>,
) -> Result<bool> {
    let id = cache.id(call)?;
    loop {
        let mut scan = cache.scan(call).page(SWEEP);
        if let Some(end) = &end {
            scan = scan.range(..end);
        }
        if let Some(from) = &from {
            scan.seek(from.clone());
        }
        let done = scan.open_page()?;
        let mut last = None;
        while let Some(entry) = scan.next_of_page()? {
            visit(call, entry.key(), entry.value())?;
            last = Some(entry);
        }
        if let Some(last) = last {
            let mut to = end.clone().unwrap_or_default();
            if !done {
                to = last.key().to_vec();
                to.push(0);
            }
            let from = from.as_deref().unwrap_or(&[]);
            cache.check(i64::from(abi::cache_delete_range(id, from, &to)))?;
        }
        if done || !all {
            return Ok(done);
        }
    }
}

/// Refuses a record whose time is asked for and that has none.
pub(super) fn dated(cache: &Cache, rec: Record<'_>) -> Result<()> {
    if rec.timestamp() == -1 && !rec.dated {
        return Err(wrong(cache, &["the record has no timestamp"]));
    }
    Ok(())
}

/// Counts a record as late and emits it to `sink`, if there is one.
pub(super) fn report_late(call: &mut Call, rec: Record<'_>, sink: Option<&'static Sink>) {
    call.counter(LATE, 1.0);
    if let Some(sink) = sink {
        let late = sink.record(call).key(rec.key()).value(rec.value_opt());
        late.headers(rec.headers()).emit();
    }
}

#[cold]
pub(super) fn wrong(cache: &Cache, why: &[&str]) -> Error {
    let name = cache.decl.name;
    Error::failed(join(&["window \"", name, "\": ", &join(why)]))
}

#[cold]
pub(super) fn foreign(cache: &Cache) -> Error {
    wrong(cache, &["the cache holds something else"])
}

/// The greatest multiple of `size` that is not above `at`, or the least integer
/// where that would lie below it. `size` is above 0.
pub(super) fn floor(at: i64, size: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(size))
}

pub(super) fn window_key(start: i64, key: &[u8]) -> Vec<u8> {
    let mut buf = Vec::with_capacity(TIME + key.len() + 1);
    append_time(&mut buf, start);
    buf.extend_from_slice(key);
    buf
}

/// Appends 8 bytes that sort by value.
pub(super) fn append_time(buf: &mut Vec<u8>, at: i64) {
    buf.extend_from_slice(&(at ^ i64::MIN).to_be_bytes());
}

/// The time at the start of bytes, and what is behind it.
pub(super) fn cut_time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let time = bytes.get(..TIME)?.try_into().ok()?;
    Some((i64::from_be_bytes(time) ^ i64::MIN, bytes.get(TIME..)?))
}

/// Runs `f` with the key of `key` in a window.
pub(super) fn with_key<T>(
    call: &mut Call,
    start: i64,
    key: &[u8],
    f: impl FnOnce(&mut Call, &[u8]) -> Result<T>,
) -> Result<T> {
    let mut buf = mem::take(&mut call.scratch);
    buf.clear();
    append_time(&mut buf, start);
    buf.extend_from_slice(key);
    let result = f(call, &buf);
    call.scratch = buf;
    result
}

/// The keys of what is due at a time, in caches of two kinds of entries.
pub(super) const ALARM: u8 = 0;
/// The keys of the other kind.
pub(super) const RECORD: u8 = 1;

/// The first key of what is due at a time.
pub(super) fn alarm(at: i64) -> Vec<u8> {
    let mut b = vec![ALARM];
    append_time(&mut b, at);
    b
}
