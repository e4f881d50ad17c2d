//! Parses a log: counts its calls, collects its messages, and checks that every line is whole.

use super::is_described;
use serde_json::Value;

/// The parsed lines of a log.
#[derive(Debug)]
pub struct LogLines {
    /// The number of lines that are calls.
    pub calls: usize,
    /// The number of calls that a fault delayed.
    pub delayed: usize,
    /// The other messages, except those about rules.
    pub messages: Vec<String>,
}

impl LogLines {
    /// Returns the sum of the lines that the messages report as lost. Panics for any other message.
    pub fn lost(&self) -> usize {
        self.messages
            .iter()
            .map(|message| {
                let number = message.strip_suffix(" lines lost");
                number.unwrap_or_else(|| panic!("{message}"))
            })
            .map(|number| number.parse::<usize>().expect("a number"))
            .sum()
    }
}

/// Parses a log in the format `text` or `json`. The error is the first line that is neither a whole
/// log line nor blank: the library blanks the place of a line that it could write only in part.
pub fn parse(format: &str, log: &[u8]) -> Result<LogLines, String> {
    match format {
        "text" => parse_text(log, ""),
        _ => parse_json(log),
    }
}

/// Parses a text log. `prefix` is `cfr: ` on standard error, where lines without it are the host's, and
/// empty in a file. The error is the first line that is not a whole log line.
pub fn parse_text(log: &[u8], prefix: &str) -> Result<LogLines, String> {
    let mut lines = LogLines { calls: 0, delayed: 0, messages: Vec::new() };
    let log = String::from_utf8_lossy(log);
    if prefix.is_empty() && !log.is_empty() && !log.ends_with('\n') {
        return Err(log.lines().last().unwrap_or_default().to_owned());
    }
    for line in log.lines() {
        if is_blank(line.as_bytes()) {
            continue;
        }
        let Some(line) = line.strip_prefix(prefix) else {
            // A line of the host. It must not contain a part of a log line.
            if CALLS.iter().any(|call| line.contains(call)) {
                return Err(line.to_owned());
            }
            continue;
        };
        if let Some(call) = parse_call(line) {
            if !is_call(&call) {
                return Err(line.to_owned());
            }
            lines.calls += 1;
            lines.delayed += usize::from(call.ends_with(", DELAYED)"));
        } else if is_remark(line) {
            // Names the rule that refused the call before it, or a request that is a near miss.
        } else if line.ends_with(" lines lost") {
            lines.messages.push(line.replacen("cfr: ", "", 1));
        } else {
            return Err(line.to_owned());
        }
    }
    Ok(lines)
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|&byte| byte == b' ')
}

/// Returns the call in a line of the text log, without process, time and duration. `None` if the line
/// is not a call's.
pub fn parse_call(line: &str) -> Option<String> {
    let mut words = line.splitn(3, ' ');
    words.next()?.parse::<u32>().ok()?;
    words.next()?.parse::<f64>().ok()?;
    let call = words.next()?;
    if call.contains(" = ? (") {
        return Some(call.to_owned());
    }
    let (call, duration) = call.rsplit_once(" <")?;
    duration.strip_suffix('>')?.parse::<f64>().ok()?;
    Some(call.to_owned())
}

/// Reports whether the line is `PID TIME --- LEVEL: rule ID: why (dialect; source) ---`, or the warning
/// of a near miss, and nothing else.
fn is_remark(line: &str) -> bool {
    let mut words = line.splitn(3, ' ');
    let origin = [words.next(), words.next()];
    let numbers = origin.iter().flatten().all(|word| word.parse::<f64>().is_ok());
    let message = words.next().unwrap_or_default();
    numbers
        && REMARKS.iter().any(|start| message.starts_with(start))
        && message.ends_with(") ---")
        && message.matches("---").count() == 2
}

/// Returns the line of a call without the rule that explains its error.
pub fn without_rule(line: &str) -> String {
    match line.split_once(", rule ") {
        Some((before, rest)) => {
            let end = rest.find([',', ')']).unwrap_or(rest.len());
            format!("{before}{}", &rest[end..])
        }
        None => line.to_owned(),
    }
}

/// The start of each kind of remark.
const REMARKS: [&str; 3] = ["--- debug: rule ", "--- warn: rule ", "--- warn: ioctl("];
/// The start of each kind of call.
const CALLS: [&str; 5] =
    ["copy_file_range(", "syscall(SYS_copy_file_range, ", "ioctl(", "sendfile(", "sendfile64("];
/// The values of a call's method.
const METHODS: [&str; 6] = ["kernel", "next", "reflink", "dedupe", "emulated", "none"];
/// The notes about shared blocks.
const SHARING: [&str; 3] = ["shared", "partly shared", "not shared"];

/// Reports whether the text is one call and nothing else.
fn is_call(call: &str) -> bool {
    let Some((call, notes)) = call.rsplit_once(" (") else { return false };
    let Some(notes) = notes.strip_suffix(')') else { return false };
    if call.ends_with(" = ?") {
        return notes.starts_with("let through: ") || notes == "unfinished";
    }
    let mut notes = notes.split(", ");
    CALLS.iter().any(|start| call.starts_with(start))
        && notes.next().is_some_and(|method| METHODS.contains(&method))
        && notes.all(|note| {
            note.starts_with("rule ")
                || note.starts_with("target ")
                || matches!(note, "INJECTED" | "DELAYED" | "supervised")
                || SHARING.contains(&note)
        })
        && call.matches(" = ").count() == 1
        && call.matches("SYS_").count() <= 1
}

fn parse_json(log: &[u8]) -> Result<LogLines, String> {
    let mut lines = LogLines { calls: 0, delayed: 0, messages: Vec::new() };
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let shown = || String::from_utf8_lossy(line).into_owned();
        if !line.ends_with(b"\n") {
            return Err(shown());
        }
        if line.strip_suffix(b"\n").is_some_and(is_blank) {
            continue;
        }
        let object: Value = serde_json::from_slice(line).map_err(|_| shown())?;
        is_described(&object).map_err(|problems| format!("{}{problems}", shown()))?;
        match object.get("message") {
            Some(message) => {
                lines.messages.push(message.as_str().expect("a message is text").to_owned());
            }
            None => {
                lines.calls += 1;
                lines.delayed += usize::from(object["delayed"] == true);
            }
        }
    }
    Ok(lines)
}
