//! Carrying a call out: the rules of the dialect in force, then the way that its flags ask for,
//! then the offsets, moved once by the bytes that really moved.

use crate::backend::{self, Moved};
use crate::call::{Answer, Method};
use crate::dialect::{Dialect, FILE_SIZE_SIGNAL, Lead, Rule, Ruling};
use crate::errno::Errno;
use crate::facts::{End, Facts};
use crate::flags::{Flags, Mode};
use crate::plan::{self, Step};
use crate::sys::{self, Args, HeldSignals, Range};
use crate::trail::{declined, system_call};

/// What becomes of a call that breaks a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checks {
    /// It is answered as the rule says.
    #[default]
    Enforce,
    /// It is logged, and goes on as if there were no rule.
    Warn,
    /// Nobody looks.
    Off,
}

impl Checks {
    /// Every one, by its name in `CFR_CHECKS`.
    pub const ALL: [(&'static str, Checks); 3] =
        [("enforce", Checks::Enforce), ("warn", Checks::Warn), ("off", Checks::Off)];
}

/// What holds for every call of a process.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whose rules.
    pub dialect: &'static Dialect,
    /// What becomes of a call that breaks one.
    pub checks: Checks,
    /// The flags of a call that has none.
    pub default_flags: Flags,
}

impl Policy {
    /// The flags that count.
    #[must_use]
    pub fn flags(&self, args: &Args) -> Flags {
        if args.flags == 0 { self.default_flags } else { Flags(args.flags) }
    }

    /// The lowest flags that the kernel does not answer by itself as this policy wants it; those
    /// below it may go straight to the kernel. `None` where all may.
    #[must_use]
    pub fn first_flags_of_ours(&self) -> Option<u32> {
        match self.dialect.lead {
            Lead::Kernel if self.default_flags.0 == 0 && self.dialect.goes_on_after.is_empty() => {
                (!self.dialect.modes.is_empty()).then_some(1)
            }
            _ => Some(0),
        }
    }
}

/// What a call is answered, and why.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Bytes moved, or the error.
    pub answer: Answer,
    /// How they moved, or who refused.
    pub method: Method,
    /// The rule that decided, or that was broken and only noted.
    pub rule: Option<&'static Rule>,
    /// Whether the call broke it.
    pub judged: bool,
    /// A signal that the calling thread is owed.
    pub signal: Option<i32>,
}

impl Outcome {
    #[inline(always)]
    fn answered(answer: Answer, method: Method) -> Outcome {
        Outcome { answer, method, rule: None, judged: false, signal: None }
    }
}

/// Carries a call out. `forward` hands one on, to the kernel or to the next library.
#[inline(always)]
pub fn carry_out(
    args: &Args,
    policy: &Policy,
    forward: impl Fn(&Args) -> (Answer, Method),
) -> Outcome {
    if policy.flags(args).0 != 0 || policy.dialect.lead != Lead::Kernel {
        return with_facts(args, policy, None, &forward);
    }
    let (answer, method) = forward(args);
    match answer {
        Ok(_) => Outcome::answered(answer, method),
        Err(_) => with_facts(args, policy, Some((answer, method)), &forward),
    }
}

/// The way of a call that the kernel has not carried out, or was not asked to.
#[cold]
#[inline(never)]
fn with_facts(
    args: &Args,
    policy: &Policy,
    first: Option<(Answer, Method)>,
    forward: &dyn Fn(&Args) -> (Answer, Method),
) -> Outcome {
    let facts = &Facts::new(args, policy.flags(args));
    let mode = facts.flags.mode().filter(|mode| policy.dialect.knows(*mode));
    let first = first.map(|(answer, method)| Outcome::answered(answer, method));
    let first = first.or_else(|| {
        let only_for_kernel = mode.is_none() && policy.dialect.lead == Lead::Kernel;
        let as_it_came = Step::Ask { len: args.len, flags: facts.flags.0 };
        only_for_kernel.then(|| run(as_it_came, facts, forward))
    });
    match first {
        Some(outcome) if !declines(facts, policy.dialect, &outcome) => outcome,
        first => judged(facts, policy, mode, first.is_some(), forward),
    }
}

/// The rule that the error of an outcome comes from, if it comes from one. May cost system calls.
#[cold]
#[inline(never)]
#[must_use]
pub fn explanation(outcome: &Outcome, args: &Args, policy: &Policy) -> Option<&'static Rule> {
    let errno = outcome.answer.err()?;
    let facts = Facts::new(args, policy.flags(args));
    if outcome.method == Method::Kernel {
        facts.heard(outcome.answer);
    }
    outcome.rule.or_else(|| policy.dialect.explains(errno, &facts))
}

/// The rules, and then the way that the flags ask for.
fn judged(
    facts: &Facts<'_>,
    policy: &Policy,
    mode: Option<Mode>,
    kernel_declined: bool,
    forward: &dyn Fn(&Args) -> (Answer, Method),
) -> Outcome {
    let dialect = policy.dialect;
    let broken = match judge(facts, policy) {
        Verdict::Answered(outcome) => return outcome,
        Verdict::Passed { broken } => broken,
    };
    let step = match mode {
        _ if kernel_declined => plan::instead_of_kernel(facts, dialect),
        Some(mode) => plan::first(facts, dialect, mode),
        // It broke a rule, and somebody wants to see what comes of it.
        None => Step::Ask { len: facts.args.len, flags: facts.flags.0 },
    };
    let mut outcome = run(step, facts, forward);
    if matches!(step, Step::Ask { .. }) && declines(facts, dialect, &outcome) {
        outcome = run(plan::instead_of_kernel(facts, dialect), facts, forward);
    }
    Outcome { rule: broken, judged: broken.is_some(), ..outcome }
}

