//! The frame of an HTTP module: what nginx calls, turned into calls of safe functions.

#![allow(unsafe_code)]

use core::ffi::{c_char, c_void};

use nginx_sys::{
    ngx_array_push, ngx_conf_t, ngx_http_conf_ctx_t, ngx_http_core_main_conf_t,
    ngx_http_core_module, ngx_http_handler_pt, ngx_http_module_t, ngx_http_phase_t,
    ngx_http_phases, ngx_http_phases_NGX_HTTP_LOG_PHASE, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE,
    ngx_http_request_t, ngx_int_t, ngx_module_t,
};

use super::conf::{Conf, ConfError, Directive};
use super::passing::{self, UpstreamConf};
use super::pool::Pool;
use super::request::Request;
use super::variable::{self, Variable};
use super::{Status, guard};

/// The descriptor of a module, as nginx knows it.
pub(crate) type RawModule = *const ngx_module_t;

/// What a module is to nginx. Implemented once, at the crate's root.
pub(crate) trait HttpModule: Sized + 'static {
    /// Configuration of the whole `http {}`.
    type MainConf: Default + 'static;
    /// Configuration of a location.
    type LocConf: Default + 'static;
    /// What the module remembers about a request.
    type Exchange: 'static;

    /// The directives, in the order of the reference.
    const DIRECTIVES: &'static [Directive<Self>];
    /// The variables.
    const VARIABLES: &'static [Variable<Self>];

    /// The module's descriptor.
    fn raw() -> RawModule;

    /// The descriptor of the filter at the top of the chain.
    fn raw_filter() -> RawModule;

    /// `child` inherits from `parent`; `conf.location()` is the child.
    fn merge(
        conf: &mut Conf<'_>,
        parent: &Self::LocConf,
        child: &mut Self::LocConf,
    ) -> Result<(), ConfError>;

    /// Answers a request; runs in the content phase.
    fn handle(request: Request<'_, Self>) -> Status;

    /// Does any location need the filters?
    fn has_filters(main: &Self::MainConf) -> bool;

    /// Sees the header of each response that a request with an exchange gets, first of all
    /// filters.
    fn filter_header(request: Request<'_, Self>, exchange: &Self::Exchange) -> Result<(), Status>;

    /// Sees each piece of the body of such a response, and each time that nginx goes on sending it.
    fn filter_body(request: Request<'_, Self>, exchange: &Self::Exchange) -> Result<(), Status>;

    /// Sees the header of each response of an app, before [`HttpModule::filter_header`].
    fn filter_app(request: Request<'_, Self>) -> Result<(), Status>;

    /// Does anybody need [`HttpModule::before_content`]?
    fn has_before_content(main: &Self::MainConf) -> bool;

    /// Does a location?
    fn is_checked_before_content(conf: &Self::LocConf) -> bool;

    /// Sees each request of such a location right before it is answered.
    fn before_content(request: Request<'_, Self>) -> Result<(), Status>;

    /// Does anybody need [`HttpModule::log`]?
    fn has_log(main: &Self::MainConf) -> bool;

    /// Sees each request of a client once it is over, with what is remembered of it.
    fn log(request: Request<'_, Self>, exchange: &Self::Exchange);
}

/// The callbacks that nginx is given.
pub(crate) const fn callbacks<M: HttpModule>() -> ngx_http_module_t {
    ngx_http_module_t {
        preconfiguration: Some(preconfiguration::<M>),
        postconfiguration: Some(postconfiguration::<M>),
        create_main_conf: Some(create::<M::MainConf>),
        init_main_conf: None,
        create_srv_conf: Some(create::<UpstreamConf>),
        merge_srv_conf: None,
        create_loc_conf: Some(create::<M::LocConf>),
        merge_loc_conf: Some(merge::<M>),
    }
}

/// Callbacks of a module that is nothing but a filter.
pub(crate) const fn filter_callbacks(
    install: unsafe extern "C" fn(*mut ngx_conf_t) -> ngx_int_t,
) -> ngx_http_module_t {
    ngx_http_module_t {
        preconfiguration: None,
        postconfiguration: Some(install),
        create_main_conf: None,
        init_main_conf: None,
        create_srv_conf: None,
        merge_srv_conf: None,
        create_loc_conf: None,
        merge_loc_conf: None,
    }
}

unsafe extern "C" fn preconfiguration<M: HttpModule>(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx passes the configuration that it reads.
    let conf = unsafe { Conf::from_raw(cf) };
    guard::shield(Status::ERROR, || variable::register::<M>(&conf)).0
}

unsafe extern "C" fn postconfiguration<M: HttpModule>(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx passes the configuration that it has read.
    let installed = guard::shield(false, || unsafe {
        let conf = Conf::from_raw(cf);
        if let Err(error) = passing::install::<M>(cf) {
            conf.verdict(Err(error));
            return false;
        }
        let main = conf.main_conf::<M>();
        let before_content = !M::has_before_content(main)
            || install(cf, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, precontent_handler::<M>);
        let log =
            !M::has_log(main) || install(cf, ngx_http_phases_NGX_HTTP_LOG_PHASE, log_handler::<M>);
        before_content && log
    });
    if installed { Status::OK.0 } else { Status::ERROR.0 }
}

/// Adds a handler to a phase. `false`: memory is out.
///
/// # Safety
/// `cf` is the configuration that nginx has read.
unsafe fn install(cf: *mut ngx_conf_t, phase: ngx_http_phases, handler: PhaseHandler) -> bool {
    // SAFETY: handed on to the caller; the core module's main configuration has an array of
    // handlers for each phase.
    unsafe {
        let ctx = (*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        let core = *(*ctx).main_conf.add(ngx_http_core_module.ctx_index);
        let core = core.cast::<ngx_http_core_main_conf_t>();
        let phases = (&raw mut (*core).phases).cast::<ngx_http_phase_t>();
        let phase = phases.add(phase as usize);
        let slot = ngx_array_push(&raw mut (*phase).handlers).cast::<ngx_http_handler_pt>();
        if slot.is_null() {
            return false;
        }
        slot.write(Some(handler));
    }
    true
}

type PhaseHandler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

unsafe extern "C" fn precontent_handler<M: HttpModule>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx passes a live request that stays live during the call.
    let request = unsafe { Request::<M>::from_raw(r) };
    if M::is_checked_before_content(request.loc_conf()) {
        check_before_content(request)
    } else {
        Status::DECLINED.0
    }
}

/// Kept out of what is called for each request, be it ours or not.
#[inline(never)]
fn check_before_content<M: HttpModule>(request: Request<'_, M>) -> ngx_int_t {
    let done = guard::shield(Err(Status::INTERNAL_SERVER_ERROR), || M::before_content(request));
    done.map_or_else(|status| status.0, |()| Status::DECLINED.0)
}

/// nginx's log phase, which subrequests get to as well where `log_subrequest` is on.
unsafe extern "C" fn log_handler<M: HttpModule>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx passes a live request, whose pool is destroyed only after this phase.
    let request = unsafe { Request::<M>::from_raw(r) };
    if request.is_main()
        && let Some(exchange) = request.exchange()
    {
        guard::shield((), || M::log(request, exchange));
    }
    Status::OK.0
}

/// The first callback of all, and workers inherit from the process that reads its configuration: here
/// it is seen to that panics are logged.
unsafe extern "C" fn create<T: Default + 'static>(cf: *mut ngx_conf_t) -> *mut c_void {
    guard::install_hook();
    // SAFETY: nginx passes the configuration that it reads; null tells it that memory is out.
    // The value is written through this pointer only while the configuration is read, one
    // directive at a time.
    guard::shield(core::ptr::null_mut(), || unsafe {
        let Some(pool) = Pool::from_raw((*cf).pool) else { return core::ptr::null_mut() };
        match pool.own(core::cell::UnsafeCell::new(T::default())) {
            Ok(value) => value.get().cast(),
            Err(_) => core::ptr::null_mut(),
        }
    })
}

unsafe extern "C" fn merge<M: HttpModule>(
    cf: *mut ngx_conf_t,
    parent: *mut c_void,
    child: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx passes two different values that `create::<M::LocConf>` made.
    unsafe {
        let mut conf = Conf::from_raw(cf);
        let (parent, child) = (&*parent.cast::<M::LocConf>(), &mut *child.cast::<M::LocConf>());
        let merged = guard::shield(Err(ConfError("a bug in the module".into())), || {
            M::merge(&mut conf, parent, child)
        });
        conf.verdict(merged)
    }
}

/// The content handler of locations that the module answers.
pub(super) unsafe extern "C" fn content_handler<M: HttpModule>(
    r: *mut ngx_http_request_t,
) -> ngx_int_t {
    // SAFETY: nginx passes a live request that stays live during the call.
    let request = unsafe { Request::<M>::from_raw(r) };
    guard::shield(Status::INTERNAL_SERVER_ERROR, || M::handle(request)).0
}
