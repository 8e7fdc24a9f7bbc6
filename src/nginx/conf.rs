//! Reading nginx's configuration: directives, their arguments, the locations they stand in.

#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_void};
use core::fmt::Arguments;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, zeroed};
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_LOG_EMERG, ngx_command_t, ngx_conf_full_name, ngx_conf_log_error, ngx_conf_t,
    ngx_http_compile_complex_value, ngx_http_compile_complex_value_t, ngx_http_complex_value_t,
    ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t, ngx_http_core_module,
    ngx_http_get_variable_index, ngx_parse_size, ngx_parse_time, ngx_str_t, ngx_uint_t,
};

use super::bits;
use super::module::{HttpModule, content_handler};
use super::passing::UpstreamConf;
use super::pool::{Pool, as_bytes, ngx_str};
use super::{NoMemory, guard};

/// Why a configuration is refused, in words for the person who wrote it.
#[derive(Debug)]
pub(crate) struct ConfError(pub(crate) String);

impl From<NoMemory> for ConfError {
    fn from(_: NoMemory) -> Self {
        Self("out of memory".into())
    }
}

impl From<String> for ConfError {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<&str> for ConfError {
    fn from(why: &str) -> Self {
        Self(why.into())
    }
}

/// One directive: what nginx must know of it, what people should know of it, and its parser.
pub(crate) struct Directive<M: HttpModule> {
    /// The word in nginx.conf. nginx compares it as a C string.
    pub(crate) name: &'static CStr,
    /// Where it may stand.
    pub(crate) contexts: &'static [Context],
    /// Least and greatest number of arguments; [`ANY_NUMBER`] is no limit, and goes
    /// with least 0 or 1.
    pub(crate) arguments: (usize, usize),
    /// Reads the arguments.
    pub(crate) set: Setter<M>,
}

/// As many arguments as there are.
pub(crate) const ANY_NUMBER: usize = usize::MAX;

/// Where a directive may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// `http {}`
    Http,
    /// `server {}`
    Server,
    /// `location {}`
    Location,
    /// `if {}` within a location
    If,
    /// `upstream {}`
    Upstream,
}

