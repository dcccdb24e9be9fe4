//! What a module offers: its handlers and what they use.

use crate::cache::Cache;
use crate::call::Call;
use crate::error::Result;
use crate::param::{Ops, Param};
use crate::record::Record;
use crate::sink::Sink;
use crate::wire::{append_array_header, append_str, append_uint};
use crate::zz_abi::{FEATURE_METERED, FLAG_NONDETERMINISTIC, FLAG_STATELESS, MAJOR, MINOR};

/// A handler: it gets one record, emits any number of records through the
/// call, and returns `Ok`, or an [`Error`](crate::Error) that says what becomes
/// of the record.
pub type HandlerFn = fn(&mut Call, Record<'_>) -> Result<()>;

/// One handler of a module and what it uses, as [`export!`](crate::export)
/// writes it down.
#[derive(Debug)]
pub struct Handler {
    #[doc(hidden)]
    pub name: &'static str,
    #[doc(hidden)]
    pub run: HandlerFn,
    #[doc(hidden)]
    pub items: &'static [Item],
}

/// One thing that a handler uses; made by `item()` of a declaration.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum Item {
    /// A sink.
    Sink(&'static Sink),
    /// A cache, and what undoes a record's writes. The function is here so
    /// that the import behind it stays out of modules without caches.
    Cache(&'static Cache, fn()),
    /// A parameter, and what is done with it.
    Param(&'static Param, &'static Ops),
    /// Properties of the handler itself.
    Options(Options),
}

/// Properties of a handler, listed in [`export!`](crate::export) beside what it
/// uses: `"f" => f, Options::new().stateless()`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    flags: u64,
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

    #[doc(hidden)]
    pub const fn item(self) -> Item {
        Item::Options(self)
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
    let mut counts = [0; 3];
    for item in h.items {
        match item {
            Item::Options(o) => {
                options.flags |= o.flags;
                options.state_version = options.state_version.max(o.state_version);
            }
            Item::Param(..) => counts[0] += 1,
            Item::Cache(..) => counts[1] += 1,
            Item::Sink(_) => counts[2] += 1,
        }
    }
    append_array_header(b, 7);
    append_str(b, h.name.as_bytes());
    append_uint(b, options.flags);
    for (list, count) in counts.iter().enumerate() {
        append_array_header(b, *count);
        for item in h.items {
            match (list, item) {
                (0, Item::Param(p, ops)) => (ops.describe)(p, b),
                (1, Item::Cache(Cache { decl }, _)) | (2, Item::Sink(Sink { decl })) => {
                    append_str(b, decl.name.as_bytes());
                }
                _ => {}
            }
        }
    }
    append_array_header(b, 0);
    append_uint(b, options.state_version);
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
            $($crate::Handler { name: $name, run: $run, items: &[$($item.item()),*] }),+
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
