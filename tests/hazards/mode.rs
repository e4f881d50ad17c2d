//! The modes in which every hazard is run.

use cfr_testkit::userland;

/// What is added to the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Nothing. The other modes are compared with this one.
    Bare,
    /// strace(1) and no library: shows what an observer outside the process changes.
    Strace,
    /// The launcher's supervisor and no library: the kernel's boundary is watched.
    Supervised,
    Library(LogOutput, Backend),
}

/// What the library reports, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogOutput {
    /// `CFR_LOG=off`.
    Off,
    TextOnStderr,
    TextInFile,
    JsonInFile,
    /// A summary at the end of the process, and no log.
    Summary,
    /// Text in a file, with faults that apply to every call and change no result.
    Faults,
}

/// The value of `CFR_BACKEND`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    Auto,
    Emulate,
}

impl LogOutput {
    /// All variants, in the order of the page's columns.
    pub const ALL: [LogOutput; 6] = [
        LogOutput::Off,
        LogOutput::TextOnStderr,
        LogOutput::TextInFile,
        LogOutput::JsonInFile,
        LogOutput::Summary,
        LogOutput::Faults,
    ];

    /// Returns the heading of the page's column.
    pub fn name(self) -> &'static str {
        match self {
            LogOutput::Off => "off",
            LogOutput::TextOnStderr => "stderr",
            LogOutput::TextInFile => "text",
            LogOutput::JsonInFile => "JSON",
            LogOutput::Summary => "summary",
            LogOutput::Faults => "faults",
        }
    }
}

impl Backend {
    const ALL: [Backend; 2] = [Backend::Auto, Backend::Emulate];

    /// Returns the value as the setting spells it.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Emulate => "emulate",
        }
    }
}

/// Returns every mode except `Bare`, in the order of the page's columns. In another userland strace(1)
/// would observe what runs its programs.
pub fn modes() -> impl Iterator<Item = Mode> {
    let of_library = LogOutput::ALL
        .into_iter()
        .flat_map(|output| Backend::ALL.map(|backend| Mode::Library(output, backend)));
    let from_outside = userland().is_none().then_some([Mode::Strace, Mode::Supervised]);
    from_outside.into_iter().flatten().chain(of_library)
}

impl Mode {
    /// Reports whether every call meets a fault.
    pub fn is_faulted(self) -> bool {
        matches!(self, Mode::Library(LogOutput::Faults, _))
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mode::Bare => f.write_str("bare"),
            Mode::Strace => f.write_str("strace"),
            Mode::Supervised => f.write_str("supervised"),
            Mode::Library(output, backend) => write!(f, "{}/{}", output.name(), backend.name()),
        }
    }
}
