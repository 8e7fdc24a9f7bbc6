//! Owns the account of one request that `download_explain` answers with: what was asked, who
//! answered what, where that led, and why. Must not know how any of it came about.
//!
//! It is JSON for a person who looks for a mistake. What would let somebody else in (cookies,
//! credentials, signatures, the parts of cache keys) is masked: how long it is can be told, and
//! what it is cannot.

use serde::Serialize;
use serde_json::Value;

use crate::counters::masked_url;
use crate::failure::Fault;
use crate::query;

/// The account. What did not happen is absent.
#[derive(Debug, Default, Serialize)]
pub struct Explanation {
    /// How it ends.
    pub outcome: Outcome,
    /// The location's view.
    pub view: &'static str,
    /// The URI that the location was chosen by.
    pub uri: String,
    /// `download_signature`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// `download_cache`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// What the app was asked, and answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The grant, as the app wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Value>,
    /// The rules of the location, up to the one that matched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Where it led.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// What the client would be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// What was said, and would not reach the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Field>,
}

/// How a request ends.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// The status that the client would get. For a file the one without ranges and conditions.
    pub status: u16,
    /// `$download_failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<&'static str>,
    /// What is in the error log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who has to do something about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// The system's error number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

/// What was found in the decision cache, in which nothing is changed.
#[derive(Debug, Serialize)]
pub struct Cache {
    /// The zone.
    pub zone: String,
    /// The parts of the key, masked.
    pub key: Vec<String>,
    /// `hit`, `miss`, `denied`, `not remembered`, ...
    pub state: &'static str,
    /// Milliseconds until it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// A question and its answer.
#[derive(Debug, Default, Serialize)]
pub struct Asked {
    /// The internal location.
    pub uri: String,
    /// Its arguments, masked.
    pub args: String,
    /// How long the app took.
    pub seconds: f64,
    /// The status; 0 where there was no answer.
    pub status: u16,
    /// How the body ended.
    pub body: &'static str,
    /// How it begins, where it is no grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins: Option<String>,
    /// Header fields, masked.
    pub headers: Vec<Field>,
}

/// A rule, and whether it is the one.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// What it covers.
    pub prefix: String,
    /// Where that is.
    pub storage: String,
    /// Is the file below the prefix?
    pub matched: bool,
}

/// A file.
#[derive(Debug, Default, Serialize)]
pub struct File {
    /// The storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// The path on disk, or the internal URI.
    pub path: String,
    /// The URL on another server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A header.
#[derive(Debug, Default, Serialize)]
pub struct Response {
    /// Its fields, before nginx's own filters (`add_header`, `expires`, gzip ...).
    pub headers: Vec<Field>,
    /// Who makes the rest of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<&'static str>,
}

/// A header field.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value, masked if need be.
    pub value: String,
    /// Who says so, or why it is dropped.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub why: &'static str,
}

impl Explanation {
    /// As JSON, for people.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Nothing in it can fail to be written.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

impl Field {
    /// A field as it may be shown.
    #[must_use]
    pub fn new(name: &[u8], value: &[u8], why: &'static str) -> Self {
        Self { name: text(name), value: masked_value(name, value), why }
    }
}

/// The value of a header field, as it may be shown.
fn masked_value(name: &[u8], value: &[u8]) -> String {
    const SECRETS: [&str; 4] = ["cookie", "set-cookie", "authorization", "proxy-authorization"];
    const URLS: [&str; 5] = ["location", "content-location", "refresh", "link", "referer"];
    let is_one_of =
        |names: &[&str]| names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()));
    if is_one_of(&SECRETS) {
        masked(value)
    } else if is_one_of(&URLS) {
        masked_url(&text(value))
    } else {
        text(value)
    }
}

/// Who has to act, in a word.
#[must_use]
pub fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Client => "client",
        Fault::App => "app",
        Fault::Admin => "nginx.conf or the machine",
    }
}

