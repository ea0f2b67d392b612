//! One counter for a weight as it is and for the same weight rescaled.
//!
//! Let a be the slot of w and b that of w · factor, where weights so small that their distance is
//! beyond the largest have the slot after the last one. While |w| falls neither a nor b ever falls, so
//! their sum, the *pair*, climbs by one wherever one of them does: it tells both, given the
//! order in which they climb. Weights left out twice for being small have pair 0, as those left out for
//! being large.
//!
//! A weight then takes one increment, not two. At the end the running sum of the counters at the
//! pair before each step is the number of weights up to there: N(r) of the slot that ends.

use super::chunk::{Kept, PLACES, SLOTS};
use super::vectors::Stored;

/// The order in which the two slots of a weight climb.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Stairs {
    pub(super) factor: f32,
    slots: usize,
    /// For each pair from 0 on, the slot that ends with it; `slots` more where it is a rescaled one.
    ends: Vec<u16>, // 2 · slots of them
    plain: Vec<u8>, // the slot of the weight itself in each pair, 0 where it is beyond the largest
}

impl Stairs {
    /// Those of weights of a type and a factor that is finite and above 0.
    pub fn new<W: Stored>(kept: &Kept, factor: f32) -> Self {
        let slots = kept.slots;
        // From these weights on, slots are what they are or less.
        let plain: Vec<f64> = (0..slots).map(|slot| kept.least::<W>(slot)).collect();
        let rescaled: Vec<f64> =
            (0..slots).map(|slot| kept.least_rescaled::<W>(slot, factor)).collect();
        let (mut a, mut b) = (0, 0);
        let (mut ends, mut of_pairs) = (Vec::new(), Vec::new());
        while a + b < 2 * slots {
            of_pairs.push(if a == slots { 0 } else { a as u8 });
            if b == slots || a < slots && plain[a] >= rescaled[b] {
                ends.push(a as u16);
                a += 1;
            } else {
                ends.push((slots + b) as u16);
                b += 1;
            }
        }
        Self { factor, slots, ends, plain: of_pairs }
    }

    /// Adds the counters of one source, one for each pair, to its two rows.
    #[inline(always)]
    pub fn add<C: Copy + Into<u32>>(&self, counters: &[C], row: &mut [u32], rescaled: &mut [u32]) {
        const { assert!(2 * SLOTS <= PLACES, "every end is a place") };
        let (mut up_to, mut sum) = ([0; PLACES], 0);
        for (counter, end) in counters.iter().zip(&self.ends) {
            sum += (*counter).into();
            up_to[usize::from(*end) % PLACES] = sum;
        }
        let (plain, others) = up_to.split_at(self.slots);
        for (row, up_to) in [(row, plain), (rescaled, &others[..self.slots])] {
            let [left_out, row @ ..] = row else { continue };
            let mut before = up_to[0];
            *left_out += sum - up_to[self.slots - 1] + before;
            for (count, up_to) in row.iter_mut().zip(&up_to[1..]) {
                *count += up_to - before;
                before = *up_to;
            }
        }
    }

    /// The slot of the weight itself in a pair, 0 where it is beyond the largest distance.
    #[inline(always)]
    pub fn slot(&self, pair: u16) -> usize {
        self.plain[usize::from(pair)].into()
    }

    /// The slots of a pair, those beyond the largest distance as 0.
    #[cfg(test)]
    pub fn slots(&self, pair: usize) -> [usize; 2] {
        let rescaled = self.ends[..pair].iter().filter(|end| usize::from(**end) >= self.slots);
        let rescaled = rescaled.count();
        [pair - rescaled, rescaled].map(|slot| if slot == self.slots { 0 } else { slot })
    }
}

impl Kept {
    /// The slot of a weight of this size, one more than the last where it is too small.
    fn slot(&self, weight: f64) -> usize {
        let distance = 1.0 / weight;
        match distance {
            d if d > self.largest_distance => self.slots,
            d if d > 1.0 => d.round_ties_even() as usize,
            _ => 0,
        }
    }

    /// The least weight of a type whose slot is `slot` or less.
    fn least<W: Stored>(&self, slot: usize) -> f64 {
        let about = match slot {
            0 => 1.0,
            slot if slot + 1 == self.slots => self.largest_distance,
            slot => slot as f64 + 0.5,
        };
        least::<W>(1.0 / about, |weight| self.slot(weight) <= slot)
    }

    /// The least weight of a type whose slot, rescaled, is `slot` or less.
    fn least_rescaled<W: Stored>(&self, slot: usize, factor: f32) -> f64 {
        let factor = f64::from(factor);
        let rounded = self.least::<f32>(slot);
        // Where products round to it.
        let about = (rounded + f64::from((rounded as f32).next_down())) / 2.0;
        least::<W>(about / factor, |weight| f64::from((weight * factor) as f32) >= rounded)
    }
}

/// The least number of a type from which on something holds, found from about where it lies; ∞ when it
/// holds for no finite one.
fn least<W: Stored>(about: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let mut least = W::beside(about, 0);
    while !holds(least) && least.is_finite() {
        least = W::beside(least, 1);
    }
    while least > 0.0 && holds(W::beside(least, -1)) {
        least = W::beside(least, -1);
    }
    least
}
