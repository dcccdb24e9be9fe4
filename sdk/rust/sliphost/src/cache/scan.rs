//! Entries of a cache in order.

use std::mem;
use std::ops::Range;
use std::rc::Rc;

use super::key::Ends;
use super::{FromKey, KeyRange};
use crate::abi;
use crate::error::{join, Error, Result};
use crate::message::ScanRequest;
use crate::wire::Reader;
use crate::zz_abi::MAX_SCAN;

/// How many entries the host is asked for at a time.
const PAGE: usize = 256;

/// Room for a page, to begin with.
const ROOM: usize = 16 << 10;

/// The entries of a cache, one after the other, in the order of their keys.
/// [`Cache::scan`] makes it, and it can be narrowed and turned round before the
/// first entry is taken:
///
/// ```
/// use sliphost::prelude::*;
/// use sliphost::testing::{Harness, Input};
///
/// static FLIGHTS: Cache = Cache::new("flights");
///
/// /// Emits the last two flights of an airline.
/// fn last(call: &mut Call, rec: Record<'_>) -> Result<()> {
///     for entry in FLIGHTS.scan(call).prefix(rec.text()?).backwards().take(2) {
///         let entry = entry?;
///         call.emit(entry.key(), entry.value());
///     }
///     Ok(())
/// }
///
/// export! { "last" => last, FLIGHTS }
///
/// # fn main() {
/// let mut last = Harness::new(HANDLERS, "last")
///     .entry("flights", "AA1", "ORD")
///     .entry("flights", "AA2", "LAX")
///     .entry("flights", "AA3", "JFK")
///     .entry("flights", "UA1", "DEN");
/// assert_eq!(last.send(Input::new("AA")).values(), ["JFK", "LAX"]);
/// # }
/// ```
///
/// It does not hold the call, so the handler may emit, read and write meanwhile.
/// It comes in pages of bounded size, and stopping early costs nothing. An entry
/// written during the scan is seen if its page is not there yet and its key is
/// still ahead; the entries seen are those of the page as it came. It is valid
/// in its record only.
///
/// Each item is an entry or the error that ends the scan: one of those of
/// [`Cache`], or a prefix for keys that are not bytes.
///
/// [`Cache`]: crate::Cache
/// [`Cache::scan`]: crate::Cache::scan
#[must_use = "nothing is read before the first entry is taken"]
#[derive(Debug)]
pub struct Scan {
    cache: &'static str,
    /// The cache's id, or an error that is still to be told.
    id: Result<i32>,
    prefix: Option<Vec<u8>>,
    ends: Ends,
    reverse: bool,
    limit: usize,
    /// Bytes that all keys begin with and entries do not show.
    strip: usize,
    page: Page,
    request: Vec<u8>,
    /// Where the next page begins; nothing before the first.
    cursor: Option<Vec<u8>>,
    done: bool,
}

/// What of a page is still to be read.
#[derive(Debug, Default)]
struct Page {
    bytes: Rc<Vec<u8>>,
    at: usize,
    left: i32,
}

impl Scan {
    pub(super) fn new(cache: &'static str, id: Result<i32>) -> Self {
        Scan {
            cache,
            id,
            prefix: None,
            ends: Ends::default(),
            reverse: false,
            limit: PAGE,
            strip: 0,
            page: Page::default(),
            request: Vec::new(),
            cursor: None,
            done: false,
        }
    }

