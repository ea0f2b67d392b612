//! One analysed step, and its columns in emergence.csv.

use super::RecordError;
use super::hops::hop_cells;
use crate::analysis::{Concern, Emergence, Excess, SpectrumPoint, Status, Structure};

/// The columns of emergence.csv after step, wall_time and the loop's own.
pub const COLUMNS: [&str; 39] = [
    "alpha0",
    "width",
    "E",
    "E_se",
    "alpha0_std",
    "width_std",
    "r2",
    "E_shuffled",
    "E_shuffled_se",
    "E_p",
    "alpha0_stable",
    "width_stable",
    "E_stable",
    "width_excess",
    "width_excess_se",
    "width_excess_p",
    "alpha0_excess",
    "alpha0_excess_se",
    "alpha0_excess_p",
    "E_stable_shuffled",
    "E_excess",
    "E_excess_se",
    "E_excess_p",
    "E_norm_matched",
    "E_rescaled_start",
    "neurons",
    "radii",
    "r2_min",
    "kept",
    "in_range",
    "concave",
    "argmax_stable",
    "snapshot_ms",
    "analysis_ms",
    "status",
    "same_as",
    "codes",
    "warning",
    "caveat",
];

pub(super) const SPECTRUM_COLUMNS: [&str; 11] =
    ["step", "q", "tau", "r2", "alpha", "f", "tau_std", "r2_std", "alpha_std", "f_std", "D_q"];

/// One analysed step, as it stands in emergence.csv and the other tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The step.
    pub(crate) step: u64,
    /// Seconds since 1970 when the row was taken.
    pub(crate) wall_time: f64,
    /// What the loop logged at that step, in its order.
    pub(crate) scalars: Vec<(String, f64)>,
    /// What was computed.
    pub(crate) emergence: Emergence,
    /// Milliseconds that training waited for the snapshot; none for a dropped step.
    pub(crate) snapshot_ms: Option<f64>,
    /// Milliseconds that the analysis took, most often on the side thread; none for a dropped step.
    pub(crate) analysis_ms: Option<f64>,
    /// Whether it is the first of the run.
    pub(crate) first: bool,
}

/// Whether what the loop logs under this name can be a column.
///
/// # Errors
/// [`RecordError::Name`] when it is empty, has control characters, or is a column of the monitor's.
pub fn check_name(name: &str) -> Result<(), RecordError> {
    let refuse = |why| Err(RecordError::Name { name: name.to_owned(), why });
    if name.is_empty() || name.chars().any(char::is_control) {
        return refuse("a name has at least one character and no line breaks");
    }
    if ["step", "wall_time"].contains(&name) || COLUMNS.contains(&name) {
        return refuse("the monitor has a column of this name; choose another");
    }
    Ok(())
}

/// The quantities that are computed at each analysed step: what a stop rule can watch besides
/// what the loop logs.
pub fn computed_quantities() -> Vec<&'static str> {
    let row = Emergence::absent(Status::Ok, "");
    COLUMNS.into_iter().filter(|name| quantity(&row, name).is_some()).collect()
}

/// The value of a computed column; `None` for another name.
fn quantity(row: &Emergence, name: &str) -> Option<Option<f64>> {
    Some(match name {
        "alpha0" => row.alpha0,
        "width" => row.width,
        "E" => row.e,
        "E_se" => row.e_se,
        "alpha0_std" => row.alpha0_std,
        "width_std" => row.width_std,
        "r2" => row.r2,
        "alpha0_stable" => row.alpha0_stable,
        "width_stable" => row.width_stable,
        "E_stable" => row.e_stable,
        "E_shuffled" => row.e_shuffled,
        "E_shuffled_se" => row.e_shuffled_se,
        "E_p" => row.e_p,
        "E_rescaled_start" => row.e_rescaled_start,
        "neurons" => row.neurons,
        "radii" => row.radii,
        "r2_min" => row.trust.r2_min,
        "kept" => row.trust.kept,
        "in_range" => row.trust.in_range,
        "concave" => row.trust.concave,
        "argmax_stable" => row.trust.argmax_stable,
        name => return structure(&row.structure, name),
    })
}

