//! Weights that the caller provides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Source, SourceError, Tensor};
use crate::network::Parameter;

/// Named weights in memory. Clones share the weights: keep one, give the other to the monitor.
///
/// ```
/// use neuromfa::source::{Memory, Source};
///
/// let weights = Memory::new();
/// weights.set("0.weight", &[2, 3], vec![0.1f32, 0.2, 0.3, 0.4, 0.5, 0.6])?;
/// assert_eq!(weights.parameters()[0].shape, [2, 3]);
/// # Ok::<(), neuromfa::source::SourceError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tensors: Arc<Mutex<Tensors>>,
}

/// Shape and values by name.
type Tensors = BTreeMap<String, (Vec<usize>, Tensor<'static>)>;

impl Memory {
    /// No weights yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the values of a tensor, row-major.
    ///
    /// # Errors
    /// [`SourceError::Shape`] when the number of values is not that of the shape.
    pub fn set(
        &self,
        name: &str,
        shape: &[usize],
        values: impl Into<Tensor<'static>>,
    ) -> Result<(), SourceError> {
        let values = values.into();
        if values.values().len() != shape.iter().product::<usize>() {
            return Err(SourceError::Shape {
                name: name.to_owned(),
                place: "memory".to_owned(),
                found: vec![values.values().len()],
                expected: shape.to_vec(),
            });
        }
        self.tensors().insert(name.to_owned(), (shape.to_vec(), values));
        Ok(())
    }

    fn tensors(&self) -> MutexGuard<'_, Tensors> {
        // An insertion that panicked has left the map as it was.
        self.tensors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Memory {
    fn parameters(&self) -> Vec<Parameter> {
        let tensors = self.tensors();
        tensors.iter().map(|(name, (shape, _))| Parameter::new(name, shape.clone())).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let found = self.tensors().get(name).map(|(_, values)| values.clone());
        found.ok_or_else(|| SourceError::Missing {
            name: name.to_owned(),
            place: "memory".to_owned(),
        })
    }
}
