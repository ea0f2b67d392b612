//! A monitor in a group: rank 0 monitors the whole model, the others follow it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::builder::{Live, MonitorBuilder};
use super::counting::{Counting, Dealt};
use super::group::{Joined, Rank};
use super::hook::{Monitor, Verdict};
use super::message::{Failure, failure};
use super::step::When;
use crate::analysis::Plan;
use crate::error::Error;
use crate::group::{Declared, GroupSource, Link, Part, SharedLink, agree, declare, names};
use crate::network::{Draw, Network};
use crate::record::{StopRecord, Summary};
use crate::source::Source;

/// What each rank says first.
#[derive(Serialize, Deserialize)]
struct Entry {
    schedule: serde_json::Value,
    declared: Result<Vec<Declared>, String>,
}

/// What rank 0 says, but for what it asks.
#[derive(Serialize, Deserialize)]
enum Said {
    Attached(Box<Attached>),
    Step { step: u64, stop: Option<StopRecord> },
    Failed(String),
    Ended(Box<Summary>),
}

/// What a rank has to know of the run.
#[derive(Serialize, Deserialize)]
struct Attached {
    network: Network,
    next_step: u64,
    last_step: Option<u64>,
    stop: Option<StopRecord>,
    allows_gaps: bool,
}

fn disagree(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Group { source: why.into() }
}

impl Joined {
    /// Attaches a rank: what it has is declared to rank 0, which attaches to the whole.
    pub(super) fn attach(
        self,
        builder: MonitorBuilder,
        source: Box<dyn Source>,
    ) -> Result<Monitor, Error> {
        let Self { communicator, parts } = self;
        let mut link = Link::new(communicator);
        let declared = match builder.origin.updates {
            true => Err("update_repeated_steps is not possible in a group".to_owned()),
            false => declare(&*source, &parts),
        };
        let schedule = serde_json::to_value(&builder.origin.schedule).unwrap_or_default();
        let entries = link.declare(&Entry { schedule, declared });
        match link.rank() {
            0 => lead(builder, source, SharedLink::new(link), entries),
            _ => {
                entries.map_err(disagree)?;
                follow(builder, source, link, &parts)
            }
        }
    }
}

/// Rank 0: attaches to the whole model, and says to all what came of it.
fn lead(
    builder: MonitorBuilder,
    source: Box<dyn Source>,
    link: SharedLink,
    entries: io::Result<Vec<Entry>>,
) -> Result<Monitor, Error> {
    let attach = || -> Result<Monitor, Error> {
        let ranks = entries.map_err(disagree)?;
        let of_rank_0 = ranks.first().map(|entry| entry.schedule.clone());
        let of_rank = |(rank, entry): (usize, Entry)| match entry.declared {
            _ if Some(&entry.schedule) != of_rank_0.as_ref() => Err(format!(
                "rank {rank} has another schedule than rank 0: give all ranks the same"
            )),
            declared => declared.map_err(|why| format!("rank {rank}: {why}")),
        };
        let declared: Result<Vec<_>, String> = ranks.into_iter().enumerate().map(of_rank).collect();
        let agreed = declared.and_then(agree).map_err(disagree)?;
        let dealt = Dealt::new(link.clone(), agreed.holders());
        let mut builder = builder;
        builder.settings.elsewhere = Some(Arc::new(dealt));
        let source = GroupSource::new(source, link.clone(), agreed);
        let monitor = Monitor::start(builder, Box::new(source))?;
        let attached = Attached {
            network: monitor.network().clone(),
            next_step: monitor.next_step,
            last_step: monitor.last_step,
            stop: monitor.stop.clone(),
            allows_gaps: monitor.allows_gaps,
        };
        link.lock().say(&Said::Attached(Box::new(attached))).map_err(disagree)?;
        Ok(monitor)
    };
    match attach() {
        Ok(mut monitor) => {
            monitor.group = Some(Rank { link: Some(link), counting: None, shared: false });
            Ok(monitor)
        }
        Err(error) => {
            let _ = link.lock().say(&Said::Failed(error.to_string()));
            Err(error)
        }
    }
}

/// Another rank: hands over its weights until rank 0 has attached.
fn follow(
    builder: MonitorBuilder,
    source: Box<dyn Source>,
    mut link: Link,
    parts: &BTreeMap<String, Part>,
) -> Result<Monitor, Error> {
    let pool = Arc::new(builder.settings.pool()?);
    let mut counting = Counting::new(names(parts), Arc::clone(&pool));
    let Attached { network, next_step, last_step, stop, allows_gaps } =
        match link.hear(&mut counting.with(&*source)).map_err(disagree)? {
            Said::Attached(attached) => *attached,
            Said::Failed(why) => return Err(disagree(format!("rank 0 could not attach: {why}"))),
            Said::Step { .. } | Said::Ended(_) => return Err(disagree(OTHER_ORDER)),
        };
    let method = builder.settings.parameters.check()?;
    let plan = Plan::new(&method, &network, &Draw::whole(), false).map_err(disagree)?;
    let origin = Live { quiet: true, ..builder.origin };
    let mut monitor = Monitor::idle(source, Arc::new(plan), pool, origin);
    (monitor.next_step, monitor.last_step) = (next_step, last_step);
    (monitor.stop, monitor.allows_gaps) = (stop, allows_gaps);
    let link = Some(SharedLink::new(link));
    monitor.group = Some(Rank { link, counting: Some(counting), shared: false });
    Ok(monitor)
}

