//! Finds the complete checkpoints in a folder that a trainer is writing to.
//!
//! A trainer in another program sends no signal when a checkpoint is complete, and network file
//! systems send no events. So the folder is polled. A checkpoint is complete when its files had the
//! same names, sizes and times at two checks and it opens: the header of a safetensors file fits its
//! length, the directory of an archive can be read, all shards of an index are present.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use neuromfa::internals::source::checkpoints_within;
use neuromfa::source::{Checkpoint, CheckpointFile};

/// The checkpoints of a folder that is being written to.
#[derive(Debug)]
pub struct Arrivals {
    folder: PathBuf,
    tries: u32,
    seen: BTreeMap<(u64, PathBuf), Seen>,
    twice: BTreeSet<PathBuf>,
}

/// The result of a check of the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrived {
    /// Complete checkpoints that were not reported before, ordered by step. A checkpoint that is still
    /// being written holds back those of later steps, so that they come in order.
    pub complete: Vec<Checkpoint>,
    /// Checkpoints that cannot be read, with the reason; each once, unless it is written again.
    pub unreadable: Vec<(PathBuf, String)>,
    /// How many may still become complete.
    pub pending: usize,
    /// Whether anything was written since the last check.
    pub changed: bool,
}

#[derive(Debug)]
struct Seen {
    print: Fingerprint,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Written to since the last check.
    Changing,
    /// Not written to, and did not open at this many checks.
    Unopened(u32),
    Reported,
}

/// Names, sizes and times of a checkpoint's files.
type Fingerprint = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Checks after which a checkpoint that is not written to and does not open is given up.
const TRIES: u32 = 30;

impl Arrivals {
    /// The checkpoints of a folder, which need not exist yet; everything in it is new. They are
    /// those that [`Checkpoint::find`] finds in it, without names that begin with a dot or `tmp-`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let (seen, twice) = (BTreeMap::new(), BTreeSet::new());
        Self { folder: folder.into(), tries: TRIES, seen, twice }
    }

    /// The number of checks, 1 or more, after which a checkpoint that is not written to and does
    /// not open is given up (default 30).
    pub fn give_up_after(mut self, looks: u32) -> Self {
        self.tries = looks.max(1);
        self
    }

    /// Checks the folder. If it cannot be read, nothing is new.
    pub fn look(&mut self) -> Arrived {
        let mut arrived = Arrived::default();
        let found = match checkpoints_within(&self.folder) {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!("{error}");
                return arrived;
            }
        };
        let mut now = BTreeMap::new();
        for checkpoint in found.into_iter().filter(|c| !is_passing(&c.path)) {
            now.insert((checkpoint.step, checkpoint.path.clone()), fingerprint(&checkpoint.path));
        }
        self.seen.retain(|key, _| now.contains_key(key));
        let mut last = None;
        for ((step, path), print) in now {
            if last == Some(step) {
                if self.twice.insert(path.clone()) {
                    let why = format!("another checkpoint is step {step} too");
                    arrived.unreadable.push((path, why));
                }
                continue;
            }
            last = Some(step);
            let known = self.seen.get(&(step, path.clone())).is_some_and(|s| s.print == print);
            if !known {
                arrived.changed = true;
                arrived.pending += 1;
                self.seen.insert((step, path), Seen { print, state: State::Changing });
                continue;
            }
            let Some(seen) = self.seen.get_mut(&(step, path.clone())) else { continue };
            let tries = match seen.state {
                State::Reported => continue,
                // Those before it are still being written.
                _ if arrived.pending > 0 => {
                    arrived.pending += 1;
                    continue;
                }
                State::Changing => 1,
                State::Unopened(tries) => tries + 1,
            };
            match CheckpointFile::open(&path) {
                Ok(_) => {
                    seen.state = State::Reported;
                    arrived.complete.push(Checkpoint::new(step, path));
                }
                Err(error) if tries >= self.tries => {
                    seen.state = State::Reported;
                    arrived.unreadable.push((path, error.to_string()));
                }
                Err(error) => {
                    tracing::debug!("{} is not complete yet: {error}", path.display());
                    seen.state = State::Unopened(tries);
                    arrived.pending += 1;
                }
            }
        }
        arrived
    }
}

/// Whether a trainer uses this name until the checkpoint is complete.
fn is_passing(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with('.') || name.starts_with("tmp-")
}

/// All files of a folder count: the trainer's log is often written after the weights.
fn fingerprint(path: &Path) -> Fingerprint {
    let files = match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![path.to_owned()],
    };
    let of = |file: PathBuf| {
        let data = std::fs::metadata(&file).ok()?;
        Some((file, (data.len(), data.modified().ok())))
    };
    files.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use neuromfa::source::{Memory, save};

    fn write(path: &Path) {
        let weights = Memory::new();
        weights.set("0.weight", &[2, 3], vec![0.5_f32; 6]).unwrap();
        save(path, &weights, &["0.weight"]).unwrap();
    }

    fn steps(arrived: &Arrived) -> Vec<u64> {
        arrived.complete.iter().map(|checkpoint| checkpoint.step).collect()
    }

    #[test]
    fn a_checkpoint_that_grows_is_told_of_when_it_is_at_rest_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("whole");
        write(&whole);
        let bytes = std::fs::read(&whole).unwrap();
        let path = dir.path().join("ckpt_5.pt");
        let mut arrivals = Arrivals::new(dir.path());
        for end in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            for at_rest in [false, true, true] {
                let arrived = arrivals.look();
                assert_eq!((steps(&arrived), arrived.pending), (vec![], 1), "{end}");
                assert_eq!(arrived.changed, !at_rest, "{end}");
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        assert!(arrivals.look().complete.is_empty());
        assert_eq!(steps(&arrivals.look()), [5]);
        assert_eq!(arrivals.look(), Arrived::default());
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
            assert_eq!((steps(&arrived), arrived.pending), (vec![], 3));
        }
        let arrived = arrivals.look();
        assert_eq!((steps(&arrived), arrived.pending), (vec![20, 30], 0));
        let [(path, why)] = &arrived.unreadable[..] else { panic!("{arrived:?}") };
        assert_eq!(path, &broken);
        assert!(why.contains("not a whole safetensors file"), "{why}");
        assert_eq!(arrivals.look(), Arrived::default());
        // After another write, it is checked again.
        write(&broken);
        arrivals.look();
        assert_eq!(steps(&arrivals.look()), [10]);
    }

    #[test]
    fn a_folder_is_whole_when_all_its_shards_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut arrivals = Arrivals::new(dir.path().join("later"));
        assert_eq!(arrivals.look(), Arrived::default());
        let folder = dir.path().join("later/checkpoint-7");
        std::fs::create_dir_all(&folder).unwrap();
        let index = r#"{"weight_map": {"0.weight": "a.safetensors"}}"#;
        std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
        arrivals.look();
        assert_eq!((steps(&arrivals.look()), arrivals.look().pending), (vec![], 1));
        write(&folder.join("a.safetensors"));
        arrivals.look();
        assert_eq!(steps(&arrivals.look()), [7]);
        // A temporary name, and a step that exists already.
        let folder = dir.path().join("later");
        write(&folder.join("tmp-step8.safetensors"));
        write(&folder.join("m-step7.safetensors"));
        arrivals.look();
        let arrived = arrivals.look();
        assert_eq!((steps(&arrived), arrived.pending), (vec![], 0));
    }
}
