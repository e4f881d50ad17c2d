//! How faults are spelled, and what is wrong where one cannot be read.

use super::{Action, Fault, Limit, MOST_FAULTS, Probability, Scope, When};
use crate::format::printable;
use cfr_engine::hook::Hooks;
use cfr_sys::errno::Errno;
use cfr_sys::signal_name;
use core::fmt;
use core::str;

/// The words of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Word {
    /// `error=`
    Error,
    /// `short=`
    Short,
    /// `zero`
    Zero,
    /// `delay_enter=`
    DelayEnter,
    /// `delay_exit=`
    DelayExit,
    /// `signal=`
    Signal,
    /// `when=`
    When,
    /// `per=`
    Scope,
    /// `prob=`
    Prob,
    /// `seed=`
    Seed,
    /// `path=`
    Path,
    /// `hook=`
    Hook,
}

/// Every word, and what may stand behind it.
pub const WORDS: [(Word, &str, &str); 12] = [
    (Word::Error, "error", "error=ERRNO: EXDEV, ENOSPC, ..."),
    (Word::Short, "short", "short=BYTES (1 and more; K, M, G), short=1% to short=99%"),
    (Word::Zero, "zero", "zero, without a value"),
    (Word::DelayEnter, "delay_enter", "delay_enter=TIME: 2000, 2000us, 10ms, 1s"),
    (Word::DelayExit, "delay_exit", "delay_exit=TIME: 2000, 2000us, 10ms, 1s"),
    (Word::Signal, "signal", "signal=NAME: SIGUSR1, USR1, 10, SIGRTMIN+1"),
    (Word::When, "when", "when=FIRST[..LAST][+[STEP]], from 1: 2, 2+, 1+3, 2..9, 2..9+3"),
    (Word::Scope, "per", "per=process, per=thread, per=path"),
    (Word::Prob, "prob", "prob=P: above 0 up to 1, e.g. 0.05, or 5%"),
    (Word::Seed, "seed", "seed=N, with prob="),
    (Word::Path, "path", "path=GLOB: *.db, /srv/*; \\: and \\; are a colon and a semicolon"),
    (
        Word::Hook,
        "hook",
        "hook=copy_file_range, syscall, ioctl, sendfile, sendfile64; several with commas between",
    ),
];

/// All of it in one line.
pub const LEGAL: &str = "error=ERRNO, short=BYTES or N%, zero, delay_enter=TIME, delay_exit=TIME, signal=NAME; \
                         with : between them and when= per= prob= seed= path= hook=; several faults with ; between";

/// What is wrong with a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseErrorKind {
    /// There is none of that name.
    NoWord,
    /// Its value cannot be used.
    Value(Word),
    /// It stands there for the second time.
    Again,
    /// Another has decided already how the call is answered.
    SecondAct,
    /// The fault does nothing.
    NoEffect,
    /// A seed without a probability.
    NoChance,
    /// There are more than [`MOST_FAULTS`].
    TooMany,
    /// The text that begins so is longer than a path may be.
    TooLong,
    /// None of its hooks is watched.
    OutOfReach,
}

/// A word of a fault that cannot be used, and where it stands. Shown as a part of a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError<'a> {
    /// The fault's number, from 1.
    pub fault: usize,
    /// The column within it at which the word begins, from 1, in bytes.
    pub column: usize,
    /// The word.
    pub word: &'a [u8],
    /// What is wrong with it.
    pub reason: ParseErrorKind,
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParseError { fault, column, word, reason } = self;
        let word = printable(word);
        write!(f, "'{word}' (fault {fault}, column {column}) ")?;
        match reason {
            ParseErrorKind::NoWord => write!(f, "is no word of a fault; legal: {LEGAL}"),
            ParseErrorKind::Value(word) => {
                let legal = WORDS.iter().find(|row| row.0 == *word).map_or("", |row| row.2);
                write!(f, "is not usable; legal: {legal}")
            }
            ParseErrorKind::Again => f.write_str("stands there twice"),
            ParseErrorKind::SecondAct => {
                f.write_str("is one answer too many: error, short or zero")
            }
            ParseErrorKind::NoEffect => f.write_str(
                "does nothing; add error, short, zero, delay_enter, delay_exit or signal",
            ),
            ParseErrorKind::NoChance => f.write_str("needs prob="),
            ParseErrorKind::TooMany => write!(f, "is too much: at most {MOST_FAULTS} faults"),
            ParseErrorKind::TooLong => f.write_str("... is too long: at most 4095 bytes"),
            ParseErrorKind::OutOfReach => {
                f.write_str("is only for hooks that are not watched (CFR_HOOKS)")
            }
        }
    }
}

/// One fault's text.
#[derive(Clone, Copy)]
pub(super) struct Expression<'a> {
    text: &'a [u8],
    number: usize,
}

