//! What can be counted, by its name in an expectation.

use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_shared::stats::{Counter, Stats};
use cfr_sys::errno::Errno;

/// A number that has a name of its own.
pub(super) struct Number {
    name: &'static str,
    read: fn(&Stats) -> u64,
    /// What is said of one, and of none.
    one: &'static str,
    /// What is said of several.
    many: &'static str,
}

/// The name of the bytes, which have units.
const BYTES: &str = "bytes";
const ERRORS: &str = "errors";

const NUMBERS: [Number; 13] = [
    Number {
        name: "calls",
        read: Stats::finished,
        one: "call was answered",
        many: "calls were answered",
    },
    Number { name: BYTES, read: Stats::bytes, one: "byte moved", many: "bytes moved" },
    Number { name: ERRORS, read: failed, one: "call failed", many: "calls failed" },
    Number {
        name: "programs",
        read: |accounts| accounts.get(Counter::Programs),
        one: "program loaded libcfr.so",
        many: "programs loaded libcfr.so",
    },
    Number {
        name: "end_of_file",
        read: |accounts| accounts.get(Counter::EndOfFile),
        one: "call returned 0",
        many: "calls returned 0",
    },
    Number {
        name: "shared",
        read: |accounts| accounts.get(Counter::Shared),
        one: "target shares all its blocks",
        many: "targets share all their blocks",
    },
    Number {
        name: "partly_shared",
        read: |accounts| accounts.get(Counter::PartlyShared),
        one: "target shares some of its blocks",
        many: "targets share some of their blocks",
    },
    Number {
        name: "not_shared",
        read: |accounts| accounts.get(Counter::NotShared),
        one: "target shares no block",
        many: "targets share no block",
    },
    Number {
        name: "differing",
        read: |accounts| accounts.get(Counter::Differing),
        one: "range was not the same",
        many: "ranges were not the same",
    },
    Number {
        name: "unfinished",
        read: Stats::unfinished,
        one: "call was never answered",
        many: "calls were never answered",
    },
    Number {
        name: "injected",
        read: |accounts| accounts.get(Counter::Injected),
        one: "call met a fault",
        many: "calls met faults",
    },
    Number {
        name: "delayed",
        read: |accounts| accounts.get(Counter::Delayed),
        one: "call was delayed",
        many: "calls were delayed",
    },
    Number {
        name: "lines_lost",
        read: |accounts| accounts.get(Counter::LinesLost),
        one: "line of the log was lost",
        many: "lines of the log were lost",
    },
];

/// Calls that failed.
pub(super) fn failed(accounts: &Stats) -> u64 {
    accounts.errors().fold(0, |sum, (_, count)| sum.saturating_add(count))
}

/// What an expectation counts.
#[derive(Clone, Copy)]
pub(super) enum Quantity {
    /// A number with a name of its own.
    Number(&'static Number),
    /// Calls that were answered by this method.
    Method(Method),
    /// Calls through this hook.
    Hook(Hook),
    /// Calls that failed with this error.
    Error(Errno),
}

impl Quantity {
    /// By its name, as the log spells it.
    pub(super) fn by_name(name: &str) -> Option<Quantity> {
        let number = NUMBERS.iter().find(|number| number.name == name).map(Quantity::Number);
        number.or_else(|| method(name)).or_else(|| hook(name)).or_else(|| error(name))
    }

    /// By a name that may be in the singular, as in `no error`.
    pub(super) fn by_singular(name: &str) -> Option<Quantity> {
        Quantity::by_name(name).or_else(|| match Quantity::by_name(&format!("{name}s")) {
            Some(Quantity::Number(number)) => Some(Quantity::Number(number)),
            _ => None,
        })
    }

    /// Every name but those of errors, with commas between.
    pub(super) fn names() -> String {
        let numbers = NUMBERS.iter().map(|number| number.name).collect::<Vec<_>>().join(", ");
        [numbers, methods(), hooks()].join(", ")
    }

    /// How many there were.
    pub(super) fn read(self, accounts: &Stats) -> u64 {
        match self {
            Quantity::Number(number) => (number.read)(accounts),
            Quantity::Method(method) => accounts.method_totals(method).0,
            Quantity::Hook(hook) => accounts.hook_calls(hook),
            Quantity::Error(errno) => accounts
                .errors()
                .find(|(found, _)| *found == Some(errno))
                .map_or(0, |(_, count)| count),
        }
    }

    /// The sentence that says that there were `count`.
    pub(super) fn told(self, count: u64, accounts: &Stats) -> String {
        let number = if count == 0 { "no".to_owned() } else { count.to_string() };
        let calls = if count > 1 { "calls" } else { "call" };
        let were = if count > 1 { "were" } else { "was" };
        match self {
            Quantity::Number(row) => {
                let told = if count > 1 { row.many } else { row.one };
                match row.name {
                    ERRORS if count > 0 => format!("{number} {told}: {}", by_error(accounts)),
                    _ => format!("{number} {told}"),
                }
            }
            Quantity::Method(method) => {
                format!("{number} {calls} {were} answered by {}", method.name())
            }
            Quantity::Hook(hook) => format!("{number} {calls} came through {}", hook.name()),
            Quantity::Error(errno) => format!("{number} {calls} failed with {}", error_name(errno)),
        }
    }

    /// Whether it is a number of bytes.
    pub(super) fn is_bytes(self) -> bool {
        matches!(self, Quantity::Number(number) if number.name == BYTES)
    }

    /// Whether it is counted only where the filesystem is asked after each copy.
    pub(super) fn is_about_sharing(self) -> bool {
        const SHARING: [&str; 3] = ["shared", "partly_shared", "not_shared"];
        matches!(self, Quantity::Number(number) if SHARING.contains(&number.name))
    }
}

/// `EXDEV 2, EINVAL 1`.
fn by_error(accounts: &Stats) -> String {
    let one = |(errno, count): (Option<Errno>, u64)| {
        format!("{} {count}", errno.map_or(OTHER_ERRORS, error_name))
    };
    accounts.errors().map(one).collect::<Vec<_>>().join(", ")
}

/// Those without a name.
pub(super) const OTHER_ERRORS: &str = "other errors";

/// Its name in errno(3).
pub(super) fn error_name(errno: Errno) -> &'static str {
    errno.name().unwrap_or(OTHER_ERRORS)
}

/// The method of that name.
pub(super) fn method(name: &str) -> Option<Quantity> {
    Method::ALL.into_iter().find(|method| method.name() == name).map(Quantity::Method)
}

/// The hook of that name.
pub(super) fn hook(name: &str) -> Option<Quantity> {
    Hook::ALL.into_iter().find(|hook| hook.name() == name).map(Quantity::Hook)
}

/// The error of that name.
pub(super) fn error(name: &str) -> Option<Quantity> {
    Errno::by_name(name.as_bytes()).map(Quantity::Error)
}

/// Every method's name, with commas between.
pub(super) fn methods() -> String {
    Method::ALL.map(Method::name).join(", ")
}

/// Every hook's name, with commas between.
pub(super) fn hooks() -> String {
    Hook::ALL.map(Hook::name).join(", ")
}
