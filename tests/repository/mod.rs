//! Rules of the source tree, exact costs of the built library, and the harness of the tests.

pub mod architecture;
mod crates;
pub mod exact_costs;
pub mod harness;
pub mod panics;
