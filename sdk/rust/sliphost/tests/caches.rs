//! Caches: what is read, written and undone.

use sliphost::prelude::*;
use sliphost::testing::{Harness, Input};
use sliphost::zz_abi::CODE_UNBOUND;

static SEEN: Cache = Cache::new("seen");
static OTHER: Cache = Cache::new("other");

/// Passes on a value the first time it comes.
fn first(call: &mut Call, rec: Record<'_>) -> Result<()> {
    if SEEN.contains(call, rec.value())? {
        return Ok(());
    }
    SEEN.put(call, rec.value(), rec.key())?;
    call.emit(rec.key(), rec.value());
    if rec.value() == b"bad" {
        bail!("bad");
    }
    Ok(())
}

/// Counts by key, in place.
fn count(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let mut value = Vec::new();
    let found = SEEN.get_into(call, rec.key(), &mut value)?;
    assert_eq!(SEEN.get(call, rec.key())?.is_some(), found);
    let n = if found { value[0] + 1 } else { 1 };
    if rec.value() == b"reset" {
        return SEEN.delete(call, rec.key());
    }
    SEEN.put(call, rec.key(), &[n])
}

fn unlisted(call: &mut Call, rec: Record<'_>) -> Result<()> {
    OTHER.put(call, rec.value(), "")
}

export! {
    "first" => first, SEEN;
    "count" => count, OTHER, SEEN;
    "unlisted" => unlisted, SEEN;
}

#[test]
fn writes_are_seen_and_undone_with_their_record() {
    let mut h = Harness::new(HANDLERS, "first");
    let values = ["a", "a", "bad", "bad", "b"].map(|v| Input::new(v).key("k"));
    let all = h.send_batch(values.to_vec());
    let emitted: Vec<_> = all.iter().map(|o| o.outputs.len()).collect();
    assert_eq!(emitted, [1, 0, 0, 0, 1]);
    assert!(all[2].error.is_some() && all[3].error.is_some());
    assert_eq!(h.cached("seen", "a"), Some(&b"k"[..]));
    assert_eq!(h.cached("seen", "bad"), None);
    h.send("c").ok();
    assert_eq!(
        h.cached("seen", "c"),
        Some(&b""[..]),
        "absent is stored as empty"
    );
}

#[test]
fn values_are_replaced_and_removed() {
    let mut h = Harness::new(HANDLERS, "count");
    for _ in 0..3 {
        h.send(Input::new("x").key("k")).ok();
    }
    assert_eq!(h.cached("seen", "k"), Some(&[3][..]));
    assert_eq!(h.cached("other", "k"), None);
    h.send(Input::new("reset").key("k")).ok();
    assert_eq!(h.cached("seen", "k"), None);
    let e = h.send("x").failure().clone();
    assert_eq!(e.message, "cache \"seen\": the key is absent");
}

#[test]
fn an_unlisted_cache_is_an_error() {
    let e = Harness::new(HANDLERS, "unlisted")
        .send("x")
        .failure()
        .clone();
    let want = "cache \"other\": export! does not list it for handler \"unlisted\"";
    assert_eq!((e.code, &*e.message), (CODE_UNBOUND, want));
}
