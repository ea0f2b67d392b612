//! Archives and indexes that are wrong in one way each: refused, with the file and the reason.

mod pickled;

use std::path::{Path, PathBuf};

use neuromfa::mfa::Values;
use neuromfa::network::{Network, Selection};
use neuromfa::source::{Checkpoint, CheckpointFile, Source};

use pickled::{
    Entry, F32s, View, archive, dict, global, int, pickle, state_dict, text, tuple, zip,
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }
}

fn values(file: &Path, name: &str) -> Vec<f32> {
    let source = CheckpointFile::open(file).unwrap();
    let tensor = source.tensor(name).unwrap();
    let Values::F32(values) = tensor.values() else { panic!("{name} is f32") };
    values.to_vec()
}

fn names(file: &Path) -> Vec<String> {
    let source = CheckpointFile::open(file).unwrap();
    source.parameters().into_iter().map(|p| p.name).collect()
}

/// Opens a file that must be refused with these words and its name.
fn refused(file: &Path, expected: &str) {
    let error = CheckpointFile::open(file).unwrap_err().to_string();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(error.contains(expected) && error.contains(name), "{expected:?}: {error}");
}

fn f32s(names: &[&str]) -> Vec<F32s> {
    let tensor = |(k, name): (usize, &&str)| {
        (name.to_string(), vec![2, 3], (0..6).map(|i| (10 * k + i) as f32).collect())
    };
    names.iter().enumerate().map(tensor).collect()
}

/// A tensor `w` of two rows of three in a storage of six.
fn w() -> View {
    View::whole("FloatStorage", 0, &[2, 3])
}

fn storage() -> Vec<u8> {
    (0..6).flat_map(|k| (k as f32).to_le_bytes()).collect()
}

fn with(view: View) -> Vec<Entry> {
    archive(&pickle(dict(&[(text("w"), view.pickled())])), &[storage()])
}

