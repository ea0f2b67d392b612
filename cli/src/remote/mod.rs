//! Checkpoints on other machines: on the Hugging Face Hub (`hf://`), on web servers (`https://`), in S3
//! (`s3://`).
//!
//! What is there is listed, and laid out as empty files in a folder of its own: the rules for folders of
//! this machine then find the checkpoints and their steps. Of each file the library reads the parts that it
//! needs ([`file::File`]), by requests that are tried again ([`transport::Transport`]).

mod bucket;
mod cache;
mod file;
mod hub;
mod layout;
mod revisions;
mod transport;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use neuromfa::internals::source::{Ranges, model_file, open_remote};
use neuromfa::source::{Checkpoint, CheckpointFile, SourceError};

use self::bucket::{Object, Store};
use self::file::{File, Place};
use self::hub::{Hub, Model, Web};
use self::layout::{Layout, is_safe};
use self::transport::{Limits, Transport};
use crate::steps::StepOptions;

/// How checkpoints on other machines are read.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Remote")]
pub struct RemoteOptions {
    /// Of a model on the Hugging Face Hub, take these branches or tags; `*` matches any text, and pythia is
    /// the schedule of that suite (step0, 1, 2, 4 .. 512, 1000, 2000 .. 143000).
    #[arg(long, value_name = "REVISION,..", value_delimiter = ',')]
    revisions: Vec<String>,
    /// Requests at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    connections: usize,
    /// Keep what is read in this folder, and read it from there the next time.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Seconds for which a server may send nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// How often a failed request is made again.
    #[arg(long, value_name = "N", default_value_t = 5)]
    retries: u32,
    /// Read up to this many bytes between two ranges rather than ask again. More is faster where answers
    /// take long, and reads more.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    gap: u64,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number from 1 on".to_owned()),
        Ok(n) => Ok(n),
    }
}

/// Whether this is an address on another machine.
pub fn is_address(path: &Path) -> bool {
    let text = path.to_string_lossy();
    ["hf://", "s3://", "https://", "http://"].iter().any(|scheme| text.starts_with(scheme))
}

/// Checkpoints on other machines; their paths are addresses.
#[derive(Clone)]
pub struct Series {
    pub checkpoints: Vec<Checkpoint>,
    files: Arc<BTreeMap<PathBuf, PathBuf>>, // of the checkpoints, by their addresses
    reader: Arc<Reader>,
}

/// Opens files on other machines.
struct Reader {
    hub: Hub,
    stores: Vec<(String, Arc<Store>)>, // by the names of the buckets
    signed: BTreeMap<String, String>,  // addresses as they were given, by what is shown of them
    transport: Arc<Transport>,
    gap: u64,
    cache: Option<PathBuf>,
}

impl RemoteOptions {
    /// Refuses what is without effect on files of this machine.
    pub fn check_local(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.revisions.is_empty(),
            "--revisions are those of a model at hf://ORG/MODEL"
        );
        Ok(())
    }

    /// The checkpoints at these addresses. The bar is drawn when bytes come.
    pub fn find(
        &self,
        addresses: &[PathBuf],
        steps: &StepOptions,
        bar: &ProgressBar,
    ) -> anyhow::Result<Series> {
        let Self { connections, retries, .. } = *self;
        let timeout = Duration::from_secs(self.timeout);
        let transport = Transport::new(Limits { connections, retries, timeout }, bar.clone());
        let mut reader = Reader {
            hub: Hub::new(),
            stores: Vec::new(),
            signed: BTreeMap::new(),
            transport: Arc::new(transport),
            gap: self.gap,
            cache: self.cache.clone(),
        };
        let mut layout = Layout::new()?;
        let mut paths = Vec::new();
        for address in addresses {
            let Some(text) = address.to_str().filter(|_| is_address(address)) else {
                bail!("{}: give addresses, or files of this machine, not both", address.display());
            };
            match text.split_once("://") {
                Some(("hf", rest)) => paths.extend(self.of_hub(rest, &reader, &mut layout)?),
                _ if !self.revisions.is_empty() => bail!("{text}: --revisions are those of hf://"),
                Some(("s3", _)) => paths.push(of_bucket(text, &mut reader, &mut layout)?),
                _ => {
                    for url in each_step(text, steps.listed())? {
                        // What follows ? may be a signature: it is not shown.
                        let shown = url.split('?').next().unwrap_or(&url).to_owned();
                        paths.push(layout.add(&shown)?);
                        if let Some(other) = reader.signed.insert(shown.clone(), url.clone())
                            && other != url
                        {
                            bail!(
                                "two addresses are {shown} up to their `?`: give them in runs of \
                                 their own, or with the step before it"
                            );
                        }
                    }
                }
            }
        }
        let file = |path: &Path| match model_file(path) {
            Ok(file) => Ok(PathBuf::from(layout.address(&file))),
            Err(why) => {
                let shown = layout.address(path);
                Err(io::Error::other(format!("{shown}: {why}: download it, and give its folder")))
            }
        };
        let open = |path: &Path| {
            let unread = |e| SourceError::File { path: layout.address(path).into(), source: e };
            reader.checkpoint(&file(path).map_err(|e| unread(e.into()))?)
        };
        let mut files = BTreeMap::new();
        let mut checkpoints = Vec::new();
        for Checkpoint { step, path, .. } in steps.find_by(&paths, &open)? {
            let address = PathBuf::from(layout.address(&path));
            files.insert(address.clone(), file(&path).context("cannot read a checkpoint")?);
            checkpoints.push(Checkpoint::new(step, address));
        }
        Ok(Series { checkpoints, files: Arc::new(files), reader: Arc::new(reader) })
    }

    /// The folders of a model's revisions.
    fn of_hub(
        &self,
        text: &str,
        reader: &Reader,
        layout: &mut Layout,
    ) -> anyhow::Result<Vec<PathBuf>> {
        let Reader { hub, transport, .. } = reader;
        let model = Model::parse(text)
            .with_context(|| format!("hf://{text}: expected hf://ORG/MODEL[@REVISION][/PATH]"))?;
        let revisions = match (&model.revision, &self.revisions[..]) {
            (Some(_), [_, ..]) => bail!("hf://{text}: give @REVISION or --revisions, not both"),
            (Some(revision), []) => vec![revision.clone()],
            (None, []) => vec!["main".to_owned()],
            (None, asked) => revisions::expanded(asked, || hub.revisions(&model, transport))?,
        };
        let listed =
            transport.each(&revisions, |revision| hub.files(&model, revision, transport))?;
        let mut paths = Vec::new();
        for (revision, files) in revisions.iter().zip(listed) {
            let root = hub.address(&model, revision);
            let within = |file: &&String| {
                let rest = file.strip_prefix(&*model.path);
                model.path.is_empty() || rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
            };
            let within: Vec<&String> = files.iter().filter(within).collect();
            if within.is_empty() {
                bail!("{root}: there is no {:?} in it; it holds {files:?}", model.path);
            }
            for file in within {
                layout.add(&format!("{root}/{file}"))?;
            }
            let asked = format!("{root}/{}", model.path);
            paths.push(layout.path(asked.trim_end_matches('/')));
        }
        Ok(paths)
    }
}

