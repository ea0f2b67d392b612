//! Opens bytes as a checkpoint and reads all tensors.

use std::io::Write;
use std::path::Path;

use neuromfa::source::{CheckpointFile, Source};

#[allow(dead_code)] // a target reads folders
pub fn open(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("a temporary file is written");
    read(file.path());
}

pub fn read(path: &Path) {
    let Ok(source) = CheckpointFile::open(path) else { return };
    for parameter in source.parameters() {
        if let Ok(tensor) = source.tensor(&parameter.name) {
            let elements: usize = parameter.shape.iter().product();
            assert_eq!(tensor.values().len(), elements);
        }
    }
}
