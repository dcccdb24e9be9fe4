//! Values without types: reading in place and writing.

use std::fmt;

use crate::error::{join, Error, Result};
use crate::wire::{self, Reader};

/// The kind of a [`Doc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A field or element that is not there, which is not the same as null.
    Missing,
    /// Null.
    Null,
    /// A truth value.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Text.
    Str,
    /// Bytes.
    Bytes,
    /// A list of values.
    Array,
    /// Pairs of values.
    Map,
    /// A msgpack extension.
    Extension,
}

impl Kind {
    /// The kind in a word, as error texts have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Missing => "nothing",
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Int => "integer",
            Kind::Float => "float",
            Kind::Str => "string",
            Kind::Bytes => "bytes",
            Kind::Array => "array",
            Kind::Map => "map",
            Kind::Extension => "extension",
        }
    }
}

/// One value of a document, read in place: nothing is decoded before it is
/// asked for. `as_...` give `None` for what is missing or of another kind;
/// their sisters without `as_` give an error that names the field, for use
/// with `?`.
#[derive(Clone, Copy)]
pub struct Doc<'a> {
    raw: &'a [u8],
    /// `raw` is the text itself and not msgpack.
    text: bool,
    /// The field by which the value was reached, for error texts.
    name: &'a [u8],
    /// The value is missing because what should have held it is not of the
    /// first kind, but of the second.
    instead: Option<(Kind, Kind)>,
}

impl fmt::Debug for Doc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doc({}, {} bytes)", self.kind().name(), self.raw.len())
    }
}

impl<'a> Doc<'a> {
    /// Reads one msgpack value; an error if `raw` is anything else.
    pub fn parse(raw: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(raw);
        r.skip();
        r.end();
        match r.err() {
            None => Ok(Doc::value(raw, &[])),
            Some(e) => Err(Error::decode(join(&[
                "the value is not msgpack: want ",
                e.want,
            ]))),
        }
    }

    fn value(raw: &'a [u8], name: &'a [u8]) -> Self {
        Doc {
            raw,
            text: false,
            name,
            instead: None,
        }
    }

    pub(crate) fn null() -> Self {
        Doc::value(&[0xc0], &[])
    }

    pub(crate) fn text(raw: &'a [u8]) -> Self {
        Doc {
            raw,
            text: true,
            name: &[],
            instead: None,
        }
    }

    /// The text itself, if the value is not msgpack.
    #[cfg(feature = "serde")]
    pub(crate) fn as_text(&self) -> Option<&'a [u8]> {
        if self.text {
            Some(self.raw)
        } else {
            None
        }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What the value is.
    pub fn kind(&self) -> Kind {
        let c = match self.raw.first() {
            _ if self.text => return Kind::Str,
            None => return Kind::Missing,
            Some(c) => *c,
        };
        match c {
            0..=0x7f | 0xe0..=0xff | 0xcc..=0xd3 => Kind::Int,
            0x80..=0x8f | 0xde | 0xdf => Kind::Map,
            0x90..=0x9f | 0xdc | 0xdd => Kind::Array,
            0xa0..=0xbf | 0xd9..=0xdb => Kind::Str,
            0xc0 => Kind::Null,
            0xc2 | 0xc3 => Kind::Bool,
            0xc4..=0xc6 => Kind::Bytes,
            0xca | 0xcb => Kind::Float,
            _ => Kind::Extension,
        }
    }

    /// Whether the value is there; null is.
    pub fn exists(&self) -> bool {
        self.kind() != Kind::Missing
    }

    /// Whether the value is there and null.
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// A map's field, or a missing value: also when this is no map. Of several
    /// fields with the same name it is the first.
    pub fn get(&self, name: &'a str) -> Doc<'a> {
        self.entries()
            .find(|(key, _)| key.as_str() == Some(name))
            .map_or(self.missing(Kind::Map, name.as_bytes()), |(_, value)| value)
    }

    /// An array's element, or a missing value: also when this is no array.
    pub fn at(&self, index: usize) -> Doc<'a> {
        self.items()
            .nth(index)
            .unwrap_or(self.missing(Kind::Array, self.name))
    }

