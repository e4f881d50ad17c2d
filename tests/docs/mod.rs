//! The documents say what is true.

mod ci;
pub mod examples;
pub mod links;
pub mod man;
pub mod pages;
mod programs;
mod schema;
mod site;
pub mod style;
pub mod texts;
