//! The pickle of an archive that is whole, with one storage of 64 bytes.
#![no_main]

mod open;
#[path = "../../tests/pickled/mod.rs"]
mod pickled;

libfuzzer_sys::fuzz_target!(|pickle: &[u8]| {
    open::open(&pickled::zip(&pickled::archive(pickle, &[vec![0; 64]]), false));
});
