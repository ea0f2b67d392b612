//! Entries of each matrix that are kept, to say later how far the weights have moved.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::mfa::Values;

/// Entries that are kept of a matrix, at most.
const KEPT: usize = 1 << 14;

/// The kept entries of each matrix, by name.
pub type Entries = BTreeMap<String, Vec<f64>>;

/// Which of a matrix's entries are kept: all, or some drawn ones, the same in every run.
#[derive(Clone, Debug)]
pub(super) enum Positions {
    All,
    Drawn(Vec<usize>), // ascending
}

impl Positions {
    /// Those of a matrix of this many entries.
    pub(super) fn of(entries: usize) -> Self {
        if entries <= KEPT {
            return Self::All;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(entries as u64);
        let mut drawn = rand::seq::index::sample(&mut rng, entries, KEPT).into_vec();
        drawn.sort_unstable();
        Self::Drawn(drawn)
    }

    /// The kept entries among these.
    pub(super) fn pick(&self, values: Values<'_>, kept: &mut Vec<f64>) {
        kept.clear();
        match values {
            Values::F32(v) => self.take(v, kept),
            Values::F64(v) => self.take(v, kept),
            Values::F16(v) => self.take(v, kept),
            Values::Bf16(v) => self.take(v, kept),
        }
    }

    fn take<W: Copy + Into<f64>>(&self, values: &[W], kept: &mut Vec<f64>) {
        match self {
            Self::All => kept.extend(values.iter().map(|&w| w.into())),
            Self::Drawn(drawn) => kept.extend(drawn.iter().map(|&k| values[k].into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_entries_of_a_small_matrix_and_as_many_of_a_large_one() {
        let weights: Vec<f32> = (0..3 * KEPT).map(|k| k as f32).collect();
        let mut kept = vec![9.0];
        for few in [0, 1, KEPT - 1, KEPT] {
            Positions::of(few).pick(Values::F32(&weights[..few]), &mut kept);
            assert!(kept.iter().copied().eq((0..few).map(|k| k as f64)), "{few}");
        }
        for many in [KEPT + 1, 3 * KEPT] {
            Positions::of(many).pick(Values::F32(&weights[..many]), &mut kept);
            assert_eq!(kept.len(), KEPT);
            assert!(kept.is_sorted_by(|a, b| a < b), "each one once");
            assert!(kept[0] < 100.0 && kept[KEPT - 1] > (many - 100) as f64, "from all of it");
        }
    }
}
