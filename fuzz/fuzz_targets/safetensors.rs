//! The header of a safetensors file; its length is put before it, and some data after it.
#![no_main]

mod open;

libfuzzer_sys::fuzz_target!(|header: &[u8]| {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend_from_slice(&[0; 64]);
    open::open(&file);
});
