//! The rules that explain why the kernel refused an ioctl or a sendfile(2): each on a real
//! filesystem. No result changes, and what was not refused by the kernel is not explained.

use cfr_engine::dialect::{FORWARDED, Rule};
use cfr_testkit::{Filesystems, Run, Scratch, compile, find_program, launcher, skip};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A call, what is wrong with it, the filesystem, the error and the rule.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("clone", "fd-in-closed", "btrfs", "EBADF", "fd-in-closed"),
    ("clone", "fd-out-closed", "btrfs", "EBADF", "fd-out-closed"),
    ("clone", "argument-unreadable", "btrfs", "EFAULT", "argument-unreadable"),
    ("clone", "cross-filesystem", "btrfs", "EXDEV", "cross-filesystem"),
    ("clone", "directory", "btrfs", "EISDIR", "directory"),
    ("clone", "not-regular", "btrfs", "EINVAL", "not-regular"),
    ("clone", "not-readable", "xfs", "EBADF", "not-readable"),
    ("clone", "not-writable", "xfs", "EBADF", "not-writable"),
    ("clone", "append", "xfs", "EBADF", "append"),
    ("clone", "whole-append", "btrfs", "EBADF", "append"),
    ("clone", "fits", "ext4", "EOPNOTSUPP", "cannot-reflink"),
    ("clone", "fits", "tmpfs", "EOPNOTSUPP", "cannot-reflink"),
    ("clone", "range-limit", "btrfs", "EINVAL", "range-limit"),
    ("clone", "read-only", "btrfs", "EROFS", "read-only"),
    ("clone", "nocow", "btrfs", "EINVAL", "nocow"),
    ("clone", "immutable", "xfs", "EPERM", "immutable"),
    ("clone", "swap-file", "xfs", "ETXTBSY", "swap-file"),
    ("clone", "past-end", "btrfs", "EINVAL", "past-end"),
    ("clone", "past-end", "xfs", "EINVAL", "past-end"),
    ("clone", "file-size-limit", "xfs", "EFBIG", "file-size-limit"),
    ("clone", "overlap", "btrfs", "EINVAL", "overlap"),
    ("clone", "whole-overlap", "xfs", "EINVAL", "overlap"),
    ("clone", "unaligned", "btrfs", "EINVAL", "unaligned"),
    ("clone", "unaligned-start", "xfs", "EINVAL", "unaligned"),
    ("dedupe", "fd-in-closed", "btrfs", "EBADF", "fd-in-closed"),
    ("dedupe", "fd-out-closed", "btrfs", "EBADF", "fd-out-closed"),
    ("dedupe", "argument-unreadable", "btrfs", "EFAULT", "argument-unreadable"),
    ("dedupe", "too-many-targets", "btrfs", "ENOMEM", "too-many-targets"),
    ("dedupe", "not-readable", "btrfs", "EINVAL", "not-readable"),
    ("dedupe", "directory", "btrfs", "EISDIR", "directory"),
    ("dedupe", "not-regular", "btrfs", "EINVAL", "not-regular"),
    ("dedupe", "fits", "ext4", "EOPNOTSUPP", "cannot-dedupe"),
    ("dedupe", "range-limit", "btrfs", "EINVAL", "range-limit"),
    ("dedupe", "read-only-mount", "btrfs", "EROFS", "read-only"),
    ("dedupe", "immutable", "xfs", "EPERM", "immutable"),
    ("dedupe", "not-permitted", "btrfs", "EPERM", "not-permitted"),
    ("dedupe", "cross-filesystem", "xfs", "EXDEV", "cross-filesystem"),
    ("dedupe", "nocow", "btrfs", "EINVAL", "nocow"),
    ("dedupe", "swap-file", "xfs", "ETXTBSY", "swap-file"),
    ("dedupe", "past-end", "btrfs", "EINVAL", "past-end"),
    ("dedupe", "past-target", "xfs", "EINVAL", "past-end"),
    ("dedupe", "unaligned", "btrfs", "EINVAL", "unaligned"),
    ("dedupe", "overlap", "xfs", "EINVAL", "overlap"),
    ("dedupe", "nothing-compared", "btrfs", "0", "nothing-compared"),
    ("dedupe", "tail-not-compared", "xfs", "0", "tail-not-compared"),
    ("sendfile", "off-in-unreadable", "ext4", "EFAULT", "off-in-unreadable"),
    ("sendfile", "fd-in-closed", "ext4", "EBADF", "fd-in-closed"),
    ("sendfile", "not-readable", "ext4", "EBADF", "not-readable"),
    ("sendfile", "no-positions", "ext4", "ESPIPE", "no-positions"),
    ("sendfile", "range-limit", "ext4", "EINVAL", "range-limit"),
    ("sendfile", "fd-out-closed", "ext4", "EBADF", "fd-out-closed"),
    ("sendfile", "not-writable", "ext4", "EBADF", "not-writable"),
    ("sendfile", "source-limit", "ext4", "EOVERFLOW", "source-limit"),
    ("sendfile", "append", "ext4", "EINVAL", "append"),
    ("sendfile", "not-seekable", "ext4", "EINVAL", "not-seekable"),
    ("sendfile", "sealed", "ext4", "EPERM", "sealed"),
    ("sendfile", "immutable", "ext4", "EPERM", "immutable"),
    ("sendfile", "swap-file", "ext4", "ETXTBSY", "swap-file"),
    ("sendfile", "file-size-limit", "ext4", "EFBIG", "file-size-limit"),
    ("sendfile", "filesystem-limit", "ext4", "EFBIG", "filesystem-limit"),
    ("sendfile", "direct", "ext4", "EINVAL", "direct"),
    ("sendfile", "offset-unwritable", "ext4", "EFAULT", "offset-unwritable"),
];

