//! Copies that the library makes itself, compared with the kernel's and with models.

pub mod backend;
pub mod differential;
pub mod failing_disks;
pub mod holes;
pub mod layouts;
