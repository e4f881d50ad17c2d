//! Parses the tables of tests/data/.

use cfr_testkit::project;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Words of the form `key=value`.
pub type Words = BTreeMap<String, String>;

/// A row: a call, and its result in some dialects.
#[derive(Clone, Debug)]
pub struct Row {
    /// `file:line`.
    pub position: String,
    pub dialects: Vec<&'static str>,
    /// Files, descriptors and call for the driver, and settings for the library.
    pub words: Words,
    /// A number, the name of an errno, or `short`: more than 0 and less than `len`.
    pub result: String,
    /// The state afterwards. What is not named follows from the result.
    pub after: Words,
    /// The rule that the log must name, or `None` if it must name none.
    pub rule: Option<String>,
    /// The clauses of which the row is an example.
    pub clauses: Vec<String>,
}

/// Returns every row of the tables of cases.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in ["descriptors", "flags", "overlap", "offsets", "ends", "moving", "errors"] {
        for (place, columns) in lines(name) {
            let [dialects, files, call, result, after, rule, clauses] = &columns[..] else {
                panic!("{place}: expected 7 columns, found {}", columns.len());
            };
            let mut words = words(files);
            let call: Vec<_> = call.split_whitespace().collect();
            let [off_in, off_out, len, flags] = call[..] else {
                panic!("{place}: off_in off_out len flags");
            };
            for (key, value) in
                [("off_in", off_in), ("off_out", off_out), ("len", len), ("flags", flags)]
            {
                words.insert(key.into(), value.into());
            }
            rows.push(Row {
                dialects: named(dialects, &place),
                words,
                result: result.clone(),
                after: self::words(after),
                rule: (rule != "-").then(|| rule.clone()),
                clauses: list(clauses),
                position: place,
            });
        }
    }
    rows.extend(precedence_rows());
    rows
}

/// Returns rows for calls that break one rule, and two rules at once, in each dialect. The rule that
/// the dialect's order names first decides.
///
/// The orders are written from the documents, not from the library's tables.
fn precedence_rows() -> Vec<Row> {
    let mut conditions: BTreeMap<String, Vec<Words>> = BTreeMap::new();
    let mut rows = Vec::new();
    for (place, columns) in lines("precedence") {
        match &columns[..] {
            [kind, id, breaks] if kind == "condition" => {
                conditions.entry(id.clone()).or_default().push(words(breaks));
            }
            [kind, dialects, besides, order] if kind == "order" => {
                let (dialects, besides) = (named(dialects, &place), words(besides));
                let order: Vec<_> = order
                    .split('>')
                    .map(|step| step.trim().split_once(':').expect("rule:result"))
                    .collect();
                let spellings = |id: &str| {
                    let all = conditions.get(id).unwrap_or_else(|| panic!("{place}: {id}"));
                    all.iter().filter_map(|words| merged(words, &besides))
                };
                for (at, (first, result)) in order.iter().enumerate() {
                    let row = |what: &str, words| {
                        let signal = (*first == "file-size-limit").then_some("25");
                        let signal = signal.map(|signal| ("signal".into(), signal.into()));
                        Row {
                            position: format!("{place} {first}{what}"),
                            dialects: dialects.clone(),
                            words,
                            result: (*result).to_owned(),
                            after: signal.into_iter().collect(),
                            rule: Some((*first).to_owned()),
                            clauses: Vec::new(),
                        }
                    };
                    rows.extend(spellings(first).map(|words| row("", words)));
                    for (second, _) in order.iter().skip(at + 1) {
                        // The first combination whose words do not contradict each other.
                        let both = spellings(first).find_map(|one| {
                            spellings(second).find_map(|other| merged(&one, &other))
                        });
                        rows.extend(both.map(|words| row(&format!(" {second}"), words)));
                    }
                }
            }
            _ => panic!("{place}: neither a condition nor an order"),
        }
    }
    rows
}

