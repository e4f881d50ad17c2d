//! Carrying a call out: the rules of the dialect in force, then the way that its flags ask for,
//! then the offsets, moved once by the bytes that really moved.

use crate::backend::{self, BUFFER_LEN, CopyResult, Holes, Transport};
use crate::call::{Answer, Method};
use crate::diag::{log_data_error, log_fallback, trace_syscall};
use crate::dialect::{CheckedBy, Dialect, FILE_SIZE_SIGNAL, Rule, Ruling};
use crate::facts::{Facts, Side};
use crate::flags::{Flags, Mode};
use crate::plan::{self, Step};
use cfr_sys::errno::{Errno, ErrnoSet};
use cfr_sys::{self as sys, Args, BlockedSignals, OffsetPointer, Range};

pub use crate::plan::Backend;

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
    /// Who copies.
    pub backend: Backend,
    /// Errors of the kernel's after which the library copies, where both may.
    pub fallback: ErrnoSet,
    /// Whether both ranges are read back and compared.
    pub verify: bool,
}

impl Policy {
    /// The flags that count.
    #[must_use]
    pub fn flags(&self, args: &Args) -> Flags {
        if args.flags == 0 { self.default_flags } else { Flags(args.flags) }
    }

    /// The lowest flags that the kernel does not answer by itself as this policy wants it; those
    /// below it may go straight to the kernel, if what it refuses is looked at again
    /// ([`Policy::may_go_on_after`]).
    #[must_use]
    pub fn first_flags_of_ours(&self) -> u32 {
        u32::from(self.asks_first() && self.default_flags.0 == 0)
    }

    /// Whether the kernel gets a call at flags 0 as it came.
    #[inline(always)]
    fn asks_first(&self) -> bool {
        self.dialect.checked_by == CheckedBy::Kernel
            && self.backend != Backend::Emulate
            && !self.verify
    }

    /// Whether the library may copy after this error of the kernel's. EPERM may come from a filter
    /// that hides the call, and stand for ENOSYS.
    #[must_use]
    pub fn may_go_on_after(&self, errno: Errno) -> bool {
        self.fallback_errors(errno) || errno == Errno::EPERM && self.fallback_errors(Errno::ENOSYS)
    }

    /// Whether the library copies after this error of the kernel's.
    fn fallback_errors(&self, errno: Errno) -> bool {
        self.backend == Backend::Auto
            && (self.fallback.contains(errno) || self.dialect.fallback_errors.contains(&errno))
    }

    /// Whether copies of the library's own cross filesystems, whatever the dialect's rules say.
    fn crosses_filesystems(&self) -> bool {
        let wanted = self.fallback.contains(Errno::EXDEV)
            || self.dialect.fallback_errors.contains(&Errno::EXDEV);
        match self.backend {
            Backend::Auto => wanted,
            Backend::Kernel => false,
            Backend::Emulate => wanted || self.dialect.emulation_crosses_filesystems,
        }
    }
}

/// The most that the kernel is asked for where its copy is verified, in bytes: it does not notice
/// signals that are held back.
const LONGEST_VERIFIED: usize = 16 << 20;

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
    /// Whether the library copied because the kernel did not.
    pub fell_back: bool,
    /// A signal that the calling thread is owed.
    pub signal: Option<i32>,
}

impl Outcome {
    #[inline(always)]
    fn answered(answer: Answer, method: Method) -> Outcome {
        Outcome { answer, method, rule: None, judged: false, fell_back: false, signal: None }
    }
}

/// What somebody else wants to become of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Imposed {
    /// It is answered so, and nothing moves.
    Answer(Answer),
    /// It moves at most so many bytes, but is judged by what it asks for.
    AtMost(u64),
}

/// Carries a call out. `forward` hands one on, to the kernel or to the next library.
#[inline(always)]
pub fn carry_out(
    args: &Args,
    policy: &Policy,
    imposed: Option<Imposed>,
    forward: impl Fn(&Args) -> (Answer, Method),
) -> Outcome {
    if policy.flags(args).0 != 0 || !policy.asks_first() || imposed.is_some() {
        return with_facts(args, policy, imposed, None, &forward);
    }
    let (answer, method) = forward(args);
    match answer {
        Ok(_) => Outcome::answered(answer, method),
        Err(_) => with_facts(args, policy, None, Some((answer, method)), &forward),
    }
}

