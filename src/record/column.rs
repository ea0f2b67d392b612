//! A column of a table: its name, meaning, value, and the views that show it.

use serde::{Serialize, Serializer};

use super::number::optional;

/// A column of emergence.csv, or of another table whose rows are made of `R`.
///
/// The texts are cells of the tables in docs/quantities.md and docs/hops.md.
#[derive(Debug)]
#[non_exhaustive]
pub struct Column<R> {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// What it means.
    pub meaning: &'static str,
    /// The values that it can have, or their unit.
    pub range: &'static str,
    /// How it is computed.
    pub equation: &'static str,
    /// What a run must compute for it to have a value.
    pub needs: &'static [Need],
    /// When else it has no value, in a row whose status is ok.
    pub absent: &'static str,
    /// Where it is shown.
    pub views: &'static [View],
    value: Value<R>,
}

/// A column as columns.json describes it. What there is nothing to say of is left out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Field {
    pub(super) name: &'static str,
    #[serde(rename = "type")]
    pub(super) cells: Type,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) meaning: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) range: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) equation: &'static str,
    #[serde(rename = "empty_without", skip_serializing_if = "<[Need]>::is_empty")]
    pub(super) needs: &'static [Need],
    #[serde(rename = "empty_if", skip_serializing_if = "str::is_empty")]
    pub(super) absent: &'static str,
}

/// What the cells of a column are. A float always shows that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Type {
    Float,
    Integer,
    Text,
}

impl Field {
    pub(super) const fn new(name: &'static str, cells: Type, meaning: &'static str) -> Self {
        Self { name, cells, meaning, range: "", equation: "", needs: &[], absent: "" }
    }

    pub(super) const fn absent(self, absent: &'static str) -> Self {
        Self { absent, ..self }
    }
}

/// What a column is about, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A measure of structure.
    Structure,
    /// E, or E of a control.
    E,
    /// alpha0.
    Alpha0,
    /// The width.
    Width,
    /// The size of the weights, without E.
    Norm,
    /// The data of the estimators.
    Fit,
    /// Cost of the analysis.
    Cost,
    /// Which row it is.
    Row,
    /// How to read the row.
    Note,
}

/// Values that a run computes only on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// More than one sample.
    Samples,
    /// The stable estimator.
    Stable,
    /// The shuffled control.
    Shuffle,
    /// More than one draw of the shuffled control.
    Shuffles,
    /// The norm-matched control.
    NormMatched,
    /// The rescaled start.
    RescaledStart,
    /// The spectra of the matrices.
    MatrixSpectra,
}

impl Need {
    /// The name in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Samples => "two samples",
            Self::Stable => "the stable estimator",
            Self::Shuffle => "the shuffled control",
            Self::Shuffles => "two draws of the shuffled control",
            Self::NormMatched => "the norm-matched control",
            Self::RescaledStart => "the rescaled start",
            Self::MatrixSpectra => "the spectra of the matrices",
        }
    }
}

impl Serialize for Need {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}

/// A view that shows a column. TensorBoard shows every quantity and cost of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// `neuromfa show`.
    Show(Format),
    /// The table of values in a report.
    Report,
    /// A separate line in `neuromfa live`, and a part of the line that `neuromfa watch` prints.
    Headline,
    /// `neuromfa live`, with others in one line, under this short name.
    Live(&'static str),
    /// `neuromfa sensitivity`.
    Sensitivity,
    /// TensorBoard, for each layer: `layers/NAME/LAYER`.
    Layers,
}

/// How a cell is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As in the file.
    Plain,
    /// With this many decimal places.
    Digits(usize),
    /// A p, headed `p`.
    P,
}

/// A column's value in a row.
#[derive(Debug)]
pub(super) enum Value<R> {
    Number(fn(&R) -> Option<f64>),
    Count(fn(&R) -> Option<u64>),
    Text(fn(&R) -> String),
}

impl<R> Column<R> {
    pub(super) const fn new(name: &'static str, kind: Kind, value: Value<R>) -> Self {
        let (meaning, range, equation, absent) = ("", "", "", "");
        Self { name, kind, meaning, range, equation, needs: &[], absent, views: &[], value }
    }

    pub(super) const fn means(self, meaning: &'static str) -> Self {
        Self { meaning, ..self }
    }

    pub(super) const fn range(self, range: &'static str) -> Self {
        Self { range, ..self }
    }

    pub(super) const fn equation(self, equation: &'static str) -> Self {
        Self { equation, ..self }
    }

    pub(super) const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    pub(super) const fn absent(self, absent: &'static str) -> Self {
        Self { absent, ..self }
    }

    pub(super) const fn views(self, views: &'static [View]) -> Self {
        Self { views, ..self }
    }

    /// Whether it is computed from the weights: a quantity that a stop rule can watch.
    pub fn is_quantity(&self) -> bool {
        !matches!(self.kind, Kind::Cost | Kind::Row | Kind::Note)
    }

    /// Whether its cells are words.
    pub(super) fn is_text(&self) -> bool {
        self.field().cells == Type::Text
    }

    /// What columns.json says of it.
    pub(super) fn field(&self) -> Field {
        let &Self { name, meaning, range, equation, needs, absent, .. } = self;
        let cells = match self.value {
            Value::Count(_) => Type::Integer,
            Value::Text(_) if name != "wall_time" => Type::Text,
            Value::Number(_) | Value::Text(_) => Type::Float,
        };
        Field { name, cells, meaning, range, equation, needs, absent }
    }

    /// How `neuromfa show` shows it; none where it does not.
    pub fn format(&self) -> Option<Format> {
        self.views.iter().find_map(|view| match view {
            View::Show(format) => Some(*format),
            _ => None,
        })
    }

    /// Its number in a row; none if it is absent or a text.
    pub fn value(&self, row: &R) -> Option<f64> {
        match self.value {
            Value::Number(value) => value(row),
            Value::Count(value) => value(row).map(|n| n as f64),
            Value::Text(_) => None,
        }
    }

    /// Its cell in a row.
    pub(super) fn cell(&self, row: &R) -> String {
        match self.value {
            Value::Number(value) => optional(value(row)),
            Value::Count(value) => value(row).map(|n| n.to_string()).unwrap_or_default(),
            Value::Text(value) => value(row),
        }
    }
}
