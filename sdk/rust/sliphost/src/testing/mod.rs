//! Runs handlers natively, on a host in memory, for `cargo test`.
//!
//! A [`Harness`] binds one handler the way a manifest would and takes records
//! through the same path as the real host: a batch is encoded, the handler
//! runs on its bytes, the reply is decoded.
//!
//! ```
//! use sliphost::prelude::*;
//! use sliphost::testing::{Harness, Input};
//!
//! static LIMIT: IntParam = IntParam::new("limit", 100, "lines emitted per record");
//!
//! fn split(call: &mut Call, rec: Record<'_>) -> Result<()> {
//!     for line in rec.text()?.lines().take(LIMIT.get(call) as usize) {
//!         call.emit(rec.key(), line);
//!     }
//!     Ok(())
//! }
//!
//! export! { "split" => split, LIMIT }
//!
//! # fn main() {
//! let mut split = Harness::new(HANDLERS, "split").param("limit", 2);
//! let out = split.send(Input::new("a\nb\nc").key("k"));
//! assert_eq!(out.values(), ["a", "b"]);
//! assert_eq!(out.outputs[0].key.as_deref(), Some(&b"k"[..]));
//! # }
//! ```

mod checkpoint;
mod event;
mod harness;
mod input;
mod json;

pub use crate::native::KeyType;
pub use checkpoint::{Checkpoint, Event};
pub use harness::{Harness, Repr};
pub use input::{Failure, Input, Outcome, Output};
pub use json::{from_json, to_json};

/// The Describe message of a module, as the host sees it;
/// [`Describe`](crate::message::Describe) reads it.
pub fn describe(handlers: &[crate::Handler]) -> Vec<u8> {
    let mut b = Vec::new();
    crate::export::describe(handlers, &mut b);
    b
}
