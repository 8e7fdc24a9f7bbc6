//! `download_status`: what was counted, as JSON, for Prometheus, or on a page for people.

use nginx_download_core::counters::{Snapshot, ZoneState};
use nginx_download_core::{page, query};

use crate::Request;
use crate::answer::{self, JSON, MediaType};
use crate::config::{Format, MainConf};
use crate::nginx::{Method, NGINX_VERSION, NoMemory, Status, now_sec};
use crate::tally::Tally;

/// The page: all of it, but for the numbers.
const PAGE: &str = include_str!("status.html");

pub(crate) fn handle(request: Request<'_>, default: Format) -> Status {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return answer::refuse_method(request, b"GET, HEAD");
    }
    if let Err(status) = request.discard_body() {
        return status;
    }
    show(request, default).unwrap_or_else(Status::from)
}

fn show(request: Request<'_>, default: Format) -> Result<Status, NoMemory> {
    let main = request.main_conf();
    let Some(tally) = main.tally.get() else { return Ok(Status::INTERNAL_SERVER_ERROR) };
    let Some(format) = wanted(request.args(), default) else {
        let why = b"{\"error\": \"format=json, format=prometheus or format=html is expected\"}\n";
        return send(request, 400, JSON, why);
    };
    match format {
        Format::Json => {
            let json = snapshot(main, tally).to_json();
            send(request, 200, JSON, request.pool().copy(json.as_bytes())?)
        }
        Format::Prometheus => {
            let text = snapshot(main, tally).to_prometheus();
            send(request, 200, PROMETHEUS, request.pool().copy(text.as_bytes())?)
        }
        Format::Html => {
            let response = request.response();
            let policy = request.pool().copy(page::policy(PAGE).as_bytes())?;
            response.set(b"Content-Security-Policy", policy)?;
            response.set(b"Referrer-Policy", b"no-referrer")?;
            send(request, 200, HTML, PAGE.as_bytes())
        }
    }
}

/// The format that the query asks for; the last one counts. Other arguments are somebody else's.
fn wanted(args: &[u8], default: Format) -> Option<Format> {
    let mut wanted = Some(default);
    for argument in query::arguments(args).filter(|argument| argument.is(b"format")) {
        wanted = query::decode(argument.value).ok().and_then(|value| Format::parse(&value));
    }
    wanted
}

fn snapshot<'m>(main: &'m MainConf, tally: &Tally) -> Snapshot<'m> {
    let (failures, denials) = tally.last();
    let zones = main.zones.iter().map(|zone| {
        let state = zone.with(|table| ZoneState {
            decisions: table.len() as u64,
            blocks_used: table.blocks_used() as u64,
            blocks: table.blocks() as u64,
            ..ZoneState::default()
        });
        ZoneState { name: zone.name(), size: zone.size() as u64, ..state.unwrap_or_default() }
    });
    Snapshot {
        module: env!("CARGO_PKG_VERSION"),
        nginx: NGINX_VERSION,
        now: now_sec(),
        sums: tally.sums(),
        zones: zones.collect(),
        failures,
        denials,
    }
}

const HTML: MediaType = (b"text/html; charset=utf-8", 9);
const PROMETHEUS: MediaType = (b"text/plain; version=0.0.4; charset=utf-8", 10);

fn send<'r>(
    request: Request<'r>,
    status: u16,
    media_type: MediaType,
    body: &'r [u8],
) -> Result<Status, NoMemory> {
    request.response().set(b"X-Content-Type-Options", b"nosniff")?;
    answer::send(request, status, media_type, body)
}
