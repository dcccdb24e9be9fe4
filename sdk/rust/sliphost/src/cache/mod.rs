//! Caches: state that survives the instance.

#[cfg(test)]
pub(crate) mod allocation_tests;
mod document;
mod key;
mod number;
mod scan;

use std::mem;

pub use key::{FromKey, Key, KeyRange};
pub use scan::{Entry, Scan};

use crate::abi;
use crate::binding::Decl;
use crate::call::Call;
use crate::error::{join, Error, Result};
use crate::export::{Item, ItemKind};
use crate::field::Field;
use crate::wire::{append_array_header, append_bin, Reader};
use crate::zz_abi::{
    MAX_KEYS, RESULT_ABSENT, SAVEPOINT_BEGIN, SAVEPOINT_RELEASE, SAVEPOINT_ROLLBACK,
};

/// A cache: entries of a key and a value, kept by the host. Declare it as a
/// static and list it in [`export!`](crate::export); the manifest says which
/// cache stands behind it and of what type its keys are: see [`Key`].
///
/// Writes are part of the record's effect: they count when the handler returns
/// `Ok` and are undone when it does not. Reads see the writes of this record
/// and of the records before it. Keys and values are copied.
///
/// ```
/// use sliphost::prelude::*;
/// use sliphost::testing::{Harness, Input};
///
/// static LAST: Cache = Cache::new("last");
///
/// /// Passes on a value that differs from the last one of its key.
/// fn changed(call: &mut Call, rec: Record<'_>) -> Result<()> {
///     if LAST.peek(call, rec.key())? != Some(rec.value()) {
///         LAST.put(call, rec.key(), rec.value())?;
///         call.emit(rec.key(), rec.value());
///     }
///     Ok(())
/// }
///
/// export! { "changed" => changed, LAST }
///
/// # fn main() {
/// let mut changed = Harness::new(HANDLERS, "changed");
/// let inputs = ["a", "a", "b"].map(|v| Input::new(v).key("k"));
/// let emitted: Vec<_> = inputs.into_iter().map(|i| changed.send(i).outputs.len()).collect();
/// assert_eq!(emitted, [1, 0, 1]);
/// assert_eq!(changed.cached("last", "k"), Some(&b"b"[..]));
/// # }
/// ```
///
/// # Errors
/// Every method returns an error for a cache that [`export!`](crate::export)
/// does not list for the handler or the manifest does not bind, for a key that
/// is absent, NaN or not of the cache's type, and for a write to a cache that
/// is read-only for handlers (`kind = "global"`). When a limit of the record is
/// reached (the bytes it may write, a key of more than 65535 bytes), the record
/// fails whatever the handler returns.
#[derive(Debug)]
pub struct Cache {
    pub(crate) decl: Decl,
}

impl Cache {
    /// Declares a cache; `name` is the module's own name for it.
    pub const fn new(name: &'static str) -> Self {
        Cache {
            decl: Decl::new(name),
        }
    }

    /// The value of `key`, or `None` when it is absent. An empty value is
    /// present. It is the caller's own copy; [`Cache::peek`] and
    /// [`Cache::read`] make none.
    pub fn get(&self, call: &mut Call, key: impl Key) -> Result<Option<Vec<u8>>> {
        Ok(self.peek(call, key)?.map(<[u8]>::to_vec))
    }

