//! What the documents name exists: files, headings, targets of make.

use super::texts::{Document, Kind, add_files, documents};
use cfr_testkit::project;
use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The folders by which a path of the repository begins.
const FOLDERS: [&str; 11] = [
    "crates/", "src/", "tests/", "docs/", "c-tests/", "man/", "benches/", "examples/", ".github/",
    "packaging/", "site/",
];

/// A link `[text](target)` of a Markdown text.
#[derive(Debug, PartialEq)]
struct Link {
    line: usize,
    text: String,
    target: String,
}

/// Returns the links of a Markdown text without its code blocks. Of a text that began on an earlier
/// line, the end is returned.
fn links(document: &Document) -> Vec<Link> {
    let mut links = Vec::new();
    for line in document.lines().iter().filter(|line| line.kind != Kind::Other) {
        let mut rest = line.raw.as_str();
        while let Some((before, after)) = rest.split_once("](") {
            let (target, after) = after.split_once(')').expect("a link is closed on its line");
            let text = before.rsplit('[').next().unwrap().trim_matches('`');
            links.push(Link {
                line: line.number,
                text: text.to_owned(),
                target: target.to_owned(),
            });
            rest = after;
        }
    }
    links
}

/// Returns the anchors that a page of Markdown has on its web page: one for each heading.
fn anchors(document: &Document) -> Vec<String> {
    let lines = document.lines();
    let headings =
        lines.iter().filter(|line| line.kind == Kind::Prose && line.raw.starts_with('#'));
    let anchors = headings.map(|line| {
        let heading = line.raw.trim_start_matches('#').trim().to_lowercase();
        let kept =
            heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    });
    anchors.collect()
}

/// Resolves a relative target of a link to a path of the repository.
fn resolved(document: &Document, target: &str) -> PathBuf {
    let mut path = Path::new(&document.path).parent().unwrap().to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                assert!(path.pop(), "{}: {target} is outside the repository", document.path);
            }
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

/// Returns what a link refers to and does not exist, or nothing.
fn dangling(document: &Document, target: &str, all: &[Document]) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => PathBuf::from(&document.path),
        file => resolved(document, file),
    };
    if !project().join(&path).exists() {
        return Some(format!("no file {}", path.display()));
    }
    let page = all.iter().find(|page| Path::new(&page.path) == path);
    let is_there =
        anchor.is_empty() || page.is_some_and(|page| anchors(page).iter().any(|one| one == anchor));
    (!is_there).then(|| format!("no heading #{anchor} in {}", path.display()))
}

fn is_file_name(text: &str) -> bool {
    let is_known =
        [".c", ".h", ".rs", ".md", ".tbl", ".tsv", ".sh"].iter().any(|end| text.ends_with(end));
    is_known && !text.contains(' ')
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let all = documents();
    let mut problems = String::new();
    let mut count = 0;
    for document in all.iter().filter(|document| document.is_markdown()) {
        for Link { line, text, target } in links(document) {
            count += 1;
            if let Some(problem) = dangling(document, &target, &all) {
                writeln!(problems, "{}:{line}: {problem}", document.path).unwrap();
            } else if is_file_name(&text) && !target.split('#').next().unwrap().ends_with(&text) {
                writeln!(problems, "{}:{line}: {text} leads to {target}", document.path).unwrap();
            }
        }
    }
    assert!(count > 100, "{count} links");
    assert!(problems.is_empty(), "{problems}");
}

/// Returns the words of a line that look like paths.
fn path_words(line: &str) -> impl Iterator<Item = &str> {
    let is_inside = |letter: char| letter.is_alphanumeric() || "./_-*%".contains(letter);
    line.split(move |letter| !is_inside(letter)).map(|word| word.trim_end_matches(['.', '-']))
}

/// Reports whether a path of the repository matches a path in which `*` stands for anything.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern.trim_end_matches('/') == path;
    };
    let Some(path) = path.strip_prefix(start) else { return false };
    let end = rest.rsplit('*').next().unwrap();
    path.ends_with(end)
}

/// A source file is named by the end of its path, without `src/`: `engine/call.rs` is
/// crates/engine/src/call.rs.
fn is_source(word: &str, files: &[String]) -> bool {
    let wanted = format!("/{word}").replace("/src/", "/");
    files.iter().any(|file| format!("/{file}").replace("/src/", "/").ends_with(&wanted))
}

