//! Values as types, by serde.
//!
//! Structs are maps with the names of their fields, enums are as serde_json
//! has them (a unit variant is a string, another one a map of one field), bytes
//! ([`serde::Serializer::serialize_bytes`]) are msgpack bytes. The format calls
//! itself human readable: documents mostly come from JSON topics and go there,
//! so a time or an address is text.

mod de;
mod ser;

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Expected, Unexpected};
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error::{Error, Result};
use crate::field::Field;
use crate::record::Record;
use crate::sink::{Out, Sink};
use crate::value::{Doc, Kind};

/// Why a value is not of a type, or a type has no form as a value.
#[derive(Debug)]
struct Fault {
    /// The fields that lead to the place, joined by dots.
    path: String,
    text: String,
}

impl Fault {
    #[cold]
    fn new(text: impl fmt::Display) -> Self {
        Fault {
            path: String::new(),
            text: text.to_string(),
        }
    }

    /// The same fault inside the field `name`.
    #[cold]
    fn inside(mut self, name: &[u8]) -> Self {
        let mut path = String::from_utf8_lossy(name).into_owned();
        if !self.path.is_empty() {
            path.push('.');
            path.push_str(&self.path);
        }
        self.path = path;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "field \"{}\": ", self.path)?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

/// The texts say what was there by its kind: what is in a record does not
/// belong into logs.
impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Fault::new(text)
    }

    fn invalid_type(got: Unexpected<'_>, want: &dyn Expected) -> Self {
        Fault::new(format_args!("want {}, got {}", want, kind(&got)))
    }

    fn invalid_value(got: Unexpected<'_>, want: &dyn Expected) -> Self {
        Fault::new(format_args!("want {}, got another {}", want, kind(&got)))
    }

    fn missing_field(name: &'static str) -> Self {
        Fault::new("missing").inside(name.as_bytes())
    }
}

fn kind(got: &Unexpected<'_>) -> &'static str {
    let kind = match got {
        Unexpected::Bool(_) => Kind::Bool,
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => Kind::Int,
        Unexpected::Float(_) => Kind::Float,
        Unexpected::Char(_) | Unexpected::Str(_) => Kind::Str,
        Unexpected::Bytes(_) => Kind::Bytes,
        Unexpected::Unit | Unexpected::Option => Kind::Null,
        Unexpected::Seq => Kind::Array,
        Unexpected::Map | Unexpected::StructVariant => Kind::Map,
        _ => return "value",
    };
    kind.name()
}

impl serde::ser::Error for Fault {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Fault::new(text)
    }
}

fn undecodable(e: Fault) -> Error {
    Error::decode(e.to_string())
}

/// Writes a value as msgpack.
///
/// # Errors
/// The type cannot be written, such as a number above 64 bits.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut b = Vec::new();
    ser::write(value, &mut b)?;
    Ok(b)
}

/// Reads one msgpack value, all of `raw`. Text and bytes may be borrowed.
///
/// # Errors
/// `raw` is not a `T`: the text names the field.
pub fn from_slice<'de, T: Deserialize<'de>>(raw: &'de [u8]) -> Result<T> {
    de::read(raw).map_err(undecodable)
}

impl<'a> Doc<'a> {
    /// The value as a type; text and bytes may be borrowed. Feature `serde`.
    ///
    /// # Errors
    /// The value is missing or not a `T`: the text names the field.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T> {
        match (self.kind(), self.as_text()) {
            (Kind::Missing, _) => Err(self.mismatch("a value")),
            (_, Some(text)) => {
                let text = std::str::from_utf8(text)?;
                T::deserialize(BorrowedStrDeserializer::new(text)).map_err(undecodable)
            }
            _ => from_slice(self.raw()),
        }
    }
}

impl<'a> Record<'a> {
    /// The value as a type; text and bytes may be borrowed from the record. A
    /// tombstone is null, which an [`Option`] takes. Feature `serde`.
    ///
    /// ```
    /// # use sliphost::prelude::*;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Flight<'a> {
    ///     origin: &'a str,
    ///     delay: i64,
    /// }
    ///
    /// fn late(call: &mut Call, rec: Record<'_>) -> Result<()> {
    ///     let flight: Flight = rec.decode()?;
    ///     if flight.delay > 15 {
    ///         call.emit(flight.origin, rec.value());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The value is not a `T`; or it is bytes: the text then says which codec
    /// to set.
    pub fn decode<T: Deserialize<'a>>(&self) -> Result<T> {
        self.doc()?.decode()
    }

    /// [`Record::decode`] for the key.
    ///
    /// # Errors
    /// As [`Record::decode`].
    pub fn decode_key<T: Deserialize<'a>>(&self) -> Result<T> {
        self.key_doc()?.decode()
    }
}

impl Call {
    /// Emits a typed value to every sink: as one msgpack value where the sink's
    /// codec is `json` or another decoded one, as the text itself where it is
    /// `string`. Feature `serde`.
    ///
    /// # Errors
    /// The value is not what a sink takes, or cannot be written.
    pub fn emit_value<'d, T: Serialize + ?Sized>(
        &mut self,
        key: impl Field<'d>,
        value: &T,
    ) -> Result<()> {
        self.record().key(key).emit_value(value)
    }
}

impl Sink {
    /// Emits a typed value to this sink alone; see [`Call::emit_value`].
    ///
    /// # Errors
    /// As [`Call::emit_value`].
    pub fn emit_value<'d, T: Serialize + ?Sized>(
        &self,
        call: &mut Call,
        key: impl Field<'d>,
        value: &T,
    ) -> Result<()> {
        self.record(call).key(key).emit_value(value)
    }
}

impl<'c, 'd> Out<'c, 'd> {
    /// Emits the record with a typed value; see [`Call::emit_value`].
    ///
    /// # Errors
    /// As [`Call::emit_value`].
    pub fn emit_value<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.emit_encoded(|b| Ok(ser::write(value, b)?))
    }
}
