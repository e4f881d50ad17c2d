//! Golden files: a line of text and of JSON for every form of a record.
//!
//! `UPDATE=1 cargo test -p cfr-shared` rewrites the files; review the difference.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use cfr_engine::call::{Answer, Call, DedupeTarget, Method, Offset, Request};
use cfr_engine::diag::CallLine;
use cfr_engine::dialect::{self, Dialect, Rule};
use cfr_engine::execution::Outcome;
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;
use cfr_shared::line::{Line, MAX_LINE};
use cfr_shared::record::{Context, Ending, Record};
use cfr_sys::Sharing;
use cfr_sys::errno::Errno;
use std::fmt::Write;
use std::path::Path;

/// The fields of a record side by side, so that a row names only those in which it differs.
#[derive(Clone, Copy)]
struct Sample {
    time_ns: u64,
    pid: i32,
    tid: Option<i32>,
    comm: Option<&'static [u8]>,
    hook: Hook,
    call: &'static Call,
    path_in: Option<&'static [u8]>,
    path_out: Option<&'static [u8]>,
    offsets_after: (Option<i64>, Option<i64>),
    answer: Answer,
    bytes: u64,
    method: Method,
    sharing: Option<(Sharing, u64)>,
    dialect: &'static Dialect,
    rule: Option<&'static Rule>,
    judged: bool,
    injected: bool,
    delayed: bool,
    duration_ns: u64,
}

impl Sample {
    fn record(self) -> Record<'static> {
        let Sample { time_ns, pid, tid, comm, hook, call, path_in, path_out, .. } = self;
        let Sample { offsets_after, sharing, dialect, injected, delayed, duration_ns, .. } = self;
        let Sample { bytes, rule, judged, .. } = self;
        let outcome = Outcome::new(self.answer, self.method);
        let outcome = Outcome { bytes, rule, judged, ..outcome };
        let context = Context {
            time_ns,
            duration_ns,
            pid,
            ending: Ending::Returned,
            tid,
            comm,
            hook,
            path_in,
            path_out,
            offsets_after,
            sharing,
            dialect,
            injected,
            delayed,
        };
        Record { call, outcome: Box::leak(Box::new(outcome)), context }
    }
}

/// Returns a plain successful call, the base of the others.
fn plain() -> Sample {
    Sample {
        time_ns: 1_795_341_701_246_407_999,
        pid: 4923,
        tid: Some(4924),
        comm: Some(b"cp"),
        hook: Hook::CopyFileRange,
        call: &Call {
            request: Request::Copy,
            fd_in: 3,
            off_in: Offset::File,
            fd_out: 4,
            off_out: Offset::At(4096),
            len: 1_048_576,
            flags: Flags(0),
        },
        path_in: Some(b"/src/a"),
        path_out: Some(b"/dst/b"),
        offsets_after: (None, Some(1_052_672)),
        answer: Ok(1_048_576),
        bytes: 1_048_576,
        method: Method::Kernel,
        sharing: None,
        dialect: dialect::DEFAULT,
        rule: None,
        judged: false,
        injected: false,
        delayed: false,
        duration_ns: 21_999,
    }
}

/// Gives a call the lifetime that its record needs.
fn leaked(call: Call) -> &'static Call {
    Box::leak(Box::new(call))
}

/// Returns a dialect and one of its rules.
fn rule(dialect: &str, id: &str) -> (&'static Dialect, Option<&'static Rule>) {
    let dialect = Dialect::by_name(dialect.as_bytes()).unwrap();
    (dialect, Some(dialect.rules.iter().find(|rule| rule.id == id).unwrap()))
}

fn records() -> Vec<(&'static str, Record<'static>)> {
    samples().into_iter().map(|(what, sample)| (what, sample.record())).collect()
}

