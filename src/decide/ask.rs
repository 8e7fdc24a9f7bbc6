//! Asking the app: a subrequest to an internal location, and what its answer means.

use nginx_download_core::failure::Failure;
use nginx_download_core::grant::Grant;
use nginx_download_core::{header, media};

use super::cache;
use crate::config::LocalUri;
use crate::deliver::{AppResponse, Granted, Metadata, Said, relay};
use crate::entry::intercept::{self, Found};
use crate::exchange::{Decision, Exchange};
use crate::locate::{Passed, Target};
use crate::nginx::{Answer, End, NoMemory, Question, Status, memory_for, now_msec};
use crate::refusal::{Outcome, Refusal};
use crate::{Download, Request, deliver, explain, locate};

/// Asks the location that `uri` names; the story goes on in [`answered`].
pub(crate) fn ask(request: Request<'_>, exchange: &Exchange, uri: &LocalUri) -> Outcome {
    let question = question(request, uri, answered)?;
    explain::asked(exchange, question.uri, question.args);
    exchange.asked_at.set(Some(now_msec()));
    match request.ask(&question) {
        Ok(_) => Ok(Status::DONE),
        Err(_) => Err(Refusal::new(Failure::Internal, "the app could not be asked")),
    }
}

/// The question whether this request may have a file, and which.
pub(crate) fn question<'r>(
    request: Request<'r>,
    uri: &LocalUri,
    then: for<'a> fn(Request<'a>, Answer<'a>) -> Status,
) -> Result<Question<'r, Download>, Refusal> {
    let (uri, args) = evaluate(request, uri)?;
    let withhold = header::withheld_from_app;
    let limit = request.loc_conf().grant_max_size();
    Ok(Question { uri, args, withhold, limit, then })
}

/// The URI and the arguments of a location, for this request. A variable may have put anything
/// into the URI, which must still select a location.
pub(crate) fn evaluate<'r>(
    request: Request<'r>,
    local: &LocalUri,
) -> Result<(&'r [u8], &'r [u8]), Refusal> {
    let uri = request.eval(&local.path)?;
    let args = local.args.as_ref().map_or(Ok(&b""[..]), |args| request.eval(args))?;
    let traverses = uri.contains(&b'.') && uri.split(|&c| c == b'/').any(|part| part == b"..");
    if uri.first() != Some(&b'/') || traverses || uri.contains(&0) {
        let uri = uri.escape_ascii();
        return Err(Refusal::new(Failure::BadPath, format!("no location has the URI \"{uri}\"")));
    }
    Ok((uri, args))
}

fn answered(request: Request<'_>, answer: Answer<'_>) -> Status {
    let Some(exchange) = request.exchange() else { return Status::INTERNAL_SERVER_ERROR };
    let asked_at = exchange.asked_at.get();
    exchange.grant_time.set(asked_at.map(|then| now_msec().saturating_sub(then)));
    explain::answered(exchange, &answer);
    let mut judged = judge(request, exchange, &answer);
    if let Err(refusal) = judged {
        judged = match refusal.is_app_down() {
            true => cache::app_is_down(request, exchange, refusal),
            false => Err(refusal),
        };
    }
    judged.unwrap_or_else(|refusal| {
        cache::failed(request, exchange, refusal.failure());
        refusal.conclude(request, exchange)
    })
}

/// The table of answers, row by row.
fn judge(request: Request<'_>, exchange: &Exchange, answer: &Answer<'_>) -> Outcome {
    match answer.status() {
        200 => {
            let intercept = request.loc_conf().intercept();
            match intercept::find(answer.app_headers(), intercept)? {
                Some(found) => referred(request, exchange, answer, found),
                None => grant(request, exchange, answer),
            }
        }
        status @ (301 | 302 | 303 | 307 | 308) => {
            cache::not_granted(request, exchange, status);
            Refusal::new(Failure::Redirected, format!("the app answered {status}"))
                .note(request, exchange);
            Ok(relay::relay(request, exchange, answer))
        }
        304 => {
            cache::not_granted(request, exchange, 304);
            Ok(relay::relay(request, exchange, answer))
        }
        status @ 400..=499 => {
            cache::not_granted(request, exchange, status);
            Refusal::new(Failure::Denied, format!("the app answered {status}"))
                .note(request, exchange);
            Ok(relay::relay(request, exchange, answer))
        }
        _ => Err(neither_yes_nor_no(answer)),
    }
}

