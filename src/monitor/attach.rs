//! From a builder and a model to a monitor.

use super::builder::Live;
use super::hook::Monitor;
use crate::error::Error;
#[cfg(feature = "tch")]
use crate::network::NetworkError;
use crate::pipeline::RunBuilder;
use crate::source::Source;

impl RunBuilder<Live> {
    /// Attaches to a live model: reads its network, measures the weights as step 0, starts the
    /// monitor's threads.
    ///
    /// The caller promises one thing: while `attach` or [`Monitor::step`] runs, no other thread writes
    /// the weights. CPU weights are read where they lie, and tch's tensors have no lock; tch itself
    /// needs the same of any code that reads a tensor. A loop that updates and reports on one thread
    /// always keeps this promise; one whose threads update the weights without a lock (Hogwild) does
    /// not. Nothing reads the weights between two calls.
    ///
    /// # Errors
    /// [`Error`] when a setting is out of range, no network can be read off the parameters, or the
    /// folder cannot be written or holds a run already.
    #[cfg(feature = "tch")]
    pub fn attach(self, store: &tch::nn::VarStore) -> Result<Monitor, Error> {
        self.attach_source(crate::source::VarStoreWeights::new(store))
    }

    /// Attaches to several stores as one run: `[("actor", &actor), ("critic", &critic)]`. Each is a
    /// group ([`groups`](RunBuilder::groups)); stores that must not count, such as targets and
    /// running averages, are left out of the list.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    #[cfg(feature = "tch")]
    pub fn attach_groups<'a, S: Into<String>>(
        self,
        groups: impl IntoIterator<Item = (S, &'a tch::nn::VarStore)>,
    ) -> Result<Monitor, Error> {
        let groups = groups.into_iter().map(|(name, store)| (name.into(), store));
        let groups: Vec<(String, &tch::nn::VarStore)> = groups.collect();
        let names: Vec<String> = groups.iter().map(|(name, _)| name.clone()).collect();
        self.groups(names).attach_source(crate::source::VarStoreWeights::of_groups(&groups))
    }

    /// Attaches to tensors that are in no store: names and shallow clones. The tensors that require
    /// a gradient are those that are trained; if none does, all count.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    #[cfg(feature = "tch")]
    pub fn attach_tensors<S: Into<String>>(
        self,
        tensors: impl IntoIterator<Item = (S, tch::Tensor)>,
    ) -> Result<Monitor, Error> {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.into(), tensor));
        let tensors: Vec<(String, tch::Tensor)> = tensors.collect();
        let mut names = std::collections::HashSet::new();
        if let Some((name, _)) = tensors.iter().find(|(name, _)| !names.insert(name)) {
            return Err(NetworkError::DuplicateParameter { name: name.clone() }.into());
        }
        self.attach_source(crate::source::VarStoreWeights::of_tensors(tensors))
    }

    /// Attaches to any source of weights.
    ///
    /// # Errors
    /// As `attach`.
    pub fn attach_source(self, source: impl Source + 'static) -> Result<Monitor, Error> {
        let mut builder = self;
        match builder.origin.group.take() {
            Some(group) => group.attach(builder, Box::new(source)),
            None => Monitor::start(builder, Box::new(source)),
        }
    }
}
