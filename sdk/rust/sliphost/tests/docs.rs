//! The Rust snippets of docs/windows.md, docs/joins.md and
//! docs/checkpoints.md, compiled.

use sliphost::prelude::*;
use sliphost::{
    Checkpoint, Dedup, Downtime, Hopping, Join, JoinKind, Marker, OnAdvance, Pair, Recovery,
    Session, TableJoin, Window,
};

static TOTALS: Cache = Cache::new("totals");
static VISITS: Cache = Cache::new("visits");
static ORDERS: Cache = Cache::new("orders");
static IDS: Cache = Cache::new("ids");
static PEOPLE: Cache = Cache::new("people");
static LATE: Sink = Sink::new("late");

static PER_MINUTE: Tumbling = Tumbling::new(&TOTALS, 60_000, 5_000)
    .late(&LATE)
    .close(emit_total);

fn emit_total(call: &mut Call, key: &[u8], w: Window<&[u8]>) -> Result<()> {
    let out = call.record().key(key).value(w.value);
    out.timestamp(w.end - 1).emit();
    Ok(())
}

fn count(call: &mut Call, rec: Record<'_>) -> Result<()> {
    PER_MINUTE.add_i64(call, rec, rec.key(), 1).map(drop)
}

static LAST_HOUR: Hopping = Hopping::new(&TOTALS, 3_600_000, 60_000, 0);

static CLICKS: Session = Session::new(&VISITS, 30 * 60_000, 0, add_up).close(emit_total);

fn add_up(_: &mut Call, earlier: &[u8], later: &[u8]) -> Result<Vec<u8>> {
    let number = |b: &[u8]| b.try_into().map_or(0, i64::from_le_bytes);
    Ok((number(earlier) + number(later)).to_le_bytes().to_vec())
}

static PAID: Join = Join::new(&ORDERS, JoinKind::Left, 0, 3_600_000, 60_000, emit_paid);

fn emit_paid(call: &mut Call, p: Pair<'_>) -> Result<()> {
    call.emit(p.key, p.right.unwrap_or(b"never paid"));
    Ok(())
}

fn pay(call: &mut Call, rec: Record<'_>) -> Result<()> {
    if rec.topic() == "orders" {
        PAID.left(call, rec, rec.key(), rec.value_opt())?;
    } else {
        PAID.right(call, rec, rec.key(), rec.value_opt())?;
    }
    Ok(())
}

static WITH_PERSON: TableJoin = TableJoin::new(&PEOPLE, JoinKind::Left);

fn enrich(call: &mut Call, rec: Record<'_>) -> Result<()> {
    if let Some(person) = WITH_PERSON.row(call, rec.key())? {
        call.emit(rec.value(), person.as_ref());
    }
    Ok(())
}

static ONCE: Dedup = Dedup::new(&IDS, 24 * 3_600_000);

fn unique(call: &mut Call, rec: Record<'_>) -> Result<()> {
    if ONCE.first(call, rec.key())? {
        call.emit(rec.key(), rec.value());
    }
    Ok(())
}

static FIRST: Checkpoint = Checkpoint::new("weather-first");

fn weather(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let latency = FIRST.heartbeat(call, Marker::Time(rec.timestamp()), "weather")?;
    if latency.is_late {
        LATE.emit(call, rec.key(), rec.value_opt());
    }
    Ok(())
}

fn activity(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let partition = rec.partition().to_string();
    let state = [(&*partition, rec.offset().into())];
    let down = FIRST.check_pulse(call, Marker::Time(rec.timestamp()), &state)?;
    if let Some(d) = down.first() {
        log!(call, Level::Warn, "{} is {} ms behind", d.dependency, d.ms);
    }
    Ok(())
}

fn down(call: &mut Call, d: &Downtime<'_>) -> Result<()> {
    call.emit(NIL, &format!("{} is down", d.dependency));
    Ok(())
}

fn recovered(call: &mut Call, r: &Recovery<'_>) -> Result<()> {
    for p in &r.detected {
        call.seek_to(p)?;
    }
    Ok(())
}

export! {
    "count" => count, TOTALS, LATE, OnAdvance::new(|call, a| PER_MINUTE.advance(call, a));
    "pay" => pay, ORDERS, OnAdvance::new(|call, a| PAID.advance(call, a));
    "enrich" => enrich, PEOPLE;
    "unique" => unique, IDS;
    "weather" => weather, FIRST, LATE;
    "activity" => activity, FIRST, FIRST.on_downtime(down), FIRST.on_recovery(recovered);
}

#[test]
fn the_snippets_of_the_pages_are_those_above() {
    let compiled = include_str!("docs.rs");
    let pages = [
        include_str!("../../../../docs/windows.md"),
        include_str!("../../../../docs/joins.md"),
        include_str!("../../../../docs/checkpoints.md"),
    ];
    let mut n = 0;
    for page in pages {
        for block in page.split("```rust\n").skip(1) {
            let code = block.split("```").next().unwrap();
            for part in code.trim().split("\n\n") {
                n += 1;
                assert!(compiled.contains(part), "not compiled: {}", part);
            }
        }
    }
    assert!(n >= 8, "only {} snippets", n);
    assert_eq!(HANDLERS.len(), 6);
    let _ = (&LAST_HOUR, &CLICKS);
}
