//! The newest row of a run as a text file for Prometheus: what the textfile collector of its node exporter
//! reads.
//!
//! ```text
//! # HELP neuromfa_E_stable degree of emergence, stable; grows with scale
//! # TYPE neuromfa_E_stable gauge
//! neuromfa_E_stable{run="first"} 0.064
//! ```
//!
//! What the loop logs is `neuromfa_logged{run="first",name="loss"}`. The file is replaced by renaming. A
//! file of another program is not replaced.

use std::fmt::Write as _;
use std::io::{ErrorKind, Result};
use std::path::Path;

use super::columns::columns;
use super::regular::read_file;
use super::row::Row;

/// How each file begins.
const FIRST: &str = "# neuromfa wrote this file: ";

/// Writes the row of a run of this name.
///
/// # Errors
/// The system refuses, or the file is another program's.
pub(crate) fn write_prometheus(path: &Path, run: &str, row: &Row) -> Result<()> {
    match read_file(path) {
        Ok(old) if !old.is_empty() && !old.starts_with(FIRST.as_bytes()) => {
            let why = "neuromfa did not write it: name another file, or move this one";
            return Err(std::io::Error::new(ErrorKind::AlreadyExists, why));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".neuromfa-new");
    std::fs::write(&new, text(run, row))?;
    std::fs::rename(&new, path)
}

fn text(run: &str, row: &Row) -> String {
    let run = label(run);
    let mut text =
        format!("{FIRST}the newest row of a run; it is replaced at each analysed step\n");
    let mut gauge = |name: &str, help: &str, samples: &[(String, f64)]| {
        if samples.is_empty() {
            return;
        }
        let _ = writeln!(text, "# HELP neuromfa_{name} {help}\n# TYPE neuromfa_{name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(text, "neuromfa_{name}{{run=\"{run}\"{labels}}} {}", number(*value));
        }
    };
    let one = |value: f64| [(String::new(), value)];
    gauge("step", "the newest analysed step", &one(row.step as f64));
    gauge("time_seconds", "when it was taken, seconds since 1970", &one(row.wall_time));
    for column in columns().filter(|column| column.is_quantity()) {
        if let Some(value) = column.value(row) {
            gauge(column.name, column.meaning, &one(value));
        }
    }
    let logged = row.scalars.iter();
    let logged: Vec<(String, f64)> =
        logged.map(|(name, value)| (format!(",name=\"{}\"", label(name)), *value)).collect();
    gauge("logged", "what the training loop logs", &logged);
    text
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Emergence, Status};

    #[test]
    fn the_text_has_each_value_and_labels_are_escaped() {
        let mut emergence = Emergence::absent(Status::Ok, "");
        emergence.e_stable = Some(0.25);
        let logged = vec![("loss".into(), f64::INFINITY), ("a\"b\\\n".into(), f64::NAN)];
        let written = text("runs \"1\"", &Row::new(7, 1.5, logged, emergence));
        for line in [
            "neuromfa_step{run=\"runs \\\"1\\\"\"} 7",
            "neuromfa_time_seconds{run=\"runs \\\"1\\\"\"} 1.5",
            "# TYPE neuromfa_E_stable gauge",
            "neuromfa_E_stable{run=\"runs \\\"1\\\"\"} 0.25",
            "neuromfa_logged{run=\"runs \\\"1\\\"\",name=\"loss\"} +Inf",
            "neuromfa_logged{run=\"runs \\\"1\\\"\",name=\"a\\\"b\\\\\\n\"} NaN",
        ] {
            assert!(written.lines().any(|l| l == line), "{line} in\n{written}");
        }
        assert!(!written.contains("alpha0_excess{"), "what is absent has no sample");
    }

    #[test]
    fn a_file_of_another_program_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.prom");
        let row = Row::new(1, 0.0, Vec::new(), Emergence::absent(Status::Ok, ""));
        for _ in 0..2 {
            write_prometheus(&path, "run", &row).unwrap();
        }
        std::fs::write(&path, "theirs").unwrap();
        assert!(write_prometheus(&path, "run", &row).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left over");
    }
}
