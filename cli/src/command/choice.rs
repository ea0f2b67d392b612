//! Options for what to analyse of a checkpoint, for the subcommands that read one.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use neuromfa::internals::pipeline::network_of;
use neuromfa::network::{Network, Orientation, Parameter, Selection};
use neuromfa::source::Checkpoint;
use neuromfa::{Architecture, Replay};

/// Which parameters, and as what.
#[derive(Args)]
#[command(next_help_heading = "Network")]
pub struct Choice {
    #[arg(long, value_name = "NAME", help = architectures())]
    architecture: Option<Architecture>,
    /// Include matrices that are left out by default (embeddings, the output head); `*` matches any text.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Leave out matrices; `*` matches any text.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Say how matrices lie: NAME=in-out for `[in, out]` matrices and transposed convolutions,
    /// NAME=out-in; `*` matches any text.
    #[arg(long, value_name = "NAME=LAYOUT", value_parser = oriented)]
    orient: Vec<(String, Orientation)>,
    /// Read parameters by another name; each `*` of NEW takes what one of OLD matches.
    #[arg(long, value_name = "OLD=NEW", value_parser = renamed)]
    rename: Vec<(String, String)>,
    /// Read gpt-neox's fused query-key-value rows as the model does, interleaved by head, not as
    /// published; gpt2's as GPTBigCode does. Without a number: num_attention_heads from the checkpoint's config.json.
    #[arg(long, value_name = "HEADS", num_args = 0..=1, require_equals = true)]
    per_head: Option<Option<usize>>,
    /// Take the network that this file describes: one that `inspect --json` has printed, and that was
    /// edited.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "architecture", "include", "exclude", "orient", "rename", "per_head",
    ])]
    network: Option<PathBuf>,
}

/// The help of `--architecture`.
fn architectures() -> String {
    let named = Architecture::ALL.into_iter().filter(|a| *a != Architecture::Custom);
    let names: Vec<&str> = named.map(Architecture::as_str).collect();
    format!("Read the parameters as this architecture: {}", names.join(", "))
}

/// Reads `NAME=in-out`.
fn oriented(text: &str) -> anyhow::Result<(String, Orientation)> {
    let wanted = "expected NAME=in-out or NAME=out-in";
    let (name, layout) = text.rsplit_once('=').context(wanted)?;
    let orientation = match layout {
        "in-out" => Orientation::InOut,
        "out-in" => Orientation::OutIn,
        _ => bail!("the layout is `{layout}`; {wanted}"),
    };
    Ok((name.to_owned(), orientation))
}

/// Reads `OLD=NEW`.
fn renamed(text: &str) -> anyhow::Result<(String, String)> {
    let (old, new) = text.split_once('=').context("expected OLD=NEW")?;
    Ok((old.to_owned(), new.to_owned()))
}

impl Choice {
    /// The network of a checkpoint with these parameters.
    pub fn network(self, of: &Checkpoint, parameters: &[Parameter]) -> anyhow::Result<Network> {
        Ok(match &self.network {
            Some(file) => network_of(file, parameters)?,
            None => Network::infer(parameters, &self.selection(of)?)?,
        })
    }

    /// A replay of checkpoints, of which this is the first.
    pub fn apply(mut self, to: Replay, first: &Checkpoint) -> anyhow::Result<Replay> {
        Ok(match self.network.take() {
            Some(file) => to.network_file(file),
            None => to.selection(self.selection(first)?),
        })
    }

    /// The selection for a checkpoint.
    fn selection(self, checkpoint: &Checkpoint) -> anyhow::Result<Selection> {
        let per_head = match self.per_head {
            Some(None) => match checkpoint.attention_heads() {
                Some(heads) => Some(heads),
                None => bail!(
                    "{}: no config.json next to it has num_attention_heads; give the number, as in \
                     --per-head=12",
                    checkpoint.path.display()
                ),
            },
            None if self.architecture.is_none_or(|a| a == Architecture::Gpt2) => {
                checkpoint.interleaved_heads()
            }
            given => given.flatten(),
        };
        let Self { include, exclude, orient, rename, architecture, .. } = self;
        let mut selection = Selection::default();
        (selection.include, selection.exclude) = (include, exclude);
        (selection.orient, selection.rename) = (orient, rename);
        (selection.architecture, selection.per_head) = (architecture, per_head);
        Ok(selection)
    }
}
