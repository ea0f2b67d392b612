//! What rank 0 says, and what the others answer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Communicator;
use crate::source::Source;

/// A word of rank 0.
#[derive(Serialize, Deserialize)]
enum Word<T> {
    /// Asks each of these ranks for one of its tensors, as it is at this step.
    Pieces { step: u64, of: Vec<(usize, String)> },
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
    /// Why the group has come to its end, if it has.
    lost: Option<String>,
}

/// One that the monitor and its source share.
#[derive(Clone)]
pub(crate) struct SharedLink(Arc<Mutex<Link>>);

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
        Self { communicator, step: 0, lost: None }
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
        let own = answer(0, of, local);
        let all = self.exchange(|group| group.gather(own))?;
        let read = |mut bytes: Vec<u8>| match bytes.pop() {
            Some(REFUSED) => Err(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Ok(bytes),
        };
        Ok(all.into_iter().map(read).collect())
    }

    /// Another rank answers what rank 0 asks, until it says something.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self, local: &dyn Source) -> io::Result<T> {
        loop {
            let word = self.exchange(|group| group.broadcast(Vec::new()))?;
            match serde_json::from_slice(&word)? {
                Word::Said(said) => return Ok(said),
                Word::Pieces { step, of } => {
                    let rank = self.rank();
                    let answer = match step == self.step {
                        true => answer(rank, &of, local),
                        false => {
                            refused(&format!("it is at step {}, rank 0 at step {step}", self.step))
                        }
                    };
                    // Where rank 0 has given up, its last word says why.
                    let _ = self.exchange(|group| group.gather(answer));
                }
            }
        }
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
    all.push(VALUES);
    all
}

fn refused(why: &str) -> Vec<u8> {
    let mut answer = why.as_bytes().to_vec();
    answer.push(REFUSED);
    answer
}
