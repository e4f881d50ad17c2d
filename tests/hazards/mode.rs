//! The ways in which every hazard is run.

/// Who is there beside the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Nobody: what the others are compared with.
    Bare,
    /// strace(1), and no library: what a watcher outside the process changes.
    Strace,
    /// The library, saying this, with `CFR_BACKEND` set to that.
    Library(Saying, Backend),
}

/// What the library says, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saying {
    /// `CFR_LOG=off`.
    Nothing,
    /// Text on standard error.
    TextOnStderr,
    /// Text in a file.
    TextInFile,
    /// JSON in a file.
    JsonInFile,
    /// A summary at the process's end, and no log.
    Summary,
    /// Text in a file, with faults that meet every call and change no result.
    Faults,
}

/// `CFR_BACKEND`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    /// The kernel copies.
    Auto,
    /// The library copies.
    Emulate,
}

impl Saying {
    /// Every one, in the order of the columns.
    pub const ALL: [Saying; 6] = [
        Saying::Nothing,
        Saying::TextOnStderr,
        Saying::TextInFile,
        Saying::JsonInFile,
        Saying::Summary,
        Saying::Faults,
    ];

    /// As a column's heading has it.
    pub fn name(self) -> &'static str {
        match self {
            Saying::Nothing => "off",
            Saying::TextOnStderr => "stderr",
            Saying::TextInFile => "text",
            Saying::JsonInFile => "JSON",
            Saying::Summary => "summary",
            Saying::Faults => "faults",
        }
    }
}

impl Backend {
    const ALL: [Backend; 2] = [Backend::Auto, Backend::Emulate];

    /// As the setting spells it.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Emulate => "emulate",
        }
    }
}

/// Every mode but the bare one, in the order of the columns.
pub fn modes() -> impl Iterator<Item = Mode> {
    let of_library = Saying::ALL
        .into_iter()
        .flat_map(|saying| Backend::ALL.map(|backend| Mode::Library(saying, backend)));
    std::iter::once(Mode::Strace).chain(of_library)
}

impl Mode {
    /// Whether every call meets a fault.
    pub fn is_faulted(self) -> bool {
        matches!(self, Mode::Library(Saying::Faults, _))
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mode::Bare => f.write_str("bare"),
            Mode::Strace => f.write_str("strace"),
            Mode::Library(saying, backend) => write!(f, "{}/{}", saying.name(), backend.name()),
        }
    }
}
