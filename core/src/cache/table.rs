//! Owns the layout of the memory that decisions are filed in. Must not know how it is shared: each
//! method has it to itself for as long as it runs.
//!
//! A hash table of records, which are also in a list from the most to the least recently used.
//! A record is a chain of blocks of one size, so that memory never falls to pieces: where there is
//! a free block, it fits. Where there is none, the least recently used record goes.
//!
//! Numbers read from the memory are never trusted with more than a bounds check and a bounded
//! loop: rubbish in it makes wrong answers at worst, which the owner prevents by
//! [formatting](Table::format) memory that somebody died over.

use super::{Id, Key, Secret};

/// Changes with the layout. "grants" and a number.
const MAGIC: u64 = u64::from_be_bytes(*b"grants\0\x02");

/// Bytes of a block.
const BLOCK: usize = 256;

/// A block begins with the number of the next one, and in the first block of a record this bit.
const HEAD_BIT: u32 = 1 << 31;

/// The table's own numbers: their offsets.
mod at {
    pub(super) const MAGIC: usize = 0;
    pub(super) const BLOCKS: usize = 8;
    pub(super) const BUCKETS: usize = 12;
    pub(super) const SLOTS: usize = 16;
    pub(super) const FREE: usize = 20;
    pub(super) const NEWEST: usize = 24;
    pub(super) const OLDEST: usize = 28;
    pub(super) const RECORDS: usize = 32;
    pub(super) const USED: usize = 36;
    pub(super) const SECRET: usize = 40;
    pub(super) const REVOCATIONS: usize = 56;
    pub(super) const UNTOUCHED: usize = 64;
    pub(super) const CLAIMS: usize = 68;
    pub(super) const END: usize = 80;
}

/// A record's numbers: their offsets in its first block.
mod of {
    pub(super) const CHAIN: usize = 4;
    pub(super) const NEWER: usize = 8;
    pub(super) const OLDER: usize = 12;
    pub(super) const HASH: usize = 16;
    pub(super) const ID: usize = 24;
    pub(super) const EXPIRES: usize = 32;
    pub(super) const STALE: usize = 40;
    pub(super) const ASKING: usize = 48;
    pub(super) const KIND: usize = 56;
    pub(super) const CLAIM: usize = 60;
    pub(super) const KEY_LEN: usize = 64;
    pub(super) const VALUE_LEN: usize = 68;
    pub(super) const TAGS: usize = 72;
    pub(super) const MADE: usize = 76;
    pub(super) const END: usize = 84;
}

/// Bytes of the link at the start of a further block.
const LINK: usize = 4;

/// Kinds of records; a denial's also has its status, in the upper half.
const VACANT: u32 = 1;
const GRANT: u32 = 2;
const DENIAL: u32 = 3;
const PASS: u32 = 4;
const FAILURE: u32 = 5;

/// Decisions, filed by their keys. Times are milliseconds of a clock that all who share the memory
/// read, and that does not go back.
pub struct Table<'m> {
    memory: &'m mut [u8],
    blocks: u32,
    buckets: u32,
    slots: u32,
    /// Where the blocks begin.
    first: usize,
}

/// What is to be remembered.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'a> {
    /// A grant, and what it can be revoked by besides its key.
    Grant {
        /// As the app wrote it.
        value: &'a [u8],
        /// Its tags.
        tags: &'a [Id],
    },
    /// A denial by this HTTP status.
    Denial(u16),
    /// That there is nothing to be remembered: others need not wait for an answer to share.
    Pass,
    /// That asking failed, by a number of the owner's: for those who waited for the answer, since
    /// there is none, and all of them asking would not help.
    Failure(u16),
}

/// How long.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The present.
    pub now: u64,
    /// When the decision has to be asked for again.
    pub expires: u64,
    /// Until when it may serve all the same while the app is down.
    pub stale_until: u64,
}

/// Whether something was remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was.
    Yes,
    /// It was not: it was revoked while the app was asked.
    Revoked,
    /// It was not: it would take more than its share of the memory.
    TooLarge,
}

