//! The pages of `cfr report --html` and `cfr sweep --html`: what is in them, and what a browser makes
//! of them.

use super::browser::Browser;
use cfr_testkit::{Run, Scratch, launcher, read_json, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the pages must show as it is, and a browser must not take for markup.
const HOSTILE: [&str; 5] = [
    "<script>document.title='hacked'</script>",
    "\"><img src=x onerror=\"document.title='hacked'\">",
    "</style></title><b>&lt;&amp;",
    "{{ 7 * 7 }}{% x %}",
    "ä日本",
];

/// Returns a line of a log: a call that copied `bytes` bytes in `duration_ns`.
fn line(at_us: u64, bytes: u64, changes: &Value) -> String {
    let time = format!("2026-11-30T09:00:{:02}.{:06}Z", at_us / 1_000_000, at_us % 1_000_000);
    let mut line = json!({
        "time": time, "pid": 42, "tid": 42, "comm": "cp", "call": "copy_file_range",
        "hook": "copy_file_range", "path_in": "/a", "path_out": "/b", "len": bytes, "ret": bytes,
        "error": null, "bytes": bytes, "method": "kernel", "duration_ns": 1_000,
    });
    line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    format!("{line}\n")
}

/// Three seconds with 100 pairs of files, an error, two methods and all hostile names.
fn log() -> String {
    let mut log: String = (0..100)
        .map(|number| {
            let paths = [format!("/src/file{number}"), format!("/dst/file{number}")];
            line(
                number * 20_000,
                4096 << (number % 10),
                &json!({
                    "path_in": paths[0], "path_out": paths[1], "duration_ns": 1_000 * (number + 1),
                    "method": if number % 4 == 0 { "emulated" } else { "kernel" },
                }),
            )
        })
        .collect();
    log += &line(
        2_500_000,
        0,
        &json!({"ret": -1, "error": "EXDEV", "rule": "cross-device", "why": "two filesystems"}),
    );
    for name in HOSTILE {
        log += &line(
            3_000_000,
            7,
            &json!({"path_in": name, "path_out": name, "comm": name, "method": name, "hook": name,
                    "request": name, "error": name, "rule": name, "why": name}),
        );
    }
    log + "not a line of a log\n"
}

/// A page, and the directory that it is in.
struct Made {
    scratch: Scratch,
    page: PathBuf,
    text: String,
}

fn report_of(log: &str, words: &[&str]) -> Made {
    let scratch = Scratch::new();
    let log = scratch.write("<b>log", log.as_bytes());
    let page = scratch.file("page.html");
    let run = Run::bare(launcher()).args(["report", "--html"]).args([&page]).args(words);
    let output = run.args([&log]).ok();
    assert_eq!(output.stderr, "");
    Made { text: fs::read_to_string(&page).unwrap(), scratch, page }
}

/// Returns the text of a page as markup has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '"' | '\'' => {
                escaped += &format!("&#{};", u32::from(character));
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// Returns the tags of a name, each up to its `>`.
fn tags<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("<{name}");
    let found =
        page.match_indices(&begin).map(|(at, _)| &page[at..=at + page[at..].find('>').unwrap()]);
    found.filter(|tag| tag[begin.len()..].starts_with([' ', '>'])).collect()
}

