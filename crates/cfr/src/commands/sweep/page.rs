//! The report as a page for a browser: the matrix, and what the program said in each case that did not
//! pass.

use super::matrix::Matrix;
use super::outcome::Outcome;
use super::report::{CaseReport, SweepReport};
use crate::html::number::{counted, grouped};
use crate::html::page::{self, Figure};
use crate::html::table::{Cell, Table, heads};
use crate::term::failure::{Failure, printable};
use askama::Template;
use cfr_shared::format::Time;

#[derive(Template)]
#[template(path = "sweep.html")]
struct Page<'a> {
    title: String,
    figures: Vec<Figure>,
    notices: Vec<String>,
    matrices: Vec<ShownMatrix<'a>>,
    groups: Vec<Group<'a>>,
    cases: Table,
}

/// The matrix of the cases after the same faults.
struct ShownMatrix<'a> {
    caption: String,
    matrix: Matrix<'a>,
    /// The number of its first case.
    first: usize,
}

/// Cases with details, under one heading.
struct Group<'a> {
    id: &'static str,
    title: String,
    /// Whether the details are shown at once.
    is_open: bool,
    cases: Vec<ShownCase<'a>>,
}

#[derive(Clone, Copy)]
struct ShownCase<'a> {
    /// Its place in the report.
    number: usize,
    case: &'a CaseReport,
}

/// Renders the report of a sweep.
pub(super) fn render(report: &SweepReport) -> Result<String, Failure> {
    let cases: Vec<_> =
        (1..).zip(&report.cases).map(|(number, case)| ShownCase { number, case }).collect();
    page::render(&Page {
        title: format!("Sweep of {}", report.program.join(" ")),
        figures: figures(report),
        notices: notices(report),
        matrices: matrices(&report.cases),
        groups: groups(&cases),
        cases: table(&cases),
    })
}

fn matrices(cases: &[CaseReport]) -> Vec<ShownMatrix<'_>> {
    let mut matrices = Vec::new();
    let mut first = 1;
    for cases in cases.chunk_by(|one, next| one.id.after == next.id.after) {
        let after = cases.first().and_then(|case| case.id.after.as_deref());
        let caption = match after {
            Some(after) => format!("After {after}"),
            None => "What the program did after each fault at each of its calls".to_owned(),
        };
        matrices.push(ShownMatrix { caption, matrix: Matrix::new(cases), first });
        first += cases.len();
    }
    matrices
}

impl<'a> ShownMatrix<'a> {
    /// Returns the case that says most of a cell.
    fn worst(&self, cell: &[usize]) -> Option<ShownCase<'a>> {
        let (index, case) = self.matrix.worst(cell)?;
        Some(ShownCase { number: self.first + index, case })
    }
}

impl ShownCase<'_> {
    fn style(self) -> &'static str {
        if self.case.bad { "bad" } else { self.case.outcome.name() }
    }

    fn has_details(self) -> bool {
        self.case.outcome != Outcome::Passed
    }

    /// Returns what the program and the check wrote.
    fn output(self) -> String {
        let lines: Vec<_> = self.case.output.lines().map(printable).collect();
        lines.join("\n")
    }

    fn took(self) -> String {
        Time(self.case.duration_ns).to_string()
    }

    fn injected(self) -> String {
        counted(self.case.injected, "call")
    }
}

fn figures(report: &SweepReport) -> Vec<Figure> {
    let mut figures = vec![
        Figure::new(
            "bad",
            report.bad.to_string(),
            if report.bad == 0 { "none is bad" } else { "in capitals" }.to_owned(),
        ),
        Figure::new(
            "cases",
            report.cases.len().to_string(),
            format!("in {}", Time(report.duration_ns)),
        ),
    ];
    if let Some(signal) = &report.interrupted {
        let more = "the other cases were not run".to_owned();
        figures.push(Figure::new("interrupted", signal.clone(), more));
    }
    for outcome in Outcome::ALL {
        let count = report.outcomes.get(outcome.name()).copied().unwrap_or(0);
        if count > 0 {
            figures.push(Figure::new(outcome.name(), count.to_string(), String::new()));
        }
    }
    let calls = report.baseline.hooks.iter();
    let calls = calls.map(|hook| format!("{} {}", grouped(hook.calls), hook.hook));
    figures.push(Figure::new(
        "without a fault",
        Time(report.baseline.duration_ns).to_string(),
        calls.collect::<Vec<_>>().join(", "),
    ));
    figures
}

fn notices(report: &SweepReport) -> Vec<String> {
    let mut notices: Vec<_> = report.targets.iter().map(|targets| format!("{targets}.")).collect();
    if !report.checked {
        let unchecked = "Without --check or --check-files, a wrong copy counts as passed.";
        notices.push(unchecked.to_owned());
    }
    notices
}

/// Returns the cases that did not pass, the bad ones first.
fn groups<'a>(cases: &[ShownCase<'a>]) -> Vec<Group<'a>> {
    let group = |id, title: &str, is_open, is_in: &dyn Fn(&CaseReport) -> bool| Group {
        id,
        title: title.to_owned(),
        is_open,
        cases: cases.iter().filter(|shown| is_in(shown.case)).copied().collect(),
    };
    let groups = [
        group("bad", "Bad cases", true, &|case| case.bad),
        group("failed", "Failures that the program reported", false, &|case| {
            !case.bad && !matches!(case.outcome, Outcome::Passed | Outcome::Missed)
        }),
        group("missed", "Faults that applied to no call", false, &|case| {
            !case.bad && case.outcome == Outcome::Missed
        }),
    ];
    groups.into_iter().filter(|group| !group.cases.is_empty()).collect()
}

fn table(cases: &[ShownCase]) -> Table {
    let row = |shown: &ShownCase| {
        let case = shown.case;
        let word = case.word();
        vec![
            if shown.has_details() {
                Cell::Link {
                    text: word,
                    to: format!("case-{}", shown.number),
                    style: shown.style(),
                }
            } else {
                Cell::Text(word)
            },
            Cell::Name(case.id.name.clone()),
            Cell::Text(case.why.clone()),
            Cell::Number(grouped(case.injected), case.injected),
            Cell::Number(shown.took(), case.duration_ns),
        ]
    };
    Table {
        id: "cases",
        caption: "Every case, fault by fault".to_owned(),
        heads: heads([
            ("outcome", false),
            ("case", false),
            ("why", false),
            ("calls hit", true),
            ("duration", true),
        ]),
        rows: cases.iter().map(row).collect(),
        others: None,
        is_data: true,
    }
}
