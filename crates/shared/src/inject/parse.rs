//! The grammar of faults, and its errors.

use super::condition::{Comparison, Condition, MAX_CONDITIONS, Quantity};
use super::glob;
use super::{Action, Fault, Limit, MAX_FAULTS, Probability, Scope, When};
use crate::format::printable;
use cfr_engine::flags::Flags;
use cfr_engine::hook::{Hook, Hooks};
use cfr_sys::errno::Errno;
use cfr_sys::signal_name;
use core::fmt;
use core::str;

/// The keys of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "each key is named in KEYS")]
pub enum Key {
    Error,
    Short,
    Zero,
    Status,
    DelayEnter,
    DelayExit,
    Signal,
    When,
    Per,
    Prob,
    Seed,
    Path,
    Hook,
    Len,
    OffIn,
    OffOut,
    Flags,
    Comm,
}

/// Every key with its name and what an error says is expected.
pub const KEYS: [(Key, &str, &str); 18] = [
    (Key::Error, "error", "error=ERRNO: EXDEV, ENOSPC, ..."),
    (Key::Short, "short", "short=BYTES, from 1, also with K, M or G, or short=1% to short=99%"),
    (Key::Zero, "zero", "zero without a value"),
    (Key::Status, "status", "status=differs, or status=- and the name of an error: status=-EINVAL"),
    (
        Key::DelayEnter,
        "delay_enter",
        "delay_enter=TIME, from 1ns: 2000 (microseconds), 2000us, 10ms, 1s",
    ),
    (
        Key::DelayExit,
        "delay_exit",
        "delay_exit=TIME, from 1ns: 2000 (microseconds), 2000us, 10ms, 1s",
    ),
    (Key::Signal, "signal", "signal=NAME: SIGUSR1, USR1, 10, SIGRTMIN+1"),
    (Key::When, "when", "when=FIRST[..LAST][+[STEP]], from 1: 2, 2+, 1+3, 2..9, 2..9+3"),
    (Key::Per, "per", "per=process, per=thread, per=path or per=tree"),
    (Key::Prob, "prob", "prob=P, above 0 and up to 1, or a percentage: 0.05, 5%"),
    (Key::Seed, "seed", "seed=NUMBER"),
    (
        Key::Path,
        "path",
        "path=GLOB, a name or a whole path: *.db, /srv/*, */tmp/*; \\: and \\; are a colon and a semicolon",
    ),
    (
        Key::Hook,
        "hook",
        "hook= and a list, separated by commas, of copy_file_range, syscall, ioctl, sendfile, sendfile64 or seccomp",
    ),
    (
        Key::Len,
        "len",
        "len and a comparison, = != < <= > or >=, with bytes, also with K, M or G: len>1M",
    ),
    (Key::OffIn, "off_in", "off_in and a comparison with bytes, also with K, M or G: off_in>=2G"),
    (
        Key::OffOut,
        "off_out",
        "off_out and a comparison with bytes, also with K, M or G: off_out>=2G",
    ),
    (
        Key::Flags,
        "flags",
        "flags and a comparison with a number or the name of a flag: flags!=0, flags=COPY_FR_REFLINK",
    ),
    (Key::Comm, "comm", "comm=GLOB, the name of the program or the thread: comm=cp, comm=python*"),
];

/// The grammar in one line.
pub const EXPECTED: &str = "error=ERRNO, short=BYTES or N%, zero, status=STATUS, delay_enter=TIME, delay_exit=TIME, \
                            signal=NAME; with : between them and when= per= prob= seed= path= hook= len> off_in> \
                            off_out> flags= comm=; several faults with ; between";

/// What is wrong with a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseErrorKind {
    /// There is no such key.
    UnknownKey,
    /// The key does not have this value.
    InvalidValue(Key),
    /// The fault has the key already.
    DuplicateKey(Key),
    /// The fault has another action already.
    SecondAction,
    /// The fault does nothing.
    NoEffect,
    /// The fault has a seed, but no probability.
    SeedWithoutProb,
    /// The fault says what is counted, but neither which number nor a probability.
    PerWithoutCount,
    /// The pattern of the path has a slash and matches no path that begins with one.
    RelativePath,
    /// There are more than [`MAX_CONDITIONS`] conditions on numbers.
    TooManyConditions,
    /// The fault has a status, and none of its hooks is ioctl.
    StatusElsewhere,
    /// There are more than [`MAX_FAULTS`].
    TooMany,
    /// None of the fault's hooks is watched.
    Unreachable,
}

