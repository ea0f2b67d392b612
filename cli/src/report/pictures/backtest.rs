//! A backtest as a picture: steps saved against loss given up.

use neuromfa::backtest::{Outcome, Trial};

use super::drawing::{Anchor, Drawing, FONT, cut, name, width};
use super::figure::SvgFile;
use super::panel::Panel;
use super::scale::Scale;
use super::stack::WIDE;

/// How many rules of each kind are named.
const NAMED: usize = 4;

/// Height of the plane.
const HEIGHT: f64 = 180.0;

/// A rule of the backtest.
struct Mark<'t> {
    rank: usize,
    /// How many rules of its kind that come after it save and give up the same.
    alike: usize,
    trial: &'t Trial,
    /// Percent of the run that it saves, and of the lowest loss that it gives up.
    at: (f64, f64),
    /// Over the runs; none of one run.
    range: Option<Range>,
}

/// The rules of a backtest, best first, by the steps that they save and the loss that they give up:
/// a dot for each rule, a diamond for each rule on the loss, the best of both with their ranks and a
/// line from the lowest to the highest of several runs. None when no rule has both numbers.
pub fn backtest_picture(trials: &[Trial], tolerance: f64) -> Option<SvgFile> {
    let marks = trials.iter().enumerate().filter_map(|(k, trial)| {
        let at = (100.0 * trial.saved_share(), 100.0 * trial.given_up_share()?);
        Some(Mark { rank: k + 1, alike: 0, trial, at, range: Range::of(trial) })
    });
    let mut distinct: Vec<Mark<'_>> = Vec::new();
    for mark in marks {
        let same = |m: &&mut Mark<'_>| {
            m.at == mark.at && m.trial.baseline == mark.trial.baseline && m.range == mark.range
        };
        match distinct.iter_mut().find(same) {
            Some(before) => before.alike += 1,
            None => distinct.push(mark),
        }
    }
    let drawing = draw(&distinct, tolerance)?;
    Some(SvgFile { name: "backtest".to_owned(), svg: drawing.file() })
}

fn draw(marks: &[Mark<'_>], tolerance: f64) -> Option<Drawing> {
    let of_kind = |baseline: bool| marks.iter().filter(move |m| m.trial.baseline == baseline);
    let saves = |mark: &&Mark<'_>| mark.at.0 > 0.0;
    let mut named: Vec<&Mark<'_>> = [false, true]
        .into_iter()
        .flat_map(|kind| of_kind(kind).filter(saves).take(NAMED))
        .collect();
    named.sort_by_key(|mark| mark.rank);
    let ranges = || named.iter().filter_map(|mark| mark.range.as_ref());
    let tolerance = 100.0 * tolerance;
    let saved = marks.iter().map(|m| m.at.0).chain(ranges().flat_map(|r| r.saved));
    let given_up = marks.iter().map(|m| m.at.1).chain(ranges().flat_map(|r| r.given_up));
    let x = Scale::from_zero(saved.chain([10.0]), f64::INFINITY);
    // A rule that stops at the very beginning must not press the others to the axis.
    let y = Scale::from_zero(given_up.chain([1.2 * tolerance]), 30.0 * tolerance.max(0.1));
    let (left, top) = (Panel::margin_for_ticks(&y, HEIGHT), 40.0);
    let below = 46.0 + (FONT + 4.0) * (named.len() + 1) as f64;
    let mut drawing =
        Drawing::new(WIDE, top + HEIGHT + below, "Steps saved against loss given up by stop rules");
    let panel = Panel { left, top, width: WIDE - left - 8.0, height: HEIGHT, x, y };
    panel.vertical(&mut drawing, "loss given up, % of the lowest");
    heading(&mut drawing, marks);
    let (_, at_tolerance) = panel.at(0.0, tolerance);
    drawing.path("thin dash s-faint", &[(left, at_tolerance), (panel.right(), at_tolerance)]);
    let position = (panel.right(), at_tolerance - 3.0);
    drawing.words("faint", Anchor::End, position, "tolerance");
    for mark in &named {
        let Some(Range { saved, given_up }) = &mark.range else { continue };
        let class = format!("thin s-{}", colour(mark.trial.baseline));
        drawing.path(&class, &saved.map(|saved| panel.at(saved, mark.at.1)));
        drawing.path(&class, &given_up.map(|given_up| panel.at(mark.at.0, given_up)));
    }
    // The dots on the diamonds, which are larger; the best on top.
    for mark in of_kind(true).rev().chain(of_kind(false).rev()) {
        symbol(&mut drawing, mark.trial.baseline, panel.at(mark.at.0, mark.at.1));
    }
    ranks(&mut drawing, &panel, &named);
    panel.horizontal(&mut drawing, "steps saved, % of the run");
    key(&mut drawing, panel.bottom() + 46.0, &named);
    (!marks.is_empty()).then_some(drawing)
}

/// The lowest and the highest over several runs, in percent.
#[derive(PartialEq)]
struct Range {
    saved: [f64; 2],
    given_up: [f64; 2],
}

impl Range {
    fn of(trial: &Trial) -> Option<Self> {
        let ends = |values: Vec<f64>| {
            let end = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick);
            Some([100.0 * end(f64::min)?, 100.0 * end(f64::max)?])
        };
        let outcomes = trial.outcomes.iter();
        (outcomes.len() > 1).then_some(())?;
        Some(Self {
            saved: ends(outcomes.clone().map(|outcome| outcome.saved_share).collect())?,
            given_up: ends(outcomes.filter_map(Outcome::given_up_share).collect())?,
        })
    }
}

