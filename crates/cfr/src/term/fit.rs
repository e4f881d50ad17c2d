//! Tables that fit a terminal: the space between columns shrinks, names of files are cut in front,
//! text is wrapped, and a row that is still too long continues on the next line. Without a terminal
//! nothing is changed, because programs read names.

use std::borrow::Cow;
use std::iter;

/// The least columns for the names or the text at the end of a row; with fewer they have lines of their
/// own.
const MIN_LAST: usize = 30;
/// The indentation of a line that continues a row.
const INDENT: usize = 6;
/// The spaces between two columns.
const GAP: usize = 2;
const CUT: char = '…';

/// A row of a table.
#[derive(Default)]
pub(crate) struct Row {
    /// The first columns, as wide as those of the other rows.
    pub(crate) head: String,
    pub(crate) last: Last,
}

/// The last column of a row.
#[derive(Clone, Default)]
pub(crate) enum Last {
    #[default]
    None,
    /// Text that may be wrapped.
    Text(String),
    /// Names of files, with an arrow between two of them, padded to `width` columns if `tail` follows.
    Names { names: Vec<String>, width: usize, tail: String },
}

impl Last {
    /// Returns names with nothing behind them.
    pub(crate) fn names(names: impl IntoIterator<Item = String>) -> Last {
        Last::Names { names: names.into_iter().collect(), width: 0, tail: String::new() }
    }

    /// Returns the whole column.
    fn whole(&self) -> Cow<'_, str> {
        match self {
            Last::None => "".into(),
            Last::Text(text) => text.into(),
            Last::Names { names, width, tail } => {
                let names = names.join(ARROW);
                let pad =
                    if tail.is_empty() { 0 } else { width.saturating_sub(names.chars().count()) };
                format!("{names}{:pad$}{tail}", "").into()
            }
        }
    }

    /// Returns the columns that it should have: room for the last part of each name.
    fn least(&self) -> usize {
        match self {
            Last::None => 0,
            Last::Text(text) => columns_of(text).min(MIN_LAST),
            Last::Names { names, tail, .. } => least_of(names) + columns_of(tail),
        }
    }

    /// Returns the column in lines of at most `room` columns.
    fn lines(&self, room: usize) -> Vec<String> {
        match self {
            Last::None => Vec::new(),
            Last::Text(text) => wrapped(text, room),
            Last::Names { names, tail, .. } if self.least() > room && names.len() > 1 => {
                let (first, others) = names.split_at(1);
                let arrow = ARROW.trim_start();
                let other = |name: &String| {
                    format!("{arrow}{}", cut(name, room.saturating_sub(arrow.len())))
                };
                let lines = first.iter().map(|name| cut(name, room).into_owned());
                lines
                    .chain(others.iter().map(other))
                    .chain(wrapped(tail.trim_start(), room))
                    .collect()
            }
            Last::Names { names, width, tail } => {
                let room = room.saturating_sub(columns_of(tail));
                let names = cut_names(names, room);
                let width = if tail.is_empty() { 0 } else { *width };
                let pad = width.min(room).saturating_sub(names.chars().count());
                vec![format!("{names}{:pad$}{tail}", "")]
            }
        }
    }
}

const ARROW: &str = " -> ";