    /// What is not in here; `want` is what it would be in.
    fn missing(&self, want: Kind, name: &'a [u8]) -> Doc<'a> {
        let mut missing = Doc::value(&[], name);
        match self.kind() {
            Kind::Missing => missing.instead = self.instead,
            Kind::Null => {}
            kind if kind == want => {}
            kind => missing.instead = Some((want, kind)),
        }
        missing
    }

    /// The number of an array's elements or a map's entries; 0 otherwise.
    pub fn len(&self) -> usize {
        let mut r = Reader::new(self.raw);
        match self.kind() {
            Kind::Array => r.array(),
            Kind::Map => r.map(),
            _ => 0,
        }
    }

    /// Whether this is neither an array nor a map that has something in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of an array; none otherwise.
    pub fn items(&self) -> impl Iterator<Item = Doc<'a>> {
        let mut r = Reader::new(self.raw);
        let n = if self.kind() == Kind::Array {
            r.array()
        } else {
            0
        };
        let name = self.name;
        (0..n).map(move |_| Doc::value(r.skip(), name))
    }

    /// The entries of a map in order; none otherwise.
    pub fn entries(&self) -> impl Iterator<Item = (Doc<'a>, Doc<'a>)> {
        let mut r = Reader::new(self.raw);
        let n = if self.kind() == Kind::Map { r.map() } else { 0 };
        (0..n).map(move |_| {
            let key = Doc::value(r.skip(), &[]);
            let name = key.as_bytes().unwrap_or(&[]);
            (key, Doc::value(r.skip(), name))
        })
    }

    /// A whole number that fits in 64 signed bits.
    pub fn as_i64(&self) -> Option<i64> {
        self.read(Kind::Int, Reader::int)
    }

    /// A whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        self.read(Kind::Int, Reader::uint)
    }

    /// A number, also a whole one.
    pub fn as_f64(&self) -> Option<f64> {
        match self.kind() {
            kind @ (Kind::Float | Kind::Int) => self.read(kind, Reader::float),
            _ => None,
        }
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        self.read(Kind::Bool, Reader::bool)
    }

    /// Text that is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        match self.kind() {
            Kind::Str => std::str::from_utf8(self.as_bytes()?).ok(),
            _ => None,
        }
    }

    /// The bytes of bytes or text.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match self.kind() {
            Kind::Str if self.text => Some(self.raw),
            Kind::Str | Kind::Bytes => Reader::new(self.raw).bytes(),
            _ => None,
        }
    }

    fn read<T>(&self, kind: Kind, read: impl FnOnce(&mut Reader<'a>) -> T) -> Option<T> {
        if self.kind() != kind {
            return None;
        }
        let mut r = Reader::new(self.raw);
        let v = read(&mut r);
        if r.ok() {
            Some(v)
        } else {
            None
        }
    }

    /// [`Doc::as_i64`], or an error that names the field.
    pub fn i64(&self) -> Result<i64> {
        self.as_i64().ok_or_else(|| self.mismatch("integer"))
    }

    /// [`Doc::as_u64`], or an error that names the field.
    pub fn u64(&self) -> Result<u64> {
        self.as_u64()
            .ok_or_else(|| self.mismatch("non-negative integer"))
    }

    /// [`Doc::as_f64`], or an error that names the field.
    pub fn f64(&self) -> Result<f64> {
        self.as_f64().ok_or_else(|| self.mismatch("number"))
    }

    /// [`Doc::as_bool`], or an error that names the field.
    pub fn bool(&self) -> Result<bool> {
        self.as_bool().ok_or_else(|| self.mismatch("bool"))
    }

    /// [`Doc::as_str`], or an error that names the field.
    pub fn str(&self) -> Result<&'a str> {
        self.as_str().ok_or_else(|| self.mismatch("string"))
    }

    /// [`Doc::as_bytes`], or an error that names the field.
    pub fn bytes(&self) -> Result<&'a [u8]> {
        self.as_bytes().ok_or_else(|| self.mismatch("bytes"))
    }

    #[cold]
    pub(crate) fn mismatch(&self, want: &str) -> Error {
        let (want, got) = match self.instead {
            None => (want, self.kind().name()),
            Some((want, got)) => (want.name(), got.name()),
        };
        let name = crate::binding::text(self.name);
        let mut text = join(&["want ", want, ", got ", got]);
        if !name.is_empty() {
            text = join(&["field \"", name, "\": ", &text]);
        }
        Error::decode(text)
    }
}

/// A scalar or a document for [`Writer::edit`].
#[derive(Clone, Copy, Debug)]
pub enum Plain<'a> {
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Another value as it is; a missing one becomes null.
    Doc(Doc<'a>),
}

macro_rules! plain {
    ($($type:ty => $kind:ident),+) => {$(
        impl<'a> From<$type> for Plain<'a> {
            fn from(v: $type) -> Self {
                Plain::$kind(v.into())
            }
        }
    )+};
}

