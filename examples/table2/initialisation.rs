//! A Pythia model before training: GPT-NeoX's initialisation, drawn when a tensor is asked for.

use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::Method;
use neuromfa::network::{Network, Parameter, Selection};
use neuromfa::source::{Source, SourceError, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Tokens of the vocabulary: rows of the embedding and of the output head.
const VOCABULARY: usize = 50_304;

/// A model's shape and the seed of its weights.
///
/// Row r of tensor t is drawn from ChaCha8 with this seed and the stream t·2³² + r, so every call
/// gives the same weights. Biases and normalisation, which start as zeros and ones, are not
/// included.
pub struct Initialisation {
    pub blocks: usize,
    pub width: usize,
    pub seed: u64,
}

impl Initialisation {
    /// The shape of Pythia 160M.
    pub fn pythia_160m(seed: u64) -> Self {
        Self { blocks: 12, width: 768, seed }
    }

    /// The shape of Pythia 1.4B.
    pub fn pythia_1_4b(seed: u64) -> Self {
        Self { blocks: 24, width: 2048, seed }
    }

    /// Names, shapes and standard deviations.
    fn tensors(&self) -> Vec<(Parameter, f64)> {
        let d = self.width;
        let small_init = (2.0 / (5.0 * d as f64)).sqrt();
        let wang_init = 2.0 / (self.blocks as f64 * (d as f64).sqrt());
        let of_block = |i: usize| {
            [
                ("attention.query_key_value", [3 * d, d], small_init),
                ("attention.dense", [d, d], wang_init),
                ("mlp.dense_h_to_4h", [4 * d, d], small_init),
                ("mlp.dense_4h_to_h", [d, 4 * d], wang_init),
            ]
            .map(|(name, shape, std)| (format!("gpt_neox.layers.{i}.{name}.weight"), shape, std))
        };
        let ends = ["gpt_neox.embed_in.weight", "embed_out.weight"]
            .map(|name| (name.to_owned(), [VOCABULARY, d], small_init));
        let all = (0..self.blocks).flat_map(of_block).chain(ends);
        all.map(|(name, shape, std)| (Parameter::new(name, shape), std)).collect()
    }

    /// Step 0 of a run: `samples` sampled networks of `neurons` neurons a layer, by the published
    /// estimator. Weights are drawn as they are read; a few matrices are in memory at a time.
    pub fn step_0(&self, neurons: usize, samples: usize) -> anyhow::Result<Emergence> {
        let network = Network::infer(&self.parameters(), &Selection::default())?;
        let draw = Draw::random(&network, neurons, samples, self.seed)?;
        let plan = Plan::new(&Method::default(), &network, &draw, false)?;
        let mut snapshot = Snapshot::new(&plan);
        plan.snapshot(self, &rayon::ThreadPoolBuilder::new().build()?, &mut snapshot)?;
        let measured = Estimators::new(&plan).measure(&plan, &snapshot, 0);
        Ok(Emergence::new(&plan, &Baseline::new(0, &plan, &measured), &measured))
    }
}

impl Source for Initialisation {
    fn parameters(&self) -> Vec<Parameter> {
        self.tensors().into_iter().map(|(parameter, _)| parameter).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let tensors = self.tensors();
        let Some(number) = tensors.iter().position(|(p, _)| p.name == name) else {
            return Err(SourceError::Missing {
                name: name.to_owned(),
                place: "the initialisation".to_owned(),
            });
        };
        let (parameter, std) = &tensors[number];
        let mut weights = vec![0f32; parameter.shape.iter().product()];
        weights.par_chunks_mut(parameter.shape[1]).enumerate().for_each(|(row, weights)| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(((number as u64) << 32) | row as u64);
            weights.fill_with(|| (std * rng.sample::<f64, _>(StandardNormal)) as f32);
        });
        Ok(Tensor::from(weights))
    }
}
