//! `cfr`: runs programs with libcfr.so preloaded.
//!
//! It never names the library's crate: linking it would put the doors into the launcher itself.
//! A file uses only what stands above it in this list.

mod failure;

mod inherited;

mod elf;

mod program;

mod library;

mod witness;

mod environment;

mod child;

mod cli;

mod trace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = match cli::parse(std::env::args_os()) {
        Ok(request) => trace::run(request),
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
