//! Published versions in one piece of bytes: what `build.rs` writes and the program carries.
//!
//! # Invariants
//! - Opening reads the index alone; a version is unpacked when it is asked for.
//! - A version is named by its digest, and what is unpacked is what that digest says, or nothing.
//!
//! # Form
//! `guiju-archive 2`, then one line a version (`standard version digest length length`) and one line a standard
//! (`standard metadata length`), an empty line, and the blocks in order of the lines: for a version its manifest with the
//! files that judging needs and, apart, its examples; for a standard its `standard.toml`. A block begins with the length of
//! what it holds, the rest is deflated; it holds names and bytes, each led by its length (u32, little endian).

use flate2::{Compression, Decompress, FlushDecompress, write::DeflateEncoder};
use guiju_model::{Catalog, Content, Digest, Manifest, StandardId};
use semver::Version;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    ops::Range,
};

const MAGIC: &str = "guiju-archive 2";
const BLOCK_BYTES_MAX: usize = 256 << 20;

/// One version to pack, with the metadata of its standard.
#[allow(dead_code)] // only `build.rs` packs
pub struct Packed<'a> {
    pub content: &'a Content,
    pub metadata_toml: &'a str,
}

/// Versions by name and digest, unpacked on demand.
#[derive(Debug, Default)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    versions: BTreeMap<StandardId, Vec<Entry>>,
    metadata: BTreeMap<StandardId, Range<usize>>,
}

#[derive(Debug)]
struct Entry {
    version: Version,
    digest: Digest,
    core: Range<usize>,
    examples: Range<usize>,
}

#[allow(dead_code)] // only `build.rs` packs
pub fn pack(versions: &[Packed<'_>]) -> io::Result<Vec<u8>> {
    let (mut index, mut blocks) = (format!("{MAGIC}\n"), Vec::new());
    let mut metadata = BTreeMap::new();
    for Packed { content, metadata_toml } in versions {
        let Manifest { standard, version, .. } = &content.manifest;
        let is_example = |name: &str| name.starts_with("examples/");
        let manifest = content.manifest.to_canonical();
        let files = content.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let core = [("", manifest.as_slice())].into_iter().chain(files.clone().filter(|(name, _)| !is_example(name)));
        let (core, examples) = (block(core)?, block(files.filter(|(name, _)| is_example(name)))?);
        index += &format!("{standard} {version} {} {} {}\n", content.digest(), core.len(), examples.len());
        blocks.extend(core);
        blocks.extend(examples);
        metadata.insert(standard, metadata_toml);
    }
    for (standard, text) in metadata {
        let block = block([("standard.toml", text.as_bytes())].into_iter())?;
        index += &format!("{standard} metadata {}\n", block.len());
        blocks.extend(block);
    }
    index.push('\n');
    Ok([index.into_bytes(), blocks].concat())
}

#[allow(dead_code)] // only `build.rs` packs
fn block<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> io::Result<Vec<u8>> {
    let length = |part: &[u8]| (part.len() as u32).to_le_bytes();
    let mut plain = Vec::new();
    for part in files.flat_map(|(name, bytes)| [name.as_bytes(), bytes]) {
        plain.extend(length(part));
        plain.extend(part);
    }
    let mut encoder = DeflateEncoder::new(length(&plain).to_vec(), Compression::best());
    encoder.write_all(&plain)?;
    encoder.finish()
}

#[allow(dead_code)] // `build.rs` only packs
impl<'a> Archive<'a> {
    /// `None` where the bytes are no archive, or end before their index does.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let index = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = index.lines();
        if lines.next() != Some(MAGIC) {
            return None;
        }
        let mut archive = Self { bytes, versions: BTreeMap::new(), metadata: BTreeMap::new() };
        let mut at = end + 2;
        for line in lines {
            let mut range = |length: &str| {
                let start = at;
                at = start.checked_add(length.parse().ok()?)?;
                (at <= bytes.len()).then_some(start..at)
            };
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                [standard, "metadata", length] => {
                    archive.metadata.insert(standard.parse().ok()?, range(length)?);
                }
                [standard, version, digest, core, examples] => {
                    let (version, digest) = (version.parse().ok()?, digest.parse().ok()?);
                    let entry = Entry { version, digest, core: range(core)?, examples: range(examples)? };
                    archive.versions.entry(standard.parse().ok()?).or_default().push(entry);
                }
                _ => return None,
            }
        }
        Some(archive)
    }

    pub fn standards(&self) -> impl Iterator<Item = &StandardId> {
        self.versions.keys()
    }

    pub fn metadata_toml(&self, standard: &StandardId) -> Option<String> {
        let (_, text) = self.unpack(self.metadata.get(standard)?.clone())?.pop()?;
        String::from_utf8(text).ok()
    }

    /// The examples of a version, by path.
    pub fn examples(&self, digest: &Digest) -> BTreeMap<String, Vec<u8>> {
        let files = self.entry(digest).and_then(|entry| self.unpack(entry.examples.clone()));
        files.unwrap_or_default().into_iter().collect()
    }

    fn entry(&self, digest: &Digest) -> Option<&Entry> {
        self.versions.values().flatten().find(|entry| entry.digest == *digest)
    }

    fn unpack(&self, range: Range<usize>) -> Option<Vec<(String, Vec<u8>)>> {
        let (length, deflated) = self.bytes[range].split_first_chunk::<4>()?;
        let length = Some(u32::from_le_bytes(*length) as usize).filter(|length| *length <= BLOCK_BYTES_MAX)?;
        // All at once into what holds it: no window has to be copied.
        let mut bytes = Vec::with_capacity(length);
        Decompress::new(false).decompress_vec(deflated, &mut bytes, FlushDecompress::Finish).ok()?;
        (bytes.len() == length).then_some(())?;
        let (mut rest, mut files) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let name = String::from_utf8(part(&mut rest)?.to_vec()).ok()?;
            files.push((name, part(&mut rest)?.to_vec()));
        }
        Some(files)
    }
}

fn part<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(part)
}

impl Catalog for Archive<'_> {
    fn versions(&self, standard: &StandardId) -> Vec<(Version, Digest)> {
        let entries = self.versions.get(standard).map(Vec::as_slice).unwrap_or_default();
        entries.iter().map(|entry| (entry.version.clone(), entry.digest)).collect()
    }

    fn content(&self, digest: &Digest) -> Option<Content> {
        let mut files: BTreeMap<String, Vec<u8>> = self.unpack(self.entry(digest)?.core.clone())?.into_iter().collect();
        let manifest = files.remove("").filter(|manifest| Digest::of(manifest) == *digest)?;
        Some(Content { manifest: Manifest::from_canonical(&manifest).ok()?, files })
    }

    fn near(&self, _: &StandardId) -> Vec<StandardId> {
        Vec::new()
    }
}
