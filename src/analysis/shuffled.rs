//! The shuffled control: both estimators on networks whose matrices are permuted at random.
//!
//! The stable estimator sees the whole network (of layers wider than 256 neurons, as many dealt
//! from the same pool), as often as the plan says; the published one its
//! own samples, once (or, where it takes the whole network, the first draw of it). What is drawn
//! are histograms ([`crate::mfa::Dealer`]), not weights. Samples are drawn one by one: where two
//! overlap, permuted weights would agree on what they share, and these do not.

use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::measure::Estimators;
use super::plan::{DrawnRun, Plan, SourceLayer};
use super::snapshot::Snapshot;
use crate::mfa::{BoxMasses, Dealer, Degenerate, Fractal, PowerSums, Spectrum, Urn};

/// Sources of a layer that a draw of the stable control takes at most; they stand for all. A wider
/// layer has the same mean and, its sources alike, √(width/256) times the spread, which the
/// standard error over the draws holds.
const SOURCES: usize = 256;

/// Layers of a sample whose rows are held together and take one turn into powers.
const TOGETHER: usize = 8;

/// Both estimators on shuffled weights.
#[derive(Default)]
pub(super) struct Shuffled {
    pub(super) published: Option<Result<Vec<Spectrum>, Degenerate>>,
    pub(super) stable: Option<Result<Vec<Fractal>, Degenerate>>,
}

/// One layer's part of a control.
struct Part {
    published: Option<PowerSums>,
    stable: Vec<Option<PowerSums>>, // one for each draw
}

pub(super) fn measure(
    estimators: &Estimators,
    plan: &Plan,
    snapshot: &Snapshot,
    step: u64,
) -> Shuffled {
    let jobs = plan.layers_and_tensors();
    let draw = Draw { estimators, plan, snapshot, step };
    let parts: Vec<Part> =
        jobs.par_iter().map(|&(layer, first)| draw.whole(layer, first)).collect();
    let published = match plan.published_on_whole() {
        true => {
            let parts = parts.iter().map(|part| part.published.clone());
            estimators.published_of(plan, parts).map(|spectrum| vec![spectrum])
        }
        false => (0..plan.sample_neurons.len())
            .into_par_iter()
            .map(|sample| {
                let together = jobs.chunks(TOGETHER);
                estimators.published_of(plan, together.map(|layers| draw.sample(layers, sample)))
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect(),
    };
    let stable = plan.stable().then(|| {
        let one = |k: usize| {
            let of_draw = parts.iter().map(|part: &Part| part.stable[k].clone());
            estimators.stable_of(plan, of_draw)
        };
        (0..plan.controls.shuffled).map(one).collect()
    });
    Shuffled { published: Some(published), stable }
}

struct Draw<'a> {
    estimators: &'a Estimators,
    plan: &'a Plan,
    snapshot: &'a Snapshot,
    step: u64,
}

impl Draw<'_> {
    /// The generator of a tensor's `k`-th deal: the draws of the whole come first, then the samples.
    fn generator(&self, tensor: usize, k: usize) -> Xoshiro256PlusPlus {
        let deals = self.plan.controls.shuffled + self.plan.sample_neurons.len();
        self.plan.controls.generator(self.step, (tensor * deals + k) as u64)
    }

    /// All draws of one layer of the whole network.
    fn whole(&self, layer: &SourceLayer, first: usize) -> Part {
        let method = self.plan.method();
        let dealers: Vec<Option<Dealer>> =
            (layer.tensors.iter().zip(&self.snapshot.pools[first..]))
                .map(|(tensor, pool)| Dealer::new(pool, tensor.layout.edges_per_source()))
                .collect();
        // What the published estimator fits depends on the rarest radii: it takes every source.
        let all = layer.whole.len();
        let sources = if self.plan.published_on_whole() { all } else { all.min(SOURCES) };
        let mut rows = vec![0; sources * method.slots()];
        let mut dealt = vec![0; rows.len()];
        let mut part = Part { published: None, stable: Vec::new() };
        for draw in 0..self.plan.controls.shuffled {
            rows.fill(0);
            for (k, dealer) in dealers.iter().enumerate() {
                let Some(dealer) = dealer else { continue };
                dealer.deal(&mut dealt, &mut self.generator(first + k, draw));
                rows.iter_mut().zip(&dealt).for_each(|(all, one)| *all += one);
            }
            let masses = BoxMasses::of_rows(method, &rows).ok();
            if self.plan.published_on_whole() && draw == 0 {
                part.published = masses.as_ref().map(|m| self.estimators.published.sums(m));
            }
            let stable = masses.as_ref().filter(|_| self.plan.stable());
            let scale = all as f64 / sources as f64;
            let sums = stable.map(|masses| self.estimators.stable.sums(masses).scaled(scale));
            part.stable.push(sums);
        }
        part
    }

    /// The drawn neurons of some layers, in one sample; each layer comes with the number of its first tensor.
    fn sample(&self, layers: &[(&SourceLayer, usize)], sample: usize) -> Option<PowerSums> {
        let method = self.plan.method();
        let slots = method.slots();
        let neurons: usize = layers.iter().map(|(layer, _)| layer.drawn[sample].len()).sum();
        let mut rows = vec![0; neurons * slots];
        let mut rest = rows.as_mut_slice();
        for (layer, first) in layers {
            let of_layer = layer.drawn[sample].len() * slots;
            self.fill(layer, *first, sample, rest.split_off_mut(..of_layer).unwrap_or_default());
        }
        let masses = BoxMasses::of_rows(method, &rows).ok()?;
        Some(self.estimators.published.sums(&masses))
    }

    /// Draws the edges of a layer's drawn neurons, in one sample, into their empty rows.
    fn fill(&self, layer: &SourceLayer, first: usize, sample: usize, rows: &mut [u32]) {
        let slots = self.plan.method().slots();
        for (k, tensor) in layer.tensors.iter().enumerate() {
            let rng = &mut self.generator(first + k, self.plan.controls.shuffled + sample);
            let mut urn = Urn::new(&self.snapshot.pools[first + k]);
            for DrawnRun { rows: of_run, edges } in tensor.drawn_runs(&layer.drawn[sample], sample)
            {
                for row in of_run {
                    urn.draw(edges as u64, &mut rows[row * slots..(row + 1) * slots], rng);
                }
            }
        }
    }
}
