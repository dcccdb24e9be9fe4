//! The module of example 09: late flights are split from the rest, and counted
//! by the airport they go to and by week.

use sliphost::prelude::*;

static LATE: Sink = Sink::new("late");
static ON_TIME: Sink = Sink::new("on-time");
static MINUTES: IntParam = IntParam::new("minutes", 15, "delay above which a flight is late");

static WEEKS: Cache = Cache::new("weeks");
static DAYS: IntParam = IntParam::new("days", 7, "days of a window");
static GRACE: IntParam = IntParam::new(
    "grace_days",
    0,
    "days that a window stays open after its end",
);

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

/// Groups flights by where they go.
fn rekey(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let to = rec.doc()?.get("destination").str()?;
    call.emit(to, rec.value_opt());
    Ok(())
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Keeps, for each airport and week, how many late flights there were, by how
/// many minutes together, and by how many at worst; emits the figures anew with
/// each flight.
fn weekly(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let week = Tumbling::new(&WEEKS, DAYS.get(call) * DAY_MS, GRACE.get(call) * DAY_MS);
    let delay = rec.doc()?.get("delay").i64()?;
    let (mut flights, mut sum, mut worst) = (1, delay, delay);
    let updated = week.update(call, rec, rec.key(), |old| {
        if let Some(old) = old {
            let was = Doc::parse(old)?;
            flights += was.get("flights").i64()?;
            sum += was.get("minutes").i64()?;
            worst = worst.max(was.get("worst").i64()?);
        }
        let mut value = Vec::new();
        Writer::new(&mut value).fields(&[
            ("flights", flights.into()),
            ("minutes", sum.into()),
            ("worst", worst.into()),
        ])?;
        Ok(value)
    })?;
    let from = match updated {
        Some(week) => date(week.start / DAY_MS),
        None => return Ok(()), // too late for its week: the SDK counts it
    };
    let airport = std::str::from_utf8(rec.key().unwrap_or_default())?;
    let mean = (sum as f64 * 10.0 / flights as f64).round() / 10.0;
    call.emit_doc(&format!("{} {}", airport, from), |w| {
        w.fields(&[
            ("airport", airport.into()),
            ("week", from.as_str().into()),
            ("late", flights.into()),
            ("mean", mean.into()),
            ("worst", worst.into()),
        ])
    })
}

/// The date of a day counted from 1970-01-01. Years begin in March here, so that
/// a leap day is the last of its year.
fn date(day: i64) -> String {
    let day = day + 719_468; // since 0000-03-01
    let era = day.div_euclid(146_097);
    let in_era = day.rem_euclid(146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let march = (5 * in_year + 2) / 153;
    let (month, ahead) = if march < 10 {
        (march + 3, 0)
    } else {
        (march - 9, 1)
    };
    let of_month = in_year - (153 * march + 2) / 5 + 1;
    format!(
        "{:04}/{:02}/{:02}",
        era * 400 + year + ahead,
        month,
        of_month
    )
}

export! {
    "late" => split, LATE, ON_TIME, MINUTES, Options::new().stateless();
    "rekey" => rekey, Options::new().stateless();
    "weekly" => weekly, WEEKS, DAYS, GRACE;
}
