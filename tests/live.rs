//! Live weights of a tch model.
#![cfg(feature = "tch")]

mod golden;
mod loops;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use golden::{assert_near, fractal, path, read, value};
use loops::Table;
use neuromfa::mfa::{Fractal, Values};
use neuromfa::network::Parameter;
use neuromfa::source::{Checkpoint, CheckpointFile, Source};
use neuromfa::{Monitor, Replay, Samples, Work};
use tch::nn::{self, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor};

/// Seeds libtorch's random numbers, which all tests of this process share: until the guard is
/// dropped no other test that draws runs. Each test that draws takes it, layers included.
fn seeded(seed: i64) -> MutexGuard<'static, ()> {
    static DRAWN_BY_ONE: Mutex<()> = Mutex::new(());
    let alone = DRAWN_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    alone
}

/// A VarStore with the parameters of a safetensors file.
fn store_of(file: &str) -> VarStore {
    let store = VarStore::new(Device::Cpu);
    let root = store.root();
    for (name, values) in Tensor::read_safetensors(path(file)).unwrap() {
        let mut at = root.clone();
        let (folders, leaf) = name.rsplit_once('.').unwrap();
        for folder in folders.split('.') {
            at = at / folder;
        }
        let _ = at.var_copy(leaf, &values);
    }
    store
}

fn load(store: &VarStore, file: &str) {
    let mut variables = store.variables();
    tch::no_grad(|| {
        for (name, values) in Tensor::read_safetensors(path(file)).unwrap() {
            variables.get_mut(&name).unwrap().copy_(&values);
        }
    });
}

#[test]
fn golden_values_from_a_live_model() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of("neox-step0.safetensors");
    let mut monitor = Monitor::builder(dir.path())
        .schedule(neuromfa::Schedule::every(1))
        .nodes(path("neox-nodes.json"))
        .attach(&store)
        .unwrap();
    load(&store, "neox-step64.safetensors");
    let _ = monitor.step(64, &[]).unwrap();
    load(&store, "neox-step300.safetensors");
    let _ = monitor.step(300, &[]).unwrap();
    monitor.finish().unwrap();

    let live = Table::read(dir.path(), "emergence.csv");
    let golden = read("neox.json");
    for (row, step) in ["0", "64", "300"].into_iter().enumerate() {
        let expected = &golden["expected"][step];
        let samples = expected["samples"].as_array().unwrap();
        let now: Vec<Fractal> = samples.iter().map(fractal).collect();
        let alpha0 = now.iter().map(|s| s.alpha0).sum::<f64>() / now.len() as f64;
        assert_near("alpha0", live.number("alpha0", row), alpha0);
        assert_near("width", live.number("width", row), value(&expected["width"]));
        let stable = golden::fractal(&expected["whole"]["stable"]);
        assert_near("alpha0_stable", live.number("alpha0_stable", row), stable.alpha0);
        assert_near("width_stable", live.number("width_stable", row), stable.width);
        let e_stable = value(&expected["E_stable_whole"]);
        assert_near("E_stable", live.number("E_stable", row), e_stable);
    }

    // The same from the files, to the last digit.
    let replayed = dir.path().join("replayed");
    let files = ["neox-step0", "neox-step64", "neox-step300"];
    let files = files.map(|name| path(&format!("{name}.safetensors")));
    let checkpoints = Checkpoint::find(&files).unwrap();
    Replay::new(&replayed).nodes(path("neox-nodes.json")).run(&checkpoints).unwrap();
    let replayed = Table::read(&replayed, "emergence.csv");
    assert_eq!(live.columns, replayed.columns);
    for name in live.columns.iter().filter(|n| !n.ends_with("_ms") && *n != "wall_time") {
        assert_eq!(live.column(name), replayed.column(name), "{name}");
    }
}

