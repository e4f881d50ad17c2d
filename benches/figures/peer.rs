//! The peer: benches/fmt-layer, a preload library that logs through tracing-subscriber's fmt
//! layer. Only this bench builds it.

use crate::exact::{Driver, Way};
use cfr_testkit::{BUILD_LIMIT, Run, project};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The format of its lines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// The layer's text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Returns the path of the built library. The error is the reason why it cannot be built.
pub fn library() -> Result<&'static Path, String> {
    static LIBRARY: LazyLock<Result<PathBuf, String>> = LazyLock::new(build);
    LIBRARY.as_deref().map_err(Clone::clone)
}

fn build() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fmt-layer");
    let built = Run::bare(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target-dir"])
        .args([&target])
        .within(project().join("benches/fmt-layer"))
        .limit(BUILD_LIMIT)
        .output();
    if built.status != Some(0) {
        return Err(format!("not built: {}", built.stderr.lines().next().unwrap_or_default()));
    }
    Ok(target.join("release/libfmt_layer.so"))
}

/// Returns the environment that makes the driver log through it, and empties the log.
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
