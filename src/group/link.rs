//! What rank 0 says, and what the others answer.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Communicator;
use crate::source::Source;

/// What a rank has that follows rank 0.
pub(crate) trait Holder {
    /// Its tensors, under its own names.
    fn source(&self) -> &dyn Source;

    /// Takes what rank 0 says of how layers are counted.
    fn order(&mut self, order: &str);

    /// The counts of a layer; or why there are none. `start` is the spread of each matrix at step 0.
    fn count(&mut self, layer: usize, start: Option<Vec<f64>>) -> Result<Vec<u8>, String>;
}

/// Layers that are counted at the same time, each with its rank; at most one of a rank.
type Round = Vec<(usize, usize)>;

/// A word of rank 0.
#[derive(Serialize, Deserialize)]
enum Word<T> {
    /// Asks each of these ranks for one of its tensors, as it is at this step.
    Pieces { step: u64, of: Vec<(usize, String)> },
    /// How layers are counted; nothing is answered.
    Order(String),
    /// Asks for the counts of layers, as they are at this step: an answer of each rank for each round. The
    /// spread at step 0 is in bits.
    Counts { step: u64, rounds: Vec<Round>, start: Option<Vec<u64>> },
    /// Anything else; nothing is answered.
    Said(T),
}

/// The first byte of an answer.
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
        self.broadcast(&Word::Said(said))
    }

    fn broadcast<T: Serialize>(&mut self, word: &Word<T>) -> io::Result<()> {
        // Where an error has ended a count, the others still answer to its end.
        while self.lost.is_none() && self.counts()?.is_some() {}
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
        self.gather(answer(0, of, local))
    }

    /// Rank 0 says how layers are counted.
    pub(crate) fn order(&mut self, order: String) -> io::Result<()> {
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
    #[expect(clippy::type_complexity, reason = "an answer for each layer")]
    pub(crate) fn counts(&mut self) -> io::Result<Option<Vec<(usize, Result<Vec<u8>, String>)>>> {
        let Some(round) = self.asked.pop_front() else { return Ok(None) };
        let mut answers = self.gather(vec![VALUES])?;
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
                Word::Order(order) => holder.order(&order),
                Word::Pieces { step, of } => {
                    let other = self.other_step(step).map(|why| refused(&why));
                    self.answer(other.unwrap_or_else(|| answer(rank, &of, holder.source())));
                }
                Word::Counts { step, rounds, start } => {
                    let start = start.map(|bits| bits.into_iter().map(f64::from_bits).collect());
                    self.count(step, &rounds, &start, holder);
                }
            }
        }
    }

    /// Another rank answers each round.
    fn count(
        &mut self,
        step: u64,
        rounds: &[Round],
        start: &Option<Vec<f64>>,
        holder: &mut dyn Holder,
    ) {
        let rank = self.rank();
        for round in rounds {
            let counted = match round.iter().find(|(of, _)| *of == rank) {
                None => Ok(Vec::new()),
                Some((_, layer)) => match self.other_step(step) {
                    Some(why) => Err(why),
                    None => holder.count(*layer, start.clone()),
                },
            };
            self.answer(match counted {
                Ok(counts) => values(counts),
                Err(why) => refused(&why),
            });
        }
    }

    /// Why this rank has no answer for a step, if it is at another.
    fn other_step(&self, step: u64) -> Option<String> {
        let here = self.step;
        (step != here).then(|| format!("it is at step {here}, rank 0 at step {step}"))
    }

    /// Where rank 0 has given up, its last word says why.
    fn answer(&mut self, answer: Vec<u8>) {
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

/// The tensors that are asked of a rank, one after the other, and a byte that says so.
fn answer(rank: usize, of: &[(usize, String)], local: &dyn Source) -> Vec<u8> {
    let mut all = Vec::new();
    for (_, name) in of.iter().filter(|(from, _)| *from == rank) {
        match local.tensor(name) {
            Ok(tensor) => all.extend_from_slice(tensor.values().bytes()),
            Err(why) => return refused(&why.to_string()),
        }
    }
    values(all)
}

fn values(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(VALUES);
    bytes
}

fn refused(why: &str) -> Vec<u8> {
    let mut answer = why.as_bytes().to_vec();
    answer.push(REFUSED);
    answer
}
