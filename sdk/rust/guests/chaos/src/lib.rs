//! The handlers that the crash tests run. The Go SDK has the same ones with
//! the same behaviour, and cmd/sliphost/chaos/checker an independent model of
//! what they emit and keep.
//!
//! An input's value is text: `ID N MARK CRC PAD`. ID is unique, N counts the
//! records of its key from 1, MARK says what the handler poison does with it.
//! Values of caches are text, too: `COUNT SUM` of the ids seen.

use sliphost::prelude::*;

mod text;

use text::{add, line, Input};

/// count: key -> `COUNT SUM`
static COUNTS: Cache = Cache::new("counts");
/// hop: key -> its last id
static SEEN: Cache = Cache::new("seen");
/// hop-read: key -> records through the proxy
static HOPS: Cache = Cache::new("hops");
/// poison: key -> `COUNT SUM` of what did not fail
static SURVIVORS: Cache = Cache::new("survivors");
/// group: group -> `COUNT SUM`
static GROUPS: Cache = Cache::new("groups");

const STATELESS: Options = Options::new().stateless();

export! {
    "pass" => pass, STATELESS;
    "fan" => fan, STATELESS;
    "count" => count, COUNTS;
    "hop" => hop, SEEN;
    "hop-read" => hop_read, SEEN, HOPS;
    "poison" => poison, SURVIVORS;
    "rekey" => rekey, STATELESS;
    "group" => group, GROUPS;
}

/// Emits the record as it is.
fn pass(call: &mut Call, rec: Record<'_>) -> Result<()> {
    call.emit(rec.key(), rec.value_opt());
    Ok(())
}

/// Emits `ID N I` for each I below ID mod 4: nothing for a quarter of them.
fn fan(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let input = Input::parse(&rec)?;
    for i in 0..input.id % 4 {
        call.emit(rec.key(), &line(&[input.id, input.n, i]));
    }
    Ok(())
}

/// Keeps a count and a sum of ids for each key and emits `ID COUNT SUM`.
fn count(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let input = Input::parse(&rec)?;
    let (n, sum) = add(call, &COUNTS, rec.key(), input.id)?;
    call.emit(rec.key(), &line(&[input.id, n, sum]));
    Ok(())
}

/// Notes the id under the key and emits the record once or, if the id is odd,
/// twice to a proxy.
fn hop(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let input = Input::parse(&rec)?;
    SEEN.put(call, rec.key(), &line(&[input.id]))?;
    for _ in 0..1 + input.id % 2 {
        call.emit(rec.key(), rec.value_opt());
    }
    Ok(())
}

/// Emits `ID N NOTED HOPS` with the id that hop noted last, which is the
/// record's own, and the number of records of the key so far.
fn hop_read(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let input = Input::parse(&rec)?;
    let Some(text) = SEEN.get(call, rec.key())? else {
        bail!("hop has noted nothing under this key");
    };
    let noted = std::str::from_utf8(&text)?.parse()?;
    let (n, _) = add(call, &HOPS, rec.key(), input.id)?;
    call.emit(rec.key(), &line(&[input.id, input.n, noted, n]));
    Ok(())
}

/// Counts as count does, in its own cache, and emits `ID COUNT SUM`; then it
/// fails as the record's mark says, so that both must be undone.
fn poison(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let input = Input::parse(&rec)?;
    let (n, sum) = add(call, &SURVIVORS, rec.key(), input.id)?;
    call.emit(rec.key(), &line(&[input.id, n, sum]));
    match input.mark {
        "error" => bail!("the record is marked"),
        "trap" => panic!("the record is marked"),
        "retry" => Err(Error::retry(10, "the record is marked")),
        "drop" => Err(Error::drop("the record is marked")),
        _ => Ok(()),
    }
}

/// Emits `ID N KEY` under one of seven other keys.
fn rekey(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let input = Input::parse(&rec)?;
    let mut value = line(&[input.id, input.n]).into_bytes();
    value.push(b' ');
    value.extend_from_slice(rec.key().unwrap_or_default());
    call.emit(&format!("g{}", input.id % 7), &value);
    Ok(())
}

/// Counts what rekey emits and emits `ID COUNT SUM` under its key.
fn group(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let input = Input::parse(&rec)?;
    let (n, sum) = add(call, &GROUPS, rec.key(), input.id)?;
    call.emit(rec.key(), &line(&[input.id, n, sum]));
    Ok(())
}
