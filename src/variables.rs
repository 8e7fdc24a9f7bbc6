//! The `$download_*` variables. Subrequests and error pages see those of the request that they
//! are a part of.

use std::borrow::Cow;

use crate::exchange::Exchange;
use crate::nginx::{Variable, VariableValue};
use crate::{Download, Request};

type Value<'r> = Option<VariableValue<'r>>;

/// All variables, in the order of the reference.
pub(crate) const TABLE: &[Variable<Download>] = &[
    Variable { name: "download_view", value: |_, exchange| text(exchange.view.label()) },
    Variable { name: "download_source", value: |_, exchange| text(exchange.source.get()?) },
    Variable { name: "download_storage", value: storage },
    Variable { name: "download_file", value: file },
    Variable { name: "download_url", value: |_, exchange| bytes(exchange.url.get()?) },
    Variable { name: "download_basename", value: |_, exchange| basename(exchange) },
    Variable { name: "download_grant", value: |_, exchange| text(exchange.decision.get().label()) },
    Variable {
        name: "download_failure",
        value: |_, exchange| text(exchange.failure.get()?.label()),
    },
    Variable { name: "download_grant_time", value: grant_time },
    Variable { name: "download_bytes_sent", value: bytes_sent },
];

fn text(text: &str) -> Value<'_> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> Value<'_> {
    Some(VariableValue::Borrowed(bytes))
}

fn basename(exchange: &Exchange) -> Value<'_> {
    Some(match exchange.basename()? {
        Cow::Borrowed(name) => VariableValue::Borrowed(name.as_bytes()),
        Cow::Owned(name) => VariableValue::Owned(name.into_bytes()),
    })
}

fn storage<'r>(request: Request<'r>, exchange: &'r Exchange) -> Value<'r> {
    text(&exchange.storage(request.main_conf())?.name)
}

fn file<'r>(request: Request<'r>, exchange: &'r Exchange) -> Value<'r> {
    Some(VariableValue::Owned(exchange.file(request.main_conf())?))
}

/// Seconds with milliseconds, as `$upstream_response_time`.
fn grant_time<'r>(_: Request<'r>, exchange: &'r Exchange) -> Value<'r> {
    let msec = exchange.grant_time.get()?;
    Some(VariableValue::Owned(format!("{}.{:03}", msec / 1000, msec % 1000).into()))
}

fn bytes_sent<'r>(request: Request<'r>, _: &'r Exchange) -> Value<'r> {
    Some(VariableValue::Owned(request.body_bytes_sent().to_string().into()))
}