/// What the rules say of a call.
enum Verdict {
    /// This, and nothing moves.
    Answered(Outcome),
    /// It goes on, although it broke a rule maybe.
    Passed { broken: Option<&'static Rule> },
}

fn judge(facts: &Facts<'_>, policy: &Policy) -> Verdict {
    let mut broken = None;
    if policy.checks != Checks::Off {
        for rule in policy.dialect.broken(facts) {
            let nothing = Outcome::answered(Ok(0), Method::None);
            let (answer, signal) = match rule.ruling {
                Ruling::Nothing => {
                    let (rule, judged) = (broken.or(Some(rule)), broken.is_some());
                    return Verdict::Answered(Outcome { rule, judged, ..nothing });
                }
                Ruling::Refuse(errno) => (Err(errno), None),
                Ruling::RefuseAndRaise(errno, signal) => (Err(errno), Some(signal)),
            };
            if policy.checks == Checks::Enforce {
                let rule = Some(rule);
                return Verdict::Answered(Outcome {
                    answer,
                    rule,
                    judged: true,
                    signal,
                    ..nothing
                });
            }
            broken = broken.or(Some(rule));
        }
    }
    Verdict::Passed { broken }
}

/// Whether the kernel's answer is one after which this dialect copies all the same.
fn declines(facts: &Facts<'_>, dialect: &Dialect, outcome: &Outcome) -> bool {
    facts.heard(outcome.answer);
    let Err(errno) = outcome.answer else { return false };
    let declines = dialect.goes_on_after.contains(&errno);
    if declines {
        declined(errno, dialect.name);
    }
    declines
}

fn run(step: Step, facts: &Facts<'_>, forward: &dyn Fn(&Args) -> (Answer, Method)) -> Outcome {
    match step {
        Step::Ask { len, flags } => {
            let (answer, method) = forward(&Args { len, flags, ..*facts.args });
            Outcome::answered(answer, method)
        }
        Step::Copy { len, through, holes } => {
            move_range(facts, len, &|range, held| backend::copy(range, through, holes, held))
        }
        Step::Reflink { len } => move_range(facts, len, &|range, _| backend::reflink(range)),
        // FreeBSD has one word for all that cannot be shared.
        Step::Clone { len } => move_range(facts, len, &|range, _| {
            backend::reflink(range)
                .unsupported_if(|errno| matches!(errno, Errno::EXDEV | Errno::EINVAL))
        }),
        // Overlay says EINVAL of a filesystem below it that cannot.
        Step::Dedup { len, target_size } => move_range(facts, len, &|range, held| {
            backend::dedup(range, target_size, held)
                .unsupported_if(|errno| errno == Errno::EINVAL && facts.goes_by_blocks())
        }),
        Step::DedupNothing => {
            move_range(facts, facts.asked(), &|range, _| backend::dedup_nothing(range))
        }
        Step::Refuse(errno) => Outcome::answered(Err(errno), Method::None),
        Step::OverLimit => {
            let refused = Outcome::answered(Err(Errno::EFBIG), Method::None);
            Outcome { signal: Some(FILE_SIZE_SIGNAL), ..refused }
        }
    }
}

/// Has `mover` move the range of the call, and moves the offsets by what it moved. Signals are held
/// back until both are done: a handler that leaves by siglongjmp(3) finds no call half done.
#[inline(never)]
fn move_range(
    facts: &Facts<'_>,
    len: u64,
    mover: &dyn Fn(Range, &HeldSignals) -> Moved,
) -> Outcome {
    let (off_in, off_out) = match (facts.source.start(), facts.target.start()) {
        (Ok(off_in), Ok(off_out)) => (off_in.cast_unsigned(), off_out.cast_unsigned()),
        (Err(errno), _) | (_, Err(errno)) => return Outcome::answered(Err(errno), Method::None),
    };
    let (fd_in, fd_out) = (facts.args.fd_in, facts.args.fd_out);
    let held = HeldSignals::new();
    let moved = mover(Range { fd_in, off_in, fd_out, off_out, len }, &held);
    let answer = match (moved.bytes, moved.trouble) {
        (0, Some(errno)) => Err(errno),
        (0, None) => return Outcome::answered(Ok(0), Method::None),
        (bytes, trouble) => {
            if let Some(errno) = trouble {
                system_call("a piece to", fd_out, &Err::<(), _>(errno));
            }
            commit(facts, bytes).map(|()| usize::try_from(bytes).unwrap_or(usize::MAX))
        }
    };
    Outcome::answered(answer, moved.method)
}

/// Moves both offsets. As in the kernel, one that cannot be stored makes the call EFAULT, and the
/// other one is stored all the same.
fn commit(facts: &Facts<'_>, bytes: u64) -> Result<(), Errno> {
    let [source, target] = facts.ends().map(|end| store(end, bytes));
    source.and(target)
}

fn store(end: &End, bytes: u64) -> Result<(), Errno> {
    let after = end.start()?.wrapping_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    if end.pointer.is_null() {
        let moved = sys::set_position(end.fd, after.cast_unsigned());
        system_call("lseek SEEK_SET", end.fd, &moved);
        return moved.map(drop);
    }
    let stored = sys::write_offset(end.pointer, after);
    system_call("rt_sigprocmask, to write the offset for", end.fd, &stored);
    stored
}
