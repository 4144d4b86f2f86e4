//! What Guiju's registry and its clients say to each other: the types made from `guiju/**.proto`.

pub mod convert; // the one bridge between wire and model

/// The packages that refer to each other, nested as their names are, which is how generated code finds its way.
mod guiju {
    pub mod registry {
        pub mod v1 {
            tonic::include_proto!("guiju.registry.v1");
        }
    }

    pub mod governance {
        pub mod v1 {
            tonic::include_proto!("guiju.governance.v1");
        }
    }

    pub mod log {
        pub mod v1 {
            tonic::include_proto!("guiju.log.v1");
        }
    }
}

/// `guiju.registry.v1`: publish, resolve, fetch, find, watch.
pub use guiju::registry::v1 as registry;

/// `guiju.governance.v1`: who may do what, and what the committee decides.
pub use guiju::governance::v1 as governance;

/// `guiju.conformance.v1`: check one record, or a stream.
pub mod conformance {
    tonic::include_proto!("guiju.conformance.v1");
}

/// `guiju.log.v1`: what the log holds, and what proves it.
pub use guiju::log::v1 as log;

impl log::Entry {
    /// What it says: where it was taken over from another log, the entry there, with when and by whom it was made.
    pub fn meaning(self) -> Self {
        let mut meant = self;
        // A mirror of a mirror and so on; who goes further round is not followed.
        for _ in 0..MIRRORS_MAX {
            match &meant.event {
                Some(log::entry::Event::Mirrored(mirrored)) => match prost::Message::decode(mirrored.entry.clone()) {
                    Ok(there) => meant = there,
                    Err(_) => break,
                },
                _ => break,
            }
        }
        meant
    }
}

/// Mirrors of mirrors whose entries are still understood.
const MIRRORS_MAX: usize = 4;

/// All descriptors, for gRPC reflection and for tests that walk every method.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
