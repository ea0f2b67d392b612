//! Reporting a step: the calls that a training loop makes.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::hook::{Monitor, Verdict};
use super::message::Due;
use super::policy::OnFailure;
use super::work::Work;
use crate::error::Error;
use crate::pipeline::Step;
use crate::record::{ROLLED_BACK, RecordError, check_gap, check_name};

/// Whether a step is analysed.
#[derive(Clone, Copy)]
pub(super) enum When {
    /// If the schedule and the budget say so.
    Scheduled,
    /// In any case.
    Now,
}

impl Monitor {
    /// Reports a step, after its update: what the loop logs, and on the schedule's steps the
    /// weights as they are now. One call for each step, in order; a loop that counts from 0 may
    /// begin with step 0, which is then logged and not measured again.
    ///
    /// # Errors
    /// - [`Error::StepOrder`] when the step does not come after the last one; [`RecordError::Gap`] when
    ///   it comes so far after it that it must be a mistake;
    /// - [`Error::Record`] for a name that cannot be a column;
    /// - [`Error::Source`] or [`Error::Snapshot`] when the weights cannot be read; the row is recorded
    ///   as `dropped`;
    /// - [`Error::Failed`] when the monitor has failed, at this call or since the last.
    ///
    /// With [`OnFailure::KeepTraining`] all but the first two are logged, not returned.
    pub fn step(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<Verdict, Error> {
        self.report(step, When::Scheduled, |_| Some(scalars))
    }

    /// Reports the next step ([`next_step`](Self::next_step)): for a loop without a counter.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn tick(&mut self, scalars: &[(&str, f64)]) -> Result<Verdict, Error> {
        self.step(self.next_step, scalars)
    }

