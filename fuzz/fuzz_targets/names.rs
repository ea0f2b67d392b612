//! Any name of a file in a folder of checkpoints, and any log next to it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (name, log) = text.split_once('\n').unwrap_or((&text, ""));
    let name: String = name.chars().filter(|c| !['/', '\0'].contains(c)).take(60).collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let _ = std::fs::write(dir.path().join(name), "");
    let _ = std::fs::write(dir.path().join("trainer_state.json"), log);
    if let Ok(found) = neuromfa::source::Checkpoint::find(&[dir.path()]) {
        found.iter().for_each(|checkpoint| drop(checkpoint.logged()));
    }
});
