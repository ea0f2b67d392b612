//! Shards of a series become its run: what each row has of those before it, and the files.

use std::hash::Hasher;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::Replay;
use super::schedule;
use super::shard_file::{Entry, Found, Header, Shard, ShardReader, failed};
use super::work::{Work, follow, say_left_out, say_of_first};
use crate::error::Error;
use crate::pipeline::{End, Listener, Prepared, Settings, open_measured};
use crate::record::{Cost, Difference, Summary, check_gap};
use crate::source::{Checkpoint, CheckpointFile, Memory, Source};

/// Missing shards that are named.
const LISTED: usize = 10;

/// A shard of which every checkpoint is there.
struct Complete {
    path: PathBuf,
    header: Header,
    digest: u64, // of what its file has
}

/// Merges shards into the run of one process, in the folder of `into`: its folder, what it does about a run
/// there, and its listeners count. `paths` are files of shards, and folders that hold them.
///
/// # Errors
/// [`Error::Shard`] when a shard is missing, incomplete, there twice, or of another series; others as of
/// [`Replay::run`].
pub fn merge(into: Replay, paths: &[PathBuf]) -> Result<Summary, Error> {
    let Replay { mut settings, mut listeners, .. } = into;
    let shards = complete(found(paths)?)?;
    let first = shards.first().ok_or_else(none_given)?;
    let mut header = first.header.clone();
    header.config.origin.shards = Some(hash(&shards));
    settings.analyse_like(header.config.clone());
    settings.axis.clone_from(&header.config.axis);
    settings.baseline = header.config.baseline.as_ref().map(PathBuf::from);
    (settings.tensorboard, settings.allows_gaps) = (header.tensorboard, header.allows_gaps);
    let series = header.series.iter().map(|(step, path)| Checkpoint::new(*step, path));
    let series: Vec<Checkpoint> = series.collect();
    schedule::check(&series.iter().collect::<Vec<_>>());

    let mut work: Option<Work> = None;
    let mut cost = Cost::default();
    for Complete { path, header: own, digest } in &shards {
        let mut reader = reader(path)?;
        for step in own.own_steps() {
            let entry = reader.entry()?.filter(|entry| entry.facts.step == step);
            let entry = entry.ok_or_else(|| failed(path, format!("it lacks step {step}")))?;
            cost.hook_seconds += entry.examined.snapshot_ms / 1e3;
            cost.side_thread_seconds += entry.examined.analysed.milliseconds() / 1e3;
            cost.analysed += 1;
            work = Some(match work {
                None => begin(&settings, &header, entry, &mut listeners)?,
                Some(mut work) => {
                    let Entry { facts, earlier, at, examined } = entry;
                    check_gap(settings.allows_gaps, work.pipeline.last_row(), facts.step)?;
                    work.judge(&facts)?;
                    work.record((earlier, at), examined)?;
                    work
                }
            });
        }
        if reader.digest() != *digest {
            return Err(failed(path, "it was written again during the merge: merge again"));
        }
    }
    cost.run_seconds = cost.hook_seconds + cost.side_thread_seconds;
    let Some(mut work) = work else {
        return Err(failed(&first.path, "its series has no checkpoints"));
    };
    work.pipeline.finish(End { last_step: work.pipeline.last_row(), cost, ..End::default() })
}

/// The shards of a series, as one of the processes that write them sees them.
#[derive(Debug)]
pub enum Gathered {
    /// All are complete.
    All {
        /// Their files.
        files: Vec<PathBuf>,
        /// As in the [`Origin`](crate::record::Origin) of the run that they are merged into.
        hash: String,
    },
    /// Some are not done: which, and why.
    NotYet(String),
}

/// Looks for all shards of the series of `own`, which is complete, in its folder. `overwriting`: each process
/// replaces the file of its shard, so that a shard of other checkpoints, options or another version is one that is
/// not done yet.
///
/// # Errors
/// [`Error::Shard`] for a file that cannot be read, is damaged, or holds another shard than its name says; and,
/// unless `overwriting`, for one of another series or version.
pub fn gather(folder: &Path, own: Shard, overwriting: bool) -> Result<Gathered, Error> {
    let path = own.file(folder);
    let Found::Begun(_, of_own) = ShardReader::open(&path)? else { return Err(cut_short(&path)) };
    let (mut shards, mut lacking) = (Vec::new(), Vec::new());
    for shard in own.all() {
        let path = shard.file(folder);
        match part(&path, shard, &of_own, overwriting)? {
            Part::Begun(mut header) => {
                header.share_entries(&of_own);
                shards.push((path, *header));
            }
            Part::NotYet(why) => lacking.push(format!("{shard} {why}")),
        }
    }
    let mut complete = Vec::new();
    // Most processes end before all shards are there: they read no more than the headers.
    if lacking.is_empty() {
        for (path, header) in shards {
            let shard = header.shard;
            match counted(path, header)? {
                Counted::All(shard) => complete.push(*shard),
                Counted::Part { entries, wanted, .. } => {
                    lacking.push(format!("{shard} has {entries} of its {wanted} checkpoints"));
                }
            }
        }
    }
    if lacking.is_empty() {
        let hash = hash(&complete);
        return Ok(Gathered::All { files: complete.into_iter().map(|s| s.path).collect(), hash });
    }
    Ok(Gathered::NotYet(listed(&lacking)))
}

enum Part {
    Begun(Box<Header>),
    NotYet(String),
}

