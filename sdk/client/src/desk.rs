//! The committee's desk: proposals, approvals, quorums, and who uses what.

use crate::{Registry, RegistryError, Terms, registry::again};
use guiju_model::{CommitteeChange, Content, Digest, Manifest, Namespace, Package, VersionInfo};
use guiju_proto::{convert::ConvertError, governance as wire};

use std::collections::BTreeMap;
pub use wire::{Agreement, GetProposalResponse, Impact, Proposal, ProposalStep, User};

/// The largest file that is taken from a registry.
const FILE_BYTES_MAX: usize = 64 << 20;

/// Who takes a step, and under which operation id. The same id may be sent again.
#[derive(Clone, Debug)]
pub struct Hand<'h> {
    pub operation_id: &'h str,
    /// A name of one's own in an open registry; elsewhere empty.
    pub name: &'h str,
}

/// What is done with a proposal, but for drafting and publishing.
#[derive(Clone, Debug)]
pub enum Move<'m> {
    Submit,
    /// A place is a file of the version, and a JSON Pointer into it; both may be empty.
    Comment {
        file: &'m str,
        pointer: &'m str,
        is_objection: bool,
    },
    Answer {
        comment: u64,
    },
    Approve {
        digest: Digest,
        /// The step that brought it into review, as it was read, where the digest alone does not say which draft is meant.
        submitted: Option<u64>,
    },
    Reject,
    Retract,
}

macro_rules! ask {
    ($self:ident, $method:ident, $request:expr) => {{
        let request = $request;
        let answer = again(|| {
            let (mut client, request) = ($self.proposals_client(), request.clone());
            async move { client.$method(request).await }
        });
        answer.await?.into_inner()
    }};
}

impl Registry {
    /// Opens a proposal, or puts another draft in place of that of an old one.
    pub async fn draft(
        &self,
        hand: &Hand<'_>,
        proposal: Option<u64>,
        package: &Package,
        metadata_toml: &str,
        terms: Terms<'_>,
        text: &str,
    ) -> Result<Proposal, RegistryError> {
        let (operation_id, name, text) = (hand.operation_id.into(), hand.name.into(), text.into());
        let candidate = Some(terms.of(package, metadata_toml));
        there(ask!(self, draft, wire::DraftRequest { operation_id, name, proposal, candidate, text }).proposal)
    }

    /// Takes a step with a proposal.
    pub async fn take_move(
        &self,
        hand: &Hand<'_>,
        proposal: u64,
        what: &Move<'_>,
        text: &str,
    ) -> Result<Proposal, RegistryError> {
        let (operation_id, name, text) = (hand.operation_id.into(), hand.name.into(), text.into());
        there(match what {
            Move::Submit => ask!(self, submit, wire::SubmitRequest { operation_id, name, proposal, text }).proposal,
            Move::Comment { file, pointer, is_objection } => {
                let (file, pointer, is_objection) = ((*file).into(), (*pointer).into(), *is_objection);
                let request = wire::CommentRequest { operation_id, name, proposal, file, pointer, is_objection, text };
                ask!(self, comment, request).proposal
            }
            Move::Answer { comment } => {
                let comment = *comment;
                ask!(self, answer, wire::AnswerRequest { operation_id, name, proposal, comment, text }).proposal
            }
            Move::Approve { digest, submitted } => {
                let (digest, submitted) = (digest.to_string(), *submitted);
                let request = wire::ApproveRequest { operation_id, name, proposal, digest, text, submitted };
                ask!(self, approve, request).proposal
            }
            Move::Reject => ask!(self, reject, wire::RejectRequest { operation_id, name, proposal, text }).proposal,
            Move::Retract => ask!(self, retract, wire::RetractRequest { operation_id, name, proposal, text }).proposal,
        })
    }

    /// Publishes what was approved, and says why. Whether this call wrote the entry.
    pub async fn publish_proposal(
        &self,
        hand: &Hand<'_>,
        proposal: u64,
        reason: &str,
    ) -> Result<(VersionInfo, bool), RegistryError> {
        let (operation_id, name, reason) = (hand.operation_id.into(), hand.name.into(), reason.into());
        let request = wire::PublishProposalRequest { operation_id, name, proposal, reason };
        let answer = ask!(self, publish_proposal, request);
        let version = answer.version.ok_or_else(|| ConvertError::new("version", "it is missing"))?;
        Ok((version.try_into()?, answer.is_new))
    }