/// What every page must be: one file, safe and accessible, whatever it shows.
#[track_caller]
fn assert_good(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">\n"), "{page}");
    // Nothing is loaded and nothing is run that a name holds.
    for name in ["link", "img", "iframe", "object", "embed", "form", "base", "audio", "video"] {
        assert_eq!(tags(page, name), [""; 0], "{name}");
    }
    assert!(tags(page, "a").iter().all(|tag| tag.contains("href=\"#")), "only links in the page");
    assert_eq!((tags(page, "script"), tags(page, "style")), (vec!["<script>"], vec!["<style>"]));
    let inner = |name: &str| {
        let (_, from) = page.split_once(&format!("<{name}>")).unwrap();
        from.split_once(&format!("</{name}>")).unwrap().0
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'",
        sha256(inner("style")),
        sha256(inner("script"))
    );
    let meta =
        format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">", escaped(&policy));
    assert!(
        page.contains(&meta),
        "crates/cfr/src/html/page.rs: expected {policy}\n{}",
        tags(page, "meta").concat()
    );
    assert!(!page.contains(" style=") && !page.contains("javascript:"), "the policy forbids it");
    let markup = page.replace(inner("style"), "").replace(inner("script"), "");
    assert!(!markup.contains("://"), "a page names no other place");

    // Each table has a caption and heads; each picture has a text or is an ornament.
    let tables = tags(page, "table").len();
    assert_eq!(page.matches("<caption").count(), tables);
    for head in tags(page, "th") {
        assert!(head.contains("scope=\"row\"") || head.contains("scope=\"col"), "{head}");
    }
    for picture in tags(page, "svg").into_iter().filter(|tag| !tag.contains("class=\"mark\"")) {
        let is_named = picture.contains("role=\"img\" aria-label=\"");
        assert!(is_named || picture.contains("aria-hidden=\"true\""), "{picture}");
    }
    let ids: Vec<_> =
        page.match_indices(" id=\"").map(|(at, _)| page[at + 5..].split('"').next()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id twice: {ids:?}");
    for (at, _) in page.match_indices("href=\"#") {
        let to = page[at + 7..].split('"').next();
        assert!(ids.contains(&to), "{to:?} is not in the page");
    }
    assert!(!page.contains(|letter: char| letter.is_control() && letter != '\n'));
}

/// Returns the SHA-256 of a text as a policy has it.
fn sha256(text: &str) -> String {
    let hex = Run::bare("sha256sum").input(text.as_bytes()).ok().stdout;
    let digits = hex.as_bytes()[..64].chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
    let encoded = Run::bare("base64").input(&bytes.collect::<Vec<_>>()).ok().stdout;
    encoded.trim_end().to_owned()
}

/// Returns the rows of a table as the texts of their cells, with the escapes of the markup.
fn rows(page: &str, id: &str) -> Vec<Vec<String>> {
    let (_, table) = page.split_once(&format!("<table id=\"{id}\"")).unwrap();
    let (body, _) = table.split_once("</tbody>").unwrap();
    let text = |cell: &str| {
        let (_, content) = cell.split_once('>').unwrap();
        let (content, _) = content.split_once("</t").unwrap();
        // Without the tags in the cell.
        content.split('<').map(|part| part.rsplit('>').next().unwrap()).collect()
    };
    let cells = |row: &str| row.split("<t").skip(1).map(text).collect();
    body.split("<tbody>").nth(1).unwrap().split("<tr>").skip(1).map(cells).collect()
}

// cfr report --html.

#[test]
fn a_report_is_one_safe_file() {
    assert_good(&report_of(&log(), &[]).text);
    assert_good(&report_of("", &[]).text);
    // A summary has no single calls, and no charts.
    let run = Run::bare(launcher()).args(["run", "-c", "--format", "json", "true"]);
    let summary = run.ok().stderr;
    let summary = summary.lines().find(|line| line.starts_with('{')).unwrap();
    let refused = "\"never_copied\":[{\"errors\":7,\"path_in\":\"/<a>\",\"path_out\":\"/b\"}]";
    let made = report_of(&summary.replace("\"never_copied\":[]", refused), &[]);
    assert_good(&made.text);
    assert_eq!(rows(&made.text, "refused-pairs"), [["/&#60;a&#62;", "/b", "7"].map(str::to_owned)]);
    // One call, at no time: there is no timeline.
    let made = report_of(&line(0, 1, &json!({"duration_ns": 0})), &[]);
    assert_good(&made.text);
    assert!(!made.text.contains("id=\"time\""));
}

