//! The module of example 08: activities are reported with the weather of their
//! day, and those that had to be reported without it are reported again when it
//! comes.

use sliphost::prelude::*;
use sliphost::{Downtime, Marker, Recovery};

static DAYS: Cache = Cache::new("weather-by-date");
static WEATHER_FIRST: Checkpoint = Checkpoint::new("weather-first");

/// Keeps what the weather of a day was, and says how far it has come.
fn weather(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let day = rec.doc()?;
    DAYS.put(call, day.get("date").str()?, day.get("weather").str()?)?;
    WEATHER_FIRST.heartbeat(call, Marker::Time(rec.timestamp()), "weather")?;
    Ok(())
}

/// Reports what was done in which weather, and asks whether the weather is up
/// to date.
fn activity(call: &mut Call, rec: Record<'_>) -> Result<()> {
    WEATHER_FIRST.check_pulse(call, Marker::Time(rec.timestamp()), &[])?;
    let done = rec.doc()?;
    let (date, what) = (done.get("date").str()?, done.get("what").str()?);
    let mut line = format!("{date} {what}: ").into_bytes();
    match DAYS.get(call, date)? {
        Some(sky) => line.extend_from_slice(&sky),
        None => line.extend_from_slice(b"weather unknown"),
    }
    if rec.replayed() {
        line.extend_from_slice(b" (again)");
    }
    call.emit(NIL, &line);
    Ok(())
}

/// Reports that the activities wait.
fn down(call: &mut Call, d: &Downtime<'_>) -> Result<()> {
    let line = format!("{} is {} hours behind", d.dependency, d.ms / 3_600_000);
    call.emit(NIL, &line);
    Ok(())
}

/// Goes back to where the downtime was found.
fn recovered(call: &mut Call, r: &Recovery<'_>) -> Result<()> {
    let line = format!("{} is back", r.dependency);
    call.emit(NIL, &line);
    for p in &r.detected {
        call.seek_to(p)?;
    }
    Ok(())
}

export! {
    "weather" => weather, DAYS, WEATHER_FIRST;
    "activity" => activity, DAYS, WEATHER_FIRST,
        WEATHER_FIRST.on_downtime(down), WEATHER_FIRST.on_recovery(recovered);
}
