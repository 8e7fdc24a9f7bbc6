//! Variables for `log_format`, `map`, `add_header` and the rest of nginx.conf.

#![allow(unsafe_code)]

use nginx_sys::{
    NGX_HTTP_VAR_NOCACHEABLE, ngx_http_add_variable, ngx_http_request_t, ngx_http_variable_value_t,
    ngx_int_t, ngx_uint_t,
};

use super::bits;
use super::conf::Conf;
use super::module::HttpModule;
use super::pool::ngx_str;
use super::request::Request;
use super::{NoMemory, Status, guard};

/// A variable and how its value is found.
pub(crate) struct Variable<M: HttpModule> {
    /// Without the dollar sign.
    pub(crate) name: &'static str,
    /// The value; `None` where there is none (an empty string, `-` in logs).
    pub(crate) value: for<'r> fn(Request<'r, M>, &'r M::Exchange) -> Option<VariableValue<'r>>,
}

/// The value of a variable.
pub(crate) enum VariableValue<'r> {
    /// Lives as long as the request.
    Borrowed(&'r [u8]),
    /// Made for this occasion.
    Owned(Vec<u8>),
}

/// Makes the module's variables known; they may change while a request lives, so nginx is told
/// not to keep their values.
pub(super) fn register<M: HttpModule>(conf: &Conf<'_>) -> Status {
    for (index, variable) in M::VARIABLES.iter().enumerate() {
        let mut name = ngx_str(variable.name.as_bytes());
        // SAFETY: nginx copies the name; the variable it returns lives in the configuration.
        unsafe {
            let flags = NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t;
            let raw = ngx_http_add_variable(conf.as_ptr(), &raw mut name, flags);
            if raw.is_null() {
                return Status::ERROR;
            }
            (*raw).get_handler = Some(evaluate::<M>);
            (*raw).data = index;
        }
    }
    Status::OK
}

unsafe extern "C" fn evaluate<M: HttpModule>(
    r: *mut ngx_http_request_t,
    raw: *mut ngx_http_variable_value_t,
    index: usize,
) -> ngx_int_t {
    // SAFETY: nginx passes a live request, a value to fill, and the index that `register` set.
    unsafe {
        let request = Request::<M>::from_raw(r);
        let found = guard::shield(Ok(None), || value(request, index));
        let Ok(found) = found else { return Status::ERROR.0 };
        bits::NGX_VARIABLE_VALUE_NO_CACHEABLE.set(raw, 1);
        match found {
            Some(text) if text.len() <= MAX_LEN => {
                (*raw).data = text.as_ptr().cast_mut();
                bits::NGX_VARIABLE_VALUE_LEN.set(raw, text.len() as u32);
                bits::NGX_VARIABLE_VALUE_VALID.set(raw, 1);
                bits::NGX_VARIABLE_VALUE_NOT_FOUND.set(raw, 0);
            }
            _ => {
                bits::NGX_VARIABLE_VALUE_VALID.set(raw, 0);
                bits::NGX_VARIABLE_VALUE_NOT_FOUND.set(raw, 1);
            }
        }
    }
    Status::OK.0
}

/// The length of a value is a field of 28 bits.
const MAX_LEN: usize = (1 << 28) - 1;

fn value<M: HttpModule>(request: Request<'_, M>, index: usize) -> Result<Option<&[u8]>, NoMemory> {
    let Some(exchange) = request.exchange_or_parents() else { return Ok(None) };
    let Some(variable) = M::VARIABLES.get(index) else { return Ok(None) };
    match (variable.value)(request, exchange) {
        None => Ok(None),
        Some(VariableValue::Borrowed(text)) => Ok(Some(text)),
        Some(VariableValue::Owned(text)) => Ok(Some(request.pool().copy(&text)?)),
    }
}
