//! The committee's desk, driven at random beside a small model of it: nothing is published without its quorum, nobody acts outside a
//! role, and the log alone gives the same state.

use crate::{grpc::METADATA, support::rounds};
use guiju_model::{Dates, Digest, Grant, Kind, Package, Principal, Role, StandardId, Status, VersionInfo};
use guiju_server::{
    log::{Log, Memory},
    registry::{
        Caller, DeskError, Follows, Move, Offer, PublishError, Registry, RoleChange, Stage, Standing, StatusChange,
        Submission, TokenRequest,
    },
    view::read_by_this_thread,
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const PEOPLE: [&str; 7] = ["ann", "bo", "chen", "dai", "en", "fu", "root"];
/// Where standards are drafted. A quorum holds in all of them from the start, set where nobody approves: on the last.
const SPACES: [&str; 4] = ["bj.water", "bj.power", "bj.water.city", "bj"];
const WHOLE: usize = 3;
/// Where roles are held: the same, and everywhere.
const SCOPES: [&str; 5] = ["bj.water", "bj.power", "bj.water.city", "bj", "*"];
const ROLES: [Role; 5] = [Role::Author, Role::Approver, Role::Manager, Role::Operator, Role::Auditor];

#[derive(Clone, Debug)]
enum Action {
    Draft { space: usize },
    Revise { proposal: usize },
    Submit { proposal: usize },
    Comment { proposal: usize, is_objection: bool },
    Answer { proposal: usize },
    Approve { proposal: usize, of_another: bool },
    Reject { proposal: usize },
    Retract { proposal: usize },
    Publish { proposal: usize },
    PublishDirectly { space: usize },
    Quorum { space: usize, quorum: u32 },
    AgreeQuorum { space: usize, quorum: u32 },
    AgreeApprover { to: usize, scope: usize, comes: bool },
    AgreeToken { to: usize, role: usize, scope: usize },
    AgreeRevokeToken { to: usize },
    Grant { to: usize, role: usize, scope: usize },
    Revoke { to: usize, role: usize, scope: usize },
    Token { to: usize, role: usize, scope: usize },
    RevokeToken { to: usize },
    AgreeWithdraw { proposal: usize },
    Withdraw { proposal: usize },
}

fn arb_action() -> impl Strategy<Value = (usize, Action)> {
    let proposal = || 0usize..4;
    let space = || 0usize..SPACES.len();
    let (to, scope) = (|| 0..PEOPLE.len() - 1, || 0usize..SCOPES.len());
    let role = || prop_oneof![1 => 0..ROLES.len(), 1 => Just(1usize)];
    let what = prop_oneof![
        3 => space().prop_map(|space| Action::Draft { space }),
        1 => proposal().prop_map(|proposal| Action::Revise { proposal }),
        4 => proposal().prop_map(|proposal| Action::Submit { proposal }),
        1 => (proposal(), any::<bool>()).prop_map(|(proposal, is_objection)| Action::Comment { proposal, is_objection }),
        2 => proposal().prop_map(|proposal| Action::Answer { proposal }),
        8 => (proposal(), prop::bool::weighted(0.1))
            .prop_map(|(proposal, of_another)| Action::Approve { proposal, of_another }),
        1 => proposal().prop_map(|proposal| Action::Reject { proposal }),
        1 => proposal().prop_map(|proposal| Action::Retract { proposal }),
        6 => proposal().prop_map(|proposal| Action::Publish { proposal }),
        2 => space().prop_map(|space| Action::PublishDirectly { space }),
        2 => (space(), 0u32..4).prop_map(|(space, quorum)| Action::Quorum { space, quorum }),
        4 => (space(), 0u32..4).prop_map(|(space, quorum)| Action::AgreeQuorum { space, quorum }),
        5 => (to(), scope(), any::<bool>()).prop_map(|(to, scope, comes)| Action::AgreeApprover { to, scope, comes }),
        3 => (to(), role(), scope()).prop_map(|(to, role, scope)| Action::AgreeToken { to, role, scope }),
        2 => to().prop_map(|to| Action::AgreeRevokeToken { to }),
        5 => (to(), role(), scope()).prop_map(|(to, role, scope)| Action::Grant { to, role, scope }),
        3 => (to(), role(), scope()).prop_map(|(to, role, scope)| Action::Revoke { to, role, scope }),
        5 => (to(), role(), scope()).prop_map(|(to, role, scope)| Action::Token { to, role, scope }),
        2 => to().prop_map(|to| Action::RevokeToken { to }),
        4 => proposal().prop_map(|proposal| Action::AgreeWithdraw { proposal }),
        4 => proposal().prop_map(|proposal| Action::Withdraw { proposal }),
    ];
    // Whoever holds no role tries as often as those who do.
    (0..PEOPLE.len(), what)
}

/// What the registry is expected to know.
#[derive(Default)]
struct Model {
    /// Who holds which role under what, and the index of the entry that gave it.
    roles: BTreeMap<(usize, Role, usize), u64>,
    quorums: [Option<u32>; SPACES.len()],
    /// Who agreed to a change of a committee, and by which entry.
    agreed: BTreeMap<String, BTreeMap<usize, u64>>,
    /// Index of the last entry that changed who approves under a scope, or its quorum.
    changed: BTreeMap<usize, u64>,
    /// Whose each token is, what it is for, and whether another made it.
    tokens: Vec<HeldToken>,
    proposals: Vec<Known>,
}

struct HeldToken {
    id: String,
    of: usize,
    role: Role,
    scope: usize,
    made: u64,
    is_by_another: bool,
    is_revoked: bool,
}

/// What somebody does to a committee, in words that the registry reads.
enum Deed {
    Quorum {
        space: usize,
        quorum: u32,
    },
    Approver {
        scope: usize,
    },
    /// With what it is for as an approver, if anything.
    Token {
        of: usize,
        scope: Option<usize>,
        is_new: bool,
    },
    /// Of a version of a standard of that very namespace.
    Withdraw {
        space: usize,
    },
}

/// Whether all of a scope is within another.
fn within(inner: usize, outer: usize) -> bool {
    let (inner, outer) = (SCOPES[inner], SCOPES[outer]);
    outer == "*" || inner == outer || inner.starts_with(&format!("{outer}."))
}

struct Known {
    id: u64,
    space: usize,
    standard: String,
    stage: Stage,
    /// What was published of it.
    is_withdrawn: bool,
    authors: BTreeSet<usize>,
    approved: BTreeSet<usize>,
    digest: String,
    open: Vec<u64>,
    drafts: u32,
    /// Index of the step, and how many had to approve then.
    submitted: (u64, u32),
}

impl Model {
    fn holds(&self, who: usize, role: Role, space: usize) -> bool {
        let is_root = PEOPLE[who] == "root" && role == Role::Manager;
        is_root || self.roles.keys().any(|held| (held.0, held.1) == (who, role) && within(space, held.2))
    }

    fn sees_drafts(&self, who: usize, space: usize) -> bool {
        [Role::Author, Role::Approver, Role::Manager, Role::Auditor]
            .into_iter()
            .any(|role| self.holds(who, role, space))
    }

    /// Of those who have approved, who is an approver, and was when it was submitted.
    fn counted(&self, known: &Known) -> usize {
        known.approved.iter().filter(|who| self.voted_then(**who, known)).count()
    }

    fn voted_then(&self, who: usize, known: &Known) -> bool {
        self.roles.iter().any(|(held, since)| {
            (held.0, held.1) == (who, Role::Approver) && within(known.space, held.2) && *since < known.submitted.0
        })
    }

    fn quorum(&self, space: usize) -> u32 {
        quorum_in(&self.quorums, space)
    }

    fn seats(&self, who: usize) -> impl Iterator<Item = usize> {
        self.roles.keys().filter(move |held| (held.0, held.1) == (who, Role::Approver)).map(|held| held.2)
    }

    /// Every namespace in which other approvers would decide, or as many of them would not be enough any more.
    fn touched(&self, deed: &Deed) -> Vec<usize> {
        let there = |space: &usize| match deed {
            Deed::Quorum { space: at, quorum } => {
                let mut then = self.quorums;
                then[*at] = Some(*quorum);
                within(*space, *at) && quorum_in(&then, *space) < self.quorum(*space)
            }
            Deed::Approver { scope } => within(*space, *scope),
            Deed::Token { of, scope, .. } => {
                scope.is_some_and(|scope| within(*space, scope)) || self.seats(*of).any(|seat| within(*space, seat))
            }
            Deed::Withdraw { space: at } => space == at,
        };
        // A version does not end under a quorum that nobody can meet.
        let is_end = matches!(deed, Deed::Withdraw { .. });
        let decides = |space: &usize| self.quorum(*space) > 0 && (is_end || self.members(*space) > 0);
        (0..SPACES.len()).filter(there).filter(decides).collect()
    }

    fn members(&self, space: usize) -> usize {
        (0..PEOPLE.len()).filter(|who| self.holds(*who, Role::Approver, space)).count()
    }

    /// Whether all have agreed whom a change touches.
    fn has_agreed(&self, deed: &Deed, change: &str) -> bool {
        let none = BTreeMap::new();
        let used = match deed {
            Deed::Token { of, is_new: true, .. } => {
                let given = self.tokens.iter().filter(|token| token.of == *of && token.is_by_another);
                given.map(|token| token.made).max()
            }
            _ => None,
        };
        self.touched(deed).into_iter().all(|space| {
            let touches = |scope: usize| within(space, scope) || within(scope, space);
            let changed = self.changed.iter().filter(|(scope, _)| touches(**scope)).map(|(_, index)| *index).max();
            let agreed = self.agreed.get(change).unwrap_or(&none).iter();
            let counted = agreed.filter(|(who, index)| {
                self.holds(**who, Role::Approver, space) && Some(**index) > changed && Some(**index) > used
            });
            let wanted = self.quorum(space) as usize;
            let members = self.members(space);
            counted.count() >= if members == 0 { wanted } else { members.min(wanted) }
        })
    }

    fn may_agree(&self, who: usize, deed: &Deed) -> bool {
        self.touched(deed).into_iter().any(|space| self.holds(who, Role::Approver, space))
    }

    /// Whether nobody ever made a token by which somebody could approve anything near what it approves.
    fn is_first(&self, of: usize, scope: usize) -> bool {
        let near = |held: usize| self.seats(of).any(|seat| within(seat, held) || within(held, seat));
        let mut earlier = self.tokens.iter().filter(|token| token.of == of && token.role == Role::Approver);
        self.seats(of).any(|seat| within(scope, seat)) && !earlier.any(|token| near(token.scope))
    }

    /// The last token of somebody, revoked or not.
    fn last_token(&self, of: usize) -> Option<usize> {
        self.tokens.iter().rposition(|token| token.of == of)
    }
}

/// What was said of the nearest namespace.
fn quorum_in(quorums: &[Option<u32>; SPACES.len()], space: usize) -> u32 {
    let said = (0..SPACES.len()).filter(|at| within(space, *at) && quorums[*at].is_some());
    said.max_by_key(|at| SPACES[*at].len()).and_then(|at| quorums[at]).unwrap_or(0)
}

fn package(standard: &str, drafts: u32) -> Package {
    let schema = format!(
        r#"{{"type":"object","properties":{{"n":{{"const":{drafts},"title":"n","x-guiju":{{"titleZh":"数"}}}}}},"x-guiju":{{"vocabulary":"1"}}}}"#
    );
    Package {
        standard: standard.parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        kind: Kind::Record,
        files: [("schema.json".to_owned(), schema.into_bytes())].into(),
    }
}

fn offer(operation: &str, proposal: Option<u64>, standard: &str, drafts: u32) -> Offer {
    Offer {
        operation_id: operation.into(),
        proposal,
        package: package(standard, drafts),
        metadata_toml: METADATA.into(),
        dates: Dates::default(),
        waive: String::new(),
        text: "as discussed".into(),
    }
}

fn open(folder: &std::path::Path, log: &Arc<Memory>) -> Registry {
    Registry::open(log.clone(), &folder.join("view"), || 1_790_000_000_000).unwrap().0
}

fn driven(actions: &[(usize, Action)]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Memory::default());
    let registry = open(folder.path(), &log);
    let person = |who: usize| PEOPLE[who].parse::<Principal>().unwrap();
    registry.bootstrap(person(PEOPLE.len() - 1), None, "first", false).unwrap();
    let root = registry.caller(person(PEOPLE.len() - 1)).unwrap();
    let mut model = Model::default();
    let change = |operation: String, to: usize, role: Role, scope: usize| RoleChange {
        operation_id: operation,
        principal: person(to),
        grant: format!("{role}:{}", SCOPES[scope]).parse::<Grant>().unwrap(),
        reason: "as agreed".into(),
    };
    for (to, role) in
        [(0, Role::Author), (1, Role::Approver), (2, Role::Approver), (3, Role::Approver), (4, Role::Manager)]
    {
        let scopes = if role == Role::Manager { WHOLE..WHOLE + 1 } else { 0..2 };
        for scope in scopes {
            let given = registry.grant(&root, change(format!("start-{to}-{scope}"), to, role, scope)).unwrap();
            model.roles.insert((to, role, scope), given.0.granted.log_index);
        }
    }
    let set = registry.set_quorum(&root, "first-quorum".into(), SPACES[WHOLE].parse().unwrap(), 2, "law".into());
    model.quorums[WHOLE] = Some(2);
    model.changed.insert(WHOLE, set.unwrap());
    for (number, (who, action)) in actions.iter().enumerate() {
        let (who, operation) = (*who, format!("op-{number}"));
        let caller = registry.caller(person(who)).unwrap();
        let size = log.head().size;
        step(&registry, &mut model, &caller, who, &operation, action, &change)?;
        prop_assert!(log.head().size <= size + 1, "one action, one entry");
        // Whatever was done, what is shown is what the model knows.
        for known in &model.proposals {
            let standing = registry.proposal(&root, known.id).unwrap();
            prop_assert_eq!(standing.proposal.stage, known.stage);
            prop_assert_eq!(standing.approved_by.len(), model.counted(known));
            prop_assert_eq!(standing.proposal.unanswered().collect::<Vec<_>>(), known.open.clone());
            if !model.sees_drafts(who, known.space) {
                let hidden = registry.proposal(&registry.caller(person(who)).unwrap(), known.id);
                prop_assert!(matches!(hidden, Err(PublishError::Desk(DeskError::Hidden { .. }))), "{hidden:?}");
            }
        }
    }
    // The log alone says all of it.
    let elsewhere = tempfile::tempdir().unwrap();
    let replayed = open(elsewhere.path(), &log);
    let all = |registry: &Registry| registry.proposals(&registry.caller(person(6)).unwrap(), None, true).unwrap();
    prop_assert_eq!(all(&replayed), all(&registry));
    let standards = |registry: &Registry| -> BTreeMap<String, Option<Digest>> {
        let (standards, _) = registry.standards(&Caller::open(), None, None, None, 1000).unwrap();
        let latest =
            |info: guiju_model::StandardInfo| (info.standard.to_string(), info.latest.map(|(_, digest)| digest));
        standards.into_iter().map(latest).collect()
    };
    prop_assert_eq!(standards(&replayed), standards(&registry));
    Ok(())
}

