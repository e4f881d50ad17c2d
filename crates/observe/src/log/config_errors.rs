//! Settings that could not be used, kept until the process copies and may be warned.

use cfr_engine::diag::log_warning;
use cfr_shared::settings::{Reason, Setting, SettingError, TABLE};
use core::sync::atomic::{AtomicBool, Ordering};

/// Settings that could not be used.
pub struct ConfigErrors {
    list: [Option<ConfigError>; TABLE.len()],
    pending: AtomicBool,
}

impl ConfigErrors {
    /// Creates an empty list.
    #[must_use]
    pub fn none() -> Self {
        ConfigErrors { list: [None; TABLE.len()], pending: AtomicBool::new(false) }
    }

    /// Adds an error.
    pub fn add(&mut self, error: &SettingError<'_>) {
        if let Some(slot) = self.list.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(ConfigError::new(error));
            *self.pending.get_mut() = true;
        }
    }

    /// Writes a warning for each error, the first time that it is called.
    #[inline]
    pub(super) fn report_once(&self) {
        if self.pending.load(Ordering::Relaxed) && self.pending.swap(false, Ordering::Relaxed) {
            self.report();
        }
    }

    #[cold]
    fn report(&self) {
        for error in self.list.iter().flatten().map(ConfigError::error) {
            let default = error.setting.default;
            log_warning(format_args!("{error}; using the default: {default}"));
        }
    }

    /// Returns the first error.
    #[must_use]
    pub fn first(&self) -> Option<SettingError<'_>> {
        self.list.iter().flatten().map(ConfigError::error).next()
    }
}

/// One error, with a copy of the value: the host may overwrite its environment before the warning is
/// written.
#[derive(Clone, Copy)]
struct ConfigError {
    setting: &'static Setting,
    value: [u8; ConfigError::MAX_VALUE + 3],
    len: usize,
    reason: Reason,
}

impl ConfigError {
    const MAX_VALUE: usize = 64;

    fn new(error: &SettingError<'_>) -> Self {
        let given = error.value;
        let (kept, cut) = match given.get(..ConfigError::MAX_VALUE) {
            Some(kept) if given.len() > ConfigError::MAX_VALUE => (kept, &b"..."[..]),
            _ => (given, &[][..]),
        };
        let mut value = [0; ConfigError::MAX_VALUE + 3];
        let mut len = 0;
        for (slot, &byte) in value.iter_mut().zip(kept.iter().chain(cut)) {
            *slot = byte;
            len += 1;
        }
        ConfigError { setting: error.setting, value, len, reason: error.reason }
    }

    fn error(&self) -> SettingError<'_> {
        let value = self.value.get(..self.len).unwrap_or_default();
        self.setting.error(value, self.reason)
    }
}
