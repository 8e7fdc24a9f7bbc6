//! `download_explain`: what happens to a request is written down as it happens, and is the answer
//! in place of the file or the denial. Nothing is sent, removed or remembered meanwhile.

use nginx_download_core::explain::{
    Asked, Cache, Explanation, Field, File, Response as Told, Rule, beginning, fault, masked,
    masked_args, masked_grant, text,
};
use nginx_download_core::failure::Failure;
use nginx_download_core::path::AbsolutePath;
use nginx_download_core::{counters, date, header};

use crate::exchange::Exchange;
use crate::nginx::{Answer, End, NoMemory, Status};
use crate::{Request, answer};

/// Begins an account, where the location's `download_explain` asks for it.
pub(crate) fn begin(request: Request<'_>, exchange: &Exchange) -> Result<(), NoMemory> {
    if is_wished(request)? {
        let begun = Explanation {
            view: exchange.view.label(),
            uri: text(request.uri()),
            ..Explanation::default()
        };
        let _ = exchange.account.set(Box::new(begun.into()));
    }
    Ok(())
}

/// Does the location's `download_explain` ask for an account?
pub(crate) fn is_wished(request: Request<'_>) -> Result<bool, NoMemory> {
    let Some(template) = request.loc_conf().explain() else { return Ok(false) };
    let wish = request.eval(template)?;
    Ok(!wish.is_empty() && wish != b"0")
}

/// Is an account of this request being written?
pub(crate) fn is_on(exchange: &Exchange) -> bool {
    exchange.account.get().is_some()
}

/// Writes down, if an account is being written.
pub(crate) fn note(exchange: &Exchange, note: impl FnOnce(&mut Explanation)) {
    if let Some(account) = exchange.account.get() {
        note(&mut account.borrow_mut());
    }
}

/// A refusal, with what the error log says of it.
pub(crate) fn refused(exchange: &Exchange, failure: Failure, detail: &str, errno: i32) {
    note(exchange, |account| {
        account.outcome.failure = Some(failure.label());
        account.outcome.fault = Some(fault(failure.fault()));
        account.outcome.detail = Some(counters::masked(failure, detail));
        account.outcome.errno = Some(errno).filter(|errno| *errno != 0);
    });
}

/// What the cache has for a key.
pub(crate) fn cache<'p>(
    exchange: &Exchange,
    zone: &str,
    key: impl Iterator<Item = &'p [u8]>,
    state: &'static str,
    expires_in_ms: Option<u64>,
) {
    note(exchange, |account| {
        let key = key.map(masked).collect();
        account.cache = Some(Cache { zone: zone.to_owned(), key, state, expires_in_ms });
    });
}

/// The question.
pub(crate) fn asked(exchange: &Exchange, uri: &[u8], args: &[u8]) {
    note(exchange, |account| {
        let (uri, args) = (text(uri), masked_args(args));
        account.asked = Some(Asked { uri, args, ..Asked::default() });
    });
}

/// The answer to it.
pub(crate) fn answered(exchange: &Exchange, answer: &Answer<'_>) {
    note(exchange, |account| {
        let asked = account.asked.get_or_insert_default();
        asked.seconds = exchange.grant_time.get().unwrap_or(0) as f64 / 1000.0;
        asked.status = answer.status();
        asked.body = match answer.end() {
            End::Whole => "whole",
            End::Cut => "broke off",
            End::Oversize => "larger than download_grant_max_size",
            End::Mixed => "mixed with others",
        };
        asked.begins = beginning(answer.body());
        if !answer.content_type().is_empty() {
            asked.headers.push(Field::new(b"Content-Type", answer.content_type(), ""));
        }
        for (name, value) in answer.headers() {
            asked.headers.push(Field::new(name, value, ""));
            if let Some(why) = why_dropped(name) {
                account.dropped.push(Field::new(name, value, why));
            }
        }
    });
}

const BETWEEN: &str = "it is between the app and nginx";

/// Why a field of an answer with a grant does not reach the client.
fn why_dropped(name: &[u8]) -> Option<&'static str> {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    if is("Set-Cookie") || is("Date") || is("Server") {
        None
    } else if header::is_servers_business(name) {
        Some(BETWEEN)
    } else {
        Some("it is about the grant: what is meant for the client goes into the grant's headers")
    }
}

/// The grant, as the app wrote it.
pub(crate) fn granted(exchange: &Exchange, json: &[u8]) {
    note(exchange, |account| {
        account.grant = masked_grant(json);
        if let Some(asked) = &mut account.asked {
            asked.begins = None;
        }
    });
}

/// A path or URI of the app's is held against the rules.
pub(crate) fn held_against_rules(request: Request<'_>, path: &[u8]) {
    if request.loc_conf().explain().is_some()
        && let Some(exchange) = request.exchange()
    {
        note(exchange, |account| ruled(request, account, path));
    }
}

