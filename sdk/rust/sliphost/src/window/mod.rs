//! Windows of stream time.

mod dedup;
mod hopping;
mod join;
mod session;
mod spans;
mod sweep;
mod table;

pub use dedup::Dedup;
pub use hopping::Hopping;
pub use join::{Join, JoinKind, Pair};
pub use session::{Session, SessionUpdate};
pub use spans::Windows;
pub(crate) use sweep::Swept;
pub use table::TableJoin;

use spans::Spans;

use crate::advance::Advance;
use crate::cache::{Cache, FromKey, Key, Scan};
use crate::call::Call;
use crate::error::{join as texts, Error, Result};
use crate::record::Record;
use crate::sink::Sink;

/// Is called once for each key of each window that closes; see
/// [`Tumbling::close`].
pub type Close = fn(&mut Call, &[u8], Window<&[u8]>) -> Result<()>;

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
#[derive(Clone, Copy)]
pub struct Tumbling {
    spans: Spans,
}

/// A window with what it holds of one key. The end of a [`Session`] is the time
/// of its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<T> {
    /// The first millisecond that belongs to it.
    pub start: i64,
    /// The first millisecond behind it.
    pub end: i64,
    /// What it holds.
    pub value: T,
}

impl Tumbling {
    /// Windows of `size` milliseconds that stay open for `grace` milliseconds
    /// after their end.
    pub const fn new(cache: &'static Cache, size: i64, grace: i64) -> Self {
        Tumbling {
            spans: Spans::new(cache, size, size, grace),
        }
    }

    /// Emits late records to `sink`, which the handler lists in
    /// [`export!`](crate::export) too.
    pub const fn late(mut self, sink: &'static Sink) -> Self {
        self.spans.late = Some(sink);
        self
    }

    /// Has `close` called once for each key of each window that closes, when its
    /// entry is removed: by the first update behind it or by
    /// [`Tumbling::advance`], in the order of windows, then keys. It must not
    /// write to the cache; its error is that of the update.
    pub const fn close(mut self, close: Close) -> Self {
        self.spans.close = Some(close);
        self
    }

    /// Closes windows without a record: for [`OnAdvance`](crate::OnAdvance). It
    /// closes those that stream time is past, up to 512 keys of them, and if the
    /// advance is final every window, however many there are.
    ///
    /// # Errors
    /// Those of [`Tumbling`], and of what [`Tumbling::close`] was given.
    pub fn advance(&self, call: &mut Call, advance: &Advance) -> Result<()> {
        self.spans.advance(call, advance.is_final)
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
        let key = self.spans.cache.form(key)?;
        match self.spans.enter(call, rec)? {
            Some(open) => self.spans.set(call, open.0, key.as_ref(), f).map(Some),
            None => Ok(None),
        }
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
        let key = self.spans.cache.form(key)?;
        let start = match self.spans.enter(call, rec)? {
            Some((start, _)) => start,
            None => return Ok(None),
        };
        let value = sweep::with_key(call, start, key.as_ref(), |call, key| {
            self.spans.cache.add_i64(call, key, n)
        })?;
        let end = start.saturating_add(self.spans.size);
        Ok(Some(Window { start, end, value }))
    }

    /// The value of `key` in the window that has the time `at`; `None` if there
    /// is none or the window is over.
    ///
    /// # Errors
    /// Those of [`Tumbling`].
    pub fn get(&self, call: &mut Call, at: i64, key: impl Key) -> Result<Option<Vec<u8>>> {
        self.spans.check()?;
        self.spans.get(call, sweep::floor(at, self.spans.size), key)
    }

    /// The integer of `key` in the window that has the time `at`; see
    /// [`Tumbling::get`].
    ///
    /// # Errors
    /// Those of [`Tumbling`]; and a value that is no integer.
    pub fn get_i64(&self, call: &mut Call, at: i64, key: impl Key) -> Result<Option<i64>> {
        let value = self.get(call, at, key)?;
        value.map(|v| self.spans.cache.number(&v)).transpose()
    }

    /// The windows that hold a value of `key` and are not over, in order of
    /// time. It takes two or three calls of the host for each window.
    ///
    /// # Errors
    /// Those of [`Tumbling`], as the last item.
    pub fn windows(&self, call: &Call, key: impl Key) -> Windows {
        self.spans.windows(call, key)
    }

    /// The keys and values of the window that has the time `at`, by key; none if
    /// the window is over. The keys are the forms of those given to
    /// [`Tumbling::update`].
    ///
    /// # Errors
    /// Those of [`Tumbling`], as the last item.
    pub fn entries(&self, call: &Call, at: i64) -> Scan {
        self.spans.entries(call, at)
    }
}

impl std::fmt::Debug for Tumbling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tumbling({:?})", self.spans.size)
    }
}

impl Window<Vec<u8>> {
    /// The number that [`Tumbling::add_i64`] stored: `window.value_as::<i64>()?`.
    ///
    /// # Errors
    /// The value is not of this type.
    pub fn value_as<'w, V: FromKey<'w>>(&'w self) -> Result<V> {
        let why = || Error::decode(texts(&["the window's value is not ", V::WANT]));
        V::from_key(&self.value).ok_or_else(why)
    }
}

#[cfg(test)]
mod tests {
    use super::sweep::{floor, window_key};

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
