//! The nouns of Guiju: what is registered, how it is named, and what is said about it.
//!
//! # Invariants
//! - Pure: no file, network, clock, thread or async.
//! - A newtype is made by parsing and is then always valid; `Display` gives the one spelling, which parses back.
//! - The digest of a version depends on its content and its resolved dependencies, and on nothing else.

mod canonical; // one sequence of bytes for every spelling of the same document
mod catalog; // from a reference to an exact version with all it needs
mod code_list; // permissible values, with the dates on which they hold
mod committee; // what a committee agrees to: who decides, and the end of what it decided
mod date; // a calendar day, read from text
mod digest; // what identifies bytes for ever
mod finding; // one conformance problem; all of them
mod id; // namespace, name, standard: who is named
mod info; // what a registry tells of what it holds
mod json; // JSON documents, read as strictly as records are
mod links; // what a document refers to
mod manifest; // the parts of a version, and its digest
mod metadata; // standard.toml: who answers for a standard
pub mod pointer; // names as JSON Pointers write them
mod reference; // namespace/name@requirement: what is asked for
mod role; // who may do what
pub mod search; // what a standard is found by
mod term; // which version governs on a day
mod words; // kind, status, severity, quality dimension, share class, security level
mod yaml; // YAML read as JSON, with the line of each value

pub use canonical::{CanonicalError, canonical_csv, canonical_json};
pub use catalog::{Bundle, BundleError, Catalog, EmptyCatalog, Resolution, ResolveError, resolve};
pub use code_list::{CODE_LIST_COLUMNS, Code, CodeList, CodeListError, CodeRow};
pub use committee::CommitteeChange;
pub use date::{Date, DateError};
pub use digest::{Digest, DigestError, Digesting};
pub use finding::{Finding, Place, Report, Said, Text, Unlisted};
pub use id::{IdError, Name, Namespace, StandardId};
pub use info::{Ending, SearchHit, StandardInfo, VersionInfo, Waiver};
pub use json::{JsonError, read_json};
pub use links::{Link, LinkError, links};
pub use manifest::{Content, Dependency, FileError, Manifest, Package, contract_document, document_name};
pub use metadata::{Metadata, MetadataError, Properties, Reading, Told};
pub use reference::{Reference, ReferenceError, Selector};
pub use role::{Grant, GrantInfo, Principal, Role, Scope, Step, TokenInfo};
pub use search::Words;
pub use term::{Dates, Term, TermError, in_force};
pub use words::{Dimension, Kind, MatchedIn, SecurityLevel, Severity, ShareClass, Status, WordError};
pub use yaml::{Yaml, YamlError, read_json_or_yaml};
