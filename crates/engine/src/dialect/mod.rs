//! The dialects: what documents and kernels say about copy_file_range, each as one ordered table of
//! rules. The order is the precedence of errors.
//!
//! One table feeds enforcement, the log, `cfr dialects`, docs/reference/dialects.md and the tests.
//! A new dialect is one new file and one entry of [`ALL`]. What the kernel says about the calls that
//! are only forwarded is in tables of the same rules ([`FORWARDED`]).
//!
//! A file uses only files above it in this list.

mod source;

mod rule;

mod extended;

mod proposal_2015;

mod linux_4_15;

mod linux_5_3;

mod linux_5_19;

mod freebsd_15;

mod freebsd_14;

mod glibc_2_27;

mod forwarded;

pub use forwarded::{FORWARDED, ForwardedCalls, explain_compared, explain_forwarded};
pub use rule::{Condition, FILE_SIZE_SIGNAL, Phase, Rule, Ruling};
pub use source::Source;

use crate::facts::Facts;
use crate::flags::Mode;
use cfr_sys::errno::{Errno, ErrnoSet};

/// Each dialect, in the order of the documentation; the first is the default.
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

/// The conditions of all rules. A rule has an index into this table: with a reference, every process
/// would have one relocation a rule.
static CONDITIONS: [Condition; 62] = [
    rule::FD_IN_CLOSED,
    rule::FD_OUT_CLOSED,
    rule::OFF_IN_UNREADABLE,
    rule::OFF_OUT_UNREADABLE,
    rule::OFFSET_UNWRITABLE,
    rule::FLAGS_NOT_ZERO,
    rule::FLAGS_OF_THE_PROPOSAL,
    rule::DIRECTORY,
    rule::NOT_REGULAR,
    rule::NOT_READABLE,
    rule::NOT_WRITABLE,
    rule::APPEND,
    rule::CROSS_FILESYSTEM,
    rule::IMMUTABLE,
    rule::SWAP_FILE,
    rule::WRAPS,
    rule::NEGATIVE_OFFSET,
    rule::PAST_END,
    rule::FILE_SIZE_LIMIT,
    rule::FILESYSTEM_LIMIT,
    rule::OVERLAP,
    rule::OVERLAP_AS_REQUESTED,
    rule::SEALED,
    rule::DIRECT,
    rule::UNALIGNED,
    rule::CANNOT_REFLINK,
    rule::CANNOT_DEDUPE,
    rule::DIFFERS,
    rule::INTEGRITY_CHECKSUM,
    rule::INTEGRITY_STRUCTURE,
    rule::NOTHING_ASKED,
    linux_4_15::LEN_TOO_LARGE,
    linux_4_15::MAXIMUM_OFFSET,
    freebsd_15::FLAGS,
    freebsd_15::FD_IN_NO_VNODE,
    freebsd_15::FD_OUT_NO_VNODE,
    freebsd_15::SAME_DESCRIPTION,
    freebsd_15::CANNOT_CLONE,
    glibc_2_27::FD_IN_CLOSED,
    glibc_2_27::FD_OUT_CLOSED,
    glibc_2_27::CROSS_DEVICE,
    glibc_2_27::MAXIMUM_OFFSET,
    forwarded::ARGUMENT_UNREADABLE,
    forwarded::OTHER_FILESYSTEM,
    forwarded::CANNOT_REFLINK,
    forwarded::CANNOT_DEDUPE,
    forwarded::READ_ONLY,
    forwarded::RANGE_LIMIT,
    forwarded::NOCOW,
    forwarded::PAST_EITHER_END,
    forwarded::UNALIGNED,
    forwarded::STARTS_UNALIGNED,
    forwarded::TOO_MANY_TARGETS,
    forwarded::SOURCE_NOT_READABLE,
    forwarded::NOT_PERMITTED,
    forwarded::NOTHING_COMPARED,
    forwarded::TAIL_NOT_COMPARED,
    forwarded::NO_POSITIONS,
    forwarded::BEYOND_FILESYSTEM,
    forwarded::FILESYSTEM_LIMIT,
    forwarded::APPEND,
    forwarded::NOT_SEEKABLE,
];

/// The dialect if `CFR_DIALECT` is not set.
pub const DEFAULT: &Dialect = &extended::DIALECT;

