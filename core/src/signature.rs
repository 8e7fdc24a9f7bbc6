//! Signed links: whether somebody who has a key said that this file may be fetched, until when
//! and how. One question, three ways to write it down: [`django`], [`secure_link`] and our own,
//! [`hmac`].
//!
//! Owns what the schemes share: finding the signature among the arguments, expiry. Must not know
//! where keys and requests come from, or what becomes of a link that is refused. docs/signing.md
//! is for those who make links.

use std::fmt;
use std::net::IpAddr;

use crate::query::{self, Argument};

mod django;
mod hmac;
mod key;
mod mac;
mod secure_link;

pub use self::key::{Key, KeyError};

/// The longest signature looked at, in bytes: Django's has the path in it.
const MAX: usize = 4096;

/// How links are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `TimestampSigner` of Django, as django-downloadview's storages use it.
    Django,
    /// HMAC-SHA256 over the URL, our own.
    HmacSha256,
    /// MD5 over an expression of the admin's, as nginx's `ngx_http_secure_link_module` has it.
    SecureLink,
}

impl Scheme {
    /// A scheme by its name in nginx.conf.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"django" => Some(Self::Django),
            b"hmac-sha256" => Some(Self::HmacSha256),
            b"secure-link" => Some(Self::SecureLink),
            _ => None,
        }
    }

    /// The argument that carries the signature, where the admin names none.
    #[must_use]
    pub fn default_arg(self) -> &'static str {
        match self {
            Self::Django => "X-Signature",
            Self::HmacSha256 => "signature",
            Self::SecureLink => "md5",
        }
    }

    /// The names of arguments that mean something else.
    fn other_args(self) -> &'static [&'static [u8]] {
        match self {
            Self::Django => &[],
            Self::HmacSha256 => &hmac::CLAIMS,
            Self::SecureLink => &[secure_link::EXPIRES],
        }
    }
}

/// Checks links, with keys that were prepared once. Never shows a key.
pub struct Verifier {
    keys: Keys,
    arg: Vec<u8>,
    max_age: Option<u64>,
}

enum Keys {
    Django(django::Keys),
    HmacSha256(hmac::Keys),
    SecureLink(secure_link::Keys),
}

/// What is asked for, by whom, when.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The path that is going to be served: decoded, without dot segments.
    pub path: &'a [u8],
    /// The path as the client wrote it, percent-encoded, without query or fragment; `None` if it
    /// is no longer what is going to be served.
    pub raw_path: Option<&'a [u8]>,
    /// The query string, raw, without `?`.
    pub args: &'a [u8],
    /// The request's method.
    pub method: Method,
    /// Where the request comes from; `None` if from no IP address.
    pub address: Option<IpAddr>,
    /// What the admin's expression came out as; [`Scheme::SecureLink`] alone looks at it.
    pub value: &'a [u8],
    /// Unix seconds.
    pub now: u64,
}

/// A method, as far as links can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// Whatever else.
    Other,
}

/// What a link says about the file, beyond that it may be fetched. What is `None` it left to the
/// server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The name to save it under, not yet fit for that; not empty, free of CR, LF and NUL.
    /// See [`disposition::basename`](crate::disposition::basename).
    pub basename: Option<String>,
    /// Save it (`true`), or show it.
    pub attachment: Option<bool>,
    /// Bytes per second, at most `i64::MAX`; 0: no limit.
    pub limit_rate: Option<u64>,
}

impl Verifier {
    /// Takes links signed with any of `keys`. `max_age` is in seconds: with [`Scheme::Django`]
    /// from when a link was made, with the others the most that its expiry may lie ahead.
    /// `arg` is the argument that carries the signature.
    pub fn new(
        scheme: Scheme,
        keys: &[Key],
        max_age: Option<u64>,
        arg: Option<&[u8]>,
    ) -> Result<Self, VerifierError> {
        if keys.is_empty() {
            return Err(VerifierError::NoKey);
        }
        let arg = arg.unwrap_or(scheme.default_arg().as_bytes());
        // What no one escapes (RFC 3986, section 2.3): then it has one spelling.
        let unreserved = |c: &u8| c.is_ascii_alphanumeric() || b"-._~".contains(c);
        if arg.is_empty() || !arg.iter().all(unreserved) {
            return Err(VerifierError::Arg);
        }
        if scheme.other_args().iter().any(|other| arg.eq_ignore_ascii_case(other)) {
            return Err(VerifierError::ArgTaken);
        }
        let prepared = match scheme {
            Scheme::Django => django::Keys::new(keys).map(Keys::Django),
            Scheme::HmacSha256 => hmac::Keys::new(keys).map(Keys::HmacSha256),
            Scheme::SecureLink => Ok(Keys::SecureLink(secure_link::Keys::new(keys))),
        };
        let keys = prepared.map_err(|_| VerifierError::KeyLength)?;
        Ok(Self { keys, arg: arg.to_vec(), max_age })
    }

