//! Claims about a row and about a run, and how often they are wrong.
//!
//! **A row** has structure if width_excess or alpha0_excess has p < 0.025, so that p of both
//! together, twice the smaller one, is below 0.05: at most 5 % of rows without structure are
//! claimed to have it.
//!
//! **A run** is tested many times, and all its rows depend on one random network. So its *onset* is
//! the first of three consecutive rows in which the same measure has p < 0.001 on the same side. At
//! most 5 % of simulated runs without structure have an onset, with 10 to 300 rows
//! (`examples/calibrate`). Rows whose weights are those of an earlier row, and rows without a
//! value, are skipped.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The p of both measures together below which a row is claimed to have structure.
pub const LEVEL: f64 = 0.05;

/// The p below which a row counts for the onset.
pub const ONSET_LEVEL: f64 = 0.001;

/// How many consecutive rows make an onset.
pub const ONSET_ROWS: usize = 3;

/// The side of chance on which a row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Neurons differ more than those of shuffled weights.
    AboveChance,
    /// The network is indistinguishable from its shuffles.
    #[serde(rename = "not_told_apart")]
    Indistinguishable,
    /// Neurons differ less than those of shuffled weights.
    BelowChance,
}

/// A measure of structure: its value and its p.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// ln of the ratio to shuffled weights.
    pub value: f64,
    /// Two-sided, in [0, 1].
    pub p: f64,
}

/// The two measures of structure of a row; none where there is no p.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// width_excess.
    pub width: Option<Measured>,
    /// alpha0_excess.
    pub alpha0: Option<Measured>,
}

impl Look {
    /// The measures of a row, by the names of its columns. None of a row whose weights are those of
    /// an earlier one.
    pub fn of(value: &dyn Fn(&str) -> Option<f64>) -> Self {
        if value("same_as").is_some() {
            return Self::default();
        }
        let measure = |excess, p| Some(Measured { value: value(excess)?, p: value(p)? });
        Self {
            width: measure("width_excess", "width_excess_p"),
            alpha0: measure("alpha0_excess", "alpha0_excess_p"),
        }
    }
}

/// The claim about a row. `Display` gives the words.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The side of chance, from the measure with the smaller p.
    pub outcome: Outcome,
    /// p of both measures together: twice the smaller one, 1 at most.
    pub p: f64,
    /// width_excess, where it has a p.
    #[serde(rename = "width_excess", alias = "width")]
    pub width: Option<Measured>,
    /// alpha0_excess, where it has a p.
    #[serde(rename = "alpha0_excess", alias = "alpha0")]
    pub alpha0: Option<Measured>,
}

impl Verdict {
    /// The verdict on a row; none without a p.
    pub fn of(look: Look) -> Option<Self> {
        let Look { width, alpha0 } = look;
        let measures = [width, alpha0];
        let all = measures.iter().flatten();
        let first = all.clone().min_by(|a, b| a.p.total_cmp(&b.p))?;
        let p = (all.count() as f64 * first.p).min(1.0);
        let outcome = match p < LEVEL {
            false => Outcome::Indistinguishable,
            true if first.value > 0.0 => Outcome::AboveChance,
            true => Outcome::BelowChance,
        };
        Some(Self { outcome, p, width, alpha0 })
    }
}

/// `spectrum 11 % wider than chance (p < 0.001)`, `none found (p = 0.31)`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outcome, p, width, alpha0 } = *self;
        if outcome == Outcome::Indistinguishable {
            return write!(f, "none found ({})", p_text(p));
        }
        let measures = [width, alpha0].iter().flatten().count() as f64;
        let counts = |measured: &Measured| measures * measured.p < LEVEL;
        let words = |measured: Measured, what: &str, more: &str, less: &str| {
            let percent = 100.0 * measured.value.exp_m1();
            let word = if percent > 0.0 { more } else { less };
            format!("{what} {} % {word}", significant(percent.abs(), 2))
        };
        let width = width.filter(counts).map(|w| words(w, "spectrum", "wider", "narrower"));
        let alpha0 = alpha0.filter(counts).map(|a| words(a, "alpha0", "higher", "lower"));
        let all: Vec<String> = [width, alpha0].into_iter().flatten().collect();
        write!(f, "{} than chance ({})", all.join(" and "), p_text(p))
    }
}

/// `p = 0.31`, `p < 0.001`.
pub fn p_text(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {}", significant(p, 2)) }
}

/// A number above 0 with `digits` significant digits, as a plain decimal.
fn significant(value: f64, digits: i32) -> String {
    let magnitude = if value > 0.0 { value.log10().floor() as i32 } else { 0 };
    let decimals = (digits - 1 - magnitude).max(0) as usize;
    format!("{value:.decimals$}")
}

/// Finds the onset of a run's structure, row by row.
#[derive(Clone, Debug, Default)]
pub struct Onset {
    streaks: [Streak; 2],
    above: Option<u64>,
    below: Option<u64>,
}

/// Consecutive rows that lie on one side of chance by one measure.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    side: i8, // 0 where there is none
    from: u64,
    rows: usize,
}

