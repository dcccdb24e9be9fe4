//! The host of handlers that run natively: one in memory for each thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::zz_abi::{RESULT_ABSENT, RESULT_UNBOUND};

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
    pub(crate) caches: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// What undoes the current record's writes, oldest first.
    undo: Vec<Undo>,
}

/// A cache, a key, and the value that it had.
type Undo = (usize, Vec<u8>, Option<Vec<u8>>);

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::default());
}

/// Runs `f` with the thread's host.
pub(crate) fn with<T>(f: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with(|h| f(&mut h.borrow_mut()))
}

pub(crate) fn begin_record(index: i32) {
    with(|h| {
        h.undo.clear();
        h.index = index as usize;
    });
}

pub(crate) fn cache_get(cache: i32, key: &[u8], value: &mut Vec<u8>) -> i64 {
    value.clear();
    with(|h| match h.caches.get(cache as usize) {
        None => RESULT_UNBOUND,
        Some(c) => match c.get(key) {
            None => RESULT_ABSENT,
            Some(v) => {
                value.extend_from_slice(v);
                v.len() as i64
            }
        },
    })
}

pub(crate) fn cache_len(cache: i32, key: &[u8]) -> i64 {
    cache_get(cache, key, &mut Vec::new())
}

pub(crate) fn cache_put(cache: i32, key: &[u8], value: &[u8]) -> i32 {
    change(cache, key, Some(value))
}

pub(crate) fn cache_delete(cache: i32, key: &[u8]) -> i32 {
    change(cache, key, None)
}

fn change(cache: i32, key: &[u8], value: Option<&[u8]>) -> i32 {
    let at = cache as usize;
    with(|h| match h.caches.get_mut(at) {
        None => RESULT_UNBOUND as i32,
        Some(c) => {
            let old = match value {
                Some(v) => c.insert(key.to_vec(), v.to_vec()),
                None => c.remove(key),
            };
            h.undo.push((at, key.to_vec(), old));
            0
        }
    })
}

pub(crate) fn rollback_record() {
    with(|h| {
        while let Some((cache, key, old)) = h.undo.pop() {
            match old {
                Some(v) => h.caches[cache].insert(key, v),
                None => h.caches[cache].remove(&key),
            };
        }
    });
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
