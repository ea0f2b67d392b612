//! How often are the claims wrong? False alarms on simulated runs without structure, and power on
//! runs with a known one.
//!
//! ```text
//! cargo run --release --no-default-features --example calibrate -- [--runs 1000] [--large 200]
//! ```
//!
//! Prints the tables of docs/quantities.md: the share of runs with p < 0.05 and p < 0.01 at their
//! last look, for each measure, with 99 % intervals (Clopper and Pearson); the power on networks
//! whose source neurons' weights have a lognormal factor; and the share of runs that have an onset.
//! Run k is seeded with k, so every call gives the same numbers.

mod networks;
mod rates;
mod simulate;

use std::io::Write;
use std::time::Instant;

use clap::Parser;
use networks::{Kind, Shape};
use rates::{Rate, interval};
use simulate::{Claims, claims, in_parallel, onset};

/// Simulate runs without structure and with a known one, and print how often structure is claimed.
#[derive(Parser)]
struct Options {
    /// Runs of each shape and kind.
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// Runs of each kind of the largest shape.
    #[arg(long, default_value_t = 200)]
    large: u64,
    /// Runs of each kind and number of looks that are searched for an onset, of two small shapes
    /// by turns.
    #[arg(long, default_value_t = 400)]
    onsets: u64,
    /// Only the shape of this name.
    #[arg(long)]
    shape: Option<String>,
}

type Measure = (&'static str, fn(&Claims) -> Option<f64>);

const MEASURES: [Measure; 5] = [
    ("width_excess_p", |claims| claims.width),
    ("alpha0_excess_p", |claims| claims.alpha0),
    ("verdict", |claims| claims.both),
    ("E_excess_p", |claims| claims.e_excess),
    ("E_p", |claims| claims.e),
];

/// The numbers of looks in the search for an onset.
const LOOKS: [usize; 4] = [10, 30, 100, 300];

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let start = Instant::now();
    let wanted = |shape: &Shape| options.shape.as_deref().is_none_or(|name| name == shape.name());
    let shapes: Vec<Shape> = Shape::ALL.into_iter().filter(wanted).collect();
    anyhow::ensure!(
        !shapes.is_empty(),
        "no shape is called {:?}: choose one of {:?}",
        options.shape.unwrap_or_default(),
        Shape::ALL.map(Shape::name)
    );
    let runs = |shape| if shape == Shape::Neox768 { options.large } else { options.runs };

    println!("False alarms, % of runs without structure (99 % interval)\n");
    head("shape | runs", &["p < 0.05", "p < 0.01"]);
    let mut by_kind: Vec<Vec<Claims>> = vec![Vec::new(); Kind::NULL.len()];
    for &shape in &shapes {
        let mut all = Vec::new();
        for (of_kind, kind) in by_kind.iter_mut().zip(Kind::NULL) {
            let claimed = simulate_all(shape, kind, runs(shape))?;
            of_kind.extend(&claimed);
            all.extend(claimed);
        }
        line(shape.name(), &all, &[0.05, 0.01]);
        let _ = std::io::stdout().flush();
    }
    for (of_kind, kind) in by_kind.iter().zip(Kind::NULL) {
        line(&kind.name(), of_kind, &[0.05, 0.01]);
    }
    line("all", &by_kind.concat(), &[0.05, 0.01]);

    println!("\nPower, % of runs with p < 0.05\n");
    head("shape, structure | runs", &["p < 0.05"]);
    for &shape in shapes.iter().filter(|shape| **shape != Shape::Neox768) {
        for spread in [0.01, 0.02, 0.05] {
            for scale in [0.5, 1.0, 3.0] {
                let kind = Kind::Lognormal { spread, scale };
                let claimed = simulate_all(shape, kind, options.runs / 5)?;
                line(&format!("{}, {}", shape.name(), kind.name()), &claimed, &[0.05]);
            }
        }
    }

    println!("\nOnset, % of runs without structure that have one (99 % interval)\n");
    println!("| kind | 10 looks | 30 looks | 100 looks | 300 looks |\n|---|---|---|---|---|");
    let mut all = [Rate { hits: 0, of: 0 }; LOOKS.len()];
    for kind in Kind::NULL {
        let mut cells = Vec::new();
        for (looks, all) in LOOKS.into_iter().zip(&mut all) {
            let found: anyhow::Result<Vec<bool>> = in_parallel(options.onsets, |seed, pool| {
                let shape = if seed % 2 == 0 { Shape::Conv } else { Shape::Small };
                Ok(onset(shape, kind, looks, seed, pool)?.is_some())
            });
            let found = found?;
            let rate = Rate { hits: found.iter().filter(|found| **found).count(), of: found.len() };
            (all.hits, all.of) = (all.hits + rate.hits, all.of + rate.of);
            cells.push(interval(rate));
        }
        println!("| {} | {} |", kind.name(), cells.join(" | "));
    }
    println!("| all, {} runs | {} |", all[0].of, all.map(interval).join(" | "));
    eprintln!("{:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn simulate_all(shape: Shape, kind: Kind, runs: u64) -> anyhow::Result<Vec<Claims>> {
    in_parallel(runs, |seed, pool| claims(shape, kind, seed, pool))
}

fn head(first: &str, levels: &[&str]) {
    let columns = MEASURES.iter().flat_map(|(name, _)| {
        levels.iter().map(move |level| match levels.len() {
            1 => (*name).to_owned(),
            _ => format!("{name}: {level}"),
        })
    });
    let columns: Vec<String> = columns.collect();
    println!("| {first} | {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len() + 2));
}

fn line(name: &str, claimed: &[Claims], levels: &[f64]) {
    let cells = MEASURES.iter().flat_map(|(_, p)| {
        levels.iter().map(move |level| {
            let all: Vec<f64> = claimed.iter().filter_map(p).collect();
            let hits = all.iter().filter(|p| *p < level).count();
            if all.is_empty() { "no p".to_owned() } else { interval(Rate { hits, of: all.len() }) }
        })
    });
    let cells: Vec<String> = cells.collect();
    println!("| {name} | {} | {} |", claimed.len(), cells.join(" | "));
}