/// The columns of the measures of structure, in emergence.csv and in layers.csv.
pub(super) const STRUCTURE_COLUMNS: [&str; 11] = [
    "width_excess",
    "width_excess_se",
    "width_excess_p",
    "alpha0_excess",
    "alpha0_excess_se",
    "alpha0_excess_p",
    "E_stable_shuffled",
    "E_excess",
    "E_excess_se",
    "E_excess_p",
    "E_norm_matched",
];

/// The value of a measure of structure; `None` for another name.
pub(super) fn structure(of: &Structure, name: &str) -> Option<Option<f64>> {
    let excess = |excess: Option<Excess>, suffix: &str| match suffix {
        "" => Some(excess.map(|excess| excess.value)),
        "_se" => Some(excess.and_then(|excess| excess.se)),
        "_p" => Some(excess.and_then(|excess| excess.p)),
        _ => None,
    };
    let measures = [
        ("width_excess", of.width_excess),
        ("alpha0_excess", of.alpha0_excess),
        ("E_excess", of.e_excess),
    ];
    match name {
        "E_stable_shuffled" => Some(of.e_stable_shuffled),
        "E_norm_matched" => Some(of.e_norm_matched),
        _ => measures
            .into_iter()
            .find_map(|(measure, value)| excess(value, name.strip_prefix(measure)?)),
    }
}

impl Row {
    /// A row of this step; its wall time is in seconds since 1970.
    pub(crate) fn new(
        step: u64,
        wall_time: f64,
        scalars: Vec<(String, f64)>,
        emergence: Emergence,
    ) -> Self {
        Self {
            step,
            wall_time,
            scalars,
            emergence,
            snapshot_ms: None,
            analysis_ms: None,
            first: false,
        }
    }

    /// The step.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether its values are there.
    pub fn status(&self) -> Status {
        self.emergence.status
    }

    /// The value of a computed or logged quantity, or of `same_as`, by its column's name.
    pub fn value(&self, name: &str) -> Option<f64> {
        match quantity(&self.emergence, name) {
            Some(value) => value,
            None if name == "same_as" => self.emergence.same_as.map(|step| step as f64),
            None => self.scalars.iter().find(|(n, _)| n == name).map(|(_, value)| *value),
        }
    }

    /// The cells in the order of the table's columns.
    pub(super) fn cells(&self, columns: &[String]) -> Vec<String> {
        let cell = |name: &String| match name.as_str() {
            "step" => self.step.to_string(),
            "wall_time" => time(self.wall_time),
            "snapshot_ms" => optional(self.snapshot_ms.map(to_microseconds)),
            "analysis_ms" => optional(self.analysis_ms.map(to_microseconds)),
            "status" => self.emergence.status.to_string(),
            "same_as" => self.emergence.same_as.map(|step| step.to_string()).unwrap_or_default(),
            "codes" => self.emergence.trust.codes().join(" "),
            "warning" => self.words(Concern::Conclusion),
            "caveat" => self.words(Concern::Published),
            name => optional(self.value(name)),
        };
        columns.iter().map(cell).collect()
    }

    /// The warnings that concern one thing, in words.
    fn words(&self, concern: Concern) -> String {
        self.emergence.trust.text(concern, self.first).unwrap_or_default()
    }

    /// Its rows in hashes.csv.
    pub(super) fn hash_cells(&self) -> Vec<Vec<String>> {
        let cells = |(tensor, hash): &(String, u64)| {
            vec![self.step.to_string(), tensor.clone(), format!("{hash:016x}")]
        };
        self.emergence.hashes.iter().map(cells).collect()
    }

    /// Its rows in hops.csv.
    pub(super) fn hop_cells(&self) -> Vec<Vec<String>> {
        self.emergence.hops.iter().map(|row| hop_cells(self.step, row)).collect()
    }

