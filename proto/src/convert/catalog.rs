//! What is registered: versions, standards, hits, submissions.

use super::{ConvertError, PIECE_BYTES, parsed, required, word, words};
use crate::{log, registry as wire};
use guiju_model::{
    Date, Dates, Dependency, Kind, Package, SearchHit, StandardInfo, Status, Term, TermError, VersionInfo, Waiver,
};
use prost_types::Timestamp;
use std::collections::BTreeMap;

words!(wire::Kind, Kind, { Record, CodeList, Elements, Contract, Profile });
words!(wire::Status, Status, { Draft, Review, Approved, Published, Deprecated, Withdrawn });

impl From<Dependency> for wire::Dependency {
    fn from(dependency: Dependency) -> Self {
        Self {
            reference: dependency.reference,
            standard: dependency.standard.to_string(),
            version: dependency.version.to_string(),
            digest: dependency.digest.to_string(),
        }
    }
}

impl TryFrom<wire::Dependency> for Dependency {
    type Error = ConvertError;

    fn try_from(dependency: wire::Dependency) -> Result<Self, ConvertError> {
        Ok(Self {
            standard: parsed("standard", &dependency.standard)?,
            version: parsed("version", &dependency.version)?,
            digest: parsed("digest", &dependency.digest)?,
            reference: dependency.reference,
        })
    }
}

impl From<VersionInfo> for wire::VersionInfo {
    fn from(info: VersionInfo) -> Self {
        Self {
            standard: info.standard.to_string(),
            version: info.version.to_string(),
            kind: wire::Kind::from(info.kind).into(),
            digest: info.digest.to_string(),
            status: wire::Status::from(info.status).into(),
            log_index: info.log_index,
            published_at: Some(timestamp(info.published_ms)),
            dependencies: info.dependencies.into_iter().map(Into::into).collect(),
            successor: info.successor,
            effective_from: info.term.from.to_string(),
            effective_to: day_or_empty(info.term.to),
            grace_until: day_or_empty(info.term.grace_until),
            waiver: info.waiver.map(Into::into),
        }
    }
}

impl From<Waiver> for log::Waiver {
    fn from(Waiver { by, reason, questions }: Waiver) -> Self {
        Self { by, reason, questions }
    }
}

impl From<log::Waiver> for Waiver {
    fn from(log::Waiver { by, reason, questions }: log::Waiver) -> Self {
        Self { by, reason, questions }
    }
}

/// A day as the wire says it; empty where there is none.
pub fn day_or_empty(day: Option<Date>) -> String {
    day.map_or(String::new(), |day| day.to_string())
}

fn day_if_any(field: &str, text: &str) -> Result<Option<Date>, ConvertError> {
    if text.is_empty() { Ok(None) } else { parsed(field, text).map(Some) }
}

/// The days of a version that is offered.
pub fn dates(effective_from: &str, effective_to: &str, grace_until: &str) -> Result<Dates, ConvertError> {
    Dates::parse(effective_from, effective_to, grace_until).map_err(|error| match error {
        TermError::Date { field, source } => ConvertError::new(field, source),
        error => ConvertError::new("effective_from", error),
    })
}

impl TryFrom<wire::VersionInfo> for VersionInfo {
    type Error = ConvertError;

    fn try_from(info: wire::VersionInfo) -> Result<Self, ConvertError> {
        let published_ms = milliseconds(required("published_at", info.published_at)?)?;
        let dependencies = info.dependencies.into_iter().enumerate();
        let dependencies = dependencies.map(|(at, dependency)| {
            dependency.try_into().map_err(|fault: ConvertError| fault.within(format_args!("dependencies[{at}]")))
        });
        Ok(Self {
            standard: parsed("standard", &info.standard)?,
            version: parsed("version", &info.version)?,
            kind: word::<wire::Kind, _>("kind", info.kind)?,
            digest: parsed("digest", &info.digest)?,
            status: word::<wire::Status, _>("status", info.status)?,
            log_index: info.log_index,
            published_ms,
            dependencies: dependencies.collect::<Result<_, _>>()?,
            successor: info.successor,
            term: Term {
                // A registry that is too old to say it knows of no other.
                from: day_if_any("effective_from", &info.effective_from)?.unwrap_or(Date::in_china(published_ms)),
                to: day_if_any("effective_to", &info.effective_to)?,
                grace_until: day_if_any("grace_until", &info.grace_until)?,
            },
            waiver: info.waiver.map(Into::into),
        })
    }
}

