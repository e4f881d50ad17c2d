//! Reads expectations. `NAME OP NUMBER`, `KIND = WORD,...`, `KIND != WORD,...` or `no NAME`.

use super::expectation::{Claim, Comparison, Kind, Meaning};
use super::quantity::{self, Quantity};
use crate::term::failure::{Failure, plain};
use std::ffi::OsStr;

/// What is wrong with an expression, and at which of its characters, counted from 1.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    column: usize,
    what: String,
}

/// Reads one. What is no UTF-8 is no word of ours either.
pub(super) fn claim(expression: &OsStr) -> Result<Claim, Failure> {
    let expression = expression.to_string_lossy().into_owned();
    let meaning = Reader { all: &expression, rest: &expression }.meaning();
    let meaning = meaning.map_err(|Mistake { column, what }| {
        Failure::new(format!("--expect '{}': column {column}: {what}", plain(&expression)))
    })?;
    Ok(Claim { expression, meaning })
}

struct Reader<'a> {
    all: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn meaning(mut self) -> Result<Meaning, Mistake> {
        let name = self.word();
        if name.text == "no" {
            let name = self.word();
            return match Quantity::by_singular(name.text) {
                Some(quantity) => self.end(Meaning::Never(vec![quantity])),
                None => Err(not_counted(&name)),
            };
        }
        let kind = Kind::ALL.into_iter().find(|(word, _)| *word == name.text);
        match (kind, Quantity::by_name(name.text)) {
            (Some((_, kind)), _) => {
                let is_negated = match self.comparison()? {
                    (_, Comparison::Equal) => false,
                    (_, Comparison::NotEqual) => true,
                    (signs, _) => {
                        let hint = match kind {
                            Kind::Error => "; how many there are is errors",
                            _ => "",
                        };
                        return Err(signs.mistake(&format!(
                            "does not compare {}s; legal: =, !={hint}",
                            name.text
                        )));
                    }
                };
                let words = self.kinds(kind)?;
                self.end(match is_negated {
                    true => Meaning::Never(words),
                    false => Meaning::Only(kind, words),
                })
            }
            (None, Some(quantity)) => {
                let (_, comparison) = self.comparison()?;
                let number = self.number(quantity)?;
                self.end(Meaning::Count(quantity, comparison, number))
            }
            (None, None) => Err(not_counted(&name)),
        }
    }

    /// The words behind `method=`, with commas between.
    fn kinds(&mut self, kind: Kind) -> Result<Vec<Quantity>, Mistake> {
        let mut found = Vec::new();
        loop {
            let word = self.word();
            let (quantity, what) = match kind {
                Kind::Method => (quantity::method(word.text), "method"),
                Kind::Hook => (quantity::hook(word.text), "hook"),
                Kind::Error => (quantity::error(word.text), "error"),
            };
            let legal = || match kind {
                Kind::Method => quantity::methods(),
                Kind::Hook => quantity::hooks(),
                Kind::Error => "names of errno(3), as EXDEV".to_owned(),
            };
            let none = || word.mistake(&format!("is no {what}; legal: {}", legal()));
            found.push(quantity.ok_or_else(none)?);
            self.space();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => return Ok(found),
            }
        }
    }

    fn comparison(&mut self) -> Result<(Word<'a>, Comparison), Mistake> {
        let signs = self.while_is(|character| "<>=!~".contains(character));
        match Comparison::ALL.into_iter().find(|(name, _)| *name == signs.text) {
            Some((_, comparison)) => Ok((signs, comparison)),
            None => {
                let signs = if signs.text.is_empty() { self.anything() } else { signs };
                Err(signs.mistake("is no comparison; legal: >=, <=, >, <, =, ==, !="))
            }
        }
    }

    /// A number, of bytes with a unit.
    fn number(&mut self, quantity: Quantity) -> Result<u64, Mistake> {
        const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
        let word = self.word();
        let digits = word.text.trim_end_matches(|character: char| !character.is_ascii_digit());
        let unit = word.text.strip_prefix(digits).unwrap_or_default();
        let unit = UNITS.into_iter().find(|(name, _)| unit.chars().eq([*name]));
        let shift = match unit {
            Some((_, shift)) if quantity.is_bytes() => shift,
            _ if digits == word.text => 0,
            Some(_) => return Err(word.mistake("has a unit, which only bytes have")),
            None => u32::MAX,
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || shift == u32::MAX {
            let units = if quantity.is_bytes() { ", or one with K, M, G or T" } else { "" };
            return Err(word.mistake(&format!("is no number; legal: 0, 1, 2, ...{units}")));
        }
        let number = digits.parse::<u64>().ok();
        let number = number.and_then(|number| number.checked_mul(1 << shift));
        number.ok_or_else(|| word.mistake("is more than can be counted; legal: less than 2^64"))
    }

    /// Nothing may follow.
    fn end(mut self, meaning: Meaning) -> Result<Meaning, Mistake> {
        self.space();
        match self.rest {
            "" => Ok(meaning),
            _ => Err(self.anything().mistake("follows; an expectation ends before that")),
        }
    }

    fn word(&mut self) -> Word<'a> {
        let word = self.while_is(|character| character.is_alphanumeric() || character == '_');
        if word.text.is_empty() { self.anything() } else { word }
    }

    /// What stands here, up to the next space.
    fn anything(&mut self) -> Word<'a> {
        self.while_is(|character| !character.is_whitespace())
    }

    fn while_is(&mut self, is_of_it: impl Fn(char) -> bool) -> Word<'a> {
        self.space();
        let rest = self.rest.trim_start_matches(is_of_it);
        let text = self.rest.strip_suffix(rest).unwrap_or_default();
        let before = self.all.strip_suffix(self.rest).unwrap_or_default();
        self.rest = rest;
        Word { text, column: before.chars().count() + 1 }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// A piece of an expression.