/// Its tables have the numbers of the report in JSON.
#[test]
fn the_tables_have_the_numbers_of_the_report() {
    let made = report_of(&log(), &["--top", "50", "--format", "json"]);
    let json = Run::bare(launcher())
        .args(["report", "--format", "json", "--top", "50"])
        .args([made.scratch.file("<b>log")])
        .ok()
        .stdout;
    let json = read_json(&json);
    let values = |row: &Value, keys: &[&str]| {
        keys.iter().map(|key| escaped(row[key].as_str().unwrap_or(""))).collect::<Vec<_>>()
    };
    for (id, keys) in [
        ("methods", &["method"][..]),
        ("hooks", &["hook", "request"]),
        ("programs", &["comm"]),
        ("pairs", &["source", "target"]),
    ] {
        let expected = json[id]["rows"].as_array().unwrap();
        let shown = rows(&made.text, id);
        assert_eq!(shown.len(), expected.len(), "{id}");
        for (shown, expected) in shown.iter().zip(expected) {
            assert_eq!(shown[..keys.len()], values(expected, keys), "{id}");
            let calls = &shown[shown.len() - 3];
            assert_eq!(*calls, expected["calls"].to_string(), "{id}");
        }
    }
    assert_eq!(rows(&made.text, "slowest").len(), 50);
    assert!(made.text.contains("56 other pairs not shown"), "the rest has a row");
    let error = ["EXDEV", "1", "cross-device", "two filesystems"].map(str::to_owned);
    assert!(rows(&made.text, "errors").contains(&error.to_vec()), "{}", made.text);
    let log = made.scratch.file("<b>log").display().to_string();
    let notice = format!("Not log lines: 1 line, the first at {log}:107.");
    assert!(made.text.contains(&escaped(&notice)), "{}", made.text);
    assert!(made.text.contains(&format!("<h1>Copies in {}</h1>", escaped(&log))));
}

/// The timeline and the histograms have every byte and every call.
#[test]
fn the_charts_miss_nothing() {
    let made = report_of(&log(), &[]);
    let sum = |id: &str, column: usize| {
        let rows = rows(&made.text, id);
        rows.iter().map(|row| row[column].replace(',', "").parse::<u64>().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("slots", 2), sum("slots", 3)), (106, 6));
    assert_eq!(
        (sum("durations", 1), sum("bytes", 1)),
        (106, 100),
        "sizes are of calls that succeeded"
    );
    let data_values = |id: &str, column: usize| {
        let (_, table) = made.text.split_once(&format!("<table id=\"{id}\"")).unwrap();
        let (body, _) = table.split_once("</tbody>").unwrap();
        let rows = body.split("<tr>").skip(2);
        let value = |row: &str| {
            let cell = row.split("data-value=\"").nth(column + 1).unwrap();
            cell.split('"').next().unwrap().parse::<u64>().unwrap()
        };
        rows.map(value).sum::<u64>()
    };
    let copied = (0..100).map(|number| 4096 << (number % 10)).sum::<u64>();
    assert_eq!(data_values("slots", 1), copied + 7 * HOSTILE.len() as u64);
    assert_eq!(data_values("bytes", 2), copied);
    // Columns and their styles: a method is told by its pattern too.
    for style in ["kernel", "emulated", "other"] {
        assert!(made.text.contains(&format!("<rect class=\"{style}\" x=")), "{style}");
        assert!(made.text.contains(&format!("</svg>{style}</li>")), "{style} is in the legend");
    }
}

/// An earlier page is removed at the start, and the new one appears when it is complete.
#[test]
fn a_page_is_complete_or_absent() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(0, 1, &json!({})).as_bytes());
    let page = scratch.write("page.html", b"<!DOCTYPE html>an earlier one");
    fs::set_permissions(&page, fs::Permissions::from_mode(0o600)).unwrap();
    let report = |page: &Path, log: &Path| {
        let words = ["report".as_ref(), "--html".as_ref(), page.as_os_str(), log.as_os_str()];
        Run::bare(launcher()).args(words)
    };
    let missing = report(&page, &scratch.file("missing")).output();
    assert_eq!((missing.status, page.exists()), (Some(125), false), "{missing:?}");
    fs::write(&page, "").unwrap();
    fs::set_permissions(&page, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(report(&page, &log).ok().stdout.starts_with("calls\n"), "the text is printed too");
    assert!(fs::read_to_string(&page).unwrap().ends_with("</html>\n"));
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2);

    let full = report(Path::new("/dev/full"), &log).output();
    let said = "cfr: cannot write /dev/full: No space left on device (ENOSPC)\n";
    assert_eq!((full.status, full.stderr.as_str()), (Some(125), said));
    let nowhere = report(Path::new("/nonexistent/page"), &log).output();
    let said = "cfr: cannot write /nonexistent/page: No such file or directory (ENOENT)\n";
    assert_eq!((nowhere.status, nowhere.stderr.as_str()), (Some(125), said));
}

