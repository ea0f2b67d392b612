//! What rank 0 says, and what the others answer.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Communicator;
use crate::source::Source;

/// What rank 0 asks another rank for.
pub(crate) trait Holder {
    /// The bytes of tensors, one after the other, by the rank's own names; or why there are none.
    fn tensors(&self, names: &[&str]) -> Result<Vec<u8>, String>;

    /// Takes what rank 0 says of how layers are counted.
    fn order(&mut self, order: serde_json::Value);

    /// Takes the spread of each matrix at step 0, for the layers that are counted next.
    fn start_from(&mut self, start: Option<Vec<f64>>);

    /// The counts of a layer; or why there are none.
    fn count(&mut self, layer: usize) -> Result<Vec<u8>, String>;
}

/// Layers that are counted at the same time, each with its rank; at most one of a rank.
type Round = Vec<(usize, usize)>;

/// Counts of layers, or why there are none, by the layer's number.
pub(crate) type Counts = Vec<(usize, Result<Vec<u8>, String>)>;

/// A word of rank 0.
#[derive(Serialize, Deserialize)]
enum Word<T> {
    /// Asks each of these ranks for one of its tensors, as it is at this step.
    Pieces { step: u64, of: Vec<(usize, String)> },
    /// How layers are counted; nothing is answered.
    Order(serde_json::Value),
    /// Asks for the counts of layers, as they are at this step: an answer of each rank for each round. The
    /// spread at step 0 is in bits.
    Counts { step: u64, rounds: Vec<Round>, start: Option<Vec<u64>> },
    /// Anything else; nothing is answered.
    Said(T),
}

/// The last byte of an answer.
const VALUES: u8 = 0;
const REFUSED: u8 = 1;

/// A rank's end of the group.
pub(crate) struct Link {
    communicator: Box<dyn Communicator>,
    /// The step that this rank reports.
    pub(crate) step: u64,
    /// Rounds of counts that rank 0 has asked for and has not taken.
    asked: VecDeque<Round>,
    /// Why the group has come to its end, if it has.
    lost: Option<String>,
}

/// One that the monitor, its source and its counts share.
#[derive(Clone)]
pub(crate) struct SharedLink(Arc<Mutex<Link>>);

