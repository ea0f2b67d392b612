//! The weights of the whole model, as rank 0 reads them.

use bytemuck::Pod;

use super::SharedLink;
use super::agree::{Agreed, Kind, Whole};
use super::part::Runs;
use crate::network::Parameter;
use crate::source::{Block, Source, SourceError, Tensor};

/// The whole model: what rank 0 has itself, and what it asks the other ranks for.
pub(crate) struct GroupSource {
    local: Box<dyn Source>,
    link: SharedLink,
    wholes: super::agree::Wholes,
}

impl GroupSource {
    pub(crate) fn new(local: Box<dyn Source>, link: SharedLink, agreed: Agreed) -> Self {
        Self { local, link, wholes: agreed.0 }
    }

    fn whole(&self, name: &str) -> Result<&Whole, SourceError> {
        self.wholes.get(name).ok_or_else(|| SourceError::Missing {
            name: name.to_owned(),
            place: "the group".to_owned(),
        })
    }
}

impl Whole {
    /// The name of rank 0's own tensor that is this one.
    fn here(&self) -> Option<&str> {
        match &self.pieces[..] {
            [piece] if piece.rank == 0 && piece.runs.count == 1 => Some(&piece.local),
            _ => None,
        }
    }

    /// The tensor, of the pieces that ranks have sent; or the rank and what is wrong.
    fn assembled(&self, answers: &[Result<Vec<u8>, String>]) -> Result<Tensor<'static>, String> {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for (rank, answer) in answers.iter().enumerate() {
            let mut bytes = match answer {
                Ok(bytes) => &bytes[..],
                Err(why) => return Err(format!("rank {rank}: {why}")),
            };
            for piece in self.pieces.iter().filter(|piece| piece.rank == rank) {
                let expected = piece.runs.elements() * self.kind.width();
                let Some((here, rest)) = bytes.split_at_checked(expected) else {
                    let (name, found) = (&piece.local, bytes.len());
                    return Err(format!(
                        "rank {rank}: {name:?} has {found} bytes, {expected} at attach"
                    ));
                };
                pieces.push((piece.runs, here));
                bytes = rest;
            }
            if !bytes.is_empty() {
                return Err(format!("rank {rank}: a tensor has grown since attach"));
            }
        }
        let elements = self.parameter.shape.iter().product();
        Ok(match self.kind {
            Kind::F32 => filled::<f32>(elements, &pieces).into(),
            Kind::F64 => filled::<f64>(elements, &pieces).into(),
            Kind::F16 => filled::<half::f16>(elements, &pieces).into(),
            Kind::Bf16 => filled::<half::bf16>(elements, &pieces).into(),
        })
    }
}

fn filled<W: Pod>(elements: usize, pieces: &[(Runs, &[u8])]) -> Vec<W> {
    let mut whole = vec![W::zeroed(); elements];
    let (all, width) = (bytemuck::cast_slice_mut::<W, u8>(&mut whole), size_of::<W>());
    for (runs, bytes) in pieces.iter().filter(|(runs, _)| runs.length > 0) {
        let from = bytes.chunks_exact(runs.length * width);
        for (start, run) in runs.starts().zip(from) {
            all[start * width..][..run.len()].copy_from_slice(run);
        }
    }
    whole
}

impl Source for GroupSource {
    fn parameters(&self) -> Vec<Parameter> {
        self.wholes.values().map(|whole| whole.parameter.clone()).collect()
    }

    fn added(&self) -> Vec<String> {
        self.local.added()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let whole = self.whole(name)?;
        if let Some(here) = whole.here() {
            return self.local.tensor(here);
        }
        let of: Vec<(usize, String)> =
            whole.pieces.iter().map(|piece| (piece.rank, piece.local.clone())).collect();
        let fail = |source| SourceError::Framework { name: name.to_owned(), source };
        let answers = self.link.lock().pieces(&of, &*self.local).map_err(|e| fail(e.into()))?;
        whole.assembled(&answers).map_err(|why| fail(why.into()))
    }

    fn gather(&self, name: &str, blocks: &[Block<'_>]) -> Result<Option<Tensor<'_>>, SourceError> {
        match self.whole(name)?.here() {
            Some(here) => self.local.gather(here, blocks),
            None => Ok(None),
        }
    }
}
