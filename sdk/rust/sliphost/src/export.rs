//! What a module offers: its handlers and what they use.

use std::fmt;

use crate::binding::{Decl, Slot};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::wire::{append_array_header, append_str, append_uint};
use crate::zz_abi::{
    CODE_UNBOUND, FEATURE_METERED, FLAG_NONDETERMINISTIC, FLAG_STATELESS, MAJOR, MINOR,
};

/// A handler: it gets one record, emits any number of records through the
/// call, and returns `Ok`, or an [`Error`](crate::Error) that says what becomes
/// of the record.
pub type HandlerFn = fn(&mut Call, Record<'_>) -> Result<()>;

/// One handler of a module and what it uses, as [`export!`](crate::export)
/// writes it down.
pub struct Handler {
    #[doc(hidden)]
    pub name: &'static str,
    #[doc(hidden)]
    pub run: HandlerFn,
    #[doc(hidden)]
    pub items: &'static [&'static dyn Item],
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handler({})", self.name)
    }
}

impl Handler {
    /// The declaration of a kind and name among what the handler uses.
    #[inline(never)]
    pub(crate) fn find(&self, kind: ItemKind, name: &[u8]) -> Option<&'static dyn Item> {
        let mut items = self.items.iter().copied();
        items.find(|i| i.kind() == kind && i.decl().map_or(false, |d| d.name.as_bytes() == name))
    }
}

/// What an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum ItemKind {
    Param,
    Cache,
    Checkpoint,
    Sink,
    Options,
    /// Takes messages that are not records.
    Event,
}

/// Something that a handler uses. What only some kinds need is behind this
/// trait, so that it stays out of modules that do without.
#[doc(hidden)]
pub trait Item: Sync {
    fn kind(&self) -> ItemKind;

    fn decl(&self) -> Option<&Decl> {
        None
    }

    /// Appends what the handler's description says about it.
    fn describe(&self, b: &mut Vec<u8>) {
        if let Some(decl) = self.decl() {
            append_str(b, decl.name.as_bytes());
        }
    }

    /// A parameter's value from what the host gives, or else its default.
    fn read(&self, _raw: Option<&'static [u8]>) -> Result<Slot> {
        Ok(Slot::Unbound)
    }

    /// What undoes a record's writes, for a cache.
    fn rollback(&self) -> Option<fn()> {
        None
    }

    fn options(&self) -> Options {
        Options::new()
    }

    /// Takes a message of a kind that is not laid out as records, as a handler
    /// takes a record; false if it does not take that kind.
    fn take(&self, _call: &mut Call, _kind: u64, _message: &[u8]) -> Result<bool> {
        Ok(false)
    }
}

/// Properties of a handler, listed in [`export!`](crate::export) beside what it
/// uses: `"f" => f, Options::new().stateless()`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub(crate) flags: u64,
    state_version: u64,
}

impl Options {
    /// No property at all.
    pub const fn new() -> Self {
        Options {
            flags: 0,
            state_version: 0,
        }
    }

    /// A flag of the handler's description alone.
    pub(crate) const fn flag(flags: u64) -> Self {
        Options {
            flags,
            state_version: 0,
        }
    }

    /// The handler keeps nothing from one record to the next: no caches, no
    /// statics that it changes. After a failure the host then goes on with the
    /// next record without restoring the instance's state.
    pub const fn stateless(mut self) -> Self {
        self.flags |= FLAG_STATELESS;
        self
    }

    /// The handler's output depends on more than its records: on the wall clock
    /// or on entropy. The manifest must grant the capability of the same name,
    /// and replays of such a handler promise nothing.
    pub const fn nondeterministic(mut self) -> Self {
        self.flags |= FLAG_NONDETERMINISTIC;
        self
    }

    /// The version of the layout of what the handler writes to its caches.
    pub const fn state_version(mut self, version: u64) -> Self {
        self.state_version = version;
        self
    }
}

impl Item for Options {
    fn kind(&self) -> ItemKind {
        ItemKind::Options
    }

    fn options(&self) -> Options {
        *self
    }
}

