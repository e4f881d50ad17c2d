//! `cfr`: runs programs with libcfr.so preloaded, tells what copies can do here, and
//! reads their logs.
//!
//! It never names the library's crate: linking it would put the hooks into the launcher itself.
//! A file uses only what stands above it in this list.

mod term;

mod program;

mod run;

mod cli;

mod expect;

mod commands;

use cli::Request;
use commands::{dialects, inspect, probe, profiles, report, sweep, trace};
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = match cli::parse(std::env::args_os()) {
        Ok(Request::Run(request)) => trace::run(request),
        Ok(Request::Probe(request)) => probe::run(request),
        Ok(Request::Inspect(request)) => inspect::run(&request),
        Ok(Request::Dialects(request)) => dialects::run(&request),
        Ok(Request::Profiles(request)) => profiles::run(&request),
        Ok(Request::Report(request)) => report::run(&request),
        Ok(Request::Sweep(request)) => sweep::run(&request),
        Err(failure) => Err(failure),
    };
    match code {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            failure.say();
            ExitCode::from(failure.status)
        }
    }
}
