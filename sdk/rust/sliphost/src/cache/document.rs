//! Documents as values.

use std::mem;

use super::{Cache, Key};
use crate::call::Call;
use crate::error::Result;
use crate::value::{Doc, Writer};

/// Documents as values: one msgpack value each, which is also what entries of a
/// `kind = "global"` cache are whose topic has a decoding codec.
impl Cache {
    /// The value of `key` for reading field by field; `None` when it is absent.
    /// It lies in a buffer of the call, as that of [`Cache::peek`].
    ///
    /// ```
    /// # use sliphost::prelude::*;
    /// # static AIRPORTS: Cache = Cache::new("airports");
    /// fn city(call: &mut Call, rec: Record<'_>) -> Result<()> {
    ///     let city = match AIRPORTS.doc(call, rec.key())? {
    ///         Some(airport) => airport.get("city").str()?.to_owned(),
    ///         None => return Err(Error::drop("an unknown airport")),
    ///     };
    ///     call.emit(rec.key(), &city);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`Cache`]; and a value that is not one msgpack value.
    pub fn doc<'c>(&self, call: &'c mut Call, key: impl Key) -> Result<Option<Doc<'c>>> {
        self.peek(call, key)?.map(Doc::parse).transpose()
    }

    /// Sets the value of `key` to the one msgpack value that `write` writes:
    /// `SEEN.put_doc(call, key, |w| w.fields(&[("n", 1.into())]))`.
    ///
    /// # Errors
    /// Those of [`Cache`]; what `write` returns; and anything else than one
    /// value written. Nothing is changed then.
    pub fn put_doc(
        &self,
        call: &mut Call,
        key: impl Key,
        write: impl FnOnce(&mut Writer<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut value = mem::take(&mut call.scratch);
        value.clear();
        let written =
            write(&mut Writer::new(&mut value)).and_then(|()| Doc::parse(&value).map(drop));
        let result = written.and_then(|()| self.put(call, key, &value));
        call.scratch = value;
        result
    }

    /// The value of `key` as a type; `None` when it is absent. The type may
    /// borrow from a buffer of the call, as [`Cache::peek`] does.
    ///
    /// # Errors
    /// Those of [`Cache`]; and a value that is not of the type.
    #[cfg(feature = "serde")]
    pub fn get_value<'c, T: serde::Deserialize<'c>>(
        &self,
        call: &'c mut Call,
        key: impl Key,
    ) -> Result<Option<T>> {
        self.peek(call, key)?.map(crate::from_slice).transpose()
    }

    /// Sets the value of `key` to a typed value, in the form of
    /// [`to_vec`](crate::to_vec).
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use sliphost::prelude::*;
    ///
    /// #[derive(Default, Deserialize, Serialize)]
    /// struct Stats {
    ///     flights: u64,
    ///     late: u64,
    /// }
    ///
    /// static STATS: Cache = Cache::new("stats");
    ///
    /// fn stats(call: &mut Call, rec: Record<'_>) -> Result<()> {
    ///     let mut stats: Stats = STATS.get_value(call, rec.key())?.unwrap_or_default();
    ///     stats.flights += 1;
    ///     STATS.put_value(call, rec.key(), &stats)
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`Cache`]; and a value that cannot be written.
    #[cfg(feature = "serde")]
    pub fn put_value(
        &self,
        call: &mut Call,
        key: impl Key,
        value: &(impl serde::Serialize + ?Sized),
    ) -> Result<()> {
        self.put(call, key, &crate::to_vec(value)?)
    }
}
