//! Why rules cannot be compared on runs.

use std::path::PathBuf;

use crate::record::RecordError;
use crate::stop::StopRuleError;

/// Why rules cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A run cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A monitor refuses the rule.
    #[error(transparent)]
    Rule(#[from] StopRuleError),
    /// A rule watches the loss that it is judged by.
    #[error(
        "{option} {name}: the runs are judged by it (--judge {name}), and no rule may watch what it is judged by; \
         log two held-out losses, one for the rules and one to judge"
    )]
    Judge {
        /// The quantity.
        name: String,
        /// The option that names it.
        option: &'static str,
    },
    /// Nothing was evaluated.
    #[error("{}: no evaluation of {judge} is a number; --judge takes another column of metrics.csv", run.display())]
    NotEvaluated {
        /// The run's folder.
        run: PathBuf,
        /// The judged loss.
        judge: String,
    },
    /// The judged loss does not fall.
    #[error(
        "family {family}: the judged loss is lowest at the first evaluation in all of its runs, so \
         there is nothing that a stop could keep or give up; leave these runs out"
    )]
    NoGain {
        /// The family.
        family: String,
    },
    /// No run is left to tune rules on.
    #[error(
        "all runs are one family and one group: rules are tuned on other runs than they are judged on; \
         give runs of several seeds or tasks (--family, --group)"
    )]
    OneGroup,
    /// None of the quantities was recorded.
    #[error("--monitor: no rule can be tried: {why}")]
    NoQuantity {
        /// What is missing where.
        why: String,
    },
}
