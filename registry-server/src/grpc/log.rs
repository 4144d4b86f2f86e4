//! `guiju.log.v1`: checkpoints, proofs, entries.

use super::{Answer, PART_BYTES, Service, part};
use crate::{
    gate::Deed,
    registry::StoreError,
    status::{Reason, Refusal},
};
use guiju_model::{Digest, Role, Scope};
use guiju_proto::convert::ConvertError;
use guiju_proto::log::{self as wire, leaf::Leaf, log_service_server::LogService};
use guiju_tlog::{Hash, Proof};
use prost::bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};
use tonic::{Request, Response};

/// Documents that are being read in parts, so that each is read, and held against its digest, once and not for each part.
#[derive(Default)]
pub struct Parted(Mutex<VecDeque<(Digest, Bytes)>>);

/// What of them is kept together; where one more does not fit, those go that nobody has asked for the longest.
const PARTED_BYTES_MAX: usize = 64 << 20;

impl Parted {
    fn get(&self, digest: &Digest) -> Option<Bytes> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == digest)?;
        let found = kept.remove(at)?;
        kept.push_back(found.clone());
        Some(found.1)
    }

    /// Until the part at its end is read.
    fn keep(&self, digest: Digest, document: &Bytes, offset: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != digest);
        let end = offset.saturating_add(PART_BYTES as u64);
        if end >= document.len() as u64 || document.len() > PARTED_BYTES_MAX {
            return;
        }
        kept.push_back((digest, document.clone()));
        while kept.iter().map(|(_, document)| document.len()).sum::<usize>() > PARTED_BYTES_MAX {
            kept.pop_front();
        }
    }
}

