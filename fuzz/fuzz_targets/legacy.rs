//! The object and the storages of a file that torch wrote before version 1.6, after a valid beginning.
#![no_main]

mod open;

/// The magic number and the version, pickled, and an empty dict.
const BEGINNING: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";

libfuzzer_sys::fuzz_target!(|rest: &[u8]| open::open(&[BEGINNING, rest].concat()));