fn samples() -> Vec<(&'static str, Sample)> {
    let plain = plain();
    let call = *plain.call;
    let nothing = (None, None);
    let copies = vec![
        ("a copy", plain),
        (
            "refused",
            Sample {
                call: leaked(Call {
                    off_in: Offset::At(0),
                    off_out: Offset::At(0),
                    flags: Flags(2),
                    ..call
                }),
                offsets_after: (Some(0), Some(0)),
                answer: Err(Errno(95)),
                rule: rule("extended", "cannot-reflink").1,
                ..plain
            },
        ),
        (
            "answered by a rule",
            Sample {
                answer: Err(Errno(22)),
                method: Method::None,
                dialect: rule("freebsd", "overlap").0,
                rule: rule("freebsd", "overlap").1,
                judged: true,
                ..plain
            },
        ),
        (
            "failed by a fault",
            Sample {
                answer: Err(Errno::EXDEV),
                bytes: 0,
                method: Method::None,
                injected: true,
                ..plain
            },
        ),
        (
            "shortened and delayed by a fault",
            Sample {
                answer: Ok(4096),
                bytes: 4096,
                injected: true,
                delayed: true,
                sharing: Some((Sharing::Shared, 4096)),
                ..plain
            },
        ),
        ("shared", Sample { method: Method::Reflink, ..plain }),
        ("deduplicated", Sample { method: Method::Dedupe, ..plain }),
        ("emulated", Sample { method: Method::Emulated, ..plain }),
        ("an error without a name", Sample { answer: Err(Errno(524)), ..plain }),
        ("through syscall()", Sample { hook: Hook::Syscall, ..plain }),
        ("to the next library", Sample { method: Method::Next, ..plain }),
        (
            "bad pointers",
            Sample {
                call: leaked(Call {
                    off_in: Offset::BadAddress(1),
                    off_out: Offset::BadAddress(0xffff_8000_0000_0000),
                    ..call
                }),
                offsets_after: nothing,
                answer: Err(Errno::EFAULT),
                ..plain
            },
        ),
        (
            "closed descriptors",
            Sample {
                call: leaked(Call { fd_in: -1, fd_out: i32::MIN, off_out: Offset::File, ..call }),
                path_in: None,
                path_out: None,
                offsets_after: nothing,
                answer: Err(Errno::EBADF),
                ..plain
            },
        ),
        (
            "extreme numbers",
            Sample {
                time_ns: 0,
                call: leaked(Call {
                    fd_in: i32::MAX,
                    off_in: Offset::At(i64::MIN),
                    off_out: Offset::At(i64::MAX),
                    len: usize::MAX,
                    flags: Flags(u32::MAX),
                    ..call
                }),
                offsets_after: (Some(i64::MIN), Some(i64::MAX)),
                answer: Ok(0x7fff_f000),
                duration_ns: u64::MAX,
                ..plain
            },
        ),
        (
            "names that would forge",
            Sample {
                comm: Some(b"x\"\n\x1b]0;"),
                path_in: Some(b"/a\n1 1.000000 copy_file_range(3, NULL, 4, NULL, 1, 0) = 1"),
                path_out: Some(b"/b> = 0 \"}\x1b[2J\xc2\x9b\xe2\x80\xae"),
                ..plain
            },
        ),
        (
            "names that are not UTF-8",
            Sample {
                path_in: Some(b"/caf\xe9"), path_out: Some("/café/日本".as_bytes()), ..plain
            },
        ),
        ("nothing known", Sample { tid: None, comm: None, path_in: None, path_out: None, ..plain }),
        ("blocks that are shared", Sample { sharing: Some((Sharing::Shared, 4096)), ..plain }),
        ("some that are", Sample { sharing: Some((Sharing::PartlyShared, 4096)), ..plain }),
        (
            "none that is, and a rule",
            Sample {
                sharing: Some((Sharing::NotShared, 4096)),
                rule: rule("extended", "cannot-reflink").1,
                ..plain
            },
        ),
    ];
    let copies = copies.into_iter().map(|(what, sample)| {
        (what, Sample { bytes: sample.answer.map_or(0, |count| count as u64), ..sample })
    });
    copies.chain(other_hooks(plain)).collect()
}

/// Calls of ioctl(2) and sendfile(2).
fn other_hooks(plain: Sample) -> Vec<(&'static str, Sample)> {
    let ioctl = |request| {
        let offset = Offset::At(4096);
        let call = Call { request, off_in: offset, off_out: offset, ..*plain.call };
        Sample {
            hook: Hook::Ioctl,
            call: leaked(call),
            offsets_after: (None, None),
            answer: Ok(0),
            method: Method::Reflink,
            ..plain
        }
    };
    let dedupe = |number, count, status| {
        let same = status == Some(0);
        let bytes = if same { plain.bytes } else { 0 };
        let target = DedupeTarget { number, count, status, reported: bytes };
        let request = Request::Dedupe(target);
        let method = if same { Method::Dedupe } else { Method::Kernel };
        Sample { bytes, method, ..ioctl(request) }
    };
    let unread = |request| Sample {
        call: leaked(Call {
            request,
            fd_in: if request == Request::CloneRange { -1 } else { 3 },
            off_in: Offset::BadAddress(0x1000),
            fd_out: if request == Request::CloneRange { 4 } else { -1 },
            off_out: Offset::File,
            len: 0,
            ..*plain.call
        }),
        answer: Err(Errno::EFAULT),
        bytes: 0,
        method: Method::Kernel,
        path_in: None,
        path_out: None,
        ..ioctl(request)
    };
    let send = Sample {
        hook: Hook::Sendfile,
        call: leaked(Call {
            request: Request::Send,
            off_in: Offset::At(0),
            off_out: Offset::File,
            ..*plain.call
        }),
        offsets_after: (Some(1_048_576), None),
        ..plain
    };
    let whole = Call { off_in: Offset::File, off_out: Offset::File, len: 0, ..*plain.call };
    let refused = Sample {
        answer: Err(Errno::EOPNOTSUPP),
        bytes: 0,
        method: Method::Kernel,
        ..ioctl(Request::Clone)
    };
    let none = DedupeTarget { number: 0, count: 0, status: None, reported: 0 };
    vec![
        (
            "FICLONE",
            Sample {
                call: leaked(Call { request: Request::Clone, ..whole }),
                ..ioctl(Request::Clone)
            },
        ),
        ("FICLONE refused", refused),
        ("FICLONERANGE", ioctl(Request::CloneRange)),
        ("FICLONERANGE of a bad pointer", unread(Request::CloneRange)),
        ("FIDEDUPERANGE", dedupe(1, 1, Some(0))),
        ("FIDEDUPERANGE, the second of three targets", dedupe(2, 3, Some(0))),
        ("FIDEDUPERANGE of other bytes", dedupe(3, 3, Some(1))),
        ("FIDEDUPERANGE of a target that cannot", dedupe(1, 1, Some(-18))),
        ("FIDEDUPERANGE refused", Sample { answer: Err(Errno::EINVAL), ..dedupe(1, 1, None) }),
        ("FIDEDUPERANGE without a target", dedupe(0, 0, None)),
        ("FIDEDUPERANGE of a bad pointer", unread(Request::Dedupe(none))),
        ("sendfile", send),
        (
            "sendfile64 without an offset",
            Sample {
                hook: Hook::Sendfile64,
                call: leaked(Call { request: Request::Send, off_out: Offset::File, ..*plain.call }),
                offsets_after: (None, None),
                ..plain
            },
        ),
        (
            "sendfile of a bad pointer",
            Sample {
                call: leaked(Call { off_in: Offset::BadAddress(1), ..*send.call }),
                offsets_after: (None, None),
                answer: Err(Errno::EFAULT),
                bytes: 0,
                ..send
            },
        ),
    ]
}

