//! E, its controls and the loss over steps.

use super::figure::{Figure, error, said};
use super::panel::{Line, Values};
use super::recorded::Recorded;
use super::stack::{Level, Marks, stack};

/// A column of emergence.csv over its steps, with the column of its deviation.
pub(super) fn column(
    run: &Recorded,
    (name, spread): (&str, Option<&str>),
    (colour, pattern): (&str, &'static str),
    label: &str,
) -> Line {
    Line {
        colour: colour.to_owned(),
        pattern,
        label: label.to_owned(),
        x: run.emergence.steps(),
        y: run.emergence.numbers(name),
        spread: spread.map(|name| run.emergence.numbers(name)),
    }
}

/// The loss over all steps that the loop logged.
pub(super) fn loss(run: &Recorded, colour: &str, label: &str) -> Option<(Line, usize)> {
    let (x, y, each) = run.thinned(run.loss()?, 400);
    let (colour, label) = (colour.to_owned(), label.to_owned());
    Some((Line { colour, pattern: "", label, x, y, spread: None }, each))
}

/// E of both estimators with their controls, above the loss.
pub(super) fn figure(run: &Recorded) -> Figure {
    let published = vec![
        column(run, ("E", Some("E_se")), ("c1", ""), "*E*"),
        column(run, ("E_shuffled", None), ("c2", "dash"), "shuffled"),
    ];
    let stable = vec![
        column(run, ("E_stable", None), ("c1", ""), "*E*_{stable}"),
        column(run, ("E_stable_shuffled", None), ("c2", "dash"), "shuffled"),
        column(run, ("E_norm_matched", None), ("c4", "dots"), "norm matched"),
        column(run, ("E_rescaled_start", None), ("c5", "dots"), "rescaled start"),
        column(run, ("E_excess", Some("E_excess_se")), ("c3", ""), "*E*_{excess}"),
    ];
    let level = |title: &str, height, lines| Level {
        title: title.to_owned(),
        height,
        lines,
        wide: false,
        with: vec![0.0],
    };
    let mut levels = vec![
        level("degree of emergence, published estimator", 105.0, published),
        level("degree of emergence, stable estimator", 125.0, stable),
    ];
    let mut text = words(run);
    match loss(run, "ink", "") {
        Some((line, each)) if line.is_there() => {
            if each > 1 {
                text += &format!(" Each point of the loss is the mean of {each} logged steps.");
            }
            let absent = line.y.iter().filter(|y| y.is_none()).count();
            if absent > 0 {
                text += " The loss is broken where it was not logged or not a finite number.";
            }
            let title = run.loss().unwrap_or_default();
            let title = super::drawing::name(title);
            let line = Line { colour: "faint".to_owned(), ..line };
            levels.push(Level { title, height: 60.0, lines: vec![line], wide: true, with: vec![] });
        }
        _ => text += " The loop logged no loss that is a number.",
    }
    let drawing = match enough(&run.emergence.numbers("E"), &run.emergence.numbers("E_stable")) {
        Err(why) => Err(why),
        Ok(()) => stack("Degree of emergence over steps", levels, &Marks::of(run))
            .ok_or_else(|| "no step has a value of E.".to_owned()),
    };
    Figure::one("emergence", "Degree of emergence", text, drawing)
}

fn enough(published: &Values, stable: &Values) -> Result<(), String> {
    let count = |values: &Values| values.iter().flatten().count();
    match count(published).max(count(stable)) {
        0 => Err("no analysed step has a value of E (see the status in the table).".to_owned()),
        1 => Err("only one step has a value of E: E compares a step with the first one, where it \
                  is 0 by definition."
            .to_owned()),
        _ => Ok(()),
    }
}

fn words(run: &Recorded) -> String {
    let mut text = "How far the network has moved from its first step: 0 at the start, higher where \
                    weights organise, negative where they fall apart. The band is one standard error \
                    over the samples. E grows with the mere scale of the weights; the dashed line is \
                    what the same weights give once they are shuffled within each matrix, and \
                    E_excess, the distance between the two, is what scale does not explain."
        .to_owned();
    let table = &run.emergence;
    let last = |name: &str| {
        table
            .rows
            .iter()
            .rev()
            .find_map(|row| Some((table.number(row, name)?, table.cell(row, "step"), row)))
    };
    if let Some((value, step, row)) = last("E_excess") {
        let se = table.number(row, "E_excess_se");
        let spread = se.map(|se| format!(" ± {}", error(se))).unwrap_or_default();
        let verdict = match se {
            Some(se) if value > 2.0 * se => {
                "more than two standard errors above 0: not scale alone"
            }
            Some(_) => "not two standard errors above 0: scale alone explains E",
            None => "without an error",
        };
        text += &format!(" At step {step}, E_excess is {}{spread}, {verdict}.", said(value));
    }
    text
}
