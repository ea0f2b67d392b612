//! What a picture of several panels shows, and what is marked in it.

use super::panel::Line;
use super::recorded::Recorded;

/// Lines that share a vertical axis.
pub(super) struct Level {
    pub(super) title: String,
    pub(super) height: f64,
    pub(super) lines: Vec<Line>,
    /// Whether the axis may go by powers of ten.
    pub(super) wide: bool,
    /// Numbers that the axis must reach.
    pub(super) with: Vec<f64>,
}

/// The horizontal axis, and what is marked on it in all panels.
pub(super) struct Marks {
    /// What the axis shows.
    pub(super) axis: String,
    pub(super) stopped: Option<f64>,
    /// Where structure was first seen.
    pub(super) onset: Option<f64>,
    /// First step, last step and kinds of each stretch of steps with the same warnings.
    pub(super) warned: Vec<(f64, f64, String)>,
    /// Where weights were set back to those of an earlier step.
    pub(super) rolled_back: Vec<f64>,
}

impl Marks {
    /// The axis of a run, without marks.
    pub(super) fn none(run: &Recorded) -> Self {
        let (axis, warned, rolled_back) = (run.axis.name.clone(), Vec::new(), Vec::new());
        Self { axis, stopped: None, onset: None, warned, rolled_back }
    }

    /// The stop, the onset, the warnings and the rollbacks of a run.
    pub(super) fn of(run: &Recorded) -> Self {
        let (steps, table) = (run.x(&run.emergence), &run.emergence);
        let kinds: Vec<String> = table.rows.iter().map(|row| table.kinds(row)).collect();
        let rows: Vec<usize> = (0..steps.len()).collect();
        let alike =
            rows.chunk_by(|&a, &b| kinds[a] == kinds[b]).filter(|run| !kinds[run[0]].is_empty());
        let ends =
            |run: &[usize]| (steps[run[0]], steps[run[run.len() - 1]], kinds[run[0]].clone());
        let warned = alike.map(ends).collect();
        let (stopped, onset, rolled_back) = (run.stopped(), run.onset(), run.rolled_back());
        Self { stopped, onset, warned, rolled_back, ..Self::none(run) }
    }
}
