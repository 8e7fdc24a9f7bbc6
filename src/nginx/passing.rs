//! Open descriptors that an app passes along with its response, over the unix socket that nginx
//! and the app talk over (SCM_RIGHTS, unix(7)).
//!
//! nginx reads its upstream connections with recv(2), for which the kernel throws passed
//! descriptors away. So the connection's `recv` and `recv_chain` are replaced by ours, which call
//! recvmsg(2); all else (connecting, keepalive, timeouts, failover) stays nginx's. The way there is
//! that of nginx's own `keepalive` directive: the upstream's `peer.init` is wrapped. It is wrapped
//! after the whole configuration was read, not by the directive, so that neither `keepalive` nor
//! a load balancing method has to stand in a certain place. In a connection there is no room for
//! what belongs to us, so what a request receives is found by the request that the connection
//! works for, and by the output filter that we gave to its upstream.

#![allow(unsafe_code)]

mod receive;

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::fmt;
use core::ptr;
use std::os::fd::OwnedFd;

use nginx_sys::{
    ngx_atomic_uint_t, ngx_chain_t, ngx_conf_t, ngx_connection_t, ngx_http_conf_ctx_t,
    ngx_http_request_t, ngx_http_upstream_init_peer_pt, ngx_http_upstream_main_conf_t,
    ngx_http_upstream_module, ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t,
    ngx_http_upstream_t, ngx_int_t, ngx_io, ngx_log_t, ngx_output_chain_filter_pt,
};

use self::receive::Arrived;
use super::conf::ConfError;
use super::log::{self, Level};
use super::module::HttpModule;
use super::pool::{Pool, as_bytes};
use super::request::Request;
use super::subrequest::Answer;
use super::{Status, guard};

/// What `upstream {}` says.
#[derive(Default)]
pub(crate) struct UpstreamConf {
    /// Whose descriptors are taken; `None`: nobody's.
    pub(crate) senders: Option<Senders>,
    /// Was that said?
    pub(crate) declared: bool,
    /// How the upstream prepares for a request, without us.
    init_peer: ngx_http_upstream_init_peer_pt,
}

/// Whose descriptors are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Senders {
    /// Whoever listens at the socket.
    Anybody,
    /// A process of this user, who called listen(2).
    User(u32),
}

/// Why there is no descriptor to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoDescriptor {
    /// The response is none of an upstream that descriptors are taken from.
    NotReceiving,
    /// None came.
    None,
    /// It was taken already.
    Taken,
    /// More than one came.
    Several,
    /// The kernel could not hand over all that were sent.
    Lost,
    /// It came with the body, not with the head.
    Late,
    /// The process at the other end is another user's.
    Foreign(u32),
    /// Who is at the other end, the kernel does not say.
    Unknown,
}

impl fmt::Display for NoDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReceiving => {
                "the app's response did not come over an upstream that descriptors are taken from"
            }
            Self::None => "no descriptor came with the app's response",
            Self::Taken => "the descriptor that came with the app's response was used already",
            Self::Several => "more than one descriptor came with the app's response",
            Self::Lost => {
                "descriptors that came with the app's response were lost: too many of them, or too \
                 many open files (worker_rlimit_nofile)"
            }
            Self::Late => {
                "a descriptor came with the body of the app's response: it must come before the \
                 head, or with it"
            }
            Self::Foreign(uid) => {
                return write!(
                    f,
                    "a descriptor came from a process of the user {uid}, whom download_descriptors \
                     does not name"
                );
            }
            Self::Unknown => "the kernel does not say whose process a descriptor came from",
        })
    }
}

/// What one exchange with an upstream receives. Lives in the pool of the request.
struct Receiver {
    upstream: *mut ngx_http_upstream_t,
    log: *mut ngx_log_t,
    senders: Senders,
    /// The output filter that was there before ours.
    output_filter: ngx_output_chain_filter_pt,
    filter_ctx: *mut c_void,
    /// The connection in use, by the number that nginx gives to each.
    connection: Cell<Option<ngx_atomic_uint_t>>,
    /// Has anything of the response been read?
    begun: Cell<bool>,
    received: RefCell<Received>,
}

/// What has come with a response so far.
enum Received {
    Nothing,
    Descriptor(OwnedFd),
    Refused(NoDescriptor),
    /// It was taken, or said why there is none.
    Told(NoDescriptor),
}

impl<'r> Answer<'r> {
    /// The descriptor that came with the answer.
    pub(crate) fn take_descriptor(&self) -> Result<OwnedFd, NoDescriptor> {
        // SAFETY: the subrequest lives in the pool of the request.
        unsafe { take(self.as_ptr()) }
    }
}

impl<'r, M> Request<'r, M> {
    /// The descriptor that came with the app's response.
    pub(crate) fn take_descriptor(self) -> Result<OwnedFd, NoDescriptor> {
        // SAFETY: the request is live.
        unsafe { take(self.as_ptr()) }
    }
}

