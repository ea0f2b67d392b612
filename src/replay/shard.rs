//! Analyses a part of a series of checkpoints, for a process among many: what depends on no other row.

use std::path::Path;
use std::sync::Arc;

use super::Replay;
use super::examine::{Examined, Examiner};
use super::facts::Facts;
use super::log::Log;
use super::schedule::in_order;
use super::series::Series;
use super::shard_file::{Entry, Found, Header, Shard, ShardReader, ShardWriter, failed};
use super::work::{at_its_step, no_matrices, say_left_out, say_of_first};
use crate::error::Error;
use crate::pipeline::{First, Start, prepare};
use crate::record::{Difference, check_gap};
use crate::source::Checkpoint;

/// Analyses a shard of a series, and writes it to its file in the replay's folder; `progress` is called
/// with the step of each checkpoint that is in the file. Each process is given the same replay and all
/// checkpoints, and measures the first one, which is the baseline. Returns how many are in the file.
///
/// # Errors
/// As of [`Replay::run`]; and [`Error::Shard`] when the shard is there and is not to be resumed or
/// overwritten, or cannot be written.
pub fn analyse_shard(
    replay: Replay,
    shard: Shard,
    checkpoints: &[Checkpoint],
    mut progress: impl FnMut(u64),
) -> Result<usize, Error> {
    let Replay { settings, origin, .. } = replay;
    let folder = &settings.folder;
    let ordered = in_order(checkpoints)?;
    let Some(first) = ordered.first() else {
        return Err(failed(folder, "no checkpoints to analyse"));
    };
    for pair in ordered.windows(2) {
        check_gap(settings.allows_gaps, Some(pair[0].step), pair[1].step)?;
    }
    let pool = settings.pool()?;
    let source = origin.opener.open(first)?;
    say_left_out(&first.path, source.left_out());
    let prepared = prepare(&settings, ("checkpoints".into(), None), &source);
    let prepared = prepared.map_err(|error| no_matrices(error, first))?;
    std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let path = shard.file(folder);
    let (mut writer, begun) = ShardWriter::open(&path)?;
    if begun && matches!(settings.start, Start::New | Start::Numbered) {
        let why = "this shard is there already: continue it (--resume) or replace it (--overwrite)";
        return Err(failed(&path, why));
    }
    let First { analyst, analysed, snapshot_ms, awaited } =
        prepared.measure_alone(&settings, first, &source, &pool)?;
    say_of_first(&settings, first.step);
    let header = Header {
        neuromfa: env!("CARGO_PKG_VERSION").to_owned(),
        shard,
        series: ordered.iter().map(|c| (c.step, c.path.display().to_string())).collect(),
        config: prepared.config,
        nodes: prepared.draw,
        baseline: analyst.baseline().clone(),
        tensorboard: settings.tensorboard,
        allows_gaps: settings.allows_gaps,
    };
    let done = match settings.start {
        Start::Resume(_) if begun => resumed(&path, &header, &mut writer)?,
        _ => {
            writer.begin(&header)?;
            0
        }
    };
    let own = shard.own(ordered.len());
    let next = own.start + done;
    ordered[own.start..next].iter().for_each(|checkpoint| progress(checkpoint.step));

    let plan = Arc::clone(analyst.plan());
    let mut series = Series::new(&Facts::of(first, &source, plan.network()));
    let mut log = Log::new(origin.metrics);
    log.taken = next.checked_sub(1).map(|before| ordered[before].step);
    let mut examiner = Examiner::new(Arc::new(analyst), awaited);
    let mut of_first = Some(Examined { adopted: None, analysed, snapshot_ms });
    // The baseline may be that of a checkpoint of another shard.
    for checkpoint in ordered[..next].iter().skip(1).take_while(|_| next < own.end) {
        if !examiner.waits() {
            break;
        }
        examiner.pass(checkpoint, &origin.opener.open(checkpoint)?, &pool)?;
    }
    for (k, &checkpoint) in ordered.iter().enumerate().take(own.end).skip(next) {
        let file = origin.opener.open(checkpoint)?;
        let facts = Facts::of(checkpoint, &file, plan.network());
        series.check(&facts, plan.network())?;
        let (earlier, at) = at_its_step(log.up_to(checkpoint)?, checkpoint.step);
        let examined = match of_first.take().filter(|_| k == 0) {
            Some(first) => first,
            None => examiner.examine(checkpoint, &file, &pool)?,
        };
        writer.add(&Entry { facts, earlier, at, examined })?;
        progress(checkpoint.step);
    }
    Ok(own.len())
}

/// How many checkpoints the file of a shard has, which is now continued.
fn resumed(path: &Path, header: &Header, writer: &mut ShardWriter) -> Result<usize, Error> {
    let (mut reader, found) = match ShardReader::open(path)? {
        Found::Begun(reader, found) => (*reader, found),
        Found::Cut { .. } => {
            writer.begin(header)?;
            return Ok(0);
        }
        Found::Other(why) => {
            return Err(failed(path, format!("{why}: replace it (--overwrite)")));
        }
    };
    if let Some(Difference { key, recorded, current }) = header.difference(&found) {
        let why = format!(
            "cannot continue this shard: {key} is {recorded} in it and {current} now: give the same \
             checkpoints, options and version, or replace it (--overwrite)"
        );
        return Err(failed(path, why));
    }
    let own = header.own_steps().len();
    let done = reader.count(own)?;
    writer.continue_after(&reader)?;
    Ok(done)
}
