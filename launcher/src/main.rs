//! `cfr`: runs programs with libcfr.so preloaded, and tells what copies can do here.
//!
//! It never names the library's crate: linking it would put the doors into the launcher itself.
//! A file uses only what stands above it in this list.

mod failure;

mod output;

mod inherited;

mod elf;

mod program;

mod library;

mod witness;

mod environment;

mod child;

mod cli;

mod trace;

mod dialects;

mod probe;

mod inspect;

use cli::Request;
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = match cli::parse(std::env::args_os()) {
        Ok(Request::Run(request)) => trace::run(request),
        Ok(Request::Probe(request)) => probe::run(request),
        Ok(Request::Inspect(request)) => inspect::run(&request),
        Ok(Request::Dialects(request)) => dialects::run(&request),
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
