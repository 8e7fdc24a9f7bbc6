//! The pure core of nginx-download: what an app's answer means, where a name leads, and how a
//! header value is written.
//!
//! Everything here is a function of its arguments. It knows no nginx, no clock, no file system
//! and no network, so that it can be tested, fuzzed and reused without them.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod cache;
pub mod counters;
pub mod date;
pub mod disposition;
pub mod etag;
pub mod explain;
pub mod failure;
pub mod grant;
pub mod header;
pub mod health;
pub mod media;
pub mod page;
pub mod path;
pub mod query;
pub mod reference;
pub mod rule;
pub mod signature;
mod syntax;
pub mod url;
