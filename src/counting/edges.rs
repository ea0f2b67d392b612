//! Weight tensors as edges: the position of each edge among the stored values.

use crate::mfa::Values;

/// The positions of the edges in a row-major tensor: the edge from source s to target t, tap k, is
/// element `t * target_stride + s * source_stride + k`.
///
/// PyTorch's `[out, in, taps..]` has `source_stride = taps`, `target_stride = in * taps`;
/// `[in, out, taps..]` (Conv1D, a transposed convolution) has `source_stride = out * taps`,
/// `target_stride = taps`.
///
/// With g > 1 groups (a grouped convolution, `[out, in/g, taps..]`) sources and target rows fall
/// into g equal runs, and a source has edges only to the targets of its own run. In the formula, s
/// is then the index of the source within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeLayout {
    /// Number of source neurons.
    pub sources: usize,
    /// Number of target rows.
    pub targets: usize,
    /// Edges between one source and one target row (kernel taps of a convolution).
    pub taps: usize,
    /// Distance in elements between two sources.
    pub source_stride: usize,
    /// Distance in elements between two targets.
    pub target_stride: usize,
    /// Groups, of which sources and targets are multiples; 1 joins every source to every target.
    pub groups: usize,
}

impl EdgeLayout {
    /// Row-major `[targets, sources, taps]`.
    pub fn out_in(targets: usize, sources: usize, taps: usize) -> Self {
        let target_stride = sources * taps;
        Self { sources, targets, taps, source_stride: taps, target_stride, groups: 1 }
    }

    /// Row-major `[targets, sources / groups, taps]`: a grouped convolution.
    pub fn grouped(targets: usize, sources: usize, taps: usize, groups: usize) -> Self {
        let within = sources.checked_div(groups).unwrap_or(0);
        Self { sources, groups, ..Self::out_in(targets, within, taps) }
    }

    /// Row-major `[sources, targets]`.
    pub fn in_out(sources: usize, targets: usize) -> Self {
        Self::transposed(sources, targets, 1)
    }

    /// Row-major `[sources, targets, taps]`: a transposed convolution.
    pub fn transposed(sources: usize, targets: usize, taps: usize) -> Self {
        let source_stride = targets * taps;
        Self { sources, targets, taps, source_stride, target_stride: taps, groups: 1 }
    }

    /// Edges that leave one source neuron.
    pub fn edges_per_source(&self) -> usize {
        self.targets / self.groups * self.taps
    }

    /// Whether sources and targets fall into equal groups.
    fn divides(&self) -> bool {
        let multiple = |n: usize| n.checked_rem(self.groups) == Some(0);
        multiple(self.sources) && multiple(self.targets)
    }

    /// One group by itself.
    pub(super) fn group(self) -> Self {
        let (sources, targets) = (self.sources / self.groups, self.targets / self.groups);
        Self { sources, targets, groups: 1, ..self }
    }

    /// Elements at the start of a tensor of this layout that hold all its edges.
    pub(super) fn reach(&self) -> usize {
        if self.sources * self.edges_per_source() == 0 {
            return 0;
        }
        (self.sources / self.groups - 1) * self.source_stride
            + (self.targets - 1) * self.target_stride
            + self.taps
    }
}

/// A weight tensor with the layout of its edges.
#[derive(Clone, Copy, Debug)]
pub struct EdgeMatrix<'a> {
    pub(super) values: Values<'a>,
    pub(super) layout: EdgeLayout,
}

impl<'a> EdgeMatrix<'a> {
    /// Joins values and layout; `None` when the layout reaches beyond the values or its groups do
    /// not divide it.
    pub fn new(values: Values<'a>, layout: EdgeLayout) -> Option<Self> {
        (layout.divides() && layout.reach() <= values.len()).then_some(Self { values, layout })
    }

    /// The values, those that are no edges included.
    pub fn values(&self) -> Values<'a> {
        self.values
    }

    /// The layout.
    pub fn layout(&self) -> EdgeLayout {
        self.layout
    }

    /// The sources `first..last`, group by group.
    pub(super) fn parts(&self, first: usize, last: usize) -> impl Iterator<Item = Part<'a>> {
        let Self { values, layout } = *self;
        let one = layout.group();
        let groups = match last {
            _ if first >= last || layout.taps == 0 => 0..0,
            _ => first / one.sources..(last - 1) / one.sources + 1,
        };
        groups.map(move |group| {
            let start = group * one.sources;
            let (from, to) = (first.max(start), last.min(start + one.sources));
            Part {
                values: values.from(group * one.targets * one.target_stride),
                layout: one,
                sources: from - start..to - start,
                rows: from - first..to - first,
            }
        })
    }
}

/// A run of sources within one group of a matrix, as a matrix of its own.
pub(super) struct Part<'a> {
    pub values: Values<'a>,
    pub layout: EdgeLayout,
    pub sources: std::ops::Range<usize>, // within the group
    pub rows: std::ops::Range<usize>,    // within the run that was asked for
}
