//! What the hook does when it cannot do its work.

/// What the hook does when a step is due and the side thread is still busy with the two before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackPressure {
    /// Wait: no step is lost. A side thread that gets no processor is not waited for: what it has not
    /// analysed is then analysed at the priority of training. A disk that does not answer is waited
    /// for one second; then steps are recorded as `dropped` until it does.
    #[default]
    Block,
    /// Do not wait, and record the step as `dropped`. (Some thousand rows may wait to be written; only
    /// then does the hook wait, so that no row is lost; for a disk, one second at most.)
    DropNewest,
}

/// What the hook does after the monitor has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Every later call returns the failure as an error; the loop decides.
    #[default]
    Report,
    /// The failure is logged once (`tracing`, level error) and later calls do nothing;
    /// [`Monitor::finish`](super::Monitor::finish) returns it.
    KeepTraining,
}
