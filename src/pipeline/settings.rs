//! What a run is asked to do, before it is checked.

use std::path::PathBuf;

use rayon::ThreadPool;

use crate::analysis::{Controls, Hops, HopsError, MOST_HOPS};
use crate::error::Error;
use crate::mfa::Parameters;
use crate::network::{Draw, DrawError, Network, Selection};
use crate::record::{Need, RecordError, Sampling, column, columns};
use crate::source::Source;
use crate::stop::StopRule;

/// The sampled networks of the published estimator.
///
/// ```
/// use neuromfa::Samples;
///
/// let larger = Samples { neurons: 128, ..Samples::default() };
/// assert_eq!((larger.samples, larger.seed), (10, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Neurons that are drawn from each layer (default: 64).
    pub neurons: usize,
    /// Networks that are drawn (default: 10).
    pub samples: usize,
    /// Seed of the draw (default: 0).
    pub seed: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { neurons: 64, samples: 10, seed: 0 }
    }
}

/// Which neurons the published estimator takes.
#[derive(Clone, Debug)]
pub(crate) enum Nodes {
    Drawn(Samples),
    Whole,
    File(PathBuf),
}

/// What to do about a run that the folder already holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// There must be none.
    New,
    /// Replace it.
    Overwrite,
    /// Go on with it, at this step or where its files end.
    Resume(Option<u64>),
}

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) folder: PathBuf,
    pub(crate) parameters: Parameters,
    pub(crate) selection: Selection,
    pub(crate) network: Option<Network>,
    pub(crate) nodes: Nodes,
    pub(crate) stable: bool,
    pub(crate) controls: Controls,
    pub(crate) layers: bool,
    pub(crate) neurons: bool,
    pub(crate) tensorboard: bool,
    pub(crate) hops: usize,
    pub(crate) hops_estimated: Option<usize>,
    pub(crate) baseline: Option<PathBuf>,
    pub(crate) stop_rule: Option<StopRule>,
    pub(crate) start: Start,
    pub(crate) threads: Option<usize>,
}

