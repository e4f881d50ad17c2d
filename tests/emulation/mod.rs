//! Copies that the library makes itself, against the kernel's and against models.

pub mod backend;
pub mod differential;
pub mod failing_disks;
pub mod layouts;
