//! Parses expectations: `NAME OP NUMBER`, `KIND = WORD,...`, `KIND != WORD,...` or `no NAME`.

use super::expectation::{Comparison, Expectation, Kind, Meaning};
use super::quantity::{self, Quantity};
use crate::term::failure::{Failure, one_of, printable};
use std::ffi::OsStr;

/// A syntax error, and its position in characters, from 1.
#[derive(Debug, PartialEq, Eq)]
struct SyntaxError {
    column: usize,
    what: String,
}

/// Parses an expectation. Bytes that are not UTF-8 become U+FFFD, which no word contains.
pub(super) fn expectation(expression: &OsStr) -> Result<Expectation, Failure> {
    let expression = expression.to_string_lossy().into_owned();
    let meaning = Parser { all: &expression, rest: &expression }.meaning().map_err(
        |SyntaxError { column, what }| {
            Failure::new(format!("--expect '{}': column {column}: {what}", printable(&expression)))
        },
    )?;
    Ok(Expectation { expression, meaning })
}

struct Parser<'a> {
    all: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn meaning(mut self) -> Result<Meaning, SyntaxError> {
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
                            Kind::Error => "; for the number of errors use errors",
                            _ => "",
                        };
                        return Err(signs.error(
                            &format!("comparison of {}s", name.text),
                            &format!("= or !={hint}"),
                        ));
                    }
                };
                let words = self.kinds(kind)?;
                self.end(if is_negated {
                    Meaning::Never(words)
                } else {
                    Meaning::Only(kind, words)
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

    /// Parses the words after `method=`.
    fn kinds(&mut self, kind: Kind) -> Result<Vec<Quantity>, SyntaxError> {
        let mut found = Vec::new();
        loop {
            let word = self.word();
            let (quantity, what) = match kind {
                Kind::Method => (quantity::method(word.text), "method"),
                Kind::Hook => (quantity::hook(word.text), "hook"),
                Kind::Error => (quantity::error(word.text), "error"),
            };
            let expected = || match kind {
                Kind::Method => quantity::methods(),
                Kind::Hook => quantity::hooks(),
                Kind::Error => "a name of errno(3) such as EXDEV".to_owned(),
            };
            found.push(quantity.ok_or_else(|| word.error(what, &expected()))?);
            self.space();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => return Ok(found),
            }
        }
    }

    fn comparison(&mut self) -> Result<(Token<'a>, Comparison), SyntaxError> {
        let signs = self.while_is(|character| "<>=!~".contains(character));
        match Comparison::ALL.into_iter().find(|(name, _)| *name == signs.text) {
            Some((_, comparison)) => Ok((signs, comparison)),
            None => {
                let signs = if signs.text.is_empty() { self.anything() } else { signs };
                Err(signs.error("comparison", ">=, <=, >, <, =, == or !="))
            }
        }
    }

    /// Parses a number; a number of bytes may have a unit.
    fn number(&mut self, quantity: Quantity) -> Result<u64, SyntaxError> {
        const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
        let word = self.word();
        let digits = word.text.trim_end_matches(|character: char| !character.is_ascii_digit());
        let unit = word.text.strip_prefix(digits).unwrap_or_default();
        let unit = UNITS.into_iter().find(|(name, _)| unit.chars().eq([*name]));
        let shift = match unit {
            Some((_, shift)) if quantity.is_bytes() => shift,
            _ if digits == word.text => 0,
            Some(_) => {
                return Err(word.error("number", "one without unit; only bytes have units"));
            }
            None => u32::MAX,
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || shift == u32::MAX {
            let units = if quantity.is_bytes() { ", or one with K, M, G or T" } else { "" };
            return Err(word.error("number", &format!("0, 1, 2, ...{units}")));
        }
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        number.ok_or_else(|| word.error("number", "one less than 2^64"))
    }

    /// Fails if anything follows.
    fn end(mut self, meaning: Meaning) -> Result<Meaning, SyntaxError> {
        self.space();
        match self.rest {
            "" => Ok(meaning),
            _ => {
                let rest = self.anything();
                let what = format!("unexpected '{}' after the expectation", printable(rest.text));
                Err(SyntaxError { column: rest.column, what })
            }
        }
    }

    fn word(&mut self) -> Token<'a> {
        let word = self.while_is(|character| character.is_alphanumeric() || character == '_');
        if word.text.is_empty() { self.anything() } else { word }
    }

    /// Returns the text at this position, up to the next space.
    fn anything(&mut self) -> Token<'a> {
        self.while_is(|character| !character.is_whitespace())
    }

    fn while_is(&mut self, is_of_it: impl Fn(char) -> bool) -> Token<'a> {
        self.space();
        let rest = self.rest.trim_start_matches(is_of_it);
        let text = self.rest.strip_suffix(rest).unwrap_or_default();
        let before = self.all.strip_suffix(self.rest).unwrap_or_default();
        self.rest = rest;
        Token { text, column: before.chars().count() + 1 }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// A word of an expression, and its position.
