//! Lets the programs of this package find libtorch when they are started from a plain shell.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // From torch-sys, hence only with the feature `tch`.
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB") else { return };
    let lib = Path::new(&lib);
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
