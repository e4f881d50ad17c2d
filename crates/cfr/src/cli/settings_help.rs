//! What the command says of each setting: one line a setting, in the order of the table. The
//! library does not hold these texts, because it would bring them into every process.

use cfr_shared::settings::Setting;

/// A line of help.
pub(crate) struct Help {
    variable: &'static str,
    /// The letter of the short option.
    pub(crate) short: Option<char>,
    /// What the setting does.
    pub(crate) text: &'static str,
}

const fn help(variable: &'static str, short: Option<char>, text: &'static str) -> Help {
    Help { variable, short, text }
}

#[rustfmt::skip]
static HELP: [Help; 18] = [
    help("CFR_LOG", None, "How much to log: info is every call, debug adds when a call begins and the methods that were tried, trace the system calls behind them"),
    help("CFR_LOG_FILE", Some('o'), "Append the log to this file"),
    help("CFR_LOG_FORMAT", None, "Log in strace's format, or one JSON object a line"),
    help("CFR_PATHS", None, "Show the path behind each descriptor"),
    help("CFR_DIALECT", None, "Apply the rules and flags of this system: see cfr dialects"),
    help("CFR_CHECKS", None, "If a call breaks a rule: fail it, log it and continue, or do not check"),
    help("CFR_DEFAULT_FLAGS", None, "The flag of calls that have none, e.g. COPY_FR_REFLINK: reflink or fail"),
    help("CFR_BACKEND", None, "What copies: the kernel and after CFR_FALLBACK the library, only the kernel, only the library"),
    help("CFR_FALLBACK", None, "Errors of the kernel after which the library copies"),
    help("CFR_VERIFY", None, "Read both ranges back after each copy and compare them; a difference is EIO"),
    help("CFR_SHARED", None, "Ask the filesystem after each copy if the target's range shares its blocks"),
    help("CFR_INJECT", None, "Inject faults: errors, real short copies, delays, signals; can be repeated"),
    help("CFR_SUMMARY", Some('c'), "Count the calls, and write a table of them at the end"),
    help("CFR_HOOKS", None, "Which functions of the C library to watch"),
    help("CFR_FORWARD", None, "Forward calls to the kernel, or to the next preloaded library"),
    help("CFR_STRICT", None, "End the process with status 125 before main if a setting cannot be used"),
    help("CFR_STATS", None, "Count processes and calls in this file, for the launcher's last line"),
    help("CFR_COOKIE", None, "Mark the library's own system calls with this number, for the launcher's seccomp filter"),
];

/// Returns the help of a setting; without a text if it has no line.
pub(crate) fn of(setting: &Setting) -> &'static Help {
    static MISSING: Help = help("", None, "");
    HELP.iter().find(|help| help.variable == setting.variable).unwrap_or(&MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cfr_shared::settings::TABLE;

    #[test]
    fn every_setting_has_its_line_of_help() {
        let lines = HELP.iter().map(|help| help.variable).collect::<Vec<_>>();
        assert_eq!(lines, TABLE.iter().map(|setting| setting.variable).collect::<Vec<_>>());
    }
}
