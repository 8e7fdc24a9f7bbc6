use std::collections::HashMap;

use super::*;

const FOREVER: Times = Times { now: 0, expires: u64::MAX, stale_until: u64::MAX };

fn memory(len: usize) -> Vec<u8> {
    vec![0xa5; len]
}

fn table(memory: &mut [u8]) -> Table<'_> {
    Table::format(memory, Secret::new([7; 16])).unwrap()
}

fn key(table: &Table<'_>, name: &str) -> Key {
    Key::new(table.secret(), 0, [name.as_bytes()]).unwrap()
}

fn tag(table: &Table<'_>, name: &str) -> Id {
    Id::of_tag(table.secret(), name.as_bytes())
}

fn put(table: &mut Table<'_>, name: &str, value: &[u8], tags: &[Id], times: Times) -> Stored {
    let (key, since) = (key(table, name), table.position());
    table.store(&key, Decision::Grant { value, tags }, times, since)
}

fn value_of(table: &mut Table<'_>, name: &str, now: u64) -> Option<Vec<u8>> {
    let key = key(table, name);
    match table.look(&key, now, None, None) {
        Lookup::Grant { value, .. } => Some(value),
        _ => None,
    }
}

#[test]
fn what_is_put_in_comes_out() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    // Across the borders of blocks.
    for len in (0..600).chain([1000, 5000]) {
        let (name, value) = (format!("k{len}"), vec![len as u8; len]);
        let tags = vec![tag(&table, "t"); len % 70];
        assert_eq!(put(&mut table, &name, &value, &tags, FOREVER), Stored::Yes, "{len}");
        let key = key(&table, &name);
        let found = table.look(&key, 0, None, None);
        assert_eq!(found, Lookup::Grant { value, tags, expires: u64::MAX }, "{len}");
    }
}

#[test]
fn blocks_in_use() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    let blocks = table.blocks();
    assert!(blocks * BLOCK <= 64 * 1024 && blocks * BLOCK >= 48 * 1024, "{blocks}");
    assert_eq!(table.blocks_used(), 0);
    put(&mut table, "one", b"v", &[], FOREVER);
    assert_eq!(table.blocks_used(), 1);
    put(&mut table, "three", &[b'v'; 2 * BLOCK], &[], FOREVER);
    assert_eq!(table.blocks_used(), 4);
    put(&mut table, "three", b"v", &[], FOREVER);
    assert_eq!(table.blocks_used(), 2);
    for name in 0..1000 {
        put(&mut table, &name.to_string(), b"v", &[], FOREVER);
    }
    assert_eq!((table.blocks_used(), table.blocks(), table.len()), (blocks, blocks, blocks));
}

#[test]
fn keys_are_compared_in_full() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    // One bucket, one hash: all that differs is the end of a long key.
    let long = "x".repeat(700);
    put(&mut table, &format!("{long}a"), b"a", &[], FOREVER);
    put(&mut table, &format!("{long}b"), b"b", &[], FOREVER);
    let hash = key(&table, &format!("{long}a")).hash();
    for record in 1..table.get32(at::UNTOUCHED) {
        if table.block32(record, 0) & HEAD_BIT != 0 {
            table.unchain(record);
            table.set_block64(record, of::HASH, hash);
            let bucket = table.bucket(hash);
            table.set_block32(record, of::CHAIN, table.get32(bucket));
            table.set32(bucket, record);
        }
    }
    assert_eq!(value_of(&mut table, &format!("{long}a"), 0), Some(b"a".into()));
}