/// Not the one that is read, nor one that is named where the page should be.
#[test]
fn no_log_is_replaced_by_a_page() {
    let scratch = Scratch::new();
    let content = line(0, 1, &json!({}));
    let [one, two] = ["one", "two"].map(|name| scratch.write(name, content.as_bytes()));
    let refused = |words: &[&str], said: &str| {
        let run = Run::bare(launcher()).args(["report", "--html"]).args(words);
        let output = run.within(scratch.path()).input(content.as_bytes()).output();
        assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{output:?}");
        assert_eq!(output.stderr, format!("cfr: {said}\n"));
    };
    refused(&["one", "one"], "LOG and --html name the same file, one: expected two files");
    refused(
        &["./one", "two", "one"],
        "LOG and --html name the same file, ./one: expected two files",
    );
    refused(&["one", "two"], "cannot write one: it exists and is not an earlier page");
    refused(
        &["page", "--chrome", "page", "two"],
        "--chrome and --html name the same file, page: expected two files",
    );
    assert_eq!([one, two].map(|log| fs::read_to_string(log).unwrap()), [&*content, &*content]);
    assert!(!scratch.file("page").exists());
}

#[test]
fn a_page_can_go_to_standard_output_or_to_a_pipe() {
    let scratch = Scratch::new();
    let log = scratch.write("log", line(0, 1, &json!({})).as_bytes());
    let report = |page: &str| {
        let run = Run::bare(launcher()).args(["report", "--html", page]).within(scratch.path());
        run.args(["log"])
    };
    let page = report("-").ok().stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
    Run::bare("mkfifo").args([scratch.file("pipe")]).ok();
    let reader = Run::bare("cat").args([scratch.file("pipe")]).start();
    // The pipe must have its reader.
    let output = || report("pipe").output();
    until(|| output().status == Some(0), "the page is written");
    assert_eq!(reader.output().stdout, page);
    assert!(log.exists());
}

/// Whatever becomes of the trace, which a reader may stop reading.
#[test]
fn a_page_has_the_whole_log() {
    let scratch = Scratch::new();
    let log: String = (0..20_000).map(|number| line(number, 1, &json!({}))).collect();
    let log = scratch.write("log", log.as_bytes());
    let page = scratch.file("page");
    let script = "\"$@\" | true";
    let run = Run::bare("sh").args(["-c", script, "sh"]).args([launcher()]).args(["report"]);
    run.args(["--chrome", "-", "--html"]).args([&page, &log]).ok();
    assert!(fs::read_to_string(&page).unwrap().contains("<dd>20,000</dd>"));
}

// cfr sweep --html.

/// Copies a to b, and does not notice that b lacks its end. It prints a hostile text and a control
/// sequence.
const CARELESS: &str = "cp a b 2> said; status=$?; cat said
printf '<script>document.title=\"hacked\"</script>\\033[31m&amp;\\n'
[ -s b ] && exit 0; exit $status";

/// Returns the page of a sweep of that program, and the same report as JSON.
fn swept() -> (Made, Value) {
    let scratch = Scratch::new();
    scratch.random("a", 300_000);
    let output = sweep(&scratch, &["--html", "page.html", "--json", "json"]).output();
    assert_eq!((output.status, output.stderr.as_str()), (Some(1), ""), "{output:?}");
    let json = fs::read_to_string(scratch.file("json")).unwrap();
    let page = scratch.file("page.html");
    let text = fs::read_to_string(&page).unwrap();
    (Made { scratch, page, text }, read_json(&json))
}

