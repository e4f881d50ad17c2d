//! Counts the words by which docs/STYLE.md measures the prose of the documents.
//!
//! A word is a run of letters, digits, apostrophes, hyphens and underscores that begins with a
//! letter; upper and lower case are the same. These are left out: code blocks, code spans, targets
//! of links, comments, and in manual pages the lines of macros and literal displays. Tables count
//! for the upper limits only: a cell is a name or a fragment, which needs no `if`.
//!
//! A text with fewer than [`MIN_WORDS`] words is counted together with the other such texts of its
//! folder, because in a short text one word decides.

use super::texts::{Document, Kind, documents};
use std::collections::BTreeMap;
use std::fmt::Write;

const MIN_WORDS: usize = 1000;
const MAX_COLUMNS: usize = 100;

/// Per 1,000 words.
const MIN_IF: usize = 3;
const MAX_WHERE: usize = 2;
const MAX_WHO: usize = 1;
const WHO: [&str; 5] = ["who", "whoever", "whose", "nobody", "somebody"];

/// The words of one text, or of several short ones.
#[derive(Default)]
struct Count {
    /// Words outside of tables.
    prose: usize,
    tables: usize,
    ifs: usize,
    wheres: usize,
    whos: usize,
    /// The lines with `where` and with the words of [`WHO`].
    lines: String,
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let is_inside = |letter: char| letter.is_alphanumeric() || "'-_".contains(letter);
    text.split(move |letter| !is_inside(letter))
        .filter(|word| word.starts_with(char::is_alphabetic))
        .map(str::to_lowercase)
}

impl Count {
    fn of(document: &Document) -> Self {
        let mut count = Self::default();
        for line in document.lines() {
            let mut is_listed = false;
            for word in words(&line.prose) {
                match line.kind {
                    Kind::Prose => count.prose += 1,
                    Kind::Table => count.tables += 1,
                    Kind::Other => continue,
                }
                let (is_where, is_who) = (word == "where", WHO.contains(&word.as_str()));
                count.ifs += usize::from(word == "if" && line.kind == Kind::Prose);
                count.wheres += usize::from(is_where);
                count.whos += usize::from(is_who);
                is_listed |= is_where || is_who;
            }
            if is_listed {
                let path = &document.path;
                writeln!(count.lines, "    {path}:{}: {}", line.number, line.raw.trim()).unwrap();
            }
        }
        count
    }

    fn add(&mut self, other: &Self) {
        self.prose += other.prose;
        self.tables += other.tables;
        self.ifs += other.ifs;
        self.wheres += other.wheres;
        self.whos += other.whos;
        self.lines.push_str(&other.lines);
    }

    fn all(&self) -> usize {
        self.prose + self.tables
    }

    /// Returns what is wrong with the text, or nothing.
    fn problem(&self) -> Option<String> {
        let (prose, all) = (self.prose, self.all());
        let min_ifs = MIN_IF * prose / 1000;
        let max_wheres = (MAX_WHERE * all).div_ceil(1000);
        let max_whos = (MAX_WHO * all).div_ceil(1000);
        let is_good = self.ifs >= min_ifs && self.wheres <= max_wheres && self.whos <= max_whos;
        (!is_good).then(|| {
            format!(
                "{} `if` in {prose} words of prose (at least {min_ifs}), {} `where` (at most \
                 {max_wheres}) and {} of {WHO:?} (at most {max_whos}) in {all} words\n{}",
                self.ifs, self.wheres, self.whos, self.lines
            )
        })
    }
}

/// Counts each long text for itself, and the short ones of a folder together.
fn counts(documents: &[Document]) -> BTreeMap<String, Count> {
    let mut counts = BTreeMap::<String, Count>::new();
    for document in documents {
        let count = Count::of(document);
        let name = match count.all() {
            MIN_WORDS.. => document.path.clone(),
            _ => format!("short texts of {}", document.folder()),
        };
        counts.entry(name).or_default().add(&count);
    }
    counts
}

fn problems(documents: &[Document]) -> String {
    let counts = counts(documents);
    let problems = counts.iter().filter_map(|(name, count)| Some((name, count.problem()?)));
    problems.map(|(name, problem)| format!("{name}: {problem}")).collect()
}

#[test]
fn the_documents_have_the_words_of_the_style() {
    let problems = problems(&documents());
    assert!(problems.is_empty(), "docs/STYLE.md, Two numbers\n{problems}");
}

/// Tables, code and links have no place for a break; a manual page begins a line at each phrase.
#[test]
fn no_line_of_prose_is_too_long() {
    let mut long = String::new();
    for document in documents().iter().filter(|document| document.is_markdown()) {
        for line in document.lines().iter().filter(|line| line.kind == Kind::Prose) {
            let is_link = line.raw.contains("](") || line.raw.contains("://");
            if line.raw.chars().count() > MAX_COLUMNS && !is_link {
                let (path, number) = (&document.path, line.number);
                writeln!(long, "{path}:{number}: {}", line.raw).unwrap();
            }
        }
    }
    assert!(long.is_empty(), "more than {MAX_COLUMNS} columns:\n{long}");
}

#[test]
fn a_bad_text_is_found() {
    let page = |path: &str, sentence: &str, times: usize| Document {
        path: path.to_owned(),
        text: format!("{sentence}\n").repeat(times),
    };
    let good = "Use `where` if the kernel copies this file in one call of its own.";
    assert_eq!(problems(&[page("docs/good.md", good, 100)]), "");
    let without_if = "The kernel copies this file in one call of its own, each time.";
    let found = problems(&[page("docs/bad.md", without_if, 100)]);
    assert!(
        found.starts_with("docs/bad.md: 0 `if` in 1300 words of prose (at least 3)"),
        "{found}"
    );
    let with_who = "If a program knows whose file it is, who copies it, and where?";
    let found = problems(&[page("docs/bad.md", with_who, 100)]);
    assert!(found.contains("100 `where` (at most 3) and 200 of"), "{found}");
    assert!(found.contains("    docs/bad.md:100: If a program knows"), "{found}");

    // Short texts count together: in each of these two words of WHO would be one too many.
    let short = |path: &str, times| {
        let mut page = page(path, good, 40);
        page.text.push_str(&"Nobody knows.\n".repeat(times));
        page
    };
    assert_eq!(
        problems(&[short("docs/a.md", 2), short("docs/b.md", 0), short("docs/c.md", 0)]),
        ""
    );
    let found = problems(&[short("docs/a.md", 2), short("man/b.1", 0)]);
    assert!(found.starts_with("short texts of docs: "), "{found}");
    let found = problems(&[short("docs/a.md", 2), short("docs/b.md", 1)]);
    assert!(found.contains("docs/b.md:41: Nobody knows."), "{found}");
}

#[test]
fn tables_count_for_the_upper_limits_only() {
    let table = |cell: &str| Document {
        path: "docs/table.md".to_owned(),
        text: format!("| {cell} of the kernel |\n").repeat(400),
    };
    assert_eq!(problems(&[table("a rule")]), "");
    let found = problems(&[table("whose rule")]);
    assert!(found.contains("400 of"), "{found}");
}
