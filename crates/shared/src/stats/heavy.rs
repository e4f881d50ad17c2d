//! Tables of the keys with the most bytes, in a fixed number of slots.
//!
//! The sums are exact until all slots are taken. Then a key that moves bytes replaces the one with the
//! fewest: the Space-Saving of Metwally and others (2005, "Efficient Computation of Frequent and
//! Top-k Elements in Data Streams"). If W is the number of all bytes and S of the slots, every key
//! with more than W/S bytes has a slot, and its sum is at most W/S too low.

use super::Stats;
use super::layout::Section;
use super::slot::Slot;

// The words of a slot.
/// [`FREE`], [`BEING_WRITTEN`] or [`LISTED`].
const STATE: usize = 0;
const SUMS: usize = 1;
/// The most bytes that the key may have had before it got the slot.
const MISSED: usize = SUMS + Sums::WORDS;
pub(super) const KEY: usize = MISSED + 1;

const FREE: u64 = 0;
const BEING_WRITTEN: u64 = 1;
const LISTED: u64 = 2;

/// Before the slots: the sums over keys without one, and the most bytes that such a key may have.
const UNLISTED: usize = 0;
const BOUND: usize = UNLISTED + Sums::WORDS;
const HEAD: usize = BOUND + 1;

/// Sums over calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Finished calls.
    pub calls: u64,
    /// Bytes that were copied or shared.
    pub bytes: u64,
    /// Calls that failed.
    pub errors: u64,
    /// The calls' durations together, in nanoseconds.
    pub duration_ns: u64,
}

impl Sums {
    const WORDS: usize = 4;

    fn words(self) -> [u64; Sums::WORDS] {
        [self.calls, self.bytes, self.errors, self.duration_ns]
    }

    fn load(slot: Slot, at: usize) -> Sums {
        Sums::from([0, 1, 2, 3].map(|word| slot.load(at + word)))
    }

    fn from([calls, bytes, errors, duration_ns]: [u64; Sums::WORDS]) -> Sums {
        Sums { calls, bytes, errors, duration_ns }
    }

    fn add_to(self, slot: Slot, at: usize) {
        self.words().into_iter().enumerate().for_each(|(word, count)| slot.add(at + word, count));
    }

    /// Returns the sums of both.
    #[must_use]
    pub fn plus(self, other: Sums) -> Sums {
        self.each(other, u64::saturating_add)
    }

    /// Returns the sums without those of `part`.
    #[must_use]
    pub fn minus(self, part: Sums) -> Sums {
        self.each(part, u64::saturating_sub)
    }

    fn each(self, other: Sums, join: fn(u64, u64) -> u64) -> Sums {
        let ([a, b, c, d], [e, f, g, h]) = (self.words(), other.words());
        Sums::from([join(a, e), join(b, f), join(c, g), join(d, h)])
    }
}

/// The sums of a key that has a slot.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) slot: Slot,
    pub(super) sums: Sums,
    /// The most bytes that the sums may miss.
    pub(super) missed: u64,
}

impl Row {
    fn of(slot: Slot) -> Row {
        Row { slot, sums: Sums::load(slot, SUMS), missed: slot.load(MISSED) }
    }

    fn plus(self, slot: Slot) -> Row {
        let other = Row::of(slot);
        let missed = self.missed.saturating_add(other.missed);
        Row { slot: self.slot, sums: self.sums.plus(other.sums), missed }
    }

    fn most_bytes(&self) -> u64 {
        self.sums.bytes.saturating_add(self.missed)
    }
}

/// The place of a table among the counters: `words` for each slot, a key of `N` words in each.
#[derive(Clone, Copy)]
pub(super) struct Layout<const N: usize> {
    pub(super) section: Section,
    words: usize,
}

impl<const N: usize> Layout<N> {
    /// A table of `slots` after this section, with `label` words for what a slot says of its key.
    pub(super) const fn after(before: Section, slots: usize, label: usize) -> Layout<N> {
        let words = KEY + N + label;
        Layout { section: Section::after(before, HEAD + slots * words), words }
    }

    /// Returns the table of these counters.
    pub(super) fn of(self, stats: &Stats) -> Table<N> {
        let (head, slots) = stats.section(self.section).split_at_checked(HEAD).unwrap_or_default();
        Table { head: Slot(head), slots, words: self.words }
    }
}

/// A table.
#[derive(Clone, Copy)]
pub(super) struct Table<const N: usize> {
    head: Slot,
    slots: &'static [core::sync::atomic::AtomicU64],
    words: usize,
}

