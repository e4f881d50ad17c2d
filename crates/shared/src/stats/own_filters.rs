//! The programs of a tree that install seccomp filters of their own, which can answer their calls before
//! the supervisor sees them.

use super::Stats;
use super::layout::Section;
use super::slot::Slot;
use super::stopped::STOPPED;
use core::sync::atomic::{AtomicU64, Ordering};

/// The most programs that are kept. One is enough to know that calls may have been missed.
const MAX: usize = 8;

/// The process, 0 in a free place; then the name.
const WORDS: usize = 3;

pub(super) const OWN_FILTERS: Section = Section::after(STOPPED, MAX * WORDS);

/// A program with a filter of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnFilter {
    /// The first process that installed it.
    pub pid: i32,
    name: [[u8; 8]; 2],
}

impl OwnFilter {
    fn new(pid: i32, name: &[u8]) -> OwnFilter {
        let mut bytes = [[0; 8]; 2];
        bytes.as_flattened_mut().iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        OwnFilter { pid, name: bytes }
    }

    /// Returns the name of the process (comm); empty if it is unknown.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name.as_flattened().split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

impl Stats {
    /// Keeps a program that installs a filter, unless one with its name is kept.
    pub fn note_own_filter(&self, pid: i32, name: &[u8]) {
        let own = OwnFilter::new(pid, name);
        if self.own_filters().any(|kept| kept.name == own.name) {
            return;
        }
        let process = u64::from(pid.unsigned_abs().max(1));
        for Slot(words) in self.slots(OWN_FILTERS, WORDS) {
            let [first, name @ ..] = words else { continue };
            let taken = first.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_ok() {
                let store = |(word, bytes): (&AtomicU64, [u8; 8])| {
                    word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
                };
                return name.iter().zip(own.name).for_each(store);
            }
        }
    }

    /// Returns the programs that install filters, the first one first.
    pub fn own_filters(&self) -> impl Iterator<Item = OwnFilter> {
        self.slots(OWN_FILTERS, WORDS).map_while(|Slot(words)| {
            let [process, first, second] = words else { return None };
            let [process, name @ ..] =
                [process, first, second].map(|word| word.load(Ordering::Relaxed));
            let pid = i32::try_from(process).ok().filter(|&pid| pid != 0)?;
            Some(OwnFilter { pid, name: name.map(u64::to_ne_bytes) })
        })
    }
}
