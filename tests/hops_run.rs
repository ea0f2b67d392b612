//! hops.csv: what a run writes of the distances over several layers.

mod loops;

use std::path::Path;

use loops::warnings::warnings_of;
use loops::{Table, set_weights, weights_at};
use neuromfa::internals::analysis::Baseline;
use neuromfa::source::Memory;
use neuromfa::{Monitor, MonitorBuilder, Samples};

fn builder(run: &Path) -> MonitorBuilder {
    Monitor::builder(run).every(10).sampled(Samples { neurons: 16, samples: 4, seed: 7 }).threads(1)
}

fn run(builder: MonitorBuilder, weights: &Memory) {
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    for step in monitor.next_step()..=20 {
        set_weights(weights, step);
        let _ = monitor.step(step, &[]).unwrap();
    }
    monitor.finish().unwrap();
}

#[test]
fn a_row_for_each_step_and_number_of_hops() {
    let dir = tempfile::tempdir().unwrap();
    let [exact, estimated] = ["exact", "estimated"].map(|name| dir.path().join(name));
    run(builder(&exact).hops(2), &weights_at(0));
    run(builder(&estimated).hops(2).hops_estimated(6), &weights_at(0));
    let header = "step,hops,alpha0,width,E,E_se,alpha0_std,width_std,r2,alpha0_stable,\
                  width_stable,E_stable,neurons,radii,alpha0_estimated,width_estimated,\
                  E_estimated,estimate_error_mean,estimate_error_max,estimate_exact_share,status";
    let [exact, estimated] = [exact, estimated].map(|run| Table::read(&run, "hops.csv"));
    assert_eq!(exact.columns.join(","), header);
    for table in [&exact, &estimated] {
        assert_eq!(table.column("step"), ["0", "10", "20"]);
        assert_eq!(table.column("hops"), ["2", "2", "2"]);
        assert_eq!(table.column("status"), ["ok", "ok", "ok"]);
        // 16 source neurons in each sample: the layer between ends no path of two hops.
        assert_eq!(table.column("neurons"), ["16.0", "16.0", "16.0"]);
    }
    let compared = exact.columns.iter().position(|c| c == "alpha0_estimated").unwrap();
    for (without, with) in exact.rows.iter().zip(&estimated.rows) {
        assert_eq!(without[..compared], with[..compared], "an estimate changes nothing else");
        assert!(without[compared..without.len() - 1].iter().all(String::is_empty));
    }
    for row in 0..3 {
        let number = |name| estimated.number(name, row);
        let (mean, max) = (number("estimate_error_mean"), number("estimate_error_max"));
        assert!(0.0 < mean && mean < max, "{mean} {max}");
        let share = number("estimate_exact_share");
        assert!(0.0 < share && share < 0.6, "6 of 48 neurons between: {share}");
    }
    for name in ["E", "E_stable", "E_estimated"] {
        assert_eq!(estimated.number(name, 0), 0.0, "{name}");
        assert!(estimated.number(name, 2).abs() > 1e-6, "{name}");
    }
}

#[test]
fn the_baseline_keeps_each_number_of_hops_and_old_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let [hops, plain] = ["hops", "plain"].map(|name| dir.path().join(name));
    run(builder(&hops).hops(2).hops_estimated(6), &weights_at(0));
    run(builder(&plain), &weights_at(0));
    assert!(!plain.join("hops.csv").exists());
    let read = |run: &Path, name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    let baseline: Baseline = serde_json::from_str(&read(&hops, "baseline.json")).unwrap();
    let [start] = &baseline.hops[..] else { panic!("one number of hops: {baseline:?}") };
    assert_eq!((start.hops, start.samples.len(), start.estimated.len()), (2, 4, 4));
    let table = Table::read(&hops, "hops.csv");
    let mean = start.samples.iter().map(|s| s.alpha0).sum::<f64>() / 4.0;
    assert_eq!(table.number("alpha0", 0), mean);
    assert_eq!(table.number("alpha0_stable", 0), start.stable.unwrap().alpha0);

    // What a version without hops wrote lacks the keys.
    assert!(!read(&plain, "baseline.json").contains("hops"));
    let config = read(&plain, "run.json");
    let without: Vec<&str> = config.lines().filter(|line| !line.contains("\"hops")).collect();
    assert_eq!(without.len() + 2, config.lines().count());
    std::fs::write(plain.join("run.json"), without.join("\n")).unwrap();
    assert_eq!(builder(&plain).resume().attach_source(weights_at(20)).unwrap().next_step(), 21);
}

#[test]
fn a_baseline_without_the_hops_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [plain, exact, out] = ["plain", "exact", "out"].map(|name| dir.path().join(name));
    run(builder(&plain), &weights_at(0));
    run(builder(&exact).hops(2), &weights_at(0));
    let refused = |with: MonitorBuilder| {
        with.attach_source(weights_at(0)).expect_err("it lacks something").to_string()
    };
    let why = refused(builder(&out).hops(2).baseline(&plain));
    assert!(why.contains("it has no values over 2 hops, so E would have none either"), "{why}");
    let why = refused(builder(&out).hops(2).hops_estimated(6).baseline(&exact));
    assert!(why.contains("no values of estimated distances over 2 hops"), "{why}");
    assert!(builder(&out).hops(2).baseline(&exact).attach_source(weights_at(0)).is_ok());
}

#[test]
fn what_is_out_of_range_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |with: MonitorBuilder| {
        with.attach_source(weights_at(0)).expect_err("out of range").to_string()
    };
    let run = dir.path().join("run");
    let again = || builder(&run);
    assert!(refused(again().hops(0)).starts_with("0 hops (hops, --hops) are out of range: give 1"));
    assert!(refused(again().hops(4)).starts_with("4 hops (hops, --hops) are out of range"));
    assert!(refused(again().hops(3)).starts_with("no path of the network has 3 hops"));
    assert!(refused(again().hops_estimated(8)).contains("at one hop there is nothing to estimate"));
    assert!(refused(again().hops(2).hops_estimated(0)).contains("has no paths"));
    assert!(!run.join("run.json").exists());
}

#[test]
fn a_step_without_values_is_a_row_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let mut monitor = builder(dir.path()).hops(2).attach_source(weights.clone()).unwrap();
    weights.set("0.weight", &[48, 32], vec![f32::NAN; 48 * 32]).unwrap();
    let _ = monitor.step(10, &[]).unwrap();
    monitor.finish().unwrap();
    let table = Table::read(dir.path(), "hops.csv");
    assert_eq!(table.column("status"), ["ok", "non_finite"]);
    assert_eq!(table.column("alpha0")[1], "");
    // It counts as a whole step when the run is opened again.
    let (resumed, warnings) = warnings_of(|| {
        builder(dir.path()).hops(2).resume().attach_source(weights.clone()).unwrap()
    });
    assert_eq!((resumed.next_step(), warnings), (11, vec![]));
}
