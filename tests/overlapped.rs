//! Weights that are counted beside training: lent only to a loop that passes the gate, and never read
//! after it.

mod loops;

use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use loops::Table;
use neuromfa::network::Parameter;
use neuromfa::source::{Lent, Source, SourceError, Tensor};
use neuromfa::{Error, Monitor, OnFailure, Work};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SHAPES: [(&str, [usize; 2]); 2] = [("0.weight", [60, 50]), ("2.weight", [40, 60])];

/// Weights in place, as a framework has them: written while others may read, each write counted.
#[derive(Clone, Default)]
struct Live(Arc<Inner>);

#[derive(Default)]
struct Inner {
    values: Vec<Vec<AtomicU32>>,
    version: AtomicU64,
    lent: AtomicUsize,                       // how often
    reads: AtomicUsize,                      // of lent tensors
    fails: AtomicBool,                       // reading what was lent panics
    held: Mutex<Option<mpsc::Receiver<()>>>, // what was lent is read only after word from here
}

impl Live {
    fn new() -> Self {
        let values = |n: usize| (0..n).map(|_| AtomicU32::new(0)).collect();
        let values = SHAPES.iter().map(|(_, [a, b])| values(a * b)).collect();
        let live = Self(Arc::new(Inner { values, ..Inner::default() }));
        live.update(0);
        live
    }

    fn write(&self, value: impl Fn(usize, usize) -> f32) {
        self.0.version.fetch_add(1, Ordering::SeqCst);
        for (t, values) in self.0.values.iter().enumerate() {
            for (k, cell) in values.iter().enumerate() {
                cell.store(value(t, k).to_bits(), Ordering::SeqCst);
            }
        }
    }

    /// The weights after a step's update.
    fn update(&self, step: u64) {
        let scale = 0.02 * (1.0 + 0.1 * step as f32);
        let drawn: Vec<Vec<f32>> = (self.0.values.iter().enumerate())
            .map(|(t, values)| {
                let mut rng = ChaCha8Rng::seed_from_u64(t as u64);
                values.iter().map(|_| rng.random_range(-1.0..1.0) * scale).collect()
            })
            .collect();
        self.write(|t, k| drawn[t][k]);
    }

    fn read(&self, name: &str) -> Tensor<'static> {
        let t = SHAPES.iter().position(|(known, _)| *known == name).unwrap();
        let values = self.0.values[t].iter().map(|v| f32::from_bits(v.load(Ordering::SeqCst)));
        Tensor::Owned(values.collect::<Vec<f32>>().into())
    }
}

impl Source for Live {
    fn parameters(&self) -> Vec<Parameter> {
        SHAPES.iter().map(|(name, shape)| Parameter::new(*name, shape.to_vec())).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        Ok(self.read(name))
    }

    fn lend(&self, _: &[&str]) -> Option<Box<dyn Lent>> {
        self.0.lent.fetch_add(1, Ordering::SeqCst);
        let version = self.0.version.load(Ordering::SeqCst);
        Some(Box::new(LentLive { live: self.clone(), version }))
    }
}

struct LentLive {
    live: Live,
    version: u64,
}

impl Source for LentLive {
    fn parameters(&self) -> Vec<Parameter> {
        self.live.parameters()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let inner = &self.live.0;
        assert!(!inner.fails.load(Ordering::SeqCst), "the framework panicked");
        if name == SHAPES[0].0
            && let Some(held) = &*inner.held.lock().unwrap()
        {
            held.recv().unwrap();
        }
        inner.reads.fetch_add(1, Ordering::SeqCst);
        Ok(self.live.read(name))
    }
}

impl Lent for LentLive {
    fn unchanged(&self) -> bool {
        self.live.0.version.load(Ordering::SeqCst) == self.version
    }
}

/// emergence.csv without times.
fn rows(folder: &Path) -> Vec<(String, Vec<String>)> {
    let table = Table::read(folder, "emergence.csv");
    let timeless = table.columns.iter().filter(|n| !n.ends_with("_ms") && *n != "wall_time");
    timeless.map(|name| (name.clone(), table.column(name))).collect()
}

const STEPS: u64 = 12;

/// The rows of a run that knows of no gate and works in this way.
fn plain(work: Work) -> Vec<(String, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::new();
    let builder = Monitor::builder(dir.path()).every(2).work(work);
    let mut monitor = builder.attach_source(live.clone()).unwrap();
    for step in 1..=STEPS {
        live.update(step);
        let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
    }
    monitor.finish().unwrap();
    assert_eq!(live.0.lent.load(Ordering::SeqCst), 0, "a loop without a gate is lent nothing");
    rows(dir.path())
}

#[test]
fn all_ways_to_work_write_the_same_rows() {
    let beside = plain(Work::Beside);
    assert_eq!(beside[0].1, ["0", "2", "4", "6", "8", "10", "12"]);
    assert!(plain(Work::Inline) == beside);
    assert!(plain(Work::Overlapped) == beside);
}

