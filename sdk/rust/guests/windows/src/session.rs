//! Sessions.

use sliphost::prelude::*;
use sliphost::{Advance, Session, Window};

use crate::{emit_window, CLOSE, GRACE, LATE, STATE};

pub static GAP: IntParam = IntParam::new(
    "gap",
    10,
    "longest distance of two records of a session in milliseconds",
);

fn session_of(call: &Call) -> Session {
    let w = Session::new(&STATE, GAP.get(call), GRACE.get(call), concat).late(&LATE);
    if CLOSE.get(call) == 1 {
        return w.close(emit_closed);
    }
    w
}

pub fn advance(call: &mut Call, a: &Advance) -> Result<()> {
    session_of(call).advance(call, a)
}

/// Joins what two sessions hold with a "+".
fn concat(_: &mut Call, earlier: &[u8], later: &[u8]) -> Result<Vec<u8>> {
    Ok([earlier, b"+", later].concat())
}

fn emit_closed(call: &mut Call, key: &[u8], w: Window<&[u8]>) -> Result<()> {
    emit_window(call, key, &w, w.value);
    Ok(())
}

/// Appends the records' values in sessions. A replaced session is emitted with
/// "gone" in place of its value. A value "?" asks for the sessions of the key;
/// "fail" fails after its session is changed.
pub fn session(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let (sessions, key) = (session_of(call), rec.key());
    let name = key.unwrap_or(&[]);
    if rec.value() == b"?" {
        for w in sessions.windows(call, key)? {
            emit_window(call, name, &w, &w.value);
        }
        return Ok(());
    }
    let append = |old: Option<&[u8]>| Ok([old.unwrap_or(&[]), rec.value()].concat());
    let update = sessions.update(call, rec, key, append)?;
    if rec.value() == b"fail" {
        bail!("asked to");
    }
    if let Some(s) = update.filter(|_| CLOSE.get(call) != 1) {
        for w in &s.replaced {
            emit_window(call, name, w, b"gone");
        }
        emit_window(call, name, &s.window, &s.window.value);
    }
    Ok(())
}
