//! A monitor's place in a group.

use std::collections::BTreeMap;
use std::fmt;

use super::counting::Counting;
use crate::group::{Communicator, Part, SharedLink};

/// The group that a builder was given.
pub(super) struct Joined {
    pub(super) communicator: Box<dyn Communicator>,
    pub(super) parts: BTreeMap<String, Part>,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("rank", &self.communicator.rank())
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// A monitor's place in its group.
pub(super) struct Rank {
    pub(super) link: Option<SharedLink>, // none once this rank has left
    pub(super) counting: Option<Counting>, // of a rank that follows rank 0
    pub(super) shared: bool,             // whether the step at hand is one at which all ranks meet
}
