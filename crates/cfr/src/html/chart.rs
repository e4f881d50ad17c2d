//! Charts of columns, as SVG in the page. Places on the horizontal axis are percentages, so that a
//! chart fits any width and its text keeps its size.

use super::number::{grouped, round_bytes};
use askama::Template;

/// The vertical axis: its height, and the room above for a label and below for marks and the
/// labels of the other axis; in pixels.
const PLOT: f64 = 140.0;
const ABOVE: f64 = 20.0;
const BELOW: f64 = 34.0;

/// A chart of columns.
#[derive(Template)]
#[template(path = "chart.html")]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the chart shows, for readers that do not see it.
    pub(crate) description: String,
    bars: Vec<Bar>,
    levels: Vec<Level>,
    ticks: Vec<Tick>,
}

/// A column: parts on top of each other.
pub(crate) struct Column {
    /// Where it begins and ends, from 0 to 1.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// The name of each part's style and its size.
    pub(crate) parts: Vec<(&'static str, f64)>,
    /// Whether a mark is below it.
    pub(crate) marked: bool,
    /// What a browser shows if the pointer is on it.
    pub(crate) label: String,
}

/// What the vertical axis counts.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Count,
    Bytes,
}

/// A place on the horizontal axis, from 0 to 1.
pub(crate) struct Tick {
    at: f64,
    text: String,
    /// Whether it is left out on a narrow screen.
    minor: bool,
}

struct Bar {
    from: f64,
    width: f64,
    parts: Vec<Part>,
    mark: Option<f64>,
    label: String,
}

struct Part {
    style: &'static str,
    top: f64,
    height: f64,
}

/// A line across the chart.
struct Level {
    y: f64,
    text: String,
}

impl Chart {
    pub(crate) fn new(
        title: String,
        description: String,
        unit: Unit,
        columns: &[Column],
        ticks: Vec<Tick>,
    ) -> Chart {
        let size = |column: &Column| column.parts.iter().map(|(_, size)| size).sum::<f64>();
        let top = unit.top(columns.iter().map(size).fold(0.0, f64::max));
        let level =
            |part: f64| Level { y: ABOVE + PLOT * (1.0 - part), text: unit.text(top * part) };
        Chart {
            title,
            description,
            bars: columns.iter().map(|column| Bar::new(column, top)).collect(),
            levels: vec![level(1.0), level(0.5)],
            ticks,
        }
    }

    fn height(&self) -> f64 {
        ABOVE + PLOT + BELOW
    }

    /// Returns the place of the horizontal axis.
    fn base(&self) -> f64 {
        ABOVE + PLOT
    }
}

impl Bar {
    fn new(column: &Column, top: f64) -> Bar {
        let mut y = ABOVE + PLOT;
        let mut parts = Vec::new();
        for &(style, size) in column.parts.iter().filter(|(_, size)| *size > 0.0) {
            // What is there is seen, however small it is.
            let height = (size / top * PLOT).max(1.0);
            y -= height;
            parts.push(Part { style, top: y, height });
        }
        let middle = f64::midpoint(column.from, column.to);
        Bar {
            from: column.from,
            width: column.to - column.from,
            parts,
            mark: column.marked.then_some(middle),
            label: column.label.clone(),
        }
    }
}

impl Unit {
    /// Returns the end of an axis for values up to `max`: round in its unit.
    fn top(self, max: f64) -> f64 {
        let max = max.max(1.0);
        match self {
            Unit::Count => {
                let power = 10_f64.powf(max.log10().floor());
                let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].map(|step| step * power);
                steps.into_iter().find(|&step| step >= max).unwrap_or(max).max(2.0)
            }
            Unit::Bytes => 2_f64.powf(max.log2().ceil()).max(2.0),
        }
    }

    fn text(self, value: f64) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and no value is negative"
        )]
        let value = value as u64;
        match self {
            Unit::Count => grouped(value),
            Unit::Bytes => round_bytes(value),
        }
    }
}

impl Tick {
    pub(crate) fn new(at: f64, text: String, minor: bool) -> Tick {
        Tick { at, text, minor }
    }

    /// Returns which end of the text is at the place, so that it stays in the chart.
    fn anchor(&self) -> &'static str {
        match self.at {
            ..0.05 => "start",
            0.95.. => "end",
            _ => "middle",
        }
    }
}

/// Formats a place or a width as a percentage.
fn percent(part: &f64) -> String {
    let text = format!("{:.3}", part * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Formats a number of pixels.
fn pixels(count: &f64) -> String {
    let text = format!("{count:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
