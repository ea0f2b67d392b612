//! The input of the model: characters, their numbers, and the batches drawn from them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::options::Options;

/// What it learns by default: crates that it is built with, 4.9 MB of Rust, of which it takes the first.
const CRATES: [&str; 9] = [
    "anyhow",
    "clap_builder",
    "crossbeam-channel",
    "csv",
    "rayon",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
];
const BYTES_OF_SOURCES: usize = 4_000_000;
/// One character in this many is held out, at the end of the text.
const HELD_OUT: usize = 20;
/// A character rarer than one in this many becomes `UNKNOWN`.
const COMMON: usize = 100_000;
const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

/// A text as token numbers, its last 5 % held out.
#[derive(Debug)]
pub struct Text {
    pub origin: String,
    // sorted; the index of a character is its token
    pub vocabulary: Vec<char>,
    training: Vec<i64>,
    held_out: Vec<i64>,
}

impl Text {
    /// Reads `file`, or without one the sources of some crates in Cargo's registry folder.
    pub fn read(file: Option<&Path>, context: usize) -> Result<Self> {
        let (origin, text) = match file {
            Some(file) => (file.display().to_string(), read_lossy(file)?),
            None => registry_sources()?,
        };
        Self::new(origin, &text, context)
    }

    fn new(origin: String, text: &str, context: usize) -> Result<Self> {
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
        let known = |c: char| *token.get(&c).unwrap_or(&token[&UNKNOWN]);
        let mut training: Vec<i64> = text.chars().map(known).collect();
        let held_out = training.split_off(total - total / HELD_OUT);
        ensure!(
            held_out.len() > context,
            "{origin} has {total} characters; a context of {context} needs at least {}: \
             name a longer text with --text FILE, or a smaller --context",
            HELD_OUT * (context + 1),
        );
        Ok(Self { origin, vocabulary, training, held_out })
    }

    /// Characters in all.
    pub fn len(&self) -> usize {
        self.training.len() + self.held_out.len()
    }

    /// Inputs and targets of one step, a function of `(seed, step)` alone: a resumed run sees
    /// the batches that it would have seen.
    pub fn batch(&self, options: &Options, step: u64) -> (Tensor, Tensor) {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(step);
        let end = self.training.len() - options.context as usize;
        let starts = (0..options.batch).map(|_| rng.random_range(0..end));
        windows(&self.training, starts, options)
    }

    /// Batches spread evenly over the held-out part.
    pub fn held_out(
        &self,
        options: &Options,
        batches: i64,
    ) -> impl Iterator<Item = (Tensor, Tensor)> {
        let end = self.held_out.len() - options.context as usize;
        let start = move |window| (window as usize * end) / (batches * options.batch) as usize;
        let batch = move |i| (i * options.batch..(i + 1) * options.batch).map(start);
        (0..batches).map(move |i| windows(&self.held_out, batch(i), options))
    }
}

/// The windows of tokens that begin at `starts`, and the same windows one token on.
fn windows(
    tokens: &[i64],
    starts: impl Iterator<Item = usize>,
    options: &Options,
) -> (Tensor, Tensor) {
    let length = options.context as usize;
    let drawn: Vec<i64> =
        starts.flat_map(|start| &tokens[start..=start + length]).copied().collect();
    let windows = Tensor::from_slice(&drawn).view([-1, options.context + 1]).to(options.device);
    (windows.narrow(1, 0, options.context), windows.narrow(1, 1, options.context))
}

fn read_lossy(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The sources of [`CRATES`] in the versions of Cargo.lock, which Cargo has unpacked to build this program: the same
/// text on every machine.
fn registry_sources() -> Result<(String, String)> {
    let way_out = "name a text with --text FILE";
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .with_context(|| format!("neither CARGO_HOME nor a home folder is set: {way_out}"))?;
    let folder = cargo.join("registry").join("src");
    let mut text = String::new();
    for name in CRATES {
        let unpacked = format!("{name}-{}", locked_version(name)?);
        let registries =
            list(&folder).with_context(|| format!("no Rust sources from Cargo: {way_out}"))?;
        let mut found = registries.into_iter().map(|registry| registry.join(&unpacked));
        let path = found
            .find(|path| path.is_dir())
            .with_context(|| format!("{} holds no {unpacked}: {way_out}", folder.display()))?;
        append_sources(&path, &mut text)?;
    }
    Ok((format!("{} crates in {}", CRATES.len(), folder.display()), text))
}

/// The version of a crate in Cargo.lock, which has one of each.
fn locked_version(name: &str) -> Result<&'static str> {
    let lock = include_str!("../../Cargo.lock");
    let before = format!("\nname = \"{name}\"\nversion = \"");
    let version = lock.split_once(&before).and_then(|(_, rest)| rest.split('"').next());
    version.with_context(|| format!("Cargo.lock has no {name}"))
}

/// What a folder holds, in order.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

fn append_sources(folder: &Path, text: &mut String) -> Result<()> {
    for path in list(folder)? {
        if text.len() >= BYTES_OF_SOURCES {
            break;
        }
        if path.is_dir() {
            append_sources(&path, text)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&read_lossy(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn options(seed: &str) -> Options {
        Options::parse_from(["char_lm", "--context", "16", "--batch", "4", "--seed", seed])
    }

    #[test]
    fn a_batch_depends_on_seed_and_step_alone() {
        let text = Text::new("test".into(), &"fn main() { loop {} }\n".repeat(100), 16).unwrap();
        let (inputs, targets) = text.batch(&options("7"), 42);
        let _between = text.batch(&options("7"), 41);
        assert!(inputs.equal(&text.batch(&options("7"), 42).0));
        assert!(!inputs.equal(&text.batch(&options("7"), 43).0));
        assert!(!inputs.equal(&text.batch(&options("8"), 42).0));
        assert!(inputs.narrow(1, 1, 15).equal(&targets.narrow(1, 0, 15)));
    }

    #[test]
    fn a_rare_character_becomes_the_unknown_one() {
        let text = Text::new("test".into(), &format!("{}α", "ab".repeat(150_000)), 16).unwrap();
        assert_eq!(text.vocabulary, ['a', 'b', UNKNOWN]);
        assert_eq!(text.held_out.last(), Some(&2));
        assert_eq!((text.training.len(), text.held_out.len()), (285_001, 15_000));
    }

    #[test]
    fn the_default_text_is_the_same_everywhere() {
        for name in CRATES {
            let entry = format!("\nname = \"{name}\"\n");
            let versions = include_str!("../../Cargo.lock").matches(&entry);
            assert_eq!(versions.count(), 1, "{name}");
        }
        assert!(locked_version("csv").unwrap().starts_with("1."));
        let (origin, text) = registry_sources().unwrap();
        assert!(origin.starts_with("9 crates in ") && text.len() >= BYTES_OF_SOURCES);
        assert!(text.contains("pub struct ReaderBuilder"), "csv");
    }

    #[test]
    fn the_least_length_is_the_one_that_the_refusal_names() {
        let of_length = |n: usize| Text::new("short.txt".into(), &"a".repeat(n), 16);
        let error = of_length(339).unwrap_err().to_string();
        assert!(error.contains("at least 340") && error.contains("--text FILE"), "{error}");
        let text = of_length(340).unwrap();
        let (inputs, _) = text.held_out(&options("0"), 3).last().unwrap();
        assert_eq!(inputs.size(), [4, 16]);
    }
}
