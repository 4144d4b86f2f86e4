//! A log in segment files: length-prefixed, CRC-checked records, entries hash-chained, one `fdatasync` a batch.
//!
//! A batch is blobs, entries, and a commit that names size and chain; only what a commit covers counts. Once it is durable a
//! settled record follows, which nobody waits for: a batch that has one was acknowledged. After a crash the last batch may be
//! torn: what follows the last commit is set aside in a file of its own, cut, and said. A disk may write the end of a batch and not its middle, so a hole in the
//! last batch is cut with it, unless it was settled. Any other record that cannot be read while a commit follows it is damage,
//! as is a commit that lacks a few bits of being one, and the journal is not opened.
//!
//! A sync that fails is final: nobody knows what it left, so nothing more is written until the journal is opened again.
//!
//! ```text
//! segment   <20 digits>.seg: magic "GUIJUJ01", then records; <20 digits>.torn: what was cut from it last
//! record    length u32 | CRC-32 of kind and body u32 | kind u8 | body          little-endian
//! blob      1 | bytes
//! entry     2 | chain 32 | operation length u8 | operation id | bytes
//! commit    3 | size u64 | chain 32
//! settled   4 | size u64
//! ```

mod survey; // all that can be read where there is damage

pub use survey::{Damage, Survey};

use super::{Append, Head, Health, Log, LogError};
use crate::disk::{self, Access, Disk, DiskFile, Files, Hold, Lost};
use guiju_model::Digest;
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

const MAGIC: &[u8; 8] = b"GUIJUJ01";
const SEGMENT_BYTES: u64 = 64 << 20;
const TORN: &str = "torn";
const RECORD_BYTES_MAX: u64 = 256 << 20;
const HEAD_BYTES: u64 = 9;
const BLOB: u8 = 1;
const ENTRY: u8 = 2;
const COMMIT: u8 = 3;
const SETTLED: u8 = 4;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Where a record's body stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u32,
    length: u32,
    /// Of the record, not of its body.
    offset: u64,
}

pub struct Journal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    held: Mutex<Held>,
    /// Held by the one who writes, so that `held` need not be while the disk works: those who read do not wait for it.
    writing: Mutex<()>,
    grown: Condvar,
    segment_bytes: u64,
    /// Held for as long as the journal is open to write.
    _lock: Option<Hold>,
}

/// A file of the journal, and where it lies.
type Segment = (PathBuf, Arc<dyn DiskFile>);

struct Held {
    head: Head,
    segments: Vec<Segment>,
    /// Bytes of the last segment that are committed.
    end: u64,
    entries: Vec<Place>,
    blobs: HashMap<Digest, Place>,
    operations: HashMap<String, u64>,
    /// Why nothing more is written.
    broken: Option<String>,
    access: Access,
}

/// What opening a journal found and mended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Bytes of a torn batch that were cut.
    pub cut_bytes: u64,
}

impl Journal {
    /// Opens or creates the journal in a folder.
    pub fn open(folder: &Path) -> Result<(Self, Opened), LogError> {
        Self::open_with(folder, SEGMENT_BYTES)
    }

    /// The same; `once_held` is called when no other process can open it any more, and before it is read.
    pub fn open_then(folder: &Path, once_held: impl FnOnce()) -> Result<(Self, Opened), LogError> {
        Self::open_held(Arc::new(Files), folder, SEGMENT_BYTES, once_held)
    }

    /// The same, with a segment begun anew once the last has so many bytes.
    pub fn open_with(folder: &Path, segment_bytes: u64) -> Result<(Self, Opened), LogError> {
        Self::open_on(Arc::new(Files), folder, segment_bytes)
    }

    /// The same, on a disk of the caller's.
    pub fn open_on(disk: Arc<dyn Disk>, folder: &Path, segment_bytes: u64) -> Result<(Self, Opened), LogError> {
        Self::open_held(disk, folder, segment_bytes, || ())
    }

