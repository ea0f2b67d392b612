//! The goodness of fit at initialisation, compared with the paper's Table 2 (arXiv 2402.09099).
//!
//! ```text
//! cargo run --release --no-default-features --example table2 [-- --large]
//! ```
//!
//! Draws a fresh initialisation of Pythia 160M (with `--large`, of Pythia 1.4B too), samples
//! 10 networks of 64 neurons a layer, and prints R² of ln Z_q on ln(r/d) at q = 3. The paper
//! measured step 1, where the weights are those of the initialisation within one small update.

#[path = "table2/initialisation.rs"]
mod initialisation;

use std::time::Instant;

use initialisation::Initialisation;

fn main() -> anyhow::Result<()> {
    let large = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--large") => true,
        Some(other) => anyhow::bail!("unknown argument {other:?}: there is only --large"),
    };
    let mut models = vec![("160M", Initialisation::pythia_160m(0), "0.9585 ± 0.0004")];
    if large {
        models.push(("1.4B", Initialisation::pythia_1_4b(0), "0.9279 ± 0.0024"));
    }
    println!("R² at q = 3: mean ± standard deviation over 10 samples of 64 neurons a layer");
    for (name, model, paper) in models {
        let start = Instant::now();
        let row = model.step_0(64, 10)?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(why) = row.why {
            anyhow::bail!("{name}: {why}");
        }
        let number = |value: Option<f64>, digits: usize| match value {
            Some(value) => format!("{value:.digits$}"),
            None => "none".to_owned(),
        };
        let at_3 = row.spectrum.last();
        println!(
            "{name}  here {} ± {}  paper {paper}",
            number(at_3.and_then(|at| at.r2), 4),
            number(at_3.and_then(|at| at.r2_std), 4),
        );
        println!(
            "      alpha0 {} ± {}  width {} ± {}  E {}  neurons {}  radii {}  {seconds:.1} s",
            number(row.alpha0, 4),
            number(row.alpha0_std, 4),
            number(row.width, 4),
            number(row.width_std, 4),
            number(row.e, 4),
            number(row.neurons, 1),
            number(row.radii, 1),
        );
    }
    Ok(())
}
