//! Rules of the source tree, and exact costs of the built library.

pub mod architecture;
pub mod exact_costs;
pub mod panics;
