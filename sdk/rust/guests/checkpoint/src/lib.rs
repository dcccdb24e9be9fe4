//! The guests that work with a checkpoint, in one module. The Go SDK has the
//! same ones; what they do and the cases of both languages are beside them, in
//! sdk/go/sdktest/testdata/checkpoint.

use sliphost::prelude::*;
use sliphost::{no_records, Advance, Checkpoint, OnAdvance};

mod events;
mod words;

use words::{command, field, replayed, show};

static WEATHER: Checkpoint = Checkpoint::new("weather-first");
static SEEK: TextParam = TextParam::new(
    "seek",
    "none",
    "where to go back to at recovery: none, state, healthy, detected, beginning, end",
);

static TIMES: IntParam = IntParam::new("times", 100, "calls at each record");

export! {
    "heartbeat" => heartbeat, WEATHER;
    "pulse" => pulse, WEATHER;
    "recover" => pulse, WEATHER.on_downtime(events::down), WEATHER.on_recovery(events::recovered), SEEK;
    "checked" => pulse, WEATHER.downtime_check(events::downtime_check),
        WEATHER.recovery_check(events::recovery_check);
    "check" => no_records, WEATHER.downtime_check(events::downtime_check),
        WEATHER.recovery_check(events::recovery_check);
    "many-heartbeats" => many_heartbeats, WEATHER, TIMES;
    "many-pulses" => many_pulses, WEATHER, TIMES;
    "advance" => identity, OnAdvance::new(advance);
}

/// Tells how far its dependency is and emits what it learns.
fn heartbeat(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let (marker, rest) = command(&rec)?;
    let fail = rest.contains(&"fail");
    let dependency = rest.into_iter().rfind(|w| *w != "fail");
    let l = WEATHER.heartbeat(call, marker, dependency)?;
    let out = [
        replayed(&rec),
        if l.is_late { "late " } else { "in time " },
        &show(l.dependent()),
        " ",
        &show(l.dependency()),
    ]
    .concat();
    call.emit(rec.key(), &out);
    if fail {
        bail!("failed after the heartbeat");
    }
    Ok(())
}

/// Tells how far the dependent is, sets the state and emits what is down.
fn pulse(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let (marker, rest) = command(&rec)?;
    let partition = rec.partition().to_string();
    let mut state = vec![(&*partition, rec.offset().into())];
    let pairs = rest.iter().filter_map(|w| w.split_once('='));
    state.extend(pairs.map(|(name, value)| (name, field(value))));
    let downs = WEATHER.check_pulse(call, marker, &state)?;
    let mut out = replayed(&rec).to_owned();
    match downs.first() {
        None => out.push_str("up"),
        Some(first) => {
            out.push_str("down");
            for d in downs.iter() {
                out += &format!(" {}={}", d.dependency, d.ms);
            }
            if downs.of(&first.dependency) != Some(first.ms) {
                bail!("first and of differ");
            }
        }
    }
    call.emit(rec.key(), &out);
    if rest.contains(&"fail") {
        bail!("failed after the pulse");
    }
    Ok(())
}

/// For benchmarks: as many heartbeats as its parameter says.
fn many_heartbeats(call: &mut Call, rec: Record<'_>) -> Result<()> {
    for _ in 0..TIMES.get(call) {
        if WEATHER
            .heartbeat(call, Marker::Time(rec.timestamp()), "weather")?
            .is_late
        {
            bail!("late");
        }
    }
    Ok(())
}

/// And pulses, with the offset in the state.
fn many_pulses(call: &mut Call, rec: Record<'_>) -> Result<()> {
    for _ in 0..TIMES.get(call) {
        let state = [("0", rec.offset().into())];
        if !WEATHER
            .check_pulse(call, Marker::Time(rec.timestamp()), &state)?
            .is_empty()
        {
            bail!("down");
        }
    }
    Ok(())
}

fn identity(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    Ok(())
}

/// Emits stream time as it is told and as it asks for it.
fn advance(call: &mut Call, advance: &Advance) -> Result<()> {
    let key = if advance.is_final { "final" } else { "advance" };
    let value = format!("{} {}", advance.stream_time, call.stream_time());
    call.emit(key, &value);
    Ok(())
}
