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

mod checkpoint_file;
mod checkpoints;
mod error;
mod mapped;
mod memory;
mod pytorch;
mod reread;
mod safetensors;
mod save;
mod stored;
#[cfg(feature = "tch")]
mod tch_values;
#[cfg(feature = "tch")]
mod tch_varstore;
mod tensor;
mod trainer_log;
mod weights;

pub use checkpoint_file::CheckpointFile;
pub use checkpoints::Checkpoint;
pub use error::SourceError;
pub use memory::Memory;
pub(crate) use reread::RereadFile;
pub use save::save;
#[cfg(feature = "tch")]
pub(crate) use tch_varstore::VarStoreWeights;
pub use tensor::Tensor;
pub use weights::{Block, Source};

/// Further items for the command.
pub(crate) mod exports {
    use std::path::Path;

    use super::{Checkpoint, SourceError};

    /// The checkpoints in a folder that have a step in their names, without warnings.
    ///
    /// # Errors
    /// [`SourceError`] when the folder cannot be listed.
    pub fn checkpoints_within(folder: &Path) -> Result<Vec<Checkpoint>, SourceError> {
        Checkpoint::within(folder, false)
    }
}
