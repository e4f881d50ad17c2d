//! A table of sums with a limited number of rows, for any number of keys.
//!
//! The sums are exact until the table is full. Then the half of the rows with the lower sums is
//! dropped: the frequent items of Misra and Gries (1982), pruned in batches as by Anderson and
//! others (2017, "A High-Performance Algorithm for Identifying Frequent Items in Data Streams"). If
//! W is the sum over all keys, the sum of a key is at most W divided by half the number of rows too
//! low.

use super::tally::Tally;
use crate::cli::Order;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

/// A sum for each key, e.g. for each pair of paths.
pub(super) struct Table<K> {
    rows: HashMap<K, TableRow>,
    room: usize,
    order: Order,
    all: Tally,
    /// The most that a key without a row may have had, in the order's unit; `None` if every key has
    /// a row.
    missed: Option<u64>,
}

#[derive(Clone, Copy)]
struct TableRow {
    tally: Tally,
    /// The most that the key may have had before it got this row; `None` for nothing.
    missed: Option<u64>,
}

impl TableRow {
    /// Returns the most that its key may have had.
    fn most(&self, order: Order) -> u64 {
        self.tally.by(order).saturating_add(self.missed.unwrap_or(0))
    }
}

/// The first rows in order, and the sum of the others.
#[derive(Serialize)]
pub(super) struct Top<K> {
    pub(super) rows: Vec<TopRow<K>>,
    /// The sum over all other keys, and over what the rows miss.
    pub(super) others: Tally,
    /// The number of keys; `None` if some were dropped.
    pub(super) distinct: Option<usize>,
    /// The most that a row may miss, in the unit of the order.
    pub(super) off_by_at_most: u64,
}

/// A row of a report.
#[derive(Serialize)]
pub(super) struct TopRow<K> {
    #[serde(flatten)]
    pub(super) key: K,
    #[serde(flatten)]
    pub(super) tally: Tally,
    /// Whether the sums are exact. If not, they are too low.
    pub(super) exact: bool,
}

impl<K> Top<K> {
    /// Keeps the first `count` rows; the others are summed up.
    pub(super) fn shorten(&mut self, count: usize) {
        for row in self.rows.drain(count.min(self.rows.len())..) {
            self.others.add(row.tally);
        }
    }
}

impl<K: Hash + Ord> Table<K> {
    /// Creates a table with at most `room` rows.
    pub(super) fn new(room: usize, order: Order) -> Table<K> {
        Table { rows: HashMap::new(), room, order, all: Tally::default(), missed: None }
    }

    /// Adds to the sums of a key.
    pub(super) fn add(&mut self, key: K, tally: Tally) {
        self.all.add(tally);
        if let Some(row) = self.rows.get_mut(&key) {
            row.tally.add(tally);
            return;
        }
        if self.rows.len() >= self.room {
            // A sum of 0 does not replace a row.
            if tally.by(self.order) == 0 {
                self.missed = self.missed.or(Some(0));
                return;
            }
            self.prune();
        }
        self.rows.insert(key, TableRow { tally, missed: self.missed });
    }

    /// Drops the half of the rows with the lower sums.
    fn prune(&mut self) {
        let mut rows: Vec<_> = self.rows.drain().collect();
        // Sorted by the most that a key may have had: a row that is new would be dropped too early
        // otherwise.
        sort(&mut rows, |row| row.most(self.order));
        let given_up = rows.split_off(self.room / 2);
        let most = given_up.first().map_or(0, |(_, row)| row.most(self.order));
        self.missed = Some(most.max(self.missed.unwrap_or(0)));
        self.rows.extend(rows);
    }

    /// Returns the first `count` rows.
    pub(super) fn top(self, count: usize) -> Top<K> {
        let distinct = self.missed.is_none().then_some(self.rows.len());
        let mut others = self.all;
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        sort(&mut rows, |row| row.tally.by(self.order));
        rows.truncate(count);
        for (_, row) in &rows {
            others.subtract(row.tally);
        }
        let shown = |(key, row): (K, TableRow)| TopRow {
            key,
            tally: row.tally,
            exact: row.missed.is_none(),
        };
        Top {
            rows: rows.into_iter().map(shown).collect(),
            others,
            distinct,
            off_by_at_most: self.missed.unwrap_or(0),
        }
    }
}

/// Sorts rows by weight, the heaviest first. Rows of equal weight have a fixed order.
fn sort<K: Ord>(rows: &mut [(K, TableRow)], weight: impl Fn(&TableRow) -> u64) {
    rows.sort_unstable_by(|(a, row_a), (b, row_b)| {
        let rank = |row| Reverse((weight(row), row.tally.calls));
        rank(row_a).cmp(&rank(row_b)).then_with(|| a.cmp(b))
    });
}
