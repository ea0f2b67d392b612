//! Reasons not to believe the numbers of a step.

use serde::{Deserialize, Serialize};

/// A reason not to believe a number.
#[derive(Clone, Debug, PartialEq)]
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

/// Declares the kinds of warnings: name, code, what it concerns, what it means.
macro_rules! kinds {
    ($($name:ident, $code:literal, $concern:ident, $meaning:literal;)*) => {
        /// The kinds of [`Warning`].
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

            /// What it means for the reader's conclusion.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

kinds! {
    FewNeurons, "few_neurons", Conclusion,
        "Less than half of the neurons have enough edges in range: the spectrum is that of the strongly connected ones.";
    InRange, "in_range", Conclusion,
        "Less than half of the weights are in range: the spectrum leaves most of the network out.";
    PoorFit, "poor_fit", Conclusion,
        "ln Z_q is no straight line: alpha depends on the range of radii.";
    NarrowStart, "narrow_start", Conclusion,
        "The width at step 0 is near zero: E multiplies by w(t)/w(0), so its size means little.";
    Overlap, "overlap", Conclusion,
        "Samples share most of their edges: E_se says little about the network.";
    Repeated, "repeated", Conclusion,
        "The weights are those of an earlier step, bit for bit: the row says nothing new.";
    OnlyFalls, "only_falls", Conclusion,
        "The quantity that the stop rule wants to rise has not risen since step 0: the rule may stop a healthy run.";
    NotConcave, "not_concave", Published,
        "f(alpha) is not concave: the published spectrum is no multifractal one.";
    PeakMoved, "peak_moved", Published,
        "f peaks at another q than at step 0: published E jumps with it.";
    RadiiMoved, "radii_moved", Published,
        "The smallest radius differs from step 0: published E moves with it, E_stable does not.";
    ENotToldApart, "e_chance", Published,
        "Published E cannot be told apart from that of shuffled weights.";
}

impl WarningKind {
    /// The kind of a code; none for another text.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}
