//! Where the work of a monitor is done.

/// Where the work of a monitor is done; the numbers are the same in both.
///
/// | | weights are counted | the rest | for |
/// |---|---|---|---|
/// | [`Background`](Self::Background) | in the hook, on all cores | on the side thread | most loops |
/// | [`Inline`](Self::Inline) | in the hook, on all cores | in the hook, on all cores | no background work, and the verdict on the step itself |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// The hook counts the weights and returns; the side thread does the rest, at the lowest
    /// priority. If other programs leave it no processor, or the hook has to wait for it, the
    /// analysis runs at the priority of training.
    #[default]
    Background,
    /// A step is analysed and recorded when the hook returns, with the stop rule's verdict on it. There
    /// is no side thread, and no thread of low priority; only what the loop logs at other steps is
    /// written next to training.
    Inline,
}
