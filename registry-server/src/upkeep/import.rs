//! Makes a log of an export.

use super::{
    Lines, Sums, arrive, at,
    export::{DOCUMENTS, LIST, STANDARDS, SUMS},
    sums, whole,
};
use crate::{
    Fault, contents,
    log::{Append, Head, Log, LogError},
    settings::Settings,
};
use guiju_model::Digest;
use guiju_tlog::ENTRY_BYTES_MAX;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// An entry in hexadecimal, and twice as much room for what says the same to people.
const LINE_BYTES_MAX: usize = 6 * ENTRY_BYTES_MAX;
/// Folders within each other.
const DEPTH_MAX: usize = 16;

/// Makes a log of an export, once every file of it has been held against the entries.
pub fn import(settings: &Settings, from: &Path) -> Result<Lines, Fault> {
    let expected = Sums::read(&from.join(SUMS), "export")?;
    let exported = Exported::open(from)?;
    if expected.list.as_ref() != Some(&exported.list.to_string()) {
        let what = format!("`{}` is not what was written: its digest is {}", exported.path.display(), exported.list);
        return Err(Fault::new(what, TAKE_ANOTHER).found());
    }
    let strays = exported.strays(from);
    let (head, root) = match (whole(&exported), strays.first()) {
        (Ok(sums), None) => sums,
        (Ok(_), Some(stray)) => return Err(Fault::new(stray, TAKE_ANOTHER).found().listing(strays, TAKE_ANOTHER)),
        (Err(fault), _) if fault.exit_code == 1 => {
            let all = fault.details.iter().cloned().chain(strays).collect();
            return Err(fault.listing(all, TAKE_ANOTHER));
        }
        (Err(fault), _) => return Err(fault),
    };
    expected.hold(from, head, root)?;
    let (carried, place) = arrive(settings, &exported)?;
    let what = format!("imported: {} entries in {place}", carried.head.size);
    Ok([vec![what], sums(carried.head, carried.root), vec!["the view is made when the server starts".into()]].concat())
}

const TAKE_ANOTHER: &str = "put the files back as `guiju-server export` wrote them, or take another export";

/// The log that lies in an export.
pub struct Exported {
    path: PathBuf,
    file: File,
    /// Where each line begins, and at last where the file ends.
    lines: Vec<u64>,
    head: Head,
    files: BTreeMap<Digest, PathBuf>,
    /// Of the whole list.
    list: Digest,
}

/// What a line must say; all else of it says the same to people.
#[derive(Deserialize)]
struct Row {
    index: u64,
    entry: String,
}

impl Exported {
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        let path = folder.join(LIST);
        let file = File::open(&path).map_err(at(&path))?;
        let mut reader = BufReader::new(&file);
        let (mut lines, mut head, mut digest, mut line) = (vec![0], Head::empty(), Sha256::new(), Vec::new());
        loop {
            line.clear();
            let mut rest = (&mut reader).take(LINE_BYTES_MAX as u64);
            let end = lines.last().copied().unwrap_or_default()
                + rest.read_until(b'\n', &mut line).map_err(at(&path))? as u64;
            if line.is_empty() {
                break;
            }
            let entry = entry_of(&line, head.size).map_err(|what| {
                Fault::new(format!("`{}` line {}: {what}", path.display(), head.size + 1), TAKE_ANOTHER).found()
            })?;
            digest.update(&line);
            head = head.then(&entry);
            lines.push(end);
        }
        let mut files = BTreeMap::new();
        for name in [STANDARDS, DOCUMENTS] {
            digests_of(&folder.join(name), DEPTH_MAX, &mut files)?;
        }
        let list = Digest::from_bytes(digest.finalize().into());
        Ok(Self { path, file, lines, head, files, list })
    }

    fn entry(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let (begin, end) = (self.lines[index as usize], self.lines[index as usize + 1]);
        let mut line = vec![0; (end - begin) as usize];
        let read = self.file.read_exact_at(&mut line, begin);
        read.map_err(|source| LogError::Io { path: self.path.clone(), source })?;
        entry_of(&line, index).map_err(|what| LogError::Damaged { path: self.path.clone(), offset: begin, what })
    }

    /// Files that nothing asks for: where something is missing, most likely what became of it.
    fn strays(&self, folder: &Path) -> Vec<String> {
        let mut named = BTreeSet::new();
        for index in 0..self.head.size {
            let entry = self.entry(index).unwrap_or_default();
            named.extend(contents::named(&entry, |digest| self.blob(digest)).unwrap_or_default());
        }
        let strays = self.files.iter().filter(|(digest, _)| !named.contains(digest));
        let told = strays.map(|(_, path)| {
            let path = path.strip_prefix(folder).unwrap_or(path);
            format!("`{}` holds what no entry names: it was changed, or does not belong there", path.display())
        });
        told.collect()
    }

    fn read_only<T>(&self) -> Result<T, LogError> {
        Err(LogError::ReadOnly { why: "it is an export".into(), was_so: true })
    }
}