/// A grant, as it may be shown: its header fields and its URL are masked as elsewhere.
#[must_use]
pub fn masked_grant(json: &[u8]) -> Option<Value> {
    let mut grant: Value = serde_json::from_slice(json).ok()?;
    let mask = |place: Option<&mut Value>, masked: &dyn Fn(&str) -> String| {
        if let Some(Value::String(text)) = place {
            *text = masked(text);
        }
    };
    if let Some(headers) = grant.get_mut("headers").and_then(Value::as_object_mut) {
        for (name, value) in headers.iter_mut() {
            mask(Some(value), &|text| masked_value(name.as_bytes(), text.as_bytes()));
        }
    }
    if let Some(file) = grant.get_mut("file") {
        mask(file.get_mut("url"), &masked_url);
        mask(file.get_mut("location"), &masked_url);
    }
    Some(grant)
}

/// How a body begins, as text.
#[must_use]
pub fn beginning(body: &[u8]) -> Option<String> {
    (!body.is_empty()).then(|| String::from_utf8_lossy(body).chars().take(300).collect())
}

/// Bytes of somebody else's as text.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All that may be shown of a secret.
#[must_use]
pub fn masked(secret: &[u8]) -> String {
    format!("({} bytes)", secret.len())
}

/// A query string in which values are masked: any of them may be a token.
#[must_use]
pub fn masked_args(args: &[u8]) -> String {
    let arguments = query::arguments(args);
    let shown = arguments.map(|argument| match argument.value {
        b"" => text(argument.name),
        value => format!("{}={}", text(argument.name), masked(value)),
    });
    shown.collect::<Vec<_>>().join("&")
}

/// A variable that a client decides alone: with it in `download_explain`, anybody could ask for
/// explanations.
#[must_use]
pub fn is_the_clients(variable: &str) -> bool {
    const PREFIXES: [&str; 3] = ["arg_", "http_", "cookie_"];
    const NAMES: [&str; 15] = [
        "args",
        "query_string",
        "is_args",
        "uri",
        "document_uri",
        "request_uri",
        "request",
        "request_method",
        "request_filename",
        "host",
        "content_type",
        "content_length",
        "remote_user",
        "request_body",
        "proxy_add_x_forwarded_for",
    ];
    let name = variable.to_ascii_lowercase();
    // A number is a capture, of the URI in the end.
    name.starts_with(|c: char| c.is_ascii_digit())
        || NAMES.contains(&name.as_str())
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_what_did_not_happen() {
        let json = Explanation { view: "storage", uri: "/a".into(), ..Explanation::default() };
        let value: Value = serde_json::from_slice(&json.to_json()).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"outcome": {"status": 0}, "view": "storage", "uri": "/a"})
        );
    }

    #[test]
    fn secrets_are_masked() {
        for name in ["Cookie", "set-cookie", "AUTHORIZATION", "Proxy-Authorization"] {
            let field = Field::new(name.as_bytes(), b"secret=1", "");
            assert_eq!(field.value, "(8 bytes)", "{name}");
        }
        assert_eq!(Field::new(b"X-Other", b"plain", "").value, "plain");
        assert_eq!(Field::new(b"Location", b"/login?token=a", "").value, "/login?...");
        let grant = masked_grant(
            br#"{"file": {"url": "https://u:p@a.example/x?sig=1"}, "headers": {"set-cookie": "s=1"}}"#,
        );
        assert_eq!(
            grant.unwrap(),
            serde_json::json!({"file": {"url": "https://...@a.example/x?..."},
                "headers": {"set-cookie": "(3 bytes)"}})
        );
        assert_eq!(masked_args(b"a=1&token=abc&flag&b="), "a=(1 bytes)&token=(3 bytes)&flag&b");
        assert_eq!(masked_args(b""), "");
    }

    #[test]
    fn variables_of_the_client() {
        for name in [
            "1",
            "proxy_add_x_forwarded_for",
            "arg_explain",
            "http_x_explain",
            "cookie_debug",
            "args",
            "uri",
            "ARG_x",
        ] {
            assert!(is_the_clients(name), "{name}");
        }
        for name in ["explain", "remote_addr", "ssl_client_verify", "geo", "argument", "hostname"] {
            assert!(!is_the_clients(name), "{name}");
        }
    }
}