/// An error in a fault. It is shown without the word, so that it can follow a sentence that names it:
/// `(fault 1, column 6): duplicate key 'when'`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError<'a> {
    /// The fault's number, from 1.
    pub fault: usize,
    /// The column in the fault at which the word begins, from 1, in bytes.
    pub column: usize,
    /// The key and its value, or the whole fault.
    pub word: &'a [u8],
    /// What is wrong with it.
    pub kind: ParseErrorKind,
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParseError { fault, column, word, kind } = self;
        write!(f, "(fault {fault}, column {column}): ")?;
        match kind {
            ParseErrorKind::UnknownKey => {
                let (key, _) = key_and_value(word);
                write!(f, "unknown key '{}'; expected {EXPECTED}", printable(key))
            }
            ParseErrorKind::InvalidValue(key) => {
                let expected = KEYS.iter().find(|row| row.0 == *key).map_or("", |row| row.2);
                write!(f, "expected {expected}")
            }
            ParseErrorKind::DuplicateKey(key) => {
                let name = KEYS.iter().find(|row| row.0 == *key).map_or("", |row| row.1);
                write!(f, "duplicate key '{name}'")
            }
            ParseErrorKind::SecondAction => {
                f.write_str("only one of error, short, zero and status is allowed")
            }
            ParseErrorKind::NoEffect => f.write_str(
                "no effect; expected error, short, zero, status, delay_enter, delay_exit or signal",
            ),
            ParseErrorKind::SeedWithoutProb => f.write_str("seed is only allowed with prob"),
            ParseErrorKind::PerWithoutCount => {
                f.write_str("per is only allowed with when or prob")
            }
            ParseErrorKind::RelativePath => f.write_str(
                "a pattern with a slash is compared with whole paths; expected /... or */..., or a name \
                 without a slash",
            ),
            ParseErrorKind::TooManyConditions => {
                write!(f, "too many conditions on numbers (at most {MAX_CONDITIONS})")
            }
            ParseErrorKind::StatusElsewhere => {
                f.write_str("status is only for FIDEDUPERANGE; expected hook=ioctl or no hook")
            }
            ParseErrorKind::TooMany => write!(f, "too many faults (at most {MAX_FAULTS})"),
            ParseErrorKind::Unreachable => f.write_str("none of its hooks is watched (CFR_HOOKS)"),
        }
    }
}

/// The text of a fault.
#[derive(Clone, Copy)]
pub(super) struct Expression<'a> {
    text: &'a [u8],
    number: usize,
}

/// Splits a text into faults at each `;`, and skips empty ones.
pub(super) fn expressions(text: &[u8]) -> impl Iterator<Item = Expression<'_>> {
    let texts = pieces(text, b';').map(|(_, text)| text.trim_ascii());
    let texts = texts.filter(|text| !text.is_empty());
    texts.zip(1..).map(|(text, number)| Expression { text, number })
}

/// Splits a text at each separator that no backslash escapes; each piece comes with its offset.
fn pieces(text: &[u8], separator: u8) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = Some(0);
    core::iter::from_fn(move || {
        let start = from?;
        let rest = text.get(start..)?;
        let mut escaped = false;
        let end = rest.iter().position(|&byte| {
            let is_end = byte == separator && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        });
        from = end.map(|end| start + end + 1);
        Some((start, rest.get(..end.unwrap_or(rest.len()))?))
    })
}

/// Splits a word at the first comparison sign, which is an equals sign for most keys.
fn key_and_value(word: &[u8]) -> (&[u8], Option<(Comparison, &[u8])>) {
    let sign = word.iter().position(|byte| b"=<>!".contains(byte));
    let split = sign.and_then(|at| word.split_at_checked(at)).and_then(|(key, rest)| {
        let after = |(sign, comparison): (&[u8], _)| Some((comparison, rest.strip_prefix(sign)?));
        Some((key, Comparison::ALL.into_iter().find_map(after)?))
    });
    match split {
        Some((key, value)) => (key, Some(value)),
        None => (word, None),
    }
}

