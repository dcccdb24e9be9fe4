//! How a manifest binds a handler: ids instead of names.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{join, Error};
use crate::export::{Handler, Item, ItemKind};
use crate::message::{self, Endpoint, Visit};
use crate::zz_abi::{CODE_MESSAGE, CODE_UNBOUND, MAJOR, REPR_BYTES};

/// The common part of declarations: a name, and the number by which bindings
/// know it. One declaration may be used by several handlers, which the
/// manifest binds to different things.
#[derive(Debug)]
#[doc(hidden)]
pub struct Decl {
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
    caches: usize,
    /// And the checkpoints.
    checkpoints: usize,
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
            checkpoints: 0,
        }
    }

    #[inline(never)]
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

    fn give(&mut self, item: &dyn Item, value: Option<&'static [u8]>) {
        match (item.read(value), item.decl()) {
            (Ok(value), Some(decl)) => self.current.set(decl, value),
            (Ok(_), None) => {}
            (Err(e), _) => {
                let handler = ["handler \"", self.current.handler.name, "\""];
                self.refuse(e.context(&join(&handler)));
            }
        }
    }

    /// Binds a declaration of the handler, if it has it.
    #[inline(never)]
    fn id(&mut self, kind: ItemKind, name: &[u8], id: usize) {
        let item = self.current.handler.find(kind, name);
        if let Some(decl) = item.and_then(|i| i.decl()) {
            self.current.set(decl, Slot::Id(id as i32));
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
            if let Some(decl) = item.decl() {
                self.current.set(decl, Slot::Unbound);
            }
            if let Some(rollback) = item.rollback() {
                self.current.rollback = Some(rollback);
            }
        }
    }

    fn param(&mut self, param: message::Param<'static>) {
        if let Some(item) = self.current.handler.find(ItemKind::Param, param.name) {
            self.give(item, Some(param.value));
        }
    }

    fn sink(&mut self, sink: Endpoint<'static>) {
        let id = self.current.sinks.len();
        self.id(ItemKind::Sink, sink.name, id);
        if id == 0 {
            self.current.common = Some(sink.value);
        } else if self.current.common != Some(sink.value) {
            self.current.common = None;
        }
        self.current.sinks.push(sink);
    }

    fn cache(&mut self, name: &'static [u8]) {
        self.id(ItemKind::Cache, name, self.current.caches);
        self.current.caches += 1;
    }

    fn checkpoint(&mut self, name: &'static [u8]) {
        self.id(ItemKind::Checkpoint, name, self.current.checkpoints);
        self.current.checkpoints += 1;
    }

    fn source(&mut self, source: Endpoint<'static>) {
        self.current.sources.push(source);
    }

    fn end(&mut self) {
        for item in self.current.handler.items {
            let slot = item.decl().map(|d| self.current.slot(d));
            // What the host leaves out has its default.
            if item.kind() == ItemKind::Param && matches!(slot, Some(Slot::Unbound)) {
                self.give(*item, None);
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
