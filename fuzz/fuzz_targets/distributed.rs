//! The table of a distributed checkpoint, next to the files of a whole one; or, if the first byte is odd, one of
//! these files next to the table; or, if it is 2, a file of pieces.
#![no_main]

mod open;

const TABLE: &[u8] = include_bytes!("../../tests/data/sharded/dcp/.metadata");
const FILES: [(&str, &[u8]); 2] = [
    ("__0_0.distcp", include_bytes!("../../tests/data/sharded/dcp/__0_0.distcp")),
    ("__1_0.distcp", include_bytes!("../../tests/data/sharded/dcp/__1_0.distcp")),
];
const PIECE: &[u8] = include_bytes!(
    "../../tests/data/sharded/pieces/shard-00002-model-00001-of-00001.safetensors"
);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).expect("a temporary file is written");
    };
    if *kind == 2 {
        write("shard-00001-model-00001-of-00001.safetensors", bytes);
        write("shard-00002-model-00001-of-00001.safetensors", PIECE);
    } else {
        FILES.iter().for_each(|(name, bytes)| write(name, bytes));
        write(".metadata", if kind % 2 == 0 { bytes } else { TABLE });
        if kind % 2 == 1 {
            write(FILES[0].0, bytes);
        }
    }
    open::read(dir.path());
});
