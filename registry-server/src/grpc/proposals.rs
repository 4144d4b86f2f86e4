//! `guiju.governance.v1.Proposals`: the committee's desk.

use super::{Answer, Service, part};
use crate::{
    gate::Deed,
    registry::{
        Agreement, Caller, Deed as Done, DeskError, Impact, Move, Offer, Proposal, PublishError, Registry, Standing,
    },
    status::Refusal,
    verdict,
};
use guiju_model::{Namespace, Package, Principal};
use guiju_proto::{
    convert::{self, ConvertError, parsed},
    governance::{self as wire, proposals_server::Proposals},
};
use prost::bytes::Bytes;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Proposals for Service {
    async fn draft(&self, request: Request<wire::DraftRequest>) -> Answer<wire::DraftResponse> {
        let (deed, request) = self.called(request);
        let wire::DraftRequest { operation_id, name, proposal, candidate, text } = request;
        let caller = named(&deed, &name)?;
        let candidate = candidate.ok_or_else(|| field("candidate", "it is missing"))?;
        let package = Package::try_from(&candidate).map_err(|fault| Refusal::from(fault.of("candidate")))?;
        let dates = convert::dates(&candidate.effective_from, &candidate.effective_to, &candidate.grace_until);
        let dates = dates.map_err(|fault| Refusal::from(fault.of("candidate")))?;
        let (metadata_toml, waive) = (candidate.metadata_toml, candidate.waive);
        let offer = Offer { operation_id, proposal, package, metadata_toml, dates, waive, text };
        let proposal = self.desk(&deed, move |registry| registry.draft(&caller, offer)).await?;
        Ok(Response::new(wire::DraftResponse { proposal: Some(proposal) }))
    }

    async fn submit(&self, request: Request<wire::SubmitRequest>) -> Answer<wire::SubmitResponse> {
        let (deed, wire::SubmitRequest { operation_id, name, proposal, text }) = self.called(request);
        let proposal = self.moved(&deed, &name, operation_id, proposal, Move::Submit, text).await?;
        Ok(Response::new(wire::SubmitResponse { proposal }))
    }

    async fn comment(&self, request: Request<wire::CommentRequest>) -> Answer<wire::CommentResponse> {
        let (deed, request) = self.called(request);
        let wire::CommentRequest { operation_id, name, proposal, file, pointer, is_objection, text } = request;
        let what = Move::Comment { file, pointer, is_objection };
        let proposal = self.moved(&deed, &name, operation_id, proposal, what, text).await?;
        Ok(Response::new(wire::CommentResponse { proposal }))
    }

    async fn answer(&self, request: Request<wire::AnswerRequest>) -> Answer<wire::AnswerResponse> {
        let (deed, wire::AnswerRequest { operation_id, name, proposal, comment, text }) = self.called(request);
        let what = Move::Answer { comment };
        let proposal = self.moved(&deed, &name, operation_id, proposal, what, text).await?;
        Ok(Response::new(wire::AnswerResponse { proposal }))
    }

    async fn approve(&self, request: Request<wire::ApproveRequest>) -> Answer<wire::ApproveResponse> {
        let (deed, request) = self.called(request);
        let wire::ApproveRequest { operation_id, name, proposal, digest, text, submitted } = request;
        let what = Move::Approve { digest: parsed("digest", &digest).map_err(Refusal::from)?, submitted };
        let proposal = self.moved(&deed, &name, operation_id, proposal, what, text).await?;
        Ok(Response::new(wire::ApproveResponse { proposal }))
    }

    async fn reject(&self, request: Request<wire::RejectRequest>) -> Answer<wire::RejectResponse> {
        let (deed, wire::RejectRequest { operation_id, name, proposal, text }) = self.called(request);
        let proposal = self.moved(&deed, &name, operation_id, proposal, Move::Reject, text).await?;
        Ok(Response::new(wire::RejectResponse { proposal }))
    }

    async fn retract(&self, request: Request<wire::RetractRequest>) -> Answer<wire::RetractResponse> {
        let (deed, wire::RetractRequest { operation_id, name, proposal, text }) = self.called(request);
        let proposal = self.moved(&deed, &name, operation_id, proposal, Move::Retract, text).await?;
        Ok(Response::new(wire::RetractResponse { proposal }))
    }

    async fn publish_proposal(
        &self,
        request: Request<wire::PublishProposalRequest>,
    ) -> Answer<wire::PublishProposalResponse> {
        let (deed, wire::PublishProposalRequest { operation_id, name, proposal, reason }) = self.called(request);
        let caller = named(&deed, &name)?;
        let publish = move |registry: &Registry| registry.publish_proposal(&caller, operation_id, proposal, reason);
        let done = self.ask_noting(&deed, publish).await?;
        if done.is_new {
            self.metrics.published();
        }
        let (version, is_new) = (Some(done.version.into()), done.is_new);
        Ok(Response::new(wire::PublishProposalResponse { version, is_new }))
    }

    async fn get_proposal(&self, request: Request<wire::GetProposalRequest>) -> Answer<wire::GetProposalResponse> {
        let (deed, wire::GetProposalRequest { proposal: id }) = self.called(request);
        let caller = deed.caller().clone();
        let found = self.ask_noting(&deed, move |registry| {
            let standing = registry.proposal(&caller, id)?;
            let impact = registry.impact(&caller, id)?;
            let (manifest, metadata_toml) = registry.proposed(&standing.proposal)?;
            let impact = told(impact, &standing.proposal.draft.standard);
            let (proposal, impact) = (Some(whole(registry, &caller, standing)?), Some(impact));
            let manifest = manifest.to_canonical().into();
            Ok(wire::GetProposalResponse { proposal, impact, manifest, metadata_toml })
        });
        Ok(Response::new(found.await?))
    }

    async fn read_file(&self, request: Request<wire::ReadFileRequest>) -> Answer<wire::ReadFileResponse> {
        let (deed, wire::ReadFileRequest { proposal, digest, path, offset }) = self.called(request);
        let (caller, digest) = (deed.caller().clone(), parsed("digest", &digest).map_err(Refusal::from)?);
        let read = move |registry: &Registry| registry.proposed_file(&caller, proposal, &digest, &path);
        let _whole = self.whole().await;
        let file = Bytes::from(self.ask_noting(&deed, read).await?);
        let (content, length) = part(&file, offset);
        Ok(Response::new(wire::ReadFileResponse { content, length }))
    }

    async fn list_proposals(
        &self,
        request: Request<wire::ListProposalsRequest>,
    ) -> Answer<wire::ListProposalsResponse> {
        let (deed, wire::ListProposalsRequest { namespace, with_ended }) = self.called(request);
        let namespace: Option<Namespace> = match namespace.as_str() {
            "" => None,
            name => Some(parsed("namespace", name).map_err(Refusal::from)?),
        };
        let caller = deed.caller().clone();
        let found = self.ask(move |registry| registry.proposals(&caller, namespace.as_ref(), with_ended)).await?;
        Ok(Response::new(wire::ListProposalsResponse { proposals: found.into_iter().map(head).collect() }))
    }

    async fn set_quorum(&self, request: Request<wire::SetQuorumRequest>) -> Answer<wire::SetQuorumResponse> {
        let (deed, request) = self.called(request);
        let wire::SetQuorumRequest { operation_id, name, namespace, quorum, reason } = request;
        let caller = named(&deed, &name)?;
        let namespace = parsed("namespace", &namespace).map_err(Refusal::from)?;
        let set = move |registry: &Registry| registry.set_quorum(&caller, operation_id, namespace, quorum, reason);
        Ok(Response::new(wire::SetQuorumResponse { log_index: self.ask(set).await? }))
    }

    async fn agree(&self, request: Request<wire::AgreeRequest>) -> Answer<wire::AgreeResponse> {
        let (deed, wire::AgreeRequest { operation_id, name, change, reason }) = self.called(request);
        let caller = named(&deed, &name)?;
        let change = parsed("change", &change).map_err(Refusal::from)?;
        let agree = move |registry: &Registry| registry.agree(&caller, operation_id, change, reason);
        let (log_index, agreements) = self.ask(agree).await?;
        let agreements = agreements.into_iter().map(agreement).collect();
        Ok(Response::new(wire::AgreeResponse { log_index, agreements }))
    }

    async fn list_agreements(
        &self,
        request: Request<wire::ListAgreementsRequest>,
    ) -> Answer<wire::ListAgreementsResponse> {
        let (deed, _) = self.called(request);
        let caller = deed.caller().clone();
        let found = self.ask(move |registry| registry.agreements(&caller)).await?;
        Ok(Response::new(wire::ListAgreementsResponse { agreements: found.into_iter().map(agreement).collect() }))
    }

    async fn register_use(&self, request: Request<wire::RegisterUseRequest>) -> Answer<wire::RegisterUseResponse> {
        let (deed, wire::RegisterUseRequest { operation_id, name, uses }) = self.called(request);
        let caller = named(&deed, &name)?;
        let used = |(at, used): (usize, &wire::UsedVersion)| {
            Ok((
                parsed(&format!("uses[{at}].standard"), &used.standard)?,
                parsed(&format!("uses[{at}].version"), &used.version)?,
            ))
        };
        let uses: Result<Vec<_>, ConvertError> = uses.iter().enumerate().map(used).collect();
        let uses = uses.map_err(Refusal::from)?;
        let log_index = self.ask(move |registry| registry.register_use(&caller, operation_id, uses)).await?;
        Ok(Response::new(wire::RegisterUseResponse { log_index }))
    }
}

