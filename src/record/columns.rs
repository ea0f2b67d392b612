//! The columns of emergence.csv: one table, used by everything that writes, reads or shows them.

use super::RecordError;
use super::column::Column;
use super::column::Format::{Digits, Plain};
use super::column::Kind::{Alpha0, Cost, E, Fit, Note, Row as Which, Width};
use super::column::Need::{RescaledStart, Samples, Shuffle, Stable};
use super::column::Value::{Count, Number, Text};
use super::column::View::{self, Headline, Live, Report, Sensitivity, Show};
use super::measures::Measured;
use super::number::time;
use super::row::Row;
use crate::analysis::{Concern, Emergence};

/// Before what the loop logs.
const LEADING: [Column<Row>; 2] = [
    Column::new("step", Which, Count(|row: &Row| Some(row.step)))
        .means("the step")
        .views(&[Show(Plain)]),
    Column::new("wall_time", Which, Text(|row: &Row| time(row.wall_time)))
        .means("when the row was taken")
        .range("seconds since 1970"),
];

/// Then, before the measures of a part.
const ESTIMATES: [Column<Row>; 13] = [
    Column::new("alpha0", Alpha0, Number(|row: &Row| row.emergence.alpha0))
        .means("where the spectrum peaks, published")
        .equation("alpha at the first maximum of f, mean over samples")
        .views(&[Show(Digits(4)), Report, Live("alpha0"), Sensitivity]),
    Column::new("width", Width, Number(|row: &Row| row.emergence.width))
        .means("width of the spectrum, published")
        .equation("w = max alpha - min alpha, mean over samples")
        .views(&[Show(Digits(4)), Report, Live("w"), Sensitivity]),
    Column::new("E", E, Number(|row: &Row| row.emergence.e))
        .means("degree of emergence, published; grows with scale")
        .equation("w(t)/w(0) · ln(alpha0(0)/alpha0(t)), of the means over samples")
        .absent("step 0 has no value, or a value is not above 0")
        .views(&[Show(Digits(4)), Report, Headline, Sensitivity]),
    Column::new("E_se", E, Number(|row: &Row| row.emergence.e_se))
        .means("error of E from which neurons were drawn")
        .range("≥ 0")
        .equation(
            "s/√S, s the standard deviation (S - 1) of each sample's E against its own step 0",
        )
        .needs(&[Samples])
        .absent("all samples are the same neurons")
        .views(&[Show(Digits(4)), Sensitivity]),
    Column::new("alpha0_std", Alpha0, Number(|row: &Row| row.emergence.alpha0_std))
        .means("spread of alpha0 over the samples")
        .range("≥ 0")
        .equation("standard deviation (S - 1)")
        .needs(&[Samples])
        .absent("all samples are the same neurons"),
    Column::new("width_std", Width, Number(|row: &Row| row.emergence.width_std))
        .means("spread of the width over the samples")
        .range("≥ 0")
        .equation("standard deviation (S - 1)")
        .needs(&[Samples])
        .absent("all samples are the same neurons"),
    Column::new("r2", Fit, Number(|row: &Row| row.emergence.r2))
        .means("R² of ln Z at the largest q")
        .range("0 to 1")
        .equation("mean over samples")
        .views(&[Show(Digits(3)), Report, Sensitivity]),
    Column::new("E_shuffled", E, Number(|row: &Row| row.emergence.e_shuffled))
        .means(
            "E of shuffled weights: how much of E the distributions of the weights alone explain",
        )
        .equation(
            "E, published, with the weights of each matrix permuted at random; its own samples",
        )
        .needs(&[Shuffle])
        .views(&[Show(Digits(4)), Report]),
    Column::new("E_shuffled_se", E, Number(|row: &Row| row.emergence.e_shuffled_se))
        .means("error of E_shuffled")
        .range("≥ 0")
        .equation("s/√S, as of E_se")
        .needs(&[Shuffle, Samples]),
    Column::new("E_p", E, Number(|row: &Row| row.emergence.e_p))
        .means("how often chance alone takes E as far from E_shuffled; it errs on the side of no")
        .range("0 to 1")
        .equation(
            "two-sided, of E - E_shuffled, whose error is E_shuffled_se · √(2 + (S - 1) ρ), in \
             Student's t with S - 1 degrees of freedom; ρ is the share of their edges that two \
             samples have in common",
        )
        .needs(&[Shuffle, Samples]),
    Column::new("alpha0_stable", Alpha0, Number(|row: &Row| row.emergence.alpha0_stable))
        .means("where the spectrum peaks, stable, over the whole network")
        .equation("alpha(0) of the stable estimator")
        .needs(&[Stable])
        .views(&[Report, Sensitivity]),
    Column::new("width_stable", Width, Number(|row: &Row| row.emergence.width_stable))
        .means("width of the spectrum, stable, over the whole network")
        .equation("alpha(q_min) - alpha(q_max) of the stable estimator")
        .needs(&[Stable])
        .views(&[Report, Sensitivity]),
    Column::new("E_stable", E, Number(|row: &Row| row.emergence.e_stable))
        .means("degree of emergence, stable; grows with scale")
        .equation("E of alpha0_stable and width_stable")
        .needs(&[Stable])
        .absent("step 0 has no value, or a value is not above 0")
        .views(&[Show(Digits(4)), Report, Headline, Sensitivity]),
];

