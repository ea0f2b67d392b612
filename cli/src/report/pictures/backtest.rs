//! A backtest as a picture: steps saved against loss given up.

use neuromfa::backtest::{Outcome, Trial};
use neuromfa::internals::backtest::{Estimate, Study};

use super::drawing::{Anchor, Drawing, FONT, cut, name, width};
use super::figure::SvgFile;
use super::panel::Panel;
use super::scale::Scale;
use super::stack::WIDE;

/// How many rules of each kind are named.
const NAMED: usize = 4;

/// Height of the plane.
const HEIGHT: f64 = 180.0;

/// How far the largest symbol reaches from its middle.
const SYMBOL: f64 = 4.6;

/// A rule of the backtest.
struct Mark {
    /// None of the full budget.
    rank: Option<usize>,
    /// How many rules of its kind that come after it save and give up the same.
    alike: usize,
    what: String,
    baseline: bool,
    /// Percent of the run that it saves, and of the loss that it gives up.
    at: (f64, f64),
    /// How far lines reach from it.
    range: Option<Range>,
}

impl Mark {
    /// Its rank in words.
    fn rank(&self) -> String {
        self.rank.map_or("-".to_owned(), |rank| rank.to_string())
    }
}

/// What a picture says.
struct Words {
    title: &'static str,
    /// Of the vertical axis.
    loss: &'static str,
    /// The last column of the key.
    given_up: &'static str,
    /// Rules and baselines.
    kinds: [String; 2],
    /// What the lines are.
    lines: Option<String>,
    /// In percent.
    tolerance: Option<f64>,
    /// How many rules of each kind are named.
    named: usize,
}

/// The rules of a backtest, best first, by the steps that they save and the loss that they give up:
/// a dot for each rule, a diamond for each rule on the loss, the best of both with their ranks and a
/// line from the lowest to the highest of several runs. None when no rule has both numbers.
pub fn backtest_picture(trials: &[Trial], tolerance: f64) -> Option<SvgFile> {
    let marks = trials.iter().enumerate().filter_map(|(k, trial)| {
        let Trial { monitor, patience, min_delta, .. } = trial;
        Some(Mark {
            rank: Some(k + 1),
            alike: 0,
            what: format!("{}: patience {patience}, min_delta {min_delta}", name(monitor)),
            baseline: trial.baseline,
            at: (100.0 * trial.saved_share(), 100.0 * trial.given_up_share()?),
            range: Range::of(trial),
        })
    });
    let mut distinct: Vec<Mark> = Vec::new();
    for mark in marks {
        let same =
            |m: &&mut Mark| m.at == mark.at && m.baseline == mark.baseline && m.range == mark.range;
        match distinct.iter_mut().find(same) {
            Some(before) => before.alike += 1,
            None => distinct.push(mark),
        }
    }
    let kind = |baseline: bool| {
        let first = trials.iter().find(|trial| trial.baseline == baseline);
        let on = first.map(|trial| cut(&name(&trial.monitor), 90.0)).unwrap_or_default();
        format!("rules on {on}{}", if baseline { " (baseline)" } else { "" })
    };
    let runs = trials.first().map_or(0, |trial| trial.outcomes.len());
    let words = Words {
        title: "Steps saved against loss given up by stop rules",
        loss: "loss given up, % of the lowest",
        given_up: "given up",
        kinds: [kind(false), kind(true)],
        lines: (runs > 1).then(|| format!("lines: all {runs} runs")),
        tolerance: Some(100.0 * tolerance),
        named: NAMED,
    };
    (!distinct.is_empty()).then(|| file(&distinct, &words))
}

/// The rules of a comparison by the steps that they save and their regret, with 95 % intervals; the full budget
/// has no rank.
pub fn study_picture(study: &Study) -> SvgFile {
    let marks = study.standings.iter().filter_map(|standing| {
        let [saved, regret] = [standing.all.saved, standing.all.regret].map(percent);
        (standing.rank.is_some() || standing.baseline).then_some(())?;
        Some(Mark {
            rank: standing.rank,
            alike: 0,
            what: name(&standing.rule),
            baseline: standing.baseline,
            at: (saved.value, regret.value),
            range: saved.interval.zip(regret.interval).map(|(saved, given_up)| Range {
                saved,
                given_up: given_up.map(|end| end.max(0.0)),
            }),
        })
    });
    let words = Words {
        title: "Steps saved against regret of stop rules",
        loss: "regret, % of what training gains",
        given_up: "regret",
        kinds: ["rules".to_owned(), "baselines".to_owned()],
        lines: Some("lines: 95 % intervals".to_owned()),
        tolerance: None,
        named: usize::MAX,
    };
    file(&marks.collect::<Vec<_>>(), &words)
}

