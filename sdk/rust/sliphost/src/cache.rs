//! Caches: state that survives the instance.

use crate::abi;
use crate::binding::Decl;
use crate::call::Call;
use crate::error::{join, Error, Result};
use crate::export::{Item, ItemKind};
use crate::field::Field;

/// A cache: keys and values of bytes, kept by the host. Declare it as a static
/// and list it in [`export!`](crate::export); the manifest says which cache
/// stands behind it.
///
/// Writes are part of the record's effect: they count when the handler returns
/// `Ok`. Reads see the writes of this record and of the records before it. A
/// key that is absent ([`NIL`](crate::NIL)) is an error: keyless records would
/// otherwise meet in one entry.
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
    /// present.
    pub fn get<'d>(&self, call: &mut Call, key: impl Field<'d>) -> Result<Option<Vec<u8>>> {
        let mut value = Vec::new();
        let found = self.get_into(call, key, &mut value)?;
        Ok(if found { Some(value) } else { None })
    }

    /// Replaces the contents of `value` by the value of `key` and returns true,
    /// or returns false when it is absent. It allocates only when `value` has
    /// no room.
    pub fn get_into<'d>(
        &self,
        call: &mut Call,
        key: impl Field<'d>,
        value: &mut Vec<u8>,
    ) -> Result<bool> {
        let (id, key) = self.at(call, key)?;
        let result = abi::cache_get(id, key, value);
        if result == crate::zz_abi::RESULT_ABSENT {
            return Ok(false);
        }
        self.check(result).map(|()| true)
    }

    /// Whether `key` is present.
    pub fn contains<'d>(&self, call: &mut Call, key: impl Field<'d>) -> Result<bool> {
        let (id, key) = self.at(call, key)?;
        let result = abi::cache_len(id, key);
        if result == crate::zz_abi::RESULT_ABSENT {
            return Ok(false);
        }
        self.check(result).map(|()| true)
    }

    /// Sets the value of `key`; an absent value is stored as an empty one.
    pub fn put<'d>(
        &self,
        call: &mut Call,
        key: impl Field<'d>,
        value: impl Field<'d>,
    ) -> Result<()> {
        let (id, key) = self.at(call, key)?;
        let value = value.field().unwrap_or(&[]);
        self.check(i64::from(abi::cache_put(id, key, value)))
    }

    /// Removes `key`, present or not.
    pub fn delete<'d>(&self, call: &mut Call, key: impl Field<'d>) -> Result<()> {
        let (id, key) = self.at(call, key)?;
        self.check(i64::from(abi::cache_delete(id, key)))
    }

    fn at<'d>(&self, call: &Call, key: impl Field<'d>) -> Result<(i32, &'d [u8])> {
        let id = call.bound().id("cache", &self.decl)?;
        match key.field() {
            Some(key) => Ok((id, key)),
            None => Err(Error::failed(join(&[
                "cache \"",
                self.decl.name,
                "\": the key is absent",
            ]))),
        }
    }

    fn check(&self, result: i64) -> Result<()> {
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
