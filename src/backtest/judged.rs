//! What a run's held-out loss says about a stop.

/// A run, judged by a loss that no rule sees.
#[derive(Clone, Debug)]
pub struct Judged {
    curve: Vec<(u64, f64)>, // smoothed, by step; not empty
    analysed: Vec<u64>,
    last_step: u64,
}

/// A run that is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stopped {
    /// The step; none when the run goes to its end.
    pub step: Option<u64>,
    /// The share of the steps that are left, 0 to 1.
    pub saved: f64,
    /// The judged loss there.
    pub loss: f64,
}

impl Judged {
    /// A run that ends at `last_step`, with its evaluations by step, and the analysed steps, both ascending.
    /// The curve is the mean of `smooth` evaluations, the same number before and after each; of
    /// fewer near both ends. An evaluation that is not finite counts as the highest of the others. None
    /// if no evaluation is finite.
    pub fn new(
        evaluations: &[(u64, f64)],
        smooth: usize,
        analysed: Vec<u64>,
        last_step: u64,
    ) -> Option<Self> {
        let finite = evaluations.iter().map(|(_, loss)| *loss).filter(|loss| loss.is_finite());
        let highest = finite.reduce(f64::max)?;
        let losses: Vec<f64> = evaluations
            .iter()
            .map(|&(_, loss)| if loss.is_finite() { loss } else { highest })
            .collect();
        let mean = |k: usize| {
            let reach = (smooth / 2).min(k).min(losses.len() - 1 - k);
            let window = &losses[k - reach..=k + reach];
            window.iter().sum::<f64>() / window.len() as f64
        };
        let curve = evaluations.iter().enumerate().map(|(k, (step, _))| (*step, mean(k)));
        Some(Self { curve: curve.collect(), analysed, last_step })
    }

    /// Stopped at this step: the loss is that of the last evaluation up to there, or of the first one.
    pub fn at(&self, step: Option<u64>) -> Stopped {
        let end = step.unwrap_or(u64::MAX);
        let place = self.curve.partition_point(|(at, _)| *at <= end).saturating_sub(1);
        let left = self.last_step.saturating_sub(end);
        let saved = if self.last_step == 0 { 0.0 } else { left as f64 / self.last_step as f64 };
        Stopped { step, saved, loss: self.curve[place].1 }
    }

    /// Stopped by a clock: at the first analysed step at or after this share of the run.
    pub fn at_share(&self, share: f64) -> Stopped {
        let wanted = share * self.last_step as f64 * (1.0 - 1e-12); // a step's own share finds it
        self.at(self.analysed.iter().copied().find(|&step| step as f64 >= wanted))
    }

    /// The loss at the first evaluation, and the lowest.
    pub fn ends(&self) -> [f64; 2] {
        let losses = self.curve.iter().map(|(_, loss)| *loss);
        [self.curve[0].1, losses.fold(f64::INFINITY, f64::min)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let evaluations = [(0, 4.0), (10, 1.0), (20, 4.0), (30, f64::NAN), (40, 7.0)];
        let judged = Judged::new(&evaluations, 3, vec![0, 15, 25, 40], 40).unwrap();
        // 4, (4 + 1 + 4)/3, (1 + 4 + 7)/3, (4 + 7 + 7)/3, 7
        let at = |step| judged.at(Some(step));
        assert_eq!([0, 10, 20, 30, 40].map(|step| at(step).loss), [4.0, 3.0, 4.0, 6.0, 7.0]);
        assert_eq!(at(15), Stopped { step: Some(15), saved: 25.0 / 40.0, loss: 3.0 });
        assert_eq!(judged.at(None), Stopped { step: None, saved: 0.0, loss: 7.0 });
        assert_eq!(judged.at_share(0.5), at(25));
        assert_eq!(judged.at_share(1.0), at(40));
        assert_eq!(judged.ends(), [4.0, 3.0]);
        assert!(Judged::new(&[(0, f64::NAN)], 1, vec![], 0).is_none());
        let late = Judged::new(&evaluations[1..], 1, vec![], 40).unwrap();
        assert_eq!(late.at(Some(5)).loss, 1.0, "before the first evaluation");
    }
}