#[test]
fn expiry_is_the_first_moment_that_does_not_count() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    put(&mut table, "k", b"v", &[], Times { now: 0, expires: 10, stale_until: 20 });
    assert!(value_of(&mut table, "k", 9).is_some());
    assert!(value_of(&mut table, "k", 10).is_none());

    let key = key(&table, "k");
    assert!(matches!(table.stale(&key, 19, 15), Some(Lookup::Grant { expires: 15, .. })));
    assert!(value_of(&mut table, "k", 14).is_some() && value_of(&mut table, "k", 15).is_none());
    // Never longer than it may.
    assert!(matches!(table.stale(&key, 19, 100), Some(Lookup::Grant { expires: 20, .. })));
    assert!(table.stale(&key, 20, 100).is_none());
}

#[test]
fn one_asks_for_all() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    let key = key(&table, "k");
    let Lookup::Miss(Some(claim)) = table.look(&key, 0, Some(5), None) else { panic!("no claim") };
    assert_eq!(table.look(&key, 4, Some(9), None), Lookup::Wait);
    assert_eq!(table.look(&key, 4, None, None), Lookup::Miss(None));
    // Too late: somebody else takes over, and the first one has no say any more.
    let Lookup::Miss(Some(second)) = table.look(&key, 5, Some(10), None) else {
        panic!("no claim")
    };
    table.release(&key, claim);
    assert_eq!(table.look(&key, 6, Some(11), None), Lookup::Wait);
    table.release(&key, second);
    assert!(table.is_empty());
    assert!(matches!(table.look(&key, 6, Some(11), None), Lookup::Miss(Some(_))));

    let since = table.position();
    table.store(&key, Decision::Denial(403), Times { now: 0, expires: 20, stale_until: 0 }, since);
    assert_eq!(table.look(&key, 19, Some(30), None), Lookup::Denial(403));
    table.store(&key, Decision::Pass, Times { now: 0, expires: 20, stale_until: 0 }, since);
    assert_eq!(table.look(&key, 19, Some(30), None), Lookup::Pass);
    assert!(matches!(table.look(&key, 20, Some(30), None), Lookup::Miss(Some(_))));
    assert_eq!(table.len(), 1);
}

#[test]
fn those_who_waited_share_a_failure() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    let key = key(&table, "k");
    assert!(matches!(table.look(&key, 5, Some(10), None), Lookup::Miss(Some(_))));
    let times = Times { now: 7, expires: 12, stale_until: 0 };
    table.store(&key, Decision::Failure(3), times, table.position());
    assert_eq!(table.look(&key, 8, Some(20), Some(7)), Lookup::Failure(3));
    assert!(matches!(table.look(&key, 8, Some(20), Some(8)), Lookup::Miss(Some(_))));
    // Somebody asks anew: who came before that still knows, who came after waits.
    assert_eq!(table.look(&key, 9, Some(20), Some(6)), Lookup::Failure(3));
    assert_eq!(table.look(&key, 9, Some(20), None), Lookup::Wait);
    assert!(matches!(table.look(&key, 20, Some(30), Some(6)), Lookup::Miss(Some(_))));
}

#[test]
fn a_stale_grant_outlives_a_claim_that_failed() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    put(&mut table, "k", b"v", &[], Times { now: 0, expires: 10, stale_until: 50 });
    let key = key(&table, "k");
    let Lookup::Miss(Some(claim)) = table.look(&key, 10, Some(15), None) else {
        panic!("no claim")
    };
    table.release(&key, claim);
    assert!(table.stale(&key, 11, 12).is_some());
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut memory = memory(16 * 1024);
    let mut table = table(&mut memory);
    let room = table.blocks;
    for i in 0..room {
        put(&mut table, &i.to_string(), b"v", &[], FOREVER);
    }
    assert_eq!(table.len(), room as usize);
    assert!(value_of(&mut table, "0", 0).is_some());
    put(&mut table, "new", b"v", &[], FOREVER);
    assert!(value_of(&mut table, "0", 0).is_some());
    assert!(value_of(&mut table, "1", 0).is_none());
    assert!(value_of(&mut table, "new", 0).is_some());
    assert_eq!(table.len(), room as usize);
}

