//! What a file says about its tensors beyond their names and shapes: weight normalisation, tied
//! tensors, the order of definition.

mod loops;
mod pickled;

use loops::warnings::warnings_of;
use neuromfa::Replay;
use neuromfa::mfa::Values;
use neuromfa::network::{Architecture, Network, Selection};
use neuromfa::source::{Checkpoint, CheckpointFile, Memory, Source, save};
use pickled::{View, archive, dict, pickle, state_dict, text, zip};

fn values(source: &dyn Source, name: &str) -> Vec<f64> {
    match source.tensor(name).unwrap().values() {
        Values::F32(v) => v.iter().map(|w| f64::from(*w)).collect(),
        Values::F64(v) => v.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn network(source: &dyn Source) -> Network {
    Network::infer(&source.parameters(), &Selection::default()).unwrap()
}

fn order(network: &Network) -> Vec<&str> {
    network.connections().iter().map(|c| c.parameter.as_str()).collect()
}

/// Seeded values without a library.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn a_gain_and_a_direction_form_one_matrix() {
    let memory = Memory::new();
    let set = |name: &str, shape: &[usize], seed: u64| {
        let all = numbers(shape.iter().product(), seed);
        memory.set(name, shape, all.clone()).unwrap();
        all
    };
    // By output channel, in both forms; by kernel position, as wav2vec2's; one norm of all.
    let g = set("0.weight_g", &[6, 1, 1], 1);
    let v = set("0.weight_v", &[6, 4, 3], 2);
    let channel = |g: &[f64], v: &[f64]| -> Vec<f64> {
        let norm = |o: usize| v[o * 12..][..12].iter().map(|w| w * w).sum::<f64>().sqrt();
        (0..72).map(|k| g[k / 12] * v[k] / norm(k / 12)).collect()
    };
    let first = channel(&g, &v);
    let g = set("2.parametrizations.weight.original0", &[6, 1, 1], 3);
    let v = set("2.parametrizations.weight.original1", &[6, 6, 2], 4);
    let second = channel(&g, &v);
    let g = set("pos.parametrizations.weight.original0", &[1, 1, 3], 5);
    let v = set("pos.parametrizations.weight.original1", &[4, 2, 3], 6);
    let norm = |p: usize| (0..8).map(|k| v[k * 3 + p].powi(2)).sum::<f64>().sqrt();
    let third: Vec<f64> = (0..24).map(|k| g[k % 3] * v[k] / norm(k % 3)).collect();
    let g = set("fc.weight_g", &[], 7);
    let v = set("fc.weight_v", &[5, 6], 8);
    let norm = v.iter().map(|w| w * w).sum::<f64>().sqrt();
    let fourth: Vec<f64> = v.iter().map(|w| g[0] * w / norm).collect();
    set("fc.weight_g_scale", &[1], 9);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let parameters = memory.parameters();
    let all: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    save(&path, &memory, &all).unwrap();
    let file = CheckpointFile::open(&path).unwrap();
    let mut named: Vec<String> = file.parameters().into_iter().map(|p| p.name).collect();
    named.sort();
    assert_eq!(named, ["0.weight", "2.weight", "fc.weight", "fc.weight_g_scale", "pos.weight"]);
    for (name, expected) in
        [("0.weight", first), ("2.weight", second), ("pos.weight", third), ("fc.weight", fourth)]
    {
        let found = values(&file, name);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-12, "{name}: {found}, not {expected}");
        }
    }
    assert_eq!(values(&file, "0.weight_v").len(), 72, "the parts stay readable");
}

#[test]
fn a_tensor_under_several_names_counts_once() {
    let tied = View::whole("FloatStorage", 0, &[8, 8]);
    let own = View::whole("FloatStorage", 1, &[8, 8]);
    // A view of the same storage that is transposed is another matrix.
    let turned = View { strides: vec![1, 8], ..tied.clone() };
    let pairs: Vec<(Vec<u8>, Vec<u8>)> =
        [("a.weight", &tied), ("b.weight", &tied), ("c.weight", &own), ("d.weight", &turned)]
            .map(|(name, view)| (text(name), view.pickled()))
            .to_vec();
    let storages =
        [0_u8, 1].map(|k| [0.25 * (1.0 + f32::from(k)); 64].map(f32::to_le_bytes).concat());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tied.pt");
    std::fs::write(&path, zip(&archive(&pickle(dict(&pairs)), &storages), false)).unwrap();
    let file = CheckpointFile::open(&path).unwrap();
    assert_eq!(file.parameters().len(), 4);
    let network = network(&file);
    assert_eq!(order(&network), ["a.weight", "c.weight", "d.weight"]);
    assert!(network.left_out()[0].why.contains("the same tensor as `a.weight`"));
}

