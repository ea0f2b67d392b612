//! A simulated run, analysed as a run is.

use anyhow::Context;
use neuromfa::analysis::{
    Baseline, Controls, Emergence, Estimators, Excess, Look, Measured, Onset, Plan, Snapshot,
    Verdict,
};
use neuromfa::mfa::Method;
use neuromfa::network::{Draw, Network, Selection};
use neuromfa::source::Source;
use rayon::ThreadPool;

use super::networks::{Kind, Run, Shape};

/// The rows of a run that is looked at `looks` times after step 0, each given to `take`.
fn rows(
    (shape, kind): (Shape, Kind),
    looks: usize,
    samples: usize,
    seed: u64,
    pool: &ThreadPool,
    mut take: impl FnMut(u64, Emergence),
) -> anyhow::Result<()> {
    let mut run = Run::new(shape, kind, looks, seed)?;
    let network = Network::infer(&run.weights.parameters(), &Selection::default())?;
    let draw = Draw::random(&network, 64, samples, seed)?;
    let controls = Controls { seed, ..Controls::default() };
    let mut plan = Plan::new(&Method::default(), &network, &draw, true)?.with_controls(controls);
    let estimators = Estimators::new(&plan);
    let mut snapshot = Snapshot::new(&plan);
    plan.snapshot(&run.weights, pool, &mut snapshot)?;
    let measured = pool.install(|| estimators.measure(&plan, &snapshot, 0));
    let baseline = Baseline::new(0, &plan, &measured);
    plan.start_from(&baseline.deviations);
    take(0, Emergence::new(&plan, &baseline, &measured));
    for look in 1..=looks {
        run.look(look)?;
        plan.snapshot(&run.weights, pool, &mut snapshot)?;
        let measured = pool.install(|| estimators.measure(&plan, &snapshot, look as u64));
        take(look as u64, Emergence::new(&plan, &baseline, &measured));
    }
    Ok(())
}

/// The p of the last row.
#[derive(Clone, Copy, Debug)]
pub struct Claims {
    pub width: f64,
    pub alpha0: f64,
    pub both: f64,
    pub e_excess: f64,
    pub e: f64,
}

fn look(row: &Emergence) -> Look {
    let measured = |excess: Option<Excess>| {
        excess.and_then(|excess| Some(Measured { value: excess.value, p: excess.p? }))
    };
    Look {
        width: measured(row.structure.width_excess),
        alpha0: measured(row.structure.alpha0_excess),
    }
}

/// What is claimed of a run at its last look.
pub fn claims(shape: Shape, kind: Kind, seed: u64, pool: &ThreadPool) -> anyhow::Result<Claims> {
    let mut last = None;
    rows((shape, kind), 1, 10, seed, pool, |_, row| last = Some(row))?;
    let row = last.context("a run has rows")?;
    let none = || format!("{}, {}, seed {seed}: {:?}", shape.name(), kind.name(), row.why);
    let look = look(&row);
    Ok(Claims {
        width: look.width.with_context(none)?.p,
        alpha0: look.alpha0.with_context(none)?.p,
        both: Verdict::of(look).with_context(none)?.p,
        e_excess: row.structure.e_excess.and_then(|excess| excess.p).with_context(none)?,
        e: row.e_p.with_context(none)?,
    })
}

/// The step at which a run is claimed to have structure from, if any. Its published estimator has
/// two samples only: the onset does not look at it.
pub fn onset(
    shape: Shape,
    kind: Kind,
    looks: usize,
    seed: u64,
    pool: &ThreadPool,
) -> anyhow::Result<Option<u64>> {
    let mut onset = Onset::default();
    rows((shape, kind), looks, 2, seed, pool, |step, row| onset.add(step, look(&row)))?;
    Ok(onset.found())
}
