//! The parts of a version, and its digest.

use crate::{CanonicalError, CodeList, Digest, Kind, StandardId, canonical_json};
use semver::Version;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a version consists of: its files and its resolved dependencies, by digest. Its own digest names it for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub standard: StandardId,
    pub version: Version,
    pub kind: Kind,
    /// File name to digest of its canonical bytes.
    pub files: BTreeMap<String, Digest>,
    pub dependencies: Vec<Dependency>,
}

/// A reference as the document writes it, and the exact version it was resolved to when this version was published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    pub reference: String,
    pub standard: StandardId,
    pub version: Version,
    pub digest: Digest,
}

/// The files of a version as their author wrote them: what is offered for publication, what lies in a version folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub standard: StandardId,
    pub version: Version,
    pub kind: Kind,
    /// Relative path to bytes: `schema.json`, `codes.csv`, `examples/failing/1.json`.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A manifest with the files that judging needs (examples may be left out), in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub manifest: Manifest,
    pub files: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("`{standard}` {version} is a {kind}, so it needs `{file}`")]
    Missing { standard: StandardId, version: Version, kind: Kind, file: &'static str },
    #[error("{}: {why}", of_version(file, standard, version))]
    Canonical { standard: StandardId, version: Version, file: String, why: String },
    #[error("`{file}` of `{standard}` {version} is not a relative path of plain names")]
    Path { standard: StandardId, version: Version, file: String },
    #[error("a manifest cannot be read: {0}")]
    Manifest(String),
}

/// A document that is no version of a standard has no name but that of its file, which who read it knows.
fn of_version(file: &str, standard: &StandardId, version: &Version) -> String {
    if standard.is_bare() { format!("`{file}`") } else { format!("`{file}` of `{standard}` {version}") }
}

/// The file that holds the document of a version of this kind; a contract has files of its own naming.
pub fn document_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Record | Kind::Elements | Kind::Profile => Some("schema.json"),
        Kind::CodeList => Some("codes.csv"),
        Kind::Contract => None,
    }
}

/// The file of a contract that is an OpenAPI document; a protobuf contract has none.
pub fn contract_document(files: &BTreeMap<String, Vec<u8>>) -> Option<&'static str> {
    ["openapi.yaml", "openapi.json"].into_iter().find(|name| files.contains_key(*name))
}

impl Package {
    /// The document: the schema, the code list, or what OpenAPI says of a contract; none for one of protobuf.
    pub fn document(&self) -> Result<Option<&[u8]>, FileError> {
        if self.kind == Kind::Contract {
            return Ok(contract_document(&self.files).and_then(|name| self.files.get(name)).map(Vec::as_slice));
        }
        let Some(file) = document_name(self.kind) else { return Ok(None) };
        let missing = || FileError::Missing {
            standard: self.standard.clone(),
            version: self.version.clone(),
            kind: self.kind,
            file,
        };
        self.files.get(file).map(|bytes| Some(bytes.as_slice())).ok_or_else(missing)
    }

    /// Binds the files to their resolved dependencies. JSON and code lists take their canonical form, all else stays.
    pub fn seal(&self, mut dependencies: Vec<Dependency>) -> Result<Content, FileError> {
        self.document()?;
        dependencies.sort();
        dependencies.dedup();
        let mut files = BTreeMap::new();
        for (name, bytes) in &self.files {
            self.check_path(name)?;
            files.insert(name.clone(), self.canonical(name, bytes)?);
        }
        let manifest = Manifest {
            standard: self.standard.clone(),
            version: self.version.clone(),
            kind: self.kind,
            files: files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect(),
            dependencies,
        };
        Ok(Content { manifest, files })
    }

