//! A tensor as it lies in a file: type, shape, strides, bytes.
//!
//! Element (i₁, .., iₙ) is the Σ iₖ·strideₖ-th one of the tensor's bytes.

use std::ops::Range;

use bytemuck::{AnyBitPattern, NoUninit};
use half::{bf16, f16};

use super::Tensor;
use super::float8::{e4m3, e5m2};
use crate::mfa::Values;

#[cfg(target_endian = "big")]
compile_error!("checkpoint files are little-endian and are mapped as they are");

/// The type of a tensor's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    F32,
    F64,
    F16,
    Bf16,
    F8E4M3,
    F8E5M2,
    /// A type that is not read, by its name.
    Other(String),
}

impl Elements {
    /// The name of the type.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::Other(name) => name,
        }
    }

    /// Bytes of one element; `None` for a type that is not read.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::F64 => Some(8),
            Self::F32 => Some(4),
            Self::F16 | Self::Bf16 => Some(2),
            Self::F8E4M3 | Self::F8E5M2 => Some(1),
            Self::Other(_) => None,
        }
    }
}

/// A tensor that is not read.
#[derive(Clone, Debug)]
pub(super) struct NotRead {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) what: String, // why, in words that follow its name and "is"
}

/// The whole number that the first element in these bytes is, from 0 on.
pub(super) fn whole_number(elements: &Elements, bytes: &[u8]) -> Option<u64> {
    let float = |x: f64| {
        let exact = x >= 0.0 && x.fract() == 0.0 && x < 2f64.powi(53);
        exact.then_some(x as u64)
    };
    let four = || bytes.first_chunk::<4>().copied();
    let eight = || bytes.first_chunk::<8>().copied();
    match elements {
        Elements::F32 => float(f32::from_le_bytes(four()?).into()),
        Elements::F64 => float(f64::from_le_bytes(eight()?)),
        Elements::Other(name) => match name.as_str() {
            "LongStorage" | "int64" | "I64" => i64::from_le_bytes(eight()?).try_into().ok(),
            "IntStorage" | "int32" | "I32" => i32::from_le_bytes(four()?).try_into().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// The position and layout of a tensor in its file.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) elements: Elements,
    pub(super) shape: Vec<usize>, // its product does not overflow
    /// The stride of each dimension, in elements; `None` for row-major.
    pub(super) strides: Option<Vec<usize>>,
    /// The byte range in the file, from the tensor's first element on; for a row-major tensor it
    /// ends with the last element.
    pub(super) bytes: Range<usize>,
}

impl Stored {
    /// The values, row-major; `None` when the tensor is not as long as its shape says, or holds no
    /// weights.
    pub(super) fn values<'a>(&self, file: &'a [u8]) -> Option<Tensor<'a>> {
        let bytes = file.get(self.bytes.clone())?;
        match self.elements {
            Elements::F32 => self.cast::<f32>(bytes, Values::F32),
            Elements::F64 => self.cast::<f64>(bytes, Values::F64),
            Elements::F16 => self.cast::<f16>(bytes, Values::F16),
            Elements::Bf16 => self.cast::<bf16>(bytes, Values::Bf16),
            Elements::F8E4M3 => Some(e4m3(&self.owned(bytes)?).into()),
            Elements::F8E5M2 => Some(e5m2(&self.owned(bytes)?).into()),
            Elements::Other(_) => None,
        }
    }

    /// The elements as they are stored, row-major.
    pub(super) fn elements<T: AnyBitPattern + NoUninit>(&self, file: &[u8]) -> Option<Vec<T>> {
        self.owned(file.get(self.bytes.clone())?)
    }

    /// The same tensor in a file of its bytes alone.
    pub(super) fn at_start(&self) -> Self {
        Self { bytes: 0..self.bytes.len(), ..self.clone() }
    }

    /// Its first values, as many as these, if it is row-major.
    pub(super) fn first(&self, values: usize) -> Option<Self> {
        let (size, count) =
            (self.elements.size()?, self.shape.iter().product::<usize>().min(values));
        let bytes = self.bytes.start..self.bytes.start + count * size;
        (self.strides.is_none() && bytes.end <= self.bytes.end).then(|| Self {
            shape: vec![count],
            bytes,
            ..self.clone()
        })
    }

    fn owned<T: AnyBitPattern + NoUninit>(&self, bytes: &[u8]) -> Option<Vec<T>> {
        match &self.strides {
            Some(strides) => in_order(bytes, &self.shape, strides),
            None => Some(bytemuck::allocation::pod_collect_to_vec(bytes)),
        }
    }

    /// One of the tensors that lie one after the other on the first axis.
    pub(super) fn row(&self, row: usize) -> Option<Self> {
        let size = self.elements.size()?;
        let shape = self.shape.get(1..)?.to_vec();
        let count: usize = shape.iter().product();
        let (start, strides) = match &self.strides {
            None => (self.bytes.start + row * count * size, None),
            Some(strides) => {
                (self.bytes.start + row * strides[0] * size, Some(strides[1..].to_vec()))
            }
        };
        let end = if strides.is_some() { self.bytes.end } else { start + count * size };
        Some(Self { elements: self.elements.clone(), shape, strides, bytes: start..end })
    }

    /// Borrows the bytes as values if they are row-major and aligned; otherwise copies them (the
    /// header of a safetensors file may have any length).
    fn cast<'a, T: AnyBitPattern + NoUninit>(
        &self,
        bytes: &'a [u8],
        lend: fn(&'a [T]) -> Values<'a>,
    ) -> Option<Tensor<'a>>
    where
        Tensor<'a>: From<Vec<T>>,
    {
        match &self.strides {
            Some(strides) => in_order(bytes, &self.shape, strides).map(Tensor::from),
            None => Some(match bytemuck::try_cast_slice(bytes) {
                Ok(values) => <Tensor<'a> as From<Values<'a>>>::from(lend(values)),
                Err(_) => Tensor::from(bytemuck::allocation::pod_collect_to_vec::<u8, T>(bytes)),
            }),
        }
    }
}

