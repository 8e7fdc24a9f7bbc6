//! Holds `grant.schema.json` and the parser together: on every document that a schema can judge,
//! in the corpus or generated, both say the same.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use nginx_download_core::grant::Grant;
use serde_json::{Value, json};

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(include_str!("../grant.schema.json")).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The documents of one folder of the corpus, with their names.
fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grants").join(folder);
    let documents: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    assert!(!documents.is_empty(), "{} holds no documents", folder.display());
    documents
}

/// What both say of `document`.
fn verdict(schema: &Validator, document: &Value) -> bool {
    let parsed = Grant::from_json(document.to_string().as_bytes());
    assert_eq!(schema.is_valid(document), parsed.is_ok(), "{document}: {parsed:?}");
    parsed.is_ok()
}

#[test]
fn corpus_is_judged_alike() {
    let schema = schema();
    for (folder, accepted) in [("accepted", true), ("refused", false)] {
        for (name, body) in corpus(folder) {
            let document = serde_json::from_slice(&body).unwrap();
            assert_eq!(verdict(&schema, &document), accepted, "{name}");
            assert_eq!(Grant::from_json(&body).is_ok(), accepted, "{name}");
        }
    }
}

#[test]
fn what_no_schema_can_judge_is_refused() {
    for (name, body) in corpus("refused-by-syntax") {
        assert!(Grant::from_json(&body).is_err(), "{name}");
    }
}

/// Values good for some field and bad for others.
fn values() -> Vec<Value> {
    let strings = [
        "",
        " ",
        "a",
        "a b",
        " a ",
        "/a/b.txt",
        "../a",
        "https://a/b?c",
        "é",
        "日本",
        "\u{202e}",
        "a\tb",
        "a\rb",
        "a\nb",
        "a\r\n",
        "\0",
        "a\0",
        "\u{1b}",
        "\u{7f}",
        "\u{80}",
        "\u{85}",
        "\u{feff}",
        "\u{2028}",
        "\u{10ffff}",
        "a\\",
        "\"",
        "a\"b",
        "\"a\"",
        "W/\"a\"",
        "w/\"a\"",
        "\"\"",
        "\"a\"b\"",
        "\"a b\"",
        "\"é\"",
        "\"\u{1}\"",
        "\"a\"\n",
        "W/",
        "gzip",
        "identity",
        "gzip, br",
        "utf-8",
        "utf-8\n",
        "text/plain",
        "text/html; charset=utf-8",
        "text/html;charset=\"a\\\"b;c\"",
        "text/html;;a=b ;",
        "text/html; ",
        "text/html ",
        " text/html",
        "text/html;a",
        "text/html;a=",
        "text/html;a =b",
        "text/html;a=\"b",
        "text/html;a=\"b\"c",
        "text/html;a=\"é\"",
        "text/html;a=\"\t\"",
        "text/html\n",
        "text/",
        "/html",
        "a/b/c",
        "a/b;c=d/e",
        "a/b, c/d",
        "é/b",
        "QUJD",
        "QUI=",
        "QUI",
        "QQ==",
        "QQ=",
        "QQ",
        "Q",
        "QR==",
        "QR",
        "QUJ",
        "QUJD=",
        "QUI==",
        "Q===",
        "=",
        "====",
        "_-8=",
        "+/8=",
        "QU JD",
        "QUJD\n",
        "QQ==QQ==",
        "Vary",
        "X-Accel",
        "X-Accel-Redirect",
        "x_accel_mapping",
        "X-SENDFILE",
        "X-Sendfile2",
        "XSendfile",
        "X-LIGHTTPD-send-file",
        "X-Reproxy-URL",
        "X-Lighttpd",
        "Content-Type",
        "content_encoding",
        "ETag",
        "LAST-MODIFIED",
        "Content-Disposition",
        "content_disposition",
        "Content-Dispositions",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "te",
        "Trailer",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Content-Length",
        "Content-Range",
        "Accept-Ranges",
        "accept_ranges",
        "Status",
        "Status-URI",
        "Set-Cookie",
        "X-A:",
        "X A",
        "(a)",
        "!#$%&'*+.^_`|~-",
    ];
    let others = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(0.5),
        json!(-1.5),
        json!(1e300),
        json!(u32::MAX),
        json!(u64::from(u32::MAX) + 1),
        json!(253_402_300_799_u64),
        json!(253_402_300_800_u64),
        json!(i64::MAX),
        json!(1_u64 << 63),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([]),
        json!([null]),
        json!([1]),
        json!(["a", "b"]),
        json!(["a", ""]),
        json!(["a\n"]),
        json!([["a"]]),
        json!({}),
        json!({"a": "b"}),
        json!({"a": null}),
        json!({"a": 1}),
        json!({"ttl": 1}),
        json!({"tags": ["a"]}),
        json!({"ttl": null, "tags": null}),
        json!({"path": "/a"}),
        json!({"path": "a", "storage": "b"}),
        json!({"file": {"path": "/a"}}),
    ];
    strings.into_iter().map(Value::from).chain(others).collect()
}

