//! A guest that does everything with a cache that its commands say.

use sliphost::prelude::*;

use crate::commands::{commands, emit_all, Command};

pub static ENTRIES: Cache = Cache::new("entries");

/// Takes commands, and emits what they find.
pub fn scan(call: &mut Call, rec: Record<'_>) -> Result<()> {
    commands(rec.value()).try_for_each(|c| run(call, &c))
}

fn run(call: &mut Call, c: &Command<'_>) -> Result<()> {
    let (a, b) = (c.field(0), c.field(1));
    let mut all = ENTRIES.scan(call);
    match c.name {
        b"put" => ENTRIES.put(call, a, b),
        b"del" => ENTRIES.delete(call, a),
        b"delrange" => match (a, b) {
            (b"", b"") => ENTRIES.delete_range(call, ..),
            (_, b"") => ENTRIES.delete_range(call, a..),
            (b"", _) => ENTRIES.delete_range(call, ..b),
            _ => ENTRIES.delete_range(call, a..b),
        },
        b"get" => ENTRIES.read(call, a, |call, value| {
            call.emit(a, value);
            Ok(())
        }),
        b"has" => {
            let has = ENTRIES.contains(call, a)?;
            call.emit(a, if has { "true" } else { "false" });
            Ok(())
        }
        b"or" => {
            let value = ENTRIES.get(call, a)?.unwrap_or_else(|| b.to_vec());
            call.emit(a, &value);
            Ok(())
        }
        b"many" => {
            let values = ENTRIES.get_many(call, &c.fields)?;
            for (key, value) in c.fields.iter().zip(&values) {
                call.emit(*key, value.as_ref());
            }
            Ok(())
        }
        b"all" => emit_all(call, all),
        b"back" => emit_all(call, all.backwards()),
        b"from" => emit_all(call, all.range(a..)),
        b"backfrom" => emit_all(call, all.range(..=a).backwards()),
        b"prefix" => emit_all(call, all.prefix(a)),
        b"backprefix" => emit_all(call, all.prefix(a).backwards()),
        b"range" => emit_all(call, all.range(a..b)),
        b"backrange" => emit_all(call, all.range(a..b).backwards()),
        b"keys" => emit_keys(call, all.keys()),
        b"backkeys" => emit_keys(call, all.backwards().keys()),
        b"values" => emit_values(call, all.values()),
        b"backvalues" => emit_values(call, all.backwards().values()),
        b"first" => {
            let n = c.number(0)?;
            for entry in all.take(n) {
                let entry = entry?;
                call.emit(entry.key(), entry.value());
            }
            Ok(())
        }
        b"fill" => {
            let n: u32 = c.number(0)?;
            (0..n).try_for_each(|i| ENTRIES.put(call, &format!("k{:04}", i), "v"))
        }
        b"number" => {
            let n = all.try_fold(0, |n, entry| entry.map(|_| n + 1))?;
            call.emit(NIL, &n.to_string());
            Ok(())
        }
        b"drain" => {
            let mut n = 0;
            for entry in all {
                ENTRIES.delete(call, entry?.key())?;
                n += 1;
            }
            call.emit(NIL, &n.to_string());
            Ok(())
        }
        _ => Err(c.unknown()),
    }
}

fn emit_keys(call: &mut Call, keys: impl Iterator<Item = Result<Vec<u8>>>) -> Result<()> {
    for key in keys {
        call.emit(&key?, NIL);
    }
    Ok(())
}

fn emit_values(call: &mut Call, values: impl Iterator<Item = Result<Vec<u8>>>) -> Result<()> {
    for value in values {
        call.emit(NIL, &value?);
    }
    Ok(())
}
