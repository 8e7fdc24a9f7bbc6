//! Where nginx comes in: the content phase, and the filter at the top of the chain.

pub(crate) mod filter;
pub(crate) mod handler;
