//! Warnings of ioctl(2) requests that almost share blocks: the kernel does not know them, and the
//! library passes them on.

use crate::caller::ThisThread;
use crate::log::PATHS;
use crate::observer::Observer;
use cfr_engine::diag::log_request_warning;
use cfr_engine::near_miss::NearMiss;
use cfr_shared::format::printable;
use cfr_shared::settings::Level;
use cfr_sys as sys;
use core::sync::atomic::{AtomicU32, Ordering};

/// Requests that were warned of; 0 in a free place. No near miss is 0.
static WARNED: [AtomicU32; 16] = [const { AtomicU32::new(0) }; 16];

/// Warns of `request` on `fd` if it is a near miss: once for each request in a process, and of at
/// most 16 requests.
#[cold]
pub fn warn_of_near_miss(observer: &Observer, fd: i32, request: u32) {
    if observer.settings.log < Level::Warn {
        return;
    }
    let Some(near_miss) = NearMiss::of(request) else { return };
    if !is_first(request) {
        return;
    }
    let log = |path: Option<&[u8]>| match path {
        Some(path) => {
            let path = printable(path);
            log_request_warning(format_args!("ioctl({fd}<{path}>, {near_miss}"));
        }
        None => log_request_warning(format_args!("ioctl({fd}, {near_miss}")),
    };
    let log_with_path = || {
        let entered_ns = sys::monotonic_ns();
        PATHS.with_page(|page| {
            let [path, _] = page.of([fd; 2], entered_ns, &ThisThread);
            log(path);
            page.end();
        })
    };
    let is_logged = observer.settings.paths.then(log_with_path).flatten().is_some();
    if !is_logged {
        log(None);
    }
}

/// Takes a place for the request. Reports whether there was a free one and the request had none.
fn is_first(request: u32) -> bool {
    WARNED
        .iter()
        .find_map(|place| {
            let taken = place.compare_exchange(0, request, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => Some(true),
                Err(other) => (other == request).then_some(false),
            }
        })
        .unwrap_or(false)
}
