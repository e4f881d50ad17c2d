//! Faults: what is done to a call so that its program can be seen to cope, and to which calls.
//!
//! A fault never lies: a call that it fails or answers with 0 moves nothing, and one that it makes short
//! is carried out in earnest, for fewer bytes. The words are strace(1)'s (`inject=`) and a few that it
//! lacks; they are documented in libcfr(7).

mod counter;
mod glob;
mod parse;

pub use counter::Tally;
pub use parse::{LEGAL, ParseError, ParseErrorKind, WORDS, Word};

use cfr_engine::call::Request;
use cfr_engine::hook::{Hook, Hooks};
use cfr_sys::errno::Errno;
use counter::{key_of, mixed};

/// The most faults that can be set.
pub const MOST_FAULTS: usize = 16;

/// How a fault has a call answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// With this error, copying nothing.
    Fail(Errno),
    /// By fewer bytes than it could have.
    Short(Limit),
    /// With 0, copying nothing.
    ReturnZero,
}

/// The most bytes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// So many.
    Bytes(u64),
    /// A share of those that it could copy.
    Percent(u8),
}

impl Limit {
    /// In bytes, at least 1, of a call that could copy so many; `None` where it would not be shorter.
    #[must_use]
    pub fn of(self, possible: u64) -> Option<u64> {
        let most = match self {
            Limit::Bytes(bytes) => bytes,
            Limit::Percent(percent) => {
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
pub enum Scope {
    /// All of a process.
    #[default]
    Process,
    /// Those of each thread.
    Thread,
    /// Those on each target, by its path.
    Path,
}

impl Scope {
    /// Every one, by its name.
    pub const ALL: [(&'static str, Scope); 3] =
        [("process", Scope::Process), ("thread", Scope::Thread), ("path", Scope::Path)];
}

/// With what probability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Probability {
    /// Of a thousand million calls.
    share: u64,
    seed: u64,
}

impl Probability {
    const CERTAIN: Probability = Probability { share: Self::WHOLE, seed: 0 };
    const WHOLE: u64 = 1_000_000_000;

    /// The same for the same seed and number, in every process and on every machine.
    fn holds(self, number: u64) -> bool {
        mixed(self.seed ^ mixed(number)) % Self::WHOLE < self.share
    }
}

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault<'a> {
    act: Option<Action>,
    signal: Option<i32>,
    delay_enter_ns: u64,
    delay_exit_ns: u64,
    when: When,
    per: Scope,
    chance: Probability,
    path: Option<&'a [u8]>,
    hooks: Hooks,
}

impl Fault<'_> {
    const NONE: Fault<'static> = Fault {
        act: None,
        signal: None,
        delay_enter_ns: 0,
        delay_exit_ns: 0,
        when: When::ALWAYS,
        per: Scope::Process,
        chance: Probability::CERTAIN,
        path: None,
        hooks: Hooks::ALL,
    };

    /// What it does but for delays and signals, which every call can have.
    fn act_on(&self, request: Request) -> Result<Option<Action>, ()> {
        match (self.act, request) {
            // All or nothing: ioctl_ficlonerange(2).
            (Some(Action::Short(_) | Action::ReturnZero), Request::Clone | Request::CloneRange) => {
                Err(())
            }
            (act, _) => Ok(act),
        }
    }

    fn is_about(&self, call: &CallInfo<'_>) -> bool {
        let is_there =
            |pattern| call.paths.iter().flatten().any(|path| glob::matches(pattern, path));
        self.hooks.contains(call.hook) && self.path.is_none_or(is_there)
    }
}

/// A call that has come in.
#[derive(Clone, Copy, Debug)]
pub struct CallInfo<'a> {
    /// Through which hook.
    pub hook: Hook,
    /// What it asks for.
    pub request: Request,
    /// The thread.
    pub tid: i32,
    /// The paths of source and target, where they have one and [`Faults::ask_for_paths`].
    pub paths: [Option<&'a [u8]>; 2],
}

/// What all faults together do to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Injection {
    /// What the first that answers it does.
    pub act: Option<Action>,
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
    pub fn parse(text: &'a [u8]) -> Result<Faults<'a>, ParseError<'a>> {
        let mut list = [None; MOST_FAULTS];
        let mut places = list.iter_mut();
        for expression in parse::expressions(text) {
            let fault = expression.fault()?;
            let place = places.next().ok_or(expression.refused(ParseErrorKind::TooMany))?;
            *place = Some(fault);
        }
        match list.first() {
            Some(Some(_)) => Ok(Faults { list }),
            _ => Err(ParseError {
                fault: 1,
                column: 1,
                word: text,
                reason: ParseErrorKind::NoEffect,
            }),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Fault<'a>> {
        self.list.iter().flatten()
    }

    /// Whether one of them is about calls through this hook.
    #[must_use]
    pub fn are_at(&self, hook: Hook) -> bool {
        self.all().any(|fault| fault.hooks.contains(hook))
    }

    /// Whether [`Faults::meet`] wants to know paths of a call through this hook.
    #[must_use]
    pub fn ask_for_paths(&self, hook: Hook) -> bool {
        self.all().any(|fault| {
            fault.hooks.contains(hook) && (fault.path.is_some() || fault.per == Scope::Path)
        })
    }

    /// What becomes of a call. Each fault counts those that it could be about, whatever the others do;
    /// the first that answers one decides; delays add up, and signals are all sent.
    #[must_use]
    pub fn meet(&self, call: &CallInfo<'_>, tally: &Tally) -> Injection {
        let mut effect = Injection::default();
        for (place, fault) in self.all().enumerate() {
            let Ok(act) = fault.act_on(call.request) else { continue };
            if !fault.is_about(call) {
                continue;
            }
            let [_, target] = call.paths;
            let key = match fault.per {
                Scope::Process => None,
                Scope::Thread => Some(u64::from(call.tid.unsigned_abs())),
                Scope::Path => Some(key_of(target.unwrap_or_default())),
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

/// The first of these faults that no call can meet which comes through one of these hooks.
#[must_use]
pub fn out_of_reach(text: &[u8], hooks: Hooks) -> Option<ParseError<'_>> {
    let is_near = |fault: &Fault<'_>| {
        Hook::ALL.into_iter().any(|hook| fault.hooks.contains(hook) && hooks.contains(hook))
    };
    let mut all = parse::expressions(text);
    let far = all.find(|expression| expression.fault().is_ok_and(|fault| !is_near(&fault)))?;
    Some(far.refused(ParseErrorKind::OutOfReach))
}

#[cfg(test)]
mod tests {
    use super::counter::tests::tally;
    use super::*;
    use std::vec::Vec;

    fn faults(text: &str) -> Faults<'_> {
        Faults::parse(text.as_bytes()).unwrap()
    }

    const CALL: CallInfo<'static> = CallInfo {
        hook: Hook::CopyFileRange,
        request: Request::Copy,
        tid: 7,
        paths: [Some(b"/a"), Some(b"/b")],
    };

    fn hits(text: &str, calls: usize) -> Vec<usize> {
        let (faults, tally) = (faults(text), tally());
        (1..=calls).filter(|_| faults.meet(&CALL, &tally) != Injection::default()).collect()
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
        assert_eq!(first.act, Some(Action::Fail(Errno::EIO)));
        assert_eq!((second.act, second.delay_exit_ns), (Some(Action::ReturnZero), 3000));
        assert_eq!((third.act, third.signals), (None, 1 << 9));
    }

    #[test]
    fn counts_by_thread_and_by_path() {
        let (faults, tally) = (faults("zero:when=2:per=thread"), tally());
        let of = |tid| faults.meet(&CallInfo { tid, ..CALL }, &tally).act.is_some();
        assert_eq!([of(1), of(2), of(2), of(1), of(1)], [false, false, true, true, false]);

        let (faults, tally) = (self::faults("zero:when=2:per=path"), tests::tally());
        let of = |path: &'static [u8]| {
            let paths = [Some(&b"/s"[..]), Some(path)];
            faults.meet(&CallInfo { paths, ..CALL }, &tally).act.is_some()
        };
        assert_eq!([of(b"/1"), of(b"/2"), of(b"/2"), of(b"/1")], [false, false, true, true]);
    }

    #[test]
    fn hooks_paths_and_requests_are_looked_at_before_counting() {
        let (faults, tally) =
            (faults("short=1:when=2:path=*.db:hook=ioctl,copy_file_range"), tally());
        let met = |call: CallInfo<'_>| faults.meet(&call, &tally).act.is_some();
        let file = CallInfo { paths: [None, Some(b"/x/y.db")], ..CALL };
        assert!(!met(CALL) && !met(CallInfo { paths: [None; 2], ..CALL }));
        assert!(!met(CallInfo { hook: Hook::Sendfile, ..file }));
        assert!(!met(CallInfo { hook: Hook::Ioctl, request: Request::Clone, ..file }));
        assert!(!met(file) && met(file) && !met(file));
        assert!(faults.are_at(Hook::Ioctl) && !faults.are_at(Hook::Syscall));
        assert!(faults.ask_for_paths(Hook::Ioctl) && !faults.ask_for_paths(Hook::Syscall));
        let out_of_reach = |text: &'static [u8]| out_of_reach(text, Hooks::LINKED);
        assert_eq!(out_of_reach(b"zero;error=EIO:hook=ioctl,copy_file_range"), None);
        assert_eq!(out_of_reach(b"zero;error=EIO:hook=ioctl").map(|one| one.fault), Some(2));
    }

    #[test]
    fn short_is_less_and_not_nothing() {
        assert_eq!(Limit::Bytes(10).of(11), Some(10));
        assert_eq!(Limit::Bytes(10).of(10), None);
        assert_eq!(Limit::Percent(50).of(7), Some(3));
        assert_eq!(Limit::Percent(1).of(7), Some(1));
        assert_eq!(Limit::Percent(99).of(1), None);
        assert_eq!(Limit::Percent(50).of(0), None);
        assert_eq!(Limit::Percent(50).of(u64::MAX), Some(u64::MAX / 2));
    }
}