fn percent(estimate: Estimate) -> Estimate {
    let interval = estimate.interval.map(|ends| ends.map(|end| 100.0 * end));
    Estimate { value: 100.0 * estimate.value, interval }
}

fn file(marks: &[Mark], words: &Words) -> SvgFile {
    SvgFile { name: "backtest".to_owned(), svg: draw(marks, words).file() }
}

fn draw(marks: &[Mark], words: &Words) -> Drawing {
    let of_kind = |baseline: bool| marks.iter().filter(move |m| m.baseline == baseline);
    let saves = |mark: &&Mark| mark.at.0 > 0.0 || mark.rank.is_none();
    let mut named: Vec<&Mark> = [false, true]
        .into_iter()
        .flat_map(|kind| of_kind(kind).filter(saves).take(words.named))
        .collect();
    named.sort_by_key(|mark| mark.rank.unwrap_or(usize::MAX));
    let ranges = || named.iter().filter_map(|mark| mark.range.as_ref());
    let saved = marks.iter().map(|m| m.at.0).chain(ranges().flat_map(|r| r.saved));
    let given_up = marks.iter().map(|m| m.at.1).chain(ranges().flat_map(|r| r.given_up));
    let x = Scale::from_zero(saved.chain([10.0]), f64::INFINITY);
    // A rule that stops at the very beginning must not press the others to the axis.
    let even = words.tolerance.map_or(f64::INFINITY, |tolerance| 30.0 * tolerance.max(0.1));
    let y = Scale::from_zero(given_up.chain(words.tolerance.map(|t| 1.2 * t)), even);
    let (left, top) = (Panel::margin_for_ticks(&y, HEIGHT), 40.0);
    let below = 46.0 + (FONT + 4.0) * (named.len() + 1) as f64;
    let mut drawing = Drawing::new(WIDE, top + HEIGHT + below, words.title);
    let panel = Panel { left, top, width: WIDE - left - 8.0, height: HEIGHT, x, y };
    panel.vertical(&mut drawing, words.loss);
    heading(&mut drawing, marks, words);
    if let Some(tolerance) = words.tolerance {
        let (_, at_tolerance) = panel.at(0.0, tolerance);
        drawing.path("thin dash s-faint", &[(left, at_tolerance), (panel.right(), at_tolerance)]);
        let position = (panel.right(), at_tolerance - 3.0);
        drawing.words("faint", Anchor::End, position, "tolerance");
    }
    for mark in &named {
        let Some(Range { saved, given_up }) = &mark.range else { continue };
        let class = format!("thin s-{}", colour(mark.baseline));
        drawing.path(&class, &saved.map(|saved| panel.at(saved, mark.at.1)));
        drawing.path(&class, &given_up.map(|given_up| panel.at(mark.at.0, given_up)));
    }
    // The dots on the diamonds, which are larger; the best on top.
    for mark in of_kind(true).rev().chain(of_kind(false).rev()) {
        symbol(&mut drawing, mark.baseline, panel.at(mark.at.0, mark.at.1));
    }
    ranks(&mut drawing, &panel, marks, &named);
    panel.horizontal(&mut drawing, "steps saved, % of the run");
    key(&mut drawing, panel.bottom() + 46.0, &named, words.given_up);
    drawing
}

/// How far lines reach, in percent.
#[derive(PartialEq)]
struct Range {
    saved: [f64; 2],
    given_up: [f64; 2],
}

impl Range {
    /// From the lowest to the highest of several runs.
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
        let r = SYMBOL;
        drawing.area(&class, &[(x, y - r), (x + r, y), (x, y + r), (x - r, y)]);
    } else {
        drawing.dot(&class, (x, y), 2.6);
    }
}

/// What the symbols are, above the plane.
fn heading(drawing: &mut Drawing, marks: &[Mark], words: &Words) {
    let mut x = 4.0;
    for (baseline, kind) in [false, true].into_iter().zip(&words.kinds) {
        if !marks.iter().any(|mark| mark.baseline == baseline) {
            continue;
        }
        symbol(drawing, baseline, (x, 6.0));
        drawing.words("", Anchor::Start, (x + 8.0, 9.0), kind);
        x += width(kind) + 24.0;
    }
    if let Some(lines) = &words.lines
        && x + width(lines) < WIDE
    {
        drawing.words("faint", Anchor::Start, (x, 9.0), lines);
    }
}

