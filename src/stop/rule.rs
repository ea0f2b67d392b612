//! Stop rules: what they watch and when they stop training.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::number::plain;

/// Whether a quantity is better when it is lower or when it is higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Lower is better.
    #[default]
    Min,
    /// Higher is better.
    Max,
}

impl Mode {
    /// Strict; false where either is NaN.
    pub(super) fn better(self, a: f64, b: f64) -> bool {
        match self {
            Self::Min => a < b,
            Self::Max => a > b,
        }
    }

    pub(super) fn worst(self) -> f64 {
        match self {
            Self::Min => f64::INFINITY,
            Self::Max => f64::NEG_INFINITY,
        }
    }

    /// `value` made worse by `delta`.
    pub(super) fn handicapped(self, value: f64, delta: f64) -> f64 {
        match self {
            Self::Min => value + delta,
            Self::Max => value - delta,
        }
    }
}

/// When training should stop. Made by [`StopRule::on`], joined with `and` and `or`.
///
/// ```
/// use neuromfa::StopRule;
///
/// let settled = StopRule::on("E").max().patience(5).min_delta(0.001);
/// let learned = StopRule::on("loss").stopping_threshold(0.2).patience(1000);
/// assert_eq!(
///     settled.and(learned).to_string(),
///     "(E (max) not improved by more than 0.001 in 5 analysed steps, or not finite) and \
///      (loss (min) not improved in 1000 analysed steps, or below 0.2, or not finite)",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopRule {
    /// One quantity decides.
    On(QuantityRule),
    /// Both sides must say stop.
    And(Box<StopRule>, Box<StopRule>),
    /// Either side is enough.
    Or(Box<StopRule>, Box<StopRule>),
}

/// A stop rule on one quantity.
///
/// | parameter              | default | meaning                                        | range        |
/// |------------------------|---------|------------------------------------------------|--------------|
/// | `min`, `max`           | `min`   | which direction is better                      |              |
/// | `patience`             | 3       | analysed steps without improvement before stop | ≥ 1          |
/// | `min_delta`            | 0       | an improvement must exceed this                | ≥ 0, finite  |
/// | `ignore_not_finite`    | off     | continue if the quantity is NaN or infinite    |              |
/// | `stopping_threshold`   | none    | stop once better than this                     | finite       |
/// | `divergence_threshold` | none    | stop once worse than this                      | finite, worse than `stopping_threshold` |
/// | `start_from_step`      | 0       | first training step that the rule looks at     |              |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantityRule {
    pub(super) monitor: String,
    pub(super) mode: Mode,
    pub(super) patience: u64,
    pub(super) min_delta: f64,
    pub(super) check_finite: bool,
    pub(super) stopping_threshold: Option<f64>,
    pub(super) divergence_threshold: Option<f64>,
    pub(super) start_from_step: u64,
}

impl StopRule {
    /// A rule on the computed or logged quantity `monitor`, with the defaults of [`QuantityRule`].
    pub fn on(monitor: impl Into<String>) -> QuantityRule {
        QuantityRule {
            monitor: monitor.into(),
            mode: Mode::default(),
            patience: 3,
            min_delta: 0.0,
            check_finite: true,
            stopping_threshold: None,
            divergence_threshold: None,
            start_from_step: 0,
        }
    }

    /// Stop when this rule and `other` both say so.
    pub fn and(self, other: impl Into<StopRule>) -> StopRule {
        StopRule::And(Box::new(self), Box::new(other.into()))
    }

    /// Stop when this rule or `other` says so.
    pub fn or(self, other: impl Into<StopRule>) -> StopRule {
        StopRule::Or(Box::new(self), Box::new(other.into()))
    }

    /// The names of the quantities, each once, in the order in which the rule names them.
    pub(crate) fn quantities(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for rule in self.leaves() {
            if !names.contains(&rule.monitor.as_str()) {
                names.push(rule.monitor.as_str());
            }
        }
        names
    }

