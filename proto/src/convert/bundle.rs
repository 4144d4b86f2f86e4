//! A version with all it needs, in parts no larger than a message.

use super::{ConvertError, parsed};
use crate::registry::{FilePiece, GetBundleResponse, get_bundle_response::Part};
use guiju_model::{Bundle, Content, Digest, Manifest};
use std::collections::BTreeMap;

/// What one piece of a file holds at most, in bytes.
pub const PIECE_BYTES: usize = 1 << 20;

/// What a bundle that is being received holds at most, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 512 << 20;

/// The parts of a bundle, in the order in which they are sent: the root first, each manifest before its files.
pub fn bundle_parts(bundle: &Bundle) -> impl Iterator<Item = GetBundleResponse> {
    let root = bundle.digest();
    let others = bundle.contents().filter(move |content| content.digest() != root);
    let parts = std::iter::once(bundle.root()).chain(others).flat_map(content_parts);
    let mut name = Some(root.to_string());
    parts.map(move |part| GetBundleResponse { root: name.take().unwrap_or_default(), part: Some(part) })
}

fn content_parts(content: &Content) -> impl Iterator<Item = Part> {
    let digest = content.digest().to_string();
    let manifest = Part::Manifest(content.manifest.to_canonical().into());
    let pieces = content.files.iter().flat_map(move |(path, bytes)| file_pieces(digest.clone(), path, bytes));
    std::iter::once(manifest).chain(pieces)
}

fn file_pieces<'a>(digest: String, path: &'a str, bytes: &'a [u8]) -> impl Iterator<Item = Part> + 'a {
    // A file of no bytes still is a file: it has one empty piece.
    (0..bytes.len().max(1)).step_by(PIECE_BYTES).map(move |start| {
        let end = bytes.len().min(start + PIECE_BYTES);
        let content = bytes[start..end].to_vec().into();
        Part::Piece(FilePiece { digest: digest.clone(), path: path.into(), content, is_last: end == bytes.len() })
    })
}

/// Puts a bundle together from its parts and verifies every digest.
#[derive(Debug, Default)]
pub struct BundleReceiver {
    root: Option<Digest>,
    contents: BTreeMap<Digest, Content>,
    open: Option<(Digest, String, Vec<u8>)>,
    bytes: usize,
}

impl BundleReceiver {
    pub fn take(&mut self, message: GetBundleResponse) -> Result<(), ConvertError> {
        match (&self.root, message.root.as_str()) {
            (None, root) => self.root = Some(parsed("root", root)?),
            (Some(_), "") => {}
            (Some(_), _) => return Err(ConvertError::new("root", "it is given in the first part only")),
        }
        match message.part {
            None => Err(ConvertError::new("part", "it is missing")),
            Some(Part::Manifest(bytes)) => self.take_manifest(&bytes),
            Some(Part::Piece(piece)) => self.take_piece(piece),
        }
    }

    /// The bundle, whole and verified.
    pub fn finish(self) -> Result<Bundle, ConvertError> {
        if let Some((_, path, _)) = self.open {
            return Err(ConvertError::new("piece.path", format!("the last piece of `{path}` did not come")));
        }
        let root = self.root.ok_or_else(|| ConvertError::new("root", "the answer holds nothing"))?;
        Bundle::verify(root, self.contents.into_values().collect()).map_err(|error| ConvertError::new("root", error))
    }

    fn take_manifest(&mut self, bytes: &[u8]) -> Result<(), ConvertError> {
        self.count(bytes.len())?;
        let manifest = Manifest::from_canonical(bytes).map_err(|error| ConvertError::new("manifest", error))?;
        self.contents.insert(manifest.digest(), Content { manifest, files: BTreeMap::new() });
        Ok(())
    }

    fn take_piece(&mut self, piece: FilePiece) -> Result<(), ConvertError> {
        self.count(piece.content.len())?;
        let digest: Digest = parsed("piece.digest", &piece.digest)?;
        let mut bytes = match self.open.take() {
            None => Vec::new(),
            Some((open, path, bytes)) if open == digest && path == piece.path => bytes,
            Some((_, path, _)) => {
                return Err(ConvertError::new(
                    "piece.path",
                    format!("`{}` came before the end of `{path}`", piece.path),
                ));
            }
        };
        bytes.extend_from_slice(&piece.content);
        if !piece.is_last {
            self.open = Some((digest, piece.path, bytes));
            return Ok(());
        }
        let content = self.contents.get_mut(&digest);
        let content =
            content.ok_or_else(|| ConvertError::new("piece.digest", "no manifest with this digest came before"))?;
        content.files.insert(piece.path, bytes);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), ConvertError> {
        self.bytes += bytes;
        match self.bytes <= BUNDLE_BYTES_MAX {
            true => Ok(()),
            false => Err(ConvertError::new("part", format!("the bundle holds more than {BUNDLE_BYTES_MAX} bytes"))),
        }
    }
}
