//! The words of the settings' values, taken from the tables of their meanings.
#![expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]

use cfr_engine::dialect;
use cfr_engine::flags::{COPY_FR_DEDUPE, Flags};
use cfr_engine::hook::Hook;

/// The words of a switch.
pub(super) const SWITCH: [(&str, bool); 2] = [("yes", true), ("no", false)];

/// The words for flags: 0, or one flag by its name.
pub(super) const FLAGS: [(&str, Flags); 2 + Flags::NAMED.len()] = {
    let mut table = [("0", Flags(0)); 2 + Flags::NAMED.len()];
    let mut index = 0;
    while index < Flags::NAMED.len() {
        let (flag, name) = Flags::NAMED[index];
        index += 1;
        table[index] = (name, Flags(flag));
    }
    table[index + 1] = ("COPY_FR_DEDUPE", Flags(COPY_FR_DEDUPE));
    table
};

/// The names of the hooks.
pub(super) const HOOKS: [&str; Hook::ALL.len()] = {
    let mut names = [""; Hook::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Hook::ALL[index].name();
        index += 1;
    }
    names
};

/// The names and aliases of the dialects.
pub(super) static DIALECTS: [&str; DIALECT_NAMES] = {
    let mut names = [""; DIALECT_NAMES];
    let (mut index, mut count) = (0, 0);
    while index < dialect::ALL.len() {
        names[count] = dialect::ALL[index].name;
        count += 1;
        if let Some(alias) = dialect::ALL[index].alias {
            names[count] = alias;
            count += 1;
        }
        index += 1;
    }
    names
};

const DIALECT_NAMES: usize = {
    let (mut index, mut count) = (0, dialect::ALL.len());
    while index < dialect::ALL.len() {
        count += dialect::ALL[index].alias.is_some() as usize;
        index += 1;
    }
    count
};

/// Returns the words of a table of words and their meanings.
pub(super) const fn words<T: Copy, const N: usize>(
    table: &[(&'static str, T); N],
) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = table[index].0;
        index += 1;
    }
    words
}

/// Returns the meaning of a word.
pub(super) fn choose<T: Copy>(table: &[(&str, T)], value: &[u8]) -> Option<T> {
    table.iter().find(|(word, _)| word.as_bytes() == value).map(|&(_, meaning)| meaning)
}
