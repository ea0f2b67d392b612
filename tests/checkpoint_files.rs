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
fn the_format_before_torch_1_6_is_read() {
    let expected = all(path("mlp.safetensors"));
    assert_eq!(all(path("mlp-legacy.pth")), expected);
    // Protocol 4, under a key.
    assert_eq!(all(path("sharded/legacy-4.pth")), all(path("sharded/whole.safetensors")));
    let whole = std::fs::read(path("sharded/legacy-4.pth")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cut.pth");
    for length in [20, 200, 1000, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let error = CheckpointFile::open(&file).unwrap_err().to_string();
        assert!(error.contains("cut.pth"), "{length}: {error}");
    }
}

/// Of two processes, saved by torch.
#[test]
fn distributed_checkpoints_hold_the_weights_of_the_whole_model() {
    let expected = all(path("sharded/whole.safetensors"));
    assert_eq!(expected.len(), 6);
    for name in ["sharded/dcp", "sharded/pieces"] {
        assert_eq!(all(path(name)), expected, "{name}");
    }
    assert_eq!(all(path("sharded/stacked")), all(path("sharded/stacked-whole.safetensors")));
    let refused = |name: &str, words: &str| {
        let error = CheckpointFile::open(path(name)).unwrap_err().to_string();
        assert!(error.contains(words), "{name}: {error}");
    };
    refused("sharded/dcp/__0_0.distcp", "give its folder");
    refused("sharded/pieces/shard-00002-model-00001-of-00001.safetensors", "give its folder");
    refused("sharded/dtensor.pt", "a DTensor of which this file has the piece [15, 20]");
    refused("sharded/dtensor.pt", "full_tensor()");
}

#[test]
fn a_distributed_checkpoint_that_is_not_whole_is_refused_by_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("step-5");
    std::fs::create_dir(&folder).unwrap();
    let files = [".metadata", "__0_0.distcp", "__1_0.distcp"];
    let copy = |name: &str| {
        std::fs::copy(path(&format!("sharded/dcp/{name}")), folder.join(name)).unwrap();
    };
    let refused = |words: &str| {
        let error = CheckpointFile::open(&folder).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    };
    files.iter().for_each(|name| copy(name));
    assert_eq!(all(&folder), all(path("sharded/whole.safetensors")));
    for name in files {
        std::fs::remove_file(folder.join(name)).unwrap();
        refused(if name == ".metadata" { "without its .metadata" } else { name });
        copy(name);
    }
    let second = std::fs::read(folder.join(files[2])).unwrap();
    std::fs::write(folder.join(files[2]), &second[..second.len() - 2000]).unwrap();
    refused("beyond the end of the file");
    // A table that names another place in the file.
    copy(files[2]);
    let table = std::fs::read(folder.join(files[0])).unwrap();
    let at = table.windows(2).rposition(|bytes| bytes == 12429_u16.to_le_bytes()).unwrap();
    let mut changed = table.clone();
    changed[at] ^= 1;
    std::fs::write(folder.join(files[0]), &changed).unwrap();
    refused("zip archive");
    // A file of another folder.
    let text = String::from_utf8_lossy(&table).into_owned();
    assert!(text.contains("__1_0.distcp"));
    let name = table.windows(12).position(|bytes| bytes == b"__1_0.distcp").unwrap();
    let mut changed = table;
    changed[name..name + 12].copy_from_slice(b"../_0.distcp");
    std::fs::write(folder.join(files[0]), &changed).unwrap();
    refused("not a file next to it");
}

/// Floats of 8 bits, with a scale for the tensor, for its rows, or for blocks of 128.
#[test]
fn floats_of_8_bits_are_multiplied_by_their_scales() {
    let widened = |tensors: Tensors| -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
        tensors.into_iter().map(|(name, (shape, _, values))| (name, (shape, values))).collect()
    };
    let [scaled, plain] = ["f8-scaled", "f8-scaled-plain"]
        .map(|name| widened(all(path(&format!("sharded/{name}.safetensors")))));
    assert_eq!(scaled.keys().collect::<Vec<_>>(), ["a.weight", "b.weight", "c.weight"]);
    assert_eq!(scaled, plain);
}