/// Writes the Describe message of a module with these handlers. It does so
/// item by item: the structures of [`crate::message`] would cost each module
/// some kilobytes for nothing.
#[cold]
pub(crate) fn describe(handlers: &[Handler], b: &mut Vec<u8>) {
    append_array_header(b, 6);
    append_uint(b, MAJOR);
    append_uint(b, MINOR);
    append_str(
        b,
        concat!("sliphost-rust ", env!("CARGO_PKG_VERSION")).as_bytes(),
    );
    append_str(b, b"rust");
    append_array_header(b, handlers.len());
    for h in handlers {
        describe_handler(h, b);
    }
    append_uint(b, FEATURE_METERED);
}

fn describe_handler(h: &Handler, b: &mut Vec<u8>) {
    let mut options = Options::new();
    for item in h.items {
        let more = item.options();
        options.flags |= more.flags;
        options.state_version = options.state_version.max(more.state_version);
    }
    append_array_header(b, 7);
    append_str(b, h.name.as_bytes());
    append_uint(b, options.flags);
    describe_items(h, ItemKind::Param, b);
    describe_items(h, ItemKind::Cache, b);
    describe_items(h, ItemKind::Sink, b);
    describe_items(h, ItemKind::Checkpoint, b);
    append_uint(b, options.state_version);
}

#[inline(never)]
fn describe_items(h: &Handler, kind: ItemKind, b: &mut Vec<u8>) {
    // What a checkpoint calls is listed beside it under the same name.
    let first = |i: &dyn Item| {
        let same = i.decl().and_then(|d| h.find(kind, d.name.as_bytes()));
        same.map_or(true, |s| address(s) == address(i))
    };
    let list = || (h.items.iter()).filter(|i| i.kind() == kind && first(**i));
    append_array_header(b, list().count());
    list().for_each(|i| i.describe(b));
}

fn address(item: &dyn Item) -> *const () {
    (item as *const dyn Item).cast()
}

/// The function of a handler that takes no records but what its items bring,
/// such as [`Checkpoint::downtime_check`](crate::Checkpoint::downtime_check):
/// `"check" => no_records, WEATHER.downtime_check(check)`.
///
/// # Errors
/// Always: a record is not for it.
pub fn no_records(_: &mut Call, _: Record<'_>) -> Result<()> {
    Err(Error::coded(CODE_UNBOUND, "the handler takes no records"))
}

/// Names the handlers of a module and what each of them uses: sinks, caches,
/// parameters, [`Options`]. Call it once, in the crate's root module; it also
/// defines `HANDLERS` there, which [`testing::Harness`](crate::testing) takes.
///
/// ```
/// # use sliphost::prelude::*;
/// # static SEEN: Cache = Cache::new("seen");
/// # static AUDIT: Sink = Sink::new("audit");
/// # fn split(_: &mut Call, _: Record<'_>) -> Result<()> { Ok(()) }
/// # fn upper(_: &mut Call, _: Record<'_>) -> Result<()> { Ok(()) }
/// export! {
///     "split" => split, SEEN, AUDIT;
///     "upper" => upper, Options::new().stateless();
/// }
/// ```
#[macro_export]
macro_rules! export {
    ($($name:literal => $run:expr $(, $item:expr)*);+ $(;)?) => {
        /// The handlers of this module.
        pub static HANDLERS: &[$crate::Handler] = &[
            $($crate::Handler { name: $name, run: $run, items: &[$(&$item),*] }),+
        ];

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[no_mangle]
            extern "C" fn slip_describe() -> i64 {
                $crate::__entry::describe(HANDLERS)
            }
            #[no_mangle]
            extern "C" fn slip_alloc(size: u32) -> u32 {
                $crate::__entry::alloc(size)
            }
            #[no_mangle]
            extern "C" fn slip_init(len: u32) -> i64 {
                $crate::__entry::init(HANDLERS, len)
            }
            #[no_mangle]
            extern "C" fn slip_process(handler: u32, len: u32) -> i64 {
                $crate::__entry::process(handler, len)
            }
        };
    };
}
