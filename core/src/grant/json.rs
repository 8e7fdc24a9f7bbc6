//! Owns the grant's JSON, read strictly (RFC 8259): what is unknown, doubled, contradictory or of
//! the wrong type refuses the whole grant. Must not know how much JSON is allowed to come.
//!
//! `grant.schema.json` says the same; a test holds the two together.

use std::convert::Infallible;
use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserializer, Error, MapAccess};

use self::strict::{Draft, Fields, Slot, Text, object, parsed, read, whole};
use super::{Cache, File, Grant};
use crate::etag::EntityTag;
use crate::header::{self, HeaderName, HeaderValue};
use crate::media::{Charset, ContentCoding, MediaType};
use crate::syntax::Quoted;

mod strict;

pub use self::strict::GrantError;

/// The largest number that nginx's sizes and offsets hold.
const MAX: u64 = i64::MAX as u64;

/// The last second of the year 9999, the last an HTTP date can say.
const MAX_TIME: u64 = 253_402_300_799;

const MAX_INDEX: u64 = u32::MAX as u64;

impl Grant {
    /// Reads a grant from the body of an app's answer.
    pub fn from_json(body: &[u8]) -> Result<Self, GrantError> {
        let mut json = serde_json::Deserializer::from_str(str::from_utf8(body)?);
        let mut draft = GrantDraft::default();
        json.deserialize_map(Fields(&mut draft))?;
        json.end()?;
        Ok(draft.finish()?)
    }
}

#[derive(Default)]
struct GrantDraft {
    file: Slot<File>,
    basename: Slot<String>,
    attachment: Slot<bool>,
    mimetype: Slot<MediaType>,
    charset: Slot<Charset>,
    encoding: Slot<ContentCoding>,
    etag: Slot<EntityTag>,
    modified: Slot<i64>,
    size: Slot<u64>,
    headers: Slot<Vec<(HeaderName, HeaderValue)>>,
    limit_rate: Slot<u64>,
    limit_rate_after: Slot<u64>,
    cache: Slot<Cache>,
}

impl Draft for GrantDraft {
    type Value = Grant;

    const MEANT: &'static [(&'static str, &'static str)] = &[
        ("content", "file"),
        ("content_encoding", "encoding"),
        ("content_length", "size"),
        ("content_type", "mimetype"),
        ("disposition", "attachment"),
        ("filename", "basename"),
        ("last_modified", "modified"),
        ("length", "size"),
        ("mime_type", "mimetype"),
        ("mtime", "modified"),
        ("name", "basename"),
    ];

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "file" => read(&mut self.file, name, map, object::<FileDraft>),
            "basename" => read(&mut self.basename, name, map, filled),
            "attachment" => read(&mut self.attachment, name, map, Ok::<_, Infallible>),
            "mimetype" => read(&mut self.mimetype, name, map, parsed(MediaType::parse)),
            "charset" => read(&mut self.charset, name, map, parsed(Charset::parse)),
            "encoding" => read(&mut self.encoding, name, map, parsed(ContentCoding::parse)),
            "etag" => read(&mut self.etag, name, map, parsed(EntityTag::parse)),
            "modified" => read(&mut self.modified, name, map, whole::<MAX_TIME, _>),
            "size" => read(&mut self.size, name, map, whole::<MAX, _>),
            "headers" => read(&mut self.headers, name, map, object::<HeadersDraft>),
            "limit_rate" => read(&mut self.limit_rate, name, map, whole::<MAX, _>),
            "limit_rate_after" => read(&mut self.limit_rate_after, name, map, whole::<MAX, _>),
            "cache" => read(&mut self.cache, name, map, object::<CacheDraft>),
            _ => Err(Self::unknown(name)),
        }
    }

    fn finish(self) -> Result<Grant, String> {
        let file = self.file.flatten().ok_or("the field \"file\" is missing")?;
        let grant = Grant {
            file,
            basename: self.basename.flatten(),
            attachment: self.attachment.flatten(),
            mimetype: self.mimetype.flatten(),
            charset: self.charset.flatten(),
            encoding: self.encoding.flatten(),
            etag: self.etag.flatten(),
            modified: self.modified.flatten(),
            size: self.size.flatten(),
            headers: self.headers.flatten().unwrap_or_default(),
            limit_rate: self.limit_rate.flatten(),
            limit_rate_after: self.limit_rate_after.flatten(),
            cache: self.cache.flatten(),
        };
        let described = grant.basename.is_some() || grant.attachment.is_some();
        let disposed = |(name, _): &(HeaderName, _)| is_disposition(name.as_str().as_bytes());
        if described && grant.headers.iter().any(disposed) {
            return Err("Content-Disposition in \"headers\" contradicts \"basename\" and \
                        \"attachment\": give one or the others"
                .to_owned());
        }
        Ok(grant)
    }
}

