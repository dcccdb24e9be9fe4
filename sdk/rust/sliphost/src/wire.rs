//! msgpack primitives with hard limits, the Rust side of `abi/wire.go` and
//! `abi/reader.go`. The appending functions write the shortest form.

use std::fmt;

pub use crate::zz_abi::MAX_DEPTH;
use crate::zz_abi::{MAX_BATCH, MAX_NAME};

/// A message that is not what the ABI asks for. It never carries message
/// bytes, so it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The position in the message where reading stopped.
    pub offset: usize,
    /// What should have been there.
    pub want: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message byte {}: want {}", self.offset, self.want)
    }
}

impl std::error::Error for SyntaxError {}

/// Appends nil.
#[inline(never)]
pub fn append_nil(b: &mut Vec<u8>) {
    b.push(0xc0);
}

/// Appends a boolean.
#[inline(never)]
pub fn append_bool(b: &mut Vec<u8>, v: bool) {
    b.push(if v { 0xc3 } else { 0xc2 });
}

/// Appends `v` in its shortest form.
#[inline]
pub fn append_int(b: &mut Vec<u8>, v: i64) {
    match v {
        -32..=127 => b.push(v as u8),
        _ => append_long(b, v),
    }
}

fn append_long(b: &mut Vec<u8>, v: i64) {
    match v {
        0..=i64::MAX => append_uint(b, v as u64),
        -0x80..=-1 => sized(b, 0xd0, v as u64, 1),
        -0x8000..=-0x81 => sized(b, 0xd1, v as u64, 2),
        -0x8000_0000..=-0x8001 => sized(b, 0xd2, v as u64, 4),
        _ => sized(b, 0xd3, v as u64, 8),
    }
}

/// Appends `v` in its shortest form.
pub fn append_uint(b: &mut Vec<u8>, v: u64) {
    match v {
        0..=0x7f => b.push(v as u8),
        0x80..=0xff => sized(b, 0xcc, v, 1),
        0x100..=0xffff => sized(b, 0xcd, v, 2),
        0x1_0000..=0xffff_ffff => sized(b, 0xce, v, 4),
        _ => sized(b, 0xcf, v, 8),
    }
}

/// Appends a type byte and the low `n` bytes of `v`, most significant first.
#[inline(never)]
fn sized(b: &mut Vec<u8>, code: u8, v: u64, n: usize) {
    let [c0, c1, c2, c3, c4, c5, c6, c7] = (v << (64 - 8 * n)).to_be_bytes();
    let bytes = [code, c0, c1, c2, c3, c4, c5, c6, c7];
    b.extend_from_slice(bytes.get(..1 + n).unwrap_or(&bytes));
}

/// Appends `v` in the fixed 5-byte form, which the length in front of each
/// record of a batch must have.
pub fn append_uint32(b: &mut Vec<u8>, v: u32) {
    sized(b, 0xce, u64::from(v), 4);
}

/// Appends `v` as a 64-bit float.
pub fn append_float(b: &mut Vec<u8>, v: f64) {
    sized(b, 0xcb, v.to_bits(), 8);
}

/// Appends the header of a string of `n` bytes.
pub fn append_str_header(b: &mut Vec<u8>, n: usize) {
    match n {
        0..=31 => b.push(0xa0 | n as u8),
        32..=0xff => sized(b, 0xd9, n as u64, 1),
        0x100..=0xffff => sized(b, 0xda, n as u64, 2),
        _ => sized(b, 0xdb, n as u64, 4),
    }
}

/// Appends a string. The bytes should be UTF-8.
#[inline(never)]
pub fn append_str(b: &mut Vec<u8>, v: &[u8]) {
    append_str_header(b, v.len());
    b.extend_from_slice(v);
}

/// Appends the header of a byte string of `n` bytes.
#[inline]
pub fn append_bin_header(b: &mut Vec<u8>, n: usize) {
    match n {
        0..=0xff => b.extend_from_slice(&[0xc4, n as u8]),
        0x100..=0xffff => sized(b, 0xc5, n as u64, 2),
        _ => sized(b, 0xc6, n as u64, 4),
    }
}

/// Appends a byte string; `None` becomes nil, an empty one stays empty: a
/// Kafka tombstone and an empty value are different things.
#[inline]
pub fn append_bin(b: &mut Vec<u8>, v: Option<&[u8]>) {
    match v {
        None => b.push(0xc0),
        Some(v) => {
            append_bin_header(b, v.len());
            b.extend_from_slice(v);
        }
    }
}

/// Appends the header of an array of `n` values.
#[inline(never)]
pub fn append_array_header(b: &mut Vec<u8>, n: usize) {
    match n {
        0..=15 => b.push(0x90 | n as u8),
        16..=0xffff => sized(b, 0xdc, n as u64, 2),
        _ => sized(b, 0xdd, n as u64, 4),
    }
}

