//! Layers that are counted where all their weights lie: rank 0 deals them, the other ranks count.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::ThreadPool;

use super::side::words;
use crate::analysis::{CountedLayers, CountingOrder, Elsewhere, Place, Plan, TakeCounts};
use crate::group::{Holder, SharedLink, bytes_of};
use crate::source::{Source, SourceError};

/// What rank 0 knows of where layers can be counted.
#[derive(Debug)]
pub(super) struct Dealt {
    link: SharedLink,
    holders: BTreeMap<String, Vec<usize>>, // the ranks that have all of a tensor
    ordered: AtomicBool,                   // whether the ranks know how
}

impl Dealt {
    pub(super) fn new(link: SharedLink, holders: BTreeMap<String, Vec<usize>>) -> Self {
        Self { link, holders, ordered: AtomicBool::new(false) }
    }

    /// The rank that counts a layer: the lowest one that has all its tensors, if there is one.
    fn rank_of<'t>(&self, mut tensors: impl Iterator<Item = &'t String>) -> Option<usize> {
        let holders = |name: &String| self.holders.get(name).cloned().unwrap_or_default();
        let mut common = holders(tensors.next()?);
        for tensor in tensors {
            let also = holders(tensor);
            common.retain(|rank| also.contains(rank));
        }
        common.first().copied()
    }
}

fn unread(
    plan: &Plan,
    layer: usize,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> SourceError {
    let first = plan.tensors_of_layers().nth(layer).and_then(|mut tensors| tensors.next());
    SourceError::Framework { name: first.cloned().unwrap_or_default(), source: source.into() }
}

impl Elsewhere for Dealt {
    fn ask(&self, plan: &Plan) -> Result<Vec<Place>, SourceError> {
        let mut dealt = BTreeMap::<usize, VecDeque<usize>>::new();
        let place = |(layer, tensors)| match self.rank_of(tensors) {
            None => Place::InPieces,
            Some(0) => Place::Here,
            Some(rank) => {
                dealt.entry(rank).or_default().push_back(layer);
                Place::There
            }
        };
        let places = plan.tensors_of_layers().enumerate().map(place).collect();
        let mut rounds = Vec::new();
        loop {
            let next =
                |(rank, layers): (&usize, &mut VecDeque<usize>)| Some((*rank, layers.pop_front()?));
            let round: Vec<(usize, usize)> = dealt.iter_mut().filter_map(next).collect();
            if round.is_empty() {
                break;
            }
            rounds.push(round);
        }
        if rounds.is_empty() {
            return Ok(places);
        }
        let mut link = self.link.lock();
        let ask = || {
            if !self.ordered.load(Ordering::Relaxed) {
                link.order(serde_json::to_value(CountingOrder::of(plan))?)?;
                self.ordered.store(true, Ordering::Relaxed);
            }
            link.ask(rounds, plan.start())
        };
        ask().map_err(|error: std::io::Error| unread(plan, 0, error))?;
        Ok(places)
    }

    fn collect(&self, plan: &Plan, take: &mut TakeCounts<'_>) -> Result<(), SourceError> {
        loop {
            let counts = self.link.lock().counts().map_err(|error| unread(plan, 0, error))?;
            let Some(counts) = counts else { return Ok(()) };
            for (layer, counted) in counts {
                let taken = counted.and_then(|bytes| take(layer, &bytes));
                taken.map_err(|why| unread(plan, layer, why))?;
            }
        }
    }
}

/// What a rank has that counts for rank 0.
pub(super) struct Counting {
    names: BTreeMap<String, String>, // its own name of each tensor of the whole model
    pool: Arc<ThreadPool>,
    plan: Result<Plan, String>,
    kept: CountedLayers,
}

impl Counting {
    pub(super) fn new(names: BTreeMap<String, String>, pool: Arc<ThreadPool>) -> Self {
        let plan = Err("rank 0 has not said how layers are counted".to_owned());
        Self { names, pool, plan, kept: CountedLayers::default() }
    }

    /// With the rank's tensors.
    pub(super) fn with<'s>(&'s mut self, source: &'s dyn Source) -> Counter<'s> {
        Counter { source, counting: self }
    }
}

/// A rank that counts, and its tensors.
pub(super) struct Counter<'s> {
    source: &'s dyn Source,
    counting: &'s mut Counting,
}

impl Holder for Counter<'_> {
    fn tensors(&self, names: &[&str]) -> Result<Vec<u8>, String> {
        caught(|| bytes_of(self.source, names))
    }

    fn order(&mut self, order: serde_json::Value) {
        let Counting { names, plan, kept, .. } = &mut *self.counting;
        let order =
            serde_json::from_value::<CountingOrder>(order).map_err(|error| error.to_string());
        *plan = order.and_then(|order| order.plan(names).map_err(|error| error.to_string()));
        *kept = CountedLayers::default();
    }

    fn start_from(&mut self, start: Option<Vec<f64>>) {
        if let Ok(plan) = &mut self.counting.plan {
            plan.set_start(start);
        }
    }

    fn count(&mut self, layer: usize) -> Result<Vec<u8>, String> {
        let Counting { pool, plan, kept, .. } = &mut *self.counting;
        let plan = plan.as_ref().map_err(|why| why.clone())?;
        caught(|| plan.count_for_another(layer, self.source, pool, kept))
    }
}

/// A panic of the framework, the source or the counting is a refusal like another: it ends no training.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(format!("it panicked: {}", words(panic.as_ref()))))
}
