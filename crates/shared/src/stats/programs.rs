//! Sums for each program: for each name of a thread (comm).

use super::Stats;
use super::heavy::{Layout, Row, Sums, key_of};
use super::pairs::PAIRS;
use crate::record::Record;

/// The most programs with a slot.
pub(super) const MAX_PROGRAMS: usize = 32;

/// A name has at most 15 bytes.
const NAME_WORDS: usize = 2;

pub(super) const PROGRAMS: Layout<NAME_WORDS> = Layout::after(PAIRS.section, MAX_PROGRAMS, 0);

/// The sums of a program.
#[derive(Clone, Copy)]
pub struct ProgramSums {
    name: [u8; 16],
    pub sums: Sums,
    /// The most bytes that the sums may miss.
    pub missed: u64,
}

impl ProgramSums {
    /// Returns the name of the threads.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

impl Stats {
    /// Returns the programs that have a slot, unordered.
    pub fn programs(&self) -> impl Iterator<Item = ProgramSums> {
        PROGRAMS.of(self).rows().map(|Row { slot, sums, missed }| {
            let [first, second] = key_of::<NAME_WORDS>(slot).map(u64::to_ne_bytes);
            let mut name = [0; 16];
            for (to, from) in name.iter_mut().zip(first.into_iter().chain(second)) {
                *to = from;
            }
            ProgramSums { name, sums, missed }
        })
    }

    /// Returns the sums over the programs that have no slot.
    #[must_use]
    pub fn unlisted_programs(&self) -> Sums {
        PROGRAMS.of(self).unlisted()
    }

    pub(super) fn count_program(&self, record: &Record<'_>, sums: Sums) {
        let Some(comm) = record.context.comm else { return };
        let mut key = [[0; 8]; NAME_WORDS];
        for (to, from) in key.iter_mut().flatten().zip(comm) {
            *to = *from;
        }
        PROGRAMS.of(self).add(&key.map(u64::from_ne_bytes), (sums, 0), &|_| ());
    }

    pub(super) fn merge_programs(&self, other: &Stats) {
        PROGRAMS.of(self).merge(&PROGRAMS.of(other), &|_, _| ());
    }
}
