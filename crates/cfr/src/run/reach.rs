//! `--reach`: whether the supervisor watches what the library cannot see.

use super::supervisor::Planned;
use crate::program::locate;
use crate::term::failure::{Failure, print_message};
use cfr_engine::hook::{Hook, Hooks};
use rustix::process::Pid;
use rustix::thread::CapabilitySet;
use std::path::Path;

/// How far a run is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Reach {
    /// The supervisor is on if it costs the program no privileges, or if it is needed.
    #[default]
    Auto,
    /// The library alone.
    Preload,
    /// The library and the supervisor.
    All,
}

impl Reach {
    /// Every reach with its name after `--reach`.
    pub(crate) const ALL: [(&'static str, Reach); 3] =
        [("auto", Reach::Auto), ("preload", Reach::Preload), ("all", Reach::All)];
}

/// What the supervisor is needed for, and what speaks against it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need<'a> {
    /// The program's file.
    pub(crate) program: &'a Path,
    /// The library cannot be loaded into the program, or does not see its calls.
    pub(crate) is_unseen: bool,
    /// The kernel starts the program with more privileges, which an ordinary user's supervisor takes
    /// away.
    pub(crate) gains_privileges: bool,
    /// Something holds only if nothing was missed.
    pub(crate) wants_proof: bool,
    /// The hooks that are watched.
    pub(crate) hooks: Hooks,
    /// Whether the library passes calls on to the next library (`CFR_FORWARD`).
    pub(crate) forwards_to_next: bool,
}

/// The supervisor, or the reason why there is none.
pub(crate) type Plan = Result<Planned, String>;

/// Plans the supervisor. Says why there is none if it is wanted and cannot be had.
pub(crate) fn plan(reach: Reach, need: Need<'_>) -> Result<Plan, Failure> {
    let contradicting = if !need.hooks.contains(Hook::Seccomp) {
        Some("--hooks without seccomp")
    } else if need.forwards_to_next {
        Some("--forward next")
    } else {
        None
    };
    let is_wanted = match (reach, contradicting) {
        (Reach::Preload, _) => {
            return Ok(Err("turned off by --reach preload".to_owned()));
        }
        (Reach::All, Some(other)) => {
            return Err(Failure::new(format!(
                "--reach all and {other} contradict each other: the supervisor watches all calls"
            )));
        }
        (Reach::Auto, Some(other)) => return Ok(Err(other.to_owned())),
        (Reach::All, None) => true,
        (Reach::Auto, None) => {
            let is_harmed = need.gains_privileges && takes_privileges();
            need.wants_proof || need.is_unseen && !is_harmed
        }
    };
    if !is_wanted && takes_privileges() {
        let why = "off by default for ordinary users, because set-user-ID programs get no privileges \
                   under it; --reach all turns it on";
        return Ok(Err(why.to_owned()));
    }
    // With a filter the C library executes the program, and passes to a shell what the kernel refuses.
    if !locate::has_known_format(need.program) {
        return Ok(Err("the format of the program is not known".to_owned()));
    }
    let planned = Planned::new(takes_privileges());
    match &planned {
        Ok(_) if takes_privileges() => print_message(
            "set-user-ID programs get no privileges in this run (no_new_privs; see --reach)",
        ),
        // For a program that only it could see, the launcher says it with that.
        Err(why) if is_wanted && !need.is_unseen => {
            print_message(format!("there is no supervisor: {why}"));
        }
        _ => {}
    }
    Ok(planned)
}

/// Reports whether the effective capabilities of a thread, by default this one, include `capability`
/// (capget(2)). Needs no descriptor, and no /proc.
pub(crate) fn has_capability(thread: Option<Pid>, capability: CapabilitySet) -> bool {
    rustix::thread::capabilities(thread).is_ok_and(|sets| sets.effective.contains(capability))
}

/// Reports whether set-user-ID programs, which get privileges now, would get none under a supervisor.
pub(crate) fn takes_privileges() -> bool {
    !has_sys_admin() && !rustix::thread::no_new_privs().unwrap_or(false)
}

/// Reports whether the launcher has CAP_SYS_ADMIN, with which a filter may be installed although
/// set-user-ID programs get privileges (seccomp(2)).
fn has_sys_admin() -> bool {
    has_capability(None, CapabilitySet::SYS_ADMIN)
}
