//! Parameters: values that the manifest gives a handler.

use crate::binding::{Decl, Slot};
use crate::call::Call;
use crate::error::{join, Error};
use crate::export::{Item, ItemKind};
use crate::wire::{
    append_array_header, append_bool, append_float, append_int, append_nil, append_str,
    append_uint, Reader,
};
use crate::zz_abi::{CODE_PARAM, PARAM_BOOL, PARAM_FLOAT, PARAM_INT, PARAM_STRING};

/// A parameter of any type, as it is declared.
#[derive(Debug)]
struct Param {
    decl: Decl,
    help: &'static str,
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

impl Param {
    const fn new(name: &'static str, default: Default, help: &'static str) -> Self {
        Param {
            decl: Decl::new(name),
            help,
            default,
        }
    }

    /// Appends the parameter's description.
    fn describe(&self, b: &mut Vec<u8>) {
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
    /// none.
    fn read(&self, raw: Option<&'static [u8]>) -> Result<Slot, Error> {
        let (value, want) = match raw {
            None => (self.value_of_default(), "a value in the manifest"),
            Some(raw) => self.parse(raw),
        };
        value.ok_or_else(|| {
            let why = ["parameter \"", self.decl.name, "\": want ", want];
            Error::coded(CODE_PARAM, join(&why))
        })
    }

    /// Reads a value; what is wanted is beside it.
    fn parse(&self, raw: &'static [u8]) -> (Option<Slot>, &'static str) {
        let mut r = Reader::new(raw);
        let (value, want) = match self.default {
            Default::Text(_) => {
                let text = std::str::from_utf8(r.str());
                (text.ok().map(Slot::Text), "UTF-8 text")
            }
            Default::Int(_) => (Some(Slot::Int(r.int())), "a whole number"),
            Default::Float(_) => (Some(Slot::Float(r.float())), "a number"),
            Default::Bool(_) => (Some(Slot::Bool(r.bool())), "true or false"),
        };
        r.end();
        (if r.ok() { value } else { None }, want)
    }

    fn value_of_default(&self) -> Option<Slot> {
        match self.default {
            Default::Text(v) => v.map(Slot::Text),
            Default::Int(v) => v.map(Slot::Int),
            Default::Float(v) => v.map(Slot::Float),
            Default::Bool(v) => v.map(Slot::Bool),
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
                match call.bound().slot(&self.0.decl) {
                    Slot::$kind(v) => v,
                    _ => self.0.missing(call),
                }
            }
        }

        impl Item for $name {
            fn kind(&self) -> ItemKind {
                ItemKind::Param
            }

            fn decl(&self) -> Option<&Decl> {
                Some(&self.0.decl)
            }

            fn describe(&self, b: &mut Vec<u8>) {
                self.0.describe(b);
            }

            fn read(&self, raw: Option<&'static [u8]>) -> Result<Slot, Error> {
                self.0.read(raw)
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
