//! The shuffled control: the radius histograms of a matrix whose weights are permuted at random,
//! without permuting weights.
//!
//! Let a matrix have n sources with m edges each, and K_b of its n·m weights in slot b, weights out
//! of range included. A uniformly random permutation of the weights makes every arrangement of
//! these slots over the n·m edges equally likely. [`Dealer::deal`] draws the n histograms from that law:
//!
//! 1. Every edge is labelled with a slot, independently, b with probability K_b/(n·m). A source's
//!    labels are counted rather than listed: a Poisson count for each slot (given their sum, such
//!    counts are those of independent labels), then single labels up to m.
//! 2. If a slot was given C_b > K_b times, it is taken back from C_b - K_b of its edges, chosen
//!    uniformly; these get, in random order, the slots that were given too seldom.
//!
//! Both steps treat all edges alike and end with exactly K_b edges in slot b, so every arrangement
//! has the same probability: the draw is without replacement, as a permutation is. It costs about n
//! (slots + 1.5 √m) random numbers instead of n·m.
//!
//! The probabilities are exact to 2⁻³²: those of the tables that the random numbers look up.

use std::hint::select_unpredictable;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// Walker's alias table: draws an outcome with one random number.
#[derive(Clone, Debug)]
struct Alias {
    first: u32,               // the outcome of entry 0
    entries: Vec<(u32, u32)>, // 2^k of them: (threshold, other outcome's entry)
}

impl Alias {
    /// Outcomes `first`, `first` + 1, … with these weights, of which one at least is positive.
    fn new(first: u32, weights: &[f64]) -> Self {
        let len = weights.len().next_power_of_two();
        let mean = weights.iter().sum::<f64>() / len as f64;
        let mut share: Vec<f64> = weights.iter().map(|w| w / mean).collect();
        share.resize(len, 0.0);
        let mut entries: Vec<(u32, u32)> = (0..len as u32).map(|k| (u32::MAX, k)).collect();
        let (mut small, mut large) = (Vec::with_capacity(len), Vec::with_capacity(len));
        for (k, share) in share.iter().enumerate() {
            if *share < 1.0 { small.push(k) } else { large.push(k) }
        }
        while let (Some(&s), Some(&l)) = (small.last(), large.last()) {
            small.pop();
            entries[s] = ((share[s] * 2f64.powi(32)) as u32, l as u32);
            share[l] -= 1.0 - share[s];
            if share[l] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        Self { first, entries }
    }

    /// Poisson counts of this mean, without tails of less than 2⁻⁴⁴.
    fn poisson(mean: f64) -> Self {
        let mode = mean.floor();
        let least = 2f64.powi(-44);
        let up = std::iter::successors(Some((mode, 1.0)), |&(k, weight)| {
            Some((k + 1.0, weight * mean / (k + 1.0))).filter(|&(_, weight)| weight > least)
        });
        let down = std::iter::successors(Some((mode, 1.0)), |&(k, weight)| {
            Some((k - 1.0, weight * k / mean)).filter(|&(_, weight)| weight > least)
        });
        let mut weights: Vec<f64> = down.map(|(_, weight)| weight).collect();
        let first = mode as u32 + 1 - weights.len() as u32;
        weights.reverse();
        weights.extend(up.skip(1).map(|(_, weight)| weight));
        Self::new(first, &weights)
    }

    #[inline]
    fn draw(&self, rng: &mut impl Rng) -> u32 {
        self.at(rng.next_u64())
    }

    /// The outcome of 64 random bits, of which the lower half is used for the entry only.
    #[inline]
    fn at(&self, random: u64) -> u32 {
        let entry = random as u32 & (self.entries.len() as u32 - 1);
        let (threshold, other) = self.entries[entry as usize];
        let itself = ((random >> 32) as u32) < threshold;
        // A random branch would be predicted badly.
        self.first + select_unpredictable(itself, entry, other)
    }
}

/// How the histograms of one matrix are dealt out; made once, for as many draws as wanted.
#[derive(Clone, Debug)]
pub struct Dealer {
    pool: Vec<u64>,
    edges: u64,                  // m
    labels: Alias,               // of the slots
    counts: Vec<(usize, Alias)>, // slots with their Poisson counts; empty where labels are cheaper
}

impl Dealer {
    /// For a matrix with `pool[b]` weights in slot b and `edges` edges for each source; none if the
    /// number of weights is not a multiple of `edges`.
    pub fn new(pool: &[u64], edges: usize) -> Option<Self> {
        let total: u64 = pool.iter().sum();
        let edges = edges as u64;
        if total == 0 || edges == 0 || !total.is_multiple_of(edges) || edges > u64::from(u32::MAX) {
            return None;
        }
        let share: Vec<f64> = pool.iter().map(|&k| k as f64 / total as f64).collect();
        // So few that more than m labels in all are rare, so many that few are drawn one by one.
        let mean = edges as f64 - 1.5 * (edges as f64).sqrt();
        let used = pool.iter().filter(|&&k| k > 0).count();
        let by_counts = used as f64 * 1.5 < mean;
        let slots = share.iter().enumerate().filter(|&(_, &p)| by_counts && p > 0.0);
        let counts = slots.map(|(slot, p)| (slot, Alias::poisson(p * mean))).collect();
        Some(Self { pool: pool.to_vec(), edges, labels: Alias::new(0, &share), counts })
    }

