//! The sampled network (SNIN): which neurons of each layer take part.

use std::collections::HashSet;
use std::fmt;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::Network;

/// The drawn neurons of S samples, by layer: the same at every step of a run.
///
/// As a file this is nodes.json. For a network of two layers and two samples:
///
/// ```json
/// {"samples": [{"layer.0": [0, 3, 7], "layer.1": [1, 2]},
///              {"layer.0": [2, 3, 5], "layer.1": [0, 2]}]}
/// ```
///
/// Numbers count from 0. Every sample names every layer of the network, output layers too, in any
/// order; the order of layers and neurons is kept when the file is read and written again. No
/// samples, `{"samples": []}`, means the whole network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    samples: Vec<Sample>,
}

/// The drawn neurons of one sample: layer names and neurons, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample(Vec<(String, Vec<usize>)>);

/// What is wrong with a draw.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DrawError {
    /// Zero neurons or samples asked for.
    #[error(
        "cannot draw 0 {what} ({what}, --{what}): draw at least 1, or take the whole network (whole, --whole)"
    )]
    Zero {
        /// `neurons` or `samples`.
        what: &'static str,
    },

    /// A sample lacks a layer of the network.
    #[error(
        "sample {sample} names no neurons of layer `{layer}`: add a list of numbers below {width}"
    )]
    MissingLayer {
        /// The sample, from 0.
        sample: usize,
        /// The layer.
        layer: String,
        /// Its width.
        width: usize,
    },

    /// A sample names a layer that the network lacks.
    #[error("sample {sample} names layer `{layer}`, which is not among the network's: {known:?}")]
    UnknownLayer {
        /// The sample, from 0.
        sample: usize,
        /// The name.
        layer: String,
        /// The layers there are.
        known: Vec<String>,
    },

    /// A sample names a layer twice.
    #[error("sample {sample} names layer `{layer}` twice: keep one list")]
    RepeatedLayer {
        /// The sample, from 0.
        sample: usize,
        /// The layer.
        layer: String,
    },

    /// A neuron beyond its layer's width.
    #[error(
        "sample {sample} names neuron {neuron} of layer `{layer}`, which has neurons 0 to {}",
        width - 1
    )]
    OutOfRange {
        /// The sample, from 0.
        sample: usize,
        /// The layer.
        layer: String,
        /// The neuron.
        neuron: usize,
        /// The layer's width.
        width: usize,
    },

    /// A neuron drawn twice.
    #[error(
        "sample {sample} names neuron {neuron} of layer `{layer}` twice: neurons are drawn without \
         replacement"
    )]
    RepeatedNeuron {
        /// The sample, from 0.
        sample: usize,
        /// The layer.
        layer: String,
        /// The neuron.
        neuron: usize,
    },
}

impl Draw {
    /// The complete network instead of samples.
    #[must_use]
    pub const fn whole() -> Self {
        Self { samples: Vec::new() }
    }

    /// Draws `neurons` neurons of every layer (`draw` times as many where the layer says so)
    /// without replacement, `samples` times; a layer no wider than that is taken completely.
    ///
    /// Neurons are in ascending order. Sample s and the layer of index l draw from ChaCha8 with
    /// this seed and the stream s·2³² + l, so drawing more samples does not change the earlier
    /// ones.
    ///
    /// # Errors
    ///
    /// `neurons` or `samples` is 0.
    pub fn random(
        network: &Network,
        neurons: usize,
        samples: usize,
        seed: u64,
    ) -> Result<Self, DrawError> {
        for (what, value) in [("neurons", neurons), ("samples", samples)] {
            if value == 0 {
                return Err(DrawError::Zero { what });
            }
        }
        let sample = |sample: usize| {
            let layers = network.layers().iter().enumerate().map(|(index, layer)| {
                let amount = neurons.saturating_mul(layer.draw).min(layer.width);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(((sample as u64) << 32) | index as u64);
                let mut drawn = rand::seq::index::sample(&mut rng, layer.width, amount).into_vec();
                drawn.sort_unstable();
                (layer.name.clone(), drawn)
            });
            Sample(layers.collect())
        };
        Ok(Self { samples: (0..samples).map(sample).collect() })
    }

    /// Whether this is the complete network.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.samples.is_empty()
    }

    /// The samples; none for the complete network.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The drawn neurons by sample and index of the layer, checked, in the order given; the
    /// complete network is one sample of every neuron.
    ///
    /// # Errors
    ///
    /// A layer missing, unknown or named twice; a neuron out of range or named twice.
    pub fn resolve(&self, network: &Network) -> Result<Vec<Vec<Vec<usize>>>, DrawError> {
        if self.is_whole() {
            let layers = network.layers().iter();
            return Ok(vec![layers.map(|l| (0..l.width).collect()).collect()]);
        }
        let numbered = self.samples.iter().enumerate();
        numbered.map(|(number, sample)| sample.resolve(number, network)).collect()
    }
}

impl Sample {
    /// The drawn neurons by layer, in any order; checked by [`Draw::resolve`].
    #[must_use]
    pub fn layers(&self) -> &[(String, Vec<usize>)] {
        &self.0
    }

    fn resolve(&self, sample: usize, network: &Network) -> Result<Vec<Vec<usize>>, DrawError> {
        let mut resolved = vec![None; network.layers().len()];
        for (name, drawn) in &self.0 {
            let layer = || name.clone();
            let Some(index) = network.layer_index(name) else {
                return Err(DrawError::UnknownLayer {
                    sample,
                    layer: layer(),
                    known: network.layers().iter().map(|l| l.name.clone()).collect(),
                });
            };
            let width = network.layers()[index].width;
            let mut seen = HashSet::with_capacity(drawn.len());
            for &neuron in drawn {
                if neuron >= width {
                    return Err(DrawError::OutOfRange { sample, layer: layer(), neuron, width });
                }
                if !seen.insert(neuron) {
                    return Err(DrawError::RepeatedNeuron { sample, layer: layer(), neuron });
                }
            }
            if resolved[index].replace(drawn.clone()).is_some() {
                return Err(DrawError::RepeatedLayer { sample, layer: layer() });
            }
        }
        let layers = resolved.into_iter().zip(network.layers());
        layers
            .map(|(drawn, layer)| {
                drawn.ok_or_else(|| DrawError::MissingLayer {
                    sample,
                    layer: layer.name.clone(),
                    width: layer.width,
                })
            })
            .collect()
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (layer, drawn) in &self.0 {
            map.serialize_entry(layer, drawn)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Layers;

        impl<'de> Visitor<'de> for Layers {
            type Value = Sample;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of layer names and lists of neurons")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sample, A::Error> {
                let mut layers = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let drawn = map
                        .next_value()
                        .map_err(|e| de::Error::custom(format!("layer `{name}`: {e}")))?;
                    layers.push((name, drawn));
                }
                Ok(Sample(layers))
            }
        }

        deserializer.deserialize_map(Layers)
    }
}
