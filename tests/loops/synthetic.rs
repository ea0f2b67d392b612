//! Run folders whose numbers a test makes up.

use std::fmt::Write;
use std::path::Path;

use neuromfa::{Monitor, Samples};

use super::weights_at;

/// A column, by its name, and its value at each step; empty where it has none.
pub type Column<'a> = (&'a str, &'a dyn Fn(u64) -> Option<f64>);

/// A run of this many steps, each of them analysed and logged.
pub fn write_run(folder: &Path, steps: u64, computed: &[Column], logged: &[Column]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("run.json"), run_json()).unwrap();
    let table = |from: u64, columns: &[Column], status: &str, cell: &str| {
        let mut text = "step,wall_time".to_owned();
        columns.iter().for_each(|(name, _)| write!(text, ",{name}").unwrap());
        writeln!(text, "{status}").unwrap();
        for step in from..=steps {
            write!(text, "{step},{step}.0").unwrap();
            for (_, value) in columns {
                let value = value(step).map_or_else(String::new, |value| format!("{value:?}"));
                write!(text, ",{value}").unwrap();
            }
            writeln!(text, "{cell}").unwrap();
        }
        text
    };
    let both = [logged, computed].concat();
    std::fs::write(folder.join("emergence.csv"), table(0, &both, ",status", ",ok")).unwrap();
    std::fs::write(folder.join("metrics.csv"), table(1, logged, "", "")).unwrap();
}

/// The configuration of a real run.
fn run_json() -> &'static str {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TEXT.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let builder = Monitor::builder(dir.path().join("run"))
            .sampled(Samples { neurons: 16, samples: 4, seed: 7 })
            .without_layers()
            .threads(1);
        builder.attach_source(weights_at(0)).unwrap().finish().unwrap();
        std::fs::read_to_string(dir.path().join("run/run.json")).unwrap()
    })
}