    fn open_held(
        disk: Arc<dyn Disk>,
        folder: &Path,
        segment_bytes: u64,
        once_held: impl FnOnce(),
    ) -> Result<(Self, Opened), LogError> {
        // With the folder above it, which is most likely as new.
        for folder in folder.parent().filter(|above| !above.as_os_str().is_empty()).into_iter().chain([folder]) {
            disk::make_folder(&*disk, folder, disk::PRIVATE_FOLDER).map_err(io_at(folder))?;
        }
        let path = folder.join("lock");
        let lock = disk.lock(&path).map_err(io_at(&path))?;
        let lock = lock.ok_or_else(|| LogError::InUse { path: folder.into() })?;
        once_held();
        let (mut held, opened) = Held::scanned(&*disk, folder, Access::Write)?;
        if held.segments.is_empty() {
            held.add_segment(&*disk, folder)?;
        }
        Ok((Self::over(disk, folder, held, segment_bytes, Some(lock)), opened))
    }

    /// Opens a journal that exists, as it is committed now, and changes nothing; a server may be writing to it.
    ///
    /// `Opened::cut_bytes` are those that follow the last commit: a batch under way, or a torn one.
    pub fn read(folder: &Path) -> Result<(Self, Opened), LogError> {
        let disk: Arc<dyn Disk> = Arc::new(Files);
        let (held, opened) = Held::scanned(&*disk, folder, Access::Read)?;
        if held.segments.is_empty() {
            let source = io::Error::new(io::ErrorKind::NotFound, "it holds no segment of a journal");
            return Err(LogError::Io { path: folder.into(), source });
        }
        Ok((Self::over(disk, folder, held, SEGMENT_BYTES, None), opened))
    }

