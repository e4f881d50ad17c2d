//! Fault injection: what is done to a call to test how its program copes with it, and to which calls.
//!
//! A fault is truthful: a call that fails or returns 0 copies nothing, and a short copy really copies
//! the bytes that it returns. The keys are those of strace(1)'s `inject=` and a few more; cfr-inject(7)
//! documents them.

mod condition;
mod counter;
mod glob;
mod parse;

pub use counter::CallCounter;
pub use glob::{is_match as matches_name, matches as matches_path};
pub use parse::{EXPECTED, KEYS, Key, ParseError, ParseErrorKind};

pub use crate::stats::MAX_FAULTS;

use cfr_engine::call::{Call, Request};
use cfr_engine::execution::Override;
use cfr_engine::hook::{Hook, Hooks};
use cfr_sys::errno::Errno;
use condition::{Condition, MAX_CONDITIONS};
use counter::{hash, mixed};

/// What a fault returns from a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// This error; nothing is copied.
    Fail(Errno),
    /// Fewer bytes than the call could copy; these are copied.
    Short(Limit),
    /// 0; nothing is copied.
    ReturnZero,
    /// FIDEDUPERANGE succeeds with this status for each target, and shares nothing.
    Status(i32),
}

/// The most bytes that a call copies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// A number of bytes.
    Bytes(u64),
    /// A percentage of the bytes that the call could copy.
    Percent(u8),
}

impl Limit {
    /// Returns the limit in bytes, at least 1, for a call that could copy `possible` bytes; `None` if
    /// that would not shorten it.
    #[must_use]
    pub fn of(self, possible: u64) -> Option<u64> {
        let limit = match self {
            Limit::Bytes(bytes) => bytes,
            Limit::Percent(percent) => {
                let (whole, rest) = (possible / 100, possible % 100);
                whole * u64::from(percent) + rest * u64::from(percent) / 100
            }
        };
        Some(limit.max(1)).filter(|limit| *limit < possible)
    }
}

/// The calls that a fault hits, by number: strace's `when=FIRST[..LAST][+[STEP]]`, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct When {
    first: u64,
    last: u64,
    step: u64,
}

impl When {
    /// Every call.
    pub const ALWAYS: When = When { first: 1, last: u64::MAX, step: 1 };

    fn includes(self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
            && number.wrapping_sub(self.first).checked_rem(self.step) == Some(0)
    }
}

/// Which calls share a count for [`When`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    /// All calls of the process.
    #[default]
    Process,
    /// The calls of a thread.
    Thread,
    /// The calls with the same target path.
    Path,
    /// The calls of all processes that a launcher has started; of the process without a launcher.
    Tree,
}

impl Scope {
    /// Every scope with its name after `per=`.
    pub const ALL: [(&'static str, Scope); 4] = [
        ("process", Scope::Process),
        ("thread", Scope::Thread),
        ("path", Scope::Path),
        ("tree", Scope::Tree),
    ];
}

/// The probability with which a fault hits a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Probability {
    /// How many of 10^9 calls are hit.
    share: u64,
    seed: u64,
}

impl Probability {
    const CERTAIN: Probability = Probability { share: Self::WHOLE, seed: 0 };
    const WHOLE: u64 = 1_000_000_000;

    /// Reports whether the call of this number is hit. The result depends on the seed and the number
    /// only: it is the same in every process, on every machine and in every version.
    fn hits(self, number: u64) -> bool {
        mixed(self.seed ^ mixed(number)) % Self::WHOLE < self.share
    }
}

/// What is done to calls, and the conditions that choose the calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault<'a> {
    text: &'a [u8],
    action: Option<Action>,
    signal: Option<i32>,
    delay_enter_ns: u64,
    delay_exit_ns: u64,
    when: When,
    scope: Scope,
    probability: Probability,
    path: Option<&'a [u8]>,
    comm: Option<&'a [u8]>,
    hooks: Hooks,
    conditions: [Option<Condition>; MAX_CONDITIONS],
}

