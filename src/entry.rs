//! Where nginx comes in: right before a request is answered, the content phase, and the filter at
//! the top of the chain, which completes what other locations send, and intercepts what apps refer
//! to.

pub(crate) mod filter;
mod gate;
pub(crate) mod handler;
pub(crate) mod intercept;

pub(crate) use gate::before_content;
