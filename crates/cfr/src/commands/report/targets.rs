//! How the bytes of each target came, and which targets got none.

use super::shown_name::is_cut;
use super::table::{Table, Top, TopRow};
use super::tally::Tally;
use crate::cli::Order;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// The most targets with a method that have a row of their own.
const MAX_ROWS: usize = 10_000;

/// The sums by target and method, while the logs are read.
pub(super) struct TargetSums(Table<TargetMethod>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct TargetMethod {
    target: Option<Box<str>>,
    method: Box<str>,
}

/// A target, and the bytes that came by each method.
#[derive(Serialize)]
pub(super) struct Target {
    pub(super) target: Option<Box<str>>,
    /// Whether its end was cut in the log: more than one file can have this row.
    cut: bool,
    pub(super) methods: Vec<MethodBytes>,
}

#[derive(Serialize)]
pub(super) struct MethodBytes {
    pub(super) method: Box<str>,
    pub(super) bytes: u64,
}

/// The targets of which every copy was refused.
#[derive(Serialize)]
pub(super) struct NeverCopied {
    pub(super) count: u64,
    /// The first of them, those with the most refusals first.
    pub(super) rows: Vec<RefusedTarget>,
}

#[derive(Serialize)]
pub(super) struct RefusedTarget {
    pub(super) target: Option<Box<str>>,
    /// As of [`Target`].
    cut: bool,
    pub(super) errors: u64,
}

/// The targets of a report.
pub(super) struct Targets {
    pub(super) by_target: Top<Target>,
    /// `None` if there were too many targets to know.
    pub(super) never_copied: Option<NeverCopied>,
}

impl TargetSums {
    pub(super) fn new(order: Order) -> TargetSums {
        TargetSums(Table::new(MAX_ROWS, order))
    }

    pub(super) fn add(&mut self, target: Option<&str>, method: &str, tally: Tally) {
        let target = target.map(Box::from);
        self.0.add(TargetMethod { target, method: Box::from(method) }, tally);
    }

    /// Groups the sums by target. Returns the first `top` rows in this order.
    pub(super) fn finish(self, order: Order, top: usize) -> Targets {
        let Top { rows, others, distinct, off_by_at_most } = self.0.top(usize::MAX);
        let mut grouped = Grouped::new();
        for TopRow { key: TargetMethod { target, method }, tally, .. } in rows {
            let GroupedTarget { sums, methods } = grouped.entry(target).or_default();
            sums.add(tally);
            if tally.bytes > 0 {
                methods.insert(method, tally.bytes);
            }
        }
        // A row that was dropped may have been of any target.
        let is_exact = distinct.is_some();
        let never_copied = is_exact.then(|| never_copied(&grouped, top));
        let distinct = is_exact.then_some(grouped.len());
        let mut rows: Vec<_> = grouped.into_iter().collect();
        rows.sort_unstable_by(|(name_a, a), (name_b, b)| {
            let rank = |one: &GroupedTarget| Reverse((one.sums.by(order), one.sums.calls));
            rank(a).cmp(&rank(b)).then_with(|| name_a.cmp(name_b))
        });
        let row = |(target, GroupedTarget { sums: tally, methods }): (Option<Box<str>>, _)| {
            let part = |(method, bytes)| MethodBytes { method, bytes };
            let methods = methods.into_iter().map(part).collect();
            let cut = target.as_deref().is_some_and(is_cut);
            TopRow { key: Target { target, cut, methods }, tally, exact: is_exact }
        };
        let rows = rows.into_iter().map(row).collect();
        let mut by_target = Top { rows, others, distinct, off_by_at_most };
        by_target.shorten(top);
        Targets { by_target, never_copied }
    }
}

/// The rows of one target.
#[derive(Default)]
struct GroupedTarget {
    sums: Tally,
    /// The bytes by method.
    methods: BTreeMap<Box<str>, u64>,
}

type Grouped = HashMap<Option<Box<str>>, GroupedTarget>;

fn never_copied(targets: &Grouped, top: usize) -> NeverCopied {
    let refused = targets.iter().filter(|(_, one)| one.sums.errors > 0 && one.sums.bytes == 0);
    let mut rows: Vec<_> = refused
        .map(|(target, one)| RefusedTarget {
            target: target.clone(),
            cut: target.as_deref().is_some_and(is_cut),
            errors: one.sums.errors,
        })
        .collect();
    let count = rows.len() as u64;
    rows.sort_unstable_by(|a, b| b.errors.cmp(&a.errors).then_with(|| a.target.cmp(&b.target)));
    rows.truncate(top);
    NeverCopied { count, rows }
}
