//! Which libtorch this program runs with.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The libtorch that this program was built with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Libtorch {
    /// The folder of its libraries when this program was built, if it is known.
    pub folder: Option<PathBuf>,
    /// Its version, if a file of that folder contains it.
    pub version: Option<String>,
    /// Whether it was built for CUDA.
    pub cuda_built: bool,
    /// Whether CUDA can be used.
    pub cuda_available: bool,
    /// How many CUDA devices there are.
    pub cuda_devices: i64,
}

/// The libtorch that this program runs with; none when it was built without the feature `tch`.
pub fn libtorch() -> Option<Libtorch> {
    #[cfg(feature = "tch")]
    {
        let folder = option_env!("NEUROMFA_LIBTORCH").map(PathBuf::from);
        Some(Libtorch {
            version: folder.as_deref().and_then(version),
            folder,
            cuda_built: neuromfa::tch::utils::has_cuda(),
            cuda_available: neuromfa::tch::Cuda::is_available(),
            cuda_devices: neuromfa::tch::Cuda::device_count(),
        })
    }
    #[cfg(not(feature = "tch"))]
    None
}

/// The version of the libtorch whose libraries lie in `folder`: the file `build-version` next to it,
/// or `version.py` of Python's torch.
#[cfg_attr(not(feature = "tch"), allow(dead_code))]
fn version(folder: &Path) -> Option<String> {
    let above = folder.parent()?;
    if let Ok(text) = std::fs::read_to_string(above.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = std::fs::read_to_string(above.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    Some(line.split_once('=')?.1.trim().trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_packages_say_their_version() {
        let dir = tempfile::tempdir().unwrap();
        let lib = dir.path().join("lib");
        assert_eq!(version(&lib), None);
        let text = "from typing import Optional\n__version__ = '2.13.0+cpu'\ndebug = False\n";
        std::fs::write(dir.path().join("version.py"), text).unwrap();
        assert_eq!(version(&lib).as_deref(), Some("2.13.0+cpu"));
        std::fs::write(dir.path().join("build-version"), "2.13.0\n").unwrap();
        assert_eq!(version(&lib).as_deref(), Some("2.13.0"));
    }
}
