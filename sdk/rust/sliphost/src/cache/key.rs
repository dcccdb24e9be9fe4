//! Keys of caches in the form that the host takes (SPEC 5.4), and back.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use crate::zz_abi::MAX_CACHE_KEY;

const ABSENT: &str = "the key is absent";
const NAN: &str = "NaN is no key";

/// A key of a cache. Which type fits says `key` of the cache in the manifest:
///
/// | `key =` | types |
/// | --- | --- |
/// | `"bytes"`, `"string"` | `&[u8]`, `&[u8; N]`, `&Vec<u8>`, `&str`, `&String` |
/// | `"int"` | `i64` |
/// | `"float"` | `f64`; `-0.0` and `0.0` are one key |
/// | `"bool"` | `bool` |
///
/// An [`Option`] of these is a key too, so that a record's key fits; `None` is
/// an error, because keyless records would otherwise meet in one entry. NaN is
/// an error as well. A key of the wrong type is refused by the host, if its
/// length tells; at most 65535 bytes are taken.
///
/// Types of your own may implement it; they are ordered by the bytes of their
/// form:
///
/// ```
/// use sliphost::Key;
///
/// /// The flights of a day at an airport.
/// struct Board<'a>(&'a str, u32);
///
/// impl Key for Board<'_> {
///     type Form = Vec<u8>;
///
///     fn form(self) -> Result<Vec<u8>, &'static str> {
///         let mut form = self.1.to_be_bytes().to_vec();
///         form.extend_from_slice(self.0.as_bytes());
///         Ok(form)
///     }
/// }
/// ```
pub trait Key: Sized {
    /// What holds the form's bytes.
    type Form: AsRef<[u8]>;

    /// The bytes that the host takes, or why there are none: half a sentence
    /// that stands behind the cache's name.
    fn form(self) -> Result<Self::Form, &'static str>;

    /// The form of the least key above `form`, in the order of this type;
    /// `None` if there is none.
    #[doc(hidden)]
    fn after(mut form: Vec<u8>) -> Option<Vec<u8>> {
        if form.len() < MAX_CACHE_KEY {
            form.push(0);
            return Some(form);
        }
        // No key is longer.
        while let Some(last) = form.pop() {
            if last < u8::MAX {
                form.push(last + 1);
                return Some(form);
            }
        }
        None
    }
}

/// Implements [`Key`] for a reference to bytes.
macro_rules! bytes {
    ($([$($n:tt)*] $type:ty, $key:ident => $form:expr;)*) => {$(
        impl<'d, $($n)*> Key for &'d $type {
            type Form = &'d [u8];

            #[inline]
            fn form(self) -> Result<&'d [u8], &'static str> {
                let $key = self;
                Ok($form)
            }
        }
    )*};
}

bytes! {
    [] [u8], key => key;
    [const N: usize] [u8; N], key => key;
    [] Vec<u8>, key => key;
    [] str, key => key.as_bytes();
    [] String, key => key.as_bytes();
}

impl Key for i64 {
    type Form = [u8; 8];

    #[inline]
    fn form(self) -> Result<[u8; 8], &'static str> {
        Ok(self.to_le_bytes())
    }

    fn after(form: Vec<u8>) -> Option<Vec<u8>> {
        let next = i64::from_key(&form)?.checked_add(1)?;
        Some(next.to_le_bytes().to_vec())
    }
}

impl Key for f64 {
    type Form = [u8; 8];

    #[inline]
    fn form(self) -> Result<[u8; 8], &'static str> {
        if self.is_nan() {
            return Err(NAN);
        }
        Ok(self.to_le_bytes())
    }

    fn after(form: Vec<u8>) -> Option<Vec<u8>> {
        let key = f64::from_key(&form)?;
        let bits = key.to_bits();
        let next = if key == 0.0 {
            1
        } else if key == f64::INFINITY {
            return None;
        } else if key > 0.0 {
            bits + 1
        } else {
            bits - 1
        };
        Some(next.to_le_bytes().to_vec())
    }
}

impl Key for bool {
    type Form = [u8; 1];

    #[inline]
    fn form(self) -> Result<[u8; 1], &'static str> {
        Ok([u8::from(self)])
    }

    fn after(form: Vec<u8>) -> Option<Vec<u8>> {
        if form == [0] {
            Some(vec![1])
        } else {
            None
        }
    }
}

impl<K: Key> Key for Option<K> {
    type Form = K::Form;

    #[inline]
    fn form(self) -> Result<K::Form, &'static str> {
        self.ok_or(ABSENT)?.form()
    }

    fn after(form: Vec<u8>) -> Option<Vec<u8>> {
        K::after(form)
    }
}

