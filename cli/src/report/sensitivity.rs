//! A sensitivity analysis as a table for a terminal.

use super::align::{align, rounded};
use crate::sensitivity::{Case, Point};
use neuromfa::internals::record::{View, number, shown_in};

/// One line for each case and each checkpoint; with several checkpoints the baseline, whose E is 0,
/// is left out.
pub fn sensitivity(cases: &[Case]) -> String {
    let names = shown_in(View::Sensitivity).into_iter().map(|column| column.name);
    let head = ["parameter", "value", "step"].into_iter().chain(names);
    let mut lines = vec![head.map(str::to_owned).collect()];
    for case in cases {
        let from = usize::from(case.points.len() > 1);
        lines.extend(case.points[from..].iter().map(|point| line(case, point)));
    }
    let mut text = String::new();
    align(&mut text, &lines);
    text
}

fn line(case: &Case, point: &Point) -> Vec<String> {
    let cell = |value: Option<f64>| value.map_or_else(String::new, |v| rounded(&number(v), 4));
    let values = shown_in(View::Sensitivity).into_iter().map(|column| point.values[column.name]);
    let case = [case.parameter.to_owned(), case.value.clone(), point.step.to_string()];
    case.into_iter().chain(values.map(cell)).collect()
}