/// The elements of a strided tensor, row-major.
fn in_order<T: AnyBitPattern>(bytes: &[u8], shape: &[usize], strides: &[usize]) -> Option<Vec<T>> {
    let count: usize = shape.iter().product();
    let mut values = Vec::with_capacity(count);
    let Some((&last, outer)) = shape.split_last() else {
        return Some(vec![element(bytes, 0)?]);
    };
    let (&step, outer_strides) = strides.split_last()?;
    let mut index = vec![0; outer.len()];
    let mut start = 0;
    while values.len() < count {
        for k in 0..last {
            values.push(element(bytes, start + k * step)?);
        }
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            start += outer_strides[axis];
            if index[axis] < outer[axis] {
                break;
            }
            start -= outer[axis] * outer_strides[axis];
            index[axis] = 0;
        }
    }
    Some(values)
}

fn element<T: AnyBitPattern>(bytes: &[u8], at: usize) -> Option<T> {
    let size = size_of::<T>();
    bytes.get(at * size..(at + 1) * size).map(bytemuck::pod_read_unaligned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(shape: &[usize], strides: &[usize], bytes: Range<usize>) -> Stored {
        let (shape, strides) = (shape.to_vec(), Some(strides.to_vec()));
        Stored { elements: Elements::F32, shape, strides, bytes }
    }

    fn read(stored: &Stored, file: &[u8]) -> Option<Vec<f32>> {
        match stored.values(file)?.values() {
            Values::F32(values) => Some(values.to_vec()),
            _ => None,
        }
    }

    #[test]
    fn strides_are_followed() {
        let file: Vec<u8> = (0..12).flat_map(|k| (k as f32).to_le_bytes()).collect();
        // [3, 4] transposed, every second column, a slice of three dimensions, one element.
        let transposed = [0.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0];
        assert_eq!(read(&stored(&[4, 3], &[1, 4], 0..48), &file).unwrap(), transposed);
        let columns = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0];
        assert_eq!(read(&stored(&[3, 2], &[4, 2], 4..48), &file).unwrap(), columns);
        let permuted = [0.0, 6.0, 2.0, 8.0, 1.0, 7.0, 3.0, 9.0];
        assert_eq!(read(&stored(&[2, 2, 2], &[1, 2, 6], 0..48), &file).unwrap(), permuted);
        assert_eq!(read(&stored(&[], &[], 8..48), &file).unwrap(), [2.0]);
        assert_eq!(read(&stored(&[0, 7], &[7, 1], 0..0), &file).unwrap(), [0.0; 0]);
        // One row too many, and bytes that the file does not have.
        assert_eq!(read(&stored(&[4, 4], &[4, 1], 0..48), &file), None);
        assert_eq!(read(&stored(&[3, 4], &[4, 1], 4..52), &file), None);
    }
}
