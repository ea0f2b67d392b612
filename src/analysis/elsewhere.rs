//! Layers that are counted in another process, where their weights lie: their counts travel.

use std::collections::BTreeMap;
use std::fmt;

use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

use super::controls::Controls;
use super::layer_count::{LayerJob, Read};
use super::plan::{Plan, SourceLayer};
use super::snapshot::LayerSnapshot;
use super::unchanged::Measured;
use crate::mfa::{ParameterError, Parameters};
use crate::network::{Draw, DrawError, Network};
use crate::source::{Source, SourceError};

/// Where the weights that leave a layer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this process.
    Here,
    /// In one other process, which counts them.
    There,
    /// In pieces that are put together here.
    InPieces,
}

/// Takes the counts of a layer, by its number; or says why it cannot.
pub type TakeCounts<'t> = dyn FnMut(usize, &[u8]) -> Result<(), String> + 't;

/// Other processes that count layers.
pub trait Elsewhere: fmt::Debug + Send + Sync {
    /// Asks them to count theirs of a plan's layers; the place of each layer, in order.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be asked.
    fn ask(&self, plan: &Plan) -> Result<Vec<Place>, SourceError>;

    /// Hands the counts over to `take` as they come, each with its layer's number: what
    /// [`Plan::count_for_another`] returns there.
    ///
    /// # Errors
    /// [`SourceError`] when a process cannot count, or is lost; the first error of `take`.
    fn collect(&self, plan: &Plan, take: &mut TakeCounts<'_>) -> Result<(), SourceError>;
}

/// What a plan counts: all of it but the spread at step 0, which comes with each request.
#[derive(Debug, Serialize, Deserialize)]
pub struct CountingOrder {
    method: Parameters,
    network: Network,
    draw: Draw,
    stable: bool,
    controls: Controls,
    details: bool,
    matrix_spectra: bool,
}

impl CountingOrder {
    /// The order of a plan. What several hops need is not in it.
    pub fn of(plan: &Plan) -> Self {
        Self {
            method: plan.method().parameters().clone(),
            network: plan.network().clone(),
            draw: plan.draw().clone(),
            stable: plan.stable(),
            controls: plan.controls(),
            details: plan.details(),
            matrix_spectra: plan.matrix_spectra,
        }
    }

    /// A plan that counts the same, of tensors that have other names in this process.
    ///
    /// # Errors
    /// [`OrderError`] when there is none.
    pub fn plan(&self, names: &BTreeMap<String, String>) -> Result<Plan, OrderError> {
        let method = self.method.check()?;
        let plan = Plan::new(&method, &self.network, &self.draw, self.stable)?;
        let plan = plan.with_controls(self.controls);
        let plan = if self.matrix_spectra { plan.with_matrix_spectra() } else { plan };
        let mut plan = if self.details { plan.with_details() } else { plan };
        for tensor in plan.sources.iter_mut().flat_map(|layer| &mut layer.tensors) {
            let parameter = &mut tensor.connection.parameter;
            if let Some(here) = names.get(parameter) {
                parameter.clone_from(here);
            }
        }
        Ok(plan)
    }
}

/// What is wrong with an order.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum OrderError {
    /// The method's parameters.
    Method(#[from] ParameterError),
    /// The drawn neurons.
    Draw(#[from] DrawError),
}

/// The counts of a layer, as they travel.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    layer: LayerSnapshot,
    pools: Vec<Vec<u64>>,
    matched_pools: Vec<Vec<u64>>,
    deviations: Vec<f64>,
}

impl Counted {
    fn new(plan: &Plan, layer: &SourceLayer) -> Self {
        let none = vec![Vec::new(); layer.tensors.len()];
        Self {
            layer: LayerSnapshot::new(plan, layer),
            pools: none.clone(),
            deviations: vec![f64::NAN; none.len()],
            matched_pools: none,
        }
    }
}

/// Memory of the layers that are counted for another process, by number.
#[derive(Debug, Default)]
pub struct CountedLayers(BTreeMap<usize, Counted>);

impl Plan {
    /// Counts the layer of a number for the process that has asked for it.
    ///
    /// # Errors
    /// When the weights cannot be read, or there is no such layer.
    pub fn count_for_another(
        &self,
        number: usize,
        source: &dyn Source,
        pool: &ThreadPool,
        kept: &mut CountedLayers,
    ) -> Result<Vec<u8>, String> {
        let layers = self.layers_and_tensors();
        let (layer, first) = *layers.get(number).ok_or_else(|| format!("no layer {number}"))?;
        let read = layer.tensors.iter().map(|tensor| Read::of(self, source, layer, tensor));
        let read = read.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let counted = kept.0.entry(number).or_insert_with(|| Counted::new(self, layer));
        let job = LayerJob {
            plan: self,
            layer,
            number: first,
            read: &read,
            pools: &mut counted.pools,
            matched_pools: &mut counted.matched_pools,
            deviations: &mut counted.deviations,
            counts: &mut counted.layer,
        };
        pool.install(|| job.count()).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        ciborium::into_writer(counted, &mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// The tensors that leave each layer, in order.
    pub fn tensors_of_layers(&self) -> impl Iterator<Item = impl Iterator<Item = &String>> {
        self.sources.iter().map(|layer| layer.tensors.iter().map(|t| &t.connection.parameter))
    }

    /// The standard deviation of each matrix at step 0, if it is known.
    pub fn start(&self) -> Option<&[f64]> {
        self.start_deviations.as_deref()
    }

    /// Sets what [`Self::start`] returns.
    pub fn set_start(&mut self, deviations: Option<Vec<f64>>) {
        self.start_deviations = deviations;
    }
}

impl LayerJob<'_> {
    /// Takes the counts that came from another process. Of a layer that has not changed since this memory was last
    /// counted, the measurements are kept.
    pub(super) fn take(self, bytes: &[u8]) -> Result<(), String> {
        let counted: Counted = ciborium::from_reader(bytes).map_err(|error| error.to_string())?;
        let Counted { mut layer, pools, matched_pools, deviations } = counted;
        let tensors = [pools.len(), matched_pools.len(), deviations.len()];
        if layer.sizes() != self.counts.sizes() || tensors != [self.pools.len(); 3] {
            return Err("its counts are those of another layer".to_owned());
        }
        layer.reused = layer.from == self.counts.from;
        layer.measured = match layer.reused {
            true => self.counts.measured.clone(),
            false => Measured::new(layer.samples.len()),
        };
        *self.counts = layer;
        self.pools.iter_mut().zip(pools).for_each(|(to, from)| *to = from);
        self.matched_pools.iter_mut().zip(matched_pools).for_each(|(to, from)| *to = from);
        self.deviations.copy_from_slice(&deviations);
        Ok(())
    }
}
