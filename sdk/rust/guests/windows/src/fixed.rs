//! Windows of one size.

use sliphost::prelude::*;
use sliphost::{Advance, Hopping, Window};

use crate::{emit_window, CLOSE, GRACE, LATE, OUT, STATE};

pub static SIZE: IntParam = IntParam::new("size", 10, "milliseconds of a window");
pub static STEP: IntParam = IntParam::new("step", 5, "milliseconds from one window to the next");

fn tumbling_of(call: &Call) -> Tumbling {
    let w = Tumbling::new(&STATE, SIZE.get(call), GRACE.get(call)).late(&LATE);
    if CLOSE.get(call) == 1 {
        return w.close(emit_count);
    }
    w
}

fn hopping_of(call: &Call) -> Hopping {
    let w = Hopping::new(&STATE, SIZE.get(call), STEP.get(call), GRACE.get(call)).late(&LATE);
    if CLOSE.get(call) == 1 {
        return w.close(emit_count);
    }
    w
}

pub fn advance_tumbling(call: &mut Call, a: &Advance) -> Result<()> {
    tumbling_of(call).advance(call, a)
}

pub fn advance_hopping(call: &mut Call, a: &Advance) -> Result<()> {
    hopping_of(call).advance(call, a)
}

/// Emits a window whose value is a number.
fn emit_count(call: &mut Call, key: &[u8], w: Window<&[u8]>) -> Result<()> {
    emit_window(call, key, &w, number(w.value).to_string().as_bytes());
    Ok(())
}

fn number(value: &[u8]) -> i64 {
    value.try_into().map_or(0, i64::from_le_bytes)
}

/// Adds 1 to a number.
fn one(old: Option<&[u8]>) -> Result<Vec<u8>> {
    Ok((old.map_or(0, number) + 1).to_le_bytes().to_vec())
}

/// Counts the records of each key in tumbling windows.
pub fn tumbling(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let key = rec.key();
    if let Some(w) = tumbling_of(call).update(call, rec, key, one)? {
        if CLOSE.get(call) != 1 {
            let n = number(&w.value).to_string();
            emit_window(call, key.unwrap_or(&[]), &w, n.as_bytes());
        }
    }
    Ok(())
}

/// Counts the records of each key in hopping windows. A value "?" asks for the
/// windows of the key, "?N" for the keys of the window that begins at N.
pub fn hopping(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let (windows, key) = (hopping_of(call), rec.key());
    let name = key.unwrap_or(&[]);
    if let Some(arg) = rec.value().strip_prefix(b"?") {
        if arg.is_empty() {
            for w in windows.windows(call, key) {
                let w = w?;
                emit_window(call, name, &w, number(&w.value).to_string().as_bytes());
            }
            return Ok(());
        }
        let start = std::str::from_utf8(arg)?.parse()?;
        for entry in windows.entries(call, start) {
            let entry = entry?;
            if windows.get(call, start, entry.key())?.as_deref() != Some(entry.value()) {
                bail!("get and entries differ");
            }
            OUT.emit(call, entry.key(), &number(entry.value()).to_string());
        }
        return Ok(());
    }
    for w in windows.update(call, rec, key, one)? {
        if CLOSE.get(call) != 1 {
            emit_window(call, name, &w, number(&w.value).to_string().as_bytes());
        }
    }
    Ok(())
}
