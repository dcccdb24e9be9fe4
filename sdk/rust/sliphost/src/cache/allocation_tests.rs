//! The calls of every record allocate nothing once the buffers have grown. The
//! host in memory allocates; its share is taken off.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::prelude::*;
use crate::testing::Harness;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is System's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// Runs `f` without counting what it allocates.
pub(crate) fn uncounted<T>(f: impl FnOnce() -> T) -> T {
    let before = COUNT.with(Cell::get);
    let result = f();
    COUNT.with(|c| c.set(before));
    result
}

static MAP: Cache = Cache::new("map");
static WINDOWS: Tumbling = Tumbling::new(&MAP, 10, 0);

fn busy(call: &mut Call, rec: Record<'_>) -> Result<()> {
    let before = COUNT.with(Cell::get);
    for _ in 0..10 {
        MAP.put(call, "k", rec.value())?;
        assert_eq!(MAP.peek(call, "k")?, Some(rec.value()));
        MAP.read(call, rec.key(), |_, value| {
            assert_eq!(value, None);
            Ok(())
        })?;
        MAP.contains(call, "k")?;
        MAP.add_i64(call, "n", 1)?;
        MAP.add_f64(call, "x", 1.0)?;
        MAP.put_doc(call, "d", |w| w.fields(&[("a", 1.into())]))?;
        assert_eq!(MAP.doc(call, "d")?.map(|d| d.get("a").exists()), Some(true));
        MAP.transaction(call, "k", |call| MAP.delete(call, "k"))?;
        WINDOWS.add_i64(call, rec, "w", 1)?;
    }
    let count = COUNT.with(Cell::get) - before;
    call.counter("allocations", count as f64);
    Ok(())
}

export! { "busy" => busy, MAP }

#[test]
fn calls_about_caches_allocate_nothing_in_steady_state() {
    let mut h = Harness::new(HANDLERS, "busy");
    let count = |h: &mut Harness| {
        let out = h.send(crate::testing::Input::new("value").key("absent"));
        out.ok();
        out.metrics[0].1
    };
    assert!(count(&mut h) > 0.0, "the buffers grow, and that is counted");
    assert_eq!(count(&mut h), 0.0);
}
