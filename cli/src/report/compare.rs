//! A comparison of runs as tables for a terminal.

use super::align::{align, p_cell, rounded};
use crate::compare::{At, Compared, Layer};
use neuromfa::internals::record::{number, shown_name};

/// Layers that the table shows.
const SHOWN: usize = 10;

/// The verdict on each run, the smallest network first; a table of the runs; then the layers that
/// differ most.
pub fn compared(runs: &[Compared], layers: &[Layer]) -> String {
    let head = [
        "run",
        "weights",
        "rows",
        "last step",
        "E",
        "best E",
        "E_stable",
        "best",
        "width_excess",
        "alpha0_excess",
        "p",
        "onset",
        "plateau",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let mut ordered: Vec<&Compared> = runs.iter().collect();
    ordered.sort_by_key(|run| run.weights);
    let at = |at: Option<At>| cell(at.map(|at| at.value));
    let step = |step: Option<u64>| step.map_or_else(String::new, |step| step.to_string());
    lines.extend(ordered.iter().map(|run| {
        vec![
            run.run.clone(),
            run.weights.to_string(),
            run.rows.to_string(),
            step(run.last_step),
            at(run.e),
            at(run.best_e),
            at(run.e_stable),
            at(run.best_e_stable),
            at(run.width_excess),
            at(run.alpha0_excess),
            p_cell(run.p),
            step(run.onset),
            step(run.plateau),
        ]
    }));
    let mut text = String::new();
    for run in ordered {
        text += &format!("{}: structure: {}\n", shown_name(&run.run), run.verdict);
    }
    text.push('\n');
    align(&mut text, &lines);
    if let Some(first) = layers.first() {
        let shown = layers.len().min(SHOWN);
        text += &format!("\nE_stable by layer at step {}, the widest spread first", first.step);
        text += &format!(" ({shown} of {})\n", layers.len());
        align(&mut text, &layer_lines(runs, &layers[..shown]));
    }
    text
}

/// E_stable of each run, with its z in brackets where there is one.
fn layer_lines(runs: &[Compared], layers: &[Layer]) -> Vec<Vec<String>> {
    let mut head = vec!["layer".to_owned()];
    head.extend(runs.iter().map(|run| run.run.clone()));
    head.push("spread".to_owned());
    let line = |layer: &Layer| {
        let mut line = vec![layer.layer.clone()];
        line.extend(layer.e_stable.iter().zip(&layer.z).map(|(e, z)| {
            let z = z.map_or_else(String::new, |z| format!(" (z {z:+.1})"));
            format!("{}{z}", cell(Some(*e)))
        }));
        line.push(cell(Some(layer.spread)));
        line
    };
    std::iter::once(head).chain(layers.iter().map(line)).collect()
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| rounded(&number(value), 4))
}
