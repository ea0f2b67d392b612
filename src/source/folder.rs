//! What a folder holds: a model under one of the names that trainers and libraries give it, in which
//! form, or why it is not read.

use std::path::{Path, PathBuf};

use super::step_names::{Named, has_end_of_weights, named};

/// The file names under which a folder may hold a model, in search order.
pub(super) const MODELS: [&str; 18] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "pytorch_lora_weights.safetensors",
    "pytorch_lora_weights.bin",
    "pytorch_model_fsdp.bin",
    "consolidated.safetensors",
    "model.pt",
    "model.pth",
    "model.ot",
    "flax_model.safetensors",
    "open_clip_pytorch_model.bin",
];
/// Other files that a trainer saves, by the beginnings of their names.
const STATE_OF_TRAINING: [&str; 10] = [
    "optim",
    "scheduler",
    "lr_scheduler",
    "rng_state",
    "random_states",
    "scaler",
    "training_args",
    "trainer_state",
    "train_state",
    "dataloader",
];
/// Files of weights in formats that are not read, by the ends of their names, with the formats.
const FOREIGN: [(&str, &str); 9] = [
    ("msgpack", "Flax"),
    ("h5", "HDF5 of Keras"),
    ("keras", "Keras"),
    ("gguf", "GGUF"),
    ("onnx", "ONNX"),
    ("npz", "NumPy"),
    ("npy", "NumPy"),
    ("pkl", "pickle"),
    ("pickle", "pickle"),
];
const DISTRIBUTED: &str = ".metadata";

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// A file, or the index of shards.
    Model(PathBuf),
    /// All shards of a model, without an index.
    Shards(Vec<PathBuf>),
    /// The table of a distributed checkpoint of torch.
    Distributed(PathBuf),
    /// Weights that are not read, and why.
    Refused(String),
    Nothing,
}

impl Held {
    /// Whether it lies in this folder itself, not in a folder in it.
    pub(super) fn lies_in(&self, folder: &Path) -> bool {
        match self {
            Self::Model(file) | Self::Distributed(file) => file.parent() == Some(folder),
            Self::Shards(files) => files.iter().all(|file| file.parent() == Some(folder)),
            Self::Refused(_) | Self::Nothing => false,
        }
    }

    pub(super) fn is_model(&self) -> bool {
        matches!(self, Self::Model(_) | Self::Shards(_) | Self::Distributed(_))
    }
}

/// What a folder holds, itself or, where its name says a step or nothing else is there, in a folder of
/// its own.
pub(super) fn held(folder: &Path) -> Held {
    let (files, folders) = listed(folder);
    let is_step = matches!(named(folder), Named::Step(_));
    match here(folder, &files, &folders, is_step) {
        Held::Nothing => within(folder, &folders, is_step),
        held => held,
    }
}

/// The file of a model in a folder, or the index of its shards; or why there is none to read alone.
///
/// # Errors
/// What the folder holds instead.
pub fn model_file(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    match held(path) {
        Held::Model(file) => Ok(file),
        Held::Refused(why) => Err(why),
        Held::Shards(_) => Err("it holds shards without an index".to_owned()),
        Held::Distributed(_) => Err("it holds a distributed checkpoint of torch".to_owned()),
        Held::Nothing => Err(format!("it holds none of {}", MODELS.join(", "))),
    }
}

/// Names of the files and folders in a folder, in order.
fn listed(folder: &Path) -> (Vec<String>, Vec<String>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        match entry.path() {
            path if path.is_file() => files.push(name),
            path if path.is_dir() => folders.push(name),
            _ => {}
        }
    }
    files.sort_unstable();
    folders.sort_unstable();
    (files, folders)
}