fn is_disposition(name: &[u8]) -> bool {
    header::is(name, b"content-disposition")
}

#[derive(Default)]
struct FileDraft {
    storage: Slot<String>,
    path: Slot<String>,
    location: Slot<String>,
    url: Slot<String>,
    content: Slot<Vec<u8>>,
    base64: Slot<Vec<u8>>,
    descriptor: Slot<u32>,
}

impl Draft for FileDraft {
    type Value = File;

    const MEANT: &'static [(&'static str, &'static str)] =
        &[("fd", "descriptor"), ("name", "path"), ("uri", "location")];

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "storage" => read(&mut self.storage, name, map, filled),
            "path" => read(&mut self.path, name, map, filled),
            "location" => read(&mut self.location, name, map, filled),
            "url" => read(&mut self.url, name, map, filled),
            "content" => read(&mut self.content, name, map, text_bytes),
            "base64" => read(&mut self.base64, name, map, base64_bytes),
            "descriptor" => read(&mut self.descriptor, name, map, whole::<MAX_INDEX, _>),
            _ => Err(Self::unknown(name)),
        }
    }

    fn finish(self) -> Result<File, String> {
        let mut kinds = [
            self.location.flatten().map(File::Location),
            self.url.flatten().map(File::Url),
            self.content.flatten().map(File::Content),
            self.base64.flatten().map(File::Base64),
            self.descriptor.flatten().map(File::Descriptor),
        ]
        .into_iter()
        .flatten();
        match (self.storage.flatten(), self.path.flatten(), kinds.next(), kinds.next()) {
            (Some(storage), Some(path), None, _) => Ok(File::Storage { storage, path }),
            (None, Some(path), None, _) => Ok(File::Path(path)),
            (None, None, Some(file), None) => Ok(file),
            (Some(_), None, None, _) => Err("\"storage\" needs a \"path\" in it".to_owned()),
            _ => Err("give exactly one of storage with path, path, location, url, content, \
                      base64, descriptor"
                .to_owned()),
        }
    }
}

#[derive(Default)]
struct CacheDraft {
    ttl: Slot<u64>,
    tags: Slot<Vec<String>>,
}

impl Draft for CacheDraft {
    type Value = Cache;

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "ttl" => read(&mut self.ttl, name, map, whole::<MAX, _>),
            "tags" => read(&mut self.tags, name, map, |tags: Vec<Text>| {
                tags.into_iter().map(filled).collect::<Result<_, _>>()
            }),
            _ => Err(Self::unknown(name)),
        }
    }

    fn finish(self) -> Result<Cache, String> {
        Ok(Cache { ttl: self.ttl.flatten(), tags: self.tags.flatten().unwrap_or_default() })
    }
}

#[derive(Default)]
struct HeadersDraft(Vec<(HeaderName, HeaderValue)>);

