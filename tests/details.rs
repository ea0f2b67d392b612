//! The other files of a run: parts, distributions, neurons, the rescaled start, and a stop rule on
//! the excess.

mod loops;

use loops::{Table, set_weights, weights_at};
use neuromfa::internals::record::{NEURONS, START};
use neuromfa::{Controls, Monitor, MonitorBuilder, StopRule};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Analyses steps 0, 10 and 20 of the loop.
fn run(builder: MonitorBuilder) -> neuromfa::Summary {
    let weights = weights_at(0);
    let mut monitor = builder.every(10).threads(1).attach_source(weights.clone()).unwrap();
    for step in monitor.next_step()..=20 {
        set_weights(&weights, step);
        let _ = monitor.step(step, &[("loss", 1.0 / step as f64)]).unwrap();
    }
    monitor.finish().unwrap()
}

#[test]
fn layers_hold_each_part_and_the_network_as_the_row_has_it() {
    let dir = tempfile::tempdir().unwrap();
    run(Monitor::builder(dir.path()));
    let layers = Table::read(dir.path(), "layers.csv");
    // A chain of two layers: no blocks, one role.
    let one_step = ["layer.0", "layer.1", "all"];
    assert_eq!(layers.column("part"), [one_step; 3].concat());
    assert_eq!(layers.column("scope")[..3], ["layer", "layer", "network"]);
    let emergence = Table::read(dir.path(), "emergence.csv");
    for name in ["alpha0", "width", "E", "E_se", "r2", "alpha0_stable", "width_stable", "E_stable"]
    {
        let network: Vec<String> = layers.column(name).into_iter().skip(2).step_by(3).collect();
        assert_eq!(network, emergence.column(name), "{name}");
    }
    // 32 and 48 neurons.
    assert_eq!(layers.column("neurons")[..3], ["32", "48", "80"]);
    let spectra = Table::read(dir.path(), "spectra.csv");
    let (q, tau, d) = (spectra.column("q"), spectra.column("tau"), spectra.column("D_q"));
    let number = |cell: &String| cell.parse::<f64>().unwrap();
    for k in 0..q.len() {
        match q[k].as_str() {
            "1.0" => assert_eq!(d[k], ""),
            _ => assert_eq!(number(&d[k]), number(&tau[k]) / (number(&q[k]) - 1.0)),
        }
    }
}

#[test]
fn distributions_hold_every_neuron_once() {
    let dir = tempfile::tempdir().unwrap();
    run(Monitor::builder(dir.path()));
    let table = Table::read(dir.path(), "distributions.csv");
    let cells = ["step", "part", "quantity", "neurons"].map(|name| table.column(name));
    let neurons = |step: &str, part: &str, quantity: &str| {
        let rows = (0..table.rows.len()).filter(|&k| {
            (&cells[0][k][..], &cells[1][k][..], &cells[2][k][..]) == (step, part, quantity)
        });
        rows.map(|k| cells[3][k].parse::<usize>().unwrap()).sum::<usize>()
    };
    for step in ["0", "10", "20"] {
        for quantity in ["degree", "dimension"] {
            assert_eq!(neurons(step, "layer.0", quantity), 32);
            assert_eq!(neurons(step, "layer.1", quantity), 48);
            assert_eq!(neurons(step, "all", quantity), 80);
        }
    }
}

/// A row of one of the run's files.
struct Row<'t>(&'t Table, &'t [String]);

impl Row<'_> {
    fn cell(&self, name: &str) -> &str {
        let k = self.0.columns.iter().position(|column| column == name).unwrap();
        &self.1[k]
    }

    fn number(&self, name: &str) -> f64 {
        self.cell(name).parse().unwrap()
    }

    fn is_fit(&self) -> bool {
        self.cell("r").is_empty()
    }
}

fn rows_of<'t>(table: &'t Table, step: &str) -> Vec<Row<'t>> {
    let rows = table.rows.iter().map(|row| Row(table, row));
    rows.filter(|row| row.cell("step") == step).collect()
}

