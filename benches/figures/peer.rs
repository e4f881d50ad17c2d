//! The log that one would write without this project: benches/fmt-layer, a preload library upon
//! tracing-subscriber's fmt layer. Built where figures are wanted, and nowhere else.

use crate::exact::{Driver, Way};
use cfr_testkit::project;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// What its lines are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// The layer's own.
    Text,
    /// An object a line.
    Json,
}

/// Its file. An error says why it cannot be built here.
pub fn library() -> Result<&'static Path, String> {
    static LIBRARY: LazyLock<Result<PathBuf, String>> = LazyLock::new(build);
    LIBRARY.as_deref().map_err(Clone::clone)
}

fn build() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fmt-layer");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target-dir"])
        .arg(&target)
        .current_dir(project().join("benches/fmt-layer"))
        .output()
        .map_err(|error| error.to_string())?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Err(format!("not built: {}", said.lines().next().unwrap_or_default()));
    }
    Ok(target.join("release/libfmt_layer.so"))
}

/// The environment that makes the driver log through it, with an empty log.
pub fn environment(driver: &Driver, format: Format) -> Vec<String> {
    let mut environment = driver.environment(Way::BARE);
    let library = library().expect("asked for before");
    let format = match format {
        Format::Text => "text",
        Format::Json => "json",
    };
    environment.extend([
        format!("LD_PRELOAD={}", library.display()),
        format!("FMT_LAYER_FILE={}", driver.file("log").display()),
        format!("FMT_LAYER_FORMAT={format}"),
    ]);
    environment
}
