//! `cfr trace` and `cfr run`: the program with the library in it.

use crate::child;
use crate::cli::Request;
use crate::environment::{self, Variables};
use crate::failure::{Failure, say};
use crate::library;
use crate::program::{self, Visibility};
use crate::witness::{Seen, Witness};
use std::path::Path;
use std::process::Command;

/// Runs the program to its end: its status.
pub(crate) fn run(request: Request) -> Result<u8, Failure> {
    let Request { trace, settings, program: words } = request;
    let (name, arguments) =
        words.split_first().ok_or_else(|| Failure::new("no program; see cfr --help"))?;
    let mut variables = environment::variables(settings)?;
    environment::default_level(&mut variables, if trace { "info" } else { "error" });
    let library = library::find()?;
    let path = program::find(name)?;
    let visibility = program::visibility(&path);
    if let Visibility::Unseen(why) | Visibility::Bypassed(why) = &visibility {
        say(format!("{why}; its copies will not be seen"));
    }

    let witness = trace.then(Witness::new).transpose()?;
    let mut command = Command::new(&path);
    std::os::unix::process::CommandExt::arg0(&mut command, name);
    command.args(arguments);
    prepare(&mut command, &library, &visibility, variables, witness.as_ref());
    let status = child::run(command)?;
    if let Some(witness) = witness {
        explain_silence(witness.seen(), &visibility, &path);
    }
    Ok(status)
}

fn prepare(
    command: &mut Command,
    library: &Path,
    visibility: &Visibility,
    variables: Variables,
    witness: Option<&Witness>,
) {
    let first = match visibility {
        Visibility::After(other) => vec![other.as_str()],
        _ => Vec::new(),
    };
    let list = library::preload_list(std::env::var_os("LD_PRELOAD"), library, &first);
    command.env("LD_PRELOAD", list).envs(variables).env("CFR_STRICT", "yes");
    match witness {
        Some(witness) => command.env("CFR_WITNESS", witness.path()),
        None => command.env_remove("CFR_WITNESS"),
    };
}

/// A trace without a line wants a reason.
fn explain_silence(seen: Seen, visibility: &Visibility, path: &Path) {
    let shown = path.display();
    let why = match (seen, visibility) {
        (Seen { calls: 1.., .. }, _) => return,
        (_, Visibility::Unseen(why) | Visibility::Bypassed(why)) => why.clone(),
        (Seen { processes: 0, .. }, _) => {
            format!("libcfr.so was not loaded: {shown} or what it started dropped LD_PRELOAD")
        }
        (Seen { processes: 1, .. }, _) => format!(
            "{shown} never called copy_file_range; \
             reflinks by ioctl, sendfile, read and write are not watched"
        ),
        (Seen { processes, .. }, _) => format!(
            "none of the {processes} programs called copy_file_range; \
             reflinks by ioctl, sendfile, read and write are not watched"
        ),
    };
    // Who changes his user may not open the witness, and only root may change it.
    let but = match seen {
        Seen { processes: 1.., .. } if rustix::process::getuid().is_root() => {
            " (processes that changed their user are not counted)"
        }
        _ => "",
    };
    say(format!("no copy was seen: {why}{but}"));
}