impl Draft for HeadersDraft {
    type Value = Vec<(HeaderName, HeaderValue)>;

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let refused =
            |reason: &dyn fmt::Display| Error::custom(format_args!("{}: {reason}", Quoted(name)));
        let parsed = HeaderName::parse(name.as_bytes()).map_err(|error| refused(&error))?;
        if let Some(reason) = refused_header(name.as_bytes()) {
            return Err(refused(&reason));
        }
        let Text(value) = map.next_value().map_err(|error: A::Error| refused(&error))?;
        let value = HeaderValue::parse(value.as_bytes()).map_err(|error| refused(&error))?;
        self.0.push((parsed, value));
        Ok(())
    }

    fn finish(self) -> Result<Self::Value, String> {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        match names.iter().zip(names.iter().skip(1)).find(|(name, next)| name == next) {
            Some((name, _)) => Err(format!("{} comes twice", Quoted(name.as_str()))),
            None => Ok(self.0),
        }
    }
}

/// Why an app may not set this field in `headers`, if it may not.
fn refused_header(name: &[u8]) -> Option<&'static str> {
    const OWN_FIELD: [(&[u8], &str); 4] = [
        (b"content-type", "use the grant's field \"mimetype\""),
        (b"content-encoding", "use the grant's field \"encoding\""),
        (b"etag", "use the grant's field \"etag\""),
        (b"last-modified", "use the grant's field \"modified\""),
    ];
    if header::is_hop_by_hop_or_framing(name) || header::is(name, b"status") {
        return Some("the server sets this, an app must not");
    }
    if header::is_accel(name) {
        return Some("this is for servers, never for a client");
    }
    OWN_FIELD.into_iter().find_map(|(own, reason)| header::is(name, own).then_some(reason))
}

/// A string that is not empty and stays on one line.
fn filled(Text(text): Text<'_>) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    // A loop without a way out of it looks at many bytes at once.
    if text.bytes().fold(false, |any, c| any | matches!(c, b'\r' | b'\n' | b'\0')) {
        return Err("must not contain CR, LF or NUL");
    }
    Ok(text.into_owned())
}

fn text_bytes(Text(text): Text<'_>) -> Result<Vec<u8>, Infallible> {
    Ok(text.into_owned().into_bytes())
}

