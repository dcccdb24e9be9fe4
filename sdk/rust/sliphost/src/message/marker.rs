//! How far a source of a checkpoint has come.

use std::cmp::Ordering;

use crate::wire::{append_array_header, append_int, append_nil, append_str, Reader};
use crate::zz_abi::MAX_MARKER;

/// A marker. Markers of different kinds are not comparable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker<'a> {
    /// No marker was given yet.
    #[default]
    None,
    /// An integer.
    Int(i64),
    /// Text, ordered by its bytes.
    Text(&'a [u8]),
    /// Milliseconds since 1970 UTC.
    Time(i64),
}

impl<'a> Marker<'a> {
    /// A marker for text, which grows in the order of its bytes and has at most
    /// 255 of them. The checks that a checkpoint has by default cannot compare
    /// it: it is for checks of the handler's own.
    pub fn text(text: &'a str) -> Self {
        Marker::Text(text.as_bytes())
    }

    /// Text; `None` if this is no text, or not UTF-8.
    pub fn as_text(&self) -> Option<&'a str> {
        match self {
            Marker::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// How far this is ahead of `other`: milliseconds between times, the
    /// difference of integers, the greatest or least number if that does not
    /// fit; `None` if they are not both times or both integers.
    pub fn ahead_of(&self, other: Marker<'_>) -> Option<i64> {
        match (*self, other) {
            (Marker::Int(a), Marker::Int(b)) | (Marker::Time(a), Marker::Time(b)) => {
                Some(a.saturating_sub(b))
            }
            _ => None,
        }
    }

    /// The order of two markers; `None` if they are not of the same kind, or
    /// none.
    pub fn compare(&self, other: Marker<'_>) -> Option<Ordering> {
        match (*self, other) {
            (Marker::Int(a), Marker::Int(b)) | (Marker::Time(a), Marker::Time(b)) => {
                Some(a.cmp(&b))
            }
            (Marker::Text(a), Marker::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Appends the marker. A text above 255 bytes is refused by readers.
    pub fn append(&self, b: &mut Vec<u8>) {
        match self {
            Marker::None => append_nil(b),
            Marker::Int(v) => append_int(b, *v),
            Marker::Text(v) => append_str(b, v),
            Marker::Time(v) => {
                append_array_header(b, 1);
                append_int(b, *v);
            }
        }
    }

    /// Reads a marker.
    pub fn read(r: &mut Reader<'a>) -> Self {
        const WANT: &str = "a marker: nil, integer, text or [milliseconds]";
        let at = r.offset();
        match r.peek() {
            Some(0xc0) => {
                r.nil();
            }
            Some(0..=0x7f | 0xe0..=0xff | 0xcc..=0xd3) => return Marker::Int(r.int()),
            Some(0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb) => {
                let text = r.str();
                if text.len() > MAX_MARKER {
                    r.fail_at(at, "a marker of at most 255 bytes");
                }
                return Marker::Text(text);
            }
            Some(0x90..=0x9f | 0xdc | 0xdd) => {
                let more = r.array_min(1, WANT);
                let ms = r.int();
                r.skip_n(more);
                return Marker::Time(ms);
            }
            _ => r.fail(WANT),
        }
        Marker::None
    }
}