impl Onset {
    /// Takes the next row; rows come in order.
    pub fn add(&mut self, step: u64, look: Look) {
        for (streak, measured) in self.streaks.iter_mut().zip([look.width, look.alpha0]) {
            let Some(Measured { value, p }) = measured else { continue };
            let side = match (p < ONSET_LEVEL, value > 0.0) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => -1,
            };
            if side == 0 || side != streak.side {
                *streak = Streak { side, from: step, rows: 0 };
            }
            streak.rows += 1;
            if streak.rows == ONSET_ROWS {
                match side {
                    1 => self.above = self.above.or(Some(streak.from)),
                    -1 => self.below = self.below.or(Some(streak.from)),
                    _ => {}
                }
            }
        }
    }

    /// The step at which structure is first seen, on either side of chance.
    pub fn found(&self) -> Option<u64> {
        self.above.into_iter().chain(self.below).min()
    }

    /// The step at which structure is first seen on the side of an outcome; on either side for
    /// `Outcome::Indistinguishable`.
    pub fn found_on(&self, outcome: Outcome) -> Option<u64> {
        match outcome {
            Outcome::AboveChance => self.above,
            Outcome::BelowChance => self.below,
            Outcome::Indistinguishable => self.found(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(value: f64, p: f64) -> Option<Measured> {
        Some(Measured { value, p })
    }

    fn verdict(width: Option<Measured>, alpha0: Option<Measured>) -> Verdict {
        Verdict::of(Look { width, alpha0 }).unwrap()
    }

    #[test]
    fn a_row_is_claimed_at_5_percent_of_both_measures_together() {
        let found = verdict(measured(0.1, 0.0249), measured(0.0, 0.9));
        assert_eq!((found.outcome, found.p), (Outcome::AboveChance, 0.0498));
        let found = verdict(measured(0.1, 0.0251), measured(0.2, 0.03));
        assert_eq!((found.outcome, found.p), (Outcome::Indistinguishable, 0.0502));
        let found = verdict(measured(0.1, 0.02), measured(-0.2, 0.001));
        assert_eq!((found.outcome, found.p), (Outcome::BelowChance, 0.002));
        let found = verdict(measured(0.1, 0.7), measured(0.2, 0.6));
        assert_eq!(found.p, 1.0);
        let found = verdict(None, measured(0.2, 0.04));
        assert_eq!((found.outcome, found.p), (Outcome::AboveChance, 0.04), "one measure alone");
        assert_eq!(Verdict::of(Look::default()), None);
    }

    #[test]
    fn words() {
        let text = |width, alpha0| verdict(width, alpha0).to_string();
        assert_eq!(
            text(measured(1.112f64.ln(), 1e-5), measured(0.0, 0.5)),
            "spectrum 11 % wider than chance (p < 0.001)"
        );
        assert_eq!(
            text(measured(0.953f64.ln(), 0.004), measured(1.0034f64.ln(), 0.002)),
            "spectrum 4.7 % narrower and alpha0 0.34 % higher than chance (p = 0.0040)"
        );
        assert_eq!(text(measured(0.1, 0.31), measured(0.1, 0.155)), "none found (p = 0.31)");
        assert_eq!(p_text(0.001), "p = 0.0010");
        assert_eq!(p_text(0.0009), "p < 0.001");
        assert_eq!(p_text(1.0), "p = 1.0");
    }

    fn onset(p: &[(f64, f64)]) -> Option<u64> {
        let mut onset = Onset::default();
        for (k, &(value, p)) in p.iter().enumerate() {
            let look = Look { width: measured(value, p), alpha0: measured(0.0, 1.0) };
            onset.add(10 * k as u64, look);
        }
        onset.found()
    }

    #[test]
    fn an_onset_is_the_first_of_three_rows_in_a_row() {
        let (yes, no, below) = ((1.0, 0.0009), (1.0, 0.001), (-1.0, 0.0009));
        assert_eq!(onset(&[no, yes, yes, no, yes, yes, yes]), Some(40));
        assert_eq!(onset(&[yes, yes, yes, no, no]), Some(0), "it need not stay");
        assert_eq!(onset(&[yes, yes, below, yes, yes]), None, "on one side");
        assert_eq!(onset(&[no, below, below, below, below]), Some(10));
        let mut both = Onset::default();
        for (step, side) in [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
            both.add(step as u64, Look { width: measured(side, 0.0), alpha0: None });
        }
        let on = |outcome| both.found_on(outcome);
        assert_eq!(on(Outcome::AboveChance), Some(3), "on the side of the verdict");
        assert_eq!(on(Outcome::BelowChance), Some(0));
        assert_eq!(on(Outcome::Indistinguishable), Some(0));
        assert_eq!(onset(&[yes, yes]), None);
        assert_eq!(onset(&[]), None);
    }

    #[test]
    fn one_measure_alone_makes_an_onset_and_rows_without_values_do_not_end_it() {
        let mut onset = Onset::default();
        let with = |width: f64, alpha0: f64| Look {
            width: measured(1.0, width),
            alpha0: measured(1.0, alpha0),
        };
        // Each measure twice, never three times.
        for (step, look) in [with(0.0, 1.0), with(0.0, 0.0), with(1.0, 0.0)].into_iter().enumerate()
        {
            onset.add(step as u64, look);
        }
        assert_eq!(onset.found(), None);
        onset.add(3, Look::default());
        onset.add(4, with(1.0, 0.0));
        assert_eq!(onset.found(), Some(1), "alpha0 at 1, 2 and 4");
    }

    #[test]
    fn rows_whose_weights_are_repeated_claim_nothing() {
        let value = |name: &str| Some(if name.ends_with("_p") { 0.01 } else { 0.5 });
        assert_eq!(Look::of(&value), Look::default());
        let look = Look::of(&|name| value(name).filter(|_| name != "same_as"));
        assert_eq!(look, Look { width: measured(0.5, 0.01), alpha0: measured(0.5, 0.01) });
    }
}
