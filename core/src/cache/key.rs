//! Owns what a decision is filed under, and what it can be revoked by. Must not know where.
//!
//! A key has parts, which are kept apart: `a`, `b` is another key than `ab`. All of it is compared;
//! the hash only finds the place. Hashes are keyed by a secret of the table, so that clients, who
//! have a say in keys, cannot aim at collisions (SipHash-1-3).

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The most bytes of a key with all its parts; a longer one is no key.
const MAX: usize = 8 * 1024;

/// What hashes are keyed by.
#[derive(Clone, Copy)]
pub struct Secret(u64, u64);

impl Secret {
    /// 16 random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = random;
        Self(
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        )
    }

    /// As [`Secret::new`] took it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (first, last) = bytes.split_at_mut(8);
        first.copy_from_slice(&self.0.to_ne_bytes());
        last.copy_from_slice(&self.1.to_ne_bytes());
        bytes
    }

    fn hash(self, domain: u8, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1 ^ u64::from(domain));
        hasher.write(bytes);
        hasher.finish()
    }
}

/// Tells places apart in which equal keys are not the same key. Stays the same from one process to
/// the next.
#[must_use]
pub fn scope(names: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher13::new();
    for name in names {
        hasher.write_usize(name.len());
        hasher.write(name);
    }
    hasher.finish()
}

/// What a decision can be revoked by: its key, wherever it was used, or one of its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub(super) u64);

impl Id {
    /// The id of a tag.
    #[must_use]
    pub fn of_tag(secret: Secret, tag: &[u8]) -> Self {
        Self(secret.hash(1, tag))
    }

    /// The id of a key, of which the parts are given. `None` where these make no key.
    pub fn of_key<'p>(secret: Secret, parts: impl IntoIterator<Item = &'p [u8]>) -> Option<Self> {
        let mut key = KeyBuilder::new(0);
        for part in parts {
            key.push(part)?;
        }
        key.finish(secret).map(|key| key.id)
    }
}

/// What a decision is filed under.
#[derive(Clone)]
pub struct Key {
    bytes: Vec<u8>,
    id: Id,
    hash: u64,
}

impl Key {
    /// A key of these parts, which counts within `scope` only. `None` where there is no part, one
    /// is empty, or they are too long: then there is nothing to tell one request from another by.
    pub fn new<'p>(
        secret: Secret,
        scope: u64,
        parts: impl IntoIterator<Item = &'p [u8]>,
    ) -> Option<Self> {
        let mut key = KeyBuilder::new(scope);
        for part in parts {
            key.push(part)?;
        }
        key.finish(secret)
    }

    /// All of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it can be revoked by.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// For finding it; equal hashes do not make equal keys.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// A key of which the parts come one by one.
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// No part yet.
    #[must_use]
    pub fn new(scope: u64) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&scope.to_ne_bytes());
        Self(bytes)
    }

    /// One more part; `None` where it is empty or too long.
    pub fn push(&mut self, part: &[u8]) -> Option<()> {
        if part.is_empty() || part.len() > MAX - self.0.len().min(MAX) {
            return None;
        }
        let length = u32::try_from(part.len()).ok()?;
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(part);
        Some(())
    }

    /// The key; `None` where it has no part.
    #[must_use]
    pub fn finish(self, secret: Secret) -> Option<Key> {
        let (scope, parts) = self.0.split_first_chunk::<8>()?;
        if parts.is_empty() {
            return None;
        }
        let id = secret.hash(0, parts);
        // Scopes are few, and are not for clients to choose.
        let scope = u64::from_ne_bytes(*scope).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = id.rotate_left(32) ^ scope;
        Some(Key { bytes: self.0, id: Id(id), hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = Secret(1, 2);

    fn key(scope: u64, parts: &[&str]) -> Option<Key> {
        Key::new(SECRET, scope, parts.iter().map(|part| part.as_bytes()))
    }

    #[test]
    fn parts_are_kept_apart() {
        let keys: Vec<Key> = [
            key(0, &["a|b"]),
            key(0, &["a", "b"]),
            key(0, &["ab"]),
            key(0, &["b", "a"]),
            key(0, &["a", "b", "c"]),
            key(1, &["a", "b"]),
            key(0, &["a\u{1}\0\0\0b"]),
        ]
        .into_iter()
        .flatten()
        .collect();
        assert_eq!(keys.len(), 7);
        for (i, one) in keys.iter().enumerate() {
            for other in &keys[i + 1..] {
                assert_ne!(one.as_bytes(), other.as_bytes());
                assert_ne!(one.hash(), other.hash());
            }
        }
        assert_eq!(key(0, &["a", "b"]).unwrap().as_bytes(), keys[1].as_bytes());
    }

    #[test]
    fn no_key() {
        assert!(key(0, &[]).is_none());
        assert!(key(0, &[""]).is_none());
        assert!(key(0, &["a", ""]).is_none());
        assert!(key(0, &["", "a"]).is_none());
        assert!(key(0, &[&"x".repeat(MAX)]).is_none());
        assert!(key(0, &[&"x".repeat(MAX - 16)]).is_some());
    }

    #[test]
    fn a_key_is_revoked_in_all_scopes() {
        let id = Id::of_key(SECRET, [&b"a"[..], b"b"]).unwrap();
        assert_eq!(id, key(0, &["a", "b"]).unwrap().id());
        assert_eq!(id, key(7, &["a", "b"]).unwrap().id());
        assert_ne!(id, Id::of_tag(SECRET, b"a"));
        assert!(Id::of_key(SECRET, []).is_none());
    }

    #[test]
    fn tags_and_keys_do_not_meet() {
        // The bytes of a key with one part, as a tag.
        assert_ne!(Id::of_key(SECRET, [&b"a"[..]]).unwrap(), Id::of_tag(SECRET, b"\x01\0\0\0a"));
    }

    #[test]
    fn secrets_differ() {
        let other = Secret::new(*b"0123456789abcdef");
        assert_eq!(&other.to_bytes(), b"0123456789abcdef");
        assert_ne!(Id::of_tag(SECRET, b"a"), Id::of_tag(other, b"a"));
    }
}
