//! A sensitivity analysis as a table for a terminal.

use super::align::{align, rounded};
use crate::sensitivity::{Case, Point};
use neuromfa::internals::record::number;

/// One line for each case and each checkpoint; with several checkpoints the baseline, whose E is 0,
/// is left out.
pub fn sensitivity(cases: &[Case]) -> String {
    let columns = [
        "parameter",
        "value",
        "step",
        "alpha0",
        "width",
        "E",
        "E_se",
        "alpha0_stable",
        "E_stable",
        "r2",
        "kept",
    ];
    let mut lines = vec![columns.map(str::to_owned).to_vec()];
    for case in cases {
        let from = usize::from(case.points.len() > 1);
        lines.extend(case.points[from..].iter().map(|point| line(case, point)));
    }
    let mut text = String::new();
    align(&mut text, &lines);
    text
}

fn line(case: &Case, point: &Point) -> Vec<String> {
    let cell = |value: Option<f64>, digits| {
        value.map_or_else(String::new, |value| rounded(&number(value), digits))
    };
    let Point { alpha0, width, e, e_se, alpha0_stable, e_stable, r2, kept, .. } = *point;
    vec![
        case.parameter.to_owned(),
        case.value.clone(),
        point.step.to_string(),
        cell(alpha0, 4),
        cell(width, 4),
        cell(e, 5),
        cell(e_se, 5),
        cell(alpha0_stable, 4),
        cell(e_stable, 5),
        cell(r2, 4),
        cell(kept, 2),
    ]
}