fn here(folder: &Path, files: &[String], folders: &[String], is_step: bool) -> Held {
    let has = |name: &str| files.iter().any(|file| file == name);
    if let Some(model) = MODELS.iter().find(|name| has(name)) {
        return Held::Model(folder.join(model));
    }
    if has(DISTRIBUTED) {
        return Held::Distributed(folder.join(DISTRIBUTED));
    }
    if let Some(shards) = shards(folder, files) {
        return shards;
    }
    if let Some(held) = of_a_framework(folder, files, folders) {
        return held;
    }
    let weights = files.iter().filter(|name| has_end_of_weights(Path::new(name)));
    let weights: Vec<&String> =
        weights.filter(|name| !is_state_of_training(Path::new(name))).collect();
    match &weights[..] {
        _ if !is_step => Held::Nothing,
        [only] => Held::Model(folder.join(only)),
        [first, second, ..] => Held::Refused(format!(
            "it holds {} files of weights, {first:?} and {second:?} among them: give the file",
            weights.len()
        )),
        [] => match files.iter().find_map(|name| Some((name, foreign(Path::new(name))?))) {
            Some((name, why)) => Held::Refused(format!("{name} is {why}")),
            None => Held::Nothing,
        },
    }
}

/// Shards that count themselves, `model-00001-of-00002.safetensors`, with no index next to them.
fn shards(folder: &Path, files: &[String]) -> Option<Held> {
    let parsed = |name: &String| {
        let (stem, end) = name.rsplit_once('.')?;
        let (rest, total) = stem.rsplit_once("-of-")?;
        let (model, number) = rest.rsplit_once('-')?;
        // HuggingFaceStorageWriter counts the ranks first.
        let model = match model.strip_prefix("shard-") {
            Some(rank) => rank.split_once('-')?.1,
            None => model,
        };
        let key = (model.to_owned(), end.to_owned(), total.parse::<usize>().ok()?);
        ["safetensors", "bin"].contains(&end).then_some((key, number.parse::<usize>().ok()?))
    };
    let found: Vec<_> = files.iter().filter_map(|name| Some((name, parsed(name)?))).collect();
    let key = &found.iter().find(|(name, _)| !is_state_of_training(Path::new(name)))?.1.0;
    let mine = || found.iter().filter(|(_, (other, _))| other == key);
    let total = key.2;
    let missing = (1..=total).find(|number| !mine().any(|(_, (_, of))| of == number));
    Some(match missing {
        Some(number) => {
            let (model, end, _) = key;
            Held::Refused(format!(
                "its shard {model}-{number:05}-of-{total:05}.{end} is missing, of {total}"
            ))
        }
        None => Held::Shards(mine().map(|(name, _)| folder.join(name)).collect()),
    })
}