fn ruled(request: Request<'_>, account: &mut Explanation, path: &[u8]) {
    account.rules.clear();
    let path = AbsolutePath::parse(path).ok();
    for rule in request.loc_conf().rules() {
        let matched = path.as_ref().is_some_and(|path| rule.prefix.strip(path).is_some());
        let prefix = text(rule.prefix.as_bytes());
        account.rules.push(Rule { prefix, storage: rule.storage.clone(), matched });
        if matched {
            break;
        }
    }
}

/// Where the request led, as far as it is known.
fn located(request: Request<'_>, exchange: &Exchange, account: &mut Explanation) {
    let main = request.main_conf();
    let Some(path) = exchange.file(main) else { return };
    account.file = Some(File {
        storage: exchange.storage(main).map(|storage| storage.name.clone()),
        path: text(&path),
        url: exchange.url.get().map(|url| counters::masked_url(&text(url))),
        size: request.response().length().filter(|_| account.outcome.failure.is_none()),
    });
}

/// In place of a file, whose header stands in the response.
pub(crate) fn instead_of_file(request: Request<'_>, exchange: &Exchange) -> Status {
    note(exchange, |account| {
        account.outcome.status = request.response().status();
        located(request, exchange, account);
        account.response = Some(told(request, exchange, account));
    });
    send(request, exchange)
}

/// In place of handing over to another location; what is to be said of what that sends stands in
/// the response.
pub(crate) fn instead_of_redirect(request: Request<'_>, exchange: &Exchange) -> Status {
    note(exchange, |account| {
        account.outcome.status = 200;
        located(request, exchange, account);
        let completed_by = Some("the internal location: its status and its other header fields");
        account.response = Some(Told { completed_by, ..told(request, exchange, account) });
    });
    send(request, exchange)
}

/// Takes what stands in the response.
fn told(request: Request<'_>, exchange: &Exchange, account: &Explanation) -> Told {
    let response = request.response();
    let mut told = Told::default();
    let mut tell = |name: &[u8], value: &[u8]| {
        told.headers.push(Field::new(name, value, origin(request, exchange, account, name)));
    };
    match response.content_type() {
        (b"", _) => {}
        (content_type, b"") => tell(b"Content-Type", content_type),
        (content_type, charset) => {
            tell(b"Content-Type", &[content_type, b"; charset=", charset].concat());
        }
    }
    if let Some(length) = response.length() {
        tell(b"Content-Length", length.to_string().as_bytes());
    }
    if let Some(modified) = response.last_modified().and_then(date::imf_fixdate) {
        tell(b"Last-Modified", &modified);
    }
    for (name, value) in response.take_headers() {
        if !name.eq_ignore_ascii_case(b"Last-Modified") {
            tell(name, value);
        }
    }
    told
}

/// In place of a denial or an error page.
pub(crate) fn instead_of_status(request: Request<'_>, exchange: &Exchange, status: u16) -> Status {
    note(exchange, |account| {
        account.outcome.status = status;
        located(request, exchange, account);
        // What is no grant is passed on, but for this.
        account.dropped.retain(|field| field.why == BETWEEN);
    });
    send(request, exchange)
}

/// Who says so.
fn origin(
    request: Request<'_>,
    exchange: &Exchange,
    account: &Explanation,
    name: &[u8],
) -> &'static str {
    let options = &request.loc_conf().options;
    let said = |field: &str| {
        let value = account.grant.as_ref().and_then(|grant| grant.get(field));
        value.is_some_and(|value| !value.is_null())
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let listed = account.grant.as_ref().and_then(|grant| grant.get("headers")?.as_object());
    let in_headers = listed.is_some_and(|listed| listed.keys().any(|key| is(key)));
    let in_options = options.headers().iter().any(|(option, _)| is(option.as_str()));
    let linked = exchange
        .claims
        .get()
        .is_some_and(|claims| claims.basename.is_some() || claims.attachment.is_some());
    match () {
        () if in_headers => "the grant's headers",
        () if is("Set-Cookie") => "the app's answer",
        () if is("ETag") && said("etag") => "the grant",
        () if is("Last-Modified") && said("modified") => "the grant",
        () if is("Content-Type") && said("mimetype") => "the grant",
        () if is("Content-Encoding") && said("encoding") => "the grant",
        () if is("Content-Disposition") && (said("basename") || said("attachment")) => "the grant",
        () if is("Content-Disposition") && linked => "the signed link",
        () if in_options => "download_header",
        () if is("Content-Type") && options.mimetype.is_some() => "download_mimetype",
        () if is("Content-Encoding") => "download_encoding",
        () if is("Content-Disposition") && options.basename.is_some() => "download_basename",
        () if is("Content-Disposition") => "the file's name",
        () if is("Content-Type") => "types and default_type",
        () if is("ETag") || is("Last-Modified") || is("Content-Length") => "the file",
        () => "the app's response",
    }
}

fn send(request: Request<'_>, exchange: &Exchange) -> Status {
    let Some(account) = exchange.account.get() else { return Status::INTERNAL_SERVER_ERROR };
    let json = account.borrow().to_json();
    if let Err(status) = request.discard_body() {
        return status;
    }
    request.response().take_headers();
    answer::json(request, 200, &json)
}
