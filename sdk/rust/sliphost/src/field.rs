//! What may be a key or a value.

/// The absent key or value. An absent value is a tombstone; it is not the same
/// as an empty one.
pub const NIL: Option<&'static [u8]> = None;

/// Something that can be the key or value of an emitted record, or a key of a
/// cache: bytes or text, borrowed, or an [`Option`] of these, where `None` is
/// absent. For owned values pass a reference: `&format!("{}!", name)`.
pub trait Field<'d> {
    /// The bytes, or `None` for absent.
    fn field(self) -> Option<&'d [u8]>;
}

impl<'d> Field<'d> for &'d [u8] {
    #[inline]
    fn field(self) -> Option<&'d [u8]> {
        Some(self)
    }
}

impl<'d, const N: usize> Field<'d> for &'d [u8; N] {
    #[inline]
    fn field(self) -> Option<&'d [u8]> {
        Some(self)
    }
}

impl<'d> Field<'d> for &'d Vec<u8> {
    #[inline]
    fn field(self) -> Option<&'d [u8]> {
        Some(self)
    }
}

impl<'d> Field<'d> for &'d str {
    #[inline]
    fn field(self) -> Option<&'d [u8]> {
        Some(self.as_bytes())
    }
}

impl<'d> Field<'d> for &'d String {
    #[inline]
    fn field(self) -> Option<&'d [u8]> {
        Some(self.as_bytes())
    }
}

impl<'d, F: Field<'d>> Field<'d> for Option<F> {
    #[inline]
    fn field(self) -> Option<&'d [u8]> {
        self.and_then(Field::field)
    }
}
