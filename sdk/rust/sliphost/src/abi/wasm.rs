//! The host's functions.

use std::ptr::NonNull;

use crate::zz_abi::SAVEPOINT_ROLLBACK_RECORD;

mod host {
    #[link(wasm_import_module = "sliphost_v1")]
    extern "C" {
        pub fn cache_get(cache: i32, k: *const u8, klen: usize, buf: *mut u8, cap: usize) -> i64;
        pub fn cache_put(cache: i32, k: *const u8, klen: usize, v: *const u8, vlen: usize) -> i32;
        pub fn cache_delete(cache: i32, k: *const u8, klen: usize) -> i32;
        pub fn cache_delete_range(
            cache: i32,
            from: *const u8,
            flen: usize,
            to: *const u8,
            tlen: usize,
        ) -> i32;
        pub fn cache_scan(
            cache: i32,
            request: *const u8,
            rlen: usize,
            buf: *mut u8,
            cap: usize,
        ) -> i64;
        pub fn cache_get_many(
            cache: i32,
            request: *const u8,
            rlen: usize,
            buf: *mut u8,
            cap: usize,
        ) -> i64;
        pub fn checkpoint_heartbeat(
            checkpoint: i32,
            request: *const u8,
            rlen: usize,
            buf: *mut u8,
            cap: usize,
        ) -> i64;
        pub fn checkpoint_pulse(
            checkpoint: i32,
            request: *const u8,
            rlen: usize,
            buf: *mut u8,
            cap: usize,
        ) -> i64;
        pub fn seek(source: i32, partition: i32, offset: i64) -> i32;
        pub fn stream_time() -> i64;
        pub fn savepoint(op: i32) -> i32;
        pub fn fuel_mark();
        pub fn panic(text: *const u8, len: usize);
        pub fn flush(piece: *const u8, len: usize) -> i32;
        pub fn log(level: i32, text: *const u8, len: usize);
        pub fn metric(kind: i32, name: *const u8, len: usize, value: f64);
    }
}

// SAFETY of all of these: the host reads and writes only the given memory,
// which the slices and vectors own, and keeps no pointer.

/// Replaces the contents of `buf` by what `call` writes, which is given an
/// address and the room there; returns its length or a negative result, which
/// leaves `buf` empty.
///
/// # Safety
/// `call` writes as many bytes as it returns if there is room for them, and
/// nothing otherwise.
#[inline(always)]
unsafe fn fill(buf: &mut Vec<u8>, call: impl Fn(*mut u8, usize) -> i64) -> i64 {
    buf.clear();
    loop {
        let room = buf.capacity();
        let n = call(buf.as_mut_ptr(), room);
        if n < 0 {
            return n;
        }
        let len = n as usize;
        if len <= room {
            // SAFETY: the host wrote len bytes.
            unsafe { buf.set_len(len) };
            return n;
        }
        buf.reserve(len);
    }
}

/// Replaces the contents of `value`; the result is that of [`fill`].
pub(crate) fn cache_get(cache: i32, key: &[u8], value: &mut Vec<u8>) -> i64 {
    let (k, n) = (key.as_ptr(), key.len());
    unsafe { fill(value, |v, room| host::cache_get(cache, k, n, v, room)) }
}

/// Replaces the contents of `list`; the result is that of [`fill`].
pub(crate) fn cache_get_many(cache: i32, request: &[u8], list: &mut Vec<u8>) -> i64 {
    let (r, n) = (request.as_ptr(), request.len());
    unsafe { fill(list, |l, room| host::cache_get_many(cache, r, n, l, room)) }
}

/// Replaces the contents of `page`; the result is that of [`fill`].
pub(crate) fn cache_scan(cache: i32, request: &[u8], page: &mut Vec<u8>) -> i64 {
    let (r, n) = (request.as_ptr(), request.len());
    unsafe { fill(page, |p, room| host::cache_scan(cache, r, n, p, room)) }
}

pub(crate) fn cache_len(cache: i32, key: &[u8]) -> i64 {
    let nowhere = NonNull::dangling().as_ptr();
    unsafe { host::cache_get(cache, key.as_ptr(), key.len(), nowhere, 0) }
}

pub(crate) fn cache_put(cache: i32, key: &[u8], value: &[u8]) -> i32 {
    unsafe { host::cache_put(cache, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn cache_delete(cache: i32, key: &[u8]) -> i32 {
    unsafe { host::cache_delete(cache, key.as_ptr(), key.len()) }
}

pub(crate) fn cache_delete_range(cache: i32, from: &[u8], to: &[u8]) -> i32 {
    unsafe { host::cache_delete_range(cache, from.as_ptr(), from.len(), to.as_ptr(), to.len()) }
}

/// Replaces the contents of `latency`; the result is that of [`fill`].
pub(crate) fn checkpoint_heartbeat(id: i32, request: &[u8], latency: &mut Vec<u8>) -> i64 {
    let (r, n) = (request.as_ptr(), request.len());
    unsafe {
        fill(latency, |l, room| {
            host::checkpoint_heartbeat(id, r, n, l, room)
        })
    }
}

/// Replaces the contents of `down`; the result is that of [`fill`].
pub(crate) fn checkpoint_pulse(id: i32, request: &[u8], down: &mut Vec<u8>) -> i64 {
    let (r, n) = (request.as_ptr(), request.len());
    unsafe { fill(down, |d, room| host::checkpoint_pulse(id, r, n, d, room)) }
}

pub(crate) fn seek(source: i32, partition: i32, offset: i64) -> i32 {
    unsafe { host::seek(source, partition, offset) }
}

pub(crate) fn savepoint(op: i32) -> i32 {
    unsafe { host::savepoint(op) }
}

pub(crate) fn stream_time() -> i64 {
    unsafe { host::stream_time() }
}

pub(crate) fn rollback_record() {
    // It cannot fail in a way that the guest could answer: the host undoes
    // the record by itself when the reply says that it failed.
    savepoint(SAVEPOINT_ROLLBACK_RECORD);
}

#[inline]
pub(crate) fn fuel_mark() {
    unsafe { host::fuel_mark() }
}

#[inline]
pub(crate) fn begin_record(_index: i32) {}

pub(crate) fn flush(piece: &[u8]) -> i32 {
    unsafe { host::flush(piece.as_ptr(), piece.len()) }
}

pub(crate) fn log(level: i32, text: &[u8]) {
    unsafe { host::log(level, text.as_ptr(), text.len()) }
}

pub(crate) fn metric(kind: i32, name: &str, value: f64) {
    unsafe { host::metric(kind, name.as_ptr(), name.len(), value) }
}

pub(super) fn panic(text: &[u8]) {
    unsafe { host::panic(text.as_ptr(), text.len()) }
}