/// What is wrong with an answer that is not 200, 3xx or 4xx.
pub(crate) fn neither_yes_nor_no(answer: &Answer<'_>) -> Refusal {
    match answer.status() {
        504 => Refusal::new(Failure::AppTimeout, "the app did not answer in time"),
        502 | 0 if answer.app_status() != Some(502) => Refusal::new(
            Failure::AppUnavailable,
            "no answer from the app: is it running, and where proxy_pass points to?",
        ),
        status @ 500..=599 => Refusal::new(Failure::AppError, format!("the app answered {status}")),
        status => Refusal::new(
            Failure::NotAGrant,
            format!("the app answered {status}, which neither grants nor denies"),
        ),
    }
}

/// The app refers to a file as it would to any server, and `download_intercept` allows it.
fn referred(
    request: Request<'_>,
    exchange: &Exchange,
    answer: &Answer<'_>,
    found: Found<'_>,
) -> Outcome {
    let accel = answer.app_headers().filter(|(name, _)| header::is_accel(name));
    let app = AppResponse {
        content_type: answer.content_type(),
        charset: answer.charset(),
        modified: answer.last_modified(),
        fields: answer.headers().chain(accel).collect(),
    };
    cache::not_granted(request, exchange, 200);
    exchange.decision.set(Decision::Asked);
    let reference = intercept::refer(request, exchange, found, &|| answer.take_descriptor())?;
    intercept::send(request, exchange, reference, Metadata::of_app(request, app))
}

fn grant(request: Request<'_>, exchange: &Exchange, answer: &Answer<'_>) -> Outcome {
    is_grant(answer)?;
    let passed = &|| answer.take_descriptor();
    let (grant, target) = read(request, exchange, answer.end(), answer.body(), passed)?;
    if !cache::granted(request, exchange, answer, &grant, &target) {
        return cache::ask_again(request, exchange);
    }
    // The app may open or renew a session on the occasion.
    let cookies = answer.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
    let cookies = cookies.map(|(_, value)| value.to_vec()).collect();
    deliver::deliver(request, exchange, target, Said::Granted(Granted { grant, cookies }))
}

/// Does a 200 of the app say that it is a grant?
pub(crate) fn is_grant(answer: &Answer<'_>) -> Result<(), Refusal> {
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
    match answer.headers().find(coded) {
        Some((_, coding)) => Err(refuse_coded(coding)),
        None => Ok(()),
    }
}

/// A grant that is compressed, or the like.
pub(crate) fn refuse_coded(coding: &[u8]) -> Refusal {
    let coding = coding.escape_ascii();
    Refusal::new(
        Failure::NotAGrant,
        format!("the app's grant has Content-Encoding \"{coding}\", which is not undone"),
    )
}

/// A grant of the app, strictly read, and the file it leads to.
pub(crate) fn read<'r>(
    request: Request<'r>,
    exchange: &Exchange,
    end: End,
    body: &[u8],
    passed: Passed<'_>,
) -> Result<(Grant, Target<'r>), Refusal> {
    let grant = parse(request, end, body)?;
    exchange.decision.set(Decision::Asked);
    exchange.source.set(Some(grant.file.kind()));
    explain::granted(exchange, body);
    let target = locate::locate(request, &grant.file, passed)?;
    Ok((grant, target))
}

/// A grant of the app, strictly read.
pub(crate) fn parse(request: Request<'_>, end: End, body: &[u8]) -> Result<Grant, Refusal> {
    match end {
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
    memory_to_read(body)?;
    Grant::from_json(body).map_err(|error| Refusal::new(Failure::GrantInvalid, error.to_string()))
}

/// Reading takes some times the text's length: strings grow to twice theirs, and are copied.
pub(super) fn memory_to_read(grant: &[u8]) -> Result<(), NoMemory> {
    memory_for(grant.len().saturating_mul(8))
}
