//! How a manifest binds the module, and the module's answer.

use super::{append_strings, not_too_long, NAMES};
use crate::wire::{append_array_header, append_str, append_uint, Reader, SyntaxError};
use crate::zz_abi::{MAX_BINDINGS, MAX_HANDLERS, STATUS_ERROR, STATUS_OK};

/// `[abi_major, abi_minor, features, [binding...]]`. The handler argument of
/// slip_process is a position in `bindings`; the ids of sinks, caches,
/// checkpoints and sources are positions in their lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Init<'a> {
    /// The major version of the ABI the host speaks.
    pub major: u64,
    /// The minor version of the ABI the host speaks.
    pub minor: u64,
    /// A set of `FEATURE_...` bits.
    pub features: u64,
    /// One entry a handler of the manifest.
    pub bindings: Vec<Binding<'a>>,
}

/// `[function, name, [[param, value]...], [sink...], [cache...], [checkpoint...], [source...]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The handler's name in Describe.
    pub function: &'a [u8],
    /// Its id in the manifest.
    pub name: &'a [u8],
    /// Every parameter that Describe lists, defaults filled in.
    pub params: Vec<Param<'a>>,
    /// Named as the module names them.
    pub sinks: Vec<Endpoint<'a>>,
    /// Named as the module names them.
    pub caches: Vec<&'a [u8]>,
    /// Named as the module names them.
    pub checkpoints: Vec<&'a [u8]>,
    /// Named as the manifest names them.
    pub sources: Vec<Endpoint<'a>>,
}

/// A parameter's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Raw msgpack of the declared type.
    pub value: &'a [u8],
}

/// A source or sink: `[name, key_repr, value_repr]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// A `REPR_...`.
    pub key: u64,
    /// A `REPR_...`.
    pub value: u64,
}

impl<'a> Init<'a> {
    /// Appends the message in canonical form.
    pub fn append(&self, b: &mut Vec<u8>) {
        append_array_header(b, 4);
        append_uint(b, self.major);
        append_uint(b, self.minor);
        append_uint(b, self.features);
        append_array_header(b, self.bindings.len());
        for h in &self.bindings {
            append_array_header(b, 7);
            append_str(b, h.function);
            append_str(b, h.name);
            append_array_header(b, h.params.len());
            for p in &h.params {
                append_array_header(b, 2);
                append_str(b, p.name);
                b.extend_from_slice(p.value);
            }
            append_endpoints(b, &h.sinks);
            append_strings(b, &h.caches);
            append_strings(b, &h.checkpoints);
            append_endpoints(b, &h.sources);
        }
    }

    /// Reads a whole Init message.
    pub fn read(b: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut m = Init::default();
        walk(b, &mut m).map(|()| m)
    }
}

