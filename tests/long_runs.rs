//! A resume of a long run: the same as by reading all of its tables, and neither reads nor holds them.
#![allow(unsafe_code)]

mod loops;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use loops::interrupted::{complete, fast_folder};
use loops::long::lengthen;
use loops::{TABLES, Table, weights_at};
use neuromfa::internals::record::{Conclusion, read_rows};
use neuromfa::{Monitor, MonitorBuilder, RuleState, Samples, StopRule, Value};
use tempfile::TempDir;

const LAST: u64 = 1500;

/// Bytes that are allocated, and the most since it was last set.
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all calls are passed on to the system's allocator as they come.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn rule() -> StopRule {
    let loss = StopRule::on("grad_norm").patience(10_000).ignore_not_finite();
    StopRule::on("E").max().patience(10_000).or(loss)
}

fn builder(run: &Path) -> MonitorBuilder {
    let samples = Samples { neurons: 16, samples: 4, seed: 7 };
    Monitor::builder(run).quiet().every(1).sampled(samples).stop_when(rule()).threads(1)
}

fn long_run() -> (TempDir, PathBuf) {
    let dir = fast_folder();
    let run = dir.path().join("run");
    complete(builder(&run), 30);
    lengthen(&run, LAST);
    (dir, run)
}

/// The text of a table up to the first row of `step` or a later one.
fn before(text: &str, step: u64) -> &str {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        if line.split(',').next().unwrap().parse().is_ok_and(|at: u64| at >= step) {
            break;
        }
        end += line.len();
    }
    &text[..end]
}

fn texts(run: &Path) -> Vec<(PathBuf, String)> {
    let paths = TABLES.map(|name| run.join(name)).into_iter().filter(|path| path.exists());
    paths.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// One test, since it counts all allocations of the process.
#[test]
fn a_long_run_is_resumed_from_the_ends_of_its_tables() {
    let (_dir, run) = long_run();
    let whole = texts(&run);
    let bytes: usize = whole.iter().map(|(_, text)| text.len()).sum();
    assert!(bytes > 25 << 20, "{bytes}");

    // A resume in memory that does not grow with the tables.
    MOST.store(NOW.load(Relaxed), Relaxed);
    let at_first = NOW.load(Relaxed);
    let monitor = builder(&run).resume().attach_source(weights_at(0)).unwrap();
    let most = MOST.load(Relaxed) - at_first;
    assert_eq!(monitor.next_step(), LAST + 1);
    assert!(most < 6 << 20, "{most} bytes at once, of {bytes} in the tables");
    for (path, text) in &whole {
        assert!(*text == std::fs::read_to_string(path).unwrap(), "{}", path.display());
    }

    // What it knows of the rows is what all of them say.
    let emergence = Table::read(&run, "emergence.csv");
    let metrics = Table::read(&run, "metrics.csv");
    let mut state = RuleState::new(&rule());
    for (k, step) in emergence.column("step").iter().enumerate() {
        let at = metrics.column("step").iter().position(|logged| logged == step);
        let norm = at.map(|at| metrics.column("grad_norm")[at].clone()).unwrap_or_default();
        let value = |name: &str| match name {
            "E" => Value::Is(emergence.number("E", k)),
            _ => norm.parse().map_or(Value::Absent, Value::Is),
        };
        state.observe(&rule(), step.parse().unwrap(), &value);
    }
    let written = std::fs::read(run.join("state.json")).unwrap();
    let written: RuleState = serde_json::from_slice(&written).unwrap();
    assert_eq!(written, state);
    let summary = monitor.finish().unwrap();
    let e: Vec<f64> = (0..emergence.rows.len()).map(|k| emergence.number("E", k)).collect();
    assert_eq!(summary.rows(), LAST + 1);
    assert_eq!(summary.last_e(), Some((LAST, e[LAST as usize])));
    let best = e.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let first = e.iter().position(|e| *e == best).unwrap() as u64;
    assert_eq!(summary.best_e(), Some((first, best)));
    let conclusion = Conclusion::of(&read_rows(&run).unwrap());
    assert!(summary.to_string().contains(&format!("structure: {conclusion}")), "{summary}");

    // An earlier step than those at the ends, by places that are searched for.
    for at in [1200, 400, 25] {
        let monitor = builder(&run).resume_at(at).attach_source(weights_at(0)).unwrap();
        assert_eq!(monitor.next_step(), at);
        drop(monitor);
        for (path, text) in &whole {
            let kept = std::fs::read_to_string(path).unwrap();
            assert!(kept == before(text, at), "{} at {at}", path.display());
        }
    }

    // A table that ends early, by more than is read at first; and one that is damaged where a resume
    // does not look.
    let restore = || whole.iter().for_each(|(path, text)| std::fs::write(path, text).unwrap());
    restore();
    let spectra = run.join("spectra.csv");
    let text = &whole.iter().find(|(path, _)| *path == spectra).unwrap().1;
    std::fs::write(&spectra, &text[..before(text, 500).len() + 1000]).unwrap();
    let monitor = builder(&run).resume().attach_source(weights_at(0)).unwrap();
    assert_eq!(monitor.next_step(), 500);
    drop(monitor);
    for (path, text) in &whole {
        assert!(std::fs::read_to_string(path).unwrap() == before(text, 500), "{}", path.display());
    }
    restore();
    let mut damaged = text.clone().into_bytes();
    damaged[200_000..200_100].fill(b'x');
    std::fs::write(&spectra, &damaged).unwrap();
    let monitor = builder(&run).resume().attach_source(weights_at(0)).unwrap();
    assert_eq!(monitor.next_step(), LAST + 1);
    drop(monitor);
    assert!(std::fs::read(&spectra).unwrap() == damaged);
}
