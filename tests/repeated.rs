//! The same weights twice, and a quantity that only falls: how a row depends on earlier rows.

use std::path::Path;

use neuromfa::internals::record::{EMERGENCE, HASHES, read_table};
use neuromfa::source::Memory;
use neuromfa::{Monitor, StopRule};

/// Weights of a chain, times a factor; `kind` selects one of several sets.
fn set(memory: &Memory, kind: usize, factor: f32) {
    for (k, [out, from]) in [[30, 24], [20, 30]].into_iter().enumerate() {
        let weight = |at: usize| factor / (2.0 + ((at * (kind + 3)) % 83) as f32);
        memory
            .set(
                &format!("{}.weight", 2 * k),
                &[out, from],
                (0..out * from).map(weight).collect::<Vec<_>>(),
            )
            .unwrap();
    }
}

fn column(folder: &Path, name: &str) -> Vec<String> {
    let (columns, rows) = read_table(&folder.join(EMERGENCE)).unwrap();
    let k = columns.iter().position(|column| column == name).unwrap();
    rows.into_iter().map(|mut row| row.swap_remove(k)).collect()
}

/// Steps 1 to 6 of a run that is analysed at every step; sets of weights 0 1 0 2 1 1 2.
const SETS: [usize; 7] = [0, 1, 0, 2, 1, 1, 2];
const SAME: [&str; 7] = ["", "", "0", "", "1", "1", "3"];

#[test]
fn a_row_says_which_earlier_step_had_its_weights_also_after_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    let memory = Memory::new();
    let run = |folder: &Path, steps: std::ops::RangeInclusive<usize>| {
        set(&memory, SETS[steps.start() - 1], 1.0);
        let builder = Monitor::builder(folder).every(1).threads(1).without_tensorboard().resume();
        let mut monitor = builder.attach_source(memory.clone()).unwrap();
        for step in steps {
            set(&memory, SETS[step], 1.0);
            let _ = monitor.step(step as u64, &[]).unwrap();
        }
        monitor.finish().unwrap()
    };
    let summary = run(&whole, 1..=6);
    run(&parts, 1..=3);
    run(&parts, 4..=6);
    for folder in [&whole, &parts] {
        assert_eq!(column(folder, "same_as"), SAME, "{}", folder.display());
        let codes = column(folder, "codes");
        let repeated: Vec<bool> = codes.iter().map(|codes| codes.contains("repeated")).collect();
        assert_eq!(repeated, SAME.map(|same| !same.is_empty()));
    }
    let hashes = |folder: &Path| std::fs::read_to_string(folder.join(HASHES)).unwrap();
    assert_eq!(hashes(&whole), hashes(&parts));
    assert_eq!(hashes(&whole).lines().count(), 1 + 7 * 2, "one for each tensor and step");
    let conclusion = &serde_json::to_value(&summary).unwrap()["conclusion"];
    assert_eq!((&conclusion["analysed"], &conclusion["repeated"]), (&7.into(), &4.into()));
}

#[test]
fn one_changed_bit_is_another_set_of_weights() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let memory = Memory::new();
    set(&memory, 0, 1.0);
    let builder = Monitor::builder(&folder).every(1).threads(1).without_tensorboard();
    let mut monitor = builder.attach_source(memory.clone()).unwrap();
    // The sign of one weight: no distance changes.
    let mut values: Vec<f32> = (0..600).map(|at| 1.0 / (2.0 + ((at * 3) % 83) as f32)).collect();
    values[77] = -values[77];
    memory.set("2.weight", &[20, 30], values).unwrap();
    let _ = monitor.step(1, &[]).unwrap();
    monitor.finish().unwrap();
    assert_eq!(column(&folder, "same_as"), ["", ""]);
    assert_eq!(column(&folder, "E_stable")[1], "0.0");
}

#[test]
fn a_watched_quantity_that_only_falls_is_said_also_after_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let memory = Memory::new();
    // Weights shrink: E falls from step to step.
    let run = |steps: std::ops::RangeInclusive<u64>| {
        set(&memory, 0, 1.0);
        let rule = StopRule::on("E_stable").max().patience(100);
        let builder = Monitor::builder(&folder).every(1).threads(1).without_tensorboard().resume();
        let mut monitor = builder.stop_when(rule).attach_source(memory.clone()).unwrap();
        for step in steps {
            set(&memory, 0, 1.0 - 0.05 * step as f32);
            let _ = monitor.step(step, &[]).unwrap();
        }
        monitor.finish().unwrap();
    };
    run(1..=2);
    run(3..=5);
    let falls: Vec<bool> =
        column(&folder, "codes").iter().map(|codes| codes.contains("only_falls")).collect();
    assert_eq!(falls, [false, false, false, true, true, true]);
    let warning = column(&folder, "warning").pop().unwrap();
    assert!(
        warning.contains("E_stable has been below its value at step 0 ever since"),
        "{warning}"
    );
}
