//! Repeats calls about caches, for measuring what one takes. The Go SDK has
//! the same guest.

use sliphost::prelude::*;

static CACHE: Cache = Cache::new("cache");
static TIMES: IntParam = IntParam::new("times", 100, "calls per record");

export! {
    "get" => get, CACHE, TIMES;
    "put" => put, CACHE, TIMES;
    "add" => add, CACHE, TIMES;
    "time" => time, CACHE, TIMES;
    "scan" => scan, CACHE, TIMES;
}

fn get(call: &mut Call, rec: Record<'_>) -> Result<()> {
    (0..TIMES.get(call)).try_for_each(|_| CACHE.peek(call, rec.key()).map(drop))
}

fn put(call: &mut Call, rec: Record<'_>) -> Result<()> {
    (0..TIMES.get(call)).try_for_each(|_| CACHE.put(call, rec.key(), rec.value()))
}

fn add(call: &mut Call, rec: Record<'_>) -> Result<()> {
    (0..TIMES.get(call)).try_for_each(|_| CACHE.add_i64(call, rec.key(), 1).map(drop))
}

fn time(call: &mut Call, _: Record<'_>) -> Result<()> {
    for _ in 0..TIMES.get(call) {
        call.stream_time();
    }
    Ok(())
}

fn scan(call: &mut Call, _: Record<'_>) -> Result<()> {
    for _ in 0..TIMES.get(call) {
        for entry in CACHE.scan(call) {
            entry?;
        }
    }
    Ok(())
}
