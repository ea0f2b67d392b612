//! The paper's Table 2 at step 1: R² of ln Z_q on ln(r/d) at q = 3, on fresh initialisations.
//!
//! The ± of the paper is over samples of one model. Over the seeds of the weights R² here is
//! 0.9585 ± 0.0002 (160M, 40 seeds) and 0.9282 ± 0.0007 (1.4B, 12 seeds).

#[path = "../examples/table2/initialisation.rs"]
mod initialisation;

use initialisation::Initialisation;

fn assert_r2(model: &Initialisation, paper: f64, tolerance: f64) {
    let row = model.step_0(64, 10).unwrap();
    assert_eq!((row.e, row.why), (Some(0.0), None));
    let at_3 = row.spectrum.last().unwrap();
    assert_eq!(at_3.q, 3.0);
    let r2 = at_3.r2.unwrap();
    assert!((r2 - paper).abs() < tolerance, "R² {r2} ± {:?}, paper {paper}", at_3.r2_std);
    assert_eq!(row.r2, Some(r2));
}

#[test]
fn pythia_160m() {
    assert_r2(&Initialisation::pythia_160m(0), 0.9585, 0.002);
}

#[test]
#[ignore = "draws 1.2 billion weights"]
fn pythia_1_4b() {
    assert_r2(&Initialisation::pythia_1_4b(0), 0.9279, 0.004);
}
