//! Who says yes: the app, or what it said a while ago.

pub(crate) mod ask;
pub(crate) mod cache;