    /// Reports a step whose values cost something to read, such as a loss on a GPU. `scalars` is
    /// called only if the step is analysed; other steps are reported without values.
    ///
    /// ```
    /// # use neuromfa::{Monitor, source::Memory};
    /// # let folder = tempfile::tempdir()?;
    /// # let weights = Memory::new();
    /// # weights.set("0.weight", &[32, 32], vec![0.1f32; 1024])?;
    /// # let mut monitor = Monitor::builder(folder.path().join("run")).quiet().attach_source(weights)?;
    /// # let expensive = || 0.5;
    /// let verdict = monitor.step_with(1, || [("loss", expensive())])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn step_with<'a, S: AsRef<[(&'a str, f64)]>>(
        &mut self,
        step: u64,
        scalars: impl FnOnce() -> S,
    ) -> Result<Verdict, Error> {
        self.report(step, When::Scheduled, |due| due.then(scalars))
    }

    /// Reports a step as [`step`](Self::step) does, and analyses it whatever schedule and budget
    /// say: at the end of an epoch, or before the learning rate changes. Call it instead of `step`,
    /// not after it. A crash while the step is analysed loses its row.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn analyse_now(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<Verdict, Error> {
        self.report(step, When::Now, |_| Some(scalars))
    }

    /// Says that the loop has set the weights back to those that they had at `to_step`, as after
    /// `vs.load(best)`; 0 is the state at `attach`. Steps go on counting. The next step that is
    /// reported gets `rolled_back_to` in metrics.csv, and `neuromfa report` marks it. A stop rule's
    /// patience starts again there; its best value stays what has to be improved on.
    ///
    /// # Errors
    /// [`Error::Rollback`] when `to_step` was not reported yet.
    pub fn rolled_back(&mut self, to_step: u64) -> Result<(), Error> {
        let last = self.last_step.unwrap_or(0);
        if to_step > last {
            return Err(Error::Rollback { to_step, last });
        }
        self.rolled_back = Some(to_step);
        Ok(())
    }

    /// `scalars` is called once it is known whether the step is analysed.
    fn report<'a, S: AsRef<[(&'a str, f64)]>>(
        &mut self,
        step: u64,
        when: When,
        scalars: impl FnOnce(bool) -> Option<S>,
    ) -> Result<Verdict, Error> {
        let start = Instant::now();
        let shared = self.is_shared(step, when);
        let result = match self.follows() {
            true => self.follow(step, shared),
            false => {
                let result = self.take_report(step, when, scalars);
                if shared { self.tell(step, result) } else { result }
            }
        };
        self.in_hook += start.elapsed();
        result
    }

    fn take_report<'a, S: AsRef<[(&'a str, f64)]>>(
        &mut self,
        step: u64,
        when: When,
        scalars: impl FnOnce(bool) -> Option<S>,
    ) -> Result<Verdict, Error> {
        if let Err(Error::Failed { source }) = self.check_process() {
            return self.failure(source);
        }
        if let Some(why) = self.failed.clone() {
            return self.failure(why);
        }
        if let Some((held, due)) = &self.held
            && held.step == step
        {
            let analysed = !matches!(due, Due::No);
            let now = matches!(when, When::Now) && step > 0 && !analysed;
            return self.repeat(now, scalars(now || analysed));
        }
        self.check_order(step)?;
        self.release()?;
        if let Some(why) = self.hear(step) {
            return self.failure(why);
        }
        // Step 0 was measured by `attach`.
        let due = step > 0
            && match when {
                When::Scheduled => self.schedule.is_due(step) && self.can_pay(step),
                When::Now => true,
            };
        let scalars = scalars(due);
        let scalars = scalars.as_ref().map_or(&[][..], AsRef::as_ref);
        if let Err(error) = self.check_names(scalars) {
            if due {
                self.pass_over(when);
            }
            return Err(error);
        }
        self.last_step = Some(step);
        self.next_step = step.saturating_add(1);
        self.say_not_finite(step, scalars);
        let back = self.rolled_back.take().map(|to| (ROLLED_BACK.into(), to as f64));
        if back.is_some() && self.known_names.insert(ROLLED_BACK.into()) {
            self.new_names.push(ROLLED_BACK.to_owned());
        }
        let scalars = self.last_names.iter().cloned().zip(scalars.iter().map(|(_, value)| *value));
        let at = Step::now(step, scalars.chain(back).collect());
        let unread = match due {
            true => self.take_timed(at, when)?,
            false => self.hand_over(at, Due::No).map(|()| None)?,
        };
        if let Some(why) = self.failed.clone() {
            return self.failure(why);
        }
        match unread {
            Some(error) => self.unread(error),
            None => Ok(self.verdict()),
        }
    }

    /// Reports the held step again; with `now`, has it analysed.
    fn repeat<'a, S: AsRef<[(&'a str, f64)]>>(
        &mut self,
        now: bool,
        scalars: Option<S>,
    ) -> Result<Verdict, Error> {
        let scalars = scalars.as_ref().map_or(&[][..], AsRef::as_ref);
        self.check_names(scalars)?;
        self.update(scalars);
        if now
            && let Some((at, _)) = self.held.take()
            && let Some(error) = self.take_timed(at, When::Now)?
        {
            return self.unread(error);
        }
        Ok(self.verdict())
    }

    /// Takes a due step, and adds the time to that of analyses.
    fn take_timed(&mut self, at: Step, when: When) -> Result<Option<Error>, Error> {
        let start = Instant::now();
        let taken = self.take(at, when);
        self.analysing += start.elapsed();
        taken
    }

    /// A step whose weights could not be read.
    fn unread(&mut self, error: Error) -> Result<Verdict, Error> {
        match self.on_failure {
            OnFailure::Report => Err(error),
            OnFailure::KeepTraining => {
                match std::mem::replace(&mut self.said_unread, true) {
                    false => self.terminal.warn(&error.to_string()),
                    true => tracing::error!("{error}"),
                }
                Ok(self.verdict())
            }
        }
    }

    /// Says, once, that the loop logs a number that is none.
    fn say_not_finite(&mut self, step: u64, scalars: &[(&str, f64)]) {
        if self.said_not_finite {
            return;
        }
        if let Some((name, value)) = scalars.iter().find(|(_, value)| !value.is_finite()) {
            self.said_not_finite = true;
            let text =
                format!("step {step}: {name} is {value} (said once; metrics.csv has the rest)");
            self.terminal.warn(&text);
        }
    }

    /// Adds to what was logged at the held step; of a name that is there, the last value counts.
    fn update(&mut self, scalars: &[(&str, f64)]) {
        let Some((held, _)) = &mut self.held else { return };
        self.repeated += 1;
        // Only looked at when the order is another than before.
        let known: OnceCell<HashMap<&str, usize>> = OnceCell::new();
        let place = |(k, (name, _)): (usize, &(&str, f64))| match held.scalars.get(k) {
            Some((known, _)) if **known == **name => Some(k),
            _ => {
                let names = || held.scalars.iter().map(|(name, _)| &**name).zip(0..).collect();
                known.get_or_init(names).get(name).copied()
            }
        };
        let places: Vec<Option<usize>> = scalars.iter().enumerate().map(place).collect();
        for (&(name, value), place) in scalars.iter().zip(places) {
            match place {
                Some(k) => held.scalars[k].1 = value,
                None => held.scalars.push((name.into(), value)),
            }
        }
    }

    /// Hands a step to the recording thread; where repeated steps are updated, the next call does.
    pub(super) fn hand_over(&mut self, at: Step, due: Due) -> Result<(), Error> {
        match self.updates {
            true => {
                self.held = Some((at, due));
                Ok(())
            }
            false => self.deliver(at, due),
        }
    }

    /// Hands over the step that is held.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        match self.held.take() {
            Some((at, due)) => {
                let start = Instant::now();
                let analyses = matches!(due, Due::Analyse { .. });
                let delivered = self.deliver(at, due);
                if analyses {
                    self.analysing += start.elapsed();
                }
                delivered
            }
            None => Ok(()),
        }
    }

    /// Sends a step; inline, waits until it is analysed and recorded.
    fn deliver(&mut self, at: Step, due: Due) -> Result<(), Error> {
        let waits = self.work == Work::Inline && matches!(due, Due::Analyse { .. });
        self.send(at, due)?;
        if waits {
            self.wait_for_record();
        }
        Ok(())
    }

    pub(super) fn check_order(&self, step: u64) -> Result<(), Error> {
        // A new run may begin with step 0, which `attach` has measured.
        let last = self.last_step.map_or(0, |last| last.max(self.next_step.saturating_sub(1)));
        match self.last_step {
            Some(_) if step <= last => Err(Error::StepOrder { step, last }),
            last => Ok(check_gap(self.allows_gaps, last, step)?),
        }
    }

    /// Checks the names of a call; [`Self::last_names`] are these, then.
    fn check_names(&mut self, scalars: &[(&str, f64)]) -> Result<(), Error> {
        let names = || scalars.iter().map(|(name, _)| *name);
        // Most calls log what the last one did.
        if names().eq(self.last_names.iter().map(|name| &**name)) {
            return Ok(());
        }
        let mut here = HashSet::with_capacity(scalars.len());
        if let Some(name) = names().find(|name| !here.insert(*name)) {
            let why = "it is there twice in this call";
            return Err(RecordError::Name { name: name.to_owned(), why }.into());
        }
        let new: Vec<&str> = names().filter(|name| !self.known_names.contains(*name)).collect();
        new.iter().try_for_each(|name| check_name(name))?;
        self.new_names.extend(new.iter().map(|name| (*name).to_owned()));
        self.known_names.extend(new.into_iter().map(Arc::from));
        self.last_names.clear();
        let known = |name| self.known_names.get(name).expect("each name was inserted above");
        self.last_names.extend(names().map(known).cloned());
        Ok(())
    }
}
