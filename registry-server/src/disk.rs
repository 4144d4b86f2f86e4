//! What the store asks of a disk: the few steps by which it keeps its promises, so that a test can put a disk of its own here,
//! one that loses power or says no.
//!
//! # What a disk promises, and no more
//! - What was written to a file is there after a power loss once `sync` of that file has returned `Ok`; before, any part of it
//!   may be there.
//! - A name made, renamed or removed is so after a power loss once `sync_folder` of its folder has returned `Ok`.
//! - After a `sync` that failed nobody knows what is there, and no later one tells.

use std::{
    any::Any,
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    ops::Range,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Keeps something for as long as it lives.
pub type Hold = Box<dyn Any + Send + Sync>;

pub trait Disk: Send + Sync {
    /// Makes one folder in a folder that exists; `AlreadyExists` where it does.
    fn make_folder(&self, folder: &Path, mode: u32) -> io::Result<()>;
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// The paths of what lies in a folder, in no order.
    fn paths(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// An empty file to write, in the place of what has that name.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>>;
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// Puts a file in the place of another, whole.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Holds a file so that no other process does; nothing where another holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Hold>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Write,
    Read,
}

pub trait DiskFile: Send + Sync {
    fn length(&self) -> io::Result<u64>;
    /// Fills `bytes`; `UnexpectedEof` where the file ends before.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes`, or an unknown part of them where it fails.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn set_length(&self, length: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

impl fmt::Debug for dyn DiskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file")
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Disk for Files {
    fn make_folder(&self, folder: &Path, mode: u32) -> io::Result<()> {
        fs::DirBuilder::new().mode(mode).create(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn paths(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(mode).open(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(access == Access::Write).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// The system lets go of the lock when the process ends, however it ends.
    fn lock(&self, path: &Path) -> io::Result<Option<Hold>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Box::new(file))),
                // A process that its holder is just starting has a share in the lock until it runs its own program.
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(source),
            }
        }
        Ok(None)
    }
}

const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(25);

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    /// The data, and of what is known about it as much as reading it needs, such as the length.
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// All of a file.
pub fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Read at once, and of that read by itself where it does not go.
const PART_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

/// A place that the disk gives back no more, and what it says instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub bytes: Range<u64>,
    pub why: String,
}

/// All of a file as far as it can be read, zeros for what cannot, and where that is, page by page.
pub fn read_around(disk: &dyn Disk, path: &Path) -> io::Result<(Vec<u8>, Vec<Lost>)> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    let mut lost: Vec<Lost> = Vec::new();
    for (number, part) in bytes.chunks_mut(PART_BYTES).enumerate() {
        let from = number * PART_BYTES;
        if is_read(&*file, part, from)?.is_none() {
            continue;
        }
        for (number, page) in part.chunks_mut(PAGE_BYTES).enumerate() {
            let begin = (from + number * PAGE_BYTES) as u64;
            let Some(why) = is_read(&*file, page, begin as usize)? else { continue };
            page.fill(0);
            let end = begin + page.len() as u64;
            match lost.last_mut().filter(|last| last.bytes.end == begin) {
                Some(last) => last.bytes.end = end,
                None => lost.push(Lost { bytes: begin..end, why }),
            }
        }
    }
    Ok((bytes, lost))
}

/// Why not, where the disk has lost it.
fn is_read(file: &dyn DiskFile, bytes: &mut [u8], offset: usize) -> io::Result<Option<String>> {
    match file.read_at(bytes, offset as u64) {
        Err(error) if is_lost(&error) => Ok(Some(error.to_string())),
        read => read.map(|()| None),
    }
}

/// Whether a read that failed says that the disk has lost what lay there, rather than that it may not be read. Linux has a few words
/// for it: of most disks, of a checksum that a file system or a device found wrong, of a bad medium.
pub fn is_lost(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    const ENODATA: i32 = 61;
    const EBADMSG: i32 = 74;
    const EILSEQ: i32 = 84;
    const EUCLEAN: i32 = 117;
    error.raw_os_error().is_some_and(|code| [EIO, ENODATA, EBADMSG, EILSEQ, EUCLEAN].contains(&code))
}

/// All of a file as text; nothing where there is no such file.
pub fn read_text(disk: &dyn Disk, path: &Path) -> io::Result<Option<String>> {
    match read(disk, path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| io::Error::other("it is not UTF-8")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What only the user that the server runs as may read: drafts, texts and who may do what lie there. What exists keeps the mode it has.
pub const PRIVATE_FOLDER: u32 = 0o700;
pub const PRIVATE_FILE: u32 = 0o600;

/// Makes a folder with those above it, durably: also where it was there, since nobody may have synced the one above.
pub fn make_folder(disk: &dyn Disk, folder: &Path, mode: u32) -> io::Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    let made = match (disk.make_folder(folder, mode), above) {
        (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => {
            make_folder(disk, above, 0o777)?;
            disk.make_folder(folder, mode)
        }
        (made, _) => made,
    };
    let is_new = match made {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    match above.map_or(Ok(()), |above| disk.sync_folder(above)) {
        // A folder of somebody else's making in a folder that only lets us pass is theirs to sync.
        Err(error) if !is_new && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// A reader finds all of the bytes or what was there before, also after a power loss.
///
/// A call that failed may be made again: each writes a file of its own, and no page of a failed `sync` is relied on.
pub fn write_durably(disk: &dyn Disk, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    match disk.remove(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&draft, mode)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&draft, path)?;
    disk.sync_folder(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}