    /// Is the link good, here and now? What it says is only believed, and only given, if it is.
    pub fn verify(&self, link: &Link<'_>) -> Result<Claims, SignatureError> {
        match &self.keys {
            Keys::Django(keys) => keys.verify(link, &self.arg, self.max_age),
            Keys::HmacSha256(keys) => keys.verify(link, &self.arg, self.max_age),
            Keys::SecureLink(keys) => keys.verify(link, &self.arg, self.max_age),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// The signature among the arguments, raw: the one whose argument `is` picks.
fn signature(args: &[u8], is: impl Fn(&Argument<'_>) -> bool) -> Result<&[u8], SignatureError> {
    match sole(args, is) {
        Err(Repeated) => Err(SignatureError::Invalid("the signature comes twice")),
        Ok(None) => Err(SignatureError::Missing),
        Ok(Some(b"")) => Err(SignatureError::Invalid("the signature is empty")),
        Ok(Some(value)) if value.len() > MAX => {
            Err(SignatureError::Invalid("the signature is too long"))
        }
        Ok(Some(value)) => Ok(value),
    }
}

/// The value, raw, of the one argument that `is` picks.
fn sole(args: &[u8], is: impl Fn(&Argument<'_>) -> bool) -> Result<Option<&[u8]>, Repeated> {
    let mut found = query::arguments(args).filter(is).map(|argument| argument.value);
    let first = found.next();
    if found.next().is_some() { Err(Repeated) } else { Ok(first) }
}

/// Which of the two is meant cannot be told.
struct Repeated;

/// Is a link with that expiry still good, and not for longer than is allowed?
fn check_expiry(expires: u64, now: u64, max_age: Option<u64>) -> Result<(), SignatureError> {
    // As nginx's secure_link: the very second still counts.
    if expires < now {
        return Err(SignatureError::Expired);
    }
    if max_age.is_some_and(|max_age| expires.saturating_sub(now) > max_age) {
        return Err(SignatureError::Invalid("it is valid for longer than is allowed here"));
    }
    Ok(())
}

/// A decimal number below 2^63 in its one spelling: digits, no leading zero.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || (text.len() > 1 && text.starts_with(b"0")) {
        return None;
    }
    let number = text.iter().try_fold(0_i64, |number, &c| {
        let digit = char::from(c).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    });
    number.and_then(|number| u64::try_from(number).ok())
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// It carries no signature.
    Missing,
    /// No key made this signature, or not for this request. Why is for the log; nothing of key
    /// or signature is in it.
    Invalid(&'static str),
    /// It was good once.
    Expired,
    /// It will be good.
    NotYet,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the link is not signed"),
            Self::Invalid(why) => write!(f, "the link is not valid: {why}"),
            Self::Expired => f.write_str("the link has expired"),
            Self::NotYet => f.write_str("the link is not valid yet"),
        }
    }
}

impl std::error::Error for SignatureError {}

/// Why links cannot be checked like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifierError {
    /// There is no key.
    NoKey,
    /// A key is too long. HMAC takes any length, so it is none that exists.
    KeyLength,
    /// The argument's name is empty, or would have to be escaped in a URL.
    Arg,
    /// The argument's name means something else in that scheme.
    ArgTaken,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "there is no key",
            Self::KeyLength => "a key is too long",
            Self::Arg => {
                "the name of the argument must consist of letters, digits, \"-\", \".\", \"_\", \"~\""
            }
            Self::ArgTaken => "an argument of that name means something else in signed links",
        })
    }
}

impl std::error::Error for VerifierError {}

#[cfg(test)]
mod tests;