fn colour(baseline: bool) -> &'static str {
    if baseline { "c2" } else { "c1" }
}

/// A dot, or a diamond for a rule on the loss.
fn symbol(drawing: &mut Drawing, baseline: bool, (x, y): (f64, f64)) {
    let class = format!("f-{}", colour(baseline));
    if baseline {
        let r = 4.6;
        drawing.area(&class, &[(x, y - r), (x + r, y), (x, y + r), (x - r, y)]);
    } else {
        drawing.dot(&class, (x, y), 2.6);
    }
}

/// What the symbols are, above the plane.
fn heading(drawing: &mut Drawing, marks: &[Mark<'_>]) {
    let mut x = 4.0;
    for baseline in [false, true] {
        let first = marks.iter().find(|mark| mark.trial.baseline == baseline);
        let Some(mark) = first else { continue };
        symbol(drawing, baseline, (x, 6.0));
        let kind = if baseline { " (baseline)" } else { "" };
        let words = format!("rules on {}{kind}", cut(&name(&mark.trial.monitor), 90.0));
        drawing.words("", Anchor::Start, (x + 8.0, 9.0), &words);
        x += width(&words) + 24.0;
    }
    let runs = marks.first().map_or(0, |mark| mark.trial.outcomes.len());
    if runs > 1 {
        let words = format!("lines: all {runs} runs");
        if x + width(&words) < WIDE {
            drawing.words("faint", Anchor::Start, (x, 9.0), &words);
        }
    }
}

/// The ranks at their marks; marks that are close together share a label.
fn ranks(drawing: &mut Drawing, panel: &Panel, named: &[&Mark<'_>]) {
    let mut positions: Vec<((f64, f64), Vec<String>)> = Vec::new();
    for mark in named {
        let (x, y) = panel.at(mark.at.0, mark.at.1);
        let near = |((px, py), _): &&mut ((f64, f64), Vec<String>)| {
            (px - x).abs() < 22.0 && (py - y).abs() < FONT + 2.0
        };
        match positions.iter_mut().find(near) {
            Some((_, ranks)) => ranks.push(mark.rank.to_string()),
            None => positions.push(((x, y), vec![mark.rank.to_string()])),
        }
    }
    let mut taken: Vec<(f64, f64, f64)> = Vec::new(); // from, to, height of the words' foot
    for ((x, y), ranks) in positions {
        let words = ranks.join(", ");
        let wide = width(&words);
        let from = if x + 6.0 + wide < panel.right() { x + 6.0 } else { x - 6.0 - wide };
        let mut foot = y - 4.0;
        let meets = |&(left, right, other): &(f64, f64, f64), foot: f64| {
            left < from + wide + 3.0 && from < right + 3.0 && (other - foot).abs() < FONT
        };
        while taken.iter().any(|words| meets(words, foot)) {
            foot -= FONT;
        }
        taken.push((from, from + wide, foot));
        drawing.words("", Anchor::Start, (from, foot), &words);
    }
}

/// The named rules in words, below the plane.
fn key(drawing: &mut Drawing, top: f64, named: &[&Mark<'_>]) {
    let (saved, given_up) = (WIDE - 56.0, WIDE - 8.0);
    let mut line = |k: usize, class: &str, rule: [&str; 4]| {
        let y = top + (FONT + 4.0) * k as f64;
        let [rank, what, steps, loss] = rule;
        drawing.words(class, Anchor::End, (24.0, y), rank);
        drawing.words(class, Anchor::Start, (32.0, y), &cut(what, saved - 32.0 - 38.0));
        drawing.words(class, Anchor::End, (saved, y), steps);
        drawing.words(class, Anchor::End, (given_up, y), loss);
    };
    line(0, "faint", ["rank", "rule", "saved", "given up"]);
    for (k, Mark { rank, alike, trial, at, .. }) in named.iter().enumerate() {
        let monitor = name(&trial.monitor);
        let more = if *alike > 0 { format!(", +{alike} alike") } else { String::new() };
        let Trial { patience, min_delta, .. } = trial;
        let what = format!("{monitor}: patience {patience}, min_delta {min_delta}{more}");
        let (steps, loss) = (format!("{:.1} %", at.0), format!("{:.2} %", at.1));
        line(k + 1, "", [&rank.to_string(), &what, &steps, &loss]);
    }
}