    /// The value of `key` in a buffer of the call, which is busy as long as the
    /// value is in use. It allocates only when the value is longer than any
    /// before it.
    #[inline]
    pub fn peek<'c>(&self, call: &'c mut Call, key: impl Key) -> Result<Option<&'c [u8]>> {
        let mut held = mem::take(&mut call.held);
        let found = self.get_into(call, key, &mut held);
        call.held = held;
        Ok(if found? { Some(&call.held) } else { None })
    }

    /// Runs `f` with the value of `key`, as [`Cache::peek`] reads it, and gives
    /// it the call back: so a value is emitted without a copy of it.
    ///
    /// ```
    /// # use sliphost::prelude::*;
    /// # static AIRPORTS: Cache = Cache::new("airports");
    /// fn join(call: &mut Call, rec: Record<'_>) -> Result<()> {
    ///     AIRPORTS.read(call, rec.key(), |call, airport| {
    ///         call.emit(rec.value(), airport);
    ///         Ok(())
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// What `f` returns, beside those of [`Cache`].
    #[inline]
    pub fn read<T>(
        &self,
        call: &mut Call,
        key: impl Key,
        f: impl FnOnce(&mut Call, Option<&[u8]>) -> Result<T>,
    ) -> Result<T> {
        let mut held = mem::take(&mut call.held);
        let result = match self.get_into(call, key, &mut held) {
            Ok(found) => f(call, if found { Some(&held) } else { None }),
            Err(e) => Err(e),
        };
        call.held = held;
        result
    }

    /// Replaces the contents of `value` by the value of `key` and returns true,
    /// or empties it and returns false when the key is absent. It allocates
    /// only when `value` has no room.
    #[inline]
    pub fn get_into(&self, call: &mut Call, key: impl Key, value: &mut Vec<u8>) -> Result<bool> {
        let id = self.id(call)?;
        let key = self.form(key)?;
        self.found(abi::cache_get(id, key.as_ref(), value))
    }

    /// The values of several keys in one call of the host, in their order;
    /// `None` where a key is absent. A key may repeat.
    ///
    /// # Errors
    /// Those of [`Cache`]; the first key that is wrong fails all.
    pub fn get_many<K: Key + Copy>(
        &self,
        call: &mut Call,
        keys: &[K],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let id = self.id(call)?;
        let mut values = Vec::with_capacity(keys.len());
        for some in keys.chunks(MAX_KEYS) {
            call.scratch.clear();
            append_array_header(&mut call.scratch, 1);
            append_array_header(&mut call.scratch, some.len());
            for key in some {
                append_bin(&mut call.scratch, Some(self.form(*key)?.as_ref()));
            }
            let result = abi::cache_get_many(id, &call.scratch, &mut call.held);
            self.check(result)?;
            self.read_values(&call.held, &mut values)?;
        }
        Ok(values)
    }

    fn read_values(&self, list: &[u8], values: &mut Vec<Option<Vec<u8>>>) -> Result<()> {
        let mut r = Reader::new(list);
        r.array_min(1, "a list of 1 field");
        for _ in 0..r.list(MAX_KEYS, "at most 4096 values") {
            values.push(r.bytes().map(<[u8]>::to_vec));
        }
        r.err().map_or(Ok(()), |_| Err(self.garbled()))
    }

    /// Whether `key` is present.
    #[inline]
    pub fn contains(&self, call: &mut Call, key: impl Key) -> Result<bool> {
        let id = self.id(call)?;
        let key = self.form(key)?;
        self.found(abi::cache_len(id, key.as_ref()))
    }

    /// Sets the value of `key`; an absent value is stored as an empty one.
    #[inline]
    pub fn put<'d>(&self, call: &mut Call, key: impl Key, value: impl Field<'d>) -> Result<()> {
        let id = self.id(call)?;
        let key = self.form(key)?;
        let value = value.field().unwrap_or(&[]);
        self.check(i64::from(abi::cache_put(id, key.as_ref(), value)))
    }

    /// Removes `key`, present or not.
    #[inline]
    pub fn delete(&self, call: &mut Call, key: impl Key) -> Result<()> {
        let id = self.id(call)?;
        let key = self.form(key)?;
        self.check(i64::from(abi::cache_delete(id, key.as_ref())))
    }

    /// Removes every key of a range: `SEEN.delete_range(call, "a".."c")`. Each
    /// key removed counts as bytes written. The host refuses it for keys of
    /// type bool.
    pub fn delete_range(&self, call: &mut Call, range: impl KeyRange) -> Result<()> {
        let id = self.id(call)?;
        let ends = range.ends().map_err(|why| self.wrong(why))?;
        if ends.empty {
            return Ok(());
        }
        let (from, to) = (ends.from.as_deref(), ends.to.as_deref());
        let (from, to) = (from.unwrap_or(&[]), to.unwrap_or(&[]));
        self.check(i64::from(abi::cache_delete_range(id, from, to)))
    }

    /// All entries in the order of their keys; the [`Scan`] can be narrowed and
    /// turned round before it runs.
    pub fn scan(&self, call: &Call) -> Scan {
        Scan::new(self.decl.name, self.id(call))
    }

    /// Runs `f`; if it returns an error, takes back what it wrote to any cache.
    /// What it emitted stays, unless the record fails. Transactions nest, 64
    /// deep.
    ///
    /// Inside one record nothing else runs, so nothing is locked: `key` names
    /// what the transaction is about and is not needed otherwise.
    ///
    /// ```
    /// use sliphost::prelude::*;
    /// use sliphost::testing::{Harness, Input};
    ///
    /// static ACCOUNTS: Cache = Cache::new("accounts");
    ///
    /// /// Moves the amount in the value to the account in the key.
    /// fn pay(call: &mut Call, rec: Record<'_>) -> Result<()> {
    ///     let amount: i64 = rec.text()?.parse()?;
    ///     let paid = ACCOUNTS.transaction(call, rec.key(), |call| {
    ///         ACCOUNTS.add_i64(call, rec.key(), amount)?;
    ///         if ACCOUNTS.add_i64(call, "bank", -amount)? < 0 {
    ///             bail!("the bank is empty");
    ///         }
    ///         Ok(())
    ///     });
    ///     let answer = paid.map_or_else(|e| e.message().to_owned(), |()| "paid".to_owned());
    ///     call.emit(rec.key(), &answer);
    ///     Ok(())
    /// }
    ///
    /// export! { "pay" => pay, ACCOUNTS }
    ///
    /// # fn main() {
    /// let mut pay = Harness::new(HANDLERS, "pay").entry("accounts", "bank", 10_i64.to_le_bytes());
    /// assert_eq!(pay.send(Input::new("7").key("ann")).values(), ["paid"]);
    /// assert_eq!(pay.send(Input::new("7").key("bob")).values(), ["the bank is empty"]);
    /// assert_eq!(pay.cached("accounts", "bob"), None);
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `f` returns; and those of [`Cache`].
    pub fn transaction<T>(
        &self,
        call: &mut Call,
        key: impl Key,
        f: impl FnOnce(&mut Call) -> Result<T>,
    ) -> Result<T> {
        let _ = key;
        self.id(call)?;
        self.savepoint(SAVEPOINT_BEGIN)?;
        let result = f(call);
        if result.is_ok() {
            self.savepoint(SAVEPOINT_RELEASE)?;
        } else {
            call.swept.clear();
            self.savepoint(SAVEPOINT_ROLLBACK)?;
        }
        result
    }

    fn savepoint(&self, op: i32) -> Result<()> {
        self.check(i64::from(abi::savepoint(op)))
    }

    #[inline]
    pub(crate) fn id(&self, call: &Call) -> Result<i32> {
        call.bound().id("cache", &self.decl)
    }

    #[inline]
    pub(crate) fn form<K: Key>(&self, key: K) -> Result<K::Form> {
        key.form().map_err(|why| self.wrong(why))
    }

    /// An error that says what is wrong with a key or value.
    #[cold]
    fn wrong(&self, why: &str) -> Error {
        Error::failed(join(&["cache \"", self.decl.name, "\": ", why]))
    }

    #[cold]
    fn garbled(&self) -> Error {
        self.wrong("the host's answer cannot be read")
    }

    #[inline]
    fn found(&self, result: i64) -> Result<bool> {
        if result == RESULT_ABSENT {
            return Ok(false);
        }
        self.check(result).map(|()| true)
    }

    #[inline]
    pub(crate) fn check(&self, result: i64) -> Result<()> {
        if result < 0 {
            return Err(Error::host("cache", self.decl.name, result));
        }
        Ok(())
    }
}

impl Item for Cache {
    fn kind(&self) -> ItemKind {
        ItemKind::Cache
    }

    fn decl(&self) -> Option<&Decl> {
        Some(&self.decl)
    }

    fn rollback(&self) -> Option<fn()> {
        Some(abi::rollback_record)
    }
}
