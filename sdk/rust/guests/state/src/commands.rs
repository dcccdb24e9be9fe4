//! Commands in a value: `put:a:1|all`.

use std::str::FromStr;

use sliphost::prelude::*;
use sliphost::Scan;

/// One command: its name, and the fields behind it.
pub struct Command<'a> {
    pub text: &'a [u8],
    pub name: &'a [u8],
    pub fields: Vec<&'a [u8]>,
}

/// The commands of a value.
pub fn commands(value: &[u8]) -> impl Iterator<Item = Command<'_>> {
    value.split(|b| *b == b'|').map(|text| {
        let mut fields = text.split(|b| *b == b':');
        Command {
            text,
            name: fields.next().unwrap_or_default(),
            fields: fields.collect(),
        }
    })
}

impl<'a> Command<'a> {
    /// A field; empty if the command has fewer.
    pub fn field(&self, at: usize) -> &'a [u8] {
        self.fields.get(at).copied().unwrap_or_default()
    }

    /// A field that is a number.
    pub fn number<T: FromStr>(&self, at: usize) -> Result<T> {
        let text = String::from_utf8_lossy(self.field(at));
        let number = text.parse();
        number.map_err(|_| Error::failed(format!("\"{}\" is no number", text)))
    }

    pub fn unknown(&self) -> Error {
        let text = String::from_utf8_lossy(self.text);
        Error::failed(format!("unknown command: {}", text))
    }
}

/// Emits the entries of a scan.
pub fn emit_all(call: &mut Call, scan: Scan) -> Result<()> {
    for entry in scan {
        let entry = entry?;
        call.emit(entry.key(), entry.value());
    }
    Ok(())
}
