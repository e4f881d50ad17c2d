//! The command `cfr`: runs programs with libcfr.so preloaded, tests what copies can do on this
//! system, and reads logs.
//!
//! It does not link the library's crate, because that would put the hooks into the launcher itself.
//! A file uses only files above it in this list.
#![deny(unsafe_code)]

mod term;

mod program;

mod run;

mod log;

mod html;

mod cli;

mod expect;

mod launch;

mod supervise;

mod commands;

use cli::Request;
use commands::{
    completions, dialects, inspect, probe, profiles, report, run as run_command, summary, sweep,
    trace,
};
use std::process::ExitCode;
use term::failure::Failure;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.next().is_some_and(|name| name == run::supervisor::NAME) {
        return exit(supervise::run(words));
    }
    exit(match cli::parse(std::env::args_os()) {
        Ok(Request::Trace(args)) => trace::run(args),
        Ok(Request::Run(args)) => run_command::run(args),
        Ok(Request::Sweep(args)) => sweep::run(&args),
        Ok(Request::Report(args)) => report::run(&args),
        Ok(Request::Summary(args)) => summary::run(&args),
        Ok(Request::Probe(args)) => probe::run(args),
        Ok(Request::Inspect(args)) => inspect::run(&args),
        Ok(Request::Dialects(args)) => dialects::run(&args),
        Ok(Request::Profiles(args)) => profiles::run(&args),
        Ok(Request::Completions(shell)) => completions::run(shell),
        Err(failure) => Err(failure),
    })
}

fn exit(result: Result<u8, Failure>) -> ExitCode {
    match result {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status)
        }
    }
}
