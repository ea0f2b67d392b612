//! Opens files, and nothing else: a FIFO would be waited for, a device would act.

use std::fs::{File, FileType, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Opens a file of these options; of a link, the file to which it leads, unless it is `own`: what is
/// behind a link is never a run's own file.
pub(super) fn open(path: &Path, options: &mut OpenOptions, own: bool) -> Result<File> {
    let found = if own { std::fs::symlink_metadata(path) } else { std::fs::metadata(path) };
    match found {
        Ok(found) if !found.is_file() => return Err(refused(found.file_type())),
        // The options may make it.
        _ => {}
    }
    without_waiting(options, own);
    let file = options.open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(refused(kind)) }
}

/// Reads a whole file.
///
/// # Errors
/// The system's, or what else it is.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, OpenOptions::new().read(true), false)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Should a FIFO or a link have come to the path since it was looked at.
#[cfg(target_os = "linux")]
fn without_waiting(options: &mut OpenOptions, own: bool) {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let own = if own { OFlags::NOFOLLOW } else { OFlags::empty() };
    options.custom_flags((OFlags::NONBLOCK | own).bits().cast_signed());
}

#[cfg(not(target_os = "linux"))]
fn without_waiting(_: &mut OpenOptions, _: bool) {}

fn refused(kind: FileType) -> Error {
    let what = match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_symlink() => "a symbolic link",
        kind => special(kind),
    };
    Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a file"))
}

#[cfg(unix)]
fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;

    match kind {
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn special(_: FileType) -> &'static str {
    "a device"
}
