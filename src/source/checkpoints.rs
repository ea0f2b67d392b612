//! Finds the checkpoints of a run: by their names, and by the steps that trainers note in them.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::SourceError;
use super::checkpoint_file::CheckpointFile;
use super::contents::is_known;
use super::folder::{Held, foreign, held, is_state_of_training};
use super::step_names::{
    Inside, Named, has_end_of_weights, has_no_end, is_average, is_copy, named, version,
};
use super::trainer_log::{Logged, global_step, logged};
use crate::network::natural_order;

/// A checkpoint and its step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The step.
    pub step: u64,
    /// A file of weights, or a folder that holds one, as [`super::CheckpointFile::open`] takes it.
    pub path: PathBuf,
}

/// How the steps of checkpoints are found.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)] // it holds a function
pub enum Steps<'a> {
    /// By the names, and by what trainers note in the files.
    Names,
    /// These, in the order of the paths, and of the names in a folder.
    Listed(&'a [u64]),
    /// What this finds in a name.
    Pattern(&'a dyn Fn(&str) -> Option<u64>),
}

/// The checkpoints in a folder, and what is not taken, with the reasons.
#[derive(Debug, Default)]
pub struct Look {
    /// In the order of their names.
    pub found: Vec<Checkpoint>,
    /// What may hold weights and is passed over.
    pub passed: Vec<(PathBuf, String)>,
    /// Where no name says a step: what may be checkpoints, if the files say one.
    pub silent: Vec<PathBuf>,
}

/// Why a name that trainers use for a while is passed over.
const PASSING: &str = "it is being written, or was left by a crash";
/// Names that a message lists.
const LISTED: usize = 8;

impl Checkpoint {
    /// The checkpoint of a step, whatever its name.
    pub fn new(step: u64, path: impl Into<PathBuf>) -> Self {
        Self { step, path: path.into() }
    }

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

/// The step in the name of a path, or of the folder that it lies in.
fn step_of(path: &Path, steps: Steps<'_>) -> Option<u64> {
    let by_name = |path: &Path| match (steps, named(path)) {
        (Steps::Listed(_), _) => None,
        (Steps::Pattern(pattern), _) => pattern(path.file_name()?.to_str()?),
        (Steps::Names, Named::Step(step)) => Some(step),
        (Steps::Names, _) => None,
    };
    // A model lies in the folder of its step, under any name.
    let parents = path.ancestors().skip(1).take(2);
    by_name(path).or_else(|| {
        let is_silent = matches!(named(path), Named::Silent(_) | Named::Copy);
        let parent = || parents.filter(|p| p.file_name().is_some()).find_map(by_name);
        if path.is_file() && is_silent || is_part_of_a_step(path) { parent() } else { None }
    })
}

/// Whether a folder is one that frameworks make in the folder of a step.
fn is_part_of_a_step(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.is_dir()
        && (name == "model_and_optim" || name.starts_with("pytorch_model_fsdp") || {
            path.join("adapter_config.json").is_file()
        })
}

/// Opens a checkpoint for its step.
pub type OpenFor<'o> = &'o dyn Fn(&Path) -> Result<CheckpointFile, SourceError>;

/// The step that a trainer noted in a checkpoint.
fn noted(path: &Path, open: OpenFor<'_>) -> Result<Option<Inside>, SourceError> {
    Ok(noted_in(path, &open(path)?))
}

fn noted_in(path: &Path, file: &CheckpointFile) -> Option<Inside> {
    let state = path.is_dir().then(|| global_step(&path.join("trainer_state.json"))).flatten();
    if let Some(step) = state {
        return Some(Inside { step, sure: true });
    }
    match named(path) {
        // What may be a step within the epoch says less than the epoch.
        Named::Epoch(step) => {
            file.step().filter(|inside| inside.sure).or(Some(Inside { step, sure: false }))
        }
        _ => file.step(),
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

/// The checkpoints in a folder. `inside` opens files for their steps where no name says one.
///
/// # Errors
/// [`SourceError`] when the folder cannot be listed.
pub(super) fn within(
    folder: &Path,
    steps: Steps<'_>,
    inside: Option<OpenFor<'_>>,
) -> Result<Look, SourceError> {
    let unreadable = |e: std::io::Error| SourceError::file(folder, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort_by(|a, b| by_name(a, b));
    let mut look = Look::default();
    let (mut epochs, mut silent) = (Vec::new(), Vec::new());
    for path in paths {
        let name = named(&path);
        let says = matches!(name, Named::Step(_) | Named::Epoch(_));
        if let Some(why) = unusable(&path, says) {
            look.passed.extend(why.map(|why| (path, why)));
            continue;
        }
        let pass = |why: &str| Some((path.clone(), why.to_owned()));
        let passed = match (steps, name) {
            (_, Named::Passing) => pass(PASSING),
            (Steps::Listed(_), Named::Copy) | (Steps::Names, Named::Copy) => {
                pass("a copy of another checkpoint, by its name")
            }
            (Steps::Listed(_), _) => {
                look.found.push(Checkpoint::new(0, &path));
                None
            }
            (Steps::Pattern(pattern), _) => {
                let text = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                match pattern(text) {
                    Some(step) => look.found.push(Checkpoint::new(step, &path)),
                    None => {
                        look.passed.push((path.clone(), "the pattern finds no step".to_owned()))
                    }
                }
                None
            }
            (Steps::Names, Named::Step(step)) => {
                look.found.push(Checkpoint::new(step, &path));
                None
            }
            (Steps::Names, Named::Epoch(epoch)) => {
                epochs.push((epoch, path.clone()));
                None
            }
            (Steps::Names, Named::Silent(why)) => {
                silent.push((why, path.clone()));
                None
            }
        };
        look.passed.extend(passed);
    }
    if let (true, Some(open)) = (look.found.is_empty(), inside) {
        look_inside(epochs, silent, &mut look, open);
    } else if look.found.is_empty() {
        let paths = epochs.into_iter().map(|(_, path)| path);
        look.silent = paths.chain(silent.into_iter().map(|(_, path)| path)).collect();
        look.silent.sort_by(|a, b| by_name(a, b));
    } else {
        let why = "its name says an epoch, others say steps".to_owned();
        look.passed.extend(epochs.into_iter().map(|(_, path)| (path, why.clone())));
        look.passed.extend(silent.into_iter().map(|(why, path)| (path, why.to_owned())));
    }
    without_averages(&mut look);
    one_of_each_step(&mut look);
    look.passed.sort();
    Ok(look)
}

/// None where a path may be a checkpoint; else the reason, where there is something to say.
fn unusable(path: &Path, says: bool) -> Option<Option<String>> {
    let passing = named(path) == Named::Passing;
    if path.is_dir() {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        return match held(path) {
            _ if hidden => Some(None),
            held if held.is_model() => None,
            Held::Refused(why) => Some(Some(why)),
            _ if passing => Some(Some(PASSING.to_owned())),
            _ => Some(says.then(|| "it holds no model under a usual name".to_owned())),
        };
    }
    if is_state_of_training(path) || !path.is_file() {
        return Some(None);
    }
    match has_end_of_weights(path) {
        true => None,
        false if has_no_end(path) && is_known(path) => None,
        false if has_no_end(path) => {
            let why = "it is in no format that is read, and has no end such as .safetensors or .pt";
            Some(says.then(|| why.to_owned()))
        }
        false => Some(foreign(path).filter(|_| says)),
    }
}

/// Passes over averages of the weights next to the weights: they are another series.
fn without_averages(look: &mut Look) {
    let all = look.found.iter().map(|c| &c.path).chain(&look.silent);
    if all.clone().all(|path| is_average(path)) {
        return;
    }
    let averages: Vec<PathBuf> = all.filter(|path| is_average(path)).cloned().collect();
    look.found.retain(|checkpoint| !averages.contains(&checkpoint.path));
    look.silent.retain(|path| !averages.contains(path));
    let why =
        "averages of the weights, by its name, are a series of their own: give these files alone";
    look.passed.extend(averages.into_iter().map(|path| (path, why.to_owned())));
}

/// Takes the steps that trainers noted in files; else the epochs in names.
fn look_inside(
    epochs: Vec<(u64, PathBuf)>,
    silent: Vec<(&'static str, PathBuf)>,
    look: &mut Look,
    open: OpenFor<'_>,
) {
    let inside = |path: &Path| match noted(path, open) {
        Ok(inside) => Ok(inside),
        Err(SourceError::File { source, .. }) => Err(source.to_string()),
        Err(other) => Err(other.to_string()),
    };
    let of_epochs: Vec<_> = epochs.iter().map(|(_, path)| inside(path)).collect();
    let all_noted = of_epochs.iter().flatten().flatten().all(|inside| inside.sure);
    for ((epoch, path), inside) in epochs.iter().zip(of_epochs) {
        match inside {
            Ok(Some(Inside { step, .. })) if all_noted => {
                look.found.push(Checkpoint::new(step, path))
            }
            Ok(_) => look.found.push(Checkpoint::new(*epoch, path)),
            Err(why) => look.passed.push((path.clone(), why)),
        }
    }
    let by_epoch = !look.found.is_empty() && !all_noted;
    for (why, path) in silent {
        match inside(&path) {
            Ok(Some(Inside { step, .. })) if !by_epoch => {
                look.found.push(Checkpoint::new(step, path))
            }
            Ok(_) => look.passed.push((path, format!("{why}, nor does the file"))),
            Err(why) => look.passed.push((path, why)),
        }
    }
}

/// The natural order of names.
fn by_name(a: &Path, b: &Path) -> Ordering {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    natural_order(&name(a), &name(b)).then_with(|| a.cmp(b))
}

/// Of several checkpoints of a step, passes over copies, then all but the newest of one name.
fn one_of_each_step(look: &mut Look) {
    let rank = |c: &Checkpoint| (!is_copy(&c.path), version(&c.path));
    let best = |step: u64, found: &[Checkpoint]| {
        found.iter().filter(|c| c.step == step).map(rank).max().unwrap_or_default()
    };
    let all = look.found.clone();
    look.found.retain(|checkpoint| {
        let best = best(checkpoint.step, &all);
        let keep = rank(checkpoint) == best;
        if !keep {
            let why = format!("another file of step {} is newer, by its name", checkpoint.step);
            look.passed.push((checkpoint.path.clone(), why));
        }
        keep
    });
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
