//! The committee's desk: versions are drafted, reviewed, approved and published.
//!
//! # Invariants
//! - What is published of a proposal is what was approved, byte for byte, with the dependencies that it had then.
//! - An approval counts for its digest alone, of somebody who has drafted nothing of the proposal and holds approver both when
//!   approving and when the version is published.
//! - Under a namespace with a quorum nothing is published but what so many have approved; and of what was in review already, no lower
//!   quorum and no new approver helps it.
//! - Every step is judged once more when it is appended, and stands alone in its append.
//! - A version refers to nothing that whoever submits or publishes it may not see, and nobody is told what it breaks who may not see
//!   all that it refers to.

use super::{
    AskError, Caller, Findings, Plea, PublishError, Published, Registry, Seen, StoreError, check_operation_id, commit,
    places,
};
use crate::view::{Agreed, Deed, DeskFact, Draft, Proposal, Stage, Step};
use guiju_model::{
    Bundle, CommitteeChange, Dates, Digest, Manifest, Metadata, Namespace, Package, Principal, ResolveError, Role,
    StandardId, Status, VersionInfo, Waiver,
};
use guiju_proto::{
    convert::day_or_empty,
    log::{CommitteeAgreed, ProposalStepped, QuorumSet, Use, UseRegistered, entry::Event},
};
use serde_json::Value;

const TEXT_BYTES_MAX: usize = 16 << 10;
/// Of why something is published.
const REASON_BYTES_MAX: usize = 4 << 10;
/// Steps of one proposal.
const STEPS_MAX: usize = 300;
/// Of these, what comments leave for answers and decisions.
const STEPS_FOR_DECISIONS: usize = 100;
const PROPOSALS_MAX: usize = 1000;
const USES_MAX: usize = 1000;
const QUORUM_MAX: u32 = 100;

/// A draft, of a new proposal or in place of that of an old one.
#[derive(Clone, Debug)]
pub struct Offer {
    pub operation_id: String,
    pub proposal: Option<u64>,
    pub package: Package,
    pub metadata_toml: String,
    pub dates: Dates,
    /// Why what cannot be decided breaks nobody; empty: nothing is waived.
    pub waive: String,
    pub text: String,
}

/// What is done with a proposal, but for drafting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    Submit,
    Comment {
        file: String,
        pointer: String,
        is_objection: bool,
    },
    Answer {
        comment: u64,
    },
    /// `submitted`: the step that brought it into review, as it was read; needed where the digest alone does not say which draft is
    /// meant.
    Approve {
        digest: Digest,
        submitted: Option<u64>,
    },
    Reject,
    Retract,
}

/// A proposal, with how it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub proposal: Proposal,
    /// Approvals that it needs.
    pub quorum: u32,
    /// Whose approval counts.
    pub approved_by: Vec<String>,
}

impl Standing {
    pub fn is_approved(&self) -> bool {
        self.proposal.stage == Stage::Review
            && self.approved_by.len() >= self.quorum as usize
            && self.proposal.unanswered().next().is_none()
    }
}

/// Whom the version of a proposal touches.
#[derive(Debug)]
pub struct Impact {
    pub findings: Findings,
    /// Why it could not be published now, the quorum apart.
    pub refused: Option<PublishError>,
    pub dependents: Vec<VersionInfo>,
    /// Principal and version.
    pub users: Vec<(String, String)>,
}

