//! The numbers that expectations can compare, by name.

use crate::run::unmet_faults::seen;
use crate::term::failure::one_of;
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_shared::format::Bytes;
use cfr_shared::stats::{Counter, Stats};
use cfr_sys::errno::Errno;

/// A number with a name of its own.
pub(super) struct NamedNumber {
    name: &'static str,
    read: fn(&Stats) -> u64,
    /// The sentence for one, and for none.
    one: &'static str,
    /// The sentence for several.
    many: &'static str,
}

/// The name of the number of bytes, which may have units.
const CALLS: &str = "calls";
const BYTES: &str = "bytes";
const OTHERWISE: &str = "written_otherwise";
const ERRORS: &str = "errors";
const INJECTED: &str = "injected";
const DELAYED: &str = "delayed";

const NUMBERS: [NamedNumber; 15] = [
    NamedNumber {
        name: CALLS,
        read: Stats::finished,
        one: "call was answered",
        many: "calls were answered",
    },
    NamedNumber { name: BYTES, read: Stats::bytes, one: "byte moved", many: "bytes moved" },
    NamedNumber { name: ERRORS, read: Stats::failed, one: "call failed", many: "calls failed" },
    NamedNumber {
        name: "programs",
        read: |stats| stats.get(Counter::Programs),
        one: "program was seen",
        many: "programs were seen",
    },
    NamedNumber {
        name: "end_of_file",
        read: |stats| stats.get(Counter::EndOfFile),
        one: "call returned 0",
        many: "calls returned 0",
    },
    NamedNumber {
        name: "shared",
        read: |stats| stats.get(Counter::Shared),
        one: "target shares all its blocks",
        many: "targets share all their blocks",
    },
    NamedNumber {
        name: "partly_shared",
        read: |stats| stats.get(Counter::PartlyShared),
        one: "target shares some of its blocks",
        many: "targets share some of their blocks",
    },
    NamedNumber {
        name: "not_shared",
        read: |stats| stats.get(Counter::NotShared),
        one: "target shares no block",
        many: "targets share no block",
    },
    NamedNumber {
        name: OTHERWISE,
        read: |stats| stats.written_otherwise().unwrap_or(0),
        one: "byte was written otherwise",
        many: "bytes were written otherwise",
    },
    NamedNumber {
        name: "differing",
        read: |stats| stats.get(Counter::Differing),
        one: "range was not the same",
        many: "ranges were not the same",
    },
    NamedNumber {
        name: "unfinished",
        read: Stats::unfinished,
        one: "call was never answered",
        many: "calls were never answered",
    },
    NamedNumber {
        name: INJECTED,
        read: |stats| stats.get(Counter::Injected),
        one: "call had a fault injected",
        many: "calls had a fault injected",
    },
    NamedNumber {
        name: DELAYED,
        read: |stats| stats.get(Counter::Delayed),
        one: "call was delayed",
        many: "calls were delayed",
    },
    NamedNumber {
        name: "let_through",
        read: |stats| stats.get(Counter::LetThrough),
        one: "call was let through",
        many: "calls were let through",
    },
    NamedNumber {
        name: "lines_lost",
        read: |stats| stats.get(Counter::LinesLost),
        one: "line of the log was lost",
        many: "lines of the log were lost",
    },
];

/// A number that an expectation compares.
#[derive(Clone, Copy)]
pub(super) enum Quantity {
    Number(&'static NamedNumber),
    /// Calls with this method.
    Method(Method),
    /// Calls through this hook.
    Hook(Hook),
    Error(Errno),
}

impl Quantity {
    /// Finds a number by its name, as the log spells it.
    pub(super) fn by_name(name: &str) -> Option<Quantity> {
        let number = NUMBERS.iter().find(|number| number.name == name).map(Quantity::Number);
        number.or_else(|| method(name)).or_else(|| hook(name)).or_else(|| error(name))
    }

    /// Finds a number by a name that may be in the singular, as in `no error`.
    pub(super) fn by_singular(name: &str) -> Option<Quantity> {
        Quantity::by_name(name).or_else(|| match Quantity::by_name(&format!("{name}s")) {
            Some(Quantity::Number(number)) => Some(Quantity::Number(number)),
            _ => None,
        })
    }

    /// Returns every name but those of errors.
    pub(super) fn names() -> Vec<&'static str> {
        let numbers = NUMBERS.iter().map(|number| number.name);
        numbers.chain(Method::ALL.map(Method::name)).chain(Hook::ALL.map(Hook::name)).collect()
    }

    /// Reports whether it counts what only the library and the supervisor do.
    pub(super) fn is_of_library(self) -> bool {
        const NAMES: [&str; 5] = ["programs", "injected", "delayed", "let_through", "lines_lost"];
        match self {
            Quantity::Number(number) => NAMES.contains(&number.name),
            Quantity::Method(method) => matches!(method, Method::Emulated | Method::Next),
            Quantity::Hook(_) | Quantity::Error(_) => false,
        }
    }

