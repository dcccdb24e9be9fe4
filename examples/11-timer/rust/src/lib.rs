//! The module of example 11: sales are counted, and at each tick of a timer what
//! was sold since the last one is told.

use sliphost::prelude::*;

static SOLD: Cache = Cache::new("sold");

/// Gets sales, and ticks: records without a value.
fn till(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let Some(item) = rec.value_opt() else {
        return closing(call);
    };
    SOLD.add_i64(call, item, 1)?;
    Ok(())
}

/// Tells what was sold and begins anew.
fn closing(call: &mut Call) -> Result<()> {
    for entry in SOLD.scan(call) {
        let entry = entry?;
        let item: &str = entry.key_as()?;
        let n: i64 = entry.value_as()?;
        call.emit(item, &format!("{n} x {item}"));
        SOLD.delete(call, item)?;
    }
    Ok(())
}

export! { "till" => till, SOLD }
