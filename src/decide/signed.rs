//! Signed links: whoever has the key said yes, without being asked.

use nginx_download_core::failure::Failure;
use nginx_download_core::signature::{Link, Method, SignatureError};

use crate::config::Signature;
use crate::exchange::{Decision, Exchange};
use crate::nginx::{self, now_sec};
use crate::refusal::Refusal;
use crate::{Request, explain};

/// Is the link of the request good? What it says of the file is kept with the exchange.
pub(crate) fn check(
    request: Request<'_>,
    exchange: &Exchange,
    signature: &Signature,
) -> Result<(), Refusal> {
    let value = match &signature.value {
        Some(template) => request.eval(template)?,
        None => b"",
    };
    let link = Link {
        path: request.uri(),
        raw_path: request.unparsed_path(),
        args: request.args(),
        method: match request.method() {
            nginx::Method::Get => Method::Get,
            nginx::Method::Head => Method::Head,
            nginx::Method::Post | nginx::Method::Other => Method::Other,
        },
        address: request.client_address(),
        value,
        now: now_sec(),
    };
    let verified = signature.verifier.verify(&link);
    explain::note(exchange, |account| {
        let verdict = verified.as_ref().map_or_else(ToString::to_string, |_| "good".to_owned());
        account.signature = Some(verdict);
    });
    let claims = verified.map_err(|error| {
        let failure = match error {
            SignatureError::Missing => Failure::Unsigned,
            SignatureError::Invalid(_) => Failure::BadSignature,
            SignatureError::Expired => Failure::LinkExpired,
            SignatureError::NotYet => Failure::LinkNotYet,
        };
        Refusal::new(failure, error.to_string())
    })?;
    exchange.decision.set(Decision::Signed);
    let _ = exchange.claims.set(claims);
    Ok(())
}
