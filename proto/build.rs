//! Makes the types from the `.proto` files with a compiler written in Rust, so that no `protoc` is needed.

use prost::Message;
use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 6] = [
    "guiju/registry/v1/registry.proto",
    "guiju/conformance/v1/conformance.proto",
    "guiju/governance/v1/proposals.proto",
    "guiju/log/v1/entry.proto",
    "guiju/log/v1/log.proto",
    "guiju/governance/v1/access.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(env::var("CARGO_FEATURE_CLIENT").is_ok())
        .build_server(env::var("CARGO_FEATURE_SERVER").is_ok())
        .bytes(".")
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=guiju");
    Ok(())
}
