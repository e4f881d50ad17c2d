//! The matrix: the results by dialect and clause, and by dialect and rule.

use crate::CaseResult;
use crate::case::{Implementation, Verdict};
use crate::table::{clauses, elsewhere};
use cfr_engine::dialect;
use cfr_testkit::project;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// The number of cases by verdict.
#[derive(Clone, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// By reason.
    not_applicable: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::NotApplicable(reason) => {
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

/// The counts of all cases.
pub struct Matrix {
    /// By dialect.
    dialects: BTreeMap<&'static str, Tally>,
    /// By dialect and clause.
    clauses: BTreeMap<(&'static str, String), Tally>,
    /// By dialect and rule.
    rules: BTreeMap<(&'static str, String), Tally>,
    /// All rows with `CFR_BACKEND=emulate`.
    emulation: Tally,
    /// Rows with a setting, under the supervisor.
    supervisor: Tally,
    /// The rows of linux-5.19 without the library.
    kernel: Tally,
    /// Clauses without a row, and the test that covers them.
    elsewhere: BTreeMap<String, String>,
}

impl Matrix {
    /// Counts the cases.
    pub fn new(results: &[CaseResult<'_>]) -> Matrix {
        let mut matrix = Matrix {
            dialects: BTreeMap::new(),
            clauses: BTreeMap::new(),
            rules: BTreeMap::new(),
            emulation: Tally::default(),
            supervisor: Tally::default(),
            kernel: Tally::default(),
            elsewhere: elsewhere(),
        };
        for case in results {
            let dialect = match case.implementation {
                Implementation::Library(dialect) => dialect,
                Implementation::Emulation(_) => {
                    matrix.emulation.add(&case.verdict);
                    continue;
                }
                Implementation::Supervisor(_) => {
                    matrix.supervisor.add(&case.verdict);
                    continue;
                }
                Implementation::Kernel => {
                    matrix.kernel.add(&case.verdict);
                    continue;
                }
            };
            matrix.dialects.entry(dialect).or_default().add(&case.verdict);
            for clause in &case.row.clauses {
                matrix.clauses.entry((dialect, clause.clone())).or_default().add(&case.verdict);
            }
            if let Some(rule) = &case.row.rule {
                matrix.rules.entry((dialect, rule.clone())).or_default().add(&case.verdict);
            }
        }
        matrix
    }

    /// Returns a message for each clause and rule without a row that passed, and for each unknown name.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let all = clauses();
        let ids: BTreeSet<_> = all.iter().map(|clause| clause.id.as_str()).collect();
        for (_, clause) in self.clauses.keys() {
            if !ids.contains(clause.as_str()) {
                gaps.push(format!("{clause}: no such clause"));
            }
        }
        for clause in &all {
            let dialect = dialect::ALL.iter().find(|dialect| dialect.name == clause.dialect);
            let name = dialect.expect("a clause is of a dialect").name;
            let tally = self.clauses.get(&(name, clause.id.clone()));
            let has_row = tally.is_some_and(|tally| tally.passed > 0);
            if !has_row && !self.elsewhere.contains_key(&clause.id) {
                gaps.push(format!("{}: no row of {name} passed: {}", clause.id, clause.text));
            }
        }
        for dialect in dialect::ALL {
            for rule in dialect.rules {
                let tally = self.rules.get(&(dialect.name, rule.id.to_owned()));
                if tally.is_none_or(|tally| tally.passed == 0) {
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

    /// Returns the whole matrix: each dialect by clause, then by rule.
    pub fn full_text(&self) -> String {
        let mut text = String::new();
        let all = clauses();
        for dialect in dialect::ALL {
            let _ = writeln!(text, "{}: {}", dialect.name, dialect.about);
            for clause in all.iter().filter(|clause| clause.dialect == dialect.name) {
                let tally = self.clauses.get(&(dialect.name, clause.id.clone()));
                let result = match (tally, self.elsewhere.get(&clause.id)) {
                    (Some(tally), _) => tally.line(),
                    (None, Some(test)) => format!("      {test}"),
                    (None, None) => "      nothing".to_owned(),
                };
                let _ = writeln!(text, "  {:8} {result}\n           {}", clause.id, clause.text);
            }
            for rule in dialect.rules {
                let tally = self.rules.get(&(dialect.name, rule.id.to_owned()));
                let result = tally.map_or_else(|| "      nothing".to_owned(), Tally::line);
                let _ = writeln!(text, "  rule {:20} {result}", rule.id);
            }
            text.push('\n');
        }
        let _ = writeln!(text, "all rows, CFR_BACKEND=emulate: {}\n", self.emulation.line());
        let supervisor = self.supervisor.line();
        let _ = writeln!(text, "rows with a setting, under the supervisor: {supervisor}\n");
        let _ = writeln!(text, "the kernel alone, in rows of linux-5.19: {}\n", self.kernel.line());
        text
    }

    /// Returns the totals by dialect, as docs/results/conformance.md shows them.
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
        let supervisor = "rows with a setting, supervised";
        row(&mut text, supervisor, "-", "-", &self.supervisor);
        row(&mut text, "the kernel alone", "-", "-", &self.kernel);
        text
    }

    /// Returns how docs/results/conformance.md differs. `UPDATE=1` writes the totals instead.
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
