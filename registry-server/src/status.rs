//! One table: our refusals to gRPC code and HTTP status, and the rich details that go with them.
//!
//! # Invariants
//! - Every error that leaves the server carries `ErrorInfo` with domain `guiju` and a reason of the table.
//! - The reason is stable; the message may improve.
//! - Nothing of a record that was sent to be checked is in a message.

use crate::{
    log::LogError,
    registry::{AccessError, AskError, Denied, DeskError, PublishError, StoreError},
    sequencer::SequencerError,
    verdict,
};
use axum::response::Response;
use guiju_model::{BundleError, FileError, LinkError, ResolveError};
use guiju_tlog::ProofError;
use prost::Message;
use prost_types::Any;
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub const DOMAIN: &str = "guiju";

/// What a caller may count on about one sort of refusal.
#[derive(Debug)]
pub struct Row {
    pub reason: Reason,
    /// As in `ErrorInfo.reason`.
    pub name: &'static str,
    pub code: Code,
    pub http: u16,
    /// When trying again may help.
    pub retry: Option<Duration>,
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! table {
    ($($reason:ident = $name:literal, $code:ident, $http:literal, $retry:expr, $meaning:literal, $remedy:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason { $($reason),+ }

        /// In the order of the reference page.
        pub const TABLE: &[Row] = &[
            $(Row {
                reason: Reason::$reason, name: $name, code: Code::$code, http: $http, retry: $retry,
                meaning: $meaning, remedy: $remedy,
            }),+
        ];
    };
}

const SOON: Option<Duration> = Some(Duration::from_millis(50));
const LATER: Option<Duration> = Some(Duration::from_secs(1));

table! {
    MalformedField = "MALFORMED_FIELD", InvalidArgument, 400, None,
        "a field of the request is missing or cannot be read", "mend the fields that `BadRequest` names";
    MalformedMessage = "MALFORMED_MESSAGE", InvalidArgument, 400, None,
        "the bytes are not a message of the method", "send what the `.proto` file of the method says";
    MessageTooLarge = "MESSAGE_TOO_LARGE", ResourceExhausted, 413, None,
        "a message is larger than the server's `message_bytes_max`",
        "publish large versions with PublishParts, check many records with CheckStream";
    BadFile = "BAD_FILE", InvalidArgument, 400, None,
        "a file of the version is malformed, missing, over its bound, or refers to nothing",
        "mend the file and place that `BadRequest` names";
    LintFailed = "LINT_FAILED", InvalidArgument, 400, None,
        "the version breaks rules that every standard must keep", "mend the places that `BadRequest` names";
    CyclicReference = "CYCLIC_REFERENCE", FailedPrecondition, 409, None,
        "the standard refers to itself through others", "break the cycle";
    ExampleVerdict = "EXAMPLE_VERDICT", FailedPrecondition, 409, None,
        "an example does not give the verdict that it announces", "mend the example, its announcement or the standard";
    VersionNotHigher = "VERSION_NOT_HIGHER", FailedPrecondition, 409, None,
        "the version is not higher than those of its major line", "choose a higher version";
    BumpTooSmall = "BUMP_TOO_SMALL", FailedPrecondition, 409, None,
        "the version number is too small for what it changes; the details hold the `Verdict` with its witnesses",
        "choose `required` of `ErrorInfo.metadata`, or do what each violation says instead; where that is empty, a waiver will do";
    ChangeForbidden = "CHANGE_FORBIDDEN", FailedPrecondition, 409, None,
        "a change that no version number allows", "do what the violation says instead";
    NothingWaived = "NOTHING_WAIVED", FailedPrecondition, 409, None,
        "a waiver is given, and nothing is undecided that its number does not allow for", "publish it without the waiver";
    MoreUndecided = "MORE_UNDECIDED", FailedPrecondition, 409, None,
        "more is undecided now than was waived when the proposal was submitted",
        "draft it anew, so that it is approved with what `BadRequest` names";
    ProfileWidens = "PROFILE_WIDENS", FailedPrecondition, 409, None,
        "a profile accepts what its base refuses; the details hold the `Narrowing` with its witness",
        "refuse in the profile what the base refuses";
    VersionExists = "VERSION_EXISTS", AlreadyExists, 409, None,
        "the version is published with other content", "a published version never changes; choose the next number";
    OperationReused = "OPERATION_REUSED", AlreadyExists, 409, None,
        "the operation id belongs to another mutation", "choose a new operation id for each mutation";
    Conflict = "CONFLICT", Aborted, 409, SOON,
        "another publisher came first", "try again with the same operation id";
    UnknownStandard = "UNKNOWN_STANDARD", NotFound, 404, None,
        "there is no such standard", "see the near names in `ErrorInfo.metadata` under `near`, or search";
    UnknownVersion = "UNKNOWN_VERSION", NotFound, 404, None,
        "no version of the standard is what was asked for", "see those there are in `ErrorInfo.metadata` under `versions`";
    NotInForce = "NOT_IN_FORCE", NotFound, 404, None,
        "none of the versions asked for was in force on that day",
        "see those that were in `ErrorInfo.metadata` under `in_force`, or name another day";
    UnknownDocument = "UNKNOWN_DOCUMENT", NotFound, 404, None,
        "the log has no document of that digest, or a proposal no file of that name",
        "ask for a digest that an entry of this log, or its manifest, names, or for a file of the proposal's manifest";
    NamespaceMirrored = "NAMESPACE_MIRRORED", FailedPrecondition, 409, None,
        "the namespace belongs to another registry, which this one follows",
        "publish it at `upstream` of `ErrorInfo.metadata`; it is here once this registry has followed";
    NotCheckable = "NOT_CHECKABLE", FailedPrecondition, 409, None,
        "records cannot be checked against a standard of this kind", "name a record, a profile or a code list";
    TermImpossible = "TERM_IMPOSSIBLE", FailedPrecondition, 409, None,
        "a version cannot take effect or end on the days that were named", "name the days that the message allows";
    StatusUnreachable = "STATUS_UNREACHABLE", FailedPrecondition, 409, None,
        "the status cannot be reached from the present one", "published goes to deprecated or withdrawn, deprecated to withdrawn";
    CredentialsMissing = "CREDENTIALS_MISSING", Unauthenticated, 401, None,
        "nobody said who asks, and this is not for anyone", "send `authorization: Bearer` with a token, or show a certificate";
    CredentialsRefused = "CREDENTIALS_REFUSED", Unauthenticated, 401, None,
        "the credentials are not known, have expired or were revoked", "ask a manager for a new token";
    NotAllowed = "NOT_ALLOWED", PermissionDenied, 403, None,
        "the principal lacks a role", "ask a manager of the namespace for `role` of `ErrorInfo.metadata`, on its `scope`";
    RateLimited = "RATE_LIMITED", ResourceExhausted, 429, SOON,
        "the principal or the address asks more often than `principal_rate_max` or `address_rate_max` allows",
        "try again when `RetryInfo` says";
    RegistryOpen = "REGISTRY_OPEN", FailedPrecondition, 409, None,
        "nobody holds a role in this registry, so there is nobody to give one",
        "the operator stops it and runs `guiju-server bootstrap`";
    SeparationOfDuties = "SEPARATION_OF_DUTIES", FailedPrecondition, 409, None,
        "no one holds operator with author, approver or manager", "grant the role to another principal, or revoke `held` first";
    LastManager = "LAST_MANAGER", FailedPrecondition, 409, None,
        "there would be no manager of all, or there is one already", "grant manager on `*` to another first";
    UnknownGrant = "UNKNOWN_GRANT", NotFound, 404, None,
        "the principal does not hold that role", "see what is held with `guiju grants`";
    UnknownToken = "UNKNOWN_TOKEN", NotFound, 404, None,
        "there is no such token", "see those there are with `guiju token list`";
    TokenToldOnce = "TOKEN_TOLD_ONCE", AlreadyExists, 409, None,
        "the token was told when it was made, and is not kept", "revoke it and make another";
    TooMany = "TOO_MANY", ResourceExhausted, 429, None,
        "there are as many of them as are taken", "revoke those that are not used";
    UnknownProposal = "UNKNOWN_PROPOSAL", NotFound, 404, None,
        "there is no such proposal, or it may not be seen", "list the proposals that you may see";
    ProposalStage = "PROPOSAL_STAGE", FailedPrecondition, 409, None,
        "the proposal cannot take this step now", "do what the message says first";
    NeedsProposal = "NEEDS_PROPOSAL", FailedPrecondition, 409, None,
        "versions of this namespace are published by so many approvals, not directly", "propose it: `guiju propose`";
    CommitteeFirst = "COMMITTEE_FIRST", FailedPrecondition, 409, None,
        "it changes who decides under `namespace` of `ErrorInfo.metadata`, or ends a version there, and too few of its approvers have agreed",
        "`wanted` of them agree to `change` first: `guiju agree`";
    PageToken = "PAGE_TOKEN", InvalidArgument, 400, None,
        "the page token is not one that this call gave", "begin again without a token";
    BeyondLog = "BEYOND_LOG", OutOfRange, 416, None,
        "the index lies beyond the log's size", "begin at an index up to the log's size";
    HiddenEntry = "HIDDEN_ENTRY", NotFound, 404, None,
        "the entry is about a namespace that the principal may not read, or about a draft", "ReadShownEntries gives its hash, by which the log is proved all the same";
    StreamOrder = "STREAM_ORDER", InvalidArgument, 400, None,
        "a message of the stream is not one that may stand there", "first a header, then messages of one sort";
    UnreadableInput = "UNREADABLE_INPUT", InvalidArgument, 400, None,
        "nothing in the input can be read as records", "do what the message says; `finding` in `ErrorInfo.metadata` is its code";
    TooManyStreams = "TOO_MANY_STREAMS", ResourceExhausted, 429, LATER,
        "as many streams check records, or watch, as `check_streams_max` or `watch_streams_max` allows, or the caller has half of them", "try again later";
    Overloaded = "OVERLOADED", ResourceExhausted, 429, LATER,
        "the server does as much at a time as `work_max`, `compare_max` or `transfer_bytes_max` allows", "try again after the time that `RetryInfo` names";
    SlowReader = "SLOW_READER", ResourceExhausted, 429, None,
        "the caller read too slowly for the stream to go on", "for Watch, go on from the index after the last entry";
    StreamIdle = "STREAM_IDLE", DeadlineExceeded, 408, None,
        "the caller neither sent nor read for `stream_idle_timeout`", "read while writing, or close the stream";
    TimedOut = "TIMED_OUT", DeadlineExceeded, 504, None,
        "the answer did not begin within the deadline",
        "look whether it took effect: a mutation may be sent again with the same operation id";
    UnknownMethod = "UNKNOWN_METHOD", Unimplemented, 404, None,
        "the server has no such method", "list its methods by gRPC reflection";
    UnknownService = "UNKNOWN_SERVICE", NotFound, 404, None,
        "the server has no service of that name to tell the health of", "list its services by gRPC reflection, or name none: that asks for the whole";
    LogUnavailable = "LOG_UNAVAILABLE", Unavailable, 503, LATER,
        "the log did not answer; a mutation may or may not have taken effect",
        "sending it again with the same operation id settles it";
    StoreFull = "STORE_FULL", ResourceExhausted, 507, None,
        "the log has no room left, on its disk or in its cluster; nothing was written", "the operator makes room; then send it again";
    ViewUnavailable = "VIEW_UNAVAILABLE", Unavailable, 503, LATER,
        "what the server knows of the log cannot be read; a mutation may have taken effect",
        "the operator restarts the server, which rebuilds it; then send it again";
    LogDamaged = "LOG_DAMAGED", DataLoss, 500, None,
        "what the log holds is not what was written, so it is not served", "the operator runs `guiju-server verify`, which names it and mends it from another copy";
    ShuttingDown = "SHUTTING_DOWN", Unavailable, 503, LATER,
        "the server is about to stop", "connect again";
    Internal = "INTERNAL", Internal, 500, None,
        "the server broke a rule of its own", "report it with the server's log";
}

impl Reason {
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

/// A refusal with its details, on its way to becoming a `Status`.
#[derive(Clone, Debug)]
pub struct Refusal {
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<(String, String)>,
    resource: Option<(&'static str, String)>,
    /// One more message of ours for the details.
    attached: Option<Any>,
    /// When trying again may help, where that is known better than the table knows it.
    after: Option<Duration>,
}

impl Refusal {
    pub fn new(reason: Reason, message: impl ToString) -> Self {
        let message = message.to_string();
        let (metadata, violations, resource, attached, after) = (HashMap::new(), Vec::new(), None, None, None);
        Self { reason, message, metadata, violations, resource, attached, after }
    }

    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Says when trying again may help.
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = Some(wait);
        self
    }

    pub fn retry(&self) -> Option<Duration> {
        self.after.or(self.reason.row().retry)
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status.
    pub fn http(&self) -> u16 {
        self.reason.row().http
    }

    /// Adds to `ErrorInfo.metadata`. Header space is scarce, so long values are cut.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.metadata.insert(key.into(), cut(value.to_string(), 1024));
        self
    }

    /// Adds a violation to `BadRequest`. Of many, the first 20 are told.
    pub fn at(mut self, field: impl Into<String>, why: impl ToString) -> Self {
        if self.violations.len() < 20 {
            self.violations.push((cut(field.into(), 512), cut(why.to_string(), 512)));
        }
        self
    }

    /// Adds a message of ours to the details.
    pub fn attach(mut self, message: Any) -> Self {
        self.attached = Some(message);
        self
    }

    /// Names what the refusal is about, as `ResourceInfo`.
    pub fn about(mut self, sort: &'static str, name: impl ToString) -> Self {
        self.resource = Some((sort, cut(name.to_string(), 256)));
        self
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (row, retry) = (refusal.reason.row(), refusal.retry());
        let mut details = ErrorDetails::with_error_info(row.name, DOMAIN, refusal.metadata);
        for (field, why) in refusal.violations {
            details.add_bad_request_violation(field, why);
        }
        if let Some((sort, name)) = refusal.resource {
            details.set_resource_info(sort, name, "", row.meaning);
        }
        if retry.is_some() {
            details.set_retry_info(retry);
        }
        let status = Status::with_error_details(row.code, cut(refusal.message, 2048), details);
        match refusal.attached {
            Some(message) => with_one_more(status, message),
            None => status,
        }
    }
}

fn with_one_more(status: Status, message: Any) -> Status {
    match tonic_types::pb::Status::decode(status.details()) {
        Ok(mut details) => {
            details.details.push(message);
            Status::with_details(status.code(), status.message(), details.encode_to_vec().into())
        }
        Err(_) => status,
    }
}

impl From<guiju_proto::convert::ConvertError> for Refusal {
    fn from(fault: guiju_proto::convert::ConvertError) -> Self {
        Self::new(Reason::MalformedField, &fault).at(fault.field, fault.why)
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        let message = error.to_string();
        match error {
            AskError::Resolve(error) => error.into(),
            AskError::NotInForce { wanted, in_force, .. } => {
                Self::new(Reason::NotInForce, message).with("in_force", listed(&in_force)).about("version", wanted)
            }
            AskError::NotCheckable(error) => Self::new(Reason::NotCheckable, message).about("standard", error.standard),
            AskError::BeyondEnd { size, .. } => Self::new(Reason::BeyondLog, message).with("log_size", size),
            AskError::Store(error) => of_reading(error),
            // What was published had a whole bundle and compiled: a fault here is ours.
            AskError::Bundle(_) | AskError::Compile(_) => Self::new(Reason::Internal, message),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        // The message may name paths of the server: those are for its operator.
        tracing::error!("{message}");
        let reason = match error {
            StoreError::Log(LogError::Full { .. } | LogError::NoSpace { .. }) => Reason::StoreFull,
            StoreError::Log(LogError::Conflict { .. }) => Reason::Conflict,
            StoreError::Log(LogError::ReadOnly { was_so: true, .. }) => {
                return Self::new(
                    Reason::LogUnavailable,
                    "the log takes no writes until its server is started again; nothing was written",
                );
            }
            StoreError::Log(
                LogError::ReadOnly { .. }
                | LogError::Io { .. }
                | LogError::Unavailable { .. }
                | LogError::Denied { .. }
                | LogError::NotServed { .. },
            )
            | StoreError::Unsettled(_) => Reason::LogUnavailable,
            StoreError::Log(LogError::Damaged { .. }) | StoreError::LogShorter { .. } => Reason::LogDamaged,
            StoreError::View(_) => Reason::ViewUnavailable,
            _ => Reason::Internal,
        };
        Self::new(reason, reason.row().meaning)
    }
}

/// Of a call that changes nothing: what became of a mutation is no question then.
fn of_reading(error: StoreError) -> Refusal {
    let refusal = Refusal::from(error);
    match refusal.reason {
        reason @ (Reason::LogUnavailable | Reason::ViewUnavailable) => {
            let meaning = reason.row().meaning;
            Refusal { message: meaning.split("; a mutation").next().unwrap_or(meaning).into(), ..refusal }
        }
        _ => refusal,
    }
}

impl From<SequencerError> for Refusal {
    fn from(error: SequencerError) -> Self {
        let message = error.to_string();
        match error {
            SequencerError::Proof(ProofError::NotInTree { size, .. } | ProofError::Shrinks { size, .. }) => {
                Self::new(Reason::BeyondLog, message).with("log_size", size)
            }
            SequencerError::Proof(ProofError::TooLarge { .. }) => Self::new(Reason::BeyondLog, message),
            SequencerError::Log(error) => of_reading(error.into()),
            SequencerError::Changed { .. } | SequencerError::Diverged { .. } => {
                tracing::error!("{message}");
                Self::new(Reason::LogDamaged, Reason::LogDamaged.row().meaning)
            }
            _ => StoreError::Broken(message).into(),
        }
    }
}

impl From<ResolveError> for Refusal {
    fn from(error: ResolveError) -> Self {
        let message = error.to_string();
        match error {
            ResolveError::UnknownStandard { standard, near } => {
                Self::new(Reason::UnknownStandard, message).with("near", listed(&near)).about("standard", standard)
            }
            ResolveError::AllWithdrawn { standard, successor } => {
                Self::new(Reason::UnknownVersion, message).with("successor", successor).about("standard", standard)
            }
            ResolveError::UnknownVersion { reference, versions } => Self::new(Reason::UnknownVersion, message)
                .with("versions", listed(&versions))
                .about("version", reference),
        }
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let message = error.to_string();
        let refusal = |reason| Self::new(reason, &message);
        match error {
            PublishError::OperationId => refusal(Reason::MalformedField).at("operation_id", &message),
            PublishError::OperationReused(_) => refusal(Reason::OperationReused),
            PublishError::Metadata(_) | PublishError::Kind { .. } => {
                refusal(Reason::BadFile).at("standard.toml", &message)
            }
            PublishError::TooLarge { .. } => refusal(Reason::BadFile).at("files", &message),
            PublishError::Bundle(error) => unsealed(error),
            PublishError::Compile(error) => {
                let faults = error.faults.into_iter().map(|fault| (place(&fault.pointer), fault.message));
                faults.fold(refusal(Reason::BadFile), |refusal, (place, why)| refusal.at(place, why))
            }
            PublishError::Examples { examples, .. } => examples
                .into_iter()
                .fold(refusal(Reason::ExampleVerdict), |refusal, fault| refusal.at(fault.file, fault.message)),
            PublishError::Lint { lints, .. } => lints.into_iter().fold(refusal(Reason::LintFailed), |refusal, lint| {
                refusal.at(lint.place(), format!("{}: {}", lint.code, lint.message.en))
            }),
            PublishError::Exists { standard, version } => {
                refusal(Reason::VersionExists).about("version", format!("{standard}@={version}"))
            }
            PublishError::NotHigher { standard, version, highest } => refusal(Reason::VersionNotHigher)
                .with("highest", highest)
                .about("version", format!("{standard}@={version}")),
            PublishError::BumpTooSmall { standard, version, judged } => {
                let required = judged.required.as_ref().map(ToString::to_string).unwrap_or_default();
                let refusal =
                    refusal(Reason::BumpTooSmall).with("baseline", &judged.baseline).with("required", required);
                verdict::told(refusal, &judged.verdict).about("version", format!("{standard}@={version}"))
            }
            PublishError::OwnSuccessor { .. } => {
                refusal(Reason::MalformedField).at("successor", "it means the version itself")
            }
            PublishError::Successor { why, .. } => refusal(Reason::MalformedField).at("successor", why),
            PublishError::NothingWaived { standard, version } => {
                refusal(Reason::NothingWaived).about("version", format!("{standard}@={version}"))
            }
            PublishError::MoreUndecided { standard, version, questions } => {
                let refusal = refusal(Reason::MoreUndecided).about("version", format!("{standard}@={version}"));
                questions.into_iter().fold(refusal, |refusal, question| refusal.at("waive", question))
            }
            PublishError::WaiverReason => refusal(Reason::MalformedField).at("waive", &message),
            PublishError::ProfileWidens { standard, version, narrowing } => {
                let refusal = refusal(Reason::ProfileWidens).with("base", &narrowing.base);
                verdict::told_of_profile(refusal, &narrowing).about("version", format!("{standard}@={version}"))
            }
            PublishError::Term { standard, version, .. } => {
                refusal(Reason::TermImpossible).about("version", format!("{standard}@={version}"))
            }
            PublishError::OtherDays { standard, version } => {
                refusal(Reason::VersionExists).about("version", format!("{standard}@={version}"))
            }
            PublishError::Desk(error) => match error {
                DeskError::Unknown(id) | DeskError::Hidden { id, .. } => {
                    refusal(Reason::UnknownProposal).about("proposal", id)
                }
                DeskError::NeedsProposal { namespace, quorum } => {
                    refusal(Reason::NeedsProposal).with("quorum", quorum).about("namespace", namespace)
                }
                DeskError::NoFile { path, .. } => refusal(Reason::UnknownDocument).about("file", path),
                DeskError::Place { place, .. } => {
                    refusal(Reason::MalformedField).at("pointer", format!("`{place}` is not there"))
                }
                DeskError::NoReason => refusal(Reason::MalformedField).at("reason", &message),
                DeskError::CommitteeFirst { change, namespace, wanted, .. }
                | DeskError::NobodyApproves { change, namespace, wanted, .. } => {
                    let refusal = refusal(Reason::CommitteeFirst).with("change", change).with("wanted", wanted);
                    refusal.with("namespace", &namespace).about("namespace", namespace)
                }
                DeskError::NoText => refusal(Reason::MalformedField).at("text", &message),
                DeskError::TooMuch { what, .. } => {
                    refusal(Reason::MalformedField).at(what.split(',').next().unwrap_or(what), &message)
                }
                _ => refusal(Reason::ProposalStage),
            },
            PublishError::Mirrored { upstream, .. } => refusal(Reason::NamespaceMirrored).with("upstream", upstream),
            PublishError::Overtaken { standard } => refusal(Reason::Conflict).about("standard", standard),
            PublishError::Forbidden { standard, version, judged } => {
                let refusal = refusal(Reason::ChangeForbidden).with("baseline", &judged.baseline);
                verdict::told(refusal, &judged.verdict).about("version", format!("{standard}@={version}"))
            }
            PublishError::Status { standard, version, status, .. } => refusal(Reason::StatusUnreachable)
                .with("status", status)
                .about("version", format!("{standard}@={version}")),
            PublishError::Resolve(error) => error.into(),
            PublishError::Denied(error) => error.into(),
            PublishError::Access(error) => error.into(),
            PublishError::Store(error) => error.into(),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let refusal = Self::new(Reason::NotAllowed, &denied);
        match denied {
            Denied::Role { role, scope, .. } => refusal.with("role", role).with("scope", scope),
            Denied::Ended { .. } => Self::new(Reason::CredentialsRefused, &denied),
            _ => refusal,
        }
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let refusal = |reason| Self::new(reason, &error);
        match &error {
            AccessError::IsOpen => refusal(Reason::RegistryOpen),
            AccessError::Separation { held, .. } => refusal(Reason::SeparationOfDuties).with("held", held),
            AccessError::IsBootstrapped | AccessError::LastManager(_) => refusal(Reason::LastManager),
            AccessError::NotHeld { .. } => refusal(Reason::UnknownGrant),
            AccessError::UnknownToken(id) => refusal(Reason::UnknownToken).about("token", id),
            AccessError::ToldOnce(id) => refusal(Reason::TokenToldOnce).about("token", id),
            AccessError::NoReason => refusal(Reason::MalformedField).at("reason", &error),
            AccessError::TooMuch { what: "reason", .. } => refusal(Reason::MalformedField).at("reason", &error),
            AccessError::TooMuch { .. } => refusal(Reason::TooMany),
            AccessError::Reserved(_) | AccessError::ForAnyone => {
                refusal(Reason::MalformedField).at("principal", &error)
            }
            AccessError::OperatorScope => refusal(Reason::MalformedField).at("scope", &error),
            AccessError::NoGrants => refusal(Reason::MalformedField).at("grants", &error),
            AccessError::Life | AccessError::LongerThanOwn { .. } => {
                refusal(Reason::MalformedField).at("expires_after", &error)
            }
        }
    }
}

/// A version whose files and references could not be bound together.
fn unsealed(error: BundleError) -> Refusal {
    let message = error.to_string();
    let refusal = |reason| Refusal::new(reason, &message);
    match error {
        BundleError::Cycle { path, .. } => refusal(Reason::CyclicReference).with("path", path.join(" -> ")),
        BundleError::Link(LinkError::Json(why)) => refusal(Reason::BadFile).at("schema.json", why),
        BundleError::Link(LinkError::Yaml(error)) => refusal(Reason::BadFile).at("openapi.yaml", error.to_string()),
        BundleError::Link(LinkError::Reference { pointer, .. } | LinkError::Foreign { pointer, .. })
        | BundleError::Resolve { pointer, .. } => refusal(Reason::BadFile).at(place(&pointer), &message),
        BundleError::File(FileError::Missing { file, .. }) => refusal(Reason::BadFile).at(file, &message),
        BundleError::File(FileError::Canonical { file, why, .. }) => refusal(Reason::BadFile).at(file, why),
        BundleError::File(FileError::Path { file, .. }) => refusal(Reason::BadFile).at(file, &message),
        BundleError::File(FileError::Manifest(_)) | BundleError::Missing { .. } | BundleError::Tampered { .. } => {
            refusal(Reason::Internal)
        }
    }
}

/// A pointer with its document. Only that of a contract has such parts; which of its two names it has is known to who sent it.
fn place(pointer: &str) -> String {
    let parts = ["/openapi", "/info", "/paths", "/components", "/webhooks", "/security"];
    let is_contract = parts
        .iter()
        .any(|part| pointer.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    format!("{}#{pointer}", if is_contract { "openapi" } else { "schema.json" })
}

fn listed(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The answer to a request that took too long.
pub fn timed_out(limit: Duration) -> Status {
    Refusal::new(Reason::TimedOut, format!("no answer within {limit:?}")).into()
}

/// Gives details to a refusal that the gRPC library made by itself: an unknown method, a message over the limit, bytes
/// that are no message, a deadline.
pub fn completed(response: Response) -> Response {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != Code::Ok && status.details().is_empty() => explained(status).into_http(),
        _ => response,
    }
}

/// The same, for a status that a handler got from reading its own stream.
pub fn explained(status: Status) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    let reason = match status.code() {
        Code::Unimplemented if status.message().contains("compressed") => Reason::MalformedMessage,
        Code::Unimplemented => Reason::UnknownMethod,
        // Only the health of services is not found by a library; ours always say what is not there.
        Code::NotFound => Reason::UnknownService,
        Code::OutOfRange | Code::ResourceExhausted => Reason::MessageTooLarge,
        Code::Internal if status.message().contains("ecode") => Reason::MalformedMessage,
        Code::InvalidArgument => Reason::MalformedMessage,
        Code::Cancelled | Code::DeadlineExceeded => Reason::TimedOut,
        _ => Reason::Internal,
    };
    let said = if status.message().is_empty() { reason.row().meaning } else { status.message() };
    Refusal::new(reason, said).into()
}

/// As the gRPC documents spell it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The reference page, in Markdown. A test holds it against `docs/reference/errors.md`.
pub fn page() -> String {
    let mut page = PAGE_HEAD.to_owned();
    for row in TABLE {
        let retry = row.retry.map_or_else(|| "no".into(), |after| format!("after {after:?}"));
        let (name, code, http, meaning, remedy) = (row.name, code_name(row.code), row.http, row.meaning, row.remedy);
        page += &format!("| `{name}` | {code} | {http} | {retry} | {meaning} | {remedy} |\n");
    }
    page
}

const PAGE_HEAD: &str = "# Errors of guiju-server

Made from `registry-server/src/status.rs`; a test says when this page is stale.

Every refusal carries `google.rpc` details: `ErrorInfo` with domain `guiju`, the reason below and what it names;
`BadRequest` with one violation for each fault of the input (the field as the `.proto` file spells it, or file and JSON
Pointer); `ResourceInfo` with the standard or version it is about; `RetryInfo` where trying again may help. Reasons are
stable, messages may improve. A malformed record is not an error: it gets a finding.

| reason | gRPC code | HTTP status | worth trying again | what happened | what to do |
|---|---|---|---|---|---|
";
