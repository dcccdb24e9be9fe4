//! The module of example 03: a codec of its own, and handlers that see values
//! whatever the bytes of their topics are.

use sliphost::prelude::*;
use sliphost::{no_records, Codec, Coded, Format};

export! {
    "reading" => no_records, Codec::of::<Reading>();
    "convert" => convert;
    "show" => show
}

/// The form "STATION CELSIUS".
struct Reading;

impl Format for Reading {
    fn decode(_: &Coded<'_>, wire: &[u8], out: &mut Writer<'_>) -> Result<()> {
        let parts = std::str::from_utf8(wire)
            .ok()
            .and_then(|text| text.split_once(' '));
        match parts.and_then(|(station, degrees)| Some((station, degrees.parse::<f64>().ok()?))) {
            Some((station, celsius)) => {
                out.fields(&[("station", station.into()), ("celsius", celsius.into())])
            }
            None => bail!("not a station and its degrees, such as \"AMS 11.5\""),
        }
    }

    fn encode(_: &Coded<'_>, value: Doc<'_>, out: &mut Vec<u8>) -> Result<()> {
        let station = value.get("station").str()?;
        let celsius = value.get("celsius").f64()?;
        out.extend_from_slice(format!("{station} {celsius}").as_bytes());
        Ok(())
    }
}

/// Emits the reading with a word for it. The field note is left out: the schema
/// has a default.
fn convert(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let doc = rec.doc()?;
    let station = doc.get("station").str()?;
    let celsius = doc.get("celsius").f64()?;
    let scale = match celsius {
        c if c < 10.0 => "COLD",
        c if c < 25.0 => "MILD",
        _ => "HOT",
    };
    let mut value = Vec::new();
    Writer::new(&mut value).fields(&[
        ("station", station.into()),
        ("celsius", celsius.into()),
        ("scale", scale.into()),
    ])?;
    call.emit(rec.key(), &value);
    Ok(())
}

/// Emits what it gets.
fn show(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(NIL, rec.value());
    Ok(())
}