    /// Replaces the rows, one of [`crate::mfa::Method::slots`] counters for each source, by a random
    /// deal.
    ///
    /// An even number of rows s, fewer than there are sources S, is dealt from a pool of the same
    /// shares, rounded at random to integers. Among s sources that share such a pool, the variance
    /// of the counts of one source would be too small by a factor of (1 - 1/s)/(1 - 1/S), and so
    /// would everything that depends on differences between sources. So each half of the rows gets
    /// a pool of its own: of a slot's weights, the share 1 - s/S is assigned to the halves in
    /// pairs. That restores the variance of a source's counts to that of a deal of all sources, and
    /// its higher factorial moments to within 1/s², while the sum over all rows keeps the pool's
    /// shares.
    ///
    /// # Panics
    /// When there are more rows than sources, or an odd number that is smaller.
    pub fn deal(&self, rows: &mut [u32], rng: &mut impl Rng) {
        let (sources, all) = (rows.len() / self.pool.len(), self.sources());
        assert!(sources <= all, "{sources} rows for {all} sources");
        if sources == all {
            return self.fill(&self.pool, rows, rng);
        }
        assert!(sources.is_multiple_of(2), "{sources} of {all} rows are dealt in two halves");
        let pool = thinned(&self.pool, sources as u64, all as u64, rng);
        let pools = halves(&pool, 1.0 - sources as f64 / all as f64, rng);
        for (pool, rows) in pools.iter().zip(rows.chunks_exact_mut(rows.len() / 2)) {
            self.fill(pool, rows, rng);
        }
    }

    /// Number of sources that share the pool.
    fn sources(&self) -> usize {
        (self.pool.iter().sum::<u64>() / self.edges) as usize
    }