fn sweep(scratch: &Scratch, words: &[&str]) -> Run {
    let run = Run::bare(launcher()).args(["sweep", "--faults", "EIO,EXDEV,short"]);
    let run = run.args(["--setup", "rm -f b", "--check", "cmp a b"]).args(words);
    run.args(["--", "sh", "-c", CARELESS, "<img src=x>"]).within(scratch.path())
}

#[test]
fn a_sweep_is_one_safe_file_with_every_case() {
    let (made, json) = swept();
    assert_good(&made.text);
    let cases = json["cases"].as_array().unwrap();
    let outcomes: BTreeSet<_> =
        cases.iter().map(|case| case["outcome"].as_str().unwrap()).collect();
    assert!(["failed", "passed", "wrong"].iter().all(|name| outcomes.contains(name)), "{json}");
    let shown = rows(&made.text, "cases");
    assert_eq!(shown.len(), cases.len());
    let text = |value: &Value| escaped(value.as_str().unwrap());
    for (number, (case, shown)) in (1..).zip(cases.iter().zip(&shown)) {
        let word = case["outcome"].as_str().unwrap();
        let word = if case["bad"] == true { word.to_uppercase() } else { word.to_owned() };
        assert_eq!((&shown[0], &shown[2]), (&word, &text(&case["why"])), "{case}");
        let begin = format!("<div id=\"case-{number}\">");
        let details =
            made.text.split_once(&begin).map(|(_, rest)| rest.split_once("</div>").unwrap().0);
        assert_eq!(details.is_none(), case["outcome"] == "passed", "{case}");
        let Some(details) = details else { continue };
        // The output is the text of the program, printable.
        let output = case["output"].as_str().unwrap().replace('\u{1b}', "\\u{1b}");
        for expected in [
            format!("<pre>{}</pre>", escaped(output.trim_end())),
            format!("<pre class=\"command\">{}</pre>", text(&case["reproduce"])),
            format!("<code>{}</code>", text(&case["inject"])),
        ] {
            assert!(details.contains(&expected), "{expected}: {details}");
        }
        assert!(made.text.contains(&format!("<a href=\"#case-{number}\">{word}</a>")), "{case}");
    }
    // The matrix has a cell for each case of these faults, and a head for each position.
    let (_, matrix) = made.text.split_once("<table class=\"matrix\">").unwrap();
    let (matrix, _) = matrix.split_once("</table>").unwrap();
    assert!(
        matrix.contains("<th scope=\"row\">EXDEV</th>")
            && matrix.contains("<th scope=\"col\">first</th>")
    );
    for hook in json["baseline"]["hooks"].as_array().unwrap() {
        assert!(matrix.contains(&format!(">{}</th>", hook["hook"].as_str().unwrap())), "{hook}");
    }
}

/// As the other reports of a sweep are.
#[test]
fn the_page_of_a_sweep_is_complete_or_absent() {
    let scratch = Scratch::new();
    scratch.random("a", 10);
    let page = scratch.write("page", b"<!DOCTYPE html>");
    sweep(&scratch, &["--list", "--html", "page"]).ok();
    assert_eq!(fs::read_to_string(&page).unwrap(), "<!DOCTYPE html>", "a list is no report");
    fs::remove_file(scratch.file("a")).unwrap();
    let failed = sweep(&scratch, &["--html", "page"]).output();
    assert_eq!((failed.status, page.exists()), (Some(125), false), "{failed:?}");
    // A slip must not remove a file of the user's.
    let source = scratch.write("a", b"mine");
    let slip = sweep(&scratch, &["--html", "a"]).output();
    assert_eq!(slip.stderr, "cfr: cannot write a: it exists and is not an earlier page\n");
    assert_eq!(fs::read_to_string(&source).unwrap(), "mine");
    fs::remove_file(source).unwrap();
    for words in [["--html", "x", "--json", "./x"], ["--junit", "x", "--html", "x"]] {
        let output = sweep(&scratch, &words).output();
        assert_eq!(output.status, Some(125), "{output:?}");
        assert!(output.stderr.contains(" and --html name the same file, "), "{}", output.stderr);
    }
}

