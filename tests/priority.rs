//! The priorities of the monitor's threads.
#![cfg(target_os = "linux")]

mod loops;

use std::sync::mpsc;

use loops::{set_weights, weights_at};
use neuromfa::{Monitor, Work};

/// Names and nice values of this program's threads.
fn threads() -> Vec<(String, i64)> {
    let of = |task: std::fs::DirEntry| {
        let read = |file| std::fs::read_to_string(task.path().join(file)).ok();
        let name = read("comm")?.trim().to_owned();
        // Field 19; the second is the name in brackets.
        let stat = read("stat")?;
        let nice = stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()?;
        Some((name, nice))
    };
    std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| of(task.unwrap())).collect()
}

/// The threads of a monitor that has analysed a step, while nobody waited for it.
fn of_monitor(work: Work) -> Vec<(String, i64)> {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let (written, rows) = mpsc::channel();
    let builder = Monitor::builder(dir.path()).every(1).work(work).on_row(move |row| {
        written.send(row.step()).unwrap();
    });
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    set_weights(&weights, 1);
    let _ = monitor.step(1, &[("loss", 1.0)]).unwrap();
    assert_eq!([rows.recv().unwrap(), rows.recv().unwrap()], [0, 1]);
    let threads = threads().into_iter().filter(|(name, _)| name.starts_with("neuromfa-"));
    let threads = threads.collect();
    monitor.finish().unwrap();
    threads
}

#[test]
fn only_the_side_thread_has_the_lowest_priority() {
    let own = threads()[0].1;
    // First the one without a side thread, which may outlive its monitor for a moment.
    let inline = of_monitor(Work::Inline);
    assert!(
        inline.iter().all(|(name, nice)| name != "neuromfa-side" && *nice == own),
        "{inline:?}"
    );
    let background = of_monitor(Work::Background);
    let named = |name: &str| background.iter().filter(|(n, _)| n == name).count();
    assert_eq!((named("neuromfa-side"), named("neuromfa-record")), (1, 1), "{background:?}");
    for (name, nice) in &background {
        let expected = if name == "neuromfa-side" { 19 } else { own };
        assert_eq!(*nice, expected, "{name}");
    }
}
