//! The execution of one call: the rules of the dialect, then the copy that its flags ask for, then
//! the offsets, moved once by the bytes that really moved.

use crate::backend::{self, BUFFER_LEN, CopyResult, Holes, Transport};
use crate::call::{Answer, Method};
use crate::diag::{log_data_error, log_fallback, trace_syscall};
use crate::dialect::{CheckedBy, FILE_SIZE_SIGNAL, Rule, Ruling};
use crate::facts::{Facts, Side};
use crate::flags::{Flags, Mode};
use crate::plan::{self, Step};
use crate::policy::{Backend, Checks, Policy};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Args, BlockedSignals, MadeOnce, OffsetPointer, Range};

/// The most that the kernel is asked for when its copy is verified, in bytes: it does not notice
/// signals that are blocked.
const MAX_VERIFIED: usize = 16 << 20;

/// The result of one call, from the engine to the log.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// What the host is told: bytes, or the error.
    pub answer: Answer,
    /// Bytes copied or shared. An ioctl that shares them answers 0.
    pub bytes: u64,
    /// Bytes that the kernel counts as written by the process that made the copy (`wchar` of
    /// /proc/PID/io).
    pub accounted: u64,
    /// How the bytes moved.
    pub method: Method,
    /// The rule that decided or was broken, or that explains the kernel's error.
    pub rule: Option<&'static Rule>,
    /// Whether the library found that the call broke `rule`. If not, the rule explains what the
    /// kernel said.
    pub judged: bool,
    /// Whether the library copied because the kernel did not.
    pub fell_back: bool,
    /// A signal that the caller must raise for the calling thread, after everything else.
    pub signal: Option<i32>,
}

impl Outcome {
    /// An answer by no rule. Its bytes are those that it reports.
    #[must_use]
    #[inline(always)]
    pub fn new(answer: Answer, method: Method) -> Outcome {
        let bytes = answer.map_or(0, |count| count as u64);
        Outcome {
            answer,
            bytes,
            accounted: bytes,
            method,
            rule: None,
            judged: false,
            fell_back: false,
            signal: None,
        }
    }
}

/// What the faults make of a call (`CFR_INJECT`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Override {
    /// The call is answered like this and nothing moves.
    Answer(Answer),
    /// At most this many bytes move. The rules still judge what the call asks for.
    AtMost(u64),
    /// FIDEDUPERANGE succeeds with this status for each target, and compares nothing. Other calls
    /// return 0.
    Statuses(i32),
}

/// One call, from its arguments to the explanation of its error. Its effective flags are computed
/// once; each fact about its files is gathered at most once, when it is first asked for.
pub struct Execution<'a> {
    args: &'a Args,
    policy: &'a Policy,
    flags: Flags,
    facts: MadeOnce<Facts<'a>>,
    /// The error of the call if it was forwarded before.
    refused: Option<(Errno, Method)>,
}

