//! Maps numbers to positions on an axis; the ticks of the axis.

use std::ops::RangeInclusive;

/// An axis: a range of numbers, and how they are spread over it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64, // > low
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    Log,
    /// ln(1 + x), for what begins at 0 and doubles.
    LogSteps,
}

/// How near to each other ticks of a logarithmic axis are, in parts of the mean distance that is wanted: on a
/// vertical axis, the height of a label.
const NEAREST: f64 = 0.5;

impl Scale {
    /// Linear, with a margin at both ends; none without values.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let range = range(values)?;
        let (low, high) = (*range.start(), *range.end());
        let margin = if high > low { 0.04 * (high - low) } else { 0.1 * low.abs().max(1e-6) };
        Some(Self { low: low - margin, high: high + margin, kind: Kind::Linear })
    }

    /// Evenly spread from exactly one number to another.
    pub(super) const fn between(low: f64, high: f64) -> Self {
        Self { low, high, kind: Kind::Linear }
    }

    /// Logarithmic when all values are positive and span more than a factor of 30, otherwise
    /// linear.
    pub(super) fn wide(values: impl IntoIterator<Item = f64> + Clone) -> Option<Self> {
        let (low, high) = range(values.clone())?.into_inner();
        if low <= 0.0 || high < 30.0 * low {
            return Self::of(values);
        }
        let margin = (high / low).powf(0.04);
        Some(Self { low: low / margin, high: high * margin, kind: Kind::Log })
    }

    /// From 0 up, with a margin at both ends; by ln(1 + x) when the values reach above `even`.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>, even: f64) -> Self {
        let high = values.into_iter().filter(|v| v.is_finite()).fold(0.0, f64::max);
        if high > even {
            return Self { low: -0.3, high: 1.1 * high, kind: Kind::LogSteps };
        }
        let high = if high > 0.0 { high } else { 1.0 };
        Self { low: -0.03 * high, high: 1.06 * high, kind: Kind::Linear }
    }

    /// For steps, or a counter instead of them: linear, or logarithmic when most of them lie at the very beginning.
    pub(super) fn steps(steps: impl IntoIterator<Item = f64> + Clone) -> Option<Self> {
        let (low, high) = range(steps.clone())?.into_inner();
        let all: Vec<f64> = steps.into_iter().collect();
        let early = all.iter().filter(|&&step| step - low < 0.05 * (high - low)).count();
        let kind = if low >= 0.0 && all.len() > 4 && 2 * early > all.len() {
            Kind::LogSteps
        } else {
            Kind::Linear
        };
        Some(Self { low, high: if high > low { high } else { low + 1.0 }, kind })
    }

    /// Whether it is logarithmic.
    pub(super) fn is_log(&self) -> bool {
        self.kind == Kind::Log
    }

    /// Where a number lies: 0 at the low end, 1 at the high end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let position = |x: f64| match self.kind {
            Kind::Linear => x,
            Kind::Log => x.ln(),
            Kind::LogSteps => x.ln_1p(),
        };
        (position(value) - position(self.low)) / (position(self.high) - position(self.low))
    }

    /// About this many round numbers with their labels, ascending.
    pub(super) fn ticks(&self, wanted: f64) -> Vec<(f64, String)> {
        let values = match self.kind {
            Kind::Linear => return self.even_ticks(wanted, true),
            Kind::Log => self.powers(wanted, false),
            Kind::LogSteps => self.powers(wanted, true),
        };
        let label = |value: f64| (value, label(value, value));
        values.into_iter().map(label).collect()
    }

    fn even_ticks(&self, wanted: f64, again: bool) -> Vec<(f64, String)> {
        let raw = (self.high - self.low) / wanted.max(1.0);
        let power = 10f64.powi(raw.log10().floor() as i32);
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= raw * (1.0 - 1e-9));
        let step = factor.unwrap_or(10.0) * power;
        // A small tolerance, so that a round number at an end gets a tick.
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        if last <= first && again {
            // One number alone is no scale.
            return self.even_ticks(2.0 * wanted.max(1.0), false);
        }
        let value = |k: i64| (k as f64 * step, label(k as f64 * step, step));
        (first..=last).map(value).collect()
    }

    /// 1, 10, 100 … and, if there is space, 2 and 5 times them; fewer if there is less.
    fn powers(&self, wanted: f64, from_zero: bool) -> Vec<f64> {
        let (first, last) = (self.low.max(1e-300).log10().floor(), self.high.log10().ceil());
        let first = if from_zero { first.max(0.0) } else { first };
        let all = |factors: &[f64], stride: usize| -> Vec<f64> {
            let powers = (first as i32..=last as i32).filter(|k| k % stride as i32 == 0);
            let all = powers.flat_map(|k| factors.iter().map(move |f| f * 10f64.powi(k)));
            all.filter(|v| (self.low * 0.999..=self.high * 1.001).contains(v)).collect()
        };
        let gap = NEAREST / wanted.max(1.0);
        let apart = |a: f64, b: f64| self.at(b) - self.at(a) >= gap;
        let dense = all(&[1.0, 2.0, 5.0], 1);
        let strides = (1..=(last - first).max(1.0) as usize).map(|stride| all(&[1.0], stride));
        let even = std::iter::once(dense.clone())
            .chain(strides)
            .find(|values| values.len() > 1 && values.windows(2).all(|v| apart(v[0], v[1])));
        let values = even.unwrap_or_else(|| {
            dense.into_iter().fold(Vec::new(), |mut kept, value| {
                if kept.last().is_none_or(|last| apart(*last, value)) {
                    kept.push(value);
                }
                kept
            })
        });
        let zero = (from_zero && self.low <= 0.0).then_some(0.0);
        zero.into_iter().chain(values).collect()
    }
}

