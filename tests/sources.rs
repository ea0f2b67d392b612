//! Sources: files of every layout give the same values, damaged ones a clear error.

mod golden;

use std::path::Path;

use neuromfa::internals::analysis::{Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Method, Values};
use neuromfa::network::{Network, Parameter, Selection};
use neuromfa::source::{Block, CheckpointFile, Memory, Source, SourceError, Tensor};

use golden::{path, read, value};

const STEP: &str = "neox-step64.safetensors";

fn f32s(source: &dyn Source, name: &str) -> Vec<f32> {
    let tensor = source.tensor(name).unwrap();
    let Values::F32(values) = tensor.values() else { panic!("{name} is f32") };
    values.to_vec()
}

/// All tensors of the golden checkpoint, with names and shapes.
fn tensors() -> Vec<(Parameter, Vec<f32>)> {
    let source = CheckpointFile::open(path(STEP)).unwrap();
    let parameters = source.parameters().into_iter();
    parameters.map(|p| (p.clone(), f32s(&source, &p.name))).collect()
}

/// A safetensors file, byte by byte; `padding` spaces are added to its header.
fn write(file: &Path, tensors: &[(Parameter, Vec<f32>)], padding: usize) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (parameter, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let entry = serde_json::json!({
            "dtype": "F32", "shape": parameter.shape, "data_offsets": [start, data.len()]
        });
        header.insert(parameter.name.clone(), entry);
    }
    let header = serde_json::to_string(&header).unwrap() + &" ".repeat(padding);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn shards_and_unaligned_files_hold_the_same_values() {
    let dir = tempfile::tempdir().unwrap();
    let all = tensors();
    let (first, second) = all.split_at(all.len() / 2);
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    write(&dir.path().join(names[0]), first, 0);
    write(&dir.path().join(names[1]), second, 1);
    let mut map = serde_json::Map::new();
    for (part, name) in [first, second].into_iter().zip(names) {
        map.extend(part.iter().map(|(p, _)| (p.name.clone(), name.into())));
    }
    let index = dir.path().join("model.safetensors.index.json");
    std::fs::write(&index, serde_json::json!({"weight_map": map}).to_string()).unwrap();
    for padding in 0..4 {
        let single = dir.path().join(format!("single-{padding}.safetensors"));
        write(&single, &all, padding);
        for opened in [&single, &index, &dir.path().to_owned()] {
            let source = CheckpointFile::open(opened).unwrap();
            assert_eq!(source.parameters().len(), all.len());
            for (parameter, values) in &all {
                assert_eq!(&f32s(&source, &parameter.name), values);
            }
        }
    }
    std::fs::remove_file(dir.path().join(names[1])).unwrap();
    let error = CheckpointFile::open(&index).unwrap_err().to_string();
    assert!(error.contains(names[1]), "{error}");
}

#[test]
fn an_index_names_no_file_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("model.safetensors.index.json");
    for shard in ["../other.safetensors", "/etc/passwd", ".."] {
        let text = serde_json::json!({"weight_map": {"a": shard}}).to_string();
        std::fs::write(&index, text).unwrap();
        let error = CheckpointFile::open(&index).unwrap_err().to_string();
        assert!(error.contains("not a file next to it"), "{error}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(path(STEP)).unwrap();
    let file = dir.path().join("cut.safetensors");
    for length in [0, 1, 7, 8, 9, 100, 4000, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let error = CheckpointFile::open(&file).unwrap_err().to_string();
        assert!(error.contains("cut.safetensors"), "{length}: {error}");
    }
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&file, &huge).unwrap();
    assert!(CheckpointFile::open(&file).unwrap_err().to_string().contains("whole safetensors"));
}

#[test]
fn an_empty_folder_says_what_is_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let error = CheckpointFile::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("none of model.safetensors, model.safetensors.index.json"), "{error}");
    let source = CheckpointFile::open(path(STEP)).unwrap();
    let error = source.tensor("nowhere").unwrap_err();
    assert!(matches!(error, SourceError::Missing { .. }), "{error}");
}

