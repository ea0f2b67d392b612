//! A run directory's CSV file.
#![no_main]

use std::io::Write;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("a temporary file is written");
    if let Ok((columns, rows)) = neuromfa::internals::record::read_table(file.path()) {
        assert!(rows.iter().all(|row| row.len() == columns.len()));
    }
});