fn base64_bytes(Text(text): Text<'_>) -> Result<Vec<u8>, &'static str> {
    /// The standard alphabet, padded or not.
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    BASE64.decode(text.as_bytes()).map_err(|_| "not Base64 of the standard alphabet, padded or not")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(json: &str) -> Grant {
        Grant::from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    fn error(json: &str) -> String {
        Grant::from_json(json.as_bytes()).expect_err(json).to_string()
    }

    #[test]
    fn everything() {
        let grant = grant(
            r#"{"file": {"storage": "media", "path": "2026/q3.pdf"},
                "basename": "Q3 report.pdf", "attachment": true,
                "mimetype": "application/pdf", "charset": "utf-8", "encoding": "gzip",
                "etag": "\"v17\"", "modified": 1764000000, "size": 1048576,
                "headers": {"Cache-Control": " private, no-store", "X-E": "é"},
                "limit_rate": 1048576, "limit_rate_after": 0,
                "cache": {"ttl": 30, "tags": ["user:7", "doc:12"]}}"#,
        );
        let header = |name: &str, value: &str| {
            (
                HeaderName::parse(name.as_bytes()).unwrap(),
                HeaderValue::parse(value.as_bytes()).unwrap(),
            )
        };
        let expected = Grant {
            file: File::Storage { storage: "media".into(), path: "2026/q3.pdf".into() },
            basename: Some("Q3 report.pdf".into()),
            attachment: Some(true),
            mimetype: MediaType::parse(b"application/pdf").ok(),
            charset: Charset::parse(b"utf-8").ok(),
            encoding: ContentCoding::parse(b"gzip").ok(),
            etag: EntityTag::parse(b"\"v17\"").ok(),
            modified: Some(1_764_000_000),
            size: Some(1_048_576),
            headers: vec![header("Cache-Control", "private, no-store"), header("X-E", "é")],
            limit_rate: Some(1_048_576),
            limit_rate_after: Some(0),
            cache: Some(Cache { ttl: Some(30), tags: vec!["user:7".into(), "doc:12".into()] }),
        };
        assert_eq!(grant, expected);
    }

    #[test]
    fn null_is_absent() {
        let grant = grant(
            r#"{"file": {"path": "/a", "url": null}, "basename": null, "attachment": null,
                "mimetype": null, "charset": null, "encoding": null, "etag": null,
                "modified": null, "size": null, "headers": null, "limit_rate": null,
                "limit_rate_after": null, "cache": null}"#,
        );
        assert_eq!(grant, Grant::new(File::Path("/a".into())));
    }

    #[test]
    fn every_kind_of_file() {
        let file = |json: &str| grant(&format!(r#"{{"file": {json}}}"#)).file;
        let kinds = [
            (file(r#"{"path": "p", "storage": "s"}"#), "storage"),
            (file(r#"{"path": "/a"}"#), "path"),
            (file(r#"{"location": "/i/a?b"}"#), "location"),
            (file(r#"{"url": "https://a/b"}"#), "url"),
            (file(r#"{"content": ""}"#), "content"),
            (file(r#"{"base64": ""}"#), "base64"),
            (file(r#"{"descriptor": 0}"#), "descriptor"),
        ];
        for (file, kind) in kinds {
            assert_eq!(file.kind(), kind);
        }
        assert_eq!(file(r#"{"content": "\u00e9\r\n\u0000"}"#), File::Content("é\r\n\0".into()));
        for text in ["/w==", "/w=", "/w"] {
            let json = format!(r#"{{"base64": "{text}"}}"#);
            assert_eq!(file(&json), File::Base64(vec![0xff]));
        }
        assert_eq!(file(r#"{"descriptor": 4294967295}"#), File::Descriptor(u32::MAX));
    }

    #[test]
    fn messages_say_which_field() {
        let with = |rest: &str| error(&format!(r#"{{"file": {{"path": "/a"}}, {rest}}}"#));
        for (rest, part) in [
            (
                r#""filename": "x""#,
                r#"unknown field "filename"; did you mean "basename"? at line 1"#,
            ),
            (r#""x\r\n\u202e": 1"#, r#"unknown field "x\r\n\u{202e}" at line 1"#),
            (r#""size": null, "size": 1"#, r#"the field "size" comes twice"#),
            (r#""size": -1"#, "size: invalid type: integer `-1`, expected a whole number from 0"),
            (
                r#""attachment": "yes""#,
                r#"attachment: invalid type: string "yes", expected a bool"#,
            ),
            (r#""mimetype": "pdf""#, r#"mimetype: "pdf": not a media type such as"#),
            (r#""basename": "a\rb""#, "basename: must not contain CR, LF or NUL"),
            (r#""cache": {"ttl": "1"}"#, "cache: ttl: invalid type"),
            (r#""cache": []"#, "cache: invalid type: sequence, expected an object"),
            (r#""headers": {"A B": ""}"#, r#"headers: "A B": not a header name"#),
            (r#""headers": {"A": "a\nb"}"#, r#"headers: "A": a header value contains no control"#),
            (r#""headers": {"TE": ""}"#, r#"headers: "TE": the server sets this"#),
            (r#""headers": {"X-Accel-Redirect": "/"}"#, "this is for servers"),
            (r#""headers": {"Content-type": "a/b"}"#, r#"use the grant's field "mimetype""#),
            (r#""headers": {"Aa": "", "b": "", "aA": ""}"#, "comes twice"),
        ] {
            assert!(with(rest).contains(part), "{}", with(rest));
        }
        assert!(error("{}").contains(r#"the field "file" is missing"#));
        assert!(error("[]").contains("invalid type: sequence, expected an object"));
        assert!(error(r#"{"file": {"storage": "s"}}"#).contains(r#"needs a "path""#));
        assert!(error(r#"{"file": {}}"#).contains("exactly one of storage with path, path,"));
        assert!(error(r#"{"file": {"path": "/a"}} {}"#).contains("trailing characters"));
        let latin = Grant::from_json(b"{\"basename\": \"\xe9\"}").unwrap_err();
        assert_eq!(latin.to_string(), "not UTF-8 from byte 14 on");
    }

    #[test]
    fn no_value_breaks_a_line() {
        let texts = [
            r#""basename": "X""#,
            r#""mimetype": "text/X""#,
            r#""mimetype": "text/plain; a=X""#,
            r#""mimetype": "text/plain; a=\"X\"""#,
            r#""charset": "X""#,
            r#""encoding": "X""#,
            r#""etag": "\"X\"""#,
            r#""headers": {"A": "X"}"#,
            r#""headers": {"X": "a"}"#,
            r#""cache": {"tags": ["X"]}"#,
        ];
        let files = [
            r#"{"storage": "X", "path": "a"}"#,
            r#"{"storage": "s", "path": "X"}"#,
            r#"{"path": "/X"}"#,
            r#"{"location": "/X"}"#,
            r#"{"url": "http://a/X"}"#,
        ];
        let grants = (texts.iter().map(|text| format!(r#"{{"file": {{"path": "/a"}}, {text}}}"#)))
            .chain(files.iter().map(|file| format!(r#"{{"file": {file}}}"#)));
        for grant in grants {
            let with = |middle: &str| Grant::from_json(grant.replace('X', middle).as_bytes());
            assert!(with("x").is_ok(), "{grant}");
            for escaped in [r"\r", r"\n", r"\r\n", r"\u0000"] {
                for text in [format!("x{escaped}x"), format!("{escaped}x"), format!("x{escaped}")] {
                    assert!(with(&text).is_err(), "{grant}, {text}");
                }
            }
        }
    }

    #[test]
    fn framing_is_not_for_apps() {
        for name in ["Content-Length", "Transfer-Encoding", "Connection", "Content-Range", "TE"] {
            for name in [name.into(), name.to_lowercase(), name.replace('-', "_")] {
                let json = format!(r#"{{"file": {{"path": "/a"}}, "headers": {{"{name}": "1"}}}}"#);
                let error = error(&json);
                assert!(error.contains("the server sets this, an app must not"), "{error}");
            }
        }
    }

    #[test]
    fn lifetimes() {
        let of = |ttl: &str| {
            let json = format!(r#"{{"file": {{"path": "/a"}}, "cache": {{"ttl": {ttl}}}}}"#);
            Grant::from_json(json.as_bytes()).map(|grant| grant.cache.unwrap().ttl)
        };
        assert_eq!(of("0").unwrap(), Some(0));
        assert_eq!(of("9223372036854775807").unwrap(), Some(i64::MAX.unsigned_abs()));
        for none in ["-1", "9223372036854775808", "18446744073709551616", "1.5", "1e3", "\"1\""] {
            assert!(of(none).unwrap_err().to_string().contains("ttl"), "{none}");
        }
    }

    #[test]
    fn content_disposition_stands_alone() {
        let with = |rest: &str| {
            let json = r#"{"file": {"path": "/a"}, "headers": {"content-disposition": "inline"}"#;
            Grant::from_json(format!("{json}{rest}}}").as_bytes())
        };
        assert!(with("").is_ok() && with(r#", "basename": null, "attachment": null"#).is_ok());
        assert!(with(r#", "basename": "b""#).is_err());
        assert!(with(r#", "attachment": false"#).is_err());
    }

    #[test]
    fn messages_are_short() {
        let long = "x\u{1}".repeat(if cfg!(miri) { 200 } else { 10_000 });
        for json in [
            serde_json::json!({ "attachment": long }),
            serde_json::json!({ "mimetype": long }),
            serde_json::json!({ &long: 1 }),
            serde_json::json!({ "headers": { &long: 1 } }),
            serde_json::json!({ "headers": { "x": long } }),
        ] {
            let error = error(&json.to_string());
            assert!(error.chars().count() < 310 && error.contains("at line 1"), "{error}");
            assert!(!error.contains(char::is_control), "{error}");
        }
    }
}