/// Weights behind a slow link: only asked-for elements are handed out.
struct Device {
    weights: Memory,
    whole_reads: std::sync::atomic::AtomicUsize,
}

impl Source for Device {
    fn parameters(&self) -> Vec<Parameter> {
        self.weights.parameters()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        self.whole_reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.weights.tensor(name)
    }

    fn gather(&self, name: &str, blocks: &[Block<'_>]) -> Result<Option<Tensor<'_>>, SourceError> {
        let all = f32s(&self.weights, name);
        let shape = self.parameters().into_iter().find(|p| p.name == name).unwrap().shape;
        let taps: usize = shape[2..].iter().product();
        let mut out = Vec::new();
        for block in blocks {
            for row in block.rows {
                for column in block.columns {
                    let start = (row * shape[1] + column) * taps;
                    out.extend_from_slice(&all[start..start + taps]);
                }
            }
        }
        Ok(Some(Tensor::from(out)))
    }
}

/// Tensors that a device is asked for whole, while it gives the snapshot that the weights give.
fn whole_reads_for_the_same_snapshot(
    plan: &Plan,
    weights: &Memory,
    pool: &rayon::ThreadPool,
) -> usize {
    let device = Device { weights: weights.clone(), whole_reads: 0.into() };
    let snapshot = |source: &dyn Source| {
        let mut snapshot = Snapshot::new(plan);
        plan.snapshot(source, pool, &mut snapshot).unwrap();
        snapshot
    };
    assert_eq!(snapshot(&device), snapshot(weights));
    device.whole_reads.into_inner()
}

#[test]
fn gathered_weights_give_the_snapshot_of_whole_tensors() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let neox = Memory::new();
    for (p, values) in tensors() {
        neox.set(&p.name, &p.shape, values).unwrap();
    }
    let convolution = Memory::new();
    let values = (0..24 * 20 * 9).map(|k| ((k * 7919 % 1009) as f32 / 1009.0 - 0.5) / 4.0);
    convolution.set("conv.weight", &[24, 20, 3, 3], values.collect::<Vec<f32>>()).unwrap();
    let nodes: Draw = value(&read("neox-nodes.json"));
    for (weights, draw) in [(neox, Some(nodes)), (convolution, None)] {
        let network = Network::infer(&weights.parameters(), &Selection::default()).unwrap();
        let draw = draw.unwrap_or_else(|| Draw::random(&network, 8, 3, 5).unwrap());
        let plan = Plan::new(&Method::default(), &network, &draw, false).unwrap();
        assert_eq!(whole_reads_for_the_same_snapshot(&plan, &weights, &pool), 0);
    }
}

#[test]
fn tensors_of_which_no_rows_and_columns_are_drawn_are_read_whole() {
    let weights = Memory::new();
    for (name, shape) in [
        ("c1.weight", &[16, 3, 3, 3][..]),
        ("c2.weight", &[24, 4, 3, 3]), // 4 groups
        ("fc.weight", &[40, 96]),      // a map of 4 positions
    ] {
        let n = shape.iter().product::<usize>();
        let values = (0..n).map(|k| ((k * 7919 % 1009) as f32 / 1009.0 - 0.5) / 4.0);
        weights.set(name, shape, values.collect::<Vec<f32>>()).unwrap();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let network = Network::infer(&weights.parameters(), &Selection::default()).unwrap();
    let draw = Draw::random(&network, 9, 3, 5).unwrap();
    let plan = Plan::new(&Method::default(), &network, &draw, false).unwrap();
    assert_eq!(whole_reads_for_the_same_snapshot(&plan, &weights, &pool), 2);
}

#[test]
fn memory_refuses_values_that_do_not_fill_the_shape() {
    let error = Memory::new().set("w", &[2, 3], vec![0.0f32; 5]).unwrap_err().to_string();
    assert!(
        error.contains("\"w\"") && error.contains("[5]") && error.contains("[2, 3]"),
        "{error}"
    );
}