impl<'a> Expression<'a> {
    /// Returns an error about the whole fault.
    pub(super) fn error(self, kind: ParseErrorKind) -> ParseError<'a> {
        ParseError { fault: self.number, column: 1, word: self.text, kind }
    }

    pub(super) fn fault(self) -> Result<Fault<'a>, ParseError<'a>> {
        let mut fault = Fault {
            text: self.text,
            action: None,
            signal: None,
            delay_enter_ns: 0,
            delay_exit_ns: 0,
            when: When::ALWAYS,
            scope: Scope::Process,
            probability: Probability::CERTAIN,
            path: None,
            comm: None,
            hooks: Hooks::ALL,
            conditions: [None; MAX_CONDITIONS],
        };
        let mut seen = 0u32;
        let [mut seed_error, mut per_error, mut status_error] = [None; 3];
        for (start, word) in pieces(self.text, b':') {
            let error = |kind| ParseError { fault: self.number, column: start + 1, word, kind };
            let (name, value) = key_and_value(word);
            let row = KEYS.iter().find(|row| row.1.as_bytes() == name);
            let &(key, ..) = row.ok_or(error(ParseErrorKind::UnknownKey))?;
            let invalid = error(ParseErrorKind::InvalidValue(key));
            let bit = 1 << key as u8;
            if let Some(quantity) = quantity(key) {
                seen |= bit;
                let condition =
                    value.and_then(|value| condition(quantity, value)).ok_or(invalid)?;
                let slot = fault.conditions.iter_mut().find(|slot| slot.is_none());
                *slot.ok_or(error(ParseErrorKind::TooManyConditions))? = Some(condition);
                continue;
            }
            if seen & bit != 0 {
                return Err(error(ParseErrorKind::DuplicateKey(key)));
            }
            seen |= bit;
            match key {
                Key::Seed => seed_error = Some(error(ParseErrorKind::SeedWithoutProb)),
                Key::Per => per_error = Some(error(ParseErrorKind::PerWithoutCount)),
                Key::Status => status_error = Some(error(ParseErrorKind::StatusElsewhere)),
                _ => {}
            }
            let value = match value {
                Some((Comparison::Equal, value)) => Some(value),
                Some(_) => return Err(invalid),
                None => None,
            };
            let action = set(&mut fault, key, value).ok_or(invalid)?;
            if let (Key::Path, Some(glob)) = (key, fault.path)
                && glob.contains(&b'/')
                && !glob::is_absolute(glob)
            {
                return Err(error(ParseErrorKind::RelativePath));
            }
            if action.is_some() && fault.action.is_some() {
                return Err(error(ParseErrorKind::SecondAction));
            }
            fault.action = fault.action.or(action);
        }
        let has = |key: Key| seen & (1 << key as u8) != 0;
        let is_counted = has(Key::When) || has(Key::Prob);
        let can_dedupe =
            [Hook::Ioctl, Hook::Seccomp].iter().any(|hook| fault.hooks.contains(*hook));
        let seed_error = seed_error.filter(|_| !has(Key::Prob));
        let per_error = per_error.filter(|_| !is_counted);
        let status_error = status_error.filter(|_| !can_dedupe);
        if let Some(error) = seed_error.or(per_error).or(status_error) {
            return Err(error);
        }
        let has_effect = [Key::DelayEnter, Key::DelayExit, Key::Signal].into_iter().any(has);
        if fault.action.is_none() && !has_effect {
            return Err(self.error(ParseErrorKind::NoEffect));
        }
        Ok(fault)
    }
}

/// Sets one key of the fault, or returns its action; `None` if the value is invalid.
fn set<'a>(fault: &mut Fault<'a>, key: Key, value: Option<&'a [u8]>) -> Option<Option<Action>> {
    if key == Key::Zero {
        return value.is_none().then_some(Some(Action::ReturnZero));
    }
    let value = value?;
    match key {
        Key::Error => return Errno::by_name(value).map(|errno| Some(Action::Fail(errno))),
        Key::Short => return limit(value).map(|limit| Some(Action::Short(limit))),
        Key::Status => return status(value).map(|status| Some(Action::Status(status))),
        Key::Zero | Key::Len | Key::OffIn | Key::OffOut | Key::Flags => {}
        Key::DelayEnter => fault.delay_enter_ns = time_ns(value)?,
        Key::DelayExit => fault.delay_exit_ns = time_ns(value)?,
        Key::Signal => fault.signal = Some(signal_name::by_name(value)?),
        Key::When => fault.when = when(value)?,
        Key::Per => fault.scope = scope(value)?,
        Key::Prob => fault.probability.share = share(value)?,
        Key::Seed => fault.probability.seed = number(value)?,
        Key::Path => fault.path = Some(glob(value)?),
        Key::Comm => fault.comm = Some(glob(value)?),
        Key::Hook => fault.hooks = Hooks::by_names(value)?,
    }
    Some(None)
}

