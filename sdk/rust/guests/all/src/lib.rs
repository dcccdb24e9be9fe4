//! The guests of the host's golden tests in one module. The Go SDK has the
//! same ones with the same behaviour.

use sliphost::prelude::*;

mod conformance;
mod documents;
mod failures;
mod plain;
mod text;

static AUDIT: Sink = Sink::new("audit");

/// Every guest but grow-memory keeps nothing from one record to the next.
const STATELESS: Options = Options::new().stateless();

export! {
    "identity" => plain::identity, STATELESS;
    "tee" => plain::tee, AUDIT, STATELESS;
    "drop" => plain::drop, STATELESS;
    "explode" => plain::explode, plain::EXPLODE, STATELESS;
    "flood" => plain::flood, plain::FLOOD, STATELESS;
    "meta" => plain::meta, STATELESS;
    "stamp" => plain::stamp, STATELESS;
    "log" => plain::log_value, STATELESS;
    "zero-even" => text::zero_even, STATELESS;
    "proxied" => text::proxied, STATELESS;
    "upper" => text::upper, STATELESS;
    "trap" => failures::trap, STATELESS;
    "emit-then-trap" => failures::emit_then_trap, STATELESS;
    "fail-on" => failures::fail_on, failures::BAD, STATELESS;
    "drop-on" => failures::drop_on, STATELESS;
    "retry-on" => failures::retry_on, STATELESS;
    "grow-memory" => failures::grow_memory, failures::MIB;
    "spin-forever" => failures::spin_forever, STATELESS;
    "conformance" => conformance::conformance, STATELESS;
    "flights-late" => documents::flights_late, documents::MINUTES, STATELESS;
    "rename" => documents::rename, STATELESS;
}
