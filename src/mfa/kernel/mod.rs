//! Counting with wide vectors.
//!
//! The kernels serve the published shape of the method: d = 1/|w|, kept for 1 < d ≤ a largest
//! distance below 160, radii 1, 2, 3, … The slot is then the radius itself and fits a byte. The
//! vector unit turns 64 weights into 64 bytes ([`Vectors`]), plain code counts the bytes ([`rows`],
//! [`columns`]): one increment in memory for each, of which a core does one a cycle. A weight that is
//! counted rescaled too still takes one, of the pair of its slots ([`stairs`]). The bytes of
//! weights that are left out are taken out of a row before, where there are enough of them to pay for
//! it; slot 0 of a row gets what is missing to the number of edges. And increments stand beside the
//! vector code of weights that are counted later: some hundred stores later, since a core reads what
//! it has just written slowly or not at all before the stores ahead of it are done. Everything else
//! takes the table of [`super::RadiusTable`].
//!
//! A slot is found without a division. With r a little below 1/|w| and q = round(r), the radius is
//! q or q + 1; it is q + 1 just when |w|·(q + ½) < 1, of which a fused multiply-add gives the exact
//! sign. No f32 lies on a tie, or so near one that f64 would take it for one, so this is 1/|w|
//! rounded half to even as in f64, for all 2³² patterns. Weights in f64 are divided.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bins;
mod columns;
mod rows;
mod stairs;
mod tally;
mod vectors;

#[cfg(target_arch = "x86_64")]
use self::{avx2::Avx2, avx512::Avx512};
use std::marker::PhantomData;

use super::edges::EdgeLayout;
use super::parameters::Method;
use super::transfer::Transfer;
use bins::Bin;
use columns::{Memory, Samples};
pub(super) use stairs::Stairs;
pub(super) use vectors::Stored;
use vectors::{Task, Vectors};

/// Weights that are counted as one.
pub(super) const CHUNK: usize = 64;

/// Weights that are binned at once.
const QUARTER: usize = CHUNK / 4;

/// The most counters of a neuron that the kernels serve.
const SLOTS: usize = 160;

/// The largest factor by which a kernel rescales: 2¹⁰⁰.
const FURTHEST: f32 = 1.267_650_6e30;

/// Fewer edges than this are counted sooner than a kernel's own counters are cleared and added.
const FEW: usize = 1024;

/// The vector instructions with which edges are counted. All give the same counts and sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// None: the code for any machine.
    Plain,
    /// AVX2, with FMA, F16C and POPCNT.
    Avx2,
    /// AVX-512, with its byte, double word and short vector parts and both of its byte
    /// manipulation parts. Machines that lack the latter take AVX2.
    Avx512,
}

impl Instructions {
    /// Those of this machine.
    pub fn of_machine() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if Avx512::find().is_some() {
                return Self::Avx512;
            }
            if Avx2::find().is_some() {
                return Self::Avx2;
            }
        }
        Self::Plain
    }
}

impl std::fmt::Display for Instructions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "none",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

/// A method and a machine that the kernels serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    machine: Machine,
    doubles: Machine, // for weights in f64
    kept: Kept,
}

#[derive(Clone, Copy, Debug)]
enum Machine {
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Machine {
    fn enter<T: Task>(self, task: T) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(vectors) => vectors.enter(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(vectors) => vectors.enter(task),
        }
    }
}

/// The distances that are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kept {
    smallest: u32, // bits of the smallest |w| that is kept, at most those of 1
    largest_distance: f64,
    slots: usize, // and that of all distances beyond the largest, where pairs are counted
}

impl Kept {
    fn new(method: &Method) -> Option<Self> {
        let p = method.parameters();
        let published = p.transfer == Transfer::Inverse
            && p.radius_step == 1.0
            && p.min_distance == 1.0
            && method.slots() <= SLOTS;
        if !published {
            return None;
        }
        let (mut low, mut high) = (0, 1f32.to_bits());
        while low < high {
            let middle = low + (high - low) / 2;
            let distance = 1.0 / f64::from(f32::from_bits(middle));
            if distance > p.max_distance { low = middle + 1 } else { high = middle }
        }
        Some(Self { smallest: low, largest_distance: p.max_distance, slots: method.slots() })
    }
}

/// Sources `first..last` of a weight matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<'a, W> {
    pub weights: &'a [W],
    pub layout: EdgeLayout,
    pub first: usize,
    pub last: usize,
}

/// Where a share is counted; each part has one entry or row of the method's slots for each source.
#[derive(Debug)]
pub(super) struct Counters<'a> {
    pub counts: &'a mut [u32],
    /// Σ of the kept distances, if wanted.
    pub distances: Option<&'a mut [f64]>,
    /// The counts of the rescaled weights, if wanted.
    pub rescaled: Option<(&'a Stairs, &'a mut [u32])>,
    /// The edges between drawn neurons, where [`Kernel::counts_drawn`].
    pub drawn: Vec<DrawnShare<'a>>,
}

/// The drawn sources of a share, in one sample.
#[derive(Debug)]
pub(super) struct DrawnShare<'a> {
    /// Ascending.
    pub sources: &'a [usize],
    /// Drawn target rows, ascending.
    pub targets: &'a [usize],
    /// A row for each of the sources.
    pub rows: &'a mut [u32],
}