plain!(bool => Bool, i32 => Int, u32 => Int, i64 => Int, f64 => Float, &'a str => Str, &'a [u8] => Bytes, Doc<'a> => Doc);

impl<'a> From<&'a String> for Plain<'a> {
    fn from(v: &'a String) -> Self {
        Plain::Str(v)
    }
}

/// Writes msgpack values one after the other. [`Writer::map`] and
/// [`Writer::array`] write a header only: the caller writes as many values
/// behind it as it announced.
#[derive(Debug)]
pub struct Writer<'b> {
    buf: &'b mut Vec<u8>,
}

impl<'b> Writer<'b> {
    /// Writes behind what is in `buf`.
    pub fn new(buf: &'b mut Vec<u8>) -> Self {
        Writer { buf }
    }

    /// Writes null.
    pub fn nil(&mut self) {
        wire::append_nil(self.buf);
    }

    /// Writes a truth value.
    pub fn bool(&mut self, v: bool) {
        wire::append_bool(self.buf, v);
    }

    /// Writes a whole number in its shortest form.
    pub fn int(&mut self, v: i64) {
        wire::append_int(self.buf, v);
    }

    /// Writes a whole number that is not negative in its shortest form.
    pub fn uint(&mut self, v: u64) {
        wire::append_uint(self.buf, v);
    }

    /// Writes a 64-bit float.
    pub fn float(&mut self, v: f64) {
        wire::append_float(self.buf, v);
    }

    /// Writes text.
    pub fn str(&mut self, v: &str) {
        wire::append_str(self.buf, v.as_bytes());
    }

    /// Writes bytes.
    pub fn bytes(&mut self, v: &[u8]) {
        wire::append_bin(self.buf, Some(v));
    }

    /// Begins an array of `n` values.
    pub fn array(&mut self, n: usize) {
        wire::append_array_header(self.buf, n);
    }

    /// Begins a map of `n` pairs of key and value.
    pub fn map(&mut self, n: usize) {
        wire::append_map_header(self.buf, n);
    }

    /// Writes a value that was read; a missing one becomes null.
    pub fn doc(&mut self, v: Doc<'_>) {
        if v.text {
            wire::append_str(self.buf, v.raw);
        } else if v.raw.is_empty() {
            self.nil();
        } else {
            self.buf.extend_from_slice(v.raw);
        }
    }

    /// Writes a scalar or a document.
    pub fn plain<'p>(&mut self, v: impl Into<Plain<'p>>) {
        match v.into() {
            Plain::Null => self.nil(),
            Plain::Bool(v) => self.bool(v),
            Plain::Int(v) => self.int(v),
            Plain::Float(v) => self.float(v),
            Plain::Str(v) => self.str(v),
            Plain::Bytes(v) => self.bytes(v),
            Plain::Doc(v) => self.doc(v),
        }
    }

    /// Writes a map of these fields.
    pub fn fields(&mut self, fields: &[(&str, Plain<'_>)]) -> Result<()> {
        self.edit(Doc::null(), fields)
    }

    /// Writes a map with some of its fields set: those that are there keep
    /// their place, the others follow at the end. A missing or null `base`
    /// counts as an empty map; any other kind is an error.
    ///
    /// ```
    /// # use sliphost::prelude::*;
    /// # fn handler(call: &mut Call, rec: Record<'_>) -> Result<()> {
    /// let doc = rec.doc()?;
    /// call.emit_doc(rec.key(), |w| w.edit(doc, &[("late", true.into())]))
    /// # }
    /// ```
    pub fn edit(&mut self, base: Doc<'_>, fields: &[(&str, Plain<'_>)]) -> Result<()> {
        if !matches!(base.kind(), Kind::Map | Kind::Null | Kind::Missing) {
            return Err(base.mismatch("map"));
        }
        let last = |name| {
            fields
                .iter()
                .rev()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| *v)
        };
        let added = |i: usize, name: &str| {
            !base.get(name).exists() && fields[..i].iter().all(|(n, _)| *n != name)
        };
        let fresh = || {
            let indexed = fields.iter().enumerate();
            indexed.filter(|(i, (name, _))| added(*i, name))
        };
        self.map(base.len() + fresh().count());
        for (key, value) in base.entries() {
            self.doc(key);
            match key.as_str().and_then(last) {
                Some(v) => self.plain(v),
                None => self.doc(value),
            }
        }
        for (_, (name, value)) in fresh() {
            self.str(name);
            self.plain(last(name).unwrap_or(*value));
        }
        Ok(())
    }
}