/// Why a proposal does not take a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    #[error("there is no proposal {0}")]
    Unknown(u64),
    /// Told as if there were none.
    #[error("there is no proposal {id}")]
    Hidden { id: u64, namespace: Namespace },
    #[error("proposal {id} is {}, and this takes one that is {wanted}", stage.as_str())]
    Stage { id: u64, stage: Stage, wanted: &'static str },
    #[error("proposal {id} is for `{known}`; open another for `{asked}`")]
    OtherVersion { id: u64, known: String, asked: String },
    #[error("proposal {id} has the digest {found}, and {asked} was named: it has changed since; read it again")]
    OtherDigest { id: u64, found: String, asked: Digest },
    #[error(
        "the files of proposal {id} were in review before, under other days, or with another standard.toml or waiver, and the digest \
         does not tell them apart; read it again, and name the step by which it was submitted: `guiju approve --submitted NUMBER`"
    )]
    OtherTerms { id: u64 },
    #[error(
        "proposal {id} was submitted by step {found}, and {asked} was named; read it again, and name that one or none"
    )]
    OtherStep { id: u64, asked: u64, found: u64 },
    #[error("proposal {id} has comments without an answer: {}; its author answers them first", list(comments))]
    Unanswered { id: u64, comments: Vec<u64> },
    #[error("`{principal}` has drafted proposal {id}; somebody else approves it")]
    OwnApproval { id: u64, principal: Principal },
    #[error(
        "`{principal}` became an approver after proposal {id} was submitted, so its approval does not count; it does once the proposal \
         is drafted and submitted anew"
    )]
    LateApprover { id: u64, principal: Principal },
    #[error(
        "this {what} under `{namespace}`: {wanted} of its approvers must agree first, so far {have} of them; each says \
         `guiju agree {change}`"
    )]
    CommitteeFirst { what: &'static str, change: String, namespace: Namespace, wanted: usize, have: usize },
    #[error(
        "this {what} under `{namespace}`: {wanted} of its approvers must agree first, and nobody approves there; make somebody an \
         approver, or lower the quorum, which the log then says"
    )]
    NobodyApproves { what: &'static str, change: String, namespace: Namespace, wanted: usize },
    #[error("no committee need agree to `{change}`: a manager does it")]
    NothingToAgree { change: String },
    #[error("proposal {id} needs {quorum} approvals and has {have}: each of another approver, none of an author")]
    TooFew { id: u64, quorum: u32, have: usize },
    #[error(
        "versions under `{namespace}` are published by {quorum} approvals, not directly; propose it: `guiju propose`"
    )]
    NeedsProposal { namespace: Namespace, quorum: u32 },
    #[error("`{standard}` {version}, to which proposal {id} refers, is withdrawn; draft it anew with another")]
    WithdrawnReference { id: u64, standard: StandardId, version: String },
    #[error("there is no comment {comment} on proposal {id} that waits for an answer")]
    NoComment { id: u64, comment: u64 },
    #[error(
        "`{place}` is no place of proposal {id}; name a file of it, and after `#` a JSON Pointer, a code, the full name of what a .proto \
         file declares, or lines of what is no JSON: schema.json#/properties/height, codes.csv#/110000, \
         house.proto#bj.house.v1.Building.floors, house.proto#L12-L20"
    )]
    Place { id: u64, place: String },
    #[error("proposal {id} has no file `{path}`")]
    NoFile { id: u64, path: String },
    #[error("the text is missing: say what and why")]
    NoText,
    #[error("a reason is missing: say why it is published, for the record")]
    NoReason,
    #[error("the {what} is too large: at most {max} are taken")]
    TooMuch { what: &'static str, max: usize },
}