#[allow(clippy::too_many_arguments)] // a test's own
fn step(
    registry: &Registry,
    model: &mut Model,
    caller: &Caller,
    who: usize,
    operation: &str,
    action: &Action,
    change: &impl Fn(String, usize, Role, usize) -> RoleChange,
) -> Result<(), TestCaseError> {
    let take = |id: u64, what: Move| registry.take_move(caller, operation.into(), id, what, "because".into());
    let expect = |answer: Result<Standing, PublishError>, allowed: bool| {
        prop_assert_eq!(answer.is_ok(), allowed, "{} {:?}: {:?}", PEOPLE[who], action, answer);
        Ok(answer.ok())
    };
    let agreed = |change: String, deed: Deed, model: &mut Model| {
        let answer = registry.agree(caller, operation.into(), change.parse().unwrap(), "agreed".into());
        prop_assert_eq!(answer.is_ok(), model.may_agree(who, &deed), "{} {}: {:?}", PEOPLE[who], change, answer);
        if let Ok((index, _)) = answer {
            model.agreed.entry(change).or_default().insert(who, index);
        }
        Ok(())
    };
    match *action {
        Action::Draft { space } => {
            let standard = format!("{}/s-{}", SPACES[space], operation);
            let answer = registry.draft(caller, offer(operation, None, &standard, 0));
            let allowed = model.holds(who, Role::Author, space);
            if let Some(standing) = expect(answer, allowed)? {
                model.proposals.push(Known {
                    id: standing.proposal.id,
                    space,
                    standard,
                    stage: Stage::Draft,
                    is_withdrawn: false,
                    authors: [who].into(),
                    approved: BTreeSet::new(),
                    digest: standing.proposal.digest,
                    open: Vec::new(),
                    drafts: 0,
                    submitted: (0, 0),
                });
            }
            return Ok(());
        }
        Action::PublishDirectly { space } => {
            let standard = format!("{}/d-{}", SPACES[space], operation);
            let submission = Submission {
                operation_id: operation.into(),
                package: package(&standard, 0),
                metadata_toml: METADATA.into(),
                dates: Dates::default(),
                waive: String::new(),
                reason: String::new(),
                dry_run: false,
            };
            let namespace = SPACES[space].parse().unwrap();
            let answer = caller
                .acting(Role::Manager, &namespace)
                .map_err(PublishError::from)
                .and_then(|caller| registry.publish(&caller, submission));
            let allowed = model.holds(who, Role::Manager, space) && model.quorum(space) == 0;
            prop_assert_eq!(
                answer.is_ok(),
                allowed,
                "{} {:?}: {:?}",
                PEOPLE[who],
                action,
                answer.map(|done| done.version)
            );
            return Ok(());
        }
        Action::Quorum { space, quorum } => {
            let answer =
                registry.set_quorum(caller, operation.into(), SPACES[space].parse().unwrap(), quorum, "agreed".into());
            // Whoever manages a part takes nothing back that was said of the whole.
            let takes_back = |at: usize| within(space, at) && model.quorums[at].is_some_and(|wanted| quorum < wanted);
            let manages = model.holds(who, Role::Manager, space)
                && (0..SPACES.len()).filter(|at| takes_back(*at)).all(|at| model.holds(who, Role::Manager, at));
            let change = format!("quorum {} {quorum}", SPACES[space]);
            let allowed = manages && model.has_agreed(&Deed::Quorum { space, quorum }, &change);
            prop_assert_eq!(answer.is_ok(), allowed, "{} {:?}: {:?}", PEOPLE[who], action, answer);
            if let Ok(index) = answer {
                model.quorums[space] = Some(quorum);
                model.changed.insert(space, index);
            }
            return Ok(());
        }
        Action::AgreeQuorum { space, quorum } => {
            let change = format!("quorum {} {quorum}", SPACES[space]);
            return agreed(change, Deed::Quorum { space, quorum }, model);
        }
        Action::AgreeApprover { to, scope, comes } => {
            let verb = if comes { "grant" } else { "revoke" };
            let change = format!("{verb} {} approver:{}", PEOPLE[to], SCOPES[scope]);
            return agreed(change, Deed::Approver { scope }, model);
        }
        Action::AgreeToken { to, role, scope } => {
            let change = format!("token {} {}:{}", PEOPLE[to], ROLES[role], SCOPES[scope]);
            let approves = (ROLES[role] == Role::Approver).then_some(scope);
            return agreed(change, Deed::Token { of: to, scope: approves, is_new: true }, model);
        }
        Action::AgreeRevokeToken { to } => {
            let Some(at) = model.last_token(to) else { return Ok(()) };
            let change = format!("revoke-token {} {}", PEOPLE[to], model.tokens[at].id);
            return agreed(change, Deed::Token { of: to, scope: None, is_new: false }, model);
        }
        // Who may give what to whom has a test of its own; here it only happens, and a committee is not changed over its head.
        Action::Grant { to, role, scope } => {
            if let Ok((info, is_new)) = registry.grant(caller, change(operation.into(), to, ROLES[role], scope)) {
                prop_assert!(model.holds(who, Role::Manager, scope));
                if is_new && ROLES[role] == Role::Approver {
                    let change = format!("grant {} approver:{}", PEOPLE[to], SCOPES[scope]);
                    prop_assert!(model.has_agreed(&Deed::Approver { scope }, &change), "{change}");
                    model.changed.insert(scope, info.granted.log_index);
                }
                model.roles.insert((to, ROLES[role], scope), info.granted.log_index);
            }
            return Ok(());
        }
        Action::Revoke { to, role, scope } => {
            if let Ok(info) = registry.revoke(caller, change(operation.into(), to, ROLES[role], scope)) {
                prop_assert!(model.holds(who, Role::Manager, scope));
                if ROLES[role] == Role::Approver {
                    let change = format!("revoke {} approver:{}", PEOPLE[to], SCOPES[scope]);
                    prop_assert!(model.has_agreed(&Deed::Approver { scope }, &change), "{change}");
                    model.changed.insert(scope, info.revoked.unwrap().log_index);
                }
                model.roles.remove(&(to, ROLES[role], scope));
            }
            return Ok(());
        }
        Action::Token { to, role, scope } => {
            let (role, grant) = (ROLES[role], format!("{}:{}", ROLES[role], SCOPES[scope]));
            let request = TokenRequest {
                operation_id: operation.into(),
                principal: PEOPLE[to].parse().unwrap(),
                grants: vec![grant.parse().unwrap()],
                life: std::time::Duration::from_secs(3600),
                reason: "as agreed".into(),
            };
            let approves = (role == Role::Approver).then_some(scope);
            let deed = Deed::Token { of: to, scope: approves, is_new: true };
            let holds = who == to && model.holds(who, role, scope);
            let is_own = who == to && (approves.is_none() || holds);
            let asks = !is_own && !approves.is_some_and(|scope| model.is_first(to, scope));
            let is_agreed = !asks || model.has_agreed(&deed, &format!("token {} {grant}", PEOPLE[to]));
            let answer = registry.create_token(caller, request);
            if role != Role::Auditor && role != Role::Operator {
                let allowed = (holds || model.holds(who, Role::Manager, scope)) && is_agreed;
                prop_assert_eq!(answer.is_ok(), allowed, "{} {:?}: {:?}", PEOPLE[who], action, answer);
            }
            if let Ok(made) = answer {
                prop_assert!(is_agreed, "{} {:?}", PEOPLE[who], action);
                let (made, id) = (made.info.created.log_index, made.info.id);
                if approves.is_some() && who != to {
                    model.changed.insert(scope, made);
                }
                let is_by_another = who != to;
                model.tokens.push(HeldToken { id, of: to, role, scope, made, is_by_another, is_revoked: false });
            }
            return Ok(());
        }
        Action::RevokeToken { to } => {
            let Some(at) = model.last_token(to) else { return Ok(()) };
            let HeldToken { id, scope, is_revoked, .. } = &model.tokens[at];
            let deed = Deed::Token { of: to, scope: None, is_new: false };
            let is_agreed = who == to || model.has_agreed(&deed, &format!("revoke-token {} {id}", PEOPLE[to]));
            let allowed = who == to || (model.holds(who, Role::Manager, *scope) && is_agreed);
            let answer = registry.revoke_token(caller, operation.into(), id, "as agreed".into());
            if !is_revoked {
                prop_assert_eq!(answer.is_ok(), allowed, "{} {:?}: {:?}", PEOPLE[who], action, answer);
                model.tokens[at].is_revoked = allowed;
            }
            return Ok(());
        }
        _ => {}
    }
    let at = match *action {
        Action::Revise { proposal }
        | Action::Submit { proposal }
        | Action::Comment { proposal, .. }
        | Action::Answer { proposal }
        | Action::Approve { proposal, .. }
        | Action::Reject { proposal }
        | Action::Retract { proposal }
        | Action::Publish { proposal }
        | Action::AgreeWithdraw { proposal }
        | Action::Withdraw { proposal } => proposal,
        _ => return Ok(()),
    };
    let Some(known) = model.proposals.len().checked_sub(at + 1).map(|at| &model.proposals[at]) else { return Ok(()) };
    let (id, space, stage) = (known.id, known.space, known.stage);
    let holds = |role| model.holds(who, role, space);
    let is_open = matches!(stage, Stage::Draft | Stage::Review);
    let index = model.proposals.len() - at - 1;
    match *action {
        Action::Revise { .. } => {
            let standing = registry.proposal(&registry.caller("root".parse().unwrap()).unwrap(), id).unwrap();
            let drafts = known.drafts + 1;
            let answer = registry.draft(caller, offer(operation, Some(id), &standing.proposal.draft.standard, drafts));
            let allowed = holds(Role::Author) && is_open;
            if let Some(standing) = expect(answer, allowed)? {
                let known = &mut model.proposals[index];
                (known.stage, known.drafts, known.digest) = (Stage::Draft, drafts, standing.proposal.digest);
                known.authors.insert(who);
                known.approved.clear();
            }
        }
        Action::Submit { .. } => {
            let allowed = holds(Role::Author) && stage == Stage::Draft;
            if let Some(standing) = expect(take(id, Move::Submit), allowed)? {
                let quorum = model.quorum(space);
                let known = &mut model.proposals[index];
                (known.stage, known.digest) = (Stage::Review, standing.proposal.digest.clone());
                known.submitted = (standing.proposal.submitted().unwrap(), quorum);
            }
        }
        Action::Comment { is_objection, .. } => {
            let allowed = (holds(Role::Author) || holds(Role::Approver) || holds(Role::Manager)) && is_open;
            let (file, pointer) = ("schema.json".into(), "/properties/n".into());
            if let Some(standing) = expect(take(id, Move::Comment { file, pointer, is_objection }), allowed)? {
                let step = standing.proposal.steps.last().unwrap();
                model.proposals[index].open.push(step.index);
            }
        }
        Action::Answer { .. } => {
            let comment = known.open.first().copied();
            let allowed = holds(Role::Author) && is_open && comment.is_some();
            if expect(take(id, Move::Answer { comment: comment.unwrap_or(9_999) }), allowed)?.is_some() {
                model.proposals[index].open.remove(0);
            }
        }
        Action::Approve { of_another, .. } => {
            let digest = if of_another { Digest::of(b"another") } else { known.digest.parse().unwrap() };
            let allowed = model.voted_then(who, known)
                && stage == Stage::Review
                && !of_another
                && !known.authors.contains(&who)
                && known.open.is_empty();
            if expect(take(id, Move::Approve { digest, submitted: None }), allowed)?.is_some() {
                model.proposals[index].approved.insert(who);
            }
        }
        Action::Reject { .. } => {
            let rejected = expect(take(id, Move::Reject), holds(Role::Approver) && is_open)?;
            if rejected.is_some() {
                model.proposals[index].stage = Stage::Rejected;
            }
        }
        Action::Retract { .. } => {
            let retracted = expect(take(id, Move::Retract), holds(Role::Author) && is_open)?;
            if retracted.is_some() {
                model.proposals[index].stage = Stage::Withdrawn;
            }
        }
        Action::Publish { .. } => {
            let enough = model.counted(known) >= model.quorum(space).max(known.submitted.1).max(1) as usize;
            let published = stage == Stage::Published && model.sees_drafts(who, space);
            let allowed =
                published || (holds(Role::Manager) && stage == Stage::Review && known.open.is_empty() && enough);
            let answer = registry.publish_proposal(caller, operation.into(), id, "decided".into());
            prop_assert_eq!(answer.is_ok(), allowed, "{} {:?}: {:?}", PEOPLE[who], action, answer);
            if let Ok(done) = answer {
                prop_assert_eq!(done.version.digest.to_string(), known.digest.clone(), "what was approved");
                prop_assert_eq!(done.is_new, stage == Stage::Review);
                model.proposals[index].stage = Stage::Published;
            }
        }
        Action::AgreeWithdraw { .. } => {
            let change = format!("withdraw {}@=1.0.0", known.standard);
            let stands = stage == Stage::Published && !known.is_withdrawn;
            let allowed = stands && model.may_agree(who, &Deed::Withdraw { space });
            let answer = registry.agree(caller, operation.into(), change.parse().unwrap(), "agreed".into());
            prop_assert_eq!(answer.is_ok(), allowed, "{} {}: {:?}", PEOPLE[who], change, answer);
            if let Ok((index, _)) = answer {
                model.agreed.entry(change).or_default().insert(who, index);
            }
        }
        Action::Withdraw { .. } => {
            let change = format!("withdraw {}@=1.0.0", known.standard);
            let stands = stage == Stage::Published && !known.is_withdrawn;
            let agreed = model.has_agreed(&Deed::Withdraw { space }, &change);
            let answer = withdraw(registry, caller, operation, &known.standard);
            prop_assert_eq!(answer.is_ok(), holds(Role::Manager) && stands && agreed, "{}: {:?}", PEOPLE[who], answer);
            model.proposals[index].is_withdrawn |= answer.is_ok();
        }
        _ => {}
    }
    Ok(())
}

