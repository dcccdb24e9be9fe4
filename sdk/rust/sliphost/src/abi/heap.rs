//! A small allocator for modules where each kilobyte counts: feature
//! `lean-alloc`. It is about a tenth of the code of std's.
//!
//! Blocks have sizes of powers of two; a block that is freed serves the next
//! request of its size and no other. So memory is bounded by the sum over all
//! sizes of the most that was in use at once. That suits handlers, which do
//! the same with each record; it does not suit one whose sizes wander.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

/// The smallest block is 16 bytes.
const LEAST: usize = 16;

/// Blocks begin at multiples of their size, up to this.
const ALIGNED: usize = 4096;

const PAGE: usize = 64 << 10;

/// Gives the allocator fresh memory, as wasm's `memory.grow` does.
pub(crate) trait Source {
    /// Adds at least `bytes` zeroed bytes and returns where they begin and end;
    /// `None` when memory is used up.
    fn grow(&self, bytes: usize) -> Option<(usize, usize)>;
}

pub(crate) struct Heap<S> {
    source: S,
    state: UnsafeCell<State>,
}

struct State {
    /// The free blocks of each size, by its power of two: a list through their
    /// first words.
    free: [*mut Free; usize::BITS as usize],
    /// Fresh memory that belongs to no block yet.
    next: usize,
    end: usize,
}

struct Free {
    next: *mut Free,
}

// SAFETY: modules have one thread; see the entry points.
unsafe impl<S> Sync for Heap<S> {}

impl<S: Source> Heap<S> {
    pub(crate) const fn new(source: S) -> Self {
        Heap {
            source,
            state: UnsafeCell::new(State {
                free: [ptr::null_mut(); usize::BITS as usize],
                next: 0,
                end: 0,
            }),
        }
    }

    /// A block of fresh memory.
    #[cold]
    fn fresh(&self, state: &mut State, size: usize) -> Option<usize> {
        let align = size.min(ALIGNED);
        let mut start = state.next.checked_add(align - 1)? & !(align - 1);
        if start.checked_add(size)? > state.end {
            let (from, end) = self.source.grow(size.checked_add(align)?)?;
            if from != state.end || state.end == 0 {
                start = from.checked_add(align - 1)? & !(align - 1);
            }
            state.end = end;
        }
        state.next = start + size;
        Some(start)
    }
}

/// The power of two of the block for a layout; `None` if no block is so large
/// or so aligned.
#[inline]
fn class(layout: Layout) -> Option<usize> {
    let size = layout.size().max(layout.align()).max(LEAST);
    if layout.align() > ALIGNED {
        return None;
    }
    let class = (usize::BITS - (size - 1).leading_zeros()) as usize;
    if class < usize::BITS as usize {
        Some(class)
    } else {
        None
    }
}

