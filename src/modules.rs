//! What nginx finds when it loads the shared object: three modules, their names, and where
//! they stand among nginx's own.
//!
//! In nginx's list of modules the filter that is installed last runs first, and a module comes
//! before those that follow it in `ngx_module_order`, or at the end of the list. So the top
//! filter stands above not_modified and range, which work on what it makes of a response, and
//! below slice (where nginx has it), which compares the ETags of the pieces before it makes one
//! response of them. The capture filter stands just below the copy filter. Written out by hand,
//! since `ngx::ngx_modules!` knows one module and no order.

#![allow(unsafe_code)]

use core::ffi::c_char;
use core::ptr;

use nginx_sys::{NGX_HTTP_MODULE, ngx_command_t, ngx_http_module_t, ngx_module_t, ngx_uint_t};

use crate::Download;
use crate::nginx::HttpModule;
use crate::nginx::export::{callbacks, commands, filter_callbacks, install_capture, install_top};

const COMMANDS: usize = Download::DIRECTIVES.len() + 1;

static mut DOWNLOAD_COMMANDS: [ngx_command_t; COMMANDS] =
    commands::<Download, COMMANDS>(Download::DIRECTIVES);
static mut NO_COMMANDS: [ngx_command_t; 1] = [ngx_command_t::empty()];

static DOWNLOAD: ngx_http_module_t = callbacks::<Download>();
static FILTER: ngx_http_module_t = filter_callbacks(install_top::<Download>);
static CAPTURE: ngx_http_module_t = filter_callbacks(install_capture::<Download>);

/// The content handler, directives and variables.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx finds it by this name")]
pub(crate) static mut ngx_http_download_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const DOWNLOAD).cast_mut().cast(),
    commands: (&raw mut DOWNLOAD_COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    ..ngx_module_t::default()
};

/// The filter at the top of the chain.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx finds it by this name")]
pub(crate) static mut ngx_http_download_filter_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const FILTER).cast_mut().cast(),
    commands: (&raw mut NO_COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    ..ngx_module_t::default()
};

/// The filter that takes the answers of subrequests.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx finds it by this name")]
pub(crate) static mut ngx_http_download_capture_filter_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const CAPTURE).cast_mut().cast(),
    commands: (&raw mut NO_COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    ..ngx_module_t::default()
};

/// Makes a table of pointers a static that the loader of another language can read.
#[repr(transparent)]
#[allow(dead_code, reason = "read by nginx")]
pub(crate) struct Table<T>(T);

// SAFETY: never written.
unsafe impl<T> Sync for Table<T> {}

/// The modules.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx finds it by this name")]
#[used]
pub(crate) static ngx_modules: Table<[*const ngx_module_t; 4]> = Table([
    &raw const ngx_http_download_module,
    &raw const ngx_http_download_filter_module,
    &raw const ngx_http_download_capture_filter_module,
    ptr::null(),
]);

/// Their names.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx finds it by this name")]
#[used]
pub(crate) static ngx_module_names: Table<[*const c_char; 4]> = Table([
    c"ngx_http_download_module".as_ptr(),
    c"ngx_http_download_filter_module".as_ptr(),
    c"ngx_http_download_capture_filter_module".as_ptr(),
    ptr::null(),
]);

/// Who stands before whom.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx finds it by this name")]
#[used]
pub(crate) static ngx_module_order: Table<[*const c_char; 5]> = Table([
    c"ngx_http_download_capture_filter_module".as_ptr(),
    c"ngx_http_copy_filter_module".as_ptr(),
    c"ngx_http_download_filter_module".as_ptr(),
    c"ngx_http_slice_filter_module".as_ptr(),
    ptr::null(),
]);
