//! Faults: what is done to a call so that its program can be seen to cope, and to which calls.
//!
//! A fault never lies: a call that it fails or answers with 0 moves nothing, and one that it makes short
//! is carried out in earnest, for fewer bytes. The words are strace(1)'s (`inject=`) and a few that it
//! lacks; they are documented in libcfr(7).

mod counter;
mod glob;
mod parse;

pub use counter::Tally;
pub use parse::{LEGAL, Misspelt, Reason, WORDS, Word};

use cfr_engine::call::Request;
use cfr_engine::hook::{Door, Doors};
use cfr_sys::errno::Errno;
use counter::{key_of, mixed};

/// The most faults that can be set.
pub const MOST_FAULTS: usize = 16;

/// How a fault has a call answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// With this error, copying nothing.
    Fail(Errno),
    /// By fewer bytes than it could have.
    Short(Most),
    /// With 0, copying nothing.
    Nothing,
}

/// The most bytes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Most {
    /// So many.
    Bytes(u64),
    /// A share of those that it could copy.
    Percent(u8),
}

impl Most {
    /// In bytes, at least 1, of a call that could copy so many; `None` where it would not be shorter.
    #[must_use]
    pub fn of(self, possible: u64) -> Option<u64> {
        let most = match self {
            Most::Bytes(bytes) => bytes,
            Most::Percent(percent) => {
                let (whole, rest) = (possible / 100, possible % 100);
                whole * u64::from(percent) + rest * u64::from(percent) / 100
            }
        };
        Some(most.max(1)).filter(|most| *most < possible)
    }
}

/// Which of the calls that a fault applies to: strace's `when=FIRST[..LAST][+[STEP]]`, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct When {
    first: u64,
    last: u64,
    step: u64,
}

impl When {
    /// Every one.
    pub const ALWAYS: When = When { first: 1, last: u64::MAX, step: 1 };

    fn holds(self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
            && number.wrapping_sub(self.first).checked_rem(self.step) == Some(0)
    }
}

/// By what calls are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Per {
    /// All of a process.
    #[default]
    Process,
    /// Those of each thread.
    Thread,
    /// Those on each target, by its path.
    Path,
}

impl Per {
    /// Every one, by its name.
    pub const ALL: [(&'static str, Per); 3] =
        [("process", Per::Process), ("thread", Per::Thread), ("path", Per::Path)];
}

/// With what probability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Chance {
    /// Of a thousand million calls.
    share: u64,
    seed: u64,
}

impl Chance {
    const CERTAIN: Chance = Chance { share: Self::WHOLE, seed: 0 };
    const WHOLE: u64 = 1_000_000_000;

    /// The same for the same seed and number, in every process and on every machine.
    fn holds(self, number: u64) -> bool {
        mixed(self.seed ^ mixed(number)) % Self::WHOLE < self.share
    }
}

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault<'a> {
    act: Option<Act>,
    signal: Option<i32>,
    delay_enter_ns: u64,
    delay_exit_ns: u64,
    when: When,
    per: Per,
    chance: Chance,
    path: Option<&'a [u8]>,
    doors: Doors,
}

impl Fault<'_> {
    const NONE: Fault<'static> = Fault {
        act: None,
        signal: None,
        delay_enter_ns: 0,
        delay_exit_ns: 0,
        when: When::ALWAYS,
        per: Per::Process,
        chance: Chance::CERTAIN,
        path: None,
        doors: Doors::ALL,
    };

    /// What it does but for delays and signals, which every call can have.
    fn act_on(&self, request: Request) -> Result<Option<Act>, ()> {
        match (self.act, request) {
            // All or nothing: ioctl_ficlonerange(2).
            (Some(Act::Short(_) | Act::Nothing), Request::Clone | Request::CloneRange) => Err(()),
            (act, _) => Ok(act),
        }
    }

    fn is_about(&self, call: &Arrival<'_>) -> bool {
        let is_there =
            |pattern| call.paths.iter().flatten().any(|path| glob::matches(pattern, path));
        self.doors.contains(call.door) && self.path.is_none_or(is_there)
    }
}

/// A call that has come in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Through which door.
    pub door: Door,
    /// What it asks for.
    pub request: Request,
    /// The thread.
    pub tid: i32,
    /// The paths of source and target, where they have one and [`Faults::ask_for_paths`].
    pub paths: [Option<&'a [u8]>; 2],
}

