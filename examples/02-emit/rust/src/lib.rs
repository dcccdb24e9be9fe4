//! The module of example 02: zero, one or two outputs a record.

use sliphost::prelude::*;

/// Says what it knows about a number: zero is even too, of an odd one there is
/// nothing to say. A line that is no number fails.
fn numbers(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let n: i64 = rec.text()?.parse()?;
    if n == 0 {
        call.emit(NIL, &format!("zero: {}", n));
    }
    if n % 2 == 0 {
        call.emit(NIL, &format!("even: {}", n));
    }
    Ok(())
}

export! { "numbers" => numbers, Options::new().stateless() }
