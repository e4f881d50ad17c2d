//! Settings that could not be used, kept until somebody may be told.

use cfr_engine::diag::MESSAGE_TARGET;
use cfr_shared::settings::{Setting, TABLE, Unusable, Why};
use core::sync::atomic::{AtomicBool, Ordering};

/// Settings that could not be used, kept until somebody may be told.
pub(crate) struct Complaints {
    list: [Option<Complaint>; TABLE.len()],
    pending: AtomicBool,
}

impl Complaints {
    /// No complaint.
    pub(crate) fn none() -> Self {
        Complaints { list: [None; TABLE.len()], pending: AtomicBool::new(false) }
    }

    /// Keeps one.
    pub(crate) fn add(&mut self, unusable: &Unusable<'_>) {
        if let Some(place) = self.list.iter_mut().find(|place| place.is_none()) {
            *place = Some(Complaint::new(unusable));
            *self.pending.get_mut() = true;
        }
    }

    /// Says them all, the first time.
    #[inline]
    pub(super) fn say_once(&self) {
        if self.pending.load(Ordering::Relaxed) && self.pending.swap(false, Ordering::Relaxed) {
            self.say();
        }
    }

    #[cold]
    fn say(&self) {
        for unusable in self.list.iter().flatten().map(Complaint::unusable) {
            tracing::warn!(
                target: MESSAGE_TARGET,
                "{}: {unusable}; the default holds: {}",
                unusable.setting.variable,
                unusable.setting.default
            );
        }
    }

    /// The first one.
    pub(crate) fn first(&self) -> Option<Unusable<'_>> {
        self.list.iter().flatten().map(Complaint::unusable).next()
    }
}

/// The environment may be overwritten before the complaint is made, so it keeps a piece of it.
#[derive(Clone, Copy)]
struct Complaint {
    setting: &'static Setting,
    value: [u8; Complaint::KEPT + 3],
    len: usize,
    why: Why,
}

impl Complaint {
    const KEPT: usize = 64;

    fn new(unusable: &Unusable<'_>) -> Self {
        let given = unusable.value;
        let (kept, cut) = match given.get(..Complaint::KEPT) {
            Some(kept) if given.len() > Complaint::KEPT => (kept, &b"..."[..]),
            _ => (given, &[][..]),
        };
        let mut value = [0; Complaint::KEPT + 3];
        let mut len = 0;
        for (place, &byte) in value.iter_mut().zip(kept.iter().chain(cut)) {
            *place = byte;
            len += 1;
        }
        Complaint { setting: unusable.setting, value, len, why: unusable.why }
    }

    fn unusable(&self) -> Unusable<'_> {
        let value = self.value.get(..self.len).unwrap_or_default();
        Unusable { setting: self.setting, value, why: self.why }
    }
}
