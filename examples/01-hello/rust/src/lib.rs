//! The module of example 01: it passes records on.

use sliphost::prelude::*;

/// Emits every record as it came: key, value, headers and, because an output
/// has its input's timestamp unless it says otherwise, the timestamp.
fn hello(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.record()
        .key(rec.key())
        .value(rec.value_opt())
        .headers(rec.headers())
        .emit();
    Ok(())
}

export! { "hello" => hello, Options::new().stateless() }