/// The rules of one document or kernel.
#[derive(Debug)]
pub struct Dialect {
    /// Its name in `CFR_DIALECT`.
    pub name: &'static str,
    /// A second name.
    pub alias: Option<&'static str>,
    /// One line that says which document or kernel it follows.
    pub about: &'static str,
    /// The modes it supports beside [`Mode::Any`].
    pub modes: &'static [Mode],
    /// What checks a call first.
    pub checked_by: CheckedBy,
    /// How bytes are moved if the flags neither require nor forbid sharing.
    pub copy_strategy: CopyStrategy,
    /// Errors of the kernel's copy_file_range after which the library copies.
    pub fallback_errors: ErrnoSet,
    /// Whether a library copy crosses filesystems although the kernel's does not.
    pub emulation_crosses_filesystems: bool,
    /// In the order of precedence.
    pub rules: &'static [Rule],
}

/// What checks a call with flags 0 first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckedBy {
    /// The kernel, because the dialect describes it: it gets the call unchanged. The rules explain
    /// its errors, and are enforced if the library copies.
    Kernel,
    Rules,
}

/// How bytes are moved if the flags neither require nor forbid sharing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyStrategy {
    /// As the kernel chooses.
    Kernel,
    /// With the source's holes as holes in the target.
    KeepHoles,
    /// By read(2) and write(2) of 8 KiB, with holes filled.
    ReadWrite8KiB,
}

impl Dialect {
    /// Returns the dialect with this name or alias.
    ///
    /// ```
    /// use cfr_engine::dialect::Dialect;
    ///
    /// let linux = Dialect::by_name(b"linux").unwrap();
    /// assert_eq!(linux.name, "linux-5.19");
    /// let overlap = linux.rules.iter().find(|rule| rule.id == "overlap").unwrap();
    /// assert_eq!(overlap.ruling.errno().unwrap().name(), Some("EINVAL"));
    /// ```
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<&'static Dialect> {
        let has_name = |dialect: &&&Dialect| {
            dialect.name.as_bytes() == name
                || dialect.alias.is_some_and(|alias| alias.as_bytes() == name)
        };
        ALL.iter().find(has_name).copied()
    }

    /// Reports whether the dialect supports the mode.
    #[must_use]
    pub fn supports(&self, mode: Mode) -> bool {
        mode == Mode::Any || self.modes.contains(&mode)
    }

    /// Returns the rules that the call breaks before bytes move, in order.
    pub fn broken_rules<'a>(
        &'a self,
        facts: &'a Facts<'_>,
    ) -> impl Iterator<Item = &'static Rule> + 'a {
        self.rules.iter().filter(move |rule| rule.phase == Phase::Check && rule.holds(facts))
    }

    /// Returns the rule that explains an error of the copy, if there is one.
    #[must_use]
    pub fn rule_for_error(&self, errno: Errno, facts: &Facts<'_>) -> Option<&'static Rule> {
        let mut rules = self.rules.iter();
        rules.find(|rule| rule.ruling.errno() == Some(errno) && rule.holds(facts))
    }
}

/// Compares names: each dialect exists once.
impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A rule finds its condition in the table by these.
    #[test]
    fn conditions_differ_in_what_they_are_found_by() {
        let texts: BTreeSet<_> =
            CONDITIONS.iter().map(|it| (it.id, it.why, it.test.is_some())).collect();
        assert_eq!(texts.len(), CONDITIONS.len());
    }

    #[test]
    fn names_and_ids_are_unique_and_every_rule_has_a_source() {
        let names: Vec<_> = ALL
            .iter()
            .flat_map(|dialect| dialect.alias.into_iter().chain([dialect.name]))
            .collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let tables = ALL.iter().map(|dialect| (dialect.name, dialect.rules));
        for (name, rules) in tables.chain(FORWARDED.iter().map(|calls| (calls.name, calls.rules))) {
            let ids: Vec<_> = rules.iter().map(|rule| rule.id).collect();
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{name}");
            for rule in rules {
                assert!(!rule.source.text().is_empty(), "{name} {}", rule.id);
                assert!(!rule.why.ends_with('.'), "{}", rule.why);
            }
        }
        assert_eq!(ALL[0].name, DEFAULT.name);
    }

    use std::vec::Vec;
}