#[test]
fn archives_with_32_and_with_64_bit_sizes_are_read() {
    let folder = Folder::new();
    for wide in [false, true] {
        let file = folder.write("w.pt", zip(&with(w()), wide));
        assert_eq!(values(&file, "w"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "wide {wide}");
    }
}

#[test]
fn a_tensor_lies_within_its_storage() {
    let folder = Folder::new();
    let view = |change: fn(&mut View)| {
        let mut view = w();
        change(&mut view);
        folder.write("view.pt", zip(&with(view), false))
    };
    assert_eq!(values(&view(|v| v.strides = vec![1, 2]), "w"), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    type Change = fn(&mut View);
    let cases: [(Change, &str); 9] = [
        (|v| v.offset = 1, "beyond its storage"),
        (|v| v.offset = -1, "begins at -1"),
        (|v| v.offset = i64::MAX, "beyond its storage"),
        (|v| v.strides = vec![4, 1], "beyond its storage"),
        (|v| v.strides = vec![i64::MAX, i64::MAX], "beyond its storage"),
        (|v| v.strides = vec![-3, 1], "stride of -3"),
        (|v| v.strides = vec![1], "2 dimensions and 1 strides"),
        (|v| v.shape = vec![1 << 40, 1 << 40], "too large"),
        (|v| v.length = 7, "24 bytes for 7 elements"),
    ];
    for (change, expected) in cases {
        refused(&view(change), expected);
    }
    // One that repeats its elements is listed, and is not read.
    let expanded = view(|v| (v.shape, v.strides) = (vec![1 << 40, 1], vec![0, 0]));
    let source = CheckpointFile::open(&expanded).unwrap();
    assert!(source.parameters().is_empty());
    let (name, shape, what) = source.not_read().next().unwrap();
    assert_eq!((name, shape), ("w", &[1 << 40, 1][..]));
    assert!(what.contains("more elements than the file can hold"), "{what}");
    let error = source.tensor("w").unwrap_err().to_string();
    assert!(error.contains("more elements than the file can hold"), "{error}");
    refused(&view(|v| v.key = "1".to_owned()), "no entry data/1");
    refused(&view(|v| v.shape = vec![1; 65]), "65 dimensions");
}

#[test]
fn damaged_archives_are_refused() {
    let folder = Folder::new();
    let good = with(w());
    let refuse = |entries: &[Entry], expected: &str| {
        refused(&folder.write("bad.pt", zip(entries, false)), expected);
    };
    let changed = |k: usize, change: fn(&mut Entry)| {
        let mut entries = good.clone();
        change(&mut entries[k]);
        entries
    };
    assert!(good[0].name == "weights/data.pkl" && good[2].name == "weights/data/0");
    refuse(&changed(0, |e| e.method = 8), "compressed, which torch.save never does");
    refuse(&changed(2, |e| e.method = 8), "\"weights/data/0\" is compressed");
    refuse(&changed(2, |e| e.flags = 1), "encrypted");
    refuse(&changed(1, |e| e.bytes = b"big".to_vec()), "big-endian");
    refuse(&changed(0, |e| e.name = "weights/other".to_owned()), "without NAME/data.pkl");
    refuse(&changed(0, |e| e.bytes.clear()), "ends too soon");
    refuse(&changed(3, |e| e.name = "weights/data/0".to_owned()), "two entries are named");
    refuse(&changed(3, |e| e.name = "n".repeat(2000)), "longer than 1024");
    refuse(&[], "without NAME/data.pkl");

    // Bytes of the directory: its last entry, and its end.
    let whole = zip(&good, false);
    let end = whole.len() - 22;
    let last = whole.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let patched = |at: usize, bytes: &[u8], expected: &str| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        refused(&folder.write("patched.pt", file), expected);
    };
    patched(end + 16, &u32::MAX.to_le_bytes(), "does not lie in the file");
    patched(end + 12, &u32::MAX.to_le_bytes(), "does not lie in the file");
    patched(end, b"X", "directory is missing");
    patched(last, b"X", "directory is damaged");
    patched(last + 42, &(whole.len() as u32).to_le_bytes(), "does not lie in the file");
    patched(last + 42, &7u32.to_le_bytes(), "is not where it says");
    patched(last + 42, &0u32.to_le_bytes(), "another name where it lies");
    patched(last + 20, &100_000u32.to_le_bytes(), "does not lie in the file");
    patched(last + 20, &100u32.to_le_bytes(), "lie over each other");
    for length in [4, 21, 22, 100, whole.len() - 1] {
        let cut = folder.write("cut.pt", &whole[..length]);
        refused(&cut, "not a whole zip archive");
    }
    let mut wide = zip(&good, true);
    let at = wide.windows(4).rposition(|w| w == b"PK\x06\x07").unwrap();
    wide[at + 8..at + 16].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&folder.write("wide.pt", wide), "not a whole zip archive");
}

#[test]
fn damaged_pickles_are_refused_and_nothing_is_executed() {
    let folder = Folder::new();
    let refuse = |body: &[u8], expected: &str| {
        let file = folder.write("bad.pt", zip(&archive(&pickle(body), &[storage()]), false));
        refused(&file, expected);
    };
    let trace = folder.0.path().join("executed");
    let command = text(&format!("touch {}", trace.display()));
    let call = [global("os", "system"), tuple(&[command]), b"R".to_vec()].concat();
    refuse(&call, "no floating-point tensor");
    // Next to tensors it is skipped.
    let both = dict(&[(text("a"), call.clone()), (text("w"), w().pickled())]);
    let both = folder.write("both.pt", zip(&archive(&pickle(both), &[storage()]), false));
    assert_eq!(names(&both), ["w"]);
    assert!(!trace.exists());

    refuse(b"", "a value that is not there");
    refuse(b"t", "a mark that is not there");
    refuse(b"(0K\x01\x86", "a value that is not there");
    refuse(b"h\x07", "recalls value 7");
    refuse(b"\x82\x01", "opcode 0x82");
    refuse(b"}(X\x01\x00\x00\x00au", "a key of a dict has no value");
    refuse(b"K\x01", "no container of tensors");
    refuse(&dict(&[(text("best"), int(3))]), "no floating-point tensor; its keys are []");
    let rebuild = |arguments: &[Vec<u8>]| {
        [global("torch._utils", "_rebuild_tensor_v2"), tuple(arguments), b"R".to_vec()].concat()
    };
    refuse(&rebuild(&[]), "not made of storage");
    refuse(&rebuild(&[int(1), int(0), tuple(&[]), tuple(&[])]), "no storage");
    let twice = dict(&[(text("w"), w().pickled()), (text("w"), w().pickled())]);
    refuse(&twice, "two tensors are named \"w\"");
}