#[test]
fn one_record_does_not_take_all() {
    let mut memory = memory(16 * 1024);
    let mut table = table(&mut memory);
    put(&mut table, "k", b"v", &[], FOREVER);
    assert_eq!(put(&mut table, "large", &[0; 8 * 1024], &[], FOREVER), Stored::TooLarge);
    assert!(value_of(&mut table, "k", 0).is_some());
}

#[test]
fn revoked_by_key_and_by_tag() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    let (one, two) = (tag(&table, "one"), tag(&table, "two"));
    put(&mut table, "a", b"v", &[one], FOREVER);
    put(&mut table, "b", b"v", &[two, one], FOREVER);
    put(&mut table, "c", b"v", &[two], FOREVER);
    put(&mut table, "d", b"v", &[], FOREVER);
    let forget = |table: &mut Table<'_>, ids: &[Id]| {
        table.revoke(ids, false);
        let mut revocation = Revocation::new(0);
        while table.forget(&mut revocation, ids, 1) {}
        revocation.count
    };
    assert_eq!(forget(&mut table, &[one]), 2);
    assert_eq!(forget(&mut table, &[one]), 0);
    assert!(value_of(&mut table, "a", 0).is_none() && value_of(&mut table, "b", 0).is_none());
    assert!(value_of(&mut table, "c", 0).is_some());
    let id = key(&table, "d").id();
    assert_eq!(forget(&mut table, &[id, two]), 2);
    assert!(table.is_empty());
}

#[test]
fn what_was_asked_for_before_a_revocation_is_not_stored() {
    let mut memory = memory(64 * 1024);
    let mut table = table(&mut memory);
    let (key, tag) = (key(&table, "k"), tag(&table, "t"));
    let grant = Decision::Grant { value: b"v", tags: &[tag] };
    let before = table.position();
    table.revoke(&[tag], true);
    assert_eq!(table.store(&key, grant, FOREVER, before), Stored::Revoked);
    let after = table.position();
    assert_eq!(table.store(&key, grant, FOREVER, after), Stored::Yes);
    assert!(table.is_cut(before, [tag]) && !table.is_cut(after, [tag]));
    assert!(!table.is_cut(before, [key.id()]));
    table.revoke(&[tag], false);
    assert!(!table.is_cut(after, [tag]));

    // Nor what was asked for before all was lost.
    let before = table.position();
    let mut table = Table::format(&mut memory, Secret::new([7; 16])).unwrap();
    assert_eq!(table.store(&key, grant, FOREVER, before), Stored::Revoked);
}

#[test]
fn a_table_is_known_by_its_layout() {
    let mut memory = memory(64 * 1024);
    assert!(Table::open(&mut memory).is_none());
    put(&mut table(&mut memory), "k", b"v", &[], FOREVER);
    assert_eq!(value_of(&mut Table::open(&mut memory).unwrap(), "k", 0), Some(b"v".into()));
    assert!(Table::open(&mut memory[..1024]).is_none());
    memory[at::MAGIC] ^= 1;
    assert!(Table::open(&mut memory).is_none());
    for len in [0, 79, 1024] {
        assert!(Table::format(&mut vec![0; len], Secret::new([0; 16])).is_none(), "{len}");
    }
}

/// A small generator of pseudo-random numbers (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// All that is used is on the list and in its bucket, and the rest is free.
fn check(table: &Table<'_>) {
    let (mut listed, mut used) = (0, 0);
    let mut record = table.get32(at::NEWEST);
    let mut newer = 0;
    while record != 0 {
        assert_eq!(table.block32(record, of::NEWER), newer);
        assert_ne!(table.block32(record, 0) & HEAD_BIT, 0);
        let mut chained = table.get32(table.bucket(table.block64(record, of::HASH)));
        while chained != record {
            assert_ne!(chained, 0);
            chained = table.block32(chained, of::CHAIN);
        }
        let mut block = record;
        while block != 0 {
            used += 1;
            block = table.block32(block, 0) & !HEAD_BIT;
        }
        listed += 1;
        newer = record;
        record = table.block32(record, of::OLDER);
    }
    assert_eq!(table.get32(at::OLDEST), newer);
    assert_eq!((table.get32(at::RECORDS), table.get32(at::USED)), (listed, used));
    let (mut free, mut block) = (0, table.get32(at::FREE));
    while block != 0 {
        assert_eq!(table.block32(block, 0) & HEAD_BIT, 0);
        free += 1;
        block = table.block32(block, 0);
    }
    assert_eq!(table.get32(at::UNTOUCHED) - 1, used + free);
}

