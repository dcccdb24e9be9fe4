//! The module of example 09: late flights are split from the rest.

use sliphost::prelude::*;

static LATE: Sink = Sink::new("late");
static ON_TIME: Sink = Sink::new("on-time");
static MINUTES: IntParam = IntParam::new("minutes", 15, "delay above which a flight is late");

/// Passes each flight on, to one sink or the other. A record whose delay is
/// missing or no number fails, and on_error decides what becomes of it.
fn split(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let delay = rec.doc()?.get("delay").i64()?;
    let to = if delay > MINUTES.get(call) {
        &LATE
    } else {
        &ON_TIME
    };
    to.emit(call, rec.key(), rec.value_opt());
    Ok(())
}

export! { "late" => split, LATE, ON_TIME, MINUTES, Options::new().stateless() }
