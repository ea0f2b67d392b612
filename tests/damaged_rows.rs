//! Rows that are damaged, with whole rows after them: an error for readers, a refusal for a resume; a
//! repair drops them alone.

mod loops;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loops::interrupted::{builder, complete, fast_folder, run_to};
use loops::warnings::warnings_of;
use loops::{TABLES, weights_at};
use neuromfa::internals::record::{Conclusion, read_rows, read_table, repair};
use neuromfa::source::{Memory, Source};
use neuromfa::{Monitor, RecordError, StopRule};

const LAST: u64 = 40;

type Files = BTreeMap<String, Vec<u8>>;

fn read(run: &Path) -> Files {
    let paths = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.filter(|p| p.is_file()).map(|p| (name(&p), std::fs::read(&p).unwrap())).collect()
}

fn write(run: &Path, files: &Files) {
    let _ = std::fs::remove_dir_all(run);
    std::fs::create_dir(run).unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(run.join(name), bytes).unwrap());
}

fn tables(files: &Files) -> Files {
    let table = |(name, _): &(&String, &Vec<u8>)| TABLES.contains(&name.as_str());
    files.iter().filter(table).map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect()
}

/// What a row may become, and what is then said of it.
fn damages(row: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let text = std::str::from_utf8(row).unwrap();
    let (step, rest) = text.split_once(',').unwrap();
    let of_step = |step: &str| format!("{step},{rest}").into_bytes();
    let mut zeros = row.to_vec();
    zeros[step.len()] = 0;
    let end = row.len() - 1;
    let mut latin = row.to_vec();
    latin[0] = 0xe9;
    let mut damages = vec![
        (zeros, "it has NUL bytes"),
        (latin, "it is not UTF-8"),
        (format!("{step}{rest}").into_bytes(), "it has "),
        ([&row[..end], b",1\n"].concat(), "it has "),
        ([&row[..end / 2], b"\n"].concat(), ""),
        (of_step(&format!("{step}x")), "is not a whole number"),
        (of_step(&format!("-{step}")), "is not a whole number"),
        (of_step(&format!("+{step}")), "is not a whole number"),
        (of_step(""), "is not a whole number"),
        (of_step("99999999999999999999999"), "is not a whole number"),
        (of_step(&format!("\"{step}")), "quote"),
        (of_step(&format!("{step}\"")), "a quote is within"),
        (of_step(&format!("\"{step}\"0")), "text follows the quote"),
        (of_step("0"), "comes after step"),
    ];
    if rest.parse::<f64>().is_ok() || rest.contains("0.") {
        let broken = rest.replacen("0.", "O.", 1);
        damages.push((format!("{step},{broken}").into_bytes(), "is no number"));
    }
    damages
}

#[test]
fn a_damaged_row_is_an_error_and_a_repair_drops_it_alone() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), LAST);
    let whole = read(&whole);
    for name in TABLES {
        let undamaged = lines(&whole[name]);
        let row = undamaged.len() / 2;
        for (bytes, why) in damages(&undamaged[row]) {
            let case = format!("{name}: {:?}", String::from_utf8_lossy(&bytes));
            let mut damaged = undamaged.clone();
            damaged[row] = bytes;
            let mut files = whole.clone();
            files.insert(name.to_owned(), damaged.concat());
            write(&run, &files);
            let error = read_table(&run.join(name)).unwrap_err();
            assert!(matches!(error, RecordError::Row { .. }), "{case}: {error}");
            let error = error.to_string();
            assert!(error.contains(&format!("line {} of ", row + 1)), "{case}: {error}");
            assert!(error.contains(why) && error.contains("neuromfa repair "), "{case}: {error}");
            for at in [None, Some(5), Some(LAST + 1)] {
                let builder = match at {
                    Some(step) => builder(&run).resume_at(step),
                    None => builder(&run).resume(),
                };
                let refused = builder.attach_source(weights_at(0)).unwrap_err().to_string();
                assert_eq!(refused, error, "{case}");
                assert_eq!(tables(&read(&run)), tables(&files), "{case}: nothing has changed");
            }
            let repaired = repair(&run).unwrap();
            assert_eq!(repaired.len(), 1, "{case}");
            let kept = run.join(format!("{name}.damaged"));
            assert_eq!(repaired[0].kept, kept, "{case}");
            assert_eq!(std::fs::read(kept).unwrap(), files[name], "{case}");
            damaged.remove(row);
            files.insert(name.to_owned(), damaged.concat());
            assert_eq!(tables(&read(&run)), tables(&files), "{case}: one row is dropped");
            assert!(repair(&run).unwrap().is_empty(), "{case}");
            let attach = || builder(&run).resume().attach_source(weights_at(0)).unwrap();
            let (monitor, warned) = warnings_of(attach);
            assert_eq!(monitor.next_step(), LAST + 1, "{case}");
            let holes = warned.iter().filter(|text| text.contains("lacks rows of steps")).count();
            // The rows of a step in layers.csv say how many there are in distributions.csv; a step
            // of metrics.csv need not be analysed.
            let expected = match name {
                "metrics.csv" => 0..=0,
                "scaling.csv" | "boxes.csv" => 0..=1, // their fits are counted
                "layers.csv" | "distributions.csv" => 1..=2,
                _ => 1..=1,
            };
            assert!(expected.contains(&holes), "{case}: {warned:?}");
            monitor.finish().unwrap();
            assert_eq!(tables(&read(&run)), tables(&files), "{case}: a resume cuts nothing");
        }
    }
}