/// The right, and the duty, to ask the app on behalf of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(u32);

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A grant that holds until `expires`.
    Grant {
        /// As it was stored.
        value: Vec<u8>,
        /// Its tags.
        tags: Vec<Id>,
        /// Milliseconds.
        expires: u64,
    },
    /// A denial by this HTTP status.
    Denial(u16),
    /// The app decides each time anew.
    Pass,
    /// Asking failed, while the caller waited for the answer.
    Failure(u16),
    /// Somebody is asking the app.
    Wait,
    /// Nothing: the app has to be asked, with a claim if one was wanted and there was room for it.
    Miss(Option<Claim>),
}

/// A revocation on its way through the table.
#[derive(Debug)]
pub struct Revocation {
    now: u64,
    next: u32,
    /// Decisions that held, or could still have served, so far.
    pub count: u64,
}

impl Revocation {
    /// Begins.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self { now, next: 0, count: 0 }
    }
}

impl<'m> Table<'m> {
    /// The table in `memory`, if there is one of this layout.
    pub fn open(memory: &'m mut [u8]) -> Option<Self> {
        let table = Self { memory, blocks: 0, buckets: 0, slots: 0, first: 0 };
        if table.get64(at::MAGIC) != MAGIC {
            return None;
        }
        let (blocks, buckets, slots) =
            (table.get32(at::BLOCKS), table.get32(at::BUCKETS), table.get32(at::SLOTS));
        let first = Geometry { blocks, buckets, slots }.first();
        let end = first.checked_add(blocks as usize * BLOCK)?;
        let sound = buckets.is_power_of_two() && slots.is_power_of_two() && blocks > 0;
        (sound && end <= table.memory.len()).then_some(Self {
            blocks,
            buckets,
            slots,
            first,
            ..table
        })
    }

    /// Makes an empty table of `memory`, whatever is in it. `None` where it is too small.
    ///
    /// Nothing that was asked for before it became empty can be stored in it.
    pub fn format(memory: &'m mut [u8], secret: Secret) -> Option<Self> {
        let geometry = Geometry::of(memory.len())?;
        let Geometry { blocks, buckets, slots } = geometry;
        let mut table = Self { memory, blocks, buckets, slots, first: geometry.first() };
        let revocations = match table.get64(at::MAGIC) {
            MAGIC => table.get64(at::REVOCATIONS).wrapping_add(1),
            _ => 1,
        };
        let first = table.first;
        table.memory.get_mut(..first)?.fill(0);
        for (at, value) in
            [(at::BLOCKS, blocks), (at::BUCKETS, buckets), (at::SLOTS, slots), (at::UNTOUCHED, 1)]
        {
            table.set32(at, value);
        }
        table.set64(at::REVOCATIONS, revocations);
        for slot in 0..slots {
            table.set64(table.slot(Id(slot.into())), revocations);
        }
        let at = at::SECRET;
        table.memory.get_mut(at..at + 16)?.copy_from_slice(&secret.to_bytes());
        table.set64(at::MAGIC, MAGIC);
        Some(table)
    }

    /// What keys and tags are hashed by.
    #[must_use]
    pub fn secret(&self) -> Secret {
        let bytes = self.memory.get(at::SECRET..at::SECRET + 16).unwrap_or_default();
        Secret::new(bytes.try_into().unwrap_or_default())
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.get32(at::RECORDS) as usize
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks as usize
    }

    /// How many of them records take.
    #[must_use]
    pub fn blocks_used(&self) -> usize {
        self.get32(at::USED) as usize
    }

    /// What is known of `key`. Where the app has to be asked, and nobody does, the caller gets the
    /// claim that is valid until `claim_until`, if it wants one. `waits_since` is for one that has
    /// waited for the answer.
    pub fn look(
        &mut self,
        key: &Key,
        now: u64,
        claim_until: Option<u64>,
        waits_since: Option<u64>,
    ) -> Lookup {
        let Some(record) = self.find(key) else {
            return Lookup::Miss(claim_until.and_then(|until| self.claim_new(key, until)));
        };
        self.touch(record);
        let kind = self.block32(record, of::KIND);
        let expires = self.block64(record, of::EXPIRES);
        if now < expires {
            match kind & 0xffff {
                GRANT => return self.grant(record, expires).unwrap_or(Lookup::Miss(None)),
                DENIAL => return Lookup::Denial((kind >> 16) as u16),
                PASS => return Lookup::Pass,
                // Who came later has waited for nobody yet.
                FAILURE if waits_since.is_some_and(|since| since <= self.made(record)) => {
                    return Lookup::Failure((kind >> 16) as u16);
                }
                _ => {}
            }
        }
        let Some(until) = claim_until else { return Lookup::Miss(None) };
        if now < self.block64(record, of::ASKING) {
            return Lookup::Wait;
        }
        Lookup::Miss(Some(self.claim(record, until)))
    }

