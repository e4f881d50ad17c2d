//! What the library costs, each figure with its goal: `cargo bench --bench figures`, and after `--`
//! `--json`, or a part of it: `--comparison`, `--supervised`, `--lines`, `--copies`, `--sweep`.
#![allow(unreachable_pub, unsafe_code, reason = "a bench exports nothing")]
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

mod exact;

mod peer;

mod lttng;

mod timed;

mod table;

mod scale;

mod copies;

mod comparison;

mod supervised;

mod sweep;

use exact::{Calls, Driver, Goal, Shipped, Way};
use lttng::Lttng;
use peer::Format;
use scale::Costs;
use std::io::IsTerminal;
use std::iter;
use std::process::ExitCode;
use table::Figures;
use timed::{Load, Under};

const WITH_PATHS: Way = Way(Some(&["CFR_PATHS=yes"]));
const DEFAULTS: Way = Way(Some(&[]));

/// Each moves a byte into a pipe by sendfile(2).
const SENDFILE: Calls = Calls("sendfile");

/// A kind of line and the limits of its figures.
struct Line {
    name: &'static str,
    way: Way,
    instructions: Option<Goal>,
    writes: Option<Goal>,
    cpu: Option<Goal>,
}

const LINES: [Line; 3] = [
    Line {
        name: "text",
        way: Way::TEXT,
        instructions: Some(exact::TEXT_INSTRUCTIONS),
        writes: Some(exact::TEXT_WRITES),
        cpu: Some(timed::TEXT_CPU),
    },
    Line {
        name: "JSON",
        way: Way::JSON,
        instructions: Some(exact::JSON_INSTRUCTIONS),
        writes: None,
        cpu: None,
    },
    Line {
        name: "text with paths",
        way: WITH_PATHS,
        instructions: None,
        writes: None,
        cpu: Some(timed::PATHS_CPU),
    },
];

/// The lines that go to the launcher through memory, and the limits of their CPU time.
const PASSED_ON: [(&str, Format, Goal); 2] = [
    ("text", Format::Text, timed::PASSED_TEXT_CPU),
    ("JSON", Format::Json, timed::PASSED_JSON_CPU),
];

