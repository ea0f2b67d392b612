//! Options for what to analyse of a checkpoint, for the subcommands that read one.

use anyhow::bail;
use clap::Args;
use neuromfa::Architecture;
use neuromfa::network::Selection;
use neuromfa::source::Checkpoint;

/// Which parameters, and as what.
#[derive(Args)]
pub struct Choice {
    #[arg(long, value_name = "NAME", help = architectures())]
    architecture: Option<Architecture>,
    /// Include matrices that are left out by default (embeddings, the output head); `*` matches any text.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Leave out matrices; `*` matches any text.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Read gpt-neox's fused query-key-value rows as the model does, interleaved by head, not as
    /// published. Without a number: num_attention_heads from the checkpoint's config.json.
    #[arg(long, value_name = "HEADS", num_args = 0..=1, require_equals = true)]
    per_head: Option<Option<usize>>,
}

/// The help of `--architecture`.
fn architectures() -> String {
    let named = Architecture::ALL.into_iter().filter(|a| *a != Architecture::Custom);
    let names: Vec<&str> = named.map(Architecture::as_str).collect();
    format!("Read the parameters as this architecture: {}", names.join(", "))
}

impl Choice {
    /// The selection for a checkpoint.
    pub fn selection(self, checkpoint: &Checkpoint) -> anyhow::Result<Selection> {
        let per_head = match self.per_head {
            Some(None) => match checkpoint.attention_heads() {
                Some(heads) => Some(heads),
                None => bail!(
                    "{}: no config.json next to it has num_attention_heads; give the number, as in \
                     --per-head=12",
                    checkpoint.path.display()
                ),
            },
            given => given.flatten(),
        };
        let Self { include, exclude, architecture, .. } = self;
        let mut selection = Selection::default();
        (selection.include, selection.exclude) = (include, exclude);
        (selection.architecture, selection.per_head) = (architecture, per_head);
        Ok(selection)
    }
}