// In a browser.

/// What a browser must find in any page: called by tests of both kinds of pages.
#[track_caller]
fn assert_shown_well(browser: &Browser, page: &Path) {
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")] {
        browser.show_as(width, scheme);
        browser.open(page, "");
        let shown = format!("{width} px, {scheme}");
        let sizes = browser.run(
            "const root = document.documentElement; return [root.scrollWidth, root.clientWidth];",
        );
        assert_eq!(sizes, json!([width, width]), "{shown}: the page is as wide as the window");
        // WCAG 2.2, 1.4.3: normal text has a contrast of at least 4.5 to 1.
        let weak = browser.run(CONTRAST);
        assert_eq!(weak, json!([]), "{shown}: text of too little contrast");
        let paper = browser.run("return getComputedStyle(document.body).backgroundColor;");
        assert_eq!(paper == "rgb(255, 255, 255)", scheme == "light", "{shown}: {paper}");
    }
    let loaded = browser.run("return performance.getEntriesByType('resource').length;");
    assert_eq!(loaded, 0, "nothing is loaded");
    // Not even a script in the page could, if a name became markup.
    let ran = browser.run(
        "const script = document.createElement('script');\
         script.textContent = 'window.ran = true';\
         document.body.append(script);\
         script.remove();\
         return window.ran === true;",
    );
    assert_eq!(ran, false, "the policy lets no other script run");
}

/// Returns the texts with too little contrast to their background.
const CONTRAST: &str = "
    const light = ([r, g, b]) => {
      const part = (value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      };
      return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const color = (text) => text.match(/[\\d.]+/g).map(Number);
    const paper = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const found = color(getComputedStyle(at).backgroundColor);
        if (found.length === 3 || found[3] > 0) return found;
      }
      return [255, 255, 255];
    };
    const weak = [];
    for (const element of document.querySelectorAll('body *')) {
      const has_text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      if (!has_text || ['SCRIPT', 'STYLE', 'title'].includes(element.tagName)) continue;
      const style = getComputedStyle(element);
      const is_drawn = element instanceof SVGElement;
      const [a, b] = [light(color(is_drawn ? style.fill : style.color)), light(paper(element))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5) weak.push(`${element.outerHTML.slice(0, 80)}: ${contrast}`);
    }
    return weak;";

#[test]
fn a_browser_shows_a_report_well() {
    let Some(browser) = Browser::start("cli::html::a_browser_shows_a_report_well") else { return };
    let made = report_of(&log(), &[]);
    assert_shown_well(&browser, &made.page);
    // The hostile names are text.
    let text = browser.run("return document.body.textContent;");
    for name in HOSTILE {
        assert!(text.as_str().unwrap().contains(name), "{name}");
    }
    let title = browser.run("return document.title;");
    let log = made.scratch.file("<b>log");
    assert_eq!(title, format!("Copies in {}", log.display()));
    // What is printed has neither search nor links, and a light background.
    browser.show_as(1280, "dark");
    browser.command("Emulation.setEmulatedMedia", &json!({"media": "print"}));
    let hidden = "return ['nav', '.search', 'details'].map((name) => \
                  getComputedStyle(document.querySelector(name)).display);";
    assert_eq!(browser.run(hidden), json!(["none", "none", "none"]));
}

/// Returns a script that returns the texts of a column of the rows that are shown.
fn column(table: &str, index: usize) -> String {
    format!(
        "return [...document.querySelectorAll('#{table} tbody tr')].filter((row) => !row.hidden)\
         .map((row) => row.cells[{index}].textContent);"
    )
}

