//! The documents say what is true.

pub mod examples;
pub mod pages;
pub mod programs;
