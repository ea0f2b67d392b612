//! Finds the checkpoints of a run: by their names, and by the steps that trainers note in them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::SourceError;
use super::checkpoint::Checkpoint;
use super::checkpoint_file::CheckpointFile;
use super::folder::{Held, held};
use super::look::{Look, OpenFor, Steps, noted, noted_in, step_of, within};
use super::step_names::{Inside, Named, named};
use super::trainer_log::{Logged, global_step, logged};

/// Names that a message lists.
const LISTED: usize = 8;

impl Checkpoint {
    /// The checkpoints among files and folders, ordered by step.
    ///
    /// A file is a checkpoint, whatever its name; so is a folder that holds a model, as
    /// [`super::CheckpointFile::open`] takes it. From any other folder, and from one without a
    /// step in its name that holds several checkpoints, those with a step in their names are used:
    /// folders `checkpoint-N`, `stepN`, `step1000-tokens4B` and files such as
    /// `model-stepN.safetensors`, `ckpt_N.pt`, `iter_N.pth`, `epoch=3-step=N.ckpt`. Where no name says a step,
    /// the steps that trainers note count: `global_step`, `iter_num` and the like in a pickled file,
    /// `global_step` of trainer_state.json. Other files there (optimizers, schedulers, states of
    /// random generators, arguments) are skipped; what else may hold weights and is not taken is
    /// listed in one warning. A single file that says no step is step 0.
    ///
    /// # Errors
    /// [`SourceError::File`] with the path: absent, no checkpoint in it, no step in its name, or
    /// a step that is there twice.
    pub fn find<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Self>, SourceError> {
        Self::find_by(paths, Steps::Names, &|path| CheckpointFile::open(path))
    }

