//! Which analysed steps have rows in the tables that are thinned.

/// The first analysed steps of a run, which have rows in all tables.
const ALL: u64 = 100;

/// After these, one analysed step in this many has, where a run does not say otherwise.
pub(crate) const EVERY_DETAIL: u64 = 10;

/// The state of the thinning: a function of the rows before, so that a replay and a resumed run
/// write the same rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thinning {
    every: u64,
    analysed: u64, // steps
    since: u64,    // the last one that has details
}

impl Thinning {
    pub(super) fn new(every: u64) -> Self {
        Self { every, analysed: 0, since: 0 }
    }

    /// Whether the next analysed step has details.
    pub(super) fn is_due(self) -> bool {
        self.analysed < ALL || self.since + 1 >= self.every
    }

    /// Takes note of an analysed step.
    pub(super) fn add(&mut self, detailed: bool) {
        self.analysed += 1;
        self.since = if detailed { 0 } else { self.since + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_have_details_and_then_one_in_every() {
        let detailed = |every| -> Vec<u64> {
            let mut thinning = Thinning::new(every);
            let mut take = |_: &u64| {
                let due = thinning.is_due();
                thinning.add(due);
                due
            };
            (0..130).filter(|k| take(k)).collect()
        };
        let first: Vec<u64> = (0..100).collect();
        assert_eq!(detailed(10), [&first[..], &[109, 119, 129]].concat());
        assert_eq!(detailed(1).len(), 130);
        assert_eq!(detailed(0).len(), 130);
    }
}
