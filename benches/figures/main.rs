//! `cargo bench --bench figures [-- --json]`: what the library costs, each figure with its goal.
#![allow(unreachable_pub, unsafe_code, reason = "nobody links a bench")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "prints a table")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be measured ends it"
)]

#[path = "../../tests/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use all of it")]
mod harness;

mod exact;

mod timed;

mod copies;

use exact::{Calls, Driver, Goal, Shipped, Way};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::process::ExitCode;
use timed::{Load, Under};

const JSON_LINES: Way = Way(Some(&["CFR_PATHS=no", "CFR_LOG_FORMAT=json"]));
const WITH_PATHS: Way = Way(Some(&["CFR_PATHS=yes"]));
const DEFAULTS: Way = Way(Some(&[]));

fn main() -> ExitCode {
    let mut as_json = false;
    for word in std::env::args().skip(1) {
        match &*word {
            "--json" => as_json = true,
            // From cargo.
            "--bench" => {}
            _ => {
                eprintln!("figures: unknown word {word:?}; the only flag is --json");
                return ExitCode::from(2);
            }
        }
    }
    let mut figures = Figures(Vec::new());
    match (Driver::new(), Shipped::new()) {
        (Ok(driver), Ok(shipped)) => {
            unlogged(&mut figures, &driver);
            emulated(&mut figures, &driver);
            logged(&mut figures, &driver);
            load(&mut figures, &shipped);
            own_copies(&mut figures);
            file(&mut figures, &shipped);
        }
        (Err(reason), _) | (_, Err(reason)) => {
            eprintln!("figures: {reason}");
            return ExitCode::FAILURE;
        }
    }
    if as_json {
        println!("{:#}", figures.json());
    } else {
        figures.print();
    }
    ExitCode::SUCCESS
}

/// Calls that only pass through.
fn unlogged(figures: &mut Figures, driver: &Driver) {
    let more = |calls| driver.more_instructions(Way::OFF, calls);
    figures.exact(
        "unlogged call: instructions more than libc's",
        more(Calls::Copy),
        Some(exact::FORWARD_INSTRUCTIONS),
    );
    figures.exact("unlogged call that fails: instructions more", more(Calls::Fail), None);
    figures.exact(
        "unlogged call: system calls more",
        driver.more_system_calls(Way::OFF, Calls::Copy),
        Some(exact::FORWARD_SYSTEM_CALLS),
    );
    for (dialect, way) in exact::DIALECTS {
        let goal = (dialect == "extended").then_some(exact::DEFAULT_SYSTEM_CALLS);
        figures.exact(
            &format!("unlogged call, {dialect}: system calls"),
            driver.system_calls(way, Calls::Copy).map(|counts| counts.values().sum()),
            goal,
        );
    }
}

/// Bytes that the library copies itself.
fn emulated(figures: &mut Figures, driver: &Driver) {
    let count = |calls| {
        let counts = driver.system_calls(Way::EMULATED, calls);
        counts.map(|counts| counts.values().sum())
    };
    figures.exact(
        "a byte copied by the library: system calls",
        count(Calls::Apart),
        Some(exact::EMULATED_SYSTEM_CALLS),
    );
    figures.exact(
        "the same, from position to position in step: system calls",
        count(Calls::Copy),
        None,
    );
}

/// Calls that become lines of a file on a tmpfs.
fn logged(figures: &mut Figures, driver: &Driver) {
    let ways = [("text", Way::TEXT), ("JSON", JSON_LINES), ("text with paths", WITH_PATHS)];
    for (name, way) in ways {
        let goal = |goal: Goal| (way == Way::TEXT).then_some(goal);
        figures.exact(
            &format!("{name} line: instructions added"),
            driver.more_instructions(way, Calls::Copy),
            goal(exact::TEXT_INSTRUCTIONS),
        );
        let counts = driver.system_calls(way, Calls::Copy);
        figures.exact(
            &format!("{name} line: system calls that write"),
            counts.as_ref().map(exact::writes).map_err(Clone::clone),
            goal(exact::TEXT_WRITES),
        );
        if let Ok(counts) = counts {
            let all: Vec<_> = counts.keys().cloned().collect();
            figures.names(&format!("{name} line: system calls"), all, None);
        }
    }

    let strace = timed::has_strace().then_some(Under::Strace);
    let library = [Way::BARE, Way::TEXT, JSON_LINES, WITH_PATHS].map(Under::Library);
    let all: Vec<_> = library.into_iter().chain(strace).collect();
    let mut times = timed::calls(driver, &all);
    let mut bare = times.remove(&Under::Library(Way::BARE)).unwrap_or_default();
    for (name, way) in ways {
        let time = times.entry(Under::Library(way)).or_default();
        let least = time.cpu.more_in_minimum(&mut bare.cpu);
        figures.time(
            &format!("{name} line: us of CPU added"),
            time.cpu.more_in_median(&mut bare.cpu),
            &format!("min {least:.2}"),
            (way == Way::TEXT).then_some(timed::TEXT_CPU),
        );
    }
    let mut text = times.remove(&Under::Library(Way::TEXT)).unwrap_or_default();
    let least_text = text.wall.more_in_minimum(&mut bare.wall);
    let text = text.wall.more_in_median(&mut bare.wall);
    figures.time("text line: us added", text, &format!("min {least_text:.2}"), None);
    let Some(mut strace) = times.remove(&Under::Strace) else {
        figures.missing("strace: times as much", "strace is not installed");
        return;
    };
    let least = strace.wall.more_in_minimum(&mut bare.wall);
    let added = strace.wall.more_in_median(&mut bare.wall);
    let cpu = strace.cpu.more_in_median(&mut bare.cpu);
    figures.time(
        "strace -f --seccomp-bpf: us added",
        added,
        &format!("min {least:.1}, the program's CPU {cpu:.1}"),
        None,
    );
    figures.time(
        "strace -f --seccomp-bpf: times as much",
        added / text,
        &format!("by minima {:.1}", least / least_text),
        Some(timed::STRACE_RATIO),
    );
}