    /// As [`Self::find`], with steps that are found in another way.
    pub(super) fn find_by<P: AsRef<Path>>(
        paths: &[P],
        steps: Steps<'_>,
        open: OpenFor<'_>,
    ) -> Result<Vec<Self>, SourceError> {
        let mut found = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            let holds = if path.is_dir() { held(path) } else { Held::Nothing };
            let (model, step) = (path.is_file() || holds.is_model(), step_of(path, steps));
            let mut look = Look::default();
            if !model || (step.is_none() && path.is_dir()) {
                look = within(path, steps, (!model).then_some(open))?;
                // The files of the model itself say no step.
                look.passed.retain(|_| !model || !look.found.is_empty());
            }
            match step {
                _ if !look.found.is_empty() => {
                    if holds.lies_in(path) {
                        look.passed
                            .push((path.to_owned(), "the model in it has no step".to_owned()));
                    }
                    found.append(&mut look.found);
                }
                _ if !model => return Err(SourceError::file(path, nothing(&holds, &look.passed))),
                Some(step) => found.push(Self { step, path: path.to_owned() }),
                None if matches!(steps, Steps::Listed(_)) => found.push(Self::new(0, path)),
                None => match (noted(path, open).ok().flatten(), paths.len()) {
                    (Some(Inside { step, .. }), _) => found.push(Self::new(step, path)),
                    (None, 1) => found.push(Self::new(0, path)),
                    (None, _) => {
                        let why = "neither its name nor the file says a step; among several \
                                   checkpoints each has one, as in model-step1000.safetensors or \
                                   checkpoint-1000/ (--steps 0,1000,.. gives them)";
                        return Err(SourceError::file(path, why));
                    }
                },
            }
            if let (false, Some(list)) = (look.passed.is_empty(), listed(path, &look.passed)) {
                tracing::warn!("not taken from {}: {list}", path.display());
            }
        }
        if let Steps::Listed(steps) = steps {
            if steps.len() != found.len() {
                let names: Vec<String> =
                    found.iter().map(|c| c.path.display().to_string()).collect();
                let (n, m) = (steps.len(), found.len());
                let why = format!("{n} steps are listed for {m} checkpoints: {}", names.join(", "));
                let first = paths.first().map_or(Path::new(""), AsRef::as_ref);
                return Err(SourceError::file(first, why));
            }
            found.iter_mut().zip(steps).for_each(|(checkpoint, step)| checkpoint.step = *step);
        }
        found.sort_by(|a, b| (a.step, &a.path).cmp(&(b.step, &b.path)));
        match found.windows(2).find(|pair| pair[0].step == pair[1].step) {
            Some(pair) => {
                let (step, other) = (pair[0].step, pair[0].path.display());
                let why = format!(
                    "it is step {step}, and so is {other}: give the files of one series, or their \
                     steps (--steps, --step-pattern)"
                );
                Err(SourceError::file(&pair[1].path, why))
            }
            None => Ok(found),
        }
    }

    /// `num_attention_heads` (or GPT-2's `n_head`) of the config.json next to the weights; none if
    /// there is no such file or number.
    pub fn attention_heads(&self) -> Option<usize> {
        let config = self.config()?;
        let heads =
            ["num_attention_heads", "n_head"].iter().find_map(|key| config[*key].as_u64())?;
        usize::try_from(heads).ok()
    }

    /// The number of heads by which the model interleaves query, key and value although its names are
    /// GPT-2's: a GPTBigCode with a key for each head, by its config.json.
    pub fn interleaved_heads(&self) -> Option<usize> {
        let config = self.config()?;
        let interleaves = config["model_type"] == "gpt_bigcode" && config["multi_query"] == false;
        self.attention_heads().filter(|_| interleaves)
    }

    /// The config.json next to the weights.
    fn config(&self) -> Option<Value> {
        let text = std::fs::read(self.folder()?.join("config.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The folder that the weights lie in.
    fn folder(&self) -> Option<&Path> {
        if self.path.is_dir() { Some(self.path.as_path()) } else { self.path.parent() }
    }

    /// What the trainer logged at this step: the numbers in `log_history` of `trainer_state.json`,
    /// in its order. Empty if there is no such file next to the weights.
    pub fn logged(&self) -> Vec<(String, f64)> {
        self.log().remove(&self.step).unwrap_or_default()
    }

    /// What the trainer logged up to this step.
    pub(crate) fn log(&self) -> Logged {
        let path = self.folder().map(|f| f.join("trainer_state.json")).filter(|p| p.is_file());
        let mut logged = path.map(|path| logged(&path)).unwrap_or_default();
        logged.retain(|step, _| *step <= self.step);
        logged
    }

    /// What the file says of its step, if that is not the one in its name. Lightning counted from 0 in
    /// names once, and from 1 in files.
    ///
    /// The name may be that of a folder above the file; what the file in a folder is called then speaks, too.
    pub(crate) fn doubt(&self, file: &CheckpointFile) -> Option<String> {
        let mut names = self.path.ancestors().take(3);
        let says = names.find(|path| named(path) == Named::Step(self.step))?;
        let differs = |step: &u64| step.abs_diff(self.step) > 1;
        let noted = file.step().filter(|inside| inside.sure).map(|inside| inside.step);
        let noted = noted.or_else(|| global_step(&self.folder()?.join("trainer_state.json")));
        let inside = match noted {
            Some(noted) => {
                Some(noted).filter(differs).map(|step| format!("its trainer noted step {step}"))
            }
            None => match self.path.is_dir().then(|| held(&self.path)) {
                Some(Held::Model(model)) => match named(&model) {
                    Named::Step(step) if differs(&step) => {
                        let name = model.file_name().unwrap_or_default().display().to_string();
                        Some(format!("the file in it, {name}, says step {step}"))
                    }
                    _ => None,
                },
                _ => None,
            },
        }?;
        Some(format!(
            "the name of {} says step {}, and {inside}: the name counts (--steps gives others)",
            says.display(),
            self.step
        ))
    }
}

/// The step of a checkpoint whose name says none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The step that its trainer noted in it.
    Step(u64),
    /// The epoch in its name.
    Epoch(u64),
}

/// Opens a copy of a checkpoint, made in this folder, and says the step that its trainer noted.
///
/// # Errors
/// As [`CheckpointFile::open`]; or the copy cannot be made.
pub fn open_copy(
    path: &Path,
    folder: &Path,
) -> Result<(CheckpointFile, Option<Noted>), SourceError> {
    let file = CheckpointFile::open_copy(path, folder)?;
    let noted = noted_in(path, &file).map(|Inside { step, sure }| match named(path) {
        Named::Epoch(_) if !sure => Noted::Epoch(step),
        _ => Noted::Step(step),
    });
    Ok((file, noted))
}

/// Why a path has no checkpoints.
fn nothing(holds: &Held, passed: &[(PathBuf, String)]) -> String {
    if let Held::Refused(why) = holds {
        return why.clone();
    }
    let seen = match listed(Path::new(""), passed) {
        Some(list) => format!("; not taken: {list}"),
        None => String::new(),
    };
    format!(
        "no checkpoints in it: folders checkpoint-N or stepN that hold model.safetensors or \
         pytorch_model.bin, or files such as model-stepN.safetensors, ckpt_N.pt, \
         epoch=0-step=N.ckpt{seen} (--steps or --step-pattern say the steps of other names)"
    )
}

/// Names with their reasons, in one line; none of nothing.
fn listed(folder: &Path, passed: &[(PathBuf, String)]) -> Option<String> {
    let name = |path: &Path| match path.strip_prefix(folder) {
        Ok(rest) if !folder.as_os_str().is_empty() && !rest.as_os_str().is_empty() => {
            rest.display().to_string()
        }
        _ => path.file_name().unwrap_or(path.as_os_str()).display().to_string(),
    };
    let shown = passed.iter().take(LISTED).map(|(path, why)| format!("{} ({why})", name(path)));
    let shown: Vec<String> = shown.collect();
    let more = match passed.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    (!shown.is_empty()).then(|| shown.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: &str = "model.safetensors";

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
            message(&[path("optimizer.safetensors"), path("checkpoint-3")]).contains("says a step")
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