/// The faults of a text, with `;` between; of empty ones nothing is said.
pub(super) fn expressions(text: &[u8]) -> impl Iterator<Item = Expression<'_>> {
    let texts = pieces(text, b';').map(|(_, text)| text.trim_ascii());
    let texts = texts.filter(|text| !text.is_empty());
    texts.zip(1..).map(|(text, number)| Expression { text, number })
}

/// The pieces between unescaped separators, each with the place where it begins.
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

impl<'a> Expression<'a> {
    /// That the fault as a whole cannot be used.
    pub(super) fn refused(self, reason: ParseErrorKind) -> ParseError<'a> {
        ParseError { fault: self.number, column: 1, word: self.text, reason }
    }

    pub(super) fn fault(self) -> Result<Fault<'a>, ParseError<'a>> {
        let mut fault = Fault::NONE;
        let mut seen = 0u16;
        let mut seed = None;
        for (start, word) in pieces(self.text, b':') {
            let refused =
                |reason| ParseError { fault: self.number, column: start + 1, word, reason };
            let equals = word.iter().position(|&byte| byte == b'=');
            let (name, value) = match equals.and_then(|at| word.split_at_checked(at)) {
                Some((name, value)) => (name, value.get(1..)),
                None => (word, None),
            };
            let known = WORDS.iter().find(|row| row.1.as_bytes() == name);
            let &(which, ..) = known.ok_or(refused(ParseErrorKind::NoWord))?;
            let bit = 1 << which as u8;
            if seen & bit != 0 {
                return Err(refused(ParseErrorKind::Again));
            }
            seen |= bit;
            if which == Word::Seed {
                seed = Some((value.and_then(number), refused(ParseErrorKind::NoChance)));
            }
            let act =
                take(&mut fault, which, value).ok_or(refused(ParseErrorKind::Value(which)))?;
            if act.is_some() && fault.act.is_some() {
                return Err(refused(ParseErrorKind::SecondAct));
            }
            fault.act = fault.act.or(act);
        }
        let has = |word: Word| seen & (1 << word as u8) != 0;
        if let Some((seed, misplaced)) = seed {
            let seed = seed.filter(|_| has(Word::Prob)).ok_or(misplaced)?;
            fault.chance.seed = seed;
        }
        let acts = [Word::DelayEnter, Word::DelayExit, Word::Signal].into_iter().any(has);
        if fault.act.is_none() && !acts {
            return Err(self.refused(ParseErrorKind::NoEffect));
        }
        Ok(fault)
    }
}

/// Takes one word into the fault; an act is returned. `None` where its value cannot be used.
fn take<'a>(fault: &mut Fault<'a>, word: Word, value: Option<&'a [u8]>) -> Option<Option<Action>> {
    if word == Word::Zero {
        return value.is_none().then_some(Some(Action::ReturnZero));
    }
    let value = value?;
    match word {
        Word::Error => return Errno::by_name(value).map(|errno| Some(Action::Fail(errno))),
        Word::Short => return most(value).map(|most| Some(Action::Short(most))),
        Word::Zero => {}
        Word::DelayEnter => fault.delay_enter_ns = time_ns(value)?,
        Word::DelayExit => fault.delay_exit_ns = time_ns(value)?,
        Word::Signal => fault.signal = Some(signal_name::by_name(value)?),
        Word::When => fault.when = when(value)?,
        Word::Scope => fault.per = per(value)?,
        Word::Prob => fault.chance.share = share(value)?,
        Word::Seed => drop(number(value)?),
        Word::Path => fault.path = Some(value).filter(|glob| !glob.is_empty()),
        Word::Hook => fault.hooks = Hooks::by_names(value)?,
    }
    (word != Word::Path || fault.path.is_some()).then_some(None)
}

/// Decimal digits alone.
fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// The digits in front, and the rest.
fn leading(value: &[u8]) -> Option<(u64, &[u8])> {
    let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let (digits, rest) = value.split_at_checked(end)?;
    Some((number(digits)?, rest))
}

fn most(value: &[u8]) -> Option<Limit> {
    let (count, unit) = leading(value)?;
    let shift = match unit {
        b"" => 0,
        b"K" | b"k" => 10,
        b"M" => 20,
        b"G" => 30,
        b"%" => {
            let percent = u8::try_from(count).ok()?;
            return (1..=99).contains(&percent).then_some(Limit::Percent(percent));
        }
        _ => return None,
    };
    let bytes = count.checked_mul(1 << shift)?;
    (bytes > 0).then_some(Limit::Bytes(bytes))
}