/// Reads a directive's arguments into the configuration it belongs to.
pub(crate) enum Setter<M: HttpModule> {
    /// Of the whole `http {}`.
    Main(fn(&mut Conf<'_>, &mut M::MainConf) -> Result<(), ConfError>),
    /// Of a location, or what locations inherit.
    Location(fn(&mut Conf<'_>, &mut M::LocConf) -> Result<(), ConfError>),
    /// Of an `upstream {}`.
    Upstream(fn(&mut Conf<'_>, &mut UpstreamConf) -> Result<(), ConfError>),
}

/// The command table for nginx; `N` is the number of directives plus one.
pub(crate) const fn commands<M: HttpModule, const N: usize>(
    directives: &'static [Directive<M>],
) -> [ngx_command_t; N] {
    assert!(directives.len() + 1 == N);
    let mut table = [ngx_command_t::empty(); N];
    let mut i = 0;
    #[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
    while i < directives.len() {
        let directive = &directives[i];
        table[i] = ngx_command_t {
            name: ngx_str_t {
                len: directive.name.count_bytes(),
                data: directive.name.as_ptr().cast_mut().cast(),
            },
            type_: command_type(directive.contexts, directive.arguments),
            set: Some(set::<M>),
            conf: match directive.set {
                Setter::Main(_) => nginx_sys::NGX_HTTP_MAIN_CONF_OFFSET,
                Setter::Location(_) => nginx_sys::NGX_HTTP_LOC_CONF_OFFSET,
                Setter::Upstream(_) => nginx_sys::NGX_HTTP_SRV_CONF_OFFSET,
            },
            offset: 0,
            post: ptr::from_ref(directive).cast_mut().cast(),
        };
        i += 1;
    }
    table
}

const fn command_type(contexts: &[Context], arguments: (usize, usize)) -> ngx_uint_t {
    let mut bits = 0;
    let mut i = 0;
    #[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
    while i < contexts.len() {
        bits |= match contexts[i] {
            Context::Http => nginx_sys::NGX_HTTP_MAIN_CONF,
            Context::Server => nginx_sys::NGX_HTTP_SRV_CONF,
            Context::Location => nginx_sys::NGX_HTTP_LOC_CONF,
            Context::If => nginx_sys::NGX_HTTP_LIF_CONF,
            Context::Upstream => nginx_sys::NGX_HTTP_UPS_CONF,
        };
        i += 1;
    }
    let (least, most) = arguments;
    if most == ANY_NUMBER {
        assert!(least <= 1);
        let any = if least == 0 { nginx_sys::NGX_CONF_ANY } else { nginx_sys::NGX_CONF_1MORE };
        return (bits | any) as ngx_uint_t;
    }
    // NGX_CONF_NOARGS, NGX_CONF_TAKE1 ... NGX_CONF_TAKE7 are consecutive bits.
    assert!(least <= most && most <= 7);
    let mut n = least;
    while n <= most {
        bits |= nginx_sys::NGX_CONF_NOARGS << n;
        n += 1;
    }
    bits as ngx_uint_t
}

unsafe extern "C" fn set<M: HttpModule>(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this with a live `cf`, an entry of the table that `commands` made,
    // whose `post` is the directive, and the configuration that `create_*_conf` made for the
    // context that the entry names.
    unsafe {
        let directive = &*(*command).post.cast::<Directive<M>>();
        let mut conf_view = Conf::from_raw(cf);
        let done =
            guard::shield(Err(ConfError("a bug in the module".into())), || match directive.set {
                Setter::Main(set) => set(&mut conf_view, &mut *conf.cast::<M::MainConf>()),
                Setter::Location(set) => set(&mut conf_view, &mut *conf.cast::<M::LocConf>()),
                Setter::Upstream(set) => set(&mut conf_view, &mut *conf.cast::<UpstreamConf>()),
            });
        conf_view.verdict(done.map_err(|ConfError(why)| {
            ConfError(format!("\"{}\" directive: {why}", directive.name.to_string_lossy()))
        }))
    }
}

/// The configuration being read.
pub(crate) struct Conf<'c> {
    raw: NonNull<ngx_conf_t>,
    life: PhantomData<&'c mut ngx_conf_t>,
}

impl<'c> Conf<'c> {
    /// # Safety
    /// `raw` is the configuration that nginx reads now, and outlives `'c`.
    pub(super) unsafe fn from_raw(raw: *mut ngx_conf_t) -> Self {
        // SAFETY: nginx never passes null.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, life: PhantomData }
    }

    pub(super) fn as_ptr(&self) -> *mut ngx_conf_t {
        self.raw.as_ptr()
    }

    /// The pool that lives as long as this configuration.
    pub(crate) fn pool(&self) -> Pool<'c> {
        // SAFETY: nginx sets the pool before it reads anything; it outlives the reading. A
        // configuration without a pool cannot exist.
        unsafe { Pool::from_raw((*self.as_ptr()).pool).unwrap_unchecked() }
    }

    /// The arguments of the directive being read, without its name.
    pub(crate) fn arguments(&self) -> Vec<&'c [u8]> {
        // SAFETY: while a directive is read, `args` is an array of strings in the pool.
        unsafe {
            let args = (*self.as_ptr()).args;
            let elts = (*args).elts.cast::<ngx_str_t>();
            (1..(*args).nelts).map(|i| as_bytes(*elts.add(i))).collect()
        }
    }

    /// The `index`th of them, from 0; empty where there are fewer.
    pub(crate) fn argument(&self, index: usize) -> &'c [u8] {
        self.arguments().get(index).copied().unwrap_or_default()
    }

    /// `value` as an absolute path; relative ones are under nginx's prefix, as for `root`.
    pub(crate) fn full_path(&self, value: &[u8]) -> Result<&'c [u8], ConfError> {
        self.path_below(value, false)
    }

    /// `value` as an absolute path; relative ones are beside nginx.conf, as for
    /// `ssl_certificate_key`.
    pub(crate) fn conf_path(&self, value: &[u8]) -> Result<&'c [u8], ConfError> {
        self.path_below(value, true)
    }

