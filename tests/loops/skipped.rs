//! Tests, or parts of them, that this machine cannot run.

use std::io::Write;

/// Reports that the test is skipped, on standard error and in the file that NEUROMFA_SKIPPED names;
/// `make test` prints that file in its last line.
pub fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("{} ({why})\n", thread.name().unwrap_or("a test"));
    eprint!("skipped: {line}");
    let Some(path) = std::env::var_os("NEUROMFA_SKIPPED") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.unwrap().write_all(line.as_bytes()).unwrap();
}