#[test]
fn several_damages_and_a_tail_are_repaired_by_the_builder() {
    let dir = fast_folder();
    let run = dir.path().join("run");
    complete(builder(&run), LAST);
    let whole = read(&run);
    let mut files = whole.clone();
    let mut expected = whole.clone();
    for name in ["metrics.csv", "emergence.csv", "spectra.csv"] {
        let mut rows = lines(&whole[name]);
        let last = rows.len() - 1;
        let cut = rows[last].len() / 2;
        rows[last].truncate(cut);
        rows.remove(3);
        rows.remove(5);
        expected.insert(name.to_owned(), rows[..last - 2].concat());
        rows.insert(3, b"3,not a row\n".to_vec());
        // A step far ahead: those after it are whole.
        let mut far = rows[4].clone();
        far.splice(..0, *b"99");
        rows.insert(6, far);
        files.insert(name.to_owned(), rows.concat());
    }
    files.insert("metrics.csv.damaged".to_owned(), b"of an earlier repair".to_vec());
    write(&run, &files);
    let attach = || builder(&run).repair().resume().attach_source(weights_at(0)).unwrap();
    let (monitor, warned) = warnings_of(attach);
    assert_eq!(monitor.next_step(), 39, "the last analysed step was being written");
    let dropped = warned.iter().filter(|text| text.contains("2 damaged rows dropped (line 4: "));
    assert_eq!(dropped.count(), 3, "{warned:?}");
    assert_eq!(std::fs::read(run.join("metrics.csv.damaged")).unwrap(), b"of an earlier repair");
    let kept = std::fs::read(run.join("metrics.csv.damaged2")).unwrap();
    assert_eq!(kept, files["metrics.csv"]);
    let found = read(&run);
    for name in TABLES {
        let prefix = &found[name];
        assert!(expected[name].starts_with(prefix), "{name}");
        assert!(prefix.len() * 100 > expected[name].len() * 80, "{name}: most is there");
    }
    drop(monitor);
}

#[test]
fn the_stop_rule_and_the_verdict_follow_from_the_rows_that_remain() {
    let dir = fast_folder();
    let [repaired, removed] = ["repaired", "removed"].map(|name| dir.path().join(name));
    let stops = || StopRule::on("E").max().patience(10_000);
    let stopping = |run: &Path| builder(run).stop_when(stops());
    complete(stopping(&repaired), LAST);
    let mut files = read(&repaired);
    let state = |run: &Path| std::fs::read_to_string(run.join("state.json")).unwrap();
    let undamaged = state(&repaired);
    // The rule's best row, which is the last one here.
    let mut rows = lines(&files["emergence.csv"]);
    let best = rows.len() - 1;
    let extra = rows[best].clone();
    let mut damaged = rows.clone();
    damaged[best] = [b"x", &extra[..]].concat();
    // One more row, so that the damaged one is not the last.
    let text = String::from_utf8(rows[best - 1].clone()).unwrap();
    let (_, rest) = text.split_once(',').unwrap();
    let last = format!("{},{rest}", LAST + 100).into_bytes();
    damaged.push(last.clone());
    files.insert("emergence.csv".to_owned(), damaged.concat());
    write(&repaired, &files);
    rows[best] = last;
    files.insert("emergence.csv".to_owned(), rows.concat());
    write(&removed, &files);
    repair(&repaired).unwrap();
    for run in [&repaired, &removed] {
        drop(stopping(run).resume_at(LAST + 101).attach_source(weights_at(0)).unwrap());
    }
    assert_eq!(state(&repaired), state(&removed));
    assert_ne!(state(&repaired), undamaged);
    let verdict = |run: &Path| Conclusion::of(&read_rows(run).unwrap()).to_string();
    assert_eq!(verdict(&repaired), verdict(&removed));
}

