//! A run's checkpoints, found by their names.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::SourceError;
use super::safetensors::{NAMES, SINGLE};

/// A checkpoint and the step that its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The step.
    pub step: u64,
    /// A safetensors file, or a folder that holds one.
    pub path: PathBuf,
}

/// Words that a step number may follow in a name.
const WORDS: [&str; 4] = ["step", "checkpoint", "ckpt", "iter"];

impl Checkpoint {
    /// The checkpoints among files and folders, ordered by step.
    ///
    /// A folder is a checkpoint if it holds `model.safetensors` (or its index); else the
    /// checkpoints are taken that it holds: folders `checkpoint-N`, `stepN`, and files
    /// `*-stepN.safetensors`. A single file without a number in its name is step 0.
    ///
    /// # Errors
    /// [`SourceError::File`] with the path: absent, no checkpoint in it, no step in its name, or
    /// a step that is there twice.
    pub fn find<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Self>, SourceError> {
        let mut found = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            if path.is_file() || holds_model(path) {
                let step = match step_of(path) {
                    Some(step) => step,
                    None if paths.len() == 1 => 0,
                    None => {
                        return Err(refuse(
                            path,
                            "its name says no step; among several checkpoints each name ends in \
                             one, as in model-step1000.safetensors or checkpoint-1000/",
                        ));
                    }
                };
                found.push(Self { step, path: path.to_owned() });
            } else {
                found.extend(Self::within(path)?);
            }
        }
        found.sort_by(|a, b| (a.step, &a.path).cmp(&(b.step, &b.path)));
        match found.windows(2).find(|pair| pair[0].step == pair[1].step) {
            Some(pair) => {
                let (step, other) = (pair[0].step, pair[0].path.display());
                Err(refuse(&pair[1].path, &format!("it is step {step}, and so is {other}")))
            }
            None => Ok(found),
        }
    }

    fn within(folder: &Path) -> Result<Vec<Self>, SourceError> {
        let entries = std::fs::read_dir(folder).map_err(|e| refuse(folder, &e.to_string()))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| refuse(folder, &e.to_string()))?.path();
            let Some(step) = step_of(&path) else { continue };
            let file = path.extension().is_some_and(|e| e == "safetensors") && path.is_file();
            if file || holds_model(&path) {
                found.push(Self { step, path });
            } else if path.is_dir() {
                tracing::warn!("{} holds no {SINGLE}: passed over", path.display());
            }
        }
        if found.is_empty() {
            return Err(refuse(
                folder,
                "no checkpoints in it: folders checkpoint-N or stepN that hold model.safetensors, \
                 or files *-stepN.safetensors",
            ));
        }
        Ok(found)
    }

    /// `num_attention_heads` (or GPT-2's `n_head`) of the config.json beside the weights; nothing
    /// where there is no such file or number.
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

    /// What the trainer logged at this step: the numbers of `trainer_state.json`'s `log_history`,
    /// in its order. Nothing where there is no such file beside the weights.
    pub fn logged(&self) -> Vec<(String, f64)> {
        let Some(path) =
            self.folder().map(|f| f.join("trainer_state.json")).filter(|p| p.is_file())
        else {
            return Vec::new();
        };
        let state: Value = match std::fs::read(&path)
            .map_err(|e| e.to_string())
            .and_then(|text| serde_json::from_slice(&text).map_err(|e| e.to_string()))
        {
            Ok(state) => state,
            Err(why) => {
                tracing::warn!("{}: {why}: passed over", path.display());
                return Vec::new();
            }
        };
        let mut logged: Vec<(String, f64)> = Vec::new();
        for entry in state["log_history"].as_array().into_iter().flatten() {
            if entry["step"].as_u64() != Some(self.step) {
                continue;
            }
            let numbers = entry.as_object().into_iter().flatten();
            for (name, value) in numbers.filter_map(|(n, v)| Some((n, v.as_f64()?))) {
                if name != "step" && !logged.iter().any(|(earlier, _)| earlier == name) {
                    logged.push((name.clone(), value));
                }
            }
        }
        logged
    }
}

fn refuse(path: &Path, why: &str) -> SourceError {
    SourceError::File { path: path.display().to_string(), why: why.to_owned() }
}

fn holds_model(folder: &Path) -> bool {
    folder.is_dir() && NAMES.iter().any(|name| folder.join(name).is_file())
}

/// The number at the end of a name, if one of [`WORDS`] stands before it.
fn step_of(path: &Path) -> Option<u64> {
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() }?.to_str()?;
    let before = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = before.trim_end_matches(['-', '_', '.']).to_ascii_lowercase();
    let number = WORDS.iter().any(|w| word.ends_with(w)).then_some(&name[before.len()..])?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_in_names() {
        let step = |name: &str| step_of(Path::new(name));
        assert_eq!(step("neox-step300.safetensors"), Some(300));
        assert_eq!(step("checkpoint-0.safetensors"), Some(0));
        assert_eq!(step("global_step_12.safetensors"), Some(12));
        assert_eq!(step("model-00001-of-00002.safetensors"), None);
        assert_eq!(step("model.safetensors"), None);
        assert_eq!(step("gpt2.safetensors"), None);
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
        let steps = |paths: &[PathBuf]| {
            Checkpoint::find(paths).map(|found| found.iter().map(|c| c.step).collect::<Vec<_>>())
        };
        let path = |name: &str| dir.path().join(name);
        assert_eq!(steps(&[dir.path().to_owned()]).unwrap(), [3, 7, 20]);
        assert_eq!(steps(&[path("checkpoint-20")]).unwrap(), [20]);
        assert_eq!(steps(&[path("checkpoint-20"), path("m-step7.safetensors")]).unwrap(), [7, 20]);
        assert_eq!(steps(&[path("optimizer.safetensors")]).unwrap(), [0]);
        let message = |paths: &[PathBuf]| steps(paths).unwrap_err().to_string();
        assert!(
            message(&[path("optimizer.safetensors"), path("checkpoint-3")]).contains("no step")
        );
        assert!(message(&[path("logs")]).contains("no checkpoints in it"));
        assert!(message(&[path("nowhere")]).contains("nowhere"));
        assert!(message(&[path("checkpoint-3"), path("checkpoint-3")]).contains("and so is"));
    }

    #[test]
    fn the_trainers_log_is_read_at_its_step() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("checkpoint-20");
        std::fs::create_dir(&folder).unwrap();
        let state = r#"{"global_step": 20, "log_history": [{"loss": 3.0, "step": 10},
            {"loss": 2.5, "lr": 1e-3, "note": "x", "step": 20}, {"eval_loss": 2.7, "step": 20}]}"#;
        std::fs::write(folder.join("trainer_state.json"), state).unwrap();
        let checkpoint = Checkpoint { step: 20, path: folder };
        let expected = [("loss", 2.5), ("lr", 1e-3), ("eval_loss", 2.7)];
        assert_eq!(checkpoint.logged(), expected.map(|(n, v)| (n.to_owned(), v)));
    }
}