/// # Safety
/// `r` is a live request.
unsafe fn take(r: *const ngx_http_request_t) -> Result<OwnedFd, NoDescriptor> {
    // SAFETY: handed on to the caller.
    let receiver = unsafe { Receiver::of((*r).upstream) }.ok_or(NoDescriptor::NotReceiving)?;
    let mut received = receiver.received.borrow_mut();
    let why = match &*received {
        Received::Nothing => NoDescriptor::None,
        Received::Descriptor(_) => NoDescriptor::Taken,
        Received::Refused(why) | Received::Told(why) => *why,
    };
    match core::mem::replace(&mut *received, Received::Told(why)) {
        Received::Descriptor(descriptor) => Ok(descriptor),
        _ => Err(why),
    }
}

impl Receiver {
    /// What an upstream receives, if it is one that descriptors are taken from.
    ///
    /// # Safety
    /// `upstream` is null or a live request's.
    unsafe fn of<'r>(upstream: *const ngx_http_upstream_t) -> Option<&'r Self> {
        // SAFETY: handed on to the caller. Our filter's context is a receiver, which lives in the
        // same pool.
        unsafe {
            let output = &upstream.as_ref()?.output;
            let ours = output.output_filter.is_some_and(|filter| {
                ptr::fn_addr_eq(filter, send as unsafe extern "C" fn(_, _) -> _)
            });
            if ours { output.filter_ctx.cast::<Self>().as_ref() } else { None }
        }
    }

    /// Another connection is used: what came over an earlier one belonged to a response that
    /// failed.
    fn start_over(&self, connection: ngx_atomic_uint_t) {
        if self.connection.replace(Some(connection)) != Some(connection) {
            self.begun.set(false);
            self.received.replace(Received::Nothing).report(self.log);
        }
    }

    /// Descriptors came in; `is_head`: nothing of the body was read before.
    /// `peer` tells whose process is at the other end.
    fn arrived(&self, arrived: Arrived, is_head: bool, peer: impl FnOnce() -> Option<u32>) {
        let sender = match self.senders {
            Senders::Anybody => Ok(()),
            Senders::User(uid) => match peer() {
                Some(peer) if peer == uid => Ok(()),
                Some(peer) => Err(NoDescriptor::Foreign(peer)),
                None => Err(NoDescriptor::Unknown),
            },
        };
        let one = match arrived {
            Arrived::One(descriptor) => Ok(descriptor),
            Arrived::Several => Err(NoDescriptor::Several),
            Arrived::Lost => Err(NoDescriptor::Lost),
        };
        let one = sender.and(one).and_then(|one| match is_head {
            true => Ok(one),
            false => Err(NoDescriptor::Late),
        });
        let mut received = self.received.borrow_mut();
        *received = match (core::mem::replace(&mut *received, Received::Nothing), one) {
            (Received::Nothing, Ok(descriptor)) => Received::Descriptor(descriptor),
            (Received::Nothing, Err(why)) => Received::Refused(why),
            (Received::Descriptor(_), Ok(_)) => Received::Refused(NoDescriptor::Several),
            (Received::Descriptor(_), Err(why)) => Received::Refused(why),
            // Nobody will ask again.
            (Received::Told(told), late) => {
                Received::Refused(late.err().unwrap_or(NoDescriptor::Several)).report(self.log);
                Received::Told(told)
            }
            (refused, _) => refused,
        };
    }
}

impl Received {
    /// Says that something came that nobody made use of, and closes it.
    fn report(self, log: *mut ngx_log_t) {
        let text = match &self {
            Self::Nothing | Self::Told(_) => return,
            Self::Descriptor(_) => {
                "a descriptor came with a response of the app that has no use for it".to_owned()
            }
            Self::Refused(why) => why.to_string(),
        };
        // SAFETY: the log is that of the client's connection, which outlives its requests' pools.
        unsafe { log::write(log, Level::Warn, 0, format_args!("download: {text}; it was closed")) }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.received.replace(Received::Nothing).report(self.log);
    }
}

