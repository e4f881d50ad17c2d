//! A copy_file_range that the program makes under options of its own, and of which it is told the
//! outcome (cfr_copy(3)).

use super::copy_file_range::CopyFileRange;
use crate::observe::Intercepted;
use crate::observer::Observer;
use crate::sharing::sharing;
use cfr_engine::call::Call;
use cfr_engine::dialect::{Dialect, Rule};
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::hook::Hook;
use cfr_engine::policy::Policy;
use cfr_sys::{Args, MadeOnce, OffsetPointer, Sharing};
use core::cell::Cell;

/// What a program is told of its call.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub outcome: Outcome,
    /// Whether the target's range shares its blocks; `None` if unknown or not asked for.
    pub sharing: Option<(Sharing, u64)>,
}

/// An intercepted copy_file_range call with options.
pub struct CopyWithOptions<'a> {
    copy: CopyFileRange<'a>,
    dialect: &'static Dialect,
    wants_sharing: bool,
    sharing: MadeOnce<Option<(Sharing, u64)>>,
    is_told: bool,
    told: Cell<Option<Told>>,
}

impl<'a> CopyWithOptions<'a> {
    /// Prepares a call under this policy. `shared` is as `CFR_SHARED`, for this call; `is_told` says
    /// whether the program wants the outcome. Makes no system call.
    #[must_use]
    pub fn new(args: &'a Args, policy: &'a Policy, shared: bool, is_told: bool) -> Self {
        CopyWithOptions {
            copy: CopyFileRange::new(Hook::CopyFileRange, args, policy),
            dialect: policy.dialect,
            wants_sharing: shared,
            sharing: MadeOnce::new(),
            is_told,
            told: Cell::new(None),
        }
    }

    /// Returns the outcome, after the call; `None` if it is not wanted.
    pub fn told(&self) -> Option<Told> {
        self.told.get()
    }
}

impl Intercepted for CopyWithOptions<'_> {
    fn hook(&self) -> Hook {
        self.copy.hook()
    }

    fn decode(&self) -> Option<Call> {
        self.copy.decode()
    }

    fn execute(&self, observer: &Observer, faults: Option<(Override, &Call)>) -> Outcome {
        self.copy.execute(observer, faults)
    }

    fn explain(&self, call: &Call, outcome: &Outcome) -> Option<&'static Rule> {
        self.copy.explain(call, outcome)
    }

    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        self.copy.offset_pointers()
    }

    fn dialect(&self, _observer: &Observer) -> &'static Dialect {
        self.dialect
    }

    fn sharing(
        &self,
        call: &Call,
        outcome: &Outcome,
        _observer: &Observer,
    ) -> Option<(Sharing, u64)> {
        let ask = || self.wants_sharing.then(|| sharing(call, outcome.bytes)).flatten();
        *self.sharing.get_or_make(ask)
    }

    fn is_told(&self) -> bool {
        self.is_told
    }

    fn tell(&self, call: &Call, outcome: &Outcome, observer: &Observer) {
        let sharing = self.sharing(call, outcome, observer);
        self.told.set(Some(Told { outcome: *outcome, sharing }));
    }

    fn log_details(&self, call: &Call, outcome: &Outcome) {
        self.copy.log_details(call, outcome);
    }
}
