//! Shards of a series become its run: what each row has of those before it, and the files.

use std::path::{Path, PathBuf};

use super::Replay;
use super::schedule;
use super::shard_file::{Entry, Header, Shard, ShardReader, failed};
use super::work::{Work, follow, say_left_out, say_of_first};
use crate::error::Error;
use crate::pipeline::{End, Listener, Prepared, Settings, open_measured};
use crate::record::{Cost, Difference, Summary, check_gap};
use crate::source::{Checkpoint, CheckpointFile, Memory, Source};

/// Missing shards that are named.
const LISTED: usize = 10;

/// Merges shards into the run of one process, in the folder of `into`: its folder, what it does about a run
/// there, and its listeners count. `paths` are files of shards, and folders that hold them.
///
/// # Errors
/// [`Error::Shard`] when a shard is missing, incomplete, there twice, or of another series; others as of
/// [`Replay::run`].
pub fn merge(into: Replay, paths: &[PathBuf]) -> Result<Summary, Error> {
    let Replay { mut settings, mut listeners, .. } = into;
    let shards = complete(found(paths)?)?;
    let header = &shards[0].1;
    settings.analyse_like(header.config.clone());
    settings.axis.clone_from(&header.config.axis);
    settings.baseline = header.config.baseline.as_ref().map(PathBuf::from);
    (settings.tensorboard, settings.allows_gaps) = (header.tensorboard, header.allows_gaps);
    let series = header.series.iter().map(|(step, path)| Checkpoint::new(*step, path));
    let series: Vec<Checkpoint> = series.collect();
    schedule::check(&series.iter().collect::<Vec<_>>());

    let mut work: Option<Work> = None;
    let mut cost = Cost::default();
    for (path, header) in &shards {
        let mut reader = reader(path)?;
        for step in header.own_steps() {
            let entry = reader.entry()?.filter(|entry| entry.facts.step == step);
            let entry = entry.ok_or_else(|| failed(path, format!("it lacks step {step}")))?;
            cost.hook_seconds += entry.examined.snapshot_ms / 1e3;
            cost.side_thread_seconds += entry.examined.analysed.milliseconds() / 1e3;
            cost.analysed += 1;
            work = Some(match work {
                None => begin(&settings, header, entry, &mut listeners)?,
                Some(mut work) => {
                    let Entry { facts, earlier, at, examined } = entry;
                    check_gap(settings.allows_gaps, work.pipeline.last_row(), facts.step)?;
                    work.judge(&facts)?;
                    work.record((earlier, at), examined)?;
                    work
                }
            });
        }
    }
    cost.run_seconds = cost.hook_seconds + cost.side_thread_seconds;
    let Some(mut work) = work else {
        return Err(failed(&shards[0].0, "its series has no checkpoints"));
    };
    work.pipeline.finish(End { last_step: work.pipeline.last_row(), cost, ..End::default() })
}

/// The files of the shards in a folder, in their order; or, within, what is missing as long as other processes
/// have not done their part.
///
/// # Errors
/// As of [`merge`], for shards that are all whole.
pub fn shards_of(folder: &Path) -> Result<Result<Vec<PathBuf>, Error>, Error> {
    let whole = |shards: Vec<(PathBuf, Header)>| {
        all_there(&shards)?;
        all_whole(&shards)?;
        Ok(shards)
    };
    let shards = match found(&[folder.to_owned()]).and_then(whole) {
        Ok(shards) => shards,
        Err(why) => return Ok(Err(why)),
    };
    one_series(&shards)?;
    Ok(Ok(shards.into_iter().map(|(path, _)| path).collect()))
}

/// Begins the run with its first checkpoint.
fn begin(
    settings: &Settings,
    header: &Header,
    entry: Entry,
    listeners: &mut Vec<Listener>,
) -> Result<Work, Error> {
    let Entry { facts, earlier, at, examined } = entry;
    say_left_out(&facts.path, facts.left_out.clone());
    // The run keeps the weights of its first checkpoint for the rescaled start, and no others.
    let source: Box<dyn Source> = match header.config.controls.rescaled_start {
        true if settings.baseline.is_none() => Box::new(CheckpointFile::open(&facts.path)?),
        _ => Box::new(Memory::new()),
    };
    let prepared = || {
        let prepared = Prepared::recorded(header.config.clone(), header.nodes.clone())?;
        let (baseline, analysed) = (header.baseline.clone(), examined.analysed.clone());
        let first = prepared.measured(settings, baseline, analysed, examined.snapshot_ms)?;
        Ok((prepared, first))
    };
    let follow = follow(earlier);
    let opened = open_measured(settings, follow, prepared, source.as_ref(), at, listeners)?;
    say_of_first(settings, facts.step);
    Work::begun(opened, &facts)
}

