//! What the model reads: characters, their numbers, and the batches drawn from them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

const BYTES_OF_SOURCES: usize = 4_000_000;
const HELD_OUT: f64 = 0.05;
/// Stands for every character rarer than one in `COMMON`.
const UNKNOWN: char = char::REPLACEMENT_CHARACTER;
const COMMON: usize = 100_000;

/// A text as token numbers, its last 5 % held out.
#[derive(Debug)]
pub struct Text {
    pub origin: String,
    // sorted; a character's place is its token
    pub vocabulary: Vec<char>,
    training: Vec<i64>,
    held_out: Vec<i64>,
}

impl Text {
    /// Reads `file`, or without one the Rust sources in Cargo's registry folder.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let (origin, text) = match file {
            Some(file) => {
                let bytes =
                    fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                (file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())
            }
            None => registry_sources()?,
        };
        Ok(Self::new(origin, &text))
    }

    fn new(origin: String, text: &str) -> Self {
        let mut counts = HashMap::new();
        for character in text.chars() {
            *counts.entry(character).or_insert(0) += 1;
        }
        let total: usize = counts.values().sum();
        counts.retain(|_, count| *count >= total.div_ceil(COMMON));
        counts.insert(UNKNOWN, 0);
        let mut vocabulary: Vec<char> = counts.into_keys().collect();
        vocabulary.sort_unstable();

        let token: HashMap<char, i64> = vocabulary.iter().copied().zip(0..).collect();
        let mut training: Vec<i64> =
            text.chars().map(|c| *token.get(&c).unwrap_or(&token[&UNKNOWN])).collect();
        let held_out = training.split_off(total - (total as f64 * HELD_OUT) as usize);
        Self { origin, vocabulary, training, held_out }
    }

    /// Characters in all.
    pub fn len(&self) -> usize {
        self.training.len() + self.held_out.len()
    }

    /// Whether both parts hold at least one window.
    pub fn check(&self, context: usize) -> Result<()> {
        ensure!(
            self.held_out.len() > context && self.training.len() > context,
            "{} has {} characters, of which {} are held out; a context of {context} needs at least {}: \
             name a longer text with --text FILE, or a smaller --context",
            self.origin,
            self.len(),
            self.held_out.len(),
            (context as f64 / HELD_OUT).ceil() as usize + 20,
        );
        Ok(())
    }

    /// Inputs and targets of one step, a function of `(seed, step)` alone: a resumed run sees
    /// the batches that it would have seen.
    pub fn batch(&self, seed: u64, step: u64, batch: usize, context: usize) -> (Tensor, Tensor) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        let starts = (0..batch).map(|_| rng.random_range(0..self.training.len() - context));
        windows(&self.training, starts, context)
    }

    /// Batches spread evenly over the held-out part.
    pub fn held_out(
        &self,
        batches: usize,
        batch: usize,
        context: usize,
    ) -> impl Iterator<Item = (Tensor, Tensor)> {
        let room = self.held_out.len() - context;
        let start = move |i: usize| i * room / (batches * batch);
        (0..batches)
            .map(move |b| windows(&self.held_out, (b * batch..(b + 1) * batch).map(start), context))
    }
}

/// Windows of `context` tokens, and the same windows one token on.
fn windows(
    tokens: &[i64],
    starts: impl Iterator<Item = usize>,
    context: usize,
) -> (Tensor, Tensor) {
    let drawn: Vec<i64> =
        starts.flat_map(|start| &tokens[start..=start + context]).copied().collect();
    let windows = Tensor::from_slice(&drawn).view([-1, context as i64 + 1]);
    (windows.narrow(1, 0, context as i64), windows.narrow(1, 1, context as i64))
}

/// The sources of the crates that Cargo has unpacked, in the order of their paths.
fn registry_sources() -> Result<(String, String)> {
    let way_out = "name a text with --text FILE";
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .with_context(|| format!("neither CARGO_HOME nor a home folder is set: {way_out}"))?;
    let folder = cargo.join("registry").join("src");
    let mut text = String::new();
    append_sources(&folder, &mut text).with_context(|| format!("no Rust sources from Cargo: {way_out}"))?;
    ensure!(!text.is_empty(), "{} holds no Rust sources: {way_out}", folder.display());
    Ok((folder.display().to_string(), text))
}

fn append_sources(folder: &Path, text: &mut String) -> Result<()> {
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("cannot read {}", folder.display()))?;
    paths.sort();
    for path in paths {
        if text.len() >= BYTES_OF_SOURCES {
            break;
        }
        if path.is_dir() {
            append_sources(&path, text)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&String::from_utf8_lossy(&fs::read(path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_depends_on_seed_and_step_alone() {
        let text = Text::new("test".into(), &"fn main() { loop {} }\n".repeat(100));
        let (inputs, targets) = text.batch(7, 42, 4, 16);
        let _between = text.batch(7, 41, 4, 16);
        assert!(inputs.equal(&text.batch(7, 42, 4, 16).0));
        assert!(!inputs.equal(&text.batch(7, 43, 4, 16).0));
        assert!(!inputs.equal(&text.batch(8, 42, 4, 16).0));
        assert!(inputs.narrow(1, 1, 15).equal(&targets.narrow(1, 0, 15)));
    }

    #[test]
    fn a_rare_character_becomes_the_unknown_one() {
        let text = Text::new("test".into(), &format!("{}\u{3b1}", "ab".repeat(150_000)));
        assert_eq!(text.vocabulary, ['a', 'b', UNKNOWN]);
        assert_eq!(text.held_out.last(), Some(&2));
    }

    #[test]
    fn a_text_too_short_is_refused_with_the_way_out() {
        let text = Text::new("short.txt".into(), &"ab".repeat(50));
        let error = text.check(64).expect_err("5 characters held out hold no window of 64");
        assert!(error.to_string().contains("--text FILE"), "{error}");
    }
}
