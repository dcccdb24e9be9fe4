//! The module of example 10: flights get the names of their airports from a
//! table that is kept whole in every process.

use sliphost::prelude::*;

static AIRPORTS: Cache = Cache::new("airports");

/// Emits a flight with the places of its two airports. A flight from or to an
/// airport that is not in the table fails.
fn name(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let flight = rec.doc()?;
    let from = place(call, flight.get("origin").str()?)?;
    let to = place(call, flight.get("destination").str()?)?;
    call.emit_doc(rec.key(), |w| {
        w.fields(&[
            ("date", flight.get("date").into()),
            ("delay", flight.get("delay").into()),
            ("from", from.as_str().into()),
            ("to", to.as_str().into()),
        ])
    })
}

/// The city and state of an airport.
fn place(call: &mut Call, code: &str) -> Result<String> {
    match AIRPORTS.doc(call, code)? {
        Some(airport) => Ok(format!(
            "{}, {}",
            airport.get("city").str()?,
            airport.get("state").str()?
        )),
        None => bail!("unknown airport {}", code),
    }
}

export! { "name" => name, AIRPORTS }
