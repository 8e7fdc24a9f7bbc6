//! Throws damaged grants at the parser: whatever comes, it answers, and in a message fit for a log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nginx_download_core::grant::Grant;

const GRANTS: [&[u8]; 4] = [
    include_bytes!("grants/accepted/everything.json"),
    include_bytes!("grants/accepted/nulls.json"),
    include_bytes!("grants/accepted/content.json"),
    include_bytes!("grants/accepted/base64.json"),
];

/// Bytes and words that matter to JSON and to what is inside.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"-",
    b"9",
    b"1e9",
    b".0",
    b"\\u0000",
    b"\\ud800",
    b"\\n",
    b"\r\n",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xe2\x80\xae",
    b"\\u202e",
    b"\"file\":",
];

/// Knuth's MMIX generator: the same sequence each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

fn mutate(random: &mut Random) -> Vec<u8> {
    let mut body = GRANTS[random.below(GRANTS.len())].to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(body.len());
        match random.below(6) {
            0 => body[at] = random.below(256) as u8,
            1 => body[at] ^= 1 << random.below(8),
            2 => {
                body.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied());
            }
            3 => body.truncate(at.max(1)),
            4 => {
                let end = at + random.below(body.len() - at);
                body.drain(at..end);
                body.push(b'}');
            }
            _ => {
                let end = at + random.below(body.len() - at).min(40);
                let copy = body[at..end].to_vec();
                let to = random.below(body.len());
                body.splice(to..to, copy);
            }
        }
    }
    body
}

#[test]
fn never_panics_and_messages_are_one_short_line() {
    let (mut random, mut accepted, mut refused) = (Random(7), 0, 0);
    for _ in 0..if cfg!(miri) { 100 } else { 100_000 } {
        let body = mutate(&mut random);
        match Grant::from_json(&body) {
            Ok(_) => accepted += 1,
            Err(error) => {
                let message = error.to_string();
                assert!(!message.contains(char::is_control), "{message:?}");
                assert!(!message.contains('\u{202e}'), "{message:?}");
                assert!(!message.is_empty() && message.chars().count() <= 303, "{message:?}");
                refused += 1;
            }
        }
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}
