//! Several runs in one figure.

use super::drawing::{cut, name};
use super::emergence::{STRUCTURE, column, loss};
use super::figure::Figure;
use super::level::{Level, Marks};
use super::panel::Line;
use super::recorded::Recorded;
use super::stack::stack;
use super::style::LINES;

/// How a run's lines look: as many colours as there are, then these again with dashes, then dots.
pub(super) fn style(run: usize) -> (String, &'static str) {
    let patterns = ["", "dash", "dots"];
    (format!("c{}", run % LINES + 1), patterns[run / LINES % patterns.len()])
}

/// The measures of structure, E_stable and the loss of the runs.
pub(super) fn figure(runs: &[Recorded]) -> Figure {
    let of_run = |(k, run): (usize, &Recorded), line: Line| {
        let named = format!("{}: {}", run.name, line.name);
        let label = cut(&name(&run.name), 80.0);
        Line { name: named, label, run: Some((k, run.name.clone())), ..line }
    };
    let of_column = |value: &str| {
        let line = |(k, run): (usize, &Recorded)| {
            let (colour, pattern) = style(k);
            of_run((k, run), column(run, value, (&colour, pattern), "").twice())
        };
        runs.iter().enumerate().map(line).collect::<Vec<_>>()
    };
    let losses = runs.iter().enumerate().filter_map(|(k, run)| {
        let (colour, pattern) = style(k);
        let (line, _) = loss(run, &colour, "")?;
        Some(of_run((k, run), Line { pattern, ..line }))
    });
    let level = |title: &str, lines, wide, with| Level {
        title: title.to_owned(),
        // Room for the names.
        height: 100f64.max(11.5 * runs.len() as f64),
        lines,
        wide,
        with,
    };
    let structure = STRUCTURE.map(|(name, title)| level(title, of_column(name), false, vec![0.0]));
    let mut levels = Vec::from(structure);
    levels.push(level("*E*_{stable}", of_column("E_stable"), false, vec![0.0]));
    levels.push(level("loss", losses.collect(), true, vec![]));
    let drawing = stack(("Runs compared", "overlay"), levels, &Marks::none(&runs[0]));
    let drawing = drawing.ok_or_else(|| "no run has a value of E or a loss.".to_owned());
    let mut text = "width_excess and alpha0_excess of each run, with a band of two standard errors: \
                    0 is as shuffled weights, and they are free of the scale of the weights, so that \
                    they compare best. E_stable is against the run's own first step and grows with \
                    scale. Runs compare only where the network, the sampling and the method are the \
                    same."
        .to_owned();
    let comparable = runs.windows(2).all(|pair| match (&pair[0].config, &pair[1].config) {
        (Some(a), Some(b)) => a.method == b.method && a.sampling == b.sampling,
        _ => false,
    });
    if !comparable {
        text += " These runs do not all say that they have the same method and sampling.";
    }
    Figure::one("overlay", "Runs compared", text, drawing)
}
