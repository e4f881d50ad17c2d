//! What every page has: its style, its script and its policy.

use crate::term::failure::Failure;
use askama::Template;

/// The style sheet and the script, which only adds sorting and searching.
pub(crate) const STYLE: &str = include_str!("../../templates/page.css");
pub(crate) const SCRIPT: &str = include_str!("../../templates/page.js");

/// The page's Content-Security-Policy: it loads nothing, and runs no script but its own. A name from
/// a log could not run one even if it were not escaped. If the style or the script is changed,
/// tests/cli/html.rs says which hashes it expects.
pub(crate) const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-WbyP5vbFKmhSj4nEwqfjckD5GB4Z/hZlah9jaEyuWcc='; \
    script-src 'sha256-BLzuQCDFesfmNQo7YWCunIFWSHWbz138dYk11D/4IkA='; \
    base-uri 'none'; form-action 'none'";

/// A number at the head of a page.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) note: String,
}

impl Figure {
    pub(crate) fn new(name: &'static str, value: String, note: String) -> Figure {
        Figure { name, value, note }
    }
}

/// Returns the page as text.
pub(crate) fn render(page: &impl Template) -> Result<String, Failure> {
    let mut text =
        page.render().map_err(|error| Failure::new(format!("cannot write the page: {error}")))?;
    // A template ends without one.
    text.push('\n');
    Ok(text)
}
