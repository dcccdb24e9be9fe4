//! The ABI's messages: one file each, an append and a read function each, the
//! Rust side of `abi/*.go`. Handlers do not need them; the runtime, the
//! in-memory host and conformance tests do.
//!
//! Everything read borrows from the message it was read from.

mod batch;
mod describe;
mod init;
mod record;
mod reply;

pub use batch::{append_batch_header, message_kind, read_batch_header, BatchHeader};
pub use describe::{append_describe, read_describe, Describe, HandlerDesc, ParamDesc};
pub use init::{
    append_init, append_init_reply, read_init, read_init_reply, Binding, Endpoint, Init, InitReply,
    Param,
};
pub use record::{append_header, append_record, read_record, Headers, RawRecord, RECORD_PREFIX};
pub use reply::{
    append_output, append_result, append_result_error, end_result, read_output, read_result,
    Output, Result, EVERY_SINK,
};

use crate::wire::{append_array_header, append_str, Reader};
use crate::zz_abi::{MAX_BINDINGS, MAX_DESCRIBE};

fn append_strings(b: &mut Vec<u8>, names: &[&[u8]]) {
    append_array_header(b, names.len());
    for name in names {
        append_str(b, name);
    }
}

#[cold]
fn names<'a>(r: &mut Reader<'a>) -> Vec<&'a [u8]> {
    each(r, MAX_BINDINGS, "at most 1024 names", |r| r.name())
}

/// Reads an array of at most `limit` entries; stops at the first error.
fn each<'a, T>(
    r: &mut Reader<'a>,
    limit: usize,
    want: &'static str,
    mut read: impl FnMut(&mut Reader<'a>) -> T,
) -> Vec<T> {
    let mut all = Vec::new();
    for _ in 0..r.list(limit, want) {
        let one = read(r);
        if !r.ok() {
            break;
        }
        all.push(one);
    }
    all
}

/// Refuses a message of the guest that is longer than any may be.
fn not_too_long(r: &mut Reader<'_>) {
    if r.left() > MAX_DESCRIBE {
        r.fail("a message of at most 1048576 bytes");
    }
}
