//! The smallest module: it passes every record on.

use sliphost::prelude::*;

fn identity(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.record()
        .key(rec.key())
        .value(rec.value_opt())
        .headers(rec.headers())
        .emit();
    Ok(())
}

export! { "identity" => identity, Options::new().stateless() }
