//! A simulated run, analysed as a run is.

use anyhow::Context;
use neuromfa::analysis::{Baseline, Controls, Emergence, Estimators, Plan, Snapshot};
use neuromfa::mfa::Method;
use neuromfa::network::{Draw, Network, Selection};
use neuromfa::source::Source;
use rayon::ThreadPool;

use super::networks::{Kind, Run, Shape};

/// The rows of a run that is looked at `looks` times after step 0.
pub fn rows(
    shape: Shape,
    kind: Kind,
    looks: usize,
    seed: u64,
    pool: &ThreadPool,
) -> anyhow::Result<Vec<Emergence>> {
    let mut run = Run::new(shape, kind, looks, seed)?;
    let network = Network::infer(&run.weights.parameters(), &Selection::default())?;
    let draw = Draw::random(&network, 64, 10, seed)?;
    let controls = Controls { seed, ..Controls::default() };
    let mut plan = Plan::new(&Method::default(), &network, &draw, true)?.with_controls(controls);
    let estimators = Estimators::new(&plan);
    let mut snapshot = Snapshot::new(&plan);
    plan.snapshot(&run.weights, pool, &mut snapshot)?;
    let measured = estimators.measure(&plan, &snapshot, 0);
    let baseline = Baseline::new(0, &plan, &measured);
    plan.start_from(&baseline.deviations);
    let mut rows = vec![Emergence::new(&plan, &baseline, &measured)];
    for look in 1..=looks {
        run.look(look)?;
        plan.snapshot(&run.weights, pool, &mut snapshot)?;
        let measured = estimators.measure(&plan, &snapshot, look as u64);
        rows.push(Emergence::new(&plan, &baseline, &measured));
    }
    Ok(rows)
}

/// The p of one row.
#[derive(Clone, Copy, Debug)]
pub struct Claims {
    pub width: f64,
    pub alpha0: f64,
    pub e_excess: f64,
    pub e: f64,
    /// width_excess over its standard error.
    pub t: f64,
}

/// What is claimed of a run at its last look.
pub fn claims(shape: Shape, kind: Kind, seed: u64, pool: &ThreadPool) -> anyhow::Result<Claims> {
    let rows = rows(shape, kind, 1, seed, pool)?;
    let row = rows.last().context("a run has rows")?;
    let structure = row.structure;
    let none = || format!("{} {}: {:?}", shape.name(), kind.name(), row.why);
    let width = structure.width_excess.with_context(none)?;
    let p = |excess: Option<neuromfa::analysis::Excess>| excess.and_then(|excess| excess.p);
    Ok(Claims {
        width: width.p.with_context(none)?,
        alpha0: p(structure.alpha0_excess).with_context(none)?,
        e_excess: p(structure.e_excess).with_context(none)?,
        e: row.e_p.unwrap_or(1.0),
        t: width.value / width.se.with_context(none)?,
    })
}
