//! What watches calls: the settings, the faults, the stats and the log of a process.

use crate::collectors::Collectors;
use crate::inject::Injector;
use crate::log::Log;
use cfr_shared::settings::Settings;
use cfr_sys::NextCopy;

/// The settings that calls are carried out and recorded by, and everything that collects them.
pub struct Observer {
    pub settings: &'static Settings<'static>,
    /// The next library's copy_file_range, if `CFR_FORWARD=next` is set and there is one.
    pub next: Option<NextCopy>,
    /// The faults, if `CFR_INJECT` is set.
    pub injector: Option<Injector>,
    pub collectors: Collectors,
    /// The log, if calls are logged or counted: warnings are written even if calls are only counted.
    pub log: Option<&'static Log>,
}

impl Observer {
    /// Returns an observer for calls through a hook that is not watched: under the same settings,
    /// without faults and records.
    #[must_use]
    pub fn without_records(&self) -> Observer {
        let (settings, next) = (self.settings, self.next);
        let collectors = Collectors { tree: None, own: None, is_program: false };
        Observer { settings, next, injector: None, collectors, log: None }
    }

    /// Keeps the summary's place on standard error for process `owner`, from its first call on.
    pub(crate) fn keep_stderr_for_summary(&self, owner: u64) {
        if let Some(log) = self.log {
            log.keep_stderr(owner);
        }
    }
}
