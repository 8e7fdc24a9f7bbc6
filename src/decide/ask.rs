//! Asking the app: a subrequest to an internal location, and what its answer means.

use nginx_download_core::failure::Failure;
use nginx_download_core::grant::Grant;
use nginx_download_core::media;

use crate::config::AskUri;
use crate::deliver::{Granted, relay};
use crate::exchange::{Decision, Exchange};
use crate::nginx::{Answer, End, Question, Status, now_msec};
use crate::refusal::{Outcome, Refusal};
use crate::{Download, Request, deliver, locate};

/// Asks the location that `uri` names; the story goes on in [`answered`].
pub(crate) fn ask(request: Request<'_>, exchange: &Exchange, uri: &AskUri) -> Outcome {
    let path = request.eval(&uri.path)?;
    check(path)?;
    let args = uri.args.as_ref().map_or(Ok(&b""[..]), |args| request.eval(args))?;
    let question = Question::<Download> {
        uri: path,
        args,
        withhold: nginx_download_core::header::withheld_from_app,
        limit: request.loc_conf().grant_max_size(),
        then: answered,
    };
    exchange.asked_at.set(Some(now_msec()));
    match request.ask(&question) {
        Ok(()) => Ok(Status::DONE),
        Err(_) => Err(Refusal::new(Failure::Internal, "the app could not be asked")),
    }
}

/// A variable may have put anything into the URI that selects the location.
fn check(uri: &[u8]) -> Result<(), Refusal> {
    let traverses = uri.split(|&c| c == b'/').any(|segment| segment == b"..");
    if uri.first() != Some(&b'/') || traverses || uri.contains(&0) {
        let uri = uri.escape_ascii();
        return Err(Refusal::new(Failure::BadPath, format!("no location to ask: \"{uri}\"")));
    }
    Ok(())
}

fn answered(request: Request<'_>, answer: Answer<'_>) -> Status {
    let Some(exchange) = request.exchange() else { return Status::INTERNAL_SERVER_ERROR };
    let asked_at = exchange.asked_at.get();
    exchange.grant_time.set(asked_at.map(|then| now_msec().saturating_sub(then)));
    judge(request, exchange, &answer).unwrap_or_else(|refusal| refusal.conclude(request, exchange))
}

/// The table of answers, row by row.
fn judge(request: Request<'_>, exchange: &Exchange, answer: &Answer<'_>) -> Outcome {
    let refuse = |failure, detail: String| Err(Refusal::new(failure, detail));
    let app = answer.app_status();
    match answer.status() {
        200 => grant(request, exchange, answer),
        status @ (301 | 302 | 303 | 307 | 308) => {
            Refusal::new(Failure::Redirected, format!("the app answered {status}"))
                .note(request, exchange);
            Ok(relay::relay(request, answer))
        }
        304 => Ok(relay::relay(request, answer)),
        status @ 400..=499 => {
            Refusal::new(Failure::Denied, format!("the app answered {status}"))
                .note(request, exchange);
            Ok(relay::relay(request, answer))
        }
        504 => refuse(Failure::AppTimeout, "the app did not answer in time".into()),
        502 | 0 if app != Some(502) => refuse(
            Failure::AppUnavailable,
            "no answer from the app: is it running, and where proxy_pass points to?".into(),
        ),
        status @ 500..=599 => refuse(Failure::AppError, format!("the app answered {status}")),
        status => refuse(
            Failure::NotAGrant,
            format!("the app answered {status}, which neither grants nor denies"),
        ),
    }
}

fn grant(request: Request<'_>, exchange: &Exchange, answer: &Answer<'_>) -> Outcome {
    let media_type = answer.content_type();
    if !media::is_grant(media_type) {
        return Err(Refusal::new(
            Failure::NotAGrant,
            format!(
                "the app answered 200 with Content-Type \"{}\", a grant has \
                 application/vnd.nginx-download.grant+json",
                media_type.escape_ascii()
            ),
        ));
    }
    // Accept-Encoding was withheld, but some apps compress all the same.
    let coded = |(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(b"content-encoding");
    if let Some((_, coding)) = answer.headers().find(coded) {
        let coding = coding.escape_ascii();
        return Err(Refusal::new(
            Failure::NotAGrant,
            format!("the app's grant has Content-Encoding \"{coding}\", which is not undone"),
        ));
    }
    match answer.end() {
        End::Whole => {}
        End::Oversize => {
            let limit = request.loc_conf().grant_max_size();
            return Err(Refusal::new(
                Failure::GrantTooLarge,
                format!("the grant is larger than download_grant_max_size, {limit} bytes"),
            ));
        }
        End::Cut => {
            return Err(Refusal::new(Failure::AnswerCut, "the app's answer broke off"));
        }
        End::Mixed => {
            return Err(Refusal::new(
                Failure::NotAGrant,
                "something put subrequests into the app's answer (slice?)",
            ));
        }
    }
    let grant = Grant::from_json(answer.body())
        .map_err(|error| Refusal::new(Failure::GrantInvalid, error.to_string()))?;
    exchange.decision.set(Decision::Asked);
    exchange.source.set(Some(grant.file.kind()));
    let target = locate::locate(request, &grant.file)?;
    // The app may open or renew a session on the occasion.
    let cookies = answer.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
    let cookies = cookies.map(|(_, value)| value.to_vec()).collect();
    deliver::deliver(request, exchange, target, Some(Granted { grant, cookies }))
}
