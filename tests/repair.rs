//! Files damaged by a power loss, a full disk or a person: opening cuts a run back to the last step
//! that is complete in all of them, and resuming gives the files of an undamaged run.

mod loops;

use std::collections::BTreeMap;
use std::path::PathBuf;

use loops::interrupted::{EVERY, NEW_METRICS, assert_same, builder, complete, fast_folder, files};
use loops::warnings::warnings_of;
use loops::{TABLES, weights_at};
use neuromfa::internals::record::{RunConfig, resume};
use tempfile::TempDir;

const LAST: u64 = 160;

/// The files of a finished run, and a folder for damaged copies of them.
struct Undamaged {
    _dir: TempDir,
    copy: PathBuf,
    bytes: BTreeMap<String, Vec<u8>>,
    without_times: BTreeMap<String, String>,
}

impl Undamaged {
    fn new() -> Self {
        let dir = fast_folder();
        let [run, copy] = ["run", "copy"].map(|name| dir.path().join(name));
        complete(builder(&run), LAST);
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        };
        let is_file = |entry: &std::io::Result<std::fs::DirEntry>| {
            entry.as_ref().unwrap().file_type().unwrap().is_file()
        };
        let bytes = std::fs::read_dir(&run).unwrap().filter(is_file).map(read).collect();
        Self { copy, bytes, without_times: files(&run), _dir: dir }
    }

    /// Copies the files, some of them damaged; without a text they are missing.
    fn damage<'a>(&self, damaged: impl IntoIterator<Item = (&'a str, Option<Vec<u8>>)>) {
        let _ = std::fs::remove_dir_all(&self.copy);
        std::fs::create_dir(&self.copy).unwrap();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(self.copy.join(name), bytes).unwrap();
        };
        self.bytes.iter().for_each(|(name, bytes)| write(name, bytes));
        for (name, bytes) in damaged {
            match bytes {
                Some(bytes) => write(name, &bytes),
                None => std::fs::remove_file(self.copy.join(name)).unwrap(),
            }
        }
    }

    /// Resumes the copy to the end, and compares.
    fn assert_mended(&self, case: &str) {
        complete(builder(&self.copy).resume(), LAST);
        assert_same(&files(&self.copy), &self.without_times, case);
    }

    /// Names the table and changes nothing.
    fn assert_refused(&self, name: &str, case: &str) {
        let bytes = || TABLES.map(|table| std::fs::read(self.copy.join(table)).ok());
        let before = bytes();
        let error = builder(&self.copy).resume().attach_source(weights_at(0)).unwrap_err();
        let error = error.to_string();
        let way_out = ["overwrite", "Restore the header", "neuromfa repair"];
        let named = way_out.iter().any(|way| error.contains(way));
        assert!(error.contains(name) && named, "{case}: {error}");
        assert_eq!(bytes(), before, "{case}");
    }

    /// The step of the row that holds this byte.
    fn step_at(&self, name: &str, byte: usize) -> u64 {
        let text = &self.bytes[name];
        let start = text[..byte].iter().rposition(|&b| b == b'\n').unwrap() + 1;
        let row = std::str::from_utf8(&text[start..]).unwrap();
        row.split(',').next().unwrap().parse().unwrap()
    }

    /// The text of a table up to the first row of `step` or a later one.
    fn before(&self, name: &str, step: u64) -> Vec<u8> {
        let lines = self.bytes[name].split_inclusive(|&b| b == b'\n');
        let is_before = |line: &&[u8]| {
            let line = std::str::from_utf8(line).unwrap();
            line.split(',').next().unwrap().parse().map_or(true, |row: u64| row < step)
        };
        lines.take_while(is_before).collect::<Vec<_>>().concat()
    }
}

