//! A guest with keys that are numbers and truth values.

use sliphost::prelude::*;
use sliphost::{FromKey, Scan};

use crate::commands::{commands, Command};

pub static INTS: Cache = Cache::new("ints");
pub static FLOATS: Cache = Cache::new("floats");
pub static BOOLS: Cache = Cache::new("bools");

/// Takes commands, and emits what they find with keys as text.
pub fn typed(call: &mut Call, rec: Record<'_>) -> Result<()> {
    commands(rec.value()).try_for_each(|c| run(call, &c))
}

fn run(call: &mut Call, c: &Command<'_>) -> Result<()> {
    let int = |at| c.number::<i64>(at);
    match c.name {
        b"int" => INTS.put(call, int(0)?, c.field(1)),
        b"float" => FLOATS.put(call, int(0)? as f64 / 2.0, c.field(1)),
        b"bool" => BOOLS.put(call, c.field(0) == b"true", c.field(1)),
        b"raw" => INTS.put(call, c.field(0), c.field(0)),
        b"ints" => emit_ints(call, INTS.scan(call)),
        b"backints" => emit_ints(call, INTS.scan(call).backwards()),
        b"intfrom" => emit_ints(call, INTS.scan(call).range(int(0)?..)),
        b"intbackfrom" => emit_ints(call, INTS.scan(call).range(..=int(0)?).backwards()),
        b"intrange" => emit_ints(call, INTS.scan(call).range(int(0)?..int(1)?)),
        b"getint" => {
            let value = INTS.get(call, int(0)?)?;
            call.emit(c.field(0), value.as_ref());
            Ok(())
        }
        b"floats" => emit_floats(call, FLOATS.scan(call)),
        b"backfloats" => emit_floats(call, FLOATS.scan(call).backwards()),
        b"bools" => emit_bools(call, BOOLS.scan(call)),
        b"backbools" => emit_bools(call, BOOLS.scan(call).backwards()),
        _ => Err(c.unknown()),
    }
}

fn emit_ints(call: &mut Call, scan: Scan) -> Result<()> {
    emit(call, scan, |key: i64| key.to_string())
}

fn emit_floats(call: &mut Call, scan: Scan) -> Result<()> {
    emit(call, scan, |key: f64| ((key * 2.0) as i64).to_string())
}

fn emit_bools(call: &mut Call, scan: Scan) -> Result<()> {
    emit(call, scan, |key: bool| key.to_string())
}

fn emit<K: for<'a> FromKey<'a>>(
    call: &mut Call,
    scan: Scan,
    text: impl Fn(K) -> String,
) -> Result<()> {
    for entry in scan {
        let entry = entry?;
        call.emit(&text(entry.key_as()?), entry.value());
    }
    Ok(())
}
