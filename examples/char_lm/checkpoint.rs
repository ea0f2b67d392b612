//! Checkpoints in the layout of Hugging Face's Trainer:
//!
//!     RUN/checkpoints/checkpoint-120/
//!         model.safetensors     weights
//!         config.json           shape of the model
//!         vocab.json            character → token
//!         training_args.json    what the run was started with
//!         trainer_state.json    the step, and what was logged until then
//!
//! A folder is written under another name and renamed: one with its final name is complete.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::nn::VarStore;

use crate::model::Config;
use crate::options::Options;
use crate::text::Text;

/// `trainer_state.json`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct TrainerState {
    pub global_step: u64,
    // one entry per analysed step, its scalars in the order in which they were logged
    pub log_history: Vec<Map<String, Value>>,
}

impl TrainerState {
    pub fn log(&mut self, step: u64, scalars: &[(&str, f64)]) {
        let mut entry: Map<_, _> =
            scalars.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        entry.insert("step".into(), step.into());
        self.global_step = step;
        self.log_history.push(entry);
    }
}

/// The files that are the same in every checkpoint of a run.
#[derive(Debug)]
pub struct Checkpoints {
    pub folder: PathBuf,
    pub config: Value,
    pub vocabulary: Value,
    pub arguments: Value,
}

impl Checkpoints {
    pub fn new(run: &Path, options: &Options, config: &Config, text: &Text) -> Result<Self> {
        let tokens = text.vocabulary.iter().map(char::to_string).zip((0..).map(Value::from));
        let mut arguments = serde_json::to_value(options)?;
        arguments["characters"] = text.len().into();
        Ok(Self {
            folder: run.join("checkpoints"),
            config: config.hugging_face(),
            vocabulary: tokens.collect(),
            arguments,
        })
    }

    pub fn save(&self, weights: &VarStore, state: &TrainerState) -> Result<()> {
        let name = format!("checkpoint-{}", state.global_step);
        let partial = self.folder.join(format!(".{name}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        weights.save(partial.join("model.safetensors"))?;
        write_json(&partial.join("config.json"), &self.config)?;
        write_json(&partial.join("vocab.json"), &self.vocabulary)?;
        write_json(&partial.join("training_args.json"), &self.arguments)?;
        write_json(&partial.join("trainer_state.json"), state)?;
        let complete = self.folder.join(name);
        fs::rename(&partial, &complete)
            .with_context(|| format!("cannot name {}", complete.display()))
    }

    /// The newest complete checkpoint.
    pub fn newest(&self) -> Result<Option<PathBuf>> {
        if !self.folder.exists() {
            return Ok(None);
        }
        let mut newest = None;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let step = name.and_then(|name| name.strip_prefix("checkpoint-")?.parse::<u64>().ok());
            newest = newest.max(step.map(|step| (step, path)));
        }
        Ok(newest.map(|(_, path)| path))
    }

    /// Loads a checkpoint's weights, after a check that this run wrote it.
    pub fn load(&self, checkpoint: &Path, weights: &mut VarStore) -> Result<TrainerState> {
        let arguments: Map<String, Value> = read_json(&checkpoint.join("training_args.json"))?;
        for (name, was) in &arguments {
            // A run may be extended; any other change makes it another run.
            let now = &self.arguments[name];
            ensure!(
                name == "steps" || now == was,
                "{} was made with {name} = {was}, not {now}: resume with the options of its start",
                checkpoint.display(),
            );
        }
        ensure!(
            read_json::<Value>(&checkpoint.join("vocab.json"))? == self.vocabulary,
            "{} knows other characters than the text has: resume with the text of its start",
            checkpoint.display(),
        );
        weights.load(checkpoint.join("model.safetensors"))?;
        read_json(&checkpoint.join("trainer_state.json"))
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    fs::write(path, serde_json::to_string_pretty(value)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GptNeoX;
    use serde_json::json;
    use tch::Device;

    const CONFIG: Config = Config { vocabulary: 5, blocks: 1, width: 32, context: 8 };

    fn checkpoints(run: &Path, batch: u64) -> Checkpoints {
        Checkpoints {
            folder: run.join("checkpoints"),
            config: CONFIG.hugging_face(),
            vocabulary: json!({"a": 0, "b": 1}),
            arguments: json!({"batch": batch, "steps": 100}),
        }
    }

    fn drawn_weights(seed: i64) -> VarStore {
        tch::manual_seed(seed);
        let weights = VarStore::new(Device::Cpu);
        GptNeoX::new(&weights.root(), &CONFIG);
        weights
    }

    #[test]
    fn weights_and_log_come_back_bit_for_bit() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints(run.path(), 4);
        let saved = drawn_weights(1);
        let mut state = TrainerState::default();
        checkpoints.save(&saved, &state).unwrap();
        state.log(9, &[("loss", 0.1 + 0.2), ("learning_rate", 1e-300)]);
        state.log(10, &[("loss", f64::from(0.1f32)), ("learning_rate", 5e-324)]);
        checkpoints.save(&saved, &state).unwrap();

        let newest = checkpoints.newest().unwrap().unwrap();
        assert!(newest.ends_with("checkpoint-10"), "{newest:?}");
        let mut loaded = drawn_weights(2);
        let found = checkpoints.load(&newest, &mut loaded).unwrap();
        assert_eq!(found.global_step, 10);
        assert_eq!(found.log_history, state.log_history);
        let names: Vec<_> = found.log_history[1].keys().collect();
        assert_eq!(names, ["loss", "learning_rate", "step"]);
        let loaded = loaded.variables();
        for (name, weight) in saved.variables() {
            assert!(weight.equal(&loaded[&name]), "{name}");
        }
    }

    #[test]
    fn an_unfinished_folder_is_no_checkpoint() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints(run.path(), 4);
        fs::create_dir_all(checkpoints.folder.join(".checkpoint-3.partial")).unwrap();
        assert_eq!(checkpoints.newest().unwrap(), None);
        let state = TrainerState { global_step: 3, ..Default::default() };
        checkpoints.save(&drawn_weights(1), &state).unwrap();
        assert!(checkpoints.newest().unwrap().unwrap().ends_with("checkpoint-3"));
    }

    #[test]
    fn another_run_is_refused_by_the_option_that_differs() {
        let run = tempfile::tempdir().unwrap();
        checkpoints(run.path(), 4).save(&drawn_weights(1), &TrainerState::default()).unwrap();
        let other = checkpoints(run.path(), 8);
        let newest = other.newest().unwrap().unwrap();
        let error = other.load(&newest, &mut drawn_weights(1)).unwrap_err();
        assert!(error.to_string().contains("batch = 4, not 8"), "{error}");
    }
}
