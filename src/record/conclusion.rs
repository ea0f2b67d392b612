//! The result of a run, in one line: the verdict on its last row, and when structure was first
//! seen.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::cell::Cells;
use super::recorded::RecordedRow;
use crate::analysis::{Concern, Look, Onset, Outcome, Status, Verdict, WarningKind};

/// Pairs of steps with the same weights that are kept.
const REPEATS: usize = 3;

/// A run of rows without values at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Its first step.
    pub step: u64,
    /// The status of its last row.
    pub status: Status,
}

/// A step with the weights of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// The step.
    pub step: u64,
    /// The first step with these weights.
    pub same_as: u64,
}

/// The result of a run. `Display` gives the line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Conclusion {
    /// The verdict on the last row that claims something; none where none does.
    pub verdict: Option<Verdict>,
    /// The step of that row.
    pub step: Option<u64>,
    /// The step at which structure was first seen ([`crate::analysis::Onset`]), on the side of the
    /// verdict.
    pub onset: Option<u64>,
    /// The rows without values at the end; none where the last row has its values.
    pub ending: Option<Ending>,
    /// Rows that have a verdict of their own.
    pub judged: u64,
    /// Rows that were analysed.
    pub analysed: u64,
    /// Rows among them whose weights are those of an earlier row.
    pub repeated: u64,
    /// The first three of them.
    #[serde(default)]
    pub repeats: Vec<Repeat>,
    /// How many rows have a warning of each kind, by its code.
    pub warnings: BTreeMap<String, u64>,
    #[serde(skip)]
    looks: Looks,
}

/// The state of the onset, which does not count when two conclusions are compared.
#[derive(Clone, Debug, Default)]
struct Looks(Onset);

impl PartialEq for Looks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Conclusion {
    /// The conclusion of all rows of a run.
    pub fn of(rows: &[RecordedRow]) -> Self {
        let mut conclusion = Self::default();
        for row in rows {
            conclusion.add(row.step, row.status, &|name| row.value(name), &row.codes);
        }
        conclusion
    }

    /// What the rows of emergence.csv say, as [`super::read_table`] gives them.
    pub fn of_table(columns: &[String], rows: &[Cells]) -> Self {
        let places: HashMap<&str, usize> = columns.iter().map(String::as_str).zip(0..).collect();
        let mut conclusion = Self::default();
        for row in rows {
            let cell = |name: &str| places.get(name).map(|&k| row[k].as_str());
            // The reader has checked the step.
            let step = row[0].parse().unwrap_or_default();
            conclusion.add_cells(step, &cell);
        }
        conclusion
    }

