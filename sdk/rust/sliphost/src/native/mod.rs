//! The host of handlers that run natively: one in memory for each thread.

mod checkpoint;
mod store;

use std::cell::RefCell;

pub(crate) use checkpoint::{Event, Machine, Owned, Shared};
pub use store::KeyType;
pub(crate) use store::{Spec, Store};

use crate::message::{Heartbeat, KeyList, Position, Pulse, ScanPage, ScanRequest, ValueList};
use crate::zz_abi::{RESULT_ABSENT, RESULT_INVALID, RESULT_UNBOUND};
use store::Refusal;

/// What the handlers of this thread did.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) pieces: Vec<u8>,
    /// Index in the batch, level, line.
    pub(crate) logs: Vec<(usize, i32, Vec<u8>)>,
    /// Index in the batch, name, value.
    pub(crate) metrics: Vec<(usize, String, f64)>,
    index: usize,
    /// What flush answers.
    pub(crate) flush_result: i32,
    pub(crate) marks: usize,
    pub(crate) store: Store,
    /// Timestamps of the batch.
    pub(crate) timestamps: Vec<i64>,
    /// Records of the batch that reached a limit.
    pub(crate) limited: Vec<usize>,
    /// By the handler's ids.
    pub(crate) checkpoints: Vec<Shared>,
    /// Offsets of the batch; none in a call that is about no record.
    pub(crate) offsets: Vec<i64>,
    /// The message lets the handler seek.
    pub(crate) may_seek: bool,
    /// Source, partition and offset.
    pub(crate) seeks: Vec<(i32, i32, i64)>,
}

impl Host {
    /// Ends the record at hand, if there is one: one that reached a limit counts
    /// for nothing.
    pub(crate) fn end_record(&mut self) {
        let limited = self.store.end_record();
        if limited {
            self.limited.push(self.index);
        }
        for checkpoint in &self.checkpoints {
            if limited {
                checkpoint.borrow_mut().undo();
            }
            checkpoint.borrow_mut().settle();
        }
    }
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::default());
}

/// Runs `f` with the thread's host.
pub(crate) fn with<T>(f: impl FnOnce(&mut Host) -> T) -> T {
    let run = || HOST.with(|h| f(&mut h.borrow_mut()));
    #[cfg(test)]
    let run = || crate::cache::allocation_tests::uncounted(run);
    run()
}

pub(crate) fn begin_record(index: i32) {
    with(|h| {
        h.end_record();
        h.index = index as usize;
        if let Some(timestamp) = h.timestamps.get(h.index) {
            h.store.advance(*timestamp);
        }
    });
}

/// Runs `f` with the store; a refusal becomes a result, and a limit is noted.
fn store<T>(f: impl FnOnce(&mut Store) -> Result<T, Refusal>) -> Result<T, i64> {
    with(|h| {
        let result = f(&mut h.store);
        h.store.limited |= matches!(result, Err(Refusal::Limit));
        result.map_err(Refusal::result)
    })
}

pub(crate) fn cache_get(cache: i32, key: &[u8], value: &mut Vec<u8>) -> i64 {
    value.clear();
    match store(|s| Ok(s.get(cache, key)?.map(<[u8]>::to_vec))) {
        Ok(Some(found)) => {
            // Out here, so that a test counts when there is no room for it.
            value.extend_from_slice(&found);
            value.len() as i64
        }
        Ok(None) => RESULT_ABSENT,
        Err(result) => result,
    }
}

pub(crate) fn cache_len(cache: i32, key: &[u8]) -> i64 {
    let len = store(|s| Ok(s.get(cache, key)?.map(<[u8]>::len)));
    len.map_or_else(
        |result| result,
        |len| len.map_or(RESULT_ABSENT, |n| n as i64),
    )
}

pub(crate) fn cache_get_many(cache: i32, request: &[u8], list: &mut Vec<u8>) -> i64 {
    list.clear();
    let keys = match KeyList::read(request) {
        Ok(request) => request.keys,
        Err(_) => return RESULT_INVALID,
    };
    let written = store(|s| {
        let values: Result<_, _> = keys.iter().map(|key| s.get(cache, key)).collect();
        ValueList { values: values? }.append(list);
        Ok(())
    });
    answer(written, list)
}

