//! What nginx's handlers and filters return.

use nginx_sys::ngx_int_t;

/// A return value for nginx: one of its own codes, or an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(super) ngx_int_t);

impl Status {
    /// NGX_OK
    pub(crate) const OK: Self = Self(nginx_sys::NGX_OK as ngx_int_t);
    /// NGX_ERROR: the connection is beyond help.
    pub(crate) const ERROR: Self = Self(nginx_sys::NGX_ERROR as ngx_int_t);
    /// NGX_AGAIN: nothing more for now.
    pub(super) const AGAIN: Self = Self(nginx_sys::NGX_AGAIN as ngx_int_t);
    /// NGX_DONE: somebody else goes on with the request.
    pub(crate) const DONE: Self = Self(nginx_sys::NGX_DONE as ngx_int_t);
    /// NGX_DECLINED: somebody else may answer.
    pub(crate) const DECLINED: Self = Self(nginx_sys::NGX_DECLINED as ngx_int_t);
    /// 500
    pub(crate) const INTERNAL_SERVER_ERROR: Self = Self(500);

    /// An HTTP status that nginx makes a response of, by way of `error_page`.
    pub(crate) const fn http(status: u16) -> Self {
        Self(status as ngx_int_t)
    }

    /// After ngx_http_send_header(): nothing of a body is to follow.
    pub(super) fn ends_response(self) -> bool {
        self == Self::ERROR || self.0 > Self::OK.0
    }
}

/// An allocation from a pool failed. nginx has logged it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoMemory;

impl From<NoMemory> for Status {
    fn from(_: NoMemory) -> Self {
        Self::INTERNAL_SERVER_ERROR
    }
}
