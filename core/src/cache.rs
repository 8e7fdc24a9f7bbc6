//! Owns how decisions are remembered: what they are filed under ([`Key`]), and the piece of memory
//! that they are filed in ([`Table`]), which may be shared by processes, and for how long a grant
//! is good ([`Answer`]). Must not know who shares
//! or locks it, what time it is, or what a decision says: a grant is bytes here.

mod key;
mod lifetime;
mod table;

pub use key::{Id, Key, KeyBuilder, Secret, scope};
pub use lifetime::Answer;
pub use table::{Claim, Decision, Lookup, Revocation, Stored, Table, Times};