/// What all faults together do to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effect {
    /// What the first that answers it does.
    pub act: Option<Act>,
    /// Signals to be sent before, as bits: 1 is signal 1.
    pub signals: u64,
    /// Delay before it, in nanoseconds.
    pub delay_enter_ns: u64,
    /// Delay after it, in nanoseconds.
    pub delay_exit_ns: u64,
    /// The faults that hit it, as bits: the lowest is the first.
    pub hits: u32,
}

/// All that are set, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Faults<'a> {
    list: [Option<Fault<'a>>; MOST_FAULTS],
}

impl<'a> Faults<'a> {
    /// Reads faults, with `;` between.
    ///
    /// # Errors
    ///
    /// A word that cannot be used, and where it stands.
    pub fn parse(text: &'a [u8]) -> Result<Faults<'a>, Misspelt<'a>> {
        let mut list = [None; MOST_FAULTS];
        let mut places = list.iter_mut();
        for expression in parse::expressions(text) {
            let fault = expression.fault()?;
            let place = places.next().ok_or(expression.refused(Reason::TooMany))?;
            *place = Some(fault);
        }
        match list.first() {
            Some(Some(_)) => Ok(Faults { list }),
            _ => Err(Misspelt { fault: 1, column: 1, word: text, reason: Reason::NoEffect }),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Fault<'a>> {
        self.list.iter().flatten()
    }

    /// Whether one of them is about calls through this door.
    #[must_use]
    pub fn are_at(&self, door: Door) -> bool {
        self.all().any(|fault| fault.doors.contains(door))
    }

    /// Whether [`Faults::meet`] wants to know paths of a call through this door.
    #[must_use]
    pub fn ask_for_paths(&self, door: Door) -> bool {
        self.all().any(|fault| {
            fault.doors.contains(door) && (fault.path.is_some() || fault.per == Per::Path)
        })
    }

    /// What becomes of a call. Each fault counts those that it could be about, whatever the others do;
    /// the first that answers one decides; delays add up, and signals are all sent.
    #[must_use]
    pub fn meet(&self, call: &Arrival<'_>, tally: &Tally) -> Effect {
        let mut effect = Effect::default();
        for (place, fault) in self.all().enumerate() {
            let Ok(act) = fault.act_on(call.request) else { continue };
            if !fault.is_about(call) {
                continue;
            }
            let [_, target] = call.paths;
            let key = match fault.per {
                Per::Process => None,
                Per::Thread => Some(u64::from(call.tid.unsigned_abs())),
                Per::Path => Some(key_of(target.unwrap_or_default())),
            };
            let number = tally.count(place, key);
            if !fault.when.holds(number) || !fault.chance.holds(number) {
                continue;
            }
            effect.hits |= 1 << place;
            effect.act = effect.act.or(act);
            effect.delay_enter_ns = effect.delay_enter_ns.saturating_add(fault.delay_enter_ns);
            effect.delay_exit_ns = effect.delay_exit_ns.saturating_add(fault.delay_exit_ns);
            if let Some(signal) = fault.signal {
                effect.signals |= 1 << (signal - 1);
            }
        }
        effect
    }
}

/// The first of these faults that no call can meet which comes through one of these doors.
#[must_use]
pub fn out_of_reach(text: &[u8], doors: Doors) -> Option<Misspelt<'_>> {
    let is_near = |fault: &Fault<'_>| {
        Door::ALL.into_iter().any(|door| fault.doors.contains(door) && doors.contains(door))
    };
    let mut all = parse::expressions(text);
    let far = all.find(|expression| expression.fault().is_ok_and(|fault| !is_near(&fault)))?;
    Some(far.refused(Reason::OutOfReach))
}

#[cfg(test)]
mod tests {
    use super::counter::tests::tally;
    use super::*;
    use std::vec::Vec;

