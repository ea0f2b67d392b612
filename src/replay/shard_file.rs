//! The file of a shard: what one process has measured of a series of checkpoints.
//!
//! It begins with a line that says what it is. Then come frames: the length of a text or a value and its
//! XXH3 hash, in 8 bytes each, and its bytes. The first frame is a [`Header`] in JSON. Each of the others is an
//! [`Entry`] in CBOR, which holds every float exactly, NaN too: one for each checkpoint of the shard, in the
//! order of the steps. A process that is killed leaves whole frames and at most one that is cut short; a resume
//! removes that one.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::Hasher;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::examine::Examined;
use super::facts::Facts;
use crate::analysis::Baseline;
use crate::error::Error;
use crate::network::Draw;
use crate::pipeline::Step;
use crate::record::{Difference, RunConfig, difference};

/// How the file begins, of any version.
const KIND: &[u8] = b"neuromfa shard ";
/// Of this one.
const MAGIC: &[u8] = b"neuromfa shard 1\n";
/// Bytes before those of a frame.
const HEAD: u64 = 16;

/// Which of the shards of a series: the `index`-th of `count`, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// None unless `index` is in 1 to `count`.
    pub fn new(index: usize, count: usize) -> Option<Self> {
        (1..=count).contains(&index).then_some(Self { index, count })
    }

    /// Which of `n` checkpoints are its own: neighbours, about as many as those of the others.
    pub fn own(self, n: usize) -> std::ops::Range<usize> {
        let from = |k: usize| (n as u128 * k as u128 / self.count as u128) as usize;
        from(self.index - 1)..from(self.index)
    }

    pub(super) fn index(self) -> usize {
        self.index
    }

    /// All shards of the series, this one among them.
    pub(super) fn all(self) -> impl Iterator<Item = Self> {
        (1..=self.count).map(move |index| Self { index, ..self })
    }

    /// Its file in a folder.
    pub fn file(self, folder: &Path) -> PathBuf {
        folder.join(format!("shard-{}-of-{}.bin", self.index, self.count))
    }

    /// The shard of which a file has the name.
    pub(super) fn named(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("shard-")?.strip_suffix(".bin")?;
        let (index, count) = name.split_once("-of-")?;
        let shard = Self::new(index.parse().ok()?, count.parse().ok()?)?;
        (shard.file(Path::new("")).as_os_str() == path.file_name()?).then_some(shard)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// What all shards of a series have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) neuromfa: String, // version
    pub(super) shard: Shard,
    /// Steps and paths of all checkpoints.
    pub(super) series: Vec<(u64, String)>,
    pub(super) config: RunConfig,
    pub(super) nodes: Draw,
    pub(super) baseline: Baseline,
    pub(super) tensorboard: bool,
    pub(super) allows_gaps: bool,
}

/// What was measured of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) facts: Facts,
    pub(super) earlier: Vec<Step>, // logged since the last checkpoint
    pub(super) at: Step,
    pub(super) examined: Examined,
}

impl Header {
    /// The first thing in which the shards of a series must agree and these do not, `other` first.
    pub(super) fn difference(&self, other: &Self) -> Option<Difference> {
        let comparable = |header: &Self| Self {
            shard: Shard { index: 0, ..header.shard },
            config: RunConfig { origin: Default::default(), ..header.config.clone() },
            baseline: Baseline { entries: Default::default(), ..header.baseline.clone() },
            ..header.clone()
        };
        let [one, two] = [other, self].map(|header| &header.baseline.entries);
        difference("", &comparable(other), &comparable(self)).or_else(|| {
            (one != two).then(|| Difference {
                key: "baseline.entries".to_owned(),
                recorded: format!("of {} matrices", one.len()),
                current: format!("of {} matrices, with other values", two.len()),
            })
        })
    }

    /// Holds the entries of the baseline only once, if they are those of another header.
    pub(super) fn share_entries(&mut self, other: &Self) {
        if self.baseline.entries == other.baseline.entries {
            self.baseline.entries = std::sync::Arc::clone(&other.baseline.entries);
        }
    }

    /// The steps of the shard's own checkpoints.
    pub(super) fn own_steps(&self) -> Vec<u64> {
        self.series[self.shard.own(self.series.len())].iter().map(|(step, _)| *step).collect()
    }
}

