//! Compiles `src/c10d.cpp` against the libtorch that tch is linked to.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=src/c10d.cpp");
    println!("cargo:rerun-if-changed=gloo_names");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let libraries = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys says where libtorch is"));
    let beside = libraries.parent().expect("libtorch/lib").to_path_buf();
    let include = env::var("LIBTORCH_INCLUDE").map_or(beside, PathBuf::from).join("include");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .opt_level(1)
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .include("gloo_names")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .file("src/c10d.cpp")
        .compile("stagediff_c10d");
}
