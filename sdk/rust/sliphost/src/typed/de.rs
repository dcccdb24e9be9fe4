//! msgpack to types.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde::{forward_to_deserialize_any, Deserialize};

use super::Fault;
use crate::wire::{Reader, SyntaxError, MAX_DEPTH};

/// Reads one value, all of `raw`.
pub(super) fn read<'de, T: Deserialize<'de>>(raw: &'de [u8]) -> Result<T, Fault> {
    let mut r = Reader::new(raw);
    let value = T::deserialize(Deserializer {
        r: &mut r,
        depth: 0,
    })?;
    r.end();
    checked(&r, value)
}

impl From<SyntaxError> for Fault {
    fn from(e: SyntaxError) -> Self {
        Fault::new(e)
    }
}

/// `value`, unless reading failed.
fn checked<T>(r: &Reader<'_>, value: T) -> Result<T, Fault> {
    match r.err() {
        None => Ok(value),
        Some(e) => Err(e.into()),
    }
}

struct Deserializer<'r, 'de> {
    r: &'r mut Reader<'de>,
    /// Arrays and maps around the value.
    depth: usize,
}

impl<'r, 'de> Deserializer<'r, 'de> {
    /// The next value inside an array or map.
    fn inner(&mut self) -> Result<Deserializer<'_, 'de>, Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::new("a value nested more than 64 deep"));
        }
        Ok(Deserializer {
            r: self.r,
            depth: self.depth + 1,
        })
    }

    fn bytes(&mut self) -> Result<&'de [u8], Fault> {
        let v = self.r.bin();
        checked(self.r, v)
    }

    fn str(&mut self) -> Result<&'de str, Fault> {
        let v = self.bytes()?;
        std::str::from_utf8(v).map_err(|_| Fault::new("text that is not UTF-8"))
    }

    fn seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let left = self.r.array();
        let mut seq = Entries {
            left: checked(self.r, left)?,
            de: self,
            key: &[],
        };
        let value = visitor.visit_seq(&mut seq)?;
        seq.finish(value)
    }

    fn map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let left = self.r.map();
        let mut map = Entries {
            left: checked(self.r, left)?,
            de: self,
            key: &[],
        };
        let value = visitor.visit_map(&mut map)?;
        map.finish(value)
    }
}

impl<'r, 'de> de::Deserializer<'de> for Deserializer<'r, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        match self.r.peek() {
            Some(0..=0x7f | 0xcc..=0xcf) => {
                let v = self.r.uint();
                visitor.visit_u64(checked(self.r, v)?)
            }
            Some(0xe0..=0xff | 0xd0..=0xd3) => {
                let v = self.r.int();
                visitor.visit_i64(checked(self.r, v)?)
            }
            Some(0xa0..=0xbf | 0xd9..=0xdb) => visitor.visit_borrowed_str(self.str()?),
            Some(0xc4..=0xc6) => visitor.visit_borrowed_bytes(self.bytes()?),
            Some(0xc0) => {
                self.r.nil();
                visitor.visit_unit()
            }
            Some(0xc2 | 0xc3) => visitor.visit_bool(self.r.bool()),
            Some(0xca | 0xcb) => {
                let v = self.r.float();
                visitor.visit_f64(checked(self.r, v)?)
            }
            Some(0x90..=0x9f | 0xdc | 0xdd) => self.seq(visitor),
            Some(0x80..=0x8f | 0xde | 0xdf) => self.map(visitor),
            _ => {
                self.r.skip();
                checked(self.r, ())?;
                Err(Fault::new("a msgpack extension has no type here"))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.r.nil() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        match self.r.peek() {
            Some(0xa0..=0xbf | 0xd9..=0xdb) => visitor.visit_borrowed_bytes(self.bytes()?),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_bytes(visitor)
    }

    /// A document with the fields by position would be a surprise, so an array
    /// is none.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.r.peek() {
            Some(0x90..=0x9f | 0xdc | 0xdd) => {
                Err(de::Error::invalid_type(Unexpected::Seq, &visitor))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.r.peek() {
            Some(0x81) => {
                self.r.map();
                visitor.visit_enum(Variant { de: self })
            }
            Some(0xa0..=0xbf | 0xd9..=0xdb) => visitor.visit_enum(self.str()?.into_deserializer()),
            _ => Err(de::Error::invalid_type(
                Unexpected::Other("neither text nor a map of one field"),
                &"an enum",
            )),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.r.skip();
        checked(self.r, ())?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// The entries of an array or a map.
struct Entries<'r, 'de> {
    de: Deserializer<'r, 'de>,
    left: usize,
    /// The key read last, for errors.
    key: &'de [u8],
}

impl<'r, 'de> Entries<'r, 'de> {
    /// The visitor must have taken all entries.
    fn finish<T>(&self, value: T) -> Result<T, Fault> {
        if self.left > 0 {
            return Err(Fault::new("more values than the type has"));
        }
        checked(self.de.r, value)
    }
}

impl<'r, 'de> de::SeqAccess<'de> for Entries<'r, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.de.inner()?).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'r, 'de> de::MapAccess<'de> for Entries<'r, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.key = self.de.r.clone().bytes().unwrap_or(&[]);
        seed.deserialize(self.de.inner()?).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let key = self.key;
        seed.deserialize(self.de.inner()?)
            .map_err(|e| e.inside(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// An enum's variant with contents: a map of one field, behind its header.
struct Variant<'r, 'de> {
    de: Deserializer<'r, 'de>,
}

impl<'r, 'de> de::EnumAccess<'de> for Variant<'r, 'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(mut self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name = seed.deserialize(self.de.inner()?)?;
        Ok((name, self))
    }
}

impl<'r, 'de> de::VariantAccess<'de> for Variant<'r, 'de> {
    type Error = Fault;

    fn unit_variant(mut self) -> Result<(), Fault> {
        Deserialize::deserialize(self.de.inner()?)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.de.inner()?)
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self.de.inner()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self.de.inner()?, visitor)
    }
}