    /// Only keys that begin so; for caches whose keys are bytes or text. With a
    /// range, keys satisfy both.
    pub fn prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = Some(prefix.as_ref().to_vec());
        self
    }

    /// Only keys of a range, whatever the direction: `"a".."c"`, `10..`,
    /// `..=20`. So a scan from a key, that key included, is `.range(key..)`
    /// upwards and `.range(..=key).backwards()` downwards. It replaces the
    /// range given before.
    pub fn range(mut self, range: impl KeyRange) -> Self {
        match range.ends() {
            Ok(ends) => {
                self.done = ends.empty;
                self.ends = ends;
            }
            Err(why) => self.id = Err(failed(self.cache, why)),
        }
        self
    }

    /// From the last key down to the first.
    pub fn backwards(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// How many entries the host is asked for at a time, 1 to 4096; 256 by
    /// default. The page's bytes are bounded besides, at 1 MiB.
    pub fn page(mut self, entries: usize) -> Self {
        self.limit = entries.clamp(1, MAX_SCAN);
        self
    }

    /// The keys alone.
    pub fn keys(self) -> impl Iterator<Item = Result<Vec<u8>>> {
        self.map(|entry| entry.map(|e| e.key().to_vec()))
    }

    /// The values alone.
    pub fn values(self) -> impl Iterator<Item = Result<Vec<u8>>> {
        self.map(|entry| entry.map(|e| e.value().to_vec()))
    }

    /// Does not show the first `strip` bytes of keys.
    pub(crate) fn strip(mut self, strip: usize) -> Self {
        self.strip = strip;
        self
    }

    /// Nothing but an error.
    pub(crate) fn failed(e: Error) -> Self {
        Scan::new("", Err(e))
    }

    /// Reads nothing more.
    pub(crate) fn stop(&mut self) {
        self.done = true;
        self.page.left = 0;
    }

    /// Asks for the next page, and says whether it is the last one.
    pub(crate) fn open_page(&mut self) -> Result<bool> {
        self.load()?;
        Ok(self.done)
    }

    /// The next entry of the page at hand.
    pub(crate) fn next_of_page(&mut self) -> Result<Option<Entry>> {
        if self.page.left <= 0 {
            return Ok(None);
        }
        self.take_entry().map(Some)
    }

    /// Goes on at the least key that is not below `from`.
    pub(crate) fn seek(&mut self, from: Vec<u8>) {
        self.ends.from = Some(from);
        self.cursor = None;
        self.page.left = 0;
        self.done = false;
    }

    /// Asks for the next page.
    fn load(&mut self) -> Result<()> {
        let id = mem::replace(&mut self.id, Ok(0))?;
        self.id = Ok(id);
        let request = ScanRequest {
            prefix: self.prefix.as_deref(),
            from: self.ends.from.as_deref(),
            to: self.ends.to.as_deref(),
            reverse: self.reverse,
            limit: self.limit as i32,
            cursor: self.cursor.as_deref(),
        };
        self.request.clear();
        request.append(&mut self.request);
        // Its buffer is used again unless an entry is kept that lies in it.
        let mut bytes = match Rc::get_mut(&mut self.page.bytes) {
            Some(bytes) if bytes.capacity() > 0 => mem::take(bytes),
            _ => Vec::with_capacity(ROOM),
        };
        let result = abi::cache_scan(id, &self.request, &mut bytes);
        if result < 0 {
            return Err(Error::host("cache", self.cache, result));
        }
        let mut r = Reader::new(&bytes);
        let values = r.array_min(2, "a page of at least 2 fields");
        let next = r.bytes();
        let count = r.int32();
        r.entries(0, values, 2, count);
        if r.err().is_some() {
            return Err(self.garbled());
        }
        self.done = next.is_none();
        self.cursor = next.map(<[u8]>::to_vec);
        self.page.at = r.offset();
        self.page.left = count;
        match Rc::get_mut(&mut self.page.bytes) {
            Some(same) => *same = bytes,
            None => self.page.bytes = Rc::new(bytes),
        }
        Ok(())
    }

    /// Takes an entry of the page at hand.
    fn take_entry(&mut self) -> Result<Entry> {
        let mut r = Reader::new(self.page.bytes.get(self.page.at..).unwrap_or(&[]));
        let key = r.bin().len();
        let key_end = self.page.at + r.offset();
        let value = r.bin().len();
        let value_end = self.page.at + r.offset();
        if r.err().is_some() || key < self.strip {
            return Err(self.garbled());
        }
        self.page.at = value_end;
        self.page.left -= 1;
        Ok(Entry {
            cache: self.cache,
            page: Rc::clone(&self.page.bytes),
            key: key_end - key + self.strip..key_end,
            value: value_end - value..value_end,
        })
    }

    #[cold]
    fn garbled(&self) -> Error {
        failed(self.cache, "the host's answer cannot be read")
    }
}

#[cold]
fn failed(cache: &str, why: &str) -> Error {
    Error::failed(join(&["cache \"", cache, "\": ", why]))
}

impl Iterator for Scan {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        while self.page.left <= 0 {
            // An error is told also where nothing would be read.
            if self.done && self.id.is_ok() {
                return None;
            }
            if let Err(e) = self.load() {
                self.done = true;
                return Some(Err(e));
            }
        }
        let entry = self.take_entry();
        if entry.is_err() {
            self.stop();
        }
        Some(entry)
    }
}

impl std::iter::FusedIterator for Scan {}

/// One entry of a cache. It shares the memory of its page; what is kept long
/// should be copied.
#[derive(Clone)]
pub struct Entry {
    cache: &'static str,
    page: Rc<Vec<u8>>,
    key: Range<usize>,
    value: Range<usize>,
}

impl Entry {
    /// The key, in the form that [`Key`](crate::Key) says.
    pub fn key(&self) -> &[u8] {
        self.page.get(self.key.clone()).unwrap_or(&[])
    }

    /// The key of a cache with `key = "int"` as an `i64`, and so the other
    /// types: `entry.key_as::<i64>()?`.
    ///
    /// # Errors
    /// The key is not of this type.
    pub fn key_as<'e, K: FromKey<'e>>(&'e self) -> Result<K> {
        K::from_key(self.key()).ok_or_else(|| self.mismatch("key", K::WANT))
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        self.page.get(self.value.clone()).unwrap_or(&[])
    }

    /// The number that [`Cache::put_i64`](crate::Cache::put_i64) and its like
    /// stored: `entry.value_as::<i64>()?`.
    ///
    /// # Errors
    /// The value is not of this type.
    pub fn value_as<'e, V: FromKey<'e>>(&'e self) -> Result<V> {
        V::from_key(self.value()).ok_or_else(|| self.mismatch("value", V::WANT))
    }

    #[cold]
    fn mismatch(&self, what: &str, want: &str) -> Error {
        let why = ["cache \"", self.cache, "\": the ", what, " is not ", want];
        Error::decode(join(&why))
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({:?}, {:?})", self.key(), self.value())
    }
}
