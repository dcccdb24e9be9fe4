//! The border to the host: everything of this crate that is `unsafe`.

#[cfg(any(test, all(feature = "lean-alloc", target_arch = "wasm32")))]
mod heap;

mod pen;

use std::cell::UnsafeCell;
use std::ptr;

pub(crate) use pen::Pen;

use crate::zz_abi::{
    PROGRESS_CURRENT_AT, PROGRESS_DONE_AT, PROGRESS_LEN_AT, PROGRESS_MAGIC, PROGRESS_MAGIC_AT,
    PROGRESS_REPLY_AT, PROGRESS_SIZE, PROGRESS_STOP_AT,
};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::native::{
    begin_record, cache_delete, cache_get, cache_len, cache_put, flush, fuel_mark, log, metric,
    rollback_record,
};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{
    begin_record, cache_delete, cache_get, cache_len, cache_put, flush, fuel_mark, log, metric,
    rollback_record,
};

/// The progress block, which the host reads when a call does not return and
/// writes `stop` into while one runs.
#[derive(Debug)]
#[repr(C, align(8))]
pub(crate) struct Progress(UnsafeCell<[u32; PROGRESS_SIZE / 4]>);

impl Default for Progress {
    fn default() -> Self {
        let mut words = [0; PROGRESS_SIZE / 4];
        words[PROGRESS_MAGIC_AT / 4] = u32::from_le_bytes(PROGRESS_MAGIC);
        Progress(UnsafeCell::new(words))
    }
}

impl Progress {
    pub(crate) fn address(&self) -> u64 {
        self.0.get() as usize as u64
    }

    #[inline]
    fn set(&self, at: usize, v: u32) {
        // SAFETY: at is one of the field offsets, inside the block; the cell is
        // not shared between threads, and no reference into it is ever made.
        // Volatile, because the host looks at any moment.
        unsafe { ptr::write_volatile(self.0.get().cast::<u32>().add(at / 4), v) }
    }

    /// Whether the host asks to return after the current record.
    #[inline]
    pub(crate) fn stopped(&self) -> bool {
        // SAFETY: as in set.
        unsafe { ptr::read_volatile(self.0.get().cast::<u32>().add(PROGRESS_STOP_AT / 4)) != 0 }
    }

    pub(crate) fn begin_batch(&self, reply: &[u8]) {
        self.set(PROGRESS_LEN_AT, 0);
        self.set(PROGRESS_CURRENT_AT, 0);
        self.set(PROGRESS_DONE_AT, 0);
        self.results(reply);
    }

    #[inline]
    pub(crate) fn begin_record(&self, index: i32) {
        self.set(PROGRESS_CURRENT_AT, index as u32);
    }

    /// Says where the results are that are complete.
    #[inline]
    pub(crate) fn results(&self, reply: &[u8]) {
        self.set(PROGRESS_REPLY_AT, reply.as_ptr() as usize as u32);
        self.set(PROGRESS_LEN_AT, reply.len() as u32);
    }

    /// Says that the complete results are at the beginning of `reply` now.
    pub(crate) fn moved(&self, reply: &[u8]) {
        self.set(PROGRESS_REPLY_AT, reply.as_ptr() as usize as u32);
    }

    #[inline]
    pub(crate) fn done(&self, records: i32) {
        self.set(PROGRESS_DONE_AT, records as u32);
    }
}

/// Looks at the progress block at an address, as the host does.
#[cfg(test)]
pub(crate) fn progress_word(address: u64, index: usize) -> u32 {
    // SAFETY: tests give the address of a block of a runtime that lives.
    unsafe { ptr::read_volatile((address as usize as *const u32).add(index)) }
}

/// Writes a word of the block, as the host does with `stop`.
#[cfg(test)]
pub(crate) fn set_progress_word(address: u64, index: usize, v: u32) {
    // SAFETY: as in progress_word; nothing holds a reference into the block.
    unsafe { ptr::write_volatile((address as usize as *mut u32).add(index), v) }
}

/// The host's functions, and what the exports of a module do.
#[cfg(target_arch = "wasm32")]
mod wasm {
    use crate::zz_abi::SAVEPOINT_ROLLBACK_RECORD;

