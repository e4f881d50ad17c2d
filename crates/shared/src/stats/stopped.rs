//! The calls that the supervisor carries out, for the launcher that answers them if it is killed.

use super::layout::Section;
use super::recent_lines::RECENT_LINES;
use core::sync::atomic::{AtomicU64, Ordering};

/// The most calls that it carries out at a time.
const MAX_CALLS: usize = 256;

/// The id of each, 0 in a free place; then the id of the last one that was received.
pub(super) const STOPPED: Section = Section::after(RECENT_LINES, Stopped::WORDS);

/// The ids by which the kernel names the calls.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    ids: &'static [AtomicU64],
    last: &'static AtomicU64,
}

impl Stopped {
    /// The words that it needs.
    pub const WORDS: usize = MAX_CALLS + 1;

    /// Returns the ids in these words, which start as zeros; `None` if there are too few.
    #[must_use]
    pub fn over(words: &'static [AtomicU64]) -> Option<Stopped> {
        let (ids, last) = words.split_at_checked(MAX_CALLS)?;
        Some(Stopped { ids, last: last.first()? })
    }

    /// Returns how many calls can be carried out at a time.
    #[must_use]
    pub fn places(&self) -> usize {
        self.ids.len()
    }

    /// Notes a call that was received.
    pub fn begin(&self, place: usize, id: u64) {
        if let Some(word) = self.ids.get(place) {
            word.store(id, Ordering::Release);
        }
        self.last.store(id, Ordering::Relaxed);
    }

    /// Notes that the call in this place was answered.
    pub fn end(&self, place: usize) {
        if let Some(word) = self.ids.get(place) {
            word.store(0, Ordering::Release);
        }
    }

    /// Returns the id of the call in this place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<u64> {
        self.ids.get(place).map(|word| word.load(Ordering::Acquire)).filter(|&id| id != 0)
    }

    /// Takes all ids, and those that may have been received and not noted yet: the kernel counts them
    /// up (kernel/seccomp.c, `seccomp_next_notify_id()`).
    pub fn take(&self) -> impl Iterator<Item = u64> {
        const BEFORE: u64 = 16;
        let first = self.last.load(Ordering::Relaxed).wrapping_sub(BEFORE);
        let near = (0..BEFORE + MAX_CALLS as u64).map(move |more| first.wrapping_add(more));
        let noted = self.ids.iter().map(|word| word.swap(0, Ordering::Relaxed));
        noted.filter(|&id| id != 0).chain(near)
    }
}
