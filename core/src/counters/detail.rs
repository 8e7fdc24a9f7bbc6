//! Owns what of a failure's particulars is shown to more people than read the error log. Must not
//! know where it is shown.

use crate::failure::Failure;

/// `detail`, as it is logged, without what could open a door: query strings, which signatures and
/// tokens travel in, users and passwords in URLs, and values of options, which may come from
/// anywhere. All that came from elsewhere stands in double quotes in it.
#[must_use]
pub fn masked(failure: Failure, detail: &str) -> String {
    let mut shown = String::with_capacity(detail.len());
    let mut rest = detail;
    while let Some((before, after)) = rest.split_once('"') {
        let end = closing_quote(after);
        let (quoted, after) = after.split_at_checked(end).unwrap_or((after, ""));
        shown.push_str(before);
        shown.push('"');
        match failure {
            Failure::BadOption => shown.push_str("..."),
            _ => without_secrets(&mut shown, quoted),
        }
        rest = after.strip_prefix('"').map_or(after, |after| {
            shown.push('"');
            after
        });
    }
    shown.push_str(rest);
    shown
}

/// Where the quoted text ends. Quotes in it are escaped.
fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|c| {
        let closes = c == b'"' && !escaped;
        escaped = c == b'\\' && !escaped;
        closes
    });
    end.unwrap_or(text.len())
}

/// A URL without its query and its user, in which there may be secrets.
#[must_use]
pub fn masked_url(url: &str) -> String {
    let mut shown = String::with_capacity(url.len());
    without_secrets(&mut shown, url);
    shown
}

fn without_secrets(shown: &mut String, quoted: &str) {
    let ends = ["?", "%3f", "%3F"].into_iter().filter_map(|query| quoted.find(query));
    let (path, query) = match ends.min() {
        Some(end) => (quoted.get(..end).unwrap_or_default(), "?..."),
        None => (quoted, ""),
    };
    let user = path.split_once("//").and_then(|(scheme, rest)| {
        let host = rest.split('/').next().unwrap_or_default();
        Some((scheme, rest.get(host.rfind('@')?..)?))
    });
    match user {
        Some((scheme, rest)) => {
            shown.push_str(scheme);
            shown.push_str("//...");
            shown.push_str(rest);
        }
        None => shown.push_str(path),
    }
    shown.push_str(query);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        for (detail, shown) in [
            (r#""a.pdf" in storage "media" (/srv/media) does not exist"#, None),
            ("no answer from the app: is it running, and where proxy_pass points to?", None),
            ("something put subrequests into the app's answer (slice?)", None),
            (
                r#""https://a.example/x?X-Amz-Signature=abc&b=c": the URL is below no declared url="#,
                Some(r#""https://a.example/x?...": the URL is below no declared url="#),
            ),
            (
                r#"the grant's location "/in/a?token=s" is below no download_storage location="#,
                Some(r#"the grant's location "/in/a?..." is below no download_storage location="#),
            ),
            (
                r#""https://me:secret@a.example/x": the URL must name a host, and no user"#,
                Some(r#""https://...@a.example/x": the URL must name a host, and no user"#),
            ),
            (r#""/a%3Fb%3fc?d""#, Some(r#""/a?...""#)),
            (r#""http://a@b@c": x"#, Some(r#""http://...@c": x"#)),
            (r#""/srv//a@b/c": x"#, Some(r#""/srv//...@b/c": x"#)),
            (r#""a\"b?c\"d" and "e?f""#, Some(r#""a\"b?..." and "e?...""#)),
            (r#""a\\" b?c "d?e""#, Some(r#""a\\" b?c "d?...""#)),
            (r#"broken off "a?secret"#, Some(r#"broken off "a?..."#)),
            (r#""?"?"?""#, Some(r#""?..."?"?...""#)),
            (r#"unknown field "x"; did you mean "y"? at line 1"#, None),
            ("", None),
        ] {
            assert_eq!(masked(Failure::NoRule, detail), shown.unwrap_or(detail));
        }
    }

    #[test]
    fn values_of_options() {
        let detail = r#"download_header came out as "sid=\"secret\"\n": a header value contains no control characters"#;
        let shown =
            r#"download_header came out as "...": a header value contains no control characters"#;
        assert_eq!(masked(Failure::BadOption, detail), shown);
    }
}