/// A step of version 1.0.0 of a standard: deprecation with its last day, where one is named, else withdrawal.
fn ended(
    registry: &Registry,
    caller: &Caller,
    operation: &str,
    standard: &str,
    last: Option<&str>,
) -> Result<VersionInfo, PublishError> {
    let standard: StandardId = standard.parse().unwrap();
    let change = StatusChange {
        operation_id: operation.into(),
        version: "1.0.0".parse().unwrap(),
        status: if last.is_some() { Status::Deprecated } else { Status::Withdrawn },
        reason: "nobody uses it".into(),
        successor: String::new(),
        effective_to: last.map(|day| day.parse().unwrap()),
        standard: standard.clone(),
    };
    registry.set_status(&caller.acting(Role::Manager, standard.namespace())?, change)
}

fn withdraw(
    registry: &Registry,
    caller: &Caller,
    operation: &str,
    standard: &str,
) -> Result<VersionInfo, PublishError> {
    ended(registry, caller, operation, standard, None)
}

/// What a quorum published, one manager does not end.
#[test]
fn a_version_ends_as_it_began_by_the_agreement_of_its_committee() {
    let folder = tempfile::tempdir().unwrap();
    let roles = [
        ("bo", "approver:bj.water"),
        ("chen", "approver:bj.water"),
        ("dai", "manager:bj.water"),
        ("en", "approver:bj.water.city"),
        ("fu", "approver:bj.power"),
    ];
    let registry = managed(folder.path(), &roles);
    for standard in ["bj.water/meter", "bj.water/pipe", "bj.power/meter"] {
        put(&registry, standard, "1.0.0", &record(r#""type":"integer""#));
    }
    let [bo, chen, dai, en, fu] = ["bo", "chen", "dai", "en", "fu"].map(|who| as_(&registry, who));
    let agree = |caller: &Caller, operation: &str, change: &str| {
        registry.agree(caller, operation.into(), change.parse().unwrap(), "decision 9".into())
    };
    // Where no quorum holds a manager publishes alone, and withdraws alone.
    let nothing = agree(&bo, "a1", "withdraw bj.water/pipe@=1.0.0").unwrap_err();
    assert!(nothing.to_string().contains("a manager does it"), "{nothing}");
    withdraw(&registry, &dai, "w1", "bj.water/pipe").unwrap();
    let root = as_(&registry, "root");
    registry.set_quorum(&root, "q".into(), "bj.water".parse().unwrap(), 2, "law".into()).unwrap();

    let first = |answer: Result<VersionInfo, PublishError>| answer.unwrap_err().to_string();
    let refused = first(withdraw(&registry, &dai, "w2", "bj.water/meter"));
    assert!(
        refused.contains("ends a version on which others may rely under `bj.water`: 2 of its approvers"),
        "{refused}"
    );
    assert!(refused.contains("`guiju agree withdraw bj.water/meter@=1.0.0`"), "{refused}");
    // Nor does whoever manages everything.
    assert!(first(withdraw(&registry, &root, "w3", "bj.water/meter")).contains("so far 0"));
    // Who approves elsewhere, or for a part alone, does not agree for the whole.
    for outsider in [&en, &fu, &dai] {
        let refused = agree(outsider, "a2", "withdraw bj.water/meter@=1.0.0").unwrap_err();
        assert!(matches!(refused, PublishError::Denied(_)), "{refused:?}");
    }
    let absent = agree(&bo, "a3", "withdraw bj.water/absent@=1.0.0").unwrap_err();
    assert!(absent.to_string().contains("bj.water/absent"), "{absent}");

    // To tell its users to move on takes no agreement; to name its last day does, for that day.
    let mut told = StatusChange {
        operation_id: "d1".into(),
        standard: "bj.water/meter".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        status: Status::Deprecated,
        reason: "move on".into(),
        successor: String::new(),
        effective_to: None,
    };
    let acting = dai.acting(Role::Manager, told.standard.namespace()).unwrap();
    registry.set_status(&acting, told.clone()).unwrap();
    let ends = |operation: &str, day: &str| ended(&registry, &dai, operation, "bj.water/meter", Some(day));
    assert!(first(ends("d2", "2099-01-01")).contains("`guiju agree end bj.water/meter@=1.0.0 2099-01-01`"));
    for (number, (who, day)) in
        [(&bo, "2099-01-01"), (&chen, "2099-01-01"), (&bo, "2098-01-01"), (&chen, "2098-01-01")].into_iter().enumerate()
    {
        agree(who, &format!("e{number}"), &format!("end bj.water/meter@=1.0.0 {day}")).unwrap();
    }
    assert!(first(ends("d3", "2097-01-01")).contains("so far 0"), "another day was agreed to");
    assert_eq!(ends("d4", "2099-01-01").unwrap().term.to, Some("2099-01-01".parse().unwrap()));
    assert_eq!(ends("d4", "2099-01-01").unwrap().term.to, Some("2099-01-01".parse().unwrap()), "again");
    assert!(first(ends("d5", "2098-01-01")).contains("so far 0"), "what was agreed to of it before is used up");
    let listed = registry.agreements(&bo).unwrap();
    assert!(listed.is_empty(), "{listed:?}");

    agree(&bo, "f1", "withdraw bj.water/meter@=1.0.0").unwrap();
    assert!(first(withdraw(&registry, &dai, "w4", "bj.water/meter")).contains("so far 1 of them"));
    let (_, agreements) = agree(&chen, "f2", "withdraw bj.water/meter@=1.0.0").unwrap();
    assert_eq!((agreements[0].wanted, agreements[0].agreed_by.len()), (2, 2));
    // Who agreed decides nothing more than that: it is a manager who does it.
    assert!(matches!(withdraw(&registry, &bo, "w5", "bj.water/meter"), Err(PublishError::Denied(_))));
    assert_eq!(withdraw(&registry, &dai, "w6", "bj.water/meter").unwrap().status, Status::Withdrawn);
    let again = agree(&bo, "f3", "withdraw bj.water/meter@=1.0.0").unwrap_err();
    assert!(matches!(again, PublishError::Status { .. }), "{again:?}");
    // Nothing comes back from there, whoever is quick.
    told.operation_id = "d6".into();
    assert!(matches!(registry.set_status(&acting, told), Err(PublishError::Status { .. })));

    // The log alone says it.
    let info = registry.version_here(&"bj.water/meter".parse().unwrap(), &"1.0.0".parse().unwrap()).unwrap().unwrap();
    assert_eq!((info.status, info.term.to.is_some()), (Status::Withdrawn, true));
}

/// A quorum that nobody can meet lets no manager end a version alone: it makes an approver first, or lowers the quorum, and the log says so.
#[test]
fn nothing_ends_under_a_quorum_that_nobody_can_meet() {
    let folder = tempfile::tempdir().unwrap();
    let registry = managed(folder.path(), &[("dai", "manager:bj")]);
    let dai = as_(&registry, "dai");
    put(&registry, "bj.water/a", "1.0.0", &record(r#""type":"integer""#));
    registry.set_quorum(&dai, "q2".into(), "bj.water".parse().unwrap(), 2, "law".into()).unwrap();
    let refused = withdraw(&registry, &dai, "w1", "bj.water/a").unwrap_err().to_string();
    assert!(refused.contains("2 of its approvers must agree first, and nobody approves there"), "{refused}");
    registry.set_quorum(&dai, "q0".into(), "bj.water".parse().unwrap(), 0, "nobody is left".into()).unwrap();
    withdraw(&registry, &dai, "w2", "bj.water/a").unwrap();
}

/// Of a withdrawal and a deprecation at once the withdrawal stands, whichever comes first.
#[test]
fn a_withdrawal_is_not_undone_by_a_deprecation_at_the_same_moment() {
    let folder = tempfile::tempdir().unwrap();
    let registry = managed(folder.path(), &[]);
    for round in 0..20 {
        let standard = format!("bj.water/s-{round}");
        put(&registry, &standard, "1.0.0", &record(r#""type":"integer""#));
        let root = as_(&registry, "root");
        std::thread::scope(|scope| {
            for last in [None, Some("2099-01-01")] {
                let (registry, root, standard) = (&registry, &root, &standard);
                let operation = format!("o-{round}-{}", last.is_some());
                scope.spawn(move || drop(ended(registry, root, &operation, standard, last)));
            }
        });
        let info = registry.version_here(&standard.parse().unwrap(), &"1.0.0".parse().unwrap()).unwrap().unwrap();
        assert_eq!(info.status, Status::Withdrawn, "{standard}");
    }
}

/// `GUIJU_DESK_CASES` runs more.
fn cases() -> u32 {
    let cases = std::env::var("GUIJU_DESK_CASES").ok().and_then(|text| text.parse().ok());
    cases.unwrap_or(u32::try_from(rounds(40)).unwrap_or(u32::MAX))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_is_published_without_its_quorum(actions in prop::collection::vec(arb_action(), 20..70)) {
        driven(&actions)?;
    }
}

#[test]
fn in_an_open_registry_people_say_who_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Memory::default());
    let registry = open(folder.path(), &log);
    let [ann, bo] = ["ann", "bo"].map(|name| Caller::open().named(&name.parse().unwrap()).unwrap());
    let opened = registry.draft(&ann, offer("a", None, "bj.water/meter", 1)).unwrap();
    assert_eq!(registry.draft(&ann, offer("a", None, "bj.water/meter", 1)).unwrap(), opened, "again");
    let reused = registry.draft(&ann, offer("a", None, "bj.water/meter", 2));
    assert!(matches!(reused, Err(PublishError::OperationReused(_))), "{reused:?}");
    let id = opened.proposal.id;
    let say = |caller: &Caller, operation: &str, what: Move| {
        registry.take_move(caller, operation.into(), id, what, "because".into())
    };
    let nowhere = Move::Comment { file: "schema.json".into(), pointer: "/nowhere".into(), is_objection: true };
    let refused = say(&bo, "b", nowhere).unwrap_err().to_string();
    assert!(refused.contains("`schema.json#/nowhere` is no place of proposal 0"), "{refused}");
    let submitted = say(&ann, "c", Move::Submit).unwrap();
    assert_eq!(say(&ann, "c", Move::Submit).unwrap(), submitted, "again");
    let digest: Digest = submitted.proposal.digest.parse().unwrap();
    let own = say(&ann, "d", Move::Approve { digest, submitted: None }).unwrap_err().to_string();
    assert!(own.contains("`open:ann` has drafted proposal 0; somebody else approves it"), "{own}");
    let few = registry.publish_proposal(&ann, "e".into(), id, "decided".into()).unwrap_err().to_string();
    assert!(few.contains("needs 1 approvals and has 0"), "{few}");
    assert!(say(&bo, "f", Move::Approve { digest, submitted: None }).unwrap().is_approved());
    // Two who approve in the same words do not share an operation: the second would be told that it is done, and it is not.
    let chen = Caller::open().named(&"chen".parse().unwrap()).unwrap();
    let reused = say(&chen, "f", Move::Approve { digest, submitted: None });
    assert!(matches!(reused, Err(PublishError::OperationReused(_))), "{reused:?}");
    let done = registry.publish_proposal(&ann, "g".into(), id, "decided".into()).unwrap();
    assert_eq!((done.version.digest, done.is_new), (digest, true));
    assert!(!registry.publish_proposal(&ann, "g".into(), id, "decided".into()).unwrap().is_new, "again");
    let ended = say(&bo, "h", Move::Reject).unwrap_err().to_string();
    assert_eq!(ended, "proposal 0 is published, and this takes one that is a draft or in review");

    // What was drafted is in no entry; that it was is shown to who sees drafts.
    let entries = log.entries(0, 100).unwrap().concat();
    let held = |text: &str| entries.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(
        held("bj.water/meter") && held("open:ann") && !held("titleZh") && !held("because") && !held("as discussed")
    );

    registry.set_quorum(&bo, "i".into(), "bj".parse().unwrap(), 2, "law".into()).unwrap();
    let submission = Submission {
        operation_id: "j".into(),
        package: package("bj.power/meter", 1),
        metadata_toml: METADATA.into(),
        dates: Dates::default(),
        waive: String::new(),
        reason: String::new(),
        dry_run: false,
    };
    let refused = registry.publish(&bo, submission).unwrap_err().to_string();
    assert!(refused.contains("published by 2 approvals, not directly; propose it"), "{refused}");
    let uses = vec![("bj.water/meter".parse().unwrap(), "1.0.0".parse().unwrap())];
    registry.register_use(&bo, "k".into(), uses.clone()).unwrap();
    let next = Offer {
        package: Package { version: "2.0.0".parse().unwrap(), ..package("bj.water/meter", 7) },
        ..offer("l", None, "bj.water/meter", 7)
    };
    let next = registry.draft(&ann, next).unwrap();
    let impact = registry.impact(&bo, next.proposal.id).unwrap();
    assert_eq!(impact.users, [("open:bo".to_owned(), "1.0.0".to_owned())]);
    let verdict = &impact.findings.judged.as_ref().unwrap().verdict;
    assert!(verdict.old_in_new.witness().is_some() && impact.refused.is_none(), "{verdict:?}");
}

/// A registry whose first manager is root, with these roles given.
fn managed(folder: &std::path::Path, roles: &[(&str, &str)]) -> Registry {
    let registry = open(folder, &Arc::new(Memory::default()));
    registry.bootstrap("root".parse().unwrap(), None, "first", false).unwrap();
    for (number, (who, role)) in roles.iter().enumerate() {
        let (operation_id, reason) = (format!("role-{number}"), "as agreed".into());
        let (principal, grant) = (who.parse().unwrap(), role.parse().unwrap());
        let root = as_(&registry, "root");
        registry.grant(&root, RoleChange { operation_id, principal, grant, reason }).unwrap();
    }
    registry
}

fn as_(registry: &Registry, who: &str) -> Caller {
    registry.caller(who.parse().unwrap()).unwrap()
}

/// Publishes as root, past every quorum.
fn put(registry: &Registry, standard: &str, version: &str, schema: &str) {
    let version: semver::Version = version.parse().unwrap();
    let kind = if schema.contains("profileOf") { Kind::Profile } else { Kind::Record };
    let files = [("schema.json".to_owned(), schema.as_bytes().to_vec())].into();
    let package = Package { version: version.clone(), kind, files, ..package(standard, 0) };
    let root = as_(registry, "root").acting(Role::Manager, package.standard.namespace()).unwrap();
    let submission = Submission {
        operation_id: format!("put-{}-{version}", standard.replace('/', "-")),
        package,
        metadata_toml: METADATA.replace("\"record\"", &format!("\"{kind}\"")),
        dates: Dates::default(),
        waive: String::new(),
        reason: String::new(),
        dry_run: false,
    };
    registry.publish(&root, submission).unwrap();
}

fn record(n: &str) -> String {
    format!(
        r#"{{"type":"object","properties":{{"n":{{{n},"title":"n","x-guiju":{{"titleZh":"数"}}}}}},"x-guiju":{{"vocabulary":"1"}}}}"#
    )
}

/// An author who may not see a standard cannot find out by a draft what it says, nor have it shown by publishing.
#[test]
fn a_draft_refers_to_what_those_may_see_who_submit_and_publish_it() {
    let folder = tempfile::tempdir().unwrap();
    let roles = [
        ("ann", "author:bj.water"),
        ("bo", "author:bj.water"),
        ("bo", "reader:bj.power"),
        ("chen", "approver:bj.water"),
        ("dai", "manager:bj.water"),
        ("en", "approver:bj.water"),
        ("en", "reader:bj.power"),
    ];
    let registry = managed(folder.path(), &roles);
    put(&registry, "bj.power/secret", "1.0.0", &record(r#""type":"integer","maximum":77"#));
    let [ann, bo, chen, dai, en] = ["ann", "bo", "chen", "dai", "en"].map(|who| as_(&registry, who));
    let draft = |caller: &Caller, standard: &str, to: &str| {
        let schema = record(&format!(r#""$ref":"guiju:{to}@1#/properties/n""#));
        let files = [("schema.json".to_owned(), schema.into_bytes())].into();
        let (operation, package) = (format!("draft-{}", standard.replace('/', "-")), package(standard, 0));
        let offer = Offer { package: Package { files, ..package }, ..offer(&operation, None, standard, 0) };
        registry.draft(caller, offer).unwrap().proposal.id
    };
    let submit = |caller: &Caller, id: u64| {
        let operation = format!("submit-{id}-{}", caller.principal());
        registry.take_move(caller, operation, id, Move::Submit, "because".into())
    };
    // What is hidden and what is not there are told in the same words.
    let (hidden, absent) = (draft(&ann, "bj.water/a", "bj.power/secret"), draft(&ann, "bj.water/b", "bj.power/absent"));
    let told = |id: u64| submit(&ann, id).unwrap_err().to_string();
    assert_eq!(told(hidden).replace("secret", "…"), told(absent).replace("absent", "…"));
    assert!(told(hidden).contains("there is no standard `bj.power/secret`") && !told(hidden).contains("did you mean"));
    let shown = |caller: &Caller| registry.impact(caller, hidden).unwrap();
    assert!(shown(&ann).refused.unwrap().to_string().contains("there is no standard"));
    assert!(shown(&en).refused.is_none());

    // Somebody who may see it submits it. Nobody learns by it what it says who may not see it, and none such publishes it.
    let digest = submit(&bo, hidden).unwrap().proposal.digest.parse().unwrap();
    for blind in [&ann, &chen, &dai] {
        let impact = shown(blind);
        assert_eq!(impact.refused.unwrap().to_string(), "there is no standard `bj.power/secret`");
        assert!(impact.findings.judged.is_none());
    }
    assert!(shown(&en).refused.is_none());
    registry
        .take_move(&en, "approve".into(), hidden, Move::Approve { digest, submitted: None }, "because".into())
        .unwrap();
    let refused =
        registry.publish_proposal(&dai, "publish-1".into(), hidden, "decided".into()).unwrap_err().to_string();
    assert_eq!(refused, "there is no standard `bj.power/secret`");
    let change = RoleChange {
        operation_id: "late".into(),
        principal: "dai".parse().unwrap(),
        grant: "reader:bj.power".parse().unwrap(),
        reason: "as agreed".into(),
    };
    registry.grant(&as_(&registry, "root"), change).unwrap();
    assert!(
        registry.publish_proposal(&as_(&registry, "dai"), "publish-2".into(), hidden, "decided".into()).unwrap().is_new
    );
}

/// Who asks what a proposal touches hears of nothing that it may not see.
#[test]
fn an_impact_names_nothing_that_may_not_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let roles = [
        ("ann", "author:bj.water"),
        ("bo", "author:bj.water"),
        ("bo", "reader:bj.power"),
        ("haidian", "agency:bj.water"),
        ("dai", "manager:bj.water"),
    ];
    let registry = managed(folder.path(), &roles);
    put(&registry, "bj.water/base", "1.0.0", &record(r#""type":"integer","maximum":100"#));
    put(&registry, "bj.water/near", "1.0.0", &record(r#""$ref":"guiju:bj.water/base@1#/properties/n""#));
    put(&registry, "bj.power/far", "1.0.0", &record(r#""$ref":"guiju:bj.water/base@1#/properties/n""#));
    let profile = r#"{"$ref":"guiju:bj.water/base@1","type":"object","x-guiju":{"vocabulary":"1","profileOf":"bj.water/base@1"},"properties":{"n":{"maximum":60,"title":"n","x-guiju":{"titleZh":"数"}}}}"#;
    put(&registry, "bj.power/profile", "1.0.0", profile);
    let uses = vec![("bj.water/base".parse().unwrap(), "1.0.0".parse().unwrap())];
    registry.register_use(&as_(&registry, "haidian"), "use".into(), uses).unwrap();
    let schema = record(r#""type":"integer","maximum":50"#);
    let files = [("schema.json".to_owned(), schema.clone().into_bytes())].into();
    let next = Package { version: "2.0.0".parse().unwrap(), files, ..package("bj.water/base", 0) };
    let ann = as_(&registry, "ann");
    let drafted = registry.draft(&ann, Offer { package: next.clone(), ..offer("draft", None, "bj.water/base", 0) });
    let id = drafted.unwrap().proposal.id;
    let told = |who: &str| {
        let impact = registry.impact(&as_(&registry, who), id).unwrap();
        let profiles: Vec<String> = impact.findings.affected.iter().map(|found| found.profile.clone()).collect();
        let dependents: Vec<String> = impact.dependents.iter().map(|info| info.standard.to_string()).collect();
        assert!(impact.findings.judged.is_some() && impact.refused.is_none(), "{impact:?}");
        assert_eq!(impact.users, [("haidian".to_owned(), "1.0.0".to_owned())], "who uses it is told to the committee");
        (profiles, dependents)
    };
    assert_eq!(told("ann"), (vec![], vec!["bj.water/near".to_owned()]));
    let all = ["bj.power/far", "bj.power/profile", "bj.water/near"].map(str::to_owned).to_vec();
    assert_eq!(told("bo"), (vec!["bj.power/profile@1.0.0".to_owned()], all.clone()));
    registry.take_move(&ann, "submit".into(), id, Move::Submit, "because".into()).unwrap();
    assert_eq!((told("ann").1.len(), told("bo").1.len()), (1, 3), "in review, too");
    let hidden = registry.impact(&as_(&registry, "haidian"), id);
    assert!(matches!(hidden, Err(PublishError::Desk(DeskError::Hidden { .. }))), "{hidden:?}");

    // The same where it is published directly: its warnings name no hidden profile either.
    let submission = Submission {
        operation_id: "direct".into(),
        package: next,
        metadata_toml: METADATA.into(),
        dates: Dates::default(),
        waive: String::new(),
        reason: String::new(),
        dry_run: true,
    };
    let warnings = |who: &str| {
        let caller = as_(&registry, who).acting(Role::Manager, &"bj.water".parse().unwrap()).unwrap();
        let done = registry.publish(&caller, submission.clone()).unwrap();
        done.warnings.iter().any(|warning| warning.en.contains("bj.power/profile"))
    };
    assert_eq!((warnings("dai"), warnings("root")), (false, true));
}

/// What belongs to a registry that this one follows is not decided here.
#[test]
fn what_is_taken_over_from_elsewhere_is_not_proposed_here() {
    let folder = tempfile::tempdir().unwrap();
    let registry = managed(folder.path(), &[("ann", "author:bj"), ("bo", "approver:bj"), ("dai", "manager:bj")]);
    let [ann, bo, dai] = ["ann", "bo", "dai"].map(|who| as_(&registry, who));
    let id = registry.draft(&ann, offer("before", None, "bj.city/a", 1)).unwrap().proposal.id;
    let submitted = registry.take_move(&ann, "submit".into(), id, Move::Submit, "because".into()).unwrap();
    let digest = submitted.proposal.digest.parse().unwrap();
    registry.take_move(&bo, "approve".into(), id, Move::Approve { digest, submitted: None }, "because".into()).unwrap();
    let (upstream, theirs) = ("https://city.example".to_owned(), vec!["bj.city".parse().unwrap()]);
    registry.follow(Follows { upstream, theirs, ours: Vec::new(), also: Default::default() });
    let refused = registry.draft(&ann, offer("after", None, "bj.city/b", 1));
    assert!(matches!(refused, Err(PublishError::Mirrored { .. })), "{refused:?}");
    let refused = registry.publish_proposal(&dai, "publish".into(), id, "decided".into()).map(|done| done.version);
    assert!(matches!(refused, Err(PublishError::Mirrored { .. })), "{refused:?}");
    registry.draft(&ann, offer("own", None, "bj.haidian/a", 1)).unwrap();
}

/// Whoever names an operation first does not keep others from theirs, nor make them believe that it is done.
#[test]
fn an_operation_that_another_has_named_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let roles = [("ann", "author:bj"), ("bo", "approver:bj"), ("dai", "manager:bj"), ("eve", "agency:bj")];
    let registry = managed(folder.path(), &roles);
    let [ann, bo, dai, eve] = ["ann", "bo", "dai", "eve"].map(|who| as_(&registry, who));
    registry.set_quorum(&dai, "quorum".into(), "bj".parse().unwrap(), 1, "law".into()).unwrap();
    let id = registry.draft(&ann, offer("draft", None, "bj.water/a", 1)).unwrap().proposal.id;
    let submitted = registry.take_move(&ann, "submit".into(), id, Move::Submit, "because".into()).unwrap();
    let digest = submitted.proposal.digest.parse().unwrap();
    registry.take_move(&bo, "approve".into(), id, Move::Approve { digest, submitted: None }, "because".into()).unwrap();
    registry.register_use(&eve, "taken".into(), Vec::new()).unwrap();
    let refused = registry.publish_proposal(&dai, "taken".into(), id, "decided".into()).map(|done| done.version);
    assert!(matches!(refused, Err(PublishError::OperationReused(_))), "{refused:?}");
    assert!(registry.resolve(&"bj.water/a".parse().unwrap()).is_err());
    assert!(registry.publish_proposal(&dai, "publish".into(), id, "decided".into()).unwrap().is_new);

    // Nor does a mirror take an entry for taken over, or an operator find a name in use.
    let refused = registry.register_use(&eve, "mirror-21f96c3db4a792c7-113".into(), Vec::new());
    assert!(matches!(refused, Err(PublishError::OperationId)), "{refused:?}");
    registry.register_use(&eve, format!("quorum-by-hand-{}", registry.sizes().0 + 1), Vec::new()).unwrap();
    registry.set_quorum_by_hand("bj".parse().unwrap(), 2, "nobody is left".into()).unwrap();
}

/// A proposal that was commented on without end can be decided all the same.
#[test]
fn a_long_proposal_can_still_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let registry = managed(folder.path(), &[("ann", "author:bj"), ("bo", "approver:bj")]);
    let [ann, bo] = ["ann", "bo"].map(|who| as_(&registry, who));
    let id = registry.draft(&ann, offer("draft", None, "bj.water/a", 1)).unwrap().proposal.id;
    registry.take_move(&ann, "submit".into(), id, Move::Submit, "because".into()).unwrap();
    let comment = |number: usize| {
        let what = Move::Comment { file: String::new(), pointer: String::new(), is_objection: false };
        registry.take_move(&bo, format!("c-{number}"), id, what, "and another".into())
    };
    let refused = (0..400).map(comment).find_map(Result::err).expect("they end").to_string();
    assert!(refused.contains("number of steps"), "{refused}");
    registry.take_move(&bo, "answer".into(), id, Move::Reject, "enough".into()).unwrap();
}

/// Whoever manages a part does not take back what was said of the whole.
#[test]
fn a_quorum_is_lowered_by_who_manages_where_it_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let registry = managed(folder.path(), &[("whole", "manager:bj.water"), ("part", "manager:bj.water.city")]);
    let [whole, part] = ["whole", "part"].map(|who| as_(&registry, who));
    let mut count = 0;
    let mut set = |caller: &Caller, namespace: &str, quorum: u32| {
        count += 1;
        registry.set_quorum(caller, format!("q-{count}"), namespace.parse().unwrap(), quorum, "law".into()).map(drop)
    };
    set(&part, "bj.water.city", 1).unwrap();
    set(&whole, "bj.water", 2).unwrap();
    for quorum in [0, 1] {
        let refused = set(&part, "bj.water.city", quorum).unwrap_err().to_string();
        assert_eq!(refused, "`part` may not do this: it takes the role manager on `bj.water`");
    }
    set(&part, "bj.water.city", 3).unwrap();
    set(&part, "bj.water.city", 2).unwrap();
    assert!(set(&part, "bj.water", 0).is_err());
    set(&whole, "bj.water.city", 0).unwrap();
}

/// One manager alone does not put a committee of its own making in the place of the one that there is.
#[test]
fn a_committee_is_not_changed_over_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let roles = [
        ("ann", "author:bj.water"),
        ("bo", "approver:bj.water"),
        ("chen", "approver:bj.water"),
        ("dai", "manager:bj.water"),
        ("over", "approver:bj"),
    ];
    let registry = managed(folder.path(), &roles);
    let [ann, bo, chen, dai, over, root] = ["ann", "bo", "chen", "dai", "over", "root"].map(|who| as_(&registry, who));
    registry.set_quorum(&dai, "q".into(), "bj.water".parse().unwrap(), 2, "law".into()).unwrap();
    let mut count = 0;
    let mut next = || {
        count += 1;
        format!("n-{count}")
    };
    let role = |operation_id: String, who: &str, grant: &str| RoleChange {
        operation_id,
        principal: who.parse().unwrap(),
        grant: grant.parse().unwrap(),
        reason: "as agreed".into(),
    };
    let token = |operation_id: String, who: &str, grants: &[&str]| TokenRequest {
        operation_id,
        principal: who.parse().unwrap(),
        grants: grants.iter().map(|grant| grant.parse().unwrap()).collect(),
        life: std::time::Duration::from_secs(60),
        reason: "as agreed".into(),
    };
    let first = |refused: Result<(), PublishError>| match refused {
        Err(PublishError::Desk(DeskError::CommitteeFirst { change, wanted, have, .. })) => (change, wanted, have),
        other => panic!("{other:?}"),
    };
    // By whatever road: above, below, beside; by a manager of all, too.
    for by in [&dai, &root] {
        let lowered = registry.set_quorum(by, next(), "bj.water".parse().unwrap(), 1, "in a hurry".into()).map(drop);
        assert_eq!(first(lowered), ("quorum bj.water 1".into(), 2, 0));
        let below = registry.set_quorum(by, next(), "bj.water.city".parse().unwrap(), 0, "in a hurry".into()).map(drop);
        assert_eq!(first(below), ("quorum bj.water.city 0".into(), 2, 0));
        let grants = ["approver:bj.water", "approver:bj.water.city"];
        for grant in grants {
            let given = registry.grant(by, role(next(), "puppet", grant)).map(drop);
            assert_eq!(first(given), (format!("grant puppet {grant}"), 2, 0));
        }
        let taken = registry.revoke(by, role(next(), "bo", "approver:bj.water")).map(drop);
        assert_eq!(first(taken), ("revoke bo approver:bj.water".into(), 2, 0));
        // The first of each comes with the role; who got one, or needs none, gets no other.
        if by.principal().as_str() == "dai" {
            registry.create_token(by, token(next(), "bo", &["reader:bj.water", "approver:bj.water"])).unwrap();
        }
        let wider = registry.create_token(by, token(next(), "bo", &["approver:bj.water.city"])).map(drop);
        assert_eq!(first(wider), ("token bo approver:bj.water.city".into(), 2, 0));
        let unheld = registry.create_token(by, token(next(), "chen", &["approver:bj.water", "approver:bj"])).map(drop);
        assert!(unheld.is_err(), "{unheld:?}");
        let made = registry.create_token(by, token(next(), "bo", &["reader:bj.water", "approver:bj.water"])).map(drop);
        assert_eq!(first(made), ("token bo reader:bj.water approver:bj.water".into(), 2, 0));
    }
    for grant in ["approver:*", "approver:bj"] {
        let given = registry.grant(&root, role(next(), "puppet", grant)).map(drop);
        assert_eq!(first(given), (format!("grant puppet {grant}"), 2, 0));
    }
    // What is no approver's, and what an approver does for itself, asks nobody.
    registry.grant(&dai, role(next(), "puppet", "author:bj.water")).unwrap();
    registry.create_token(&dai, token(next(), "puppet", &["author:bj.water"])).unwrap();
    registry.create_token(&bo, token(next(), "bo", &["approver:bj.water"])).unwrap();
    registry.grant(&root, role(next(), "power", "approver:bj.power")).unwrap();

    // Who approves there agrees, from above, too; twice is once, and for one change.
    let agree = |by: &Caller, operation: String, change: &str| {
        registry
            .agree(by, operation, change.parse().unwrap(), "as agreed".into())
            .map(|(_, told)| told[0].agreed_by.len())
    };
    for outsider in [&ann, &dai, &as_(&registry, "power")] {
        let refused = agree(outsider, next(), "grant dong approver:bj.water");
        assert!(matches!(refused, Err(PublishError::Denied(_))), "{refused:?}");
    }
    assert_eq!(agree(&bo, next(), "grant dong approver:bj.water").unwrap(), 1);
    assert_eq!(agree(&bo, next(), "grant dong approver:bj.water").unwrap(), 1);
    assert_eq!(agree(&over, next(), "quorum bj.water 1").unwrap(), 1);
    assert_eq!(first(registry.grant(&dai, role(next(), "dong", "approver:bj.water")).map(drop)).2, 1);
    assert_eq!(agree(&over, next(), "grant dong approver:bj.water").unwrap(), 2);
    assert_eq!(registry.agreements(&ann).unwrap().len(), 2);
    let other = registry.grant(&dai, role(next(), "puppet", "approver:bj.water")).map(drop);
    assert_eq!(first(other).2, 0, "another is not meant");

    // Of what is in review nothing is helped by who comes later.
    let id = registry.draft(&ann, offer("draft", None, "bj.water/a", 1)).unwrap().proposal.id;
    let digest = registry.take_move(&ann, "submit".into(), id, Move::Submit, String::new()).unwrap().proposal.digest;
    let digest: Digest = digest.parse().unwrap();
    registry.grant(&dai, role(next(), "dong", "approver:bj.water")).unwrap();
    let late = registry.take_move(
        &as_(&registry, "dong"),
        next(),
        id,
        Move::Approve { digest, submitted: None },
        String::new(),
    );
    assert!(matches!(late, Err(PublishError::Desk(DeskError::LateApprover { .. }))), "{late:?}");
    // The committee is another by now, so what was agreed to before is void.
    assert_eq!(first(registry.set_quorum(&dai, next(), "bj.water".parse().unwrap(), 1, "law".into()).map(drop)).2, 0);
    assert_eq!(agree(&chen, next(), "quorum bj.water 1").unwrap(), 1);
    assert_eq!(agree(&as_(&registry, "dong"), next(), "quorum bj.water 1").unwrap(), 2);
    registry.set_quorum(&dai, next(), "bj.water".parse().unwrap(), 1, "law".into()).unwrap();
    let standing =
        registry.take_move(&bo, next(), id, Move::Approve { digest, submitted: None }, String::new()).unwrap();
    assert_eq!((standing.quorum, standing.approved_by.len()), (2, 1), "it needs what it needed when it was submitted");
    let few = registry.publish_proposal(&dai, next(), id, "decided".into()).unwrap_err().to_string();
    assert!(few.contains("needs 2 approvals and has 1"), "{few}");
    registry.take_move(&chen, next(), id, Move::Approve { digest, submitted: None }, String::new()).unwrap();
    let silent = registry.publish_proposal(&dai, next(), id, " ".into()).unwrap_err();
    assert!(matches!(silent, PublishError::Desk(DeskError::NoReason)), "{silent}");
    registry.publish_proposal(&dai, next(), id, "decided".into()).unwrap();
    let nothing = agree(&bo, next(), "quorum bj.water 3").unwrap_err().to_string();
    assert_eq!(nothing, "no committee need agree to `quorum bj.water 3`: a manager does it");
    // With the data folder in hand it is set past everybody.
    registry.set_quorum_by_hand("bj.water".parse().unwrap(), 0, "the committee is dissolved".into()).unwrap();
    registry.revoke(&dai, role(next(), "bo", "approver:bj.water")).unwrap();
    registry.grant(&dai, role(next(), "puppet", "approver:bj.water")).unwrap();
}

/// The quorum is set above the namespace in which those sit who decide. By no road does a manager of the whole decide alone.
#[test]
fn a_quorum_set_above_a_committee_is_not_in_its_managers_hand() {
    type Road<'r> = (&'r str, Box<dyn Fn(&Registry, &Caller) -> Result<(), PublishError>>);
    let role = |operation: &str, who: &str, grant: &str| RoleChange {
        operation_id: operation.into(),
        principal: who.parse().unwrap(),
        grant: grant.parse().unwrap(),
        reason: "as agreed".into(),
    };
    let token = |operation: &str, who: &str, grant: &str| TokenRequest {
        operation_id: operation.into(),
        principal: who.parse().unwrap(),
        grants: vec![grant.parse().unwrap()],
        life: std::time::Duration::from_secs(60),
        reason: "as agreed".into(),
    };
    let roads: Vec<Road<'_>> = vec![
        (
            "quorum bj 0",
            Box::new(|registry, boss| {
                registry.set_quorum(boss, "x".into(), "bj".parse().unwrap(), 0, "in a hurry".into()).map(drop)
            }),
        ),
        (
            "quorum bj.water 0",
            Box::new(|registry, boss| {
                registry.set_quorum(boss, "x".into(), "bj.water".parse().unwrap(), 0, "in a hurry".into()).map(drop)
            }),
        ),
        (
            "grant s1 approver:bj",
            Box::new(move |registry, boss| registry.grant(boss, role("x", "s1", "approver:bj")).map(drop)),
        ),
        (
            "grant a approver:bj",
            Box::new(move |registry, boss| registry.grant(boss, role("x", "a", "approver:bj")).map(drop)),
        ),
        (
            "token a approver:bj.water",
            Box::new(move |registry, boss| registry.create_token(boss, token("x", "a", "approver:bj.water")).map(drop)),
        ),
        (
            "token a manager:bj",
            Box::new(move |registry, boss| registry.create_token(boss, token("x", "a", "manager:bj")).map(drop)),
        ),
        (
            "token a reader:bj",
            Box::new(move |registry, boss| registry.create_token(boss, token("x", "a", "reader:bj")).map(drop)),
        ),
        ("revoke a approver:bj.water", {
            Box::new(move |registry, boss| registry.revoke(boss, role("x", "a", "approver:bj.water")).map(drop))
        }),
    ];
    for (change, road) in &roads {
        let folder = tempfile::tempdir().unwrap();
        let roles = [
            ("boss", "manager:bj"),
            ("ann", "author:bj.water"),
            ("a", "approver:bj.water"),
            ("b", "approver:bj.water"),
            // A committee of one beside them, and one in a part, decide nothing for them.
            ("c", "approver:bj.power"),
            ("d", "approver:bj.water.city"),
        ];
        let registry = managed(folder.path(), &roles);
        let boss = as_(&registry, "boss");
        registry.create_token(&boss, token("ta", "a", "approver:bj.water")).unwrap();
        registry.set_quorum(&boss, "q".into(), "bj".parse().unwrap(), 2, "law".into()).unwrap();
        let id = registry.draft(&as_(&registry, "ann"), offer("draft", None, "bj.water/a", 1)).unwrap().proposal.id;
        registry.take_move(&as_(&registry, "ann"), "submit".into(), id, Move::Submit, "because".into()).unwrap();
        for agreeing in ["nobody", "c", "d", "a", "b"] {
            let refused = road(&registry, &boss);
            assert!(
                matches!(&refused, Err(PublishError::Desk(DeskError::CommitteeFirst { change: asked, .. })) if asked == change),
                "{change} before {agreeing}: {refused:?}"
            );
            if agreeing != "nobody" {
                // Where it changes nothing for c or d they are not asked.
                let change = change.parse().unwrap();
                let said = registry.agree(&as_(&registry, agreeing), format!("y-{agreeing}"), change, "so".into());
                assert!(said.is_ok() || ["c", "d"].contains(&agreeing), "{said:?}");
            }
        }
        road(&registry, &boss).unwrap_or_else(|why| panic!("{change}: {why}"));
    }
}

/// Credentials of lesser roles, made by a manager before somebody became an approver, do not act for the approver afterwards.
#[test]
fn an_earlier_token_of_a_lesser_role_makes_and_revokes_none_of_an_approver() {
    let folder = tempfile::tempdir().unwrap();
    let roles = [("boss", "manager:bj"), ("a", "manager:bj"), ("a", "approver:bj.water")];
    let registry = managed(folder.path(), &roles);
    let boss = as_(&registry, "boss");
    let token = |operation: &str, grant: &str| TokenRequest {
        operation_id: operation.into(),
        principal: "a".parse().unwrap(),
        grants: vec![grant.parse().unwrap()],
        life: std::time::Duration::from_secs(60),
        reason: "as agreed".into(),
    };
    let kept = registry.create_token(&boss, token("kept", "manager:bj")).unwrap();
    registry.set_quorum(&boss, "q".into(), "bj".parse().unwrap(), 1, "law".into()).unwrap();
    let first = registry.create_token(&boss, token("first", "approver:bj.water")).unwrap();
    let [forged, own] = [&kept, &first].map(|made| registry.bearer(made.secret.text()).unwrap());
    let asks = |refused: Result<(), PublishError>| {
        assert!(matches!(refused, Err(PublishError::Desk(DeskError::CommitteeFirst { .. }))), "{refused:?}");
    };
    for (number, by) in [&forged, &boss].into_iter().enumerate() {
        asks(registry.create_token(by, token(&format!("x{number}"), "approver:bj.water")).map(drop));
        asks(registry.revoke_token(by, format!("r{number}"), &first.info.id, "so".into()).map(drop));
    }
    asks(registry.revoke_token(&boss, "r".into(), &kept.info.id, "so".into()).map(drop));
    // The approver does all that alone.
    let second = registry.create_token(&own, token("second", "approver:bj.water")).unwrap();
    for (operation, id) in [("k", &kept.info.id), ("s", &second.info.id), ("f", &first.info.id)] {
        registry.revoke_token(&own, operation.into(), id, "mine".into()).unwrap();
    }
}

/// Who approves a digest approves the days and the words beside it that were read, too.
#[test]
fn a_draft_with_the_same_files_under_other_terms_is_not_approved_unread() {
    let folder = tempfile::tempdir().unwrap();
    let registry = managed(folder.path(), &[("ann", "author:bj.water"), ("bo", "approver:bj.water")]);
    let [ann, bo] = ["ann", "bo"].map(|who| as_(&registry, who));
    let drafted = |operation: &str, id: Option<u64>, metadata: &str, dates: Dates| {
        let offer = Offer { metadata_toml: metadata.into(), dates, ..offer(operation, id, "bj.water/a", 1) };
        let id = registry.draft(&ann, offer).unwrap().proposal.id;
        let standing = registry.take_move(&ann, format!("s-{operation}"), id, Move::Submit, String::new()).unwrap();
        (id, standing.proposal.digest.parse::<Digest>().unwrap(), standing.proposal.submitted())
    };
    let approve = |operation: &str, id: u64, digest: Digest, submitted: Option<u64>| {
        let what = Move::Approve { digest, submitted };
        registry.take_move(&bo, operation.into(), id, what, String::new()).map(|standing| standing.approved_by.len())
    };
    let (id, digest, first) = drafted("one", None, METADATA, Dates::default());
    let owner = METADATA.replace("owner = \"", "owner = \"x");
    assert_ne!(owner, METADATA);
    let later = Dates::parse("2099-01-01", "", "").unwrap();
    for (operation, metadata, dates) in [("two", owner.as_str(), Dates::default()), ("three", METADATA, later)] {
        let (_, same, submitted) = drafted(operation, Some(id), metadata, dates);
        assert_eq!(same, digest);
        for unread in [None, first] {
            let refused = approve(&format!("u-{operation}-{}", unread.is_some()), id, digest, unread);
            assert!(matches!(refused, Err(PublishError::Desk(DeskError::OtherTerms { .. }))), "{refused:?}");
        }
        assert_eq!(approve(&format!("a-{operation}"), id, digest, submitted).unwrap(), 1);
    }
}

/// What may not be seen takes no more work than what is not there: counted in what is read, not by a clock.
#[test]
fn what_is_hidden_takes_as_much_work_as_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let registry = managed(
        folder.path(),
        &[
            ("ann", "author:bj.power"),
            ("li", "manager:bj.water"),
            ("li", "author:bj.water"),
            ("li", "approver:bj.water"),
        ],
    );
    put(&registry, "bj.power/secret", "1.0.0", &record(r#""type":"integer""#));
    let ann = as_(&registry, "ann");
    let id = registry.draft(&ann, offer("draft", None, "bj.power/a", 1)).unwrap().proposal.id;
    for round in 0..40 {
        let (pointer, file) = Default::default();
        let remark = Move::Comment { file, pointer, is_objection: false };
        registry.take_move(&ann, format!("c{round}"), id, remark, "many words ".repeat(50)).unwrap();
    }
    let li = as_(&registry, "li");
    let digest = Digest::of(b"x");
    type Ask<'r> = Box<dyn Fn(u64) -> PublishError + 'r>;
    let moves = [
        Move::Submit,
        Move::Answer { comment: 1 },
        Move::Approve { digest, submitted: None },
        Move::Reject,
        Move::Retract,
    ];
    let mut asks: Vec<(String, Ask<'_>)> = Vec::new();
    for what in moves {
        let (registry, li, name) = (&registry, &li, format!("{what:?}"));
        let ask = move |id| registry.take_move(li, format!("op-{id}"), id, what.clone(), "why".into()).unwrap_err();
        asks.push((name, Box::new(ask)));
    }
    asks.push(("proposal".into(), Box::new(|id| registry.proposal(&li, id).unwrap_err())));
    asks.push(("impact".into(), Box::new(|id| registry.impact(&li, id).unwrap_err())));
    asks.push(("file".into(), Box::new(|id| registry.proposed_file(&li, id, &digest, "schema.json").unwrap_err())));
    let publish = |id| registry.publish_proposal(&li, format!("p-{id}"), id, "why".into()).map(drop).unwrap_err();
    asks.push(("publish".into(), Box::new(publish)));
    let redraft = |id| registry.draft(&li, offer(&format!("d-{id}"), Some(id), "bj.water/a", 1)).unwrap_err();
    asks.push(("draft".into(), Box::new(redraft)));
    let measured = |ask: &Ask<'_>, id: u64| {
        let before = read_by_this_thread();
        let told = ask(id).to_string().replace(&id.to_string(), "…");
        let after = read_by_this_thread();
        (told, after.0 - before.0, after.1 - before.1)
    };
    for (name, ask) in &asks {
        let (hidden, absent) = (measured(ask, id), measured(ask, 99));
        assert_eq!((&hidden.0, hidden.1), (&absent.0, absent.1), "{name}");
        assert!(hidden.2 - absent.2 < 64, "{name} reads {} bytes of what it hides", hidden.2 - absent.2);
    }
    let unknown = |name: &str| {
        let before = read_by_this_thread();
        let told = registry.unknown_to(&li, &name.parse().unwrap()).to_string();
        let after = read_by_this_thread();
        (told.replace(name, "…"), after.0 - before.0, after.1 - before.1)
    };
    assert_eq!(unknown("bj.power/secret"), unknown("bj.power/sicret"));
}

/// What cannot be decided of a draft is waived by its author and approved with it; nobody else's word is asked, and no entry tells of
/// it before it is published.
#[test]
fn a_waiver_is_approved_with_the_draft_that_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Memory::default());
    let registry = open(folder.path(), &log);
    registry.bootstrap("root".parse().unwrap(), None, "first", false).unwrap();
    let root = registry.caller("root".parse().unwrap()).unwrap();
    for (at, (who, role)) in
        [("ann", "author"), ("bo", "approver"), ("chen", "manager"), ("op", "operator")].into_iter().enumerate()
    {
        let grant = if role == "operator" { "operator:*".to_owned() } else { format!("{role}:bj.water") };
        let (operation_id, principal, grant) = (format!("g{at}"), who.parse().unwrap(), grant.parse().unwrap());
        registry.grant(&root, RoleChange { operation_id, principal, grant, reason: "as agreed".into() }).unwrap();
    }
    let caller = |who: &str| registry.caller(who.parse().unwrap()).unwrap();
    let [ann, bo, chen, op] = ["ann", "bo", "chen", "op"].map(caller);
    let version = |number: &str, rule: &str| {
        let schema = format!(
            r#"{{"type":"object","properties":{{"n":{{"type":"string",{rule},"title":"n","x-guiju":{{"titleZh":"数"}}}}}},"x-guiju":{{"vocabulary":"1"}}}}"#
        );
        let files = [("schema.json".to_owned(), schema.into_bytes())].into();
        Package { version: number.parse().unwrap(), files, ..package("bj.water/meter", 0) }
    };
    let publish = |by: &Caller, number: &str, rule: &str, waive: &str| {
        let (operation_id, waive) = (format!("p-{number}-{}", by.principal()), waive.to_owned());
        let by = by.acting(Role::Manager, &"bj.water".parse().unwrap())?;
        let (metadata_toml, dates) = (METADATA.into(), Dates::default());
        registry.publish(
            &by,
            Submission {
                operation_id,
                package: version(number, rule),
                metadata_toml,
                dates,
                waive,
                reason: String::new(),
                dry_run: false,
            },
        )
    };
    publish(&chen, "1.0.0", r#""format":"uri-reference""#, "").unwrap();
    let drafted = |by: &Caller, operation: &str, proposal: Option<u64>, waive: &str| {
        let package = version("1.2.0", r#""pattern":"^[^<]*$""#);
        registry.draft(by, Offer { package, waive: waive.into(), ..offer(operation, proposal, "bj.water/meter", 0) })
    };
    let taken = |by: &Caller, operation: &str, id: u64, what: Move| {
        registry.take_move(by, operation.into(), id, what, "because".into())
    };
    let id = drafted(&ann, "a", None, "").unwrap().proposal.id;
    let refused = taken(&ann, "b", id, Move::Submit).unwrap_err().to_string();
    assert!(refused.contains("may break 1.0.0, which could not be decided"), "{refused}");
    for by in [&op, &bo, &chen] {
        let denied = drafted(by, "c", Some(id), "no reference has it");
        assert!(
            matches!(denied, Err(PublishError::Denied(_) | PublishError::Desk(DeskError::Unknown(_)))),
            "{denied:?}"
        );
    }
    let denied = publish(&op, "1.2.0", r#""pattern":"^[^<]*$""#, "no reference has it");
    assert!(matches!(denied, Err(PublishError::Denied(_))), "{denied:?}");
    drafted(&ann, "d", Some(id), "no reference has it").unwrap();
    let submitted = taken(&ann, "e", id, Move::Submit).unwrap();
    assert_eq!(taken(&ann, "e", id, Move::Submit).unwrap(), submitted, "again");
    let waiver = registry.waiver(&submitted.proposal).unwrap().unwrap();
    assert_eq!((waiver.by.as_str(), waiver.reason.as_str()), ("ann", "no reference has it"));
    assert!(waiver.questions[0].contains("format `uri-reference`"), "{waiver:?}");
    let held = |text: &str| {
        let entries = log.entries(0, 1000).unwrap().concat();
        entries.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(!held("no reference has it") && !held("format `uri-reference`"));
    let digest: Digest = submitted.proposal.digest.parse().unwrap();
    let index = submitted.proposal.submitted();
    assert!(taken(&bo, "f", id, Move::Approve { digest, submitted: index }).unwrap().is_approved());

    // Another version comes in between, against which something else is undecided.
    publish(&chen, "1.1.0", r#""format":"iri-reference""#, "every reference is one").unwrap();
    let refused = registry.publish_proposal(&chen, "h".into(), id, "decided".into()).unwrap_err();
    let PublishError::MoreUndecided { questions, .. } = &refused else { panic!("{refused}") };
    assert!(questions[0].contains("format `iri-reference`"), "{questions:?}");
    drafted(&ann, "i", Some(id), "no reference has it").unwrap();
    let submitted = taken(&ann, "j", id, Move::Submit).unwrap().proposal.submitted();
    let digest: Digest = registry.proposal(&ann, id).unwrap().proposal.digest.parse().unwrap();
    let few = registry.publish_proposal(&chen, "k".into(), id, "decided".into()).unwrap_err().to_string();
    assert!(few.contains("needs 1 approvals and has 0"), "{few}");
    taken(&bo, "l", id, Move::Approve { digest, submitted }).unwrap();
    let done = registry.publish_proposal(&chen, "m".into(), id, "decided".into()).unwrap();
    let waiver = done.version.waiver.clone().unwrap();
    assert_eq!((waiver.by.as_str(), waiver.reason.as_str()), ("ann", "no reference has it"));
    assert!(held("no reference has it") && held("format `iri-reference`"));
    // The log alone says all of it.
    let elsewhere = tempfile::tempdir().unwrap();
    let replayed = open(elsewhere.path(), &log);
    let standard = "bj.water/meter".parse().unwrap();
    assert_eq!(replayed.version_here(&standard, &"1.2.0".parse().unwrap()).unwrap(), Some(done.version));
}