fn glob(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty()).then_some(value)
}

/// Returns the number of a call that the key is about.
fn quantity(key: Key) -> Option<Quantity> {
    Some(match key {
        Key::Len => Quantity::Len,
        Key::OffIn => Quantity::OffIn,
        Key::OffOut => Quantity::OffOut,
        Key::Flags => Quantity::Flags,
        _ => return None,
    })
}

fn condition(quantity: Quantity, (comparison, value): (Comparison, &[u8])) -> Option<Condition> {
    let bound = match quantity {
        Quantity::Flags => flags(value)?,
        Quantity::Len | Quantity::OffIn | Quantity::OffOut => bytes(value)?,
    };
    Some(Condition { quantity, comparison, bound }).filter(|condition| condition.is_possible())
}

/// Parses flags: a number, decimal or hexadecimal, or the name of one.
fn flags(value: &[u8]) -> Option<u64> {
    if let Some(digits) = value.strip_prefix(b"0x") {
        let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        return u64::from_str_radix(digits, 16).ok();
    }
    let named = Flags::NAMED.into_iter().find(|(_, name)| name.as_bytes() == value);
    named.map(|(flag, _)| flag.into()).or_else(|| number(value))
}

/// Parses a status of FIDEDUPERANGE: `differs` or a negative error.
fn status(value: &[u8]) -> Option<i32> {
    /// `FILE_DEDUPE_RANGE_DIFFERS` of linux/fs.h.
    const DIFFERS: i32 = 1;
    if value == b"differs" {
        return Some(DIFFERS);
    }
    Errno::by_name(value.strip_prefix(b"-")?).map(|errno| -errno.0)
}

/// Parses decimal digits.
fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// Parses leading digits, and returns the rest too.
fn leading(value: &[u8]) -> Option<(u64, &[u8])> {
    let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let (digits, rest) = value.split_at_checked(end)?;
    Some((number(digits)?, rest))
}

fn limit(value: &[u8]) -> Option<Limit> {
    if let (count, b"%") = leading(value)? {
        let percent = u8::try_from(count).ok()?;
        return (1..=99).contains(&percent).then_some(Limit::Percent(percent));
    }
    bytes(value).filter(|&bytes| bytes > 0).map(Limit::Bytes)
}

/// Parses a number of bytes with a unit of 1024.
fn bytes(value: &[u8]) -> Option<u64> {
    let (count, unit) = leading(value)?;
    let shift = match unit {
        b"" => 0,
        b"K" | b"k" => 10,
        b"M" => 20,
        b"G" => 30,
        _ => return None,
    };
    count.checked_mul(1 << shift)
}

/// Parses a time with strace's units; a plain number is microseconds.
fn time_ns(value: &[u8]) -> Option<u64> {
    let (count, unit) = leading(value)?;
    let unit_ns = match unit {
        b"ns" => 1,
        b"" | b"us" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        _ => return None,
    };
    count.checked_mul(unit_ns).filter(|&ns| ns > 0)
}

fn when(value: &[u8]) -> Option<When> {
    let (first, rest) = leading(value)?;
    let (last, rest) = match rest.strip_prefix(b"..") {
        Some(rest) => leading(rest).map(|(last, rest)| (Some(last), rest))?,
        None => (None, rest),
    };
    let (step, is_open) = match rest {
        b"" => (1, false),
        b"+" => (1, true),
        [b'+', step @ ..] => (number(step)?, true),
        _ => return None,
    };
    let last = last.unwrap_or(if is_open { u64::MAX } else { first });
    (first > 0 && last >= first && step > 0).then_some(When { first, last, step })
}

fn scope(value: &[u8]) -> Option<Scope> {
    Scope::ALL.into_iter().find(|(name, _)| name.as_bytes() == value).map(|(_, scope)| scope)
}

