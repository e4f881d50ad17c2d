//! Golden files: a line of text and of JSON for every form of a record.
//!
//! `UPDATE=1 cargo test -p cfr-shared` rewrites the files; review the difference.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use cfr_engine::call::{Call, DedupeTarget, Method, Offset, Request};
use cfr_engine::dialect::{self, Dialect, Rule};
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;
use cfr_shared::line::{Line, MAX_LINE};
use cfr_shared::record::Record;
use cfr_sys::Sharing;
use cfr_sys::errno::Errno;
use std::fmt::Write;
use std::path::Path;

/// Returns a plain successful call, the base of the others.
fn plain() -> Record<'static> {
    Record {
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
        fell_back: false,
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
    let plain = plain();
    let call = *plain.call;
    let nothing = (None, None);
    let copies = vec![
        ("a copy", plain),
        (
            "refused",
            Record {
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
            Record {
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
            Record {
                answer: Err(Errno::EXDEV),
                bytes: 0,
                method: Method::None,
                injected: true,
                ..plain
            },
        ),
        (
            "shortened and delayed by a fault",
            Record {
                answer: Ok(4096),
                bytes: 4096,
                injected: true,
                delayed: true,
                sharing: Some(Sharing::Shared),
                ..plain
            },
        ),
        ("shared", Record { method: Method::Reflink, ..plain }),
        ("deduplicated", Record { method: Method::Dedupe, ..plain }),
        ("emulated", Record { method: Method::Emulated, ..plain }),
        ("an error without a name", Record { answer: Err(Errno(524)), ..plain }),
        ("through syscall()", Record { hook: Hook::Syscall, ..plain }),
        ("to the next library", Record { method: Method::Next, ..plain }),
        (
            "bad pointers",
            Record {
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
            Record {
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
            Record {
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
            Record {
                comm: Some(b"x\"\n\x1b]0;"),
                path_in: Some(b"/a\n1 1.000000 copy_file_range(3, NULL, 4, NULL, 1, 0) = 1"),
                path_out: Some(b"/b> = 0 \"}\x1b[2J\xc2\x9b\xe2\x80\xae"),
                ..plain
            },
        ),
        (
            "names that are not UTF-8",
            Record {
                path_in: Some(b"/caf\xe9"), path_out: Some("/café/日本".as_bytes()), ..plain
            },
        ),
        ("nothing known", Record { tid: None, comm: None, path_in: None, path_out: None, ..plain }),
        ("blocks that are shared", Record { sharing: Some(Sharing::Shared), ..plain }),
        ("some that are", Record { sharing: Some(Sharing::PartlyShared), ..plain }),
        (
            "none that is, and a rule",
            Record {
                sharing: Some(Sharing::NotShared),
                rule: rule("extended", "cannot-reflink").1,
                ..plain
            },
        ),
    ];
    let copies = copies.into_iter().map(|(what, record)| {
        (what, Record { bytes: record.answer.map_or(0, |count| count as u64), ..record })
    });
    copies.chain(other_hooks(plain)).collect()
}

/// Returns records of ioctl(2) and sendfile(2).
fn other_hooks(plain: Record<'static>) -> Vec<(&'static str, Record<'static>)> {
    let ioctl = |request| {
        let offset = Offset::At(4096);
        let call = Call { request, off_in: offset, off_out: offset, ..*plain.call };
        Record {
            hook: Hook::Ioctl,
            call: leaked(call),
            offsets_after: (None, None),
            answer: Ok(0),
            method: Method::Reflink,
            ..plain
        }
    };
    let dedupe = |number, count, status| {
        let request = Request::Dedupe(DedupeTarget { number, count, status });
        let same = status == Some(0);
        let bytes = if same { plain.bytes } else { 0 };
        let method = if same { Method::Dedupe } else { Method::Kernel };
        Record { bytes, method, ..ioctl(request) }
    };
    let unread = |request| Record {
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
    let send = Record {
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
    let refused = Record {
        answer: Err(Errno::EOPNOTSUPP),
        bytes: 0,
        method: Method::Kernel,
        ..ioctl(Request::Clone)
    };
    let none = DedupeTarget { number: 0, count: 0, status: None };
    vec![
        (
            "FICLONE",
            Record {
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
        ("FIDEDUPERANGE refused", Record { answer: Err(Errno::EINVAL), ..dedupe(1, 1, None) }),
        ("FIDEDUPERANGE without a target", dedupe(0, 0, None)),
        ("FIDEDUPERANGE of a bad pointer", unread(Request::Dedupe(none))),
        ("sendfile", send),
        (
            "sendfile64 without an offset",
            Record {
                hook: Hook::Sendfile64,
                call: leaked(Call { request: Request::Send, off_out: Offset::File, ..*plain.call }),
                offsets_after: (None, None),
                ..plain
            },
        ),
        (
            "sendfile of a bad pointer",
            Record {
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
fn text_lines_are_as_in_the_golden_file() {
    let mut lines = String::new();
    for (what, record) in records() {
        writeln!(lines, "# {what}\n{record:?}").unwrap();
    }
    compare("golden.text", &lines);
}

#[test]
fn json_lines_are_as_in_the_golden_file() {
    let mut lines = String::new();
    for (_, record) in records() {
        writeln!(lines, "{record:#?}").unwrap();
    }
    compare("golden.json", &lines);
}

/// The keys are an interface: every object has all of them, in this order.
#[test]
fn json_has_every_key_in_order() {
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

/// A line with the longest names still fits into one atomic write to a pipe.
#[test]
fn the_longest_line_fits() {
    let rules = dialect::ALL.into_iter().flat_map(|dialect| dialect.rules);
    let rule = rules.max_by_key(|rule| rule.id.len() + rule.why.len());
    let dialect = dialect::ALL.into_iter().max_by_key(|dialect| dialect.name.len()).unwrap();
    for byte in [b'a', b'\n', b'<', b'\\', 0xff] {
        let name = vec![byte; 4095];
        let (path_in, path_out) = (Some(&*name), Some(&*name));
        let answer = Err(Errno(84));
        let flags = Flags(u32::MAX);
        let off_in = Offset::At(i64::MIN);
        let call = leaked(Call { off_in, len: usize::MAX, flags, ..*plain().call });
        let record = Record { path_in, path_out, rule, dialect, answer, call, ..plain() };
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
