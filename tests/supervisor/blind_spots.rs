//! Without the supervisor, what a program starts may be hidden from the library. The end of a run names
//! it, and the JSON object of the summary does, too.

use cfr_testkit::{Run, Scratch, copy_product, find_program, is_root, read_json, skip};
use std::path::Path;

const USER: &str = " starts programs as another user, which may get no libcfr.so and cannot open the shared \
                    counters, and there is no supervisor (turned off by --reach preload)\n";
const NAMESPACE: &str = " starts programs in another namespace or root, which may have no libcfr.so or no shared \
                         counters, and there is no supervisor (turned off by --reach preload)\n";
const CLEANED: &str = "env starts its program without LD_PRELOAD, and there is no supervisor (turned off by --reach preload)\n";
const STATIC: &str = "busybox is a statically linked program: nothing can be preloaded into it, and there is no \
                      supervisor (turned off by --reach preload)\n";
const NEVER: &str = "sh never called copy_file_range, sendfile, or ioctl with a reflink or dedupe request; read, \
                     write and splice are not watched, nor, without a supervisor (turned off by --reach preload), \
                     are system calls by instruction and programs without libcfr.so or the shared counters \
                     (static, Go, 32-bit, another user's, in another namespace, with a cleaned environment)\n";
const MAY_LACK: &str = "the summary may lack calls: only the supervisor sees system calls by instruction and programs \
                        without libcfr.so or the shared counters (static, Go, 32-bit, another user's, in another \
                        namespace, with a cleaned environment), and there is none (turned off by --reach preload)\n";

/// Commands that copy `from` to `to`, whether they need root, and the end of what is said.
const COMMANDS: &[(&[&str], bool, &str)] = &[
    (&["env", "-i", "cp", "from", "to"], false, CLEANED),
    (&["env", "LD_PRELOAD=", "cp", "from", "to"], false, CLEANED),
    (&["env", "-u", "LD_PRELOAD", "cp", "from", "to"], false, CLEANED),
    (&["busybox", "cp", "from", "to"], false, STATIC),
    (&["sh", "-c", "unset LD_PRELOAD; cp from to"], false, NEVER),
    (&["sh", "-c", "cp from to; env -i cp from to"], false, MAY_LACK),
    (&["sh", "-c", "cp from to; busybox cp from to"], false, MAY_LACK),
    (&["unshare", "-Ur", "cp", "from", "to"], false, NAMESPACE),
    (&["bwrap", "--dev-bind", "/", "/", "--unshare-all", "cp", "from", "to"], false, NAMESPACE),
    (&["chroot", "/", "sh", "-c", "cd \"$0\"; cp from to", "."], true, NAMESPACE),
    (&["su", "-s", "/bin/sh", "nobody", "-c", "cp from to"], true, USER),
    (&["runuser", "-u", "nobody", "--", "cp", "from", "to"], true, USER),
    (&["setpriv", "--reuid=65534", "cp", "from", "to"], true, USER),
    (&["sudo", "-n", "-u", "nobody", "cp", "from", "to"], true, USER),
];

/// Runs `cfr run -c` with these options. Returns what it prints.
fn said(product: &Path, options: &[&str], command: &[&str]) -> String {
    let scratch = Scratch::new();
    scratch.open_to_all();
    scratch.random("from", 20_000);
    let place = scratch.path().to_str().unwrap();
    let command = command.iter().map(|&word| if word == "." { place } else { word });
    let run = Run::bare(product).args(["run", "-c"]).args(options).args(["--"]).args(command);
    run.within(scratch.path()).ok().stderr
}

#[test]
fn what_the_library_cannot_see_is_named_without_the_supervisor() {
    let test =
        "supervisor::blind_spots::what_the_library_cannot_see_is_named_without_the_supervisor";
    let scratch = Scratch::new();
    scratch.open_to_all();
    let product = copy_product(&scratch.file("product"));
    for &(command, needs_root, words) in COMMANDS {
        let name = command[0];
        if needs_root && !is_root() {
            skip(test, &format!("{name} needs root"));
            continue;
        }
        let bare = Scratch::new();
        bare.open_to_all();
        bare.random("from", 1);
        let place = bare.path().to_str().unwrap();
        let words_of = command.iter().map(|&word| if word == "." { place } else { word });
        let words_of: Vec<_> = words_of.collect();
        let works = find_program(name).is_some()
            && Run::bare(name).args(&words_of[1..]).within(bare.path()).output().status == Some(0);
        if !works {
            skip(test, &format!("{name} does not work here"));
            continue;
        }
        let text = said(&product, &["--reach", "preload"], command);
        let named = text.lines().last().map(|line| format!("{line}\n")).unwrap_or_default();
        assert!(named.ends_with(words), "{command:?}: {text}");
        let object = said(&product, &["--reach", "preload", "--format", "json"], command);
        let object = object.lines().find(|line| line.starts_with('{')).unwrap();
        let unseen = read_json(object)["unseen"].as_str().unwrap_or_default().to_owned();
        let is_same = words.contains(&unseen) || unseen.ends_with(words.trim_end());
        assert!(is_same || words == NEVER, "{command:?}: {unseen}");
        assert!(unseen.contains("(turned off by --reach preload)"), "{command:?}: {unseen}");

        let text = said(&product, &["--reach", "all"], command);
        let is_said = text.contains("no copy was ") || text.contains("may lack calls");
        assert!(!is_said && text.contains("bytes"), "{command:?}: {text}");
    }
}

#[test]
fn a_watched_run_has_no_reason() {
    let test = "supervisor::blind_spots::a_watched_run_has_no_reason";
    if !is_root() {
        return skip(test, "needs root");
    }
    let scratch = Scratch::new();
    let product = copy_product(&scratch.file("product"));
    let object = said(&product, &["--format", "json"], &["env", "-i", "cp", "from", "to"]);
    let object = read_json(object.lines().last().unwrap());
    assert_eq!(object["unseen"], serde_json::Value::Null, "{object:#}");
    assert!(object["summary"]["calls"].as_u64().unwrap() >= 2, "{object:#}");
}