impl<'a> Execution<'a> {
    /// Prepares a call with these arguments. Makes no system call.
    #[must_use]
    #[inline(always)]
    pub fn new(args: &'a Args, policy: &'a Policy) -> Execution<'a> {
        let (flags, facts) = (policy.flags(args), MadeOnce::new());
        Execution { args, policy, flags, facts, refused: None }
    }

    /// Makes it the execution of a call that was forwarded already, by `method`, and failed with
    /// `errno`: it is not forwarded as it is once more.
    pub fn set_refused(&mut self, errno: Errno, method: Method) {
        self.refused = Some((errno, method));
    }

    /// Returns the arguments as they came.
    #[must_use]
    #[inline(always)]
    pub fn args(&self) -> &Args {
        self.args
    }

    /// Returns the effective flags: the call's own, or those of `CFR_DEFAULT_FLAGS`.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Carries the call out. `forward` forwards a call to the kernel or to the next library.
    #[inline(always)]
    pub fn run(
        &self,
        override_: Option<Override>,
        forward: impl Fn(&Args) -> (Answer, Method),
    ) -> Outcome {
        if self.flags.0 != 0 || !self.policy.asks_kernel_first() || override_.is_some() {
            return self.run_with_facts(override_, None, &forward);
        }
        let (answer, method) = match self.refused {
            Some((errno, method)) => (Err(errno), method),
            None => forward(self.args),
        };
        match answer {
            Ok(_) => Outcome::new(answer, method),
            Err(_) => self.run_with_facts(None, Some((answer, method)), &forward),
        }
    }

    /// Carries out a call that the kernel has refused (`refused`), or was not asked for.
    #[cold]
    #[inline(never)]
    fn run_with_facts(
        &self,
        override_: Option<Override>,
        refused: Option<(Answer, Method)>,
        forward: &dyn Fn(&Args) -> (Answer, Method),
    ) -> Outcome {
        let max_len = match override_ {
            Some(Override::Answer(answer)) => return Outcome::new(answer, Method::None),
            Some(Override::Statuses(_)) => return Outcome::new(Ok(0), Method::None),
            Some(Override::AtMost(len)) => Some(len),
            None => None,
        };
        let (facts, policy) = (self.facts(), self.policy);
        let run = Run { facts, policy, max_len, forward };
        let mode = self.flags.mode().filter(|mode| policy.dialect.supports(*mode));
        if let Some((answer, method)) = refused {
            return run.unless_declined(Outcome::new(answer, method), mode);
        }
        match (mode, policy.dialect.checked_by, policy.backend) {
            (Some(Mode::Any), CheckedBy::Kernel, Backend::Emulate) => {
                let library_decides = |errno| {
                    errno == Errno::ENOSYS || errno == Errno::EXDEV && policy.crosses_filesystems()
                };
                match plan::copy_checked_by_kernel(facts, library_decides) {
                    Some(step) => run.step(run.shortened(step)),
                    None => run.judged(mode, None),
                }
            }
            (None | Some(Mode::Any), CheckedBy::Kernel, Backend::Auto | Backend::Kernel) => {
                run.unless_declined(run.step(run.asked(mode)), mode)
            }
            _ => run.judged(mode, None),
        }
    }

    /// Returns the rule that the error of an outcome comes from, if there is one. May make system
    /// calls for facts that nothing has asked for yet.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn explain(&self, outcome: &Outcome) -> Option<&'static Rule> {
        let errno = outcome.answer.err()?;
        let facts = self.facts();
        // Only an error of the kernel's says what the kernel thinks of the call.
        facts.set_kernel_error((outcome.method == Method::Kernel).then_some(errno));
        outcome.rule.or_else(|| self.policy.dialect.rule_for_error(errno, facts))
    }

    fn facts(&self) -> &Facts<'a> {
        self.facts.get_or_make(|| Facts::new(self.args, self.flags))
    }
}

/// One run of a call, with what is known of it.
struct Run<'a> {
    facts: &'a Facts<'a>,
    policy: &'a Policy,
    /// The most that it may move, in bytes.
    max_len: Option<u64>,
    forward: &'a dyn Fn(&Args) -> (Answer, Method),
}

/// What the rules say of a call.
enum Verdict {
    /// It is answered like this and nothing moves.
    Answered(Outcome),
    /// It is forwarded or copied, even if it broke a rule (`CFR_CHECKS=warn`).
    Passed { broken: Option<&'static Rule> },
}

impl Run<'_> {
    /// Returns the call as it came, for a kernel that judges it itself. The kernel would judge a
    /// shortened call by fewer bytes, so it is shortened only if the kernel accepts the whole.
    fn asked(&self, mode: Option<Mode>) -> Step {
        let whole = Step::Forward { len: self.facts.args.len, flags: self.facts.flags.0 };
        if self.max_len.is_none() || mode.is_none() {
            return whole;
        }
        match plan::copy_checked_by_kernel(self.facts, |_| false) {
            Some(Step::Copy { .. }) => self.shortened(whole),
            refused => refused.unwrap_or(whole),
        }
    }

    fn shortened(&self, step: Step) -> Step {
        self.max_len.map_or(step, |most| plan::limit_len(most, step, self.facts))
    }

    /// Returns the kernel's outcome, or the library's if the kernel's error is one after which the
    /// library copies.
    fn unless_declined(&self, outcome: Outcome, mode: Option<Mode>) -> Outcome {
        match self.declines(&outcome) {
            Some(errno) => self.judged(mode, Some(errno)),
            None => outcome,
        }
    }