pub(crate) fn cache_scan(cache: i32, request: &[u8], page: &mut Vec<u8>) -> i64 {
    page.clear();
    let request = match ScanRequest::read(request) {
        Ok(request) => request,
        Err(_) => return RESULT_INVALID,
    };
    let written = store(|s| {
        let (entries, next) = s.page(cache, &request)?;
        let all = entries.iter().map(|(k, v)| (&k[..], &v[..]));
        ScanPage {
            next: next.as_deref(),
            entries: all.collect(),
        }
        .append(page);
        Ok(())
    });
    answer(written, page)
}

/// The result of a call that writes to a buffer.
fn answer(written: Result<(), i64>, buf: &[u8]) -> i64 {
    written.map_or_else(|result| result, |()| buf.len() as i64)
}

fn done(result: Result<(), i64>) -> i32 {
    result.map_or_else(|result| result as i32, |()| 0)
}

pub(crate) fn cache_put(cache: i32, key: &[u8], value: &[u8]) -> i32 {
    done(store(|s| s.put(cache, key, value)))
}

pub(crate) fn cache_delete(cache: i32, key: &[u8]) -> i32 {
    done(store(|s| s.delete(cache, key)))
}

pub(crate) fn cache_delete_range(cache: i32, from: &[u8], to: &[u8]) -> i32 {
    done(store(|s| s.delete_range(cache, from, to)))
}

pub(crate) fn savepoint(op: i32) -> i32 {
    done(store(|s| s.savepoint(op)))
}

pub(crate) fn rollback_record() {
    with(|h| {
        h.store.rollback_record();
        h.checkpoints.iter().for_each(|c| c.borrow_mut().undo());
    });
}

/// The checkpoint of an id and where the record at hand stands.
fn checkpoint(id: i32) -> Option<(Shared, Position)> {
    with(|h| {
        let at = Position {
            source: 0,
            partition: h.store.partition,
            offset: *h.offsets.get(h.index)?,
        };
        let found = usize::try_from(id).ok().and_then(|i| h.checkpoints.get(i));
        found.map(|c| (c.clone(), at))
    })
}

pub(crate) fn checkpoint_heartbeat(id: i32, request: &[u8], latency: &mut Vec<u8>) -> i64 {
    latency.clear();
    let m = match (checkpoint(id), Heartbeat::read(request)) {
        (None, _) => return RESULT_UNBOUND,
        (_, Err(_)) => return RESULT_INVALID,
        (Some((k, _)), Ok(m)) => k.borrow_mut().heartbeat(&m, latency),
    };
    m.map_or(RESULT_INVALID, |()| latency.len() as i64)
}

pub(crate) fn checkpoint_pulse(id: i32, request: &[u8], down: &mut Vec<u8>) -> i64 {
    down.clear();
    let m = match (checkpoint(id), Pulse::read(request)) {
        (None, _) => return RESULT_UNBOUND,
        (_, Err(_)) => return RESULT_INVALID,
        (Some((k, at)), Ok(m)) => k.borrow_mut().pulse(&m, at, down),
    };
    m.map_or(RESULT_INVALID, |()| down.len() as i64)
}

pub(crate) fn seek(source: i32, partition: i32, offset: i64) -> i32 {
    with(|h| match offset {
        _ if !h.may_seek || source != 0 => RESULT_UNBOUND as i32,
        i64::MIN..=-3 => RESULT_INVALID as i32,
        _ => {
            h.seeks.push((source, partition, offset));
            0
        }
    })
}

pub(crate) fn stream_time() -> i64 {
    with(|h| h.store.stream_time())
}

pub(crate) fn fuel_mark() {
    with(|h| h.marks += 1);
}

pub(crate) fn flush(piece: &[u8]) -> i32 {
    with(|h| {
        if h.flush_result == 0 {
            h.pieces.extend_from_slice(piece);
        }
        h.flush_result
    })
}

pub(crate) fn log(level: i32, text: &[u8]) {
    with(|h| h.logs.push((h.index, level, text.to_vec())));
}

pub(crate) fn metric(_kind: i32, name: &str, value: f64) {
    with(|h| h.metrics.push((h.index, name.to_owned(), value)));
}
