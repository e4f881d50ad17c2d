//! What programs that were built with an earlier header rely on, held against `tests/data/abi.tsv`. A
//! row that changes or goes breaks them: then the SONAME changes too.

use cfr_testkit::{Run, Scratch, find_program, library, project, skip};
use std::fmt::Write;
use std::fs;

/// Returns the rows of this kind, in order, without the kind.
fn rows(kind: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(project().join("tests/data/abi.tsv")).unwrap();
    let rows = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let rows = rows.filter(|row| row[0] == kind).map(|row| row[1..].to_vec());
    rows.collect()
}

#[test]
fn the_library_has_the_name_and_the_symbols_that_are_described() {
    let run = |program: &str, words: &[&str]| Run::bare(program).args(words).args([library()]).ok();
    let symbols = run("nm", &["--dynamic", "--defined-only", "--format=posix"]).stdout;
    let mut symbols: Vec<_> =
        symbols.lines().filter_map(|line| line.split(' ').next()).map(|name| vec![name]).collect();
    symbols.sort_unstable();
    assert_eq!(symbols, rows("symbol"));
    let soname = format!("Library soname: [{}]", rows("soname")[0][0]);
    assert!(run("readelf", &["--dynamic", "--wide"]).stdout.contains(&soname));
}

/// On both architectures; no program is run.
#[test]
fn the_structs_and_constants_are_as_described() {
    let mut source = String::from("#include <stddef.h>\n#include <cfr.h>\n");
    let mut hold = |what: &str| {
        writeln!(source, "_Static_assert({what}, \"{what}\");").unwrap();
    };
    for row in rows("constant") {
        hold(&format!("{} == {}", row[0], row[1]));
    }
    for row in rows("struct") {
        hold(&format!("sizeof(struct {}) == {}", row[0], row[1]));
    }
    for row in rows("member") {
        let [name, member, offset, size] = &row[..] else { panic!("{row:?}") };
        hold(&format!("offsetof(struct {name}, {member}) == {offset}"));
        hold(&format!("sizeof(((struct {name} *)0)->{member}) == {size}"));
    }
    let scratch = Scratch::new();
    let file = scratch.write("abi.c", source.as_bytes());
    let include = format!("-I{}", project().join("include").display());
    for compiler in ["x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc"] {
        if find_program(compiler).is_none() {
            let test = "c_api::abi::the_structs_and_constants_are_as_described";
            skip(test, &format!("{compiler} is not installed"));
            continue;
        }
        Run::bare(compiler).args(["-std=c11", "-fsyntax-only", &include]).args([&file]).ok();
    }
}

/// A member, constant or struct that is new has its row, and a struct has no padding.
#[test]
fn all_of_the_header_is_described() {
    let header = |name: &str| fs::read_to_string(project().join("include").join(name)).unwrap();
    let constants: Vec<_> = ["cfr.h", "linux/copy.h"]
        .into_iter()
        .flat_map(|name| {
            let lines = header(name);
            let defined = |line: &str| {
                let mut words = line.strip_prefix("#define ")?.split(' ');
                let (name, value) = (words.next()?, words.next()?);
                let is_version = name.starts_with("CFR_VERSION") || name.contains('(');
                (!is_version).then(|| vec![name.to_owned(), value.to_owned()])
            };
            lines.lines().filter_map(defined).collect::<Vec<_>>()
        })
        .collect();
    let mut constants = constants;
    constants.sort();
    assert_eq!(constants, rows("constant"));

    let mut members = Vec::new();
    let mut of_struct = None;
    for line in header("cfr.h").lines() {
        if let Some(name) = line.strip_prefix("struct ").and_then(|rest| rest.strip_suffix(" {")) {
            of_struct = Some(name.to_owned());
        } else if line == "};" {
            of_struct = None;
        } else if let (Some(name), Some(member)) = (&of_struct, line.strip_suffix(';')) {
            let member = member.rsplit([' ', '*']).next().unwrap();
            members.push(vec![name.clone(), member.split('[').next().unwrap().to_owned()]);
        }
    }
    let described: Vec<_> = rows("member").iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(members, described);
    for row in rows("struct") {
        let of_struct = rows("member").into_iter().filter(|member| member[0] == row[0]);
        let mut end = 0;
        for member in of_struct {
            assert_eq!(member[2], end.to_string(), "padding before {member:?}");
            end += member[3].parse::<usize>().unwrap();
        }
        assert_eq!(row[1], end.to_string(), "padding at the end of {}", row[0]);
    }
}