/// Unix time in milliseconds as the wire says it.
pub fn timestamp(ms: u64) -> Timestamp {
    Timestamp { seconds: (ms / 1000) as i64, nanos: (ms % 1000) as i32 * 1_000_000 }
}

fn milliseconds(time: Timestamp) -> Result<u64, ConvertError> {
    let fault = || ConvertError::new("published_at", "it is not a time after 1970");
    let seconds = u64::try_from(time.seconds).map_err(|_| fault())?;
    let nanos = u64::try_from(time.nanos).map_err(|_| fault())?;
    seconds.checked_mul(1000).and_then(|ms| ms.checked_add(nanos / 1_000_000)).ok_or_else(fault)
}

impl From<StandardInfo> for wire::StandardInfo {
    fn from(info: StandardInfo) -> Self {
        let (latest_version, latest_digest) =
            info.latest.map(|(version, digest)| (version.to_string(), digest.to_string())).unwrap_or_default();
        Self {
            standard: info.standard.to_string(),
            kind: wire::Kind::from(info.kind).into(),
            title_zh: info.title_zh,
            title_en: info.title_en,
            abstract_zh: info.abstract_zh,
            abstract_en: info.abstract_en,
            owner: info.owner,
            latest_version,
            latest_digest,
            version_count: info.version_count,
        }
    }
}

impl TryFrom<wire::StandardInfo> for StandardInfo {
    type Error = ConvertError;

    fn try_from(info: wire::StandardInfo) -> Result<Self, ConvertError> {
        let latest = match info.latest_version.as_str() {
            "" => None,
            version => Some((parsed("latest_version", version)?, parsed("latest_digest", &info.latest_digest)?)),
        };
        Ok(Self {
            standard: parsed("standard", &info.standard)?,
            kind: word::<wire::Kind, _>("kind", info.kind)?,
            title_zh: info.title_zh,
            title_en: info.title_en,
            abstract_zh: info.abstract_zh,
            abstract_en: info.abstract_en,
            owner: info.owner,
            latest,
            version_count: info.version_count,
        })
    }
}

impl From<SearchHit> for wire::SearchHit {
    fn from(hit: SearchHit) -> Self {
        Self { standard: Some(hit.standard.into()), matched_in: hit.matched_in.to_string(), excerpt: hit.excerpt }
    }
}

impl TryFrom<wire::SearchHit> for SearchHit {
    type Error = ConvertError;

    fn try_from(hit: wire::SearchHit) -> Result<Self, ConvertError> {
        let standard = required("standard", hit.standard)?;
        Ok(Self {
            standard: standard.try_into().map_err(|fault: ConvertError| fault.within("standard"))?,
            matched_in: parsed("matched_in", &hit.matched_in)?,
            excerpt: hit.excerpt,
        })
    }
}

/// The files that a submission offers. What they hold is judged by the registry, not here.
impl TryFrom<&wire::PublishRequest> for Package {
    type Error = ConvertError;