    /// Deals a pool that holds the edges of all rows.
    fn fill(&self, pool: &[u64], rows: &mut [u32], rng: &mut impl Rng) {
        rows.fill(0);
        for row in rows.chunks_exact_mut(self.pool.len()) {
            let mut given = 0;
            for (slot, count) in &self.counts {
                row[*slot] = count.draw(rng);
                given += u64::from(row[*slot]);
            }
            while given > self.edges {
                let counts = row.iter().map(|&count| u64::from(count));
                row[slot_of(counts, rng.random_range(0..given))] -= 1;
                given -= 1;
            }
            for _ in given..self.edges {
                row[self.labels.draw(rng) as usize] += 1;
            }
        }
        settle(pool, rows, rng);
    }
}

/// `of` out of `all` parts of a pool, the sums over its first slots rounded down from a random
/// offset on: each count is right in the mean, and the sums are off by less than one.
fn thinned(pool: &[u64], of: u64, all: u64, rng: &mut impl Rng) -> Vec<u64> {
    if of == all {
        return pool.to_vec();
    }
    let (of, all) = (u128::from(of), u128::from(all));
    let offset = u128::from(rng.random_range(0..all as u64));
    let (mut sum, mut before) = (0u128, 0u128);
    let count = |&count: &u64| {
        sum += u128::from(count);
        let now = (sum * of + offset) / all;
        let part = now - before;
        before = now;
        part as u64
    };
    pool.iter().map(count).collect()
}

/// Splits a pool into two of equal size. The share `paired` of each slot's weights, to within two, goes
/// to one half or the other in pairs, the rest one by one.
fn halves<R: Rng>(pool: &[u64], paired: f64, rng: &mut R) -> [Vec<u64>; 2] {
    let draw = |&count: &u64, rng: &mut R| {
        let pairs = (paired * count as f64 / 2.0 + rng.random::<f64>()) as u64;
        let pairs = pairs.min(count / 2);
        2 * heads(pairs, rng) + heads(count - 2 * pairs, rng)
    };
    let one: Vec<u64> = pool.iter().map(|count| draw(count, rng)).collect();
    let other: Vec<u64> = pool.iter().zip(&one).map(|(all, one)| all - one).collect();
    let mut halves = [one, other];
    let [one, other] = halves.each_ref().map(|half| half.iter().sum::<u64>());
    // Weights of the larger half, chosen uniformly, make up the difference.
    let (from, to) = if one > other { (0, 1) } else { (1, 0) };
    for moved in 0..one.abs_diff(other) / 2 {
        let left = one.max(other) - moved;
        let slot = slot_of(halves[from].iter().copied(), rng.random_range(0..left));
        halves[from][slot] -= 1;
        halves[to][slot] += 1;
    }
    halves
}

/// How often `coins` fair coins show heads.
fn heads(coins: u64, rng: &mut impl Rng) -> u64 {
    let whole = (0..coins / 64).map(|_| u64::from(rng.next_u64().count_ones())).sum::<u64>();
    match coins % 64 {
        0 => whole,
        rest => whole + u64::from((rng.next_u64() >> (64 - rest)).count_ones()),
    }
}

/// Step 2: gives every slot its pooled number of edges.
fn settle(pool: &[u64], rows: &mut [u32], rng: &mut impl Rng) {
    let slots = pool.len();
    let sources = rows.len() / slots;
    let (mut given, mut most) = (vec![0u64; slots], vec![0u32; slots]);
    for row in rows.chunks_exact(slots) {
        for ((given, most), &count) in given.iter_mut().zip(&mut most).zip(row) {
            *given += u64::from(count);
            *most = (*most).max(count);
        }
    }
    let mut holes: Vec<usize> = Vec::new();
    for slot in 0..slots {
        for _ in pool[slot]..given[slot] {
            // A source with probability proportional to its edges in the slot: one of them.
            let source = loop {
                let random = rng.next_u64();
                let source = below(sources as u32, (random >> 32) as u32) as usize;
                if below(most[slot], random as u32) < rows[source * slots + slot] {
                    break source;
                }
            };
            rows[source * slots + slot] -= 1;
            holes.push(source);
        }
    }
    holes.shuffle(rng);
    let missing = (0..slots).flat_map(|slot| {
        std::iter::repeat_n(slot, pool[slot].saturating_sub(given[slot]) as usize)
    });
    for (source, slot) in holes.into_iter().zip(missing) {
        rows[source * slots + slot] += 1;
    }
}

/// A number below `limit` out of 32 random bits, each as likely to within 2⁻³².
fn below(limit: u32, random: u32) -> u32 {
    ((u64::from(limit) * u64::from(random)) >> 32) as u32
}

/// The slot of the `edge`-th edge, edges being numbered slot by slot.
///
/// # Panics
/// When there are no more than `edge` edges.
fn slot_of(counts: impl Iterator<Item = u64>, mut edge: u64) -> usize {
    for (slot, count) in counts.enumerate() {
        if edge < count {
            return slot;
        }
        edge -= count;
    }
    panic!("edge {edge} beyond the last one")
}

/// Draws the weights of a matrix one by one without replacement, for the drawn part of a permuted
/// matrix.
///
/// A slot is proposed with its initial probability, and accepted with the share of its weights that
/// are left. When half of all weights are drawn, the probabilities are computed again.
#[derive(Clone, Debug)]
pub struct PoolSampler {
    at_first: Vec<u64>,
    left: Vec<u64>, // ≤ at_first
    total: u64,     // of left
    half: u64,      // of at_first
    slots: Alias,
}

impl PoolSampler {
    /// For `pool[b]` weights in each slot b.
    pub fn new(pool: &[u64]) -> Self {
        let total: u64 = pool.iter().sum();
        let shares: Vec<f64> = pool.iter().map(|&count| count as f64).collect();
        let slots = Alias::new(0, if total > 0 { &shares } else { &[1.0] });
        Self { at_first: pool.to_vec(), left: pool.to_vec(), total, half: total / 2, slots }
    }

    /// Draws the next `edges` weights, or as many as are left, and adds each to the counter of its slot.
    ///
    /// # Panics
    /// When the row does not have a counter for each slot.
    pub fn draw(&mut self, edges: u64, row: &mut [u32], rng: &mut impl Rng) {
        let mut wanted = edges.min(self.total);
        while wanted > 0 {
            if self.total <= self.half {
                *self = Self::new(&self.left);
            }
            let now = wanted.min(self.total - self.half);
            for _ in 0..now {
                row[self.take(rng)] += 1;
            }
            self.total -= now;
            wanted -= now;
        }
    }

    /// Takes one of the weights that are left, of which there must be one, and returns its slot;
    /// the caller lowers `total`.
    #[inline]
    fn take(&mut self, rng: &mut impl Rng) -> usize {
        loop {
            let random = rng.next_u64();
            let slot = self.slots.at(random) as usize;
            // The table may give an empty slot because of its rounding.
            let Some(left) = self.left.get_mut(slot).filter(|left| **left > 0) else { continue };
            // Accepted with probability left/at_first, to within 2⁻²⁴ for up to 256 slots, by the
            // bits of the lower half that the table has not used.
            let used = self.slots.entries.len().ilog2();
            let rest = u128::from(random as u32 >> used);
            if (rest * u128::from(self.at_first[slot])) >> (32 - used) < u128::from(*left) {
                *left -= 1;
                return slot;
            }
        }
    }
}

#[cfg(test)]
mod tests;
