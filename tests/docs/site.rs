//! `make site`: every link of the site leads to a page or a file of it, and to a place that is there.

use cfr_testkit::{BUILD_LIMIT, Run, Scratch, find_program, project, skip};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Returns the values of an attribute in a page of HTML.
fn attributes<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let start = format!(" {name}=\"");
    let values = html.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    // Only what needs an escape within an attribute.
    values
        .map(|value| value.replace("&amp;", "&").replace("%20", " "))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Resolves a link of the page `from`, both relative to the site.
fn resolved(from: &Path, target: &str) -> PathBuf {
    let mut path = from.parent().unwrap().to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {target}", from.display()),
            part => path.push(part),
        }
    }
    path
}

/// Returns the pages of the site, by path.
fn pages(site: &Path) -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    let mut todo = vec![site.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|end| end == "html") {
                let text = fs::read_to_string(&path).unwrap();
                pages.insert(path.strip_prefix(site).unwrap().to_owned(), text);
            }
        }
    }
    // The server's page for what is missing, with links from the top, and the list for browsers without
    // scripts, which is shown in a frame.
    for other in ["404.html", "toc.html"] {
        pages.remove(Path::new(other));
    }
    pages
}

#[test]
fn every_link_of_the_site_leads_somewhere() {
    let test = "docs::site::every_link_of_the_site_leads_somewhere";
    for program in ["mdbook", "mandoc", "python3"] {
        if find_program(program).is_none() {
            return skip(test, &format!("{program} is not installed"));
        }
    }
    let scratch = Scratch::new();
    let target = format!("CARGO_TARGET_DIR={}", scratch.path().display());
    let output = Run::bare("make")
        .args(["--silent", "--no-print-directory", "site", &target])
        .within(project())
        .limit(BUILD_LIMIT)
        .ok();
    assert!(!output.stderr.contains("WARN"), "{output:#?}");
    let site = scratch.file("site");
    let pages = pages(&site);
    let places: BTreeMap<_, BTreeSet<_>> =
        pages.iter().map(|(path, text)| (path, attributes(text, "id").collect())).collect();

    let (mut count, mut problems) = (0, String::new());
    for (from, text) in &pages {
        for link in attributes(text, "href").chain(attributes(text, "src")) {
            if link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") {
                continue;
            }
            count += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if target.is_empty() { from.clone() } else { resolved(from, target) };
            let is_there = site.join(&path).is_file();
            let has_place = anchor.is_empty()
                || places.get(&path).is_some_and(|places| places.contains(anchor));
            if !is_there || !has_place {
                writeln!(problems, "{}: {link}", from.display()).unwrap();
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
    assert!(count > 1000 && pages.len() > 50, "{count} links, {} pages", pages.len());
    // Every page of docs/ is in the list, which is made from docs/README.md.
    let listed = fs::read_to_string(site.join("toc.html")).unwrap();
    for path in pages.keys().filter(|path| path.starts_with("docs")) {
        assert!(listed.contains(&format!("\"{}\"", path.display())), "{}", path.display());
    }
    eprintln!("site: {} pages, {count} links", pages.len());
}
