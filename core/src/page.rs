//! Owns under which policy a page that is all in one file is shown. Must not know what is on it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A Content-Security-Policy by which nothing runs or is loaded but what stands in `html` itself,
/// and numbers from where it came from; and which lets nobody frame it.
///
/// Scripts and styles are told by their hashes: those between `<script>` and `</script>`, and
/// `<style>` and `</style>`, without attributes. With trusted types, no script can make elements
/// of text.
#[must_use]
pub fn policy(html: &str) -> String {
    let (scripts, styles) = (hashes(html, "script"), hashes(html, "style"));
    format!(
        "default-src 'none'; script-src{scripts}; style-src{styles}; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    )
}

fn hashes(html: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let contents = html.split(&open).skip(1).filter_map(|rest| rest.split(&close).next());
    let sources = contents.map(|content| {
        format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(content.as_bytes())))
    });
    let sources: String = sources.collect();
    if sources.is_empty() { " 'none'".to_owned() } else { sources }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_scripts_and_styles() {
        let policy = policy("<style>a{}</style><script>1</script>\n<script>\n2</script>");
        // printf '1' | openssl dgst -sha256 -binary | base64
        let one = "'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='";
        assert!(policy.contains(&format!("script-src {one} 'sha256-")), "{policy}");
        assert_eq!(policy.matches("sha256-").count(), 3);
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
    }

    #[test]
    fn none() {
        let policy = policy("<p>text</p>");
        assert!(policy.contains("script-src 'none'; style-src 'none'; "), "{policy}");
    }
}
