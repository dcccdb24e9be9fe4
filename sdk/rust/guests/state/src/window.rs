//! A guest that counts per key and window.

use sliphost::prelude::*;

pub static WINDOWS: Cache = Cache::new("windows");
pub static COUNTS: Sink = Sink::new("counts");
pub static LATE: Sink = Sink::new("late");
pub static SIZE: IntParam = IntParam::new("size", 10, "size of a window in milliseconds");
pub static GRACE: IntParam = IntParam::new("grace", 0, "milliseconds that a window stays open");

/// Counts a record, at the time behind "@" if its value begins so, or answers
/// "?get:START", "?of" and "?in:START".
pub fn window(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let windows = Tumbling::new(&WINDOWS, SIZE.get(call), GRACE.get(call)).late(&LATE);
    let value = rec.value();
    if let Some(time) = value.strip_prefix(b"@") {
        return count(call, rec.at(number(time)?), windows);
    }
    if let Some(start) = value.strip_prefix(b"?get:") {
        let n = windows.get_i64(call, number(start)?, rec.key())?;
        COUNTS.emit(call, rec.key(), n.map(|n| n.to_string()).as_ref());
        return Ok(());
    }
    if value == b"?of" {
        for window in windows.windows(call, rec.key()) {
            let window = window?;
            let text = format!(
                "{}-{}:{}",
                window.start,
                window.end,
                window.value_as::<i64>()?
            );
            COUNTS.emit(call, rec.key(), &text);
        }
        return Ok(());
    }
    if let Some(start) = value.strip_prefix(b"?in:") {
        for entry in windows.entries(call, number(start)?) {
            let entry = entry?;
            COUNTS.emit(call, entry.key(), &entry.value_as::<i64>()?.to_string());
        }
        return Ok(());
    }
    count(call, rec, windows)
}

fn count(call: &mut Call, rec: Record<'_>, windows: Tumbling) -> Result<()> {
    if let Some(window) = windows.add_i64(call, rec, rec.key(), 1)? {
        let text = format!("{}-{}:{}", window.start, window.end, window.value);
        COUNTS.emit(call, rec.key(), &text);
    }
    Ok(())
}

fn number(text: &[u8]) -> Result<i64> {
    Ok(std::str::from_utf8(text)?.parse()?)
}
