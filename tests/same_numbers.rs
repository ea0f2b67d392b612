//! The same weights in files of every format give the same rows, except for times.

mod golden;
mod loops;
mod pickled;

use std::path::{Path, PathBuf};

use neuromfa::mfa::Values;
use neuromfa::source::{Checkpoint, CheckpointFile, Source};
use neuromfa::{Replay, Samples};

use golden::path;
use loops::Table;
use pickled::{F32s, state_dict, var_store};

/// emergence.csv without its columns of times, and the bytes of the spectra and what they fit.
fn analysed(folder: &Path, checkpoints: &[PathBuf]) -> (Vec<Vec<String>>, Vec<u8>) {
    let run = folder.join("run");
    let mut checkpoints = Checkpoint::find(checkpoints).unwrap();
    if let [only] = &mut checkpoints[..] {
        // One of the files notes a step.
        *only = Checkpoint::new(0, &only.path);
    }
    Replay::new(&run)
        .sampled(Samples { neurons: 32, samples: 4, seed: 3 })
        .overwrite()
        .run(&checkpoints)
        .unwrap();
    let table = Table::read(&run, "emergence.csv");
    let timeless = table.columns.iter().filter(|n| !n.ends_with("_ms") && *n != "wall_time");
    let columns = timeless.map(|name| table.column(name)).collect();
    let files = ["spectra.csv", "scaling.csv", "boxes.csv"];
    (columns, files.map(|name| std::fs::read(run.join(name)).unwrap()).concat())
}

fn f32s(file: &Path) -> Vec<F32s> {
    let source = CheckpointFile::open(file).unwrap();
    let read = |p: neuromfa::network::Parameter| {
        let tensor = source.tensor(&p.name).unwrap();
        let Values::F32(values) = tensor.values() else { panic!("{} is f32", p.name) };
        (p.name, p.shape, values.to_vec())
    };
    source.parameters().into_iter().map(read).collect()
}

fn safetensors(tensors: &[F32s]) -> Vec<u8> {
    let view = |(name, shape, values): &F32s| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        (name.clone(), shape.clone(), bytes)
    };
    let views: Vec<_> = tensors.iter().map(view).collect();
    let views = views.iter().map(|(name, shape, bytes)| {
        let dtype = safetensors::Dtype::F32;
        let view = safetensors::tensor::TensorView::new(dtype, shape.clone(), bytes).unwrap();
        (name, view)
    });
    safetensors::serialize(views, None).unwrap()
}

/// Writes a checkpoint of three shards with its index into a folder.
fn sharded(folder: &Path, stem: &str, end: &str, tensors: &[F32s], write: fn(&[F32s]) -> Vec<u8>) {
    std::fs::create_dir_all(folder).unwrap();
    let mut map = serde_json::Map::new();
    for (k, part) in tensors.chunks(tensors.len().div_ceil(3)).enumerate() {
        let name = format!("{stem}-{:05}-of-00003.{end}", k + 1);
        map.extend(part.iter().map(|(tensor, ..)| (tensor.clone(), name.clone().into())));
        std::fs::write(folder.join(name), write(part)).unwrap();
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map}).to_string();
    std::fs::write(folder.join(format!("{stem}.{end}.index.json")), index).unwrap();
}

#[test]
fn every_format_of_a_run_gives_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let originals = [0, 64, 300].map(|step| path(&format!("neox-step{step}.safetensors")));
    let expected = analysed(dir.path(), &originals);
    assert_eq!(expected.0[0], ["0", "64", "300"]);
    let formats = ["bin", "ot", "ckpt", "sharded-bin", "sharded-safetensors", "mixed"];
    for format in formats {
        let folder = dir.path().join(format);
        std::fs::create_dir(&folder).unwrap();
        for (k, step) in [0, 64, 300].into_iter().enumerate() {
            let tensors = f32s(&originals[k]);
            let within = folder.join(format!("checkpoint-{step}"));
            let write = |name: String, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes);
            match (format, step) {
                ("bin", _) | ("mixed", 0) => {
                    std::fs::create_dir(&within).unwrap();
                    let bytes = state_dict(&tensors);
                    std::fs::write(within.join("pytorch_model.bin"), bytes).unwrap();
                }
                ("ot", _) | ("mixed", 64) => {
                    write(format!("step{step}.ot"), var_store(&tensors)).unwrap();
                }
                ("ckpt", _) => {
                    let name = format!("epoch=0-step={step}.ckpt");
                    write(name, state_dict(&tensors)).unwrap();
                }
                ("sharded-bin", _) => {
                    sharded(&within, "pytorch_model", "bin", &tensors, state_dict);
                }
                _ => sharded(&within, "model", "safetensors", &tensors, safetensors),
            }
        }
        assert!(analysed(dir.path(), &[folder]) == expected, "{format}");
    }
}

#[test]
fn the_files_of_torch_and_tch_give_the_rows_of_the_safetensors_file() {
    let dir = tempfile::tempdir().unwrap();
    let expected = analysed(dir.path(), &[path("mlp.safetensors")]);
    assert!(expected.1.len() > 1000, "there is a spectrum");
    for name in ["mlp.bin", "mlp.ot", "mlp-training.pt", "mlp-module.pt", "mlp-script.pt"] {
        assert!(analysed(dir.path(), &[path(name)]) == expected, "{name}");
    }
    // Three steps that grow, so that E is compared against a baseline of another format too.
    let tensors = f32s(&path("mlp.safetensors"));
    let scaled = |factor: f32| -> Vec<F32s> {
        let scale =
            |(n, s, v): &F32s| (n.clone(), s.clone(), v.iter().map(|v| v * factor).collect());
        tensors.iter().map(scale).collect()
    };
    type Kind = (&'static str, fn(&[F32s]) -> Vec<u8>);
    let run = |kinds: [Kind; 3]| {
        let folder = tempfile::tempdir().unwrap();
        for (k, (end, write)) in kinds.into_iter().enumerate() {
            let file = folder.path().join(format!("model-step{k}.{end}"));
            std::fs::write(file, write(&scaled(1.0 + 0.2 * k as f32))).unwrap();
        }
        analysed(dir.path(), &[folder.path().to_owned()])
    };
    let plain = run([("safetensors", safetensors); 3]);
    assert_eq!(plain, run([("pt", state_dict), ("safetensors", safetensors), ("ot", var_store)]));
}
