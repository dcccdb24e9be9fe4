//! What a module offers.

use std::collections::BTreeSet;

use super::{append_strings, each, names, not_too_long};
use crate::wire::{append_array_header, append_nil, append_str, append_uint, Reader, SyntaxError};
use crate::zz_abi::{
    MAJOR, MAX_BINDINGS, MAX_HANDLERS, PARAM_BOOL, PARAM_FLOAT, PARAM_INT, PARAM_STRING,
};

/// `[abi_major, abi_minor, sdk, language, [handler...], features]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Describe<'a> {
    /// The major version of the ABI the module speaks.
    pub major: u64,
    /// The minor version of the ABI the module speaks.
    pub minor: u64,
    /// Name and version of the SDK.
    pub sdk: &'a [u8],
    /// The language the module is written in.
    pub language: &'a [u8],
    /// What may be bound in a manifest.
    pub handlers: Vec<HandlerDesc<'a>>,
    /// A set of `FEATURE_...` bits.
    pub features: u64,
}

/// `[name, flags, [param...], [cache...], [sink...], [checkpoint...], state_version]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlerDesc<'a> {
    /// The name a manifest binds.
    pub name: &'a [u8],
    /// A set of `FLAG_...` bits.
    pub flags: u64,
    /// Its parameters.
    pub params: Vec<ParamDesc<'a>>,
    /// Names of its caches.
    pub caches: Vec<&'a [u8]>,
    /// Names of the sinks it emits to by name.
    pub sinks: Vec<&'a [u8]>,
    /// Names of its checkpoints.
    pub checkpoints: Vec<&'a [u8]>,
    /// The version of the layout of what it keeps in caches.
    pub state_version: u64,
}

/// `[name, type, default|nil, help]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamDesc<'a> {
    /// The name a manifest gives a value to.
    pub name: &'a [u8],
    /// A `PARAM_...`.
    pub kind: u64,
    /// A raw msgpack value, `None` when the manifest must give one.
    pub default: Option<&'a [u8]>,
    /// One line for people.
    pub help: &'a [u8],
}

impl<'a> Describe<'a> {
    /// Appends the message in canonical form.
    pub fn append(&self, b: &mut Vec<u8>) {
        append_array_header(b, 6);
        append_uint(b, self.major);
        append_uint(b, self.minor);
        append_str(b, self.sdk);
        append_str(b, self.language);
        append_array_header(b, self.handlers.len());
        for h in &self.handlers {
            append_array_header(b, 7);
            append_str(b, h.name);
            append_uint(b, h.flags);
            append_array_header(b, h.params.len());
            for p in &h.params {
                append_array_header(b, 4);
                append_str(b, p.name);
                append_uint(b, p.kind);
                match p.default {
                    None => append_nil(b),
                    Some(raw) => b.extend_from_slice(raw),
                }
                append_str(b, p.help);
            }
            append_strings(b, &h.caches);
            append_strings(b, &h.sinks);
            append_strings(b, &h.checkpoints);
            append_uint(b, h.state_version);
        }
        append_uint(b, self.features);
    }

    /// Reads a whole Describe message. With a foreign major version only `major`
    /// and `minor` are set, without error.
    pub fn read(b: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut r = Reader::new(b);
        not_too_long(&mut r);
        let mut d = Describe::default();
        let more = r.array_min(2, "a description of at least 2 fields");
        d.major = r.uint();
        d.minor = r.uint();
        if r.ok() && d.major != MAJOR {
            return Ok(d);
        }
        if r.ok() && more < 4 {
            r.fail_at(0, "a description of 6 fields");
        }
        d.sdk = r.str();
        d.language = r.str();
        let at = r.offset();
        d.handlers = each(&mut r, MAX_HANDLERS, "at most 1024 handlers", handler);
        differ(&mut r, at, d.handlers.iter().map(|h| h.name));
        d.features = r.uint();
        r.skip_n(more.saturating_sub(4));
        r.end();
        r.err().map_or(Ok(d), Err)
    }
}

fn handler<'a>(r: &mut Reader<'a>) -> HandlerDesc<'a> {
    let more = r.array_min(7, "a handler of 7 fields");
    let name = r.name();
    let flags = r.uint();
    let at = r.offset();
    let params = each(r, MAX_BINDINGS, "at most 1024 parameters", param);
    differ(r, at, params.iter().map(|p| p.name));
    let h = HandlerDesc {
        name,
        flags,
        params,
        caches: distinct_names(r),
        sinks: distinct_names(r),
        checkpoints: distinct_names(r),
        state_version: r.uint(),
    };
    r.skip_n(more);
    h
}

fn distinct_names<'a>(r: &mut Reader<'a>) -> Vec<&'a [u8]> {
    let at = r.offset();
    let all = names(r);
    differ(r, at, all.iter().copied());
    all
}

/// Refuses a name that comes twice: a position in Init is one thing.
fn differ<'a>(r: &mut Reader<'a>, at: usize, names: impl Iterator<Item = &'a [u8]>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            r.fail_at(at, "names that differ");
        }
    }
}

fn param<'a>(r: &mut Reader<'a>) -> ParamDesc<'a> {
    let more = r.array_min(4, "a parameter of 4 fields");
    let name = r.name();
    let kind = r.uint_max(255, "a type below 256");
    let p = ParamDesc {
        name,
        kind,
        default: if r.nil() { None } else { Some(value(r, kind)) },
        help: r.str(),
    };
    r.skip_n(more);
    p
}

/// Reads a value of a parameter's type and returns its bytes. A type of a
/// newer minor version may have any value.
fn value<'a>(r: &mut Reader<'a>, kind: u64) -> &'a [u8] {
    let start = r.offset();
    match kind {
        PARAM_STRING => drop(r.str()),
        PARAM_INT => drop(r.int()),
        PARAM_FLOAT => drop(r.float()),
        PARAM_BOOL => drop(r.bool()),
        _ => drop(r.skip()),
    }
    r.since(start)
}