    mod host {
        #[link(wasm_import_module = "sliphost_v1")]
        extern "C" {
            pub fn cache_get(
                cache: i32,
                k: *const u8,
                klen: usize,
                buf: *mut u8,
                cap: usize,
            ) -> i64;
            pub fn cache_put(
                cache: i32,
                k: *const u8,
                klen: usize,
                v: *const u8,
                vlen: usize,
            ) -> i32;
            pub fn cache_delete(cache: i32, k: *const u8, klen: usize) -> i32;
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

    /// Replaces the contents of `value`; returns its length or a negative
    /// result, which leaves `value` empty.
    pub(crate) fn cache_get(cache: i32, key: &[u8], value: &mut Vec<u8>) -> i64 {
        value.clear();
        loop {
            let room = value.capacity();
            let (k, v) = (key.as_ptr(), value.as_mut_ptr());
            let n = unsafe { host::cache_get(cache, k, key.len(), v, room) };
            if n < 0 {
                return n;
            }
            let len = n as usize;
            if len <= room {
                // SAFETY: the host wrote len bytes.
                unsafe { value.set_len(len) };
                return n;
            }
            value.reserve(len);
        }
    }

    pub(crate) fn cache_len(cache: i32, key: &[u8]) -> i64 {
        let nowhere = std::ptr::NonNull::dangling().as_ptr();
        unsafe { host::cache_get(cache, key.as_ptr(), key.len(), nowhere, 0) }
    }

    pub(crate) fn cache_put(cache: i32, key: &[u8], value: &[u8]) -> i32 {
        unsafe { host::cache_put(cache, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
    }

    pub(crate) fn cache_delete(cache: i32, key: &[u8]) -> i32 {
        unsafe { host::cache_delete(cache, key.as_ptr(), key.len()) }
    }

    pub(crate) fn rollback_record() {
        // It cannot fail in a way that the guest could answer: the host undoes
        // the record by itself when the reply says that it failed.
        unsafe { host::savepoint(SAVEPOINT_ROLLBACK_RECORD) };
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
}

/// What the exports of a module do; called by the code of `export!`.
#[cfg(target_arch = "wasm32")]
pub mod entry {
    use std::any::Any;
    use std::cell::UnsafeCell;
    use std::panic::Location;

    use crate::error::join;
    use crate::export::{self, Handler};
    use crate::reply::cut;
    use crate::runtime::Runtime;
    use crate::zz_abi::MAX_TEXT;

    /// The least size of the input arena.
    const ARENA: usize = 64 << 10;

    /// The module's only state besides that of its handlers.
    struct State {
        /// Where the host writes messages.
        arena: Vec<u8>,
        /// The last Describe message or InitReply.
        answer: Vec<u8>,
        runtime: Option<Runtime>,
    }

    struct Single(UnsafeCell<State>);

    // SAFETY: wasm32-unknown-unknown without atomics has one thread, and the
    // host makes one call at a time.
    unsafe impl Sync for Single {}

    static STATE: Single = Single(UnsafeCell::new(State {
        arena: Vec::new(),
        answer: Vec::new(),
        runtime: None,
    }));

    /// The state, for the duration of one call of the host.
    #[allow(clippy::mut_from_ref)]
    fn state() -> &'static mut State {
        // SAFETY: each export takes it once and gives it up before it returns;
        // exports never run inside one another, because no host function calls
        // back into the module.
        unsafe { &mut *STATE.0.get() }
    }

    fn packed(bytes: &[u8]) -> i64 {
        ((bytes.as_ptr() as usize as u64) << 32 | bytes.len() as u64) as i64
    }

    /// slip_describe.
    pub fn describe(handlers: &'static [Handler]) -> i64 {
        let state = state();
        state.answer.clear();
        export::describe(handlers, &mut state.answer);
        packed(&state.answer)
    }

    /// slip_alloc.
    pub fn alloc(size: u32) -> u32 {
        let state = state();
        let size = size as usize;
        if state.arena.len() < size {
            // The old arena goes first: its contents are of no use, and its
            // memory may serve the new one.
            state.arena = Vec::new();
            let size = size.checked_next_power_of_two().unwrap_or(size).max(ARENA);
            if state.arena.try_reserve_exact(size).is_err() {
                return 0;
            }
            state.arena.resize(size, 0);
        }
        state.arena.as_ptr() as usize as u32
    }

    /// slip_init.
    pub fn init(handlers: &'static [Handler], len: u32) -> i64 {
        std::panic::set_hook(Box::new(|info| report(info.payload(), info.location())));
        let state = state();
        let message = message(&state.arena, len);
        let capacity = state.arena.len();
        state.runtime = Runtime::init(handlers, message, capacity, &mut state.answer);
        packed(&state.answer)
    }

    /// slip_process.
    pub fn process(handler: u32, len: u32) -> i64 {
        let state = state();
        let message = message(&state.arena, len);
        match &mut state.runtime {
            Some(runtime) => packed(runtime.process(handler, message)),
            // No host does that: it calls slip_init first, once.
            None => std::process::abort(),
        }
    }

    /// The message in the arena; an empty one, which no reader accepts, when the
    /// host claims more than there is room for.
    fn message(arena: &[u8], len: u32) -> &[u8] {
        arena.get(..len as usize).unwrap_or(&[])
    }

    /// Hands a panic's text and place to the host; the trap follows.
    fn report(payload: &dyn Any, location: Option<&Location<'_>>) {
        let text = match payload.downcast_ref::<&'static str>() {
            Some(text) => text,
            None => payload.downcast_ref::<String>().map_or("panic", |t| t),
        };
        let text = cut(text, MAX_TEXT / 2);
        let text = match location {
            None => text.to_owned(),
            Some(at) => {
                let (line, column) = (decimal(at.line()), decimal(at.column()));
                join(&[text, ": ", at.file(), ":", &line, ":", &column])
            }
        };
        super::wasm::panic(text.as_bytes());
    }

    #[inline(never)]
    fn decimal(n: u32) -> String {
        let mut text = if n >= 10 {
            decimal(n / 10)
        } else {
            String::new()
        };
        text.push((b'0' + (n % 10) as u8) as char);
        text
    }
}
