//! One stopped call: its arguments are fetched from the thread that made it, the flow of every watched
//! call carries it out (`cfr_observe`), and its results are put back.

use super::Supervisor;
use super::jobs::Job;
use super::pieces::Pieces;
use super::task::{BAD_ADDRESS, LastCaller, Obstacle, Task};
use cfr_engine::call::{Answer, Call, Method, Offset, Request};
use cfr_engine::dialect::Rule;
use cfr_engine::execution::{Outcome, Override};
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;
use cfr_observe::{
    Caller, CopyFileRange, Intercepted, Observer, ReflinkIoctl, Sendfile, intercept, is_storage,
    note_let_through,
};
use cfr_shared::record::Ending;
use cfr_sys::errno::Errno;
use cfr_sys::seccomp::{Notification, StoppedCall};
use cfr_sys::{
    self as sys, Args, FICLONE, FICLONERANGE, FIDEDUPERANGE, FileKind, IoctlArg, OffsetPointer,
};
use rustix::param::page_size;
use std::cell::Cell;
use std::os::fd::AsRawFd;

/// A longer copy takes so long that another worker must be there, in bytes. Copies of fewer bytes that
/// take long all the same are the watcher's.
const LONG: usize = 1 << 20;

/// The source of a call whose bytes are not known before.
const NO_SOURCE: i32 = -1;

/// Bytes of `struct file_clone_range`.
const CLONE_RANGE: usize = 32;
/// Bytes of `struct file_dedupe_range` without its targets, and of a target.
const DEDUPE_HEAD: usize = 24;
const DEDUPE_TARGET: usize = 32;

/// What becomes of a stopped call.
pub(super) enum Reply {
    Answer(Answer),
    /// The library asks for the stats: it gets a duplicate of this descriptor.
    Descriptor(i32),
    /// The thread makes the call itself.
    LetThrough,
    /// The thread was killed.
    None,
}

/// Carries a call out. `before_long` is called before one that may take long.
pub(super) fn carry_out(
    supervisor: &'static Supervisor,
    job: &Job,
    last: &mut LastCaller,
    notification: &Notification,
    before_long: impl Fn(),
) -> Reply {
    let Notification { id, tid, call, args, .. } = *notification;
    if call == StoppedCall::Sendfile
        && let [out_fd, in_fd, _, count, ..] = args
        && [int(out_fd), int(in_fd)] == [-1, -1]
        && word(count) == sys::STATS_REQUEST
    {
        let file = supervisor.observers.stats_file();
        return file
            .map_or(Reply::Answer(Err(Errno::ENOENT)), |file| Reply::Descriptor(file.as_raw_fd()));
    }
    if let StoppedCall::Filter { .. } = call {
        supervisor.observers.note_filter(notification);
        return Reply::LetThrough;
    }
    let Supervisor { own, observers, .. } = supervisor;
    let Some(task) = Task::new(last, job, id, tid, own, &observers.programs) else {
        return Reply::None;
    };
    if notification.is_32_bit {
        task.meet(Obstacle::Word);
    }
    let observer = observers.enter(task.pid(), tid);
    // Programs ask for more than the source has, up to SSIZE_MAX bytes.
    let before_long = |source: i32, len: usize| {
        if len > LONG && !is_short(source) {
            before_long();
        }
    };
    let reply = match call {
        StoppedCall::CopyFileRange => copy_file_range(&task, args, &observer, before_long),
        StoppedCall::Sendfile => sendfile(&task, args, &observer, before_long),
        StoppedCall::Ioctl => ioctl(&task, args, &observer, before_long),
        StoppedCall::Filter { .. } => Reply::LetThrough,
    };
    task.close();
    reply
}

/// Reports whether the whole file is short.
fn is_short(source: i32) -> bool {
    sys::stat(source).is_ok_and(|stat| stat.kind == FileKind::Regular && stat.size <= LONG as u64)
}