#[test]
fn scaling_holds_what_the_slopes_are_fitted_to() {
    let dir = tempfile::tempdir().unwrap();
    // The whole network, so that there is one sample.
    run(Monitor::builder(dir.path()).whole());
    let (scaling, spectra) =
        (Table::read(dir.path(), "scaling.csv"), Table::read(dir.path(), "spectra.csv"));
    for step in ["0", "10", "20"] {
        let (fits, points): (Vec<Row<'_>>, Vec<Row<'_>>) =
            rows_of(&scaling, step).into_iter().partition(Row::is_fit);
        assert_eq!(
            fits.iter().map(|row| row.cell("what")).collect::<Vec<_>>(),
            ["slope", "intercept"]
        );
        assert!((10..=24).contains(&points.len()), "{}", points.len());
        for q in ["-3", "-2", "-1", "1", "2", "3"] {
            let column = format!("ln_z_{q}");
            let [slope, intercept] = [0, 1].map(|k| fits[k].number(&column));
            let spectrum = rows_of(&spectra, step);
            let tau = spectrum.iter().find(|row| row.cell("q") == format!("{q}.0")).unwrap();
            assert_eq!(slope, tau.number("tau"), "q {q}");
            // Z is monotonous in r, and the line goes between its values.
            let ln_z: Vec<f64> = points.iter().map(|row| row.number(&column)).collect();
            let rises = slope > 0.0;
            assert!(ln_z.windows(2).all(|z| (z[0] < z[1]) == rises), "q {q}: {ln_z:?}");
            let off =
                |row: &Row<'_>| row.number(&column) - intercept - slope * row.number("r").ln();
            let offs: Vec<f64> = points.iter().map(off).collect();
            assert!(offs.iter().any(|o| *o > 0.0) && offs.iter().any(|o| *o < 0.0), "{offs:?}");
        }
        // At d every p is 1: Z is the number of kept neurons, 80.
        let last = points.last().unwrap();
        assert!((last.number("ln_z_2") - 80f64.ln()).abs() < 1e-12);
    }
}

#[test]
fn boxes_hold_what_a_dimension_is_fitted_to() {
    let dir = tempfile::tempdir().unwrap();
    run(Monitor::builder(dir.path()).with_neurons());
    let boxes = Table::read(dir.path(), "boxes.csv");
    for step in [0, 10, 20] {
        let file = dir.path().join(NEURONS).join(format!("step-{step}.csv"));
        let text = std::fs::read_to_string(file).unwrap();
        let neurons: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        for layer in ["layer.0", "layer.1"] {
            let rows = rows_of(&boxes, &step.to_string()).into_iter();
            let (fits, points): (Vec<Row<'_>>, Vec<Row<'_>>) =
                rows.filter(|row| row.cell("layer") == layer).partition(Row::is_fit);
            assert_eq!(fits.len(), 1);
            let fit = &fits[0];
            // The same neuron as in the file of all neurons.
            let is_it = |row: &&Vec<&str>| row[0] == layer && row[1] == fit.cell("neuron");
            let whole = neurons.iter().find(is_it).unwrap();
            assert_eq!([fit.cell("dimension"), fit.cell("r2")], [whole[3], whole[4]]);
            let edges: f64 = whole[2].parse().unwrap();
            let masses: Vec<f64> = points.iter().map(|row| row.number("mass")).collect();
            assert_eq!(*masses.last().unwrap(), edges + 1.0);
            assert!((2..=24).contains(&masses.len()) && masses.is_sorted_by(|a, b| a < b));
        }
    }
}

#[test]
fn boxes_need_layers_and_not_the_whole_network() {
    let dir = tempfile::tempdir().unwrap();
    run(Monitor::builder(dir.path()).without_stable());
    let boxes = Table::read(dir.path(), "boxes.csv");
    let fits = rows_of(&boxes, "20").into_iter().filter(Row::is_fit).count();
    assert_eq!(fits, 2, "from the first sample");
    run(Monitor::builder(dir.path()).without_layers().overwrite());
    assert!(!dir.path().join("boxes.csv").exists() && dir.path().join("scaling.csv").exists());
}

/// Name and text of each file in neurons/, by name.
fn neuron_files(run: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(run.join(NEURONS)).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|e| {
            let text = std::fs::read_to_string(e.path()).unwrap();
            (e.file_name().into_string().unwrap(), text)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn neurons_are_written_on_request_and_cut_back_by_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    let builder = || Monitor::builder(dir.path()).with_neurons();
    run(builder());
    let files = neuron_files(dir.path());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["step-0.csv", "step-10.csv", "step-20.csv"]);
    let lines: Vec<&str> = files[2].1.lines().collect();
    assert_eq!(lines[0], "layer,neuron,edges,dimension,dimension_r2,degree");
    assert_eq!(lines.len(), 1 + 80);
    assert!(lines[1].starts_with("layer.0,0,") && lines[80].starts_with("layer.1,47,"));
    // The statistics of layers.csv are those of the file.
    let degree = |line: &&str| line.rsplit(',').next().unwrap().parse::<f64>().unwrap();
    let mean = lines[1..].iter().map(degree).sum::<f64>() / 80.0;
    let layers = Table::read(dir.path(), "layers.csv");
    assert!((layers.number("degree_mean", 8) / mean - 1.0).abs() < 1e-12);

    let mut monitor = builder().resume_at(10).every(10).attach_source(weights_at(9)).unwrap();
    assert_eq!(neuron_files(dir.path()).len(), 1, "the steps that are run again are gone");
    monitor.flush().unwrap();
    drop(monitor);
    run(builder().resume_at(10));
    assert_eq!(neuron_files(dir.path()), files);
}