    /// Does a grant for `key` hold?
    #[must_use]
    pub fn has_grant(&self, key: &Key, now: u64) -> bool {
        self.find(key).is_some_and(|record| {
            self.block32(record, of::KIND) == GRANT && now < self.block64(record, of::EXPIRES)
        })
    }

    /// A grant that has expired, but may serve while the app is down. Until `again` it counts as
    /// not expired, so that not everybody has to find out that the app is down.
    pub fn stale(&mut self, key: &Key, now: u64, again: u64) -> Option<Lookup> {
        let record = self.find(key)?;
        let until = self.block64(record, of::STALE);
        if self.block32(record, of::KIND) != GRANT || until <= now {
            return None;
        }
        let expires = self.block64(record, of::EXPIRES).max(again.min(until));
        self.set_block64(record, of::EXPIRES, expires);
        self.grant(record, expires)
    }

    /// Gives a claim back, with nothing to remember. The next one who looks gets it.
    pub fn release(&mut self, key: &Key, claim: Claim) {
        let Some(record) = self.find(key) else { return };
        if self.block32(record, of::CLAIM) == claim.0 {
            self.set_block64(record, of::ASKING, 0);
            if self.block32(record, of::KIND) == VACANT {
                self.remove(record);
            }
        }
    }

    /// Remembers, unless it was revoked after `since`, the [position](Table::position) before the
    /// app was asked. What was known of the key before is forgotten in any case, claims included.
    pub fn store(&mut self, key: &Key, decision: Decision<'_>, times: Times, since: u64) -> Stored {
        if let Some(record) = self.find(key) {
            self.remove(record);
        }
        let (kind, value, tags) = match decision {
            Decision::Grant { value, tags } => (GRANT, value, tags),
            Decision::Denial(status) => (DENIAL | u32::from(status) << 16, &[][..], &[][..]),
            Decision::Pass => (PASS, &[][..], &[][..]),
            Decision::Failure(code) => (FAILURE | u32::from(code) << 16, &[][..], &[][..]),
        };
        if self.is_revoked(since, std::iter::once(key.id()).chain(tags.iter().copied())) {
            return Stored::Revoked;
        }
        match self.insert(key, kind, value, tags) {
            None => Stored::TooLarge,
            Some(record) => {
                self.set_block64(record, of::EXPIRES, times.expires);
                self.set_block64(record, of::STALE, times.stale_until);
                self.set_block64(record, of::MADE, times.now);
                Stored::Yes
            }
        }
    }

