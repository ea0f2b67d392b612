//! A measurement against the baseline: the numbers of one row.

use serde::{Deserialize, Serialize};

use super::measure::{Fault, Measurement};
use super::statistics::{deviation, mean};
use crate::mfa::{Degenerate, Fractal, NoEmergence, Spectrum, degree_of_emergence};

/// What step 0 (or the file given in its place) measured: later steps compare against it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The step that was measured.
    pub step: u64,
    /// Published estimator, one for each sample; empty when it had no value.
    pub samples: Vec<Fractal>,
    /// Stable estimator on the whole network; none when it had no value.
    pub stable: Option<Fractal>,
}

impl Baseline {
    /// The baseline that a measurement makes.
    pub fn new(step: u64, measurement: &Measurement) -> Self {
        let samples = measurement.published.as_ref().map_or(&[][..], |s| s.as_slice());
        Self {
            step,
            samples: samples.iter().map(|s| s.fractal).collect(),
            stable: measurement.stable.clone().and_then(Result::ok),
        }
    }
}

/// Whether a row's numbers are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// All values that were asked for are there.
    Ok,
    /// Weights are infinite or NaN: no values.
    NonFinite,
    /// No neuron has enough edges in range.
    NoNeurons,
    /// The spectrum or E has no value for another reason, here or in the baseline.
    Degenerate,
    /// The step was not analysed: the side thread was still at work (drop-newest policy), the
    /// weights could not be read, or the row was lost when the run was interrupted.
    Dropped,
}

