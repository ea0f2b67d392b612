mod networks;
mod simulate;
use networks::{Kind, Run, Shape};
use neuromfa::analysis::*;
use neuromfa::mfa::Method;
use neuromfa::network::*;
use neuromfa::source::Source;
use rayon::prelude::*;
fn claims(runs: u64, only: &[usize]) {
    for shape in only.iter().map(|k| Shape::ALL[*k]) {
        let mut kinds = Kind::NULL.to_vec();
        if shape == Shape::Mlp {
            for scale in [0.5, 1.0, 3.0] {
                kinds.push(Kind::Lognormal { spread: 0.05, scale });
            }
        }
        for kind in kinds {
            let start = std::time::Instant::now();
            let claims: Vec<_> = (0..runs)
                .into_par_iter()
                .map(|seed| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
                    simulate::claims(shape, kind, seed, &pool).unwrap()
                })
                .collect();
            let rate = |f: &dyn Fn(&simulate::Claims) -> f64, level: f64| {
                100.0 * claims.iter().filter(|c| f(c) < level).count() as f64 / runs as f64
            };
            let n = runs as f64;
            let mt = claims.iter().map(|c| c.t).sum::<f64>() / n;
            let st = (claims.iter().map(|c| (c.t - mt).powi(2)).sum::<f64>() / n).sqrt();
            println!(
                "{:<16} {:<24} w {:5.1} {:4.1}  a {:5.1} {:4.1}  Ex {:5.1}  E {:5.1}  either {:5.1}  t {mt:.2} ± {st:.2}  {:.1} ms",
                shape.name(),
                kind.name(),
                rate(&|c| c.width, 0.05),
                rate(&|c| c.width, 0.01),
                rate(&|c| c.alpha0, 0.05),
                rate(&|c| c.alpha0, 0.01),
                rate(&|c| c.e_excess, 0.05),
                rate(&|c| c.e, 0.05),
                rate(&|c| c.width.min(c.alpha0), 0.05),
                start.elapsed().as_secs_f64() * 1e3 / n
            );
        }
    }
}
fn main() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "claims" {
        let only: Vec<usize> = a[3].split(',').map(|k| k.parse().unwrap()).collect();
        claims(a[2].parse()?, &only);
        return Ok(());
    }
    // moments of the draws
    let k: usize = a[2].parse()?;
    let only: Vec<usize> = a[3].split(',').map(|k| k.parse().unwrap()).collect();
    for shape in only.iter().map(|k| Shape::ALL[*k]) {
        let run = Run::new(shape, Kind::Same, 1, 7)?;
        let network = Network::infer(&run.weights.parameters(), &Selection::default())?;
        let draw = Draw::random(&network, 64, 10, 7)?;
        let controls = Controls { seed: 7, shuffled: k, ..Controls::default() };
        let plan = Plan::new(&Method::default(), &network, &draw, true)?
            .with_controls(controls)
            .with_details();
        let estimators = Estimators::new(&plan);
        let mut snapshot = Snapshot::new(&plan);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
        plan.snapshot(&run.weights, &pool, &mut snapshot)?;
        let start = std::time::Instant::now();
        let measured = pool.install(|| estimators.measure(&plan, &snapshot, 0));
        println!("{} {k} draws {:.1} ms", shape.name(), start.elapsed().as_secs_f64() * 1e3);
        for (g, nulls) in plan.groups().iter().zip(&measured.controls.groups) {
            let Ok(draws) = nulls.shuffled.as_ref().unwrap().as_ref() else { continue };
            if g.name == "all" {
                let text: String = draws
                    .fractals
                    .iter()
                    .map(|f| format!("{} {}\n", f.width.ln(), f.alpha0.ln()))
                    .collect();
                std::fs::write(format!("/tmp/draws-{}.txt", shape as usize), text)?;
            }
            let show = |name: &str, f: &dyn Fn(&neuromfa::mfa::Fractal) -> f64| {
                let v: Vec<f64> = draws.fractals.iter().map(|x| f(x)).collect();
                let n = v.len() as f64;
                let m = v.iter().sum::<f64>() / n;
                let s = (v.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n).sqrt();
                let sk = v.iter().map(|x| ((x - m) / s).powi(3)).sum::<f64>() / n;
                let ku = v.iter().map(|x| ((x - m) / s).powi(4)).sum::<f64>() / n;
                println!(
                    "   {:<22} {name} share {:.3} mean {m:.5} together {:.5} s {s:.5} s_full {:.5} skew {sk:.2} kurt {ku:.2}",
                    g.name,
                    draws.share,
                    f(&draws.together),
                    s * draws.share.sqrt()
                );
            };
            show("ln w", &|f| f.width.ln());
            show("ln a", &|f| f.alpha0.ln());
        }
    }
    Ok(())
}