/// Parses a probability with up to nine decimals, or whole percents.
fn share(value: &[u8]) -> Option<u64> {
    let (whole, rest) = leading(value)?;
    let share = match rest {
        b"" => whole.checked_mul(Probability::WHOLE)?,
        b"%" => whole.checked_mul(Probability::WHOLE / 100)?,
        [b'.', digits @ ..] => {
            let unit = 10u64.pow(9u32.checked_sub(u32::try_from(digits.len()).ok()?)?);
            whole.checked_mul(Probability::WHOLE)?.checked_add(number(digits)? * unit)?
        }
        _ => return None,
    };
    (1..=Probability::WHOLE).contains(&share).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::super::Faults;
    use super::*;
    use cfr_engine::hook::Hook;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn wrong(text: &str) -> String {
        let error = Faults::parse(text.as_bytes()).unwrap_err();
        format!("'{}' {error}", printable(error.word))
    }

    fn one(text: &str) -> Fault<'_> {
        let faults: Vec<_> = expressions(text.as_bytes()).map(|one| one.fault().unwrap()).collect();
        assert_eq!(faults.len(), 1, "{text}");
        faults[0]
    }

    #[test]
    fn every_key_is_parsed() {
        const TEXT: &str = "error=EXDEV:signal=SIGUSR1:delay_enter=10ms:delay_exit=2000:when=2..9+3:per=path:prob=0.25:\
             seed=42:path=/a\\:b\\;*:hook=ioctl,sendfile64:len>1M:off_in>=2G:off_out<3:flags!=0x80:len<=5k:comm=a=b";
        let fault = one(TEXT);
        let hooks = Hooks::NONE.with(Hook::Ioctl).with(Hook::Sendfile64);
        assert_eq!(
            fault,
            Fault {
                text: TEXT.as_bytes(),
                action: Some(Action::Fail(Errno::EXDEV)),
                signal: Some(10),
                delay_enter_ns: 10_000_000,
                delay_exit_ns: 2_000_000,
                when: When { first: 2, last: 9, step: 3 },
                scope: Scope::Path,
                probability: Probability { share: 250_000_000, seed: 42 },
                path: Some(b"/a\\:b\\;*"),
                comm: Some(b"a=b"),
                hooks,
                conditions: [
                    (Quantity::Len, Comparison::Above, 1 << 20),
                    (Quantity::OffIn, Comparison::AtLeast, 2 << 30),
                    (Quantity::OffOut, Comparison::Below, 3),
                    (Quantity::Flags, Comparison::NotEqual, 0x80),
                    (Quantity::Len, Comparison::AtMost, 5 << 10),
                    (Quantity::Len, Comparison::Equal, 0),
                ]
                .map(|(quantity, comparison, bound)| {
                    let is_there = (quantity, bound) != (Quantity::Len, 0);
                    is_there.then_some(Condition { quantity, comparison, bound })
                }),
            }
        );
        assert_eq!(one("status=differs").action, Some(Action::Status(1)));
        assert_eq!(one("status=-EINVAL:hook=seccomp").action, Some(Action::Status(-22)));
        assert_eq!(one("zero").action, Some(Action::ReturnZero));
        assert_eq!(one("short=50%").action, Some(Action::Short(Limit::Percent(50))));
        assert_eq!(one("short=4M").action, Some(Action::Short(Limit::Bytes(4 << 20))));
        assert_eq!(one(" delay_exit=3ns ; ").delay_exit_ns, 3);
        assert_eq!(one("zero:prob=1").probability.share, Probability::WHOLE);
        assert_eq!(one("zero:prob=0.000000001").probability.share, 1);
    }

    #[test]
    fn an_error_names_the_word_and_its_position() {
        for (text, beginning, reason) in [
            (
                "eror=EIO",
                "'eror=EIO' (fault 1, column 1)",
                "unknown key 'eror'; expected error=ERRNO, ",
            ),
            ("zero;error=EXDEW", "'error=EXDEW' (fault 2, column 1)", "ERRNO"),
            ("error=EXDEV:whem=2", "'whem=2' (fault 1, column 13)", "unknown key 'whem'"),
            ("error=EXDEV:when=0", "'when=0' (fault 1, column 13)", "FIRST[..LAST]"),
            ("zero: when=2", "' when=2' (fault 1, column 6)", "unknown key ' when'"),
            ("zero=1", "'zero=1' (fault 1, column 1)", "without a value"),
            (
                "zero:error=EIO",
                "'error=EIO' (fault 1, column 6)",
                "only one of error, short, zero and status",
            ),
            ("zero:when=1:when=2", "'when=2' (fault 1, column 13)", "duplicate key 'when'"),
            ("when=2", "'when=2' (fault 1, column 1)", "no effect"),
            (" ; ", "' ; ' (fault 1, column 1)", "no effect"),
            ("zero:seed=2", "'seed=2' (fault 1, column 6)", "only allowed with prob"),
            ("zero:", "'' (fault 1, column 6)", "unknown key ''"),
            ("zero:path=", "'path=' (fault 1, column 6)", "GLOB"),
            ("zero:hook=", "'hook=' (fault 1, column 6)", "copy_file_range"),
            ("zero:hook=ioctl,", "'hook=ioctl,' (fault 1, column 6)", "copy_file_range"),
            ("zero:per=file", "'per=file' (fault 1, column 6)", "per=thread"),
            ("signal=SIGNAL", "'signal=SIGNAL' (fault 1, column 1)", "SIGUSR1"),
            ("signal=32", "'signal=32' (fault 1, column 1)", "SIGUSR1"),
            ("error", "'error' (fault 1, column 1)", "ERRNO"),
            ("error!=EIO", "'error!=EIO' (fault 1, column 1)", "expected error=ERRNO"),
            ("path>a", "'path>a' (fault 1, column 1)", "expected path=GLOB"),
            ("zero:len", "'len' (fault 1, column 6)", "expected len and a comparison"),
            ("zero:flags=COPY", "'flags=COPY' (fault 1, column 6)", "COPY_FR_REFLINK"),
            ("zero:comm=", "'comm=' (fault 1, column 6)", "comm=GLOB"),
            ("zero:len!5", "'len!5' (fault 1, column 6)", "unknown key 'len!5'"),
            ("zero:per=path", "'per=path' (fault 1, column 6)", "only allowed with when or prob"),
            ("zero:path=a/b", "'path=a/b' (fault 1, column 6)", "expected /... or */..."),
            ("zero:path=./b", "'path=./b' (fault 1, column 6)", "whole paths"),
            ("zero:status=-EIO", "'status=-EIO' (fault 1, column 6)", "only one of"),
            (
                "zero:len>1:len>2:len>3:len>4:len>5:len>6:len>7",
                "'len>7' (fault 1, column 42)",
                "too many conditions on numbers (at most 6)",
            ),
            (
                "status=-EIO:hook=sendfile",
                "'status=-EIO' (fault 1, column 1)",
                "only for FIDEDUPERANGE",
            ),
            ("a\u{1b}b", "'a\\33b' (fault 1, column 1)", "unknown key 'a\\33b'"),
        ] {
            let wrong = wrong(text);
            assert!(wrong.starts_with(beginning) && wrong.contains(reason), "{text}: {wrong}");
        }
        let many = "zero;".repeat(MAX_FAULTS + 1);
        assert!(wrong(&many).starts_with(&format!(
            "'zero' (fault {}, column 1): too many faults (at most 16)",
            MAX_FAULTS + 1
        )));
    }

    #[test]
    fn values_out_of_range_are_invalid() {
        for value in [
            "short=0",
            "short=0%",
            "short=100%",
            "short=-1",
            "short=1T",
            "short=",
            "short=4KB",
            "short=18014398509481984K",
            "short=99999999999999999999",
            "delay_enter=1m",
            "delay_enter=1.5s",
            "delay_exit=",
            "delay_exit=99999999999s",
            "zero:when=2..1",
            "zero:when=1+0",
            "zero:when=+2",
            "zero:when=..2",
            "zero:when=2..",
            "zero:when=1++",
            "zero:prob=0",
            "zero:prob=1.1",
            "zero:prob=101%",
            "zero:prob=.5",
            "zero:prob=0.",
            "zero:prob=0.1234567891",
            "zero:prob=0.5:seed=x",
            "error=0",
            "error=18",
            "status=EIO",
            "status=-18",
            "status=0",
            "status=same",
            "status=",
            "delay_enter=0",
            "zero:len<0",
            "zero:len>-1",
            "zero:len>1T",
            "zero:len==5",
            "zero:off_in>=1.5G",
            "zero:off_out>",
            "zero:flags=0xg",
            "zero:flags=0x+1",
            "zero:flags=1K",
        ] {
            assert!(wrong(value).contains("): expected "), "{value}");
        }
    }

    #[test]
    fn random_texts_are_parsed_without_a_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let words = KEYS.iter().map(|row| row.1).chain([
            "=", ":", ";", "\\", "..", "+", "%", "1", "0.5", "EIO", "ioctl", ",", "ms", "\u{fc}",
        ]);
        let words: Vec<_> = words.collect();
        let mut usable = 0;
        for _ in 0..50_000 {
            let count = next() % 9;
            let text: String =
                (0..count).map(|_| words[usize::try_from(next()).unwrap() % words.len()]).collect();
            match Faults::parse(text.as_bytes()) {
                Ok(_) => usable += 1,
                Err(error) => assert!(error.to_string().contains("column")),
            }
        }
        assert!(usable > 0);
    }
}