/// A key as a scan gives it back; see [`Entry::key_as`](crate::Entry::key_as).
/// Numbers as values have the same form.
pub trait FromKey<'a>: Sized {
    /// What a form must be, for errors.
    #[doc(hidden)]
    const WANT: &'static str;

    /// The key of that form; `None` if it is the form of another type.
    fn from_key(form: &'a [u8]) -> Option<Self>;
}

impl<'a> FromKey<'a> for &'a [u8] {
    const WANT: &'static str = "bytes";

    fn from_key(form: &'a [u8]) -> Option<Self> {
        Some(form)
    }
}

impl<'a> FromKey<'a> for &'a str {
    const WANT: &'static str = "UTF-8 text";

    fn from_key(form: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(form).ok()
    }
}

impl FromKey<'_> for i64 {
    const WANT: &'static str = "an int of 8 bytes";

    #[inline]
    fn from_key(form: &[u8]) -> Option<Self> {
        form.try_into().ok().map(i64::from_le_bytes)
    }
}

impl FromKey<'_> for f64 {
    const WANT: &'static str = "a float of 8 bytes";

    #[inline]
    fn from_key(form: &[u8]) -> Option<Self> {
        form.try_into().ok().map(f64::from_le_bytes)
    }
}

impl FromKey<'_> for bool {
    const WANT: &'static str = "a bool of 1 byte";

    fn from_key(form: &[u8]) -> Option<Self> {
        match form {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

/// The ends of a range in their forms; `None` is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct Ends {
    /// The least key, included.
    pub(crate) from: Option<Vec<u8>>,
    /// The end, not included.
    pub(crate) to: Option<Vec<u8>>,
    /// No key is inside, whatever the ends say.
    pub(crate) empty: bool,
}

/// A range of keys, written as everywhere in Rust: `"a".."c"`, `10..`, `..=20`,
/// `..`, or a pair of [`Bound`]s. A range that ends before it starts is empty.
pub trait KeyRange {
    /// The ends, or why one of them is no key.
    #[doc(hidden)]
    fn ends(self) -> Result<Ends, &'static str>;
}

impl<K: Key> KeyRange for (Bound<K>, Bound<K>) {
    fn ends(self) -> Result<Ends, &'static str> {
        let mut ends = Ends::default();
        match self.0 {
            Bound::Unbounded => {}
            Bound::Included(key) => ends.from = Some(form(key)?),
            Bound::Excluded(key) => {
                ends.from = K::after(form(key)?);
                ends.empty = ends.from.is_none();
            }
        }
        match self.1 {
            Bound::Unbounded => {}
            Bound::Included(key) => ends.to = K::after(form(key)?),
            Bound::Excluded(key) => ends.to = Some(form(key)?),
        }
        // The host takes an end of no bytes for an open one in some places.
        ends.empty |= matches!(&ends.to, Some(to) if to.is_empty());
        Ok(ends)
    }
}

fn form<K: Key>(key: K) -> Result<Vec<u8>, &'static str> {
    key.form().map(|form| form.as_ref().to_vec())
}

/// Implements [`KeyRange`] for a range of the language.
macro_rules! range {
    ($($type:ident, $range:ident => $low:expr, $high:expr;)*) => {$(
        impl<K: Key> KeyRange for $type<K> {
            fn ends(self) -> Result<Ends, &'static str> {
                let $range = self;
                ($low, $high).ends()
            }
        }
    )*};
}

range! {
    Range, r => Bound::Included(r.start), Bound::Excluded(r.end);
    RangeFrom, r => Bound::Included(r.start), Bound::Unbounded;
    RangeTo, r => Bound::Unbounded, Bound::Excluded(r.end);
    RangeToInclusive, r => Bound::Unbounded, Bound::Included(r.end);
}

impl<K: Key> KeyRange for RangeInclusive<K> {
    fn ends(self) -> Result<Ends, &'static str> {
        let (low, high) = self.into_inner();
        (Bound::Included(low), Bound::Included(high)).ends()
    }
}

impl KeyRange for RangeFull {
    fn ends(self) -> Result<Ends, &'static str> {
        Ok(Ends::default())
    }
}

#[cfg(test)]
mod tests {
    use super::{Ends, FromKey, Key, KeyRange, ABSENT, NAN};
    use crate::zz_abi::MAX_CACHE_KEY;
    use std::ops::Bound::{Excluded, Included, Unbounded};

    fn after<K: Key>(key: K) -> Option<Vec<u8>> {
        K::after(key.form().unwrap().as_ref().to_vec())
    }

