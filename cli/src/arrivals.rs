//! Finds the complete checkpoints in a folder that a trainer is writing to.
//!
//! A trainer in another program sends no signal when a checkpoint is complete, and network file
//! systems send no events. So the folder is polled. A checkpoint is complete when its files had the
//! same names, sizes and times at two checks and a copy of it opens: the header of a safetensors file
//! fits its length, the directory of an archive can be read, all shards of an index are present. The
//! copy is what is analysed, so that a trainer may write the file again meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use neuromfa::internals::source::{Noted, checkpoints_within, is_state_of_training, open_copy};
use neuromfa::source::{Checkpoint, CheckpointFile};

use crate::steps::StepPattern;

/// The checkpoints of a folder that is being written to.
#[derive(Debug)]
pub struct Arrivals {
    folder: PathBuf,
    copies: PathBuf,
    tries: u32,
    steps: StepPattern,
    seen: BTreeMap<PathBuf, Seen>,
    twice: BTreeSet<PathBuf>,
    passed: BTreeMap<PathBuf, Passed>,
    waits: bool,            // whether it was said that there is nothing yet
    by_epoch: Option<bool>, // whether names that say no step count by their epochs: as the first did
}

/// The result of a check of the folder.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Arrived {
    /// The next complete checkpoint that was not reported before, in order of steps. A checkpoint that
    /// is still being written holds back those of later steps, so that they come in order.
    pub complete: Option<(Checkpoint, CheckpointFile)>,
    /// Checkpoints that cannot be read, with the reason; each once, unless it is written again.
    pub unreadable: Vec<(PathBuf, String)>,
    /// What else there is to say, each once.
    pub notes: Vec<String>,
    /// How many may still become complete.
    pub pending: usize,
    /// Whether anything was written since the last check.
    pub changed: bool,
}

#[derive(Debug)]
struct Seen {
    print: Fingerprint,
    state: State,
    analysed: Option<u64>, // the step as which an earlier content was reported
}

#[derive(Debug)]
enum State {
    /// Written to since the last check.
    Changing,
    /// Not written to, and did not open at this many checks; why.
    Unopened(u32, String),
    Reported,
}

/// What is passed over, and since how many checks.
#[derive(Debug)]
struct Passed {
    why: String,
    checks: u32,
}

/// Names, sizes and times of a checkpoint's files.
type Fingerprint = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Checks after which a checkpoint that is not written to and does not open is given up.
const TRIES: u32 = 30;
/// Checks after which it is said what is waited for.
const SAID: u32 = 5;

