//! `cfr inspect`: through which hooks a program can copy, and whether a preload can see it, told from
//! its files alone. Nothing of it is executed.
//!
//! A file uses only what stands above it in this list.

mod hooks;

#[cfg(any(target_arch = "aarch64", test))]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

mod contents;

mod image;

mod cache;

mod libraries;

mod report;

mod verdict;

mod report_text;

mod report_json;

use crate::cli::{InspectArgs, ReportFormat};
use crate::program::elf::{Elf, Native, Source};
use crate::program::locate::{self, Executable, Visibility};
use crate::term::failure::{CANNOT_EXECUTE, Failure, plain, told};
use crate::term::stdout;
use image::{Image, Role};
use libraries::Libraries;
use report::Report;

/// Finds the program as `cfr trace` does, and writes what its files tell.
pub(crate) fn run(args: &InspectArgs) -> Result<u8, Failure> {
    let path = locate::find(&args.program)?;
    let program = locate::follow(&path);
    let visibility = locate::visibility(&program);
    let (mut images, mut missing) = (Vec::new(), Vec::new());
    match &program.elf {
        Elf::Other => return Err(unknown(&program)),
        Elf::Foreign(_) => {}
        Elf::Native(native) => {
            images.push(itself(&program, native)?);
            // Of another C library's linker the ways are not known.
            if native.linker.is_some() && !native.musl() {
                let privileged = matches!(visibility, Visibility::Unseen(_));
                let file = program.file.canonicalize().unwrap_or_else(|_| program.file.clone());
                let Libraries { images: found, missing: lost } =
                    libraries::find(&file, native, privileged);
                images.extend(found);
                missing = lost;
            }
        }
    }
    let report = Report { program, visibility, images, missing };
    stdout::write(&match args.format {
        ReportFormat::Text => report_text::written(&report),
        ReportFormat::Json => report_json::written(&report)?,
    })
}

/// The program's own file.
fn itself(program: &Executable, native: &Native) -> Result<Image, Failure> {
    let shown = plain(&program.file);
    let source = Source::open(&program.file)
        .map_err(|error| Failure::new(format!("{shown}: {}", told(&error))))?;
    Image::read(program.file.clone(), Role::Program, &source, native)
        .ok_or_else(|| Failure::new(format!("{shown}: its dynamic section is damaged")))
}

/// Why nothing can be told of a file that is neither ELF nor a script.
fn unknown(program: &Executable) -> Failure {
    let shown = plain(&program.file);
    match Source::open(&program.file) {
        Err(error) => Failure::new(format!("{shown}: cannot be read: {}", told(&error))),
        Ok(_) => Failure::with_status(
            CANNOT_EXECUTE,
            format!("{shown}: is neither a script nor an ELF program with sound headers"),
        ),
    }
}