fn list(comments: &[u64]) -> String {
    comments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Registry {
    /// Opens a proposal, or puts another draft in its place.
    pub fn draft(&self, caller: &Caller, offer: Offer) -> Result<Standing, PublishError> {
        let Offer { operation_id, proposal, package, metadata_toml, dates, waive, text } = offer;
        check_operation_id(&operation_id)?;
        bounded(&text)?;
        Plea::of("", waive.clone())?;
        self.metadata(&package, &metadata_toml)?;
        let content = package.seal(Vec::new()).map_err(guiju_model::BundleError::from)?;
        let manifest = content.manifest.to_canonical();
        let event = ProposalStepped {
            proposal,
            step: "drafted".into(),
            standard: package.standard.to_string(),
            version: package.version.to_string(),
            text: hash(text.as_bytes()),
            digest: hash(&manifest),
            metadata: hash(metadata_toml.as_bytes()),
            effective_from: day_or_empty(dates.effective_from),
            effective_to: day_or_empty(dates.effective_to),
            grace_until: day_or_empty(dates.grace_until),
            waive: if waive.is_empty() { Default::default() } else { hash(waive.as_bytes()) },
            ..Default::default()
        };
        let mut blobs = vec![manifest, metadata_toml.into_bytes(), text.into_bytes()];
        blobs.extend(Some(waive.into_bytes()).filter(|waive| !waive.is_empty()));
        blobs.extend(content.files.into_values());
        let caller_then = caller.clone();
        let admit = move |registry: &Self| registry.may_draft(&caller_then, proposal, &package);
        let index = self.step(caller, operation_id, Event::ProposalStepped(event), blobs, admit)?;
        self.standing(proposal.unwrap_or(index))
    }

    fn may_draft(&self, caller: &Caller, proposal: Option<u64>, package: &Package) -> Result<(), PublishError> {
        self.acts(caller, Role::Author, package.standard.namespace())?;
        self.is_ours(&package.standard)?;
        let Some(id) = proposal else { return Ok(()) };
        let known = self.seen(caller, id)?;
        let asked = package.standard.to_string();
        // Another number may come out of the review, but no other standard.
        if known.draft.standard != asked {
            return Err(DeskError::OtherVersion { id, known: known.draft.standard, asked }.into());
        }
        room(&known, STEPS_MAX)?;
        match known.stage {
            Stage::Draft | Stage::Review => Ok(()),
            stage => Err(DeskError::Stage { id, stage, wanted: "a draft or in review" }.into()),
        }
    }

    /// Takes a step with a proposal.
    pub fn take_move(
        &self,
        caller: &Caller,
        operation_id: String,
        id: u64,
        what: Move,
        text: String,
    ) -> Result<Standing, PublishError> {
        check_operation_id(&operation_id)?;
        bounded(&text)?;
        let proposal = self.seen(caller, id)?;
        if text.trim().is_empty() && !matches!(what, Move::Submit | Move::Approve { .. }) {
            return Err(DeskError::NoText.into());
        }
        let mut event = ProposalStepped {
            proposal: Some(id),
            standard: proposal.draft.standard.clone(),
            version: proposal.draft.version.clone(),
            text: hash(text.as_bytes()),
            ..Default::default()
        };
        let mut blobs = vec![text.into_bytes()];
        // An operation that was done has sealed what was the draft then, and what is there now may be sealed otherwise.
        let was_done = self.log.operation(&operation_id)?.is_some();
        let mut submitted = None;
        match &what {
            Move::Submit if was_done => (event.digest, event.waived) = self.submitted_by(&operation_id)?,
            Move::Submit => {
                self.may_move(caller, id, &what)?;
                let (manifest, findings) = self.sealed(caller, &proposal)?;
                let bytes = manifest.to_canonical();
                event.digest = hash(&bytes);
                blobs.push(bytes);
                if let Some(waiver) = findings.waiver {
                    let questions = Value::from(waiver.questions).to_string().into_bytes();
                    event.waived = hash(&questions);
                    blobs.push(questions);
                }
                submitted = Some(manifest);
            }
            Move::Approve { digest, .. } => event.digest = digest.as_bytes().to_vec().into(),
            Move::Comment { file, pointer, is_objection } => {
                (event.file, event.pointer, event.is_objection) = (file.clone(), pointer.clone(), *is_objection);
            }
            Move::Answer { comment } => event.comment = *comment,
            Move::Reject | Move::Retract => {}
        }
        event.step = what.word().into();
        let (caller_then, draft) = (caller.clone(), proposal.digest);
        let admit = move |registry: &Self| {
            registry.may_move(&caller_then, id, &what)?;
            if let Some(manifest) = &submitted {
                registry.sees_references(&caller_then, manifest)?;
            }
            // What was sealed is what is there.
            match what == Move::Submit && registry.seen(&caller_then, id)?.digest != draft {
                true => Err(DeskError::Stage { id, stage: Stage::Draft, wanted: "left alone meanwhile" }.into()),
                false => Ok(()),
            }
        };
        self.step(caller, operation_id, Event::ProposalStepped(event), blobs, admit)?;
        self.standing(id)
    }

    fn may_move(&self, caller: &Caller, id: u64, what: &Move) -> Result<(), PublishError> {
        let proposal = self.seen(caller, id)?;
        let namespace = namespace(&proposal)?;
        match what {
            Move::Submit | Move::Answer { .. } | Move::Retract => self.acts(caller, Role::Author, &namespace)?,
            Move::Approve { .. } | Move::Reject => self.acts(caller, Role::Approver, &namespace)?,
            Move::Comment { .. } => {
                let approves = self.acts(caller, Role::Approver, &namespace);
                let manages = || self.acts(caller, Role::Manager, &namespace);
                approves.or_else(|_| manages()).or_else(|_| self.acts(caller, Role::Author, &namespace))?;
            }
        }
        match what {
            // What ends a proposal is taken however long it is.
            Move::Reject | Move::Retract => {}
            Move::Comment { .. } => room(&proposal, STEPS_MAX - STEPS_FOR_DECISIONS)?,
            _ => room(&proposal, STEPS_MAX)?,
        }
        let stage = proposal.stage;
        let at = |wanted: &'static str, is_there: bool| match is_there {
            true => Ok(()),
            false => Err(DeskError::Stage { id, stage, wanted }),
        };
        match what {
            Move::Submit => at("a draft", stage == Stage::Draft)?,
            Move::Comment { file, pointer, .. } => {
                at("a draft or in review", !stage.has_ended())?;
                self.is_place(&proposal, file, pointer)?;
            }
            Move::Answer { comment } => {
                at("a draft or in review", !stage.has_ended())?;
                if !proposal.unanswered().any(|waiting| waiting == *comment) {
                    return Err(DeskError::NoComment { id, comment: *comment }.into());
                }
            }
            Move::Approve { digest, submitted } => {
                at("in review", stage == Stage::Review)?;
                if proposal.digest != digest.to_string() {
                    return Err(DeskError::OtherDigest { id, found: proposal.digest, asked: *digest }.into());
                }
                let is_this = *submitted == proposal.submitted();
                if !is_this && proposal.is_ambiguous() {
                    return Err(DeskError::OtherTerms { id }.into());
                }
                if let Some(asked) = submitted.filter(|_| !is_this) {
                    let found = proposal.submitted().unwrap_or_default();
                    return Err(DeskError::OtherStep { id, asked, found }.into());
                }
                let principal = caller.principal().clone();
                if proposal.authors.iter().any(|author| author == principal.as_str()) {
                    return Err(DeskError::OwnApproval { id, principal }.into());
                }
                let (_, holdings) = self.holdings()?;
                let since = proposal.submitted().unwrap_or_default();
                if !holdings.is_empty() && !holdings.approves_since(&principal, &namespace, since) {
                    return Err(DeskError::LateApprover { id, principal }.into());
                }
                let comments: Vec<u64> = proposal.unanswered().collect();
                if !comments.is_empty() {
                    return Err(DeskError::Unanswered { id, comments }.into());
                }
            }
            Move::Reject | Move::Retract => at("a draft or in review", !stage.has_ended())?,
        }
        Ok(())
    }

    /// Publishes what was approved.
    pub fn publish_proposal(
        &self,
        caller: &Caller,
        operation_id: String,
        id: u64,
        reason: String,
    ) -> Result<Published, PublishError> {
        check_operation_id(&operation_id)?;
        why_published(&reason)?;
        let proposal = self.seen(caller, id)?;
        if proposal.stage == Stage::Published {
            let (standard, version) = named(&proposal)?;
            let info = self.view().version(&standard, &version)?;
            let version = info.ok_or_else(|| StoreError::Broken("a published proposal without a version".into()))?;
            return Ok(Published { version, is_new: false, warnings: Vec::new(), findings: Findings::default() });
        }
        if reason.trim().is_empty() {
            return Err(DeskError::NoReason.into());
        }
        self.may_publish(caller, id, &digest(&proposal.digest)?)?;
        let candidate = super::Candidate { reason, ..self.candidate(caller, &proposal)? };
        let caller = caller.acting(Role::Manager, candidate.package.standard.namespace())?;
        self.publish_candidate(&caller, operation_id, candidate, false)
    }

    /// Whether a proposal may be published now, by this caller.
    pub(super) fn may_publish(&self, caller: &Caller, id: u64, what: &Digest) -> Result<(), PublishError> {
        let proposal = self.seen(caller, id)?;
        if proposal.digest != what.to_string() {
            return Err(DeskError::OtherDigest { id, found: proposal.digest, asked: *what }.into());
        }
        let (standard, _) = named(&proposal)?;
        self.acts(caller, Role::Manager, standard.namespace())?;
        self.is_ours(&standard)?;
        if proposal.stage != Stage::Review {
            return Err(DeskError::Stage { id, stage: proposal.stage, wanted: "in review" }.into());
        }
        self.sees_references(caller, &self.manifest(what)?)?;
        let comments: Vec<u64> = proposal.unanswered().collect();
        if !comments.is_empty() {
            return Err(DeskError::Unanswered { id, comments }.into());
        }
        let standing = self.standing(id)?;
        if !standing.is_approved() {
            let have = standing.approved_by.len();
            return Err(DeskError::TooFew { id, quorum: standing.quorum, have }.into());
        }
        Ok(())
    }

    /// Whether something may be published without a proposal.
    pub(super) fn may_publish_directly(&self, standard: &StandardId) -> Result<(), PublishError> {
        match self.view().quorum(standard.namespace())? {
            0 => Ok(()),
            quorum => Err(DeskError::NeedsProposal { namespace: standard.namespace().clone(), quorum }.into()),
        }
    }

    /// A proposal that a caller may see, with how it stands.
    pub fn proposal(&self, caller: &Caller, id: u64) -> Result<Standing, PublishError> {
        self.seen(caller, id)?;
        self.standing(id)
    }

    /// What is proposed, as its digest has it, and its standard.toml.
    pub fn proposed(&self, proposal: &Proposal) -> Result<(Manifest, String), StoreError> {
        let metadata = self.log.blob(&digest(&proposal.draft.metadata)?)?.unwrap_or_default();
        Ok((self.manifest(&digest(&proposal.digest)?)?, String::from_utf8_lossy(&metadata).into_owned()))
    }

    /// A file of what is proposed under a digest, which must not have changed since.
    pub fn proposed_file(&self, caller: &Caller, id: u64, what: &Digest, path: &str) -> Result<Vec<u8>, PublishError> {
        let proposal = self.seen(caller, id)?;
        if proposal.digest != what.to_string() {
            return Err(DeskError::OtherDigest { id, found: proposal.digest, asked: *what }.into());
        }
        let manifest = self.manifest(what)?;
        let file = manifest.files.get(path).ok_or_else(|| DeskError::NoFile { id, path: path.into() })?;
        let bytes = self.log.blob(file)?;
        Ok(bytes.ok_or_else(|| StoreError::Broken(format!("the file {file} is not in the log")))?)
    }

    /// What was said with each step of a proposal, in their order.
    pub fn texts(&self, proposal: &Proposal) -> Result<Vec<String>, StoreError> {
        let text = |step: &Step| {
            let Some(digest) = step.text.as_ref().and_then(|text| text.parse().ok()) else { return Ok(String::new()) };
            let bytes = self.log.blob(&digest)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        proposal.steps.iter().map(text).collect()
    }

    /// What is waived with a proposal. The questions name places of what it refers to, so those hear them who may see that.
    pub fn waiver_told(&self, caller: &Caller, proposal: &Proposal) -> Result<Option<Waiver>, PublishError> {
        let Some(mut waiver) = self.waiver(proposal)? else { return Ok(None) };
        let (manifest, _) = self.proposed(proposal)?;
        if self.sees_references(caller, &manifest).is_err() {
            waiver.questions.clear();
        }
        Ok(Some(waiver))
    }

    /// What is waived with a proposal, on whose word; the questions are there once it has been submitted.
    pub fn waiver(&self, proposal: &Proposal) -> Result<Option<Waiver>, StoreError> {
        let said = |name: &String| Ok::<_, StoreError>(self.log.blob(&digest(name)?)?.unwrap_or_default());
        let Some(reason) = &proposal.draft.waive else { return Ok(None) };
        let reason = String::from_utf8_lossy(&said(reason)?).into_owned();
        let (mut by, mut questions) = (String::new(), Vec::new());
        for step in &proposal.steps {
            match &step.what {
                Deed::Drafted { .. } => (by, questions) = (step.by.clone(), Vec::new()),
                Deed::Submitted { waived: Some(waived), .. } => {
                    let list = serde_json::from_slice(&said(waived)?);
                    questions = list.map_err(|_| StoreError::Broken("a list of questions cannot be read".into()))?;
                }
                _ => {}
            }
        }
        Ok(Some(Waiver { by, reason, questions }))
    }

    /// Proposals under a namespace that a caller may see, newest first.
    pub fn proposals(
        &self,
        caller: &Caller,
        prefix: Option<&Namespace>,
        with_ended: bool,
    ) -> Result<Vec<Standing>, PublishError> {
        let keep = |proposal: &Proposal| {
            let Ok(namespace) = namespace(proposal) else { return false };
            caller.may_see_drafts(&namespace)
                && prefix.is_none_or(|prefix| namespace.is_under(prefix))
                && (with_ended || !proposal.stage.has_ended())
        };
        let found = self.view().proposals(PROPOSALS_MAX, keep)?;
        found.into_iter().map(|proposal| self.standing_of(proposal)).collect()
    }

    /// Whom the version of a proposal touches.
    pub fn impact(&self, caller: &Caller, id: u64) -> Result<Impact, PublishError> {
        let proposal = self.seen(caller, id)?;
        let (standard, _) = named(&proposal)?;
        let judged = match proposal.stage {
            Stage::Draft => self.sealed(caller, &proposal).map(|(_, findings)| findings),
            Stage::Review => {
                self.candidate(caller, &proposal).and_then(|candidate| self.judged_candidate(caller, &candidate))
            }
            _ => Ok(Findings::default()),
        };
        let (findings, refused) = match judged {
            Ok(findings) => (findings, None),
            Err(PublishError::Store(error)) => return Err(error.into()),
            Err(error) => (Findings::default(), Some(error)),
        };
        let dependents = match self.dependents(caller, &standard, true) {
            Ok(dependents) => dependents,
            Err(AskError::Store(error)) => return Err(error.into()),
            // Of a standard that is not there yet.
            Err(_) => Vec::new(),
        };
        Ok(Impact { findings, refused, dependents, users: self.view().users(&standard)? })
    }

    /// Says how many must approve under a namespace.
    pub fn set_quorum(
        &self,
        caller: &Caller,
        operation_id: String,
        namespace: Namespace,
        quorum: u32,
        reason: String,
    ) -> Result<u64, PublishError> {
        check_operation_id(&operation_id)?;
        bounded(&reason)?;
        if quorum > QUORUM_MAX {
            return Err(DeskError::TooMuch { what: "quorum", max: QUORUM_MAX as usize }.into());
        }
        if reason.trim().is_empty() {
            return Err(DeskError::NoText.into());
        }
        let event = Event::QuorumSet(QuorumSet { namespace: namespace.to_string(), quorum, reason });
        let caller_then = caller.clone();
        let admit = move |registry: &Self| {
            registry.acts(&caller_then, Role::Manager, &namespace)?;
            let change = CommitteeChange::Quorum { namespace: namespace.clone(), quorum };
            // Whoever manages a part does not take back what was said of the whole.
            for (above, wanted) in registry.view().quorums(&namespace)? {
                if quorum < wanted {
                    registry.acts(&caller_then, Role::Manager, &above)?;
                }
            }
            registry.committee_agrees(&caller_then, &change)
        };
        self.step(caller, operation_id, event, Vec::new(), admit)
    }

    /// Says which versions a caller uses.
    pub fn register_use(
        &self,
        caller: &Caller,
        operation_id: String,
        uses: Vec<(StandardId, semver::Version)>,
    ) -> Result<u64, PublishError> {
        check_operation_id(&operation_id)?;
        if uses.len() > USES_MAX {
            return Err(DeskError::TooMuch { what: "list of versions", max: USES_MAX }.into());
        }
        // Said twice is said once.
        let mut uses = uses;
        uses.sort();
        uses.dedup();
        let used = |(standard, version): &(StandardId, semver::Version)| Use {
            standard: standard.to_string(),
            version: version.to_string(),
        };
        let event = Event::UseRegistered(UseRegistered { uses: uses.iter().map(used).collect() });
        let caller_then = caller.clone();
        let admit = move |registry: &Self| {
            for (standard, version) in &uses {
                registry.acts(&caller_then, Role::Agency, standard.namespace())?;
                registry.known(standard, version)?;
            }
            Ok(())
        };
        self.step(caller, operation_id, event, Vec::new(), admit)
    }

    /// Appends an entry by itself, unless the operation has done so already. Its index.
    pub(super) fn step(
        &self,
        caller: &Caller,
        operation_id: String,
        event: Event,
        blobs: Vec<Vec<u8>>,
        admit: impl Fn(&Self) -> Result<(), PublishError> + Send + Sync + 'static,
    ) -> Result<u64, PublishError> {
        if let Some(index) = self.done_before(caller, &operation_id, &event)? {
            return Ok(index);
        }
        admit(self)?;
        let (id, now) = (operation_id.clone(), (self.clock_ms)());
        let draft = commit::Draft::act(caller, operation_id, now, event.clone(), commit::ACCESS, admit)?.with(blobs);
        self.commit(draft)?;
        // Another may have taken the operation id at the same moment.
        let index = self.done_before(caller, &id, &event)?;
        Ok(index.ok_or_else(|| StoreError::Broken("an entry without an index".into()))?)
    }

    /// Whether a caller may act in a role, by what holds now.
    pub(super) fn acts(&self, caller: &Caller, role: Role, namespace: &Namespace) -> Result<(), PublishError> {
        let ended = || super::Denied::Ended { principal: caller.principal().clone() };
        let caller = self.renewed(caller)?.ok_or_else(ended)?;
        caller.acting(role, namespace)?;
        Ok(())
    }

    /// A proposal that a caller may see; to others there is none.
    fn seen(&self, caller: &Caller, id: u64) -> Result<Proposal, PublishError> {
        let view = self.view();
        // A row as small as none: what is hidden takes no other time than what is not there.
        let place = view.place_of_proposal(id)?;
        let caller = self.renewed(caller)?;
        let namespace: Option<Namespace> = place.and_then(|place| place.parse().ok());
        match namespace {
            None => Err(DeskError::Unknown(id).into()),
            Some(namespace) if caller.is_some_and(|caller| caller.may_see_drafts(&namespace)) => {
                Ok(view.proposal(id)?.ok_or(DeskError::Unknown(id))?)
            }
            Some(namespace) => Err(DeskError::Hidden { id, namespace }.into()),
        }
    }

    /// Whether a caller may see what a version refers to, by what holds now; what it may not see is not there.
    fn sees_references(&self, caller: &Caller, manifest: &Manifest) -> Result<(), PublishError> {
        let now = self.renewed(caller)?;
        let sees = |standard: &StandardId| now.as_ref().is_some_and(|caller| caller.may_see(standard.namespace()));
        match manifest.dependencies.iter().map(|dependency| &dependency.standard).find(|standard| !sees(standard)) {
            Some(hidden) => Err(ResolveError::UnknownStandard { standard: hidden.clone(), near: Vec::new() }.into()),
            None => Ok(()),
        }
    }

    fn standing(&self, id: u64) -> Result<Standing, PublishError> {
        let proposal = self.view().proposal(id)?.ok_or(DeskError::Unknown(id))?;
        self.standing_of(proposal)
    }

    fn standing_of(&self, proposal: Proposal) -> Result<Standing, PublishError> {
        let namespace = namespace(&proposal)?;
        // A proposal that nobody else has looked at is none, even where the namespace asks for nothing; and what was in review when
        // the quorum was lowered needs as many as before.
        let then = proposal.submitted().map_or(0, |_| proposal.quorum_then);
        let quorum = self.view().quorum(&namespace)?.max(then).max(1);
        let (_, holdings) = self.holdings()?;
        let (mut approved_by, since) = (Vec::new(), proposal.submitted().unwrap_or_default());
        for name in proposal.approvers() {
            let principal: Principal = name.parse().map_err(|_| StoreError::Broken("a principal's name".into()))?;
            if holdings.is_empty() || holdings.approves_since(&principal, &namespace, since) {
                approved_by.push(name.to_owned());
            }
        }
        Ok(Standing { proposal, quorum, approved_by })
    }

    /// The draft with its references resolved, as its manifest, once it has passed what publishing asks.
    fn sealed(&self, caller: &Caller, proposal: &Proposal) -> Result<(Manifest, Findings), PublishError> {
        let (package, metadata, metadata_toml, dates) = self.drafted(proposal)?;
        let bundle = Bundle::seal(&package, &Seen { registry: self, caller })?;
        let waiver = self.waiver(proposal)?;
        let plea = waiver.map(|Waiver { by, reason, .. }| Plea { by, reason, questions: None });
        let (reason, proposal) = Default::default();
        let candidate = super::Candidate { package, metadata, metadata_toml, bundle, dates, plea, reason, proposal };
        let findings = self.judged_candidate(caller, &candidate)?;
        Ok((candidate.bundle.root().manifest.clone(), findings))
    }

    /// What is in review, bound to what it was bound to when it was submitted.
    fn candidate(&self, caller: &Caller, proposal: &Proposal) -> Result<super::Candidate, PublishError> {
        let (package, metadata, metadata_toml, dates) = self.drafted(proposal)?;
        let content = self.load(&digest(&proposal.digest)?, true)?;
        self.sees_references(caller, &content.manifest)?;
        let bundle = Bundle::gather(content, self)?;
        for dependency in &bundle.root().manifest.dependencies {
            let known = self.view().version(&dependency.standard, &dependency.version)?;
            if known.is_none_or(|known| known.status == Status::Withdrawn) {
                let (standard, version) = (dependency.standard.clone(), dependency.version.to_string());
                return Err(DeskError::WithdrawnReference { id: proposal.id, standard, version }.into());
            }
        }
        let waiver = self.waiver(proposal)?;
        let plea = waiver.map(|Waiver { by, reason, questions }| Plea { by, reason, questions: Some(questions) });
        let (reason, proposal) = (String::new(), Some(proposal.id));
        Ok(super::Candidate { package, metadata, metadata_toml, bundle, dates, plea, reason, proposal })
    }

    fn drafted(&self, proposal: &Proposal) -> Result<(Package, Metadata, String, Dates), PublishError> {
        let content = self.load(&digest(&proposal.digest)?, true)?;
        let Manifest { standard, version, kind, .. } = content.manifest;
        let bytes = self.log.blob(&digest(&proposal.draft.metadata)?)?.unwrap_or_default();
        let toml = String::from_utf8_lossy(&bytes).into_owned();
        let metadata = Metadata::from_toml(&standard, &toml)?;
        let Draft { effective_from, effective_to, grace_until, .. } = &proposal.draft;
        let dates = Dates::parse(effective_from, effective_to, grace_until);
        let dates = dates.map_err(|error| StoreError::Broken(error.to_string()))?;
        Ok((Package { standard, version, kind, files: content.files }, metadata, toml, dates))
    }

    /// The digest that an operation has submitted, and that of what was waived.
    fn submitted_by(&self, operation_id: &str) -> Result<(prost::bytes::Bytes, prost::bytes::Bytes), PublishError> {
        match self.log.operation(operation_id)?.map(|index| self.entry(index)).transpose()?.and_then(|e| e.event) {
            Some(Event::ProposalStepped(event)) => Ok((event.digest, event.waived)),
            _ => Err(PublishError::OperationReused(operation_id.into())),
        }
    }

    fn is_place(&self, proposal: &Proposal, file: &str, pointer: &str) -> Result<(), PublishError> {
        let hash = if pointer.is_empty() { "" } else { "#" };
        let none = || DeskError::Place { id: proposal.id, place: format!("{file}{hash}{pointer}") };
        if file.is_empty() && pointer.is_empty() {
            return Ok(());
        }
        let manifest = self.manifest(&digest(&proposal.digest)?)?;
        let bytes = self.log.blob(manifest.files.get(file).ok_or_else(none)?)?.unwrap_or_default();
        match pointer.is_empty() || places::is_there(file, &bytes, pointer) {
            true => Ok(()),
            false => Err(none().into()),
        }
    }
}

impl Move {
    fn word(&self) -> &'static str {
        match self {
            Self::Submit => "submitted",
            Self::Comment { .. } => "commented",
            Self::Answer { .. } => "answered",
            Self::Approve { .. } => "approved",
            Self::Reject => "rejected",
            Self::Retract => "withdrawn",
        }
    }
}

