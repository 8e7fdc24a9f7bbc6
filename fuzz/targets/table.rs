//! The table of decisions over any memory, rubbish included, by any sequence of calls: it comes back
//! from each, and once it is formatted it knows no more than what it was told, and nothing of
//! another key.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nginx_download_core::cache::{Decision, Id, Key, Lookup, Revocation, Secret, Stored, Table, Times};

#[derive(Arbitrary, Debug)]
struct Given<'a> {
    /// How much memory there is, in bytes.
    size: u16,
    /// What it begins with.
    rubbish: &'a [u8],
    /// Is it formatted first?
    format: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Store { key: u8, len: u16, tag: Option<u8>, ttl: u8 },
    Deny { key: u8, status: u16, ttl: u8 },
    Look { key: u8, claim: bool },
    Stale { key: u8 },
    Revoke { tag: u8, cut: bool },
    Spoil { at: u16, byte: u8 },
    Wait { time: u8 },
}

fuzz_target!(|given: Given| {
    let mut memory = vec![0_u8; usize::from(given.size) * 2];
    let beginning = given.rubbish.len().min(memory.len());
    memory[..beginning].copy_from_slice(&given.rubbish[..beginning]);
    let secret = Secret::new(*b"0123456789abcdef");
    if given.format && Table::format(&mut memory, secret).is_none() {
        return;
    }
    // as long as nobody has written into it
    let mut sound = given.format;
    let mut now = 1_000;
    for step in given.steps.iter().take(64) {
        if let Step::Spoil { at, byte } = step {
            if let Some(place) = memory.get_mut(usize::from(*at)) {
                *place = *byte;
                sound = false;
            }
            continue;
        }
        let Some(mut table) = Table::open(&mut memory) else { return };
        let secret = table.secret();
        let key = |key: u8| Key::new(secret, 0, [&[b'k', key][..]]).expect("it is a key");
        let tag = |tag: u8| Id::of_tag(secret, &[tag]);
        let times = |ttl: u8| {
            let expires = now + u64::from(ttl);
            Times { now, expires, stale_until: expires + 10 }
        };
        match *step {
            Step::Store { key: name, len, tag: tagged, ttl } => {
                let value = vec![name; usize::from(len)];
                let tags: Vec<Id> = tagged.map(tag).into_iter().collect();
                let since = table.position();
                let decision = Decision::Grant { value: &value, tags: &tags };
                let stored = table.store(&key(name), decision, times(ttl), since);
                assert!(!sound || stored != Stored::Revoked, "nothing was revoked since");
                if sound && stored == Stored::Yes && ttl > 0 {
                    let found = table.look(&key(name), now, None, None);
                    assert!(matches!(&found, Lookup::Grant { value: v, tags: t, .. } if *v == value && *t == tags));
                }
            }
            Step::Deny { key: name, status, ttl } => {
                let since = table.position();
                table.store(&key(name), Decision::Denial(status), times(ttl), since);
            }
            Step::Look { key: name, claim } => {
                let found = table.look(&key(name), now, claim.then_some(now + 5), None);
                if sound { is_of(&found, name, now) }
                if let Lookup::Miss(Some(claim)) = found {
                    table.release(&key(name), claim);
                }
            }
            Step::Stale { key: name } => {
                let found = table.stale(&key(name), now, now + 3);
                if let (true, Some(found)) = (sound, found) { is_of(&found, name, now) }
            }
            Step::Revoke { tag: name, cut } => {
                let before = table.position();
                table.revoke(&[tag(name)], cut);
                assert!(!sound || table.is_revoked(before, [tag(name)]));
                let mut revocation = Revocation::new(now);
                let ids = [tag(name)];
                let rounds = (0..=table.blocks()).take_while(|_| table.forget(&mut revocation, &ids, 1));
                assert!(rounds.count() <= table.blocks(), "it ends");
                for other in (0..=u8::MAX).filter(|_| sound) {
                    let found = table.look(&key(other), now, None, None);
                    let left = matches!(found, Lookup::Grant { tags, .. } if tags.contains(&ids[0]));
                    assert!(!left, "what is revoked is gone");
                }
            }
            Step::Wait { time } => now += u64::from(time),
            Step::Spoil { .. } => {}
        }
        if sound {
            assert!(table.blocks_used() <= table.blocks() && table.len() <= table.blocks());
        }
    }
});

/// A grant's value says which key it was stored for.
fn is_of(found: &Lookup, name: u8, now: u64) {
    if let Lookup::Grant { value, expires, .. } = found {
        assert!(value.iter().all(|byte| *byte == name), "of another key");
        assert!(*expires > now, "expired");
    }
}
