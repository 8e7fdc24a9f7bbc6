//! Owns the claims of our own links: what may stand in the query, what it means, whether it holds
//! for a request. Must not know how it was made sure that who wrote them may do so.

use std::borrow::Cow;

use super::network::Network;
use crate::query;
use crate::signature::{Claims, Link, Method, SignatureError, check_expiry, number};

/// The arguments that are claims. All others are the app's own.
pub(in crate::signature) const CLAIMS: [&[u8]; 8] = [
    b"address",
    b"attachment",
    b"basename",
    b"expires",
    b"limit_rate",
    b"method",
    b"not_before",
    b"prefix",
];

/// Claims as they stand in the query, raw, none empty.
#[derive(Default)]
pub(super) struct RawClaims<'q> {
    address: Option<&'q [u8]>,
    attachment: Option<&'q [u8]>,
    basename: Option<&'q [u8]>,
    expires: Option<&'q [u8]>,
    limit_rate: Option<&'q [u8]>,
    method: Option<&'q [u8]>,
    not_before: Option<&'q [u8]>,
    /// The link is good for all below, and signed for this in place of a path.
    pub(super) prefix: Option<&'q [u8]>,
}

impl<'q> RawClaims<'q> {
    /// Finds them; nothing is believed yet.
    pub(super) fn in_query(query: &'q [u8]) -> Result<Self, SignatureError> {
        let mut claims = Self::default();
        for argument in query::arguments(query) {
            let name = query::decode(argument.name)
                .map_err(|_| SignatureError::Invalid("the name of an argument has a bad escape"))?;
            let claim = match &*name {
                b"address" => &mut claims.address,
                b"attachment" => &mut claims.attachment,
                b"basename" => &mut claims.basename,
                b"expires" => &mut claims.expires,
                b"limit_rate" => &mut claims.limit_rate,
                b"method" => &mut claims.method,
                b"not_before" => &mut claims.not_before,
                b"prefix" => &mut claims.prefix,
                _ => continue,
            };
            if argument.value.is_empty() {
                return Err(SignatureError::Invalid("a claim is empty"));
            }
            if claim.replace(argument.value).is_some() {
                return Err(SignatureError::Invalid("a claim comes twice"));
            }
        }
        Ok(claims)
    }

    /// What they say, if all are well-formed and hold for this request.
    pub(super) fn judge(
        self,
        link: &Link<'_>,
        max_age: Option<u64>,
    ) -> Result<Claims, SignatureError> {
        let expires = read(self.expires, decimal, "expires is no number of seconds")?
            .ok_or(SignatureError::Invalid("expires is missing"))?;
        let not_before = read(self.not_before, decimal, "not_before is no number of seconds")?;
        let said = Claims {
            basename: read(self.basename, one_line, "basename is not one line of UTF-8")?,
            attachment: read(self.attachment, flag, "attachment is neither 1 nor 0")?,
            limit_rate: read(self.limit_rate, decimal, "limit_rate is no number of bytes")?,
        };
        let network = read(self.address, network, "address is no IP address or network")?;
        if network.is_some_and(|network| !link.address.is_some_and(|it| network.contains(it))) {
            return Err(SignatureError::Invalid("it is for another address"));
        }
        let method = read(self.method, method, "method is neither GET nor HEAD")?;
        // Who may have the file may have its header.
        let allowed = |method| link.method == method || link.method == Method::Head;
        if !method.is_none_or(allowed) {
            return Err(SignatureError::Invalid("it is for another method"));
        }
        if let Some(raw) = self.prefix {
            let prefix = directory(raw)
                .ok_or(SignatureError::Invalid("prefix is no directory below the root"))?;
            if !is_below(link.path, &prefix) {
                return Err(SignatureError::Invalid("the path is not below its prefix"));
            }
        }
        if not_before.is_some_and(|not_before| link.now < not_before) {
            return Err(SignatureError::NotYet);
        }
        check_expiry(expires, link.now, max_age)?;
        Ok(said)
    }
}

/// The value of a claim, decoded and parsed; `Err(why)` if it is malformed.
fn read<'q, T>(
    raw: Option<&'q [u8]>,
    parse: impl FnOnce(Cow<'q, [u8]>) -> Option<T>,
    why: &'static str,
) -> Result<Option<T>, SignatureError> {
    let parsed = |raw| query::decode(raw).ok().and_then(parse).ok_or(SignatureError::Invalid(why));
    raw.map(parsed).transpose()
}

fn decimal(text: Cow<'_, [u8]>) -> Option<u64> {
    number(&text)
}

fn flag(text: Cow<'_, [u8]>) -> Option<bool> {
    match &*text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ => None,
    }
}

fn method(text: Cow<'_, [u8]>) -> Option<Method> {
    match &*text {
        b"GET" => Some(Method::Get),
        b"HEAD" => Some(Method::Head),
        _ => None,
    }
}

fn network(text: Cow<'_, [u8]>) -> Option<Network> {
    Network::parse(&text)
}

fn one_line(text: Cow<'_, [u8]>) -> Option<String> {
    let text = String::from_utf8(text.into_owned()).ok()?;
    if text.is_empty() || text.contains(['\r', '\n', '\0']) { None } else { Some(text) }
}

/// The value of `prefix`, decoded: a directory, not the root, in its one spelling.
fn directory(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    // A "?" would have to be escaped: see the message.
    let prefix = query::decode(raw).ok().filter(|_| !raw.contains(&b'?'))?;
    let inside = prefix.strip_prefix(b"/")?.strip_suffix(b"/")?;
    let plain =
        inside.split(|&c| c == b'/').all(|segment| !segment.is_empty() && !is_dots(segment));
    plain.then_some(prefix)
}

/// Compared are decoded paths: the raw `/dl/%2e%2e/` begins with `/dl/` as well. nginx has
/// resolved dot segments long ago; a rewrite may have brought new ones.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| !rest.is_empty() && !rest.split(|&c| c == b'/').any(is_dots))
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}
