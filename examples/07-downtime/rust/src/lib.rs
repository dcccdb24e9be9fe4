//! The module of example 07: activities are reported with the weather of their
//! day. That the weather may be late is not its concern: the manifest's
//! checkpoint holds activities back meanwhile.

use sliphost::prelude::*;

static DAYS: Cache = Cache::new("weather-by-date");

/// Keeps what the weather of a day was.
fn weather(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let day = rec.doc()?;
    DAYS.put(call, day.get("date").str()?, day.get("weather").str()?)
}

/// Reports what was done in which weather.
fn activity(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let done = rec.doc()?;
    let (date, what) = (done.get("date").str()?, done.get("what").str()?);
    let mut line = format!("{date} {what}: ").into_bytes();
    match DAYS.get(call, date)? {
        Some(sky) => line.extend_from_slice(&sky),
        None => line.extend_from_slice(b"weather unknown"),
    }
    call.emit(NIL, &line);
    Ok(())
}

export! { "weather" => weather, DAYS; "activity" => activity, DAYS }