struct Token<'a> {
    text: &'a str,
    column: usize,
}

impl Token<'_> {
    fn error(&self, what: &str, expected: &str) -> SyntaxError {
        let found = match self.text {
            "" => format!("missing {what}"),
            text => format!("invalid {what} '{}'", printable(text)),
        };
        SyntaxError { column: self.column, what: format!("{found}: expected {expected}") }
    }
}

fn not_counted(name: &Token) -> SyntaxError {
    let others = ["an errno name such as EXDEV", "method=", "hook=", "error=", "no"];
    name.error("name", &one_of(Quantity::names().into_iter().chain(others)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(expression: &str) -> SyntaxError {
        match (Parser { all: expression, rest: expression }).meaning() {
            Ok(_) => panic!("{expression:?} is legal"),
            Err(error) => error,
        }
    }

    #[test]
    fn legal_expectations_are_parsed() {
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
            assert!(expectation(OsStr::new(expression)).is_ok(), "{expression}");
        }
    }

    #[test]
    fn an_error_names_the_word_and_its_position() {
        for (expression, column, what) in [
            ("", 1, "missing name: expected calls, bytes, errors, "),
            ("cals>1", 1, "invalid name 'cals': expected calls, "),
            ("no", 3, "missing name: expected "),
            ("no exdev", 4, "invalid name 'exdev': "),
            ("no reflinks", 4, "invalid name 'reflinks': "),
            ("no method", 4, "invalid name 'method': "),
            ("calls", 6, "missing comparison: expected >=, <=, >, <, =, == or !="),
            ("calls=>1", 6, "invalid comparison '=>': expected >=, "),
            ("calls ~ 1", 7, "invalid comparison '~': "),
            ("calls 1", 7, "invalid comparison '1': "),
            ("calls>=", 8, "missing number: expected 0, 1, 2, ..."),
            ("calls>=one", 8, "invalid number 'one': expected 0, 1, 2, ..."),
            ("calls>=-1", 8, "invalid number '-1': "),
            ("calls>=1K", 8, "invalid number '1K': expected one without unit; only bytes have"),
            (
                "bytes>=1P",
                8,
                "invalid number '1P': expected 0, 1, 2, ..., or one with K, M, G or T",
            ),
            ("bytes>=KK", 8, "invalid number 'KK': "),
            ("bytes>=1KK", 8, "invalid number '1KK': "),
            ("bytes>=1.5M", 9, "unexpected '.5M' after the expectation"),
            ("bytes>=16777216T", 8, "invalid number '16777216T': expected one less than 2^64"),
            (
                "calls>=18446744073709551616",
                8,
                "invalid number '18446744073709551616': expected one",
            ),
            ("calls>=1 2", 10, "unexpected '2' after the expectation"),
            ("no error, no call", 9, "unexpected ',' after"),
            ("method=fast", 8, "invalid method 'fast': expected kernel, next, reflink, dedupe, "),
            ("method=reflink,", 16, "missing method: expected kernel, "),
            ("method>reflink", 7, "invalid comparison of methods '>': expected = or !="),
            ("error>=1", 6, "invalid comparison of errors '>=': expected = or !=; for the number "),
            ("hook=window", 6, "invalid hook 'window': expected copy_file_range, syscall, ioctl, "),
            ("error=EFOO", 7, "invalid error 'EFOO': expected a name of errno(3) such as EXDEV"),
            ("é=1", 1, "invalid name 'é': "),
            ("calls=1 é!", 9, "unexpected 'é!' "),
            ("calls=\u{1b}[2J", 7, "invalid number '\\u{1b}[2J': "),
        ] {
            let error = error(expression);
            assert_eq!(error.column, column, "{expression:?}: {error:?}");
            assert!(error.what.starts_with(what), "{expression:?}: {error:?}");
        }
    }

    /// No input causes a panic, and the position of an error is inside the expression. Half of the
    /// expressions look like legal ones.
    #[test]
    fn random_words_are_parsed_or_refused() {
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
            match (Parser { all: &expression, rest: &expression }).meaning() {
                Ok(_) => legal += 1,
                Err(error) => {
                    assert!(error.column >= 1, "{expression:?}");
                    assert!(error.column <= expression.chars().count() + 1, "{expression:?}");
                    assert!(!error.what.contains(['\u{1b}', '\u{202e}', '\0', '\n']));
                }
            }
        }
        assert!(legal > 500, "{legal}: the random expressions are hardly ever legal");
    }
}
