//! Guests that work on decoded values.

use serde::{Deserialize, Serialize};
use sliphost::prelude::*;

pub static MINUTES: IntParam = IntParam::new("minutes", 15, "delay above which a flight is late");

/// Emits flights that are later than the parameter says, with one more field.
pub fn flights_late(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let flight = rec.doc()?;
    if flight.get("delay").i64()? <= MINUTES.get(call) {
        return Ok(());
    }
    call.emit_doc(rec.key(), |w| w.edit(flight, &[("late", true.into())]))
}

/// A line of flights.ndjson.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Flight<'a> {
    date: &'a str,
    delay: i64,
    distance: i64,
    origin: &'a str,
    destination: &'a str,
}

/// Emits a flight after a round trip through a typed value.
pub fn rename(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let flight: Flight = rec.decode()?;
    call.emit_value(rec.key(), &flight)
}