/// Returns both sets of words, or `None` if they contradict each other.
fn merged(one: &Words, other: &Words) -> Option<Words> {
    let agree = one.iter().all(|(key, value)| other.get(key).is_none_or(|theirs| theirs == value));
    agree
        .then(|| one.iter().chain(other).map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// A clause of the documents.
pub struct Clause {
    pub id: String,
    pub dialect: String,
    pub text: String,
}

/// Returns every clause of tests/data/clauses.tsv.
pub fn clauses() -> Vec<Clause> {
    let text = fs::read_to_string(project().join("tests/data/clauses.tsv")).expect("the clauses");
    let clause = |line: &str| {
        let mut columns = line.split('\t').map(str::to_owned);
        let mut next = || columns.next().expect("id, dialect, clause");
        Clause { id: next(), dialect: next(), text: next() }
    };
    text.lines().skip(1).map(clause).collect()
}

/// Returns the clauses that no single call shows, with the test that covers them or the reason that
/// there is none.
pub fn elsewhere() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (place, columns) in lines("elsewhere") {
        let [clauses, test] = &columns[..] else { panic!("{place}: clauses and test") };
        assert!(test == "documentation only" || exists(test), "{place}: there is no test {test}");
        for clause in list(clauses) {
            found.insert(clause, test.clone());
        }
    }
    found
}

/// Reports whether the suite has a test of this name, `folder::file::test`.
fn exists(test: &str) -> bool {
    let (file, name) = test.rsplit_once("::").expect("folder::file::test");
    let path = project().join("tests").join(file.replace("::", "/")).with_extension("rs");
    fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("#[test]\nfn {name}(")))
}

/// Returns the rows of a table: position and columns.
fn lines(name: &str) -> Vec<(String, Vec<String>)> {
    let path: PathBuf = project().join("tests/data").join(name).with_extension("tbl");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            // A bar without spaces around it is in an expression of flags.
            let columns = line.split(" | ").map(|column| column.trim().to_owned());
            (format!("{name}:{}", number + 1), columns.collect())
        })
        .collect()
}

/// Parses a number with K, M, G or T, or the name of a limit, followed by +N or -N if wanted, as
/// c-tests/drivers/conformance.c does. Returns `None` for NULL and for invalid pointers.
pub fn number(text: &str) -> Option<i64> {
    const LIMITS: [(&str, i64); 2] = [("SSIZE_MAX", i64::MAX), ("LLONG_MAX", i64::MAX)];
    let text = text.strip_prefix("fixed:").unwrap_or(text);
    // A sign in front belongs to the number.
    let split = text.get(1..).and_then(|rest| rest.find(['+', '-']));
    let split = split.map_or(text.len(), |at| at + 1);
    let (number, more) = text.split_at(split);
    let more = if more.is_empty() { 0 } else { more.parse::<i64>().ok()? };
    if let Some((_, limit)) = LIMITS.iter().find(|(name, _)| *name == number) {
        return limit.checked_add(more);
    }
    let shift = "KMGT".find(|suffix| number.ends_with(suffix)).map_or(0, |at| 10 * (at + 1));
    let digits = number.trim_end_matches(['K', 'M', 'G', 'T']);
    digits.parse::<i64>().ok()?.checked_shl(u32::try_from(shift).ok()?)?.checked_add(more)
}

fn list(text: &str) -> Vec<String> {
    text.split_whitespace().filter(|word| *word != "-").map(str::to_owned).collect()
}

/// Parses `key=value` words. A word alone is `word=yes`; a dash means no words.
fn words(text: &str) -> Words {
    let pair = |word: &str| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word.to_owned(), "yes".to_owned()),
    };
    text.split_whitespace().filter(|word| *word != "-").map(pair).collect()
}

/// Parses a list of dialects: `all`, names, prefixes with a `*`; `-name` removes.
fn named(text: &str, place: &str) -> Vec<&'static str> {
    let mut chosen = Vec::new();
    for word in text.split_whitespace() {
        let (removes, pattern) = match word.strip_prefix('-') {
            Some(pattern) => (true, pattern),
            None => (false, word),
        };
        let fits = |name: &str| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => pattern == "all" || pattern == name,
        };
        let fitting: Vec<_> = cfr_engine::dialect::ALL
            .iter()
            .map(|dialect| dialect.name)
            .filter(|name| fits(name))
            .collect();
        assert!(!fitting.is_empty(), "{place}: unknown dialect {word}");
        if removes {
            chosen.retain(|name| !fitting.contains(name));
        } else {
            chosen.extend(fitting);
        }
    }
    chosen
}
