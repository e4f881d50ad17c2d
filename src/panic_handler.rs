//! What a program without std must define: an allocator, and what happens after a panic.
//!
//! No panic is left in the released library (tests/repository/panics.rs). The handler is for builds by
//! another compiler, whose optimizer may not see that a check cannot fail. It is defined here because an
//! undefined symbol would end every program at load.

use cfr_sys::{self as sys, NoHeap};
use core::panic::PanicInfo;

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    sys::abort()
}
