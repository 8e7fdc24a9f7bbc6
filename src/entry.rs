//! Where nginx comes in: the content phase, and the filter at the top of the chain,
//! which completes what other locations send, and intercepts what apps refer to.

pub(crate) mod filter;
pub(crate) mod handler;
pub(crate) mod intercept;