/// The folder of a prefix in a bucket, or the file of a key.
fn of_bucket(text: &str, reader: &mut Reader, layout: &mut Layout) -> anyhow::Result<PathBuf> {
    let (name, prefix) = bucket::parse(text)?;
    if !reader.stores.iter().any(|(known, _)| known == name) {
        reader.stores.push((name.to_owned(), Arc::new(Store::new(name)?)));
    }
    let prefix = prefix.trim_end_matches('/');
    let keys = reader.store(name)?.keys(prefix, &reader.transport)?;
    let rest = |key: &str| key.strip_prefix(prefix).map(|rest| rest.starts_with('/'));
    let within = |key: &&String| {
        (prefix.is_empty() || *key == prefix || rest(key) == Some(true)) && is_safe(key)
    };
    let within: Vec<&String> = keys.iter().filter(within).collect();
    if within.is_empty() {
        bail!("{text}: no object lies under it: check the bucket and the prefix");
    }
    for key in within {
        layout.add(&format!("s3://{name}/{key}"))?;
    }
    Ok(layout.path(format!("s3://{name}/{prefix}").trim_end_matches('/')))
}

/// The addresses of the steps, if there is `{step}` in one.
fn each_step(text: &str, steps: &[u64]) -> anyhow::Result<Vec<String>> {
    if !text.contains("{step}") {
        return Ok(vec![text.to_owned()]);
    }
    if steps.is_empty() {
        bail!("{text}: give the steps to put for {{step}}, as in --steps 0,100,200");
    }
    Ok(steps.iter().map(|step| text.replace("{step}", &step.to_string())).collect())
}

impl Reader {
    fn store(&self, name: &str) -> anyhow::Result<&Arc<Store>> {
        let found = self.stores.iter().find(|(known, _)| known == name);
        Ok(&found.with_context(|| format!("the bucket {name:?} was not asked for"))?.1)
    }

    fn checkpoint(&self, file: &Path) -> Result<CheckpointFile, SourceError> {
        open_remote(file, &|path| self.open(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Ranges>> {
        let shown = path.to_string_lossy().replace('\\', "/");
        let place: Box<dyn Place> = if shown.starts_with("s3://") {
            let (name, key) = bucket::parse(&shown)?;
            let store = Arc::clone(self.store(name).map_err(io::Error::other)?);
            Box::new(Object { store, key: key.to_owned(), shown: shown.clone() })
        } else {
            let url = self.signed.get(&shown).unwrap_or(&shown).clone();
            Box::new(Web { url, shown, hub: self.hub.clone() })
        };
        let file = File::open(place, &self.transport, self.gap, self.cache.as_deref())?;
        Ok(Arc::new(file))
    }
}

impl Series {
    /// Opens a checkpoint.
    pub fn open(&self, checkpoint: &Checkpoint) -> Result<CheckpointFile, SourceError> {
        self.reader.checkpoint(self.files.get(&checkpoint.path).unwrap_or(&checkpoint.path))
    }

    /// How much was read.
    pub fn counted(&self) -> String {
        let (bytes, requests) = self.reader.transport.counted();
        format!("read {} in {requests} requests", indicatif::DecimalBytes(bytes))
    }
}
