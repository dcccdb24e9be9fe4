//! A stream beside a table.

use super::JoinKind;
use crate::cache::Cache;
use crate::call::Call;
use crate::error::Result;

/// Joins the records of a stream, its left side, with the rows of a table: the
/// last value of each key, in a cache. The row is the one of the moment that the
/// record is handled; a row that changes later emits nothing.
///
/// The table is a cache of any kind. One that is global is filled by the host;
/// any other by a handler of the same sub-topology, with [`TableJoin::set`].
#[derive(Clone, Copy, Debug)]
pub struct TableJoin {
    table: &'static Cache,
    kind: JoinKind,
}

impl TableJoin {
    /// A join with `table`, inner or left.
    pub const fn new(table: &'static Cache, kind: JoinKind) -> Self {
        TableJoin { table, kind }
    }

    /// The row of `key`: `None` if the join emits nothing, because it is an inner
    /// one and there is no row; `Some(None)` if it emits the record without a
    /// row. An absent key has no row.
    ///
    /// # Errors
    /// Those of [`Cache`].
    pub fn row(&self, call: &mut Call, key: Option<&[u8]>) -> Result<Option<Option<Vec<u8>>>> {
        let row = match key {
            Some(key) => self.table.get(call, key)?,
            None => self.table.id(call).map(|_| None)?,
        };
        Ok(match row {
            None if self.kind == JoinKind::Inner => None,
            row => Some(row),
        })
    }

    /// Makes `row` the row of `key`; `None` removes it.
    ///
    /// # Errors
    /// An absent key, and those of [`Cache`].
    pub fn set(&self, call: &mut Call, key: Option<&[u8]>, row: Option<&[u8]>) -> Result<()> {
        match row {
            Some(row) => self.table.put(call, key, row),
            None => self.table.delete(call, key),
        }
    }
}