fn program() -> PathBuf {
    compile("drivers/refused_calls.c", "refused_calls", &[])
}

/// Returns a program whose calls only the supervisor sees.
fn static_program() -> PathBuf {
    compile("drivers/refused_calls.c", "refused_calls_static", &["-static"])
}

/// Returns the rules of a call.
fn rules(call: &str) -> &'static [Rule] {
    let place = ["clone", "dedupe", "sendfile"].iter().position(|name| *name == call);
    FORWARDED[place.unwrap()].rules
}

/// The directory in which a case runs, and what must be undone afterwards.
struct Place {
    directory: Scratch,
    /// A directory of its own, in which the program runs.
    inner: PathBuf,
    swaps: bool,
}

impl Place {
    /// The error says what this machine does not allow.
    fn new(mounted: &Path, what: &str) -> Result<Place, String> {
        let directory = Scratch::below(mounted);
        let inner = directory.file("d");
        let make = |name: &str, words: &[&str], path: &Path| {
            let output = Run::bare(find_program(name).ok_or(format!("no {name}"))?)
                .args(words)
                .args([path])
                .output();
            if output.status == Some(0) { Ok(()) } else { Err(format!("{name}: {output:?}")) }
        };
        match what {
            "read-only" => make("btrfs", &["subvolume", "create"], &inner)?,
            _ => fs::create_dir(&inner).unwrap(),
        }
        let mut place = Place { directory, inner, swaps: false };
        if what == "swap-file" {
            let swap = place.inner.join("swap");
            fs::write(&swap, vec![0; 1 << 20]).unwrap();
            fs::set_permissions(&swap, fs::Permissions::from_mode(0o600)).unwrap();
            make("mkswap", &[], &swap)?;
            make("swapon", &[], &swap)?;
            place.swaps = true;
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.swaps {
            Run::bare("swapoff").args([self.inner.join("swap")]).output();
        }
        // A subvolume is deleted with its directory.
        let _ = fs::remove_dir_all(self.directory.path());
    }
}

#[test]
fn each_rule_explains_its_error() {
    let test = "preload::refused_calls::each_rule_explains_its_error";
    let filesystems = Filesystems::mount(test);
    let elsewhere = Scratch::new();
    elsewhere.open_to_all();
    let other = elsewhere.write("elsewhere", &[1; 40_000]);
    let log = elsewhere.file("log");
    let mut wrong = Vec::new();
    for &(call, what, name, errno, rule) in CASES {
        let Some(mounted) = filesystems.get(name) else { continue };
        for reach in ["", "preload", "all"] {
            let place = match Place::new(mounted, what) {
                Ok(place) => place,
                Err(reason) => {
                    skip(test, &format!("{call} {what}: {reason}"));
                    continue;
                }
            };
            // The program may change its user.
            fs::write(&log, "").unwrap();
            fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
            let traced = |program| {
                let run = Run::bare(launcher()).args(["run", "--log", "info", "--reach", reach]);
                run.args(["--output"]).args([&log, &program])
            };
            let (run, note) = match reach {
                "" => (Run::bare(program()), None),
                "preload" => (traced(program()), Some(format!(", rule {rule})"))),
                _ => (traced(static_program()), Some(supervised_note(what, rule))),
            };
            let output = run.args([call, what]).args([&other]).within(&place.inner).output();
            let lines = fs::read_to_string(&log).unwrap_or_default();
            let is_explained = note.is_none_or(|note| lines.contains(&note));
            if output.stdout.trim() != errno || !is_explained {
                wrong.push(format!("{call} {what} on {name}, {reach}: {output:?} {lines}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the end of a supervised call's note. The supervisor lets a call through that it cannot make for
/// the program, and then does not know its result.
fn supervised_note(what: &str, rule: &str) -> String {
    match what {
        "file-size-limit" => " = ? (let through: RLIMIT_FSIZE is set)".to_owned(),
        "not-permitted" => " = ? (let through: another user makes it)".to_owned(),
        _ => format!(", rule {rule}, supervised)"),
    }
}

/// Otherwise nothing shows that it is right.
#[test]
fn each_rule_has_a_case_with_its_error() {
    for call in ["clone", "dedupe", "sendfile"] {
        let cases = CASES.iter().filter(|case| case.0 == call);
        let shown: BTreeSet<_> = cases.map(|(_, _, _, errno, rule)| (*rule, *errno)).collect();
        let name = |rule: &Rule| rule.ruling.errno().map_or("0", |errno| errno.name().unwrap());
        let all: BTreeSet<_> = rules(call).iter().map(|rule| (rule.id, name(rule))).collect();
        assert_eq!(shown, all, "{call}");
    }
}

/// The fault's error has another reason than the kernel's.
#[test]
fn an_injected_error_is_not_explained() {
    let scratch = Scratch::new();
    let output = Run::preloaded(program())
        .args(["sendfile", "append"])
        .env("CFR_INJECT", "error=EINVAL")
        .within(scratch.path())
        .ok();
    let calls = output.calls();
    assert!(calls[0].contains(" = -1 EINVAL ") && !calls[0].contains("rule"), "{calls:?}");
    assert!(!output.stderr.contains("rule"), "{output:?}");
}

/// With the condition and its source, and not with a dialect: the kernel alone decides.
#[test]
fn the_log_says_the_rule_in_a_sentence() {
    let scratch = Scratch::new();
    let output = Run::preloaded(program())
        .args(["sendfile", "append"])
        .env("CFR_DIALECT", "freebsd-14")
        .env("CFR_LOG", "debug")
        .within(scratch.path())
        .ok();
    let sentence = "--- debug: rule append: the target is open with O_APPEND (Linux 6.12 \
                    fs/splice.c, splice_direct_to_actor()) ---";
    assert!(output.stderr.contains(sentence), "{output:?}");
}
