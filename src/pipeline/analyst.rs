//! From a snapshot to the numbers of its row: the part of a run that changes nothing, so that any
//! thread may do it, and two of them the same snapshot.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::analysis::{Baseline, Emergence, Entries, Estimators, Measurement, Plan, Snapshot};

/// What the snapshots of a run are analysed with.
pub(crate) struct Analyst {
    pub(super) plan: Arc<Plan>,
    pub(super) estimators: Estimators,
    pub(super) baseline: Baseline,
}

/// A snapshot's numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Analysed {
    pub(super) emergence: Emergence,
    pub(super) entries: Arc<Entries>,
    pub(super) milliseconds: f64, // that it took
}

impl Analysed {
    /// Milliseconds that the analysis took.
    pub(crate) fn milliseconds(&self) -> f64 {
        self.milliseconds
    }
}

impl Analyst {
    /// What is analysed.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The same against another baseline.
    pub(crate) fn against(&self, baseline: Baseline) -> Self {
        let mut plan = Plan::clone(&self.plan);
        plan.start_from(&baseline.deviations);
        Self { plan: Arc::new(plan), estimators: self.estimators.clone(), baseline }
    }

    /// What rows are compared with.
    pub(crate) fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// Analyses the snapshot of a step, in the caller's rayon pool. The numbers depend on neither the
    /// thread nor what else is being analysed.
    pub(crate) fn analyse(&self, snapshot: &Snapshot, step: u64) -> Analysed {
        let start = Instant::now();
        let measurement = self.estimators.measure(&self.plan, snapshot, step);
        self.compare(&measurement, start)
    }

    /// What was measured, beginning at `start`, against the baseline.
    pub(super) fn compare(&self, measurement: &Measurement, start: Instant) -> Analysed {
        let emergence = Emergence::new(&self.plan, &self.baseline, measurement);
        let entries = Arc::clone(&measurement.entries);
        Analysed { emergence, entries, milliseconds: start.elapsed().as_secs_f64() * 1e3 }
    }
}
