//! A long run: a short one whose last steps are repeated.

use std::io::{BufWriter, Write};
use std::path::Path;

use super::TABLES;

/// Steps that are repeated in turn.
const TURNS: u64 = 3;

/// Repeats the last steps of a run whose every step is analysed, up to the step `last`.
pub fn lengthen(run: &Path, last: u64) {
    for path in TABLES.map(|name| run.join(name)).iter().filter(|path| path.exists()) {
        let text = std::fs::read_to_string(path).unwrap();
        let step = |line: &str| line.split(',').next().unwrap().parse::<u64>().ok();
        let end = text.lines().last().and_then(step).unwrap();
        let rows = |turn: u64| -> Vec<&str> {
            let rows = text.lines().filter(|line| step(line) == Some(end - turn));
            rows.map(|line| &line[line.find(',').unwrap()..]).collect()
        };
        let rows: Vec<Vec<&str>> = (0..TURNS).map(rows).collect();
        let file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        let mut file = BufWriter::with_capacity(1 << 20, file);
        for step in end + 1..=last {
            for row in &rows[(step % TURNS) as usize] {
                writeln!(file, "{step}{row}").unwrap();
            }
        }
        file.flush().unwrap();
    }
}
