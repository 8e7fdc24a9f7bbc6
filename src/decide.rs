//! Who says yes: the app, what it said a while ago, or whoever signed the link.

pub(crate) mod ask;
pub(crate) mod cache;
pub(crate) mod signed;
