//! Numbers as values: counters and sums.

use super::{Cache, FromKey, Key};
use crate::call::Call;
use crate::error::{join, Error, Result};

const OVERFLOW: &str = "the sum does not fit into 64 bits";

/// Numbers as values: 8 bytes, little endian, as keys of type int and float.
/// The Go SDK stores them alike.
///
/// # Errors
/// Those of [`Cache`]; and a value that is not 8 bytes long.
impl Cache {
    /// The integer that `key` has; `None` when it is absent, for which
    /// `unwrap_or(0)` is the usual answer.
    #[inline]
    pub fn get_i64(&self, call: &mut Call, key: impl Key) -> Result<Option<i64>> {
        let value = self.peek(call, key)?;
        value.map(|v| self.number(v)).transpose()
    }

    /// Sets the value of `key` to an integer.
    #[inline]
    pub fn put_i64(&self, call: &mut Call, key: impl Key, n: i64) -> Result<()> {
        self.put(call, key, &n.to_le_bytes())
    }

    /// Adds `n` to the integer that `key` has, 0 when it is absent, and returns
    /// the sum: a counter.
    ///
    /// ```
    /// # use sliphost::prelude::*;
    /// # static COUNTS: Cache = Cache::new("counts");
    /// fn count(call: &mut Call, rec: Record<'_>) -> Result<()> {
    ///     let n = COUNTS.add_i64(call, rec.key(), 1)?;
    ///     call.emit(rec.key(), &n.to_string());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// A sum that does not fit in 64 bits, which changes nothing.
    #[inline]
    pub fn add_i64(&self, call: &mut Call, key: impl Key, n: i64) -> Result<i64> {
        let id = self.id(call)?;
        let key = self.form(key)?;
        let key = key.as_ref();
        let old = if self.found(crate::abi::cache_get(id, key, &mut call.held))? {
            self.number(&call.held)?
        } else {
            0
        };
        let sum = i64::checked_add(old, n).ok_or_else(|| self.wrong(OVERFLOW))?;
        self.put(call, key, &sum.to_le_bytes())?;
        Ok(sum)
    }

    /// The float that `key` has; `None` when it is absent.
    #[inline]
    pub fn get_f64(&self, call: &mut Call, key: impl Key) -> Result<Option<f64>> {
        let value = self.peek(call, key)?;
        value.map(|v| self.number(v)).transpose()
    }

    /// Sets the value of `key` to a float.
    #[inline]
    pub fn put_f64(&self, call: &mut Call, key: impl Key, x: f64) -> Result<()> {
        self.put(call, key, &x.to_le_bytes())
    }

    /// Adds `x` to the float that `key` has, 0 when it is absent, and returns
    /// the sum.
    #[inline]
    pub fn add_f64(&self, call: &mut Call, key: impl Key, x: f64) -> Result<f64> {
        let key = self.form(key)?;
        let sum = self.get_f64(call, key.as_ref())?.unwrap_or(0.0) + x;
        self.put_f64(call, key.as_ref(), sum)?;
        Ok(sum)
    }

    /// A number has the form of a key of its type.
    #[inline]
    pub(crate) fn number<N: for<'a> FromKey<'a>>(&self, value: &[u8]) -> Result<N> {
        N::from_key(value).ok_or_else(|| self.no_number(value.len()))
    }

    #[cold]
    fn no_number(&self, len: usize) -> Error {
        let (name, len) = (self.decl.name, len.to_string());
        let why = [
            "cache \"",
            name,
            "\": no number: the value has ",
            &len,
            " bytes, not 8",
        ];
        Error::decode(join(&why))
    }
}
