//! The table of all figures: rows of at most [`COLUMNS`] columns.

use crate::exact::Goal;
use crate::timed::Above;
use serde_json::{Value, json};

/// The most columns of a line.
const COLUMNS: usize = 100;
/// The columns of a figure's name, of its number and of its goal. Longer names are wrapped, and
/// longer numbers and goals are printed below their row.
const NAME: usize = 67;
const CELL: usize = 10;
/// How far what is below a row is indented.
const INDENT: usize = 4;

/// One row of the table.
struct Figure {
    name: String,
    measured: Value,
    /// The measured value in words.
    shown: String,
    /// What else was measured, or why nothing was.
    detail: String,
    goal: String,
    verdict: &'static str,
}

/// All rows.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// A figure that is the same in every run, or the reason why it is missing.
    pub fn exact(&mut self, name: &str, measured: Result<f64, String>, goal: Option<Goal>) {
        match measured {
            Ok(measured) => self.time(name, measured, "", goal),
            Err(reason) => self.missing(name, &reason),
        }
    }

    /// A number with a remark.
    pub fn time(&mut self, name: &str, measured: f64, detail: &str, goal: Option<Goal>) {
        let digits = if measured.abs() < 10.0 && measured.fract() != 0.0 { 2 } else { 0 };
        let met = goal.as_ref().map(|goal| goal.contains(&measured));
        self.0.push(Figure {
            name: name.to_owned(),
            measured: json!(measured),
            shown: format!("{measured:.digits$}"),
            detail: detail.to_owned(),
            goal: goal.as_ref().map_or_else(String::new, in_words),
            verdict: verdict(met),
        });
    }

    /// Microseconds above the bare calls.
    pub fn above(&mut self, name: &str, above: &Above, goal: Option<Goal>) {
        self.time(name, above.median, &format!("min {:.2}", above.minimum), goal);
    }

    /// A list, the goal in words and whether it is met.
    pub fn names(&mut self, name: &str, measured: Vec<String>, goal: Option<(String, bool)>) {
        let (goal, met) = goal.unzip();
        self.0.push(Figure {
            name: name.to_owned(),
            shown: measured.join(" "),
            measured: json!(measured),
            detail: String::new(),
            goal: goal.unwrap_or_default(),
            verdict: verdict(met),
        });
    }

    /// A figure that cannot be measured on this machine.
    pub fn missing(&mut self, name: &str, reason: &str) {
        self.0.push(Figure {
            name: name.to_owned(),
            measured: Value::Null,
            shown: "none".to_owned(),
            detail: reason.to_owned(),
            goal: String::new(),
            verdict: verdict(None),
        });
    }

    /// Prints the table.
    pub fn print(&self) {
        println!("{}", row("figure", "measured", "goal", "verdict"));
        for figure in &self.0 {
            for line in figure.lines() {
                println!("{line}");
            }
        }
    }

    /// Returns the table for programs.
    pub fn json(&self) -> Value {
        let figures = self.0.iter().map(|figure| {
            json!({
                "figure": figure.name,
                "measured": figure.measured,
                "shown": figure.shown,
                "detail": figure.detail,
                "goal": figure.goal,
                "verdict": figure.verdict,
            })
        });
        figures.collect()
    }
}

impl Figure {
    fn lines(&self) -> Vec<String> {
        let (mut below, mut cells) = (Vec::new(), [""; 2]);
        for (cell, (what, text)) in
            cells.iter_mut().zip([("measured", &self.shown), ("goal", &self.goal)])
        {
            if text.chars().count() <= CELL {
                *cell = text;
            } else {
                *cell = "below";
                below.push(format!("{what}: {text}"));
            }
        }
        below.extend((!self.detail.is_empty()).then(|| self.detail.clone()));
        let mut names = wrapped(&self.name, NAME).into_iter();
        let first = names.next().unwrap_or_default();
        let mut lines = vec![row(&first, cells[0], cells[1], self.verdict)];
        lines.extend(names.map(|name| format!("  {name}")));
        for text in below {
            let wrapped = wrapped(&text, COLUMNS - INDENT);
            lines.extend(wrapped.iter().map(|line| format!("{:INDENT$}{line}", "")));
        }
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:#?}");
        lines
    }
}

fn row(name: &str, measured: &str, goal: &str, verdict: &str) -> String {
    format!("{name:NAME$}  {measured:CELL$}  {goal:CELL$}  {verdict}").trim_end().to_owned()
}

/// Breaks a text into lines of at most so many columns, between words if it can.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let line = lines.last_mut().expect("there is one");
            let gap = usize::from(!line.is_empty());
            let used = line.chars().count() + gap;
            if used + rest.len() > columns && gap > 0 {
                lines.push(String::new());
                continue;
            }
            line.extend((gap > 0).then_some(' '));
            line.extend(rest.drain(..rest.len().min(columns - used)));
        }
    }
    lines
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "info",
    }
}

fn in_words(goal: &Goal) -> String {
    if goal.start() == goal.end() {
        goal.start().to_string()
    } else if goal.end().is_infinite() {
        format!(">= {}", goal.start())
    } else {
        format!("<= {}", goal.end())
    }
}
