//! copy_file_range(2), by its wrapper or by syscall(2): the engine carries it out.

use crate::kernel::{AsMade, Kernel};
use crate::observe::Intercepted;
use crate::observer::Observer;
use cfr_engine::call::{Answer, Call, Method, Offset};
use cfr_engine::diag::{BytesOrError, log_debug, log_trace};
use cfr_engine::dialect::Rule;
use cfr_engine::execution::{Execution, Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_engine::policy::Policy;
use cfr_sys::errno::Errno;
use cfr_sys::{Args, OffsetPointer};

/// An intercepted copy_file_range call.
pub struct CopyFileRange<'a, K = AsMade> {
    hook: Hook,
    kernel: K,
    execution: Execution<'a>,
}

impl<'a> CopyFileRange<'a> {
    /// Prepares a call that came through `hook`, under this policy. Makes no system call.
    #[must_use]
    #[inline(always)]
    pub fn new(hook: Hook, args: &'a Args, policy: &'a Policy) -> CopyFileRange<'a> {
        CopyFileRange::through(AsMade, hook, args, policy)
    }
}

impl<'a, K: Kernel> CopyFileRange<'a, K> {
    /// Prepares a call that is forwarded through `kernel`.
    #[must_use]
    #[inline(always)]
    pub fn through(kernel: K, hook: Hook, args: &'a Args, policy: &'a Policy) -> Self {
        CopyFileRange { hook, kernel, execution: Execution::new(args, policy) }
    }

    #[inline(always)]
    fn forward(&self, observer: &Observer, args: &Args) -> (Answer, Method) {
        match observer.next {
            None => (self.kernel.copy_file_range(args), Method::Kernel),
            Some(next) => (next.call(args), Method::Next),
        }
    }

    /// Makes it a call that was forwarded already and failed with `errno`.
    pub fn set_refused(&mut self, errno: Errno, observer: &Observer) {
        let method = observer.next.map_or(Method::Kernel, |_| Method::Next);
        self.execution.set_refused(errno, method);
    }
}

impl<K: Kernel> Intercepted for CopyFileRange<'_, K> {
    #[inline(always)]
    fn hook(&self) -> Hook {
        self.hook
    }

    #[inline(always)]
    fn decode(&self) -> Option<Call> {
        Some(Call::decode(self.execution.args()))
    }

    #[inline(always)]
    fn execute(&self, observer: &Observer, faults: Option<(Override, &Call)>) -> Outcome {
        let override_ = faults.map(|(override_, _)| override_);
        self.execution.run(override_, |args| self.forward(observer, args))
    }

    fn explain(&self, _call: &Call, outcome: &Outcome) -> Option<&'static Rule> {
        self.execution.explain(outcome)
    }

    #[inline(always)]
    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        let args = self.execution.args();
        [args.off_in, args.off_out]
    }

    #[cold]
    fn log_details(&self, call: &Call, outcome: &Outcome) {
        let reader = match self.hook {
            Hook::Seccomp => "process_vm_readv",
            _ => "rt_sigprocmask",
        };
        for (name, offset) in [("off_in", call.off_in), ("off_out", call.off_out)] {
            match offset {
                Offset::File => {}
                Offset::At(_) => log_trace(format_args!("{reader}: {name} can be read")),
                Offset::BadAddress(_) => log_trace(format_args!("{reader}: {name} cannot be read")),
            }
        }
        let flags = self.execution.flags();
        if flags != call.flags {
            let name = flags.names().next().unwrap_or_default();
            log_debug(format_args!("flags 0 are {name} here (CFR_DEFAULT_FLAGS)"));
        }
        if outcome.method == Method::Kernel && flags.0 == 0 {
            log_trace(format_args!("copy_file_range: {}", BytesOrError(outcome.answer)));
        }
        log_debug(format_args!("{}: {}", outcome.method.name(), BytesOrError(outcome.answer)));
    }
}
