//! Guests that work on text.

use sliphost::prelude::*;

/// Takes a number in decimal and emits 0, 1 or 2 lines about it.
pub fn zero_even(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let n: i64 = rec.text()?.parse()?;
    if n == 0 {
        call.emit(rec.key(), "zero: 0");
    }
    if n % 2 == 0 {
        call.emit(rec.key(), &format!("even: {}", n));
    }
    Ok(())
}

/// Wraps the value in a sentence.
pub fn proxied(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let mut out = b"Proxied ".to_vec();
    out.extend_from_slice(rec.value());
    out.push(b'!');
    call.emit(rec.key(), &out);
    Ok(())
}

/// Turns ASCII letters to upper case; other bytes stay.
pub fn upper(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let upper = rec.value_opt().map(|v| v.to_ascii_uppercase());
    call.emit(rec.key(), upper.as_ref());
    Ok(())
}