    fn path_below(&self, value: &[u8], conf_prefix: bool) -> Result<&'c [u8], ConfError> {
        let mut name = ngx_str(self.pool().copy(value)?);
        // SAFETY: `cycle` is live while the configuration is read; `name` is NUL-terminated as
        // ngx_conf_full_name() asks.
        unsafe {
            if ngx_conf_full_name((*self.as_ptr()).cycle, &raw mut name, conf_prefix.into()) != 0 {
                return Err(NoMemory.into());
            }
            Ok(as_bytes(name))
        }
    }

    /// A number of bytes, with nginx's suffixes k and m.
    pub(crate) fn size(&self, value: &[u8]) -> Result<usize, ConfError> {
        let mut text = ngx_str(value);
        // SAFETY: ngx_parse_size() only reads the string.
        let size = unsafe { ngx_parse_size(&raw mut text) };
        usize::try_from(size).map_err(|_| {
            ConfError(format!("\"{}\" is not a size, such as 64k", value.escape_ascii()))
        })
    }

    /// A time in milliseconds, with nginx's suffixes ms, s, m, h, d ...
    pub(crate) fn time(&self, value: &[u8]) -> Result<u64, ConfError> {
        let mut text = ngx_str(value);
        // SAFETY: ngx_parse_time() only reads the string.
        let time = unsafe { ngx_parse_time(&raw mut text, 0) };
        u64::try_from(time).map_err(|_| {
            ConfError(format!("\"{}\" is not a time, such as 30s", value.escape_ascii()))
        })
    }

    /// A value in which variables are replaced for each request.
    pub(crate) fn template(&mut self, value: &[u8]) -> Result<Template, ConfError> {
        let compiled: NonNull<ngx_http_complex_value_t> = self.pool().zeroed()?;
        let mut text = ngx_str(self.pool().copy(value)?);
        // SAFETY: all of it lives in the configuration's pool. nginx itself logs what is wrong
        // with the value.
        unsafe {
            let mut compile: ngx_http_compile_complex_value_t = zeroed();
            compile.cf = self.as_ptr();
            compile.value = &raw mut text;
            compile.complex_value = compiled.as_ptr();
            if ngx_http_compile_complex_value(&raw mut compile) != 0 {
                return Err(format!("bad value \"{}\"", value.escape_ascii()).into());
            }
        }
        let variable = sole_variable(value).map(|name| self.variable(name)).transpose()?;
        Ok(Template { compiled, variable })
    }

    /// The index of a variable.
    fn variable(&self, name: &[u8]) -> Result<ngx_uint_t, ConfError> {
        let mut name = ngx_str(self.pool().copy(name)?);
        // SAFETY: `cf` is live; the name lives in its pool.
        let index = unsafe { ngx_http_get_variable_index(self.as_ptr(), &raw mut name) };
        ngx_uint_t::try_from(index).map_err(|_| NoMemory.into())
    }

    /// The location being read or merged.
    pub(crate) fn location(&self) -> Location {
        // SAFETY: in http {} `ctx` is the HTTP context, whose loc_conf holds the core module's
        // configuration of this location.
        unsafe {
            let ctx = (*self.as_ptr()).ctx.cast::<ngx_http_conf_ctx_t>();
            let index = ngx_http_core_module.ctx_index;
            Location((*(*ctx).loc_conf.add(index)).cast())
        }
    }

    /// The module's configuration of the whole `http {}`.
    pub(crate) fn main_conf<M: HttpModule>(&self) -> &'c M::MainConf {
        // SAFETY: as in `location`; `create_main_conf` put an `M::MainConf` there.
        unsafe {
            let ctx = (*self.as_ptr()).ctx.cast::<ngx_http_conf_ctx_t>();
            &*(*(*ctx).main_conf.add((*M::raw()).ctx_index)).cast::<M::MainConf>()
        }
    }

    /// Logs a refusal with the place in the file, and tells nginx.
    pub(super) fn verdict(&self, done: Result<(), ConfError>) -> *mut c_char {
        match done {
            Ok(()) => ngx::core::NGX_CONF_OK,
            Err(ConfError(why)) => {
                self.refuse(format_args!("{why}"));
                ngx::core::NGX_CONF_ERROR
            }
        }
    }

    fn refuse(&self, why: Arguments<'_>) {
        let mut buffer = [const { MaybeUninit::uninit() }; ngx::log::LOG_BUFFER_SIZE];
        let line = ngx::log::write_fmt(&mut buffer, why);
        // SAFETY: `cf` is live; "%*s" takes a length and that many bytes.
        unsafe {
            ngx_conf_log_error(
                NGX_LOG_EMERG as ngx_uint_t,
                self.as_ptr(),
                0,
                c"%*s".as_ptr(),
                line.len(),
                line.as_ptr(),
            );
        }
    }
}