/// After the measures of a part.
const RESCALED: [Column<Row>; 1] =
    [Column::new("E_rescaled_start", E, Number(|row: &Row| row.emergence.e_rescaled_start))
        .means("E_stable of growth alone")
        .equation(
            "E_stable of the weights of step 0, each matrix rescaled to its standard deviation now",
        )
        .needs(&[RescaledStart])
        .views(&[Report, Live("rescaled start")])];

/// After the size of the weights.
const REST: [Column<Row>; 14] = [
    Column::new("neurons", Fit, Number(|row: &Row| row.emergence.neurons))
        .means("kept neurons of the published estimator")
        .range("≥ 0")
        .equation("mean over samples"),
    Column::new("radii", Fit, Number(|row: &Row| row.emergence.radii))
        .means("occupied radii of the published estimator")
        .range("≥ 2")
        .equation("mean over samples"),
    Column::new("r2_min", Fit, Number(|row: &Row| row.emergence.trust.r2_min))
        .means("R² of ln Z, lowest over q")
        .range("0 to 1")
        .equation("mean over samples")
        .views(&[Report]),
    Column::new("kept", Fit, Number(|row: &Row| row.emergence.trust.kept))
        .means("share of the source neurons that are kept")
        .range("0 to 1")
        .equation("kept neurons over all source neurons, mean over samples")
        .views(&[Sensitivity]),
    Column::new("in_range", Fit, Number(|row: &Row| row.emergence.trust.in_range))
        .means("share of the weights whose distances are in range")
        .range("0 to 1")
        .equation("zeros count as out of range"),
    Column::new("concave", Fit, Number(|row: &Row| row.emergence.trust.concave))
        .means("share of the samples whose f(alpha) is concave")
        .range("0 to 1"),
    Column::new("argmax_stable", Fit, Number(|row: &Row| row.emergence.trust.argmax_stable))
        .means("share of the samples whose f peaks at the q of step 0")
        .range("0 to 1")
        .absent("step 0 has no value"),
    Column::new("snapshot_ms", Cost, Number(|row: &Row| row.snapshot_ms.map(to_microseconds)))
        .means("time that training waited for the snapshot")
        .range("ms"),
    Column::new("analysis_ms", Cost, Number(|row: &Row| row.analysis_ms.map(to_microseconds)))
        .means("time that the analysis took, most often on the side thread")
        .range("ms"),
    Column::new("status", Note, Text(|row: &Row| row.emergence.status.to_string()))
        .means("whether all values are there")
        .range("ok, non_finite, no_neurons, degenerate or dropped")
        .views(&[Show(Plain)]),
    Column::new("same_as", Note, Count(|row: &Row| row.emergence.same_as))
        .means("the first step with the same weights, bit for bit")
        .absent("no earlier step has these weights"),
    Column::new("codes", Note, Text(|row: &Row| row.emergence.trust.codes().join(" ")))
        .means("the codes of all warnings, with spaces between")
        .absent("there is no warning"),
    Column::new("warning", Note, Text(|row: &Row| words(row, Concern::Conclusion)))
        .means("what changes the conclusion at this step, in words")
        .equation("what holds from step 0 on is in the first row only")
        .absent("there is no such warning"),
    Column::new("caveat", Note, Text(|row: &Row| words(row, Concern::Published)))
        .means("what concerns the published estimator alone, in words")
        .equation("as warning")
        .absent("there is no such warning"),
];

/// The warnings of a row that concern one thing, in words.
fn words(row: &Row, concern: Concern) -> String {
    row.emergence.trust.text(concern, row.first).unwrap_or_default()
}

fn to_microseconds(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

/// The columns of emergence.csv, in the order of the file. What the loop logs comes after
/// `wall_time`.
pub fn columns() -> impl Iterator<Item = &'static Column<Row>> {
    let parts: [&'static [Column<Row>]; 6] =
        [&LEADING, &ESTIMATES, &Row::MEASURES, &RESCALED, &Row::WEIGHTS, &REST];
    parts.into_iter().flatten()
}

/// The names of the columns before those of the loop.
pub(super) fn leading() -> Vec<&'static str> {
    columns().take(LEADING.len()).map(|column| column.name).collect()
}

/// The names of the columns after those of the loop.
pub(super) fn own() -> Vec<&'static str> {
    columns().skip(LEADING.len()).map(|column| column.name).collect()
}

/// The column of this name; none for what the loop logs.
pub fn column(name: &str) -> Option<&'static Column<Row>> {
    columns().find(|column| column.name == name)
}