/// What the file of a shard has.
pub(super) enum Found {
    /// A header, and entries after it.
    Begun(Box<ShardReader>, Box<Header>),
    /// No complete header.
    Cut {
        /// Whether more follows, so that no process was stopped while it wrote the header.
        damaged: bool,
    },
    /// What this version does not read.
    Other(String),
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read it ({0}): correct that, or analyse this shard again (overwrite)")]
struct Unreadable(#[source] std::io::Error);

/// An error that names a file.
pub(super) fn failed(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Shard { path: path.to_owned(), source: source.into() }
}

/// Reads the frames of a shard.
pub(super) struct ShardReader {
    path: PathBuf,
    file: BufReader<File>,
    length: u64,
    end: u64, // of the whole frames that were read
    damaged: bool,
    digest: XxHash3_64, // of the lengths and hashes of these frames
}

impl ShardReader {
    /// Reads the header.
    pub(super) fn open(path: &Path) -> Result<Found, Error> {
        let fail = |e| failed(path, Unreadable(e));
        let file = File::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let mut reader = Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            length,
            end: MAGIC.len() as u64,
            damaged: false,
            digest: XxHash3_64::new(),
        };
        let mut magic = Vec::new();
        reader.file.by_ref().take(reader.end).read_to_end(&mut magic).map_err(fail)?;
        if !MAGIC.starts_with(&magic) {
            let why = "it is no shard that this version of neuromfa wrote";
            return match magic.starts_with(KIND) {
                true => Ok(Found::Other(why.to_owned())),
                false => {
                    Err(failed(path, format!("{why}: remove it, and analyse this shard again")))
                }
            };
        }
        let Some(text) = reader.frame()? else {
            return Ok(Found::Cut { damaged: reader.damaged });
        };
        let header: Header = match serde_json::from_slice(&text) {
            Ok(header) => header,
            Err(why) => return Ok(Found::Other(unknown(why))),
        };
        let Shard { index, count } = header.shard;
        let ascending = header.series.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if Shard::new(index, count).is_none() || !ascending {
            return Err(failed(
                path,
                "its header is damaged: analyse this shard again (overwrite)",
            ));
        }
        Ok(Found::Begun(Box::new(reader), Box::new(header)))
    }

    /// The next entry; none at the end of what is whole.
    pub(super) fn entry(&mut self) -> Result<Option<Entry>, Error> {
        let Some(bytes) = self.frame()? else { return Ok(None) };
        let entry = ciborium::from_reader(&bytes[..]).map(Some);
        entry.map_err(|e| failed(&self.path, unknown(e)))
    }

    /// Counts the entries that are whole, up to `most`.
    pub(super) fn count(&mut self, most: usize) -> Result<usize, Error> {
        for counted in 0..most {
            if self.frame()?.is_none() {
                return Ok(counted);
            }
        }
        Ok(most)
    }

    /// Whether a frame had other bytes than were written, and more follows.
    pub(super) fn damaged(&self) -> bool {
        self.damaged
    }

    /// A hash of the frames that were read.
    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// The bytes of the next frame; none if it is not whole.
    fn frame(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let fail = |e| failed(&self.path, Unreadable(e));
        let rest = self.length.saturating_sub(self.end);
        if rest < HEAD {
            return Ok(None);
        }
        let mut head = [0; HEAD as usize];
        self.file.read_exact(&mut head).map_err(fail)?;
        let [length, hash] =
            [0, 8].map(|at| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes")));
        if length > rest - HEAD {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut bytes).map_err(fail)?;
        if XxHash3_64::oneshot(&bytes) != hash {
            // The last frame may be one that is being written.
            self.damaged = length < rest - HEAD;
            return Ok(None);
        }
        self.end += HEAD + length;
        self.digest.write(&head);
        Ok(Some(bytes))
    }
}

fn unknown(why: impl std::fmt::Display) -> String {
    format!("it is damaged, or another version of neuromfa wrote it ({why})")
}

/// Writes the frames of a shard. The file is locked while it lives.
pub(super) struct ShardWriter {
    path: PathBuf,
    file: File,
}

impl ShardWriter {
    /// Makes the file, or opens one that is there, and locks it. Says whether anything is in it.
    pub(super) fn open(path: &Path) -> Result<(Self, bool), Error> {
        let fail = |e: std::io::Error| failed(path, e);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(fail)?;
        // Where the file system has no locks, none is taken.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(failed(path, "another process is writing this shard"));
        }
        let mut begin = Vec::new();
        (&mut file).take(MAGIC.len() as u64).read_to_end(&mut begin).map_err(fail)?;
        if !MAGIC.starts_with(&begin) && !begin.starts_with(KIND) {
            return Err(failed(path, "neuromfa did not write this file: it is left as it is"));
        }
        Ok((Self { path: path.to_owned(), file }, !begin.is_empty()))
    }

    /// Begins the file.
    pub(super) fn begin(&mut self, header: &Header) -> Result<(), Error> {
        self.cut(0)?;
        self.write(MAGIC)?;
        let text = serde_json::to_vec(header).map_err(|e| failed(&self.path, e))?;
        self.frame(&text)
    }

    /// Continues after the whole frames that were read.
    pub(super) fn continue_after(&mut self, after: &ShardReader) -> Result<(), Error> {
        self.cut(after.end)
    }

    pub(super) fn add(&mut self, entry: &Entry) -> Result<(), Error> {
        let mut bytes = Vec::new();
        ciborium::into_writer(entry, &mut bytes).map_err(|e| failed(&self.path, e))?;
        self.frame(&bytes)
    }

    fn frame(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let head = [bytes.len() as u64, XxHash3_64::oneshot(bytes)].map(u64::to_le_bytes);
        self.write(&[&head.concat(), bytes].concat())?;
        self.file.sync_data().map_err(|e| failed(&self.path, e))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|e| failed(&self.path, e))
    }

    fn cut(&mut self, end: u64) -> Result<(), Error> {
        let cut = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        cut.map(|_| ()).map_err(|e| failed(&self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_checkpoints_evenly() {
        for count in 1..=9 {
            for n in 0..=20 {
                let own = |index| Shard::new(index, count).unwrap().own(n);
                let all: Vec<usize> = (1..=count).flat_map(own).collect();
                assert_eq!(all, (0..n).collect::<Vec<_>>(), "{n} among {count}");
                let most = (1..=count).map(|index| own(index).len()).max().unwrap();
                assert_eq!(most, n.div_ceil(count), "{n} among {count}");
            }
        }
    }

    #[test]
    fn a_file_says_which_shard_it_is() {
        let of = |name: &str| Shard::named(Path::new(name)).map(|s| (s.index, s.count));
        assert_eq!(of("shards/shard-3-of-8.bin"), Some((3, 8)));
        for name in ["shard-0-of-8.bin", "shard-9-of-8.bin", "shard-03-of-8.bin", "shard-3-of-8"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