    fn faults(text: &str) -> Faults<'_> {
        Faults::parse(text.as_bytes()).unwrap()
    }

    const CALL: Arrival<'static> = Arrival {
        door: Door::CopyFileRange,
        request: Request::Copy,
        tid: 7,
        paths: [Some(b"/a"), Some(b"/b")],
    };

    fn hits(text: &str, calls: usize) -> Vec<usize> {
        let (faults, tally) = (faults(text), tally());
        (1..=calls).filter(|_| faults.meet(&CALL, &tally) != Effect::default()).collect()
    }

    #[test]
    fn when_is_straces() {
        assert_eq!(hits("zero", 3), [1, 2, 3]);
        assert_eq!(hits("zero:when=2", 5), [2]);
        assert_eq!(hits("zero:when=2..4", 6), [2, 3, 4]);
        assert_eq!(hits("zero:when=3+", 5), [3, 4, 5]);
        assert_eq!(hits("zero:when=2+3", 9), [2, 5, 8]);
        assert_eq!(hits("zero:when=2..7+3", 12), [2, 5]);
        assert_eq!(hits("zero:when=2..4+", 6), [2, 3, 4]);
    }

    #[test]
    fn a_seed_decides_the_same_every_time() {
        let some = hits("zero:prob=0.25:seed=42", 4000);
        assert!((900..1100).contains(&some.len()), "{}", some.len());
        assert_eq!(some, hits("zero:prob=25%:seed=42", 4000));
        assert_ne!(some, hits("zero:prob=0.25:seed=43", 4000));
        assert_eq!(hits("zero:prob=1", 50).len(), 50);
        // Pinned: the same on every machine and in every version.
        assert_eq!(hits("zero:prob=0.1:seed=7", 40), [12, 33]);
    }

    #[test]
    fn the_first_that_answers_decides_and_all_count() {
        let (faults, tally) = (
            faults(
                "error=EIO:when=1;zero:when=1..2;short=5:delay_exit=2:when=2;signal=USR1;delay_exit=1",
            ),
            tally(),
        );
        let [first, second, third] = [(); 3].map(|()| faults.meet(&CALL, &tally));
        assert_eq!(first.act, Some(Act::Fail(Errno::EIO)));
        assert_eq!((second.act, second.delay_exit_ns), (Some(Act::Nothing), 3000));
        assert_eq!((third.act, third.signals), (None, 1 << 9));
    }

    #[test]
    fn counts_by_thread_and_by_path() {
        let (faults, tally) = (faults("zero:when=2:per=thread"), tally());
        let of = |tid| faults.meet(&Arrival { tid, ..CALL }, &tally).act.is_some();
        assert_eq!([of(1), of(2), of(2), of(1), of(1)], [false, false, true, true, false]);

        let (faults, tally) = (self::faults("zero:when=2:per=path"), tests::tally());
        let of = |path: &'static [u8]| {
            let paths = [Some(&b"/s"[..]), Some(path)];
            faults.meet(&Arrival { paths, ..CALL }, &tally).act.is_some()
        };
        assert_eq!([of(b"/1"), of(b"/2"), of(b"/2"), of(b"/1")], [false, false, true, true]);
    }

    #[test]
    fn doors_paths_and_requests_are_looked_at_before_counting() {
        let (faults, tally) =
            (faults("short=1:when=2:path=*.db:door=ioctl,copy_file_range"), tally());
        let met = |call: Arrival<'_>| faults.meet(&call, &tally).act.is_some();
        let file = Arrival { paths: [None, Some(b"/x/y.db")], ..CALL };
        assert!(!met(CALL) && !met(Arrival { paths: [None; 2], ..CALL }));
        assert!(!met(Arrival { door: Door::Sendfile, ..file }));
        assert!(!met(Arrival { door: Door::Ioctl, request: Request::Clone, ..file }));
        assert!(!met(file) && met(file) && !met(file));
        assert!(faults.are_at(Door::Ioctl) && !faults.are_at(Door::Syscall));
        assert!(faults.ask_for_paths(Door::Ioctl) && !faults.ask_for_paths(Door::Syscall));
        let out_of_reach = |text: &'static [u8]| out_of_reach(text, Doors::LINKED);
        assert_eq!(out_of_reach(b"zero;error=EIO:door=ioctl,copy_file_range"), None);
        assert_eq!(out_of_reach(b"zero;error=EIO:door=ioctl").map(|one| one.fault), Some(2));
    }

    #[test]
    fn short_is_less_and_not_nothing() {
        assert_eq!(Most::Bytes(10).of(11), Some(10));
        assert_eq!(Most::Bytes(10).of(10), None);
        assert_eq!(Most::Percent(50).of(7), Some(3));
        assert_eq!(Most::Percent(1).of(7), Some(1));
        assert_eq!(Most::Percent(99).of(1), None);
        assert_eq!(Most::Percent(50).of(0), None);
        assert_eq!(Most::Percent(50).of(u64::MAX), Some(u64::MAX / 2));
    }
}
