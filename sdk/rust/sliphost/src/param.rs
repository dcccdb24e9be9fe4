//! Parameters: values that the manifest gives a handler.

use crate::binding::Decl;
use crate::call::Call;
use crate::export::Item;
use crate::wire::{
    append_array_header, append_bool, append_float, append_int, append_nil, append_str,
    append_uint, Reader,
};
use crate::zz_abi::{PARAM_BOOL, PARAM_FLOAT, PARAM_INT, PARAM_STRING};

/// A parameter of any type, as it is declared.
#[derive(Debug)]
#[doc(hidden)]
pub struct Param {
    pub(crate) decl: Decl,
    pub(crate) help: &'static str,
    default: Default,
}

/// The type and, unless the manifest must give a value, the default.
#[derive(Clone, Copy, Debug)]
enum Default {
    Text(Option<&'static str>),
    Int(Option<i64>),
    Float(Option<f64>),
    Bool(Option<bool>),
}

/// A parameter's value for one handler of the manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Unlisted,
    Text(&'static str),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Param {
    const fn new(name: &'static str, default: Default, help: &'static str) -> Self {
        Param {
            decl: Decl::new(name),
            help,
            default,
        }
    }

    /// Appends the parameter's description.
    #[cold]
    pub(crate) fn describe(&self, b: &mut Vec<u8>) {
        append_array_header(b, 4);
        append_str(b, self.decl.name.as_bytes());
        append_uint(
            b,
            match self.default {
                Default::Text(_) => PARAM_STRING,
                Default::Int(_) => PARAM_INT,
                Default::Float(_) => PARAM_FLOAT,
                Default::Bool(_) => PARAM_BOOL,
            },
        );
        match self.default {
            Default::Text(Some(v)) => append_str(b, v.as_bytes()),
            Default::Int(Some(v)) => append_int(b, v),
            Default::Float(Some(v)) => append_float(b, v),
            Default::Bool(Some(v)) => append_bool(b, v),
            _ => append_nil(b),
        }
        append_str(b, self.help.as_bytes());
    }

    /// Reads the value that the host gives, or takes the default where it gives
    /// none. The error says what is wanted.
    #[cold]
    pub(crate) fn read(&self, raw: Option<&'static [u8]>) -> Result<Value, &'static str> {
        let raw = match raw {
            None => return self.value_of_default().ok_or("a value in the manifest"),
            Some(raw) => raw,
        };
        let mut r = Reader::new(raw);
        let (value, want) = match self.default {
            Default::Text(_) => match std::str::from_utf8(r.str()) {
                Ok(v) => (Value::Text(v), "text"),
                Err(_) => return Err("UTF-8 text"),
            },
            Default::Int(_) => (Value::Int(r.int()), "a whole number"),
            Default::Float(_) => (Value::Float(r.float()), "a number"),
            Default::Bool(_) => (Value::Bool(r.bool()), "true or false"),
        };
        r.end();
        if r.ok() {
            Ok(value)
        } else {
            Err(want)
        }
    }

    fn value_of_default(&self) -> Option<Value> {
        match self.default {
            Default::Text(v) => v.map(Value::Text),
            Default::Int(v) => v.map(Value::Int),
            Default::Float(v) => v.map(Value::Float),
            Default::Bool(v) => v.map(Value::Bool),
        }
    }

    #[cold]
    #[track_caller]
    fn missing(&self, call: &Call) -> ! {
        let why = "export! does not list it for";
        panic!("{}", call.bound().complain("parameter", &self.decl, why))
    }
}

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident($kind:ident: $default:ty => $type:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Param);

        impl $name {
            /// A parameter with a default, which holds where the manifest gives
            /// no value. `help` is one line for people.
            pub const fn new(name: &'static str, default: $default, help: &'static str) -> Self {
                $name(Param::new(name, Default::$kind(Some(default)), help))
            }

            /// A parameter that the manifest must give.
            pub const fn required(name: &'static str, help: &'static str) -> Self {
                $name(Param::new(name, Default::$kind(None), help))
            }

            /// The value for the handler that is running.
            ///
            /// # Panics
            /// If `export!` does not list the parameter for this handler.
            #[track_caller]
            pub fn get(&self, call: &Call) -> $type {
                match *call.bound().param(&self.0.decl) {
                    Value::$kind(v) => v,
                    _ => self.0.missing(call),
                }
            }

            #[doc(hidden)]
            pub const fn item(&'static self) -> Item {
                Item::Param(&self.0)
            }
        }
    )+};
}

params! {
    /// A parameter that holds text.
    TextParam(Text: &'static str => &'static str);
    /// A parameter that holds a whole number.
    IntParam(Int: i64 => i64);
    /// A parameter that holds a number.
    FloatParam(Float: f64 => f64);
    /// A parameter that is true or false.
    BoolParam(Bool: bool => bool);
}
