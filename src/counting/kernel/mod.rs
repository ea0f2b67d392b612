//! Counting with wide vectors.
//!
//! The kernels serve the published shape of the method: d = 1/|w|, kept for 1 < d ≤ a largest
//! distance below 160, radii 1, 2, 3, … The slot is then the radius itself and fits a byte. The
//! vector unit turns 64 weights into 64 bytes ([`Vectors`]); plain code counts the bytes ([`rows`],
//! [`columns`]), with one increment in memory for each. A core does one such increment a cycle. If
//! weights are also counted rescaled, each chunk is binned twice while it is in the cache.
//!
//! Increments are interleaved with vector code for weights that are counted some hundred stores
//! later: a core reads what it has just written slowly, or not before the stores ahead of it are
//! done. All other methods use the table of [`super::RadiusTable`].
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
mod chunk;
mod columns;
mod rows;
mod share;
mod tally;
mod vectors;

#[cfg(target_arch = "x86_64")]
use self::{avx2::Avx2, avx512::Avx512};
use super::edges::EdgeLayout;
use crate::mfa::Method;
pub(super) use chunk::CHUNK;
use chunk::{Ask, Kept};
use columns::{Columns, Samples, Scratch};
use rows::Rows;
use share::Pass;
pub(super) use share::{Counters, DrawnShare, Share};
pub(super) use vectors::Stored;
use vectors::{Task, Vectors};

/// Below this many edges, clearing and adding up a kernel's counters costs more than it saves.
const FEW: usize = 1024;

/// The vector instructions with which edges are counted. All give the same counts and sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// None: the code for any machine.
    Plain,
    /// AVX2, with FMA and F16C.
    Avx2,
    /// AVX-512, with its byte, double word and short vector parts and the first of its byte
    /// manipulation parts. Machines that lack the latter use AVX2.
    Avx512,
}

impl Instructions {
    /// The widest that this machine has.
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

impl Kernel {
    /// The kernel for a method with the best instructions of this machine: AVX-512, except that
    /// weights in f64 use AVX2, which divides them faster.
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

    /// Whether the kernel counts the edges of `sources` sources of this layout: there must be
    /// enough of them, and they must lie side by side for each source or for each target.
    pub fn serves(&self, layout: &EdgeLayout, sources: usize) -> bool {
        let columns = layout.source_stride == layout.taps && layout.taps <= columns::MOST_TAPS;
        sources * layout.targets * layout.taps >= FEW
            && (layout.target_stride == layout.taps || columns)
    }

    /// Whether it also counts the edges between drawn neurons of a layout that it serves: it does
    /// if all edges are binned into memory before they are counted.
    pub fn counts_drawn(&self, layout: &EdgeLayout) -> bool {
        layout.target_stride != layout.taps
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

    fn run<W: Stored, const SCALED: bool, const SUMS: bool>(
        &self,
        share: Share<'_, W>,
        into: Counters<'_>,
    ) -> u64 {
        let kept = self.kept;
        let (factor, rescaled) = into.rescaled.unwrap_or((1.0, &mut []));
        let pass = Pass {
            ask: Ask { kept, factor },
            share,
            counts: into.counts,
            rescaled,
            distances: into.distances.unwrap_or_default(),
        };
        let machine = if W::WIDE { self.doubles } else { self.machine };
        if !self.counts_drawn(&share.layout) {
            return machine.enter(Rows::<W, SCALED, SUMS>(pass));
        }
        Scratch::lend(|Scratch { counters, samples, blocks }| {
            let mut samples = Samples::new(into.drawn, kept.slots, samples);
            let drawn = &mut samples;
            let infinite = if share.layout.taps == 1 {
                machine.enter(Columns::<W, SCALED, SUMS, false> { pass, counters, drawn, blocks })
            } else {
                counters.fit(share.layout.taps);
                machine.enter(Columns::<W, SCALED, SUMS, true> { pass, counters, drawn, blocks })
            };
            samples.finish();
            infinite
        })
    }
}

#[cfg(test)]
mod tests;
