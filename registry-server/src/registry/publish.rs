//! What is judged before a version is published.

use super::{OperationId, shelf::Shelf};
use guiju_model::{Bundle, BundleError, Digest, Kind, Metadata, MetadataError, Package, StandardId, Text, VersionInfo};
use guiju_validator::{CompileError, CompileOptions, Validator};
use semver::Version;

/// A schema holds at most so much, in bytes.
const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// So does standard.toml.
const METADATA_BYTES_MAX: usize = 64 << 10;
/// So do all files of a version together.
const VERSION_BYTES_MAX: usize = 64 << 20;
const FILES_MAX: usize = 4096;

/// A version that somebody wants published.
#[derive(Clone, Debug)]
pub struct Submission {
    pub operation_id: OperationId,
    /// Who; `open` where no principal is configured.
    pub principal: String,
    pub package: Package,
    pub metadata_toml: String,
    /// Judge, and publish nothing.
    pub dry_run: bool,
}

/// What a publisher gets.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub version: VersionInfo,
    /// Whether this call wrote the entry.
    pub is_new: bool,
    pub warnings: Vec<Text>,
}

/// Why a version was not published. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    #[error("`{file}`: {why}")]
    Bounds { file: String, why: String },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("standard.toml says that `{standard}` is a {said}, but it is offered as a {offered}")]
    OtherKind { standard: StandardId, said: Kind, offered: Kind },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("`{standard}` {version} is not higher than {highest}, the highest of its major line")]
    NotHigher { standard: StandardId, version: Version, highest: Version },
    #[error("`{standard}` {version} is published with other content: {published}, not {offered}")]
    Exists { standard: StandardId, version: Version, published: Digest, offered: Digest },
    #[error("the operation id `{0}` belongs to another mutation")]
    OperationReused(OperationId),
}

pub(super) fn publish(shelf: &mut Shelf, submission: Submission, now_ms: u64) -> Result<Receipt, PublishError> {
    check_bounds(&submission)?;
    let metadata = judged_metadata(&submission)?;
    let bundle = Bundle::seal(&submission.package, &*shelf)?;
    if let Some(receipt) = settled(shelf, &submission, bundle.digest())? {
        return Ok(receipt);
    }
    check_order(shelf, &submission.package)?;
    if matches!(submission.package.kind, Kind::Record | Kind::Profile | Kind::CodeList) {
        let options = CompileOptions { assert_formats: metadata.reading.formats_asserted };
        Validator::compile(&bundle, &options)?;
    }
    let version = shelf.publish(submission, metadata, bundle, now_ms);
    Ok(Receipt { version, is_new: true, warnings: Vec::new() })
}

fn check_bounds(submission: &Submission) -> Result<(), PublishError> {
    let over = |file: &str, what: String| Err(PublishError::Bounds { file: file.into(), why: what });
    if submission.metadata_toml.len() > METADATA_BYTES_MAX {
        return over("standard.toml", format!("it is larger than {METADATA_BYTES_MAX} bytes"));
    }
    let files = &submission.package.files;
    if files.len() > FILES_MAX {
        return over("files", format!("there are more than {FILES_MAX}"));
    }
    if files.get("schema.json").is_some_and(|bytes| bytes.len() > SCHEMA_BYTES_MAX) {
        return over("schema.json", format!("it is larger than {SCHEMA_BYTES_MAX} bytes"));
    }
    match files.values().map(Vec::len).sum::<usize>() <= VERSION_BYTES_MAX {
        true => Ok(()),
        false => over("files", format!("together they are larger than {VERSION_BYTES_MAX} bytes")),
    }
}

fn judged_metadata(submission: &Submission) -> Result<Metadata, PublishError> {
    let package = &submission.package;
    let metadata = Metadata::from_toml(&package.standard, &submission.metadata_toml)?;
    if metadata.kind != package.kind {
        let (standard, said, offered) = (package.standard.clone(), metadata.kind, package.kind);
        return Err(PublishError::OtherKind { standard, said, offered });
    }
    Ok(metadata)
}

/// The receipt of an operation, or of a version with the same content, that is there already.
fn settled(shelf: &Shelf, submission: &Submission, digest: Digest) -> Result<Option<Receipt>, PublishError> {
    let Package { standard, version, .. } = &submission.package;
    let known = shelf.info(standard, version).ok();
    if let Some(index) = shelf.operation(&submission.operation_id) {
        return match known {
            Some(info) if info.log_index == index && info.digest == digest => Ok(Some(receipt(info))),
            _ => Err(PublishError::OperationReused(submission.operation_id.clone())),
        };
    }
    match known {
        Some(info) if info.digest == digest => Ok(Some(receipt(info))),
        Some(info) => Err(PublishError::Exists {
            standard: standard.clone(),
            version: version.clone(),
            published: info.digest,
            offered: digest,
        }),
        None => Ok(None),
    }
}

fn receipt(info: &VersionInfo) -> Receipt {
    Receipt { version: info.clone(), is_new: false, warnings: Vec::new() }
}

fn check_order(shelf: &Shelf, package: &Package) -> Result<(), PublishError> {
    let highest = shelf.highest_of_line(&package.standard, package.version.major);
    match highest {
        Some(highest) if *highest >= package.version => Err(PublishError::NotHigher {
            standard: package.standard.clone(),
            version: package.version.clone(),
            highest: highest.clone(),
        }),
        _ => Ok(()),
    }
}