    /// How many revocations there were: what was revoked later than this can be told from what
    /// was revoked before.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.get64(at::REVOCATIONS)
    }

    /// From now on nothing with one of these ids can be stored that was asked for earlier; with
    /// `cut`, transfers that began earlier are to end.
    pub fn revoke(&mut self, ids: &[Id], cut: bool) {
        let position = self.position().wrapping_add(1);
        self.set64(at::REVOCATIONS, position);
        for id in ids {
            let slot = self.slot(*id);
            self.set64(slot, position);
            if cut {
                self.set64(slot + 8, position);
            }
        }
    }

    /// Forgets what has one of these ids, among the next `most` blocks. Are there more blocks?
    pub fn forget(&mut self, revocation: &mut Revocation, ids: &[Id], most: u32) -> bool {
        let last = revocation.next.saturating_add(most).min(self.untouched());
        for block in revocation.next.max(1)..last {
            if self.block32(block, 0) & HEAD_BIT == 0 {
                continue;
            }
            let is_meant = ids.contains(&Id(self.block64(block, of::ID)))
                // what cannot be read might have it
                || self.tags(block).is_none_or(|tags| tags.iter().any(|tag| ids.contains(tag)));
            if is_meant {
                let kind = self.block32(block, of::KIND) & 0xffff;
                let until = self.block64(block, of::EXPIRES).max(self.block64(block, of::STALE));
                let holds = matches!(kind, GRANT | DENIAL) && revocation.now < until;
                revocation.count += u64::from(holds);
                self.remove(block);
            }
        }
        revocation.next = last;
        last < self.untouched()
    }

    /// The first block that was never in use; they are counted from 1.
    fn untouched(&self) -> u32 {
        self.get32(at::UNTOUCHED).min(self.blocks.saturating_add(1))
    }

    /// Was a transfer with these ids, that began at the position `since`, to be cut?
    ///
    /// Ids share slots: rarely it is cut because of another. It is never missed.
    pub fn is_cut(&self, since: u64, ids: impl IntoIterator<Item = Id>) -> bool {
        ids.into_iter().any(|id| self.get64(self.slot(id) + 8) > since)
    }

    fn made(&self, record: u32) -> u64 {
        self.block64(record, of::MADE)
    }

    /// Was something with one of these ids revoked after the position `since`?
    ///
    /// As for [`Table::is_cut`], this may be said of another id.
    pub fn is_revoked(&self, since: u64, ids: impl IntoIterator<Item = Id>) -> bool {
        ids.into_iter().any(|id| self.get64(self.slot(id)) > since)
    }

    /// `None`: there is no memory to read it into.
    fn grant(&self, record: u32, expires: u64) -> Option<Lookup> {
        let key = self.block32(record, of::KEY_LEN) as usize;
        let len = self.block32(record, of::VALUE_LEN) as usize;
        let tags = self.tags(record)?;
        let value = self.read(record, tags.len() * 8 + key, len)?;
        Some(Lookup::Grant { value, tags, expires })
    }

    /// `None`: there is no memory to read them into.
    fn tags(&self, record: u32) -> Option<Vec<Id>> {
        let len = self.block32(record, of::TAGS) as usize * 8;
        let bytes = self.read(record, 0, len)?;
        Some(bytes.as_chunks::<8>().0.iter().map(|tag| Id(u64::from_ne_bytes(*tag))).collect())
    }

    /// `None`: there is no memory to read it into.
    fn read(&self, record: u32, skip: usize, len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len.min(self.memory.len())).ok()?;
        self.payload(record, skip, len, |piece| {
            bytes.extend_from_slice(piece);
            true
        });
        Some(bytes)
    }

    fn claim_new(&mut self, key: &Key, until: u64) -> Option<Claim> {
        let record = self.insert(key, VACANT, &[], &[])?;
        Some(self.claim(record, until))
    }

    fn claim(&mut self, record: u32, until: u64) -> Claim {
        let claim = self.get32(at::CLAIMS).wrapping_add(1);
        self.set32(at::CLAIMS, claim);
        self.set_block32(record, of::CLAIM, claim);
        self.set_block64(record, of::ASKING, until);
        Claim(claim)
    }

    // --- records ---------------------------------------------------------------------------

    fn find(&self, key: &Key) -> Option<u32> {
        let mut record = self.get32(self.bucket(key.hash()));
        let mut steps = self.blocks;
        while record != 0 && steps > 0 {
            if self.block64(record, of::HASH) == key.hash() && self.has_key(record, key) {
                return Some(record);
            }
            record = self.block32(record, of::CHAIN);
            steps -= 1;
        }
        None
    }

    fn has_key(&self, record: u32, key: &Key) -> bool {
        let mut rest = key.as_bytes();
        if self.block32(record, of::KEY_LEN) as usize != rest.len() {
            return false;
        }
        let skip = self.block32(record, of::TAGS) as usize * 8;
        self.payload(record, skip, rest.len(), |piece| match rest.strip_prefix(piece) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        });
        rest.is_empty()
    }

    /// A new record, the most recently used. `None` where it is too large.
    fn insert(&mut self, key: &Key, kind: u32, value: &[u8], tags: &[Id]) -> Option<u32> {
        let key_len = u32::try_from(key.as_bytes().len()).ok()?;
        let value_len = u32::try_from(value.len()).ok()?;
        let tags_len = u32::try_from(tags.len()).ok()?;
        let payload = tags.len() * 8 + key.as_bytes().len() + value.len();
        let further = payload.saturating_sub(BLOCK - of::END).div_ceil(BLOCK - LINK);
        let wanted = u32::try_from(1 + further).ok()?;
        if wanted > (self.blocks / 8).max(1) {
            return None;
        }
        while self.blocks.saturating_sub(self.get32(at::USED)) < wanted {
            match self.get32(at::OLDEST) {
                0 => return None,
                oldest => self.remove(oldest),
            }
        }
        let record = self.take_blocks(wanted);
        for (at, number) in [
            (of::KIND, kind),
            (of::CLAIM, 0),
            (of::KEY_LEN, key_len),
            (of::VALUE_LEN, value_len),
            (of::TAGS, tags_len),
        ] {
            self.set_block32(record, at, number);
        }
        for at in [of::EXPIRES, of::STALE, of::ASKING, of::MADE] {
            self.set_block64(record, at, 0);
        }
        self.set_block64(record, of::HASH, key.hash());
        self.set_block64(record, of::ID, key.id().0);
        let tags: Vec<u8> = tags.iter().flat_map(|tag| tag.0.to_ne_bytes()).collect();
        self.write(record, &[&tags, key.as_bytes(), value]);

        let bucket = self.bucket(key.hash());
        let chain = self.get32(bucket);
        self.set_block32(record, of::CHAIN, chain);
        self.set32(bucket, record);
        self.push_newest(record);
        self.set32(at::RECORDS, self.get32(at::RECORDS).wrapping_add(1));
        Some(record)
    }

    fn remove(&mut self, record: u32) {
        self.unchain(record);
        self.unlist(record);
        self.give_blocks(record);
        self.set32(at::RECORDS, self.get32(at::RECORDS).saturating_sub(1));
    }

    /// Takes the record out of its bucket.
    fn unchain(&mut self, record: u32) {
        let after = self.block32(record, of::CHAIN);
        let mut link = self.bucket(self.block64(record, of::HASH));
        let mut steps = self.blocks;
        while steps > 0 {
            match self.get32(link) {
                0 => return,
                found if found == record => return self.set32(link, after),
                other => link = self.offset(other) + of::CHAIN,
            }
            steps -= 1;
        }
    }

    fn touch(&mut self, record: u32) {
        if self.get32(at::NEWEST) != record {
            self.unlist(record);
            self.push_newest(record);
        }
    }

    fn push_newest(&mut self, record: u32) {
        let second = self.get32(at::NEWEST);
        self.set_block32(record, of::NEWER, 0);
        self.set_block32(record, of::OLDER, second);
        match second {
            0 => self.set32(at::OLDEST, record),
            _ => self.set_block32(second, of::NEWER, record),
        }
        self.set32(at::NEWEST, record);
    }

    /// Takes the record out of the list by use.
    fn unlist(&mut self, record: u32) {
        let (newer, older) = (self.block32(record, of::NEWER), self.block32(record, of::OLDER));
        match newer {
            0 => self.set32(at::NEWEST, older),
            _ => self.set_block32(newer, of::OLDER, older),
        }
        match older {
            0 => self.set32(at::OLDEST, newer),
            _ => self.set_block32(older, of::NEWER, newer),
        }
    }

    // --- blocks ----------------------------------------------------------------------------

    /// A chain of as many free blocks, which there must be.
    fn take_blocks(&mut self, wanted: u32) -> u32 {
        let mut first = 0;
        for _ in 0..wanted {
            let mut block = self.get32(at::FREE);
            if block == 0 {
                block = self.get32(at::UNTOUCHED);
                self.set32(at::UNTOUCHED, block.wrapping_add(1));
            } else {
                self.set32(at::FREE, self.block32(block, 0));
            }
            self.set_block32(block, 0, first);
            first = block;
        }
        self.set_block32(first, 0, self.block32(first, 0) | HEAD_BIT);
        self.set32(at::USED, self.get32(at::USED).wrapping_add(wanted));
        first
    }

    fn give_blocks(&mut self, record: u32) {
        let mut block = record;
        let mut given = 0;
        while block != 0 && given < self.blocks {
            let next = self.block32(block, 0) & !HEAD_BIT;
            self.set_block32(block, 0, self.get32(at::FREE));
            self.set32(at::FREE, block);
            block = next;
            given += 1;
        }
        self.set32(at::USED, self.get32(at::USED).saturating_sub(given));
    }

    /// Hands `len` bytes after the first `skip` of a record's payload to `each`, piece by piece,
    /// for as long as that is true.
    fn payload(&self, record: u32, skip: usize, len: usize, mut each: impl FnMut(&[u8]) -> bool) {
        let (mut block, mut header) = (record, of::END);
        let (mut skip, mut left) = (skip, len);
        while left > 0 && block != 0 {
            let room = BLOCK - header;
            if skip >= room {
                skip -= room;
            } else {
                let size = (room - skip).min(left);
                let start = self.offset(block) + header + skip;
                let piece = self.memory.get(start..start + size).unwrap_or_default();
                if piece.is_empty() || !each(piece) {
                    return;
                }
                left -= size;
                skip = 0;
            }
            block = self.block32(block, 0) & !HEAD_BIT;
            header = LINK;
        }
    }

    /// Fills a record's payload.
    fn write(&mut self, record: u32, parts: &[&[u8]]) {
        let (mut block, mut used) = (record, of::END);
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() && block != 0 {
                if used == BLOCK {
                    block = self.block32(block, 0) & !HEAD_BIT;
                    used = LINK;
                    continue;
                }
                let (piece, after) = rest.split_at(rest.len().min(BLOCK - used));
                let start = self.offset(block) + used;
                if let Some(room) = self.memory.get_mut(start..start + piece.len()) {
                    room.copy_from_slice(piece);
                }
                used += piece.len();
                rest = after;
            }
        }
    }

    // --- numbers ---------------------------------------------------------------------------

    fn bucket(&self, hash: u64) -> usize {
        at::END + (hash as u32 & (self.buckets - 1)) as usize * 4
    }

    /// Where the positions are, of the last revocation and the last cut of ids like this.
    fn slot(&self, id: Id) -> usize {
        at::END + self.buckets as usize * 4 + (id.0 as u32 & (self.slots - 1)) as usize * 16
    }

    /// Blocks are counted from 1.
    fn offset(&self, block: u32) -> usize {
        self.first + (block as usize).wrapping_sub(1).wrapping_mul(BLOCK)
    }

    fn get32(&self, at: usize) -> u32 {
        let bytes = self.memory.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }

    fn set32(&mut self, at: usize, value: u32) {
        if let Some(bytes) = self.memory.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *bytes = value.to_ne_bytes();
        }
    }

    fn get64(&self, at: usize) -> u64 {
        let bytes = self.memory.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    fn set64(&mut self, at: usize, value: u64) {
        if let Some(bytes) = self.memory.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *bytes = value.to_ne_bytes();
        }
    }

    fn block32(&self, block: u32, at: usize) -> u32 {
        self.get32(self.offset(block) + at)
    }

    fn set_block32(&mut self, block: u32, at: usize, value: u32) {
        self.set32(self.offset(block) + at, value);
    }

    fn block64(&self, record: u32, at: usize) -> u64 {
        self.get64(self.offset(record) + at)
    }

    fn set_block64(&mut self, record: u32, at: usize, value: u64) {
        self.set64(self.offset(record) + at, value);
    }
}

/// How memory is divided.
#[derive(Clone, Copy)]
struct Geometry {
    blocks: u32,
    /// A power of two, at least half of the blocks: a record has one block or more.
    buckets: u32,
    /// A power of two.
    slots: u32,
}

impl Geometry {
    fn of(len: usize) -> Option<Self> {
        let most = u32::try_from(len / BLOCK).ok()?.min(HEAD_BIT - 1);
        let buckets = (most / 2).max(1).checked_next_power_of_two()?;
        let slots = (most / 8).clamp(64, 1 << 20).next_power_of_two();
        let taken = Self { blocks: 0, buckets, slots }.first();
        let blocks = u32::try_from(len.checked_sub(taken)? / BLOCK).ok()?.min(HEAD_BIT - 1);
        (blocks >= 8).then_some(Self { blocks, buckets, slots })
    }

    /// The offset of the blocks: a cache line's start, if the memory begins at one.
    fn first(self) -> usize {
        (at::END + self.buckets as usize * 4 + self.slots as usize * 16).next_multiple_of(64)
    }
}

#[cfg(test)]
mod tests;