#[test]
fn the_rescaled_start_is_growth_alone_also_after_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    let controls = Controls::default().with_rescaled_start();
    let builder = || Monitor::builder(dir.path()).controls(controls);
    run(builder());
    assert!(dir.path().join(START).is_file());
    let before = Table::read(dir.path(), "emergence.csv");
    let rescaled = before.column("E_rescaled_start");
    assert_eq!(rescaled[0], "0.0");
    // The loop's weights grow, and differ more and more between neurons: growth is less than all.
    assert!(before.number("E_rescaled_start", 2) > 0.0);
    assert_ne!(rescaled[2], before.column("E_stable")[2]);
    run(builder().resume_at(5));
    assert_eq!(Table::read(dir.path(), "emergence.csv").column("E_rescaled_start"), rescaled);
}

/// Another program cuts or changes the file while the run reads it.
#[test]
fn a_rescaled_start_that_is_changed_costs_its_column_only() {
    for damage in [
        |path: &Path| std::fs::write(path, []).unwrap(),
        |path: &Path| {
            let mut bytes = std::fs::read(path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(path, bytes).unwrap();
        },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (weights, rows) = (weights_at(0), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&rows);
        let mut monitor = Monitor::builder(dir.path())
            .every(1)
            .controls(Controls::default().with_rescaled_start())
            .on_row(move |row| {
                let of = |name| row.value(name).is_some();
                seen.lock().unwrap().push((of("E_rescaled_start"), of("E_stable")));
            })
            .attach_source(weights.clone())
            .unwrap();
        for step in 1..=4 {
            set_weights(&weights, step);
            let _ = monitor.step(step, &[]).unwrap();
            monitor.flush().unwrap();
            if step == 2 {
                damage(&dir.path().join(START));
            }
        }
        monitor.finish().unwrap();
        let expected = [(true, true), (true, true), (true, true), (false, true), (false, true)];
        assert_eq!(*rows.lock().unwrap(), expected);
    }
}

/// In the process that trains no file is mapped that another program may cut short.
#[cfg(target_os = "linux")]
#[test]
fn training_maps_no_file_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let controls = Controls::default().with_rescaled_start();
    let attach = |builder: MonitorBuilder| {
        let monitor = builder.controls(controls).attach_source(weights_at(0)).unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let folder = dir.path().to_str().unwrap();
        let mapped: Vec<&str> = maps.lines().filter(|line| line.contains(folder)).collect();
        assert!(mapped.is_empty(), "{mapped:?}");
        monitor.finish().unwrap();
    };
    attach(Monitor::builder(&first));
    attach(Monitor::builder(&first).resume());
    attach(Monitor::builder(&second).baseline(first.join(START)));
}

#[test]
fn a_rule_can_watch_the_excess() {
    let dir = tempfile::tempdir().unwrap();
    let rule = StopRule::on("E_excess").max().stopping_threshold(-1.0);
    let summary = run(Monitor::builder(dir.path()).stop_when(rule));
    let reason = summary.stop().unwrap().reason.clone();
    assert!(reason.starts_with("E_excess"), "{reason}");
    assert!(summary.to_string().contains("\nE_excess "), "{summary}");
}

#[test]
fn without_the_stable_estimator_there_are_no_controls() {
    let dir = tempfile::tempdir().unwrap();
    run(Monitor::builder(dir.path()).without_stable().without_layers());
    let emergence = Table::read(dir.path(), "emergence.csv");
    for name in ["E_shuffled", "E_stable_shuffled", "E_excess", "E_norm_matched"] {
        assert!(emergence.column(name).iter().all(String::is_empty), "{name}");
    }
    assert!(!dir.path().join("layers.csv").exists());
}

#[test]
fn a_step_is_marked_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    run(Monitor::builder(dir.path()));
    let emergence = Table::read(dir.path(), "emergence.csv");
    for name in ["r2_min", "kept", "concave", "argmax_stable"] {
        for row in 0..3 {
            let mark = emergence.number(name, row);
            assert!((0.0..=1.0).contains(&mark), "{name}: {mark}");
        }
    }
    assert_eq!(emergence.column("kept")[0], "1.0");
    assert_eq!(emergence.column("argmax_stable")[0], "1.0");
    assert!(emergence.column("codes").iter().any(|codes| !codes.is_empty()), "a row has a code");
}
