//! Networks that are easily misread, as files: each has the values of an independent program
//! (tests/data/misread.py), and says what it leaves open.

mod golden;

use golden::{assert_fractal, fractal, read, value};
use neuromfa::internals::analysis::{Estimators, Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Fractal, Method};
use neuromfa::network::{Network, Orientation, Selection};
use neuromfa::source::{CheckpointFile, Memory, Source, save};
use serde_json::Value;

/// The values of a tensor, by the rule of the program.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) * 0.2) as f32
    };
    (0..count).map(|_| next()).collect()
}

/// A safetensors file with the tensors of a case.
fn file(case: &Value, folder: &std::path::Path) -> CheckpointFile {
    let memory = Memory::new();
    let tensors: Vec<(String, Value)> = value(&case["tensors"]);
    for (seed, (name, shape)) in (1..).zip(&tensors) {
        let same = shape.as_str().and_then(|same| tensors.iter().position(|(n, _)| n == same));
        let (seed, shape) = same.map_or((seed, shape), |k| (k as u64 + 1, &tensors[k].1));
        let shape: Vec<usize> = value(shape);
        memory.set(name, &shape, values(shape.iter().product(), seed)).unwrap();
    }
    let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    let path = folder.join("model.safetensors");
    save(&path, &memory, &names).unwrap();
    CheckpointFile::open(&path).unwrap()
}

/// The stable estimator over the whole network.
fn stable(network: &Network, source: &dyn Source) -> Fractal {
    let plan = Plan::new(&Method::default(), network, &Draw::whole(), true).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut snapshot = Snapshot::new(&plan);
    plan.snapshot(source, &pool, &mut snapshot).unwrap();
    let measured = pool.install(|| Estimators::new(&plan).measure(&plan, &snapshot, 0));
    measured.stable.unwrap().unwrap()
}

#[test]
fn each_has_its_true_values_or_says_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    for case in read("misread.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let file = file(case, folder.path());
        let infer = |selection| Network::infer(&file.parameters(), &selection).unwrap();
        let mut network = infer(Selection::default());
        match case["warning"].as_str() {
            Some(warning) => {
                let said = network.warnings().iter().any(|w| w.contains(warning));
                assert!(said, "{name}: {:?}", network.warnings());
            }
            None => assert_eq!(network.warnings(), [""; 0], "{name}"),
        }
        if !case["orient"].is_null() {
            let orient = vec![("*".to_owned(), Orientation::InOut)];
            let mut selection = Selection::default();
            selection.orient = orient;
            network = infer(selection);
        }
        if !case["left_out"].is_null() {
            let left: Vec<_> = network.left_out().iter().map(|l| l.name.clone()).collect();
            assert_eq!(left, value::<Vec<String>>(&case["left_out"]), "{name}");
        }
        assert_fractal(name, stable(&network, &file), fractal(case));
    }
}
