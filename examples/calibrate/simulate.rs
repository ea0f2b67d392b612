//! A simulated run, analysed as a run is.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use neuromfa::Controls;
use neuromfa::internals::analysis::{
    Baseline, Emergence, Estimators, Excess, Look, Measured, Onset, Plan, Snapshot, Verdict,
};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::Method;
use neuromfa::network::{Network, Selection};
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
    // No two shapes and kinds share weights or draws.
    let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mixed(shape, kind);
    let mut run = Run::new(shape, kind, looks, seed)?;
    let network = Network::infer(&run.weights.parameters(), &Selection::default())?;
    let draw = Draw::random(&network, 64, samples, seed)?;
    let controls = Controls::default().seed(seed);
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

fn mixed(shape: Shape, kind: Kind) -> u64 {
    let name = format!("{} {}", shape.name(), kind.name());
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The p of the last row; none where a measure has none.
#[derive(Clone, Copy, Debug)]
pub struct Claims {
    pub width: Option<f64>,
    pub alpha0: Option<f64>,
    pub both: Option<f64>,
    pub e_excess: Option<f64>,
    pub e: Option<f64>,
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

/// The claims about a run at its last look.
pub fn claims(shape: Shape, kind: Kind, seed: u64, pool: &ThreadPool) -> anyhow::Result<Claims> {
    let mut last = None;
    rows((shape, kind), 1, 10, seed, pool, |_, row| last = Some(row))?;
    let row = last.context("a run has rows")?;
    let none = || format!("{}, {}, seed {seed}: {:?}", shape.name(), kind.name(), row.why);
    let look = look(&row);
    let verdict = Verdict::of(look).with_context(none)?;
    Ok(Claims {
        width: look.width.map(|width| width.p),
        alpha0: look.alpha0.map(|alpha0| alpha0.p),
        both: Some(verdict.p),
        e_excess: row.structure.e_excess.and_then(|excess| excess.p),
        e: row.e_p,
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

/// Applies a function to each run, one thread for each; results are in the order of the seeds.
pub fn in_parallel<T: Send>(
    runs: u64,
    one: impl Fn(u64, &ThreadPool) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let work = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                return anyhow::Ok(done);
            }
            done.push((seed, one(seed, &pool)?));
        }
    };
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let done = worker.join().map_err(|_| anyhow::anyhow!("a simulation panicked"))??;
            all.extend(done);
        }
        anyhow::Ok(())
    })?;
    all.sort_by_key(|(seed, _)| *seed);
    Ok(all.into_iter().map(|(_, value)| value).collect())
}
