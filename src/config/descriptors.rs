//! `download_descriptors`: whose open descriptors are taken.

use std::ffi::CString;

use super::directives::flag;
use super::parameter::unexpected;
use crate::nginx::{Conf, ConfError, Senders, UpstreamConf, user_id};

/// `on | off [uid=USER]`
pub(super) fn set(conf: &mut Conf<'_>, upstream: &mut UpstreamConf) -> Result<(), ConfError> {
    if upstream.declared {
        return Err("is duplicate".into());
    }
    let on = flag(conf)?;
    let senders = match conf.arguments().get(1) {
        None => Senders::Anybody,
        Some(_) if !on => return Err("\"off\" has no parameters".into()),
        Some(parameter) => Senders::User(user(parameter)?),
    };
    upstream.declared = true;
    upstream.senders = on.then_some(senders);
    Ok(())
}

/// `uid=USER`, a name or a number.
fn user(parameter: &[u8]) -> Result<u32, ConfError> {
    let Some(user) = parameter.strip_prefix(b"uid=").filter(|user| !user.is_empty()) else {
        return Err(unexpected(parameter, "uid=USER"));
    };
    if user.iter().all(u8::is_ascii_digit) {
        let number = str::from_utf8(user).ok().and_then(|digits| digits.parse().ok());
        // All ones is nobody, in setuid(2) and its kin.
        return number
            .filter(|&uid| uid != u32::MAX)
            .ok_or_else(|| format!("no user has the number {}", user.escape_ascii()).into());
    }
    CString::new(user)
        .ok()
        .and_then(|name| user_id(&name))
        .ok_or_else(|| format!("there is no user \"{}\"", user.escape_ascii()).into())
}
