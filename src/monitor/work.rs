//! Where the work of a monitor is done.

/// Where the work of a monitor is done; the numbers are the same in all of them.
///
/// | | weights are counted | the rest | for |
/// |---|---|---|---|
/// | [`Beside`](Self::Beside) | in the hook, on all cores | on the side thread | most loops |
/// | [`Overlapped`](Self::Overlapped) | beside forward and backward | on the side thread | a core to spare |
/// | [`Inline`](Self::Inline) | in the hook, on all cores | in the hook, on all cores | nothing beside training, and the verdict on the step itself |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// The hook counts the weights and goes on; the side thread does the rest. Where other
    /// programs leave it no processor, or the hook has to wait for it, the analysis is done at the
    /// priority of training.
    #[default]
    Beside,
    /// The hook lends the weights and goes on at once. They are counted while the loop only reads
    /// them, and the loop passes a gate before it updates them: its optimizer is taken from
    /// [`Monitor::gated`](super::Monitor::gated), or it calls
    /// [`Monitor::before_update`](super::Monitor::before_update).
    ///
    /// Weights are lent only to a loop that has passed the gate since its last step, so one that
    /// does not know of it never has weights read while they are written: they are counted in the
    /// hook, as are weights that cannot be lent (on another device, not contiguous). Libtorch's
    /// count of writes and sixteen values of each tensor are compared before and after: weights that
    /// were seen to be updated all the same make a row `dropped` and an error, not a wrong number.
    Overlapped,
    /// A step is analysed and recorded when the hook returns, with the stop rule's verdict on it. There
    /// is no side thread, and no thread of low priority; only what the loop logs at other steps is
    /// written next to training.
    Inline,
}
