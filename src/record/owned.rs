//! Which files of a folder are a run's own: a run replaces and removes only these.
//!
//! A run lists its files in `.neuromfa` before it makes the first one, and only if the folder holds
//! none of these names that is not its own. So what a crash leaves of a beginning is known to be a
//! run's. Of a run without that list, run.json says what it wrote. README.md and columns.json are a run's
//! own only by the list: of other programs, they stay, and the run does without.

use std::io::{ErrorKind, Write};

use serde_json::Value;

use super::config::check_schema;
use super::error::{RecordError, read_error};
use super::files::{
    BOXES, COLUMNS, DISTRIBUTIONS, ENTRIES, FILES, HOPS, LAYERS, LIST, NEURONS, README, RUN, START,
    read_json, remove_run,
};
use super::folder::Folder;
use super::regular::read_file;

/// The first line of the list.
const FIRST: &str = "neuromfa wrote these files:";

/// The names of the files in a folder that a run wrote; a folder's name stands for what is in it.
pub(super) type Owned = Vec<&'static str>;

/// The files that a run with this configuration writes, as run.json has it.
pub(super) fn names(config: &Value) -> Owned {
    let is = |key: &str| config[key] == true;
    let written = |name: &&str| match *name {
        START => config["controls"]["rescaled_start"] == true,
        ENTRIES => is("stable"),
        NEURONS => is("neurons"),
        LAYERS | DISTRIBUTIONS | BOXES => is("layers") || is("neurons"),
        HOPS => config["hops"].as_u64() > Some(1),
        README | COLUMNS => false,
        _ => true,
    };
    FILES.into_iter().filter(written).collect()
}

/// The files of a folder that are a run's own.
///
/// # Errors
/// [`RecordError`] when the list cannot be read or is not ours, or a newer version wrote the run.
pub(super) fn owned(folder: &Folder) -> Result<Owned, RecordError> {
    check_schema(folder.path())?;
    let path = folder.join(LIST);
    let listed = match read_file(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        read => String::from_utf8_lossy(&read.map_err(|e| read_error(&path, e))?).into_owned(),
    };
    let mut lines = listed.lines();
    if lines.next().is_some_and(|first| first != FIRST) {
        return Err(RecordError::Foreign { path });
    }
    let mut of_run = Vec::new();
    if let Ok(config) = read_json::<Value>(&folder.join(RUN))
        && config["neuromfa"].is_string()
        && config["schema"].is_number()
    {
        of_run = names(&config);
    }
    let lines: Vec<&str> = lines.collect();
    Ok(FILES.into_iter().filter(|name| lines.contains(name) || of_run.contains(name)).collect())
}

/// Lists the files of a run.
pub(super) fn list(folder: &Folder, names: &Owned) -> Result<(), RecordError> {
    let text = format!("{FIRST}\n{}\n", names.join("\n"));
    folder.replace(LIST, true, |file| file.write_all(text.as_bytes()))
}

/// Makes room for a run with this configuration: removes the files that are a run's `own`, and lists
/// those of this one, which it returns.
///
/// # Errors
/// [`RecordError::Foreign`] when the folder holds a file that the run would replace and that no run
/// wrote: nothing has then been changed. Or the system refuses.
pub(super) fn make_room(
    folder: &Folder,
    own: &Owned,
    config: &Value,
) -> Result<Owned, RecordError> {
    let mut wanted = names(config);
    if let Some(name) = wanted.iter().find(|name| !own.contains(name) && folder.has(name)) {
        return Err(RecordError::Foreign { path: folder.join(name) });
    }
    let free = |name: &&str| own.contains(name) || !folder.has(name);
    wanted.extend([README, COLUMNS].into_iter().filter(free));
    remove_run(folder, own)?;
    list(folder, &wanted)?;
    Ok(wanted)
}
