//! The standards that the program carries, pinned by digest, so that a first verdict needs no server.

use crate::archive::Archive;
use std::sync::LazyLock;

static ARCHIVE: LazyLock<Archive<'static>> = LazyLock::new(|| {
    // The build opens what it packs, so this never fails.
    Archive::open(include_bytes!(concat!(env!("OUT_DIR"), "/standards.archive"))).unwrap_or_default()
});

pub fn archive() -> &'static Archive<'static> {
    &ARCHIVE
}
