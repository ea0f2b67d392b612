//! The numbers of a picture over steps, for the page's script.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::drawing::{plain, set};
use super::level::{Level, Marks};
use super::panel::Line;
use super::scale::Scale;

/// What the script draws from. Absent values are null.
#[derive(Debug, Serialize)]
pub(super) struct Chart<'a> {
    title: &'a str,
    /// The name of the files that a reader saves.
    file: &'a str,
    /// What the horizontal axis shows.
    axis: &'a str,
    xs: Vec<Steps<'a>>,
    levels: Vec<Panel<'a>>,
    onset: Option<f64>,
    stopped: Option<f64>,
    /// First step, last step and codes of each stretch with a warning.
    warned: &'a [(f64, f64, String)],
    rolled_back: &'a [f64],
}

/// The steps of one or more lines.
#[derive(Debug, PartialEq, Serialize)]
struct Steps<'a> {
    #[serde(serialize_with = "exact")]
    x: &'a [f64],
    /// Seconds since the run began.
    #[serde(serialize_with = "milliseconds")]
    t: Option<&'a [f64]>,
}

#[derive(Debug, Serialize)]
struct Panel<'a> {
    /// The title as SVG.
    title: String,
    name: String,
    h: f64,
    log: bool,
    reach: &'a [f64],
    lines: Vec<Series<'a>>,
}

#[derive(Debug, Serialize)]
struct Series<'a> {
    name: &'a str,
    /// What a box switches on and off: the quantity, or the run.
    series: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<usize>,
    label: String,
    c: &'a str,
    dash: &'a str,
    /// Which of the steps.
    k: usize,
    #[serde(serialize_with = "nine_digits")]
    y: &'a [Option<f64>],
    #[serde(serialize_with = "four_digits")]
    s: Option<&'a [Option<f64>]>,
    /// How many errors half the band is.
    times: f64,
}

impl<'a> Chart<'a> {
    pub(super) fn new(
        (title, file): (&'a str, &'a str),
        shown: &'a [(Level, Scale)],
        marks: &'a Marks,
    ) -> Self {
        let mut xs: Vec<Steps<'a>> = Vec::new();
        let levels = shown.iter().map(|(level, y)| Panel {
            title: set(&level.title),
            name: plain(&level.title),
            h: level.height,
            log: y.is_log(),
            reach: &level.with,
            lines: level.lines.iter().map(|line| series(line, &mut xs)).collect(),
        });
        let levels = levels.collect();
        let Marks { axis, onset, stopped, warned, rolled_back } = marks;
        let (onset, stopped) = (*onset, *stopped);
        Self { title, file, axis, xs, levels, onset, stopped, warned, rolled_back }
    }

    /// As JSON that may stand in a `script` element.
    pub(super) fn json(&self) -> String {
        for_script(self)
    }
}

/// JSON without `<`, which could end a `script` element.
pub(super) fn for_script(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().replace('<', "\\u003c")
}

/// A number of this many significant digits, in its shortest form; null if there is none.
pub(super) fn rounded(value: Option<f64>, digits: usize) -> Value {
    let Some(value) = value else { return Value::Null };
    let rounded: f64 = format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
    // A whole number without a point.
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        return Value::from(rounded as i64);
    }
    Value::from(rounded)
}

fn exact<S: Serializer>(x: &[f64], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(x.iter().map(|x| rounded(Some(*x), 17)))
}

fn milliseconds<S: Serializer>(t: &Option<&[f64]>, to: S) -> Result<S::Ok, S::Error> {
    let Some(t) = t else { return to.serialize_none() };
    to.collect_seq(t.iter().map(|t| rounded(Some((1000.0 * t).round() / 1000.0), 17)))
}

fn nine_digits<S: Serializer>(y: &[Option<f64>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(y.iter().map(|y| rounded(*y, 9)))
}

fn four_digits<S: Serializer>(s: &Option<&[Option<f64>]>, to: S) -> Result<S::Ok, S::Error> {
    let Some(s) = s else { return to.serialize_none() };
    to.collect_seq(s.iter().map(|s| rounded(*s, 4)))
}

fn series<'a>(line: &'a Line, xs: &mut Vec<Steps<'a>>) -> Series<'a> {
    let steps = Steps { x: &line.x, t: line.seconds.as_deref() };
    let k = xs.iter().position(|known| *known == steps).unwrap_or_else(|| {
        xs.push(steps);
        xs.len() - 1
    });
    Series {
        name: &line.name,
        series: line.run.as_ref().map_or(&line.name, |(_, name)| name),
        run: line.run.as_ref().map(|(number, _)| *number),
        label: set(&line.label),
        c: &line.colour,
        dash: line.pattern,
        k,
        y: &line.y,
        s: line.spread.as_deref(),
        times: line.errors,
    }
}

#[cfg(test)]
mod tests {
    use super::{for_script, rounded};

    #[test]
    fn numbers_are_short_and_end_no_element() {
        let text = |value, digits| rounded(value, digits).to_string();
        assert_eq!(text(Some(0.063_652_591_628_637_01), 9), "0.0636525916");
        assert_eq!(text(Some(-1.5e-9), 4), "-1.5e-9");
        assert_eq!(text(Some(20.0), 17), "20");
        assert_eq!(text(Some(1e300), 9), "1e+300");
        assert_eq!(text(None, 9), "null");
        assert_eq!(for_script(&"</script>"), "\"\\u003c/script>\"");
    }
}
