//! Guests that read and write single keys.

use sliphost::prelude::*;

pub static COUNTS: Cache = Cache::new("counts");
pub static ODD: Cache = Cache::new("odd");
pub static BLOBS: Cache = Cache::new("blobs");
pub static SIDE: Cache = Cache::new("side");

/// Counts the records of each key.
pub fn count(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let n = COUNTS.add_i64(call, rec.key(), 1)?;
    call.emit(rec.key(), &n.to_string());
    Ok(())
}

/// Adds up the numbers of a key two by two, over records.
pub fn sum_pairs(call: &mut Call, rec: Record<'_>) -> Result<()> {
    for word in rec.text()?.split(' ') {
        let n: i64 = match word.parse() {
            Ok(n) => n,
            Err(_) => bail!("\"{}\" is no number", word),
        };
        match ODD.get_i64(call, rec.key())? {
            None => ODD.put_i64(call, rec.key(), n)?,
            Some(waiting) => {
                ODD.delete(call, rec.key())?;
                call.emit(rec.key(), &waiting.wrapping_add(n).to_string());
            }
        }
    }
    Ok(())
}

/// Writes as many bytes as the value says.
pub fn big(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let n: usize = rec.text()?.parse()?;
    BLOBS.put(call, rec.key(), &vec![b'x'; n])?;
    call.emit(rec.key(), &n.to_string());
    Ok(())
}

/// Joins a record with what a global cache has for its key.
pub fn lookup(call: &mut Call, rec: Record<'_>) -> Result<()> {
    if rec.value() == b"write" {
        return SIDE.put(call, rec.key(), rec.value());
    }
    SIDE.read(call, rec.key(), |call, side| {
        let joined = [rec.value(), side.unwrap_or(b"none")].join(&b'=');
        call.emit(rec.key(), &joined);
        Ok(())
    })
}
