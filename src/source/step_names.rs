//! Steps in the names of files and folders: the one place that reads them.
//!
//! | in a name | step |
//! |---|---|
//! | `step=100`, `global_step=100` as a word of its own | 100, wherever it is; `train_loss_step=2` is another quantity |
//! | `step100`, `step-100`, `step_100`, `global_step100` | 100, wherever it is |
//! | `checkpoint-100`, `ckpt_100`, `iter_100`, `model_100` at the end | 100 |
//! | `epoch=7`, `epoch_7` | epoch 7, which is a step where nothing else says one |
//! | `-v1` at the end | the second file of this name |
//!
//! A number with a unit or a decimal point (`4B`, `2.31`, `10k`) is no step.

use std::path::Path;

/// Ends of the names of files that may hold weights.
pub(super) const WEIGHTS: [&str; 8] =
    ["safetensors", "pt", "pth", "bin", "ckpt", "ot", "pth.tar", "pt.tar"];
/// Words that a step number may follow at the end of a name.
const WORDS: [&str; 7] =
    ["checkpoint", "ckpt", "iter", "iteration", "model", "globalstep", "weights"];
/// Words before `_step=` that leave it a step.
const OF_STEP: [&str; 5] = ["", "global", "train", "trainer", "optimizer"];
/// Words before `_step_` that make it another quantity.
const OF_OTHERS: [&str; 8] =
    ["loss", "acc", "accuracy", "accum", "accumulation", "lr", "warmup", "val"];
/// Words that mark a copy of another checkpoint.
const COPIES: [&str; 3] = ["last", "best", "latest"];

/// Words that mark averages of the weights over steps.
const AVERAGES: [&str; 2] = ["ema", "swa"];

/// What a name says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Step(u64),
    Epoch(u64),
    /// No step; why, where there is a reason.
    Silent(&'static str),
    /// The name of something that is being written, or was left by a crash.
    Passing,
    /// A copy of another checkpoint, by its name.
    Copy,
}

/// The step that a trainer noted in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) step: u64,
    pub(super) sure: bool, // whether it is noted as a step of the run: `step` may be one of an epoch
}

/// The keys under which trainers keep the step in a file, those that mean nothing else first.
const NOTED: [&str; 6] = ["global_step", "global_steps", "iter_num", "iteration", "step", "iter"];
/// So many of these are steps of the run.
const SURE: usize = 4;

/// The step in a file of which this gives the numbers under keys.
pub(super) fn noted(mut number: impl FnMut(&str) -> Option<u64>) -> Option<Inside> {
    let keys = NOTED.iter().enumerate();
    keys.into_iter().find_map(|(k, key)| Some(Inside { step: number(key)?, sure: k < SURE }))
}

/// What the name of a file or folder says.
pub(super) fn named(path: &Path) -> Named {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Named::Silent("its name is no text");
    };
    let name = name.to_ascii_lowercase();
    if is_passing(&name) {
        return Named::Passing;
    }
    let name = without_version(without_end(&name)).0;
    match step(name) {
        Ok(Some(step)) => return Named::Step(step),
        Ok(None) => {}
        Err(why) => return Named::Silent(why),
    }
    if names_a_copy(name) {
        return Named::Copy;
    }
    match epoch(name) {
        Some(epoch) => Named::Epoch(epoch),
        None if name.contains(|c: char| c.is_ascii_digit()) => {
            Named::Silent("no number in its name is a step")
        }
        None => Named::Silent("its name says no step"),
    }
}

/// Whether the name has a word that marks a copy: `last`, `best`, `latest`.
pub(super) fn is_copy(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    names_a_copy(without_end(&name.to_ascii_lowercase()))
}

fn names_a_copy(name: &str) -> bool {
    has_word(name, &COPIES)
}

/// Whether the name says that it holds averages of the weights over steps.
pub(super) fn is_average(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    has_word(&name.to_ascii_lowercase(), &AVERAGES)
}

fn has_word(name: &str, words: &[&str]) -> bool {
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| words.contains(&word))
}

/// Whether the name has no end that says what the file is: `g_00000005`, `model.1000`.
pub(super) fn has_no_end(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str());
    end.is_none_or(|end| end.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The number of `-v1` at the end of a name, which Lightning gives to another file of the same name.
pub(super) fn version(path: &Path) -> u64 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    without_version(without_end(name)).1
}

pub(super) fn has_end_of_weights(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    without_end(name).len() < name.len()
}

fn without_end(name: &str) -> &str {
    let end = |end: &&str| name.strip_suffix(*end)?.strip_suffix('.');
    WEIGHTS.iter().filter_map(end).min_by_key(|rest| rest.len()).unwrap_or(name)
}

fn without_version(name: &str) -> (&str, u64) {
    let before = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let version = name[before.len()..].parse();
    match (before.strip_suffix("-v"), version) {
        (Some(rest), Ok(version)) if !rest.is_empty() => (rest, version),
        _ => (name, 0),
    }
}

fn is_passing(name: &str) -> bool {
    name.starts_with('.')
        || ["tmp-", "tmp_", "tmp.", "temp-", "temp_"].iter().any(|start| name.starts_with(start))
        || [".tmp", "-tmp", "_tmp", ".incomplete", ".part", ".partial"]
            .iter()
            .any(|end| name.ends_with(end) || without_end(name).ends_with(end))
}

