//! The tables that are thinned: which steps have rows, also after a crash, a repair, and in a replay.

mod loops;

use std::collections::BTreeSet;
use std::path::Path;

use loops::interrupted::{assert_same, builder, complete, fast_folder, files, run_to};
use loops::{Table, weights_at};
use neuromfa::source::Memory;
use neuromfa::{Monitor, MonitorBuilder};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const THINNED: [&str; 5] =
    ["layers.csv", "spectra.csv", "distributions.csv", "scaling.csv", "boxes.csv"];
const WHOLE: [&str; 3] = ["hops.csv", "hashes.csv", "emergence.csv"];
const LAST: u64 = 140;

/// Analyses every step.
fn each(run: &Path) -> MonitorBuilder {
    builder(run).every(1).every_detail(7)
}

fn steps(run: &Path, table: &str) -> BTreeSet<u64> {
    Table::read(run, table).column("step").iter().map(|step| step.parse().unwrap()).collect()
}

fn thinned() -> BTreeSet<u64> {
    (0..100).chain((106..=LAST).step_by(7)).collect()
}

#[test]
fn after_a_hundred_steps_one_in_n_has_details() {
    let dir = fast_folder();
    complete(each(dir.path()), LAST);
    THINNED.iter().for_each(|table| assert_eq!(steps(dir.path(), table), thinned(), "{table}"));
    let all: BTreeSet<u64> = (0..=LAST).collect();
    WHOLE.iter().for_each(|table| assert_eq!(steps(dir.path(), table), all, "{table}"));
}

#[test]
fn a_resumed_run_has_the_rows_of_an_uninterrupted_one() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(each(&whole), LAST);
    let expected = files(&whole);
    for at in [99, 100, 105, 106, 107, 113, 120] {
        let _ = std::fs::remove_dir_all(&run);
        let weights = weights_at(0);
        let mut monitor = each(&run).attach_source(weights.clone()).unwrap();
        run_to(&mut monitor, &weights, at);
        drop(monitor);
        // It is what the run has, also if nobody says so again.
        complete(builder(&run).every(1).resume(), LAST);
        assert_same(&files(&run), &expected, &format!("resumed after {at}"));
        complete(each(&run).resume_at(at + 1), LAST);
        assert_same(&files(&run), &expected, &format!("once more from {}", at + 1));
    }
}

#[test]
fn what_a_crash_takes_from_a_thinned_table_is_noticed() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(each(&whole), LAST);
    let expected = files(&whole);
    for table in THINNED {
        complete(each(&run).overwrite(), 134);
        // The rows of steps 127 and 134 are lost: step 127 is the first that lacks something.
        let text = std::fs::read_to_string(run.join(table)).unwrap();
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("127,") && !line.starts_with("134,"))
            .collect();
        std::fs::write(run.join(table), kept).unwrap();
        let monitor = each(&run).resume().attach_source(weights_at(0)).unwrap();
        assert_eq!(monitor.next_step(), 127, "{table}");
        drop(monitor);
        complete(each(&run).resume(), LAST);
        assert_same(&files(&run), &expected, table);
    }
}

#[test]
fn a_repair_of_emergence_csv_costs_no_other_row() {
    let dir = fast_folder();
    // Before the first thinned step, where steps have no details, and where one has.
    for damaged in [50, 103, 113] {
        let run = &dir.path().join(format!("{damaged}"));
        complete(each(run), LAST);
        let path = run.join("emergence.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        let step = format!("{damaged},");
        let damage = |line: &str| match line.starts_with(&step) {
            true => format!("x{line}"),
            false => line.to_owned(),
        };
        let text: String = text.split_inclusive('\n').map(damage).collect();
        std::fs::write(&path, text).unwrap();
        let monitor = each(run).repair().resume().attach_source(weights_at(0)).unwrap();
        assert_eq!(monitor.next_step(), LAST + 1, "{damaged}");
        drop(monitor);
        for last in [LAST + 20, LAST + 40] {
            complete(each(run).resume(), last);
            let rows = steps(run, "emergence.csv");
            assert_eq!(rows.len() as u64, last, "{damaged}");
            let spectra = steps(run, "spectra.csv");
            let far = spectra.iter().zip(spectra.iter().skip(1)).find(|(a, b)| *b - *a > 8);
            assert_eq!(far, None, "{damaged}");
        }
    }
}

#[test]
fn another_thinning_is_refused_and_each_step_can_be_had() {
    let dir = fast_folder();
    complete(each(dir.path()), 110);
    let refused = builder(dir.path()).every(1).every_detail(3).resume();
    let refused = refused.attach_source(weights_at(0)).unwrap_err().to_string();
    assert!(refused.contains("every_detail is 7, that of this program is 3"), "{refused}");
    complete(builder(dir.path()).every(1).every_detail(1).overwrite(), 110);
    assert_eq!(steps(dir.path(), "spectra.csv").len(), 111);
}

/// Gives a GPT-NeoX of 17 neuron layers, as in the demo, other weights.
fn redraw(weights: &Memory, rng: &mut ChaCha8Rng) {
    let matrices = [
        ("attention.query_key_value", [384, 128]),
        ("attention.dense", [128, 128]),
        ("mlp.dense_h_to_4h", [512, 128]),
        ("mlp.dense_4h_to_h", [128, 512]),
    ];
    for block in 0..4 {
        for (name, shape) in matrices {
            let name = format!("gpt_neox.layers.{block}.{name}.weight");
            let spread = 0.1 * rng.random::<f32>();
            let values = 0..shape[0] * shape[1];
            let values = values.map(|_| (rng.random::<f32>() - 0.5) * (0.1 + spread)).collect();
            let values: Vec<f32> = values;
            weights.set(&name, &shape, values).unwrap();
        }
    }
}

/// What docs/overhead.md says of the disk: a thousand rows of a run with 17 layers.
#[test]
#[ignore = "a measurement, about a minute"]
fn bytes_of_a_thousand_rows() {
    for every_detail in [1, 10] {
        let dir = fast_folder();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let bytes_of = |name: &str| {
            let path = dir.path().join(name);
            let files = match path.is_dir() {
                true => std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).collect(),
                false => vec![path],
            };
            files.iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).sum::<u64>()
        };
        let tables = || {
            [&loops::TABLES[..], &["tb"]].concat().into_iter().map(|name| (name, bytes_of(name)))
        };
        let weights = Memory::new();
        redraw(&weights, &mut rng);
        let builder = Monitor::builder(dir.path()).every(1).every_detail(every_detail).quiet();
        let mut monitor = builder.attach_source(weights.clone()).unwrap();
        let mut at = Vec::new();
        // Rows 100 to 119 are as those that follow them.
        for step in 1..120 {
            redraw(&weights, &mut rng);
            let _ = monitor.step(step, &[("loss", 1.0 / step as f64), ("lr", 1e-3)]).unwrap();
            if [99, 119].contains(&step) {
                monitor.flush().unwrap();
                at.push(tables().collect::<Vec<_>>());
            }
        }
        let mut all = 0;
        for ((name, first), (_, then)) in at[0].iter().zip(&at[1]) {
            let thousand = first + (then - first) * 45;
            all += thousand;
            println!("{name:<18} {:>6.2} MB", thousand as f64 / 1e6);
        }
        println!("every_detail({every_detail}): {:.1} MB for 1000 rows", all as f64 / 1e6);
    }
}
