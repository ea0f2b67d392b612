//! Random damage to files.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

/// Damages a text at one to three places: bytes, digits, cuts, pieces of itself, zeros.
pub fn damage(text: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=3) {
        if text.is_empty() {
            return;
        }
        let at = rng.random_range(0..text.len());
        let piece = text[at..(at + rng.random_range(1..=30)).min(text.len())].to_vec();
        match rng.random_range(0..8) {
            0 => text[at] = rng.random(),
            1 => text[at] = b"\",\n\r{}[]0-eNn"[rng.random_range(0..13)],
            2 => text.truncate(at),
            3 => drop(text.drain(at..at + piece.len())),
            4 => drop(text.splice(at..at, piece)),
            5 => text[at..at + piece.len()].fill(0),
            6 => drop(text.splice(at..at, *b"99999999999999999999")),
            _ => text[at] = b'0' + (rng.next_u32() % 10) as u8,
        }
    }
}
