//! The matrix of a report: a row for each fault, a column for each position of a call. All targets
//! have one column.

use super::positions::Position;
use super::report::CaseReport;

/// A column: a hook, and the position of a call.
pub(super) type Column = (&'static str, Position);

/// Which cases are where.
pub(super) struct Matrix<'a> {
    cases: &'a [CaseReport],
    /// In the order of the hooks; those of one hook are neighbours.
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<MatrixRow<'a>>,
}

pub(super) struct MatrixRow<'a> {
    pub(super) fault: &'a str,
    /// For each column, the indices of the cases that are there.
    pub(super) cells: Vec<Vec<usize>>,
}

impl<'a> Matrix<'a> {
    pub(super) fn new(cases: &'a [CaseReport]) -> Matrix<'a> {
        let mut hooks: Vec<&str> = Vec::new();
        let mut columns: Vec<Column> = Vec::new();
        let mut faults: Vec<&str> = Vec::new();
        for CaseReport { id, .. } in cases {
            if !hooks.contains(&id.hook) {
                hooks.push(id.hook);
            }
            if !columns.contains(&(id.hook, id.position.column())) {
                columns.push((id.hook, id.position.column()));
            }
            if !faults.contains(&id.fault.as_str()) {
                faults.push(&id.fault);
            }
        }
        let place = |hook: &str| hooks.iter().position(|other| *other == hook);
        columns.sort_by_key(|(hook, position)| (place(hook), *position));
        let cell = |fault: &str, column: &Column| {
            let is_there = |CaseReport { id, .. }: &CaseReport| {
                id.fault == fault && (id.hook, id.position.column()) == *column
            };
            let there = cases.iter().enumerate().filter(|(_, case)| is_there(case));
            there.map(|(index, _)| index).collect()
        };
        let row = |fault| MatrixRow {
            fault,
            cells: columns.iter().map(|column| cell(fault, column)).collect(),
        };
        let rows = faults.into_iter().map(row).collect();
        Matrix { cases, columns, rows }
    }

    /// Returns each hook with the number of its columns.
    pub(super) fn hooks(&self) -> Vec<(&'static str, usize)> {
        let of_one = self.columns.chunk_by(|(one, _), (next, _)| one == next);
        of_one.filter_map(|columns| Some((columns.first()?.0, columns.len()))).collect()
    }

    /// Returns the case of a cell that says most, with its index; `None` if the cell has no case.
    pub(super) fn worst(&self, cell: &[usize]) -> Option<(usize, &'a CaseReport)> {
        let cases = cell.iter().filter_map(|&index| Some((index, self.cases.get(index)?)));
        cases.max_by_key(|(_, case)| (case.bad, case.outcome.severity()))
    }

    /// Returns how many of several cases in a cell have the same outcome as this one.
    pub(super) fn alike(&self, cell: &[usize], worst: &CaseReport) -> Option<String> {
        let cases = cell.iter().filter_map(|&index| self.cases.get(index));
        let alike = cases.filter(|case| case.word() == worst.word()).count();
        (cell.len() > 1).then(|| format!("{alike} of {}", cell.len()))
    }
}