    fn try_from(request: &wire::PublishRequest) -> Result<Self, ConvertError> {
        let mut files = BTreeMap::new();
        for (at, file) in request.files.iter().enumerate() {
            let path: String = parsed(&format!("files[{at}].path"), &file.path)?;
            if files.insert(path, file.content.to_vec()).is_some() {
                return Err(ConvertError::new(format!("files[{at}].path"), format!("`{}` is given twice", file.path)));
            }
        }
        let version: semver::Version = parsed("version", &request.version)?;
        if !version.build.is_empty() {
            return Err(ConvertError::new(
                "version",
                format!("`{version}` has build metadata; leave out `+` and what follows"),
            ));
        }
        Ok(Self {
            standard: parsed("standard", &request.standard)?,
            version,
            kind: word::<wire::Kind, _>("kind", request.kind)?,
            files,
        })
    }
}

/// A submission without operation id and metadata, which the caller adds.
impl From<Package> for wire::PublishRequest {
    fn from(package: Package) -> Self {
        let file = |(path, content): (String, Vec<u8>)| wire::File { path, content: content.into() };
        Self {
            standard: package.standard.to_string(),
            version: package.version.to_string(),
            kind: wire::Kind::from(package.kind).into(),
            files: package.files.into_iter().map(file).collect(),
            ..Self::default()
        }
    }
}

/// Cuts a submission into messages: a header with no files, then the files in pieces.
pub fn package_parts(mut request: wire::PublishRequest) -> impl Iterator<Item = wire::PublishPartsRequest> {
    use wire::publish_parts_request::Part;
    let files = std::mem::take(&mut request.files);
    let pieces = files.into_iter().flat_map(|file| {
        // A file of no bytes still is a file: it has one empty piece.
        (0..file.content.len().max(1)).step_by(PIECE_BYTES).map(move |start| {
            let end = file.content.len().min(start + PIECE_BYTES);
            Part::File(wire::FilePart { path: file.path.clone(), content: file.content.slice(start..end) })
        })
    });
    std::iter::once(Part::Header(request)).chain(pieces).map(|part| wire::PublishPartsRequest { part: Some(part) })
}

/// Puts a submission together again.
#[derive(Debug, Default)]
pub struct PackageReceiver {
    request: Option<wire::PublishRequest>,
    last: Option<(String, Vec<u8>)>,
    bytes: usize,
    bytes_max: usize,
}

impl PackageReceiver {
    /// `bytes_max` bounds all files together.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    pub fn take(&mut self, part: wire::PublishPartsRequest) -> Result<(), ConvertError> {
        use wire::publish_parts_request::Part;
        match (part.part, &mut self.request) {
            (None, _) => Err(ConvertError::new("part", "it is missing")),
            (Some(Part::Header(_)), Some(_)) => Err(ConvertError::new("header", "it is sent first and once")),
            (Some(Part::Header(header)), request @ None) => {
                self.bytes = header.files.iter().map(|file| file.content.len()).sum();
                *request = Some(header);
                self.check_size()
            }
            (Some(Part::File(_)), None) => Err(ConvertError::new("part", "the first message must be the header")),
            (Some(Part::File(piece)), Some(_)) => self.take_piece(piece),
        }
    }

    /// The submission with all its files.
    pub fn finish(mut self) -> Result<wire::PublishRequest, ConvertError> {
        self.close_file();
        required("header", self.request)
    }

    fn take_piece(&mut self, piece: wire::FilePart) -> Result<(), ConvertError> {
        self.bytes += piece.content.len();
        self.check_size()?;
        match &mut self.last {
            Some((path, content)) if *path == piece.path => content.extend_from_slice(&piece.content),
            _ => {
                self.close_file();
                self.last = Some((piece.path, piece.content.to_vec()));
            }
        }
        Ok(())
    }

    fn close_file(&mut self) {
        if let (Some((path, content)), Some(request)) = (self.last.take(), &mut self.request) {
            request.files.push(wire::File { path, content: content.into() });
        }
    }

    fn check_size(&self) -> Result<(), ConvertError> {
        match self.bytes <= self.bytes_max {
            true => Ok(()),
            false => {
                Err(ConvertError::new("file", format!("all files together hold more than {} bytes", self.bytes_max)))
            }
        }
    }
}