struct Word<'a> {
    text: &'a str,
    column: usize,
}

impl Word<'_> {
    fn mistake(&self, what: &str) -> Mistake {
        let text = match self.text {
            "" => "what stands here".to_owned(),
            text => format!("'{}'", plain(text)),
        };
        Mistake { column: self.column, what: format!("{text} {what}") }
    }
}

fn not_counted(name: &Word) -> Mistake {
    let names = Quantity::names();
    name.mistake(&format!(
        "is nothing that is counted; legal: {names}, the name of an error (EXDEV), \
         method=, hook=, error=, no"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(expression: &str) -> Mistake {
        match (Reader { all: expression, rest: expression }).meaning() {
            Ok(_) => panic!("{expression:?} is legal"),
            Err(mistake) => mistake,
        }
    }

    #[test]
    fn what_is_legal() {
        for expression in [
            "calls>=1",
            "  calls  >=  1  ",
            "bytes=0",
            "bytes == 16777215T",
            "bytes<1K",
            "errors!=2",
            "programs>0",
            "end_of_file<=3",
            "reflink=1",
            "none=0",
            "ioctl>1",
            "syscall<18446744073709551615",
            "EXDEV>=1",
            "ENOTSUP=0",
            "method=reflink",
            "method = reflink , dedupe",
            "method==kernel",
            "method!=emulated",
            "hook=copy_file_range,syscall",
            "hook!=sendfile64",
            "error=EXDEV,EINVAL",
            "error!=EXDEV",
            "no error",
            "no errors",
            "no call",
            "no EXDEV",
            "no emulated",
            "no syscall",
            "no lines_lost",
        ] {
            assert!(claim(OsStr::new(expression)).is_ok(), "{expression}");
        }
    }

    #[test]
    fn what_is_not_is_named() {
        for (expression, column, what) in [
            ("", 1, "what stands here is nothing that is counted; legal: calls, bytes, "),
            ("cals>1", 1, "'cals' is nothing that is counted; legal: "),
            ("no", 3, "what stands here is nothing that is counted"),
            ("no exdev", 4, "'exdev' is nothing that is counted"),
            ("no reflinks", 4, "'reflinks' is nothing that is counted"),
            ("no method", 4, "'method' is nothing that is counted"),
            ("calls", 6, "what stands here is no comparison; legal: >=, <=, >, <, =, ==, !="),
            ("calls=>1", 6, "'=>' is no comparison"),
            ("calls ~ 1", 7, "'~' is no comparison"),
            ("calls 1", 7, "'1' is no comparison"),
            ("calls>=", 8, "what stands here is no number; legal: 0, 1, 2, ..."),
            ("calls>=one", 8, "'one' is no number"),
            ("calls>=-1", 8, "'-1' is no number"),
            ("calls>=1K", 8, "'1K' has a unit, which only bytes have"),
            ("bytes>=1P", 8, "'1P' is no number; legal: 0, 1, 2, ..., or one with K, M, G or T"),
            ("bytes>=KK", 8, "'KK' is no number"),
            ("bytes>=1KK", 8, "'1KK' is no number"),
            ("bytes>=1.5M", 9, "'.5M' follows"),
            ("bytes>=16777216T", 8, "'16777216T' is more than can be counted"),
            ("calls>=18446744073709551616", 8, "'18446744073709551616' is more than can be"),
            ("calls>=1 2", 10, "'2' follows; an expectation ends before that"),
            ("no error, no call", 9, "',' follows"),
            ("method=fast", 8, "'fast' is no method; legal: kernel, next, reflink, dedupe, "),
            ("method=reflink,", 16, "what stands here is no method"),
            ("method>reflink", 7, "'>' does not compare methods; legal: =, !="),
            ("error>=1", 6, "'>=' does not compare errors; legal: =, !=; how many there are is"),
            ("hook=window", 6, "'window' is no hook; legal: copy_file_range, syscall, ioctl, "),
            ("error=EFOO", 7, "'EFOO' is no error; legal: names of errno(3), as EXDEV"),
            ("é=1", 1, "'é' is nothing that is counted"),
            ("calls=1 é!", 9, "'é!' follows"),
            ("calls=\u{1b}[2J", 7, "'\\u{1b}[2J' is no number"),
        ] {
            let mistake = mistake(expression);
            assert_eq!(mistake.column, column, "{expression:?}: {mistake:?}");
            assert!(mistake.what.starts_with(what), "{expression:?}: {mistake:?}");
        }
    }

    /// No words make it panic; what is refused is refused within the expression. Half of the expressions
    /// are shaped like one.
    #[test]
    fn words_at_random() {
        const NAMES: [&str; 8] =
            ["calls", "bytes", "no", "method", "hook", "error", "EXDEV", "ioctl"];
        const SIGNS: [&str; 6] = ["=", "!=", ">=", "<", " ", "~"];
        const VALUES: [&str; 10] = [
            "1",
            "0K",
            "7T",
            "99999999999999999999",
            "reflink",
            "ioctl,syscall",
            "EXDEV",
            "error",
            "٣",
            "",
        ];
        const OTHERS: [&str; 10] =
            [",", "é", "\u{1b}", "\u{202e}", "-", "\0", "_", "\u{fffd}", "\n", "K"];
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut below = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % limit
        };
        let mut legal = 0;
        for round in 0..20_000 {
            let mut expression = String::new();
            let lists: [&[&str]; 4] = [&NAMES, &SIGNS, &VALUES, &OTHERS];
            for place in 0..if round % 2 == 0 { 3 } else { below(8) } {
                let list = lists[if round % 2 == 0 { place } else { below(4) }];
                expression.push_str(list[below(list.len())]);
            }
            match (Reader { all: &expression, rest: &expression }).meaning() {
                Ok(_) => legal += 1,
                Err(mistake) => {
                    assert!(mistake.column >= 1, "{expression:?}");
                    assert!(mistake.column <= expression.chars().count() + 1, "{expression:?}");
                    assert!(!mistake.what.contains(['\u{1b}', '\u{202e}', '\0', '\n']));
                }
            }
        }
        assert!(legal > 500, "{legal}: the words make hardly any sense");
    }
}