#[test]
fn equal_matrices_of_other_names_count_once() {
    let memory = Memory::new();
    let values = numbers(64, 1);
    let mut other = values.clone();
    other[32] += 1.0; // neither at the beginning nor at the end
    for (name, values) in [
        ("decoder.weight", &values),
        ("encoder.weight", &values),
        ("middle.weight", &other),
        // Layers that were copied before training; weights that begin as a constant.
        ("layers.0.weight", &numbers(64, 2)),
        ("layers.1.weight", &numbers(64, 2)),
        ("zeros.weight", &vec![0.0; 64]),
        ("zeros_too.weight", &vec![0.0; 64]),
    ] {
        memory.set(name, &[8, 8], values.clone()).unwrap();
    }
    // A gain times equal directions is another matrix.
    for (name, seed) in [("a", 3), ("b", 4)] {
        memory.set(&format!("{name}.weight_g"), &[8, 1], numbers(8, seed)).unwrap();
        memory.set(&format!("{name}.weight_v"), &[8, 8], numbers(64, 5)).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let parameters = memory.parameters();
    let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    save(&path, &memory, &names).unwrap();
    let network = network(&CheckpointFile::open(&path).unwrap());
    let [left] = network.left_out() else { panic!("{:?}", network.left_out()) };
    assert_eq!(left.name, "encoder.weight");
    assert_eq!(left.why, "the values of `decoder.weight`, which counts once");
    let mut include = Selection::default();
    include.include = vec!["encoder.weight".to_owned()];
    let file = CheckpointFile::open(&path).unwrap();
    assert_eq!(Network::infer(&file.parameters(), &include).unwrap().left_out(), []);
}

/// A teacher begins as a copy of its student, and is left out: once they part, that is said.
#[test]
fn copies_that_part_in_a_series_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = |step: u64| {
        let memory = Memory::new();
        let names =
            ["student.0.weight", "student.2.weight", "teacher.0.weight", "teacher.2.weight"];
        for (k, name) in names.into_iter().enumerate() {
            let trained = if name.starts_with("student") { step } else { 0 };
            memory.set(name, &[16, 16], numbers(256, 1 + k as u64 % 2 + trained)).unwrap();
        }
        let path = dir.path().join(format!("model-step{step}.safetensors"));
        save(&path, &memory, &names).unwrap();
        Checkpoint::new(step, path)
    };
    let all = [0, 10, 20].map(checkpoint);
    let run = |replay: Replay| warnings_of(|| replay.threads(1).run(&all).unwrap()).1;
    let said = run(Replay::new(dir.path().join("run")));
    let said: Vec<_> = said.iter().filter(|text| text.contains("held the values")).collect();
    let [said] = said[..] else { panic!("once: {said:?}") };
    for part in ["2 matrices (\"teacher.0.weight\" the first)", "at step 0, and do not at step 10"]
    {
        assert!(said.contains(part), "{said}");
    }
    let all_read = Replay::new(dir.path().join("other")).include("teacher.*");
    assert!(run(all_read).iter().all(|text| !text.contains("not analysed")), "{said}");
}

#[test]
fn the_order_of_definition_is_that_of_the_file() {
    let file = |names: &[&str]| {
        let tensors: Vec<_> =
            names.iter().map(|name| ((*name).to_owned(), vec![8, 8], vec![0.25_f32; 64])).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.pt");
        std::fs::write(&path, state_dict(&tensors)).unwrap();
        network(&CheckpointFile::open(&path).unwrap())
    };
    // More than ten: the storages' names do not sort as numbers.
    let names = ["stem", "mid", "a", "b", "c", "d", "e", "f", "g", "h", "i", "bottom"];
    let names = names.map(|name| format!("{name}.weight"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let network = file(&names);
    assert_eq!((network.architecture(), order(&network)), (Architecture::Mlp, names));
    assert!(network.warnings()[0].contains("taken from the order of definition"));
    // Sorted by name, the file says nothing: `fc2` comes before `fc10`.
    let network = file(&["fc1.weight", "fc10.weight", "fc2.weight"]);
    assert_eq!(order(&network), ["fc1.weight", "fc2.weight", "fc10.weight"]);
}
