//! The measures of structure, E with its controls, and the loss over steps.

use super::figure::Figure;
use super::panel::{Line, Values};
use super::recorded::Recorded;
use super::stack::{Level, Marks, stack};
use neuromfa::internals::analysis::{ONSET_LEVEL, ONSET_ROWS};
use neuromfa::internals::record::{Column, Kind, View, columns, shown_in};

/// A column of emergence.csv over its steps, with its spread.
pub(super) fn column(
    run: &Recorded,
    name: &str,
    (colour, pattern): (&str, &'static str),
    label: &str,
) -> Line {
    Line {
        colour: colour.to_owned(),
        pattern,
        label: label.to_owned(),
        x: run.x(&run.emergence),
        y: run.emergence.numbers(name),
        spread: run.emergence.spread(name),
    }
}

/// The loss over all steps that the loop logged.
pub(super) fn loss(run: &Recorded, colour: &str, label: &str) -> Option<(Line, usize)> {
    let (x, y, each) = run.thinned(run.loss()?, 400);
    let (colour, label) = (colour.to_owned(), label.to_owned());
    Some((Line { colour, pattern: "", label, x, y, spread: None }, each))
}

/// Two standard errors.
pub(super) fn twice(errors: Values) -> Values {
    errors.into_iter().map(|se| se.map(|se| 2.0 * se)).collect()
}

/// A measure of structure with its band, and a line at 0, where shuffled weights are.
fn structure(run: &Recorded, name: &str, title: &str) -> Level {
    let measure = column(run, name, ("c1", ""), "");
    let shuffled = Line {
        y: measure.y.iter().map(|value| value.map(|_| 0.0)).collect(),
        spread: None,
        colour: "c2".to_owned(),
        pattern: "dash",
        label: "shuffled".to_owned(),
        ..measure.clone()
    };
    let measure = Line { spread: measure.spread.map(twice), ..measure };
    let lines = vec![shuffled, measure];
    Level { title: title.to_owned(), height: 80.0, lines, wide: false, with: vec![0.0] }
}

/// The measures of structure above one another.
pub(super) const STRUCTURE: [(&str, &str); 2] = [
    ("width_excess", "*width*_{excess} = ln(width / width of shuffled weights)"),
    ("alpha0_excess", "*alpha0*_{excess} = ln(alpha0 / alpha0 of shuffled weights)"),
];

/// How the controls of E_stable are drawn, in the order of their columns.
const CONTROLS: [(&str, &str); 3] = [("c2", "dash"), ("c4", "dots"), ("c5", "dots")];

/// E_stable with its controls: each column that `neuromfa live` shows in one line with it.
fn stable(run: &Recorded) -> Vec<Line> {
    let short = |view: &View| match view {
        View::Live(short) => Some(*short),
        _ => None,
    };
    let of_e = columns().filter(|column| column.kind == Kind::E);
    let shown = of_e.filter_map(|of| Some((of.name, of.views.iter().find_map(short)?)));
    let controls = shown.zip(CONTROLS.into_iter().cycle());
    let line = |((name, short), style)| column(run, name, style, short);
    let stable = column(run, "E_stable", ("c1", ""), "*E*_{stable}");
    std::iter::once(stable).chain(controls.map(line)).collect()
}

/// The measures of structure, above E of both estimators with their controls, above the loss.
pub(super) fn figure(run: &Recorded) -> Figure {
    let published = vec![
        column(run, "E", ("c1", ""), "*E*"),
        column(run, "E_shuffled", ("c2", "dash"), "shuffled"),
    ];
    let level = |title: &str, height, lines| Level {
        title: title.to_owned(),
        height,
        lines,
        wide: false,
        with: vec![0.0],
    };
    let mut levels: Vec<Level> = STRUCTURE.map(|(name, title)| structure(run, name, title)).into();
    levels.push(level("degree of emergence, published estimator", 95.0, published));
    levels.push(level("degree of emergence, stable estimator", 105.0, stable(run)));
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
    let drawing = match enough(run) {
        Err(why) => Err(why),
        Ok(()) => stack("Structure and degree of emergence over steps", levels, &Marks::of(run))
            .ok_or_else(|| "no step has a value of E.".to_owned()),
    };
    Figure::one("emergence", "Structure and degree of emergence", text, drawing)
}

fn enough(run: &Recorded) -> Result<(), String> {
    let count = |column: &Column<_>| run.emergence.numbers(column.name).iter().flatten().count();
    match shown_in(View::Headline).into_iter().map(count).max() {
        None | Some(0) => {
            Err("no analysed step has a value of E (see the status in the table).".to_owned())
        }
        Some(1) => Err("only one step has a value of E: E compares a step with the first one, \
                        where it is 0 by definition."
            .to_owned()),
        Some(_) => Ok(()),
    }
}

fn words(run: &Recorded) -> String {
    let mut text = format!("Structure: {}. ", run.conclusion);
    let measured = run.emergence.numbers("width_excess").iter().any(Option::is_some);
    if measured {
        text += "width_excess and alpha0_excess compare the weights, each matrix at its scale of the \
                 first step, with the same weights shuffled within each matrix: 0 is as shuffled \
                 weights, 0.1 is 10 % wider or higher. They are free of the scale of the weights. The \
                 band is two standard errors; the verdict takes p, which also knows from how few \
                 shuffles the error comes. ";
    }
    if run.onset().is_some() {
        text += &format!(
            "The onset is the first of {ONSET_ROWS} rows in a row with p < {ONSET_LEVEL} by the same \
             measure. "
        );
    }
    text += "E is how far the network has moved from its first step: 0 at the start. E grows with the \
             scale of the weights, so E alone does not show structure. The dashed line is E of \
             shuffled weights; norm-matched is E_stable with each matrix at its scale of the first \
             step. Bands of E are one standard error.";
    text
}
