//! Guests that work on decoded values.

use sliphost::prelude::*;

pub static MINUTES: IntParam = IntParam::new("minutes", 15, "a longer delay is late");

/// Emits late flights with the field `late`, and nothing for others.
pub fn flights_late(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let flight = rec.doc()?;
    if flight.get("delay").i64()? <= MINUTES.get(call) {
        return Ok(());
    }
    call.emit_doc(rec.key(), |w| w.edit(flight, &[("late", true.into())]))
}