impl Arrivals {
    /// The checkpoints of a folder, which need not exist yet; everything in it is new. They are
    /// those that [`Checkpoint::find`] finds in it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            copies: std::env::temp_dir(),
            tries: TRIES,
            steps: StepPattern::default(),
            seen: BTreeMap::new(),
            twice: BTreeSet::new(),
            passed: BTreeMap::new(),
            waits: false,
            by_epoch: None,
        }
    }

    /// The number of checks, 1 or more, after which a checkpoint that is not written to and does
    /// not open is given up (default 30).
    pub fn give_up_after(mut self, looks: u32) -> Self {
        self.tries = looks.max(1);
        self
    }

    /// The folder for copies of checkpoints (default: the system's for temporary files).
    pub fn copies(mut self, folder: impl Into<PathBuf>) -> Self {
        self.copies = folder.into();
        self
    }

    /// How steps are found in names.
    pub fn steps(mut self, steps: StepPattern) -> Self {
        self.steps = steps;
        self
    }

    /// Checks the folder. If it cannot be read, nothing is new.
    pub fn look(&mut self) -> Arrived {
        let mut arrived = Arrived::default();
        let look = match self.steps.with(|steps| checkpoints_within(&self.folder, steps)) {
            Ok(look) => look,
            Err(error) => {
                tracing::debug!("{error}");
                self.wait_for_the_first(&mut arrived);
                return arrived;
            }
        };
        // Those whose names say no step come in the order of their names.
        let known = look.found.into_iter().map(|c| (c.step, Some(c.step), c.path));
        let silent = look.silent.into_iter().enumerate().map(|(k, path)| (k as u64, None, path));
        let mut now: Vec<(u64, Option<u64>, PathBuf)> = known.chain(silent).collect();
        now.sort();
        let here: BTreeSet<&PathBuf> = now.iter().map(|(.., path)| path).collect();
        self.seen.retain(|path, seen| {
            let is_lost = !here.contains(path) && !matches!(seen.state, State::Reported);
            if is_lost && !path.exists() {
                let path = path.display();
                arrived.notes.push(format!("{path} was removed before it could be analysed"));
            }
            here.contains(path)
        });
        if now.is_empty() {
            self.wait_for_the_first(&mut arrived);
        }
        let mut last = None;
        for (_, step, path) in now {
            if step.is_some() && last == step {
                if self.twice.insert(path.clone()) {
                    let step = step.unwrap_or_default();
                    let why = format!("another checkpoint is step {step} too");
                    arrived.unreadable.push((path, why));
                }
                continue;
            }
            last = step.or(last);
            self.check(step, path, &mut arrived);
        }
        self.pass(look.passed, &mut arrived);
        arrived
    }

    /// Says once that there is no checkpoint yet.
    fn wait_for_the_first(&mut self, arrived: &mut Arrived) {
        if !std::mem::replace(&mut self.waits, true) {
            let folder = self.folder.display();
            let what = if self.folder.is_dir() { "no checkpoint yet" } else { "not there yet" };
            arrived.notes.push(format!("{folder}: {what}, waiting for the first"));
        }
    }

    /// Checks a checkpoint.
    fn check(&mut self, step: Option<u64>, path: PathBuf, arrived: &mut Arrived) {
        let print = fingerprint(&path);
        let seen = match self.seen.get_mut(&path) {
            Some(seen) if seen.print == print => seen,
            Some(seen) => {
                let same_weights = same_weights(&seen.print, &print);
                seen.print = print;
                arrived.changed = true;
                if !(matches!(seen.state, State::Reported) && same_weights) {
                    seen.state = State::Changing;
                    arrived.pending += 1;
                }
                return;
            }
            None => {
                arrived.changed = true;
                arrived.pending += 1;
                let seen = Seen { print, state: State::Changing, analysed: None };
                self.seen.insert(path, seen);
                return;
            }
        };
        let tries = match &seen.state {
            State::Reported => return,
            // Those before it are still being written, or another one is being reported.
            _ if arrived.pending > 0 || arrived.complete.is_some() => {
                arrived.pending += 1;
                return;
            }
            State::Changing => 1,
            State::Unopened(tries, _) => tries + 1,
        };
        match open_copy(&path, &self.copies) {
            // It was written to while it was copied.
            Ok(_) if fingerprint(&path) != seen.print => {
                seen.state = State::Changing;
                arrived.changed = true;
                arrived.pending += 1;
            }
            Ok((file, noted)) => {
                seen.state = State::Reported;
                let step = match (step, noted) {
                    (Some(step), _) => Some(step),
                    (None, Some(Noted::Step(step) | Noted::Epoch(step))) => {
                        let epoch = matches!(noted, Some(Noted::Epoch(_)));
                        if *self.by_epoch.get_or_insert(epoch) != epoch {
                            let (this, others) = match epoch {
                                true => ("only its name says an epoch", "noted their steps"),
                                false => ("its trainer noted a step", "count by their epochs"),
                            };
                            let why = format!("{this}, and the checkpoints before it {others}");
                            arrived.unreadable.push((path, why));
                            return;
                        }
                        Some(step)
                    }
                    (None, None) => None,
                };
                match (step, seen.analysed) {
                    (None, _) => {
                        let why = "neither its name nor the file says a step (--step-pattern finds one \
                                   in other names)";
                        arrived.unreadable.push((path, why.to_owned()));
                    }
                    (Some(step), Some(analysed)) if step == analysed => arrived.notes.push(format!(
                        "{} was written again after step {step} was analysed: the row is that of the \
                         earlier weights (analyze with --overwrite analyses all again)",
                        path.display()
                    )),
                    (Some(step), _) => {
                        seen.analysed = Some(step);
                        arrived.complete = Some((Checkpoint::new(step, path), file));
                    }
                }
            }
            Err(error) if tries >= self.tries => {
                seen.state = State::Reported;
                arrived.unreadable.push((path, error.to_string()));
            }
            Err(error) => {
                tracing::debug!("{} is not complete yet: {error}", path.display());
                if tries == SAID {
                    arrived.notes.push(format!("waiting for {}: {error}", path.display()));
                }
                seen.state = State::Unopened(tries, error.to_string());
                arrived.pending += 1;
            }
        }
    }

    /// Says what is passed over, once it has been for as long as a checkpoint is waited for.
    fn pass(&mut self, passed: Vec<(PathBuf, String)>, arrived: &mut Arrived) {
        let now: BTreeMap<PathBuf, String> = passed.into_iter().collect();
        self.passed.retain(|path, passed| now.get(path) == Some(&passed.why));
        for (path, why) in now {
            let passed = self.passed.entry(path).or_insert(Passed { why, checks: 0 });
            passed.checks = passed.checks.saturating_add(1);
        }
        let tries = self.tries;
        for (path, passed) in self.passed.iter().filter(|(_, passed)| passed.checks == tries) {
            arrived.notes.push(format!("{} is left out: {}", path.display(), passed.why));
        }
    }

    /// What is left out at the end of a watch and was not said.
    pub fn left(&self) -> Vec<String> {
        let passed = self.passed.iter().filter(|(_, passed)| passed.checks < self.tries);
        let passed = passed.map(|(path, passed)| (path, passed.why.as_str()));
        let pending = self.seen.iter().filter_map(|(path, seen)| match &seen.state {
            State::Unopened(_, why) => Some((path, why.as_str())),
            State::Changing => Some((path, "it was still being written")),
            State::Reported => None,
        });
        let said = passed.chain(pending);
        said.map(|(path, why)| format!("{} is left out: {why}", path.display())).collect()
    }
}

