//! The ABI's messages: one file each, the Rust side of `abi/*.go`. Handlers do not need them; the runtime, the
//! in-memory host and conformance tests do.
//!
//! Everything read borrows from the message it was read from.

mod batch;
mod call;
mod checkpoint;
mod describe;
mod init;
mod kinds;
mod marker;
mod recode;
mod record;
mod reply;

pub use batch::{message_kind, BatchHeader};
pub use call::{KeyList, ScanPage, ScanRequest, ValueList};
pub use checkpoint::{
    Check, Downtime, DowntimeList, Heartbeat, Latency, Position, Pulse, Recovery,
};
pub use describe::{Describe, HandlerDesc, ParamDesc};
pub(crate) use init::{walk, Visit};
pub use init::{Binding, Endpoint, Init, InitReply, Param};
pub use kinds::{Advance, Codec, Migrate, Selftest};
pub use marker::Marker;
pub use recode::recode;
pub use record::{append_header, Headers, RawRecord, RECORD_PREFIX};
pub use reply::{append_result, append_result_error, Answer, Output, RecordResult, EVERY_SINK};

use crate::wire::{append_array_header, append_str, Reader};
use crate::zz_abi::{MAX_BINDINGS, MAX_DESCRIBE};

const NAMES: &str = "at most 1024 names";

fn append_strings(b: &mut Vec<u8>, names: &[&[u8]]) {
    append_array_header(b, names.len());
    for name in names {
        append_str(b, name);
    }
}

#[cold]
fn names<'a>(r: &mut Reader<'a>) -> Vec<&'a [u8]> {
    each(r, MAX_BINDINGS, NAMES, Reader::name)
}

/// Declares a message that is an array of fixed fields, which is read and
/// written at once: each field with the function that reads it and the one that
/// appends it.
macro_rules! message {
    (
        $(#[$doc:meta])*
        $name:ident $(<$lt:lifetime>)?, $arity:literal $want:literal,
        $(kind $kind:ident $kind_want:literal,)?
        { $($(#[$field_doc:meta])* $field:ident: $type:ty = $read:expr, $append:expr;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name $(<$lt>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $(<$lt>)? $name $(<$lt>)? {
            /// Reads a whole message.
            pub fn read(b: &$($lt)? [u8]) -> Result<Self, SyntaxError> {
                let mut r = Reader::new(b);
                let more = r.array_min($arity, $want);
                $(crate::message::kind(&mut r, $kind, $kind_want);)?
                let m = $name {
                    $($field: $read(&mut r),)*
                };
                r.skip_n(more);
                r.end();
                r.err().map_or(Ok(m), Err)
            }

            /// Appends the message in canonical form.
            pub fn append(&self, b: &mut Vec<u8>) {
                append_array_header(b, $arity);
                $(append_uint(b, $kind);)?
                $($append(b, &self.$field);)*
            }
        }
    };
}
use message;

/// Reads the kind of a batch message, which must be `want`.
fn kind(r: &mut Reader<'_>, want: u64, text: &'static str) {
    let at = r.offset();
    if r.uint_max(255, text) != want {
        r.fail_at(at, text);
    }
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