/// What an entry about the desk means; none where it cannot be read.
pub(super) fn fact(index: u64, time_ms: u64, by: &str, event: &Event, mut documents: Vec<Digest>) -> Option<DeskFact> {
    match event {
        Event::QuorumSet(QuorumSet { namespace, quorum, .. }) => {
            Some(DeskFact::Quorum { index, namespace: namespace.parse().ok()?, quorum: *quorum })
        }
        Event::CommitteeAgreed(CommitteeAgreed { change, .. }) => {
            let change: CommitteeChange = change.parse().ok()?;
            let agreed = Agreed { by: by.to_owned(), index, time_ms };
            Some(DeskFact::Agreed { change: change.to_string(), agreed })
        }
        Event::UseRegistered(UseRegistered { uses }) => {
            let uses = uses.iter().map(|used| (used.standard.clone(), used.version.clone())).collect();
            Some(DeskFact::Used { principal: by.to_owned(), uses })
        }
        Event::ProposalStepped(event) => {
            let digest = || text_of(&event.digest);
            // What was submitted is a manifest of its own: that of the draft, bound to what it refers to.
            documents.extend(digest().and_then(|digest| digest.parse::<Digest>().ok()));
            let what = match event.step.as_str() {
                "drafted" => Deed::Drafted { digest: digest()?, terms: terms(event) },
                "submitted" => Deed::Submitted { digest: digest()?, waived: text_of(&event.waived) },
                "commented" => Deed::Commented {
                    file: event.file.clone(),
                    pointer: event.pointer.clone(),
                    is_objection: event.is_objection,
                },
                "answered" => Deed::Answered { comment: event.comment },
                "approved" => Deed::Approved { digest: digest()? },
                "rejected" => Deed::Rejected,
                "withdrawn" => Deed::Withdrawn,
                _ => return None,
            };
            let draft = match what {
                Deed::Drafted { .. } => Some(Box::new(Draft {
                    standard: event.standard.clone(),
                    version: event.version.clone(),
                    metadata: text_of(&event.metadata)?,
                    effective_from: event.effective_from.clone(),
                    effective_to: event.effective_to.clone(),
                    grace_until: event.grace_until.clone(),
                    waive: text_of(&event.waive),
                })),
                _ => None,
            };
            let step = Step { index, time_ms, by: by.to_owned(), what, text: text_of(&event.text) };
            let proposal = event.proposal.unwrap_or(index);
            Some(DeskFact::Stepped { proposal, step: Box::new(step), draft, documents })
        }
        _ => None,
    }
}

