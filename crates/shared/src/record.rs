//! What was asked and what happened, as one `tracing` event.
//!
//! The event's message is the record itself, unformatted: whatever subscriber is installed, the
//! library's own or one of a Rust program that links this crate, has it formatted into its own
//! buffer. How a record looks is in [`crate::format`].

use cfr_engine::call::{Answer, Call, DedupeTarget, Method, Request};
use cfr_engine::dialect::{self, Dialect, Rule};
use cfr_engine::hook::Hook;
use cfr_sys::Sharing;
use cfr_sys::errno::Errno;
use tracing::{info, warn};

/// The target of the one event per call.
pub const TARGET: &str = "cfr::call";

/// The target of the sentence that follows a call which broke a rule.
pub const RULE: &str = "cfr::rule";

/// One call, answered.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// When it began, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Process.
    pub pid: i32,
    /// Thread; `None` where no format asks for it.
    pub tid: Option<i32>,
    /// The thread's name; `None` where no format asks for it.
    pub comm: Option<&'a [u8]>,
    /// Through which function it came.
    pub hook: Hook,
    /// What was asked.
    pub call: &'a Call,
    /// The source's path, or what /proc calls it; `None` where unknown or not asked for.
    pub path_in: Option<&'a [u8]>,
    /// The target's path.
    pub path_out: Option<&'a [u8]>,
    /// `*off_in` and `*off_out` afterwards, in bytes.
    pub offsets_after: (Option<i64>, Option<i64>),
    /// What the host was told.
    pub answer: Answer,
    /// Bytes copied or shared.
    pub bytes: u64,
    /// How the bytes moved.
    pub method: Method,
    /// How much of the target's range shares its blocks; `None` where nobody asked, or nobody knows.
    pub sharing: Option<Sharing>,
    /// Whose rules held.
    pub dialect: &'static Dialect,
    /// The rule that decided, or that the call broke.
    pub rule: Option<&'static Rule>,
    /// Whether the call broke it by the library's own judgement: else the rule is the meaning of
    /// what the kernel said.
    pub judged: bool,
    /// Whether the library copied because the kernel did not.
    pub fell_back: bool,
    /// Whether a fault had it answered or shortened, or sent a signal.
    pub injected: bool,
    /// Whether a fault delayed it.
    pub delayed: bool,
    /// From asking until the answer, in nanoseconds.
    pub duration_ns: u64,
}

impl Record<'_> {
    /// Whether there is nothing to say of how it was answered, but that the kernel did, in the default
    /// dialect, as for nearly all calls.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.method == Method::Kernel
            && self.rule.is_none()
            && self.sharing.is_none()
            && !self.is_tampered_with()
            && !matches!(self.call.request, Request::Dedupe(_))
            && core::ptr::eq(self.dialect, dialect::DEFAULT)
    }

    /// Whether a fault has hit it.
    #[inline(always)]
    fn is_tampered_with(&self) -> bool {
        self.injected || self.delayed
    }

    /// The error that its line tells of: the call's, or that of the target that it is about.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match (self.answer, self.call.request) {
            (Err(errno), _) => Some(errno),
            (Ok(_), Request::Dedupe(DedupeTarget { status: Some(status @ ..0), .. })) => {
                Some(Errno(status.wrapping_neg()))
            }
            (Ok(_), _) => None,
        }
    }

    /// Sends the record to the subscriber.
    #[inline]
    pub fn emit(&self) {
        match self.judged || self.fell_back || self.is_tampered_with() {
            false => info!(target: TARGET, message = ?self),
            true => self.emit_warning(),
        }
    }

    #[cold]
    #[inline(never)]
    fn emit_warning(&self) {
        warn!(target: TARGET, message = ?self);
    }

    /// Says in a sentence which rule the call broke, at the level of the call's own line.
    #[cold]
    pub fn explain(&self, rule: &Rule) {
        let (why, dialect, source) = (rule.why, self.dialect.name, rule.source.text());
        match self.judged {
            false => info!(target: RULE, "rule {}: {why} ({dialect}; {source})", rule.id),
            true => warn!(target: RULE, "rule {}: {why} ({dialect}; {source})", rule.id),
        }
    }
}
