//! Joins and deduplication.

use sliphost::prelude::*;
use sliphost::{Advance, Dedup, Join, JoinKind, Pair, TableJoin};

use crate::{GRACE, LATE, OUT, STATE, TABLE};

pub static BEFORE: IntParam = IntParam::new(
    "before",
    5,
    "milliseconds that a right record may be earlier",
);
pub static AFTER: IntParam =
    IntParam::new("after", 5, "milliseconds that a right record may be later");
pub static KIND: IntParam = IntParam::new("kind", 0, "0 inner, 1 left, 2 outer");
pub static TTL: IntParam = IntParam::new("ttl", 10, "milliseconds that a key is remembered");

fn kind(call: &Call) -> JoinKind {
    match KIND.get(call) {
        0 => JoinKind::Inner,
        1 => JoinKind::Left,
        _ => JoinKind::Outer,
    }
}

fn join_of(call: &Call) -> Join {
    let (before, after, grace) = (BEFORE.get(call), AFTER.get(call), GRACE.get(call));
    Join::new(&STATE, kind(call), before, after, grace, emit_pair).late(&LATE)
}

pub fn advance(call: &mut Call, a: &Advance) -> Result<()> {
    join_of(call).advance(call, a)
}

/// Joins values that begin with "<", the left side, with others. From a topic
/// whose name is "right" all are of the right side, from "left" of the left one.
pub fn join(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let join = join_of(call);
    let left = match rec.topic() {
        "left" => true,
        "right" => false,
        _ => rec.value().first() == Some(&b'<'),
    };
    if left {
        join.left(call, rec, rec.key(), rec.value_opt())?;
    } else {
        join.right(call, rec, rec.key(), rec.value_opt())?;
    }
    Ok(())
}

/// Emits "LEFT@TIME RIGHT@TIME", a "-" for the side that is not there.
fn emit_pair(call: &mut Call, p: Pair<'_>) -> Result<()> {
    let mut text = half(p.left, p.left_time);
    text.push(b' ');
    text.extend(half(p.right, p.right_time));
    OUT.emit(call, p.key, &text);
    Ok(())
}

fn half(value: Option<&[u8]>, at: i64) -> Vec<u8> {
    match value {
        None => b"-".to_vec(),
        Some(value) => [value, b"@", at.to_string().as_bytes()].concat(),
    }
}

/// Joins records with a table: a value "=ROW" sets the row of the key, "="
/// removes it, any other is joined and emitted as "VALUE ROW".
pub fn table(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let join = TableJoin::new(&TABLE, kind(call));
    if let Some(row) = rec.value().strip_prefix(b"=") {
        return join.set(call, rec.key(), Some(row).filter(|row| !row.is_empty()));
    }
    if let Some(row) = join.row(call, rec.key())? {
        let row = row.as_deref().unwrap_or(b"-");
        OUT.emit(call, rec.key(), &[rec.value(), b" ", row].concat());
    }
    Ok(())
}

/// Emits a record if its key is seen for the first time.
pub fn dedup(call: &mut Call, rec: Record<'_>) -> Result<()> {
    if Dedup::new(&STATE, TTL.get(call)).first(call, rec.key())? {
        OUT.emit(call, rec.key(), rec.value());
    }
    Ok(())
}
