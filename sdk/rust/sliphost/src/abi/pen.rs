//! Appending without asking for room each time.

use std::ptr;

/// Up to this many bytes a slice is copied word by word: engines leave
/// `memory.copy` to a function of their own, and going there costs more.
const SHORT: usize = 256;

/// Writes to the room behind a vector's contents. What was written belongs to
/// the vector after [`Pen::finish`] and is forgotten without it.
pub(crate) struct Pen<'v> {
    buf: &'v mut Vec<u8>,
    at: *mut u8,
    left: usize,
}

impl<'v> Pen<'v> {
    /// A pen for at most `room` bytes; `None` if the vector would have to grow
    /// for them.
    #[inline]
    pub(crate) fn new(buf: &'v mut Vec<u8>, room: usize) -> Option<Self> {
        if buf.capacity() - buf.len() < room {
            return None;
        }
        // SAFETY: len is at most capacity, inside the vector's memory.
        let at = unsafe { buf.as_mut_ptr().add(buf.len()) };
        let left = room;
        Some(Pen { buf, at, left })
    }

    /// The length that the vector would have if the pen were finished.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.at as usize - self.buf.as_ptr() as usize
    }

    /// Takes `n` bytes of the room.
    #[inline]
    fn take(&mut self, n: usize) -> *mut u8 {
        if self.left < n {
            // The caller asked for too little room; there is nothing to go on with.
            std::process::abort();
        }
        self.left -= n;
        let at = self.at;
        // SAFETY: n bytes of the room were left.
        self.at = unsafe { at.add(n) };
        at
    }

    #[inline]
    pub(crate) fn write<const N: usize>(&mut self, bytes: [u8; N]) {
        let to = self.take(N);
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: take returned room for N bytes.
            unsafe { to.add(i).write(*byte) };
        }
    }

    #[inline]
    pub(crate) fn write_slice(&mut self, bytes: &[u8]) {
        let to = self.take(bytes.len());
        // SAFETY: take returned room for as many bytes, which the vector owns,
        // so that bytes lie elsewhere.
        unsafe { copy(bytes.as_ptr(), to, bytes.len()) }
    }

    #[inline]
    pub(crate) fn finish(self) {
        let len = self.len();
        // SAFETY: the bytes up to here were written, within the capacity.
        unsafe { self.buf.set_len(len) };
    }
}

/// Copies `n` bytes.
///
/// # Safety
/// As for [`ptr::copy_nonoverlapping`].
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, n: usize) {
    // SAFETY: every access is to bytes i to i + 8 (or + 4, + 1) with that end
    // within n; the last word may overlap the one before it.
    unsafe {
        if n > SHORT {
            ptr::copy_nonoverlapping(from, to, n);
        } else if n >= 8 {
            let last = n - 8;
            let mut i = 0;
            while i < last {
                set_word(to, i, word(from, i));
                i += 8;
            }
            set_word(to, last, word(from, last));
        } else {
            for i in 0..n {
                to.add(i).write(from.add(i).read());
            }
        }
    }
}

#[inline(always)]
unsafe fn word(from: *const u8, i: usize) -> u64 {
    // SAFETY: the caller's.
    unsafe { from.add(i).cast::<u64>().read_unaligned() }
}

#[inline(always)]
unsafe fn set_word(to: *mut u8, i: usize, v: u64) {
    // SAFETY: the caller's.
    unsafe { to.add(i).cast::<u64>().write_unaligned(v) }
}

#[cfg(test)]
mod tests {
    use super::{Pen, SHORT};

    #[test]
    fn slices_of_every_length_are_copied() {
        let from: Vec<u8> = (0..2 * SHORT).map(|i| (i % 251) as u8).collect();
        for n in 0..from.len() {
            let mut buf = Vec::with_capacity(4 * SHORT);
            buf.push(1);
            let mut pen = Pen::new(&mut buf, n + 3).unwrap();
            pen.write([2, 3]);
            pen.write_slice(&from[..n]);
            assert_eq!(pen.len(), n + 3);
            pen.write([4]);
            pen.finish();
            assert_eq!(buf[..3], [1, 2, 3]);
            assert_eq!(buf[3..n + 3], from[..n], "{} bytes", n);
            assert_eq!(buf[n + 3..], [4]);
        }
    }

    #[test]
    fn a_pen_needs_its_room_and_leaves_nothing_unfinished() {
        let mut buf = Vec::with_capacity(8);
        let most = buf.capacity();
        assert!(Pen::new(&mut buf, most + 1).is_none());
        let mut pen = Pen::new(&mut buf, most).unwrap();
        pen.write([1; 8]);
        assert!(buf.is_empty());
    }
}