fn in_grant(field: &str, value: Value) -> Value {
    let mut grant = json!({"file": {"path": "/a"}});
    grant[field] = value;
    grant
}

/// Makes a grant with a value in one place.
type Place = Box<dyn Fn(Value) -> Value>;

#[test]
fn every_value_in_every_place_is_judged_alike() {
    let schema = schema();
    let mut places: Vec<(String, Place)> = vec![
        ("storage".into(), Box::new(|value| json!({"file": {"storage": value, "path": "a"}}))),
        ("path in it".into(), Box::new(|value| json!({"file": {"storage": "a", "path": value}}))),
        ("tag".into(), Box::new(|value| in_grant("cache", json!({"tags": ["a", value]})))),
        ("header".into(), Box::new(|value| in_grant("headers", json!({"X-A": value})))),
        ("ttl".into(), Box::new(|value| in_grant("cache", json!({"ttl": value})))),
        ("tags".into(), Box::new(|value| in_grant("cache", json!({"tags": value})))),
    ];
    for kind in ["path", "location", "url", "content", "base64", "descriptor"] {
        places.push((kind.into(), Box::new(move |value| json!({"file": {kind: value}}))));
    }
    for field in [
        "file",
        "basename",
        "attachment",
        "mimetype",
        "charset",
        "encoding",
        "etag",
        "modified",
        "size",
        "headers",
        "limit_rate",
        "limit_rate_after",
        "cache",
    ] {
        places.push((field.into(), Box::new(move |value| in_grant(field, value))));
    }

    for (place, document) in &places {
        let verdicts: Vec<_> =
            values().into_iter().map(|value| verdict(&schema, &document(value))).collect();
        assert!(verdicts.contains(&true) && verdicts.contains(&false), "{place}");
    }
    for value in values() {
        verdict(&schema, &value);
        if let Some(name) = value.as_str() {
            verdict(&schema, &in_grant("headers", json!({name: "a"})));
            verdict(&schema, &json!({"file": {"path": "/a", name: null}}));
            verdict(&schema, &in_grant("cache", json!({name: null})));
            verdict(&schema, &in_grant(&format!("{name} "), json!(null)));
        }
    }
}

#[test]
fn every_combination_of_kinds_is_judged_alike() {
    let schema = schema();
    let kinds = [
        ("storage", json!("a")),
        ("path", json!("a")),
        ("location", json!("/a")),
        ("url", json!("https://a/")),
        ("content", json!("a")),
        ("base64", json!("QQ==")),
        ("descriptor", json!(0)),
    ];
    let mut accepted = 0;
    // Each kind is absent, null or there.
    for combination in 0..3_usize.pow(7) {
        let mut file = json!({});
        let mut left = combination;
        for (kind, value) in &kinds {
            match left % 3 {
                1 => file[kind] = json!(null),
                2 => file[kind] = value.clone(),
                _ => {}
            }
            left /= 3;
        }
        accepted += usize::from(verdict(&schema, &json!({ "file": file })));
    }
    // Storage with path leaves five others absent or null, each of the other six kinds six.
    assert_eq!(accepted, 2_usize.pow(5) + 6 * 2_usize.pow(6));
}

#[test]
fn contradictions_are_judged_alike() {
    let schema = schema();
    let choices = |values: [Value; 3]| [None].into_iter().chain(values.map(Some));
    for header in ["Content-Disposition", "content_DISPOSITION", "Content-Description"] {
        for headers in
            choices([json!(null), json!({header: "inline"}), json!({"A": "", header: ""})])
        {
            for basename in choices([json!(null), json!("a"), json!("")]) {
                for attachment in choices([json!(null), json!(true), json!(false)]) {
                    let mut grant = json!({"file": {"path": "/a"}});
                    for (field, value) in [
                        ("headers", &headers),
                        ("basename", &basename),
                        ("attachment", &attachment),
                    ] {
                        if let Some(value) = value {
                            grant[field] = value.clone();
                        }
                    }
                    verdict(&schema, &grant);
                }
            }
        }
    }
}