    fn over(disk: Arc<dyn Disk>, folder: &Path, held: Held, segment_bytes: u64, lock: Option<Hold>) -> Self {
        let (folder, held) = (folder.into(), Mutex::new(held));
        Self { disk, folder, held, writing: Mutex::default(), grown: Condvar::new(), segment_bytes, _lock: lock }
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes what `make` makes of what is held, durably, and takes it in; nothing where it makes nothing of it. For one at a time.
    fn write(&self, make: impl FnOnce(&Held) -> Batch) -> Result<(), LogError> {
        let (batch, (path, file), end) = {
            let mut held = self.held();
            if let Some(why) = &held.broken {
                return Err(LogError::ReadOnly { why: why.clone(), was_so: true });
            }
            if held.end >= self.segment_bytes {
                held.add_segment(&*self.disk, &self.folder)?;
            }
            let batch = make(&held);
            if batch.is_empty() {
                return Ok(());
            }
            let last = held.segments.last().cloned();
            (
                batch,
                last.ok_or_else(|| LogError::ReadOnly { why: "there is no segment".into(), was_so: true })?,
                held.end,
            )
        };
        let written = write(&*file, &path, &batch.bytes, end);
        let mut held = self.held();
        match written {
            Ok(()) => {
                held.take(batch);
                held.settle();
                Ok(())
            }
            Err(Failed { refusal, is_final }) => {
                held.broken = held.broken.take().or(is_final);
                Err(refusal)
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// All that is committed.
    pub fn head(&self) -> Head {
        self.held().head
    }

    /// The index that an operation has, if any.
    pub fn operation(&self, operation_id: &str) -> Option<u64> {
        self.held().operations.get(operation_id).copied()
    }

    /// Bytes that are committed.
    pub fn bytes(&self) -> u64 {
        let held = self.held();
        let full = held.segments.iter().rev().skip(1);
        full.map(|(_, file)| file.length().unwrap_or(0)).sum::<u64>() + held.end
    }

    /// Reads every record again: CRC, chain, and that each blob has its digest. The number of records read.
    pub fn verify(&self) -> Result<u64, LogError> {
        let (entries, blobs) = {
            let held = self.held();
            (held.entries.len(), held.blobs.keys().copied().collect::<Vec<_>>())
        };
        let mut head = Head::empty();
        for index in 0..entries {
            let entry = self.entries(index as u64, 1)?.pop().unwrap_or_default();
            head = head.then(&entry);
        }
        for digest in &blobs {
            self.blob(digest)?;
        }
        let held = self.held();
        match head.size < held.head.size || head == held.head {
            true => Ok(entries as u64 + blobs.len() as u64),
            false => Err(LogError::Damaged {
                path: self.folder.clone(),
                offset: 0,
                what: "the hash chain over the entries does not end where the last commit says".into(),
            }),
        }
    }

    /// Copies all that is committed now into an empty folder, durably. Serving goes on meanwhile.
    pub fn copy_to(&self, to: &Path) -> Result<Head, LogError> {
        let (head, segments) = {
            let held = self.held();
            let last = held.segments.len() - 1;
            let length = |at: usize, file: &dyn DiskFile| if at == last { Ok(held.end) } else { file.length() };
            let each = held.segments.iter().enumerate();
            let each = each.map(|(at, (path, file))| Ok((path.clone(), length(at, &**file).map_err(io_at(path))?)));
            (held.head, each.collect::<Result<Vec<_>, LogError>>()?)
        };
        disk::make_folder(&*self.disk, to, disk::PRIVATE_FOLDER).map_err(io_at(to))?;
        for (path, length) in segments {
            let target = to.join(path.file_name().unwrap_or_default());
            let from = self.disk.open(&path, Access::Read).map_err(io_at(&path))?;
            let into = self.disk.create(&target, disk::PRIVATE_FILE).map_err(io_at(&target))?;
            let (mut at, mut bytes) = (0, vec![0; COPY_BYTES]);
            while at < length {
                let part = &mut bytes[..COPY_BYTES.min((length - at) as usize)];
                from.read_at(part, at).map_err(lost_or_io(&path, at))?;
                into.write_at(part, at).map_err(full_or_io(&target))?;
                at += part.len() as u64;
            }
            into.sync().map_err(full_or_io(&target))?;
        }
        self.disk.sync_folder(to).map_err(io_at(to))?;
        Ok(head)
    }
}

impl Log for Journal {
    fn head(&self) -> Result<Head, LogError> {
        Ok(Self::head(self))
    }

    fn known_size(&self) -> u64 {
        Self::head(self).size
    }

    fn append(&self, entries: &[Append], expected_size: u64) -> Result<Vec<u64>, LogError> {
        entries.iter().try_for_each(Append::fits)?;
        let indices = |held: &Held| -> Option<Vec<u64>> {
            entries.iter().map(|entry| held.operations.get(&entry.operation_id).copied()).collect()
        };
        let _alone = self.alone();
        {
            let held = self.held();
            if let Some(known) = indices(&held) {
                return Ok(known);
            }
            let size = held.head.size;
            if size != expected_size && held.broken.is_none() {
                return Err(LogError::Conflict { expected: expected_size, size });
            }
        }
        self.write(|held| held.batch(entries))?;
        self.grown.notify_all();
        Ok(indices(&self.held()).unwrap_or_default())
    }

    fn operation(&self, operation_id: &str) -> Result<Option<u64>, LogError> {
        Ok(Self::operation(self, operation_id))
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LogError> {
        let (segment, place) = {
            let held = self.held();
            let Some(place) = held.blobs.get(digest).copied() else { return Ok(None) };
            (held.segments[place.segment as usize].clone(), place)
        };
        let body = read(&segment, place, BLOB)?;
        match Digest::of(&body) == *digest {
            true => Ok(Some(body)),
            false => Err(damaged(&segment, place.offset, format!("the blob is not {digest}"))),
        }
    }

    fn put_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), LogError> {
        let _alone = self.alone();
        self.write(|held| held.blob_batch(blobs))
    }

    fn digests(&self) -> Result<Vec<Digest>, LogError> {
        Ok(self.held().blobs.keys().copied().collect())
    }

    fn entries(&self, from: u64, count: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let places: Vec<(Segment, Place)> = {
            let held = self.held();
            let places = held.entries.iter().skip(from as usize).take(count);
            places.map(|place| (held.segments[place.segment as usize].clone(), *place)).collect()
        };
        let entry = |(segment, place): (Segment, Place)| Ok(entry_of(&read(&segment, place, ENTRY)?).1.to_vec());
        places.into_iter().map(entry).collect()
    }

    fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        let wait = self.grown.wait_timeout_while(self.held(), timeout, |held| held.head.size <= size);
        wait.map_or_else(|poisoned| poisoned.into_inner().0.head.size, |(held, _)| held.head.size)
    }

    fn health(&self) -> Health {
        Health { trouble: self.held().broken.clone(), members: Vec::new() }
    }
}

/// A batch as bytes, with what it adds once it is durable.
struct Batch {
    bytes: Vec<u8>,
    head: Head,
    entries: Vec<(Place, String)>,
    blobs: Vec<(Digest, Place)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.blobs.is_empty()
    }

    /// The record that ends it.
    fn commit(&self) -> Vec<u8> {
        let (size, mut bytes) = (self.head.size.to_le_bytes(), Vec::new());
        record(&mut bytes, 0, 0, COMMIT, &[&size, self.head.chain.as_bytes()]);
        bytes
    }
}

impl Held {
    /// Takes in every segment of a folder.
    fn scanned(disk: &dyn Disk, folder: &Path, access: Access) -> Result<(Self, Opened), LogError> {
        let mut held = Self {
            head: Head::empty(),
            segments: Vec::new(),
            end: 0,
            entries: Vec::new(),
            blobs: HashMap::new(),
            operations: HashMap::new(),
            broken: (access == Access::Read).then(|| "it was opened to read only".into()),
            access,
        };
        let mut opened = Opened::default();
        let paths = segment_paths(disk, folder)?;
        for (number, path) in paths.iter().enumerate() {
            opened.cut_bytes += held.scan(disk, path, number + 1 == paths.len())?;
        }
        Ok((held, opened))
    }

    fn batch(&self, entries: &[Append]) -> Batch {
        let mut batch = Batch { bytes: Vec::new(), head: self.head, entries: Vec::new(), blobs: Vec::new() };
        let segment = self.segments.len() as u32 - 1;
        for Append { operation_id, entry, blobs } in entries {
            if self.operations.contains_key(operation_id)
                || batch.entries.iter().any(|(_, known)| known == operation_id)
            {
                continue;
            }
            self.add_blobs(&mut batch, blobs);
            batch.head = batch.head.then(entry);
            let operation = operation_id.as_bytes();
            let length = [operation.len().min(255) as u8];
            let body = [batch.head.chain.as_bytes().as_slice(), &length, operation, entry];
            let place = record(&mut batch.bytes, segment, self.end, ENTRY, &body);
            batch.entries.push((place, operation_id.clone()));
        }
        let commit = batch.commit();
        batch.bytes.extend(commit);
        batch
    }

    /// Blobs alone, with the commit that covers them.
    fn blob_batch(&self, blobs: &[Vec<u8>]) -> Batch {
        let mut batch = Batch { bytes: Vec::new(), head: self.head, entries: Vec::new(), blobs: Vec::new() };
        self.add_blobs(&mut batch, blobs);
        let commit = batch.commit();
        batch.bytes.extend(commit);
        batch
    }

    /// Those that are not there yet.
    fn add_blobs(&self, batch: &mut Batch, blobs: &[Vec<u8>]) {
        let segment = self.segments.len() as u32 - 1;
        for blob in blobs {
            let digest = Digest::of(blob);
            if !self.blobs.contains_key(&digest) && !batch.blobs.iter().any(|(known, _)| *known == digest) {
                let place = record(&mut batch.bytes, segment, self.end, BLOB, &[blob]);
                batch.blobs.push((digest, place));
            }
        }
    }

    fn sync_failed(&mut self, path: &Path, error: &io::Error) -> LogError {
        let why = format!("{}: {error}", path.display());
        self.broken = Some(why.clone());
        // Before the batch: that is not written any more.
        LogError::ReadOnly { why, was_so: true }
    }

    /// Says that the last batch is durable. It goes to the disk with the next one; where it cannot be written, that one says why.
    fn settle(&mut self) {
        let bytes = settled(self.head.size);
        if let Some((_, file)) = self.segments.last()
            && file.write_at(&bytes, self.end).is_ok()
        {
            self.end += bytes.len() as u64;
        }
    }

    fn take(&mut self, batch: Batch) {
        self.end += batch.bytes.len() as u64;
        for (index, (place, operation)) in (self.head.size..).zip(batch.entries) {
            self.entries.push(place);
            self.operations.insert(operation, index);
        }
        self.blobs.extend(batch.blobs);
        self.head = batch.head;
    }

    fn add_segment(&mut self, disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
        // What follows the last commit of a full segment must be whole: nothing, or what settles it.
        if let Some((path, file)) = self.segments.last() {
            if file.length().map_err(io_at(path))? != self.end {
                file.set_length(self.end).map_err(full_or_io(path))?;
            }
            if let Err(error) = file.sync() {
                return Err(self.sync_failed(&path.clone(), &error));
            }
        }
        let path = folder.join(format!("{:020}.seg", self.segments.len()));
        let file = disk.create(&path, disk::PRIVATE_FILE).map_err(full_or_io(&path))?;
        file.write_at(MAGIC, 0).map_err(full_or_io(&path))?;
        if let Err(error) = file.sync().and_then(|()| disk.sync_folder(folder)) {
            return Err(self.sync_failed(&path, &error));
        }
        self.segments.push((path, file.into()));
        self.end = MAGIC.len() as u64;
        Ok(())
    }

    /// Takes in one segment; the bytes cut from the end of the last.
    fn scan(&mut self, disk: &dyn Disk, path: &Path, is_last: bool) -> Result<u64, LogError> {
        let (bytes, lost) = disk::read_around(disk, path).map_err(io_at(path))?;
        let damaged = |offset: usize, what: &str| LogError::Damaged {
            path: path.into(),
            offset: offset as u64,
            what: what.into(),
        };
        if let Some(Lost { bytes, why }) = lost.first() {
            return Err(damaged(bytes.start as usize, &unreadable(why)));
        }
        let writes = self.access == Access::Write;
        let file = disk.open(path, self.access).map_err(io_at(path))?;
        let segment = self.segments.len() as u32;
        self.segments.push((path.into(), file.into()));
        if !bytes.starts_with(MAGIC) {
            // A crash while the segment was made leaves less than its magic, and nothing committed.
            if is_last && bytes.len() < MAGIC.len() {
                let (path, file) = &self.segments[segment as usize];
                let begin = || file.set_length(0).and_then(|()| file.write_at(MAGIC, 0)).and_then(|()| file.sync());
                self.end = 0;
                if writes {
                    begin().map_err(io_at(path))?;
                    self.end = MAGIC.len() as u64;
                }
                return Ok(bytes.len() as u64);
            }
            return Err(damaged(0, "it does not begin as a segment does"));
        }
        let mut at = MAGIC.len();
        let mut committed = at;
        let mut batch = Batch { bytes: Vec::new(), head: self.head, entries: Vec::new(), blobs: Vec::new() };
        while let Some((kind, body, next)) = parse(&bytes[at..]).map(|(kind, body, length)| (kind, body, at + length)) {
            let place = Place { segment, offset: at as u64, length: body.len() as u32 };
            match kind {
                BLOB => batch.blobs.push((Digest::of(body), place)),
                ENTRY => {
                    let (chain, entry, operation) = {
                        let (operation, entry) = entry_of(body);
                        (&body[..32], entry, operation)
                    };
                    batch.head = batch.head.then(entry);
                    if batch.head.chain.as_bytes() != chain {
                        return Err(damaged(at, "the entry does not follow the one before it"));
                    }
                    batch.entries.push((place, operation));
                }
                COMMIT => {
                    let head = batch.head;
                    if body != [head.size.to_le_bytes().as_slice(), head.chain.as_bytes()].concat() {
                        return Err(damaged(at, "the commit names another size or chain than the entries before it"));
                    }
                    self.end = 0;
                    self.take(batch);
                    batch = Batch { bytes: Vec::new(), head, entries: Vec::new(), blobs: Vec::new() };
                    committed = next;
                }
                SETTLED if body == batch.head.size.to_le_bytes() && batch.is_empty() => {
                    committed = next;
                }
                SETTLED => return Err(damaged(at, "it says that another batch than the one before it is settled")),
                _ => return Err(damaged(at, "a record of unknown kind")),
            }
            at = next;
        }
        if at < bytes.len() && !(is_last && is_torn(&bytes, at, self.head.size)) {
            return Err(damaged(at, "a record cannot be read, and committed ones follow it"));
        }
        if batch.is_empty() && committed == at && is_nearly(&bytes[at..], &settled(self.head.size)) {
            return Err(damaged(at, "the record that settles the batch before it has flipped bits"));
        }
        if !batch.entries.is_empty() && is_nearly(&bytes[at..], &batch.commit()) {
            return Err(damaged(at, "the commit of the batch before it has flipped bits"));
        }
        if committed < bytes.len() {
            let (path, file) = &self.segments[segment as usize];
            if !is_last {
                return Err(damaged(committed, "the segment ends in the middle of a batch"));
            }
            if writes {
                keep_torn(disk, path, &bytes[committed..])?;
                file.set_length(committed as u64).and_then(|()| file.sync()).map_err(io_at(path))?;
            }
        }
        self.end = committed as u64;
        Ok((bytes.len() - committed) as u64)
    }
}

/// Where the end of a segment goes that follows its last commit.
pub fn torn_path(segment: &Path) -> PathBuf {
    segment.with_extension(TORN)
}

/// Sets aside what is about to be cut. A crash leaves what nobody was told of; a disk that lost what it had confirmed leaves the
/// same, and then these bytes are all there is of it. The one before goes: whoever misses it has been refused a start since.
fn keep_torn(disk: &dyn Disk, segment: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let path = torn_path(segment);
    let file = disk.create(&path, disk::PRIVATE_FILE).map_err(full_or_io(&path))?;
    file.write_at(bytes, 0).map_err(full_or_io(&path))?;
    let folder = segment.parent().unwrap_or(segment);
    file.sync().and_then(|()| disk.sync_folder(folder)).map_err(io_at(&path))
}

/// Why a batch is not durable, and whether anything can be written after it: where not, why.
struct Failed {
    refusal: LogError,
    is_final: Option<String>,
}

/// Writes and syncs. What could not be written is taken back; a failed sync is final, since nobody knows what it left.
fn write(file: &dyn DiskFile, path: &Path, bytes: &[u8], end: u64) -> Result<(), Failed> {
    if let Err(source) = file.write_at(bytes, end) {
        let taken_back = file.set_length(end).and_then(|()| file.sync());
        let is_final = taken_back.err().map(|error| format!("{}: {error}", path.display()));
        return Err(Failed { refusal: full_or_io(path)(source), is_final });
    }
    file.sync().map_err(|error| {
        let why = format!("{}: {error}", path.display());
        Failed { refusal: LogError::ReadOnly { why: why.clone(), was_so: false }, is_final: Some(why) }
    })
}

/// The body of a record, checked.
fn read(segment: &Segment, place: Place, kind: u8) -> Result<Vec<u8>, LogError> {
    let (path, file) = segment;
    let mut bytes = vec![0; HEAD_BYTES as usize + place.length as usize];
    match file.read_at(&mut bytes, place.offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(damaged(segment, place.offset, "the file ends before the record does".into()));
        }
        read => read.map_err(lost_or_io(path, place.offset))?,
    }
    match parse(&bytes) {
        Some((found, body, _)) if found == kind => Ok(body.to_vec()),
        _ => Err(damaged(segment, place.offset, "the record's checksum does not agree".into())),
    }
}

fn damaged((path, _): &Segment, offset: u64, what: String) -> LogError {
    LogError::Damaged { path: path.clone(), offset, what }
}

/// Writes one record at the end of a batch that will stand at `base` of its segment.
fn record(bytes: &mut Vec<u8>, segment: u32, base: u64, kind: u8, parts: &[&[u8]]) -> Place {
    let offset = base + bytes.len() as u64;
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    parts.iter().for_each(|part| crc.update(part));
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    bytes.extend_from_slice(&crc.finalize().to_le_bytes());
    bytes.push(kind);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Place { segment, length: length as u32, offset }
}

/// Kind, body and whole length of the record that begins here; none where it is torn or damaged.
fn parse(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let head = bytes.get(..HEAD_BYTES as usize)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(head[4..8].try_into().ok()?);
    if length as u64 > RECORD_BYTES_MAX {
        return None;
    }
    let body = bytes.get(HEAD_BYTES as usize..HEAD_BYTES as usize + length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[8..]);
    hasher.update(body);
    let is_whole =
        hasher.finalize() == crc && (head[8] != ENTRY || body.len() > 32 && body.len() > 32 + body[32] as usize);
    is_whole.then_some((head[8], body, HEAD_BYTES as usize + length))
}

/// Operation id and bytes of an entry's body.
fn entry_of(body: &[u8]) -> (String, &[u8]) {
    let length = body[32] as usize;
    (String::from_utf8_lossy(&body[33..33 + length]).into_owned(), &body[33 + length..])
}

/// Whether what cannot be read is a batch that a crash has torn: no commit follows, or none but its own, with a hole before it and
/// nobody told of it.
fn is_torn(bytes: &[u8], from: usize, size: u64) -> bool {
    let mut following = (from..bytes.len()).filter_map(|at| tail_record(bytes, at));
    match (following.next(), following.next()) {
        (None, _) => true,
        (Some((at, COMMIT, its_size)), None) => its_size > size && has_hole(bytes, from, at),
        _ => false,
    }
}

/// A whole commit or settled record that begins here: where, its kind, its size.
fn tail_record(bytes: &[u8], at: usize) -> Option<(usize, u8, u64)> {
    let rest = &bytes[at..];
    let is_one = matches!(rest.get(..HEAD_BYTES as usize)?, [40, 0, 0, 0, .., COMMIT] | [8, 0, 0, 0, .., SETTLED]);
    let (kind, body, _) = is_one.then(|| parse(rest))??;
    Some((at, kind, u64::from_le_bytes(body[..8].try_into().ok()?)))
}

/// Whether a sector, or the part of one that lies between, was never written.
fn has_hole(bytes: &[u8], from: usize, to: usize) -> bool {
    let mut at = from;
    while at < to {
        let end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        if bytes[at..end.min(to)].iter().all(|byte| *byte == 0) {
            return true;
        }
        at = end;
    }
    false
}

fn settled(size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    record(&mut bytes, 0, 0, SETTLED, &[&size.to_le_bytes()]);
    bytes
}

/// Whether bytes are a record but for a few bits. A crash leaves a record torn or not written, never whole and so near.
fn is_nearly(bytes: &[u8], record: &[u8]) -> bool {
    let bits = |(one, other): (&u8, &u8)| (one ^ other).count_ones();
    bytes.len() >= record.len() && bytes.iter().zip(record).map(bits).sum::<u32>() <= 8
}

fn segment_paths(disk: &dyn Disk, folder: &Path) -> Result<Vec<PathBuf>, LogError> {
    let mut paths = disk.paths(folder).map_err(io_at(folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    for (number, path) in paths.iter().enumerate() {
        if path.file_stem().is_none_or(|stem| *stem != *format!("{number:020}")) {
            return Err(LogError::Damaged {
                path: path.clone(),
                offset: 0,
                what: format!("segment {number} is missing before it"),
            });
        }
    }
    Ok(paths)
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> LogError + '_ {
    move |source| LogError::Io { path: path.into(), source }
}

/// The same of a read, where what lies there may be lost: that is damage.
fn lost_or_io(path: &Path, offset: u64) -> impl FnOnce(io::Error) -> LogError + '_ {
    move |source| match disk::is_lost(&source) {
        true => LogError::Damaged { path: path.into(), offset, what: unreadable(&source.to_string()) },
        false => LogError::Io { path: path.into(), source },
    }
}

fn unreadable(why: &str) -> String {
    format!("the disk does not give back what lies there: {why}")
}

/// The same, with a name of its own for a disk, a quota or a file that takes no more.
fn full_or_io(path: &Path) -> impl FnOnce(io::Error) -> LogError + '_ {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    move |source| match source.kind() {
        StorageFull | QuotaExceeded | FileTooLarge | WriteZero => LogError::Full { path: path.into() },
        _ => LogError::Io { path: path.into(), source },
    }
}