fn every_cut_is_repaired(name: &str) {
    let run = Undamaged::new();
    let config: RunConfig = serde_json::from_slice(&run.bytes["run.json"]).unwrap();
    let whole = &run.bytes[name];
    // Each place in some of the last rows.
    let bytes = match name {
        "hashes.csv" => 256,
        "emergence.csv" | "metrics.csv" => 1024,
        _ => 512,
    };
    for cut in whole.len() - bytes..whole.len() {
        let case = format!("{name} cut at byte {cut}");
        run.damage([(name, Some(whole[..cut].to_vec()))]);
        let due = |step: u64| step.is_multiple_of(EVERY);
        let opened = resume(&run.copy, &config, None, (None, false), &due).unwrap().unwrap();
        let step = run.step_at(name, cut);
        assert!(step >= NEW_METRICS.end, "the cuts come after the last new column");
        assert_eq!(opened.next_step, step, "{case}");
        drop(opened);
        for table in TABLES {
            let repaired = std::fs::read(run.copy.join(table)).unwrap();
            assert!(repaired == run.before(table, step), "{case}: {table}");
        }
        if cut % 16 == 0 {
            run.damage([(name, Some(whole[..cut].to_vec()))]);
            run.assert_mended(&case);
        }
    }
}

#[test]
fn every_cut_of_metrics_is_repaired() {
    every_cut_is_repaired("metrics.csv");
}

#[test]
fn every_cut_of_spectra_is_repaired() {
    every_cut_is_repaired("spectra.csv");
}

#[test]
fn every_cut_of_hashes_is_repaired() {
    every_cut_is_repaired("hashes.csv");
}

#[test]
fn every_cut_of_hops_is_repaired() {
    every_cut_is_repaired("hops.csv");
}

#[test]
fn every_cut_of_layers_is_repaired() {
    every_cut_is_repaired("layers.csv");
}

#[test]
fn every_cut_of_distributions_is_repaired() {
    every_cut_is_repaired("distributions.csv");
}

#[test]
fn every_cut_of_scaling_is_repaired() {
    every_cut_is_repaired("scaling.csv");
}

#[test]
fn every_cut_of_boxes_is_repaired() {
    every_cut_is_repaired("boxes.csv");
}

#[test]
fn every_cut_of_emergence_is_repaired() {
    every_cut_is_repaired("emergence.csv");
}

/// Damage after which no row of a table can be recognised; a crash does not cause it.
const LOSES_ALL: [&str; 6] = [
    "it is missing",
    "it is empty",
    "half of the header is there",
    "the header is there alone",
    "the header is zeros",
    "the newline of the header is lost",
];

/// Damage with whole rows after it: to cut the file there would lose them.
const IN_THE_MIDDLE: [&str; 4] = [
    "zeros are within a row",
    "zeros instead of rows",
    "a newline is lost",
    "the second half is there twice",
];

/// Ways in which a table can be damaged other than by a cut.
fn damages(whole: &[u8]) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let newlines: Vec<usize> = (0..whole.len()).filter(|&k| whole[k] == b'\n').collect();
    let middle = newlines[newlines.len() / 2];
    let with_zeros = |range: std::ops::Range<usize>| {
        let mut bytes = whole.to_vec();
        bytes[range].fill(0);
        bytes
    };
    let without =
        |range: std::ops::Range<usize>| [&whole[..range.start], &whole[range.end..]].concat();
    let header = newlines[0];
    [
        ("it is missing", None),
        ("it is empty", Some(vec![])),
        ("half of the header is there", Some(whole[..header / 2].to_vec())),
        ("the header is there alone", Some(whole[..=header].to_vec())),
        ("the header is zeros", Some(with_zeros(0..header))),
        ("zeros come after the end", Some([whole, &[0; 4096]].concat())),
        ("zeros come after the end, and a newline", Some([whole, &[0; 4096], b"\n"].concat())),
        ("zeros are at the end", Some(with_zeros(whole.len() - 1000..whole.len()))),
        ("zeros are within a row", Some(with_zeros(middle + 12..middle + 16))),
        ("zeros instead of rows", Some(with_zeros(middle + 9..middle + 1500))),
        ("the newline of the header is lost", Some(without(header..header + 1))),
        ("a newline is lost", Some(without(middle..middle + 1))),
        ("the second half is there twice", Some([whole, &whole[middle + 1..]].concat())),
    ]
    .into()
}

