//! Counting with wide vectors.
//!
//! The kernels serve the published shape of the method: d = 1/|w|, kept for 1 < d ≤ a largest
//! distance below 160, radii 1, 2, 3, … The slot is then the radius itself and fits a byte. The
//! vector unit turns 64 weights into 64 bytes ([`Vectors`]), plain code counts the bytes ([`rows`],
//! [`columns`]): one increment in memory for each, of which a core does one a cycle. So the bytes of
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
mod columns;
mod rows;
mod tally;

use half::{bf16, f16};

#[cfg(target_arch = "x86_64")]
use self::{avx2::Avx2, avx512::Avx512};
use super::edges::EdgeLayout;
use super::parameters::Method;
use super::transfer::Transfer;

/// Weights that are counted as one.
pub(super) const CHUNK: usize = 64;

/// Weights that are binned at once.
const QUARTER: usize = CHUNK / 4;

/// The most counters of a neuron that the kernels serve.
const SLOTS: usize = 160;

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
    kept: Kept,
}

#[derive(Clone, Copy, Debug)]
enum Machine {
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// The distances that are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kept {
    smallest: u32, // bits of the smallest |w| that is kept, at most those of 1
    largest_distance: f64,
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
        Some(Self { smallest: low, largest_distance: p.max_distance })
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

/// Where a share is counted; each part has one entry or row of `slots` counters for each source.
#[derive(Debug)]
pub(super) struct Counters<'a> {
    pub slots: usize,
    pub counts: &'a mut [u32],
    /// Σ of the kept distances, if wanted.
    pub distances: Option<&'a mut [f64]>,
    /// The counts of w · factor rounded to f32, if wanted.
    pub rescaled: Option<(f32, &'a mut [u32])>,
}

impl Kernel {
    /// The kernel for a method with the best instructions of this machine.
    pub fn best(method: &Method) -> Option<Self> {
        let with = |instructions| Self::with(instructions, method);
        with(Instructions::Avx512).or_else(|| with(Instructions::Avx2))
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
        Some(Self { machine, kept: Kept::new(method)? })
    }

    /// Whether the edges of so many sources are served: not few, and side by side for each source
    /// or for each target.
    pub fn serves(&self, layout: &EdgeLayout, sources: usize) -> bool {
        let columns = layout.source_stride == layout.taps && layout.taps <= columns::MOST_TAPS;
        sources * layout.targets * layout.taps >= FEW
            && (layout.target_stride == layout.taps || columns)
    }

    /// Adds the edges of a share whose layout is served. Gives the number of weights that are not
    /// finite.
    pub fn count<W: Stored>(&self, share: Share<'_, W>, into: Counters<'_>) -> u64 {
        match (into.rescaled.is_some(), into.distances.is_some()) {
            (false, false) => self.run::<W, false, false>(share, into),
            (false, true) => self.run::<W, false, true>(share, into),
            (true, false) => self.run::<W, true, false>(share, into),
            (true, true) => self.run::<W, true, true>(share, into),
        }
    }

    fn run<W: Stored, const RESCALED: bool, const SUMS: bool>(
        &self,
        share: Share<'_, W>,
        into: Counters<'_>,
    ) -> u64 {
        let (factor, rescaled) = into.rescaled.unwrap_or((1.0, &mut []));
        let ask = Ask { kept: self.kept, factor };
        let pass = Pass {
            ask,
            share,
            slots: into.slots,
            counts: into.counts,
            rescaled,
            distances: into.distances.unwrap_or_default(),
        };
        if share.layout.target_stride == share.layout.taps {
            return self.enter(rows::Rows::<W, RESCALED, SUMS>(pass));
        }
        columns::Scratch::lend(|scratch| {
            if share.layout.taps == 1 {
                self.enter(columns::Columns::<W, RESCALED, SUMS, false> { pass, scratch })
            } else {
                self.enter(columns::Columns::<W, RESCALED, SUMS, true> { pass, scratch })
            }
        })
    }

    fn enter<T: Task>(&self, task: T) -> u64 {
        match self.machine {
            #[cfg(target_arch = "x86_64")]
            Machine::Avx2(vectors) => vectors.enter(task),
            #[cfg(target_arch = "x86_64")]
            Machine::Avx512(vectors) => vectors.enter(task),
        }
    }
}

/// A share and where it is counted; `rescaled` and `distances` are used where wanted.
struct Pass<'a, W> {
    ask: Ask,
    share: Share<'a, W>,
    slots: usize,
    counts: &'a mut [u32],
    rescaled: &'a mut [u32],
    distances: &'a mut [f64],
}

/// How a chunk is binned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    kept: Kept,
    factor: f32,
}

/// A quarter of a chunk as slots, of its rescaled weights too where those are wanted.
#[derive(Clone, Copy)]
pub(super) struct Binned<P> {
    plain: P,
    rescaled: P,
    infinite: u32, // a bit for each weight that is not finite
}

/// A loop over chunks that gives the number of weights that are not finite.
pub(super) trait Task {
    fn run<V: Vectors>(self, vectors: V) -> u64;
}

/// Some vector instructions; a value exists only on a machine that has them.
///
/// The methods named as types bin a quarter of a chunk: its slots, if `RESCALED` those of w · factor
/// rounded to f32, and if `SUMS` each kept distance is added to the sum of its place.
pub(super) trait Vectors: Copy {
    /// The slots of a quarter, in registers.
    type Part: Copy;

    /// The slots of a chunk, in registers.
    type Slots: Copy;

    /// Eighths of its edges: a row that keeps fewer is counted sooner where those left out are
    /// taken out before.
    const COMPRESSED: usize;

    /// Runs a task, compiled for these instructions.
    fn enter<T: Task>(self, task: T) -> u64;

    /// Asks for the cache line at an address, which may be any.
    fn prefetch(self, at: *const u8);

    /// The same slots, worked out by here: left to itself the compiler puts off what no statement
    /// needs before, and a store of what is not yet there holds up all stores behind it.
    fn worked_out(self, part: Self::Part) -> Self::Part;

    /// The chunk of four quarters.
    fn join(self, parts: [Self::Part; 4]) -> Self::Slots;

    /// Writes the slots.
    fn store(self, slots: Self::Slots, to: &mut [u8; CHUNK]);

    /// Writes the slots other than 0, in order, and zeros behind them; gives how many there are.
    fn compress(self, slots: Self::Slots, to: &mut [u8; CHUNK]) -> usize;

    fn f32<const RESCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f32; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn f16<const RESCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f16; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn bf16<const RESCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[bf16; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn f64<const RESCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f64; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;
}

/// A type in which weights are stored.
pub(super) trait Stored: Copy + Default {
    fn bin<V: Vectors, const RESCALED: bool, const SUMS: bool>(
        vectors: V,
        ask: &Ask,
        weights: &[Self; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<V::Part>;

    fn finite(self) -> bool;
}

macro_rules! stored {
    ($($weight:ident),*) => {$(
        impl Stored for $weight {
            #[inline(always)]
            fn bin<V: Vectors, const RESCALED: bool, const SUMS: bool>(
                vectors: V,
                ask: &Ask,
                weights: &[Self; QUARTER],
                sums: &mut [f64; QUARTER],
            ) -> Binned<V::Part> {
                vectors.$weight::<RESCALED, SUMS>(ask, weights, sums)
            }

            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
        }
    )*};
}
stored!(f32, f64, f16, bf16);

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
fn not_finite<W: Stored>(weights: &[W; CHUNK]) -> u64 {
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
