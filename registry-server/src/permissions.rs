//! One table, by method: what it takes to call it. What has no row is not served.
//!
//! The gate (`gate.rs`) asks the table before anything of a request is read; where the namespace stands in the request, the
//! service asks again once it has read it.

use crate::registry::Caller;
use guiju_model::{Role, Scope};

/// What a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: credentials are not looked at.
    Public,
    /// Nothing; whoever holds one of these roles on every namespace is told more. Credentials that are not taken are none.
    Told(&'static [Role]),
    /// To be known: by credentials, or because everybody holds a role.
    Known,
    /// One of these roles on some namespace; only what the caller may see is told.
    Somewhere(&'static [Role]),
    /// The role on the namespace that the request names.
    On(Role),
    /// One of these roles on every namespace.
    Everywhere(&'static [Role]),
}

/// One method, or all paths that begin with what stands before `*`.
#[derive(Debug)]
pub struct Row {
    pub method: &'static str,
    pub need: Need,
    /// Where its namespace is found, and what else is asked.
    pub place: &'static str,
}

const READER: &[Role] = &[Role::Reader];

const AGENCY: &[Role] = &[Role::Agency];
const AUTHOR: &[Role] = &[Role::Author];
const APPROVER: &[Role] = &[Role::Approver];
const MANAGER: &[Role] = &[Role::Manager];
const DESK: &[Role] = &[Role::Author, Role::Approver, Role::Manager];
/// Those who see how the server does.
const RUNS: &[Role] = &[Role::Operator, Role::Auditor];
/// Those who see drafts.
const DRAFTS: &[Role] = &[Role::Author, Role::Approver, Role::Manager, Role::Auditor];

const fn row(method: &'static str, need: Need, place: &'static str) -> Row {
    Row { method, need, place }
}

/// In the order of the reference page.
pub const TABLE: &[Row] = &[
    row(
        "/guiju.registry.v1.Registry/Publish",
        Need::On(Role::Manager),
        "`standard`; each reference in it takes reader",
    ),
    row("/guiju.registry.v1.Registry/PublishParts", Need::On(Role::Manager), "as Publish, once all parts came"),
    row("/guiju.registry.v1.Registry/CanPublish", Need::On(Role::Agency), "`candidate.standard`"),
    row("/guiju.registry.v1.Registry/Resolve", Need::On(Role::Reader), "`reference`"),
    row("/guiju.registry.v1.Registry/GetGoverning", Need::On(Role::Reader), "`standard`"),
    row("/guiju.registry.v1.Registry/GetVersion", Need::On(Role::Reader), "`reference`"),
    row("/guiju.registry.v1.Registry/GetBundle", Need::On(Role::Reader), "`reference`; what it refers to comes along"),
    row("/guiju.registry.v1.Registry/ListStandards", Need::Somewhere(READER), "each standard"),
    row("/guiju.registry.v1.Registry/ListVersions", Need::On(Role::Reader), "`standard`"),
    row("/guiju.registry.v1.Registry/Search", Need::Somewhere(READER), "each hit"),
    row("/guiju.registry.v1.Registry/ListDependents", Need::On(Role::Reader), "`standard`, and each dependent"),
    row(
        "/guiju.registry.v1.Registry/SetStatus",
        Need::On(Role::Manager),
        "`standard`; under a quorum, what ends it takes its committee's agreement",
    ),
    row("/guiju.registry.v1.Registry/Compare", Need::On(Role::Reader), "`old` and `new`"),
    row("/guiju.registry.v1.Registry/Watch", Need::Somewhere(READER), "each event"),
    row("/guiju.conformance.v1.Conformance/Check", Need::On(Role::Agency), "`reference`"),
    row("/guiju.conformance.v1.Conformance/CheckStream", Need::On(Role::Agency), "`header.reference`"),
    row("/guiju.log.v1.LogService/GetCheckpoint", Need::Somewhere(READER), "it holds hashes alone"),
    row("/guiju.log.v1.LogService/ProveInclusion", Need::Somewhere(READER), "that of the entry"),
    row("/guiju.log.v1.LogService/ProveConsistency", Need::Somewhere(READER), "it holds hashes alone"),
    row(
        "/guiju.log.v1.LogService/ReadEntries",
        Need::Everywhere(READER),
        "entries are of all namespaces; up to one of a draft, but for who sees drafts there",
    ),
    row(
        "/guiju.log.v1.LogService/ReadShownEntries",
        Need::Somewhere(READER),
        "that of each entry; of others, and of drafts that one does not see, their hashes alone",
    ),
    row(
        "/guiju.log.v1.LogService/ReadBlob",
        Need::Everywhere(READER),
        "of all namespaces; of drafts, where one sees drafts",
    ),
    row("/guiju.governance.v1.Access/WhoAmI", Need::Known, ""),
    row("/guiju.governance.v1.Access/Grant", Need::On(Role::Manager), "the namespace of `grant`"),
    row("/guiju.governance.v1.Access/Revoke", Need::On(Role::Manager), "the namespace of `grant`"),
    row("/guiju.governance.v1.Access/ListGrants", Need::Known, "one's own, and those where one is manager or auditor"),
    row("/guiju.governance.v1.Access/CreateToken", Need::Known, "one's own, else manager on that of each of `grants`"),
    row("/guiju.governance.v1.Access/ListTokens", Need::Known, "one's own, and those where one is manager or auditor"),
    row(
        "/guiju.governance.v1.Access/RevokeToken",
        Need::Known,
        "one's own, else manager on that of each of its grants",
    ),
    row("/guiju.governance.v1.Access/ListDenials", Need::Everywhere(&[Role::Auditor]), ""),
    row("/guiju.governance.v1.Proposals/Draft", Need::Somewhere(AUTHOR), "author on that of `candidate.standard`"),
    row("/guiju.governance.v1.Proposals/Submit", Need::Somewhere(AUTHOR), "author on that of the proposal"),
    row("/guiju.governance.v1.Proposals/Comment", Need::Somewhere(DESK), "one of them on that of the proposal"),
    row("/guiju.governance.v1.Proposals/Answer", Need::Somewhere(AUTHOR), "author on that of the proposal"),
    row("/guiju.governance.v1.Proposals/Approve", Need::Somewhere(APPROVER), "approver on that of the proposal"),
    row("/guiju.governance.v1.Proposals/Reject", Need::Somewhere(APPROVER), "approver on that of the proposal"),
    row("/guiju.governance.v1.Proposals/Retract", Need::Somewhere(AUTHOR), "author on that of the proposal"),
    row("/guiju.governance.v1.Proposals/PublishProposal", Need::Somewhere(MANAGER), "manager on that of the proposal"),
    row("/guiju.governance.v1.Proposals/GetProposal", Need::Somewhere(DRAFTS), "one of them on that of the proposal"),
    row("/guiju.governance.v1.Proposals/ReadFile", Need::Somewhere(DRAFTS), "one of them on that of the proposal"),
    row("/guiju.governance.v1.Proposals/ListProposals", Need::Somewhere(DRAFTS), "each proposal"),
    row(
        "/guiju.governance.v1.Proposals/SetQuorum",
        Need::Somewhere(MANAGER),
        "manager on `namespace`, and on those above that ask for more",
    ),
    row("/guiju.governance.v1.Proposals/Agree", Need::Somewhere(APPROVER), "approver on one that the `change` touches"),
    row("/guiju.governance.v1.Proposals/ListAgreements", Need::Somewhere(DRAFTS), "that of each committee"),
    row("/guiju.governance.v1.Proposals/RegisterUse", Need::Somewhere(AGENCY), "agency on that of each of `uses`"),
    row("/grpc.health.v1.Health/*", Need::Public, "for load balancers"),
    row("/grpc.reflection.v1.ServerReflection/*", Need::Known, "the descriptors of the services"),
    row("/grpc.reflection.v1alpha.ServerReflection/*", Need::Known, "the descriptors of the services"),
    row("/", Need::Public, "a word of greeting"),
    row("/healthz", Need::Told(RUNS), "its state, for load balancers; details for those who run it"),
    row("/metrics", Need::Everywhere(RUNS), "counts by method"),
    row("/checkpoint", Need::Somewhere(READER), "it holds hashes alone"),
    row(
        "/tile/entries/*",
        Need::Everywhere(READER),
        "entries are of all namespaces; with one of a draft in it, for who sees drafts there",
    ),
    row("/tile/*", Need::Somewhere(READER), "it holds hashes alone"),
    row("/add-checkpoint", Need::Public, "what it takes is proved by its signatures"),
];

/// The row of a path: its own, else the first whose beginning it has.
pub fn find(path: &str) -> Option<&'static Row> {
    let begins = |row: &&Row| row.method.strip_suffix('*').is_some_and(|start| path.starts_with(start));
    TABLE.iter().find(|row| row.method == path).or_else(|| TABLE.iter().find(begins))
}

impl Need {
    /// Whether a caller may go on to where the namespace is read, if one is asked for.
    pub fn admits(self, caller: &Caller) -> bool {
        match self {
            Self::Public | Self::Told(_) => true,
            Self::Known => caller.is_known(),
            Self::Somewhere(roles) => roles.iter().any(|role| caller.may_somewhere(*role)),
            Self::On(role) => caller.may_somewhere(role),
            Self::Everywhere(roles) => roles.iter().any(|role| caller.may_over(*role, &Scope::All)),
        }
    }

    /// A role that would do, and all that would, with where, in words.
    pub fn wants(self) -> Option<(Role, String)> {
        let any = |roles: &[Role], place: &str| {
            let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            let (last, before) = names.split_last()?;
            let names = if before.is_empty() { (*last).to_owned() } else { format!("{} or {last}", before.join(", ")) };
            Some((*roles.first()?, format!("the role {names} on {place}")))
        };
        match self {
            Self::Public | Self::Told(_) | Self::Known => None,
            Self::Somewhere(roles) => any(roles, "some namespace"),
            Self::On(role) => any(&[role], "the namespace"),
            Self::Everywhere(roles) => any(roles, "`*`"),
        }
    }

    fn said(self) -> String {
        let list = |roles: &[Role]| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ");
        match self {
            Self::Public => "nothing".into(),
            Self::Told(roles) => format!("nothing; {} on `*` to be told more", list(roles)),
            Self::Known => "to be known".into(),
            Self::Somewhere(roles) => format!("{} on some namespace", list(roles)),
            Self::On(role) => format!("{role} on its namespace"),
            Self::Everywhere(roles) => format!("{} on `*`", list(roles)),
        }
    }
}

/// The reference page, in Markdown. A test holds it against `docs/reference/permissions.md`.
pub fn page() -> String {
    let mut page = PAGE_HEAD.to_owned();
    for Row { method, need, place } in TABLE {
        page += &format!("| `{method}` | {} | {place} |\n", need.said());
    }
    page
}

const PAGE_HEAD: &str = "# What each method takes

Made from `registry-server/src/permissions.rs`; a test says when this page is stale, and another that every method has a row. What
has no row is not served.

A role holds on a namespace and all under it, or on `*`, every namespace. A manager, an author and an approver may do what
an agency may, an agency and an auditor what a reader may; an operator may none of these. \"To be known\" asks for
credentials that are taken, or for a role that `anyone` holds. Where a namespace may not be read, what is in it is answered
with NOT_FOUND, by the name alone, before anything is looked up. In a registry in which nobody holds a role, everything is open.
How to set it up: [how-to/who-may-do-what.md](../how-to/who-may-do-what.md).

A draft is private to its namespace: the entries, documents and texts of a proposal that is not published are shown to the authors,
approvers, managers and auditors there, and to nobody else, whatever else they may read. In their place stand the hashes of the entries,
by which the whole log is proved all the same. An entry holds 16 random bytes, so that nobody finds out by guessing what a hash is of.

Where a quorum holds, what ends a version (SetStatus with WITHDRAWN, or with DEPRECATED and a last day) takes the agreement of as many
approvers as the quorum asks for, by Agree, before a manager does it: one manager does not take back what others rely on and a quorum
published. Where none holds, a manager publishes alone and withdraws alone. Who must withdraw although too few are left to agree lowers
the quorum on the data folder of the stopped server (`guiju-server quorum`), which is an entry of the log like all else.

| method | what it takes | where its namespace is found |
|---|---|---|
";