#[test]
fn every_type_and_layout_gives_what_its_file_gives() {
    let dir = tempfile::tempdir().unwrap();
    let compare = |store: &VarStore, file: &Path, name: &str| {
        let [live, replayed] = ["live", "replayed"].map(|kind| dir.path().join(name).join(kind));
        Monitor::builder(&live)
            .sampled(Samples { neurons: 16, samples: 3, seed: 1 })
            .attach(store)
            .unwrap()
            .finish()
            .unwrap();
        let checkpoints = Checkpoint::find(&[file]).unwrap();
        Replay::new(&replayed)
            .sampled(Samples { neurons: 16, samples: 3, seed: 1 })
            .run(&checkpoints)
            .unwrap();
        let [a, b] = [live, replayed].map(|run| Table::read(&run, "emergence.csv"));
        for column in ["alpha0", "width", "r2", "alpha0_stable", "width_stable", "status"] {
            assert_eq!(a.column(column), b.column(column), "{name}: {column}");
        }
        a.column("alpha0_stable")
    };
    let mut seen = std::collections::BTreeSet::new();
    for kind in [Kind::Half, Kind::BFloat16, Kind::Double, Kind::Float] {
        let mut store = store_of("neox-step64.safetensors");
        store.set_kind(kind);
        let file = dir.path().join(format!("{kind:?}.safetensors"));
        store.save(&file).unwrap();
        seen.insert(compare(&store, &file, &format!("{kind:?}")));
    }
    assert_eq!(seen.len(), 3, "f64 and f32 hold the same values here, the halves others");

    // Strides that are not row-major are read through a copy.
    let _alone = seeded(5);
    let store = VarStore::new(Device::Cpu);
    let plain = Tensor::randn([40, 30], (Kind::Float, Device::Cpu)) * 0.05;
    let strided = plain.transpose(0, 1).contiguous().transpose(0, 1);
    assert!(!strided.is_contiguous());
    let _ = store.root().sub("0").add("weight", strided, true);
    let file = dir.path().join("strided.safetensors");
    Tensor::write_safetensors(&[("0.weight", &plain)], &file).unwrap();
    compare(&store, &file, "strided");
}

/// One large matrix whose weights all hold the step: a snapshot of mixed steps would show it.
#[test]
fn a_snapshot_never_mixes_two_steps() {
    const STEPS: i64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let store = VarStore::new(Device::Cpu);
    let mut weights = store.root().sub("0").var("weight", &[512, 512], nn::Init::Const(0.5));
    // All weights equal: one radius, 2, so no spectrum. The rows show this and the run continues.
    let mut monitor = Monitor::builder(dir.path())
        .every(1)
        .sampled(Samples { neurons: 32, samples: 1, seed: 0 })
        .without_stable()
        .attach(&store)
        .unwrap();
    let gradient = Tensor::ones([512, 512], (Kind::Float, Device::Cpu));
    for step in 1..=STEPS {
        // Half of the neurons at radius step + 2, half at twice that.
        tch::no_grad(|| {
            let _ = weights.fill_(1.0 / (step + 2) as f64);
            let _ = weights.narrow(0, 0, 256).fill_(0.5 / (step + 2) as f64);
        });
        let _ = monitor.step(step as u64, &[]).unwrap();
        // Poison: whatever still read live weights would see it.
        tch::no_grad(|| weights.copy_(&(&gradient * f64::NAN)));
    }
    monitor.finish().unwrap();
    let rows = Table::read(dir.path(), "emergence.csv");
    let status = rows.column("status");
    assert_eq!(status[0], "degenerate");
    let radii = rows.column("radii");
    assert_eq!((radii.len(), status.len()), (STEPS as usize + 1, STEPS as usize + 1));
    assert!(radii[1..].iter().all(|radii| radii == "2.0"), "{radii:?}, {status:?}");
}

