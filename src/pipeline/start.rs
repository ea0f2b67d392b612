//! The weights of step 0, which the rescaled start needs at every step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::baseline::Take;
use super::settings::Settings;
use crate::analysis::Plan;
use crate::error::Error;
use crate::network::Parameter;
use crate::record::{Disk, Recorder, START};
use crate::source::{CheckpointFile, RereadFile, Source, SourceError, Tensor, save};

/// The weights that are kept in the run's folder.
pub(super) struct KeptStart {
    file: RereadFile,
    disk: Arc<Disk>,
}

impl Source for KeptStart {
    fn parameters(&self) -> Vec<Parameter> {
        self.file.parameters()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        self.disk.watched(|| self.file.tensor(name))
    }
}

pub(super) fn kept_start(
    settings: &Settings,
    recorder: &Recorder,
) -> Result<Arc<KeptStart>, Error> {
    let file = RereadFile::open(&settings.folder.join(START))?;
    Ok(Arc::new(KeptStart { file, disk: Arc::clone(recorder.disk()) }))
}

/// Keeps the weights of step 0, or of the file that takes its place, in the run's folder.
pub(super) fn keep_start(
    settings: &Settings,
    plan: &Plan,
    source: &dyn Source,
    take: Take,
) -> Result<(), Error> {
    let names: Vec<&str> = plan.tensors().map(String::as_str).collect();
    let kept = settings.folder.join(START);
    match &settings.baseline {
        None => save(&kept, source, &names)?,
        Some(path) => {
            let fail = |source| Error::NoStart { path: path.clone(), source };
            save(&kept, &take(&of_baseline(path)).map_err(fail)?, &names).map_err(fail)?;
        }
    }
    Ok(())
}

/// The file that has the weights of a baseline: of another run, those that it has kept.
fn of_baseline(path: &Path) -> PathBuf {
    let of_run = [path.join(START), path.with_file_name(START)];
    of_run.into_iter().find(|path| path.is_file()).unwrap_or_else(|| path.to_owned())
}

/// The weights of step 0 for a process that keeps none: those of the first checkpoint, or of the file that
/// takes its place.
pub(super) fn start_at(
    settings: &Settings,
    take: Take,
    first: &Path,
) -> Result<Arc<CheckpointFile>, Error> {
    let of_file = settings.baseline.as_deref().map(of_baseline);
    let path = of_file.as_deref().unwrap_or(first);
    let fail = |source| Error::NoStart { path: path.to_owned(), source };
    Ok(Arc::new(take(path).map_err(fail)?))
}
