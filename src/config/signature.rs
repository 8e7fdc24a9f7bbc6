//! `download_signature`: which links are good in a location. Keys are read as nginx starts, and
//! never shown.

use nginx_download_core::signature::{Key, Scheme, Verifier};

use super::directives::variables;
use super::parameter::Parameter;
use crate::nginx::{Conf, ConfError, Template};

/// How the links of a location are checked.
pub(crate) struct Signature {
    pub(crate) verifier: Verifier,
    /// What is hashed by `secure-link`, without the key.
    pub(crate) value: Option<Template>,
}

/// The expression in the documentation of nginx's secure_link module; the key follows it.
const DOCUMENTED: &[u8] = b"$arg_expires$uri$remote_addr ";

/// The most bytes of a file of keys.
const MAX: u64 = 64 * 1024;

/// `django|hmac-sha256|secure-link key_file=PATH ... [max_age=TIME] [arg=NAME] [value=EXPRESSION]`
/// or `off`
pub(super) fn parse(conf: &mut Conf<'_>) -> Result<Option<Signature>, ConfError> {
    let arguments = conf.arguments();
    let (scheme, parameters) = arguments.split_first().ok_or("lacks a scheme")?;
    if *scheme == b"off" && parameters.is_empty() {
        return Ok(None);
    }
    let scheme = Scheme::parse(scheme).ok_or_else(|| {
        let scheme = scheme.escape_ascii();
        format!("unknown scheme \"{scheme}\": django, hmac-sha256, secure-link or off is expected")
    })?;

    let mut keys = Vec::new();
    let (mut max_age, mut arg, mut value) = (None, None, None);
    for parameter in parameters.iter().copied().map(Parameter::new) {
        match parameter.name {
            b"key_file=" => keys.extend(read_keys(conf.conf_path(parameter.value)?)?),
            b"max_age=" => {
                let seconds = conf.time(parameter.value)? / 1000;
                if seconds == 0 {
                    return Err(parameter.wrong("is too short: a second is the least"));
                }
                parameter.once(&mut max_age, seconds)?;
            }
            b"arg=" => parameter.once(&mut arg, parameter.value)?,
            b"value=" => parameter.once(&mut value, parameter.value)?,
            _ => return Err(parameter.unexpected("key_file=, max_age=, arg= or value=")),
        }
    }
    if keys.is_empty() {
        return Err("needs key_file=PATH: a file with a key in each line".into());
    }
    let verifier = Verifier::new(scheme, &keys, max_age, arg).map_err(|error| error.to_string())?;
    let value = expression(scheme, value)?.map(|value| conf.template(value)).transpose()?;
    Ok(Some(Signature { verifier, value }))
}

/// The expression that `secure-link` hashes.
fn expression(scheme: Scheme, value: Option<&[u8]>) -> Result<Option<&[u8]>, ConfError> {
    let has_expiry = |value| variables(value).any(|name| name.eq_ignore_ascii_case("arg_expires"));
    match (scheme, value) {
        (Scheme::SecureLink, None) => Ok(Some(DOCUMENTED)),
        (Scheme::SecureLink, Some(value)) if has_expiry(value) => Ok(Some(value)),
        (Scheme::SecureLink, Some(_)) => {
            Err("value= must contain $arg_expires: anybody could prolong a link otherwise".into())
        }
        (_, None) => Ok(None),
        (_, Some(_)) => Err("value= goes with secure-link".into()),
    }
}

/// The keys in a file, one in each line.
fn read_keys(path: &[u8]) -> Result<Vec<Key>, ConfError> {
    use std::io::Read as _;
    use std::os::unix::ffi::OsStrExt as _;

    let shown = path.escape_ascii();
    let failed = |error: std::io::Error| {
        ConfError(format!("the key file \"{shown}\" cannot be read: {error}"))
    };
    let name = std::ffi::OsStr::from_bytes(path);
    // A FIFO would keep nginx waiting.
    if !std::fs::metadata(name).map_err(failed)?.is_file() {
        return Err(format!("the key file \"{shown}\" is not a regular file").into());
    }
    let mut text = Vec::new();
    let file = std::fs::File::open(name).map_err(failed)?;
    file.take(MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX {
        return Err(format!("the key file \"{shown}\" is larger than 64k").into());
    }
    Key::all_in(&text).map_err(|error| format!("the key file \"{shown}\": {error}").into())
}
