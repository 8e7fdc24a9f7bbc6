//! Owns the name a client saves a file under: what is left of the app's basename, and the
//! `Content-Disposition` that carries it (RFC 6266, RFC 8187). Must not know where it came from.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What a client should do with a file (RFC 6266, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Save it.
    Attachment,
    /// Show it.
    Inline,
}

impl Disposition {
    /// The disposition type as it stands in the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Inline => "inline",
        }
    }
}

/// What `attr-char` allows (RFC 8187, section 3.2.1).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A whole `Content-Disposition` value, ASCII, for a file to be called `raw_basename`, which goes
/// through [`basename`] first; nothing left of it: the type alone.
pub fn content_disposition(kind: Disposition, raw_basename: &[u8]) -> String {
    if let Some(parts) = plain_disposition(kind, raw_basename) {
        return String::from_utf8_lossy(&parts.concat()).into_owned();
    }
    let kind = kind.as_str();
    let name = basename(raw_basename);
    if name.is_empty() {
        return kind.to_owned();
    }
    let fallback = fallback(&name);
    let quoted = fallback.replace('\\', r"\\").replace('"', r#"\""#);
    if fallback == name {
        return format!(r#"{kind}; filename="{quoted}""#);
    }
    let extended = utf8_percent_encode(&name, ATTR_CHAR);
    format!(r#"{kind}; filename="{quoted}"; filename*=UTF-8''{extended}"#)
}

/// The same value in parts, for one of the many names that need no care.
#[inline]
#[must_use]
pub fn plain_disposition(kind: Disposition, raw_basename: &[u8]) -> Option<[&[u8]; 4]> {
    let parts = [kind.as_str().as_bytes(), b"; filename=\"", raw_basename, b"\""];
    is_plain(raw_basename).then_some(parts)
}

/// A name fit to save a file under, on any system, out of what an app says; empty if nothing is
/// left.
///
/// The last segment after `/` and `\`, without drive letter, control characters, and characters
/// that turn the direction or break the line; without whitespace around it, or dots at its end,
/// which Windows would drop (so `.` and `..` end up empty). Not UTF-8: read as Latin-1.
pub fn basename(raw: &[u8]) -> String {
    plain(raw).map_or_else(|| clean(&decode(raw)), str::to_owned)
}

/// The name when it needs no care.
fn plain(raw: &[u8]) -> Option<&str> {
    if is_plain(raw) { str::from_utf8(raw).ok() } else { None }
}

/// Is it a name that needs no care: nothing to remove, quote or encode?
fn is_plain(raw: &[u8]) -> bool {
    let is = |c: &u8, mark| PLAIN.get(usize::from(*c)).is_some_and(|marks| marks & mark != 0);
    let [first, inner @ .., last] = raw else { return false };
    is(first, AT_EDGE) && inner.iter().all(|c| is(c, INSIDE)) && is(last, AT_EDGE)
}

const INSIDE: u8 = 1;
const AT_EDGE: u8 = 2;

/// Where each byte may stand in a name that needs no care.
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const PLAIN: [u8; 256] = {
    let mut marks = [0; 256];
    let mut c = 0;
    while c < marks.len() {
        if (c as u8).is_ascii_alphanumeric() || is_among(c as u8, b"_-()") {
            marks[c] = INSIDE | AT_EDGE;
        } else if is_among(c as u8, b" .,;+='!#$&@~") {
            marks[c] = INSIDE;
        }
        c += 1;
    }
    marks
};

const fn is_among(c: u8, mut some: &[u8]) -> bool {
    while let [first, rest @ ..] = some {
        if *first == c {
            return true;
        }
        some = rest;
    }
    false
}

fn decode(raw: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(raw) {
        Ok(text) => text.into(),
        Err(_) => raw.iter().copied().map(char::from).collect::<String>().into(),
    }
}

fn clean(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_dropped(*c)).collect();
    let mut name = visible.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    while let Some(rest) = without_drive(name) {
        name = rest.trim_start();
    }
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace()).to_owned()
}

/// Control characters, Unicode's `Bidi_Control` (they make `exe.txt` of `txt.exe`), and the line
/// and paragraph separators.
fn is_dropped(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

fn without_drive(name: &str) -> Option<&str> {
    name.strip_prefix(|c: char| c.is_ascii_alphabetic())?.strip_prefix(':')
}

/// `name` in ASCII, for clients that know no `filename*`: accents dropped, `_` for what has no
/// ASCII letter or digit.
fn fallback(name: &str) -> String {
    let ascii: String = name
        .chars()
        .flat_map(|c| c.nfkd().map(move |part| (c, part)))
        .filter(|(_, part)| !is_combining_mark(*part))
        .map(|(whole, part)| match part {
            // What only compatibility makes of a character may be a quote, a slash, a dot.
            _ if whole.is_ascii() => part,
            ' ' | 'a'..='z' | 'A'..='Z' | '0'..='9' => part,
            _ => '_',
        })
        .collect();
    // Without its accents it may end in a dot again.
    let ascii = clean(&without_escapes(&ascii));
    if ascii.is_empty() { "_".to_owned() } else { ascii }
}

/// `_` for each `%` that some clients would take for an escape (RFC 6266, appendix D).
fn without_escapes(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        let mut ahead = rest.clone().map(|next| next.is_ascii_hexdigit());
        let escape = c == '%' && ahead.next() == Some(true) && ahead.next() == Some(true);
        out.push(if escape { '_' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;

    use super::*;

    /// A `Content-Disposition` as a strict reader understands it.
    #[derive(Debug, PartialEq)]
    struct Read {
        kind: String,
        filename: Option<String>,
        extended: Option<String>,
    }

    /// RFC 6266, section 4.1, with no leniency: one type, each parameter once, all in order.
    fn strictly(value: &str) -> Read {
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{value:?}");
        let (kind, rest) = match value.split_once("; ") {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (value, None),
        };
        assert!(matches!(kind, "attachment" | "inline"), "{value:?}");
        let mut read = Read { kind: kind.to_owned(), filename: None, extended: None };
        let Some(rest) = rest else { return read };

        let mut chars = rest.strip_prefix("filename=\"").expect(value).chars();
        let mut filename = String::new();
        loop {
            match chars.next().expect(value) {
                '"' => break,
                '\\' => filename.push(chars.next().expect(value)),
                c => filename.push(c),
            }
        }
        read.filename = Some(filename);

        let rest = chars.as_str();
        if !rest.is_empty() {
            let extended = rest.strip_prefix("; filename*=UTF-8''").expect(value);
            let mut bytes = extended.bytes();
            while let Some(byte) = bytes.next() {
                if byte == b'%' {
                    let hex = [bytes.next(), bytes.next()];
                    assert!(hex.iter().all(|byte| byte.expect(value).is_ascii_hexdigit()));
                } else {
                    let attr = byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
                    assert!(attr, "{value:?}");
                }
            }
            read.extended = Some(percent_decode_str(extended).decode_utf8().unwrap().into_owned());
        }
        read
    }

    fn attachment(raw: &[u8]) -> Read {
        strictly(&content_disposition(Disposition::Attachment, raw))
    }

    /// Names as apps have them, or as attackers upload them, and what a client reads.
    const NAMES: &[(&str, &str, Option<&str>)] = &[
        ("demo.txt", "demo.txt", None),
        ("Q3 report (final).pdf", "Q3 report (final).pdf", None),
        ("a\";x=.bat", "a\";x=.bat", None),
        ("\"", "\"", None),
        ("multi-part-one\";\" dummy\".txt", "multi-part-one\";\" dummy\".txt", None),
        ("x\"; filename=evil.sh;", "x\"; filename=evil.sh;", None),
        ("it's, a; b=c.txt", "it's, a; b=c.txt", None),
        ("é.txt", "e.txt", Some("é.txt")),
        ("e\u{301}.txt", "e.txt", Some("e\u{301}.txt")),
        ("€ rates", "_ rates", Some("€ rates")),
        ("foo-ä.html", "foo-a.html", Some("foo-ä.html")),
        ("日本.txt", "__.txt", Some("日本.txt")),
        ("📄.pdf", "_.pdf", Some("📄.pdf")),
        ("👩‍👧.png", "___.png", Some("👩‍👧.png")),
        ("\u{301}", "_", Some("\u{301}")),
        ("ﬁn².txt", "fin2.txt", Some("ﬁn².txt")),
        ("／etc＼x＂y．．", "_etc_x_y__", Some("／etc＼x＂y．．")),
        ("．．", "__", Some("．．")),
        ("..\u{301}", "_", Some("..\u{301}")),
        ("a.\u{301}", "a", Some("a.\u{301}")),
        ("50%.txt", "50%.txt", None),
        ("%41%4.txt%", "_41%4.txt%", Some("%41%4.txt%")),
        ("100%2525", "100_2525", Some("100%2525")),
        ("％41", "_41", Some("％41")),
        ("../../x", "x", None),
        ("/etc/passwd", "passwd", None),
        ("a\\b", "b", None),
        ("..\\..\\x", "x", None),
        ("C:\\x", "x", None),
        ("C:x", "x", None),
        (" c: d:x", "x", None),
        ("C\u{202e}:x", "x", None),
        ("10:30 notes.txt", "10:30 notes.txt", None),
        ("a\r\nSet-Cookie: x", "aSet-Cookie: x", None),
        ("a\0\x1b\x7f\u{85}b", "ab", None),
        ("inv\u{202e}fdp.exe", "invfdp.exe", None),
        ("\u{200e}\u{200f}\u{61c}a\u{2028}\u{2029}\u{202a}\u{2066}\u{2069}b", "ab", None),
        ("  padded \u{a0}", "padded", None),
        ("setup.exe. . ", "setup.exe", None),
        (".htaccess", ".htaccess", None),
        ("...txt", "...txt", None),
    ];

    #[test]
    fn one_rightly_quoted_name() {
        for (raw, filename, extended) in NAMES {
            let expected = Read {
                kind: "attachment".into(),
                filename: Some((*filename).into()),
                extended: extended.map(Into::into),
            };
            assert_eq!(attachment(raw.as_bytes()), expected, "{raw:?}");
        }
    }

    #[test]
    fn nothing_left_is_the_type_alone() {
        for raw in ["", ".", "..", "...", " ", "/", "a/", "a/..", "C:", "c:\\", "\r\n", "\u{202e}"]
        {
            assert_eq!(content_disposition(Disposition::Attachment, raw.as_bytes()), "attachment");
            assert_eq!(content_disposition(Disposition::Inline, raw.as_bytes()), "inline");
        }
    }

    #[test]
    fn as_the_seed_writes_it() {
        let value = |raw: &str| content_disposition(Disposition::Attachment, raw.as_bytes());
        assert_eq!(value("demo.txt"), r#"attachment; filename="demo.txt""#);
        assert_eq!(value("é.txt"), r#"attachment; filename="e.txt"; filename*=UTF-8''%C3%A9.txt"#);
        assert_eq!(value("a\";x=.bat"), r#"attachment; filename="a\";x=.bat""#);
    }

    #[test]
    fn plain_names_are_those_that_nothing_is_done_to() {
        for a in 0..=u8::MAX {
            for raw in [vec![a; 2], vec![b'x', a, b'y'], vec![a, b'x', a], vec![a, b':', b'x']] {
                if let Some(name) = plain(&raw) {
                    assert_eq!(clean(&decode(&raw)), name);
                    assert_eq!(fallback(name), name);
                    assert!(!name.contains(['"', '\\']));
                }
            }
        }
        assert_eq!(plain(b"Q3 report (final).pdf"), Some("Q3 report (final).pdf"));
    }

    #[test]
    fn not_utf_8_is_latin_1() {
        assert_eq!(basename(b"\xe9\xff.txt"), "éÿ.txt");
        assert_eq!(attachment(b"\xe9.txt").extended.unwrap(), "é.txt");
    }

    #[test]
    fn long_names_stay_whole() {
        let long = "é".repeat(300);
        let read = attachment(long.as_bytes());
        assert_eq!(read.filename.unwrap(), "e".repeat(300));
        assert_eq!(read.extended.unwrap(), long);
    }

    #[test]
    fn every_character_is_safe_and_basename_settles() {
        let step = if cfg!(miri) { 997 } else { 1 };
        // Above these no character has a decomposition.
        for c in ('\0'..='\u{2fa1f}').step_by(step) {
            let raw = format!("a{c}{c}b\"{c}z");
            let name = basename(raw.as_bytes());
            assert_eq!(basename(name.as_bytes()), name, "{c:?}");
            let read = attachment(raw.as_bytes());
            assert_eq!(read.extended.or(read.filename).unwrap(), name, "{c:?}");
        }
    }
}
