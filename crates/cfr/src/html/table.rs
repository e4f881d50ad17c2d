//! Tables that a script can sort and search.

use askama::Template;

/// A table with a caption.
#[derive(Template)]
#[template(path = "table.html")]
pub(crate) struct Table {
    /// The name of its place in the page.
    pub(crate) id: &'static str,
    pub(crate) caption: String,
    pub(crate) heads: Vec<Head>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The row of all that has no row, at the end whatever the order is.
    pub(crate) others: Option<Vec<Cell>>,
    /// Whether it is long enough to be sorted and searched.
    pub(crate) is_data: bool,
}

/// The head of a column.
pub(crate) struct Head {
    pub(crate) text: &'static str,
    /// Whether it holds numbers, which are aligned to the right.
    pub(crate) number: bool,
}

/// The heads of columns, of which some hold numbers.
pub(crate) fn heads<const N: usize>(columns: [(&'static str, bool); N]) -> Vec<Head> {
    columns.map(|(text, number)| Head { text, number }).into()
}

/// A cell.
pub(crate) enum Cell {
    /// The name of the row.
    Name(String),
    Text(String),
    /// A path, a command line or another text that is read letter by letter.
    Code(String),
    /// A number: what is shown, and by what it is sorted.
    Number(String, u64),
    /// A share of a whole, from 0 to 1, as a bar beside a number.
    Share(f64),
    /// A word with a style, and the place in the page that it leads to.
    Link {
        text: String,
        to: String,
        style: &'static str,
    },
}

/// Formats a share as a width.
fn percent(part: &f64) -> String {
    format!("{:.1}%", part * 100.0)
}

/// Formats a share for readers.
fn shown(part: &f64) -> String {
    match part * 100.0 {
        0.0 => "0 %".to_owned(),
        ..0.1 => "< 0.1 %".to_owned(),
        percent @ ..10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}
