//! The options that a monitor and a replay share.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::run::Listener;
use super::settings::{Filter, Nodes, Samples, Settings, Start};
use crate::analysis::Controls;
use crate::mfa::Parameters;
use crate::network::{Architecture, Network, Orientation, Parameter, Selection};
use crate::record::Row;

/// Configures a run: the options that a monitor and a replay share. `Origin` says where the weights
/// come from, and holds the options of that kind alone:
/// [`MonitorBuilder`](crate::MonitorBuilder) is one for a live model, [`Replay`](crate::Replay) one
/// for checkpoints.
#[must_use = "a run does nothing until it is attached, or run"]
pub struct RunBuilder<Origin> {
    pub(crate) settings: Settings,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) origin: Origin,
}

impl<Origin: fmt::Debug> fmt::Debug for RunBuilder<Origin> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, listeners: _, origin } = self;
        f.debug_struct("RunBuilder")
            .field("settings", settings)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

impl<Origin> RunBuilder<Origin> {
    pub(crate) fn in_folder(folder: PathBuf, origin: Origin) -> Self {
        Self { settings: Settings::new(folder), listeners: Vec::new(), origin }
    }

    /// Takes the published estimator over sampled networks, drawn once.
    pub fn sampled(mut self, samples: Samples) -> Self {
        self.settings.nodes = Nodes::Drawn(samples);
        self
    }

    /// Takes the published estimator over the whole network. alpha0 depends on the number of
    /// neurons: it does not compare with that of samples.
    pub fn whole(mut self) -> Self {
        self.settings.nodes = Nodes::Whole;
        self
    }

    /// Takes the published estimator over the neurons that a nodes.json names.
    pub fn nodes(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings.nodes = Nodes::File(file.into());
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
    pub fn controls(mut self, controls: Controls) -> Self {
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

    /// Adds the stable rank of each matrix and the exponent of its spectrum's tail (`stable_rank`,
    /// `tail_alpha`), of the network and each layer. This takes far longer than the rest of an analysis, and
    /// training waits for it.
    pub fn matrix_spectra(mut self) -> Self {
        self.settings.matrix_spectra = true;
        self
    }

    /// Leaves out TensorBoard's event files, the folder `tb/` of the run.
    pub fn without_tensorboard(mut self) -> Self {
        self.settings.tensorboard = false;
        self
    }

    /// Of the tables with many rows for each analysed step, after the first hundred analysed steps
    /// writes one step in `n` (default: 10; 1 writes each): layers.csv, spectra.csv, distributions.csv,
    /// scaling.csv and boxes.csv, and TensorBoard's layers and histograms. 0 counts as 1. A resumed run keeps what it had, unless
    /// this says otherwise, which is then an error.
    pub fn every_detail(mut self, n: u64) -> Self {
        self.settings.every_detail = Some(n.max(1));
        self
    }

    /// Writes the newest row to this file as well, as text for Prometheus (the textfile collector of its
    /// node exporter: `/var/lib/node_exporter/first.prom`). The file is replaced by renaming. A failure
    /// is logged once (`tracing`, level warn), and the run continues.
    pub fn prometheus(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings.prometheus = Some(file.into());
        self
    }

    /// The parameters of the method.
    pub fn parameters(mut self, parameters: Parameters) -> Self {
        self.settings.parameters = parameters;
        self
    }

    /// Which parameters to analyse, and as what, instead of all earlier choices.
    pub fn selection(mut self, selection: Selection) -> Self {
        self.settings.selection = selection;
        self
    }

    /// Reads the parameters as this architecture, or fails.
    pub fn architecture(mut self, architecture: Architecture) -> Self {
        self.settings.selection.architecture = Some(architecture);
        self
    }

    /// Reads GPT-NeoX's fused query-key-value rows as the model does, interleaved by this many heads
    /// ([`Selection::per_head`]), not as published.
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

    /// Keeps only the parameters for which `keep` is true; of them, the defaults and patterns choose.
    /// `keep` sees name, shape and whether the parameter is trainable.
    pub fn filter(mut self, keep: impl Fn(&Parameter) -> bool + Send + Sync + 'static) -> Self {
        self.settings.filter = Some(Filter(Arc::new(keep)));
        self
    }

    /// Whether only trainable parameters are analysed (default: true). A tch `VarStore` knows which
    /// are trainable: variables made with `*_no_train` are buffers, and a frozen layer is still
    /// trainable. Checkpoint files do not say, so there all parameters are analysed.
    pub fn trainable_only(mut self, only: bool) -> Self {
        self.settings.selection.untrained = !only;
        self
    }

    /// Reads several networks side by side, such as actor and critic: a group `actor` has the
    /// parameters whose names begin with `actor.`; those in no group are left out. layers.csv has
    /// the measures of each group, emergence.csv those of all together.
    pub fn groups<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.settings.groups = names.into_iter().map(Into::into).collect();
        self
    }

    /// Gives the layout of matrices: a name, with `*` for any characters, and [`Orientation::InOut`]
    /// for `[in, out]` matrices (`xs.mm(&w)`) and transposed convolutions.
    pub fn orient(mut self, pattern: impl Into<String>, orientation: Orientation) -> Self {
        self.settings.selection.orient.push((pattern.into(), orientation));
        self
    }

    /// Reads parameters by another name: a name, with `*` for any characters, and the new one, whose
    /// `*` take what those of the pattern match ([`Selection`]).
    pub fn rename(mut self, pattern: impl Into<String>, name: impl Into<String>) -> Self {
        self.settings.selection.rename.push((pattern.into(), name.into()));
        self
    }

    /// Takes a network that was put together by hand ([`Network::builder`]).
    pub fn network(mut self, network: Network) -> Self {
        self.settings.network = Some(network);
        self
    }

    /// Takes the network that a JSON file describes ([`Network::from_json`]): one that `neuromfa
    /// inspect --json` has printed, say, and that was edited.
    pub fn network_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings.network_file = Some(file.into());
        self
    }

