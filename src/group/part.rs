//! Which part of a whole tensor a rank's tensor is.

use serde::{Deserialize, Serialize};

/// Which part of a tensor of the whole model a rank's tensor is.
///
/// | sharding | part |
/// |---|---|
/// | pipeline: a rank has whole layers; data parallel: each rank has a replica | [`Part::whole`] |
/// | tensor parallel: rows (axis 0) or columns (axis 1) of a matrix | [`Part::slice`] |
/// | fully sharded, as FSDP: a range of the flattened tensor | [`Part::flat`] |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a part does nothing until it is given to MonitorBuilder::group"]
pub struct Part {
    name: Option<String>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Whole,
    Slice { of: Vec<usize>, axis: usize, start: usize },
    Flat { of: Vec<usize>, start: usize },
}

impl Part {
    /// The whole tensor. Ranks that have the same one have replicas of it.
    pub fn whole() -> Self {
        Self { name: None, place: Place::Whole }
    }

    /// A slice of an axis of a tensor of the shape `of`, from the index `start` on; the rank's tensor says
    /// how long.
    pub fn slice(of: &[usize], axis: usize, start: usize) -> Self {
        Self { name: None, place: Place::Slice { of: of.to_vec(), axis, start } }
    }

    /// A range of the row-major elements of a tensor of the shape `of`, from the element `start` on; the
    /// rank's tensor, of any shape, says how long.
    pub fn flat(of: &[usize], start: usize) -> Self {
        Self { name: None, place: Place::Flat { of: of.to_vec(), start } }
    }

    /// The tensor's name in the whole model, where it is another than the rank's: stages of a pipeline
    /// that count their layers from 0 each.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name in the whole model of a rank's tensor.
    pub(super) fn name_of(&self, local: &str) -> String {
        self.name.clone().unwrap_or_else(|| local.to_owned())
    }

    /// The shape of the whole tensor.
    pub(super) fn whole_shape(&self, local: &[usize]) -> Vec<usize> {
        match &self.place {
            Place::Whole => local.to_vec(),
            Place::Slice { of, .. } | Place::Flat { of, .. } => of.clone(),
        }
    }

    /// Where the elements of a tensor of this shape lie in the whole one; or why they cannot.
    pub(super) fn runs(&self, local: &[usize]) -> Result<Runs, String> {
        let elements: usize = local.iter().product();
        match &self.place {
            Place::Whole => Ok(Runs::one(0, elements)),
            Place::Flat { of, start } => {
                let whole: usize = of.iter().product();
                match start.checked_add(elements) {
                    Some(end) if end <= whole => Ok(Runs::one(*start, elements)),
                    _ => Err(format!(
                        "{elements} elements from element {start} on do not lie in {of:?}, which has {whole}"
                    )),
                }
            }
            Place::Slice { of, axis, start } => {
                let others = |shape: &[usize]| {
                    let others = shape.iter().enumerate().filter(|(k, _)| k != axis);
                    others.map(|(_, n)| *n).collect::<Vec<_>>()
                };
                let (Some(wide), Some(here)) = (of.get(*axis), local.get(*axis)) else {
                    return Err(format!("there is no axis {axis} in {local:?} and {of:?}"));
                };
                let fits = start.checked_add(*here).is_some_and(|end| end <= *wide);
                if others(of) != others(local) || !fits {
                    return Err(format!(
                        "{local:?} is no slice of axis {axis} of {of:?} from index {start} on"
                    ));
                }
                let inner: usize = of[axis + 1..].iter().product();
                let count = of[..*axis].iter().product();
                let (start, length, stride) = (start * inner, here * inner, wide * inner);
                Ok(match count == 1 || length == stride {
                    true => Runs::one(start, length * count),
                    false => Runs { start, length, stride, count },
                })
            }
        }
    }
}

/// Elements of a flattened tensor: `count` runs of `length`, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) start: usize,
    pub(super) length: usize,
    pub(super) stride: usize,
    pub(super) count: usize,
}

impl Runs {
    fn one(start: usize, length: usize) -> Self {
        Self { start, length, stride: length, count: 1 }
    }

    /// The first element of each run.
    pub(super) fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |k| self.start + k * self.stride)
    }

    /// How many elements there are.
    pub(super) fn elements(self) -> usize {
        self.length * self.count
    }
}
