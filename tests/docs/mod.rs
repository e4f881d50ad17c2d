//! The documents say what is true.

pub mod examples;
pub mod man;
pub mod pages;
pub mod programs;
