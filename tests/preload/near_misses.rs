//! Requests of ioctl(2) that almost share blocks.

use cfr_testkit::{Output, Run, Scratch, compile, read_json};
use std::fs;

/// Makes these requests on a file, preloaded, and returns the output.
fn make(requests: &[&str], variables: &[(&str, &str)]) -> (Output, Scratch) {
    let driver = compile("drivers/near_misses.c", "near_misses", &[]);
    let directory = Scratch::new();
    let bare = Run::bare(&driver).args(requests).within(directory.path()).ok();
    let mut run = Run::preloaded(driver).args(requests);
    for (variable, value) in variables {
        run = run.env(variable, value);
    }
    let output = run.within(directory.path()).ok();
    assert_eq!(output.stdout, bare.stdout);
    (output, directory)
}

/// FICLONE with the size of a long, FIDEDUPERANGE that only reads, and FICLONERANGE with another
/// number. Each is made twice.
const NEAR: [&str; 6] =
    ["0x40089409", "0x80189436", "0x4020940c", "0x40089409", "0x80189436", "0x4020940c"];

#[test]
fn a_near_miss_is_warned_of_once() {
    for level in ["warn", "info", "trace"] {
        let (output, directory) = make(&NEAR, &[("CFR_LOG", level)]);
        let file = directory.file("target");
        let warnings: Vec<_> =
            output.stderr.lines().filter(|line| line.contains(" --- warn: ")).collect();
        let expected = [
            "_IOC(_IOC_WRITE, 0x94, 0x9, 0x8), ...) is like FICLONE but for its size: FICLONE is \
             _IOC(_IOC_WRITE, 0x94, 0x9, 0x4)",
            "_IOC(_IOC_READ, 0x94, 0x36, 0x18), ...) is like FIDEDUPERANGE but for its direction: \
             FIDEDUPERANGE is _IOC(_IOC_READ|_IOC_WRITE, 0x94, 0x36, 0x18)",
            "_IOC(_IOC_WRITE, 0x94, 0xc, 0x20), ...) is like FICLONERANGE but for its number: \
             FICLONERANGE is _IOC(_IOC_WRITE, 0x94, 0xd, 0x20)",
        ];
        assert_eq!(warnings.len(), expected.len(), "{output:#?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            let expected = format!(" --- warn: ioctl(3<{}>, {expected} ---", file.display());
            assert!(warning.starts_with("cfr: ") && warning.ends_with(&expected), "{warning}");
        }
        assert!(level == "trace" || output.stderr.lines().count() == 3, "{output:#?}");
    }
}

#[test]
fn a_near_miss_is_shown_as_the_settings_say() {
    let count = |variables: &[_]| make(&NEAR, variables).0.stderr.lines().count();
    assert_eq!(count(&[("CFR_LOG", "error")]), 0);
    assert_eq!(count(&[("CFR_LOG", "off")]), 0);
    assert_eq!(count(&[("CFR_HOOKS", "copy_file_range,sendfile")]), 0);
    let (output, _) = make(&NEAR, &[("CFR_PATHS", "no")]);
    assert_eq!(output.stderr.matches(" --- warn: ioctl(3, _IOC(").count(), 3);
    let (output, _) = make(&NEAR, &[("CFR_LOG_FORMAT", "json")]);
    for line in output.stderr.lines() {
        let object = read_json(line);
        assert_eq!(object["level"], "warn");
        assert!(object["message"].as_str().unwrap().contains(" is like FI"), "{line}");
    }
    assert_eq!(output.stderr.lines().count(), 3);
}

/// A program that tries all numbers does not fill the log.
#[test]
fn at_most_16_near_misses_of_a_process_are_warned_of() {
    let requests: Vec<_> = (0x50..0x70).map(|number| format!("0x400494{number:x}")).collect();
    let requests: Vec<_> = requests.iter().map(String::as_str).collect();
    let (output, _) = make(&requests, &[]);
    assert_eq!(output.stderr.lines().count(), 16);
}

/// All that linux/btrfs.h defines, and requests of another type.
#[test]
fn the_requests_of_btrfs_are_not_near_misses() {
    let scratch = Scratch::new();
    let header = scratch.write("header.c", b"#include <linux/btrfs.h>\n");
    let macros = Run::bare("cc").args(["-dM", "-E"]).args([header]).ok().stdout;
    let names = macros.lines().filter_map(|line| line.split(' ').nth(1));
    let names: Vec<_> =
        names.filter(|name| name.starts_with("BTRFS_IOC_") && !name.contains('(')).collect();
    assert!(names.len() > 50, "{names:?}");
    let printed = names.iter().map(|name| format!("printf(\"%#lx\\n\", (long){name});\n"));
    let printed: String = printed.collect();
    let program = format!(
        "#include <linux/btrfs.h>\n#include <linux/fs.h>\n#include <stdio.h>\nint main(void) {{\n\
         {printed}return 0;\n}}\n"
    );
    let source = scratch.write("print.c", program.as_bytes());
    Run::bare("cc").args(["-o", "print"]).args([source]).within(scratch.path()).ok();
    let requests = Run::bare(scratch.file("print")).ok().stdout;
    // The library answers these itself.
    let known = ["0x40049409", "0x4020940d", "0xc0189436"];
    let requests: Vec<_> = requests.lines().filter(|request| !known.contains(request)).collect();
    let requests = [&*requests, &["0x40089309", "0x40049509", "0x4004"]].concat();
    let (output, _) = make(&requests, &[("CFR_LOG", "trace")]);
    assert_eq!(output.stderr, "");
    fs::remove_file(scratch.file("print")).unwrap();
}