/// Is told the parts of an Init message as they are read, so that a module
/// needs no copy of them.
pub(crate) trait Visit<'a> {
    /// The head; with false nothing else is read.
    fn head(&mut self, major: u64, minor: u64, features: u64) -> bool;
    /// A binding begins.
    fn binding(&mut self, function: &'a [u8], name: &'a [u8]);
    fn param(&mut self, param: Param<'a>);
    fn sink(&mut self, sink: Endpoint<'a>);
    fn cache(&mut self, name: &'a [u8]);
    fn checkpoint(&mut self, name: &'a [u8]);
    fn source(&mut self, source: Endpoint<'a>);
    /// The binding is complete.
    fn end(&mut self);
}

/// Reads a whole Init message.
#[cold]
pub(crate) fn walk<'a>(b: &'a [u8], v: &mut impl Visit<'a>) -> Result<(), SyntaxError> {
    let mut r = Reader::new(b);
    let more = r.array_min(4, "an init message of 4 fields");
    let (major, minor, features) = (r.uint(), r.uint(), r.uint());
    if r.ok() && !v.head(major, minor, features) {
        return Ok(());
    }
    for _ in 0..r.list(MAX_HANDLERS, "at most 1024 handlers") {
        let more = r.array_min(7, "a binding of 7 fields");
        v.binding(r.name(), r.name());
        for _ in 0..r.list(MAX_BINDINGS, "at most 1024 parameters") {
            let more = r.array_min(2, "a parameter of 2 fields");
            let (name, value) = (r.name(), r.skip());
            v.param(Param { name, value });
            r.skip_n(more);
        }
        endpoints(&mut r, |e| v.sink(e));
        names(&mut r, |name| v.cache(name));
        names(&mut r, |name| v.checkpoint(name));
        endpoints(&mut r, |e| v.source(e));
        r.skip_n(more);
        if !r.ok() {
            break;
        }
        v.end();
    }
    r.skip_n(more);
    r.end();
    r.err().map_or(Ok(()), Err)
}

fn endpoints<'a>(r: &mut Reader<'a>, mut each: impl FnMut(Endpoint<'a>)) {
    for _ in 0..r.list(MAX_BINDINGS, NAMES) {
        let e = endpoint(r);
        if !r.ok() {
            return;
        }
        each(e);
    }
}

#[cold]
#[inline(never)]
fn endpoint<'a>(r: &mut Reader<'a>) -> Endpoint<'a> {
    let more = r.array_min(3, "an endpoint of 3 fields");
    let e = Endpoint {
        name: r.name(),
        key: r.uint_max(255, "a representation below 256"),
        value: r.uint_max(255, "a representation below 256"),
    };
    r.skip_n(more);
    e
}

fn names<'a>(r: &mut Reader<'a>, mut each: impl FnMut(&'a [u8])) {
    for _ in 0..r.list(MAX_BINDINGS, NAMES) {
        each(r.name());
    }
}

impl<'a> Visit<'a> for Init<'a> {
    fn head(&mut self, major: u64, minor: u64, features: u64) -> bool {
        self.major = major;
        self.minor = minor;
        self.features = features;
        true
    }

    fn binding(&mut self, function: &'a [u8], name: &'a [u8]) {
        self.bindings.push(Binding {
            function,
            name,
            ..Binding::default()
        });
    }

    fn param(&mut self, param: Param<'a>) {
        self.last(|b| b.params.push(param));
    }

    fn sink(&mut self, sink: Endpoint<'a>) {
        self.last(|b| b.sinks.push(sink));
    }

    fn cache(&mut self, name: &'a [u8]) {
        self.last(|b| b.caches.push(name));
    }

    fn checkpoint(&mut self, name: &'a [u8]) {
        self.last(|b| b.checkpoints.push(name));
    }

    fn source(&mut self, source: Endpoint<'a>) {
        self.last(|b| b.sources.push(source));
    }

    fn end(&mut self) {}
}

impl<'a> Init<'a> {
    fn last(&mut self, f: impl FnOnce(&mut Binding<'a>)) {
        if let Some(b) = self.bindings.last_mut() {
            f(b);
        }
    }
}

fn append_endpoints(b: &mut Vec<u8>, all: &[Endpoint<'_>]) {
    append_array_header(b, all.len());
    for e in all {
        append_array_header(b, 3);
        append_str(b, e.name);
        append_uint(b, e.key);
        append_uint(b, e.value);
    }
}

/// The answer to Init: `[0, progress_block_address, input_capacity]`, or
/// `[1, code, message]` when the module cannot work with what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitReply<'a> {
    /// The module is ready.
    Ready {
        /// The address of the progress block.
        progress: u64,
        /// The bytes the input arena holds.
        capacity: u64,
    },
    /// The module cannot work.
    Refused {
        /// A `CODE_...`.
        code: u64,
        /// What is wrong and what to do.
        message: &'a [u8],
    },
}

impl<'a> InitReply<'a> {
    /// Appends the message in canonical form.
    #[cold]
    pub fn append(&self, b: &mut Vec<u8>) {
        append_array_header(b, 3);
        match self {
            InitReply::Ready { progress, capacity } => {
                append_uint(b, STATUS_OK);
                append_uint(b, *progress);
                append_uint(b, *capacity);
            }
            InitReply::Refused { code, message } => {
                append_uint(b, STATUS_ERROR);
                append_uint(b, *code);
                append_str(b, message);
            }
        }
    }

    /// Reads a whole InitReply message.
    pub fn read(b: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut r = Reader::new(b);
        not_too_long(&mut r);
        let more = r.array_min(3, "an init reply of 3 fields");
        let at = r.offset();
        let m = match r.uint() {
            STATUS_ERROR => InitReply::Refused {
                code: r.uint_max(0xffff, "an error code below 65536"),
                message: r.str(),
            },
            status => {
                if status != STATUS_OK {
                    r.fail_at(at, "an init status of ok or error");
                }
                let at = r.offset();
                let progress = r.uint_max(u32::MAX.into(), "an address within 32 bits");
                if progress % 4 != 0 {
                    r.fail_at(at, "a progress block at a multiple of 4");
                }
                let capacity = r.uint_max(u32::MAX.into(), "a capacity within 32 bits");
                InitReply::Ready { progress, capacity }
            }
        };
        r.skip_n(more);
        r.end();
        r.err().map_or(Ok(m), Err)
    }
}