#[test]
fn other_damage_is_repaired_or_refused() {
    let run = Undamaged::new();
    for name in TABLES {
        for (what, bytes) in damages(&run.bytes[name]) {
            run.damage([(name, bytes)]);
            if LOSES_ALL.contains(&what) || IN_THE_MIDDLE.contains(&what) {
                run.assert_refused(name, what);
            } else {
                run.assert_mended(&format!("{name}: {what}"));
            }
        }
    }
    run.damage(TABLES.map(|name| (name, None)));
    run.assert_mended("all tables are missing");
    // The other tables say which steps there were, so that a row cannot go unnoticed.
    for name in ["spectra.csv", "hops.csv", "emergence.csv"] {
        let lines: Vec<&[u8]> = run.bytes[name].split_inclusive(|&b| b == b'\n').collect();
        let row = lines.len() / 2;
        let bytes = [&lines[..row], &lines[row + 1..]].concat().concat();
        run.damage([(name, Some(bytes.clone()))]);
        let attach = || builder(&run.copy).resume().attach_source(weights_at(0)).unwrap();
        let (monitor, warned) = warnings_of(attach);
        assert_eq!(monitor.next_step(), LAST + 1, "{name}");
        assert!(warned.iter().any(|text| text.contains(&format!("{name} lacks"))), "{warned:?}");
        drop(monitor);
        assert_eq!(std::fs::read(run.copy.join(name)).unwrap(), bytes, "nothing more is lost");
    }
}

#[test]
fn what_is_lost_by_more_than_a_crash_is_warned_of() {
    let run = Undamaged::new();
    let warnings = |name: &str, bytes_lost: usize| {
        let whole = &run.bytes[name];
        run.damage([(name, Some(whole[..whole.len() - bytes_lost].to_vec()))]);
        let attach = || builder(&run.copy).resume().attach_source(weights_at(0)).unwrap();
        warnings_of(|| attach().next_step())
    };
    assert_eq!(warnings("metrics.csv", 1), (LAST, vec![]), "a step that was being written");
    let (next_step, warned) = warnings("emergence.csv", 1000);
    let expected = format!(
        "the files of the run in {} are complete only before step {next_step}: the rows from that \
         step on are removed",
        run.copy.display()
    );
    assert_eq!(warned, [expected]);
}

#[test]
fn what_a_resume_does_not_need_may_be_damaged() {
    let run = Undamaged::new();
    for name in ["state.json", "summary.json"] {
        for bytes in [None, Some(vec![]), Some(b"{\"stop\"".to_vec())] {
            run.damage([(name, bytes)]);
            run.assert_mended(name);
        }
    }
    for name in run.bytes.keys().filter(|name| *name != ".lock") {
        run.damage([(format!("{name}.neuromfa-new").as_str(), Some(b"step,wa".to_vec()))]);
        run.assert_mended(&format!("{name}.neuromfa-new is left over"));
    }
}

#[test]
fn what_a_resume_needs_is_named_and_nothing_is_changed() {
    let run = Undamaged::new();
    for name in ["run.json", "nodes.json", "baseline.json"] {
        for bytes in [None, Some(vec![]), Some(run.bytes[name][..10].to_vec())] {
            let rows = run.bytes["metrics.csv"][..5000].to_vec();
            run.damage([(name, bytes), ("metrics.csv", Some(rows.clone()))]);
            let error = builder(&run.copy).resume().attach_source(weights_at(0)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(name) && error.contains("overwrite"), "{error}");
            assert_eq!(std::fs::read(run.copy.join("metrics.csv")).unwrap(), rows);
            assert!(run.copy.join("summary.json").exists());
        }
    }
}