    /// A proposal with all that was said of it, and its impact.
    pub async fn proposal(&self, proposal: u64) -> Result<(Proposal, Impact), RegistryError> {
        let GetProposalResponse { proposal, impact, .. } =
            ask!(self, get_proposal, wire::GetProposalRequest { proposal });
        Ok((there(proposal)?, impact.unwrap_or_default()))
    }

    /// The files of what is proposed, each held against the proposal's digest, and its standard.toml.
    pub async fn proposed(&self, proposal: u64) -> Result<(Content, String), RegistryError> {
        let answer = ask!(self, get_proposal, wire::GetProposalRequest { proposal });
        let digest = there(answer.proposal)?.digest;
        let malformed = |what: &str, why: String| RegistryError::from(ConvertError::new(what, why));
        if Digest::of(&answer.manifest).to_string() != digest {
            return Err(malformed("manifest", format!("it does not have the digest {digest}")));
        }
        let manifest = Manifest::from_canonical(&answer.manifest);
        let manifest = manifest.map_err(|error| malformed("manifest", error.to_string()))?;
        let mut files = BTreeMap::new();
        for (path, wanted) in &manifest.files {
            let bytes = self.proposed_file(proposal, &digest, path).await?;
            if Digest::of(&bytes) != *wanted {
                return Err(malformed("content", format!("`{path}` does not have the digest {wanted}")));
            }
            files.insert(path.clone(), bytes);
        }
        Ok((Content { manifest, files }, answer.metadata_toml))
    }

    async fn proposed_file(&self, proposal: u64, digest: &str, path: &str) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        loop {
            let (digest, path, offset) = (digest.to_owned(), path.to_owned(), bytes.len() as u64);
            let part = ask!(self, read_file, wire::ReadFileRequest { proposal, digest, path, offset });
            let whole = usize::try_from(part.length).unwrap_or(usize::MAX);
            bytes.extend_from_slice(&part.content);
            match bytes.len() {
                length if length == whole => return Ok(bytes),
                length if length > whole || whole > FILE_BYTES_MAX || part.content.is_empty() => {
                    let why = format!("{length} of {whole} bytes came");
                    return Err(ConvertError::new("length", why).into());
                }
                _ => {}
            }
        }
    }

    /// Proposals that may be seen, newest first, without their steps; an empty namespace means all.
    pub async fn proposals(&self, namespace: &str, with_ended: bool) -> Result<Vec<Proposal>, RegistryError> {
        let namespace = namespace.into();
        Ok(ask!(self, list_proposals, wire::ListProposalsRequest { namespace, with_ended }).proposals)
    }

    /// Says how many must approve under a namespace. The index of the log entry.
    pub async fn set_quorum(
        &self,
        hand: &Hand<'_>,
        namespace: &Namespace,
        quorum: u32,
        reason: &str,
    ) -> Result<u64, RegistryError> {
        let (operation_id, name) = (hand.operation_id.into(), hand.name.into());
        let (namespace, reason) = (namespace.to_string(), reason.into());
        Ok(ask!(self, set_quorum, wire::SetQuorumRequest { operation_id, name, namespace, quorum, reason }).log_index)
    }

    /// Agrees to a change of a committee, as an approver of it; how far the change has come with each committee that it touches.
    pub async fn agree(
        &self,
        hand: &Hand<'_>,
        change: &CommitteeChange,
        reason: &str,
    ) -> Result<Vec<Agreement>, RegistryError> {
        let (operation_id, name) = (hand.operation_id.into(), hand.name.into());
        let (change, reason) = (change.to_string(), reason.into());
        Ok(ask!(self, agree, wire::AgreeRequest { operation_id, name, change, reason }).agreements)
    }

    /// Changes that approvers have agreed to and nobody has made.
    pub async fn agreements(&self) -> Result<Vec<Agreement>, RegistryError> {
        Ok(ask!(self, list_agreements, wire::ListAgreementsRequest {}).agreements)
    }

    /// Says which versions are used, in place of all that was said before. The index of the log entry.
    pub async fn register_use(
        &self,
        hand: &Hand<'_>,
        uses: impl IntoIterator<Item = (String, String)>,
    ) -> Result<u64, RegistryError> {
        let (operation_id, name) = (hand.operation_id.into(), hand.name.into());
        let uses = uses.into_iter().map(|(standard, version)| wire::UsedVersion { standard, version }).collect();
        Ok(ask!(self, register_use, wire::RegisterUseRequest { operation_id, name, uses }).log_index)
    }
}

fn there(proposal: Option<Proposal>) -> Result<Proposal, RegistryError> {
    Ok(proposal.ok_or_else(|| ConvertError::new("proposal", "it is missing"))?)
}
