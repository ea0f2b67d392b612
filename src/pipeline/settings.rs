//! What a run is asked to do, before it is checked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::ThreadPool;

use crate::analysis::{Controls, Elsewhere, Hops, HopsError, MOST_HOPS};
use crate::error::Error;
use crate::mfa::Parameters;
use crate::network::{Draw, DrawError, Network, Parameter, Selection};
use crate::record::{EVERY_DETAIL, Need, RecordError, RunConfig, Sampling, column, columns};
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
    /// Take another folder: the first one of `FOLDER`, `FOLDER-2`, `FOLDER-3`, .. without a run.
    Numbered,
    /// Replace it.
    Overwrite,
    /// Resume it, at this step or after its last recorded one.
    Resume(Option<u64>),
}

/// Which parameters the program keeps.
#[derive(Clone)]
pub(crate) struct Filter(pub(super) Arc<dyn Fn(&Parameter) -> bool + Send + Sync>);

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) folder: PathBuf,
    pub(crate) parameters: Parameters,
    pub(crate) selection: Selection,
    pub(crate) filter: Option<Filter>,
    pub(crate) groups: Vec<String>,
    pub(crate) network: Option<Network>,
    pub(crate) network_file: Option<PathBuf>,
    pub(crate) nodes: Nodes,
    pub(crate) stable: bool,
    pub(crate) controls: Controls,
    pub(crate) layers: bool,
    pub(crate) neurons: bool,
    pub(crate) matrix_spectra: bool,
    pub(crate) tensorboard: bool,
    pub(crate) prometheus: Option<PathBuf>,
    pub(crate) every_detail: Option<u64>,
    pub(crate) hops: usize,
    pub(crate) hops_estimated: Option<usize>,
    pub(crate) hops_seed: u64, // where no neurons are drawn
    pub(crate) baseline: Option<PathBuf>,
    pub(crate) first_edges: bool, // whether the baseline may be later than the first step
    pub(crate) axis: Option<String>,
    pub(crate) stop_rule: Option<StopRule>,
    pub(crate) start: Start,
    pub(crate) repair: bool,
    pub(crate) allows_gaps: bool,
    pub(crate) threads: Option<usize>,
    /// Other processes that count layers of the live weights.
    pub(crate) elsewhere: Option<Arc<dyn Elsewhere>>,
}

impl Settings {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            parameters: Parameters::default(),
            selection: Selection::default(),
            filter: None,
            groups: Vec::new(),
            network: None,
            network_file: None,
            nodes: Nodes::Drawn(Samples::default()),
            stable: true,
            controls: Controls::default(),
            layers: true,
            neurons: false,
            matrix_spectra: false,
            tensorboard: true,
            prometheus: None,
            every_detail: None,
            hops: 1,
            hops_estimated: None,
            hops_seed: 0,
            baseline: None,
            first_edges: false,
            axis: None,
            stop_rule: None,
            start: Start::New,
            repair: false,
            allows_gaps: false,
            threads: None,
            elsewhere: None,
        }
    }

    /// Takes what is analysed, and how, from a recorded run.
    pub(crate) fn analyse_like(&mut self, config: RunConfig) {
        self.network = Some(config.network);
        self.parameters = config.method;
        (self.stable, self.controls) = (config.stable, config.controls);
        (self.layers, self.neurons) = (config.layers, config.neurons);
        self.matrix_spectra = config.matrix_spectra;
        (self.hops, self.hops_estimated) = (config.hops, config.hops_estimated);
        if let Sampling::Drawn { seed, .. } = config.sampling {
            self.hops_seed = seed;
        }
        self.every_detail = Some(config.every_detail);
        self.first_edges = config.baseline_at_first_edges;
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
        let selects = self.selection != Selection::default()
            || self.filter.is_some()
            || !self.groups.is_empty();
        if self.first_edges && self.controls().rescaled_start {
            return Err(Error::LaterStart);
        }
        let given = self.network.is_some() || self.network_file.is_some();
        if given && selects { Err(Error::TwoNetworks) } else { Ok(()) }
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
            Need::MatrixSpectra => self.matrix_spectra && self.stable,
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
            Nodes::Whole | Nodes::File(_) => self.hops_seed,
        };
        Ok((most > 1).then_some(Hops { most, budget, seed }))
    }

    /// Of how many analysed steps one has details; a resumed run's own, if nothing else is asked for.
    pub(super) fn every_detail(&self) -> u64 {
        let recorded = || match self.start {
            Start::Resume(_) => RunConfig::read(&self.folder).ok().map(|run| run.every_detail),
            _ => None,
        };
        self.every_detail.or_else(recorded).unwrap_or(EVERY_DETAIL)
    }

    pub(super) fn network(&self, source: &dyn Source) -> Result<Network, Error> {
        let network = match (&self.network, &self.network_file) {
            (Some(network), _) => network.clone(),
            (None, Some(path)) => network_of(path, &source.parameters())?,
            (None, None) => {
                let mut parameters = source.parameters();
                for parameter in &mut parameters {
                    parameter.wanted = self.filter.as_ref().is_none_or(|keeps| keeps.0(parameter));
                }
                match &self.groups[..] {
                    [] => Network::infer(&parameters, &self.selection)?,
                    groups => Network::infer_groups(&parameters, &self.selection, groups)?,
                }
            }
        };
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

/// The network that a file describes, of these parameters.
///
/// # Errors
/// [`Error::NetworkFile`].
pub fn network_of(path: &Path, parameters: &[Parameter]) -> Result<Network, Error> {
    let failed = |source| Error::NetworkFile { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.into()))?;
    Network::from_json(&text, parameters).map_err(|error| failed(error.into()))
}

impl Error {
    pub(super) fn draw(settings: &Settings) -> impl Fn(DrawError) -> Self {
        let place = settings.place_of_nodes();
        move |source| Self::Draw { place: place.clone(), source: source.into() }
    }
}
