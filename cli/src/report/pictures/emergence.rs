//! The measures of structure, E with its controls, the weight norm and the loss over steps.

use super::figure::Figure;
use super::level::{Level, Marks};
use super::panel::Line;
use super::recorded::Recorded;
use super::stack::stack;
use neuromfa::internals::analysis::{ONSET_LEVEL, ONSET_ROWS};
use neuromfa::internals::record::{Column, Kind, View, columns, shown_in};

/// A column of emergence.csv over its steps, with its spread.
pub(super) fn column(run: &Recorded, name: &str, style: (&str, &'static str), label: &str) -> Line {
    let table = &run.emergence;
    Line {
        label: label.to_owned(),
        seconds: run.seconds(table),
        spread: table.spread(name),
        ..Line::new(name, style, run.x(table), table.numbers(name))
    }
}

/// The loss over all steps that the loop logged.
pub(super) fn loss(run: &Recorded, colour: &str, label: &str) -> Option<(Line, usize)> {
    let (name, means) = run.loss.as_ref()?;
    let (label, seconds) = (label.to_owned(), means.seconds.clone());
    let line = Line::new(name, (colour, ""), means.x.clone(), means.y.clone());
    Some((Line { label, seconds, ..line }, means.each))
}

/// A measure of structure with its band, and a line at 0, where shuffled weights are.
fn structure(run: &Recorded, name: &str, title: &str) -> Level {
    let measure = column(run, name, ("c1", ""), "");
    let zero = measure.y.iter().map(|value| value.map(|_| 0.0)).collect();
    let shuffled = Line {
        label: "shuffled".to_owned(),
        seconds: measure.seconds.clone(),
        ..Line::new("shuffled", ("c2", "dash"), measure.x.clone(), zero)
    };
    let lines = vec![shuffled, measure.twice()];
    Level { title: title.to_owned(), height: 72.0, lines, wide: false, with: vec![0.0] }
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

/// E of the published estimator with its control.
pub(super) fn published(run: &Recorded) -> Level {
    let lines = vec![
        column(run, "E", ("c1", ""), "*E*"),
        column(run, "E_shuffled", ("c2", "dash"), "shuffled"),
    ];
    let title = "degree of emergence, published estimator".to_owned();
    Level { title, height: 90.0, lines, wide: false, with: vec![0.0] }
}

/// The measures of structure, above E_stable with its controls, above the size of the weights, their distance
/// from step 0, and the loss.
pub(super) fn figure(run: &Recorded) -> Figure {
    let mut levels: Vec<Level> = STRUCTURE.map(|(name, title)| structure(run, name, title)).into();
    levels.push(Level {
        title: "degree of emergence, stable estimator".to_owned(),
        height: 90.0,
        lines: stable(run),
        wide: false,
        with: vec![0.0],
    });
    levels.push(Level {
        title: "weight norm ‖*W*‖".to_owned(),
        height: 56.0,
        lines: vec![column(run, "weight_norm", ("c6", ""), "")],
        wide: false,
        with: vec![],
    });
    levels.push(Level {
        title: "distance ‖*W* - *W*_{0}‖ / ‖*W*_{0}‖".to_owned(),
        height: 56.0,
        lines: vec![column(run, "distance", ("c3", ""), "")],
        wide: false,
        with: vec![0.0],
    });
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
            let title = super::drawing::name(&line.name);
            let line = Line { colour: "faint".to_owned(), ..line };
            levels.push(Level { title, height: 56.0, lines: vec![line], wide: true, with: vec![] });
        }
        _ => text += " The loop logged no loss that is a number.",
    }
    let drawing = match enough(run) {
        Err(why) => Err(why),
        Ok(()) => stack(
            ("Structure and degree of emergence over steps", "emergence"),
            levels,
            &Marks::of(run),
        )
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
             step. The weight norm ‖W‖ shows whether the weights grew or shrank meanwhile. Bands of E are one standard error.";
    text
}