impl Settings {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            parameters: Parameters::default(),
            selection: Selection::default(),
            network: None,
            nodes: Nodes::Drawn(Samples::default()),
            stable: true,
            controls: Controls::default(),
            layers: true,
            neurons: false,
            tensorboard: true,
            hops: 1,
            hops_estimated: None,
            baseline: None,
            stop_rule: None,
            start: Start::New,
            threads: None,
        }
    }

    /// A pool of threads of the run's own: the global one belongs to the program.
    pub(crate) fn pool(&self) -> Result<ThreadPool, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads.unwrap_or(cores).max(1))
            .thread_name(|k| format!("neuromfa-{k}"))
            .build()
            .map_err(|e| Error::Threads(e.into()))
    }

    /// Refuses what would be without effect.
    pub(super) fn check_network(&self) -> Result<(), Error> {
        let Selection { include, exclude, architecture, per_head } = &self.selection;
        let named = architecture.is_some() || per_head.is_some();
        let selects = !include.is_empty() || !exclude.is_empty() || named;
        if self.network.is_some() && selects { Err(Error::TwoNetworks) } else { Ok(()) }
    }

    /// Refuses a rule on what a run with `samples` samples (none: the whole network) never computes.
    pub(super) fn check_stop_rule(&self, samples: usize) -> Result<(), Error> {
        let Some(rule) = &self.stop_rule else { return Ok(()) };
        let computes = |need: &Need| self.computes(*need, samples);
        let quantities = columns().filter(|column| column.is_quantity());
        let computed = quantities.filter(|column| column.needs.iter().all(computes));
        let computed: Vec<&str> = computed.map(|column| column.name).collect();
        rule.check(&computed)?;
        let unknown = |name: &&str| column(name).is_some() && !computed.contains(name);
        match rule.quantities().into_iter().find(unknown) {
            Some(name) => {
                Err(Error::NotComputed { quantity: name.to_owned(), computed: computed.join(", ") })
            }
            None => Ok(()),
        }
    }

    /// Whether a run with `samples` samples (none: the whole network) computes this.
    fn computes(&self, need: Need, samples: usize) -> bool {
        let controls = self.controls();
        match need {
            Need::Samples => samples > 1,
            Need::Stable => self.stable,
            Need::Shuffle => controls.shuffled > 0,
            Need::Shuffles => controls.shuffled > 1,
            Need::NormMatched => controls.norm_matched,
            Need::RescaledStart => controls.rescaled_start,
        }
    }

    /// The controls that are computed: they take the stable estimator's pass over the network.
    pub(super) fn controls(&self) -> Controls {
        if self.stable { self.controls } else { Controls::none() }
    }

    /// The distances over several hops that the run computes; none at one hop.
    pub(super) fn hops(&self) -> Result<Option<Hops>, HopsError> {
        let Self { hops: most, hops_estimated: budget, .. } = *self;
        if !(1..=MOST_HOPS).contains(&most) {
            return Err(HopsError::Range { hops: most });
        }
        if most == 1 && budget.is_some() {
            return Err(HopsError::NothingToEstimate);
        }
        let seed = match self.nodes {
            Nodes::Drawn(Samples { seed, .. }) => seed,
            Nodes::Whole | Nodes::File(_) => 0,
        };
        Ok((most > 1).then_some(Hops { most, budget, seed }))
    }

    pub(super) fn network(&self, source: &dyn Source) -> Result<Network, Error> {
        let network = match &self.network {
            Some(network) => network.clone(),
            None => Network::infer(&source.parameters(), &self.selection)?,
        };
        network.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(network)
    }

    pub(super) fn sampling(&self) -> Sampling {
        match self.nodes {
            Nodes::Drawn(Samples { neurons, samples, seed }) => {
                Sampling::Drawn { neurons, samples, seed }
            }
            Nodes::Whole => Sampling::Whole,
            Nodes::File(_) => Sampling::Given,
        }
    }

    pub(super) fn draw(&self, network: &Network) -> Result<Draw, Error> {
        let place = Error::draw(self);
        let draw = match &self.nodes {
            Nodes::Drawn(Samples { neurons, samples, seed }) => {
                Draw::random(network, *neurons, *samples, *seed).map_err(&place)?
            }
            Nodes::Whole => Draw::whole(),
            Nodes::File(path) => {
                let read = |source| RecordError::Read { path: path.clone(), source };
                let text = std::fs::read(path).map_err(|e| read(e.into()))?;
                serde_json::from_slice(&text).map_err(|e| read(e.into()))?
            }
        };
        draw.resolve(network).map_err(place)?;
        Ok(draw)
    }

    pub(super) fn place_of_nodes(&self) -> String {
        match &self.nodes {
            Nodes::File(path) => path.display().to_string(),
            _ => "drawn neurons".to_owned(),
        }
    }
}

impl Error {
    pub(super) fn draw(settings: &Settings) -> impl Fn(DrawError) -> Self {
        let place = settings.place_of_nodes();
        move |source| Self::Draw { place: place.clone(), source: source.into() }
    }
}