#[test]
fn the_state_dict_is_found_where_scripts_keep_it() {
    let folder = Folder::new();
    let tensors = |names: &[&str]| -> Vec<u8> {
        dict(&names.iter().map(|n| (text(n), w().pickled())).collect::<Vec<_>>())
    };
    let found = |pairs: &[(&str, Vec<u8>)]| {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (text(k), v.clone())).collect();
        names(&folder.write("n.pt", zip(&archive(&pickle(dict(&pairs)), &[storage()]), false)))
    };
    let (a, b) = (tensors(&["a.weight"]), tensors(&["b.weight"]));
    for key in ["model", "state_dict", "module", "model_state_dict"] {
        let moments = dict(&[(text("exp_avg"), w().pickled())]);
        assert_eq!(found(&[("optimizer", moments), (key, a.clone())]), ["a.weight"], "{key}");
    }
    // `model` before `state_dict`, unless it holds no tensor; one within the other.
    let order = [("state_dict", b.clone()), ("model", a.clone())];
    assert_eq!(found(&order), ["a.weight"]);
    let order = [("model", text("gpt2")), ("state_dict", b.clone())];
    assert_eq!(found(&order), ["b.weight"]);
    let nested = dict(&[(text("module"), b.clone()), (text("extra"), a.clone())]);
    assert_eq!(found(&[("model", nested)]), ["b.weight"]);
    // Under no known key: all of it, but for the state of training.
    let own = [("net", a.clone()), ("head", b.clone()), ("optimizer", a.clone())];
    assert_eq!(found(&own), ["head.b.weight", "net.a.weight"]);
    // What wraps all names is dropped; what wraps some of them is not.
    let wrapped = tensors(&["module._orig_mod.a", "module._orig_mod.module.b"]);
    assert_eq!(found(&[("model", wrapped)]), ["a", "module.b"]);
    let some = tensors(&["module.a", "b"]);
    assert_eq!(found(&[("model", some)]), ["b", "module.a"]);
    let middle = tensors(&["encoder.module.a", "encoder._fsdp_wrapped_module.b", "head.module"]);
    assert_eq!(found(&[("model", middle)]), ["encoder.b", "encoder.module.a", "head.module"]);
    let middle = tensors(&["net.module._orig_mod.a", "net.module.b", "head"]);
    assert_eq!(found(&[("model", middle)]), ["head", "net.a", "net.b"]);
}

/// A step that was counted on a device is a tensor of one element.
#[test]
fn a_step_may_be_a_tensor() {
    let folder = Folder::new();
    let file = |key: &str, class: &'static str, shape: &[usize], bytes: Vec<u8>| {
        let step = View::whole(class, 1, shape);
        let pairs =
            [(text("model"), dict(&[(text("w"), w().pickled())])), (text(key), step.pickled())];
        let entries = archive(&pickle(dict(&pairs)), &[storage(), bytes]);
        folder.write("n.pt", zip(&entries, false))
    };
    let step = |file: PathBuf| Checkpoint::find(&[file]).unwrap()[0].step;
    let long = |n: i64| n.to_le_bytes().to_vec();
    assert_eq!(step(file("global_step", "LongStorage", &[], long(700))), 700);
    assert_eq!(step(file("iteration", "LongStorage", &[1], long(701))), 701);
    assert_eq!(step(file("step", "IntStorage", &[], 702i32.to_le_bytes().to_vec())), 702);
    assert_eq!(step(file("step", "FloatStorage", &[], 703f32.to_le_bytes().to_vec())), 703);
    assert_eq!(step(file("step", "DoubleStorage", &[], 704f64.to_le_bytes().to_vec())), 704);
    // No whole number, none from 0 on, several, another type.
    assert_eq!(step(file("step", "FloatStorage", &[], 1.5f32.to_le_bytes().to_vec())), 0);
    assert_eq!(step(file("step", "LongStorage", &[], long(-3))), 0);
    assert_eq!(step(file("step", "LongStorage", &[2], [long(5), long(6)].concat())), 0);
    assert_eq!(step(file("step", "ByteStorage", &[], vec![9])), 0);
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    let folder = Folder::new();
    refused(&folder.write("empty.pt", b""), "is empty");
    refused(
        &folder.write("text.bin", b"step,loss\n0,1\n"),
        "neither a safetensors file nor one that torch.save wrote",
    );
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    refused(&folder.write("pytorch_model.bin", pointer), "git lfs pull");
    let mut tar = vec![0; 600];
    tar[257..262].copy_from_slice(b"ustar");
    refused(&folder.write("tar.pth", tar), "a tar archive");
    if cfg!(target_os = "linux") {
        assert!(CheckpointFile::open("/dev/null").unwrap_err().to_string().contains("not a file"));
    }
}