    /// The spectrum's rows in spectra.csv.
    pub(super) fn spectrum_cells(&self) -> Vec<Vec<String>> {
        let cells = |p: &SpectrumPoint| {
            let mut cells = vec![self.step.to_string(), number(p.q), number(p.tau)];
            let rest = [p.r2, p.alpha, p.f, p.tau_std, p.r2_std, p.alpha_std, p.f_std];
            cells.extend(rest.map(optional));
            cells.push(optional((p.q != 1.0).then(|| p.tau / (p.q - 1.0))));
            cells
        };
        self.emergence.spectrum.iter().map(cells).collect()
    }
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

pub(super) fn time(seconds: f64) -> String {
    format!("{seconds:.3}")
}

fn to_microseconds(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

/// The shortest text that reads back to the same f64; very large and small numbers with an
/// exponent.
pub fn number(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-5..1e16).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]
        #[test]
        fn numbers_read_back_to_the_same_bits(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let back: f64 = number(value).parse().unwrap();
            prop_assert!(back.to_bits() == bits || value.is_nan() && back.is_nan());
        }
    }

    /// Every computed quantity has a value of its own: no column holds another one's.
    #[test]
    fn each_column_holds_its_own_quantity() {
        let mut row = Emergence::absent(Status::Ok, "");
        let mut next = 0.0;
        let mut new = || {
            next += 1.0;
            Some(next)
        };
        let mut names = Vec::new();
        macro_rules! set {
            ($($name:literal $($field:ident).+),*) => { $(
                row.$($field).+ = new();
                names.push($name);
            )* };
        }
        set!("alpha0" alpha0, "width" width, "E" e, "E_se" e_se, "alpha0_std" alpha0_std,
            "width_std" width_std, "r2" r2, "E_shuffled" e_shuffled,
            "E_shuffled_se" e_shuffled_se, "E_p" e_p, "alpha0_stable" alpha0_stable,
            "width_stable" width_stable, "E_stable" e_stable,
            "E_stable_shuffled" structure.e_stable_shuffled,
            "E_norm_matched" structure.e_norm_matched, "E_rescaled_start" e_rescaled_start,
            "neurons" neurons, "radii" radii, "r2_min" trust.r2_min, "kept" trust.kept,
            "in_range" trust.in_range, "concave" trust.concave,
            "argmax_stable" trust.argmax_stable);
        let mut excess = |names: &mut Vec<&str>, of: [&'static str; 3]| {
            names.extend(of);
            let excess = Excess { value: new().unwrap_or_default(), se: new(), p: new() };
            Some(excess)
        };
        let (width, alpha0, e) = (
            ["width_excess", "width_excess_se", "width_excess_p"],
            ["alpha0_excess", "alpha0_excess_se", "alpha0_excess_p"],
            ["E_excess", "E_excess_se", "E_excess_p"],
        );
        row.structure.width_excess = excess(&mut names, width);
        row.structure.alpha0_excess = excess(&mut names, alpha0);
        row.structure.e_excess = excess(&mut names, e);
        let row = Row::new(3, 0.0, Vec::new(), row);
        for (k, name) in names.iter().enumerate() {
            assert_eq!(row.value(name), Some(k as f64 + 1.0), "{name}");
        }
        let mut all = computed_quantities();
        all.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, all, "every quantity is tried");
        let columns: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
        for (name, cell) in COLUMNS.iter().zip(row.cells(&columns)) {
            if let Some(value) = row.value(name) {
                assert_eq!(cell, number(value), "{name}");
            }
        }
    }

    #[test]
    fn numbers_are_quantities_and_costs_are_not() {
        let computed = computed_quantities();
        assert!(computed.contains(&"E_stable") && computed.contains(&"E_excess"));
        for name in ["snapshot_ms", "analysis_ms", "status", "warning"] {
            assert!(COLUMNS.contains(&name) && !computed.contains(&name), "{name}");
        }
    }
}