#[test]
fn behaves_like_a_map() {
    let rounds = if cfg!(miri) { 300 } else { 10_000 };
    let mut memory = memory(32 * 1024);
    let mut table = table(&mut memory);
    let mut known: HashMap<String, Vec<u8>> = HashMap::new();
    let mut random = Random(42);
    for round in 0..rounds {
        let name = format!("key-{}", random.below(200));
        let tag = tag(&table, &format!("tag-{}", random.below(5)));
        match random.below(10) {
            0..=4 => {
                let value = vec![random.below(256) as u8; random.below(900) as usize];
                put(&mut table, &name, &value, &[tag], FOREVER);
                known.insert(name, value);
            }
            5 => {
                table.revoke(&[tag], false);
                let mut revocation = Revocation::new(0);
                while table.forget(&mut revocation, &[tag], 7) {}
            }
            6 => {
                let key = key(&table, &name);
                if let Lookup::Miss(Some(claim)) = table.look(&key, round, Some(round + 3), None)
                    && random.below(2) == 0
                {
                    table.release(&key, claim);
                }
            }
            // What is there is right; what is not was evicted or revoked.
            _ => {
                if let Some(value) = value_of(&mut table, &name, 0) {
                    assert_eq!(Some(&value), known.get(&name));
                }
            }
        }
        if round % 64 == 0 {
            check(&table);
        }
    }
    check(&table);
    assert!(table.len() > 10);
}

#[test]
fn forgetting_ends_whatever_is_in_the_memory() {
    let mut memory = memory(16 * 1024);
    let _ = table(&mut memory);
    memory[at::UNTOUCHED..at::UNTOUCHED + 4].fill(0xff);
    let mut table = Table::open(&mut memory).unwrap();
    let mut revocation = Revocation::new(0);
    let ids = [tag(&table, "t")];
    let rounds = (0..1000).take_while(|_| table.forget(&mut revocation, &ids, 1)).count();
    assert!(rounds <= table.blocks(), "{rounds} rounds");
}

#[test]
fn rubbish_is_survived() {
    let rounds = if cfg!(miri) { 5 } else { 200 };
    let mut random = Random(7);
    for _ in 0..rounds {
        let mut memory = memory(16 * 1024);
        let mut fresh = table(&mut memory);
        for i in 0..20 {
            let tag = tag(&fresh, "t");
            put(&mut fresh, &i.to_string(), &[1; 300], &[tag], FOREVER);
        }
        for _ in 0..random.below(60) {
            let at = at::FREE as u64 + random.below(16 * 1024 - at::FREE as u64);
            memory[at as usize] = random.below(256) as u8;
        }
        let Some(mut table) = Table::open(&mut memory) else { continue };
        for i in 0..30 {
            let key = key(&table, &i.to_string());
            let _ = table.look(&key, 0, Some(1), None);
            let _ = table.stale(&key, 0, 1);
            put(&mut table, &i.to_string(), &[2; 500], &[], FOREVER);
        }
        let ids = [tag(&table, "t")];
        let mut revocation = Revocation::new(0);
        table.revoke(&ids, true);
        for _ in 0..1000 {
            if !table.forget(&mut revocation, &ids, 64) {
                break;
            }
        }
    }
}
