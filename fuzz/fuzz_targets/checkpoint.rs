//! Any bytes as a checkpoint: start it from tests/data (zip archives and safetensors).
#![no_main]

mod open;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| open::open(bytes));
