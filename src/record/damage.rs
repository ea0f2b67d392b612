//! Drops the damaged rows of a run's tables. The damaged files are kept.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use super::config::check_schema;
use super::details::DETAILS;
use super::error::{RecordError, read_error, write_error};
use super::files::{EMERGENCE, METRICS, RUN, holds_run};
use super::folder::Folder;
use super::lines::Lines;
use super::recorder::Recorder;

/// A table of which rows were dropped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Repaired {
    /// The table.
    pub path: PathBuf,
    /// The file as it was.
    pub kept: PathBuf,
    /// The rows that were dropped: the number of each line, and what was wrong with it.
    pub dropped: Vec<(u64, String)>,
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kept, dropped } = self;
        let rows = if dropped.len() == 1 { "row" } else { "rows" };
        write!(f, "{}: {} damaged {rows} dropped (", path.display(), dropped.len())?;
        for (k, (line, why)) in dropped.iter().take(3).enumerate() {
            write!(f, "{}line {line}: {why}", if k > 0 { "; " } else { "" })?;
        }
        let more = if dropped.len() > 3 { "; .." } else { "" };
        write!(f, "{more}). The file as it was: {}", kept.display())
    }
}

/// Drops the damaged rows of the run in a folder, and no others. The files as they were get the
/// ending `.damaged`. What a crash left after the last row of a table stays: a resume removes it.
///
/// # Errors
/// [`RecordError`] when there is no run, another process writes to it, a header is damaged, or the
/// system refuses.
pub fn repair(folder: &Path) -> Result<Vec<Repaired>, RecordError> {
    if !holds_run(folder) {
        let source = std::io::Error::from(ErrorKind::NotFound).into();
        return Err(RecordError::NotARun { path: folder.join(RUN), source });
    }
    check_schema(folder)?;
    let recorder = Recorder::lock(folder)?;
    let details = DETAILS.iter().map(|detail| detail.file);
    let mut repaired = Vec::new();
    for name in details.chain([METRICS, EMERGENCE]) {
        repaired.extend(repair_table(&recorder.folder, name)?);
    }
    Ok(repaired)
}

fn repair_table(folder: &Folder, name: &str) -> Result<Option<Repaired>, RecordError> {
    let path = &folder.join(name);
    let fail = |e| read_error(path, e);
    if !folder.has(name) {
        return Ok(None);
    }
    let mut file = folder.read(name)?;
    let (mut lines, wrong) = Lines::of(BufReader::new(&file), name).map_err(fail)?;
    if let Some(why) = wrong {
        return Err(RecordError::Row { path: path.to_owned(), line: 1, why });
    }
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    while let Some(line) = lines.next().map_err(fail)? {
        match line.row {
            Ok((step, _)) => rows.push((line.number, step, line.start..line.end)),
            Err(why) => bad.push((line.number, why, line.start..line.end)),
        }
    }
    let Some(last) = rows.last().map(|(number, ..)| *number) else { return Ok(None) };
    bad.retain(|(number, ..)| *number < last);
    let steps: Vec<u64> = rows.iter().map(|(_, step, _)| *step).collect();
    let ascends = ascending(&steps, lines.one_each);
    for ((number, step, bytes), _) in rows.into_iter().zip(ascends).filter(|(_, kept)| !kept) {
        bad.push((number, format!("its step {step} is out of order"), bytes));
    }
    if bad.is_empty() {
        return Ok(None);
    }
    bad.sort_by_key(|(number, ..)| *number);
    let kept = keep(path, &file)?;
    file.rewind().map_err(fail)?;
    let (mut text, mut old, mut at) = (Vec::new(), BufReader::new(&file), 0);
    let (mut line, ends) = (Vec::new(), bad.iter().map(|(_, _, bytes)| bytes.end));
    let ends: HashSet<u64> = ends.collect();
    while old.read_until(b'\n', &mut line).map_err(fail)? > 0 {
        let end = at + line.len() as u64;
        if !ends.contains(&end) {
            text.extend_from_slice(&line);
        }
        at = end;
        line.clear();
    }
    folder.replace(name, true, |new| new.write_all(&text))?;
    let dropped = bad.into_iter().map(|(number, why, _)| (number, why)).collect();
    Ok(Some(Repaired { path: path.to_owned(), kept, dropped }))
}

/// Copies a damaged file to a new name.
fn keep(path: &Path, mut file: &File) -> Result<PathBuf, RecordError> {
    for number in 1.. {
        let mut kept = path.as_os_str().to_owned();
        kept.push(if number == 1 { ".damaged".to_owned() } else { format!(".damaged{number}") });
        let kept = PathBuf::from(kept);
        let mut copy = match File::create_new(&kept) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
            made => made.map_err(write_error(&kept))?,
        };
        let copied = file.rewind().and_then(|()| std::io::copy(&mut file, &mut copy));
        copied.and_then(|_| copy.flush()).map_err(write_error(&kept))?;
        copy.sync_all().map_err(write_error(&kept))?;
        return Ok(kept);
    }
    unreachable!("there is always a next number")
}

/// Which steps to keep, so that the most ascend; `strictly`, where a step has one row.
fn ascending(steps: &[u64], strictly: bool) -> Vec<bool> {
    // The longest ascending part: for each length the one whose last step is least.
    let (mut ends, mut before) = (Vec::<usize>::new(), vec![None; steps.len()]);
    for (k, step) in steps.iter().enumerate() {
        let comes_before = |&end: &usize| steps[end] < *step || !strictly && steps[end] == *step;
        let length = ends.partition_point(comes_before);
        before[k] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = k,
            None => ends.push(k),
        }
    }
    let mut kept = vec![false; steps.len()];
    let mut at = ends.last().copied();
    while let Some(k) = at {
        kept[k] = true;
        at = before[k];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_rows_are_out_of_order() {
        let dropped = |steps: &[u64], strictly| -> Vec<usize> {
            let kept = ascending(steps, strictly);
            kept.iter().enumerate().filter(|(_, kept)| !**kept).map(|(k, _)| k).collect()
        };
        assert_eq!(dropped(&[1, 2, 3, 4, 95, 6, 7], true), [4]);
        assert_eq!(dropped(&[1, 2, 3, 4, 0, 6, 7], true), [4]);
        assert_eq!(dropped(&[1, 2, 95, 96, 3, 4, 5], true), [2, 3]);
        assert_eq!(dropped(&[1, 1, 2, 2, 9, 2, 3], false), [4]);
        assert_eq!(dropped(&[1, 2, 2, 3], true).len(), 1);
        assert!(dropped(&[1, 1, 2, 5], false).is_empty());
        assert!(dropped(&[], true).is_empty());
    }
}
