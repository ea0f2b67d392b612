//! The shuffled control: both estimators on networks whose matrices are permuted at random.
//!
//! The stable estimator uses the complete network, or a fixed share of the neurons of every wide
//! layer dealt from the same pool, for as many draws as the plan says; it also uses the
//! norm-matched weights, if they are computed. The published estimator uses its own samples, once
//! (or one deal of the complete network, if it has no samples). The draws are histograms
//! ([`crate::counting::Dealer`]), not weights. Samples are drawn one by one: where two samples overlap,
//! permuted weights would agree on the shared edges, and these draws do not.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::estimators::{Estimators, SIDE_BY_SIDE};
use super::groups::{Fold, Group, by_group};
use super::measurement::{Draws, SmallLayer};
use super::plan::{DrawnRun, Plan, SourceLayer};
use super::significance::LEAST_SHARE;
use super::snapshot::Snapshot;
use crate::counting::{Dealer, PoolSampler};
use crate::mfa::{BoxMasses, Degenerate, Fractal, PowerSums, Spectrum};

/// A network of up to this many sources has all of them dealt.
const ALL_DEALT_LIMIT: usize = 2048;

/// How many sources of a larger network one draw of the stable control deals. The numbers keep the
/// time of all controls within the time of the measurement itself.
struct Budget {
    in_all: usize,
    per_layer: usize, // on average, where that is more
    least: usize,     // of a layer, where there are as many; even
}

/// For the unchanged weights.
const PLAIN: Budget = Budget { in_all: 1024, per_layer: 8, least: 16 };

/// For the matched weights, on which the claims are based.
const MATCHED: Budget = Budget { in_all: 1024, per_layer: 24, least: 24 };

/// Layers of a sample whose rows are in memory together and are converted to powers once.
const TOGETHER: usize = 8;

/// Both estimators on shuffled weights.
#[derive(Default)]
pub(super) struct Shuffled {
    pub(super) published: Option<Result<Vec<Spectrum>, Degenerate>>,
    /// One for each group of the plan.
    pub(super) stable: Vec<Result<Draws, Degenerate>>,
    /// The same with weights at their norm of step 0; empty where that is not wanted.
    pub(super) matched: Vec<Result<Draws, Degenerate>>,
}

/// If a layer's share is larger than the lowest by this factor, its spread is measured separately.
const LARGER: f64 = 1.2;

impl Budget {
    /// How many sources of each layer a draw deals: the same share of all layers, except for small
    /// ones.
    fn dealt(&self, widths: &[usize]) -> Vec<usize> {
        let all: usize = widths.iter().sum();
        if all <= ALL_DEALT_LIMIT {
            return widths.to_vec();
        }
        let wanted = self.in_all.max(self.per_layer * widths.len());
        let of = |&width: &usize| {
            let share = (width * wanted).div_ceil(all).max(self.least);
            width.min(share.next_multiple_of(2))
        };
        widths.iter().map(of).collect()
    }
}

/// One layer's part of the stable control: the sums of each draw, and of all draws; none without
/// kept neurons.
struct LayerDraws {
    draws: Vec<Option<PowerSums>>,
    together: Option<PowerSums>,
}

pub(super) fn measure(
    estimators: &Estimators,
    plan: &Plan,
    snapshot: &Snapshot,
    step: u64,
) -> Shuffled {
    let draw = Draw { estimators, plan, snapshot, seed: plan.controls.seed_of(step) };
    let jobs = plan.layers_and_tensors();
    let mut shuffled = Shuffled { published: Some(draw.published(&jobs)), ..Shuffled::default() };
    if plan.stable() {
        let widths: Vec<usize> = jobs.iter().map(|(layer, _)| layer.whole.len()).collect();
        shuffled.stable = draw.control(&jobs, &snapshot.pools, &widths, &PLAIN);
        shuffled.matched = match (plan.controls.norm_matched, &plan.start_deviations) {
            (false, _) => Vec::new(),
            (true, Some(_)) => draw.control(&jobs, &snapshot.matched_pools, &widths, &MATCHED),
            // This is step 0: its weights have the norm of step 0.
            (true, None) => shuffled.stable.clone(),
        };
    }
    shuffled
}

struct Draw<'a> {
    estimators: &'a Estimators,
    plan: &'a Plan,
    snapshot: &'a Snapshot,
    seed: u64, // of the step
}