/// Except for the programs that recipes make, and for paths of other projects.
#[test]
fn every_path_that_a_document_names_exists() {
    let mut files = vec!["build.rs".to_owned()];
    for folder in FOLDERS {
        add_files(folder.trim_end_matches('/'), &mut files);
    }
    let mut problems = String::new();
    let mut count = 0;
    for document in documents() {
        let is_example = ["docs/guide/recipes.md", "docs/guide/ci.md"].contains(&&*document.path);
        for line in document.lines() {
            // In examples it is another project's.
            let is_other = |word: &&str| is_example && word.starts_with(".github/");
            for word in path_words(&line.raw).filter(|word| !is_other(word)) {
                let is_there = if FOLDERS.iter().any(|folder| word.starts_with(folder)) {
                    project().join(word).exists() || files.iter().any(|file| matches(word, file))
                } else if word.ends_with(".rs") && !is_example && !word.starts_with('.') {
                    is_source(word, &files)
                } else {
                    continue;
                };
                count += 1;
                if !is_there {
                    writeln!(problems, "{}:{}: {word}", document.path, line.number).unwrap();
                }
            }
        }
    }
    assert!(count > 100, "{count} paths");
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn every_make_target_that_a_document_names_exists() {
    let makefile = fs::read_to_string(project().join("Makefile")).unwrap();
    let has_target = |target: &str| {
        let rules = makefile.lines().filter_map(|line| line.split_once(':'));
        rules.into_iter().any(|(targets, _)| targets.split(' ').any(|one| one == target))
    };
    let mut problems = String::new();
    let mut count = 0;
    for document in documents() {
        for line in document.lines() {
            let code = line.raw.split('`').skip(1).step_by(2);
            let is_block = line.kind == Kind::Other && document.is_markdown();
            for code in code.chain(is_block.then_some(line.raw.as_str())) {
                let mut words = code.split_whitespace().skip_while(|word| *word != "make").skip(1);
                let Some(target) = words.next() else { continue };
                count += 1;
                if !has_target(target) {
                    writeln!(problems, "{}:{}: {target}", document.path, line.number).unwrap();
                }
            }
        }
    }
    assert!(count > 10, "{count} targets");
    assert!(problems.is_empty(), "{problems}");
}

/// Returns the names of the code in a line: code spans such as `Hook`, `MAX_LEN`, `Hook::ALL`.
fn code_names(line: &str) -> impl Iterator<Item = &str> {
    let is_inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    let spans = line.split('`').skip(1).step_by(2);
    let names = spans.flat_map(|span| span.split("::"));
    names.filter(move |name| {
        name.chars().all(is_inside)
            && name.chars().any(|letter| letter.is_uppercase() || letter == '_')
    })
}

#[test]
fn every_name_of_the_code_that_a_document_has_exists() {
    /// Names of examples, and of other projects.
    const OTHERS: [&str; 7] =
        ["CFR_TIMES", "MAX_X", "MIN_X", "is_", "has_", "_dl_find_object", "Registry"];
    let mut files = vec!["build.rs".to_owned(), "Makefile".to_owned()];
    for folder in ["crates", "src", "tests", "c-tests", "benches", "include"] {
        add_files(folder, &mut files);
    }
    let sources: String = files
        .iter()
        .filter(|file| [".rs", ".c", ".h", "Makefile"].iter().any(|end| file.ends_with(end)))
        .map(|file| fs::read_to_string(project().join(file)).unwrap())
        .collect();
    let is_inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    let names: HashSet<_> = sources.split(|letter| !is_inside(letter)).collect();
    let mut problems = String::new();
    let mut count = 0;
    for document in documents().iter().filter(|document| document.is_markdown()) {
        for line in document.lines().iter().filter(|line| line.kind != Kind::Other) {
            for name in code_names(&line.raw).filter(|name| !OTHERS.contains(name)) {
                count += 1;
                if !names.contains(name) {
                    writeln!(problems, "{}:{}: {name}", document.path, line.number).unwrap();
                }
            }
        }
    }
    assert!(count > 100, "{count} names");
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn what_does_not_exist_is_found() {
    let page = |text: &str| Document { path: "docs/README.md".to_owned(), text: text.to_owned() };
    let all = [page("# A head, `line`\n\n## Another one\n")];
    let problem = |target: &str| dangling(&all[0], target, &all);
    assert_eq!(problem("#a-head-line"), None);
    assert_eq!(problem("README.md#another-one"), None);
    assert_eq!(problem("#a-head"), Some("no heading #a-head in docs/README.md".to_owned()));
    assert_eq!(problem("../README.md"), None);
    assert_eq!(problem("../NO.md"), Some("no file NO.md".to_owned()));
    let found = links(&page("[a](b), [`c.rs`](d)\n\n    [e](f)\n"));
    let link =
        |text: &str, target: &str| Link { line: 1, text: text.into(), target: target.into() };
    assert_eq!(found, [link("a", "b"), link("c.rs", "d")]);
    assert!(is_file_name("c.rs") && !is_file_name("see c.rs") && !is_file_name("page"));
    assert!(matches("tests/data/*.tbl", "tests/data/flags.tbl"));
    assert!(!matches("tests/data/*.tbl", "tests/data/clauses.tsv"));
    let names: Vec<_> = code_names("Hook of `Hook::ALL`, `make x`, `plain` and `a_b`").collect();
    assert_eq!(names, ["Hook", "ALL", "a_b"]);
    let files = ["crates/engine/src/call.rs".to_owned()];
    assert!(is_source("engine/call.rs", &files) && is_source("call.rs", &files));
    assert!(!is_source("gine/call.rs", &files) && !is_source("shared/call.rs", &files));
}
