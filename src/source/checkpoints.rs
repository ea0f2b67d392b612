//! Finds the checkpoints of a run by their names.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::SourceError;
use super::checkpoint_file::model_in;
use super::trainer_log::logged_at;

/// A checkpoint and the step in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The step.
    pub step: u64,
    /// A file of weights, or a folder that holds one, as [`super::CheckpointFile::open`] takes it.
    pub path: PathBuf,
}

/// Words that a step number may follow at the end of a name.
const WORDS: [&str; 6] = ["step", "checkpoint", "ckpt", "iter", "model", "epoch"];
/// Ends of the names of files that may hold weights.
const WEIGHTS: [&str; 6] = ["safetensors", "pt", "pth", "bin", "ckpt", "ot"];
/// Other files that a trainer saves, by the beginnings of their names.
const STATE_OF_TRAINING: [&str; 8] = [
    "optim",
    "scheduler",
    "lr_scheduler",
    "rng_state",
    "random_states",
    "scaler",
    "training_args",
    "trainer_state",
];

impl Checkpoint {
    /// The checkpoint of a step, whatever its name.
    pub fn new(step: u64, path: impl Into<PathBuf>) -> Self {
        Self { step, path: path.into() }
    }

    /// The checkpoints among files and folders, ordered by step.
    ///
    /// A file is a checkpoint, whatever its name; so is a folder that holds a model under one of
    /// the names of [`super::CheckpointFile::open`]. From any other folder, and from one without a
    /// step in its name that holds several checkpoints, those with a step in their names are used:
    /// folders `checkpoint-N` or `stepN` and files such as `model-stepN.safetensors`, `ckpt_N.pt`,
    /// `iter_N.pth`, `model_N.bin`, `epoch=3-step=N.ckpt`, `stepN.ot`. Other files there
    /// (optimizers, schedulers, states of random generators, arguments) are skipped. A single file
    /// without a step in its name is step 0.
    ///
    /// # Errors
    /// [`SourceError::File`] with the path: absent, no checkpoint in it, no step in its name, or
    /// a step that is there twice.
    pub fn find<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Self>, SourceError> {
        let mut found = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            let (model, step) = (path.is_file() || holds_model(path), step_of(path));
            let mut within = Vec::new();
            if !model || (step.is_none() && path.is_dir()) {
                within = Self::within(path, true)?;
            }
            match step {
                _ if !within.is_empty() => {
                    if model {
                        let path = path.display();
                        tracing::warn!("the model in {path} itself has no step: skipped");
                    }
                    found.append(&mut within);
                }
                _ if !model => {
                    let why = "no checkpoints in it: folders checkpoint-N or stepN that hold \
                               model.safetensors or pytorch_model.bin, or files such as \
                               model-stepN.safetensors, ckpt_N.pt, epoch=0-step=N.ckpt";
                    return Err(SourceError::file(path, why));
                }
                Some(step) => found.push(Self { step, path: path.to_owned() }),
                None if paths.len() == 1 => found.push(Self { step: 0, path: path.to_owned() }),
                None => {
                    let why = "its name says no step; among several checkpoints each name ends in \
                               one, as in model-step1000.safetensors or checkpoint-1000/";
                    return Err(SourceError::file(path, why));
                }
            }
        }
        found.sort_by(|a, b| (a.step, &a.path).cmp(&(b.step, &b.path)));
        match found.windows(2).find(|pair| pair[0].step == pair[1].step) {
            Some(pair) => {
                let (step, other) = (pair[0].step, pair[0].path.display());
                let why = format!("it is step {step}, and so is {other}");
                Err(SourceError::file(&pair[1].path, why))
            }
            None => Ok(found),
        }
    }

    /// The checkpoints in a folder that have a step in their names. `warn`: whether to warn of
    /// folders that look like a checkpoint and hold no model.
    ///
    /// # Errors
    /// [`SourceError`] when the folder cannot be listed.
    pub(super) fn within(folder: &Path, warn: bool) -> Result<Vec<Self>, SourceError> {
        let unreadable = |e: std::io::Error| SourceError::file(folder, e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(step) = step_of(&path) else { continue };
            if is_state_of_training(&path) {
                tracing::debug!("{} holds no weights: skipped", path.display());
            } else if has_end_of_weights(&path) && path.is_file() || holds_model(&path) {
                found.push(Self { step, path });
            } else if warn && path.is_dir() {
                tracing::warn!(
                    "{} holds no model.safetensors, pytorch_model.bin or the like: skipped",
                    path.display()
                );
            }
        }
        Ok(found)
    }

    /// `num_attention_heads` (or GPT-2's `n_head`) of the config.json next to the weights; none if
    /// there is no such file or number.
    pub fn attention_heads(&self) -> Option<usize> {
        let text = std::fs::read(self.folder()?.join("config.json")).ok()?;
        let config: Value = serde_json::from_slice(&text).ok()?;
        let heads =
            ["num_attention_heads", "n_head"].iter().find_map(|key| config[*key].as_u64())?;
        usize::try_from(heads).ok()
    }

    /// The folder that the weights lie in.
    fn folder(&self) -> Option<&Path> {
        if self.path.is_dir() { Some(self.path.as_path()) } else { self.path.parent() }
    }

    /// What the trainer logged at this step: the numbers in `log_history` of `trainer_state.json`,
    /// in its order. Empty if there is no such file next to the weights.
    pub fn logged(&self) -> Vec<(String, f64)> {
        let path = self.folder().map(|f| f.join("trainer_state.json")).filter(|p| p.is_file());
        path.map(|path| logged_at(self.step, &path)).unwrap_or_default()
    }
}

