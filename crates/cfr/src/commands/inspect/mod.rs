//! `cfr inspect`: reports by which calls a program can copy, and whether the preload or the supervisor
//! sees them. Reads the files of the program and executes nothing.
//!
//! A file uses only files above it in this list.

mod hooks;

mod receiver;

#[cfg(any(target_arch = "aarch64", test))]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

mod contents;

mod image;

mod cache;

mod search;

mod libraries;

mod report;

mod verdict;

mod report_text;

mod report_json;

use crate::cli::{InspectArgs, ReportFormat};
use crate::program::elf::{Elf, ElfFile, Native};
use crate::program::locate::{self, Executable, Visibility};
use crate::term::failure::{CANNOT_EXECUTE, Failure, describe, printable};
use crate::term::stdout;
use crate::term::width;
use image::{Image, Role};
use report::Inspection;

/// Finds the program as `cfr trace` does, and reports what its files show.
pub(crate) fn run(args: &InspectArgs) -> Result<u8, Failure> {
    let path = locate::find(&args.program)?;
    let program = locate::follow(&path);
    let visibility = locate::visibility(&program);
    let (mut images, mut missing, mut c_library) = (Vec::new(), Vec::new(), None);
    match &program.elf {
        Elf::Other => return Err(unknown(&program)),
        Elf::Foreign(_) => {}
        Elf::Native(native) => {
            images.push(itself(&program, native)?);
            if native.linker.is_some() {
                let privileged = matches!(visibility, Visibility::Unseen(_));
                let file = program.file.canonicalize().unwrap_or_else(|_| program.file.clone());
                let libraries = libraries::find(&file, native, privileged);
                images.extend(libraries.images);
                missing = libraries.missing;
                c_library = libraries.c_library;
            }
        }
    }
    let report = Inspection { program, visibility, images, missing, c_library };
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::render(&report, width::of_stdout()),
        ReportFormat::Json => report_json::render(&report)?,
    })
}

/// Examines the program's own file.
fn itself(program: &Executable, native: &Native) -> Result<Image, Failure> {
    let shown = printable(&program.file);
    let source = ElfFile::open(&program.file)
        .map_err(|error| Failure::new(format!("cannot read {shown}: {}", describe(&error))))?;
    Image::read(program.file.clone(), Role::Program, &source, native)
        .ok_or_else(|| Failure::new(format!("{shown} has a damaged dynamic section")))
}

/// Returns the reason why a file that is neither ELF nor a script cannot be inspected.
fn unknown(program: &Executable) -> Failure {
    let shown = printable(&program.file);
    match ElfFile::open(&program.file) {
        Err(error) => Failure::new(format!("cannot read {shown}: {}", describe(&error))),
        Ok(_) => Failure::with_status(
            CANNOT_EXECUTE,
            format!("{shown} is neither a script nor an ELF program with valid headers"),
        ),
    }
}
