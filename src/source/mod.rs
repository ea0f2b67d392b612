//! Where weights come from: a live model, a checkpoint file, or memory.
//!
//! | source | weights |
//! |---|---|
//! | a live `tch::nn::VarStore` on any device, through `attach` (feature `tch`) | CPU weights are read where they lie |
//! | [`CheckpointFile`] | safetensors, PyTorch's `.pt`, `.pth`, `.bin`, Lightning's `.ckpt`, tch's `.ot`; single or sharded; mapped |
//! | [`Memory`] | vectors that the caller hands over |
//!
//! All give a [`Tensor`] in the type in which it is stored, so that a replay of a run's checkpoints
//! gives the numbers of the run.

mod checkpoint;
mod checkpoint_file;
mod checkpoints;
mod contents;
mod derived;
mod error;
mod float8;
mod folder;
mod look;
mod mapped;
mod memory;
mod metrics_file;
mod pytorch;
mod quantised;
mod remote;
mod reread;
mod safetensors;
mod save;
mod step_names;
mod stored;
#[cfg(feature = "tch")]
mod tch_values;
#[cfg(feature = "tch")]
mod tch_varstore;
mod tensor;
mod trainer_log;
mod unwrapped;
mod weights;
mod whole;

pub use checkpoint::Checkpoint;
pub use checkpoint_file::CheckpointFile;
pub use error::SourceError;
pub use memory::Memory;
pub(crate) use metrics_file::metrics;
pub(crate) use reread::RereadFile;
pub use save::save;
#[cfg(feature = "tch")]
pub(crate) use tch_varstore::VarStoreWeights;
pub use tensor::Tensor;
pub(crate) use trainer_log::Logged;
pub use weights::{Block, Source};

/// Further items for the command.
pub(crate) mod exports {
    use std::path::Path;

    use super::checkpoint_file::Open;
    use super::{Checkpoint, CheckpointFile, SourceError, look};

    pub use super::checkpoints::{Noted, open_copy};
    pub use super::folder::{is_state_of_training, model_file};
    pub use super::look::{Look, OpenFor, Steps};
    pub use super::remote::Ranges;

    /// The checkpoints among files and folders, with steps that are found in this way; `open` opens those
    /// whose names say none.
    ///
    /// # Errors
    /// As [`Checkpoint::find`].
    pub fn find_checkpoints<P: AsRef<Path>>(
        paths: &[P],
        steps: Steps<'_>,
        open: OpenFor<'_>,
    ) -> Result<Vec<Checkpoint>, SourceError> {
        Checkpoint::find_by(paths, steps, open)
    }

    /// Opens a checkpoint on another machine: a file, or the index of shards next to it.
    ///
    /// # Errors
    /// As [`CheckpointFile::open`]; or what `open` returns.
    pub fn open_remote(address: &Path, open: Open<'_>) -> Result<CheckpointFile, SourceError> {
        CheckpointFile::open_remote(address, open)
    }

    /// The checkpoints in a folder, and what is passed over. No file is opened.
    ///
    /// # Errors
    /// [`SourceError`] when the folder cannot be listed.
    pub fn checkpoints_within(folder: &Path, steps: Steps<'_>) -> Result<Look, SourceError> {
        look::within(folder, steps, None)
    }
}
