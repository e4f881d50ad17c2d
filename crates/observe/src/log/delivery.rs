//! Who writes the lines of this process: it itself, or the launcher, which takes them through memory.

use cfr_shared::settings::Settings;
use cfr_shared::stats::{LineRings, Stats, log_id, stderr_id};

/// How lines reach the log.
#[derive(Clone, Copy)]
pub(super) enum Delivery {
    /// This process writes them.
    Own,
    /// The launcher takes them. This process writes those that it does not take.
    Launcher(LineRings),
    /// The launcher takes them, and this process has no way to write the others: the log is a
    /// descriptor of the launcher.
    OnlyLauncher(LineRings),
    /// This process writes them to its standard error while that is the launcher's, so that they stand
    /// in order among its own messages. Afterwards the launcher takes them.
    OwnFirst(LineRings),
}

impl Delivery {
    /// Returns the way to the log of these settings, if the launcher has its counters in `tree`;
    /// `own_stderr` is the fingerprint of this process's standard error.
    pub(super) fn new(
        settings: &Settings<'_>,
        tree: Option<Stats>,
        own_stderr: Option<u64>,
    ) -> Delivery {
        let Some(rings) = tree.and_then(|tree| tree.line_rings()) else { return Delivery::Own };
        match settings.log_file {
            Some(template) if !rings.are_for(log_id(template)) => Delivery::Own,
            Some(_) if rings.only_reader_writes() => Delivery::OnlyLauncher(rings),
            Some(_) => Delivery::Launcher(rings),
            None if !rings.are_for_stderr() => Delivery::Own,
            None if own_stderr.is_some_and(|own| rings.are_for(stderr_id(own))) => {
                Delivery::OwnFirst(rings)
            }
            None => Delivery::OnlyLauncher(rings),
        }
    }

    /// Returns where lines go first, if that is the launcher.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<&LineRings> {
        match self {
            Delivery::Launcher(rings) | Delivery::OnlyLauncher(rings) => Some(rings),
            Delivery::Own | Delivery::OwnFirst(_) => None,
        }
    }

    /// Returns where lines go that this process has no descriptor for any more.
    pub(super) fn last(&self) -> Option<&LineRings> {
        if let Delivery::OwnFirst(rings) = self { Some(rings) } else { None }
    }

    /// Reports whether this process can write lines that the launcher does not take.
    pub(super) fn can_write(&self) -> bool {
        !matches!(self, Delivery::OnlyLauncher(_))
    }

    /// Returns the rings whose lines this process can write if the launcher has not.
    pub(super) fn left(&self) -> Option<&LineRings> {
        match self {
            Delivery::Launcher(rings) | Delivery::OwnFirst(rings) => Some(rings),
            Delivery::Own | Delivery::OnlyLauncher(_) => None,
        }
    }
}
