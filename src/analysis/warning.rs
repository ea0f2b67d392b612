//! Reasons not to believe the numbers of a step.

use serde::{Deserialize, Serialize};

use super::verdict::LEVEL;

/// Below this share of kept neurons a step is marked.
pub(super) const KEPT: f64 = 0.5;

/// Below this share of weights in range a step is marked.
pub(super) const IN_RANGE: f64 = 0.5;

/// Below this R² a step is marked.
pub(super) const R2: f64 = 0.7;

/// Above this share of common edges samples are marked.
pub(super) const OVERLAP: f64 = 0.5;

/// Below this width of step 0 a run is marked.
pub(super) const NARROW: f64 = 0.03;

/// A reason not to believe a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of reason: the same from step to step.
    pub kind: WarningKind,
    /// The reason in words, with its numbers.
    pub text: String,
    /// Whether it held at step 0, too, so that it belongs to the run.
    pub from_start: bool,
}

/// What a warning concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The conclusion at a step.
    Conclusion,
    /// The numbers of the published estimator only.
    Published,
}

/// Declares the kinds of warnings: name, code, what it concerns, when it is raised, what it means.
macro_rules! kinds {
    ($($name:ident, $code:literal, $concern:ident, $when:expr, $meaning:literal;)*) => {
        /// The kinds of warnings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum WarningKind {
            $(#[doc = $meaning] #[serde(rename = $code)] $name,)*
        }

        impl WarningKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its short code, in the column `codes`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What it concerns.
            pub const fn concern(self) -> Concern {
                match self { $(Self::$name => Concern::$concern),* }
            }

            /// When it is raised.
            pub fn when(self) -> String {
                match self { $(Self::$name => $when.to_string()),* }
            }

            /// What it means for the reader's conclusion.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

kinds! {
    FewNeurons, "few_neurons", Conclusion,
        format!("`kept` < {KEPT}"),
        "Less than half of the neurons have enough edges in range: the spectrum is that of the strongly connected ones.";
    InRange, "in_range", Conclusion,
        format!("`in_range` < {IN_RANGE}"),
        "Less than half of the weights are in range: the spectrum leaves most of the network out.";
    PoorFit, "poor_fit", Conclusion,
        format!("`r2_min` < {R2}"),
        "ln Z_q is no straight line: alpha depends on the range of radii.";
    NarrowStart, "narrow_start", Conclusion,
        format!("width at step 0, of either estimator, < {NARROW}"),
        "The width at step 0 is near zero: E multiplies by w(t)/w(0), so its size means little.";
    Overlap, "overlap", Conclusion,
        format!("two samples share more than {OVERLAP} of their edges"),
        "Samples share most of their edges: E_se says little about the network.";
    NotMatched, "not_matched", Conclusion,
        "a matrix has no spread at step 0 or now, or the rescaled network has no spectrum",
        "The named weights cannot be rescaled to their spread at step 0: the measures of structure are without them, or absent.";
    Repeated, "repeated", Conclusion,
        "`same_as` has a value",
        "The weights are those of an earlier step, bit for bit: the row says nothing new.";
    OnlyFalls, "only_falls", Conclusion,
        "the quantity is below its value at step 0 at all later steps, three or more",
        "The quantity that the stop rule wants to rise has not risen since step 0: the rule may stop a healthy run.";
    NotConcave, "not_concave", Published,
        "`concave` < 1",
        "f(alpha) is not concave: the published spectrum is no multifractal one.";
    PeakMoved, "peak_moved", Published,
        "`argmax_stable` < 1",
        "f peaks at another q than at step 0: published E jumps with it.";
    RadiiMoved, "radii_moved", Published,
        "the smallest occupied radius is not that of step 0 in half of the samples or more",
        "The smallest radius differs from step 0: published E moves with it, E_stable does not.";
    EIndistinguishable, "e_chance", Published,
        format!("`E` > 0 and `E_p` ≥ {LEVEL}"),
        "Published E is indistinguishable from E of shuffled weights.";
}

impl WarningKind {
    /// The kind of a code; none for another text.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}