    /// Examples keep their bytes: a failing one may be malformed on purpose.
    fn canonical(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, FileError> {
        let fault = |why: String| FileError::Canonical {
            standard: self.standard.clone(),
            version: self.version.clone(),
            file: name.into(),
            why,
        };
        match name {
            "schema.json" | "openapi.json" => {
                canonical_json(bytes).map_err(|error: CanonicalError| fault(error.to_string()))
            }
            "codes.csv" => CodeList::parse(bytes)
                .map_err(|error| fault(error.to_string()))?
                .to_canonical()
                .map_err(|error| fault(error.to_string())),
            _ => Ok(bytes.to_vec()),
        }
    }

    fn check_path(&self, file: &str) -> Result<(), FileError> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0']);
        match file.len() <= 512 && file.split('/').count() <= 8 && file.split('/').all(plain) {
            true => Ok(()),
            false => Err(FileError::Path {
                standard: self.standard.clone(),
                version: self.version.clone(),
                file: file.into(),
            }),
        }
    }
}

impl Manifest {
    /// RFC 8785 bytes; what is stored and hashed.
    pub fn to_canonical(&self) -> Vec<u8> {
        let dependency = |d: &Dependency| {
            json!({"reference": d.reference, "standard": d.standard.to_string(), "version": d.version.to_string(),
                   "digest": d.digest.to_string()})
        };
        let files: serde_json::Map<String, Value> =
            self.files.iter().map(|(name, digest)| (name.clone(), json!(digest.to_string()))).collect();
        let value = json!({
            "standard": self.standard.to_string(), "version": self.version.to_string(), "kind": self.kind.as_str(),
            "files": files, "dependencies": self.dependencies.iter().map(dependency).collect::<Vec<_>>(),
        });
        // Strings and objects only: nothing here can fail to serialize.
        serde_json_canonicalizer::to_vec(&value).unwrap_or_default()
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_canonical())
    }

    pub fn from_canonical(bytes: &[u8]) -> Result<Self, FileError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| FileError::Manifest(error.to_string()))?;
        let manifest =
            Self::read(&value).ok_or_else(|| FileError::Manifest("a member is missing or malformed".into()))?;
        match manifest.to_canonical() == bytes {
            true => Ok(manifest),
            false => Err(FileError::Manifest("it is not in canonical form".into())),
        }
    }

    fn read(value: &Value) -> Option<Self> {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let files = value.get("files")?.as_object()?.iter();
        let files = files.map(|(name, digest)| Some((name.clone(), digest.as_str()?.parse().ok()?)));
        let dependencies = value.get("dependencies")?.as_array()?.iter().map(|d| {
            Some(Dependency {
                reference: text(d, "reference")?,
                standard: text(d, "standard")?.parse().ok()?,
                version: text(d, "version")?.parse().ok()?,
                digest: text(d, "digest")?.parse().ok()?,
            })
        });
        Some(Self {
            standard: text(value, "standard")?.parse().ok()?,
            version: text(value, "version")?.parse().ok()?,
            kind: text(value, "kind")?.parse().ok()?,
            files: files.collect::<Option<_>>()?,
            dependencies: dependencies.collect::<Option<_>>()?,
        })
    }
}

impl Content {
    pub fn digest(&self) -> Digest {
        self.manifest.digest()
    }

    /// The schema or the code list in canonical form; of a contract, its OpenAPI document, where it has one.
    pub fn document(&self) -> Option<&[u8]> {
        let name = match self.manifest.kind {
            Kind::Contract => contract_document(&self.files)?,
            kind => document_name(kind)?,
        };
        self.files.get(name).map(Vec::as_slice)
    }