/// The number that a word `step` of the name has, or the number at its end.
fn step(name: &str) -> Result<Option<u64>, &'static str> {
    let mut found = None;
    for (at, _) in name.match_indices("step") {
        let (before, after) = (&name[..at], &name[at + 4..]);
        let after = after.strip_prefix('s').unwrap_or(after);
        let separated = after.trim_start_matches(['-', '_', '=', '.', ' ']);
        let separators = &after[..after.len() - separated.len()];
        if separators.len() > 1 || !separated.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        // What stands before it in the same word.
        let word =
            before.rsplit(|c: char| !c.is_ascii_alphabetic() && c != '_').next().unwrap_or("");
        let quantity = word.trim_matches('_');
        let whole = match separators {
            "=" => OF_STEP.contains(&quantity),
            _ => {
                let words = word.ends_with('_') || quantity == "global";
                let last = quantity.rsplit('_').next().unwrap_or(quantity);
                word.is_empty() || words && !OF_OTHERS.contains(&last)
            }
        };
        if whole {
            let number = number(separated)?;
            if found.is_some_and(|found| found != number) {
                return Err("its name says two steps");
            }
            found = Some(number);
        }
    }
    if found.is_some() {
        return Ok(found);
    }
    let before = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let (digits, words) = (&name[before.len()..], before.trim_end_matches(['-', '_', '.', '=']));
    let follows = WORDS.iter().any(|word| {
        words
            .strip_suffix(word)
            .is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphabetic()))
    });
    if digits.is_empty() || !follows {
        return Ok(None);
    }
    number(digits).map(Some)
}

/// The number at the beginning of a text.
fn number(text: &str) -> Result<u64, &'static str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut rest = text[end..].chars();
    match (rest.next(), rest.next()) {
        (Some('.' | ','), Some(c)) if c.is_ascii_digit() => {
            Err("the number after step has a decimal point")
        }
        (Some(c), _) if c.is_ascii_alphabetic() => Err("the number after step has a unit"),
        (Some('_'), Some(c)) if c.is_ascii_digit() => Err("the number after step is in parts"),
        _ => text[..end].parse().map_err(|_| "the number after step is too large"),
    }
}

/// The number of the epoch.
fn epoch(name: &str) -> Option<u64> {
    let (_, after) = name.rsplit_once("epoch")?;
    let number_at = after.trim_start_matches(['-', '_', '=']);
    number(number_at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Named {
        named(Path::new(name))
    }

    #[test]
    fn steps() {
        for (name, expected) in [
            ("neox-step300.safetensors", 300),
            ("checkpoint-0.safetensors", 0),
            ("checkpoint-500", 500),
            ("global_step_12.safetensors", 12),
            ("global_step14", 14),
            ("step=1000.ckpt", 1000),
            ("epoch=3-step=1000.ckpt", 1000),
            ("epoch=3_step=1000.ckpt", 1000),
            ("epoch=3-step=1000-val_loss=0.25.ckpt", 1000),
            ("epoch=0-step=100-train_loss_step=2.31.ckpt", 100),
            ("train_loss_step=2.31-epoch=0-step=100.ckpt", 100),
            ("epoch=0-step=100-train_loss_step=2.ckpt", 100),
            ("epoch=0-global_step=100-val_acc_step=3.ckpt", 100),
            ("epoch=0-step=100-v1.ckpt", 100),
            ("megatron_gpt--val_loss=2.31-step=1000-consumed_samples=256000.0.ckpt", 1000),
            ("ckpt_1000.pt", 1000),
            ("ckpt_1000.pth.tar", 1000),
            ("iter_0001000.pt", 1000),
            ("iter_0000100", 100),
            ("model_1000.pt", 1000),
            ("pytorch_model_20.bin", 20),
            ("step143000", 143_000),
            ("step-7", 7),
            ("model-step8.ot", 8),
            ("Checkpoint_5.pth", 5),
            ("step1000-tokens4B", 1000),
            ("step0-tokens0B", 0),
            ("step1000-unsharded", 1000),
            ("stage1-step1000-tokens5B", 1000),
            ("stage2-ingredient1-step1000-tokens5B", 1000),
            ("step-001000-2BT", 1000),
            ("epoch=0-step=3.ckpt", 3),
            ("best-step=100.ckpt", 100),
            ("model_step1000.pt", 1000),
        ] {
            assert_eq!(of(name), Named::Step(expected), "{name}");
        }
    }

    #[test]
    fn what_is_no_step() {
        for name in [
            "model-00001-of-00002.safetensors",
            "pytorch_model-00001-of-00002.bin",
            "model.safetensors",
            "gpt2.safetensors",
            "step=.ckpt",
            "step=99999999999999999999.ckpt",
            "rng_state_0.pth",
            "train_loss_step=2.31.ckpt",
            "train_loss_step=2.ckpt",
            "step10k.pt",
            "step=2.5.ckpt",
            "ckpt_2.5.pt",
            "val_acc_step_3.pt",
            "grad_accum_steps_4.pt",
            "lr_step_30.pt",
            "step_1_000.pt",
            "tokens4B",
            "llama-7b.pt",
            "ckpt_300_final.pt",
            "step1-step2.pt",
            "overstep5.pt",
            "ckpt.pt",
        ] {
            assert!(matches!(of(name), Named::Silent(_)), "{name}: {:?}", of(name));
        }
        for (name, epoch) in
            [("epoch=00-val_loss=2.31.ckpt", 0), ("epoch=7.ckpt", 7), ("epoch_12.pth", 12)]
        {
            assert_eq!(of(name), Named::Epoch(epoch), "{name}");
        }
        for name in ["tmp-checkpoint-200", ".step5", "checkpoint-5.tmp", "model_100.tmp.pt"] {
            assert_eq!(of(name), Named::Passing, "{name}");
        }
        for name in
            ["last.ckpt", "best.pt", "last-v1.ckpt", "model_best.pth.tar", "checkpoint_last.pt"]
        {
            assert_eq!(of(name), Named::Copy, "{name}");
        }
        assert_eq!(version(Path::new("epoch=0-step=100-v2.ckpt")), 2);
        assert_eq!(version(Path::new("model-v1")), 1);
    }
}