const OTHER_ORDER: &str = "the ranks report different steps: report the same ones on all ranks, and finish after the same";

impl Monitor {
    /// Whether this rank follows rank 0.
    pub(super) fn follows(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.counting.is_some())
    }

    /// Whether all ranks of the group meet at this step; sets it down as the one at hand.
    pub(super) fn is_shared(&mut self, step: u64, when: When) -> bool {
        if self.group.is_none() {
            return false;
        }
        let due = step > 0 && (matches!(when, When::Now) || self.schedule.is_due(step));
        let shared = due && self.check_order(step).is_ok();
        if let Some(group) = &mut self.group {
            group.shared = shared;
            if let (true, Some(link)) = (shared, &group.link) {
                link.lock().step = step;
            }
        }
        shared
    }

    fn link(&self) -> Option<SharedLink> {
        self.group.as_ref()?.link.clone()
    }

    /// This rank leaves the group.
    fn leave(&mut self) {
        if let Some(group) = &mut self.group {
            group.link = None;
        }
    }

    /// Rank 0 says what came of a step at which all ranks meet.
    pub(super) fn tell(
        &mut self,
        step: u64,
        result: Result<Verdict, Error>,
    ) -> Result<Verdict, Error> {
        let Some(link) = self.link() else { return result };
        let lost = link.lock().lost().map(str::to_owned);
        if let (None, Some(why)) = (&self.failed, lost) {
            return self.end(&link, failure(why));
        }
        if let Some(why) = self.failed.clone() {
            let _ = self.end(&link, why);
            return result;
        }
        let said = link.lock().say(&Said::Step { step, stop: self.stop.clone() });
        match said {
            Ok(()) => result,
            Err(error) => self.end(&link, failure(error)),
        }
    }

    /// Monitoring has failed on rank 0, so it ends on all ranks.
    fn end(&mut self, link: &SharedLink, why: Failure) -> Result<Verdict, Error> {
        let _ = link.lock().say(&Said::Failed(why.to_string()));
        self.leave();
        self.failure(why)
    }

    /// Another rank takes part in a step.
    pub(super) fn follow(&mut self, step: u64, shared: bool) -> Result<Verdict, Error> {
        if let Err(Error::Failed { source }) = self.check_process() {
            return self.failure(source);
        }
        if let Some(why) = self.failed.clone() {
            return self.failure(why);
        }
        self.check_order(step)?;
        (self.last_step, self.next_step) = (Some(step), step.saturating_add(1));
        if !shared {
            return Ok(self.verdict());
        }
        let why = match self.hear_rank_0() {
            Ok(Said::Step { step: at, stop }) if at == step => {
                self.stop = stop;
                return Ok(self.verdict());
            }
            Ok(said) => unexpected(said, step),
            Err(error) => failure(error),
        };
        self.leave();
        self.failure(why)
    }

    fn hear_rank_0(&mut self) -> io::Result<Said> {
        let link = self.link().ok_or_else(|| io::Error::other("this rank has left the group"))?;
        let counting = self.group.as_mut().and_then(|group| group.counting.as_mut());
        let counting = counting.ok_or_else(|| io::Error::other("rank 0 hears nobody"))?;
        link.lock().hear(&mut counting.with(&*self.source))
    }

    /// Another rank waits for rank 0 to finish.
    pub(super) fn follow_to_the_end(&mut self) -> Result<Summary, Error> {
        if let Some(source) = self.failed.clone() {
            return Err(Error::Failed { source });
        }
        let heard = self.hear_rank_0();
        self.leave();
        let source = match heard {
            Ok(Said::Ended(summary)) => return Ok(*summary),
            Ok(said) => unexpected(said, self.last_step.unwrap_or(0)),
            Err(error) => failure(error),
        };
        Err(Error::Failed { source })
    }

    /// Rank 0 says that the run is finished; a group that was lost makes it a failure.
    pub(super) fn tell_the_end(&mut self, summary: &Result<Summary, Error>) -> Result<(), Error> {
        if let Some(link) = self.link() {
            let said = match summary {
                Ok(summary) => Said::Ended(Box::new(summary.clone())),
                Err(error) => Said::Failed(error.to_string()),
            };
            // A rank that has left does not need it.
            let _ = link.lock().say(&said);
            self.leave();
        }
        match (&self.group, &self.failed) {
            (Some(_), Some(source)) => Err(Error::Failed { source: Arc::clone(source) }),
            _ => Ok(()),
        }
    }
}

/// Why a word of rank 0 ends monitoring on this rank.
fn unexpected(said: Said, here: u64) -> Failure {
    failure(match said {
        Said::Failed(why) => format!("monitoring has stopped on rank 0: {why}"),
        Said::Ended(_) => {
            format!("rank 0 has finished, and this rank is at step {here}: {OTHER_ORDER}")
        }
        Said::Step { step, .. } => {
            format!("rank 0 is at step {step}, and this rank at step {here}: {OTHER_ORDER}")
        }
        Said::Attached(_) => OTHER_ORDER.to_owned(),
    })
}
