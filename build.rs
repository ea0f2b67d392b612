//! Lets the programs of this package find libtorch when they are started from a plain shell.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys sets it, so it is there with the feature `tch` only.
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    let lib = Path::new(&lib);
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    // A package that depends on this one reads it as DEP_NEUROMFA_LIBTORCH.
    println!("cargo::metadata=LIBTORCH={}", lib.display());
    if lib.join("libtorch_cuda.so").exists() {
        // No symbol of ours needs the CUDA part, and the linker would drop it; libtorch brings it.
        println!("cargo::rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo::rustc-link-arg=-ltorch");
    }
}
