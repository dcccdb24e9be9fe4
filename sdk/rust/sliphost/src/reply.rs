//! The reply stream as it grows, in bounded memory.

use crate::abi::{self, Progress};
use crate::error::Error;
use crate::message::{append_result_error, Output};
use crate::wire::append_int;
use crate::zz_abi::{MAX_TEXT, STATUS_MORE, STATUS_OK};

/// A reply that reaches this size is handed over in pieces.
const PIECE: usize = 256 << 10;

/// From so many outputs on the length of a list needs 3 bytes.
const SHORT: u32 = 16;

/// How many outputs one list may hold: its length is at most 16 bits.
const LIST: u32 = 0xffff;

/// The results of a batch. Results of finished records are complete at all
/// times; the open one is completed or cut off by [`Reply::finish`] and
/// [`Reply::fail`].
#[derive(Debug, Default)]
pub(crate) struct Reply {
    buf: Vec<u8>,
    progress: Box<Progress>,
    /// The record's position in the batch.
    index: i32,
    /// Where the record's results begin in `buf`.
    start: usize,
    /// Where the open list's status is; its length is behind it.
    status_at: usize,
    /// The outputs in the open list; 0 if no list is open.
    outputs: u32,
    /// Lists with status more were written: a final status must follow.
    pieces: bool,
}

impl Reply {
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The results since the last piece.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// Begins a batch.
    pub(crate) fn reset(&mut self) {
        self.buf.clear();
        self.progress.begin_batch(&self.buf);
    }

    /// Begins a record.
    #[inline]
    pub(crate) fn begin(&mut self, index: i32) {
        self.index = index;
        self.start = self.buf.len();
        self.outputs = 0;
        self.pieces = false;
        self.progress.begin_record(index);
    }

    /// Adds one output; an error if the host takes no more of this record.
    #[inline]
    pub(crate) fn put(&mut self, o: &Output<'_>) -> Result<(), Error> {
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let need = len(o.key) + len(o.value) + len(o.headers) + 64;
        if self.buf.len() + need > PIECE {
            self.hand_over()?;
        }
        self.buf.reserve(need);
        if self.outputs == 0 {
            self.open();
        }
        o.append(&mut self.buf);
        self.outputs += 1;
        match self.outputs {
            SHORT => self.widen(),
            LIST => self.close(STATUS_MORE),
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn open(&mut self) {
        self.buf.push(0x93);
        append_int(&mut self.buf, i64::from(self.index));
        self.status_at = self.buf.len();
        self.buf.extend_from_slice(&[STATUS_OK as u8, 0x90]);
    }

    /// Makes room for a length of 16 bits behind the status.
    #[cold]
    fn widen(&mut self) {
        self.buf.extend_from_slice(&[0, 0]);
        if let Some(list) = self.buf.get_mut(self.status_at + 1..) {
            list.rotate_right(2);
        }
    }

    #[inline]
    fn close(&mut self, status: u64) {
        let n = self.outputs;
        match self.buf.get_mut(self.status_at..) {
            Some([s, len, ..]) if n < SHORT => {
                *s = status as u8;
                *len = 0x90 | n as u8;
            }
            Some([s, code, hi, lo, ..]) => {
                *s = status as u8;
                *code = 0xdc;
                *hi = (n >> 8) as u8;
                *lo = n as u8;
            }
            _ => {}
        }
        self.outputs = 0;
        self.pieces |= status == STATUS_MORE;
    }

    /// Gives the host what there is and empties the buffer.
    #[cold]
    fn hand_over(&mut self) -> Result<(), Error> {
        if self.outputs > 0 {
            self.close(STATUS_MORE);
        }
        if self.buf.is_empty() {
            return Ok(());
        }
        let result = abi::flush(&self.buf);
        self.buf.clear();
        self.start = 0;
        // Only now: a trap before the host took the piece must not lose it.
        self.progress.results(&self.buf);
        if result < 0 {
            return Err(Error::host("reply", "flush", i64::from(result)));
        }
        Ok(())
    }

    /// Ends a record that was handled.
    #[inline]
    pub(crate) fn finish(&mut self) {
        if self.outputs > 0 {
            self.close(STATUS_OK);
        } else if self.pieces {
            self.open();
        }
        self.done();
    }

    /// Ends a record that failed: its outputs are void.
    #[cold]
    pub(crate) fn fail(&mut self, e: &Error) {
        self.buf.truncate(self.start);
        let text = cut(&e.text, MAX_TEXT);
        append_result_error(
            &mut self.buf,
            self.index,
            e.code,
            text.as_bytes(),
            e.retry_after_ms,
        );
        self.done();
    }

    #[inline]
    fn done(&mut self) {
        self.progress.results(&self.buf);
        self.progress.done(self.index + 1);
    }
}

/// The longest beginning of `text` of at most `limit` bytes that ends at a
/// character.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
