//! Times in the log and delays of faults are the kernel's, whatever another preloaded library makes
//! of the program's clock: libfaketime here, whose clock starts in 2000 and runs 1000 times as fast.

use cfr_testkit::{Run, Scratch, find_program, launcher, library, skip};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const FAKE_TIME: &str = "@2000-01-01 00:00:00 x1000";

/// The library and the launcher under a clock that is not the kernel's.
struct FakeClock {
    /// The file of libfaketime.
    libfaketime: PathBuf,
    scratch: Scratch,
}

impl FakeClock {
    /// The error is the reason why there is none on this machine.
    fn new() -> Result<FakeClock, &'static str> {
        let of_debian = format!("/usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
        let directories = [&of_debian, "/usr/lib64/faketime", "/usr/lib/faketime"];
        let files = directories.map(|path| Path::new(path).join("libfaketime.so.1"));
        let libfaketime = files.into_iter().find(|file| file.exists());
        find_program("faketime").ok_or("faketime is not installed")?;
        Ok(FakeClock {
            libfaketime: libfaketime.ok_or("libfaketime is not installed")?,
            scratch: Scratch::new(),
        })
    }

    /// Runs `words`, which start the library and libfaketime in this order, and then a copy and
    /// date(1). Each line's time and duration must lie within the run. Returns the durations in
    /// microseconds.
    #[track_caller]
    fn durations(&self, words: &[&str], preloaded: &[&Path], faults: &str) -> Vec<u64> {
        let paths = preloaded.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>();
        let (source, target) = (self.scratch.random("a", 100_000), self.scratch.file("b"));
        let mut words = words.iter().copied().chain(["sh", "-c", "cp \"$0\" \"$1\"; date +%Y"]);
        let run = Run::bare(words.next().unwrap())
            .args(words)
            .args([source, target])
            .env("LD_PRELOAD", paths.join(" "))
            .env("FAKETIME", FAKE_TIME)
            .env("CFR_INJECT", faults);
        let begun = now_us();
        let output = run.ok();
        let ended = now_us();
        assert_eq!(output.stdout, "2000\n", "the clock is the kernel's: {output:?}");
        let lines = output.stderr.lines().filter_map(|line| line.strip_prefix("cfr: "));
        // The sentence of a rule has no duration.
        let lines = lines.filter(|line| !line.contains(" --- "));
        let durations: Vec<_> = lines
            .map(|line| {
                let time = microseconds(line.split(' ').nth(1).unwrap());
                let duration = microseconds(line.rsplit(['<', '>']).nth(1).unwrap());
                assert!((begun..=ended).contains(&time), "{begun} to {ended}: {line}");
                assert!(time + duration <= ended, "{begun} to {ended}: {line}");
                duration
            })
            .collect();
        assert!(!durations.is_empty(), "{output:?}");
        durations
    }

    /// Runs the copy in every order in which libfaketime and the library can be started. Returns the
    /// durations in microseconds.
    #[track_caller]
    fn durations_in_every_order(&self, faults: &str) -> Vec<u64> {
        let launcher = launcher();
        let trace = [launcher.to_str().unwrap(), "trace", "--"];
        let faketime = ["faketime", "-f", FAKE_TIME];
        let (faked, library) = (&*self.libfaketime, &*library());
        [
            self.durations(&[], &[faked, library], faults),
            self.durations(&[], &[library, faked], faults),
            self.durations(&[faketime, trace].concat(), &[], faults),
            self.durations(&[trace, faketime].concat(), &[], faults),
        ]
        .concat()
    }
}

/// Returns CLOCK_REALTIME in microseconds.
fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

/// Parses seconds with six decimals.
fn microseconds(seconds: &str) -> u64 {
    let (whole, micros) = seconds.split_once('.').unwrap();
    assert_eq!(micros.len(), 6, "{seconds}");
    whole.parse::<u64>().unwrap() * 1_000_000 + micros.parse::<u64>().unwrap()
}

#[test]
fn a_fake_clock_changes_no_time_in_the_log() {
    match FakeClock::new() {
        Ok(clock) => drop(clock.durations_in_every_order("")),
        Err(reason) => skip("preload::clock::a_fake_clock_changes_no_time_in_the_log", reason),
    }
}

#[test]
fn a_fake_clock_changes_no_delay() {
    const DELAY_US: u64 = 10_000;
    let clock = match FakeClock::new() {
        Ok(clock) => clock,
        Err(reason) => return skip("preload::clock::a_fake_clock_changes_no_delay", reason),
    };
    for fault in ["delay_enter=10ms", "delay_exit=10ms"] {
        let durations = clock.durations_in_every_order(fault);
        assert!(durations.iter().all(|&duration| duration >= DELAY_US), "{fault}: {durations:?}");
    }
}

/// The library finds the kernel's clock itself.
#[test]
fn the_library_uses_no_clock_of_the_c_library() {
    if find_program("nm").is_none() {
        let test = "preload::clock::the_library_uses_no_clock_of_the_c_library";
        return skip(test, "nm is not installed");
    }
    let symbols = Run::bare("nm").args(["-D", "--undefined-only"]).args([library()]).ok().stdout;
    assert!(symbols.contains("getauxval"), "{symbols}");
    for name in ["clock", "gettimeofday", "nanosleep", " time"] {
        assert!(!symbols.contains(name), "{name}: {symbols}");
    }
}