fn holds_model(folder: &Path) -> bool {
    folder.is_dir() && model_in(folder).is_some()
}

fn has_end_of_weights(path: &Path) -> bool {
    path.extension().is_some_and(|end| WEIGHTS.iter().any(|known| end == *known))
}

fn is_state_of_training(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    STATE_OF_TRAINING.iter().any(|start| name.starts_with(start))
}

/// The step in a name: Lightning's `step=N` anywhere in it, otherwise the number at its end if one
/// of [`WORDS`] precedes it.
fn step_of(path: &Path) -> Option<u64> {
    let whole = if path.is_dir() || !has_end_of_weights(path) {
        path.file_name()
    } else {
        path.file_stem()
    };
    let name = whole?.to_str()?;
    if let Some((_, after)) = name.rsplit_once("step=") {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        return after[..end].parse().ok();
    }
    let before = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = before.trim_end_matches(['-', '_', '.', '=']).to_ascii_lowercase();
    let number = WORDS.iter().any(|w| word.ends_with(w)).then_some(&name[before.len()..])?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: &str = "model.safetensors";

    #[test]
    fn steps_in_names() {
        let step = |name: &str| step_of(Path::new(name));
        for (name, expected) in [
            ("neox-step300.safetensors", 300),
            ("checkpoint-0.safetensors", 0),
            ("global_step_12.safetensors", 12),
            ("step=1000.ckpt", 1000),
            ("epoch=3-step=1000.ckpt", 1000),
            ("epoch=3-step=1000-val_loss=0.25.ckpt", 1000),
            ("epoch=7.ckpt", 7),
            ("ckpt_1000.pt", 1000),
            ("iter_0001000.pt", 1000),
            ("model_1000.pt", 1000),
            ("pytorch_model_20.bin", 20),
            ("step143000", 143_000),
            ("model-step8.ot", 8),
            ("Checkpoint_5.pth", 5),
        ] {
            assert_eq!(step(name), Some(expected), "{name}");
        }
        for name in [
            "model-00001-of-00002.safetensors",
            "pytorch_model-00001-of-00002.bin",
            "model.safetensors",
            "gpt2.safetensors",
            "step=.ckpt",
            "step=99999999999999999999.ckpt",
            "rng_state_0.pth",
            "last.ckpt",
        ] {
            assert_eq!(step(name), None, "{name}");
        }
    }

    fn steps(paths: &[PathBuf]) -> Result<Vec<u64>, String> {
        let found = Checkpoint::find(paths).map_err(|e| e.to_string())?;
        Ok(found.iter().map(|c| c.step).collect())
    }

    #[test]
    fn folders_and_files_are_ordered_by_step() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["checkpoint-20", "checkpoint-3", "checkpoint-100", "logs"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        for name in ["checkpoint-20", "checkpoint-3"] {
            std::fs::write(dir.path().join(name).join(SINGLE), []).unwrap();
        }
        std::fs::write(dir.path().join("m-step7.safetensors"), []).unwrap();
        std::fs::write(dir.path().join("optimizer.safetensors"), []).unwrap();
        let path = |name: &str| dir.path().join(name);
        assert_eq!(steps(&[dir.path().to_owned()]).unwrap(), [3, 7, 20]);
        assert_eq!(steps(&[path("checkpoint-20")]).unwrap(), [20]);
        assert_eq!(steps(&[path("checkpoint-20"), path("m-step7.safetensors")]).unwrap(), [7, 20]);
        assert_eq!(steps(&[path("optimizer.safetensors")]).unwrap(), [0]);
        let message = |paths: &[PathBuf]| steps(paths).unwrap_err();
        assert!(
            message(&[path("optimizer.safetensors"), path("checkpoint-3")]).contains("no step")
        );
        assert!(message(&[path("logs")]).contains("no checkpoints in it"));
        assert!(message(&[path("nowhere")]).contains("nowhere"));
        assert!(message(&[path("checkpoint-3"), path("checkpoint-3")]).contains("and so is"));
    }

    #[test]
    fn other_files_of_a_trainer_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let hugging_face = [
            "pytorch_model.bin",
            "optimizer.pt",
            "scheduler.pt",
            "rng_state_0.pth",
            "scaler.pt",
            "training_args.bin",
            "trainer_state.json",
        ];
        let folder = dir.path().join("checkpoint-500");
        std::fs::create_dir(&folder).unwrap();
        for name in hugging_face {
            std::fs::write(folder.join(name), []).unwrap();
        }
        let files = ["model_1000.pt", "optimizer_1000.pt", "scaler_step1000.pt", "model_1000.log"];
        for name in files {
            std::fs::write(dir.path().join(name), []).unwrap();
        }
        assert_eq!(steps(&[dir.path().to_owned()]).unwrap(), [500, 1000]);
        // The model after the last step, as saved by `save_model`, has no step; a folder with a
        // step in its name is one checkpoint, whatever it holds.
        std::fs::write(dir.path().join(SINGLE), []).unwrap();
        assert_eq!(steps(&[dir.path().to_owned()]).unwrap(), [500, 1000]);
        std::fs::write(folder.join("ckpt_3.pt"), []).unwrap();
        assert_eq!(steps(std::slice::from_ref(&folder)).unwrap(), [500]);
        let alone = dir.path().join("final");
        std::fs::create_dir(&alone).unwrap();
        std::fs::write(alone.join("pytorch_model.bin.index.json"), []).unwrap();
        assert_eq!(steps(&[alone]).unwrap(), [0]);
    }
}
