//! The reply stream as it grows, in bounded memory.

use crate::abi::{self, Pen, Progress};
use crate::error::Error;
use crate::message::{append_result_error, Output};
use crate::wire::append_int;
use crate::zz_abi::{MAX_TEXT, STATUS_MORE, STATUS_OK, STATUS_VALUE};

/// The size of the buffer. Only an output or the errors of a batch that do not
/// fit make it larger.
const ROOM: usize = 256 << 10;

/// A reply that reaches this size is handed over in pieces: an error fits
/// behind it.
const PIECE: usize = ROOM - MAX_TEXT - HEAD;

/// More than what stands beside the parts of an output, with the head of its
/// list, and beside the text of an error.
const HEAD: usize = 64;

/// From so many outputs on the length of a list needs 3 bytes.
const SHORT: u32 = 16;

/// How many outputs one list may hold: its length is at most 16 bits.
const LIST: u32 = 0xffff;

/// The results of a batch. Results of finished records are complete at all
/// times; the open one is completed or cut off by [`Reply::finish`] and
/// [`Reply::fail`].
///
/// A record may panic at any output, and then the host reads the results of
/// those before it where the progress block says. So `buf` never moves by
/// itself: whoever appends calls [`Reply::room`] first.
#[derive(Debug)]
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
    pub(crate) fn new() -> Self {
        Reply {
            buf: Vec::with_capacity(ROOM),
            progress: Box::default(),
            index: 0,
            start: 0,
            status_at: 0,
            outputs: 0,
            pieces: false,
        }
    }

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
        if self.quick(o) {
            Ok(())
        } else {
            self.put_any(o)
        }
    }

    /// Adds one output without headers, timestamp and partition, of a usual
    /// size, if there is room for it: false if not. It writes what
    /// [`Output::append`] would.
    #[inline]
    fn quick(&mut self, o: &Output<'_>) -> bool {
        let (key, value) = (o.key.unwrap_or(&[]), o.value.unwrap_or(&[]));
        let plain = o.headers.is_none() && o.timestamp.is_none() && o.partition.is_none();
        let need = key.len() + value.len() + HEAD;
        if !plain
            || key.len() > 0xff
            || value.len() > 0xffff
            || !(-32..=127).contains(&o.sink)
            || self.outputs >= SHORT - 1
            || self.buf.len() + need > PIECE
        {
            return false;
        }
        let mut pen = match Pen::new(&mut self.buf, need) {
            Some(pen) => pen,
            None => return false,
        };
        if self.outputs == 0 {
            let index = self.index;
            match index {
                0..=0x7f => pen.write([0x93, index as u8]),
                0x80..=0xff => pen.write([0x93, 0xcc, index as u8]),
                _ if index > 0xffff => return false,
                _ => pen.write([0x93, 0xcd, (index >> 8) as u8, index as u8]),
            }
            self.status_at = pen.len();
            pen.write([STATUS_OK as u8, 0x90]);
        }
        pen.write([0x93, o.sink as u8]);
        match o.key {
            None => pen.write([0xc0]),
            Some(_) => pen.write([0xc4, key.len() as u8]),
        }
        pen.write_slice(key);
        match (o.value, value.len()) {
            (None, _) => pen.write([0xc0]),
            (_, n @ 0..=0xff) => pen.write([0xc4, n as u8]),
            (_, n) => pen.write([0xc5, (n >> 8) as u8, n as u8]),
        }
        pen.write_slice(value);
        pen.finish();
        self.outputs += 1;
        true
    }

    /// [`Reply::put`] for every output.
    #[inline(never)]
    fn put_any(&mut self, o: &Output<'_>) -> Result<(), Error> {
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let need = len(o.key) + len(o.value) + len(o.headers) + HEAD;
        if self.buf.len() + need > PIECE {
            self.hand_over()?;
        }
        self.room(need);
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

    /// Makes room for `need` bytes behind what there is.
    #[inline]
    fn room(&mut self, need: usize) {
        if self.buf.capacity() - self.buf.len() < need {
            self.grow(need);
        }
    }

    /// Moves the buffer. At each moment the progress block names memory that
    /// holds the finished results.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, need: usize) {
        let len = self.buf.len();
        let mut buf = Vec::with_capacity(len + need.max(len));
        buf.extend_from_slice(&self.buf);
        self.progress.moved(&buf);
        self.buf = buf;
    }

    /// Begins a list; there is room for it.
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
            let mut ahead = [0; 2];
            for byte in list {
                let [next, last] = ahead;
                ahead = [last, *byte];
                *byte = next;
            }
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

    /// Writes the answer of a message that asks for a value; false if there are
    /// outputs, which no answer may have.
    pub(crate) fn answer(&mut self, value: &[u8]) -> bool {
        if self.outputs > 0 || self.pieces {
            return false;
        }
        self.room(value.len() + HEAD);
        self.buf.push(0x93);
        append_int(&mut self.buf, i64::from(self.index));
        self.buf.push(STATUS_VALUE as u8);
        self.buf.extend_from_slice(value);
        true
    }

    /// Ends a record that was handled.
    #[inline]
    pub(crate) fn finish(&mut self) {
        if self.outputs > 0 {
            self.close(STATUS_OK);
        } else if self.pieces {
            self.room(HEAD);
            self.open();
        }
        self.done();
    }

    /// Ends a record that failed: its outputs are void.
    #[cold]
    pub(crate) fn fail(&mut self, e: &Error) {
        self.buf.truncate(self.start);
        let text = cut(&e.text, MAX_TEXT);
        self.room(text.len() + HEAD);
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

#[cfg(test)]
mod tests {
    use super::{Reply, HEAD, PIECE, ROOM, SHORT};
    use crate::abi::progress_word;
    use crate::error::Error;
    use crate::message::{append_result, Output};
    use crate::zz_abi::{MAX_TEXT, PROGRESS_LEN_AT, PROGRESS_REPLY_AT};

    /// What is written is what the message's own function would have written.
    #[test]
    fn outputs_are_written_as_the_message_says() {
        let long = vec![7; 70_000];
        let slices: [Option<&[u8]>; 7] = [
            None,
            Some(&[]),
            Some(b"key-1234"),
            Some(&long[..255]),
            Some(&long[..256]),
            Some(&long[..65_535]),
            Some(&long),
        ];
        for index in [0, 127, 128, 255, 256, 65_535] {
            for sink in [-1, 0, 127, 128] {
                for key in slices {
                    for value in slices {
                        let o = Output {
                            sink,
                            key,
                            value,
                            ..Output::default()
                        };
                        let mut reply = Reply::new();
                        // The first may move the buffer, the second finds room.
                        for _ in 0..2 {
                            reply.reset();
                            reply.begin(index);
                            reply.put(&o).unwrap();
                            reply.finish();
                            let mut want = Vec::new();
                            append_result(&mut want, index, 0, 1);
                            o.append(&mut want);
                            assert_eq!(reply.bytes(), want, "{} {} {:?}", index, sink, key);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn longer_lists_have_a_longer_head() {
        let o = Output {
            sink: -1,
            key: Some(b"k"),
            value: Some(b"v"),
            ..Output::default()
        };
        for n in [1, SHORT - 1, SHORT, SHORT + 1, 300] {
            let mut reply = Reply::new();
            let mut want = Vec::new();
            reply.reset();
            for index in 0..2 {
                reply.begin(index);
                append_result(&mut want, index, 0, n as usize);
                for _ in 0..n {
                    reply.put(&o).unwrap();
                    o.append(&mut want);
                }
                reply.finish();
            }
            assert_eq!(reply.bytes(), want, "{} outputs", n);
        }
    }

    /// The block names the buffer, wherever it is, and `len` bytes of results.
    fn assert_named(reply: &Reply, len: usize) {
        let word = |at: usize| progress_word(reply.progress().address(), at / 4);
        assert_eq!(word(PROGRESS_REPLY_AT), reply.buf.as_ptr() as usize as u32);
        assert_eq!(word(PROGRESS_LEN_AT) as usize, len);
    }

    #[test]
    fn the_block_names_the_buffer_at_each_moment() {
        let long = vec![7; ROOM];
        let most = PIECE - HEAD - 1;
        let mut reply = Reply::new();
        let before = reply.buf.as_ptr();
        reply.reset();
        let sizes = [0, 10, 300, 70_000, most, ROOM / 2, ROOM, 10, ROOM / 2];
        for (index, size) in (0..).zip(sizes) {
            reply.begin(index);
            for _ in 0..2 * SHORT {
                let value = Some(&long[..size]);
                let o = Output {
                    value,
                    ..Output::default()
                };
                reply.put(&o).unwrap();
                assert_named(&reply, reply.start);
            }
            reply.finish();
            assert_named(&reply, reply.buf.len());
        }
        assert_ne!(before, reply.buf.as_ptr());
    }

    #[test]
    fn results_move_with_the_buffer() {
        let e = Error::failed("x".repeat(MAX_TEXT));
        let mut reply = Reply::new();
        reply.reset();
        let mut all = Vec::new();
        for index in 0..300 {
            reply.begin(index);
            assert_named(&reply, all.len());
            let need = reply.buf.capacity();
            if index % 100 == 50 {
                reply.room(need);
                assert_named(&reply, all.len());
            }
            assert!(reply.buf.starts_with(&all));
            reply.fail(&e);
            assert_named(&reply, reply.buf.len());
            assert!(reply.buf.starts_with(&all));
            all.clone_from(&reply.buf);
        }
    }
}