    /// The names of the quantities that are best when highest, each once.
    pub(crate) fn quantities_to_rise(&self) -> Vec<&str> {
        let to_rise = |rule: &&QuantityRule| rule.mode == Mode::Max;
        let mut names: Vec<&str> = Vec::new();
        for rule in self.leaves().into_iter().filter(to_rise) {
            if !names.contains(&rule.monitor.as_str()) {
                names.push(&rule.monitor);
            }
        }
        names
    }

    /// The rules on single quantities, from left to right.
    pub(super) fn leaves(&self) -> Vec<&QuantityRule> {
        match self {
            Self::On(rule) => vec![rule],
            Self::And(a, b) | Self::Or(a, b) => [a.leaves(), b.leaves()].concat(),
        }
    }
}

impl QuantityRule {
    /// Lower is better (the default).
    pub fn min(self) -> Self {
        self.mode(Mode::Min)
    }

    /// Higher is better.
    pub fn max(self) -> Self {
        self.mode(Mode::Max)
    }

    /// Which direction is better.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Stop after this many analysed steps without improvement: with `.every(100)`, 10 are 1000 training steps. Of a
    /// quantity that is logged between analysed steps only, such as a validation loss at the end of each epoch, stop after
    /// this many values.
    pub fn patience(mut self, analysed_steps: u64) -> Self {
        self.patience = analysed_steps;
        self
    }

    /// Only a change of more than this is an improvement.
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.min_delta = delta;
        self
    }

    /// Do not stop where the quantity is NaN or infinite: such a value counts as no improvement.
    pub fn ignore_not_finite(mut self) -> Self {
        self.check_finite = false;
        self
    }

    /// Stop at once where the quantity is better than this.
    pub fn stopping_threshold(mut self, threshold: f64) -> Self {
        self.stopping_threshold = Some(threshold);
        self
    }

    /// Stop at once where the quantity is worse than this.
    pub fn divergence_threshold(mut self, threshold: f64) -> Self {
        self.divergence_threshold = Some(threshold);
        self
    }

    /// Ignore training steps before this one.
    pub fn start_from_step(mut self, step: u64) -> Self {
        self.start_from_step = step;
        self
    }

    /// Stop when this rule and `other` both say so.
    pub fn and(self, other: impl Into<StopRule>) -> StopRule {
        StopRule::from(self).and(other)
    }

    /// Stop when this rule or `other` says so.
    pub fn or(self, other: impl Into<StopRule>) -> StopRule {
        StopRule::from(self).or(other)
    }
}

impl From<QuantityRule> for StopRule {
    fn from(rule: QuantityRule) -> Self {
        Self::On(rule)
    }
}

impl fmt::Display for StopRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(rule) => rule.fmt(f),
            Self::And(a, b) => write!(f, "({a}) and ({b})"),
            Self::Or(a, b) => write!(f, "({a}) or ({b})"),
        }
    }
}

impl fmt::Display for QuantityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mode, better, worse) = match self.mode {
            Mode::Min => ("min", "below", "above"),
            Mode::Max => ("max", "above", "below"),
        };
        write!(f, "{} ({mode}) not improved", self.monitor)?;
        if self.min_delta != 0.0 {
            write!(f, " by more than {}", plain(self.min_delta))?;
        }
        write!(f, " in {}", analysed_steps(self.patience))?;
        if let Some(threshold) = self.stopping_threshold {
            write!(f, ", or {better} {}", plain(threshold))?;
        }
        if let Some(threshold) = self.divergence_threshold {
            write!(f, ", or {worse} {}", plain(threshold))?;
        }
        if self.check_finite {
            f.write_str(", or not finite")?;
        }
        if self.start_from_step > 0 {
            write!(f, ", from step {} on", self.start_from_step)?;
        }
        Ok(())
    }
}

pub(super) fn analysed_steps(count: u64) -> String {
    match count {
        1 => "1 analysed step".to_owned(),
        n => format!("{n} analysed steps"),
    }
}
