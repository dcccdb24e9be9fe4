//! Windows of stream time.

use std::cmp::Ordering;
use std::mem;
use std::ptr;

use crate::binding::Bound;
use crate::cache::{Cache, FromKey, Key, Scan};
use crate::call::Call;
use crate::error::{join, Error, Result};
use crate::record::Record;
use crate::sink::Sink;

/// Counts late records; the host shows it by handler.
const LATE: &str = "slip_late_records";

/// How many expired keys a record removes at most: far more than the one that
/// it adds, and few enough for the bytes that it may write.
const SWEEP: usize = 512;

/// The bytes of a window's start in front of a key.
const START: usize = 8;

/// Windows of one size that follow one another without a gap: each entry of the
/// cache is the state of one key in one window. A window has a start, which is a
/// multiple of the size, and an end, which is not part of it.
///
/// Time is stream time ([`Call::stream_time`]). When it reaches the end of a
/// window plus the grace, the window is over: its entries are removed and are
/// not read any more, and a record that belongs to it is late. Late records are
/// counted in the metric `slip_late_records` and emitted to the late sink, if
/// there is one, as they came; they are no errors.
///
/// ```
/// use sliphost::prelude::*;
/// use sliphost::testing::{Harness, Input};
///
/// static COUNTS: Cache = Cache::new("counts");
/// static LATE: Sink = Sink::new("late");
/// static HOURS: Tumbling = Tumbling::new(&COUNTS, 3_600_000, 60_000).late(&LATE);
///
/// /// Emits how many records of its key there were in the hour.
/// fn hourly(call: &mut Call, rec: Record<'_>) -> Result<()> {
///     if let Some(hour) = HOURS.add_i64(call, rec, rec.key(), 1)? {
///         call.emit(rec.key(), &format!("{} since {}", hour.value, hour.start));
///     }
///     Ok(())
/// }
///
/// export! { "hourly" => hourly, COUNTS, LATE }
///
/// # fn main() {
/// let mut hourly = Harness::new(HANDLERS, "hourly").sink("out");
/// let mut send = |minute: i64| hourly.send(Input::new("x").key("k").timestamp(minute * 60_000));
/// assert_eq!(send(59).outputs[1].text(), "1 since 0");
/// assert_eq!(send(60).outputs[1].text(), "1 since 3600000");
/// assert_eq!(send(58).outputs[1].text(), "2 since 0");
/// assert_eq!(send(61).outputs[1].text(), "2 since 3600000");
/// let late = send(59);
/// assert_eq!(late.outputs.len(), 1);
/// assert_eq!((&*late.outputs[0].sink, late.outputs[0].text()), ("late", "x"));
/// # }
/// ```
///
/// The cache is the window's alone. It has keys of type bytes: 8 bytes of the
/// start, big endian with the sign bit flipped, and the form of the key.
/// Expired entries are removed by updates when stream time has passed a window's
/// border, at most 512 a record.
///
/// It is small and copied freely: make it where it is used if its size is a
/// parameter.
///
/// # Errors
/// Every method returns an error for a size below 1 or a grace below 0, and
/// those of [`Cache`].
#[derive(Clone, Copy, Debug)]
pub struct Tumbling {
    cache: &'static Cache,
    size: i64,
    grace: i64,
    late: Option<&'static Sink>,
}

/// A window with what it holds of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<T> {
    /// The first millisecond that belongs to it.
    pub start: i64,
    /// The first millisecond behind it.
    pub end: i64,
    /// What it holds.
    pub value: T,
}

/// How far the windows of a task are swept; a memo, which may be lost.
#[derive(Debug)]
pub(crate) struct Swept {
    bound: &'static Bound,
    cache: i32,
    partition: i32,
    /// Every window that starts before it is removed.
    border: i64,
}

impl Tumbling {
    /// Windows of `size` milliseconds that stay open for `grace` milliseconds
    /// after their end.
    pub const fn new(cache: &'static Cache, size: i64, grace: i64) -> Self {
        Tumbling {
            cache,
            size,
            grace,
            late: None,
        }
    }