/// The forms of DeepSpeed, Megatron, FSDP and others.
fn of_a_framework(folder: &Path, files: &[String], folders: &[String]) -> Option<Held> {
    let starting = |start: &str, end: &str| {
        files
            .iter()
            .filter(|name| name.starts_with(start) && name.ends_with(end))
            .collect::<Vec<_>>()
    };
    let refused = |why: &str| Some(Held::Refused(why.to_owned()));
    if !starting("__", ".metadata").is_empty() {
        return refused(
            "a distributed checkpoint of torch with a table for each rank, which is not read: convert \
             it with python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE.pt",
        );
    }
    if !starting("__", ".distcp").is_empty() {
        return refused(
            "a distributed checkpoint of torch without its .metadata, which is written last: it is \
             still being written, or was interrupted",
        );
    }
    if !starting("zero_pp_rank_", "_model_states.pt").is_empty() {
        return refused(
            "a checkpoint of DeepSpeed's ZeRO-3, whose weights are divided among the ranks: convert it \
             with the zero_to_fp32.py next to it (python zero_to_fp32.py FOLDER OUT)",
        );
    }
    if !starting("layer_", "-model_states.pt").is_empty() {
        return refused(
            "a checkpoint of GPT-NeoX, a file for each layer: convert it with \
             tools/ckpts/convert_neox_to_hf.py of GPT-NeoX",
        );
    }
    match &starting("mp_rank_", "_model_states.pt")[..] {
        [] => {}
        [only] => return Some(Held::Model(folder.join(only))),
        [_, ..] => {
            return refused(
                "a checkpoint of DeepSpeed with tensors divided among ranks (mp_rank_01): convert it \
                 with DeepSpeed's universal checkpoint (ds_to_universal.py)",
            );
        }
    }
    let megatron = |name: &&String| {
        let within = folder.join(name);
        let files = ["model_optim_rng.pt", "model_rng.pt", "distrib_optim.pt"];
        name.starts_with("mp_rank_") && files.iter().any(|file| within.join(file).is_file())
    };
    if folders.iter().any(|name| megatron(&name))
        || files.iter().any(|name| name == "model_optim_rng.pt")
    {
        return refused(
            "a checkpoint of Megatron-LM, whose tensors may be divided among ranks: convert it with \
             tools/checkpoint/convert.py of Megatron-LM, or save it with --ckpt-format torch_dist",
        );
    }
    if !starting("pytorch_model_fsdp_rank", ".bin").is_empty() {
        return refused(
            "FSDP's LOCAL_STATE_DICT, pieces that no converter joins: save with SHARDED_STATE_DICT or \
             FULL_STATE_DICT",
        );
    }
    match &starting("consolidated.", ".pth")[..] {
        [] => None,
        [only] => Some(Held::Model(folder.join(only))),
        [_, ..] => refused(
            "tensors divided among consolidated.00.pth and others: convert it with \
             convert_llama_weights_to_hf.py of transformers",
        ),
    }
}

/// What the folders in a folder hold, where one of them holds a model.
fn within(folder: &Path, folders: &[String], is_step: bool) -> Held {
    let mut found = Vec::new();
    for name in folders.iter().filter(|name| !name.starts_with('.')) {
        let path = folder.join(name);
        // A folder of checkpoints is not one checkpoint; DeepSpeed repeats the step.
        let skip = match named(&path) {
            Named::Step(_) => !(is_step && name.starts_with("global_step")),
            name => matches!(name, Named::Epoch(_) | Named::Passing),
        };
        if skip {
            continue;
        }
        let (files, folders) = listed(&path);
        match here(&path, &files, &folders, false) {
            Held::Nothing => {}
            held => found.push((name, held)),
        }
    }
    match found.len() {
        0 => Held::Nothing,
        1 => found.remove(0).1,
        n => match found.iter().position(|(name, _)| *name == "model_and_optim") {
            Some(k) => found.remove(k).1,
            None if is_step => Held::Refused(format!(
                "{n} folders in it hold weights, {:?} and {:?} among them: give the one to analyse",
                found[0].0, found[1].0
            )),
            None => Held::Nothing,
        },
    }
}

/// Whether a file holds the state of training, not weights: by its name.
pub fn is_state_of_training(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    STATE_OF_TRAINING.iter().any(|start| name.starts_with(start))
        || name.ends_with("_optim_states.pt")
}

/// What a file is, where it holds weights in a format that is not read.
pub(super) fn foreign(path: &Path) -> Option<String> {
    let end = path.extension()?.to_str()?.to_ascii_lowercase();
    let (_, format) = FOREIGN.iter().find(|(known, _)| *known == end)?;
    Some(format!("a file of {format}, which is not read: save the weights as safetensors"))
}

/// Why a file of a checkpoint in many files is not opened alone.
pub(super) fn is_a_part(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if name.ends_with(".distcp") || name == DISTRIBUTED {
        let folder = folder.display();
        return Some(format!(
            "a part of a distributed checkpoint of torch: give its folder, {folder}"
        ));
    }
    let zero = name.starts_with("zero_pp_rank_") || name.contains("_zero_pp_rank_");
    if zero || name.starts_with("layer_") && name.ends_with("-model_states.pt") {
        let (files, folders) = listed(folder);
        if let Some(Held::Refused(why)) = of_a_framework(folder, &files, &folders) {
            return Some(why);
        }
    }
    None
}