/// Appends the header of a map of `n` pairs.
pub fn append_map_header(b: &mut Vec<u8>, n: usize) {
    match n {
        0..=15 => b.push(0x80 | n as u8),
        16..=0xffff => sized(b, 0xde, n as u64, 2),
        _ => sized(b, 0xdf, n as u64, 4),
    }
}

/// Reads msgpack values from a byte slice without copying. The first error
/// sticks: every later read returns zero values, so a caller may read a whole
/// message and look at [`Reader::err`] once. Byte strings borrow from the
/// slice given to [`Reader::new`].
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    buf: &'a [u8],
    off: usize,
    err: Option<SyntaxError>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `buf`.
    #[inline]
    pub fn new(buf: &'a [u8]) -> Self {
        Reader {
            buf,
            off: 0,
            err: None,
        }
    }

    /// The first error, if there was one.
    #[inline]
    pub fn err(&self) -> Option<SyntaxError> {
        self.err
    }

    /// Whether every read so far succeeded.
    #[inline]
    pub fn ok(&self) -> bool {
        self.err.is_none()
    }

    /// The position of the next byte to be read.
    #[inline]
    pub fn offset(&self) -> usize {
        self.off
    }

    /// The number of bytes not read yet.
    #[inline]
    pub fn left(&self) -> usize {
        self.buf.len() - self.off
    }

    /// The bytes not read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.buf.get(self.off..).unwrap_or(&[])
    }

    /// Passes over `n` bytes of [`Reader::rest`] that the caller has read.
    #[inline]
    pub(crate) fn pass(&mut self, n: usize) {
        self.off += n;
    }

    /// The bytes between `start` and the position, with the input's lifetime.
    #[inline]
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.buf.get(start..self.off).unwrap_or(&[])
    }

    /// Records an error at the current position unless there is one already.
    #[cold]
    pub fn fail(&mut self, want: &'static str) {
        self.fail_at(self.off, want);
    }

    /// Records an error at the first byte of the value that is wrong.
    #[cold]
    #[inline(never)]
    pub(crate) fn fail_at(&mut self, offset: usize, want: &'static str) {
        if self.err.is_none() {
            self.off = offset;
            self.err = Some(SyntaxError { offset, want });
        }
    }

    /// The first byte of the next value, which is not consumed; `None` at the
    /// end or after an error.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        if self.err.is_some() {
            return None;
        }
        self.buf.get(self.off).copied()
    }

    fn next(&mut self, want: &'static str) -> Option<u8> {
        let c = self.peek();
        if c.is_none() {
            self.fail(want);
        }
        c
    }

    /// Reads `n` (at most 8) big-endian bytes that follow the type byte and
    /// consumes both.
    #[inline(never)]
    fn big(&mut self, n: usize, want: &'static str) -> u64 {
        let from = self.off + 1;
        let mut v = 0;
        match self.buf.get(from..from + n) {
            Some(bytes) => {
                for c in bytes {
                    v = v << 8 | u64::from(*c);
                }
                self.off = from + n;
            }
            None => self.fail(want),
        }
        v
    }

    /// Consumes a nil if it is the next value and says whether it was.
    #[inline]
    pub fn nil(&mut self) -> bool {
        let is = self.peek() == Some(0xc0);
        if is {
            self.off += 1;
        }
        is
    }

    /// Reads a boolean.
    pub fn bool(&mut self) -> bool {
        match self.next("bool") {
            Some(c @ (0xc2 | 0xc3)) => {
                self.off += 1;
                c == 0xc3
            }
            _ => {
                self.fail("bool");
                false
            }
        }
    }

    /// Reads an integer that fits in 64 signed bits, in any form.
    #[inline(never)]
    pub fn int(&mut self) -> i64 {
        match self.next("integer") {
            Some(c @ (0..=0x7f | 0xe0..=0xff)) => {
                self.off += 1;
                i64::from(c as i8)
            }
            Some(c) => self.long_int(c),
            None => 0,
        }
    }

    fn long_int(&mut self, c: u8) -> i64 {
        const WANT: &str = "integer";
        match c {
            0xcc..=0xcf => {
                let at = self.off;
                let v = self.big(1 << (c - 0xcc), WANT);
                if v > i64::MAX as u64 {
                    self.fail_at(at, "integer within 64 signed bits");
                    return 0;
                }
                v as i64
            }
            0xd0 => i64::from(self.big(1, WANT) as i8),
            0xd1 => i64::from(self.big(2, WANT) as i16),
            0xd2 => i64::from(self.big(4, WANT) as i32),
            0xd3 => self.big(8, WANT) as i64,
            _ => {
                self.fail(WANT);
                0
            }
        }
    }

    /// Reads a non-negative integer.
    #[inline(never)]
    pub fn uint(&mut self) -> u64 {
        const WANT: &str = "non-negative integer";
        match self.next(WANT) {
            Some(c @ 0..=0x7f) => {
                self.off += 1;
                u64::from(c)
            }
            Some(c @ 0xcc..=0xcf) => self.big(1 << (c - 0xcc), WANT),
            Some(c @ 0xd0..=0xd3) => {
                let at = self.off;
                let v = self.long_int(c);
                if v < 0 {
                    self.fail_at(at, WANT);
                    return 0;
                }
                v as u64
            }
            Some(_) => {
                self.fail(WANT);
                0
            }
            None => 0,
        }
    }

    /// Reads an integer from 0 to `limit`.
    #[inline(never)]
    pub fn uint_max(&mut self, limit: u64, want: &'static str) -> u64 {
        let at = self.off;
        let v = self.uint();
        if v > limit {
            self.fail_at(at, want);
            return 0;
        }
        v
    }

    /// Reads an integer that fits in 32 signed bits.
    #[inline(never)]
    pub fn int32(&mut self) -> i32 {
        let at = self.off;
        let v = self.int();
        match i32::try_from(v) {
            Ok(v) => v,
            Err(_) => {
                self.fail_at(at, "integer within 32 bits");
                0
            }
        }
    }

    /// Reads a float of either size, or an integer as a float.
    pub fn float(&mut self) -> f64 {
        const WANT: &str = "number";
        match self.next(WANT) {
            Some(0xcb) => f64::from_bits(self.big(8, WANT)),
            Some(0xca) => f64::from(f32::from_bits(self.big(4, WANT) as u32)),
            Some(0xcf) => self.big(8, WANT) as f64,
            Some(0..=0x7f | 0xe0..=0xff | 0xcc..=0xd3) => self.int() as f64,
            Some(_) => {
                self.fail(WANT);
                0.0
            }
            None => 0.0,
        }
    }

    /// Reads a byte string or a string; nil gives `None`.
    #[inline(never)]
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        const WANT: &str = "byte string or nil";
        let at = self.off;
        let n = match self.next(WANT)? {
            0xc0 => {
                self.off += 1;
                return None;
            }
            c @ 0xa0..=0xbf => {
                self.off += 1;
                u64::from(c & 31)
            }
            0xc4 | 0xd9 => self.big(1, WANT),
            0xc5 | 0xda => self.big(2, WANT),
            0xc6 | 0xdb => self.big(4, WANT),
            _ => {
                self.fail(WANT);
                return None;
            }
        };
        if n > self.left() as u64 {
            self.fail_at(at, "a byte string that ends within the message");
        }
        if self.err.is_some() {
            return None;
        }
        let start = self.off;
        self.off += n as usize;
        Some(self.since(start))
    }

    /// Reads a string (or a byte string) that is not nil. UTF-8 is not checked.
    #[inline(never)]
    pub fn str(&mut self) -> &'a [u8] {
        match self.next("string") {
            None => &[],
            Some(0xc0) => {
                self.fail("string");
                &[]
            }
            Some(_) => self.bytes().unwrap_or(&[]),
        }
    }

    /// Reads a byte string (or a string) that is not nil.
    pub fn bin(&mut self) -> &'a [u8] {
        if self.peek() == Some(0xc0) {
            self.fail("byte string");
        }
        self.bytes().unwrap_or(&[])
    }

    /// Reads a name, which has at most 255 bytes.
    #[inline(never)]
    pub fn name(&mut self) -> &'a [u8] {
        let at = self.off;
        let name = self.str();
        if name.len() > MAX_NAME {
            self.fail_at(at, "a name of at most 255 bytes");
        }
        name
    }

    /// Reads the header of an array and returns its length, which is never more
    /// than the bytes left, so a caller may allocate by it.
    #[inline(never)]
    pub fn array(&mut self) -> usize {
        const WANT: &str = "array";
        let at = self.off;
        let n = match self.next(WANT) {
            Some(c @ 0x90..=0x9f) => {
                self.off += 1;
                u64::from(c & 15)
            }
            Some(0xdc) => self.big(2, WANT),
            Some(0xdd) => self.big(4, WANT),
            Some(_) => {
                self.fail(WANT);
                return 0;
            }
            None => return 0,
        };
        if n > self.left() as u64 {
            self.fail_at(at, "an array that ends within the message");
            return 0;
        }
        n as usize
    }

    /// Reads the header of an array of at least `n` values and returns how many
    /// more there are; the caller skips those with [`Reader::skip_n`]: they
    /// belong to a newer minor version.
    #[inline(never)]
    pub fn array_min(&mut self, n: usize, want: &'static str) -> usize {
        let at = self.off;
        let got = self.array();
        if self.err.is_some() {
            return 0;
        }
        if got < n {
            self.fail_at(at, want);
            return 0;
        }
        got - n
    }

    /// Reads the header of an array of at most `limit` entries.
    #[inline(never)]
    pub fn list(&mut self, limit: usize, want: &'static str) -> usize {
        let at = self.off;
        let n = self.array();
        if n > limit {
            self.fail_at(at, want);
            return 0;
        }
        n
    }

    /// Checks a count of groups of `per` values against the number of values
    /// that stand behind the fixed fields, and returns how many follow the
    /// groups. `start` is where the message's array begins.
    #[inline(never)]
    pub(crate) fn entries(&mut self, start: usize, values: usize, per: usize, count: i32) -> usize {
        let fits = count >= 0 && count as usize <= MAX_BATCH && values >= per * count as usize;
        if !fits {
            self.fail_at(start, "as many entries as the count says, at most 65536");
        }
        if self.err.is_some() {
            return 0;
        }
        values - per * count as usize
    }

    /// Reads the header of a map and returns the number of pairs, which is never
    /// more than half the bytes left.
    pub fn map(&mut self) -> usize {
        const WANT: &str = "map";
        let at = self.off;
        let n = match self.next(WANT) {
            Some(c @ 0x80..=0x8f) => {
                self.off += 1;
                u64::from(c & 15)
            }
            Some(0xde) => self.big(2, WANT),
            Some(0xdf) => self.big(4, WANT),
            Some(_) => {
                self.fail(WANT);
                return 0;
            }
            None => return 0,
        };
        if n > self.left() as u64 / 2 {
            self.fail_at(at, "a map that ends within the message");
            return 0;
        }
        n as usize
    }

    /// Passes over one value of any type, at most [`MAX_DEPTH`] deep, and
    /// returns its bytes; empty after an error.
    pub fn skip(&mut self) -> &'a [u8] {
        let start = self.off;
        self.skip_at(0);
        if self.err.is_some() {
            return &[];
        }
        self.since(start)
    }

    /// Passes over `n` values.
    #[inline]
    pub fn skip_n(&mut self, n: usize) {
        for _ in 0..n {
            if self.err.is_some() {
                return;
            }
            self.skip_at(0);
        }
    }

    fn skip_at(&mut self, depth: usize) {
        let c = match self.next("value") {
            Some(c) => c,
            None => return,
        };
        match c {
            0..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => self.off += 1,
            0x80..=0x8f | 0xde | 0xdf => {
                if self.too_deep(depth) {
                    return;
                }
                let n = self.map();
                self.skip_inner(2 * n as u64, depth);
            }
            0x90..=0x9f | 0xdc | 0xdd => {
                if self.too_deep(depth) {
                    return;
                }
                let n = self.array();
                self.skip_inner(n as u64, depth);
            }
            0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb => {
                self.bytes();
            }
            0xcc | 0xd0 => self.advance(2),
            0xcd | 0xd1 => self.advance(3),
            0xca | 0xce | 0xd2 => self.advance(5),
            0xcb | 0xcf | 0xd3 => self.advance(9),
            0xd4..=0xd8 => self.advance(2 + (1 << (c - 0xd4))),
            0xc7..=0xc9 => self.extension(1 << (c - 0xc7)),
            _ => self.fail("a msgpack value"),
        }
    }

    fn skip_inner(&mut self, n: u64, depth: usize) {
        for _ in 0..n {
            if self.err.is_some() {
                return;
            }
            self.skip_at(depth + 1);
        }
    }

    fn too_deep(&mut self, depth: usize) -> bool {
        let is = depth >= MAX_DEPTH;
        if is {
            self.fail("a value nested at most 64 deep");
        }
        is
    }

    /// Passes over an extension whose length has `size` bytes.
    fn extension(&mut self, size: usize) {
        const WANT: &str = "a value that ends within the message";
        let at = self.off;
        let n = self.big(size, WANT);
        // One byte more than the length says: the extension's type.
        if n >= self.left() as u64 {
            self.fail_at(at, WANT);
        }
        if self.err.is_none() {
            self.off += 1 + n as usize;
        }
    }

    fn advance(&mut self, n: usize) {
        if self.left() < n {
            self.fail("a value that ends within the message");
        } else {
            self.off += n;
        }
    }

    /// Refuses bytes behind a whole message.
    pub fn end(&mut self) {
        if self.err.is_none() && self.left() != 0 {
            self.fail("the end of the message");
        }
    }
}