    /// Emits late records to `sink`, which the handler lists in
    /// [`export!`](crate::export) too.
    pub const fn late(self, sink: &'static Sink) -> Self {
        Tumbling {
            late: Some(sink),
            ..self
        }
    }

    /// Changes the value of `key` in the window of the record's timestamp: `f`
    /// gets the old value, `None` if there is none, and returns the new one,
    /// which comes back with its window. `None` comes back when the record is
    /// late. [`Record::at`] gives it another timestamp.
    ///
    /// ```
    /// # use sliphost::prelude::*;
    /// # static ROUTES: Cache = Cache::new("routes");
    /// # static DAYS: Tumbling = Tumbling::new(&ROUTES, 86_400_000, 0);
    /// fn routes(call: &mut Call, rec: Record<'_>) -> Result<()> {
    ///     let day = DAYS.update(call, rec, rec.key(), |old| {
    ///         let mut list = old.unwrap_or(b"").to_vec();
    ///         list.extend_from_slice(rec.value());
    ///         list.push(b' ');
    ///         Ok(list)
    ///     })?;
    ///     if let Some(day) = day {
    ///         call.emit(rec.key(), &day.value);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// A record without a timestamp; what `f` returns; and those of [`Tumbling`].
    pub fn update(
        &self,
        call: &mut Call,
        rec: Record<'_>,
        key: impl Key,
        f: impl FnOnce(Option<&[u8]>) -> Result<Vec<u8>>,
    ) -> Result<Option<Window<Vec<u8>>>> {
        let key = self.cache.form(key)?;
        self.within(call, rec, key.as_ref(), |call, key| {
            let value = f(self.cache.peek(call, key)?)?;
            self.cache.put(call, key, &value)?;
            Ok(value)
        })
    }

    /// Adds `n` to the integer that `key` has in the window of the record's
    /// timestamp, 0 if it has none: [`Tumbling::update`] for counters.
    ///
    /// # Errors
    /// Those of [`Tumbling::update`] and [`Cache::add_i64`].
    pub fn add_i64(
        &self,
        call: &mut Call,
        rec: Record<'_>,
        key: impl Key,
        n: i64,
    ) -> Result<Option<Window<i64>>> {
        let key = self.cache.form(key)?;
        self.within(call, rec, key.as_ref(), |call, key| {
            self.cache.add_i64(call, key, n)
        })
    }

    /// The value of `key` in the window that has the time `at`; `None` if there
    /// is none or the window is over.
    ///
    /// # Errors
    /// Those of [`Tumbling`].
    pub fn get(&self, call: &mut Call, at: i64, key: impl Key) -> Result<Option<Vec<u8>>> {
        let key = self.cache.form(key)?;
        self.check()?;
        let start = floor(at, self.size);
        if start < self.border(call.stream_time()) {
            return Ok(None);
        }
        self.with_key(call, start, key.as_ref(), |call, key| {
            self.cache.get(call, key)
        })
    }

    /// The integer of `key` in the window that has the time `at`; see
    /// [`Tumbling::get`].
    ///
    /// # Errors
    /// Those of [`Tumbling`]; and a value that is no integer.
    pub fn get_i64(&self, call: &mut Call, at: i64, key: impl Key) -> Result<Option<i64>> {
        let value = self.get(call, at, key)?;
        value.map(|v| self.cache.number(&v)).transpose()
    }

    /// The windows that hold a value of `key` and are not over, in order of
    /// time. It takes two or three calls of the host for each window.
    ///
    /// # Errors
    /// Those of [`Tumbling`], as the last item.
    pub fn windows(&self, call: &Call, key: impl Key) -> Windows {
        let key = self.cache.form(key).map(|key| key.as_ref().to_vec());
        let (scan, key) = match key.and_then(|key| self.check().map(|()| key)) {
            Err(e) => (Scan::failed(e), Vec::new()),
            Ok(key) => {
                let first = self.border(call.stream_time());
                let mut scan = self.cache.scan(call).page(1);
                scan.seek(window_key(first, &key));
                (scan, key)
            }
        };
        let window = *self;
        Windows { window, scan, key }
    }