/// The weights are overwritten as soon as `step` returns, and batch norm updates its running means,
/// which are no weights of the network, in between.
#[test]
fn both_ways_to_work_give_the_rows_of_the_weights_at_the_call() {
    let run = |work: Work| {
        let dir = tempfile::tempdir().unwrap();
        let _alone = seeded(3);
        let store = VarStore::new(Device::Cpu);
        let norm = nn::batch_norm1d(store.root() / "norm", 40, Default::default());
        let net = nn::seq()
            .add(nn::linear(store.root() / 0, 40, 60, Default::default()))
            .add_fn(|x| x.tanh())
            .add(nn::linear(store.root() / 1, 60, 30, Default::default()));
        let mut optimizer = nn::Sgd::default().build(&store, 0.5).unwrap();
        let builder = Monitor::builder(dir.path())
            .sampled(Samples { neurons: 16, samples: 3, seed: 0 })
            .every(1)
            .work(work);
        let mut monitor = builder.attach(&store).unwrap();
        let inputs = Tensor::arange(8 * 40, (Kind::Float, Device::Cpu)).reshape([8, 40]);
        for step in 1..=20 {
            let x = (&inputs * (0.01 * step as f64)).sin().apply_t(&norm, true);
            optimizer.backward_step(&x.apply(&net).square().mean(Kind::Float));
            let _ = monitor.step(step, &[]).unwrap();
            tch::no_grad(|| {
                for mut weight in store.trainable_variables() {
                    let kept = weight.copy();
                    let _ = weight.fill_(f64::NAN);
                    weight.copy_(&kept);
                }
            });
        }
        monitor.finish().unwrap();
        let table = Table::read(dir.path(), "emergence.csv");
        assert_eq!(table.column("status"), ["ok"; 21]);
        ["alpha0", "E", "E_stable", "E_excess"].map(|name| table.column(name))
    };
    assert_eq!(run(Work::Background), run(Work::Inline));
}

#[test]
fn training_is_the_same_with_and_without_the_monitor() {
    let train = |monitored: bool| {
        let dir = tempfile::tempdir().unwrap();
        let _alone = seeded(3);
        let store = VarStore::new(Device::Cpu);
        let net = nn::seq()
            .add(nn::linear(store.root() / 0, 32, 64, Default::default()))
            .add_fn(|x| x.tanh())
            .add(nn::linear(store.root() / 1, 64, 32, Default::default()));
        let mut optimizer = nn::Adam::default().build(&store, 1e-2).unwrap();
        let monitor = Monitor::builder(dir.path()).every(3);
        let mut monitor = monitored.then(|| monitor.attach(&store).unwrap());
        let mut losses = Vec::new();
        for step in 1..=30 {
            let x = Tensor::randn([16, 32], (Kind::Float, Device::Cpu));
            let loss = x.apply(&net).mse_loss(&x.cumsum(1, Kind::Float), tch::Reduction::Mean);
            optimizer.backward_step(&loss);
            losses.push(loss.double_value(&[]).to_bits());
            if let Some(monitor) = &mut monitor {
                let _ = monitor.step(step, &[("loss", loss.double_value(&[]))]).unwrap();
            }
        }
        losses
    };
    assert_eq!(train(true), train(false));
}

#[test]
fn a_var_store_saved_by_tch_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of("mlp.safetensors");
    let expected = CheckpointFile::open(path("mlp.safetensors")).unwrap();
    for name in ["mlp.ot", "mlp.safetensors"] {
        let file = dir.path().join(name);
        store.save(&file).unwrap();
        let saved = CheckpointFile::open(&file).unwrap();
        assert_eq!(saved.parameters(), expected.parameters(), "{name}");
        for Parameter { name, .. } in expected.parameters() {
            let [a, b] = [&saved, &expected].map(|source| source.tensor(&name).unwrap());
            let (Values::F32(a), Values::F32(b)) = (a.values(), b.values()) else {
                panic!("{name} is f32")
            };
            assert_eq!(a, b, "{name}");
        }
        if let Ok(kept) = std::env::var("KEEP_CHECKPOINTS") {
            std::fs::copy(&file, Path::new(&kept).join(name)).unwrap();
        }
    }
}

