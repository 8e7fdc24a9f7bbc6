//! Where nginx comes in: right before a request is answered, the content phase, the filter at
//! the top of the chain, which completes what other locations send, and intercepts what apps refer
//! to, and the log phase, in which requests are counted.

pub(crate) mod filter;
mod gate;
pub(crate) mod handler;
pub(crate) mod intercept;
pub(crate) mod log;

pub(crate) use gate::before_content;
