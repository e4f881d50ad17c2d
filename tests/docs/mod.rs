//! The documents say what is true.

pub mod examples;
pub mod links;
pub mod man;
pub mod pages;
mod programs;
mod schema;
pub mod style;
pub mod texts;