// SAFETY: a block is handed out once before it is freed: it leaves its list,
// or the fresh memory, when it is. It has the layout's size and alignment by
// class. The state is borrowed only inside one call, and none of these calls
// another.
unsafe impl<S: Source> GlobalAlloc for Heap<S> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = match class(layout) {
            Some(class) => class,
            None => return ptr::null_mut(),
        };
        // SAFETY: one thread, one borrow.
        let state = unsafe { &mut *self.state.get() };
        let head = state.free[class];
        if head.is_null() {
            return self.fresh(state, 1 << class).unwrap_or(0) as *mut u8;
        }
        // SAFETY: a block in the list holds a Free.
        state.free[class] = unsafe { (*head).next };
        head.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(class) = class(layout) {
            // SAFETY: one thread, one borrow; the block is large and aligned
            // enough for a Free and belongs to nobody else from here on.
            unsafe {
                let state = &mut *self.state.get();
                let head = block.cast::<Free>();
                (*head).next = state.free[class];
                state.free[class] = head;
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that size fits with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if class(wanted) == class(layout) {
            return block;
        }
        // SAFETY: both blocks hold the smaller of the two sizes.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Wasm's memory.
#[cfg(target_arch = "wasm32")]
pub(crate) struct Wasm;

#[cfg(target_arch = "wasm32")]
impl Source for Wasm {
    fn grow(&self, bytes: usize) -> Option<(usize, usize)> {
        let pages = bytes / PAGE + 1;
        let before = std::arch::wasm32::memory_grow(0, pages);
        if before == usize::MAX {
            return None;
        }
        // The end of 4 GiB memory is no address; it is never reached.
        Some((before * PAGE, (before + pages).checked_mul(PAGE)?))
    }
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static HEAP: Heap<Wasm> = Heap::new(Wasm);

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::{Heap, Source, ALIGNED, PAGE};
    use std::alloc::{GlobalAlloc, Layout};
    use std::cell::Cell;

    /// A piece of memory that grows inside its bounds.
    struct Fixed {
        from: usize,
        used: Cell<usize>,
        limit: usize,
    }

    impl Source for Fixed {
        fn grow(&self, bytes: usize) -> Option<(usize, usize)> {
            let start = self.used.get();
            let end = start + (bytes / PAGE + 1) * PAGE;
            if end > self.limit {
                return None;
            }
            self.used.set(end);
            Some((self.from + start, self.from + end))
        }
    }

    fn heap(memory: &mut Vec<u8>, limit: usize) -> Heap<Fixed> {
        memory.resize(limit + ALIGNED, 0);
        let from = (memory.as_mut_ptr() as usize + ALIGNED) & !(ALIGNED - 1);
        Heap::new(Fixed {
            from,
            used: Cell::new(0),
            limit,
        })
    }

    /// Random requests, each filled and checked before it is freed: blocks do
    /// not overlap, are aligned, and keep their contents when they grow.
    #[test]
    fn blocks_are_apart_aligned_and_keep_their_contents() {
        let mut memory = Vec::new();
        let heap = heap(&mut memory, 256 * PAGE);
        let mut seed = 0x5117_u64;
        let mut random = move |n: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % n as u64) as usize
        };
        let mut live: Vec<(*mut u8, Layout, u8)> = Vec::new();
        for step in 0..20_000 {
            let mark = step as u8;
            if live.len() < 50 || random(2) == 0 {
                let most = 1 << random(14);
                let size = 1 + random(most);
                let align = 1 << random(7);
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the layout is not empty.
                let block = unsafe { heap.alloc(layout) };
                assert!(!block.is_null(), "step {}", step);
                assert_eq!(block as usize % align, 0, "step {}", step);
                // SAFETY: the block has this size.
                unsafe { block.write_bytes(mark, size) };
                live.push((block, layout, mark));
                continue;
            }
            let (block, layout, mark) = live.swap_remove(random(live.len()));
            let intact = |block: *mut u8, n: usize| {
                // SAFETY: the block has at least this size.
                let bytes = unsafe { std::slice::from_raw_parts(block, n) };
                assert!(bytes.iter().all(|b| *b == mark), "step {}", step);
            };
            intact(block, layout.size());
            let size = 1 + random(1 << 14);
            // SAFETY: the block came from this heap with this layout.
            unsafe {
                let block = heap.realloc(block, layout, size);
                assert!(!block.is_null(), "step {}", step);
                intact(block, size.min(layout.size()));
                let layout = Layout::from_size_align(size, layout.align()).unwrap();
                heap.dealloc(block, layout);
            }
        }
    }

    #[test]
    fn freed_blocks_are_used_again_and_the_end_is_told() {
        let mut memory = Vec::new();
        let heap = heap(&mut memory, 4 * PAGE);
        let layout = Layout::from_size_align(1000, 8).unwrap();
        for _ in 0..10_000 {
            // SAFETY: as the layout says.
            unsafe {
                let block = heap.alloc(layout);
                assert!(!block.is_null());
                heap.dealloc(block, layout);
            }
        }
        let large = Layout::from_size_align(4 * PAGE, 8).unwrap();
        // SAFETY: as the layout says.
        assert!(unsafe { heap.alloc(large) }.is_null());
        let aligned = Layout::from_size_align(8, 2 * ALIGNED).unwrap();
        // SAFETY: as the layout says.
        assert!(unsafe { heap.alloc(aligned) }.is_null());
    }
}