fn range(values: impl IntoIterator<Item = f64>) -> Option<RangeInclusive<f64>> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |range, v| match range {
        None => Some(v..=v),
        Some(range) => Some(range.start().min(v)..=range.end().max(v)),
    })
}

/// A tick's number with the digits that a step of this size needs.
fn label(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let sign = if value < 0.0 { "−" } else { "" };
    let size = value.abs();
    let step = step.abs();
    if size >= 1e4 || step < 1e-4 {
        let (unit, name) = match size {
            1e9.. => (1e9, "G"),
            1e6.. => (1e6, "M"),
            1e4.. => (1e3, "k"),
            _ => return format!("{sign}{}", scientific(size)),
        };
        // The digits that distinguish this tick from the next.
        let digits = (-(step / unit).log10()).ceil().clamp(0.0, 3.0) as usize;
        return format!("{sign}{:.digits$}{name}", size / unit);
    }
    let digits = (-(step * 1.000_001).log10()).ceil().max(0.0) as usize;
    format!("{sign}{size:.digits$}")
}

/// 2·10⁻⁵
fn scientific(value: f64) -> String {
    let text = format!("{value:.1e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let raised = power.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        other => other.to_digit(10).and_then(|d| char::from_u32(0x2070 + d)).unwrap_or(other),
    });
    format!("{}·10{}", digits.strip_suffix(".0").unwrap_or(digits), raised.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::drawing::FONT;
    use super::*;

    fn labels(scale: Scale, wanted: f64) -> Vec<String> {
        scale.ticks(wanted).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            labels(Scale::between(0.0, 1.0), 5.0),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|s| if s == "0.0" { "0" } else { s })
        );
        assert_eq!(labels(Scale::between(-0.02, 0.013), 3.0), ["−0.02", "0",]);
        assert_eq!(labels(Scale::between(0.3, 3.6), 2.7), ["1", "2", "3"]);
        assert_eq!(labels(Scale::between(0.0, 30000.0), 3.0), ["0", "10k", "20k", "30k"]);
        assert_eq!(labels(Scale::between(0.0, 4e-5), 2.0), ["0", "2·10⁻⁵", "4·10⁻⁵"]);
    }

    #[test]
    fn doubling_steps_have_room_at_the_beginning() {
        let doubling: Vec<f64> =
            std::iter::once(0.0).chain((0..14).map(|k| f64::from(1 << k))).collect();
        let scale = Scale::steps(doubling).unwrap();
        assert!((scale.at(90.0) - 91f64.ln() / 8193f64.ln()).abs() < 1e-12);
        assert_eq!(labels(scale, 5.0), ["0", "1", "10", "100", "1000"]);
        let even = Scale::steps((0..10).map(f64::from)).unwrap();
        assert_eq!(even.at(4.5), 0.5);
    }

    #[test]
    fn what_begins_at_zero_has_room_below_it() {
        assert_eq!(labels(Scale::from_zero([0.4, 2.0], 30.0), 4.0), ["0", "1", "2"]);
        let wide = Scale::from_zero([0.4, 300.0], 30.0);
        assert_eq!(labels(wide, 5.0), ["0", "1", "10", "100"]);
        assert!(wide.at(0.0) > 0.0 && wide.at(300.0) < 1.0);
        assert!(Scale::from_zero([], 30.0).at(0.0) > 0.0);
    }

    #[test]
    fn labels_of_a_logarithmic_axis_do_not_meet() {
        for height in [44.0, 60.0, 90.0, 150.0, 300.0] {
            for (low, factor) in (0..40).flat_map(|k| {
                let low = 1e-4 * 1.7f64.powi(k);
                [31.0, 150.0, 700.0, 4e4, 3e8, 1e20].map(|factor| (low, factor))
            }) {
                let scale = Scale::wide([low, low * factor]).unwrap();
                let ticks = scale.ticks(height / 22.0);
                assert!(ticks.len() > 1, "{low} {factor} {height}: {ticks:?}");
                let places: Vec<f64> = ticks.iter().map(|(v, _)| height * scale.at(*v)).collect();
                let near = places.windows(2).find(|pair| pair[1] - pair[0] < FONT);
                assert!(near.is_none(), "{low} {factor} {height}: {ticks:?}");
            }
        }
        let loss = Scale::wide([0.02, 6.0]).unwrap();
        assert_eq!(labels(loss, 2.0), ["0.1", "1"]);
        assert_eq!(labels(loss, 14.0), ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5"]);
    }

    #[test]
    fn one_value_and_none() {
        assert_eq!(Scale::of([]), None);
        assert_eq!(Scale::of([f64::NAN]), None);
        assert!((Scale::of([2.0]).unwrap().at(2.0) - 0.5).abs() < 1e-12);
        assert_eq!(Scale::of([0.0]).unwrap().at(0.0), 0.5);
    }
}