impl Kernel {
    /// The kernel for a method with the best instructions of this machine: AVX-512, but for weights in
    /// f64, which AVX2 divides sooner.
    pub fn best(method: &Method) -> Option<Self> {
        let with = |instructions| Self::with(instructions, method);
        let (best, narrow) = (with(Instructions::Avx512), with(Instructions::Avx2));
        let doubles = narrow.or(best)?.doubles;
        Some(Self { doubles, ..best.or(narrow)? })
    }

    /// The kernel for a method with these instructions, where the machine has them.
    pub fn with(instructions: Instructions, method: &Method) -> Option<Self> {
        let machine = match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => Machine::Avx2(Avx2::find()?),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => Machine::Avx512(Avx512::find()?),
            _ => return None,
        };
        Some(Self { machine, doubles: machine, kept: Kept::new(method)? })
    }

    /// Whether the edges of so many sources are served: not few, and side by side for each source
    /// or for each target.
    pub fn serves(&self, layout: &EdgeLayout, sources: usize) -> bool {
        let columns = layout.source_stride == layout.taps && layout.taps <= columns::MOST_TAPS;
        sources * layout.targets * layout.taps >= FEW
            && (layout.target_stride == layout.taps || columns)
    }

    /// What it takes to count weights of this type times a factor rounded to f32 as well. None for
    /// factors so far from 1 that 1/|w| times their inverse might be no normal number.
    pub fn stairs<W: Stored>(&self, factor: f32) -> Option<Stairs> {
        let served = (1.0 / FURTHEST..=FURTHEST).contains(&factor);
        served.then(|| Stairs::new::<W>(&self.kept, factor))
    }

    /// Whether it counts edges between drawn neurons of a layout that is served, beside all others: where
    /// all are binned into memory before they are counted.
    pub fn counts_drawn(&self, layout: &EdgeLayout) -> bool {
        layout.target_stride != layout.taps
    }

    /// Adds the edges of a share whose layout is served. Gives the number of weights that are not
    /// finite.
    pub fn count<W: Stored>(&self, share: Share<'_, W>, into: Counters<'_>) -> u64 {
        match (into.rescaled.is_some(), into.distances.is_some()) {
            (false, false) => self.run::<W, u8, false>(share, into),
            (false, true) => self.run::<W, u8, true>(share, into),
            (true, false) => self.run::<W, u16, false>(share, into),
            (true, true) => self.run::<W, u16, true>(share, into),
        }
    }

    fn run<W: Stored, B: Bin, const SUMS: bool>(
        &self,
        share: Share<'_, W>,
        into: Counters<'_>,
    ) -> u64 {
        let kept = self.kept;
        let none = Stairs::default();
        let (stairs, rescaled) = into.rescaled.unwrap_or((&none, &mut []));
        let pass = Pass {
            ask: Ask::new(kept, stairs.factor),
            share,
            counts: into.counts,
            rescaled,
            distances: into.distances.unwrap_or_default(),
            stairs,
        };
        let machine = if W::WIDE { self.doubles } else { self.machine };
        if !self.counts_drawn(&share.layout) {
            return machine.enter(rows::Rows::<W, B, SUMS>(pass, PhantomData));
        }
        columns::Scratch::lend(|scratch| {
            let Memory { counters, samples, blocks } = B::memory(scratch);
            let mut samples = Samples::new(into.drawn, kept.slots, samples);
            let memory = Memory { counters, samples: &mut samples, blocks };
            let infinite = if share.layout.taps == 1 {
                machine.enter(columns::Columns::<W, B, SUMS, false> { pass, memory })
            } else {
                memory.counters.fit::<B>(share.layout.taps);
                machine.enter(columns::Columns::<W, B, SUMS, true> { pass, memory })
            };
            samples.finish();
            infinite
        })
    }
}

/// A share and where it is counted; `rescaled`, `distances` and `stairs` are used where wanted.
///
/// Nothing here may own memory: with something to drop in it, a loop is compiled to half its speed.
struct Pass<'a, W> {
    ask: Ask,
    share: Share<'a, W>,
    counts: &'a mut [u32],
    rescaled: &'a mut [u32],
    distances: &'a mut [f64],
    stairs: &'a Stairs,
}

/// How a chunk is binned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    kept: Kept,
    factor: f32,
    inverse: f32, // of the factor
}

impl Ask {
    fn new(kept: Kept, factor: f32) -> Self {
        Self { kept, factor, inverse: 1.0 / factor }
    }
}

/// A chunk and the sums of its places, quarter by quarter.
#[inline(always)]
fn quarter<'a, W, const K: usize>(
    chunk: &'a [W; CHUNK],
    sums: &'a mut [f64; CHUNK],
) -> (&'a [W; QUARTER], &'a mut [f64; QUARTER]) {
    const { assert!(K < CHUNK / QUARTER, "a chunk has four quarters") };
    (&chunk.as_chunks().0[K], &mut sums.as_chunks_mut().0[K])
}

/// Kept apart: it is hardly ever called.
#[cold]
#[inline(never)]
fn not_finite<W: Stored>(weights: &[W]) -> u64 {
    weights.iter().map(|weight| u64::from(!weight.finite())).sum()
}

/// A last chunk of fewer weights, filled up with zeros, which are left out.
#[inline(always)]
fn padded<W: Stored>(weights: &[W]) -> [W; CHUNK] {
    let mut chunk = [W::default(); CHUNK];
    chunk[..weights.len()].copy_from_slice(weights);
    chunk
}

#[cfg(test)]
mod tests;
