//! A tensor of a checkpoint: one piece in one file, or pieces in several that are put together when it
//! is read, and the scales by which 8-bit floats are multiplied.

use bytemuck::{AnyBitPattern, NoUninit};
use half::{bf16, f16};

use super::float8::{blocks, e4m3, e5m2, scale};
use super::mapped::Mapped;
use super::stored::{Elements, Stored};
use super::{SourceError, Tensor};

/// Comparisons of pieces with each other that a tensor may take.
const COMPARISONS: usize = 1 << 22;

/// A piece of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) shard: usize, // the file
    pub(super) stored: Stored,
    pub(super) at: Vec<usize>, // the index of its first element
}

/// Why a tensor has no values.
#[derive(Debug)]
pub(super) enum Unread {
    /// A file is shorter than it was.
    Short,
    File(SourceError),
}

impl From<SourceError> for Unread {
    fn from(error: SourceError) -> Self {
        Self::File(error)
    }
}

/// The file, the first byte, the shape and the strides of a tensor.
type Place = (usize, usize, Vec<usize>, Option<Vec<usize>>);

/// A tensor.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) shape: Vec<usize>,
    parts: Vec<Part>, // they fill it, and do not overlap; row-major
    scale: Option<Box<Whole>>,
    /// Its place in the order in which the tensors of its file were pickled.
    pub(super) made: Option<usize>,
}

impl Whole {
    /// A tensor that lies in one file.
    pub(super) fn single(shard: usize, stored: Stored) -> Self {
        let (shape, at) = (stored.shape.clone(), vec![0; stored.shape.len()]);
        Self { shape, parts: vec![Part { shard, stored, at }], scale: None, made: None }
    }

    /// The file, position and strides of a tensor in one piece: those of tensors that are one are
    /// equal.
    pub(super) fn place(&self) -> Option<Place> {
        let [Part { shard, stored, .. }] = &self.parts[..] else { return None };
        self.scale
            .is_none()
            .then(|| (*shard, stored.bytes.start, stored.shape.clone(), stored.strides.clone()))
    }