#[tonic::async_trait]
impl LogService for Service {
    async fn get_checkpoint(&self, _: Request<wire::GetCheckpointRequest>) -> Answer<wire::GetCheckpointResponse> {
        let sequencer = self.sequencer.clone();
        let note = self.ask(move |_| sequencer.checkpoint().map_err(Refusal::from)).await?;
        let keys = self.sequencer.keys();
        Ok(Response::new(wire::GetCheckpointResponse {
            note: note.to_string(),
            first_key: keys.first.to_string(),
            rotations: keys.rotations.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn prove_inclusion(
        &self,
        request: Request<wire::ProveInclusionRequest>,
    ) -> Answer<wire::ProveInclusionResponse> {
        let (deed, wire::ProveInclusionRequest { index, tree_size }) = self.called(request);
        let sequencer = self.sequencer.clone();
        let caller = deed.caller().clone();
        let proved = self.ask(move |registry| {
            let (entry, proof, tree_size) = sequencer.prove_inclusion(index, tree_size).map_err(Refusal::from)?;
            let is_shown = registry.shows_entry(&caller, index, &entry).map_err(Refusal::from)?;
            Ok::<_, Refusal>((entry, proof, tree_size, is_shown))
        });
        let (entry, proof, tree_size, is_shown) = proved.await?;
        if !is_shown {
            return Err(hidden(&deed, index).into());
        }
        Ok(Response::new(wire::ProveInclusionResponse { entry: entry.into(), hashes: hashes(proof), tree_size }))
    }

    async fn prove_consistency(
        &self,
        request: Request<wire::ProveConsistencyRequest>,
    ) -> Answer<wire::ProveConsistencyResponse> {
        let (sequencer, wire::ProveConsistencyRequest { old_size, tree_size }) =
            (self.sequencer.clone(), request.into_inner());
        let proved = self.ask(move |_| sequencer.prove_consistency(old_size, tree_size).map_err(Refusal::from));
        let (proof, tree_size) = proved.await?;
        Ok(Response::new(wire::ProveConsistencyResponse { hashes: hashes(proof), tree_size }))
    }

    async fn read_entries(&self, request: Request<wire::ReadEntriesRequest>) -> Answer<wire::ReadEntriesResponse> {
        let (deed, wire::ReadEntriesRequest { from_index, count }) = self.called(request);
        let (sequencer, caller) = (self.sequencer.clone(), deed.caller().clone());
        let read = self.ask(move |registry| {
            let (mut entries, mut shown) = (sequencer.entries(from_index, count as usize)?, 0);
            while let Some(entry) = entries.get(shown)
                && registry.shows_entry(&caller, from_index + shown as u64, entry)?
            {
                shown += 1;
            }
            let is_hidden = shown == 0 && !entries.is_empty();
            entries.truncate(shown);
            Ok::<_, Refusal>((entries, is_hidden))
        });
        let (entries, is_hidden) = read.await?;
        if is_hidden {
            return Err(hidden(&deed, from_index).into());
        }
        let entries = entries.into_iter().map(Bytes::from).collect();
        Ok(Response::new(wire::ReadEntriesResponse { entries }))
    }

    async fn read_shown_entries(
        &self,
        request: Request<wire::ReadShownEntriesRequest>,
    ) -> Answer<wire::ReadShownEntriesResponse> {
        let (deed, wire::ReadShownEntriesRequest { from_index, count, all_published }) = self.called(request);
        if all_published {
            // A mirror whose role was taken back is told so, and does not go on with gaps.
            deed.caller().over(Role::Reader, Scope::All).inspect_err(|_| deed.hid("*")).map_err(Refusal::from)?;
        }
        let (sequencer, caller) = (self.sequencer.clone(), deed.caller().clone());
        let read = self.ask(move |registry| {
            let entries = sequencer.entries(from_index, count as usize).map_err(Refusal::from)?;
            let leaf = |(index, entry): (u64, Vec<u8>)| {
                let is_shown = registry.shows_entry(&caller, index, &entry).map_err(Refusal::from)?;
                let leaf = match is_shown {
                    true => Leaf::Entry(entry.into()),
                    false => Leaf::Hash(Bytes::copy_from_slice(Hash::of_entry(&entry).as_bytes())),
                };
                Ok::<_, Refusal>(wire::Leaf { leaf: Some(leaf) })
            };
            (from_index..).zip(entries).map(leaf).collect::<Result<Vec<_>, _>>()
        });
        Ok(Response::new(wire::ReadShownEntriesResponse { leaves: read.await? }))
    }

    async fn read_blob(&self, request: Request<wire::ReadBlobRequest>) -> Answer<wire::ReadBlobResponse> {
        let (deed, wire::ReadBlobRequest { digest, offset }) = self.called(request);
        let digest: [u8; 32] =
            digest.as_ref().try_into().map_err(|_| Refusal::from(ConvertError::new("digest", "write 32 bytes")))?;
        let digest = Digest::from_bytes(digest);
        let (caller, parted) = (deed.caller().clone(), self.parted.clone());
        let _whole = self.whole().await;
        let read = self.ask(move |registry| {
            let blob = match parted.get(&digest) {
                Some(blob) => Some(blob),
                None => registry.blob(&digest)?.map(Bytes::from),
            };
            let is_shown = blob.is_none() || registry.shows(&caller, &digest)?;
            if let Some(blob) = blob.as_ref().filter(|_| is_shown) {
                parted.keep(digest, blob, offset);
            }
            Ok::<_, StoreError>((blob, is_shown))
        });
        let (blob, is_shown) = read.await?;
        if !is_shown {
            deed.hid("");
        }
        let blob = blob.filter(|_| is_shown);
        let unknown = || Refusal::new(Reason::UnknownDocument, format!("the log has no document {digest}"));
        let blob = blob.ok_or_else(unknown)?;
        let (content, length) = part(&blob, offset);
        Ok(Response::new(wire::ReadBlobResponse { content, length }))
    }
}

fn hidden(deed: &Deed, index: u64) -> Refusal {
    deed.hid("");
    Refusal::new(Reason::HiddenEntry, format!("there is no entry {index} that may be shown"))
}

fn hashes(proof: Proof) -> Vec<Bytes> {
    proof.0.iter().map(|hash| Bytes::copy_from_slice(hash.as_bytes())).collect()
}
