//! Handling a record allocates nothing once the buffers have grown.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sliphost::prelude::*;
use sliphost::testing::{Harness, Input};

/// Counts this thread's allocations.
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

static NAMED: Sink = Sink::new("named");
static TEXT: TextParam = TextParam::new("text", "t", "any text");

thread_local! {
    /// Allocations inside the handlers of the last batch.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// Uses what a handler has; counts from its first record to its last.
fn busy(call: &mut Call, rec: Record<'_>) -> Result<()> {
    match rec.offset() % 256 {
        0 => LAST.with(|l| l.set(COUNT.with(Cell::get))),
        255 => INSIDE.with(|i| i.set(COUNT.with(Cell::get) - LAST.with(Cell::get))),
        _ => {}
    }
    call.emit(rec.key(), rec.value_opt());
    let text = TEXT.get(call);
    NAMED
        .record(call)
        .key(text)
        .headers(rec.headers())
        .header("a", "1")
        .timestamp(rec.timestamp())
        .emit();
    call.emit_doc(rec.key(), |w| w.edit(rec.doc()?, &[("late", true.into())]))
}

export! { "busy" => busy, NAMED, TEXT }

#[test]
fn a_record_allocates_nothing_in_steady_state() {
    let mut h = Harness::new(HANDLERS, "busy").json();
    let input = Input::json(r#"{"delay":20,"origin":"LHR"}"#)
        .key("k")
        .header("h", "v");
    for round in 0..4 {
        h.send_batch(vec![input.clone(); 256]);
        // The first batch grows the buffers.
        if round > 0 {
            assert_eq!(INSIDE.with(Cell::get), 0, "round {}", round);
        }
    }
}