#[test]
fn keys_may_be_numbers_and_optimizers_are_left_out_at_any_depth() {
    let folder = Folder::new();
    let moments = || dict(&[(int(0), dict(&[(text("exp_avg"), w().pickled())]))]);
    let optimizer = dict(&[(text("state"), moments()), (text("param_groups"), b"]".to_vec())]);
    let layers = dict(&[(int(0), w().pickled()), (int(10), w().pickled())]);
    let agent = dict(&[(text("net"), layers), (text("adam"), optimizer)]);
    let object = dict(&[(text("agent"), agent), (text("iter_num"), int(7))]);
    let file = folder.write("a.pt", zip(&archive(&pickle(object), &[storage()]), false));
    assert_eq!(names(&file), ["agent.net.0", "agent.net.10"]);
}

#[test]
fn several_archives_in_one_file_are_no_archive() {
    let folder = Folder::new();
    let one = zip(&with(w()), false);
    refused(&folder.write("two.pt", [&one[..], &one].concat()), "not a whole zip archive");
}

#[test]
fn shards_and_their_index_agree() {
    let folder = Folder::new();
    let (a, b) = (f32s(&["a.weight"]), f32s(&["b.weight", "c.weight"]));
    let shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
    folder.write(shards[0], state_dict(&a));
    let second = folder.write(shards[1], state_dict(&b));
    let index = |map: &[(&str, &str)]| {
        let map: serde_json::Map<_, _> =
            map.iter().map(|(tensor, shard)| (tensor.to_string(), (*shard).into())).collect();
        let text = serde_json::json!({"metadata": {"total_size": 72}, "weight_map": map});
        folder.write("pytorch_model.bin.index.json", text.to_string())
    };
    let right = [("a.weight", shards[0]), ("b.weight", shards[1]), ("c.weight", shards[1])];
    let file = index(&right);
    assert_eq!(names(&file), ["a.weight", "b.weight", "c.weight"]);
    assert_eq!(values(&file, "c.weight"), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
    assert_eq!(names(folder.0.path()), names(&file));

    let message = |file: &Path| CheckpointFile::open(file).unwrap_err().to_string();
    let lacking = index(&[right[0], ("d.weight", shards[1])]);
    let error = message(&lacking);
    assert!(error.contains(shards[1]) && error.contains("lacks tensor \"d.weight\""), "{error}");
    let elsewhere = message(&index(&[("a.weight", shards[1]), ("b.weight", shards[1])]));
    assert!(elsewhere.contains("lacks tensor \"a.weight\""), "{elsewhere}");
    folder.write(shards[1], state_dict(&f32s(&["a.weight"])));
    let error = message(&index(&right));
    assert!(error.contains("\"a.weight\" is in two shards"), "{error}");
    std::fs::remove_file(second).unwrap();
    let error = message(&index(&right));
    assert!(error.contains(shards[1]) && error.contains("index.json"), "{error}");
    folder.write("pytorch_model.bin.index.json", b"{}");
    assert!(message(folder.0.path()).contains("not an index"));
}

#[test]
fn a_view_of_an_object_that_is_a_parameter_is_followed() {
    let folder = Folder::new();
    let parameter = |inner: Vec<u8>| {
        let arguments = tuple(&[inner, b"\x88".to_vec(), b"}".to_vec()]);
        [global("torch._utils", "_rebuild_parameter"), arguments, b"R".to_vec()].concat()
    };
    let file = dict(&[(text("w"), parameter(parameter(w().pickled())))]);
    let file = folder.write("p.pt", zip(&archive(&pickle(file), &[storage()]), false));
    assert_eq!(values(&file, "w").len(), 6);
    // A chain of calls that call calls.
    let typed = |inner: Vec<u8>| {
        let of = global("torch._tensor", "_rebuild_from_type_v2");
        tuple(&[of, b"N".to_vec(), inner, b"}".to_vec()])
    };
    let deep = (0..50).fold(tuple(&[]), |inner, _| typed(inner));
    let deep = [global("torch._tensor", "_rebuild_from_type_v2"), deep, b"R".to_vec()].concat();
    let file = folder.write("deep.pt", zip(&archive(&pickle(deep), &[storage()]), false));
    refused(&file, "nested too deeply");
}

#[test]
fn a_dict_may_be_made_of_pairs_as_python_2_writes_them() {
    let folder = Folder::new();
    let list = |items: &[Vec<u8>]| [b"](", &items.concat()[..], b"e"].concat();
    let (key, weight) = (text("w"), w().pickled());
    let epoch = [text("epoch"), b"G@\x09\x21\xfb\x54\x44\x2d\x18".to_vec()]; // a float, which is passed over
    let of_lists = list(&[list(&epoch), list(&[key.clone(), weight.clone()])]);
    let of_tuples = list(&[tuple(&epoch), tuple(&[key.clone(), weight.clone()])]);
    for (k, pairs) in [of_lists, of_tuples].into_iter().enumerate() {
        for (module, name) in [("collections", "OrderedDict"), ("__builtin__", "dict")] {
            let made =
                [global(module, name), tuple(std::slice::from_ref(&pairs)), b"R".to_vec()].concat();
            let file = zip(&archive(&pickle(made), &[storage()]), false);
            let file = folder.write(&format!("{name}-{k}.pt"), file);
            assert_eq!(names(&file), ["w"]);
            assert_eq!(values(&file, "w"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        }
    }
    let three = list(&[list(&[key.clone(), weight.clone(), key.clone()])]);
    let made = [global("collections", "OrderedDict"), tuple(&[three]), b"R".to_vec()].concat();
    let file = folder.write("three.pt", zip(&archive(&pickle(made), &[storage()]), false));
    refused(&file, "a dict is made of something that is no pair");
}

/// torch.save once called storages by their addresses, which say nothing about the order.
#[test]
fn entries_of_a_state_dict_keep_their_order_whatever_their_storages_are_called() {
    let folder = Folder::new();
    // In the order of these keys the shapes chain too.
    let of = |name, key, shape: &[usize]| (name, View::whole("FloatStorage", key, shape));
    let kernels = [
        of("conv1.weight", 1100, &[32, 1, 5]),
        of("conv2.weight", 1200, &[8, 32, 5]),
        of("conv3.weight", 1400, &[8, 8, 5]),
        of("conv4.weight", 1300, &[8, 8, 5]),
        of("conv5.weight", 1500, &[16, 8, 5]),
        of("fc.weight", 1600, &[4, 16]),
    ];
    let pairs: Vec<_> = kernels.iter().map(|(name, view)| (text(name), view.pickled())).collect();
    let mut entries = archive(&pickle(dict(&pairs)), &[]);
    for (_, view) in &kernels {
        let bytes = vec![1_u8; 4 * view.length as usize];
        entries.push(pickled::entry(&format!("weights/data/{}", view.key), bytes));
    }
    let file = folder.write("cnn.pt", zip(&entries, false));
    let parameters = CheckpointFile::open(&file).unwrap().parameters();
    let network = Network::infer(&parameters, &Selection::default()).unwrap();
    let order: Vec<_> =
        network.connections().iter().map(|c| (c.parameter.as_str(), c.groups)).collect();
    let expected: Vec<_> = kernels.iter().map(|(name, _)| (*name, 1)).collect();
    assert_eq!(order, expected);
}