/// The bytes of the entry that a line is of.
fn entry_of(line: &[u8], index: u64) -> Result<Vec<u8>, String> {
    let row: Row = match line.strip_suffix(b"\n") {
        Some(line) => serde_json::from_slice(line).map_err(|error| error.to_string())?,
        None => return Err(format!("it is cut short, or longer than {LINE_BYTES_MAX} bytes")),
    };
    if row.index != index {
        return Err(format!("it is of entry {}, and should be of {index}", row.index));
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|nibble| nibble as u8);
    let bytes = row.entry.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    });
    bytes.collect::<Option<_>>().ok_or_else(|| "`entry` is not in hexadecimal".into())
}

/// The digest of every file in a folder and below. What is neither file nor folder is passed over.
fn digests_of(folder: &Path, depth: usize, found: &mut BTreeMap<Digest, PathBuf>) -> Result<(), Fault> {
    if depth == 0 {
        return Err(Fault::new(format!("{} lies too deep", folder.display()), TAKE_ANOTHER));
    }
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(at(folder))?);
        if kind.is_dir() {
            digests_of(&path, depth - 1, found)?;
        } else if kind.is_file() {
            found.insert(digest_of(&path).map_err(at(&path))?, path);
        }
    }
    Ok(())
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let (mut file, mut digest, mut bytes) = (File::open(path)?, Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(Digest::from_bytes(digest.finalize().into())),
            length => digest.update(&bytes[..length]),
        }
    }
}

impl Log for Exported {
    fn head(&self) -> Result<Head, LogError> {
        Ok(self.head)
    }

    fn known_size(&self) -> u64 {
        self.head.size
    }

    fn append(&self, _: &[Append], _: u64) -> Result<Vec<u64>, LogError> {
        self.read_only()
    }

    fn operation(&self, _: &str) -> Result<Option<u64>, LogError> {
        self.read_only()
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError> {
        let Some(path) = self.files.get(digest) else { return Ok(None) };
        let bytes = fs::read(path).map_err(|source| LogError::Io { path: path.clone(), source })?;
        match Digest::of(&bytes) == *digest {
            true => Ok(Some(bytes)),
            false => {
                let what = "it was changed while it was read".into();
                Err(LogError::Damaged { path: path.clone(), offset: 0, what })
            }
        }
    }

    fn put_blobs(&self, _: &[Vec<u8>]) -> Result<(), LogError> {
        self.read_only()
    }

    fn digests(&self) -> Result<Vec<Digest>, LogError> {
        Ok(self.files.keys().copied().collect())
    }

    fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let end = self.head.size.min(from.saturating_add(count as u64));
        (from..end).map(|index| self.entry(index)).collect()
    }

    fn wait_beyond(&self, _: u64, _: Duration) -> u64 {
        self.head.size
    }
}
