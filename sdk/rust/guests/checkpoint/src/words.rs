//! Commands, and what is emitted, as text.

use sliphost::prelude::*;
use sliphost::{Kind, Marker, Position};

/// What is longer than a text marker may be.
static LONG: [u8; 256] = [b'x'; 256];

/// The value 0 items long, as msgpack.
static EMPTY: [u8; 1] = [0x90];

/// Splits a value into its marker and the words behind it.
pub fn command<'a>(rec: &Record<'a>) -> Result<(Marker<'a>, Vec<&'a str>)> {
    let mut words = rec.text()?.split_ascii_whitespace();
    let first = match words.next() {
        Some(first) => first,
        None => bail!("no marker"),
    };
    let (kind, text) = first.split_once(':').unwrap_or((first, ""));
    let marker = match (kind, text.parse()) {
        ("@", _) => Marker::Time(rec.timestamp()),
        ("t", Ok(ms)) => Marker::Time(ms),
        ("i", Ok(n)) => Marker::Int(n),
        ("s", _) => Marker::text(text),
        ("long", _) => Marker::Text(&LONG),
        ("none", _) => Marker::None,
        _ => bail!("no marker: {}", first),
    };
    Ok((marker, words.collect()))
}

/// A field of the state by what its value looks like.
pub fn field(value: &str) -> sliphost::Plain<'_> {
    match (value, value.parse::<i64>()) {
        (_, Ok(n)) => n.into(),
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        ("[]", _) => match Doc::parse(&EMPTY) {
            Ok(doc) => doc.into(),
            Err(_) => value.into(),
        },
        _ => match value.strip_suffix("/2").map(str::parse::<i32>) {
            Some(Ok(n)) => (f64::from(n) / 2.0).into(),
            _ => value.into(),
        },
    }
}

/// A marker as [`command`] reads it.
pub fn show(m: Marker<'_>) -> String {
    match m {
        Marker::None => "none".to_owned(),
        Marker::Int(n) => format!("i:{}", n),
        Marker::Text(_) => format!("s:{}", m.as_text().unwrap_or("?")),
        Marker::Time(ms) => format!("t:{}", ms),
    }
}

/// The fields of a state in the order of their names.
pub fn state(doc: Doc<'_>) -> Result<String> {
    let mut all = Vec::new();
    for (name, v) in doc.entries() {
        let text = match v.kind() {
            Kind::Int => v.i64()?.to_string(),
            Kind::Float => format!("{}/2", (2.0 * v.f64()?) as i64),
            Kind::Bool => v.bool()?.to_string(),
            Kind::Str => v.str()?.to_owned(),
            Kind::Array => "[]".to_owned(),
            _ => "?".to_owned(),
        };
        all.push(format!("{}={}", name.str()?, text));
    }
    all.sort_unstable();
    Ok(all.join(" "))
}

pub fn positions(all: &[Position<'_>]) -> String {
    let each = |p: &Position<'_>| format!(" {}:{}:{}", p.source, p.partition, p.offset);
    all.iter().map(each).collect()
}

pub fn replayed(rec: &Record<'_>) -> &'static str {
    if rec.replayed() {
        "replayed "
    } else {
        ""
    }
}
