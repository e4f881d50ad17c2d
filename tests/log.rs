//! The log's lines, as a user sees them.

use crate::harness::{Run, Scratch};
use std::fs;

#[test]
fn a_traced_cp() {
    let scratch = Scratch::new();
    let source = scratch.random("a", 100_000);
    let target = scratch.file("b");
    let output = Run::preloaded("cp").args([&source, &target]).ok();
    assert_eq!(fs::read(&source).unwrap(), fs::read(&target).unwrap());
    let calls = output.calls();
    // How much cp asks for depends on its version.
    let before =
        format!("copy_file_range(3<{}>, NULL, 4<{}>, NULL, ", source.display(), target.display());
    assert!(calls[0].starts_with(&before), "{calls:?}");
    assert!(calls[0].ends_with(", 0) = 100000 (kernel)"), "{calls:?}");
}