/// All files of a folder count, and those of the folders in it: the trainer's log is often written
/// after the weights.
fn fingerprint(path: &Path) -> Fingerprint {
    let within = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let files = match path.is_dir() {
        true => within(path)
            .into_iter()
            .flat_map(|file| match file.is_dir() {
                true => within(&file),
                false => vec![file],
            })
            .collect(),
        false => vec![path.to_owned()],
    };
    let of = |file: PathBuf| {
        let data = std::fs::metadata(&file).ok()?;
        Some((file, (data.len(), data.modified().ok())))
    };
    files.into_iter().filter_map(of).collect()
}

/// Whether the files that were there, but for the state of training, are as they were.
fn same_weights(before: &Fingerprint, now: &Fingerprint) -> bool {
    const OTHERS: [&str; 3] = ["train", "events", "latest"];
    let is_other = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let other = OTHERS.iter().any(|start| name.starts_with(start)) || name.ends_with(".json");
        other || is_state_of_training(path)
    };
    // A checkpoint of one file is its weights, whatever it is called.
    let of_folder = before.len() > 1;
    before.iter().all(|(path, was)| of_folder && is_other(path) || now.get(path) == Some(was))
}

#[cfg(test)]
mod tests {
    use super::*;
    use neuromfa::source::{Memory, save};

    fn write(path: &Path) {
        write_value(path, 0.5);
    }

    fn write_value(path: &Path, value: f32) {
        let weights = Memory::new();
        weights.set("0.weight", &[2, 3], vec![value; 6]).unwrap();
        save(path, &weights, &["0.weight"]).unwrap();
    }

    fn step(arrived: &Arrived) -> Option<u64> {
        arrived.complete.as_ref().map(|(checkpoint, _)| checkpoint.step)
    }

    #[test]
    fn a_checkpoint_that_grows_is_told_of_when_it_is_at_rest_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("whole");
        write(&whole);
        let bytes = std::fs::read(&whole).unwrap();
        std::fs::remove_file(&whole).unwrap();
        let path = dir.path().join("ckpt_5.pt");
        let mut arrivals = Arrivals::new(dir.path());
        for end in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            for at_rest in [false, true, true] {
                let arrived = arrivals.look();
                assert_eq!((step(&arrived), arrived.pending), (None, 1), "{end}");
                assert_eq!(arrived.changed, !at_rest, "{end}");
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        assert!(arrivals.look().complete.is_none());
        assert_eq!(step(&arrivals.look()), Some(5));
        let arrived = arrivals.look();
        assert!(step(&arrived).is_none() && arrived.pending == 0 && !arrived.changed);
    }