    /// Compares against a file instead of the run's first weights (for fine-tuning): a safetensors
    /// checkpoint, or the folder of another run with the same model, parameters and neurons.
    pub fn baseline(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.baseline = Some(path.into());
        self
    }

    /// If the first weights give no values, as weights that begin at zero, compares against those of
    /// the first analysed step that has values: that step is then the baseline, with E 0, and the
    /// rows before it have no E. Otherwise the first weights are the baseline, as ever.
    pub fn baseline_at_first_edges(mut self) -> Self {
        self.settings.first_edges = true;
        self
    }

    /// Takes what the loop logs under this name, such as `env_steps`, `tokens` or `epoch`, as a second
    /// axis: each row of metrics.csv and emergence.csv then has it, with its last value where it is
    /// not logged (0 before the first), and `neuromfa report` draws the run over it. Steps stay the
    /// run's clock, in TensorBoard too, where the axis is a scalar.
    pub fn axis(mut self, name: impl Into<String>) -> Self {
        self.settings.axis = Some(name.into());
        self
    }

    /// Replaces a run that the folder holds. Other files in it stay.
    pub fn overwrite(mut self) -> Self {
        self.settings.start = Start::Overwrite;
        self
    }

    /// If the folder holds a run already, takes the next free folder next to it: `runs/first-2`,
    /// `runs/first-3`, .. [`Summary::folder`](crate::Summary::folder) says which.
    pub fn numbered(mut self) -> Self {
        self.settings.start = Start::Numbered;
        self
    }

    /// Before a run is resumed, drops the damaged rows of its tables, and no others; without this,
    /// such a run is refused. A file with damaged rows is kept with the ending `.damaged`, and a
    /// warning says what was dropped (`tracing`). The stop rule sees the rows that remain.
    pub fn repair(mut self) -> Self {
        self.settings.repair = true;
        self
    }

    /// Takes steps that lie 10⁹ or more after the one before. Without this they are an error: a time,
    /// a date or a number of bytes was most likely taken for a step. What a resume at such a step skips is not
    /// recorded as dropped.
    pub fn allow_gaps(mut self) -> Self {
        self.settings.allows_gaps = true;
        self
    }

    /// Calls `listener` with each row, once it is written: a monitor on its recording thread, at
    /// the priority of training, but for step 0 within `attach`.
    pub fn on_row(mut self, listener: impl FnMut(&Row) + Send + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Threads that count weights, in a monitor within the hook; 0 counts as 1.
    pub fn threads(mut self, n: usize) -> Self {
        self.settings.threads = Some(n);
        self
    }
}
