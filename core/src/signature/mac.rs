//! Owns message authentication codes: made with keys that were prepared once, and compared as
//! text in constant time. Must not know what a message says.
//!
//! HMAC-SHA256 (RFC 2104), base64url without padding (RFC 4648, section 5).

use ::hmac::digest::InvalidLength;
use ::hmac::{Hmac, KeyInit, Mac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// The text of a SHA-256 in base64url.
const TEXT_LEN: usize = 43;

/// Keys, as HMAC has them after it has hashed them: a message costs its own blocks and one more.
pub(super) struct Macs(Vec<Hmac<Sha256>>);

impl Macs {
    /// Prepares keys of any length.
    pub(super) fn new(keys: impl Iterator<Item = impl AsRef<[u8]>>) -> Result<Self, InvalidLength> {
        keys.map(|key| Hmac::new_from_slice(key.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Is `given` what one of the keys makes of the message, which comes in pieces?
    pub(super) fn have_signed(&self, message: &[&[u8]], given: &[u8]) -> bool {
        if given.len() != TEXT_LEN {
            return false;
        }
        // How long it takes tells which key was right, which is no secret: the newest is, mostly.
        self.0.iter().any(|key| {
            let mut mac = key.clone();
            message.iter().for_each(|piece| mac.update(piece));
            is_text_of(&mac.finalize().into_bytes(), given).into()
        })
    }
}

/// Is `given` the text of `code`, of 32 bytes at most? Compared is the text, since a decoder may
/// take more than one for the same code.
pub(super) fn is_text_of(code: &[u8], given: &[u8]) -> Choice {
    let mut buffer = [0; TEXT_LEN];
    let text = URL_SAFE_NO_PAD.encode_slice(code, &mut buffer).ok();
    match text.and_then(|len| buffer.get(..len)) {
        Some(text) => text.ct_eq(given),
        None => Choice::from(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 1, 2, 6 and 7: key, message, code.
    const RFC_4231: [(&[u8], &[u8], &str); 4] = [
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size \
              data. The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];

    #[test]
    fn rfc_4231() {
        for (key, message, code) in RFC_4231 {
            let code: Vec<u8> = (0..code.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&code[at..at + 2], 16).unwrap())
                .collect();
            let text = URL_SAFE_NO_PAD.encode(&code);
            let macs = Macs::new([&b"another"[..], key].into_iter()).unwrap();
            for cut in (0..message.len()).step_by(if cfg!(miri) { 16 } else { 1 }) {
                let (start, end) = message.split_at(cut);
                assert!(macs.have_signed(&[start, end], text.as_bytes()), "{text}");
                assert!(!macs.have_signed(&[end, start, b"."], text.as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn only_the_one_text() {
        let macs = Macs::new([b"Jefe"].into_iter()).unwrap();
        let signed = |text: &[u8]| macs.have_signed(&[b"what do ya want for nothing?"], text);
        let text = b"W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM";
        assert!(signed(text));
        assert!(!signed(b"") && !signed(&text[..42]) && !signed(&[&text[..], b"="].concat()));
        // The same 32 bytes, to a decoder that does not look at the last two bits.
        assert!(!signed(b"W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEN"));
        for at in (0..text.len()).step_by(if cfg!(miri) { 8 } else { 1 }) {
            for bit in 0..8 {
                let mut flipped = *text;
                flipped[at] ^= 1 << bit;
                assert!(!signed(&flipped), "byte {at}, bit {bit}");
            }
        }
    }
}
