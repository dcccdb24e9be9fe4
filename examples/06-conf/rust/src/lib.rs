//! The module of example 06: it copies from one cluster to the other, which a
//! handler does not see.

use sliphost::prelude::*;

fn copy(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    Ok(())
}

export! { "copy" => copy, Options::new().stateless() }
