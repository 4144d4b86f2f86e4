//! Makes what is said to etcd from its `.proto` file with a compiler written in Rust, so that no `protoc` is needed.

use std::error::Error;

const FILE: &str = "src/log/etcd/rpc.proto";

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile([FILE], ["."])?;
    tonic_prost_build::configure().build_server(false).bytes(".").compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed={FILE}");
    Ok(())
}