/// Buffers are left out; a frozen layer that could be trained stays in.
#[test]
fn a_var_store_knows_what_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    let _alone = seeded(3);
    let mut store = VarStore::new(Device::Cpu);
    let root = store.root();
    let _first = nn::linear(&root / "fc1", 64, 96, Default::default());
    let _second = nn::linear(&root / "fc2", 96, 64, Default::default());
    let _ = root.zeros_no_train("pe", &[64, 64]);
    let ones = Tensor::ones([64, 64], (Kind::Float, Device::Cpu));
    let mask = ones.masked_fill(&ones.tril(0).eq(0.0), f64::NEG_INFINITY);
    let _ = root.add("mask", mask, false);
    store.freeze();
    let mut monitor = Monitor::builder(dir.path()).every(1).quiet().attach(&store).unwrap();
    let names: Vec<&str> =
        monitor.network().connections().iter().map(|c| c.parameter.as_str()).collect();
    assert_eq!(names, ["fc1.weight", "fc2.weight"]);
    let left_out = monitor.network().left_out().iter().filter(|l| l.why.contains("not trainable"));
    assert_eq!(left_out.map(|l| l.name.as_str()).collect::<Vec<_>>(), ["mask", "pe"]);
    let _ = monitor.tick(&[]).unwrap();
    let summary = monitor.finish().unwrap();
    let status = Table::read(dir.path(), "emergence.csv").column("status");
    assert_eq!(status, ["ok", "ok"]);
    let text = summary.to_string();
    assert!(text.starts_with("structure: no verdict: all steps have the same weights"), "{text}");
}

/// Actor and critic in stores of their own; tensors without a store.
#[test]
fn several_stores_are_one_run_and_tensors_need_none() {
    let dir = tempfile::tempdir().unwrap();
    let _alone = seeded(4);
    let [actor, critic] = [0, 1].map(|_| VarStore::new(Device::Cpu));
    for store in [&actor, &critic] {
        let _ = nn::linear(store.root() / "fc1", 32, 64, Default::default());
        let _ = nn::linear(store.root() / "fc2", 64, 32, Default::default());
    }
    let builder = Monitor::builder(dir.path().join("groups")).quiet();
    let monitor = builder.attach_groups([("actor", &actor), ("critic", &critic)]).unwrap();
    let names = |monitor: &Monitor| {
        let connections = monitor.network().connections().iter();
        connections.map(|c| c.parameter.clone()).collect::<Vec<_>>()
    };
    let expected = ["actor.fc1", "actor.fc2", "critic.fc1", "critic.fc2"];
    assert_eq!(names(&monitor), expected.map(|name| format!("{name}.weight")));
    let _ = monitor.finish().unwrap();

    let weight = Tensor::randn([48, 48], (Kind::Float, Device::Cpu)) * 0.05;
    let trained = weight.set_requires_grad(true);
    let fixed = Tensor::randn([48, 48], (Kind::Float, Device::Cpu));
    let twice = ["w", "w"].map(|name| (name, trained.shallow_clone()));
    let builder = Monitor::builder(dir.path().join("twice")).quiet();
    let error = builder.attach_tensors(twice).unwrap_err().to_string();
    assert!(error.contains("two parameters are called `w`"), "{error}");
    let tensors = [("w", trained.shallow_clone()), ("mask", fixed)];
    let builder = Monitor::builder(dir.path().join("tensors")).every(1).quiet();
    let mut monitor = builder.attach_tensors(tensors).unwrap();
    assert_eq!(names(&monitor), ["w"]);
    let before = monitor.last_row().unwrap().value("alpha0").unwrap();
    let _ = tch::no_grad(|| trained.shallow_clone().g_mul_scalar_(3.0));
    let _ = monitor.tick(&[]).unwrap();
    monitor.flush().unwrap();
    assert_ne!(monitor.last_row().unwrap().value("alpha0").unwrap(), before, "weights are live");
    let _ = monitor.finish().unwrap();
}