/// Writes rows that belong together, each line with `prefix` before it. `columns` is the width of the
/// terminal; `None` if the rows need not fit.
pub(crate) fn write(text: &mut String, rows: &[Row], prefix: &str, columns: Option<usize>) {
    let mut line = |line: &str| {
        text.push_str(format!("{prefix}{line}").trim_end());
        text.push('\n');
    };
    let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(columns_of(prefix)));
    let whole: Vec<_> =
        rows.iter().map(|row| format!("{}{}", row.head, row.last.whole())).collect();
    if whole.iter().all(|line| columns_of(line.trim_end()) <= room) {
        return whole.iter().for_each(|whole| line(whole));
    }
    let heads: Vec<Vec<char>> = rows.iter().map(|row| row.head.chars().collect()).collect();
    let narrow = squeezed(&heads, GAP);
    let heads = match widest(&narrow) > room {
        true => Some(squeezed(&heads, 1)).filter(|heads| widest(heads) <= room).unwrap_or(narrow),
        false => narrow,
    };
    let head = heads.iter().map(Vec::len).max().unwrap_or(0);
    // The last columns have their place behind the heads, or below.
    let beside = room.saturating_sub(head);
    let is_beside = rows.iter().all(|row| row.last.least() <= beside);
    let indent = if is_beside { head } else { INDENT.min(room / 4) };
    for (row, heads) in rows.iter().zip(folded(heads, room)) {
        // Text without a head continues as a paragraph does.
        let more = if row.head.trim().is_empty() { GAP } else { 0 };
        let mut lasts = row.last.lines(room.saturating_sub(indent + more)).into_iter();
        let mut heads: Vec<String> = heads.into_iter().map(String::from_iter).collect();
        if is_beside && let Some(head) = heads.last_mut() {
            head.push_str(&lasts.next().unwrap_or_default());
        }
        heads.iter().filter(|head| !head.trim().is_empty()).for_each(|head| line(head));
        lasts.for_each(|last| line(&format!("{:1$}{last}", "", indent + more)));
    }
}

/// Wraps lines of text. A line continues two columns behind its beginning.
pub(crate) fn write_text(text: &mut String, lines: &str, columns: Option<usize>) {
    for line in lines.lines() {
        let start = line.trim_start();
        let indent = line.len() - start.len();
        let Some(columns) = columns.filter(|&columns| columns_of(line) > columns) else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let more = indent + GAP;
        for (index, piece) in wrapped(start, columns.saturating_sub(more)).iter().enumerate() {
            let indent = if index == 0 { indent } else { more };
            text.push_str(&format!("{:indent$}{piece}\n", ""));
        }
    }
}

/// Returns the columns of a line.
pub(crate) fn columns_of(line: &str) -> usize {
    line.chars().map(width_of).sum()
}

/// Returns the columns of a character. One outside ASCII may need two.
pub(crate) fn width_of(character: char) -> usize {
    if character.is_ascii() { 1 } else { 2 }
}

/// Cuts the beginning of a name if it has more than `room` columns: at a slash if that leaves most of
/// it.
pub(crate) fn cut(name: &str, room: usize) -> Cow<'_, str> {
    if columns_of(name) <= room {
        return name.into();
    }
    let mut left = room.saturating_sub(width_of(CUT));
    let mut start = name.len();
    for (at, character) in name.char_indices().rev() {
        let Some(less) = left.checked_sub(width_of(character)) else { break };
        (start, left) = (at, less);
    }
    let end = name.get(start..).unwrap_or_default();
    let slash = end.find('/').filter(|&at| at < end.len() / 2);
    format!("{CUT}{}", slash.and_then(|at| end.get(at..)).unwrap_or(end)).into()
}

/// Returns the columns of a name without its directories, with a mark that they were cut.
fn least_of_one(name: &str) -> usize {
    let file = name.trim_end_matches('/').rsplit_once('/').map_or(name, |(_, file)| file);
    columns_of(name).min(columns_of(file) + width_of(CUT) + 1)
}

/// Returns the columns of names of which each is cut to its last part.
pub(crate) fn least_of(names: &[String]) -> usize {
    let arrows = names.len().saturating_sub(1) * ARROW.len();
    names.iter().map(|name| least_of_one(name)).sum::<usize>() + arrows
}

/// Cuts names with arrows between them, so that together they have at most `room` columns. If there is
/// room, each keeps at least its last part.
pub(crate) fn cut_names(names: &[String], room: usize) -> String {
    let arrows = names.len().saturating_sub(1) * ARROW.len();
    let mut left = room.saturating_sub(least_of(names));
    let shared = room.saturating_sub(arrows) / names.len().max(1);
    let has_room = least_of(names) <= room;
    let one = |name: &String| {
        let least = least_of_one(name);
        let more = (columns_of(name) - least).min(left);
        left -= more;
        cut(name, if has_room { least + more } else { shared }).into_owned()
    };
    names.iter().map(one).collect::<Vec<_>>().join(ARROW)
}

