//! Counting the edges between drawn neurons of a block, which has just been binned.

use std::ops::Range;

use super::super::chunk::{CHUNK, SLOTS, add};
use super::super::share::DrawnShare;
use super::memory::{Bins, grow};

/// The drawn sources of a share, in each sample. Their edges are counted in bytes until these are
/// full: a sample's rows fill the first-level cache four times.
pub struct Samples<'a> {
    samples: Vec<Sample<'a>>,
    bytes: &'a mut [u8], // counters of a row for each source of each sample, one after the other
    slots: usize,
}

struct Sample<'a> {
    share: DrawnShare<'a>,
    counted: usize, // the most edges of a source that the bytes hold
}

/// The position in a block of the weights of a strip of sources.
pub struct Strip {
    pub sources: Range<usize>,
    pub targets: Range<usize>,
    pub taps: usize,
    pub lanes: usize,  // from a chunk to that of the next target
    pub spread: usize, // from a chunk to the next one of the same target
}

impl<'a> Samples<'a> {
    /// `memory` must hold zeros, as it does after [`Self::finish`].
    pub fn new(drawn: Vec<DrawnShare<'a>>, slots: usize, memory: &'a mut Vec<u8>) -> Self {
        let rows: usize = drawn.iter().map(|share| share.sources.len()).sum();
        grow(memory, rows * SLOTS, 0);
        let samples = drawn.into_iter().map(|share| Sample { share, counted: 0 });
        Self { samples: samples.collect(), bytes: &mut memory[..rows * SLOTS], slots }
    }

    /// Counts the drawn edges of a block.
    #[inline(never)]
    pub fn count(&mut self, block: &[Bins], strip: &Strip) {
        let mut rest = &mut *self.bytes;
        for sample in &mut self.samples {
            let DrawnShare { sources, targets, .. } = sample.share;
            let bytes = rest.split_off_mut(..sources.len() * SLOTS).unwrap_or_default();
            let drawn = within(sources, &strip.sources);
            let targets = &targets[within(targets, &strip.targets)];
            // As many as bytes hold, which a block's targets and taps never pass.
            let edges = targets.len() * strip.taps;
            if sample.counted + edges > usize::from(u8::MAX) {
                sample.flush(bytes, self.slots);
            }
            sample.counted += edges;
            let rows = bytes[drawn.start * SLOTS..].as_chunks_mut::<SLOTS>().0;
            for (row, source) in rows.iter_mut().zip(&sources[drawn]) {
                let first = (source - strip.sources.start) * strip.taps;
                for position in first..first + strip.taps {
                    let column = &block[position / CHUNK * strip.spread..];
                    for target in targets {
                        let chunk = &column[(target - strip.targets.start) * strip.lanes];
                        let counter = &mut row[usize::from(chunk.0[position % CHUNK])];
                        *counter = counter.wrapping_add(1);
                    }
                }
            }
        }
    }

    /// Adds all that the bytes hold to the rows.
    pub fn finish(mut self) {
        let mut rest = self.bytes;
        for sample in &mut self.samples {
            let bytes = sample.share.sources.len() * SLOTS;
            sample.flush(rest.split_off_mut(..bytes).unwrap_or_default(), self.slots);
        }
    }
}

impl Sample<'_> {
    fn flush(&mut self, bytes: &mut [u8], slots: usize) {
        for (row, counters) in self.share.rows.chunks_exact_mut(slots).zip(bytes.chunks(SLOTS)) {
            add(counters, row);
        }
        bytes.fill(0);
        self.counted = 0;
    }
}

/// The indices of those of the ascending `numbers` that lie in `range`.
fn within(numbers: &[usize], range: &Range<usize>) -> Range<usize> {
    let below = |end: usize| numbers.partition_point(|number| *number < end);
    below(range.start)..below(range.end)
}