    pub(super) fn read(self, stats: &Stats) -> u64 {
        match self {
            Quantity::Number(number) => (number.read)(stats),
            Quantity::Method(method) => stats.method_totals(method).0,
            Quantity::Hook(hook) => stats.hook_calls(hook),
            Quantity::Error(errno) => stats
                .errors()
                .find(|(found, _)| *found == Some(errno))
                .map_or(0, |(_, count)| count),
        }
    }

    /// Returns a sentence with the number.
    pub(super) fn sentence(self, count: u64, stats: &Stats) -> String {
        let number = if count == 0 { "no".to_owned() } else { count.to_string() };
        let unit = if self.is_bytes() { in_unit(count) } else { String::new() };
        let calls = if count > 1 { "calls" } else { "call" };
        let were = if count > 1 { "were" } else { "was" };
        match self {
            Quantity::Number(row) => {
                let sentence = if count > 1 { row.many } else { row.one };
                let sentence = sentence.replacen("bytes", &format!("bytes{unit}"), 1);
                match row.name {
                    ERRORS if count > 0 => format!("{number} {sentence}: {}", by_error(stats)),
                    INJECTED | DELAYED if count == 0 => {
                        format!("{number} {sentence}; {}", seen(stats.get(Counter::Calls)))
                    }
                    OTHERWISE if count > 0 && stats.failed() > 0 => {
                        let refusals = if stats.failed() == 1 { "refusal" } else { "refusals" };
                        format!("{number} {sentence}, after {} {refusals}", stats.failed())
                    }
                    _ => format!("{number} {sentence}"),
                }
            }
            Quantity::Method(method) => {
                format!("{number} {calls} {were} answered by {}", method.name())
            }
            Quantity::Hook(hook) => format!("{number} {calls} came through {}", hook.name()),
            Quantity::Error(errno) => format!("{number} {calls} failed with {}", error_name(errno)),
        }
    }

    /// Reports whether it is a number of bytes.
    pub(super) fn is_bytes(self) -> bool {
        matches!(self, Quantity::Number(number) if [BYTES, OTHERWISE].contains(&number.name))
    }

    /// Reports whether it is what was written otherwise, which the kernel counts.
    pub(super) fn is_about_otherwise(self) -> bool {
        matches!(self, Quantity::Number(number) if number.name == OTHERWISE)
    }

    /// Reports whether it is known although a call has not returned.
    pub(super) fn is_about_ends(self) -> bool {
        const KNOWN: [&str; 4] = ["unfinished", "programs", "let_through", "lines_lost"];
        matches!(self, Quantity::Number(number) if KNOWN.contains(&number.name))
    }

    /// Reports whether a call that fails with EINTR at the kernel's boundary is one of these.
    pub(super) fn counts_interrupted(self) -> bool {
        match self {
            Quantity::Number(number) => [CALLS, ERRORS].contains(&number.name),
            Quantity::Method(method) => method == Method::None,
            Quantity::Hook(hook) => hook == Hook::Seccomp,
            Quantity::Error(errno) => errno == Errno::EINTR,
        }
    }

    /// Reports whether it is the number of calls.
    pub(super) fn is_calls(self) -> bool {
        matches!(self, Quantity::Number(number) if number.name == CALLS)
    }

    /// Reports whether it is counted only with `--shared yes`.
    pub(super) fn is_about_sharing(self) -> bool {
        const SHARING: [&str; 3] = ["shared", "partly_shared", "not_shared"];
        matches!(self, Quantity::Number(number) if SHARING.contains(&number.name))
    }
}

/// `EXDEV 2, EINVAL 1`.
fn by_error(stats: &Stats) -> String {
    let one = |(errno, count): (Option<Errno>, u64)| {
        format!("{} {count}", errno.map_or(OTHER_ERRORS, error_name))
    };
    stats.errors().map(one).collect::<Vec<_>>().join(", ")
}

/// Errors without a name.
pub(super) const OTHER_ERRORS: &str = "other errors";

/// Returns the error's name in errno(3).
pub(super) fn error_name(errno: Errno) -> &'static str {
    errno.name().unwrap_or(OTHER_ERRORS)
}

pub(super) fn method(name: &str) -> Option<Quantity> {
    Method::ALL.into_iter().find(|method| method.name() == name).map(Quantity::Method)
}

pub(super) fn hook(name: &str) -> Option<Quantity> {
    Hook::ALL.into_iter().find(|hook| hook.name() == name).map(Quantity::Hook)
}

pub(super) fn error(name: &str) -> Option<Quantity> {
    Errno::by_name(name.as_bytes()).map(Quantity::Error)
}

/// Returns the names of the methods as a message lists them.
pub(super) fn methods() -> String {
    one_of(Method::ALL.map(Method::name))
}

/// Returns the names of the hooks as a message lists them.
pub(super) fn hooks() -> String {
    one_of(Hook::ALL.map(Hook::name))
}

/// Returns a number of bytes in its unit, in parentheses; nothing if the unit is a byte.
pub(super) fn in_unit(bytes: u64) -> String {
    if bytes < 1024 { String::new() } else { format!(" ({})", Bytes(bytes)) }
}
