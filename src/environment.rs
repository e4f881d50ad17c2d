//! The settings of this process, read once from its environment. The host may overwrite its
//! environment later, so what is needed of it is copied.

use cfr_observe::ConfigErrors;
use cfr_shared::settings::{PATH_MAX, Reason, Setting, Settings, SummaryTarget, TABLE, Values};
use cfr_sys::{self as sys, OnceBytes};
use core::mem;

/// Reads every setting. A setting whose value cannot be used keeps its default, and its error is
/// added to `errors`.
#[inline(never)]
pub(crate) fn read(settings: &mut Settings<'static>, errors: &mut ConfigErrors) {
    let mut seen = [false; TABLE.len()];
    for entry in sys::environment().into_iter().flatten() {
        let entry = entry.to_bytes();
        if !entry.starts_with(b"CFR_") {
            continue;
        }
        let equals = entry.iter().position(|&byte| byte == b'=').unwrap_or(entry.len());
        let (variable, value) = entry.split_at(equals);
        let value = value.strip_prefix(b"=").unwrap_or_default();
        let mut rows = TABLE.iter().zip(&mut seen);
        let Some((setting, seen)) =
            rows.find(|(setting, _)| setting.variable.as_bytes() == variable)
        else {
            continue;
        };
        // Of two variables of one name the first counts: getenv(3).
        if mem::replace(seen, true) {
            continue;
        }
        // The faults borrow from their text. A text that does not fit is refused by the parser.
        let value = match setting.values {
            Values::Faults => keep_faults(value).unwrap_or(value),
            _ => value,
        };
        if let Err(error) = setting.set(settings, value) {
            errors.add(&error);
        }
    }
    // Also if nothing is logged: the program may switch the log on later (cfr_configure(3)).
    if let Some(template) = settings.log_file {
        static COPY: Template = Template::new();
        settings.log_file = keep_template(template, &COPY);
        if settings.log_file.is_none() {
            add_error(b"CFR_LOG_FILE", template, errors);
        }
    }
    if let SummaryTarget::File(template) = settings.summary {
        static COPY: Template = Template::new();
        settings.summary =
            keep_template(template, &COPY).map_or(SummaryTarget::Yes, SummaryTarget::File);
        if settings.summary == SummaryTarget::Yes {
            add_error(b"CFR_SUMMARY", template, errors);
        }
    }
    while let Err(error) = settings.reset_contradiction() {
        errors.add(&error);
    }
}

/// Copies the text of the faults.
fn keep_faults(text: &[u8]) -> Option<&'static [u8]> {
    static COPY: OnceBytes<PATH_MAX> = OnceBytes::new();
    COPY.init(|room| {
        room.get_mut(..text.len())?.copy_from_slice(text);
        Some(text.len())
    })
}

fn add_error(variable: &[u8], value: &[u8], errors: &mut ConfigErrors) {
    if let Some(setting) = Setting::by_variable(variable) {
        errors.add(&setting.error(value, Reason::Unexpected));
    }
}

/// Reports whether `LD_PRELOAD` names this library. Its entries are separated by spaces or colons
/// (ld.so(8)).
pub(crate) fn is_preloaded() -> bool {
    sys::environment()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.to_bytes().strip_prefix(b"LD_PRELOAD="))
        .flat_map(|list| list.split(|&byte| byte == b' ' || byte == b':'))
        .filter_map(|entry| entry.rsplit(|&byte| byte == b'/').next())
        .any(|name| name.starts_with(b"libcfr.so"))
}

/// Memory for the template of a file's path.
type Template = OnceBytes<PATH_MAX>;

/// Copies the template of a file's path and makes it absolute, because hosts change their directory
/// before they copy. Percent signs in the working directory are not placeholders. `None` if the path
/// is too long: no such file can be opened.
fn keep_template(template: &[u8], copy: &'static Template) -> Option<&'static [u8]> {
    copy.init(|room| make_absolute(template, room))
}

/// Writes the template as an absolute one into `room` and returns its length.
pub(crate) fn make_absolute(template: &[u8], room: &mut [u8]) -> Option<usize> {
    let mut end = 0;
    if !template.starts_with(b"/") {
        // getcwd(2) returns "(unreachable)/..." if the directory is outside the root.
        let len = sys::getcwd(room).ok().filter(|_| room.starts_with(b"/"))?;
        end = double_percent_signs(room, len)?;
        *room.get_mut(end)? = b'/';
        end += 1;
    }
    room.get_mut(end..end + template.len())?.copy_from_slice(template);
    Some(end + template.len())
}

/// Doubles each percent sign among the first `len` bytes. Returns the new length.
fn double_percent_signs(bytes: &mut [u8], len: usize) -> Option<usize> {
    let signs = bytes.get(..len)?.iter().filter(|&&byte| byte == b'%').count();
    let mut to = len + signs;
    for from in (0..len).rev() {
        let byte = *bytes.get(from)?;
        for _ in 0..if byte == b'%' { 2 } else { 1 } {
            to -= 1;
            *bytes.get_mut(to)? = byte;
        }
    }
    Some(len + signs)
}
