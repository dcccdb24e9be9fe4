//! The module of example 04: what a record leaves in a cache another handler
//! finds there, and a transaction is kept as a whole or not at all.

use sliphost::prelude::*;

static EMOJI: Cache = Cache::new("emoji-by-name");

/// Puts every field of the record into the cache, or none of them.
fn keep(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let doc = rec.doc()?;
    let kept = EMOJI.transaction(call, rec.key(), |call| {
        for (name, value) in doc.entries() {
            let (name, picture) = (name.str()?, value.str()?);
            if picture.is_empty() {
                bail!("{} has no picture", name);
            }
            EMOJI.put(call, name, picture)?;
        }
        Ok(())
    });
    if let Err(e) = kept {
        call.emit(NIL, &format!("nothing kept: {}", e.message()));
    }
    Ok(())
}

/// Emits the entries whose names begin as the question says.
fn show(call: &mut Call, rec: Record<'_>) -> Result<()> {
    for entry in EMOJI.scan(call).prefix(rec.value()) {
        let entry = entry?;
        let line = [entry.key(), entry.value()].join(&b' ');
        call.emit(NIL, &line);
    }
    Ok(())
}

export! { "keep" => keep, EMOJI; "show" => show, EMOJI }
