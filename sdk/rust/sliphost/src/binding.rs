//! How a manifest binds a handler: ids instead of names.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache::Cache;
use crate::error::Error;
use crate::export::{Handler, Item};
use crate::message::{Binding, Endpoint};
use crate::param::Value;
use crate::sink::Sink;
use crate::zz_abi::{CODE_PARAM, CODE_UNBOUND, REPR_BYTES};

/// The common part of declarations: a name, and the number by which bindings
/// know it. One declaration may be used by several handlers, which the
/// manifest binds to different things.
#[derive(Debug)]
pub(crate) struct Decl {
    pub(crate) name: &'static str,
    /// 0 before the first use, then a number of this declaration alone.
    slot: AtomicU32,
}

static SLOTS: AtomicU32 = AtomicU32::new(0);

impl Decl {
    pub(crate) const fn new(name: &'static str) -> Self {
        Decl {
            name,
            slot: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn slot(&self) -> usize {
        self.slot.load(Ordering::Relaxed) as usize
    }

    fn assign(&self) -> usize {
        if self.slot() == 0 {
            let fresh = SLOTS.fetch_add(1, Ordering::Relaxed) + 1;
            // Tests initialise modules from several threads: the first one's
            // number holds, the other is never used.
            let _ = self
                .slot
                .compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.slot()
    }
}

/// The handler does not list the declaration in `export!`.
pub(crate) const UNLISTED: i32 = -1;
/// The manifest binds nothing to the declaration.
pub(crate) const UNBOUND: i32 = -2;

/// One handler of the manifest. It is made at init and lives as long as the
/// instance, so handlers may keep references into it.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) handler: &'static Handler,
    pub(crate) sources: Vec<Endpoint<'static>>,
    pub(crate) sinks: Vec<Endpoint<'static>>,
    /// The value representation of all sinks, if they agree.
    pub(crate) common: Option<u64>,
    /// Undoes the current record's cache writes; `None` without caches.
    pub(crate) rollback: Option<fn()>,
    ids: Vec<i32>,
    params: Vec<Value>,
}

impl Bound {
    /// Stands for the binding until there is one.
    pub(crate) fn none() -> Self {
        static NOTHING: Handler = Handler {
            name: "",
            run: |_, _| Ok(()),
            items: &[],
        };
        Bound {
            handler: &NOTHING,
            sources: Vec::new(),
            sinks: Vec::new(),
            common: Some(REPR_BYTES),
            rollback: None,
            ids: Vec::new(),
            params: Vec::new(),
        }
    }

    #[cold]
    pub(crate) fn new(
        handlers: &'static [Handler],
        mut b: Binding<'static>,
    ) -> Result<Self, Error> {
        let mut bound = Bound::none();
        bound.handler = handlers
            .iter()
            .find(|h| h.name.as_bytes() == b.function)
            .ok_or_else(|| {
                let what = ["the module has no handler \"", text(b.function), "\""];
                Error::coded(CODE_UNBOUND, what.concat())
            })?;
        for item in bound.handler.items {
            bound.bind(item, &b)?;
        }
        bound.sources = mem::take(&mut b.sources);
        bound.sinks = mem::take(&mut b.sinks);
        let first = bound.sinks.first().map_or(REPR_BYTES, |s| s.value);
        let agree = bound.sinks.iter().all(|s| s.value == first);
        bound.common = if agree { Some(first) } else { None };
        Ok(bound)
    }

    fn bind(&mut self, item: &Item, b: &Binding<'static>) -> Result<(), Error> {
        let (decl, position) = match item {
            Item::Sink(Sink { decl }) => {
                let name = decl.name.as_bytes();
                (decl, b.sinks.iter().position(|s| s.name == name))
            }
            Item::Cache(Cache { decl }, rollback) => {
                self.rollback = Some(*rollback);
                let name = decl.name.as_bytes();
                (decl, b.caches.iter().position(|c| *c == name))
            }
            Item::Param(p) => {
                let name = p.decl.name;
                let given = b.params.iter().find(|p| p.name == name.as_bytes());
                let value = p.read(given.map(|p| p.value)).map_err(|want| {
                    Error::coded(
                        CODE_PARAM,
                        ["parameter \"", name, "\": want ", want].concat(),
                    )
                })?;
                set(&mut self.params, p.decl.assign(), value, Value::Unlisted);
                return Ok(());
            }
            Item::Options(_) => return Ok(()),
        };
        let id = position.map_or(UNBOUND, |p| p as i32);
        set(&mut self.ids, decl.assign(), id, UNLISTED);
        Ok(())
    }

    /// The id of a sink or cache, or why it has none.
    #[inline]
    pub(crate) fn id(&self, what: &'static str, decl: &Decl) -> Result<i32, Error> {
        match self.ids.get(decl.slot()) {
            Some(id) if *id >= 0 => Ok(*id),
            Some(&UNBOUND) => Err(self.complain(what, decl, "the manifest does not bind it to")),
            _ => Err(self.complain(what, decl, "export! does not list it for")),
        }
    }

    #[inline]
    pub(crate) fn param(&self, decl: &Decl) -> &Value {
        self.params.get(decl.slot()).unwrap_or(&Value::Unlisted)
    }

    #[cold]
    pub(crate) fn complain(&self, what: &str, decl: &Decl, why: &str) -> Error {
        let handler = self.handler.name;
        let text = [
            what,
            " \"",
            decl.name,
            "\": ",
            why,
            " handler \"",
            handler,
            "\"",
        ]
        .concat();
        Error::coded(CODE_UNBOUND, text)
    }
}

fn set<T: Copy>(v: &mut Vec<T>, slot: usize, to: T, fill: T) {
    while v.len() <= slot {
        v.push(fill);
    }
    v[slot] = to;
}

/// A name in a message as text.
pub(crate) fn text(name: &[u8]) -> &str {
    std::str::from_utf8(name).unwrap_or("(not UTF-8)")
}
