//! Fetch data standards, pin them, and check records against them, with or without a network.
//!
//! ```no_run
//! # #[cfg(feature = "registry")]
//! # async fn example(bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use guiju::Registry;
//! let person = Registry::connect("http://127.0.0.1:8420").await?.standard("bj.population/person@^2").await?;
//! let report = person.check(bytes);
//! println!("{} findings", report.findings.len());
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "registry")]
mod access; // who may do what in a registry
mod cache; // versions on disk, by digest
#[cfg(feature = "registry")]
mod credentials; // what shows a registry who asks
#[cfg(feature = "registry")]
pub mod desk; // proposals, approvals, quorums, and who uses what
mod folder; // a tree of standards as a catalog
mod lock; // which exact versions a project uses
#[cfg(feature = "registry")]
mod proofs; // whether what a registry publishes is what it published
#[cfg(feature = "registry")]
mod published; // what a log says of the versions of a standard
#[cfg(feature = "registry")]
mod registry; // a registry over gRPC
mod standard; // a standard at hand
#[cfg(feature = "registry")]
mod stream; // a data set that a registry checks

/// One version against another, as a registry says it.
#[cfg(feature = "registry")]
pub mod verdict {
    pub use guiju_proto::registry::{
        Bump, CanPublishResponse, Change, Inclusion, Narrowing, Verdict, Witness, inclusion::Answer,
    };
}

pub mod readers; // records from bytes of any size
pub mod receipt; // a signed statement that a data set was checked
pub mod tree; // a folder of standards as authors keep it

#[cfg(feature = "registry")]
pub use access::{Denial, Identity, MadeToken, Secret};
pub use cache::{Cache, CacheError, Changed};
#[cfg(feature = "registry")]
pub use credentials::{Token, TokenError};
pub use folder::{Folder, FolderError};
pub use guiju_model as model;
pub use guiju_tlog as tlog;
pub use guiju_validator::{CheckOptions, CompileError, CompileOptions, Validator};
pub use lock::{HeldLog, Lock, LockError, Pin};
#[cfg(feature = "registry")]
pub use proofs::{
    Leaf, LogDemands, LogEntry, LogSource, PinFault, ProvedEntry, ServedCheckpoint, Withheld, keep_proof, log_head,
    log_head_after, prove_pin, prove_pin_offline, replay, what_became_of,
};
#[cfg(feature = "registry")]
pub use published::{LoggedVersion, LoggedVersions};
#[cfg(feature = "registry")]
pub use registry::{ConnectOptions, Publication, Registry, RegistryError, Terms, Watch, WatchEvent};
pub use standard::Standard;
#[cfg(feature = "registry")]
pub use stream::{StreamCheck, StreamOptions, StreamTold};