/// The files of shards among these paths, with their headers, in their order.
fn found(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Header)>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|e| failed(path, e))?;
        let within = entries.flatten().map(|entry| entry.path());
        let within: Vec<PathBuf> = within.filter(|path| Shard::named(path).is_some()).collect();
        if within.is_empty() {
            return Err(failed(
                path,
                "no shards in it (neuromfa analyze .. --shard 1/8 writes one)",
            ));
        }
        files.extend(within);
    }
    let mut shards: Vec<(PathBuf, Header)> = Vec::new();
    for path in files {
        match ShardReader::open(&path)? {
            Some((_, mut header)) => {
                if let Some((_, first)) = shards.first() {
                    header.share_entries(first);
                }
                shards.push((path, header));
            }
            None => {
                return Err(failed(
                    &path,
                    "this shard has no checkpoints yet: run it again (resume)",
                ));
            }
        }
    }
    shards.sort_by_key(|(_, header)| header.shard.index());
    Ok(shards)
}

/// Refuses shards that are not all those of one series, or not whole.
fn complete(shards: Vec<(PathBuf, Header)>) -> Result<Vec<(PathBuf, Header)>, Error> {
    one_series(&shards)?;
    all_there(&shards)?;
    all_whole(&shards)?;
    Ok(shards)
}

fn first_of(shards: &[(PathBuf, Header)]) -> Result<(&Path, &Header), Error> {
    let first = shards.first().ok_or_else(|| failed(Path::new(""), "no shards to merge"))?;
    Ok((&first.0, &first.1))
}

/// Refuses shards of another version or series.
fn one_series(shards: &[(PathBuf, Header)]) -> Result<(), Error> {
    let (first, of_all) = first_of(shards)?;
    let (this, version) = (env!("CARGO_PKG_VERSION"), &of_all.neuromfa);
    if version != this {
        let why = format!(
            "version {version} of neuromfa wrote it, and this is {this}: merge with that one"
        );
        return Err(failed(first, why));
    }
    for (path, header) in shards {
        if let Some(Difference { key, recorded, current }) = of_all.difference(header) {
            let why = format!(
                "it is no shard of the same series: {key} is {recorded} in it and {current} in {}: each \
                 shard needs the same checkpoints, options and version",
                first.display()
            );
            return Err(failed(path, why));
        }
    }
    Ok(())
}

/// Refuses shards that are not there, or there twice.
fn all_there(shards: &[(PathBuf, Header)]) -> Result<(), Error> {
    let (first, of_all) = first_of(shards)?;
    let count = of_all.shard.count();
    let has = |index: usize| shards.iter().filter(|(_, h)| h.shard.index() == index).count();
    if let Some(pair) = shards.windows(2).find(|p| p[0].1.shard.index() == p[1].1.shard.index()) {
        let why = format!("it is the same shard as {}: give each once", pair[0].0.display());
        return Err(failed(&pair[1].0, why));
    }
    let missing = count - shards.len();
    if missing > 0 {
        let named = (1..=count).filter(|index| has(*index) == 0).take(LISTED);
        let named: Vec<String> = named.map(|index| format!("{index}/{count}")).collect();
        let more = missing.saturating_sub(LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let folder = first.parent().unwrap_or(first);
        let list = named.join(", ");
        let why = format!("shards are missing: {list}{more} (neuromfa analyze .. --shard)");
        return Err(failed(folder, why));
    }
    Ok(())
}

/// Refuses shards that lack checkpoints.
fn all_whole(shards: &[(PathBuf, Header)]) -> Result<(), Error> {
    for (path, header) in shards {
        let (mut reader, wanted) = (reader(path)?, header.own_steps().len());
        let entries = reader.count(wanted)?;
        if entries != wanted {
            let shard = header.shard;
            let why = format!(
                "shard {} of {} has {entries} of its {wanted} checkpoints: run it again (resume)",
                shard.index(),
                shard.count()
            );
            return Err(failed(path, why));
        }
    }
    Ok(())
}

fn reader(path: &Path) -> Result<ShardReader, Error> {
    match ShardReader::open(path)? {
        Some((reader, _)) => Ok(reader),
        None => Err(failed(path, "it was cut short meanwhile")),
    }
}
