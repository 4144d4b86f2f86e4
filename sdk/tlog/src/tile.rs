//! The tree and its entries as files of 256: the paths and contents of C2SP tlog-tiles.

use crate::{Hash, Nodes, SIZE_MAX};
use std::{fmt, str::FromStr};

/// Hashes or entries in a full tile.
pub const TILE_WIDTH: u64 = 256;

/// A bundle gives an entry's length in two bytes.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// The largest level at which a tree of ours has a tile.
const LEVEL_MAX: u8 = 6;

/// A path such as `tile/0/x001/x234/067.p/112` or `tile/entries/000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// None for a bundle of entries.
    level: Option<u8>,
    index: u64,
    /// 1 to 256; full tiles have 256.
    width: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a tile: write tile/<level>/<index> or tile/entries/<index>, .p/<width> behind it where it is not full"
)]
pub struct TilePathError(String);

impl TilePath {
    /// A tile of hashes; none where the numbers are out of bounds.
    pub fn hashes(level: u8, index: u64, width: u64) -> Option<Self> {
        Self { level: Some(level), index, width }.checked()
    }

    /// A bundle of entries; none where the numbers are out of bounds.
    pub fn entries(index: u64, width: u64) -> Option<Self> {
        Self { level: None, index, width }.checked()
    }

    fn checked(self) -> Option<Self> {
        let is_sound =
            self.level.unwrap_or(0) <= LEVEL_MAX && self.index < SIZE_MAX && (1..=TILE_WIDTH).contains(&self.width);
        is_sound.then_some(self)
    }

    pub fn level(&self) -> Option<u8> {
        self.level
    }

    pub fn index(&self) -> u64 {
        self.index
    }

    pub fn width(&self) -> u64 {
        self.width
    }

    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The first of its hashes or entries, counted along its level.
    pub fn first(&self) -> u64 {
        self.index * TILE_WIDTH
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let path = parse(text).filter(|path| path.to_string() == text);
        path.ok_or_else(|| TilePathError(text.into()))
    }
}

/// Reads a path; more spellings than there are, so the caller compares.
fn parse(text: &str) -> Option<TilePath> {
    let (level, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let level = if level == "entries" { None } else { Some(level.parse().ok()?) };
    let (digits, width) = match rest.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().ok()?),
        None => (rest, TILE_WIDTH),
    };
    let mut index = 0u64;
    for group in digits.split('/') {
        let group: u64 = group.trim_start_matches('x').parse().ok()?;
        index = index.checked_mul(1000)?.checked_add(group)?;
    }
    TilePath { level, index, width }.checked()
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "tile/{level}")?,
            None => write!(f, "tile/entries")?,
        }
        let groups = (1..7).rev().map(|place| self.index / 1000u64.pow(place)).filter(|group| *group > 0);
        groups.into_iter().try_for_each(|group| write!(f, "/x{:03}", group % 1000))?;
        write!(f, "/{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Every tile of hashes of a tree of that size, the partial ones as they stand then.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TilePath> {
    let widths = (0..=LEVEL_MAX).map(move |level| (level, size.checked_shr(8 * u32::from(level)).unwrap_or(0)));
    widths.flat_map(|(level, count)| {
        let tiles = 0..count.div_ceil(TILE_WIDTH);
        tiles.filter_map(move |index| TilePath::hashes(level, index, TILE_WIDTH.min(count - index * TILE_WIDTH)))
    })
}

/// The bytes of a tile of hashes; none where the tree is too small for it.
pub fn hash_tile(nodes: &impl Nodes, path: &TilePath) -> Option<Vec<u8>> {
    let level = 8 * path.level?;
    let hashes = path.first()..path.first() + path.width;
    let hashes: Option<Vec<Hash>> = hashes.map(|index| nodes.node(level, index)).collect();
    Some(hashes?.iter().flat_map(Hash::as_bytes).copied().collect())
}

/// Why entries make no bundle, or a bundle has no entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    #[error("an entry has {bytes} bytes; a bundle takes at most {ENTRY_BYTES_MAX} of each")]
    EntryTooLong { bytes: usize },
    #[error("the bundle breaks off in the middle of an entry")]
    Torn,
    #[error("the bundle has {found} entries, not {width}")]
    Width { found: u64, width: u64 },
}

/// The bytes of a bundle: each entry with its length before it.
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong { bytes: entry.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle.
pub fn bundle_entries<'a>(path: &TilePath, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(BundleError::Torn)?;
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(BundleError::Torn)?;
        entries.push(entry);
        rest = after;
    }
    match entries.len() as u64 {
        found if found == path.width => Ok(entries),
        found => Err(BundleError::Width { found, width: path.width }),
    }
}
