//! From a builder and a model to a monitor.

use super::builder::Live;
use super::hook::Monitor;
use crate::error::Error;
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

    /// Attaches to any source of weights.
    ///
    /// # Errors
    /// As `attach`.
    pub fn attach_source(self, source: impl Source + 'static) -> Result<Monitor, Error> {
        Monitor::start(self, Box::new(source))
    }
}
