//! The module of example 12: deliveries are posted over HTTP, and what is in
//! stock is told to whoever follows the cache.

use sliphost::prelude::*;

static STOCK: Cache = Cache::new("stock");

/// Checks a delivery and groups it by its item.
fn receive(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let doc = rec.doc()?;
    let (item, n) = (doc.get("item").str()?, doc.get("n").i64()?);
    if item.is_empty() || n <= 0 {
        bail!("a delivery has an item and a number above 0");
    }
    call.emit(item, &n.to_string());
    Ok(())
}

/// Adds a delivery to what is in stock.
fn count(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let item = rec.key().unwrap_or_default();
    let before = match STOCK.get(call, item)? {
        Some(text) => number(&text)?,
        None => 0,
    };
    let after = before + number(rec.value())?;
    STOCK.put(call, item, &after.to_string())
}

fn number(text: &[u8]) -> Result<i64> {
    match std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()) {
        Some(n) => Ok(n),
        None => bail!("no number"),
    }
}

export! { "receive" => receive; "count" => count, STOCK }
