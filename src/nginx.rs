//! The fence: all unsafe code and all FFI of the module, behind a small safe vocabulary of
//! requests, responses, subrequests, files, filters and configuration.
//!
//! Knows nothing of downloads. Everything else in `src/` is safe code on top of it, but for
//! `modules.rs`, the table of symbols that nginx looks for.

mod alarm;
mod bits;
mod body;
mod client;
mod collect;
mod conf;
mod file;
mod filter;
mod guard;
mod log;
mod module;
mod passing;
mod pool;
mod read;
mod request;
mod reserve;
mod response;
mod server;
mod shm;
mod sleep;
mod small;
mod status;
mod subrequest;
mod upstream;
mod variable;

pub(crate) use alarm::Alarm;
pub(crate) use body::Body;
pub(crate) use conf::{
    ANY_NUMBER, Conf, ConfError, Content, Context, Directive, Location, LocationKind, Setter,
    Template,
};
pub(crate) use file::{OpenError, OpenFile, Symlinks, user_id, worker_uid};
pub(crate) use log::{Level, log_alert};
pub(crate) use module::{HttpModule, RawModule};
pub(crate) use passing::{NoDescriptor, Senders, UpstreamConf};
pub(crate) use request::{Method, NGINX_VERSION, Request, now_msec, now_sec, worker};
pub(crate) use reserve::memory_for;
pub(crate) use response::Response;
pub(crate) use shm::{Locked, SharedMemory, Tag, Use, random};
pub(crate) use sleep::{SleeperId, wake};
pub(crate) use status::{NoMemory, Status};
pub(crate) use subrequest::{Answer, End, Question};
pub(crate) use variable::{Variable, VariableValue};

/// What the table of symbols is made of.
pub(crate) mod export {
    pub(crate) use super::conf::commands;
    pub(crate) use super::filter::{install_capture, install_top};
    pub(crate) use super::module::{callbacks, filter_callbacks};
}
