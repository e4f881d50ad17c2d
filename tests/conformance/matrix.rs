//! The matrix: dialect by clause and by rule, what was tried and what came of it.

use crate::Tried;
use crate::case::{Ending, Under};
use crate::table::{clauses, elsewhere};
use cfr_engine::dialect;
use cfr_testkit::project;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// How many cases ended how.
#[derive(Clone, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// By reason.
    not_applicable: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, ending: &Ending) {
        match ending {
            Ending::Passed => self.passed += 1,
            Ending::Failed(_) => self.failed += 1,
            Ending::NotApplicable(reason) => {
                *self.not_applicable.entry(reason.clone()).or_default() += 1;
            }
        }
    }

    fn line(&self) -> String {
        let total: usize = self.not_applicable.values().sum();
        let reasons: Vec<_> =
            self.not_applicable.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let mut line =
            format!("{:>5} passed {:>3} failed {total:>4} n/a", self.passed, self.failed);
        if !reasons.is_empty() {
            let _ = write!(line, " ({})", reasons.join("; "));
        }
        line
    }
}

/// All that was tried, sorted.
pub struct Matrix {
    /// By dialect.
    dialects: BTreeMap<&'static str, Tally>,
    /// By dialect and clause.
    clauses: BTreeMap<(&'static str, String), Tally>,
    /// By dialect and rule.
    rules: BTreeMap<(&'static str, String), Tally>,
    /// All rows with the library's own copy.
    emulation: Tally,
    /// The Linux rows without the library.
    kernel: Tally,
    elsewhere: BTreeMap<String, String>,
}

impl Matrix {
    /// Sorts the cases.
    pub fn new(tried: &[Tried<'_>]) -> Matrix {
        let mut matrix = Matrix {
            dialects: BTreeMap::new(),
            clauses: BTreeMap::new(),
            rules: BTreeMap::new(),
            emulation: Tally::default(),
            kernel: Tally::default(),
            elsewhere: elsewhere(),
        };
        for case in tried {
            let dialect = match case.under {
                Under::Library(dialect) => dialect,
                Under::Emulation(_) => {
                    matrix.emulation.add(&case.ending);
                    continue;
                }
                Under::Kernel => {
                    matrix.kernel.add(&case.ending);
                    continue;
                }
            };
            matrix.dialects.entry(dialect).or_default().add(&case.ending);
            for clause in &case.row.clauses {
                matrix.clauses.entry((dialect, clause.clone())).or_default().add(&case.ending);
            }
            if let Some(rule) = &case.row.rule {
                matrix.rules.entry((dialect, rule.clone())).or_default().add(&case.ending);
            }
        }
        matrix
    }

    /// What nothing holds: clauses and rules without a row that passed somewhere, and names that
    /// mean nothing.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let all = clauses();
        let ids: BTreeSet<_> = all.iter().map(|clause| clause.id.as_str()).collect();
        for (_, clause) in self.clauses.keys() {
            if !ids.contains(clause.as_str()) {
                gaps.push(format!("{clause}: no such clause"));
            }
        }
        let tests = test_names();
        for clause in &all {
            let dialect = dialect::ALL.iter().find(|dialect| dialect.name == clause.dialect);
            let name = dialect.expect("a clause is of a dialect").name;
            let held = self.clauses.get(&(name, clause.id.clone()));
            match (held, self.elsewhere.get(&clause.id)) {
                (Some(tally), _) if tally.passed > 0 => {}
                (_, Some(test)) if test.starts_with("documentation") || tests.contains(test) => {}
                (_, Some(test)) => gaps.push(format!("{}: there is no test {test}", clause.id)),
                _ => {
                    gaps.push(format!("{}: no row of {name} holds it: {}", clause.id, clause.text))
                }
            }
        }
        for dialect in dialect::ALL {
            for rule in dialect.rules {
                let held = self.rules.get(&(dialect.name, rule.id.to_owned()));
                if held.is_none_or(|tally| tally.passed == 0) {
                    gaps.push(format!("{}: no row breaks rule {}", dialect.name, rule.id));
                }
            }
        }
        for (name, rule) in self.rules.keys() {
            let dialect = dialect::Dialect::by_name(name.as_bytes()).expect("from the table");
            if dialect.rules.iter().all(|row| row.id != rule) {
                gaps.push(format!("{name} has no rule {rule}"));
            }
        }
        gaps
    }

    /// Dialect by clause, then by rule.
    pub fn in_full(&self) -> String {
        let mut text = String::new();
        let all = clauses();
        for dialect in dialect::ALL {
            let _ = writeln!(text, "{}: {}", dialect.name, dialect.about);
            for clause in all.iter().filter(|clause| clause.dialect == dialect.name) {
                let held = self.clauses.get(&(dialect.name, clause.id.clone()));
                let held = match (held, self.elsewhere.get(&clause.id)) {
                    (Some(tally), _) => tally.line(),
                    (None, Some(test)) => format!("      {test}"),
                    (None, None) => "      nothing".to_owned(),
                };
                let _ = writeln!(text, "  {:8} {held}\n           {}", clause.id, clause.text);
            }
            for rule in dialect.rules {
                let held = self.rules.get(&(dialect.name, rule.id.to_owned()));
                let held = held.map_or_else(|| "      nothing".to_owned(), Tally::line);
                let _ = writeln!(text, "  rule {:20} {held}", rule.id);
            }
            text.push('\n');
        }
        let _ = writeln!(text, "all rows, CFR_BACKEND=emulate: {}\n", self.emulation.line());
        let _ = writeln!(text, "the kernel alone, in rows of linux-5.19: {}\n", self.kernel.line());
        text
    }

    /// A line a dialect, as docs/results/conformance.md shows it.
    pub fn totals(&self) -> String {
        let mut text = String::from(
            "| dialect | clauses | rules | cases passed | failed | not applicable |\n\
             |---|---|---|---|---|---|\n",
        );
        let all = clauses();
        for dialect in dialect::ALL {
            let clauses = all.iter().filter(|clause| clause.dialect == dialect.name).count();
            let clauses = if clauses == 0 { "-".to_owned() } else { clauses.to_string() };
            let tally = self.dialects.get(dialect.name).cloned().unwrap_or_default();
            row(&mut text, dialect.name, &clauses, &dialect.rules.len().to_string(), &tally);
        }
        row(&mut text, "all, CFR_BACKEND=emulate", "-", "-", &self.emulation);
        row(&mut text, "the kernel alone", "-", "-", &self.kernel);
        text
    }

    /// How docs/results/conformance.md differs; `UPDATE=1` writes the totals there.
    pub fn compare_page(&self) -> Option<String> {
        let marks = [
            "<!-- conformance: generated, UPDATE=1 make conformance -->\n",
            "<!-- end of conformance -->",
        ];
        let path = project().join("docs/results/conformance.md");
        let page = fs::read_to_string(&path).expect("the page");
        let (before, rest) = page.split_once(marks[0]).expect("the page marks the table's begin");
        let (shown, after) = rest.split_once(marks[1]).expect("the page marks the table's end");
        let totals = self.totals();
        if std::env::var_os("UPDATE").is_some() {
            let page = [before, marks[0], &totals, marks[1], after].concat();
            fs::write(&path, page).expect("the page");
            return None;
        }
        (shown != totals).then(|| format!("docs/results/conformance.md has other totals:\n{shown}"))
    }
}

fn row(text: &mut String, name: &str, clauses: &str, rules: &str, tally: &Tally) {
    let not_applicable: usize = tally.not_applicable.values().sum();
    let (passed, failed) = (tally.passed, tally.failed);
    let _ =
        writeln!(text, "| {name} | {clauses} | {rules} | {passed} | {failed} | {not_applicable} |");
}

/// The tests of the suite, as `module::name`.
fn test_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(project().join("tests")).expect("the tests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a test");
        for (at, _) in text.match_indices("#[test]\nfn ") {
            let name = text[at + "#[test]\nfn ".len()..].split('(').next().expect("a name");
            names.insert(format!("{module}::{name}"));
        }
    }
    names
}