/// By pointer and by keyboard, numbers by their value.
#[test]
fn a_browser_sorts_tables() {
    let Some(browser) = Browser::start("cli::html::a_browser_sorts_tables") else { return };
    let made = report_of(&log(), &[]);
    browser.open(&made.page, "");
    let times = || browser.run(&column("pairs", 5)).as_array().unwrap().clone();
    let head = "#pairs thead th:nth-child(6)";
    let order = || browser.run(&format!("return document.querySelector('{head}').ariaSort;"));
    assert_eq!(order(), Value::Null, "the report's order is kept until the user sorts");
    browser.click(&format!("{head} button"));
    assert_eq!((order(), times()[0].as_str()), (json!("descending"), Some("100.00 us")));
    assert_eq!(times()[1], "99.00 us");
    browser.type_into(&format!("{head} button"), "\u{e007}");
    assert_eq!((order(), times()[0].as_str()), (json!("ascending"), Some("1.00 us")));
    assert_eq!(times().last().unwrap(), "100.00 us");
    // Texts rise first; the numbers in them count as numbers.
    browser.click("#pairs thead th:nth-child(1) button");
    assert_eq!(order(), Value::Null, "one column sorts");
    let sources = browser.run(&column("pairs", 0));
    let sources: Vec<_> =
        sources.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let at = |name: &str| sources.iter().position(|source| *source == name).unwrap();
    assert!(at("/src/file2") < at("/src/file10"), "{sources:?}");
}

/// Also from the address, so that a link can show what was found.
#[test]
fn a_browser_searches_tables() {
    let Some(browser) = Browser::start("cli::html::a_browser_searches_tables") else { return };
    let made = report_of(&log(), &[]);
    browser.open(&made.page, "");
    browser.type_into("#search", "DST file99");
    assert_eq!(browser.run(&column("pairs", 0)), json!(["/src/file99"]));
    let status = "return document.querySelector('.search [role=status]').textContent;";
    let found = browser.run(status);
    assert!(found.as_str().unwrap().starts_with("3 of "), "a pair, a target, a slow call: {found}");
    let address = browser.run("return location.hash;");
    assert_eq!(address, "#search=DST%20file99");
    browser.open(&made.page, address.as_str().unwrap());
    assert_eq!(browser.run(&column("pairs", 0)), json!(["/src/file99"]));
    assert_eq!(browser.run("return document.querySelector('#search').value;"), "DST file99");
    browser.open(&made.page, "#search=%E0%A4%A");
    assert_eq!(browser.run(&column("pairs", 0)), json!([]), "not UTF-8: searched as it is");
    // Without a word everything is there again.
    browser.run(
        "const input = document.querySelector('#search'); input.value = ''; \
                 input.dispatchEvent(new Event('input'));",
    );
    assert_eq!(browser.run(&column("pairs", 0)).as_array().unwrap().len(), 106);
    assert_eq!(browser.run("return location.hash;"), "");
}

#[test]
fn a_browser_shows_a_sweep_well() {
    let Some(browser) = Browser::start("cli::html::a_browser_shows_a_sweep_well") else { return };
    let (made, _) = swept();
    assert_shown_well(&browser, &made.page);
    let title = browser.run("return document.title;");
    assert!(title.as_str().unwrap().ends_with(" <img src=x>"), "{title}");
    // Bad cases are open, others open if a link leads to them.
    browser.open(&made.page, "");
    let open = |name: &str| {
        browser.run(&format!(
            "return [...document.querySelectorAll('#{name}-section details')].map((it) => it.open);"
        ))
    };
    let all = |is_open: bool, name: &str| {
        let open = open(name);
        let open = open.as_array().unwrap();
        !open.is_empty() && open.iter().all(|it| *it == is_open)
    };
    assert!(all(true, "bad") && all(false, "failed"), "{} {}", open("bad"), open("failed"));
    browser.click(".matrix td.failed a");
    until(|| !all(false, "failed"), "the case of the link is open");
    // What is printed has the details of all cases.
    browser.open(&made.page, "");
    browser.command("Emulation.setEmulatedMedia", &json!({"media": "print"}));
    let hidden = browser.run(
        "return [...document.querySelectorAll('.case pre')].filter((it) => !it.checkVisibility(\
         {contentVisibilityAuto: true})).length;",
    );
    assert_eq!(hidden, 0);
}