impl fmt::Debug for SharedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl SharedLink {
    pub(crate) fn new(link: Link) -> Self {
        Self(Arc::new(Mutex::new(link)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Link> {
        // A panic within an exchange has left `lost`.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    pub(crate) fn new(communicator: Box<dyn Communicator>) -> Self {
        Self { communicator, step: 0, asked: VecDeque::new(), lost: None }
    }

    pub(crate) fn rank(&self) -> usize {
        self.communicator.rank()
    }

    /// Why the group has come to its end, if it has.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Rank 0 gets what each rank declares; the others get nothing.
    pub(crate) fn declare<T: Serialize + DeserializeOwned>(
        &mut self,
        own: &T,
    ) -> io::Result<Vec<T>> {
        let own = serde_json::to_vec(own)?;
        let all = self.exchange(|group| group.gather(own))?;
        all.iter().map(|each| Ok(serde_json::from_slice(each)?)).collect()
    }

    /// Rank 0 says something to all.
    pub(crate) fn say<T: Serialize>(&mut self, said: &T) -> io::Result<()> {
        // Where an error has ended a count, the others still answer to its end.
        let mut answered = Ok(Some(Counts::new()));
        while self.lost.is_none() && matches!(answered, Ok(Some(_))) {
            answered = self.counts();
        }
        self.broadcast(&Word::Said(said))?;
        answered.map(drop)
    }

    fn broadcast<T: Serialize>(&mut self, word: &Word<T>) -> io::Result<()> {
        if self.lost.is_none() && !self.asked.is_empty() {
            return Err(io::Error::other("counts that were asked for have not been taken"));
        }
        let word = serde_json::to_vec(word)?;
        self.exchange(|group| group.broadcast(word).map(drop))
    }

    /// Rank 0 asks for tensors of ranks: an answer of each rank, or why it has none.
    pub(super) fn pieces(
        &mut self,
        of: &[(usize, String)],
        local: &dyn Source,
    ) -> io::Result<Vec<Result<Vec<u8>, String>>> {
        let step = self.step;
        self.broadcast(&Word::<()>::Pieces { step, of: of.to_vec() })?;
        let own = bytes_of(local, &names_of(0, of));
        self.gather(answer(own))
    }

    /// Rank 0 says how layers are counted.
    pub(crate) fn order(&mut self, order: serde_json::Value) -> io::Result<()> {
        self.broadcast(&Word::<()>::Order(order))
    }

    /// Rank 0 asks for counts, which [`Self::counts`] takes.
    pub(crate) fn ask(&mut self, rounds: Vec<Round>, start: Option<&[f64]>) -> io::Result<()> {
        let start = start.map(|start| start.iter().map(|deviation| deviation.to_bits()).collect());
        let asked = rounds.clone().into();
        self.broadcast(&Word::<()>::Counts { step: self.step, rounds, start })?;
        self.asked = asked;
        Ok(())
    }

    /// Rank 0 takes the next round of counts, or why a rank has none, by layer; none after the last.
    pub(crate) fn counts(&mut self) -> io::Result<Option<Counts>> {
        let Some(round) = self.asked.pop_front() else { return Ok(None) };
        let mut answers = self.gather(answer(Ok(Vec::new())))?;
        let of_layer = |(rank, layer): (usize, usize)| {
            let answer = std::mem::replace(&mut answers[rank], Ok(Vec::new()));
            (layer, answer.map_err(|why| format!("rank {rank}: {why}")))
        };
        Ok(Some(round.into_iter().map(of_layer).collect()))
    }

    /// Rank 0 gets an answer of each rank, or why it has none.
    fn gather(&mut self, own: Vec<u8>) -> io::Result<Vec<Result<Vec<u8>, String>>> {
        let all = self.exchange(|group| group.gather(own))?;
        let read = |mut bytes: Vec<u8>| match bytes.pop() {
            Some(REFUSED) => Err(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Ok(bytes),
        };
        Ok(all.into_iter().map(read).collect())
    }

    /// Another rank answers what rank 0 asks, until it says something.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self, holder: &mut dyn Holder) -> io::Result<T> {
        let rank = self.rank();
        loop {
            let word = self.exchange(|group| group.broadcast(Vec::new()))?;
            match serde_json::from_slice(&word)? {
                Word::Said(said) => return Ok(said),
                Word::Order(order) => holder.order(order),
                Word::Pieces { step, of } => {
                    let here = self.is_at(step);
                    self.answer(here.and_then(|()| holder.tensors(&names_of(rank, &of))));
                }
                Word::Counts { step, rounds, start } => {
                    holder.start_from(
                        start.map(|bits| bits.into_iter().map(f64::from_bits).collect()),
                    );
                    self.count(step, &rounds, holder);
                }
            }
        }
    }

    /// Another rank answers each round.
    fn count(&mut self, step: u64, rounds: &[Round], holder: &mut dyn Holder) {
        let rank = self.rank();
        for round in rounds {
            if self.lost.is_some() {
                return;
            }
            let layer = round.iter().find(|(of, _)| *of == rank).map(|(_, layer)| *layer);
            let count = |layer| self.is_at(step).and_then(|()| holder.count(layer));
            let counted = layer.map_or(Ok(Vec::new()), count);
            self.answer(counted);
        }
    }

    /// Refuses to answer for another step than this rank's.
    fn is_at(&self, step: u64) -> Result<(), String> {
        match self.step {
            here if here == step => Ok(()),
            here => Err(format!("it is at step {here}, rank 0 at step {step}")),
        }
    }

    /// Where rank 0 has given up, its last word says why.
    fn answer(&mut self, found: Result<Vec<u8>, String>) {
        let answer = answer(found);
        let _ = self.exchange(|group| group.gather(answer));
    }

    /// Once an exchange has failed or panicked, what the next one brings may belong to it.
    fn exchange<T>(
        &mut self,
        exchange: impl FnOnce(&mut dyn Communicator) -> io::Result<T>,
    ) -> io::Result<T> {
        let before = self.lost.replace("the communicator panicked".to_owned());
        let result = exchange(&mut *self.communicator);
        self.lost = before.or_else(|| result.as_ref().err().map(io::Error::to_string));
        result
    }
}

/// The tensors that are asked of a rank.
fn names_of(rank: usize, of: &[(usize, String)]) -> Vec<&str> {
    of.iter().filter(|(from, _)| *from == rank).map(|(_, name)| name.as_str()).collect()
}

/// The bytes of tensors, one after the other; or why one cannot be read.
pub(crate) fn bytes_of(source: &dyn Source, names: &[&str]) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for name in names {
        let tensor = source.tensor(name).map_err(|error| error.to_string())?;
        all.extend_from_slice(tensor.values().bytes());
    }
    Ok(all)
}

/// What was asked for, or why there is none, and a byte that says which.
fn answer(found: Result<Vec<u8>, String>) -> Vec<u8> {
    let (mut answer, kind) = match found {
        Ok(bytes) => (bytes, VALUES),
        Err(why) => (why.into_bytes(), REFUSED),
    };
    answer.push(kind);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rank whose word is one request for counts, and whose answers nobody takes.
    struct Deaf(usize);

    impl Communicator for Deaf {
        fn rank(&self) -> usize {
            1
        }

        fn size(&self) -> usize {
            2
        }

        fn gather(&mut self, _: Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
            Err(io::ErrorKind::TimedOut.into())
        }

        fn broadcast(&mut self, _: Vec<u8>) -> io::Result<Vec<u8>> {
            self.0 += 1;
            let rounds = (0..5).map(|layer| vec![(1, layer)]).collect();
            let word = match self.0 {
                1 => Word::<String>::Counts { step: 0, rounds, start: None },
                _ => Word::Said("the end".to_owned()),
            };
            Ok(serde_json::to_vec(&word)?)
        }
    }

    struct Counting(usize);

    impl Holder for Counting {
        fn tensors(&self, _: &[&str]) -> Result<Vec<u8>, String> {
            Err("nobody asks".to_owned())
        }

        fn order(&mut self, _: serde_json::Value) {}

        fn start_from(&mut self, _: Option<Vec<f64>>) {}

        fn count(&mut self, _: usize) -> Result<Vec<u8>, String> {
            self.0 += 1;
            Ok(Vec::new())
        }
    }

    #[test]
    fn a_rank_whose_answer_nobody_takes_counts_no_further_layers() {
        let (mut link, mut counts) = (Link::new(Box::new(Deaf(0))), Counting(0));
        assert_eq!(link.hear::<String>(&mut counts).unwrap(), "the end");
        assert_eq!(counts.0, 1);
    }
}
