//! mlp.json and neox.json: neurons, layers and the norm-matched control, to 1e-9.

mod golden;

use golden::{Expected, assert_close, assert_near, fractal, path, read, value};
use neuromfa::Controls;
use neuromfa::internals::analysis::{
    Baseline, Emergence, Estimators, Measurement, Neuron, Plan, Scope, Snapshot,
};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::Method;
use neuromfa::network::{Network, Selection};
use neuromfa::source::{CheckpointFile, Source};
use serde_json::Value;

fn plan(source: &dyn Source) -> Plan {
    let network = Network::infer(&source.parameters(), &Selection::default()).unwrap();
    let plan = Plan::new(&Method::default(), &network, &Draw::whole(), true).unwrap();
    let controls = Controls::default().shuffled(0);
    plan.with_controls(controls).with_details()
}

fn measure(plan: &Plan, source: &dyn Source) -> Measurement {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut snapshot = Snapshot::new(plan);
    plan.snapshot(source, &pool, &mut snapshot).unwrap();
    pool.install(|| Estimators::new(plan).measure(plan, &snapshot, 0))
}

fn assert_neurons(neurons: &[Neuron], expected: &Value) {
    let expected: Vec<Option<[f64; 2]>> = value(expected);
    assert_eq!(neurons.len(), expected.len());
    let pairs = |neurons: &[Neuron]| -> Vec<Option<[f64; 2]>> {
        let pair = |n: &Neuron| n.dimension.map(|line| [line.slope, line.r2.unwrap()]);
        neurons.iter().map(pair).collect()
    };
    for (got, expected) in pairs(neurons).iter().zip(&expected) {
        assert_eq!(got.is_some(), expected.is_some());
        if let (Some(got), Some(expected)) = (got, expected) {
            assert_close("dimension and R²", got, expected);
        }
    }
}

#[test]
fn mlp_neurons_and_layers() {
    let source = CheckpointFile::open(path("mlp.safetensors")).unwrap();
    let plan = plan(&source);
    let measured = measure(&plan, &source);
    let data = read("mlp.json");
    assert_neurons(&measured.neurons, &data["one_hop"]["neuron_dimension"]);
    let all = measured.groups.last().unwrap().neurons.degree.unwrap();
    assert_near("degree", all.mean, value(&data["one_hop"]["degree_mean"]));
    assert_near("kurtosis", all.kurtosis.unwrap(), value(&data["one_hop"]["degree_kurtosis"]));

    let layers = data["per_layer"].as_array().unwrap();
    let groups = plan.groups().iter().zip(&measured.groups);
    let groups: Vec<_> = groups.filter(|(group, _)| group.scope == Scope::Layer).collect();
    assert_eq!(groups.len(), layers.len());
    for ((_, group), expected) in groups.iter().zip(layers) {
        let full = Expected::read(expected);
        full.assert_published(&group.published.as_ref().unwrap()[0]);
        full.assert_stable(group.stable.unwrap());
        let degree = group.neurons.degree.unwrap();
        assert_near("degree", degree.mean, value(&expected["degree_mean"]));
        assert_near("kurtosis", degree.kurtosis.unwrap(), value(&expected["degree_kurtosis"]));
    }
}

#[test]
fn neox_neurons_and_norm_matched() {
    let golden = read("neox.json");
    let mut start: Option<Baseline> = None;
    for step in [0u64, 64, 300] {
        let source = CheckpointFile::open(path(&format!("neox-step{step}.safetensors"))).unwrap();
        let mut plan = plan(&source);
        if let Some(baseline) = &start {
            plan.start_from(&baseline.deviations);
        }
        let measured = measure(&plan, &source);
        let expected = &golden["expected"][step.to_string()];
        assert_neurons(&measured.neurons, &expected["whole"]["neuron_dimension"]);
        let degree = measured.groups.last().unwrap().neurons.degree.unwrap();
        assert_near("degree", degree.mean, value(&expected["whole"]["degree_mean"]));
        let kurtosis = value(&expected["whole"]["degree_kurtosis"]);
        assert_near("kurtosis", degree.kurtosis.unwrap(), kurtosis);
        let baseline = start.get_or_insert_with(|| Baseline::new(step, &plan, &measured));
        let row = Emergence::new(&plan, baseline, &measured);
        assert_near(
            "E_norm_matched",
            row.structure.e_norm_matched.unwrap(),
            value(&expected["E_norm_matched"]),
        );
        // The network, as a part of itself, has the numbers of the row.
        let network = row.parts.last().unwrap();
        assert_eq!(
            (network.e, network.e_stable, network.alpha0),
            (row.e, row.e_stable, row.alpha0)
        );
        let stable = fractal(&expected["whole"]["stable"]);
        assert_near("width of the network", network.width_stable.unwrap(), stable.width);
    }
}

/// The size of the weights, how far they have moved, and the spectra of the matrices, of each layer and of all, against NumPy.
#[test]
fn norms_and_distances_of_layers_and_of_the_network() {
    let expected = read("norms.json");
    let open = |name: &str| CheckpointFile::open(path(name)).unwrap();
    let start = open("neox-step0.safetensors");
    let plan = plan(&start).with_matrix_spectra();
    let baseline = Baseline::new(0, &plan, &measure(&plan, &start));
    let before = plan.entries(&open("neox-step64.safetensors")).unwrap();
    for (file, expected) in expected.as_object().unwrap() {
        let measured = measure(&plan, &open(file));
        let mut row = Emergence::new(&plan, &baseline, &measured);
        row.add_update(&plan, &measured.entries, &before);
        let parts =
            row.parts.iter().filter(|part| [Scope::Layer, Scope::Network].contains(&part.scope));
        let parts: Vec<_> = parts.map(|part| (part.name.as_str(), part.weights)).collect();
        assert_eq!(parts.len(), expected.as_object().unwrap().len());
        for (name, weights) in parts.into_iter().chain([("all", row.weights)]) {
            let expected = &expected[name];
            assert_near("norm", weights.norm.unwrap(), value(&expected["weight_norm"]));
            assert_near("spread", weights.norm_spread.unwrap(), value(&expected["norm_spread"]));
            assert_near(
                "rank",
                weights.spectrum.stable_rank.unwrap(),
                value(&expected["stable_rank"]),
            );
            let alpha = weights.spectrum.tail_alpha.unwrap();
            assert_near("tail", alpha, value(&expected["tail_alpha"]));
            let (distance, cosine) = (weights.distance.unwrap(), weights.cosine.unwrap());
            assert_eq!((distance.1, cosine.1), (0.0, 0.0), "all entries are known");
            if file.contains("step0") {
                assert_eq!((distance.0, cosine.0), (0.0, 1.0));
                continue;
            }
            assert_near("distance", distance.0, value(&expected["distance"]));
            assert_near("cosine", cosine.0, value(&expected["cosine"]));
            assert_near("update", weights.update.unwrap(), value(&expected["update"]));
        }
    }
}