    #[test]
    fn forms_are_those_of_the_specification() {
        assert_eq!("ab".form(), Ok(&b"ab"[..]));
        assert_eq!((&"ab".to_owned()).form(), Ok(&b"ab"[..]));
        assert_eq!((&vec![1, 2]).form(), Ok(&[1, 2][..]));
        assert_eq!(b"ab".form(), Ok(&b"ab"[..]));
        assert_eq!(Some("").form(), Ok(&b""[..]));
        assert_eq!((-2).form(), Ok([254, 255, 255, 255, 255, 255, 255, 255]));
        assert_eq!(1.0.form(), Ok([0, 0, 0, 0, 0, 0, 0xf0, 0x3f]));
        assert_eq!((true.form(), false.form()), (Ok([1]), Ok([0])));
        assert_eq!(None::<&str>.form(), Err(ABSENT));
        assert_eq!(f64::NAN.form(), Err(NAN));
    }

    #[test]
    fn keys_come_back() {
        for n in [0, 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(i64::from_key(&n.form().unwrap()), Some(n));
        }
        for x in [0.0, -1.5, f64::INFINITY] {
            assert_eq!(f64::from_key(&x.form().unwrap()), Some(x));
        }
        for b in [false, true] {
            assert_eq!(bool::from_key(&b.form().unwrap()), Some(b));
        }
        assert_eq!(<&str>::from_key(b"a"), Some("a"));
        assert_eq!(<&str>::from_key(&[0xff]), None);
        assert_eq!(<&[u8]>::from_key(&[0xff]), Some(&[0xff][..]));
        assert_eq!((i64::from_key(b"a"), f64::from_key(b"a")), (None, None));
        assert_eq!((bool::from_key(b"a"), bool::from_key(&[])), (None, None));
    }

    #[test]
    fn the_next_key_is_the_least_above() {
        assert_eq!(after("a"), Some(b"a\0".to_vec()));
        assert_eq!(after(Some("")), Some(vec![0]));
        let longest = vec![0xff; MAX_CACHE_KEY];
        assert_eq!(after(&longest), None);
        let mut longest = vec![7; MAX_CACHE_KEY];
        longest[MAX_CACHE_KEY - 1] = 0xff;
        let mut next = vec![7; MAX_CACHE_KEY - 1];
        next[MAX_CACHE_KEY - 2] = 8;
        assert_eq!(after(&longest), Some(next));
        assert_eq!(after(-1), Some(vec![0; 8]));
        assert_eq!(after(i64::MAX), None);
        assert_eq!((after(false), after(true)), (Some(vec![1]), None));
        let tiny = f64::from_bits(1);
        let above = |x: f64| after(x).and_then(|f| f64::from_key(&f));
        assert_eq!(above(0.0), Some(tiny));
        assert_eq!(above(-0.0), Some(tiny));
        assert_eq!(above(-tiny).map(|x| x == 0.0), Some(true));
        assert_eq!(above(1.0), Some(1.0 + f64::EPSILON));
        assert_eq!(above(-1.0), Some(-1.0 + f64::EPSILON / 2.0));
        assert_eq!(above(f64::MAX), Some(f64::INFINITY));
        assert_eq!(above(f64::NEG_INFINITY), Some(f64::MIN));
        assert_eq!(above(f64::INFINITY), None);
    }

    #[test]
    fn ranges_have_a_first_key_and_an_end() {
        let ends = |from: Option<&[u8]>, to: Option<&[u8]>| Ends {
            from: from.map(<[u8]>::to_vec),
            to: to.map(<[u8]>::to_vec),
            empty: false,
        };
        let (a, c) = (Some(&b"a"[..]), Some(&b"c"[..]));
        assert_eq!(("a".."c").ends(), Ok(ends(a, c)));
        assert_eq!(("a"..="b").ends(), Ok(ends(a, Some(b"b\0"))));
        assert_eq!(("a"..).ends(), Ok(ends(a, None)));
        assert_eq!((.."c").ends(), Ok(ends(None, c)));
        assert_eq!((..="c").ends(), Ok(ends(None, Some(b"c\0"))));
        assert_eq!((..).ends(), Ok(ends(None, None)));
        let odd = (Excluded("a"), Included("c")).ends();
        assert_eq!(odd, Ok(ends(Some(b"a\0"), Some(b"c\0"))));
        assert_eq!((..=i64::MAX).ends(), Ok(ends(None, None)));
        assert!(
            (.."").ends().unwrap().empty,
            "nothing is below the least key"
        );
        assert!((Excluded(i64::MAX), Unbounded).ends().unwrap().empty);
        assert_eq!((f64::NAN..).ends(), Err(NAN));
        assert_eq!((..None::<&str>).ends(), Err(ABSENT));
    }
}