    /// Takes the next row of emergence.csv, its cells by column; rows come in order.
    pub fn add_cells<'a>(&mut self, step: u64, cell: &dyn Fn(&str) -> Option<&'a str>) {
        let status = cell("status").map_or(Status::Degenerate, Status::read);
        let value = |name: &str| cell(name)?.parse().ok();
        self.add(step, status, &value, cell("codes").unwrap_or_default());
    }

    /// Takes the next row, its values by column and its codes; rows come in order.
    pub(crate) fn add(
        &mut self,
        step: u64,
        status: Status,
        value: &dyn Fn(&str) -> Option<f64>,
        codes: &str,
    ) {
        for code in codes.split_whitespace() {
            *self.warnings.entry(code.to_owned()).or_default() += 1;
        }
        if status == Status::Dropped {
            return;
        }
        self.analysed += 1;
        if let Some(same_as) = value("same_as") {
            self.repeated += 1;
            if self.repeats.len() < REPEATS {
                self.repeats.push(Repeat { step, same_as: same_as as u64 });
            }
        }
        self.ending = match (status, self.ending) {
            (Status::Ok, _) => None,
            (status, Some(Ending { step, .. })) => Some(Ending { step, status }),
            (status, None) => Some(Ending { step, status }),
        };
        let look = Look::of(value);
        self.looks.0.add(step, look);
        if let Some(verdict) = Verdict::of(look) {
            (self.verdict, self.step) = (Some(verdict), Some(step));
            self.judged += 1;
        }
        self.onset = self.verdict.and_then(|verdict| self.looks.0.found_on(verdict.outcome));
    }

    /// The verdict, where the run may claim one: not where it ends without values, and not from one
    /// set of weights alone.
    pub fn claim(&self) -> Option<Verdict> {
        self.verdict.filter(|_| self.ending.is_none() && self.judged > 1)
    }

    /// The number of rows with each warning, the most frequent first.
    pub fn warnings(&self) -> Vec<(WarningKind, u64)> {
        let kind = |(code, rows): (&String, &u64)| Some((WarningKind::of_code(code)?, *rows));
        let mut all: Vec<_> = self.warnings.iter().filter_map(kind).collect();
        all.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        all
    }

    /// Those of the warnings that concern one thing.
    pub fn warnings_on(&self, concern: Concern) -> Vec<(WarningKind, u64)> {
        self.warnings().into_iter().filter(|(kind, _)| kind.concern() == concern).collect()
    }

    /// How many steps have the weights of an earlier one, and which; none where no step has.
    pub fn repeated_text(&self) -> Option<String> {
        let pairs =
            self.repeats.iter().map(|Repeat { step, same_as }| format!("{step} = {same_as}"));
        let mut pairs = pairs.collect::<Vec<_>>().join(", ");
        if self.repeated > self.repeats.len() as u64 {
            pairs += ", ..";
        }
        let (repeated, of) = (self.repeated, self.analysed);
        let have = if repeated == 1 { "has" } else { "have" };
        (repeated > 0).then(|| {
            format!(
                "{repeated} of {of} steps {have} the weights of an earlier step (see the column \
                 same_as): {pairs}"
            )
        })
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Ending { step, status }) = self.ending {
            let why = match status {
                Status::NonFinite => "the weights are infinite or NaN",
                Status::NoNeurons => "no neuron has enough edges in range",
                _ => "values are missing (see the column status)",
            };
            return write!(f, "no verdict: {why} from step {step} on");
        }
        let Some(verdict) = self.claim() else {
            return f.write_str(match (self.verdict, self.repeated) {
                (None, _) => {
                    "no verdict: no step has a p of width_excess or alpha0_excess, which take the \
                     shuffled and the norm-matched control"
                }
                (_, 0) if self.analysed > 1 => {
                    "no verdict: only one step has a p of width_excess or alpha0_excess (see the \
                     warnings)"
                }
                (_, 0) => "no verdict from one step",
                _ => "no verdict: all steps have the same weights",
            });
        };
        write!(f, "{verdict}")?;
        match (self.onset, verdict.outcome) {
            (Some(step), Outcome::Indistinguishable) => {
                write!(f, " at the end; seen from step {step}")
            }
            (Some(step), _) => write!(f, ", first seen at step {step}"),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Values = &'static [(&'static str, f64)];

    const ABOVE: Values = &[
        ("width_excess", 0.1),
        ("width_excess_p", 1e-6),
        ("alpha0_excess", 0.0),
        ("alpha0_excess_p", 0.5),
    ];
    const NOTHING: Values = &[("width_excess", 0.1), ("width_excess_p", 0.4)];
    const AGAIN: Values = &[("width_excess", 0.1), ("width_excess_p", 1e-6), ("same_as", 0.0)];

    fn conclusion(rows: &[(Status, Values)]) -> Conclusion {
        let mut conclusion = Conclusion::default();
        for (k, (status, values)) in rows.iter().enumerate() {
            let value = |name: &str| values.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
            conclusion.add(10 * k as u64, *status, &value, "radii_moved e_chance");
        }
        conclusion
    }

    fn line(rows: &[(Status, Values)]) -> String {
        conclusion(rows).to_string()
    }

    #[test]
    fn the_last_row_decides_and_the_onset_is_said() {
        let (above, nothing) = ((Status::Ok, ABOVE), (Status::Ok, NOTHING));
        let wider = "spectrum 11 % wider than chance (p < 0.001)";
        assert_eq!(line(&[nothing, above]), wider);
        assert_eq!(
            line(&[nothing, above, above, above]),
            format!("{wider}, first seen at step 10")
        );
        assert_eq!(
            line(&[above, above, above, nothing]),
            "none found (p = 0.40) at the end; seen from step 0"
        );
    }

    #[test]
    fn nothing_is_claimed_of_a_run_that_ends_without_values() {
        let above = (Status::Ok, ABOVE);
        let nan = (Status::NonFinite, &[][..]);
        assert_eq!(
            line(&[above, above, nan, (Status::Dropped, &[]), nan]),
            "no verdict: the weights are infinite or NaN from step 20 on"
        );
        let missing = (Status::Degenerate, ABOVE);
        let text = "no verdict: values are missing (see the column status) from step 10 on";
        assert_eq!(line(&[above, missing]), text);
        assert_eq!(conclusion(&[above, missing]).claim(), None);
        assert!(conclusion(&[above, nan, above]).claim().is_some(), "it recovered");
    }

    #[test]
    fn nothing_is_claimed_from_one_set_of_weights() {
        let (above, again) = ((Status::Ok, ABOVE), (Status::Ok, AGAIN));
        assert_eq!(line(&[above]), "no verdict from one step");
        assert_eq!(line(&[above, again, again]), "no verdict: all steps have the same weights");
        let claim = conclusion(&[above, above, again]);
        assert_eq!((claim.step, claim.repeated), (Some(10), 1), "not from the repeated row");
        assert!(claim.claim().is_some());
        let text = "no verdict: no step has a p of width_excess or alpha0_excess, which take the \
                    shuffled and the norm-matched control";
        assert_eq!(line(&[(Status::Ok, &[]), (Status::Ok, &[])]), text);
    }

    #[test]
    fn repeated_steps_are_counted_and_the_first_three_named() {
        let (above, again) = ((Status::Ok, ABOVE), (Status::Ok, AGAIN));
        assert_eq!(conclusion(&[above, above]).repeated_text(), None);
        let text = |of: &str, pairs: &str| {
            format!("{of} the weights of an earlier step (see the column same_as): {pairs}")
        };
        let one = conclusion(&[above, above, again]).repeated_text().unwrap();
        assert_eq!(one, text("1 of 3 steps has", "20 = 0"));
        let three = conclusion(&[above, again, again, again]).repeated_text().unwrap();
        assert_eq!(three, text("3 of 4 steps have", "10 = 0, 20 = 0, 30 = 0"));
        let four = conclusion(&[above, again, again, again, again]).repeated_text().unwrap();
        assert_eq!(four, text("4 of 5 steps have", "10 = 0, 20 = 0, 30 = 0, .."));
    }

    #[test]
    fn warnings_are_counted_by_kind() {
        let mut counted = conclusion(&[(Status::Ok, ABOVE), (Status::Ok, ABOVE)]);
        counted.add(20, Status::Ok, &|_| None, "radii_moved");
        let found = [(WarningKind::RadiiMoved, 3), (WarningKind::EIndistinguishable, 2)];
        assert_eq!(counted.warnings(), found);
        counted.add(30, Status::Ok, &|_| None, "poor_fit radii_moved unknown");
        assert_eq!(counted.warnings_on(Concern::Conclusion), [(WarningKind::PoorFit, 1)]);
        let published = [(WarningKind::RadiiMoved, 4), (WarningKind::EIndistinguishable, 2)];
        assert_eq!(counted.warnings_on(Concern::Published), published);
    }
}