fn copy_file_range(
    task: &Task,
    [fd_in, off_in, fd_out, off_out, len, flags]: [u64; 6],
    observer: &Observer,
    before_long: impl Fn(i32, usize),
) -> Reply {
    let offsets = Offsets::read(task, [off_in, off_out]);
    let len = word(len);
    let args = Args {
        fd_in: task.fetch(int(fd_in)),
        off_in: offsets.pointer(0),
        fd_out: task.fetch_target(int(fd_out)),
        off_out: offsets.pointer(1),
        len,
        flags: int(flags).cast_unsigned(),
    };
    before_long(args.fd_in, len);
    let decoded = Call {
        request: Request::Copy,
        fd_in: args.fd_in,
        off_in: offsets.decoded(0),
        fd_out: args.fd_out,
        off_out: offsets.decoded(1),
        len,
        flags: Flags(args.flags),
    };
    let kernel = Pieces { task, starts: [decoded.off_in, decoded.off_out] };
    let policy = &observer.settings.policy;
    let call = CopyFileRange::through(kernel, Hook::Seccomp, &args, policy);
    finish(task, observer, call, Some(decoded), |answer| match answer {
        Ok(_) => offsets.write_changed(),
        Err(_) => Ok(()),
    })
}

fn sendfile(
    task: &Task,
    [out_fd, in_fd, offset, count, ..]: [u64; 6],
    observer: &Observer,
    before_long: impl Fn(i32, usize),
) -> Reply {
    let out_fd = task.fetch_target(int(out_fd));
    // What could not be fetched may be a file.
    let may_be_storage = if out_fd < 0 { task.obstacle().is_some() } else { is_storage(out_fd) };
    if !may_be_storage {
        return Reply::LetThrough;
    }
    let offsets = Offsets::read(task, [offset, 0]);
    let count = word(count);
    let call = Sendfile {
        hook: Hook::Seccomp,
        out_fd,
        in_fd: task.fetch(int(in_fd)),
        offset: offsets.pointer(0),
        count,
        next: None,
        kernel: Pieces { task, starts: [offsets.decoded(0), Offset::File] },
    };
    before_long(call.in_fd, count);
    // The kernel writes the offset even if the call has failed.
    finish(task, observer, call, None, |_| offsets.write_all())
}

fn ioctl(
    task: &Task,
    [fd, request, argument, ..]: [u64; 6],
    observer: &Observer,
    before_long: impl Fn(i32, usize),
) -> Reply {
    let request = int(request).cast_unsigned();
    // The targets of FIDEDUPERANGE keep their bits: no byte of theirs changes.
    let is_target = request != FIDEDUPERANGE;
    let fd = if is_target { task.fetch_target(int(fd)) } else { task.fetch(int(fd)) };
    let mut structure = Structure::new();
    let local = match request {
        FICLONE => Some(IoctlArg::new(reg(task.fetch(int(argument))))),
        FICLONERANGE => structure.read_clone_range(task, argument),
        _ => structure.read_dedupe_range(task, argument),
    };
    let argument_here = local.unwrap_or_else(|| {
        task.note_bad_address(0, argument);
        IoctlArg::new(BAD_ADDRESS)
    });
    before_long(NO_SOURCE, usize::MAX);
    let call = ReflinkIoctl {
        hook: Hook::Seccomp,
        fd,
        request: word(request.into()),
        argument: argument_here,
        next: None,
    };
    finish(task, observer, call, None, |answer| match (request, answer, local) {
        (FIDEDUPERANGE, Ok(_), Some(_)) => structure.write_targets(task, argument),
        _ => Ok(()),
    })
}

/// Carries the call out, unless the thread must do that itself. `put_back` writes results into the
/// thread's memory. `decoded` is the call if it is known without a system call.
fn finish<C: Intercepted>(
    task: &Task,
    observer: &Observer,
    inner: C,
    decoded: Option<Call>,
    put_back: impl Fn(Answer) -> Result<(), Errno>,
) -> Reply {
    if let Some(obstacle) = task.obstacle() {
        task.let_through(obstacle);
        if let Some(call) = decoded.or_else(|| inner.decode()) {
            let first = inner.first_part(&call).unwrap_or(call);
            note_let_through(Hook::Seccomp, &first, task, observer);
        }
        return Reply::LetThrough;
    }
    let supervised = Supervised { inner, decoded, task, put_back };
    let (answer, signal) = intercept(&supervised, task, observer);
    if let Some(signal) = signal {
        task.raise(signal);
    }
    match task.ending() {
        Ending::Returned => Reply::Answer(answer),
        Ending::LetThrough(_) => {
            observer.collectors.count_let_through();
            Reply::LetThrough
        }
        Ending::Unfinished if task.is_doomed() => Reply::Answer(Err(Errno::EINTR)),
        Ending::Unfinished => Reply::None,
    }
}