    #[test]
    fn later_steps_wait_for_earlier_ones_until_these_are_given_up() {
        let dir = tempfile::tempdir().unwrap();
        for step in [30, 20] {
            write(&dir.path().join(format!("model-step{step}.safetensors")));
        }
        let broken = dir.path().join("model-step10.safetensors");
        std::fs::write(&broken, "cut").unwrap();
        let mut arrivals = Arrivals::new(dir.path()).give_up_after(3);
        for _ in 0..3 {
            let arrived = arrivals.look();
            assert_eq!((step(&arrived), arrived.pending), (None, 3));
        }
        let arrived = arrivals.look();
        assert_eq!((step(&arrived), arrived.pending), (Some(20), 1));
        let [(path, why)] = &arrived.unreadable[..] else { panic!("{arrived:?}") };
        assert_eq!(path, &broken);
        assert!(why.contains("not a whole safetensors file"), "{why}");
        let arrived = arrivals.look();
        assert_eq!((step(&arrived), arrived.pending), (Some(30), 0));
        assert!(step(&arrivals.look()).is_none());
        // After another write, it is checked again.
        write(&broken);
        arrivals.look();
        assert_eq!(step(&arrivals.look()), Some(10));
    }

    #[test]
    fn a_folder_is_whole_when_all_its_shards_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut arrivals = Arrivals::new(dir.path().join("later"));
        assert!(arrivals.look().notes[0].contains("not there yet, waiting for the first"));
        assert!(arrivals.look().notes.is_empty());
        let folder = dir.path().join("later/checkpoint-7");
        std::fs::create_dir_all(&folder).unwrap();
        let index = r#"{"weight_map": {"0.weight": "a.safetensors"}}"#;
        std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
        arrivals.look();
        assert_eq!((step(&arrivals.look()), arrivals.look().pending), (None, 1));
        write(&folder.join("a.safetensors"));
        arrivals.look();
        assert_eq!(step(&arrivals.look()), Some(7));
        // A temporary name, and a step that exists already.
        let folder = dir.path().join("later");
        write(&folder.join("tmp-step8.safetensors"));
        write(&folder.join("m-step7.safetensors"));
        arrivals.look();
        let arrived = arrivals.look();
        assert_eq!((step(&arrived), arrived.pending), (None, 0));
    }

    #[test]
    fn what_is_written_again_removed_or_without_a_step_is_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint-5");
        std::fs::create_dir(&path).unwrap();
        write(&path.join("model.safetensors"));
        let mut arrivals = Arrivals::new(dir.path()).give_up_after(3);
        arrivals.look();
        assert_eq!(step(&arrivals.look()), Some(5));
        // What trainers write after the weights is no other checkpoint.
        std::fs::write(path.join("optimizer.pt"), "state").unwrap();
        std::fs::write(path.join("trainer_state.json"), "{}").unwrap();
        let notes = |arrivals: &mut Arrivals, n: usize| -> Vec<String> {
            (0..n).flat_map(|_| arrivals.look().notes).collect()
        };
        assert_eq!(notes(&mut arrivals, 4), Vec::<String>::new());
        std::fs::remove_file(path.join("model.safetensors")).unwrap();
        write_value(&path.join("model.safetensors"), 0.25);
        let said = notes(&mut arrivals, 5);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("checkpoint-5 was written again after step 5 was analysed"));

        let early = dir.path().join("ckpt_6.pt");
        std::fs::write(&early, "cut").unwrap();
        write(&dir.path().join("ckpt_7_final.pt"));
        arrivals.look();
        std::fs::remove_file(&early).unwrap();
        let said = notes(&mut arrivals, 6);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("ckpt_6.pt was removed before it could be analysed"), "{said:?}");
        assert!(said[1].contains("ckpt_7_final.pt is left out: no number"), "{said:?}");
        std::fs::write(dir.path().join("ckpt_8.pt"), "cut").unwrap();
        arrivals.look();
        arrivals.look();
        assert!(arrivals.left()[0].contains("ckpt_8.pt is left out"), "{:?}", arrivals.left());
    }

    /// Its name is always the same; the step is in the file.
    #[test]
    fn a_file_that_is_rewritten_in_place_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ckpt.safetensors");
        let write = |step: u64| {
            let header = format!(
                "{{\"__metadata__\":{{\"step\":\"{step}\"}},\"w\":{{\"dtype\":\"F32\",\"shape\":[1,2],\
                 \"data_offsets\":[0,8]}}}}"
            );
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.bytes());
            bytes.extend([step as u8; 8]);
            std::fs::write(&path, bytes).unwrap();
        };
        let mut arrivals = Arrivals::new(dir.path());
        for at in [5, 70, 900] {
            write(at);
            let arrived: Vec<_> = (0..4).filter_map(|_| step(&arrivals.look())).collect();
            assert_eq!(arrived, [at]);
        }
        std::fs::write(&path, "").unwrap();
        for _ in 0..4 {
            assert!(arrivals.look().complete.is_none());
        }
    }
}
