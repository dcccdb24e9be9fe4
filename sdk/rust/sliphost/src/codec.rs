//! Codecs: what turns a topic's bytes into values and back.

use std::fmt;

use crate::abi;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::export::{Item, ItemKind, Options};
use crate::message;
use crate::runtime::unreadable;
use crate::value::{Doc, Writer};
use crate::wire::append_bin;
use crate::zz_abi::{CODE_FAILED, FLAG_CODEC, KIND_DECODE, KIND_ENCODE, PART_KEY};

/// A form of records that a topic's bytes have. Both functions must depend on
/// their arguments alone: how often they are called, in which order and in
/// which instance is the host's choice.
///
/// An error is that of the record, whose handler's `on_error` policy acts; for
/// `encode` it is the handler that emitted the value. A panic is the same,
/// after one more try in a fresh instance.
///
/// ```
/// use sliphost::prelude::*;
/// use sliphost::{no_records, Codec, Coded, Format};
///
/// /// A text and its length.
/// struct Counted;
///
/// impl Format for Counted {
///     fn decode(_: &Coded<'_>, wire: &[u8], out: &mut Writer<'_>) -> Result<()> {
///         let text = std::str::from_utf8(wire).map_err(|_| Error::decode("not UTF-8"))?;
///         out.fields(&[("n", (text.len() as i64).into()), ("text", text.into())])
///     }
///
///     fn encode(_: &Coded<'_>, value: Doc<'_>, out: &mut Vec<u8>) -> Result<()> {
///         out.extend_from_slice(value.get("text").str()?.as_bytes());
///         Ok(())
///     }
/// }
///
/// export! { "counted" => no_records, Codec::of::<Counted>() }
/// # fn main() {}
/// ```
pub trait Format {
    /// Writes the value that `wire` stands for: exactly one.
    ///
    /// # Errors
    /// `wire` is not of this form.
    fn decode(of: &Coded<'_>, wire: &[u8], out: &mut Writer<'_>) -> Result<()>;

    /// Appends the bytes that `value` stands for to `out`, which is empty.
    ///
    /// # Errors
    /// The form has no word for `value`.
    fn encode(of: &Coded<'_>, value: Doc<'_>, out: &mut Vec<u8>) -> Result<()>;
}

/// What a codec is called for.
#[derive(Clone, Copy, Debug)]
pub struct Coded<'a> {
    /// The topic's name at its broker.
    pub topic: &'a str,
    /// A record's key, not its value.
    pub key: bool,
}

/// Makes a handler a codec, which a manifest names by `function` in a
/// `[codec.ID]` with `kind = "module"`. List it in [`export!`](crate::export)
/// behind [`no_records`](crate::no_records) and nothing else.
#[derive(Clone, Copy)]
pub struct Codec {
    decode: fn(&Coded<'_>, &[u8], &mut Writer<'_>) -> Result<()>,
    encode: fn(&Coded<'_>, Doc<'_>, &mut Vec<u8>) -> Result<()>,
}

impl Codec {
    /// The codec of a form.
    pub const fn of<F: Format>() -> Self {
        Codec {
            decode: F::decode,
            encode: F::encode,
        }
    }

    fn one(&self, call: &mut Call, kind: u64, of: &Coded<'_>, src: &[u8]) -> Result<()> {
        let mut out = Vec::new();
        if kind == KIND_DECODE {
            (self.decode)(of, src, &mut Writer::new(&mut out))?;
        } else {
            (self.encode)(of, Doc::parse(src)?, &mut out)?;
        }
        let mut answer = Vec::with_capacity(out.len() + 5);
        append_bin(&mut answer, Some(&out));
        if call.reply.answer(&answer) {
            Ok(())
        } else {
            Err(Error::coded(CODE_FAILED, "a codec cannot emit"))
        }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

impl Item for Codec {
    fn kind(&self) -> ItemKind {
        ItemKind::Event
    }

    fn options(&self) -> Options {
        Options::flag(FLAG_CODEC)
    }

    fn take(&self, call: &mut Call, kind: u64, message: &[u8]) -> Result<bool> {
        if kind != KIND_DECODE && kind != KIND_ENCODE {
            return Ok(false);
        }
        let m = message::Codec::read(message).map_err(|e| unreadable(e.want))?;
        let of = Coded {
            topic: std::str::from_utf8(m.topic).unwrap_or_default(),
            key: m.part == PART_KEY,
        };
        let (last, before) = m
            .values
            .split_last()
            .ok_or_else(|| unreadable("a codec message with values"))?;
        for (index, value) in (0i32..).zip(before) {
            let result = self.one(call, kind, &of, value);
            if call.reply.progress().stopped() {
                return result.map(|()| true);
            }
            call.finish(result);
            call.reply.begin(index + 1);
            abi::fuel_mark();
            abi::begin_record(index + 1);
        }
        self.one(call, kind, &of, last)?;
        Ok(true)
    }
}