/// strace's units; a plain number is microseconds.
fn time_ns(value: &[u8]) -> Option<u64> {
    let (count, unit) = leading(value)?;
    let unit_ns = match unit {
        b"ns" => 1,
        b"" | b"us" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        _ => return None,
    };
    count.checked_mul(unit_ns)
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

fn per(value: &[u8]) -> Option<Scope> {
    Scope::ALL.into_iter().find(|(name, _)| name.as_bytes() == value).map(|(_, per)| per)
}

/// Up to nine digits behind the point, or whole percents.
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
        Faults::parse(text.as_bytes()).unwrap_err().to_string()
    }

    fn one(text: &str) -> Fault<'_> {
        let faults: Vec<_> = expressions(text.as_bytes()).map(|one| one.fault().unwrap()).collect();
        assert_eq!(faults.len(), 1, "{text}");
        faults[0]
    }

    #[test]
    fn every_word_is_taken() {
        let fault = one(
            "error=EXDEV:signal=SIGUSR1:delay_enter=10ms:delay_exit=2000:when=2..9+3:per=path:prob=0.25:\
             seed=42:path=/a\\:b\\;*:hook=ioctl,sendfile64",
        );
        let hooks = Hooks::NONE.with(Hook::Ioctl).with(Hook::Sendfile64);
        assert_eq!(
            fault,
            Fault {
                act: Some(Action::Fail(Errno::EXDEV)),
                signal: Some(10),
                delay_enter_ns: 10_000_000,
                delay_exit_ns: 2_000_000,
                when: When { first: 2, last: 9, step: 3 },
                per: Scope::Path,
                chance: Probability { share: 250_000_000, seed: 42 },
                path: Some(b"/a\\:b\\;*"),
                hooks,
            }
        );
        assert_eq!(one("zero").act, Some(Action::ReturnZero));
        assert_eq!(one("short=50%").act, Some(Action::Short(Limit::Percent(50))));
        assert_eq!(one("short=4M").act, Some(Action::Short(Limit::Bytes(4 << 20))));
        assert_eq!(one(" delay_exit=3ns ; ").delay_exit_ns, 3);
        assert_eq!(one("zero:prob=1").chance.share, Probability::WHOLE);
        assert_eq!(one("zero:prob=0.000000001").chance.share, 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, place, said) in [
            ("eror=EIO", "'eror=EIO' (fault 1, column 1)", "legal: error=ERRNO, "),
            ("zero;error=EXDEW", "'error=EXDEW' (fault 2, column 1)", "ERRNO"),
            ("error=EXDEV:whem=2", "'whem=2' (fault 1, column 13)", "is no word"),
            ("error=EXDEV:when=0", "'when=0' (fault 1, column 13)", "FIRST[..LAST]"),
            ("zero: when=2", "' when=2' (fault 1, column 6)", "is no word"),
            ("zero=1", "'zero=1' (fault 1, column 1)", "without a value"),
            ("zero:error=EIO", "'error=EIO' (fault 1, column 6)", "one answer too many"),
            ("zero:when=1:when=2", "'when=2' (fault 1, column 13)", "twice"),
            ("when=2", "'when=2' (fault 1, column 1)", "does nothing"),
            (" ; ", "' ; ' (fault 1, column 1)", "does nothing"),
            ("zero:seed=2", "'seed=2' (fault 1, column 6)", "needs prob="),
            ("zero:", "'' (fault 1, column 6)", "is no word"),
            ("zero:path=", "'path=' (fault 1, column 6)", "GLOB"),
            ("zero:hook=", "'hook=' (fault 1, column 6)", "copy_file_range"),
            ("zero:hook=ioctl,", "'hook=ioctl,' (fault 1, column 6)", "copy_file_range"),
            ("zero:per=file", "'per=file' (fault 1, column 6)", "per=thread"),
            ("signal=SIGNAL", "'signal=SIGNAL' (fault 1, column 1)", "SIGUSR1"),
            ("signal=32", "'signal=32' (fault 1, column 1)", "SIGUSR1"),
            ("error", "'error' (fault 1, column 1)", "ERRNO"),
            ("a\u{1b}b", "'a\\33b' (fault 1, column 1)", "is no word"),
        ] {
            let wrong = wrong(text);
            assert!(wrong.starts_with(place) && wrong.contains(said), "{text}: {wrong}");
        }
        let many = "zero;".repeat(MOST_FAULTS + 1);
        assert!(
            wrong(&many)
                .starts_with(&format!("'zero' (fault {}, column 1) is too much", MOST_FAULTS + 1))
        );
    }

    #[test]
    fn values_out_of_their_ranges_are_refused() {
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
        ] {
            assert!(wrong(value).contains("is not usable; legal: "), "{value}");
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_read() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let words = WORDS.iter().map(|row| row.1).chain([
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
                Err(misspelt) => assert!(misspelt.to_string().contains("column")),
            }
        }
        assert!(usable > 0);
    }
}
