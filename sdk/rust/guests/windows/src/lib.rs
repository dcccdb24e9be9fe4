//! A handler for each helper of time: windows, joins and deduplication. The Go
//! SDK has the same ones; the cases of both languages are in
//! sdk/go/sdktest/testdata/windows.

use sliphost::prelude::*;
use sliphost::{OnAdvance, Window};

mod fixed;
mod join;
mod session;

static STATE: Cache = Cache::new("state");
static TABLE: Cache = Cache::new("table");
static OUT: Sink = Sink::new("out");
static LATE: Sink = Sink::new("late");
static GRACE: IntParam = IntParam::new(
    "grace",
    0,
    "milliseconds that a window or an interval takes records after its end",
);
static CLOSE: IntParam = IntParam::new(
    "close",
    0,
    "1: emit when a window closes, not when it changes",
);

/// Emits "START-END:" and what.
fn emit_window<T>(call: &mut Call, key: &[u8], window: &Window<T>, what: &[u8]) {
    let mut text = format!("{}-{}:", window.start, window.end).into_bytes();
    text.extend_from_slice(what);
    OUT.emit(call, key, &text);
}

export! {
    "tumbling" => fixed::tumbling, STATE, OUT, LATE, fixed::SIZE, GRACE, CLOSE,
        OnAdvance::new(fixed::advance_tumbling);
    "hopping" => fixed::hopping, STATE, OUT, LATE, fixed::SIZE, fixed::STEP, GRACE, CLOSE,
        OnAdvance::new(fixed::advance_hopping);
    "session" => session::session, STATE, OUT, LATE, session::GAP, GRACE, CLOSE,
        OnAdvance::new(session::advance);
    "join" => join::join, STATE, OUT, LATE, join::BEFORE, join::AFTER, GRACE, join::KIND,
        OnAdvance::new(join::advance);
    "table" => join::table, TABLE, OUT, join::KIND;
    "dedup" => join::dedup, STATE, OUT, join::TTL;
}