/// Copies of the library's own.
fn own_copies(figures: &mut Figures) {
    copies::Places::new().measure(|(name, measured, detail, goal)| {
        // The rest of `make bench` is over by now, and this takes minutes.
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{name}");
        }
        match measured {
            Ok(measured) => figures.time(&name, measured, &detail, goal),
            Err(reason) => figures.missing(&name, reason.trim()),
        }
    });
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

/// What it costs a process to have the library.
fn load(figures: &mut Figures, shipped: &Shipped) {
    let mut loads = vec![
        Load::new("CFR_LOG=off", &shipped.path, Way::OFF),
        Load::new("logging", &shipped.path, DEFAULTS),
    ];
    let eatmydata = timed::eatmydata();
    if let Some(library) = &eatmydata {
        loads.push(Load::new("libeatmydata", library, DEFAULTS));
    }
    loads.push(Load::new("bare", &shipped.path, Way::BARE));
    timed::loads(&mut loads);
    let mut bare = loads.pop().expect("just pushed").cpu;
    for load in &mut loads {
        let low = load.cpu.more_in_p10(&mut bare);
        figures.time(
            &format!("loading, {}: us of CPU added", load.name),
            load.cpu.more_in_median(&mut bare),
            &format!("p10 {low:.0}"),
            (load.name != "libeatmydata").then_some(timed::LOAD_CPU),
        );
    }
    if eatmydata.is_some() {
        let [off, _, peer] = &mut loads[..] else { unreachable!("three were loaded") };
        let [off, peer] = [off, peer].map(|load| load.cpu.more_in_median(&mut bare));
        figures.add(
            "loading, CFR_LOG=off: times libeatmydata's cost",
            json!(off / peer),
            format!("{:.2}", off / peer),
            "hoped: <= 1".to_owned(),
            None,
        );
    } else {
        figures.missing("loading, libeatmydata: us of CPU added", "libeatmydata1 is not installed");
    }
    for (name, way, goal) in
        [("CFR_LOG=off", Way::OFF, Some(exact::LOAD_SYSTEM_CALLS)), ("logging", DEFAULTS, None)]
    {
        figures.exact(
            &format!("loading, {name}: system calls of our own"),
            exact::system_calls_at_load(&shipped.path, way),
            goal,
        );
    }
}

/// The library's file.
fn file(figures: &mut Figures, shipped: &Shipped) {
    figures.exact("stripped: bytes", Ok(shipped.bytes), Some(exact::SIZE));
    figures.names(
        "exported",
        shipped.exports.clone(),
        Some((exact::EXPORTS.join(" "), shipped.exports == exact::EXPORTS)),
    );
    figures.names(
        "needed",
        shipped.needed.clone(),
        Some(("libc, ld-linux".to_owned(), shipped.needs_nothing_else())),
    );
}

/// One row of the table.
struct Figure {
    name: String,
    measured: Value,
    /// The measured in words.
    shown: String,
    goal: String,
    verdict: &'static str,
}

struct Figures(Vec<Figure>);

impl Figures {
    /// A figure that comes out the same every time, or why there is none.
    fn exact(&mut self, name: &str, measured: Result<f64, String>, goal: Option<Goal>) {
        match measured {
            Ok(measured) => self.time(name, measured, "", goal),
            Err(reason) => self.missing(name, &reason),
        }
    }

    /// A number, with something to say about it.
    fn time(&mut self, name: &str, measured: f64, detail: &str, goal: Option<Goal>) {
        let digits = if measured.abs() < 10.0 && measured.fract() != 0.0 { 2 } else { 0 };
        let mut shown = format!("{measured:.digits$}");
        if !detail.is_empty() {
            shown = format!("{shown} ({detail})");
        }
        let met = goal.as_ref().map(|goal| goal.contains(&measured));
        let goal = goal.as_ref().map_or_else(String::new, in_words);
        self.add(name, json!(measured), shown, goal, met);
    }

    /// A list, the goal in words and whether it is met.
    fn names(&mut self, name: &str, measured: Vec<String>, goal: Option<(String, bool)>) {
        let shown = measured.join(" ");
        let (goal, met) = goal.unzip();
        self.add(name, json!(measured), shown, goal.unwrap_or_default(), met);
    }

    /// A figure that cannot be had here.
    fn missing(&mut self, name: &str, reason: &str) {
        self.add(name, Value::Null, reason.to_owned(), String::new(), None);
    }

    fn add(&mut self, name: &str, measured: Value, shown: String, goal: String, met: Option<bool>) {
        self.0.push(Figure {
            name: name.to_owned(),
            measured,
            shown,
            goal,
            verdict: match met {
                Some(true) => "met",
                Some(false) => "missed",
                None => "info",
            },
        });
    }

    fn print(&self) {
        let head = ["figure", "measured", "goal", "verdict"];
        let rows = self
            .0
            .iter()
            .map(|figure| [&*figure.name, &figure.shown, &figure.goal, figure.verdict]);
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        let [name, shown, goal, _] =
            [0, 1, 2, 3].map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
        for row in rows {
            println!("{:name$}  {:shown$}  {:goal$}  {}", row[0], row[1], row[2], row[3]);
        }
    }

    fn json(&self) -> Value {
        let figures = self.0.iter().map(|figure| {
            json!({
                "figure": figure.name,
                "measured": figure.measured,
                "shown": figure.shown,
                "goal": figure.goal,
                "verdict": figure.verdict,
            })
        });
        figures.collect()
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