/// Reading what was lent is held back until the loop stands at the gate; once it has passed, the
/// weights are poisoned.
#[test]
fn the_gate_holds_until_the_weights_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::new();
    let builder = Monitor::builder(dir.path()).every(2).work(Work::Overlapped);
    let mut monitor = builder.attach_source(live.clone()).unwrap();
    let (release, held) = mpsc::channel();
    *live.0.held.lock().unwrap() = Some(held);
    let (at_the_gate, waiting) = mpsc::channel::<()>();
    let releaser = std::thread::spawn(move || {
        for () in waiting {
            (0..1000).for_each(|_| std::thread::yield_now());
            release.send(()).unwrap();
        }
    });
    for step in 1..=STEPS {
        let lent = step > 1 && (step - 1).is_multiple_of(2);
        let before = live.0.reads.load(Ordering::SeqCst);
        if lent {
            at_the_gate.send(()).unwrap();
        }
        monitor.before_update();
        let read = live.0.reads.load(Ordering::SeqCst) - before;
        assert_eq!(read, if lent { SHAPES.len() } else { 0 }, "at step {step}");
        live.write(|_, _| f32::NAN);
        live.update(step);
        // Returns, though nothing that it lends can be read yet.
        let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
    }
    at_the_gate.send(()).unwrap();
    monitor.finish().unwrap();
    drop(at_the_gate);
    releaser.join().unwrap();
    assert_eq!(live.0.lent.load(Ordering::SeqCst), 6);
    assert!(rows(dir.path()) == plain(Work::Beside));
}

#[test]
fn weights_updated_behind_the_gate_make_a_dropped_row_not_a_wrong_one() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::new();
    let builder = Monitor::builder(dir.path()).every(1).work(Work::Overlapped);
    let mut monitor = builder.attach_source(live.clone()).unwrap();
    monitor.before_update();
    live.update(1);
    let _ = monitor.step(1, &[("loss", 1.0)]).unwrap();
    live.update(2);
    let error = monitor.step(2, &[("loss", 0.5)]).unwrap_err();
    assert!(matches!(error, Error::Updated { step: 1 }));
    assert!(error.to_string().contains("step 1 is not analysed: its weights were updated"));
    live.update(3);
    let _ = monitor.step(3, &[("loss", 0.25)]).unwrap();
    let summary = monitor.finish().unwrap();
    assert_eq!((summary.rows, summary.dropped), (4, 1));
    let table = Table::read(dir.path(), "emergence.csv");
    assert_eq!(table.column("status"), ["ok", "dropped", "ok", "ok"]);
    assert_eq!(Table::read(dir.path(), "metrics.csv").column("loss"), ["1", "0.5", "0.25"]);
    assert_eq!(live.0.lent.load(Ordering::SeqCst), 1, "only after the gate was passed");
}

#[test]
fn a_panic_while_lent_weights_are_read_costs_a_row_and_not_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::new();
    let builder = Monitor::builder(dir.path()).every(1).work(Work::Overlapped);
    let mut monitor =
        builder.on_failure(OnFailure::KeepTraining).attach_source(live.clone()).unwrap();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|panic| {
        if std::thread::current().name().is_none_or(|name| !name.starts_with("neuromfa-")) {
            eprintln!("{panic}");
        }
    }));
    for step in 1..=4 {
        monitor.before_update();
        live.update(step);
        live.0.fails.store(step == 2, Ordering::SeqCst);
        let _ = monitor.step(step, &[]).unwrap();
    }
    monitor.finish().unwrap();
    panic::set_hook(hook);
    let table = Table::read(dir.path(), "emergence.csv");
    // Step 3 is counted from memory that a panic has left.
    assert_eq!(table.column("status"), ["ok", "ok", "dropped", "ok", "ok"]);
    assert!(!table.column("E_stable")[3].is_empty());
}

#[test]
fn a_gate_that_outlives_its_monitor_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::new();
    let builder = Monitor::builder(dir.path()).every(1).work(Work::Overlapped);
    let mut monitor = builder.attach_source(live.clone()).unwrap();
    let gate = monitor.gate();
    gate.pass();
    live.update(1);
    let _ = monitor.step(1, &[]).unwrap();
    let summary = monitor.finish().unwrap();
    assert_eq!(summary.rows, 2, "what was lent last is counted and recorded");
    gate.pass();
}

#[test]
fn inline_gives_the_verdict_on_the_step_itself() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::new();
    let rule = neuromfa::StopRule::on("loss").patience(2);
    let builder = Monitor::builder(dir.path()).every(1).work(Work::Inline).stop_when(rule);
    let mut monitor = builder.attach_source(live.clone()).unwrap();
    let told = (1..=10).find(|&step| {
        live.update(step);
        monitor.step(step, &[("loss", step as f64)]).unwrap().should_stop()
    });
    assert_eq!(told, Some(3));
    let stop = monitor.finish().unwrap().stop.unwrap();
    assert_eq!((stop.measured_step, stop.stopped_step), (3, Some(3)));
}