/// What is there of a shard of the series.
fn part(path: &Path, shard: Shard, of_own: &Header, overwriting: bool) -> Result<Part, Error> {
    if !path.try_exists().map_err(|e| failed(path, e))? {
        return Ok(Part::NotYet("has no file".to_owned()));
    }
    let header = match ShardReader::open(path)? {
        Found::Begun(_, header) => header,
        Found::Cut { damaged: false } => return Ok(Part::NotYet("has no checkpoints".to_owned())),
        Found::Cut { damaged: true } => return Err(damaged(path)),
        Found::Other(why) if overwriting => return Ok(Part::NotYet(format!("is old ({why})"))),
        Found::Other(why) => return Err(failed(path, why + AGAIN)),
    };
    if header.shard != shard {
        let why = format!("it holds shard {}, not {shard}{AGAIN}", header.shard);
        return Err(failed(path, why));
    }
    match of_own.difference(&header) {
        None => Ok(Part::Begun(header)),
        Some(Difference { key, recorded, current }) if overwriting => {
            Ok(Part::NotYet(format!("is old ({key} is {recorded} in it and {current} now)")))
        }
        Some(difference) => Err(other_series(path, &difference, &of_own.shard.file(Path::new("")))),
    }
}

/// The way out for a shard that is no use as it is.
const AGAIN: &str = ": analyse this shard again (overwrite)";

enum Counted {
    All(Box<Complete>),
    Part { path: PathBuf, entries: usize, wanted: usize },
}

/// Reads a shard to its end.
fn counted(path: PathBuf, header: Header) -> Result<Counted, Error> {
    let (mut reader, wanted) = (reader(&path)?, header.own_steps().len());
    let entries = reader.count(wanted)?;
    if reader.damaged() {
        return Err(damaged(&path));
    }
    Ok(match entries == wanted {
        true => Counted::All(Box::new(Complete { path, header, digest: reader.digest() })),
        false => Counted::Part { path, entries, wanted },
    })
}

/// A hash of what shards have, in their order.
fn hash(shards: &[Complete]) -> String {
    let mut hash = XxHash3_64::new();
    shards.iter().for_each(|shard| hash.write(&shard.digest.to_le_bytes()));
    format!("{:016x}", hash.finish())
}

fn listed(all: &[String]) -> String {
    let more = all.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", all[..all.len().min(LISTED)].join(", "))
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
            Found::Begun(_, mut header) => {
                if let Some((_, first)) = shards.first() {
                    header.share_entries(first);
                }
                shards.push((path, *header));
            }
            Found::Cut { damaged: true } => return Err(damaged(&path)),
            Found::Cut { damaged: false } => {
                return Err(failed(
                    &path,
                    "this shard has no checkpoints yet: run it again (resume)",
                ));
            }
            Found::Other(why) => return Err(failed(&path, why + AGAIN)),
        }
    }
    shards.sort_by_key(|(_, header)| header.shard.index());
    Ok(shards)
}

/// Refuses shards that are not all those of one series, or not complete.
fn complete(shards: Vec<(PathBuf, Header)>) -> Result<Vec<Complete>, Error> {
    one_series(&shards)?;
    all_there(&shards)?;
    let whole = |(path, header): (PathBuf, Header)| {
        let shard = header.shard;
        match counted(path, header)? {
            Counted::All(shard) => Ok(*shard),
            Counted::Part { path, entries, wanted } => {
                let why = format!(
                    "shard {shard} has {entries} of its {wanted} checkpoints: run it again (resume)"
                );
                Err(failed(&path, why))
            }
        }
    };
    shards.into_iter().map(whole).collect()
}

fn none_given() -> Error {
    failed(Path::new(""), "no shards to merge")
}

/// Refuses shards of another version or series.
fn one_series(shards: &[(PathBuf, Header)]) -> Result<(), Error> {
    let (first, of_all) = shards.first().ok_or_else(none_given)?;
    let (this, version) = (env!("CARGO_PKG_VERSION"), &of_all.neuromfa);
    if version != this {
        let why = format!(
            "version {version} of neuromfa wrote it, and this is {this}: merge with that one"
        );
        return Err(failed(first, why));
    }
    for (path, header) in shards {
        if let Some(difference) = of_all.difference(header) {
            return Err(other_series(path, &difference, first));
        }
    }
    Ok(())
}

/// What a shard has, and what `other` has, that should be the same.
fn other_series(path: &Path, difference: &Difference, other: &Path) -> Error {
    let Difference { key, recorded, current } = difference;
    let why = format!(
        "it is no shard of the same series: {key} is {recorded} in it and {current} in {}: each shard needs \
         the same checkpoints, options and version",
        other.display()
    );
    failed(path, why)
}

/// Refuses shards that are not there, or there twice.
fn all_there(shards: &[(PathBuf, Header)]) -> Result<(), Error> {
    let (first, of_all) = shards.first().ok_or_else(none_given)?;
    if let Some(pair) = shards.windows(2).find(|p| p[0].1.shard == p[1].1.shard) {
        let why = format!("it is the same shard as {}: give each once", pair[0].0.display());
        return Err(failed(&pair[1].0, why));
    }
    let missing =
        of_all.shard.all().filter(|wanted| shards.iter().all(|(_, h)| h.shard != *wanted));
    let missing: Vec<String> = missing.map(|shard| shard.to_string()).collect();
    if !missing.is_empty() {
        let list = listed(&missing);
        let why = format!("shards are missing: {list} (neuromfa analyze .. --shard)");
        return Err(failed(first.parent().unwrap_or(first), why));
    }
    Ok(())
}

fn reader(path: &Path) -> Result<ShardReader, Error> {
    match ShardReader::open(path)? {
        Found::Begun(reader, _) => Ok(*reader),
        _ => Err(cut_short(path)),
    }
}

fn cut_short(path: &Path) -> Error {
    failed(path, "it was written again meanwhile: merge again")
}

fn damaged(path: &Path) -> Error {
    failed(path, "its bytes are not those that were written: analyse the rest again (resume)")
}
