//! The documents of the project, and what is prose in them.

use cfr_testkit::project;
use std::fs;
use std::path::Path;

/// A document, by its path in the repository.
pub struct Document {
    pub path: String,
    pub text: String,
}

/// The kind of a line of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Prose,
    Table,
    /// A line of a code block, a macro of mdoc(7), a comment, or a line without text.
    Other,
}

/// A line of a document, counted from 1.
pub struct Line {
    pub number: usize,
    pub kind: Kind,
    /// The line without code spans, targets of links and escapes.
    pub prose: String,
    pub raw: String,
}

/// Returns the Markdown documents and the manual pages, sorted by path.
pub fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    for name in ["README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY", "CHANGELOG"] {
        paths.push(format!("{name}.md"));
    }
    paths.push("tests/data/README.md".to_owned());
    add_files("docs", &mut paths);
    add_files("packaging", &mut paths);
    add_files("examples", &mut paths);
    add_files("crates", &mut paths);
    add_files("man", &mut paths);
    paths.retain(|path| path.ends_with(".md") || path.starts_with("man/"));
    paths.sort();
    let read = |path: String| {
        let text = fs::read_to_string(project().join(&path)).unwrap();
        Document { path, text }
    };
    paths.into_iter().map(read).collect()
}

/// Breaks a paragraph into lines of at most 100 columns.
pub fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut columns = 0;
    for word in paragraph.split(' ') {
        let len = word.chars().count();
        if columns > 0 && columns + 1 + len > 100 {
            text.push('\n');
            columns = 0;
        } else if columns > 0 {
            text.push(' ');
            columns += 1;
        }
        text.push_str(word);
        columns += len;
    }
    text
}

/// Adds the paths of all files below a folder of the repository.
pub fn add_files(folder: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(project().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            add_files(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

impl Document {
    pub fn folder(&self) -> String {
        let folder = Path::new(&self.path).parent().unwrap().display().to_string();
        if folder.is_empty() { "the top folder".to_owned() } else { folder }
    }

    pub fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    pub fn lines(&self) -> Vec<Line> {
        if self.is_markdown() { markdown(&self.text) } else { mdoc(&self.text) }
    }
}

/// Code is what is between fences, and what is indented by four columns after an empty line.
fn markdown(text: &str) -> Vec<Line> {
    let mut is_fenced = false;
    let mut is_code = false;
    let mut is_after_empty = true;
    let mut is_in_span = false;
    let mut is_in_target = false;
    let mut lines = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let start = raw.trim_start();
        let is_fence = start.starts_with("```");
        is_fenced ^= is_fence;
        let is_indented = raw.starts_with("    ") && !start.is_empty();
        is_code = is_indented && (is_after_empty || is_code);
        is_after_empty = start.is_empty();
        let kind = if is_fenced || is_fence || is_code || start.starts_with("<!--") {
            Kind::Other
        } else if start.starts_with('|') {
            Kind::Table
        } else if start.is_empty() {
            (is_in_span, is_in_target) = (false, false);
            Kind::Other
        } else {
            Kind::Prose
        };
        let mut prose = String::new();
        if kind != Kind::Other {
            let mut letters = raw.chars().peekable();
            while let Some(letter) = letters.next() {
                match letter {
                    '`' => is_in_span = !is_in_span,
                    ']' if !is_in_span && letters.peek() == Some(&'(') => is_in_target = true,
                    ')' if is_in_target => is_in_target = false,
                    letter if !is_in_span && !is_in_target => prose.push(letter),
                    _ => {}
                }
            }
        }
        lines.push(Line { number: index + 1, kind, prose, raw: raw.to_owned() });
    }
    lines
}

/// Prose is every line outside of literal displays that does not begin with a macro.
fn mdoc(text: &str) -> Vec<Line> {
    let mut is_literal = false;
    let mut lines = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        if raw.starts_with(".Bd") {
            is_literal = raw.contains("-literal") || raw.contains("-unfilled");
        } else if raw.starts_with(".Ed") {
            is_literal = false;
        }
        let is_prose = !is_literal && !raw.starts_with(['.', '\'']) && !raw.is_empty();
        let kind = if is_prose { Kind::Prose } else { Kind::Other };
        let prose = if is_prose { without_escapes(raw) } else { String::new() };
        lines.push(Line { number: index + 1, kind, prose, raw: raw.to_owned() });
    }
    lines
}

/// Leaves out the escapes of roff(7): `\&`, `\(em`, `\e`.
fn without_escapes(line: &str) -> String {
    let mut text = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next() == Some('(') => {
                letters.nth(1);
            }
            '\\' => {}
            letter => text.push(letter),
        }
    }
    text
}

#[test]
fn code_is_no_prose() {
    let text = "A `who` and a [who](who.md), \
                then\n\n    who\n\n```sh\nwho\n```\n| who |\n* who\n  who\n<!-- who -->\n";
    let kinds: Vec<_> = markdown(text).iter().map(|line| line.kind).collect();
    use Kind::{Other, Prose, Table};
    let expected = [Prose, Other, Other, Other, Other, Other, Other, Table, Prose, Prose, Other];
    assert_eq!(kinds, expected);
    assert_eq!(markdown(text)[0].prose, "A  and a [who, then");
    let page = ".It Fl who\nA \\(em B\n.Bd -literal\nwho\n.Ed\nwho\n";
    let kinds: Vec<_> = mdoc(page).iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [Other, Prose, Other, Other, Other, Prose]);
    assert_eq!(mdoc(page)[1].prose, "A  B");
}
