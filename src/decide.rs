//! Who says yes.

pub(crate) mod ask;