fn main() -> ExitCode {
    let mut as_json = false;
    let mut only = None;
    for word in std::env::args().skip(1) {
        match &*word {
            "--json" => as_json = true,
            "--comparison" => only = Some(compare as fn(&mut Figures, &Driver)),
            "--supervised" => only = Some(supervise),
            "--lines" => {
                only =
                    Some(|figures, driver| line_times(figures, driver, timed::others_cpu_share()))
            }
            "--copies" => only = Some(|figures, _| own_copies(figures)),
            "--sweep" => only = Some(|figures, _| default_sweep(figures)),
            // From cargo.
            "--bench" => {}
            _ => {
                eprintln!(
                    "figures: invalid argument {word:?}: \
                     expected --json, --comparison, --supervised, --lines, --copies or --sweep"
                );
                return ExitCode::from(2);
            }
        }
    }
    let mut figures = Figures::default();
    let busy = timed::others_cpu_share();
    figures.time("CPU time that other programs use at the start, %", busy * 100.0, "", None);
    match (Driver::new(), Shipped::new()) {
        (Ok(driver), _) if let Some(only) = only => only(&mut figures, &driver),
        (Ok(driver), Ok(shipped)) => {
            compare(&mut figures, &driver);
            supervise(&mut figures, &driver);
            unlogged(&mut figures, &driver);
            passed_on(&mut figures, &driver);
            emulated(&mut figures, &driver);
            logged(&mut figures, &driver);
            line_times(&mut figures, &driver, busy);
            threads(&mut figures, &driver);
            load(&mut figures, &shipped);
            default_sweep(&mut figures);
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

/// The library beside other tools.
fn compare(figures: &mut Figures, driver: &Driver) {
    for (name, ratio, detail) in comparison::measure(driver) {
        match ratio {
            Ok(ratio) => figures.time(&name, ratio, &detail, None),
            Err(reason) => figures.missing(&name, &reason),
        }
    }
}

/// The supervisor beside strace, and what its filter costs.
fn supervise(figures: &mut Figures, driver: &Driver) {
    for (name, measured, detail, goal) in supervised::measure(driver) {
        match measured {
            Ok(measured) => figures.time(&name, measured, &detail, goal),
            Err(reason) => figures.missing(&name, &reason),
        }
    }
}

/// Calls that are only forwarded.
fn unlogged(figures: &mut Figures, driver: &Driver) {
    let more = |calls| driver.more_instructions(Way::OFF, calls);
    figures.exact(
        "unlogged call: instructions more than libc's",
        more(Calls::COPY),
        Some(exact::FORWARD_INSTRUCTIONS),
    );
    for calls in Calls::REFUSED {
        figures.exact(
            &format!("unlogged call that fails with {}: instructions more", calls.0),
            more(calls),
            Some(exact::REFUSED_INSTRUCTIONS),
        );
    }
    figures.exact(
        "unlogged call that fails with EPERM: instructions more",
        more(Calls::DENIED),
        None,
    );
    figures.exact(
        "unlogged call that fails with EPERM: system calls",
        driver.system_calls(Way::OFF, Calls::DENIED).map(|counts| counts.values().sum()),
        Some(exact::DENIED_SYSTEM_CALLS),
    );
    figures.exact(
        "unlogged call: system calls more",
        driver.more_system_calls(Way::OFF, Calls::COPY),
        Some(exact::FORWARD_SYSTEM_CALLS),
    );
    figures.exact(
        "call counted for a summary: system calls",
        driver.system_calls(Way::COUNTED, Calls::COPY).map(|counts| counts.values().sum()),
        Some(exact::COUNTED_SYSTEM_CALLS),
    );
    for (dialect, way) in exact::DIALECTS {
        let goal = (dialect == "extended").then_some(exact::DEFAULT_SYSTEM_CALLS);
        figures.exact(
            &format!("unlogged call, {dialect}: system calls"),
            driver.system_calls(way, Calls::COPY).map(|counts| counts.values().sum()),
            goal,
        );
    }
}

/// Calls that the library does not handle, by functions that its hooks replace.
fn passed_on(figures: &mut Figures, driver: &Driver) {
    let goal = Some(exact::PASSING_INSTRUCTIONS);
    for (name, way, calls, goal) in [
        ("syscall, another number", Way::TEXT, Calls::ANOTHER_NUMBER, goal.clone()),
        ("ioctl, another request", Way::TEXT, Calls::ANOTHER_REQUEST, goal),
        ("unlogged sendfile to a pipe", Way::OFF, SENDFILE, None),
    ] {
        figures.exact(
            &format!("{name}: instructions more than libc's"),
            driver.more_instructions(way, calls),
            goal,
        );
    }
}

/// Bytes that the library copies.
fn emulated(figures: &mut Figures, driver: &Driver) {
    let count = |calls| {
        let counts = driver.system_calls(Way::EMULATED, calls);
        counts.map(|counts| counts.values().sum())
    };
    figures.exact(
        "a byte copied by the library: system calls",
        count(Calls::APART),
        Some(exact::EMULATED_SYSTEM_CALLS),
    );
    let across = driver.system_calls(Way::ACROSS, Calls::ACROSS);
    figures.exact(
        "4 KiB copied by the library between filesystems: system calls",
        across.map(|counts| counts.values().sum()),
        Some(exact::ACROSS_SYSTEM_CALLS),
    );
    figures.exact(
        "a byte, from position to position in step: system calls",
        count(Calls::COPY),
        Some(exact::IN_STEP_SYSTEM_CALLS),
    );
}

/// Calls that are logged to a file on a tmpfs.
fn logged(figures: &mut Figures, driver: &Driver) {
    for Line { name, way, instructions, writes, .. } in LINES {
        figures.exact(
            &format!("{name} line: instructions added"),
            driver.more_instructions(way, Calls::COPY),
            instructions,
        );
        let counts = driver.system_calls(way, Calls::COPY);
        figures.exact(
            &format!("{name} line: system calls that write"),
            counts.as_ref().map(exact::writes).map_err(Clone::clone),
            writes,
        );
        if let Ok(counts) = counts {
            let all = counts.iter().map(|(name, count)| match count {
                1.0 => name.clone(),
                _ => format!("{name}*{count}"),
            });
            figures.names(&format!("{name} line: system calls"), all.collect(), None);
        }
    }
    for (name, way, format) in
        [("text", Way::TEXT, Format::Text), ("JSON", Way::JSON, Format::Json)]
    {
        let instructions = peer::library().and_then(|_| {
            driver.more_instructions_in(&peer::environment(driver, format), Calls::COPY)
        });
        let ratio = instructions
            .clone()
            .and_then(|theirs| Ok(driver.more_instructions(way, Calls::COPY)? / theirs));
        figures.exact(&format!("fmt layer, {name} line: instructions added"), instructions, None);
        figures.exact(&format!("{name} line: instructions against the fmt layer's"), ratio, None);
    }
}

/// The times of those calls above bare ones, and the same with other tools.
fn line_times(figures: &mut Figures, driver: &Driver, busy: f64) {
    let fmt_layer = [Format::Text, Format::Json].map(Under::FmtLayer);
    let strace = [Under::Strace, Under::StraceWithPaths];
    let mut ways: Vec<_> = LINES.iter().map(|line| Under::Library(line.way)).collect();
    ways.push(Under::Append);
    ways.extend(PASSED_ON.map(|(_, format, _)| Under::PassedOn(format)));
    ways.extend(PASSED_ON.map(|(_, format, _)| Under::Constant(format)));
    ways.extend(peer::library().is_ok().then_some(fmt_layer).into_iter().flatten());
    ways.extend(timed::has_strace().then_some(strace).into_iter().flatten());
    let lttng = Lttng::start(driver);
    ways.extend(lttng.is_ok().then_some(Under::Lttng));
    let added = timed::added(driver, &ways);
    let [text, json, with_paths] = LINES.map(|line| &added[&Under::Library(line.way)]);

    for (line, added) in LINES.iter().zip([text, json, with_paths]) {
        figures.above(
            &format!("{} line: us of CPU added", line.name),
            &added.cpu,
            line.cpu.clone(),
        );
    }
    for (name, format, goal) in PASSED_ON {
        let passed = &added[&Under::PassedOn(format)];
        let name = format!("{name} line through memory");
        figures.above(&format!("{name}: us of CPU added"), &passed.cpu, Some(goal));
        let least = &added[&Under::Constant(format)];
        figures.above("  its limit: the clocks, and a constant line copied", &least.cpu, None);
        if format == Format::Text {
            figures.time(
                &format!("{name}: times cheaper than by write(2), in CPU"),
                text.cpu.median / passed.cpu.median,
                &format!("by minima {:.1}", text.cpu.minimum / passed.cpu.minimum),
                Some(timed::PASSED_RATIO),
            );
        }
    }
    match &lttng {
        Ok(_) => {
            let name = "LTTng-UST, an event of four numbers: us of CPU added";
            figures.above(name, &added[&Under::Lttng].cpu, None);
        }
        Err(reason) => figures.missing("LTTng-UST: us of CPU added", reason),
    }
    drop(lttng);
    figures.above("text line: us added", &text.wall, None);
    figures.above("text with paths line: us added", &with_paths.wall, None);
    figures.above(
        "a line only written, by hand: us of CPU added",
        &added[&Under::Append].cpu,
        None,
    );

    match peer::library() {
        Ok(_) => {
            for (name, ours, format) in [("text", text, Format::Text), ("JSON", json, Format::Json)]
            {
                let theirs = &added[&Under::FmtLayer(format)];
                let name = format!("{name} line");
                figures.above(&format!("fmt layer, {name}: us of CPU added"), &theirs.cpu, None);
                figures.time(
                    &format!("{name}: CPU against the fmt layer's"),
                    ours.cpu.median / theirs.cpu.median,
                    &format!("by minima {:.2}", ours.cpu.minimum / theirs.cpu.minimum),
                    Some(timed::FMT_LAYER_RATIO),
                );
            }
        }
        Err(reason) => figures.missing("fmt layer: us of CPU added", &reason),
    }

    if !timed::has_strace() {
        figures.missing("strace: times a text line", "strace is not installed");
        return;
    }
    for (name, strace, goal) in [
        ("strace -f --seccomp-bpf", Under::Strace, timed::STRACE_RATIO),
        ("strace -f -y -T", Under::StraceWithPaths, timed::STRACE_WITH_PATHS_RATIO),
    ] {
        let theirs = &added[&strace];
        let cpu =
            format!("min {:.1}, the program's CPU {:.1}", theirs.wall.minimum, theirs.cpu.median);
        figures.time(&format!("{name}: us added"), theirs.wall.median, &cpu, None);
        let against = |ours: &timed::Added| {
            let by_minima = theirs.wall.minimum / ours.wall.minimum;
            (theirs.wall.median / ours.wall.median, format!("by minima {by_minima:.1}"))
        };
        let (ratio, detail) = against(text);
        figures.time(&format!("{name}: times a text line"), ratio, &detail, Some(goal));
        if strace == Under::Strace {
            let (ratio, detail) = against(&added[&Under::PassedOn(Format::Text)]);
            figures.time(
                &format!("{name}: times a text line through memory"),
                ratio,
                &detail,
                Some(timed::passed_strace_ratio(busy)),
            );
        }
        let (ratio, detail) = against(with_paths);
        figures.time(&format!("{name}: times one with paths"), ratio, &detail, None);
    }
}

/// Many threads and one log.
fn threads(figures: &mut Figures, driver: &Driver) {
    let costs = Costs::measure(driver, peer::library().is_ok());
    let text = Under::Library(Way::TEXT);
    let beside = |measure: &dyn Fn(Under) -> Option<f64>| {
        let fmt_layer = Under::FmtLayer(Format::Text);
        let passed_on = ("through memory", Under::PassedOn(Format::Text));
        let others = [passed_on, ("only written", Under::Append), ("fmt layer", fmt_layer)];
        let others = others.map(|(name, way)| Some(format!("{name} {:.2}", measure(way)?)));
        others.into_iter().flatten().collect::<Vec<_>>().join(", ")
    };
    for threads in iter::once(scale::ONE).chain(scale::MANY) {
        let throughput = |way| costs.throughput(way, threads);
        figures.time(
            &format!("threads, {threads}, text line: calls a second against bare"),
            throughput(text).expect("measured"),
            &beside(&throughput),
            None,
        );
    }
    for threads in scale::MANY {
        let growth = |way| costs.growth(way, threads);
        figures.time(
            &format!("threads, {threads}, text line: cost of a call against 1 thread"),
            growth(text).expect("measured"),
            &beside(&growth),
            None,
        );
    }
    figures.time(
        "threads, text line: the worst of these against a line only written",
        costs.worst_growth(text).expect("measured"),
        "",
        Some(scale::GROWTH),
    );
    let passed_on = Under::PassedOn(Format::Text);
    for threads in scale::MANY {
        figures.time(
            &format!(
                "threads, {threads}, through memory: growth of the cost against a bare append's"
            ),
            costs.growth_against_append(passed_on, threads).expect("measured"),
            "",
            (threads == 64).then_some(scale::PASSED_GROWTH),
        );
    }
}

/// All default faults, tried on cp(1).
fn default_sweep(figures: &mut Figures) {
    let (seconds, detail) = sweep::measure();
    figures.time(
        "default sweep of `cp a b`: seconds",
        seconds,
        &detail,
        Some(sweep::DEFAULT_SECONDS),
    );
}

/// Copies in the library.
fn own_copies(figures: &mut Figures) {
    copies::Places::new().measure(|(name, measured, detail, goal)| {
        // Last, because it takes minutes.
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

/// The cost of the library to a process.
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
        figures.time("loading, CFR_LOG=off: times libeatmydata's cost", off / peer, "", None);
        figures.exact(
            "loading, libeatmydata: instructions",
            exact::instructions_at_load(eatmydata.as_deref().expect("is there"), DEFAULTS),
            None,
        );
    } else {
        figures.missing("loading, libeatmydata: us of CPU added", "libeatmydata1 is not installed");
    }
    for (name, way, goal) in
        [("CFR_LOG=off", Way::OFF, Some(exact::LOAD_SYSTEM_CALLS)), ("logging", DEFAULTS, None)]
    {
        figures.exact(
            &format!("loading, {name}: instructions"),
            exact::instructions_at_load(&shipped.path, way),
            goal.is_some().then_some(exact::LOAD_INSTRUCTIONS),
        );
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
        "required",
        shipped.required.clone(),
        Some((exact::REQUIRED.join(" "), shipped.needs_nothing())),
    );
}