impl Fault<'_> {
    /// Reports whether the fault applies to this kind of request.
    fn applies_to(&self, request: Request) -> bool {
        match self.action {
            // A reflink shares everything or fails: ioctl_ficlonerange(2).
            Some(Action::Short(_) | Action::ReturnZero) => {
                !matches!(request, Request::Clone | Request::CloneRange)
            }
            Some(Action::Status(_)) => matches!(request, Request::Dedupe(_)),
            Some(Action::Fail(_)) | None => true,
        }
    }

    /// Reports whether the fault applies to this call. If so the call is counted.
    fn selects(&self, call: &CallInfo<'_>) -> bool {
        let matches =
            |pattern| call.paths.iter().flatten().any(|path| glob::matches(pattern, path));
        self.applies_to(call.request)
            && call.hooks().any(|hook| self.hooks.contains(hook))
            && self.path.is_none_or(matches)
            && self.conditions.iter().flatten().all(|condition| condition.holds(call))
            && self.comm.is_none_or(|glob| call.names.iter().any(|name| glob::is_match(glob, name)))
    }
}

/// The properties of a call that faults select by.
#[derive(Clone, Copy, Debug)]
pub struct CallInfo<'a> {
    /// The hook that the program called.
    pub hook: Hook,
    /// What the call asks for.
    pub request: Request,
    pub tid: i32,
    /// The paths of source and target; `None` without a file, empty if it is not known. Used only if
    /// [`Needs::paths`].
    pub paths: [Option<&'a [u8]>; 2],
    /// The bytes that the call asks for. This and what follows is used only if [`Needs::numbers`].
    pub len: u64,
    /// Where it begins in source and target, in bytes, if known.
    pub offsets: [Option<u64>; 2],
    pub flags: u32,
    /// The names of the thread and of its program. Used only if [`Needs::names`].
    pub names: [&'a [u8]; 2],
}

/// What [`Faults::decide`] uses of a call beside its hook, request and thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    pub paths: bool,
    pub numbers: bool,
    pub names: bool,
}

impl CallInfo<'_> {
    /// Returns the hooks that a fault may name for this call: for a supervised call also the one that
    /// is named like the system call.
    fn hooks(&self) -> impl Iterator<Item = Hook> {
        let is_supervised = self.hook == Hook::Seccomp;
        [Some(self.hook), is_supervised.then_some(self.request.hook())].into_iter().flatten()
    }
}

/// The hooks that a fault may name for a supervised call, besides seccomp.
const SUPERVISED: Hooks =
    Hooks::NONE.with(Hook::CopyFileRange).with(Hook::Ioctl).with(Hook::Sendfile);

/// What the faults together do to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Injection {
    /// The action of the first fault that has one.
    pub action: Option<Action>,
    /// Signals to send before the call, as bits: bit 0 is signal 1.
    pub signals: u64,
    /// The delay before the call, in nanoseconds.
    pub delay_enter_ns: u64,
    /// The delay after the call, in nanoseconds.
    pub delay_exit_ns: u64,
    /// The faults that hit the call, as bits: bit 0 is the first fault.
    pub hits: u32,
    /// Those of them that delay the call or send a signal.
    pub effects: u32,
    /// The one of them that has the action.
    pub acting: u32,
}

impl Injection {
    /// No fault hits the call.
    pub const NONE: Injection = Injection {
        action: None,
        signals: 0,
        delay_enter_ns: 0,
        delay_exit_ns: 0,
        hits: 0,
        effects: 0,
        acting: 0,
    };

    /// Returns what the action makes of `call`; `None` if the call would not be shorter anyway.
    #[must_use]
    pub fn overrides(&self, call: &Call) -> Option<Override> {
        match self.action? {
            Action::Fail(errno) => Some(Override::Answer(Err(errno))),
            Action::ReturnZero => Some(Override::Answer(Ok(0))),
            Action::Status(status) => Some(Override::Statuses(status)),
            Action::Short(limit) => limit.of(call.max_len()).map(Override::AtMost),
        }
    }

    /// Returns the faults that apply to the call, as bits. The action applies if it `overrides` the
    /// call.
    #[must_use]
    pub fn applied(&self, overrides: bool) -> u32 {
        self.effects | if overrides { self.acting } else { 0 }
    }

    /// Reports whether a fault answers or shortens the call, or sends a signal.
    #[must_use]
    pub fn changes_call(&self) -> bool {
        self.action.is_some() || self.signals != 0
    }

    /// Reports whether a fault delays the call.
    #[must_use]
    #[inline(always)]
    pub fn is_delayed(&self) -> bool {
        self.delay_enter_ns != 0 || self.delay_exit_ns != 0
    }
}

/// All faults that are set, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Faults<'a> {
    list: [Option<Fault<'a>>; MAX_FAULTS],
}