#[test]
fn a_variable_that_comes_after_attach_is_said_once() {
    let _alone = seeded(6);
    let dir = tempfile::tempdir().unwrap();
    let store = VarStore::new(Device::Cpu);
    let _ = nn::linear(store.root() / "fc1", 32, 64, Default::default());
    let mut monitor =
        Monitor::builder(dir.path().join("run")).every(1).quiet().attach(&store).unwrap();
    let before = monitor.warnings().len();
    let _ = monitor.tick(&[]).unwrap();
    assert_eq!(monitor.warnings().len(), before);
    let _ = nn::linear(store.root() / "fc2", 64, 32, Default::default());
    for _ in 0..2 {
        let _ = monitor.tick(&[]).unwrap();
    }
    let said = &monitor.warnings()[before..];
    let expected = "added to the model after attach, and not analysed: fc2.bias, fc2.weight. E is \
                    against step 0 of the same network: attach once the model is complete, or \
                    finish() this run and attach again to begin another (.numbered())";
    assert_eq!(said, [expected]);
    let _ = monitor.finish().unwrap();
    let next = Monitor::builder(dir.path().join("run")).numbered().quiet().attach(&store).unwrap();
    assert_eq!(next.network().layers().len(), 3);
    let _ = next.finish().unwrap();
}

/// Tensors whose values do not lie row by row are copied first, as those on a device are: all columns
/// are those of weights that are read where they lie. Many tensors have one shape, so that memory for
/// copies is used again between snapshots, and not before its tensor has been counted.
#[test]
fn copied_weights_give_the_rows_of_weights_read_where_they_lie() {
    const MLP: &[(&str, &[i64])] = &[
        ("0.weight", &[40, 40]),
        ("2.weight", &[40, 40]),
        ("4.weight", &[40, 40]),
        ("6.weight", &[24, 40]),
    ];
    const CNN: &[(&str, &[i64])] = &[
        ("conv1.weight", &[24, 3, 3, 3]),
        ("conv2.weight", &[24, 24, 3, 3]),
        ("depthwise.weight", &[24, 1, 3, 3]),
        ("conv3.weight", &[24, 24, 3, 3]),
        ("grouped.weight", &[24, 6, 3, 3]),
    ];
    let _alone = seeded(8);
    let strided = |tensor: &Tensor| {
        let (first, last) = (0, tensor.dim() as i64 - 1);
        tensor.transpose(first, last).contiguous().transpose(first, last)
    };
    for (shapes, kind) in [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double]
        .into_iter()
        .flat_map(|kind| [(MLP, kind), (CNN, kind)])
    {
        let draw = |scale: f64| -> Vec<Tensor> {
            let draw = |(_, shape): &(&str, &[i64])| {
                let tensor = Tensor::randn(*shape, (Kind::Double, Device::Cpu)) * scale;
                tensor.view([-1]).narrow(0, 0, 3).copy_(&Tensor::from_slice(&[0.0, -0.0, 1e-40]));
                tensor.to_kind(kind)
            };
            shapes.iter().map(draw).collect()
        };
        let steps = [0.05, 0.06, 0.06, 0.08].map(draw);
        let run = |lay: &dyn Fn(&Tensor) -> Tensor| {
            let dir = tempfile::tempdir().unwrap();
            let weights: Vec<Tensor> = steps[0].iter().map(lay).collect();
            let named = shapes.iter().zip(&weights);
            let mut monitor = Monitor::builder(dir.path())
                .every(1)
                .sampled(Samples { neurons: 16, samples: 3, seed: 0 })
                .attach_tensors(named.map(|((name, _), tensor)| (*name, tensor.shallow_clone())))
                .unwrap();
            for (step, values) in steps.iter().enumerate().skip(1) {
                for (weight, values) in weights.iter().zip(values) {
                    weight.shallow_clone().copy_(values);
                }
                let _ = monitor.step(step as u64, &[]).unwrap();
            }
            monitor.finish().unwrap();
            ["emergence.csv", "layers.csv"].map(|name| {
                let table = Table::read(dir.path(), name);
                let timeless = table.columns.iter();
                let timeless = timeless.filter(|n| !n.ends_with("_ms") && *n != "wall_time");
                timeless.map(|n| (n.clone(), table.column(n))).collect::<Vec<_>>()
            })
        };
        let in_place = run(&Tensor::copy);
        assert!(in_place[0].iter().any(|(name, of)| name == "width_excess" && !of[3].is_empty()));
        assert!(in_place == run(&strided), "{kind:?} {}", shapes[0].0);
    }
}