/// A value with variables, compiled.
///
/// Lives in the configuration's pool, as does every configuration that may hold it.
#[derive(Clone, Copy)]
pub(crate) struct Template {
    compiled: NonNull<ngx_http_complex_value_t>,
    /// The one variable that is all of it: its value needs no copy.
    variable: Option<ngx_uint_t>,
}

/// The name of the variable in `$name` or `${name}`, if that is all there is.
fn sole_variable(value: &[u8]) -> Option<&[u8]> {
    let rest = value.strip_prefix(b"$")?;
    let name = rest.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(rest);
    let is_name = |c: &u8| c.is_ascii_alphanumeric() || *c == b'_';
    // `$1` and its like are captures.
    let starts = name.first().is_some_and(|c| !c.is_ascii_digit());
    (starts && name.iter().all(is_name)).then_some(name)
}

impl Template {
    pub(super) fn as_ptr(self) -> *mut ngx_http_complex_value_t {
        self.compiled.as_ptr()
    }

    pub(super) fn variable(self) -> Option<ngx_uint_t> {
        self.variable
    }

    /// The text when it has no variables.
    pub(crate) fn constant(&self) -> Option<&[u8]> {
        // SAFETY: the compiled value lives in the pool of the configuration that holds `self`.
        unsafe {
            let raw = self.compiled.as_ref();
            raw.lengths.is_null().then(|| as_bytes(raw.value))
        }
    }
}

/// The core module's idea of a location.
pub(crate) struct Location(*mut ngx_http_core_loc_conf_t);

/// How a location is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocationKind {
    /// `location /prefix` or `location ^~ /prefix`
    Prefix,
    /// `location = /uri`
    Exact,
    /// `location ~ regex`
    Regex,
    /// `location @name`
    Named,
    /// `if` or `limit_except`, within a location
    Block,
}

impl Location {
    /// How it is written.
    pub(crate) fn kind(&self) -> LocationKind {
        // SAFETY: the core module's location configuration outlives the reading.
        unsafe {
            if bits::NGX_HTTP_CORE_LOC_CONF_NONAME.is_set(self.0) {
                LocationKind::Block
            } else if bits::NGX_HTTP_CORE_LOC_CONF_NAMED.is_set(self.0) {
                LocationKind::Named
            } else if bits::NGX_HTTP_CORE_LOC_CONF_EXACT_MATCH.is_set(self.0) {
                LocationKind::Exact
            } else if self.is_regex() {
                LocationKind::Regex
            } else {
                LocationKind::Prefix
            }
        }
    }

    #[cfg(ngx_feature = "pcre")]
    fn is_regex(&self) -> bool {
        // SAFETY: as in `kind`.
        unsafe { !(*self.0).regex.is_null() }
    }

    #[cfg(not(ngx_feature = "pcre"))]
    fn is_regex(&self) -> bool {
        false
    }

    /// Its prefix, URI or regular expression.
    pub(crate) fn name(&self) -> &[u8] {
        // SAFETY: the name lives in the configuration's pool.
        unsafe { as_bytes((*self.0).name) }
    }

    /// Makes `M` answer the requests of this location.
    pub(crate) fn take_content<M: HttpModule>(&mut self) {
        // SAFETY: the configuration is being read, nobody else looks at it.
        unsafe { (*self.0).handler = Some(content_handler::<M>) }
    }

    /// Who answers the requests of this location.
    pub(crate) fn content<M: HttpModule>(&self) -> Content {
        // SAFETY: as in `take_content`.
        match unsafe { (*self.0).handler } {
            None => Content::Nobody,
            Some(handler) if ptr::fn_addr_eq(handler, content_handler::<M> as Handler) => {
                Content::Ours
            }
            Some(_) => Content::Other,
        }
    }
}

type Handler = unsafe extern "C" fn(*mut nginx_sys::ngx_http_request_t) -> nginx_sys::ngx_int_t;

/// Whose content handler a location has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// None: nginx's static, index and such modules.
    Nobody,
    /// This module's.
    Ours,
    /// proxy_pass, return by another module, ...
    Other,
}