    /// Applies the rules, then copies as the flags ask, or by the library if the kernel has
    /// declined.
    fn judged(&self, mode: Option<Mode>, declined: Option<Errno>) -> Outcome {
        let (facts, dialect) = (self.facts, self.policy.dialect);
        if mode == Some(Mode::Any)
            && let Some(step) = plan::one_piece_between_filesystems(facts, self.policy)
        {
            let outcome = self.step(self.shortened(step));
            if outcome.answer != Ok(0) {
                return Outcome { fell_back: declined.is_some(), ..outcome };
            }
        }
        let broken = match self.judge() {
            Verdict::Answered(outcome) => return outcome,
            Verdict::Passed { broken } => broken,
        };
        let step = match mode {
            _ if declined.is_some() => plan::library_copy(facts, dialect),
            Some(mode) => plan::choose(facts, dialect, self.policy.backend, mode),
            // The flags broke a rule, and CFR_CHECKS lets the kernel answer.
            None => Step::Forward { len: facts.args.len, flags: facts.flags.0 },
        };
        let mut fell_back = declined.is_some();
        let mut outcome = self.step(self.shortened(step));
        if matches!(step, Step::Forward { .. }) && self.declines(&outcome).is_some() {
            outcome = self.step(self.shortened(plan::library_copy(facts, dialect)));
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
            let nothing = Outcome::new(Ok(0), Method::None);
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

    /// Returns the kernel's error, if it is one after which the library copies.
    fn declines(&self, outcome: &Outcome) -> Option<Errno> {
        let errno = self.facts.note_kernel_error(outcome.answer.err()?);
        let declines = self.policy.declining_errors().contains(errno);
        declines.then(|| {
            log_fallback("kernel", errno, "the library copies");
            errno
        })
    }

    fn step(&self, step: Step) -> Outcome {
        let facts = self.facts;
        match step {
            Step::Forward { len, flags } if self.policy.verify => {
                self.forward_and_verify(len, flags)
            }
            Step::Forward { len, flags } => {
                let (answer, method) = (self.forward)(&Args { len, flags, ..*facts.args });
                Outcome::new(answer, method)
            }
            Step::Copy { len, transport, holes } => self.copy(len, transport, holes),
            // A read of such a file may block for ever, and only a signal can end it.
            Step::CopyUnsized { len } => {
                self.move_while(&BlockedSignals::none(), len, &|range, blocked| {
                    backend::copy(range, Transport::Library, Holes::Filled, blocked)
                })
            }
            Step::Reflink { len } => self.move_range(len, &|range, _| backend::reflink(range)),
            // FreeBSD has one error for everything that cannot be shared.
            Step::Clone { len } => self.move_range(len, &|range, _| {
                backend::reflink(range)
                    .unsupported_if(|errno| matches!(errno, Errno::EXDEV | Errno::EINVAL))
            }),
            // overlay reports EINVAL if the filesystem below it cannot dedupe.
            Step::Dedupe { len, target_size } => self.move_range(len, &|range, blocked| {
                backend::dedupe(range, target_size, blocked)
                    .unsupported_if(|errno| errno == Errno::EINVAL && facts.is_block_aligned())
            }),
            Step::DedupeNoBlock => {
                self.move_range(facts.requested_len(), &|range, _| backend::dedupe_no_block(range))
            }
            Step::ReturnZero => Outcome::new(Ok(0), Method::None),
            Step::Refuse(errno) => Outcome::new(Err(errno), Method::None),
            Step::RefusedByKernel(errno) => Outcome::new(Err(errno), Method::Kernel),
            Step::OverFileSizeLimit => {
                let refused = Outcome::new(Err(Errno::EFBIG), Method::None);
                Outcome { signal: Some(FILE_SIZE_SIGNAL), ..refused }
            }
        }
    }

    /// Forwards the call with offsets of the library's own, so that the caller's have not moved if the
    /// copy turns out to be wrong. If the kernel may refuse the descriptors, the pointers or the
    /// length, that argument is forwarded unchanged.
    fn forward_and_verify(&self, len: usize, flags: u32) -> Outcome {
        let args = Args { len, flags, ..*self.facts.args };
        let Some((off_in, off_out)) = self.facts.start_offsets() else {
            let (answer, method) = (self.forward)(&args);
            return Outcome::new(answer, method);
        };
        let requested = self.facts.requested_len();
        let last = off_in.cast_unsigned().max(off_out.cast_unsigned());
        let is_plain =
            last.checked_add(requested).is_some() && !self.facts.do_ranges_overlap(requested);
        let len = if is_plain { len.min(MAX_VERIFIED) } else { len };
        self.move_range(requested, &|_, _| {
            let (mut off_in, mut off_out) = (off_in, off_out);
            let (answer, method) = (self.forward)(&Args {
                off_in: OffsetPointer::new(&raw mut off_in),
                off_out: OffsetPointer::new(&raw mut off_out),
                len,
                ..args
            });
            let bytes = answer.map_or(0, |bytes| bytes as u64);
            CopyResult { bytes, error: answer.err(), method, accounted: bytes }
        })
    }

    /// Copies by the library. A copy that fits one buffer, with both offsets in memory, is moved and
    /// noted at once and blocks no signals.
    fn copy(&self, len: u64, transport: Transport, holes: Holes) -> Outcome {
        let facts = self.facts;
        if len <= BUFFER_LEN
            && !self.policy.verify
            && facts.are_offsets_writable()
            && let Some(range) = self.range(len)
        {
            let blocked = BlockedSignals::none();
            return self.moved(backend::copy(range, transport, holes, &blocked), &blocked);
        }
        self.move_range(len, &|range, blocked| backend::copy(range, transport, holes, blocked))
    }

    /// Moves the range of the call by `mover`, and the offsets by what it moved. Signals are blocked
    /// until both are done, so that a handler that leaves by siglongjmp(3) finds no call half done.
    fn move_range(
        &self,
        len: u64,
        mover: &dyn Fn(Range, &BlockedSignals) -> CopyResult,
    ) -> Outcome {
        self.move_while(&BlockedSignals::new(), len, mover)
    }

    #[inline(never)]
    fn move_while(
        &self,
        blocked: &BlockedSignals,
        len: u64,
        mover: &dyn Fn(Range, &BlockedSignals) -> CopyResult,
    ) -> Outcome {
        let Some(range) = self.range(len) else {
            let errors = self.facts.sides().map(|side| side.start_offset().err());
            let errno = errors.into_iter().flatten().next();
            return Outcome::new(Err(errno.unwrap_or(Errno::EFAULT)), Method::None);
        };
        let moved = mover(range, blocked);
        let moved = match moved.bytes {
            1.. if self.policy.verify => verified(moved, &range, blocked),
            _ => moved,
        };
        self.moved(moved, blocked)
    }

    /// Returns `len` bytes from the starts of both ranges of the call; `None` if one is unknown.
    #[inline(always)]
    fn range(&self, len: u64) -> Option<Range> {
        let (off_in, off_out) = self.facts.start_offsets()?;
        let (off_in, off_out) = (off_in.cast_unsigned(), off_out.cast_unsigned());
        let (fd_in, fd_out) = (self.facts.args.fd_in, self.facts.args.fd_out);
        Some(Range { fd_in, off_in, fd_out, off_out, len })
    }

    /// Moves the offsets by what was moved, and returns the outcome.
    fn moved(&self, moved: CopyResult, blocked: &BlockedSignals) -> Outcome {
        let answer = match (moved.bytes, moved.error) {
            (0, Some(errno)) => Err(errno),
            (0, None) => return Outcome::new(Ok(0), Method::None),
            (bytes, error) => {
                if let Some(errno) = error {
                    trace_syscall("a piece to", self.facts.args.fd_out, &Err::<(), _>(errno));
                }
                self.commit(bytes, blocked).map(|()| usize::try_from(bytes).unwrap_or(usize::MAX))
            }
        };
        Outcome { accounted: moved.accounted, ..Outcome::new(answer, moved.method) }
    }

    /// Moves both offsets. As in the kernel, an offset that cannot be stored makes the call EFAULT, and
    /// the other one is stored all the same.
    fn commit(&self, bytes: u64, blocked: &BlockedSignals) -> Result<(), Errno> {
        let facts = self.facts;
        if !blocked.are_blocked()
            && facts.are_offsets_writable()
            && let Some((off_in, off_out)) = facts.start_offsets()
        {
            // A signal can only come between the two stores.
            let bytes = bytes.cast_signed();
            sys::write_checked_offset(facts.source.pointer, off_in.wrapping_add(bytes));
            sys::write_checked_offset(facts.target.pointer, off_out.wrapping_add(bytes));
            return Ok(());
        }
        let [source, target] = facts.sides().map(|side| store(side, bytes));
        source.and(target)
    }
}

/// Reads both ranges back. Returns what was moved as far as both hold the same bytes, or EIO.
fn verified(moved: CopyResult, range: &Range, blocked: &BlockedSignals) -> CopyResult {
    let range = range.first(moved.bytes);
    let Range { fd_in, off_in, fd_out, off_out, len } = range;
    match backend::verify(range, blocked) {
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

fn store(side: &Side<'_>, bytes: u64) -> Result<(), Errno> {
    let after = side.offset_after(bytes)?;
    if side.pointer.is_null() {
        let moved = sys::set_file_offset(side.fd, after.cast_unsigned());
        trace_syscall("lseek SEEK_SET", side.fd, &moved);
        return moved.map(drop);
    }
    let stored = sys::write_offset(side.pointer, after);
    trace_syscall("rt_sigprocmask, to write the offset for", side.fd, &stored);
    stored
}
