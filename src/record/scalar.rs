//! Values that the training loop logs.

use std::sync::Arc;

/// The name and value of what the loop logs at a step. Steps share their names: thousands of them may wait for a disk.
pub(crate) type Scalar = (Arc<str>, f64);
