//! Files that are not on this machine. Only what an analysis needs of them is read: first the outline,
//! which names the tensors and their places, then ranges.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::{MmapMut, MmapOptions};

use super::step_names::noted;
use super::stored::Stored;
use super::{Block, SourceError, Tensor, pytorch, safetensors};

/// Bytes that are read first: most headers end within them.
const FIRST: usize = 64 << 10;
/// What the end of a zip archive takes at most, comment and 64-bit directory included.
const LAST: usize = 66 << 10;
/// The longest header, directory or index that is read.
const OUTLINE: usize = 100 << 20;

/// The bytes of a file, read in ranges.
pub trait Ranges: std::fmt::Debug + Send + Sync {
    /// Bytes of the file.
    fn length(&self) -> u64;

    /// Bytes between two ranges that cost less than another request.
    fn gap(&self) -> u64;

    /// The bytes of each range, all within the file.
    ///
    /// # Errors
    /// [`io::Error`] when one cannot be read. It says what to do.
    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>>;
}

/// A file whose outline was read.
#[derive(Debug)]
pub(super) struct RemoteFile {
    path: PathBuf,
    ranges: Arc<dyn Ranges>,
    /// As long as the file; zeros where it was not read. Memory is taken by what was read only.
    pub(super) outline: MmapMut,
}

impl RemoteFile {
    /// Reads the outline of a file.
    pub(super) fn open(path: &Path, ranges: Arc<dyn Ranges>) -> Result<Self, SourceError> {
        let refuse = |why: String| SourceError::file(path, why);
        let length = match usize::try_from(ranges.length()) {
            Ok(0) => return Err(refuse("the file is empty".to_owned())),
            Ok(length) => length,
            Err(_) => return Err(refuse("it is too long for this machine".to_owned())),
        };
        let outline = MmapOptions::new().len(length).no_reserve_swap().map_anon();
        let outline = outline.map_err(|e| SourceError::file(path, e))?;
        let mut file = Self { path: path.to_owned(), ranges, outline };
        file.fill(0..length.min(FIRST))?;
        if path.extension().is_some_and(|end| end == "json") {
            file.fill(0..length)?;
        } else if file.outline.starts_with(b"PK") {
            file.fill(length.saturating_sub(LAST)..length)?;
            file.fill(pytorch::directory(&file.outline).map_err(refuse)?)?;
            file.fill_all(pytorch::heads(&file.outline).map_err(refuse)?)?;
            file.fill_all(pytorch::pickled(&file.outline).map_err(refuse)?)?;
        } else if pytorch::is_legacy(&file.outline) {
            let why = "torch's format before 1.6 has no directory, so that it cannot be read in parts: \
                       download the file, or save it with a newer torch or as safetensors";
            return Err(refuse(why.to_owned()));
        } else if file.outline.get(8) == Some(&b'{') {
            let header = file.outline[..8].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
            file.fill(0..header.saturating_add(8).min(length))?;
            // A step may be a tensor of one element.
            if let Ok((all, _)) = safetensors::tensors(&file.outline) {
                let mut steps = Vec::new();
                let _ = noted(|key| {
                    let stored = all.get(key).filter(|s| s.shape.iter().all(|n| *n == 1))?;
                    steps.push(stored.bytes.clone());
                    None
                });
                file.fill_all(steps)?;
            }
        }
        Ok(file)
    }

    /// Reads a part of the outline.
    fn fill(&mut self, part: Range<usize>) -> Result<(), SourceError> {
        self.fill_all(vec![part])
    }

    /// Reads these parts of the outline.
    fn fill_all(&mut self, parts: Vec<Range<usize>>) -> Result<(), SourceError> {
        let parts = joined(parts, self.gap());
        if parts.iter().map(Range::len).sum::<usize>() > OUTLINE {
            let why = format!("its header is longer than {} MB", OUTLINE >> 20);
            return Err(SourceError::file(&self.path, why));
        }
        let read = self.read(&parts)?;
        for (part, bytes) in parts.into_iter().zip(read) {
            self.outline[part].copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn gap(&self) -> usize {
        usize::try_from(self.ranges.gap()).unwrap_or(usize::MAX)
    }

    /// The bytes of ranges within the file.
    fn read(&self, ranges: &[Range<usize>]) -> Result<Vec<Vec<u8>>, SourceError> {
        let wide: Vec<_> = ranges.iter().map(|r| r.start as u64..r.end as u64).collect();
        let read = self.ranges.read(&wide).map_err(|e| SourceError::file(&self.path, e))?;
        let whole = |(range, bytes): (&Range<usize>, &Vec<u8>)| range.len() == bytes.len();
        match read.len() == ranges.len() && ranges.iter().zip(&read).all(whole) {
            true => Ok(read),
            false => Err(SourceError::file(&self.path, "fewer bytes came than were asked for")),
        }
    }

    /// The bytes of a range; `None` if the file ends before it does.
    pub(super) fn bytes(&self, range: &Range<usize>) -> Result<Option<Vec<u8>>, SourceError> {
        if self.outline.get(range.clone()).is_none() {
            return Ok(None);
        }
        Ok(self.read(std::slice::from_ref(range))?.pop())
    }

    /// Blocks of a row-major tensor, one after the other.
    pub(super) fn gather(
        &self,
        stored: &Stored,
        blocks: &[Block<'_>],
    ) -> Result<Option<Tensor<'static>>, SourceError> {
        let ([rows, columns, further @ ..], None, Some(size)) =
            (&stored.shape[..], &stored.strides, stored.elements.size())
        else {
            return Ok(None);
        };
        let cell = further.iter().product::<usize>() * size;
        let outside = |of: &[usize], length: usize| of.iter().any(|index| *index >= length);
        if blocks.iter().any(|b| outside(b.rows, *rows) || outside(b.columns, *columns))
            || self.outline.get(stored.bytes.clone()).is_none()
        {
            return Ok(None);
        }
        let first =
            |row: usize, column: usize| stored.bytes.start + (row * columns + column) * cell;
        let gap = self.gap();
        let mut needed = Vec::new();
        for block in blocks {
            let of_row = block.columns.iter().map(|column| first(0, *column)..first(0, column + 1));
            let of_row = joined(of_row.collect(), gap);
            let at = |row: &usize| {
                let to = first(*row, 0) - first(0, 0);
                of_row.iter().map(move |run| run.start + to..run.end + to)
            };
            needed.extend(block.rows.iter().flat_map(at));
        }
        let needed = joined(needed, gap);
        let read = self.read(&needed)?;
        let mut bytes = Vec::new();
        for block in blocks {
            for row in block.rows {
                for column in block.columns {
                    let at = first(*row, *column);
                    let run = needed.partition_point(|run| run.start <= at) - 1;
                    bytes.extend_from_slice(&read[run][at - needed[run].start..][..cell]);
                }
            }
        }
        let (elements, range) = (stored.elements.clone(), 0..bytes.len());
        let all = Stored { elements, shape: vec![bytes.len() / size], strides: None, bytes: range };
        Ok(all.values(&bytes).map(Tensor::into_owned))
    }
}

/// The ranges in order, those joined that are at most this far apart.
fn joined(mut ranges: Vec<Range<usize>>, gap: usize) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let near = next.start <= last.end.saturating_add(gap);
        if near {
            last.end = last.end.max(next.end);
        }
        near
    });
    ranges
}
