//! `neuromfa merge`

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use neuromfa::Replay;
use neuromfa::internals::record::{RunConfig, SUMMARY};
use neuromfa::internals::replay::{Gathered, Shard, gather, merge};

use crate::output::{Outcome, Output};

const EXAMPLES: &str = "Examples:
  neuromfa merge shards/ --out analysed
  neuromfa merge shards/shard-1-of-2.bin shards/shard-2-of-2.bin --out a";

/// Merge the shards that `analyze --shard` wrote into the run of one process.
///
/// The run is, byte for byte, the one that analyze writes without --shard, times aside. All shards must be
/// there, whole, and of the same checkpoints, options and version. No checkpoint is read, but for
/// --rescaled-start.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Merge {
    /// Folders of shards, or their files.
    #[arg(required = true, value_name = "SHARDS")]
    shards: Vec<PathBuf>,
    /// Folder to write the run to.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Replace an existing run.
    #[arg(long, help_heading = "Run")]
    overwrite: bool,
    /// If RUN holds a run, write to RUN-2, RUN-3, .., the first one that is free.
    #[arg(long, conflicts_with = "overwrite", help_heading = "Run")]
    numbered: bool,
    /// Print the summary as JSON, as in summary.json.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl Merge {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let mut into = Replay::new(self.out);
        if self.overwrite {
            into = into.overwrite();
        }
        if self.numbered {
            into = into.numbered();
        }
        let summary = merge(into, &self.shards)?;
        match self.json {
            true => output.json(&summary)?,
            false => output.closing(&format!("{summary}\n"))?,
        }
        Ok(Outcome::Done)
    }
}

/// Locked by the process that merges. It stays, because another one may wait for it.
const LOCK: &str = "merge.lock";

/// Merges the shards of a folder into a run, if all are complete as this one is. Of processes that end at the
/// same time one does it, and the others find its run.
pub fn merge_once(
    shards: &Path,
    own: Shard,
    into: PathBuf,
    overwrite: bool,
    output: Output,
) -> anyhow::Result<Outcome> {
    let path = shards.join(LOCK);
    let lock = File::create(&path).and_then(|file| or_none(file.lock()).map(|()| file));
    let _lock = lock.with_context(|| format!("cannot lock {}", path.display()))?;
    let (files, hash) = match gather(shards, own, overwrite)? {
        Gathered::All { files, hash } => (files, hash),
        Gathered::NotYet(which) => {
            output.closing(&format!("not merged, as not all shards are done: {which}\n"))?;
            return Ok(Outcome::Done);
        }
    };
    let recorded = RunConfig::read(&into).ok().and_then(|config| config.origin.shards);
    let same = recorded.is_some_and(|recorded| recorded == hash);
    if same && into.join(SUMMARY).exists() {
        output.closing(&format!("these shards are merged in {} already\n", into.display()))?;
        return Ok(Outcome::Done);
    }
    // What a merge that was interrupted has left of this run is replaced.
    let merge = Merge {
        shards: files,
        out: into,
        overwrite: overwrite || same,
        numbered: false,
        json: false,
    };
    merge.run(output)
}

/// Where the file system has no locks, none is taken.
fn or_none(locked: io::Result<()>) -> io::Result<()> {
    match locked {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_no_failure() {
        assert!(or_none(Err(io::ErrorKind::Unsupported.into())).is_ok());
        assert!(or_none(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
