//! Our own way: the URL is signed as it stands, path, query and all, and the code is appended as
//! its last argument. What the link permits stands in the query, in claims.
//!
//! Owns the message and its code. What claims mean is said in `claims`.

use ::hmac::digest::InvalidLength;

use self::claims::RawClaims;
use super::mac::Macs;
use super::{Claims, Key, Link, SignatureError};

mod claims;
mod network;

pub(super) use self::claims::CLAIMS;

pub(super) struct Keys(Macs);

impl Keys {
    pub(super) fn new(keys: &[Key]) -> Result<Self, InvalidLength> {
        Macs::new(keys.iter().map(Key::as_bytes)).map(Self)
    }

    pub(super) fn verify(
        &self,
        link: &Link<'_>,
        arg: &[u8],
        max_age: Option<u64>,
    ) -> Result<Claims, SignatureError> {
        let code = super::signature(link.args, |argument| argument.is(arg))?;
        let query = before(link.args, arg, code)
            .ok_or(SignatureError::Invalid("the signature must be the last argument of several"))?;
        let claims = RawClaims::in_query(query)?;
        // Neither has a "?" in it, so that a message can be read in one way only.
        let path = claims
            .prefix
            .or(link.raw_path)
            .ok_or(SignatureError::Invalid("the URI was rewritten"))?;
        if !self.0.have_signed(&[path, b"?", query], code) {
            return Err(SignatureError::Invalid("no key has signed it"));
        }
        claims.judge(link, max_age)
    }
}

/// What of `args` is before `&arg=code` at its end, if there is something.
fn before<'a>(args: &'a [u8], arg: &[u8], code: &[u8]) -> Option<&'a [u8]> {
    let query = args.strip_suffix(code)?.strip_suffix(b"=")?.strip_suffix(arg)?;
    query.strip_suffix(b"&").filter(|query| !query.is_empty())
}

#[cfg(test)]
mod tests;
