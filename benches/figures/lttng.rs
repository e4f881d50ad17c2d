//! A neighbour: LTTng-UST, which records an event of four numbers for each call in a trace of its own
//! format. c-tests/bench/lttng_shim.c is preloaded in place of the library.

use crate::exact::{Driver, Way};
use cfr_testkit::{Run, Running, compile, find_program, project};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SESSION: &str = "cfr-bench";

/// A daemon of LTTng with a session that records. Dropping this ends both.
pub struct Lttng {
    _daemon: Running,
}

impl Lttng {
    /// Starts the daemon and the session. The error is the reason why it is not measured.
    pub fn start(driver: &Driver) -> Result<Lttng, String> {
        for program in ["lttng", "lttng-sessiond"] {
            find_program(program).ok_or(format!("{program} is not installed (lttng-tools)"))?;
        }
        if !Path::new("/usr/include/lttng/tracepoint.h").is_file() {
            return Err("lttng/tracepoint.h is not installed (liblttng-ust-dev)".to_owned());
        }
        let daemon = Run::bare("lttng-sessiond").args(["--no-kernel"]);
        let lttng = Lttng { _daemon: daemon.limit(Duration::from_secs(3600)).start() };
        let is_ready = || Run::bare("lttng").args(["list"]).output().status == Some(0);
        if !(0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            is_ready()
        }) {
            return Err("lttng-sessiond does not answer".to_owned());
        }
        let trace = driver.file("lttng");
        let _ = fs::remove_dir_all(&trace);
        let output = format!("--output={}", trace.display());
        for words in [
            ["create", SESSION, &output].as_slice(),
            &["enable-event", "--userspace", "bench_calls:copied", "--session", SESSION],
            &["start", SESSION],
        ] {
            let done = Run::bare("lttng").args(["--quiet"]).args(words).output();
            if done.status != Some(0) {
                return Err(format!("lttng {}: {}", words[0], done.stderr.trim()));
            }
        }
        Ok(lttng)
    }
}

/// Returns the environment in which the driver's calls are recorded, if a session records.
pub fn environment(driver: &Driver) -> Vec<String> {
    let mut environment = driver.environment(Way::BARE);
    environment.push(format!("LD_PRELOAD={}", shim().display()));
    environment
}

fn shim() -> PathBuf {
    let headers = project().join("c-tests/bench").display().to_string();
    let flags = ["-shared", "-fPIC", "-I", &headers, "-llttng-ust", "-ldl"];
    compile("bench/lttng_shim.c", "liblttng_shim.so", &flags)
}

impl Drop for Lttng {
    fn drop(&mut self) {
        let _ = Run::bare("lttng").args(["--quiet", "destroy", SESSION]).output();
    }
}
