//! Opens bytes as a checkpoint and reads all tensors.

use std::io::Write;

use neuromfa::source::{CheckpointFile, Source};

pub fn open(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("a temporary file is written");
    let Ok(source) = CheckpointFile::open(file.path()) else { return };
    for parameter in source.parameters() {
        if let Ok(tensor) = source.tensor(&parameter.name) {
            let elements: usize = parameter.shape.iter().product();
            assert_eq!(tensor.values().len(), elements);
        }
    }
}
