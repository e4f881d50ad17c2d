//! The dialects: what documents and kernels say of copy_file_range, each as one ordered table of
//! rules. The order is the precedence of errors.
//!
//! One table feeds enforcement, the log, `cfr dialects`, docs/reference/dialects.md and the tests. A new
//! dialect is one new file and one word in [`ALL`].

mod extended;
mod freebsd_14;
mod freebsd_15;
mod glibc_2_27;
mod linux_4_15;
mod linux_5_19;
mod linux_5_3;
mod proposal_2015;
mod rule;
mod source;

pub use rule::{Condition, FILE_SIZE_SIGNAL, Phase, Rule, Ruling};
pub use source::Source;

use crate::facts::Facts;
use crate::flags::Mode;
use cfr_sys::errno::Errno;

/// Every dialect, in the order of the documentation; the first is the default.
pub static ALL: [&Dialect; 8] = [
    &extended::DIALECT,
    &proposal_2015::DIALECT,
    &linux_4_15::DIALECT,
    &linux_5_3::DIALECT,
    &linux_5_19::DIALECT,
    &freebsd_14::DIALECT,
    &freebsd_15::DIALECT,
    &glibc_2_27::DIALECT,
];

/// The dialect where nobody chose one.
pub const DEFAULT: &Dialect = &extended::DIALECT;

/// What one document or kernel says of a call.
#[derive(Debug)]
pub struct Dialect {
    /// Its name in `CFR_DIALECT`.
    pub name: &'static str,
    /// Another name for it.
    pub alias: Option<&'static str>,
    /// Whose words they are, in one line.
    pub about: &'static str,
    /// The flags that it knows besides 0, one at a time.
    pub modes: &'static [Mode],
    /// Who looks at a call first.
    pub checked_by: CheckedBy,
    /// How bytes are moved where sharing is neither demanded nor forbidden.
    pub copy_strategy: CopyStrategy,
    /// Errors of the kernel's copy_file_range at which the library copies in its place.
    pub fallback_errors: &'static [Errno],
    /// Whether the library's own copies cross filesystems although the kernel's do not.
    pub emulation_crosses_filesystems: bool,
    /// Its rules, in order.
    pub rules: &'static [Rule],
}

/// Who looks first at a call that asks for nothing special.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckedBy {
    /// The kernel, whose own rules these are: it gets the call as it came. The table says what its
    /// errors mean, and is enforced where the library moves the bytes.
    Kernel,
    /// The table; what passes goes on.
    Rules,
}

/// How bytes are moved where sharing is neither demanded nor forbidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyStrategy {
    /// As the kernel likes.
    Kernel,
    /// So that the source's holes are the target's.
    KeepHoles,
    /// By reading and writing 8 KiB at a time, whatever is in them.
    ReadWrite8KiB,
}

impl Dialect {
    /// The dialect of that name or alias.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<&'static Dialect> {
        let has_name = |dialect: &&&Dialect| {
            dialect.name.as_bytes() == name
                || dialect.alias.is_some_and(|alias| alias.as_bytes() == name)
        };
        ALL.iter().find(has_name).copied()
    }

    /// Whether this dialect knows calls of this mode.
    #[must_use]
    pub fn supports(&self, mode: Mode) -> bool {
        mode == Mode::Any || self.modes.contains(&mode)
    }

    /// The rules whose condition holds before anything moves, in order.
    pub fn broken_rules<'a>(
        &'a self,
        facts: &'a Facts<'_>,
    ) -> impl Iterator<Item = &'static Rule> + 'a {
        self.rules.iter().filter(move |rule| rule.phase == Phase::Check && (rule.holds)(facts))
    }

    /// The rule that an error of whoever moved the bytes comes from, if it is from one.
    #[must_use]
    pub fn rule_for_error(&self, errno: Errno, facts: &Facts<'_>) -> Option<&'static Rule> {
        let mut rules = self.rules.iter();
        rules.find(|rule| rule.ruling.errno() == Some(errno) && (rule.holds)(facts))
    }
}

/// A dialect is its name: there is one of each.
impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_ids_are_unique_and_every_rule_has_a_source() {
        let names: Vec<_> = ALL
            .iter()
            .flat_map(|dialect| dialect.alias.into_iter().chain([dialect.name]))
            .collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for dialect in ALL {
            let ids: Vec<_> = dialect.rules.iter().map(|rule| rule.id).collect();
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{}", dialect.name);
            for rule in dialect.rules {
                assert!(!rule.source.text().is_empty(), "{} {}", dialect.name, rule.id);
                assert!(!rule.why.ends_with('.'), "{}", rule.why);
            }
        }
        assert_eq!(ALL[0].name, DEFAULT.name);
    }

    use std::vec::Vec;
}