/// What of a draft its digest does not cover.
fn terms(event: &ProposalStepped) -> String {
    let ProposalStepped { metadata, effective_from, effective_to, grace_until, waive, .. } = event;
    let days = format!("{effective_from} {effective_to} {grace_until} ").into_bytes();
    Digest::of(&[days.as_slice(), metadata, waive].concat()).to_string()
}

/// That a proposal was published.
pub(super) fn published(proposal: u64, index: u64, time_ms: u64, by: &str, reason: String) -> DeskFact {
    let step = Step { index, time_ms, by: by.to_owned(), what: Deed::Published { reason }, text: None };
    DeskFact::Stepped { proposal, step: Box::new(step), draft: None, documents: Vec::new() }
}

fn hash(bytes: &[u8]) -> prost::bytes::Bytes {
    Digest::of(bytes).as_bytes().to_vec().into()
}

fn text_of(bytes: &[u8]) -> Option<String> {
    bytes.try_into().ok().map(|bytes| Digest::from_bytes(bytes).to_string())
}

fn digest(text: &str) -> Result<Digest, StoreError> {
    text.parse().map_err(|_| StoreError::Broken(format!("`{text}` is no digest")))
}

/// Whether why something is published is not too long.
pub(super) fn why_published(reason: &str) -> Result<(), PublishError> {
    match reason.len() > REASON_BYTES_MAX {
        true => Err(DeskError::TooMuch { what: "reason, in bytes,", max: REASON_BYTES_MAX }.into()),
        false => Ok(()),
    }
}

fn bounded(text: &str) -> Result<(), PublishError> {
    match text.len() > TEXT_BYTES_MAX {
        true => Err(DeskError::TooMuch { what: "text, in bytes,", max: TEXT_BYTES_MAX }.into()),
        false => Ok(()),
    }
}

fn room(proposal: &Proposal, max: usize) -> Result<(), DeskError> {
    match proposal.steps.len() >= max {
        true => Err(DeskError::TooMuch { what: "number of steps of a proposal", max }),
        false => Ok(()),
    }
}

fn named(proposal: &Proposal) -> Result<(StandardId, semver::Version), StoreError> {
    let broken = || StoreError::Broken("a proposal's name".into());
    let Draft { standard, version, .. } = &proposal.draft;
    Ok((standard.parse().map_err(|_| broken())?, version.parse().map_err(|_| broken())?))
}

fn namespace(proposal: &Proposal) -> Result<Namespace, StoreError> {
    Ok(named(proposal)?.0.namespace().clone())
}
