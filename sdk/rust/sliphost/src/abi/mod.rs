//! The border to the host: everything of this crate that is `unsafe`.

#[cfg(any(test, all(feature = "lean-alloc", target_arch = "wasm32")))]
mod heap;

mod pen;

/// The host's functions.
#[cfg(target_arch = "wasm32")]
mod wasm;

/// What the exports of a module do; called by the code of `export!`.
#[cfg(target_arch = "wasm32")]
pub mod entry;

use std::cell::UnsafeCell;
use std::ptr;

pub(crate) use pen::Pen;

use crate::zz_abi::{
    PROGRESS_CURRENT_AT, PROGRESS_DONE_AT, PROGRESS_LEN_AT, PROGRESS_MAGIC, PROGRESS_MAGIC_AT,
    PROGRESS_REPLY_AT, PROGRESS_SIZE, PROGRESS_STOP_AT,
};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::native::{
    begin_record, cache_delete, cache_delete_range, cache_get, cache_get_many, cache_len,
    cache_put, cache_scan, checkpoint_heartbeat, checkpoint_pulse, flush, fuel_mark, log, metric,
    rollback_record, savepoint, seek, stream_time,
};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{
    begin_record, cache_delete, cache_delete_range, cache_get, cache_get_many, cache_len,
    cache_put, cache_scan, checkpoint_heartbeat, checkpoint_pulse, flush, fuel_mark, log, metric,
    rollback_record, savepoint, seek, stream_time,
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
