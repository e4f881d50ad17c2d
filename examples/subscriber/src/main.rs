//! Copies a file through libcfr's crates and logs each call with a subscriber of its own: the records
//! are ordinary `tracing` events. `cargo run SOURCE TARGET`.

use cfr_engine::call::{Call, Method};
use cfr_engine::dialect;
use cfr_engine::execution::Execution;
use cfr_engine::hook::Hook;
use cfr_shared::record::{Context, Ending, Record};
use cfr_shared::settings::Settings;
use cfr_sys::{Args, OffsetPointer};
use std::error::Error;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(std::io::stderr).init();
    let [_, source, target] = std::env::args()
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: subscriber SOURCE TARGET")?;
    let (source, target) = (File::open(source)?, File::create(target)?);
    let policy = Settings::new(false).policy;
    let args = Args {
        fd_in: source.as_raw_fd(),
        off_in: OffsetPointer::new(null_mut()),
        fd_out: target.as_raw_fd(),
        off_out: OffsetPointer::new(null_mut()),
        len: 1 << 30,
        flags: 0,
    };
    loop {
        let call = Call::decode(&args);
        let kernel = |args: &Args| (cfr_sys::copy_file_range(args), Method::Kernel);
        let outcome = Execution::new(&args, &policy).run(None, kernel);
        let context = Context {
            time_ns: cfr_sys::realtime_ns(),
            duration_ns: 0,
            pid: cfr_sys::getpid(),
            ending: Ending::Returned,
            tid: None,
            comm: None,
            hook: Hook::CopyFileRange,
            path_in: None,
            path_out: None,
            offsets_after: (None, None),
            sharing: None,
            dialect: dialect::DEFAULT,
            injected: false,
            delayed: false,
        };
        Record { call: &call, outcome: &outcome, context }.emit();
        match outcome.answer {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(errno) => return Err(errno.to_string().into()),
        }
    }
}