impl<'a> Faults<'a> {
    /// Parses faults separated by `;`.
    ///
    /// ```
    /// use cfr_engine::hook::Hook;
    /// use cfr_shared::inject::Faults;
    ///
    /// let faults = Faults::parse(b"error=EXDEV:when=2+;delay_exit=10ms:hook=ioctl").unwrap();
    /// assert_eq!(faults.texts().count(), 2);
    /// assert!(faults.apply_to(Hook::Ioctl));
    /// let error = Faults::parse(b"error=EXDEF").unwrap_err();
    /// assert_eq!((error.fault, error.column, error.word), (1, 1, &b"error=EXDEF"[..]));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first error and its position.
    pub fn parse(text: &'a [u8]) -> Result<Faults<'a>, ParseError<'a>> {
        let mut faults = Faults { list: [None; MAX_FAULTS] };
        faults.read(text)?;
        Ok(faults)
    }

    /// Parses faults separated by `;` into `place`, so that their 2 KiB are not on the stack of a
    /// host. After an error it is `None`.
    ///
    /// # Errors
    ///
    /// Returns the first error and its position.
    pub fn parse_into(
        place: &mut Option<Faults<'a>>,
        text: &'a [u8],
    ) -> Result<(), ParseError<'a>> {
        let faults = place.insert(Faults { list: [None; MAX_FAULTS] });
        let result = faults.read(text);
        if result.is_err() {
            *place = None;
        }
        result
    }

    #[inline(never)]
    fn read(&mut self, text: &'a [u8]) -> Result<(), ParseError<'a>> {
        let mut slots = self.list.iter_mut();
        for expression in parse::expressions(text) {
            let slot = slots.next().ok_or(expression.error(ParseErrorKind::TooMany))?;
            *slot = Some(expression.fault()?);
        }
        if self.all().next().is_none() {
            let kind = ParseErrorKind::NoEffect;
            return Err(ParseError { fault: 1, column: 1, word: text, kind });
        }
        Ok(())
    }

    /// Returns each fault as it was written.
    pub fn texts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.all().map(|fault| fault.text)
    }

    fn all(&self) -> impl Iterator<Item = &Fault<'a>> {
        self.list.iter().flatten()
    }

    /// Reports whether a fault applies to calls through this hook.
    #[must_use]
    pub fn apply_to(&self, hook: Hook) -> bool {
        self.all().any(|fault| fault.hooks.contains(hook))
    }

    /// Returns what [`Faults::decide`] needs to know of a call through this hook.
    #[must_use]
    pub fn needs(&self, hook: Hook) -> Needs {
        let mut needs = Needs::default();
        for fault in self.all() {
            if fault.hooks.contains(hook) || hook == Hook::Seccomp {
                needs.paths |= fault.path.is_some() || fault.scope == Scope::Path;
                needs.numbers |= fault.conditions.iter().any(Option::is_some);
                needs.names |= fault.comm.is_some();
            }
        }
        needs
    }

    /// Returns an error that names the first fault which applies to none of `hooks`.
    #[must_use]
    pub fn unreachable(&self, hooks: Hooks) -> Option<ParseError<'a>> {
        let reaches = |fault: &Fault<'_>| {
            let is_watched = |hook| {
                let is_called_like_it = hooks.contains(Hook::Seccomp) && SUPERVISED.contains(hook);
                hooks.contains(hook) || is_called_like_it
            };
            Hook::ALL.into_iter().any(|hook| fault.hooks.contains(hook) && is_watched(hook))
        };
        let (number, fault) = (1..).zip(self.all()).find(|(_, fault)| !reaches(fault))?;
        let kind = ParseErrorKind::Unreachable;
        Some(ParseError { fault: number, column: 1, word: fault.text, kind })
    }

    /// Decides what the faults do to a call, and counts the call. A fault counts every call that it
    /// applies to, even if another fault hits it. The first action wins, delays add up, and all
    /// signals are sent.
    #[must_use]
    pub fn decide(&self, call: &CallInfo<'_>, counter: &CallCounter) -> Injection {
        let mut injection = Injection::default();
        for (index, fault) in self.all().enumerate() {
            if !fault.selects(call) {
                continue;
            }
            let [_, target] = call.paths;
            let key = match fault.scope {
                Scope::Process | Scope::Tree => None,
                Scope::Thread => Some(u64::from(call.tid.unsigned_abs())),
                Scope::Path => Some(hash(glob::without_mark(target.unwrap_or_default()))),
            };
            let in_tree = counter.count_in_tree(index);
            let number = match (fault.scope, in_tree) {
                (Scope::Tree, Some(number)) => number,
                _ => counter.count(index, key),
            };
            if !fault.when.includes(number) || !fault.probability.hits(number) {
                continue;
            }
            let bit = 1 << index;
            injection.hits |= bit;
            counter.count_hit(index, injection.action.is_some() && fault.action.is_some());
            if injection.action.is_none() && fault.action.is_some() {
                injection.action = fault.action;
                injection.acting = bit;
            }
            injection.delay_enter_ns =
                injection.delay_enter_ns.saturating_add(fault.delay_enter_ns);
            injection.delay_exit_ns = injection.delay_exit_ns.saturating_add(fault.delay_exit_ns);
            if let Some(signal) = fault.signal {
                injection.signals |= 1 << (signal - 1);
            }
            if fault.signal.is_some() || fault.delay_enter_ns != 0 || fault.delay_exit_ns != 0 {
                injection.effects |= bit;
            }
        }
        injection
    }
}

