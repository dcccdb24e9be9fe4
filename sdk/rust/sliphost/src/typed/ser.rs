//! Types to msgpack.

use serde::ser::{self, Serialize};

use super::Fault;
use crate::wire::{
    append_array_header, append_bin, append_bool, append_float, append_int, append_map_header,
    append_nil, append_str, append_uint,
};

type Done = Result<(), Fault>;

/// Appends `value`.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, b: &mut Vec<u8>) -> Done {
    value.serialize(Serializer { b })
}

struct Serializer<'b> {
    b: &'b mut Vec<u8>,
}

/// An array or a map that is being written.
struct Compound<'b> {
    b: &'b mut Vec<u8>,
    /// Where it begins, if its header is not written yet.
    start: Option<usize>,
    header: fn(&mut Vec<u8>, usize),
    announced: usize,
    written: usize,
}

impl<'b> Compound<'b> {
    fn new(b: &'b mut Vec<u8>, n: Option<usize>, header: fn(&mut Vec<u8>, usize)) -> Self {
        let start = b.len();
        if let Some(n) = n {
            header(b, n);
        }
        Compound {
            b,
            start: if n.is_none() { Some(start) } else { None },
            header,
            announced: n.unwrap_or(0),
            written: 0,
        }
    }

    fn entry<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.written += 1;
        write(value, self.b)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
        self.written += 1;
        append_str(self.b, name.as_bytes());
        write(value, self.b).map_err(|e| e.inside(name.as_bytes()))
    }

    fn finish(self) -> Done {
        match self.start {
            // The header belongs in front of what is there: it is written
            // behind it and turned to the front.
            Some(start) => {
                let end = self.b.len();
                (self.header)(self.b, self.written);
                let header = self.b.len() - end;
                self.b[start..].rotate_right(header);
                Ok(())
            }
            None if self.written == self.announced => Ok(()),
            None => Err(Fault::new("a collection of another length than it said")),
        }
    }
}

impl<'b> Serializer<'b> {
    /// Begins the map of one field that an enum's variant is.
    fn variant(&mut self, name: &str) {
        append_map_header(self.b, 1);
        append_str(self.b, name.as_bytes());
    }

    fn array(self, n: Option<usize>) -> Compound<'b> {
        Compound::new(self.b, n, append_array_header)
    }

    fn map(self, n: Option<usize>) -> Compound<'b> {
        Compound::new(self.b, n, append_map_header)
    }
}

macro_rules! scalars {
    ($($method:ident $type:ty => $append:ident as $as:ty;)+) => {$(
        fn $method(self, v: $type) -> Done {
            $append(self.b, <$as>::from(v));
            Ok(())
        }
    )+};
}

impl<'b> ser::Serializer for Serializer<'b> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Compound<'b>;
    type SerializeTuple = Compound<'b>;
    type SerializeTupleStruct = Compound<'b>;
    type SerializeTupleVariant = Compound<'b>;
    type SerializeMap = Compound<'b>;
    type SerializeStruct = Compound<'b>;
    type SerializeStructVariant = Compound<'b>;

    scalars! {
        serialize_bool bool => append_bool as bool;
        serialize_i8 i8 => append_int as i64;
        serialize_i16 i16 => append_int as i64;
        serialize_i32 i32 => append_int as i64;
        serialize_i64 i64 => append_int as i64;
        serialize_u8 u8 => append_uint as u64;
        serialize_u16 u16 => append_uint as u64;
        serialize_u32 u32 => append_uint as u64;
        serialize_u64 u64 => append_uint as u64;
        serialize_f32 f32 => append_float as f64;
        serialize_f64 f64 => append_float as f64;
    }

    fn serialize_i128(self, v: i128) -> Done {
        match (i64::try_from(v), u64::try_from(v)) {
            (Ok(v), _) => append_int(self.b, v),
            (_, Ok(v)) => append_uint(self.b, v),
            _ => return Err(Fault::new("a number above 64 bits")),
        }
        Ok(())
    }

    fn serialize_u128(self, v: u128) -> Done {
        match u64::try_from(v) {
            Ok(v) => append_uint(self.b, v),
            Err(_) => return Err(Fault::new("a number above 64 bits")),
        }
        Ok(())
    }

    fn serialize_char(self, v: char) -> Done {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Done {
        append_str(self.b, v.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Done {
        append_bin(self.b, Some(v));
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Done {
        v.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        append_nil(self.b);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Done {
        v.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Done {
        self.variant(variant);
        v.serialize(self)
    }

    fn serialize_seq(self, n: Option<usize>) -> Result<Compound<'b>, Fault> {
        Ok(self.array(n))
    }

    fn serialize_tuple(self, n: usize) -> Result<Compound<'b>, Fault> {
        Ok(self.array(Some(n)))
    }

    fn serialize_tuple_struct(self, _: &'static str, n: usize) -> Result<Compound<'b>, Fault> {
        Ok(self.array(Some(n)))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        n: usize,
    ) -> Result<Compound<'b>, Fault> {
        self.variant(variant);
        Ok(self.array(Some(n)))
    }

    fn serialize_map(self, n: Option<usize>) -> Result<Compound<'b>, Fault> {
        Ok(self.map(n))
    }

    fn serialize_struct(self, _: &'static str, n: usize) -> Result<Compound<'b>, Fault> {
        Ok(self.map(Some(n)))
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        n: usize,
    ) -> Result<Compound<'b>, Fault> {
        self.variant(variant);
        Ok(self.map(Some(n)))
    }
}

macro_rules! compounds {
    ($($trait:ident::$method:ident($($name:ident: $type:ty)?) => $write:ident;)+) => {$(
        impl<'b> ser::$trait for Compound<'b> {
            type Ok = ();
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Done {
                self.$write($($name,)? value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        }
    )+};
}

compounds! {
    SerializeSeq::serialize_element() => entry;
    SerializeTuple::serialize_element() => entry;
    SerializeTupleStruct::serialize_field() => entry;
    SerializeTupleVariant::serialize_field() => entry;
    SerializeStruct::serialize_field(name: &'static str) => field;
    SerializeStructVariant::serialize_field(name: &'static str) => field;
}

impl<'b> ser::SerializeMap for Compound<'b> {
    type Ok = ();
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.entry(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        write(value, self.b)
    }

    fn end(self) -> Done {
        self.finish()
    }
}