/// Wraps text at its spaces. A longer word is cut in front if it is a path, else broken.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let word = match columns_of(word) > room && is_path(word) {
            true => cut(word, room),
            false => word.into(),
        };
        if !line.is_empty() && columns_of(&line) + 1 + columns_of(&word) > room {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
        while columns_of(&line) > room {
            let rest = line.split_off(break_at(&line, room));
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    lines
}

/// Reports whether a word is a path, and no setting or list with paths.
fn is_path(word: &str) -> bool {
    word.contains('/') && !word.contains([';', ',', '='])
}

/// Returns the byte at which a word without spaces is broken: behind the last of the marks that separate
/// most, if there is one.
fn break_at(word: &str, room: usize) -> usize {
    let mut columns = 0;
    let fits = word.char_indices().take_while(|(_, character)| {
        columns += width_of(*character);
        columns <= room
    });
    let fitting = fits.last().map_or(0, |(at, character)| at + character.len_utf8());
    let start = word.get(..fitting).unwrap_or_default();
    let mark = [';', ',', ':'].into_iter().find_map(|mark| Some(start.rfind(mark)? + 1));
    let one = word.chars().next().map_or(0, char::len_utf8);
    mark.unwrap_or(fitting).max(one)
}

/// Reports for each column whether it is blank in all lines.
fn blanks(lines: &[Vec<char>]) -> Vec<bool> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let is_blank = |at: usize| lines.iter().all(|line| line.get(at).is_none_or(|&one| one == ' '));
    (0..columns).map(is_blank).collect()
}

fn widest(lines: &[Vec<char>]) -> usize {
    lines.iter().map(|line| trimmed(line)).max().unwrap_or(0)
}

/// Returns the length of a line without the spaces at its end.
fn trimmed(line: &[char]) -> usize {
    line.iter().rposition(|&one| one != ' ').map_or(0, |last| last + 1)
}

/// Removes blank columns, so that no more than `gap` are side by side.
fn squeezed(lines: &[Vec<char>], gap: usize) -> Vec<Vec<char>> {
    let blanks = blanks(lines);
    let kept: Vec<_> = (0..blanks.len())
        .map(|at| {
            let before = blanks.get(at.saturating_sub(gap)..=at).unwrap_or_default();
            !(at >= gap && before.iter().all(|is_blank| *is_blank))
        })
        .collect();
    let squeeze = |line: &Vec<char>| {
        let kept = line.iter().zip(&kept).filter(|(_, is_kept)| **is_kept);
        kept.map(|(character, _)| *character).collect()
    };
    lines.iter().map(squeeze).collect()
}

/// Returns each line in parts that have room: all are folded at the same columns.
fn folded(lines: Vec<Vec<char>>, room: usize) -> Vec<Vec<Vec<char>>> {
    let mut parts: Vec<Vec<Vec<char>>> = lines.iter().map(|_| Vec::new()).collect();
    let mut rest = lines;
    while widest(&rest) > room {
        let blanks = blanks(&rest);
        let is_blank = |at: usize| blanks.get(at).copied().unwrap_or(true);
        // The part before it ends where its blanks begin.
        let end = |at: usize| blanks.get(..at).unwrap_or_default().iter().rposition(|blank| !blank);
        let starts = |gap: usize| {
            let is_start =
                move |at: usize| !is_blank(at) && (1..=gap).all(|one| is_blank(at - one));
            let mut starts = (INDENT + 1..blanks.len()).filter(move |&at| is_start(at));
            starts.rfind(|&at| end(at).is_none_or(|end| end < room))
        };
        let at = starts(GAP).or_else(|| starts(1)).unwrap_or(room);
        let indent = || iter::repeat_n(' ', INDENT.min(room / 4));
        rest = rest
            .into_iter()
            .zip(&mut parts)
            .map(|(mut line, parts)| {
                let after = line.split_off(at.min(line.len()));
                parts.push(line);
                indent().chain(after).collect()
            })
            .collect();
    }
    for (parts, rest) in parts.iter_mut().zip(rest) {
        parts.push(rest);
    }
    parts
}