impl<const N: usize> Table<N> {
    /// Returns all slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + Clone + use<N> {
        // Not 0, which chunks_exact() would panic at.
        self.slots.chunks_exact(self.words.max(1)).map(Slot)
    }

    /// Returns the same slots, beginning with the one that the key hashes to.
    fn slots_from(&self, key: &[u64; N]) -> impl Iterator<Item = Slot> + use<N> {
        let slots = self.slots.len().checked_div(self.words).unwrap_or(0);
        let start = hash(key).checked_rem(slots).unwrap_or(0);
        self.slots().skip(start).chain(self.slots().take(start))
    }

    /// Returns the rows, unordered.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> + use<N> {
        let all = self.slots();
        all.clone().enumerate().filter_map(move |(index, slot)| {
            if slot.load(STATE) != LISTED {
                return None;
            }
            // Two threads may have taken a slot each for the same key.
            let key = key_of::<N>(slot);
            let same = |slot: &Slot| is_of(*slot, &key);
            let is_first = !all.clone().take(index).any(|slot| same(&slot));
            let others = all.clone().skip(index + 1).filter(same);
            is_first.then(|| others.fold(Row::of(slot), Row::plus))
        })
    }

    /// Returns the sums over all keys that [`Table::rows`] does not have.
    pub(super) fn unlisted(&self) -> Sums {
        Sums::load(self.head, UNLISTED)
    }

    /// Returns the most bytes that a key without a row may have; 0 if every key has one.
    pub(super) fn bound(&self) -> u64 {
        self.head.load(BOUND)
    }

    /// Returns the slot of a key.
    #[inline(never)]
    pub(super) fn find(&self, key: &[u64; N]) -> Option<Slot> {
        self.slots_from(key)
            .take_while(|slot| slot.load(STATE) != FREE)
            .find(|&slot| is_of(slot, key))
    }

    /// Adds to the sums of a key. `label` is called with the slot if the key gets one.
    #[inline(never)]
    pub(super) fn add(&self, key: &[u64; N], row: (Sums, u64), label: &dyn Fn(Slot)) {
        let (sums, missed) = row;
        let found = self.find(key).or_else(|| self.take_free(key, label));
        match found.or_else(|| self.replace(key, sums.bytes.saturating_add(missed), label)) {
            Some(slot) => {
                sums.add_to(slot, SUMS);
                slot.add(MISSED, missed);
            }
            None => sums.add_to(self.head, UNLISTED),
        }
    }

    /// Takes a free slot for the key.
    #[cold]
    #[inline(never)]
    fn take_free(&self, key: &[u64; N], label: &dyn Fn(Slot)) -> Option<Slot> {
        for slot in self.slots_from(key) {
            // Load first: if all slots are taken, a compare-and-exchange of each would still move
            // their cache lines between the host's threads.
            if slot.load(STATE) == FREE && slot.compare_exchange(STATE, FREE, BEING_WRITTEN) {
                return Some(list(slot, key, label));
            }
            // Another thread may have taken a slot for it meanwhile.
            if is_of(slot, key) {
                return Some(slot);
            }
        }
        None
    }

    /// Takes the slot of the key with the fewest bytes. Its sums become those of no key. A call that is
    /// counted there at this moment may be counted for the new key.
    ///
    /// A key without bytes takes no slot: it would push out one that has some.
    #[cold]
    #[inline(never)]
    fn replace(&self, key: &[u64; N], bytes: u64, label: &dyn Fn(Slot)) -> Option<Slot> {
        if bytes == 0 {
            return None;
        }
        let listed = self.slots().filter(|slot| slot.load(STATE) == LISTED);
        let least = listed.min_by_key(|&slot| Row::of(slot).most_bytes())?;
        if !least.compare_exchange(STATE, LISTED, BEING_WRITTEN) {
            return None;
        }
        let missed = Row::of(least).most_bytes();
        Sums::from([0, 1, 2, 3].map(|word| least.take(SUMS + word))).add_to(self.head, UNLISTED);
        least.store(MISSED, missed);
        self.head.raise(BOUND, missed);
        Some(list(least, key, label))
    }

    /// Adds another table.
    pub(super) fn merge(&self, other: &Table<N>, label: &dyn Fn(Slot, Slot)) {
        let bound = other.bound();
        if bound > 0 {
            let listed = self.slots().filter(|slot| slot.load(STATE) == LISTED);
            let alone = listed.filter(|&slot| other.find(&key_of(slot)).is_none());
            alone.for_each(|slot| slot.add(MISSED, bound));
            self.head.add(BOUND, bound);
        }
        for Row { slot, sums, missed } in other.rows() {
            self.add(&key_of(slot), (sums, missed), &|ours| label(ours, slot));
        }
        other.unlisted().add_to(self.head, UNLISTED);
    }
}

/// Writes the key and its label into a slot that is [`BEING_WRITTEN`].
fn list<const N: usize>(slot: Slot, key: &[u64; N], label: &dyn Fn(Slot)) -> Slot {
    for (at, &word) in key.iter().enumerate() {
        slot.store(KEY + at, word);
    }
    label(slot);
    slot.store(STATE, LISTED);
    slot
}

pub(super) fn key_of<const N: usize>(slot: Slot) -> [u64; N] {
    let mut key = [0; N];
    for (at, word) in key.iter_mut().enumerate() {
        *word = slot.load(KEY + at);
    }
    key
}