/// The way of a call that the kernel has not carried out, or was not asked to.
#[cold]
#[inline(never)]
fn with_facts(
    args: &Args,
    policy: &Policy,
    imposed: Option<Imposed>,
    first: Option<(Answer, Method)>,
    forward: &dyn Fn(&Args) -> (Answer, Method),
) -> Outcome {
    let most = match imposed {
        Some(Imposed::Answer(answer)) => return Outcome::answered(answer, Method::None),
        Some(Imposed::AtMost(most)) => Some(most),
        None => None,
    };
    let facts = &Facts::new(args, policy.flags(args));
    let call = Carried { facts, policy, most, forward };
    let mode = facts.flags.mode().filter(|mode| policy.dialect.supports(*mode));
    if let Some((answer, method)) = first {
        return call.unless_declined(Outcome::answered(answer, method), mode);
    }
    match (mode, policy.dialect.checked_by, policy.backend) {
        (Some(Mode::Any), CheckedBy::Kernel, Backend::Emulate) => {
            let goes_on = |errno| {
                errno == Errno::ENOSYS || errno == Errno::EXDEV && policy.crosses_filesystems()
            };
            match plan::copy_checked_by_kernel(facts, goes_on) {
                Some(step) => call.run(call.shortened(step)),
                None => call.judged(mode, None),
            }
        }
        (None | Some(Mode::Any), CheckedBy::Kernel, Backend::Auto | Backend::Kernel) => {
            call.unless_declined(call.run(call.asked(mode)), mode)
        }
        _ => call.judged(mode, None),
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
        facts.note_kernel_error(errno);
    }
    outcome.rule.or_else(|| policy.dialect.rule_for_error(errno, &facts))
}

/// A call on its way, with what is known of it.
struct Carried<'a> {
    facts: &'a Facts<'a>,
    policy: &'a Policy,
    /// The most that it may move, in bytes.
    most: Option<u64>,
    forward: &'a dyn Fn(&Args) -> (Answer, Method),
}

/// What the rules say of a call.
enum Verdict {
    /// This, and nothing moves.
    Answered(Outcome),
    /// It goes on, although it broke a rule maybe.
    Passed { broken: Option<&'static Rule> },
}

impl Carried<'_> {
    /// The call as it came, for a kernel that judges it itself. One that is to be short would be judged by
    /// fewer bytes then, so it is asked for only where the kernel has nothing against the whole.
    fn asked(&self, mode: Option<Mode>) -> Step {
        let whole = Step::Forward { len: self.facts.args.len, flags: self.facts.flags.0 };
        if self.most.is_none() || mode.is_none() {
            return whole;
        }
        match plan::copy_checked_by_kernel(self.facts, |_| false) {
            Some(Step::Copy { .. }) => self.shortened(whole),
            refused => refused.unwrap_or(whole),
        }
    }

    fn shortened(&self, step: Step) -> Step {
        self.most.map_or(step, |most| plan::limit_len(most, step, self.facts))
    }

    /// The kernel's outcome, or what comes after one after which the library copies.
    fn unless_declined(&self, outcome: Outcome, mode: Option<Mode>) -> Outcome {
        match self.declines(&outcome) {
            Some(errno) => self.judged(mode, Some(errno)),
            None => outcome,
        }
    }

    /// The rules, and then the way that the flags ask for, or the library's copy where the kernel has
    /// declined.
    fn judged(&self, mode: Option<Mode>, declined: Option<Errno>) -> Outcome {
        let (facts, dialect) = (self.facts, self.policy.dialect);
        let broken = match self.judge() {
            Verdict::Answered(outcome) => return outcome,
            Verdict::Passed { broken } => broken,
        };
        let step = match mode {
            _ if declined.is_some() => plan::library_copy(facts, dialect),
            Some(mode) => plan::choose(facts, dialect, self.policy.backend, mode),
            // It broke a rule, and somebody wants to see what comes of it.
            None => Step::Forward { len: facts.args.len, flags: facts.flags.0 },
        };
        let mut fell_back = declined.is_some();
        let mut outcome = self.run(self.shortened(step));
        if matches!(step, Step::Forward { .. }) && self.declines(&outcome).is_some() {
            outcome = self.run(self.shortened(plan::library_copy(facts, dialect)));
            fell_back = true;
        }
        Outcome { rule: broken, judged: broken.is_some(), fell_back, ..outcome }
    }

