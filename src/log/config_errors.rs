//! Settings that could not be used, kept until somebody may be told.

use cfr_engine::diag::MESSAGE_TARGET;
use cfr_shared::settings::{Reason, Setting, SettingError, TABLE};
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
    pub(crate) fn add(&mut self, error: &SettingError<'_>) {
        if let Some(place) = self.list.iter_mut().find(|place| place.is_none()) {
            *place = Some(Complaint::new(error));
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
        for error in self.list.iter().flatten().map(Complaint::error) {
            let default = error.setting.default;
            tracing::warn!(target: MESSAGE_TARGET, "{error}; using the default: {default}");
        }
    }

    /// The first one.
    pub(crate) fn first(&self) -> Option<SettingError<'_>> {
        self.list.iter().flatten().map(Complaint::error).next()
    }
}

/// The environment may be overwritten before the complaint is made, so it keeps a piece of it.
#[derive(Clone, Copy)]
struct Complaint {
    setting: &'static Setting,
    value: [u8; Complaint::KEPT + 3],
    len: usize,
    reason: Reason,
}

impl Complaint {
    const KEPT: usize = 64;

    fn new(error: &SettingError<'_>) -> Self {
        let given = error.value;
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
        Complaint { setting: error.setting, value, len, reason: error.reason }
    }

    fn error(&self) -> SettingError<'_> {
        let value = self.value.get(..self.len).unwrap_or_default();
        self.setting.error(value, self.reason)
    }
}