    /// The bytes of a row-major tensor in one piece, if they are on this machine.
    pub(super) fn bytes<'f>(&self, files: &'f [Mapped]) -> Option<&'f [u8]> {
        let [Part { shard, stored, .. }] = &self.parts[..] else { return None };
        let plain = self.scale.is_none() && stored.strides.is_none();
        let file = files.get(*shard).filter(|file| plain && !matches!(file, Mapped::Remote(_)))?;
        file.get(stored.bytes.clone())
    }

    /// A tensor of pieces, or why these do not fill it.
    pub(super) fn of_parts(shape: Vec<usize>, mut parts: Vec<Part>) -> Result<Self, String> {
        let count = |shape: &[usize]| shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d));
        let numbers = count(&shape).ok_or_else(|| format!("its shape {shape:?} is too large"))?;
        parts.sort_by(|a, b| a.at.cmp(&b.at));
        let mut filled = 0;
        for part in &parts {
            let (at, sizes) = (&part.at, &part.stored.shape);
            let within = at.iter().zip(sizes).zip(&shape).all(|((at, size), length)| {
                at.checked_add(*size).is_some_and(|end| end <= *length)
            });
            if at.len() != shape.len() || sizes.len() != shape.len() || !within {
                return Err(format!("a piece {sizes:?} at {at:?} is not within {shape:?}"));
            }
            if part.stored.elements != parts[0].stored.elements {
                return Err("its pieces are of different types".to_owned());
            }
            filled += sizes.iter().product::<usize>();
        }
        let mut left = COMPARISONS;
        let end = |part: &Part, axis: usize| part.at[axis] + part.stored.shape[axis];
        for (k, part) in parts.iter().enumerate() {
            for other in &parts[k + 1..] {
                left = left.checked_sub(1).ok_or("it is of too many pieces")?;
                if shape.is_empty() || other.at[0] >= end(part, 0) {
                    break;
                }
                let meet = (0..shape.len()).all(|axis| {
                    other.at[axis] < end(part, axis) && part.at[axis] < end(other, axis)
                });
                if meet {
                    return Err(format!("two of its pieces overlap, at {:?}", other.at));
                }
            }
        }
        if filled != numbers {
            return Err(format!(
                "its pieces have {filled} of its {numbers} elements: a file of it is missing"
            ));
        }
        Ok(Self { shape, parts, scale: None, made: None })
    }

    /// The tensors that are stacked on the first axis, in order.
    pub(super) fn unstacked(&self) -> Option<Vec<Self>> {
        let layers = *self.shape.first()?;
        let layer = |layer: usize| {
            let here =
                |part: &&Part| (part.at[0]..part.at[0] + part.stored.shape[0]).contains(&layer);
            let part = |part: &Part| {
                let stored = part.stored.row(layer - part.at[0])?;
                Some(Part { shard: part.shard, stored, at: part.at[1..].to_vec() })
            };
            let parts = self.parts.iter().filter(here).map(part).collect::<Option<_>>()?;
            Some(Self { shape: self.shape[1..].to_vec(), parts, scale: None, made: None })
        };
        (0..layers).map(layer).collect()
    }

    /// Multiplies an 8-bit tensor by the scales in another tensor when it is read; whether these fit.
    pub(super) fn scaled(&mut self, scale: Whole) -> bool {
        let fits = blocks(&self.shape, &scale.shape).is_some() && scale.scale.is_none();
        self.scale = fits.then(|| Box::new(scale));
        fits
    }

    pub(super) fn is_8_bit(&self) -> bool {
        let first = self.parts.first().map(|part| &part.stored.elements);
        matches!(first, Some(Elements::F8E4M3 | Elements::F8E5M2))
    }

    pub(super) fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The file and the position of a tensor that lies in one file, as its values are.
    pub(super) fn single_part(&self) -> Option<(usize, &Stored)> {
        let [Part { shard, stored, .. }] = &self.parts[..] else { return None };
        self.scale.is_none().then_some((*shard, stored))
    }

    /// The values, row-major.
    pub(super) fn values<'a>(&self, shards: &'a [Mapped]) -> Result<Tensor<'a>, Unread> {
        let Some(by) = &self.scale else { return self.unscaled(shards) };
        let scales = by.unscaled(shards)?.values().to_f64();
        let scales: Vec<f32> = scales.into_iter().map(|scale| scale as f32).collect();
        let mut values = self.decoded(shards)?;
        let columns = self.shape.iter().skip(1).product();
        let blocks = blocks(&self.shape, &by.shape).ok_or(Unread::Short)?;
        scale(&mut values, columns, &scales, blocks);
        Ok(values.into())
    }

    fn unscaled<'a>(&self, shards: &'a [Mapped]) -> Result<Tensor<'a>, Unread> {
        match &self.parts[..] {
            [only] => return shards[only.shard].values(&only.stored)?.ok_or(Unread::Short),
            [] => return Ok(Vec::<f32>::new().into()),
            _ => {}
        }
        Ok(match self.parts[0].stored.elements {
            Elements::F32 => self.joined::<f32>(shards)?.into(),
            Elements::F64 => self.joined::<f64>(shards)?.into(),
            Elements::F16 => self.joined::<f16>(shards)?.into(),
            Elements::Bf16 => self.joined::<bf16>(shards)?.into(),
            Elements::F8E4M3 | Elements::F8E5M2 => self.decoded(shards)?.into(),
            Elements::Other(_) => return Err(Unread::Short),
        })
    }

    /// The values of 8-bit floats.
    fn decoded(&self, shards: &[Mapped]) -> Result<Vec<f32>, Unread> {
        let bytes = match &self.parts[..] {
            [only] => shards[only.shard].elements(&only.stored)?.ok_or(Unread::Short)?,
            _ => self.joined(shards)?,
        };
        match self.parts.first().map(|part| &part.stored.elements) {
            Some(Elements::F8E4M3) => Ok(e4m3(&bytes)),
            _ => Ok(e5m2(&bytes)),
        }
    }

    /// The elements of all pieces in their places.
    fn joined<T: AnyBitPattern + NoUninit>(&self, shards: &[Mapped]) -> Result<Vec<T>, Unread> {
        let mut all = vec![T::zeroed(); self.count()];
        let strides: Vec<usize> =
            (0..self.shape.len()).map(|axis| self.shape[axis + 1..].iter().product()).collect();
        for Part { shard, stored, at } in &self.parts {
            let piece = shards[*shard].elements::<T>(stored)?.ok_or(Unread::Short)?;
            let first: usize = at.iter().zip(&strides).map(|(at, stride)| at * stride).sum();
            let Some((&run, outer)) = stored.shape.split_last() else { return Ok(piece) };
            for (k, values) in piece.chunks(run.max(1)).enumerate() {
                let (mut rest, mut to) = (k, first);
                for (length, stride) in outer.iter().zip(&strides).rev() {
                    to += rest % length * stride;
                    rest /= length;
                }
                let there = all.get_mut(to..to + values.len()).ok_or(Unread::Short)?;
                there.copy_from_slice(values);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(at: &[usize], sizes: &[usize], first: usize) -> Part {
        let bytes = 4 * first..4 * (first + sizes.iter().product::<usize>());
        let (shape, elements) = (sizes.to_vec(), Elements::F32);
        let stored = Stored { elements, shape, strides: None, bytes };
        Part { shard: 0, stored, at: at.to_vec() }
    }

    #[test]
    fn pieces_are_put_in_their_places_and_fill_the_tensor() {
        let file = Mapped::Read((0..12).flat_map(|k| (k as f32).to_le_bytes()).collect());
        let parts = || {
            vec![part(&[2, 0], &[1, 4], 8), part(&[0, 0], &[2, 1], 0), part(&[0, 1], &[2, 3], 2)]
        };
        let whole = Whole::of_parts(vec![3, 4], parts()).unwrap();
        let values = whole.values(std::slice::from_ref(&file)).unwrap().values().to_f64();
        assert_eq!(values, [0., 2., 3., 4., 1., 5., 6., 7., 8., 9., 10., 11.]);
        let layers = whole.unstacked().unwrap();
        let layer =
            |k: usize| layers[k].values(std::slice::from_ref(&file)).unwrap().values().to_f64();
        assert_eq!([layer(0), layer(1)], [[0., 2., 3., 4.], [1., 5., 6., 7.]]);
        let refused = |parts: Vec<Part>| Whole::of_parts(vec![3, 4], parts).unwrap_err();
        assert!(refused(parts()[1..].to_vec()).contains("8 of its 12 elements"));
        assert!(
            refused(vec![part(&[0, 0], &[3, 3], 0), part(&[2, 2], &[1, 2], 0)]).contains("overlap")
        );
        assert!(refused(vec![part(&[1, 0], &[3, 4], 0)]).contains("is not within"));
        assert!(refused(vec![part(&[usize::MAX, 0], &[3, 4], 0)]).contains("is not within"));
        assert!(
            Whole::of_parts(vec![usize::MAX, 4], Vec::new()).unwrap_err().contains("too large")
        );
    }
}
