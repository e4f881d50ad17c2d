//! A program under observation: its settings, its process, the counters that it shares.
//!
//! A file uses only files above it in this list.

pub(crate) mod shared_stats;

pub(crate) mod progress;

pub(crate) mod shared_log;

pub(crate) mod environment;

pub(crate) mod program_settings;

mod rotation;

mod written_lines;

pub(crate) mod line_reader;

pub(crate) mod proc_stat;

pub(crate) mod unfinished;

pub(crate) mod profile;

pub(crate) mod handover;

pub(crate) mod filter;

pub(crate) mod guard;

pub(crate) mod supervisor;

pub(crate) mod reach;

pub(crate) mod preload;

pub(crate) mod start;

pub(crate) mod terminal_signals;

pub(crate) mod child;

pub(crate) mod summary_rows;

pub(crate) mod summary;

pub(crate) mod live_stats;

pub(crate) mod blind_spot;

pub(crate) mod unmet_faults;
