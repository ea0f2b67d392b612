//! The error of the monitor and of a replay.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::analysis::HopsError;
use crate::mfa::ParameterError;
use crate::network::NetworkError;
use crate::record::RecordError;
use crate::source::SourceError;
use crate::stop::StopRuleError;

/// Why a monitor could not start, or failed later.
///
/// Where the operating system refused, its [`std::io::Error`] is among the sources:
///
/// ```
/// use std::error::Error as _;
///
/// let error = neuromfa::Error::from(neuromfa::source::CheckpointFile::open("absent").unwrap_err());
/// let mut sources = std::iter::successors(error.source(), |error| (*error).source());
/// let refused = sources.find_map(|source| source.downcast_ref::<std::io::Error>()).unwrap();
/// assert_eq!(refused.kind(), std::io::ErrorKind::NotFound);
/// ```
///
/// `Debug` is the sentence, too: it is what a `main` that returns the error prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter of the method is out of range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// Distances over several hops cannot be computed.
    #[error(transparent)]
    Hops(Box<dyn std::error::Error + Send + Sync>),
    /// The distance between analysed steps is 0.
    #[error(
        "schedule: cannot analyse every 0 steps; the distance must be 1 or more \
         (1 analyses every training step, 1000 every thousandth)"
    )]
    EveryZero,
    /// A list of steps without one after step 0.
    #[error("schedule: the list has no step above 0, so only step 0 would be analysed")]
    NoSteps,
    /// The stop rule is invalid.
    #[error(transparent)]
    StopRule(#[from] StopRuleError),
    /// The stop rule watches a quantity that the run does not compute.
    #[error("stop rule on {quantity:?}: it is not computed in this run, which computes {computed}")]
    NotComputed {
        /// The quantity.
        quantity: String,
        /// What there is, separated by commas.
        computed: String,
    },
    /// No network can be inferred from the parameters.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The drawn neurons do not fit the network.
    #[error("cannot use {place}: {source}")]
    Draw {
        /// The file, or what the neurons were drawn by.
        place: String,
        /// What does not fit.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file of a network cannot be read, or does not fit the parameters.
    #[error("cannot use the network of {}: {source}", path.display())]
    NetworkFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A network was given, and settings that choose one.
    #[error(
        "network(..) or network_file(..) gives the network, so include, exclude, orient, rename, architecture, per_head, \
         trainable_only, filter and groups have no effect: leave them out, or leave the network to be \
         inferred"
    )]
    TwoNetworks,
    /// The snapshot of one step failed; the monitor continues.
    #[error("step {step} is not analysed: panic in the snapshot: {why}")]
    Snapshot {
        /// The step.
        step: u64,
        /// The panic's message.
        why: String,
    },
    /// A budget that no run can keep.
    #[error("budget must be in (0, 1], got {share} (0.01 = 1 %)")]
    Budget {
        /// The share given.
        share: f64,
    },
    /// The ranks of a group do not agree, or one is lost while the others attach.
    #[error("group: {source}")]
    Group {
        /// The ranks, and what is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Weights cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The run directory cannot be written, read or resumed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The baseline file cannot be used for this run.
    #[error("cannot use the baseline {}: {source}", path.display())]
    Baseline {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The weights of step 0, which the rescaled start needs, cannot be kept.
    #[error(
        "cannot keep the weights of the baseline {}, which the rescaled start needs: {source}",
        path.display()
    )]
    NoStart {
        /// The baseline's file or folder.
        path: PathBuf,
        /// The reason.
        source: SourceError,
    },
    /// The rescaled start, and a baseline that may be later than step 0.
    #[error(
        "baseline_at_first_edges and the rescaled start exclude each other: the weights of step 0, \
         which it rescales, may not be those of the baseline"
    )]
    LaterStart,
    /// A step that does not come after those before it.
    #[error(
        "step {step} is not after step {last}, the last one reported: report each step once, in \
         increasing order. To rewind, attach again with resume_at"
    )]
    StepOrder {
        /// The step given.
        step: u64,
        /// The last step so far.
        last: u64,
    },
    /// A rollback to a step that was not reported.
    #[error(
        "cannot roll back to step {to_step}: the last step reported is {last}; give the step whose \
         weights were loaded"
    )]
    Rollback {
        /// The step given.
        to_step: u64,
        /// The last step so far.
        last: u64,
    },
    /// No checkpoint to analyse, or one that has no step number.
    #[error("cannot analyse {}: {source}", path.display())]
    Checkpoints {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A shard of a series cannot be written, or not be merged with others.
    #[error("{}: {source}", path.display())]
    Shard {
        /// The shard's file, or the folder that holds shards.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The threads of the monitor cannot be started.
    #[error("cannot start the monitor's threads: {0}")]
    Threads(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not all that was reported is on the disk, because the disk refuses it or does not answer.
    /// Monitoring continues, unless this comes from the end.
    #[error("not everything that was reported is written: {source}")]
    NotWritten {
        /// What the disk does, and how much is not written.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The monitor has failed; training can continue without it.
    #[error("monitoring has stopped: {source}")]
    Failed {
        /// The first failure, the same at every call.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<HopsError> for Error {
    fn from(error: HopsError) -> Self {
        Self::Hops(error.into())
    }
}

impl Error {
    /// Whether the disk refused, so that a later attempt may succeed.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Record(error) if error.is_refusal())
    }
}
