//! The guests that keep state, in one module. The Go SDK has the same ones;
//! what they do and the cases of both languages are beside them, in
//! sdk/go/sdktest/testdata/state.

use sliphost::prelude::*;

mod bank;
mod commands;
mod failures;
mod plain;
mod scan;
mod typed;
mod window;

export! {
    "count" => plain::count, plain::COUNTS;
    "sum-pairs" => plain::sum_pairs, plain::ODD;
    "big" => plain::big, plain::BLOBS;
    "lookup" => plain::lookup, plain::SIDE;
    "bank" => bank::bank, bank::ACCOUNTS, bank::MOVES;
    "scan" => scan::scan, scan::ENTRIES;
    "typed" => typed::typed, typed::INTS, typed::FLOATS, typed::BOOLS;
    "window" => window::window, window::WINDOWS, window::COUNTS, window::LATE,
        window::SIZE, window::GRACE;
    "poison" => failures::poison, failures::SEEN;
}
