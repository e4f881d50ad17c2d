//! The events work with any subscriber; this is tracing-subscriber's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cfr_engine::call::{Call, Method, Offset, Request};
use cfr_engine::dialect;
use cfr_engine::execution::Outcome;
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;
use cfr_shared::record::{Context, Record};
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_record_reaches_tracing_subscriber() {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let file = Offset::File;
    let call = Call {
        request: Request::Copy,
        fd_in: 3,
        off_in: file,
        fd_out: 4,
        off_out: file,
        len: 7,
        flags: Flags(0),
    };
    let outcome = Outcome::new(Ok(7), Method::Kernel);
    let context = Context {
        time_ns: 0,
        duration_ns: 0,
        pid: 1,
        tid: None,
        comm: None,
        hook: Hook::CopyFileRange,
        path_in: None,
        path_out: None,
        offsets_after: (None, None),
        sharing: None,
        dialect: dialect::DEFAULT,
        injected: false,
        delayed: false,
    };
    let record = Record { call: &call, outcome: &outcome, context };
    tracing::subscriber::with_default(subscriber, || record.emit());
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let expected = " INFO cfr::call: \
        1 0.000000 copy_file_range(3, NULL, 4, NULL, 7, 0) = 7 (kernel) <0.000000>\n";
    assert_eq!(text, expected);
}