impl Service {
    async fn moved(
        &self,
        deed: &Deed,
        name: &str,
        operation_id: String,
        id: u64,
        what: Move,
        text: String,
    ) -> Result<Option<wire::Proposal>, Status> {
        let caller = named(deed, name)?;
        let step = move |registry: &Registry| registry.take_move(&caller, operation_id, id, what, text);
        self.desk(deed, step).await.map(Some)
    }

    async fn desk(
        &self,
        deed: &Deed,
        step: impl FnOnce(&Registry) -> Result<Standing, PublishError> + Send + 'static,
    ) -> Result<wire::Proposal, Status> {
        let caller = deed.caller().clone();
        self.ask_noting(deed, move |registry| {
            let standing = step(registry)?;
            whole(registry, &caller, standing)
        })
        .await
    }

    /// As `ask`; what may not be seen is a denial, though the caller is told that it is not there.
    async fn ask_noting<T: Send + 'static>(
        &self,
        deed: &Deed,
        question: impl FnOnce(&Registry) -> Result<T, PublishError> + Send + 'static,
    ) -> Result<T, Status> {
        let deed = deed.clone();
        self.ask(move |registry| {
            question(registry).inspect_err(|error| {
                if let PublishError::Desk(DeskError::Hidden { namespace, .. }) = error {
                    deed.hid(namespace);
                }
            })
        })
        .await
    }
}