#[cfg(test)]
mod tests {
    use super::counter::tests::counter;
    use super::*;
    use cfr_engine::call::DedupeTarget;
    use std::vec::Vec;

    fn faults(text: &str) -> Faults<'_> {
        Faults::parse(text.as_bytes()).unwrap()
    }

    const CALL: CallInfo<'static> = CallInfo {
        hook: Hook::CopyFileRange,
        request: Request::Copy,
        tid: 7,
        paths: [Some(b"/a"), Some(b"/b")],
        len: 4096,
        offsets: [Some(0), None],
        flags: 2,
        names: [b"worker", b"a-long-program-name"],
    };

    fn hits(text: &str, calls: usize) -> Vec<usize> {
        let (faults, counter) = (faults(text), counter());
        (1..=calls).filter(|_| faults.decide(&CALL, &counter) != Injection::default()).collect()
    }

    #[test]
    fn when_selects_as_strace_does() {
        assert_eq!(hits("zero", 3), [1, 2, 3]);
        assert_eq!(hits("zero:when=2", 5), [2]);
        assert_eq!(hits("zero:when=2..4", 6), [2, 3, 4]);
        assert_eq!(hits("zero:when=3+", 5), [3, 4, 5]);
        assert_eq!(hits("zero:when=2+3", 9), [2, 5, 8]);
        assert_eq!(hits("zero:when=2..7+3", 12), [2, 5]);
        assert_eq!(hits("zero:when=2..4+", 6), [2, 3, 4]);
    }

    #[test]
    fn a_seed_selects_the_same_calls_every_time() {
        let some = hits("zero:prob=0.25:seed=42", 4000);
        assert!((900..1100).contains(&some.len()), "{}", some.len());
        assert_eq!(some, hits("zero:prob=25%:seed=42", 4000));
        assert_ne!(some, hits("zero:prob=0.25:seed=43", 4000));
        assert_eq!(hits("zero:prob=1", 50).len(), 50);
        // Pinned: the same on every machine and in every version.
        assert_eq!(hits("zero:prob=0.1:seed=7", 40), [12, 33]);
    }

    #[test]
    fn the_first_action_wins_and_every_fault_counts() {
        let (faults, counter) = (
            faults(
                "error=EIO:when=1;zero:when=1..2;short=5:delay_exit=2:when=2;signal=USR1;delay_exit=1",
            ),
            counter(),
        );
        let [first, second, third] = [(); 3].map(|()| faults.decide(&CALL, &counter));
        assert_eq!(first.action, Some(Action::Fail(Errno::EIO)));
        assert_eq!((second.action, second.delay_exit_ns), (Some(Action::ReturnZero), 3000));
        assert_eq!((third.action, third.signals), (None, 1 << 9));
    }

    #[test]
    fn counts_by_thread_and_by_path() {
        let (faults, counter) = (faults("zero:when=2:per=thread"), counter());
        let of = |tid| faults.decide(&CallInfo { tid, ..CALL }, &counter).action.is_some();
        assert_eq!([of(1), of(2), of(2), of(1), of(1)], [false, false, true, true, false]);

        let (faults, counter) = (self::faults("zero:when=2:per=path"), tests::counter());
        let of = |path: &'static [u8]| {
            let paths = [Some(&b"/s"[..]), Some(path)];
            faults.decide(&CallInfo { paths, ..CALL }, &counter).action.is_some()
        };
        assert_eq!([of(b"/1"), of(b"/2"), of(b"/2"), of(b"/1")], [false, false, true, true]);
    }

    #[test]
    fn calls_of_other_hooks_paths_and_requests_are_not_counted() {
        let (faults, counter) =
            (faults("short=1:when=2:path=*.db:hook=ioctl,copy_file_range"), counter());
        let met = |call: CallInfo<'_>| faults.decide(&call, &counter).action.is_some();
        let file = CallInfo { paths: [None, Some(b"/x/y.db")], ..CALL };
        assert!(!met(CALL) && !met(CallInfo { paths: [None; 2], ..CALL }));
        assert!(!met(CallInfo { hook: Hook::Sendfile, ..file }));
        assert!(!met(CallInfo { hook: Hook::Ioctl, request: Request::Clone, ..file }));
        assert!(!met(file) && met(file) && !met(file));
        assert!(faults.apply_to(Hook::Ioctl) && !faults.apply_to(Hook::Syscall));
        assert!(faults.needs(Hook::Ioctl).paths && !faults.needs(Hook::Syscall).paths);
        let unreachable = |text| self::faults(text).unreachable(Hooks::LINKED);
        assert_eq!(unreachable("zero;error=EIO:hook=ioctl,copy_file_range"), None);
        let supervised = Hooks::NONE.with(Hook::Seccomp);
        let hooks = |text| self::faults(text).unreachable(supervised).is_none();
        assert!(hooks("zero:hook=ioctl;zero:hook=sendfile") && !hooks("zero:hook=syscall"));
        let error = unreachable("zero;error=EIO:hook=ioctl").unwrap();
        assert_eq!((error.fault, error.word), (2, &b"error=EIO:hook=ioctl"[..]));
    }

    #[test]
    fn conditions_on_numbers_and_names() {
        for (text, expected) in [
            ("len=4K", true),
            ("len!=4096", false),
            ("len>4095:len<4097", true),
            ("len>=4097", false),
            ("len<=4095", false),
            ("off_in=0", true),
            ("off_in>0", false),
            // It is not known.
            ("off_out>=0", false),
            ("off_out!=5", false),
            ("flags!=0", true),
            ("flags=COPY_FR_REFLINK", true),
            ("flags=0x2", true),
            ("flags=COPY_FR_COPY", false),
            ("comm=work*", true),
            ("comm=a-long-program-name", true),
            ("comm=a-long-program", false),
        ] {
            let text = std::format!("zero:{text}");
            assert_eq!(hits(&text, 1).len(), usize::from(expected), "{text}");
        }
        let needs = |text| self::faults(text).needs(Hook::Seccomp);
        let of = |paths, numbers, names| Needs { paths, numbers, names };
        assert_eq!(needs("zero;zero:path=a"), of(true, false, false));
        assert_eq!(needs("zero:hook=ioctl:flags!=0"), of(false, true, false));
        assert_eq!(needs("zero:comm=a;zero:off_in<1"), of(false, true, true));
    }

    #[test]
    fn a_status_is_for_dedupes_only() {
        let (faults, counter) = (faults("status=differs"), counter());
        assert_eq!(faults.decide(&CALL, &counter), Injection::default());
        let target = DedupeTarget { number: 0, count: 1, status: None, reported: 0 };
        let dedupe = CallInfo { hook: Hook::Ioctl, request: Request::Dedupe(target), ..CALL };
        assert_eq!(faults.decide(&dedupe, &counter).action, Some(Action::Status(1)));
        let clone = CallInfo { request: Request::Clone, ..dedupe };
        assert_eq!(faults.decide(&clone, &counter), Injection::default());
    }

    #[test]
    fn a_short_copy_has_at_least_one_byte() {
        assert_eq!(Limit::Bytes(10).of(11), Some(10));
        assert_eq!(Limit::Bytes(10).of(10), None);
        assert_eq!(Limit::Percent(50).of(7), Some(3));
        assert_eq!(Limit::Percent(1).of(7), Some(1));
        assert_eq!(Limit::Percent(99).of(1), None);
        assert_eq!(Limit::Percent(50).of(0), None);
        assert_eq!(Limit::Percent(50).of(u64::MAX), Some(u64::MAX / 2));
    }
}