/// Prepares all upstreams whose `senders` are set. To be called once the configuration has been
/// read.
///
/// # Safety
/// `cf` is the configuration that nginx has read; the upstream configuration of `M` was made as
/// an [`UpstreamConf`].
pub(super) unsafe fn install<M: HttpModule>(cf: *mut ngx_conf_t) -> Result<(), ConfError> {
    // SAFETY: handed on to the caller; the upstream module keeps an array of all upstreams, and
    // those that stand in nginx.conf have configurations of all modules.
    unsafe {
        let ctx = (*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        let main = *(*ctx).main_conf.add(ngx_http_upstream_module.ctx_index);
        let upstreams = &(*main.cast::<ngx_http_upstream_main_conf_t>()).upstreams;
        let first = upstreams.elts.cast::<*mut ngx_http_upstream_srv_conf_t>();
        for index in 0..upstreams.nelts {
            let upstream = *first.add(index);
            let Some(conf) = conf_of::<M>(upstream) else { continue };
            if (*conf).senders.is_none() {
                continue;
            }
            if let Some(other) = no_unix_socket(upstream) {
                return Err(format!(
                    "\"download_descriptors\" in the upstream \"{}\": descriptors cannot be passed \
                     over \"{}\": its servers must be unix sockets, as in \"server \
                     unix:/run/app.sock;\"",
                    as_bytes((*upstream).host).escape_ascii(),
                    other.escape_ascii(),
                )
                .into());
            }
            (*conf).init_peer = (*upstream).peer.init.replace(init_peer::<M>);
        }
    }
    Ok(())
}

/// The module's configuration of an upstream that stands in nginx.conf.
///
/// # Safety
/// `upstream` is live, and so is what comes back.
unsafe fn conf_of<M: HttpModule>(
    upstream: *const ngx_http_upstream_srv_conf_t,
) -> Option<*mut UpstreamConf> {
    // SAFETY: handed on to the caller.
    unsafe {
        let confs = (*upstream).srv_conf;
        (!confs.is_null()).then(|| (*confs.add((*M::raw()).ctx_index)).cast())
    }
}

/// The first server of an upstream that is not at a unix socket.
///
/// # Safety
/// `upstream` is live, and so is what comes back.
unsafe fn no_unix_socket<'c>(upstream: *const ngx_http_upstream_srv_conf_t) -> Option<&'c [u8]> {
    // SAFETY: handed on to the caller; an upstream that stands in nginx.conf has an array of
    // servers, and each of these an array of addresses, empty where they are looked up later.
    unsafe {
        let servers = (*upstream).servers.as_ref()?;
        let first = servers.elts.cast::<ngx_http_upstream_server_t>();
        for server in (0..servers.nelts).map(|index| &*first.add(index)) {
            let is_unix = |index| {
                let address = (*server.addrs.add(index)).sockaddr;
                libc::c_int::from((*address).sa_family) == libc::AF_UNIX
            };
            if server.naddrs == 0 || !(0..server.naddrs).all(is_unix) {
                return Some(as_bytes(server.name));
            }
        }
        None
    }
}

/// The upstream's `peer.init`: a request is about to be passed on.
unsafe extern "C" fn init_peer<M: HttpModule>(
    r: *mut ngx_http_request_t,
    upstream: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx passes a live request with its upstream, whose output filter it has set, and
    // the upstream's configuration, which `install` has prepared. What `own` gives lives as long
    // as the request, as does the upstream that points to it.
    unsafe {
        let Some(conf) = conf_of::<M>(upstream) else { return Status::ERROR.0 };
        let (Some(init_peer), Some(senders)) = ((*conf).init_peer, (*conf).senders) else {
            return Status::ERROR.0;
        };
        let done = init_peer(r, upstream);
        if done != Status::OK.0 {
            return done;
        }
        let upstream = (*r).upstream;
        let output = &raw mut (*upstream).output;
        let receiver = Receiver {
            upstream,
            log: (*(*r).connection).log,
            senders,
            output_filter: (*output).output_filter,
            filter_ctx: (*output).filter_ctx,
            connection: Cell::new(None),
            begun: Cell::new(false),
            received: RefCell::new(Received::Nothing),
        };
        let Some(Ok(receiver)) = Pool::from_raw((*r).pool).map(|pool| pool.own(receiver)) else {
            return Status::ERROR.0;
        };
        (*output).output_filter = Some(send);
        (*output).filter_ctx = ptr::from_ref(receiver).cast_mut().cast();
    }
    Status::OK.0
}

/// The output filter of the upstream: the request is being sent over a connection.
unsafe extern "C" fn send(receiver: *mut c_void, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: nginx passes the context that `init_peer` gave it. While a request is sent the
    // upstream has a connection.
    unsafe {
        let receiver = &*receiver.cast::<Receiver>();
        let connection = (*receiver.upstream).peer.connection;
        if let Some(connection) = connection.as_mut() {
            // Whether a descriptor belongs to this connection must be known.
            if !guard::shield(false, || {
                receiver.start_over(connection.number);
                true
            }) {
                return Status::ERROR.0;
            }
            // Nothing is passed through TLS and the like, which have functions of their own.
            if connection
                .recv
                .is_some_and(|recv| ngx_io.recv.is_some_and(|own| ptr::fn_addr_eq(recv, own)))
            {
                connection.recv = Some(receive::recv);
                connection.recv_chain = Some(receive::recv_chain);
            }
        }
        match receiver.output_filter {
            Some(filter) => filter(receiver.filter_ctx, chain),
            None => Status::ERROR.0,
        }
    }
}

/// What the request receives that a connection works for.
///
/// # Safety
/// `connection` is an upstream's, as `send` has seen it, and is being read.
unsafe fn receiver_of<'r>(connection: *const ngx_connection_t) -> Option<&'r Receiver> {
    // SAFETY: while a connection is read for a request, its `data` is the request
    // (ngx_http_upstream_connect()). Kept-alive ones have other data, and are read by recv(2)
    // itself (ngx_http_upstream_keepalive_close_handler()).
    unsafe {
        let request = (*connection).data.cast::<ngx_http_request_t>().as_ref()?;
        let receiver = Receiver::of(request.upstream)?;
        let same = ptr::eq((*receiver.upstream).peer.connection, connection);
        same.then_some(receiver)
    }
}