/// The columns that a view shows, most important first.
pub fn shown_in(view: View) -> Vec<&'static Column<Row>> {
    let mut shown: Vec<_> = columns().filter(|column| column.views.contains(&view)).collect();
    shown.sort_by_key(|column| column.kind);
    shown
}

/// The quantities that are computed at each analysed step. A stop rule can watch these and whatever
/// the loop logs.
pub fn computed_quantities() -> Vec<&'static str> {
    columns().filter(|column| column.is_quantity()).map(|column| column.name).collect()
}

/// Logged at the first step after the weights were set back to those of an earlier one: that step.
pub const ROLLED_BACK: &str = "rolled_back_to";

/// Whether what the loop logs under this name can be a column.
///
/// # Errors
/// [`RecordError::Name`] when it is empty, has control characters, or is a column of the monitor's.
pub fn check_name(name: &str) -> Result<(), RecordError> {
    let refuse = |why| Err(RecordError::Name { name: name.to_owned(), why });
    if name.is_empty() || name.chars().any(char::is_control) {
        return refuse("a name has at least one character and no line breaks");
    }
    if column(name).is_some() || name == ROLLED_BACK {
        return refuse("the monitor has a column of this name; choose another");
    }
    Ok(())
}

impl Column<Row> {
    /// Its number in an analysis that is not recorded.
    pub fn of(&self, emergence: &Emergence) -> Option<f64> {
        self.value(&Row::new(0, 0.0, Vec::new(), emergence.clone()))
    }
}

impl Row {
    /// The value of a column that is a number, or of a logged quantity.
    pub fn value(&self, name: &str) -> Option<f64> {
        match column(name) {
            Some(column) => column.value(self),
            None => self.scalars.iter().find(|(n, _)| **n == *name).map(|(_, value)| *value),
        }
    }

    /// The cells of the columns, without what the loop logged.
    pub(super) fn cells(&self) -> Vec<String> {
        columns().map(|column| column.cell(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Excess, Status};
    use crate::record::number;

    /// Every column holds the quantity of its own name: the name is that of its field.
    #[test]
    fn each_column_holds_its_own_quantity() {
        let mut emergence = Emergence::absent(Status::Ok, "");
        let mut fields: Vec<(String, f64)> = Vec::new();
        macro_rules! set {
            ($($($field:ident).+),*) => { $(
                let value = fields.len() as f64;
                emergence.$($field).+ = Some(value);
                let name = stringify!($($field).+).rsplit('.').next().unwrap_or_default();
                fields.push((name.trim().to_owned(), value));
            )* };
        }
        set!(alpha0, width, e, e_se, alpha0_std, width_std, r2, e_shuffled, e_shuffled_se, e_p);
        set!(alpha0_stable, width_stable, e_stable, e_rescaled_start, neurons, radii);
        set!(weights.norm_spread, weights.update);
        set!(structure.e_stable_shuffled, structure.e_norm_matched);
        set!(trust.r2_min, trust.kept, trust.in_range, trust.concave, trust.argmax_stable);
        macro_rules! set_excess {
            ($($field:ident),*) => { $(
                let value = fields.len() as f64;
                let excess = Excess { value, se: Some(value + 1.0), p: Some(value + 2.0) };
                emergence.structure.$field = Some(excess);
                for (k, suffix) in ["", "_se", "_p"].into_iter().enumerate() {
                    fields.push((stringify!($field).to_owned() + suffix, value + k as f64));
                }
            )* };
        }
        set_excess!(width_excess, alpha0_excess, e_excess);
        emergence.weights.norm = Some(70.0);
        emergence.weights.distance = Some((71.0, 72.0));
        emergence.weights.cosine = Some((73.0, 74.0));
        emergence.weights.spectrum.stable_rank = Some(75.0);
        emergence.weights.spectrum.tail_alpha = Some(76.0);
        let names = [
            "weight_norm",
            "distance",
            "distance_se",
            "cosine",
            "cosine_se",
            "stable_rank",
            "tail_alpha",
        ];
        fields
            .extend(names.iter().enumerate().map(|(k, name)| (name.to_string(), 70.0 + k as f64)));
        let row = Row::new(3, 0.0, Vec::new(), emergence);
        let quantities: Vec<_> = columns().filter(|column| column.is_quantity()).collect();
        assert_eq!(quantities.len(), fields.len(), "every quantity is tried");
        for column in quantities {
            let name = column.name.to_lowercase();
            let (_, value) = fields.iter().find(|(field, _)| *field == name).expect(column.name);
            assert_eq!(row.value(column.name), Some(*value), "{name}");
            assert_eq!(column.cell(&row), number(*value), "{name}");
        }
    }

    #[test]
    fn numbers_are_quantities_and_costs_are_not() {
        let computed = computed_quantities();
        assert!(computed.contains(&"E_stable") && computed.contains(&"E_excess"));
        for name in ["step", "snapshot_ms", "analysis_ms", "status", "same_as", "warning"] {
            assert!(column(name).is_some() && !computed.contains(&name), "{name}");
        }
    }
}
