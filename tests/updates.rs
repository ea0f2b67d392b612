//! How far the weights moved: over a resume, and of matrices of which only some entries are kept.

mod loops;

use std::path::Path;

use loops::interrupted::{
    assert_same, builder, complete, copy, fast_folder, files_with_updates, run_to,
};
use loops::warnings::warnings_of;
use loops::{Table, weights_at};
use neuromfa::source::{Checkpoint, Memory, save};
use neuromfa::{Monitor, Replay, Samples};

/// It is measured from the weights of the row before, which a loop that resumes may not have.
#[test]
fn the_first_update_after_a_resume_is_there_if_the_weights_before_are_known() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), 130);
    let updates = |run: &Path| {
        let (emergence, layers) =
            (Table::read(run, "emergence.csv"), Table::read(run, "layers.csv"));
        let of = |table: &Table| -> Vec<(String, String)> {
            table.column("step").into_iter().zip(table.column("update")).collect()
        };
        [of(&emergence), of(&layers)]
    };
    let all = updates(&whole);
    for table in &all {
        let absent = table.iter().filter(|(_, update)| update.is_empty());
        assert!(absent.clone().count() > 0 && absent.clone().all(|(step, _)| step == "0"));
    }
    for (at, absent) in [(61, ""), (65, "66")] {
        copy(&whole, &run);
        let weights = weights_at(at - 1);
        let mut monitor = builder(&run).resume_at(at).attach_source(weights.clone()).unwrap();
        run_to(&mut monitor, &weights, 130);
        monitor.finish().unwrap();
        let expected = all.clone().map(|mut table| {
            table.iter_mut().filter(|(step, _)| step == absent).for_each(|(_, of)| of.clear());
            table
        });
        assert_eq!(updates(&run), expected, "resumed at {at}");
    }
}

fn replay(run: &Path) -> Replay {
    Replay::new(run).sampled(Samples { neurons: 16, samples: 2, seed: 7 }).threads(1)
}

fn checkpoints(folder: &Path, steps: &[u64]) -> Vec<Checkpoint> {
    std::fs::create_dir_all(folder).unwrap();
    let write = |&step: &u64| {
        let path = folder.join(format!("model-step{step}.safetensors"));
        save(&path, &weights_at(step), &["0.weight", "2.weight"]).unwrap();
        Checkpoint::new(step, path)
    };
    steps.iter().map(write).collect()
}

#[test]
fn a_resumed_replay_has_the_updates_of_one_that_was_not_interrupted() {
    let dir = fast_folder();
    let [whole, run, first] = ["whole", "run", "first"].map(|name| dir.path().join(name));
    let all = checkpoints(&dir.path().join("all"), &[0, 10, 20, 30, 40]);
    let _ = replay(&whole).run(&all).unwrap();
    let _ = replay(&first).run(&all[..3]).unwrap();
    copy(&first, &run);
    let _ = replay(&run).resume().run(&all).unwrap();
    assert_same(&files_with_updates(&run), &files_with_updates(&whole), "resumed");
    let updates = Table::read(&run, "emergence.csv").column("update");
    assert!(updates[0].is_empty() && updates[1..].iter().all(|update| !update.is_empty()));
    // What cannot be read any more leaves one cell empty, and is said.
    std::fs::write(&all[2].path, b"damaged").unwrap();
    copy(&first, &run);
    let (summary, warnings) = warnings_of(|| replay(&run).resume().run(&all).unwrap());
    assert_eq!(summary.rows(), 5);
    let empty = "the first update after the resume is left empty: cannot read";
    assert!(warnings.iter().any(|warning| warning.starts_with(empty)), "{warnings:?}");
    let again = Table::read(&run, "emergence.csv").column("update");
    assert!(again[3].is_empty());
    assert_eq!([&again[..3], &again[4..]], [&updates[..3], &updates[4..]]);
}

/// Weights of which more entries are there than are kept: what has been drawn is the same after a resume,
/// and lies within its errors.
#[test]
fn the_distance_of_a_large_matrix_is_estimated() {
    let (rows, columns) = (150, 200);
    let value = |step: u64, k: usize| {
        let noise = |seed: usize| ((k * 7919 + seed * 104_729) % 20_011) as f32 / 20_011.0 - 0.5;
        noise(1) + step as f32 * 0.01 * noise(k % 13 + 2)
    };
    let values = |step: u64| (0..rows * columns).map(|k| value(step, k)).collect::<Vec<f32>>();
    let set = |weights: &Memory, step: u64| {
        weights.set("0.weight", &[rows, columns], values(step)).unwrap();
    };
    let norm = |of: &mut dyn Iterator<Item = f64>| of.map(|x| x * x).sum::<f64>().sqrt();
    let difference = |a: u64, b: u64| {
        let (a, b) = (values(a), values(b));
        norm(&mut a.iter().zip(&b).map(|(a, b)| f64::from(*a) - f64::from(*b)))
    };
    let of_step = |step: u64| norm(&mut values(step).iter().map(|w| f64::from(*w)));
    let dir = fast_folder();
    let builder = || Monitor::builder(dir.path()).every(10).threads(1);
    let weights = Memory::new();
    set(&weights, 0);
    let mut monitor = builder().attach_source(weights.clone()).unwrap();
    for step in (10..=20).step_by(10) {
        set(&weights, step);
        let _ = monitor.step(step, &[]).unwrap();
    }
    monitor.finish().unwrap();
    let mut monitor = builder().resume_at(21).attach_source(weights.clone()).unwrap();
    set(&weights, 30);
    let _ = monitor.step(30, &[]).unwrap();
    monitor.finish().unwrap();
    let table = Table::read(dir.path(), "emergence.csv");
    for row in 1..=3 {
        let step = row as u64 * 10;
        let (found, se) = (table.number("distance", row), table.number("distance_se", row));
        let exact = difference(step, 0) / of_step(0);
        assert!(se > 0.0 && se < 0.02 * exact, "{se} of {exact}");
        assert!((found - exact).abs() < 3.0 * se && found != exact, "{found} ± {se}, not {exact}");
        let update = difference(step, step - 10) / of_step(step);
        assert!((table.number("update", row) / update - 1.0).abs() < 0.05, "step {step}");
        let (cosine, se) = (table.number("cosine", row), table.number("cosine_se", row));
        let (now, start) = (values(step), values(0));
        let product = now.iter().zip(&start).map(|(a, b)| f64::from(*a) * f64::from(*b));
        let exact = product.sum::<f64>() / (of_step(step) * of_step(0));
        assert!(se > 0.0 && (cosine - exact).abs() < 3.0 * se, "{cosine} ± {se}, not {exact}");
    }
}