fn agreement(agreement: Agreement) -> wire::Agreement {
    let Agreement { change, namespace, wanted, agreed_by } = agreement;
    let (change, namespace) = (change.to_string(), namespace.to_string());
    wire::Agreement { change, namespace, wanted: u32::try_from(wanted).unwrap_or(u32::MAX), agreed_by }
}

/// In an open registry whoever asks says who it is.
fn named(deed: &Deed, name: &str) -> Result<Caller, Refusal> {
    match name {
        "" => Ok(deed.caller().clone()),
        name => {
            let principal: Principal = parsed("name", name)?;
            deed.caller()
                .named(&principal)
                .ok_or_else(|| field("name", "leave it empty: your credentials say who you are"))
        }
    }
}

/// A proposal without its steps.
fn head(standing: Standing) -> wire::Proposal {
    let stage = if standing.is_approved() { "approved" } else { standing.proposal.stage.as_str() };
    let Standing { proposal: Proposal { id, draft, digest, authors, .. }, quorum, approved_by } = standing;
    wire::Proposal {
        id,
        standard: draft.standard,
        version: draft.version,
        stage: stage.into(),
        authors,
        digest,
        effective_from: draft.effective_from,
        effective_to: draft.effective_to,
        grace_until: draft.grace_until,
        quorum,
        approved_by,
        steps: Vec::new(),
        waiver: None,
        metadata_digest: draft.metadata,
    }
}

fn whole(registry: &Registry, caller: &Caller, standing: Standing) -> Result<wire::Proposal, PublishError> {
    let (texts, waiver) = (registry.texts(&standing.proposal)?, registry.waiver_told(caller, &standing.proposal)?);
    let unanswered: Vec<u64> = standing.proposal.unanswered().collect();
    let steps = standing.proposal.steps.clone().into_iter().zip(texts).map(|(step, text)| {
        let mut told = wire::ProposalStep {
            index: step.index,
            time: Some(convert::timestamp(step.time_ms)),
            by: step.by,
            text,
            ..Default::default()
        };
        let word = match step.what {
            Done::Drafted { digest, .. } => {
                told.digest = digest;
                "drafted"
            }
            Done::Submitted { digest, .. } => {
                told.digest = digest;
                "submitted"
            }
            Done::Approved { digest } => {
                told.digest = digest;
                "approved"
            }
            Done::Commented { file, pointer, is_objection } => {
                (told.file, told.pointer) = (file, pointer);
                told.is_answered = !unanswered.contains(&step.index);
                if is_objection { "objected" } else { "commented" }
            }
            Done::Answered { comment } => {
                told.comment = comment;
                "answered"
            }
            Done::Rejected => "rejected",
            Done::Withdrawn => "withdrawn",
            Done::Published { reason } => {
                told.text = reason;
                "published"
            }
        };
        wire::ProposalStep { step: word.into(), ..told }
    });
    let steps = steps.collect();
    Ok(wire::Proposal { steps, waiver: waiver.map(Into::into), ..head(standing) })
}

fn told(impact: Impact, standard: &str) -> wire::Impact {
    let Impact { findings, refused, dependents, users } = impact;
    let user = |(principal, version)| wire::User { principal, standard: standard.to_owned(), version };
    wire::Impact {
        verdict: findings.judged.as_ref().map(|judged| verdict::whole(&judged.verdict)),
        refused: refused.map(|error| error.to_string()).unwrap_or_default(),
        affected_profiles: findings.affected.iter().map(verdict::narrowing).collect(),
        dependents: dependents.into_iter().map(Into::into).collect(),
        users: users.into_iter().map(user).collect(),
    }
}

fn field(name: &str, why: &str) -> Refusal {
    ConvertError::new(name, why).into()
}