impl Status {
    /// The name in emergence.csv.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NonFinite => "non_finite",
            Self::NoNeurons => "no_neurons",
            Self::Degenerate => "degenerate",
            Self::Dropped => "dropped",
        }
    }

    /// The status of this name; degenerate for a name that is none.
    pub fn read(name: &str) -> Self {
        let all = [Self::Ok, Self::NonFinite, Self::NoNeurons, Self::Dropped];
        all.into_iter().find(|s| s.as_str() == name).unwrap_or(Self::Degenerate)
    }

    fn of(fault: &Fault) -> Self {
        match fault {
            Fault::NonFinite { .. } => Self::NonFinite,
            Fault::Degenerate { why: Degenerate::NoNeurons { .. }, .. } => Self::NoNeurons,
            Fault::Degenerate { .. } => Self::Degenerate,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The spectrum at one q: means over the samples, and standard deviations (S - 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectrumPoint {
    /// q.
    pub q: f64,
    /// tau(q).
    pub tau: f64,
    /// R² of ln Z_q on ln(r/d); none at q = 0, where Z is constant.
    pub r2: Option<f64>,
    /// alpha; none at the last q, from which no forward difference starts.
    pub alpha: Option<f64>,
    /// f(alpha); none at the last q.
    pub f: Option<f64>,
    /// Standard deviation of tau over the samples.
    pub tau_std: Option<f64>,
    /// Standard deviation of R².
    pub r2_std: Option<f64>,
    /// Standard deviation of alpha.
    pub alpha_std: Option<f64>,
    /// Standard deviation of f.
    pub f_std: Option<f64>,
}

/// The numbers of one analysed step. A value that does not exist is `None`; `status` and `why`
/// say why.
#[derive(Clone, Debug, PartialEq)]
pub struct Emergence {
    /// Published alpha0, mean over samples.
    pub alpha0: Option<f64>,
    /// Published width, mean over samples.
    pub width: Option<f64>,
    /// E of the published estimator, from the means.
    pub e: Option<f64>,
    /// Standard error of E: each sample against its own step 0.
    pub e_se: Option<f64>,
    /// Standard deviation of alpha0 over the samples.
    pub alpha0_std: Option<f64>,
    /// Standard deviation of the width over the samples.
    pub width_std: Option<f64>,
    /// R² of ln Z_q at the largest q, mean over samples.
    pub r2: Option<f64>,
    /// Stable alpha0 of the whole network.
    pub alpha0_stable: Option<f64>,
    /// Stable width of the whole network.
    pub width_stable: Option<f64>,
    /// E of the stable estimator.
    pub e_stable: Option<f64>,
    /// Kept neurons of the published estimator, mean over samples.
    pub neurons: Option<f64>,
    /// Occupied radii of the published estimator, mean over samples.
    pub radii: Option<f64>,
    /// Whether all values are there.
    pub status: Status,
    /// What is missing, in words.
    pub why: Option<String>,
    /// The published spectrum, one point for each q; empty when there is none.
    pub spectrum: Vec<SpectrumPoint>,
}

impl Emergence {
    /// A row without values.
    pub fn absent(status: Status, why: impl Into<String>) -> Self {
        Self {
            alpha0: None,
            width: None,
            e: None,
            e_se: None,
            alpha0_std: None,
            width_std: None,
            r2: None,
            alpha0_stable: None,
            width_stable: None,
            e_stable: None,
            neurons: None,
            radii: None,
            status,
            why: Some(why.into()),
            spectrum: Vec::new(),
        }
    }

    /// The numbers of a measurement against a baseline. `q` is the method's q grid.
    pub fn new(q: &[f64], baseline: &Baseline, measurement: &Measurement) -> Self {
        let mut row = Self { status: Status::Ok, why: None, ..Self::absent(Status::Ok, "") };
        match &measurement.published {
            Ok(samples) => row.add_published(q, baseline, samples),
            Err(fault) => row.miss(Status::of(fault), "published estimator", fault),
        }
        match &measurement.stable {
            Some(Ok(stable)) => row.add_stable(baseline, *stable),
            Some(Err(fault)) => row.miss(Status::of(fault), "stable estimator", fault),
            None => {}
        }
        row
    }

    fn add_published(&mut self, q: &[f64], baseline: &Baseline, samples: &[Spectrum]) {
        let alpha0 = samples.iter().map(|s| s.fractal.alpha0);
        let width = samples.iter().map(|s| s.fractal.width);
        self.alpha0 = mean(alpha0.clone());
        self.width = mean(width.clone());
        self.alpha0_std = deviation(alpha0);
        self.width_std = deviation(width);
        let r2: Vec<f64> = samples.iter().filter_map(Spectrum::r2).collect();
        self.r2 = mean(r2.into_iter());
        self.neurons = mean(samples.iter().map(|s| s.neurons as f64));
        self.radii = mean(samples.iter().map(|s| s.radii as f64));
        self.spectrum = spectrum_over(q, samples);
        let now: Vec<Fractal> = samples.iter().map(|s| s.fractal).collect();
        let (Some(start), Some(end)) = (mean_fractal(&baseline.samples), mean_fractal(&now)) else {
            let why = format!("the baseline (step {}) has no values", baseline.step);
            return self.miss(Status::Degenerate, "E", &why);
        };
        match degree_of_emergence(start, end) {
            Ok(e) => self.e = Some(e),
            Err(why) => return self.miss(Status::Degenerate, "E", &why),
        }
        // Paired: what a sample's neurons have in common with their own step 0 cancels.
        let paired = baseline.samples.iter().zip(&now);
        let paired: Result<Vec<f64>, NoEmergence> =
            paired.map(|(&start, &now)| degree_of_emergence(start, now)).collect();
        let of_mean = |std: f64| std / (samples.len() as f64).sqrt();
        match paired {
            Ok(paired) => self.e_se = deviation(paired.into_iter()).map(of_mean),
            Err(why) => self.miss(Status::Degenerate, "E_se", &why),
        }
    }

    fn add_stable(&mut self, baseline: &Baseline, stable: Fractal) {
        self.alpha0_stable = Some(stable.alpha0);
        self.width_stable = Some(stable.width);
        let Some(start) = baseline.stable else {
            let why = format!("the baseline (step {}) has no values", baseline.step);
            return self.miss(Status::Degenerate, "E_stable", &why);
        };
        match degree_of_emergence(start, stable) {
            Ok(e) => self.e_stable = Some(e),
            Err(why) => self.miss(Status::Degenerate, "E_stable", &why),
        }
    }

    /// Notes that something has no value. The first reason gives the status.
    fn miss(&mut self, status: Status, what: &str, why: &dyn std::fmt::Display) {
        match &mut self.why {
            None => {
                self.status = status;
                self.why = Some(format!("{what}: {why}"));
            }
            Some(reasons) => *reasons += &format!("; {what}: {why}"),
        }
    }
}

fn mean_fractal(samples: &[Fractal]) -> Option<Fractal> {
    Some(Fractal {
        alpha0: mean(samples.iter().map(|s| s.alpha0))?,
        width: mean(samples.iter().map(|s| s.width))?,
    })
}

fn spectrum_over(q: &[f64], samples: &[Spectrum]) -> Vec<SpectrumPoint> {
    let over = |value: &dyn Fn(&Spectrum) -> Option<f64>| {
        let values: Option<Vec<f64>> = samples.iter().map(value).collect();
        let values = values.unwrap_or_default();
        (mean(values.iter().copied()), deviation(values.iter().copied()))
    };
    let point = |(k, &q): (usize, &f64)| {
        let (tau, tau_std) = over(&|s| Some(s.tau[k].slope));
        let (r2, r2_std) = over(&|s| s.tau[k].r2);
        let (alpha, alpha_std) = over(&|s| s.alpha.get(k).copied());
        let (f, f_std) = over(&|s| s.f.get(k).copied());
        Some(SpectrumPoint { q, tau: tau?, r2, alpha, f, tau_std, r2_std, alpha_std, f_std })
    };
    q.iter().enumerate().filter_map(point).collect()
}
