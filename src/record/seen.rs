//! Which weights a run has had: a step's hashes as one number, and the first step that had it.

use std::collections::HashMap;

use twox_hash::XxHash3_64;

use super::RecordError;
use super::rows::Rows;

/// Stands for the hashes of all tensors: 128 bits, however many they are.
pub(crate) type Digest = [u64; 2];

pub(crate) fn digest(hashes: &[u64]) -> Digest {
    [0, 1].map(|seed| XxHash3_64::oneshot_with_seed(seed, bytemuck::cast_slice(hashes)))
}

/// What hashes.csv says of the steps of a run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Of equal weights, the first step.
    pub(super) first: HashMap<Digest, u64>,
    /// The last step.
    pub(super) last: Option<(u64, Digest)>,
}

impl Seen {
    /// Reads the rows before `step`, and finds damage in all of them.
    pub(super) fn read(mut rows: Rows, step: u64) -> Result<Self, RecordError> {
        let mut seen = Self::default();
        let (mut at, mut hashes) = (0, Vec::new());
        while let Some(row) = rows.read()? {
            if row.step != at {
                seen.take(at, &mut hashes);
                at = row.step;
            }
            if row.step < step {
                let hash = row.cells.last().map(|cell| u64::from_str_radix(cell, 16));
                hashes.extend(hash.and_then(Result::ok));
            }
        }
        seen.take(at, &mut hashes);
        Ok(seen)
    }

    fn take(&mut self, step: u64, hashes: &mut Vec<u64>) {
        if !hashes.is_empty() {
            let digest = digest(hashes);
            self.first.entry(digest).or_insert(step);
            self.last = Some((step, digest));
            hashes.clear();
        }
    }
}