    /// The keys and values of the window that has the time `at`, by key; none if
    /// the window is over. The keys are the forms of those given to
    /// [`Tumbling::update`].
    ///
    /// # Errors
    /// Those of [`Tumbling`], as the last item.
    pub fn entries(&self, call: &Call, at: i64) -> Scan {
        if let Err(e) = self.check() {
            return Scan::failed(e);
        }
        let start = floor(at, self.size);
        let scan = self.cache.scan(call).strip(START);
        if start < self.border(call.stream_time()) {
            return scan.range(..b"");
        }
        scan.prefix(window_key(start, &[]))
    }

    /// Runs `f` with the call and the key of the record's window, unless the
    /// record is late.
    fn within<T>(
        &self,
        call: &mut Call,
        rec: Record<'_>,
        key: &[u8],
        f: impl FnOnce(&mut Call, &[u8]) -> Result<T>,
    ) -> Result<Option<Window<T>>> {
        let start = match self.enter(call, rec)? {
            Some(start) => start,
            None => return Ok(None),
        };
        let value = self.with_key(call, start, key, f)?;
        let end = start.saturating_add(self.size);
        Ok(Some(Window { start, end, value }))
    }

    /// Removes what is over; the start of the record's window, or `None` for a
    /// late record.
    fn enter(&self, call: &mut Call, rec: Record<'_>) -> Result<Option<i64>> {
        self.check()?;
        if rec.timestamp() == -1 && !rec.dated {
            return Err(self.wrong(&["the record has no timestamp"]));
        }
        let border = self.border(call.stream_time());
        self.sweep(call, border)?;
        let start = floor(rec.timestamp(), self.size);
        if start >= border {
            return Ok(Some(start));
        }
        call.counter(LATE, 1.0);
        if let Some(sink) = self.late {
            let late = sink.record(call).key(rec.key()).value(rec.value_opt());
            late.headers(rec.headers()).emit();
        }
        Ok(None)
    }

    /// Removes entries of windows that start before `border`, unless this
    /// instance knows that there are none.
    fn sweep(&self, call: &mut Call, border: i64) -> Result<()> {
        let now = Swept {
            bound: call.bound,
            cache: self.cache.id(call)?,
            partition: call.partition,
            border,
        };
        let known = call.swept.iter().position(|s| s.same(&now));
        if known.and_then(|at| call.swept.get(at)).map(|s| s.border) >= Some(border) {
            return Ok(());
        }
        let end = window_key(border, &[]);
        let mut scan = self.cache.scan(call).range(..&end).page(SWEEP);
        let (last, all) = scan.one_page()?;
        if let Some(last) = last {
            if all {
                self.cache.delete_range(call, ..&end)?;
            } else {
                self.cache.delete_range(call, ..=last.key())?;
            }
        }
        if all {
            match known.and_then(|at| call.swept.get_mut(at)) {
                Some(known) => *known = now,
                None => call.swept.push(now),
            }
        }
        Ok(())
    }

    /// The start of the first window that is not over.
    fn border(&self, stream_time: i64) -> i64 {
        let over = stream_time
            .saturating_sub(self.grace)
            .saturating_sub(self.size);
        floor(over, self.size).saturating_add(self.size)
    }

    /// Runs `f` with the key of `key` in a window.
    fn with_key<T>(
        &self,
        call: &mut Call,
        start: i64,
        key: &[u8],
        f: impl FnOnce(&mut Call, &[u8]) -> Result<T>,
    ) -> Result<T> {
        let mut buf = mem::take(&mut call.scratch);
        buf.clear();
        append_window_key(&mut buf, start, key);
        let result = f(call, &buf);
        call.scratch = buf;
        result
    }

    fn check(&self) -> Result<()> {
        if self.size < 1 {
            return Err(self.wrong(&["size ", &self.size.to_string(), ": want at least 1"]));
        }
        if self.grace < 0 {
            return Err(self.wrong(&["grace ", &self.grace.to_string(), ": want at least 0"]));
        }
        Ok(())
    }

    #[cold]
    fn wrong(&self, why: &[&str]) -> Error {
        Error::failed(join(&[
            "window \"",
            self.cache.decl.name,
            "\": ",
            &join(why),
        ]))
    }
}

