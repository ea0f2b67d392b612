//! With the feature `tch`, lets the command find libtorch when it is started from a plain shell.

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The library's build script says it, with its feature `tch` only.
    let Some(lib) = env::var_os("DEP_NEUROMFA_LIBTORCH") else {
        return;
    };
    let lib = Path::new(&lib);
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    println!("cargo::rustc-env=NEUROMFA_LIBTORCH={}", lib.display());
    if lib.join("libtorch_cuda.so").exists() {
        // No symbol of ours needs the CUDA part, and the linker would drop it; libtorch brings it.
        println!("cargo::rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo::rustc-link-arg=-ltorch");
    }
}