fn is_of<const N: usize>(slot: Slot, key: &[u64; N]) -> bool {
    slot.load(STATE) == LISTED
        && key.iter().enumerate().all(|(at, &word)| slot.load(KEY + at) == word)
}

fn hash<const N: usize>(key: &[u64; N]) -> usize {
    let mixed = key
        .iter()
        .fold(0u64, |hash, word| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    usize::try_from(mixed >> 40).unwrap_or(0)
}

/// Lists a key without bytes, for tests of the longest summary.
#[cfg(test)]
pub(super) fn show(slot: Slot, number: u64) {
    slot.store(STATE, LISTED);
    slot.store(KEY, number);
}

#[cfg(test)]
mod tests {
    use super::super::layout::LATENCY;
    use super::super::tests::stats;
    use super::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    const SLOTS: usize = 8;
    const TABLE: Layout<1> = Layout::after(LATENCY, SLOTS, 1);

    fn sums(bytes: u64) -> Sums {
        Sums { calls: 1, bytes, errors: 0, duration_ns: 1 }
    }

    fn add(table: &Table<1>, key: u64, bytes: u64) {
        table.add(&[key], (sums(bytes), 0), &|slot| slot.store(KEY + 1, key));
    }

    /// Bytes of a key: few keys have many, and most of those come late.
    fn stream() -> Vec<(u64, u64)> {
        let mut state = 7u64;
        let calls = (0..4000u64).map(|turn| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match (turn, state >> 61) {
                (2000.., 0) => (1, 900),
                (2000.., 1) => (2, 500),
                _ => (100 + turn, 10),
            }
        });
        calls.collect()
    }

    #[test]
    fn keys_with_many_bytes_are_found_behind_any_number_of_others() {
        let table = TABLE.of(&stats());
        let mut truth: HashMap<u64, u64> = HashMap::new();
        for (key, bytes) in stream() {
            add(&table, key, bytes);
            *truth.entry(key).or_default() += bytes;
        }
        let whole: u64 = truth.values().sum();
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows.len(), SLOTS);
        for row in &rows {
            let [key] = key_of(row.slot);
            assert_eq!(row.slot.load(KEY + 1), key);
            let (least, most) = (row.sums.bytes, row.most_bytes());
            assert!((least..=most).contains(&truth[&key]), "{key}: {least} {most} {truth:?}");
            assert!(row.missed <= whole / SLOTS as u64);
        }
        for (key, bytes) in truth.iter().filter(|(_, bytes)| **bytes > whole / SLOTS as u64) {
            assert!(table.find(&[*key]).is_some(), "{key} has {bytes} of {whole}");
        }
        // Nothing is counted twice or lost.
        let all = rows.iter().fold(table.unlisted(), |all, row| all.plus(row.sums));
        assert_eq!((all.bytes, all.calls), (whole, 4000));
    }

    #[test]
    fn a_key_without_bytes_pushes_no_other_out() {
        let table = TABLE.of(&stats());
        (0..SLOTS as u64).for_each(|key| add(&table, key, 1));
        (100..200).for_each(|key| add(&table, key, 0));
        assert!(table.rows().all(|row| key_of::<1>(row.slot)[0] < SLOTS as u64));
        assert_eq!((table.unlisted().calls, table.bound()), (100, 0));
    }

    #[test]
    fn merged_tables_bound_what_they_miss() {
        let mut truth: HashMap<u64, u64> = HashMap::new();
        let tables = [stats(), stats()].map(|stats| TABLE.of(&stats));
        for (turn, (key, bytes)) in stream().into_iter().enumerate() {
            add(&tables[turn % 2], key, bytes);
            *truth.entry(key).or_default() += bytes;
        }
        let [one, other] = tables;
        one.merge(&other, &|ours, theirs| ours.store(KEY + 1, theirs.load(KEY + 1)));
        let mut all = one.unlisted();
        for row in one.rows() {
            let [key] = key_of(row.slot);
            let (least, most) = (row.sums.bytes, row.most_bytes());
            assert!((least..=most).contains(&truth[&key]), "{key}: {least} {most}");
            all = all.plus(row.sums);
        }
        assert_eq!(all.bytes, truth.values().sum::<u64>());
        assert!(one.find(&[1]).is_some() && one.find(&[2]).is_some());
    }

    /// Two threads can take a slot for the same key at once.
    #[test]
    fn a_key_with_two_slots_has_one_row() {
        let table = TABLE.of(&stats());
        for (slot, number) in table.slots().zip([1, 2, 1]) {
            show(slot, number);
            sums(10 * number).add_to(slot, SUMS);
        }
        let rows: Vec<_> = table.rows().map(|row| (row.sums.calls, row.sums.bytes)).collect();
        assert_eq!(rows, [(2, 20), (1, 20)]);
    }
}
