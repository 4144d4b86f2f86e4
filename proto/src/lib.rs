//! What Guiju's registry and its clients say to each other: the types made from `guiju/**.proto`.

pub mod convert; // the one bridge between wire and model

/// `guiju.registry.v1`: publish, resolve, fetch, find, watch.
pub mod registry {
    tonic::include_proto!("guiju.registry.v1");
}

/// `guiju.conformance.v1`: check one record, or a stream.
pub mod conformance {
    tonic::include_proto!("guiju.conformance.v1");
}

/// `guiju.log.v1`: what the log holds, and what proves it.
pub mod log {
    tonic::include_proto!("guiju.log.v1");
}

/// All descriptors, for gRPC reflection and for tests that walk every method.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