impl Draw<'_> {
    /// The generator of a tensor's `k`-th deal: the draws of the stable control come first, then
    /// those of the published one. Weights and matched weights are dealt alike.
    fn generator(&self, tensor: usize, k: usize) -> Xoshiro256PlusPlus {
        let deals = self.plan.controls.shuffled + self.plan.sample_neurons.len().max(1);
        let seed = self.seed.wrapping_add((tensor * deals + k) as u64);
        Xoshiro256PlusPlus::seed_from_u64(seed)
    }

    /// The stable control of each group, dealt from the tensors' pools.
    fn control(
        &self,
        jobs: &[(&SourceLayer, usize)],
        pools: &[Vec<u64>],
        widths: &[usize],
        budget: &Budget,
    ) -> Vec<Result<Draws, Degenerate>> {
        let plan = self.plan;
        let sources = budget.dealt(widths);
        let min_edges = plan.method().parameters().min_edges;
        let shares: Vec<f64> =
            sources.iter().zip(widths).map(|(dealt, all)| *dealt as f64 / *all as f64).collect();
        let lowest = shares.iter().copied().fold(1.0, f64::min);
        let fold = |_| Fold::new(&plan.groups, min_edges, |sums| self.stable(sums));
        let mut folds: Vec<_> = (0..plan.controls.shuffled).map(fold).collect();
        let jackknifed = if lowest < LEAST_SHARE { plan.controls.shuffled } else { 0 };
        let mut without_one: Vec<_> = (0..jackknifed).map(fold).collect();
        let mut together = Fold::new(&plan.groups, min_edges, |sums| Ok(sums.clone()));
        let mut kept: BTreeMap<usize, LayerDraws> = BTreeMap::new();
        let numbers: Vec<usize> = (0..jobs.len()).collect();
        for layers in numbers.chunks(SIDE_BY_SIDE) {
            let one = |&k: &usize| {
                let (layer, first) = jobs[k];
                self.layer(layer, first, sources[k], &pools[first..])
            };
            let drawn: Vec<LayerDraws> = layers.par_iter().map(one).collect();
            for (&k, drawn) in layers.iter().zip(drawn) {
                let pairs = folds.iter_mut().zip(&drawn.draws);
                pairs.for_each(|(fold, sums)| fold.add(k, sums.as_ref()));
                together.add(k, drawn.together.as_ref());
                for (fold, sums) in without_one.iter_mut().zip(&drawn.draws) {
                    let rest = drawn.together.as_ref().map(|all| match sums {
                        Some(sums) => all.without(sums),
                        None => all.clone(),
                    });
                    fold.add(k, rest.as_ref());
                }
                if shares[k] > LARGER * lowest {
                    kept.insert(k, drawn);
                }
            }
        }
        let [mut drawn, mut rests] = [folds, without_one]
            .map(|folds| by_group(folds.into_iter().map(Fold::finish).collect(), &plan.groups));
        let group = |(group, together): (&Group, Result<PowerSums, Degenerate>)| {
            let of_group = drawn.next().zip(rests.next());
            let (fractals, without_one) = of_group.expect("each fold has all groups");
            let (fractals, without_one, together) = (fractals?, without_one?, together?);
            let share = group.members.iter().map(|&k| shares[k]).fold(1.0, f64::min);
            let small = group.members.iter().filter(|&&k| shares[k] > LARGER * share);
            let small = small.filter_map(|k| Some((shares[*k], kept.get(k)?)));
            let small = small.map(|(share, layer)| self.small_layer(share, layer, &together));
            Ok(Draws {
                fractals,
                together: self.stable(&together)?,
                without_one,
                share,
                small: small.collect::<Result<_, _>>()?,
            })
        };
        plan.groups.iter().zip(together.finish()).map(group).collect()
    }

    fn stable(&self, sums: &PowerSums) -> Result<Fractal, Degenerate> {
        self.estimators.stable_fractal(sums)
    }

    /// The spread that a layer alone adds to a group with these sums.
    fn small_layer(
        &self,
        share: f64,
        layer: &LayerDraws,
        group: &PowerSums,
    ) -> Result<SmallLayer, Degenerate> {
        let LayerDraws { draws, together } = layer;
        let times = draws.len() as f64;
        let pairs = draws.iter().filter_map(|draw| draw.as_ref().zip(together.as_ref()));
        let with = |(draw, all)| self.stable(&group.with_replaced(all, draw, times));
        Ok(SmallLayer { share, fractals: pairs.map(with).collect::<Result<_, _>>()? })
    }

    /// All draws of one layer, `sources` of its neurons each, and the draws together. A pool for
    /// each tensor; none has kept neurons where a tensor has no pool.
    fn layer(
        &self,
        layer: &SourceLayer,
        first: usize,
        sources: usize,
        pools: &[Vec<u64>],
    ) -> LayerDraws {
        let method = self.plan.method();
        let dealers: Option<Vec<Dealer>> = (layer.tensors.iter().zip(pools))
            .map(|(tensor, pool)| Dealer::new(pool, tensor.layout.edges_per_source()))
            .collect();
        let draws = self.plan.controls.shuffled;
        let Some(dealers) = dealers else {
            return LayerDraws { draws: vec![None; draws], together: None };
        };
        let mut rows = vec![0; sources * method.slots()];
        let mut one = vec![0; rows.len()];
        let mut together: Option<PowerSums> = None;
        let mut all = Vec::with_capacity(draws);
        for draw in 0..draws {
            deal(&dealers, &mut rows, &mut one, |k| self.generator(first + k, draw));
            let scale = layer.whole.len() as f64 / sources as f64;
            let masses = BoxMasses::of_rows(method, &rows).ok();
            let sums = masses.map(|masses| self.estimators.stable.sums(&masses).scaled(scale));
            match (&mut together, &sums) {
                (Some(together), Some(sums)) => together.add(sums),
                (together @ None, Some(sums)) => *together = Some(sums.clone()),
                (_, None) => {}
            }
            all.push(sums);
        }
        LayerDraws { draws: all, together }
    }

    fn published(&self, jobs: &[(&SourceLayer, usize)]) -> Result<Vec<Spectrum>, Degenerate> {
        let (estimators, plan) = (self.estimators, self.plan);
        if plan.published_on_whole() {
            let parts: Vec<_> =
                jobs.par_iter().map(|&(layer, first)| self.all_sources(layer, first)).collect();
            return Ok(vec![estimators.published_of(plan, parts.into_iter())?]);
        }
        let sample = |sample| {
            let together = jobs.chunks(TOGETHER);
            estimators.published_of(plan, together.map(|layers| self.sample(layers, sample)))
        };
        let samples = (0..plan.sample_neurons.len()).into_par_iter().map(sample);
        samples.collect::<Vec<_>>().into_iter().collect()
    }

    /// One deal of a layer, for the published estimator. Its fits depend on the rarest radii, so it
    /// uses every source.
    fn all_sources(&self, layer: &SourceLayer, first: usize) -> Option<PowerSums> {
        let method = self.plan.method();
        let pools = layer.tensors.iter().zip(&self.snapshot.pools[first..]);
        let dealers: Vec<Dealer> = pools
            .map(|(tensor, pool)| Dealer::new(pool, tensor.layout.edges_per_source()))
            .collect::<Option<_>>()?;
        let mut rows = vec![0; layer.whole.len() * method.slots()];
        let mut one = vec![0; rows.len()];
        let number = self.plan.controls.shuffled;
        deal(&dealers, &mut rows, &mut one, |k| self.generator(first + k, number));
        let masses = BoxMasses::of_rows(method, &rows).ok()?;
        Some(self.estimators.published.sums(&masses))
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
            let mut sampler = PoolSampler::new(&self.snapshot.pools[first + k]);
            for DrawnRun { rows: of_run, edges } in tensor.drawn_runs(&layer.drawn[sample], sample)
            {
                for row in of_run {
                    sampler.draw(edges as u64, &mut rows[row * slots..(row + 1) * slots], rng);
                }
            }
        }
    }
}

/// Replaces the rows by one deal of all matrices that leave a layer. `one` is memory for one of
/// them.
fn deal(
    dealers: &[Dealer],
    rows: &mut [u32],
    one: &mut [u32],
    generator: impl Fn(usize) -> Xoshiro256PlusPlus,
) {
    let [first, others @ ..] = dealers else { return rows.fill(0) };
    first.deal(rows, &mut generator(0));
    for (k, dealer) in others.iter().enumerate() {
        dealer.deal(one, &mut generator(k + 1));
        rows.iter_mut().zip(&*one).for_each(|(all, one)| *all += one);
    }
}