    fn judge(&self) -> Verdict {
        let mut broken = None;
        if self.policy.checks == Checks::Off {
            return Verdict::Passed { broken };
        }
        for rule in self.policy.dialect.broken_rules(self.facts) {
            let nothing = Outcome::answered(Ok(0), Method::None);
            let (answer, signal) = match rule.ruling {
                Ruling::ReturnZero => {
                    let (rule, judged) = (broken.or(Some(rule)), broken.is_some());
                    return Verdict::Answered(Outcome { rule, judged, ..nothing });
                }
                Ruling::Refuse(Errno::EXDEV) if self.policy.crosses_filesystems() => continue,
                Ruling::Refuse(errno) => (Err(errno), None),
                Ruling::RefuseAndRaise(errno, signal) => (Err(errno), Some(signal)),
            };
            if self.policy.checks == Checks::Enforce {
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
        Verdict::Passed { broken }
    }

    /// The kernel's error, if it is one after which the library copies.
    fn declines(&self, outcome: &Outcome) -> Option<Errno> {
        let errno = self.facts.note_kernel_error(outcome.answer.err()?);
        let declines = self.policy.fallback_errors(errno);
        declines.then(|| {
            log_fallback("kernel", errno, "the library copies");
            errno
        })
    }

    fn run(&self, step: Step) -> Outcome {
        let facts = self.facts;
        match step {
            Step::Forward { len, flags } if self.policy.verify => self.ask_and_verify(len, flags),
            Step::Forward { len, flags } => {
                let (answer, method) = (self.forward)(&Args { len, flags, ..*facts.args });
                Outcome::answered(answer, method)
            }
            Step::Copy { len, transport, holes } => {
                self.move_range(len, &|range, held| backend::copy(range, transport, holes, held))
            }
            // A read of such a file may wait for ever, and only a signal end that.
            Step::CopyUnsized { len } => {
                self.move_while(&BlockedSignals::none(), len, &|range, held| {
                    backend::copy(range, Transport::Library, Holes::Filled, held)
                })
            }
            Step::Reflink { len } => self.move_range(len, &|range, _| backend::reflink(range)),
            // FreeBSD has one word for all that cannot be shared.
            Step::Clone { len } => self.move_range(len, &|range, _| {
                backend::reflink(range)
                    .unsupported_if(|errno| matches!(errno, Errno::EXDEV | Errno::EINVAL))
            }),
            // Overlay says EINVAL of a filesystem below it that cannot.
            Step::Dedupe { len, target_size } => self.move_range(len, &|range, held| {
                backend::dedupe(range, target_size, held)
                    .unsupported_if(|errno| errno == Errno::EINVAL && facts.is_block_aligned())
            }),
            Step::DedupeNoBlock => {
                self.move_range(facts.requested_len(), &|range, _| backend::dedupe_no_block(range))
            }
            Step::ReturnZero => Outcome::answered(Ok(0), Method::None),
            Step::Refuse(errno) => Outcome::answered(Err(errno), Method::None),
            Step::RefusedByKernel(errno) => Outcome::answered(Err(errno), Method::Kernel),
            Step::OverFileSizeLimit => {
                let refused = Outcome::answered(Err(Errno::EFBIG), Method::None);
                Outcome { signal: Some(FILE_SIZE_SIGNAL), ..refused }
            }
        }
    }

    /// Hands the call on with offsets of our own, so that none has moved when the copy turns out to
    /// be wrong. A call that the kernel refuses for its descriptors or pointers goes as it came, and so
    /// does its length where the kernel may refuse that.
    fn ask_and_verify(&self, len: usize, flags: u32) -> Outcome {
        let args = Args { len, flags, ..*self.facts.args };
        let Some((off_in, off_out)) = self.facts.start_offsets() else {
            let (answer, method) = (self.forward)(&args);
            return Outcome::answered(answer, method);
        };
        let asked = self.facts.requested_len();
        let last = off_in.cast_unsigned().max(off_out.cast_unsigned());
        let is_plain = last.checked_add(asked).is_some() && !self.facts.do_ranges_overlap(asked);
        let len = if is_plain { len.min(LONGEST_VERIFIED) } else { len };
        self.move_range(asked, &|_, _| {
            let (mut off_in, mut off_out) = (off_in, off_out);
            let (answer, method) = (self.forward)(&Args {
                off_in: OffsetPointer::new(&raw mut off_in),
                off_out: OffsetPointer::new(&raw mut off_out),
                len,
                ..args
            });
            CopyResult {
                bytes: answer.map_or(0, |bytes| bytes as u64),
                error: answer.err(),
                method,
            }
        })
    }

    /// Has `mover` move the range of the call, and moves the offsets by what it moved. Signals are
    /// held back until both are done: a handler that leaves by siglongjmp(3) finds no call half done.
    /// What one buffer holds, from and to offsets in memory, is moved and noted at once, and needs no
    /// holding.
    fn move_range(
        &self,
        len: u64,
        mover: &dyn Fn(Range, &BlockedSignals) -> CopyResult,
    ) -> Outcome {
        let is_small = len <= BUFFER_LEN
            && !self.policy.verify
            && self
                .facts
                .sides()
                .iter()
                .all(|side| side.start_offset().is_ok() && side.writable.get());
        let held = if is_small { BlockedSignals::none() } else { BlockedSignals::new() };
        self.move_while(&held, len, mover)
    }

    #[inline(never)]
    fn move_while(
        &self,
        held: &BlockedSignals,
        len: u64,
        mover: &dyn Fn(Range, &BlockedSignals) -> CopyResult,
    ) -> Outcome {
        let facts = self.facts;
        let (off_in, off_out) = match (facts.source.start_offset(), facts.target.start_offset()) {
            (Ok(off_in), Ok(off_out)) => (off_in.cast_unsigned(), off_out.cast_unsigned()),
            (Err(errno), _) | (_, Err(errno)) => {
                return Outcome::answered(Err(errno), Method::None);
            }
        };
        let (fd_in, fd_out) = (facts.args.fd_in, facts.args.fd_out);
        let range = Range { fd_in, off_in, fd_out, off_out, len };
        let moved = mover(range, held);
        let moved = match moved.bytes {
            1.. if self.policy.verify => verified(moved, &range, held),
            _ => moved,
        };
        let answer = match (moved.bytes, moved.error) {
            (0, Some(errno)) => Err(errno),
            (0, None) => return Outcome::answered(Ok(0), Method::None),
            (bytes, error) => {
                if let Some(errno) = error {
                    trace_syscall("a piece to", fd_out, &Err::<(), _>(errno));
                }
                self.commit(bytes, held).map(|()| usize::try_from(bytes).unwrap_or(usize::MAX))
            }
        };
        Outcome::answered(answer, moved.method)
    }

    /// Moves both offsets. As in the kernel, one that cannot be stored makes the call EFAULT, and the
    /// other one is stored all the same.
    fn commit(&self, bytes: u64, held: &BlockedSignals) -> Result<(), Errno> {
        let sides = self.facts.sides();
        if !held.are_blocked() && sides.iter().all(|side| side.writable.get()) {
            // Side by side: what remains for a signal to come between are the two writes.
            let [off_in, off_out] = sides.map(|side| side.offset_after(bytes));
            let [source, target] = sides.map(|side| side.pointer);
            let (off_in, off_out) = (off_in?, off_out?);
            sys::write_checked_offset(source, off_in);
            sys::write_checked_offset(target, off_out);
            return Ok(());
        }
        let [source, target] = sides.map(|end| store(end, bytes));
        source.and(target)
    }
}

/// What was moved, as far as it is found where it should be; EIO where it is not.
fn verified(moved: CopyResult, range: &Range, held: &BlockedSignals) -> CopyResult {
    let range = range.first(moved.bytes);
    let Range { fd_in, off_in, fd_out, off_out, len } = range;
    match backend::verify(range, held) {
        backend::Comparison::Same(bytes) => CopyResult { bytes, ..moved },
        backend::Comparison::Differs(at) => {
            log_data_error(format_args!(
                "verify: of {len} bytes from {off_in} of {fd_in} to {off_out} of {fd_out}, byte {at} differs"
            ));
            CopyResult { bytes: 0, error: Some(Errno::EIO), ..moved }
        }
        backend::Comparison::Unreadable(fd, errno) => {
            log_data_error(format_args!(
                "verify: {len} bytes were not compared, because of {fd}: {errno}"
            ));
            moved
        }
    }
}

fn store(end: &Side<'_>, bytes: u64) -> Result<(), Errno> {
    let after = end.offset_after(bytes)?;
    if end.pointer.is_null() {
        let moved = sys::set_file_offset(end.fd, after.cast_unsigned());
        trace_syscall("lseek SEEK_SET", end.fd, &moved);
        return moved.map(drop);
    }
    let stored = sys::write_offset(end.pointer, after);
    trace_syscall("rt_sigprocmask, to write the offset for", end.fd, &stored);
    stored
}
