//! JSON to msgpack and back, for the convenience of tests. Speed does not
//! matter here; the host has its own.

use crate::value::{Doc, Kind};
use crate::wire::{
    append_array_header, append_bool, append_float, append_int, append_map_header, append_nil,
    append_str, append_uint,
};

/// The msgpack value of a JSON text; fields keep their order.
///
/// # Panics
/// If `text` is not JSON.
pub fn from_json(text: &str) -> Vec<u8> {
    let mut p = Parser {
        text: text.as_bytes(),
        at: 0,
    };
    let mut b = Vec::new();
    p.value(&mut b);
    p.space();
    if p.at != p.text.len() {
        p.fail("the end");
    }
    b
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Parser<'t> {
    fn fail(&self, want: &str) -> ! {
        panic!("JSON byte {}: want {}", self.at, want)
    }

    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips white space and returns the next byte.
    fn peek(&mut self) -> u8 {
        self.space();
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, word: &str) -> bool {
        self.space();
        let is = self.text[self.at..].starts_with(word.as_bytes());
        if is {
            self.at += word.len();
        }
        is
    }

    fn value(&mut self, b: &mut Vec<u8>) {
        match self.peek() {
            b'{' => self.list(b, "}", append_map_header, |p, b| {
                p.string(b);
                if !p.take(":") {
                    p.fail("a colon");
                }
                p.value(b);
            }),
            b'[' => self.list(b, "]", append_array_header, Parser::value),
            b'"' => self.string(b),
            b'-' | b'0'..=b'9' => self.number(b),
            _ if self.take("null") => append_nil(b),
            _ if self.take("true") => append_bool(b, true),
            _ if self.take("false") => append_bool(b, false),
            _ => self.fail("a value"),
        }
    }

    fn list(
        &mut self,
        b: &mut Vec<u8>,
        end: &str,
        header: fn(&mut Vec<u8>, usize),
        entry: fn(&mut Self, &mut Vec<u8>),
    ) {
        self.at += 1;
        let mut entries = Vec::new();
        let mut n = 0;
        while !self.take(end) {
            if n > 0 && !self.take(",") {
                self.fail("a comma");
            }
            entry(self, &mut entries);
            n += 1;
        }
        header(b, n);
        b.extend(entries);
    }

    fn number(&mut self, b: &mut Vec<u8>) {
        let start = self.at;
        let part = |c: &u8| matches!(c, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        self.at += self.text[start..].iter().take_while(|c| part(c)).count();
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or("");
        if let Ok(v) = text.parse::<i64>() {
            append_int(b, v);
        } else if let Ok(v) = text.parse::<u64>() {
            append_uint(b, v);
        } else if let Ok(v) = text.parse::<f64>() {
            append_float(b, v);
        } else {
            self.fail("a number");
        }
    }

    fn string(&mut self, b: &mut Vec<u8>) {
        if self.peek() != b'"' {
            self.fail("a string");
        }
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let c = match self.text.get(self.at) {
                Some(c) => *c,
                None => self.fail("the end of a string"),
            };
            self.at += 1;
            match c {
                b'"' => break,
                b'\\' => self.escape(&mut out),
                _ => out.push(c),
            }
        }
        append_str(b, &out);
    }

    fn escape(&mut self, out: &mut Vec<u8>) {
        let c = self.text.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        match c {
            b'"' | b'\\' | b'/' => out.push(c),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut code = self.hex();
                if (0xd800..0xdc00).contains(&code) && self.take("\\u") {
                    code = 0x10000 + ((code - 0xd800) << 10 | self.hex().wrapping_sub(0xdc00));
                }
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => self.fail("an escape"),
        }
    }

    fn hex(&mut self) -> u32 {
        let digits = self.text.get(self.at..self.at + 4);
        let text = digits.and_then(|d| std::str::from_utf8(d).ok());
        match text.and_then(|t| u32::from_str_radix(t, 16).ok()) {
            Some(code) => {
                self.at += 4;
                code
            }
            None => self.fail("four hex digits"),
        }
    }
}

/// The JSON text of a msgpack value, on one line. Bytes become an array of
/// numbers.
///
/// # Panics
/// If `raw` is not one msgpack value.
pub fn to_json(raw: &[u8]) -> String {
    let doc = Doc::parse(raw).unwrap_or_else(|e| panic!("{}", e));
    let mut out = String::new();
    write(doc, &mut out);
    out
}

fn write(doc: Doc<'_>, out: &mut String) {
    match doc.kind() {
        Kind::Bool => out.push_str(if doc.as_bool() == Some(true) {
            "true"
        } else {
            "false"
        }),
        Kind::Int => match (doc.as_i64(), doc.as_u64()) {
            (Some(v), _) => out.push_str(&v.to_string()),
            (None, Some(v)) => out.push_str(&v.to_string()),
            (None, None) => out.push_str("null"),
        },
        Kind::Float => out.push_str(&doc.as_f64().unwrap_or(0.0).to_string()),
        Kind::Str => quote(&String::from_utf8_lossy(doc.as_bytes().unwrap_or(&[])), out),
        Kind::Bytes => out.push_str(&format!("{:?}", doc.as_bytes().unwrap_or(&[]))),
        Kind::Array => {
            out.push('[');
            for (i, item) in doc.items().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Kind::Map => {
            out.push('{');
            for (i, (key, value)) in doc.entries().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Kind::Missing | Kind::Null | Kind::Extension => out.push_str("null"),
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}
