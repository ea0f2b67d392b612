//! A checkpoint is mapped, not loaded: one that is larger than the memory a process may take is
//! analysed all the same.
#![cfg(target_os = "linux")]

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use loops::Table;

const LAYERS: usize = 4;
const WIDTH: usize = 4096;

/// What the process may take of memory of its own (`ulimit -d`): mapped files do not count.
const LIMIT_KIB: usize = 96 << 10;

/// A chain of square f32 matrices, uniform within ±0.03.
fn write(path: &Path) -> std::io::Result<u64> {
    let bytes = 4 * WIDTH * WIDTH;
    let entries = (0..LAYERS).map(|k| {
        let entry = serde_json::json!({
            "dtype": "F32", "shape": [WIDTH, WIDTH], "data_offsets": [k * bytes, (k + 1) * bytes]
        });
        (format!("{k}.weight"), entry)
    });
    let mut header = serde_json::Value::Object(entries.collect()).to_string();
    // As the format's own writers do, so that the weights are aligned.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    let mut state = 1u64;
    for _ in 0..LAYERS * WIDTH * WIDTH {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = (state >> 40) as f32 / (1 << 24) as f32;
        file.write_all(&(0.06 * uniform - 0.03).to_le_bytes())?;
    }
    file.into_inner()?.metadata().map(|metadata| metadata.len())
}

#[test]
fn a_checkpoint_larger_than_the_memory_allowed_is_analysed() {
    let dir = tempfile::tempdir().unwrap();
    let (model, run) = (dir.path().join("model-step0.safetensors"), dir.path().join("run"));
    let size = write(&model).unwrap() as usize;
    assert!(size > 2 * (LIMIT_KIB << 10), "{size} bytes");
    let command = format!("ulimit -d {LIMIT_KIB} && exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_neuromfa"), "analyze"])
        .args([model.as_os_str(), "--out".as_ref(), run.as_os_str()])
        .args(["--threads", "2"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(Table::read(&run, "emergence.csv").column("status"), ["ok"]);
}
