//! Reading a log: how many calls it holds, what it says besides, and whether every line is whole.

use super::call;
use cfr_shared::format::JSON_KEYS;
use serde_json::Value;

/// A log that was read.
#[derive(Debug)]
pub struct Lines {
    /// The lines that are a call's.
    pub calls: usize,
    /// How many of them a fault has held up.
    pub delayed: usize,
    /// What is said besides, but for sentences about rules.
    pub messages: Vec<String>,
}

impl Lines {
    /// How many lines it says are lost.
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

/// Reads a log in this format, or finds the first line that is none.
pub fn parse(format: &str, log: &[u8]) -> Result<Lines, String> {
    match format {
        "text" => parse_text(log, ""),
        _ => parse_json(log),
    }
}

/// The text log; on standard error only what begins as it does.
pub fn parse_text(log: &[u8], prefix: &str) -> Result<Lines, String> {
    let mut lines = Lines { calls: 0, delayed: 0, messages: Vec::new() };
    let log = String::from_utf8_lossy(log);
    if prefix.is_empty() && !log.is_empty() && !log.ends_with('\n') {
        return Err(log.lines().last().unwrap_or_default().to_owned());
    }
    for line in log.lines() {
        let Some(line) = line.strip_prefix(prefix) else {
            // The host's own, which is compared elsewhere; but not with one of ours in it.
            if CALLS.iter().any(|call| line.contains(call)) {
                return Err(line.to_owned());
            }
            continue;
        };
        if let Some(call) = call(line) {
            if !is_call(&call) {
                return Err(line.to_owned());
            }
            lines.calls += 1;
            lines.delayed += usize::from(call.ends_with(", DELAYED)"));
        } else if is_sentence(line) {
            // It says which rule the call before it broke.
        } else if line.ends_with(" lines lost") {
            lines.messages.push(line.replacen("cfr: ", "", 1));
        } else {
            return Err(line.to_owned());
        }
    }
    Ok(lines)
}

/// `PID TIME --- LEVEL: rule ID: why (dialect; source) ---` and nothing before or behind it.
fn is_sentence(line: &str) -> bool {
    let mut words = line.splitn(3, ' ');
    let origin = [words.next(), words.next()];
    let numbers = origin.iter().flatten().all(|word| word.parse::<f64>().is_ok());
    let sentence = words.next().unwrap_or_default();
    numbers
        && ["--- info: rule ", "--- warn: rule "].iter().any(|start| sentence.starts_with(start))
        && sentence.ends_with(") ---")
        && sentence.matches("---").count() == 2
}

/// How the call of a line begins, and how it moved its bytes.
const CALLS: [&str; 5] =
    ["copy_file_range(", "syscall(SYS_copy_file_range, ", "ioctl(", "sendfile(", "sendfile64("];
const METHODS: [&str; 6] = ["kernel", "next", "reflink", "dedupe", "emulated", "none"];
const SHARING: [&str; 3] = ["shared", "partly shared", "not shared"];

/// One call and nothing behind it.
fn is_call(call: &str) -> bool {
    let Some((call, notes)) = call.rsplit_once(" (") else { return false };
    let Some(notes) = notes.strip_suffix(')') else { return false };
    let mut notes = notes.split(", ");
    CALLS.iter().any(|start| call.starts_with(start))
        && notes.next().is_some_and(|method| METHODS.contains(&method))
        && notes.all(|note| {
            note.starts_with("rule ")
                || note.starts_with("target ")
                || matches!(note, "INJECTED" | "DELAYED")
                || SHARING.contains(&note)
        })
        && call.matches(" = ").count() == 1
        && call.matches("SYS_").count() <= 1
}

fn parse_json(log: &[u8]) -> Result<Lines, String> {
    let mut lines = Lines { calls: 0, delayed: 0, messages: Vec::new() };
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let shown = || String::from_utf8_lossy(line).into_owned();
        if !line.ends_with(b"\n") {
            return Err(shown());
        }
        let object: Value = serde_json::from_slice(line).map_err(|_| shown())?;
        if JSON_KEYS.iter().any(|key| object.get(key).is_none()) {
            return Err(shown());
        }
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
