//! A budget for monitoring: analyses far enough apart that they stay under a share of the run's
//! time.
//!
//! An analysis costs what training waits for it, and the processor time of other threads, as if that
//! were taken from training. On full cores it is; with a core to spare monitoring costs less than it is
//! charged. What the loop logs is written in any case and is not charged. Of the steps that the schedule has due, each k-th is analysed, k out
//! of 1, 2, 5, 10, 20, 50, …: the least for which the mean cost of an analysis stays under the share of
//! the mean time between. And none is begun while what was spent would, with it, be more than the
//! share of the run so far.

use crate::record::{BudgetRecord, Spacing};

/// A spacing is made smaller only where one that is smaller by this factor would do.
const SLACK: f64 = 0.8;

/// What a decision is made from; times in seconds since the monitor was attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) step: u64,
    /// How many steps the schedule has up to this one, since step 0.
    pub(super) number: u64,
    /// How many due steps the loop has reported in this process.
    pub(super) due_here: u64,
    pub(super) elapsed: f64,
    /// What analyses have cost so far.
    pub(super) spent: f64,
    /// Analyses of which that is the cost.
    pub(super) done: u64,
}

#[derive(Debug)]
pub(super) struct Budget {
    share: f64,
    guess: f64, // s: what an analysis costs, before one was seen
    begun: u64,
    last_number: u64, // of a due step that was reported
    spacings: Vec<Spacing>,
}

impl Budget {
    /// A share in (0, 1], and the cost of the first analysis, made on attaching.
    pub(super) fn new(share: f64, guess: f64) -> Self {
        Self { share, guess, begun: 0, last_number: 0, spacings: Vec::new() }
    }

    /// Whether a step that the schedule has due is analysed.
    pub(super) fn takes(&mut self, now: Now) -> bool {
        let cost = if now.done > 0 { now.spent / now.done as f64 } else { self.guess };
        let between = now.elapsed / now.due_here.max(1) as f64;
        let wanted = cost / (self.share * between);
        let spacing = self.spacing();
        if wanted > spacing as f64 || next(wanted / SLACK) < spacing {
            let every = if wanted > spacing as f64 { next(wanted) } else { next(wanted / SLACK) };
            tracing::info!(
                step = now.step,
                "monitoring at most {} % of the run's time: each {every}. due step is analysed (an analysis \
                 costs {:.1} ms, due steps are {:.1} ms apart)",
                100.0 * self.share,
                1e3 * cost,
                1e3 * between
            );
            self.spacings.push(Spacing { from_step: now.step, every });
        }
        let committed = now.spent.max(self.begun as f64 * cost);
        let spacing = self.spacing();
        // A loop may report fewer steps than the schedule has.
        let reached = now.number / spacing > self.last_number / spacing;
        self.last_number = now.number;
        let takes = reached && committed + cost <= self.share * now.elapsed;
        self.begun += u64::from(takes);
        takes
    }

    /// The step that was to be analysed is not.
    pub(super) fn passed_over(&mut self) {
        self.begun = self.begun.saturating_sub(1);
    }

    fn spacing(&self) -> u64 {
        self.spacings.last().map_or(1, |spacing| spacing.every)
    }

    /// What the budget came to, after `spent` of `elapsed` seconds.
    pub(super) fn record(&self, spent: f64, elapsed: f64) -> BudgetRecord {
        let used = if elapsed > 0.0 { spent / elapsed } else { 0.0 };
        BudgetRecord { share: self.share, used, spacings: self.spacings.clone() }
    }
}

/// The least of 1, 2, 5, 10, 20, 50, … that is not less.
fn next(wanted: f64) -> u64 {
    let mut decade = 1u64;
    loop {
        for step in [1, 2, 5] {
            match decade.checked_mul(step) {
                Some(n) if n as f64 >= wanted => return n,
                Some(_) => {}
                None => return u64::MAX,
            }
        }
        decade = decade.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of `steps` steps, each due, that take `step(n)` seconds, with analyses that cost
    /// `cost(n)`; the steps analysed, and the share of the run that monitoring took.
    fn run(
        budget: &mut Budget,
        steps: u64,
        step: impl Fn(u64) -> f64,
        cost: impl Fn(u64) -> f64,
    ) -> (Vec<u64>, f64) {
        let (mut elapsed, mut spent, mut analysed) = (0.0, 0.0, Vec::new());
        for n in 1..=steps {
            elapsed += step(n);
            let done = analysed.len() as u64;
            if budget.takes(Now { step: n, number: n, due_here: n, elapsed, spent, done }) {
                analysed.push(n);
                spent += cost(n);
                elapsed += cost(n);
            }
            assert!(spent <= budget.share * elapsed + 1e-9, "at step {n}");
        }
        (analysed, spent / elapsed)
    }

    #[test]
    fn even_steps_are_analysed_at_an_even_spacing_under_the_share() {
        let mut budget = Budget::new(0.01, 0.02);
        let (analysed, share) = run(&mut budget, 5000, |_| 0.1, |_| 0.02);
        // 20 ms of each 2 s: every 20th step.
        assert!(analysed.windows(2).all(|pair| pair[1] - pair[0] == 20), "{analysed:?}");
        assert!(analysed.iter().all(|step| step.is_multiple_of(20)));
        assert!(share <= 0.01 && share > 0.009, "{share}");
        assert_eq!(budget.spacings, [Spacing { from_step: 1, every: 20 }]);
    }

    #[test]
    fn a_guess_far_too_low_and_a_slow_first_step_are_made_good() {
        let mut budget = Budget::new(0.01, 1e-6);
        let (analysed, share) =
            run(&mut budget, 20_000, |n| if n == 1 { 5.0 } else { 0.01 }, |_| 0.03);
        assert!(share <= 0.01, "{share}");
        assert!(analysed.len() > 40, "{}", analysed.len());
        assert_eq!(budget.spacing(), 500);
    }

    #[test]
    fn when_steps_become_slower_analyses_come_closer() {
        let mut budget = Budget::new(0.1, 0.1);
        let (analysed, _) = run(&mut budget, 4000, |n| if n < 2000 { 0.01 } else { 1.0 }, |_| 0.1);
        let close = |from: u64| analysed.iter().filter(|&&n| n > from && n <= from + 200).count();
        assert!(close(3700) > 5 * close(1500), "{} {}", close(3700), close(1500));
    }

    #[test]
    fn nothing_is_analysed_that_the_run_cannot_pay_yet() {
        let mut budget = Budget::new(0.01, 1.0);
        let (analysed, _) = run(&mut budget, 99, |_| 1.0, |_| 1.0);
        assert!(analysed.is_empty(), "{analysed:?}");
    }

    #[test]
    fn a_loop_that_reports_few_steps_is_analysed_too() {
        let mut budget = Budget::new(0.01, 0.02);
        let taken = (0..1000u64).filter(|k| {
            let elapsed = (k + 1) as f64;
            let number = 1 + 10 * k;
            budget.takes(Now {
                step: number,
                number,
                due_here: k + 1,
                elapsed,
                spent: 0.0,
                done: 0,
            })
        });
        assert!(taken.count() > 300);
    }

    #[test]
    fn spacings_are_one_two_five_and_their_decades() {
        let of = [0.0, 1.0, 1.1, 2.1, 5.0, 7.0, 11.0, 20.5, 999.0].map(next);
        assert_eq!(of, [1, 1, 2, 5, 5, 10, 20, 50, 1000]);
        assert_eq!(next(f64::INFINITY), u64::MAX);
        assert_eq!(next(f64::NAN), u64::MAX);
    }
}
