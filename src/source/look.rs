//! What a folder holds as checkpoints, and what in it is passed over, with the reasons.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::checkpoint_file::CheckpointFile;
use super::contents::is_known;
use super::error::SourceError;
use super::folder::{Held, foreign, held, is_state_of_training};
use super::step_names::{
    Inside, Named, has_end_of_weights, has_no_end, is_average, is_copy, named, version,
};
use super::trainer_log::global_step;
use crate::network::natural_order;

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
/// The step in the name of a path, or of the folder that it lies in.
pub(super) fn step_of(path: &Path, steps: Steps<'_>) -> Option<u64> {
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
pub(super) fn noted(path: &Path, open: OpenFor<'_>) -> Result<Option<Inside>, SourceError> {
    Ok(noted_in(path, &open(path)?))
}

pub(super) fn noted_in(path: &Path, file: &CheckpointFile) -> Option<Inside> {
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