/// The setters that a monitor's builder and a replay have in common, for a type with the fields
/// `settings: Settings` and `listeners: Vec<Listener>`.
macro_rules! run_settings {
    () => {
        /// Takes the published estimator over sampled networks, drawn once.
        pub fn sampled(mut self, samples: $crate::pipeline::Samples) -> Self {
            self.settings.nodes = $crate::pipeline::Nodes::Drawn(samples);
            self
        }

        /// Takes the published estimator over the whole network. alpha0 depends on the number of
        /// neurons: it does not compare with that of samples.
        pub fn whole(mut self) -> Self {
            self.settings.nodes = $crate::pipeline::Nodes::Whole;
            self
        }

        /// Takes the published estimator over the neurons that a nodes.json names.
        pub fn nodes(mut self, file: impl Into<std::path::PathBuf>) -> Self {
            self.settings.nodes = $crate::pipeline::Nodes::File(file.into());
            self
        }

        /// Leaves out the stable estimator, which reads the whole network, and with it the null
        /// controls.
        pub fn without_stable(mut self) -> Self {
            self.settings.stable = false;
            self
        }

        /// Which null controls are computed (default: all but the rescaled start). None are without
        /// the stable estimator.
        pub fn controls(mut self, controls: $crate::analysis::Controls) -> Self {
            self.settings.controls = controls;
            self
        }

        /// Leaves out the measures of each layer, block and role, and the dimensions and degrees of
        /// their neurons: layers.csv, distributions.csv and boxes.csv.
        pub fn without_layers(mut self) -> Self {
            self.settings.layers = false;
            self
        }

        /// Writes every neuron's dimension and degree, to a file for each analysed step.
        pub fn with_neurons(mut self) -> Self {
            self.settings.neurons = true;
            self
        }

        /// Computes the distances over 2 to `hops` layers too, from and to the drawn neurons,
        /// through all neurons between: hops.csv. 1, the default, leaves them out; the most is 3.
        pub fn hops(mut self, hops: usize) -> Self {
            self.settings.hops = hops;
            self
        }

        /// Also estimates those distances by sampling (the paper's algorithm 4): every trial draws
        /// `budget` neurons of a layer between. Reports the error against the exact distances.
        pub fn hops_estimated(mut self, budget: usize) -> Self {
            self.settings.hops_estimated = Some(budget);
            self
        }

        /// Leaves out TensorBoard's event files, the folder `tb/` of the run.
        pub fn without_tensorboard(mut self) -> Self {
            self.settings.tensorboard = false;
            self
        }

        /// The parameters of the method.
        pub fn parameters(mut self, parameters: $crate::mfa::Parameters) -> Self {
            self.settings.parameters = parameters;
            self
        }

        /// Which parameters to analyse, and as what, in place of all that was said of it before.
        pub fn selection(mut self, selection: $crate::network::Selection) -> Self {
            self.settings.selection = selection;
            self
        }

        /// Reads the parameters as this architecture, or fails.
        pub fn architecture(mut self, architecture: $crate::network::Architecture) -> Self {
            self.settings.selection.architecture = Some(architecture);
            self
        }

        /// Reads GPT-NeoX's fused query-key-value rows as the model does, interleaved by so many heads
        /// ([`Selection::per_head`](crate::network::Selection::per_head)), not as published.
        pub fn per_head(mut self, heads: usize) -> Self {
            self.settings.selection.per_head = Some(heads);
            self
        }

        /// Puts in matrices that are left out by default (embeddings, the output head): a name, with
        /// `*` for any characters.
        pub fn include(mut self, pattern: impl Into<String>) -> Self {
            self.settings.selection.include.push(pattern.into());
            self
        }

        /// Leaves out matrices: a name, with `*` for any characters.
        pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
            self.settings.selection.exclude.push(pattern.into());
            self
        }

        /// Takes a network that was put together by hand ([`Network::builder`](crate::network::Network::builder)).
        pub fn network(mut self, network: $crate::network::Network) -> Self {
            self.settings.network = Some(network);
            self
        }

        /// Compares against a file in place of the run's first weights (for fine-tuning): a safetensors
        /// checkpoint, or the folder of another run with the same model, parameters and neurons.
        pub fn baseline(mut self, path: impl Into<std::path::PathBuf>) -> Self {
            self.settings.baseline = Some(path.into());
            self
        }

        /// Replaces a run that the folder holds. Other files in it stay.
        pub fn overwrite(mut self) -> Self {
            self.settings.start = $crate::pipeline::Start::Overwrite;
            self
        }

        /// Calls `listener` with each row, once it is written: a monitor on its recording thread, at
        /// the priority of training, but for step 0 within `attach`.
        pub fn on_row(
            mut self,
            listener: impl FnMut(&$crate::record::Row) + Send + 'static,
        ) -> Self {
            self.listeners.push(Box::new(listener));
            self
        }

        /// Threads that count weights, in a monitor within the hook; 0 counts as 1.
        pub fn threads(mut self, n: usize) -> Self {
            self.settings.threads = Some(n);
            self
        }
    };
}
pub(crate) use run_settings;