#[test]
fn lines_that_end_with_two_bytes_are_rows() {
    let dir = fast_folder();
    let run = dir.path().join("run");
    complete(builder(&run), LAST);
    let mut files = read(&run);
    for name in TABLES {
        let text = String::from_utf8(files[name].clone()).unwrap();
        let mark = if name == "layers.csv" { "\u{feff}" } else { "" };
        files.insert(name.to_owned(), format!("{mark}{}", text.replace('\n', "\r\n")).into_bytes());
    }
    write(&run, &files);
    let weights = weights_at(LAST);
    let mut monitor = builder(&run).resume().attach_source(weights.clone()).unwrap();
    assert_eq!(monitor.next_step(), LAST + 1);
    run_to(&mut monitor, &weights, LAST + 6);
    monitor.finish().unwrap();
    for (name, bytes) in read(&run).iter().filter(|(name, _)| TABLES.contains(&name.as_str())) {
        assert!(bytes.starts_with(&files[name]), "{name}: no row is lost");
    }
    assert_eq!(read_table(&run.join("metrics.csv")).unwrap().1.len() as u64, LAST + 6);
    let monitor = builder(&run).resume().attach_source(weights).unwrap();
    assert_eq!(monitor.next_step(), LAST + 7);
}

/// A spreadsheet would run some of these, and NUL bytes look like what a power loss leaves.
#[test]
fn names_that_look_like_something_else_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let tensors =
        ["=1+cmd|'/C calc'!A0", "@sum.weight", "a\0b\n.weight", "-x.weight", "'q\\n.weight"];
    let weights = Memory::new();
    for (k, name) in tensors.iter().enumerate() {
        let values: Vec<f32> =
            (0..32 * 32).map(|i| 0.01 + 0.001 * ((i * (k + 3)) % 97) as f32).collect();
        weights.set(name, &[32, 32], values).unwrap();
    }
    let builder = || Monitor::builder(dir.path()).every(1).quiet();
    let mut monitor = builder().attach_source(weights.clone()).unwrap();
    for step in 1..4 {
        let _ = monitor.step(step, &[("=a", 1.0), ("-0.5", 2.0), ("+b", -3.0)]).unwrap();
    }
    monitor.finish().unwrap();
    for name in TABLES.iter().filter(|name| dir.path().join(name).exists()) {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(!text.contains('\0'), "{name}");
        for cell in text.lines().flat_map(|line| line.split(',')) {
            let cell = cell.trim_start_matches('"');
            let runs = cell.starts_with(['=', '@', '+', '-']) && cell.parse::<f64>().is_err();
            assert!(!runs, "{name}: {cell}");
        }
    }
    let (columns, rows) = read_table(&dir.path().join("hashes.csv")).unwrap();
    assert_eq!(columns[1], "tensor");
    for name in weights.parameters().iter().map(|p| &p.name) {
        assert_eq!(rows.iter().filter(|row| row[1] == *name).count(), 4, "{name:?}");
    }
    let (columns, rows) = read_table(&dir.path().join("metrics.csv")).unwrap();
    assert_eq!(columns[2..], ["=a", "-0.5", "+b"]);
    assert_eq!(rows[2], ["3", &rows[2][1], "1.0", "2.0", "-3.0"]);
    let mut resumed = builder().resume().attach_source(weights).unwrap();
    assert_eq!(resumed.next_step(), 4, "nothing is lost");
    let _ = resumed.step(4, &[("=a", 1.0), ("@c", 2.0)]).unwrap();
    resumed.finish().unwrap();
    let (columns, rows) = read_table(&dir.path().join("metrics.csv")).unwrap();
    assert_eq!((columns[5].as_str(), rows.len()), ("@c", 4));
}
