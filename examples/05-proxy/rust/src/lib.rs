//! The module of example 05: two handlers, one behind the other.

use sliphost::prelude::*;

/// Puts a value into a sentence.
fn wrap(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let sentence = format!("Proxied {}!", rec.text()?);
    call.emit(rec.key(), &sentence);
    Ok(())
}

/// Passes a value on.
fn show(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    Ok(())
}

const STATELESS: Options = Options::new().stateless();

export! {
    "wrap" => wrap, STATELESS;
    "show" => show, STATELESS;
}
