//! What must hold on any network, most of it to the bit.

mod plain;

use neuromfa::internals::counting::{EdgeLayout, EdgeMatrix, RadiusTable, count_edges};
use neuromfa::mfa::{
    BoxMasses, Fractal, Histogram, Method, Parameters, Published, Spectrum, Stable, StableSpectrum,
    Transfer, Values, degree_of_emergence,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The histogram of a list of weights for each neuron, counted as PyTorch's `[out, in]`. Lists are
/// made of one length by zeros, which are no edges.
fn histogram(method: &Method, weights: &[Vec<f32>]) -> Histogram {
    let targets = weights.iter().map(Vec::len).max().unwrap_or(0);
    let weight = |target: usize, list: &Vec<f32>| list.get(target).copied().unwrap_or(0.0);
    let flat: Vec<f32> =
        (0..targets).flat_map(|target| weights.iter().map(move |w| weight(target, w))).collect();
    let layout = EdgeLayout::out_in(targets, weights.len(), 1);
    let matrix = EdgeMatrix::new(Values::F32(&flat), layout).unwrap();
    let mut histogram = Histogram::new(method, weights.len());
    count_edges(&RadiusTable::new(method), &[matrix], histogram.rows_mut(0..weights.len()));
    histogram
}

/// Both estimators; none for a degenerate network.
fn spectra(method: &Method, weights: &[Vec<f32>]) -> Option<(Spectrum, StableSpectrum)> {
    let histogram = histogram(method, weights);
    let masses = BoxMasses::new(method, &histogram).ok()?;
    let largest_mass = weights.iter().map(Vec::len).max().unwrap_or(0) as u32 + 1;
    let mut published = Published::new(method);
    published.reach(largest_mass);
    let mut stable = Stable::whole_spectrum(method);
    stable.reach(largest_mass);
    Some((published.estimate(&masses).ok()?, stable.estimate(&masses).ok()?))
}

/// Weights 1/d, so that the radii are these distances.
fn at_distances(lists: &[&[(usize, f32)]]) -> Vec<Vec<f32>> {
    let edges = |&(n, d): &(usize, f32)| std::iter::repeat_n(1.0 / d, n);
    lists.iter().map(|list| list.iter().flat_map(edges).collect()).collect()
}

/// Networks with something to measure, as neurons, edges, spread of weights and seed.
fn networks() -> impl Strategy<Value = Vec<Vec<f32>>> {
    (1usize..60, 24usize..120, 0.01..0.1, any::<u64>())
        .prop_map(|(neurons, edges, std, seed)| plain::weights(neurons, edges, std, seed))
}

fn assert_non_increasing(what: &str, alpha: &[f64], rounding: f64) {
    let rise = alpha.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::MIN, f64::max);
    assert!(rise <= rounding, "{what} rises by {rise:e}: {alpha:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn z_0_counts_the_neurons_and_tau_0_is_0(weights in networks()) {
        let method = Method::default();
        let distances = plain::distances(Transfer::Inverse, &weights);
        let in_range = |list: &&Vec<f64>| list.iter().filter(|d| **d > 1.0 && **d <= 150.0).count();
        let neurons = distances.iter().filter(|list| in_range(list) > 10).count();
        if let Some((published, _)) = spectra(&method, &weights) {
            let zero = method.q().iter().position(|q| *q == 0.0).unwrap();
            let line = published.tau[zero];
            prop_assert_eq!(published.neurons, neurons);
            prop_assert_eq!(line.slope, 0.0);
            let ln = (neurons as f64).ln();
            prop_assert!((line.intercept - ln).abs() <= 2.0 * f64::EPSILON * ln.max(1.0));
            prop_assert_eq!(line.r2, None);
        } else {
            prop_assert_eq!(neurons, 0);
        }
    }

    #[test]
    fn at_the_largest_radius_a_box_holds_all_edges_and_its_centre(weights in networks()) {
        let method = Method::default();
        let histogram = histogram(&method, &weights);
        if let Ok(masses) = BoxMasses::new(&method, &histogram) {
            for (neuron, total) in masses.totals() {
                let edges = histogram.row(neuron)[1..].iter().sum::<u32>();
                prop_assert!(edges > 10 && total == edges + 1);
            }
        }
    }

    #[test]
    fn permuting_neurons_changes_nothing(mut weights in networks(), seed: u64) {
        let method = Method::default();
        let before = spectra(&method, &weights);
        weights.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(before, spectra(&method, &weights));
    }

    #[test]
    fn permuting_edges_changes_nothing(mut weights in networks(), seed: u64) {
        let method = Method::default();
        let before = spectra(&method, &weights);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        weights.iter_mut().for_each(|list| list.shuffle(&mut rng));
        prop_assert_eq!(before, spectra(&method, &weights));
    }

    #[test]
    fn signs_change_nothing(
        mut weights in networks(),
        transfer in prop::sample::select(vec![Transfer::Inverse, Transfer::Coth, Transfer::Log]),
        seed: u64,
    ) {
        let method = Parameters::default().transfer(transfer).check().unwrap();
        let before = spectra(&method, &weights);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        weights.iter_mut().flatten().filter(|_| rng.random()).for_each(|w| *w = -*w);
        prop_assert_eq!(before, spectra(&method, &weights));
    }

    /// Weights times s, and range and radius step divided by s: the same radii in steps, hence the
    /// same bits. Exact for s = 2^k, since f32 weights, distances, and radii then scale without
    /// rounding; for d = 1/|w| only; and as far as the step stays 1/m with m from 1 to 1000. With
    /// the radius step left as it is, no scaling is an identity: distances are rounded elsewhere.
    #[test]
    fn scaling_weights_range_and_step_changes_nothing(
        weights in networks(),
        (m, k) in (prop::sample::select(vec![1, 2, 5, 10]), 0..7i32),
    ) {
        let method = |k: i32| {
            let base = Parameters::default();
            let s = 2f64.powi(k);
            let (least, most) = (base.min_distance / s, base.max_distance / s);
            let scaled = base.min_distance(least).max_distance(most);
            scaled.radius_step(1.0 / (f64::from(m) * s)).check().unwrap()
        };
        let times = |w: &f32| w * 2f32.powi(k);
        let scaled: Vec<Vec<f32>> =
            weights.iter().map(|list| list.iter().map(times).collect()).collect();
        let (wide, narrow) = (method(0), method(k));
        prop_assert_eq!(histogram(&wide, &weights), histogram(&narrow, &scaled));
        let mut after = spectra(&narrow, &scaled);
        if let Some((published, _)) = &mut after {
            published.smallest_radius *= 2f64.powi(k);
            published.scaling.radii.iter_mut().for_each(|r| *r *= 2f64.powi(k));
        }
        prop_assert_eq!(spectra(&wide, &weights), after);
    }

    /// alpha'(q) = Σ_j c_j · (variance of ln p at radius j, weighted by p^q), c_j the regression's
    /// weights. From a neuron's largest distance on p is 1. Where all distances lie below the
    /// geometric mean of the grid's radii (56.5 for 1 to 150), ln p varies only where c_j < 0.
    #[test]
    fn stable_alpha_falls_where_all_distances_are_below_the_mean_of_the_grid(
        neurons in 1usize..60, edges in 11usize..120, seed: u64,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut neuron = |_| {
            let near = rng.random_range(1.1..50.0f32);
            (0..edges).map(|_| 1.0 / rng.random_range(near..56.0)).collect()
        };
        let weights: Vec<Vec<f32>> = (0..neurons).map(&mut neuron).collect();
        let (_, stable) = spectra(&Method::default(), &weights).unwrap();
        assert_non_increasing("stable alpha", &stable.alpha, 1e-13);
    }

    /// The same over R: all radii but the largest lie below their geometric mean.
    #[test]
    fn published_tau_is_concave_where_all_radii_but_one_are_below_their_mean(
        neurons in 1usize..60, edges in 11usize..120, far in 1.5..7f32, seed: u64,
    ) {
        let method = Method::default();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut neuron = |_| {
            let mut distance = || match rng.random() {
                true => rng.random_range(1.1..far),
                false => 149.0,
            };
            (0..edges).map(|_| 1.0 / distance()).collect()
        };
        let weights: Vec<Vec<f32>> = (0..neurons).map(&mut neuron).collect();
        let histogram = histogram(&method, &weights);
        let r = BoxMasses::new(&method, &histogram).unwrap().radii();
        let mean = r.iter().map(|r| r.ln()).sum::<f64>() / r.len() as f64;
        prop_assume!(r.len() > 1 && r[r.len() - 2].ln() < mean);
        let (published, _) = spectra(&method, &weights).unwrap();
        assert_non_increasing("published alpha", &published.alpha, 1e-12);
    }

    /// Averages over neurons of the fractal dimension, on the common grid.
    #[test]
    fn stable_alpha0_is_the_mean_over_the_neurons(weights in networks()) {
        let method = Method::default();
        let alone = |list: &Vec<f32>| Some(spectra(&method, std::slice::from_ref(list))?.1);
        let each: Vec<StableSpectrum> = weights.iter().filter_map(alone).collect();
        if let Some((published, stable)) = spectra(&method, &weights) {
            // A neuron whose edges lie at one radius has no published spectrum of its own.
            if each.len() == published.neurons {
                let mean = each.iter().map(|s| s.fractal.alpha0).sum::<f64>() / each.len() as f64;
                prop_assert!((mean - stable.fractal.alpha0).abs() <= 1e-13 * mean);
            }
            for one in each {
                prop_assert!(one.fractal.width.abs() <= 1e-13, "one neuron has one dimension");
            }
        }
    }

    #[test]
    fn no_change_is_no_emergence(weights in networks(), alpha0 in 1e-300..1e300, width: f64) {
        if let Some((published, stable)) = spectra(&Method::default(), &weights) {
            for x in [published.fractal, stable.fractal] {
                if x.width >= 1e-9 {
                    prop_assert_eq!(degree_of_emergence(x, x), Ok(0.0));
                }
            }
        }
        let x = Fractal { alpha0, width };
        prop_assert_eq!(degree_of_emergence(x, x).is_ok(), width.abs() >= 1e-9);
        prop_assert_eq!(degree_of_emergence(x, x).unwrap_or(0.0), 0.0);
    }
}

/// More neurons of one T than one unit of work holds.
#[test]
fn permuting_many_neurons_of_one_mass_changes_nothing() {
    let method = Method::default();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let neuron = |_| (0..20).map(|_| 1.0 / rng.random_range(1.1..140.0f32)).collect();
    let mut weights: Vec<Vec<f32>> = (0..5000).map(neuron).collect();
    let before = spectra(&method, &weights).unwrap();
    for seed in 0..3 {
        weights.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(before, spectra(&method, &weights).unwrap());
    }
}

/// Concavity is no identity: where neurons differ at large radii only, tau is convex and alpha
/// rises with q, in both estimators.
#[test]
fn alpha_rises_where_neurons_differ_at_large_radii_only() {
    let weights = at_distances(&[&[(20, 2.0), (20, 140.0)], &[(20, 2.0), (20, 149.0)]]);
    let (published, stable) = spectra(&Method::default(), &weights).unwrap();
    assert!(published.alpha.windows(2).all(|pair| pair[1] > pair[0]), "{published:?}");
    assert!(stable.alpha.windows(2).all(|pair| pair[1] > pair[0]), "{stable:?}");
    assert!(stable.fractal.width < 0.0 && published.fractal.width > 0.0);
}
