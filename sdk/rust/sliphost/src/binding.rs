//! How a manifest binds a handler: ids instead of names.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{join, Error};
use crate::export::{Handler, Item};
use crate::message::{self, Endpoint, Visit};
use crate::param::{Ops, Param};
use crate::zz_abi::{CODE_MESSAGE, CODE_UNBOUND, MAJOR, REPR_BYTES};

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

/// What a declaration is for one handler of the manifest.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum Slot {
    /// The handler does not list it in `export!`.
    Unlisted,
    /// The manifest binds nothing to it.
    Unbound,
    /// The id of a sink or cache.
    Id(i32),
    /// A parameter's value, and so the following.
    Text(&'static str),
    Int(i64),
    Float(f64),
    Bool(bool),
}

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
    /// By the numbers of the declarations.
    slots: Vec<Slot>,
    /// The caches bound so far.
    caches: i32,
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
            slots: Vec::new(),
            caches: 0,
        }
    }

    fn set(&mut self, decl: &Decl, to: Slot) {
        let slot = decl.assign();
        while self.slots.len() <= slot {
            self.slots.push(Slot::Unlisted);
        }
        if let Some(at) = self.slots.get_mut(slot) {
            *at = to;
        }
    }

    /// The id of a sink or cache, or why it has none.
    #[inline]
    pub(crate) fn id(&self, what: &'static str, decl: &Decl) -> Result<i32, Error> {
        match self.slot(decl) {
            Slot::Id(id) => Ok(id),
            Slot::Unbound => Err(self.complain(what, decl, "the manifest does not bind it to")),
            _ => Err(self.complain(what, decl, "export! does not list it for")),
        }
    }

    #[inline]
    pub(crate) fn slot(&self, decl: &Decl) -> Slot {
        let slot = self.slots.get(decl.slot());
        slot.copied().unwrap_or(Slot::Unlisted)
    }

    #[cold]
    pub(crate) fn complain(&self, what: &str, decl: &Decl, why: &str) -> Error {
        let handler = self.handler.name;
        let parts = [
            what,
            " \"",
            decl.name,
            "\": ",
            why,
            " handler \"",
            handler,
            "\"",
        ];
        Error::coded(CODE_UNBOUND, join(&parts))
    }
}

/// Binds a module's handlers as an Init message says.
pub(crate) struct Binder {
    handlers: &'static [Handler],
    pub(crate) bindings: Vec<&'static Bound>,
    pub(crate) features: u64,
    /// Why the module cannot work so.
    pub(crate) error: Option<Error>,
    current: Bound,
}

impl Binder {
    pub(crate) fn new(handlers: &'static [Handler]) -> Self {
        Binder {
            handlers,
            bindings: Vec::new(),
            features: 0,
            error: None,
            current: Bound::none(),
        }
    }

    fn refuse(&mut self, e: Error) {
        if self.error.is_none() {
            self.error = Some(e);
        }
    }

    fn give(&mut self, p: &Param, ops: &Ops, value: Option<&'static [u8]>) {
        match (ops.read)(p, value) {
            Ok(value) => self.current.set(&p.decl, value),
            Err(e) => {
                let handler = ["handler \"", self.current.handler.name, "\""];
                self.refuse(e.context(&join(&handler)));
            }
        }
    }
}

impl Visit<'static> for Binder {
    fn head(&mut self, major: u64, _minor: u64, features: u64) -> bool {
        self.features = features;
        if major != MAJOR {
            let why = "the host speaks another major version of the ABI than this module";
            self.refuse(Error::coded(CODE_MESSAGE, why));
        }
        major == MAJOR
    }

    fn binding(&mut self, function: &'static [u8], _name: &'static [u8]) {
        let mut handlers = self.handlers.iter();
        match handlers.find(|h| h.name.as_bytes() == function) {
            Some(handler) => self.current.handler = handler,
            None => {
                let why = "the module has no handler of this name";
                self.refuse(Error::coded(CODE_UNBOUND, why));
            }
        }
        for item in self.current.handler.items {
            match item {
                Item::Sink(s) => self.current.set(&s.decl, Slot::Unbound),
                Item::Cache(c, rollback) => {
                    self.current.set(&c.decl, Slot::Unbound);
                    self.current.rollback = Some(*rollback);
                }
                Item::Param(p, _) => self.current.set(&p.decl, Slot::Unbound),
                Item::Options(_) => {}
            }
        }
    }

    fn param(&mut self, param: message::Param<'static>) {
        for item in self.current.handler.items {
            match item {
                Item::Param(p, ops) if p.decl.name.as_bytes() == param.name => {
                    self.give(p, ops, Some(param.value));
                }
                _ => {}
            }
        }
    }

    fn sink(&mut self, sink: Endpoint<'static>) {
        let id = Slot::Id(self.current.sinks.len() as i32);
        for item in self.current.handler.items {
            match item {
                Item::Sink(s) if s.decl.name.as_bytes() == sink.name => {
                    self.current.set(&s.decl, id);
                }
                _ => {}
            }
        }
        if self.current.sinks.is_empty() {
            self.current.common = Some(sink.value);
        } else if self.current.common != Some(sink.value) {
            self.current.common = None;
        }
        self.current.sinks.push(sink);
    }

    fn cache(&mut self, name: &'static [u8]) {
        let id = Slot::Id(self.current.caches);
        self.current.caches += 1;
        for item in self.current.handler.items {
            match item {
                Item::Cache(c, _) if c.decl.name.as_bytes() == name => {
                    self.current.set(&c.decl, id);
                }
                _ => {}
            }
        }
    }

    fn checkpoint(&mut self, _name: &'static [u8]) {}

    fn source(&mut self, source: Endpoint<'static>) {
        self.current.sources.push(source);
    }

    fn end(&mut self) {
        for item in self.current.handler.items {
            match item {
                // What the host leaves out has its default.
                Item::Param(p, ops) if matches!(self.current.slot(&p.decl), Slot::Unbound) => {
                    self.give(p, ops, None);
                }
                _ => {}
            }
        }
        let bound = mem::replace(&mut self.current, Bound::none());
        // It lives as long as the instance, and so handlers may keep
        // references into it.
        self.bindings.push(Box::leak(Box::new(bound)));
    }
}

/// A name in a message as text.
pub(crate) fn text(name: &[u8]) -> &str {
    std::str::from_utf8(name).unwrap_or("(not UTF-8)")
}
