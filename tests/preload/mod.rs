//! The library in real processes: hooks, log, settings, faults.

pub mod clock;
pub mod cookie;
pub mod hazards;
pub mod hooks;
pub mod hostile_hosts;
pub mod inject;
pub mod inject_conditions;
pub mod kernel_contract;
pub mod limits;
pub mod log;
pub mod memory;
pub mod memory_functions;
pub mod near_misses;
pub mod paths;
pub mod real_programs;
mod refused_calls;
pub mod settings;
pub mod sharing;
pub mod userlands;