#[track_caller]
fn compare(name: &str, lines: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, lines).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), lines, "{name}");
}

#[test]
fn text() {
    let mut lines = String::new();
    for (what, record) in records() {
        writeln!(lines, "# {what}\n{record:?}").unwrap();
    }
    compare("golden.text", &lines);
}

#[test]
fn json() {
    let mut lines = String::new();
    for (_, record) in records() {
        writeln!(lines, "{record:#?}").unwrap();
    }
    compare("golden.json", &lines);
}

/// The contract's keys, in its order, in every object.
/// What a record passes to the library's log is what it is by `Debug`. A line that it does not pass on
/// is one with long paths.
#[test]
fn a_record_passes_on_its_line() {
    for (name, record) in records() {
        for as_json in [false, true] {
            let line = if as_json { format!("{record:#?}") } else { format!("{record:?}") };
            let mut passed = Vec::new();
            let was_taken = record.pass(as_json, &mut |bytes| {
                passed.push(bytes.to_vec());
                true
            });
            let is_short = line.len() <= 600;
            assert!(was_taken || !is_short, "{name}: {line}");
            let expected = if was_taken { vec![line.into_bytes()] } else { Vec::new() };
            assert_eq!(passed, expected, "{name}");
            assert!(!record.pass(as_json, &mut |_| false), "{name}");
        }
    }
}

#[test]
fn json_has_every_key() {
    const KEYS: [&str; 33] = [
        "time", "pid", "tid", "comm", "call", "hook", "request", "fd_in", "path_in", "off_in",
        "off_in_after", "fd_out", "path_out", "off_out", "off_out_after", "len", "flags",
        "flag_names", "ret", "errno", "error", "bytes", "status", "target", "targets", "method",
        "shared", "dialect", "rule", "why", "injected", "delayed", "duration_ns",
    ];
    assert_eq!(KEYS, cfr_shared::format::JSON_KEYS);
    for (what, record) in records() {
        let line = format!("{record:#?}");
        assert!(!line.contains('\n'), "{what}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object.as_object().unwrap().len(), KEYS.len(), "{what}");
        let mut from = 0;
        for key in KEYS {
            let key = format!("\"{key}\":");
            from += line.get(from..).unwrap().find(&key).unwrap_or_else(|| panic!("{what}: {key}"));
        }
    }
}

/// Whatever the names, a line fits into one atomic write to a pipe and stays whole.
#[test]
fn the_longest_line_fits() {
    let forwarded = dialect::FORWARDED.iter().flat_map(|calls| calls.rules);
    let rules = dialect::ALL.into_iter().flat_map(|dialect| dialect.rules).chain(forwarded);
    let rule = rules.max_by_key(|rule| rule.id.len() + rule.why.len());
    let dialect = dialect::ALL.into_iter().max_by_key(|dialect| dialect.name.len()).unwrap();
    for byte in [b'a', b'\n', b'<', b'\\', 0xff] {
        let name: &[u8] = Box::leak(vec![byte; 4095].into_boxed_slice());
        let (path_in, path_out) = (Some(name), Some(name));
        let answer = Err(Errno(84));
        let flags = Flags(u32::MAX);
        let off_in = Offset::At(i64::MIN);
        let call = leaked(Call { off_in, len: usize::MAX, flags, ..*plain().call });
        let sample = Sample { path_in, path_out, rule, dialect, answer, call, ..plain() };
        let record = sample.record();
        for text in [format!("{record:?}"), format!("{record:#?}")] {
            let mut buffer = [0; MAX_LINE];
            let mut line = Line::new(&mut buffer);
            line.append(b"cfr: ");
            line.append(text.as_bytes());
            assert!(line.as_bytes().ends_with(text.as_bytes()), "{byte:#x}: {} bytes", text.len());
        }
        let json = format!("{record:#?}");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    }
}
