//! The guest that reads and writes the byte vectors inside a module.

use sliphost::message::recode;
use sliphost::prelude::*;

/// Takes a message's name, a line end and its bytes; emits its canonical form,
/// or "error: " and what was expected.
pub fn conformance(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let value = rec.value();
    let end = value.iter().position(|b| *b == b'\n');
    let (name, message) = match end {
        Some(end) => (&value[..end], &value[end + 1..]),
        None => bail!("want a message's name, a line end and its bytes"),
    };
    match recode(std::str::from_utf8(name)?, message) {
        Some(Ok(written)) => call.emit(rec.key(), &written),
        Some(Err(e)) => call.emit(rec.key(), &format!("error: {}", e.want)),
        None => bail!("no message is called {}", String::from_utf8_lossy(name)),
    }
    Ok(())
}
