//! distances.json: the whole result of a network given as lists of distances, to 1e-9.

mod golden;

use golden::{Expected, assert_close, read};
use neuromfa::mfa::{BoxMasses, Histogram, Method, Published, Stable};

#[test]
fn distances() {
    let data = read("distances.json");
    let distances: Vec<Vec<f64>> = golden::value(&data["distances"]);
    let expected = Expected::read(&data["expected"]);

    let method = Method::default();
    let histogram = Histogram::from_distances(&method, &distances);
    let masses = BoxMasses::new(&method, &histogram).unwrap();
    let totals: Vec<f64> = masses.totals().iter().map(|&(_, t)| f64::from(t)).collect();
    assert_eq!(masses.radii(), expected.radii);
    assert_eq!(totals, expected.mass_total);

    let mut published = Published::new(&method);
    published.reach(1000);
    let spectrum = published.estimate(&masses).unwrap();
    expected.assert_published(&spectrum);
    // D_q = tau/(q - 1): at q = -3, 0, 1, 3.
    let dimensions = spectrum.dimensions(method.q());
    let tau = |k: usize| spectrum.tau[k].slope;
    assert_eq!((dimensions[0], dimensions[30]), (Some(tau(0) / -4.0), Some(0.0)));
    assert_eq!((dimensions[40], dimensions[60]), (None, Some(tau(60) / 2.0)));

    let mut stable = Stable::whole_spectrum(&method);
    stable.reach(1000);
    let whole = stable.estimate(&masses).unwrap();
    assert_close("stable alpha", &whole.alpha, &expected.stable_alpha);
    expected.assert_stable(whole.fractal);

    let mut ends = Stable::new(&method);
    ends.reach(1000);
    let ends = ends.estimate(&masses).unwrap();
    assert_eq!(ends.fractal, whole.fractal, "three q are enough for alpha0 and width");
}
