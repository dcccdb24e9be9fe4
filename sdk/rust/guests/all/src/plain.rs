//! Guests that emit.

use std::fmt::Write as _;

use sliphost::prelude::*;

use crate::AUDIT;

pub static EXPLODE: IntParam = IntParam::new("n", 3, "outputs per record");
pub static FLOOD: IntParam = IntParam::new("n", 1000, "outputs per record");

/// Passes every record on.
pub fn identity(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.record()
        .key(rec.key())
        .value(rec.value_opt())
        .headers(rec.headers())
        .emit();
    Ok(())
}

/// Emits to every sink, and once more to the sink "audit".
pub fn tee(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    AUDIT.emit(call, rec.key(), rec.value_opt());
    Ok(())
}

/// Emits nothing.
pub fn drop(_: &mut Call, _: Record<'_>) -> Result<()> {
    Ok(())
}

/// Emits n outputs: 0, 1, 2 and so on.
pub fn explode(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let mut text = String::new();
    for i in 0..EXPLODE.get(call) {
        text.clear();
        write!(text, "{}", i)?;
        call.emit(rec.key(), &text);
    }
    Ok(())
}

/// Says where the record came from.
pub fn meta(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let key = match rec.key() {
        None => "nil".into(),
        Some(key) => String::from_utf8_lossy(key),
    };
    let text = format!(
        "{} {} {} {} {} {}",
        rec.topic(),
        rec.partition(),
        rec.offset(),
        rec.timestamp(),
        key,
        rec.headers().count()
    );
    call.emit(rec.key(), &text);
    Ok(())
}

/// Emits with a header, a timestamp and a partition.
pub fn stamp(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.record()
        .key(rec.key())
        .value(rec.value_opt())
        .header("seen", "1")
        .timestamp(rec.timestamp() + 1)
        .partition(0)
        .emit();
    Ok(())
}

/// Logs the value and counts the line.
pub fn log_value(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.log(Level::Info, rec.value());
    call.counter("lines", 1.0);
    Ok(())
}

/// Emits n outputs of 100 bytes.
pub fn flood(call: &mut Call, rec: Record<'_>) -> Result<()> {
    for _ in 0..FLOOD.get(call) {
        call.emit(rec.key(), &[b'x'; 100]);
    }
    Ok(())
}
