//! What tells one server block from another, from one reading of nginx.conf to the next: its names
//! and the addresses that it listens on. nginx tells them apart by just these.

#![allow(unsafe_code)]

use nginx_sys::{
    ngx_array_t, ngx_http_conf_addr_t, ngx_http_conf_ctx_t, ngx_http_conf_port_t,
    ngx_http_core_main_conf_t, ngx_http_core_module, ngx_http_core_srv_conf_t,
    ngx_http_server_name_t,
};

use super::conf::Conf;
use super::pool::as_bytes;

impl<'c> Conf<'c> {
    /// The names of the server being merged, and the addresses that it listens on, in the order
    /// of nginx.conf.
    pub(crate) fn server_identity(&self) -> Vec<&'c [u8]> {
        // SAFETY: in http {} `ctx` is the HTTP context, with the core module's configuration of
        // the whole and of this server, which are complete when locations are merged. Names and
        // addresses live in the configuration's pool.
        unsafe {
            let ctx = (*self.as_ptr()).ctx.cast::<ngx_http_conf_ctx_t>();
            let index = ngx_http_core_module.ctx_index;
            let main = (*(*ctx).main_conf.add(index)).cast::<ngx_http_core_main_conf_t>();
            let server = (*(*ctx).srv_conf.add(index)).cast::<ngx_http_core_srv_conf_t>();

            let names = items::<ngx_http_server_name_t>(&raw const (*server).server_names);
            let mut identity: Vec<&[u8]> = names.map(|name| as_bytes((*name).name)).collect();
            for port in items::<ngx_http_conf_port_t>((*main).ports) {
                for address in items::<ngx_http_conf_addr_t>(&raw const (*port).addrs) {
                    let servers = &raw const (*address).servers;
                    let mut servers = items::<*mut ngx_http_core_srv_conf_t>(servers);
                    if servers.any(|other| *other == server) {
                        identity.push(as_bytes((*address).opt.addr_text));
                    }
                }
            }
            identity
        }
    }
}

/// The elements of an array of nginx's.
///
/// # Safety
/// `array` is null, or an array of `T` that nobody changes meanwhile.
unsafe fn items<T>(array: *const ngx_array_t) -> impl Iterator<Item = *const T> {
    // SAFETY: handed on to the caller; `elts` may be null where there are no elements.
    let (first, count) = match unsafe { array.as_ref() } {
        Some(array) => (array.elts.cast_const().cast::<T>(), array.nelts),
        None => (core::ptr::null(), 0),
    };
    (0..count).map(move |i| first.wrapping_add(i))
}