/// The ranks at their marks; marks that are close together share a label.
fn ranks(drawing: &mut Drawing, panel: &Panel, marks: &[Mark], named: &[&Mark]) {
    let mut positions: Vec<((f64, f64), Vec<String>)> = Vec::new();
    for mark in named {
        let (x, y) = panel.at(mark.at.0, mark.at.1);
        let near = |((px, py), _): &&mut ((f64, f64), Vec<String>)| {
            (px - x).abs() < 22.0 && (py - y).abs() < FONT + 2.0
        };
        match positions.iter_mut().find(near) {
            Some((_, ranks)) => ranks.push(mark.rank()),
            None => positions.push(((x, y), vec![mark.rank()])),
        }
    }
    let mut taken: Vec<[f64; 4]> = marks
        .iter()
        .map(|mark| panel.at(mark.at.0, mark.at.1))
        .map(|(x, y)| [x - SYMBOL, x + SYMBOL, y - SYMBOL, y + SYMBOL])
        .collect();
    for (at, ranks) in positions {
        let words = ranks.join(", ");
        let label = free(at, width(&words), (panel.left, panel.right()), &taken);
        taken.push(label);
        drawing.words("", Anchor::Start, (label[0], label[3]), &words);
    }
}

/// The left, right, top and foot of a label of this width that meets nothing, as near to a point as possible.
fn free((x, y): (f64, f64), wide: f64, ends: (f64, f64), taken: &[[f64; 4]]) -> [f64; 4] {
    let label = |left: f64, foot: f64| [left, left + wide, foot - 0.8 * FONT, foot];
    let sides = [x + 6.0, x - 6.0 - wide];
    let feet = (0..12)
        .flat_map(|k| [y - 4.0 - 4.0 * f64::from(k), y + 4.0 + 0.8 * FONT + 4.0 * f64::from(k)]);
    let places = feet.flat_map(|foot| sides.map(|left| label(left, foot)));
    let is_free = |[left, right, top, foot]: &[f64; 4]| {
        let meets =
            |[l, r, t, f]: &[f64; 4]| *l < right + 1.0 && *left < r + 1.0 && t < foot && top < f;
        ends.0 <= *left && *right <= ends.1 && !taken.iter().any(meets)
    };
    places.into_iter().find(is_free).unwrap_or_else(|| label(sides[0], y - 4.0))
}

/// The named rules in words, below the plane.
fn key(drawing: &mut Drawing, top: f64, named: &[&Mark], loss: &str) {
    let (saved, given_up) = (WIDE - 56.0, WIDE - 8.0);
    let mut line = |k: usize, class: &str, rule: [&str; 4]| {
        let y = top + (FONT + 4.0) * k as f64;
        let [rank, what, steps, loss] = rule;
        drawing.words(class, Anchor::End, (24.0, y), rank);
        drawing.words(class, Anchor::Start, (32.0, y), &cut(what, saved - 32.0 - 38.0));
        drawing.words(class, Anchor::End, (saved, y), steps);
        drawing.words(class, Anchor::End, (given_up, y), loss);
    };
    line(0, "faint", ["rank", "rule", "saved", loss]);
    for (k, mark) in named.iter().enumerate() {
        let Mark { alike, what, at, .. } = mark;
        let more = if *alike > 0 { format!(", +{alike} alike") } else { String::new() };
        let (steps, loss) = (format!("{:.1} %", at.0), format!("{:.2} %", at.1));
        line(k + 1, "", [&mark.rank(), &format!("{what}{more}"), &steps, &loss]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_meets_neither_marks_nor_other_labels() {
        let mark = |x: f64, y: f64| [x - SYMBOL, x + SYMBOL, y - SYMBOL, y + SYMBOL];
        let ends = (0.0, 200.0);
        let own = mark(100.0, 50.0);
        assert_eq!(free((100.0, 50.0), 20.0, ends, &[own])[..2], [106.0, 126.0]);
        let right = free((100.0, 50.0), 20.0, ends, &[own, mark(110.0, 42.0)]);
        assert_eq!(right[1], 94.0, "a mark is where it would be: to the left");
        let edge = free((190.0, 50.0), 20.0, ends, &[own]);
        assert_eq!(edge[1], 184.0, "it stays in the plane");
        // A crowd.
        let mut taken: Vec<[f64; 4]> =
            (0..30).map(|k| mark(80.0 + 3.0 * f64::from(k), 50.0)).collect();
        for _ in 0..4 {
            let [left, right, top, foot] = free((100.0, 50.0), 20.0, ends, &taken);
            let over = |[l, r, t, f]: &[f64; 4]| *l < right && left < *r && *t < foot && top < *f;
            assert!(!taken.iter().any(over));
            taken.push([left, right, top, foot]);
        }
    }
}
