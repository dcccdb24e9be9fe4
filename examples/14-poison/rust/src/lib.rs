//! The module of example 14: a handler that fails in several ways after it has
//! written to its cache.

use sliphost::prelude::*;

static TOTALS: Cache = Cache::new("totals");
static LIMIT: IntParam = IntParam::new("limit", 1000, "cents above which a bill is refused");

/// Divides a bill by the people at the table and adds it up by the key. A bill
/// over the limit fails, and one of nobody divides by zero, which panics: both
/// after the total was written.
fn share(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let bill = rec.doc()?;
    let cents = bill.get("cents").i64()?;
    let total = TOTALS.add_i64(call, rec.key(), cents)?;
    if cents > LIMIT.get(call) {
        bail!("over the limit");
    }
    let each = cents / bill.get("people").i64()?;
    call.emit_doc(rec.key(), |w| {
        w.fields(&[("each", each.into()), ("total", total.into())])
    })
}

export! { "share" => share, TOTALS, LIMIT }
