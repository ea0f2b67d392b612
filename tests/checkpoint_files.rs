//! Checkpoints that torch and tch wrote, against the same weights in safetensors.

mod golden;

use std::collections::BTreeMap;
use std::path::Path;

use neuromfa::mfa::Values;
use neuromfa::source::{CheckpointFile, Source};

use golden::path;

/// Shape, type and values (widened, which is exact) of each tensor.
type Tensors = BTreeMap<String, (Vec<usize>, &'static str, Vec<f64>)>;

fn all(file: impl AsRef<Path>) -> Tensors {
    let source = CheckpointFile::open(file.as_ref()).unwrap();
    let read = |p: neuromfa::network::Parameter| {
        let tensor = source.tensor(&p.name).unwrap();
        let (kind, values) = match tensor.values() {
            Values::F32(v) => ("f32", v.iter().map(|v| f64::from(*v)).collect()),
            Values::F64(v) => ("f64", v.to_vec()),
            Values::F16(v) => ("f16", v.iter().map(|v| v.to_f64()).collect()),
            Values::Bf16(v) => ("bf16", v.iter().map(|v| v.to_f64()).collect()),
            _ => panic!("{} has another type", p.name),
        };
        (p.name, (p.shape, kind, values))
    };
    source.parameters().into_iter().map(read).collect()
}

fn renamed(tensors: &Tensors, name: impl Fn(&str) -> String) -> Tensors {
    tensors.iter().map(|(n, tensor)| (name(n), tensor.clone())).collect()
}

#[test]
fn files_of_torch_and_tch_hold_the_weights_of_the_safetensors_file() {
    let expected = all(path("mlp.safetensors"));
    assert_eq!(expected.len(), 3);
    for name in ["mlp.bin", "mlp-training.pt", "mlp-module.pt", "mlp-script.pt", "mlp.ot"] {
        assert_eq!(all(path(name)), expected, "{name}");
    }
    let lightning = renamed(&expected, |name| format!("model.{name}"));
    assert_eq!(all(path("mlp-lightning.ckpt")), lightning);
}

#[test]
fn the_name_of_a_file_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let expected = all(path("mlp.safetensors"));
    for (from, to) in [
        ("mlp.safetensors", "weights.pt"),
        ("mlp.safetensors", "weights"),
        ("mlp.bin", "weights.safetensors"),
        ("mlp.bin", "weights.ot"),
    ] {
        let to = dir.path().join(to);
        std::fs::copy(path(from), &to).unwrap();
        assert_eq!(all(&to), expected, "{from} as {}", to.display());
    }
}

#[test]
fn every_layout_of_a_tensor_gives_its_values() {
    let mut expected = all(path("odd.safetensors"));
    let mlp = all(path("mlp.safetensors"));
    expected.insert("expanded".to_owned(), (vec![4, 4], "f32", vec![1.0; 16]));
    for (name, layer) in [("noted", 0), ("stateful", 1), ("subclass", 2)] {
        expected.insert(name.to_owned(), mlp[&format!("layers.{layer}.weight")].clone());
    }
    // Integers, bool, complex, sparse, quantized and meta tensors hold no weights.
    assert_eq!(all(path("odd.pt")), expected);
    assert_eq!(expected["half_transposed"].0, [20, 30]);
    assert_eq!(expected["double"].1, "f64");
}

#[test]
fn the_format_before_torch_1_6_is_refused_with_the_way_out() {
    let error = CheckpointFile::open(path("mlp-legacy.pth")).unwrap_err().to_string();
    assert!(error.contains("mlp-legacy.pth") && error.contains("torch.save"), "{error}");
}
