//! What the exports of a module do; called by the code of `export!`.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::Location;

use crate::error::join;
use crate::export::{self, Handler};
use crate::reply::cut;
use crate::runtime::Runtime;
use crate::zz_abi::MAX_TEXT;

/// The least size of the input arena.
const ARENA: usize = 64 << 10;

/// The module's only state besides that of its handlers.
struct State {
    /// Where the host writes messages.
    arena: Vec<u8>,
    /// The last Describe message or InitReply.
    answer: Vec<u8>,
    runtime: Option<Runtime>,
}

struct Single(UnsafeCell<State>);

// SAFETY: wasm32-unknown-unknown without atomics has one thread, and the
// host makes one call at a time.
unsafe impl Sync for Single {}

static STATE: Single = Single(UnsafeCell::new(State {
    arena: Vec::new(),
    answer: Vec::new(),
    runtime: None,
}));

/// The state, for the duration of one call of the host.
#[allow(clippy::mut_from_ref)]
fn state() -> &'static mut State {
    // SAFETY: each export takes it once and gives it up before it returns;
    // exports never run inside one another, because no host function calls
    // back into the module.
    unsafe { &mut *STATE.0.get() }
}

fn packed(bytes: &[u8]) -> i64 {
    ((bytes.as_ptr() as usize as u64) << 32 | bytes.len() as u64) as i64
}

/// slip_describe.
pub fn describe(handlers: &'static [Handler]) -> i64 {
    let state = state();
    state.answer.clear();
    export::describe(handlers, &mut state.answer);
    packed(&state.answer)
}

/// slip_alloc.
pub fn alloc(size: u32) -> u32 {
    let state = state();
    let size = size as usize;
    if state.arena.len() < size {
        // The old arena goes first: its contents are of no use, and its
        // memory may serve the new one.
        state.arena = Vec::new();
        let size = size.checked_next_power_of_two().unwrap_or(size).max(ARENA);
        if state.arena.try_reserve_exact(size).is_err() {
            return 0;
        }
        state.arena.resize(size, 0);
    }
    state.arena.as_ptr() as usize as u32
}

/// slip_init.
pub fn init(handlers: &'static [Handler], len: u32) -> i64 {
    std::panic::set_hook(Box::new(|info| report(info.payload(), info.location())));
    let state = state();
    let message = message(&state.arena, len);
    let capacity = state.arena.len();
    state.runtime = Runtime::init(handlers, message, capacity, &mut state.answer);
    packed(&state.answer)
}

/// slip_process.
pub fn process(handler: u32, len: u32) -> i64 {
    let state = state();
    let message = message(&state.arena, len);
    match &mut state.runtime {
        Some(runtime) => packed(runtime.process(handler, message)),
        // No host does that: it calls slip_init first, once.
        None => std::process::abort(),
    }
}

/// The message in the arena; an empty one, which no reader accepts, when the
/// host claims more than there is room for.
fn message(arena: &[u8], len: u32) -> &[u8] {
    arena.get(..len as usize).unwrap_or(&[])
}

/// Hands a panic's text and place to the host; the trap follows.
fn report(payload: &dyn Any, location: Option<&Location<'_>>) {
    let text = match payload.downcast_ref::<&'static str>() {
        Some(text) => text,
        None => payload.downcast_ref::<String>().map_or("panic", |t| t),
    };
    let text = cut(text, MAX_TEXT / 2);
    let text = match location {
        None => text.to_owned(),
        Some(at) => {
            let (line, column) = (decimal(at.line()), decimal(at.column()));
            join(&[text, ": ", at.file(), ":", &line, ":", &column])
        }
    };
    crate::abi::wasm::panic(text.as_bytes());
}

#[inline(never)]
fn decimal(n: u32) -> String {
    let mut text = if n >= 10 {
        decimal(n / 10)
    } else {
        String::new()
    };
    text.push((b'0' + (n % 10) as u8) as char);
    text
}
