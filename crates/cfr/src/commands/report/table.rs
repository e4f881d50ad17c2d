//! Rows of sums, as many as are given room, whatever the number of keys.
//!
//! Exact as long as every key finds room. Then the lesser half of the rows is given up, by the order
//! that is asked for: the frequent items of Misra and Gries (1982), pruned in batches as by Anderson
//! and others (2017, "A High-Performance Algorithm for Identifying Frequent Items in Data Streams").
//! Of all that was counted, W in that order, no key misses more than W divided by half the rows.

use super::tally::Tally;
use crate::cli::Order;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

/// Rows by key.
pub(super) struct Table<K> {
    rows: HashMap<K, Row>,
    room: usize,
    order: Order,
    all: Tally,
    /// What a key without a row may have had, in the order's unit; `None` where no such key was seen.
    missed: Option<u64>,
}

#[derive(Clone, Copy)]
struct Row {
    tally: Tally,
    /// What it may have had before it got this row; `None` where that is nothing.
    missed: Option<u64>,
}

impl Row {
    /// The most that its key may have had.
    fn most(&self, order: Order) -> u64 {
        self.tally.by(order).saturating_add(self.missed.unwrap_or(0))
    }
}

/// The first rows in order, and what is known of the others.
#[derive(Serialize)]
pub(super) struct Top<K> {
    /// The rows.
    pub(super) rows: Vec<TopRow<K>>,
    /// The sums of all other keys, and of what the rows miss.
    pub(super) others: Tally,
    /// How many keys there are; `None` where there were too many to be kept apart.
    pub(super) distinct: Option<usize>,
    /// No key misses more than this, in the unit of the order.
    pub(super) off_by_at_most: u64,
}

/// A row as it is shown.
#[derive(Serialize)]
pub(super) struct TopRow<K> {
    /// Whose it is.
    #[serde(flatten)]
    pub(super) key: K,
    /// Its sums.
    #[serde(flatten)]
    pub(super) tally: Tally,
    /// Whether the sums are exact; else they are too low by some of the others'.
    pub(super) exact: bool,
}

impl<K: Hash + Ord> Table<K> {
    /// With room for so many rows.
    pub(super) fn new(room: usize, order: Order) -> Table<K> {
        Table { rows: HashMap::new(), room, order, all: Tally::default(), missed: None }
    }

    /// Adds to a key's sums.
    pub(super) fn add(&mut self, key: K, tally: Tally) {
        self.all.add(tally);
        if let Some(row) = self.rows.get_mut(&key) {
            row.tally.add(tally);
            return;
        }
        if self.rows.len() >= self.room {
            // What weighs nothing drives nobody out.
            if tally.by(self.order) == 0 {
                self.missed = self.missed.or(Some(0));
                return;
            }
            self.prune();
        }
        self.rows.insert(key, Row { tally, missed: self.missed });
    }

    /// Gives the lesser half up.
    fn prune(&mut self) {
        let mut rows: Vec<_> = self.rows.drain().collect();
        // By what they may have had: whoever came late is not the first to go for that.
        sort(&mut rows, |row| row.most(self.order));
        let given_up = rows.split_off(self.room / 2);
        let most = given_up.first().map_or(0, |(_, row)| row.most(self.order));
        self.missed = Some(most.max(self.missed.unwrap_or(0)));
        self.rows.extend(rows);
    }

    /// The first `count` rows.
    pub(super) fn top(self, count: usize) -> Top<K> {
        let distinct = self.missed.is_none().then_some(self.rows.len());
        let mut others = self.all;
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        sort(&mut rows, |row| row.tally.by(self.order));
        rows.truncate(count);
        for (_, row) in &rows {
            others.take(row.tally);
        }
        let shown =
            |(key, row): (K, Row)| TopRow { key, tally: row.tally, exact: row.missed.is_none() };
        Top {
            rows: rows.into_iter().map(shown).collect(),
            others,
            distinct,
            off_by_at_most: self.missed.unwrap_or(0),
        }
    }
}

/// The heaviest first; the order of rows that weigh the same does not change from run to run.
fn sort<K: Ord>(rows: &mut [(K, Row)], weight: impl Fn(&Row) -> u64) {
    rows.sort_unstable_by(|(a, row_a), (b, row_b)| {
        let rank = |row| Reverse((weight(row), row.tally.calls));
        rank(row_a).cmp(&rank(row_b)).then_with(|| a.cmp(b))
    });
}