/// A call of another process, on duplicates of its descriptors.
struct Supervised<'a, C, P> {
    inner: C,
    decoded: Option<Call>,
    task: &'a Task<'a>,
    put_back: P,
}

impl<C: Intercepted, P: Fn(Answer) -> Result<(), Errno>> Intercepted for Supervised<'_, C, P> {
    fn hook(&self) -> Hook {
        self.inner.hook()
    }

    fn decode(&self) -> Option<Call> {
        self.decoded.or_else(|| self.inner.decode())
    }

    fn execute(&self, observer: &Observer, faults: Option<(Override, &Call)>) -> Outcome {
        let nothing = Outcome::new(Ok(0), Method::None);
        if self.task.has_ended() {
            return nothing;
        }
        let mut outcome = self.inner.execute(observer, faults);
        if self.task.has_ended() {
            return Outcome { answer: Ok(0), ..outcome };
        }
        // The watcher has interrupted it before anything moved: the thread makes the call itself, and
        // meets its signal there.
        if outcome.answer == Err(Errno::EINTR) && outcome.method != Method::None {
            self.task.let_through(Obstacle::Signal);
            return nothing;
        }
        if let Err(errno) = (self.put_back)(outcome.answer) {
            outcome.answer = Err(errno);
        }
        outcome
    }

    fn explain(&self, call: &Call, outcome: &Outcome) -> Option<&'static Rule> {
        self.inner.explain(call, outcome)
    }

    fn offset_pointers(&self) -> [OffsetPointer; 2] {
        self.inner.offset_pointers()
    }

    fn log_details(&self, call: &Call, outcome: &Outcome) {
        self.inner.log_details(call, outcome);
    }

    fn first_part(&self, call: &Call) -> Option<Call> {
        self.inner.first_part(call)
    }

    fn for_each_record(
        &self,
        call: &Call,
        outcome: &Outcome,
        explain: impl Fn(&Call, &Outcome) -> Option<&'static Rule>,
        record: impl Fn(&Call, &Outcome),
    ) {
        // Without a result it has no targets that were changed, or not.
        if self.task.ending() != Ending::Returned {
            return record(&self.inner.first_part(call).unwrap_or(*call), outcome);
        }
        self.inner.for_each_record(call, outcome, explain, record);
    }
}

/// Copies of the offsets that a call points to.
struct Offsets<'a> {
    task: &'a Task<'a>,
    /// 0 for NULL.
    addresses: [u64; 2],
    before: [Option<u64>; 2],
    values: [Cell<i64>; 2],
}

impl<'a> Offsets<'a> {
    fn read(task: &'a Task<'a>, addresses: [u64; 2]) -> Offsets<'a> {
        let before = match addresses {
            [0, 0] => [None; 2],
            [0, second] => {
                let [second] = task.read_words([second]);
                [None, second]
            }
            [first, 0] => {
                let [first] = task.read_words([first]);
                [first, None]
            }
            both => match task.read_words(both) {
                // The second was not tried.
                [None, _] => {
                    let [_, second] = both;
                    let [second] = task.read_words([second]);
                    [None, second]
                }
                both => both,
            },
        };
        for (place, (address, value)) in addresses.into_iter().zip(before).enumerate() {
            if address != 0 && value.is_none() {
                task.note_bad_address(place, address);
            }
        }
        let values = before.map(|value| Cell::new(value.unwrap_or(0).cast_signed()));
        Offsets { task, addresses, before, values }
    }

    fn pointer(&self, place: usize) -> OffsetPointer {
        let address = self.addresses.get(place).copied().unwrap_or(0);
        let is_known = self.before.get(place).is_some_and(Option::is_some);
        OffsetPointer::new(match self.values.get(place) {
            _ if address == 0 => std::ptr::null_mut(),
            Some(value) if is_known => value.as_ptr(),
            _ => std::ptr::without_provenance_mut(BAD_ADDRESS),
        })
    }

    fn decoded(&self, place: usize) -> Offset {
        match (self.addresses.get(place), self.before.get(place)) {
            (Some(0), _) => Offset::File,
            (_, Some(Some(value))) => Offset::At(value.cast_signed()),
            _ => Offset::BadAddress(BAD_ADDRESS as u64),
        }
    }

    fn write_changed(&self) -> Result<(), Errno> {
        self.write(|before, now| before != now)
    }

    fn write_all(&self) -> Result<(), Errno> {
        self.write(|_, _| true)
    }

    fn write(&self, is_wanted: impl Fn(u64, u64) -> bool) -> Result<(), Errno> {
        let sides = self.addresses.iter().zip(self.before).zip(&self.values);
        let written = sides.filter_map(|((address, before), value)| {
            let now = value.get().cast_unsigned();
            is_wanted(before?, now).then_some((*address, now))
        });
        self.task.write_words(&written.collect::<Vec<_>>())
    }
}