    /// The same version without its examples: all that judging a record needs.
    pub fn without_examples(mut self) -> Self {
        self.files.retain(|name, _| !name.starts_with("examples/"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> Package {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.as_bytes().to_vec())).collect();
        Package { standard: "a.b/c".parse().unwrap(), version: Version::new(1, 2, 3), kind: Kind::Record, files }
    }

    fn dependency(reference: &str) -> Dependency {
        Dependency {
            reference: reference.into(),
            standard: "a.b/d".parse().unwrap(),
            version: Version::new(2, 0, 0),
            digest: Digest::of(reference.as_bytes()),
        }
    }

    #[test]
    fn a_manifest_reads_back() {
        let content = package(&[("schema.json", "{}"), ("examples/failing/1.json", "{ not json")])
            .seal(vec![dependency("a.b/d@2"), dependency("a.b/d@1"), dependency("a.b/d@2")])
            .unwrap();
        let bytes = content.manifest.to_canonical();
        assert_eq!(Manifest::from_canonical(&bytes), Ok(content.manifest.clone()));
        assert_eq!(content.manifest.dependencies, [dependency("a.b/d@1"), dependency("a.b/d@2")]);
        assert_eq!(content.digest(), Digest::of(&bytes));
        assert_eq!(content.files["examples/failing/1.json"], b"{ not json");
        assert_eq!(content.document(), Some(&b"{}"[..]));
        let without = content.clone().without_examples();
        assert_eq!((without.files.len(), without.digest()), (1, content.digest()));
    }

    #[test]
    fn the_digest_is_of_the_content_not_of_its_spelling() {
        let digest = |schema: &str| package(&[("schema.json", schema)]).seal(vec![]).unwrap().digest();
        assert_eq!(
            digest(r#"{"type": "object", "title": "x"}"#),
            digest("{\n  \"title\": \"x\",\n  \"type\": \"object\"\n}")
        );
        assert_ne!(digest(r#"{"type": "object"}"#), digest(r#"{"type": "array"}"#));
        let with = package(&[("schema.json", "{}")]).seal(vec![dependency("a.b/d@2")]).unwrap().digest();
        assert_ne!(with, digest("{}"));
    }

    #[test]
    fn of_a_contract_json_is_taken_in_its_one_form_and_yaml_as_it_is() {
        let digest = |name: &str, text: &str| {
            let contract = Package { kind: Kind::Contract, ..package(&[(name, text)]) };
            contract.seal(vec![]).unwrap().digest()
        };
        assert_eq!(digest("openapi.json", r#"{"a": 1, "b": 2}"#), digest("openapi.json", r#"{"b":2,"a":1}"#));
        assert_ne!(digest("openapi.yaml", "a: 1\n"), digest("openapi.yaml", "a: 1 # one\n"));
    }

    #[test]
    fn a_damaged_manifest_is_refused() {
        let bytes = package(&[("schema.json", "{}")]).seal(vec![]).unwrap().manifest.to_canonical();
        let text = String::from_utf8(bytes).unwrap();
        for damaged in [
            text.replace("1.2.3", "1.2"),
            text.replace("\"kind\":\"record\"", "\"kind\":\"recrod\""),
            text.replace("\"dependencies\":[],", ""),
            text.replace(":", ": "),
            text[1..].to_owned(),
        ] {
            assert!(matches!(Manifest::from_canonical(damaged.as_bytes()), Err(FileError::Manifest(_))), "{damaged}");
        }
    }

    #[test]
    fn files_are_plain_relative_paths() {
        for file in ["/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a\\b", "c:x", "", "a/b/c/d/e/f/g/h/i", "a\0b"]
        {
            let error = package(&[("schema.json", "{}"), (file, "")]).seal(vec![]).unwrap_err();
            assert!(matches!(error, FileError::Path { .. }), "{file}: {error}");
        }
        let error = package(&[("codes.csv", "")]).seal(vec![]).unwrap_err().to_string();
        assert_eq!(error, "`a.b/c` 1.2.3 is a record, so it needs `schema.json`");
        let error = package(&[("schema.json", "{\"a\": 1e400}")]).seal(vec![]).unwrap_err().to_string();
        assert!(error.starts_with("`schema.json` of `a.b/c` 1.2.3: the number `1e+400` at `/a`"), "{error}");
    }
}