impl Swept {
    fn same(&self, other: &Swept) -> bool {
        ptr::eq(self.bound, other.bound)
            && self.cache == other.cache
            && self.partition == other.partition
    }
}

/// The greatest multiple of `size` that is not above `at`, or the least integer
/// where that would lie below it. `size` is above 0.
fn floor(at: i64, size: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(size))
}

fn window_key(start: i64, key: &[u8]) -> Vec<u8> {
    let mut buf = Vec::with_capacity(START + key.len() + 1);
    append_window_key(&mut buf, start, key);
    buf
}

fn append_window_key(buf: &mut Vec<u8>, start: i64, key: &[u8]) {
    buf.extend_from_slice(&(start ^ i64::MIN).to_be_bytes());
    buf.extend_from_slice(key);
}

/// The windows of a key; see [`Tumbling::windows`].
#[must_use = "nothing is read before the first window is taken"]
#[derive(Debug)]
pub struct Windows {
    window: Tumbling,
    scan: Scan,
    key: Vec<u8>,
}

impl Windows {
    /// The next window; leaves the scan where the search goes on.
    fn step(&mut self) -> Result<Option<Window<Vec<u8>>>> {
        while let Some(entry) = self.scan.next() {
            let entry = entry?;
            let start = entry.key().get(..START).and_then(|s| s.try_into().ok());
            let (start, key) = match (start.map(i64::from_be_bytes), entry.key().get(START..)) {
                (Some(start), Some(key)) => (start ^ i64::MIN, key),
                _ => return Err(self.window.wrong(&["the cache has keys of something else"])),
            };
            match key.cmp(&self.key) {
                Ordering::Less => self.scan.seek(window_key(start, &self.key)),
                Ordering::Equal => {
                    let mut next = entry.key().to_vec();
                    next.push(0);
                    self.scan.seek(next);
                    return Ok(Some(Window {
                        start,
                        end: start.saturating_add(self.window.size),
                        value: entry.value().to_vec(),
                    }));
                }
                Ordering::Greater => match start.checked_add(1) {
                    Some(next) => self.scan.seek(window_key(next, &self.key)),
                    None => return Ok(None),
                },
            }
        }
        Ok(None)
    }
}

impl Iterator for Windows {
    type Item = Result<Window<Vec<u8>>>;

    fn next(&mut self) -> Option<Self::Item> {
        let window = self.step();
        if !matches!(window, Ok(Some(_))) {
            // Nothing more after the end or an error.
            self.scan.stop();
        }
        window.transpose()
    }
}

impl std::iter::FusedIterator for Windows {}

impl Window<Vec<u8>> {
    /// The number that [`Tumbling::add_i64`] stored: `window.value_as::<i64>()?`.
    ///
    /// # Errors
    /// The value is not of this type.
    pub fn value_as<'w, V: FromKey<'w>>(&'w self) -> Result<V> {
        let why = || Error::decode(join(&["the window's value is not ", V::WANT]));
        V::from_key(&self.value).ok_or_else(why)
    }
}

#[cfg(test)]
mod tests {
    use super::{floor, window_key};

    #[test]
    fn windows_begin_at_multiples_of_their_size() {
        let cases = [
            (0, 0),
            (9, 0),
            (10, 10),
            (-1, -10),
            (-10, -10),
            (-11, -20),
            (i64::MAX, i64::MAX - 7),
            (i64::MIN, i64::MIN),
        ];
        for (at, want) in cases {
            assert_eq!(floor(at, 10), want, "{}", at);
        }
        assert_eq!(floor(i64::MIN, 1), i64::MIN);
        assert_eq!(floor(i64::MAX, i64::MAX), i64::MAX);
    }

    #[test]
    fn keys_of_windows_are_in_order_of_time() {
        assert_eq!(window_key(0, b"k"), b"\x80\0\0\0\0\0\0\0k");
        let starts = [i64::MIN, -20, -10, 0, 10, 256, i64::MAX];
        let keys: Vec<_> = starts.iter().map(|s| window_key(*s, b"k")).collect();
        assert!(keys.windows(2).all(|k| k[0] < k[1]));
    }
}