/// A copy of the struct that an ioctl(2) request points to, with duplicates of its descriptors.
struct Structure {
    /// Aligned like the struct. The kernel and the engine read and write it through its address.
    words: Vec<Cell<u64>>,
    theirs: Vec<u8>,
}

impl Structure {
    fn new() -> Structure {
        Structure { words: Vec::new(), theirs: Vec::new() }
    }

    fn read_clone_range(&mut self, task: &Task, address: u64) -> Option<IoctlArg> {
        self.theirs = vec![0; CLONE_RANGE];
        task.read(address, &mut self.theirs)?;
        self.copy(&[0], task)
    }

    fn read_dedupe_range(&mut self, task: &Task, address: u64) -> Option<IoctlArg> {
        let mut head = [0; DEDUPE_HEAD];
        task.read(address, &mut head)?;
        let [.., low, high, _, _, _, _, _, _] = head;
        let count = usize::from(u16::from_ne_bytes([low, high]));
        let whole = DEDUPE_HEAD + DEDUPE_TARGET * count;
        // A longer one is refused before its targets are read; the log shows the first.
        let (size, shown) =
            if whole <= page_size() { (whole, count) } else { (DEDUPE_HEAD + DEDUPE_TARGET, 1) };
        self.theirs = vec![0; size];
        if task.read(address, &mut self.theirs).is_none() && whole <= page_size() {
            return None;
        }
        // Another thread may have changed the number of targets since.
        self.theirs.get_mut(..DEDUPE_HEAD)?.copy_from_slice(&head);
        let places: Vec<_> = (0..shown).map(|index| DEDUPE_HEAD + DEDUPE_TARGET * index).collect();
        self.copy(&places, task)
    }

    /// Copies the struct, with duplicates of the descriptors at these bytes.
    fn copy(&mut self, descriptors: &[usize], task: &Task) -> Option<IoctlArg> {
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        self.words = self.theirs.chunks_exact(8).map(|bytes| Cell::new(word(bytes))).collect();
        for at in descriptors {
            let word = self.words.get(at / 8)?;
            let ours = task.fetch(int(word.get()));
            word.set(i64::from(ours).cast_unsigned());
        }
        Some(IoctlArg::new(self.words.as_ptr().expose_provenance()))
    }

    /// Puts the results of FIDEDUPERANGE back: bytes and status of each target.
    fn write_targets(&self, task: &Task, address: u64) -> Result<(), Errno> {
        let mut bytes = self.theirs.clone();
        let targets = bytes.get_mut(DEDUPE_HEAD..).unwrap_or_default();
        let ours = self.words.get(DEDUPE_HEAD / 8..).unwrap_or_default();
        for (target, ours) in
            targets.chunks_exact_mut(DEDUPE_TARGET).zip(ours.chunks_exact(DEDUPE_TARGET / 8))
        {
            // The first two words are the descriptor and the offset.
            for (bytes, word) in target.chunks_exact_mut(8).zip(ours).skip(2) {
                bytes.copy_from_slice(&word.get().to_ne_bytes());
            }
        }
        task.write(address, &bytes)
    }
}

/// Returns an argument of type int: the kernel uses the lower half of the register.
fn int(register: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    let low = register as u32;
    low.cast_signed()
}

fn word(register: u64) -> usize {
    usize::try_from(register).unwrap_or(usize::MAX)
}

fn reg(fd: i32) -> usize {
    word(i64::from(fd).cast_unsigned())
}
