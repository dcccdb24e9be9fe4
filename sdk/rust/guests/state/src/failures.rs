//! A guest that fails after it wrote.

use std::hint::black_box;

use sliphost::prelude::*;

pub static SEEN: Cache = Cache::new("seen");

/// Counts and emits a record, and then fails in the way that its value says.
pub fn poison(call: &mut Call, rec: Record<'_>) -> Result<()> {
    SEEN.add_i64(call, rec.key(), 1)?;
    call.emit(rec.key(), rec.value_opt());
    match rec.value() {
        b"error" => bail!("poisoned"),
        b"drop" => Err(Error::drop("poisoned")),
        b"retry" => Err(Error::retry(50, "poisoned")),
        b"panic" => panic!("poisoned"),
        b"loop" => {
            let mut n = 0_u64;
            loop {
                n = black_box(n).wrapping_add(1);
            }
        }
        b"big" => {
            SEEN.put(call, "big", &vec![b'x'; 1_000_000])?;
            bail!("poisoned")
        }
        _ => Ok(()),
    }
}
