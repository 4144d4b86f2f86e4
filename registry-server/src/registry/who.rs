//! Who asks, and what they may do.
//!
//! # Invariants
//! - Whoever holds nothing may do nothing, except in a registry that is open: one in which nobody holds a role.
//! - A change is judged by the roles that hold when it is appended, not by those that held when it was asked for.

use super::{Registry, Stage, StoreError};
use guiju_model::{CommitteeChange, Grant, Namespace, Principal, Role, Scope, StandardId};
use guiju_proto::log::{Entry, entry::Event};
use prost::Message;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

/// The roles of all principals at one moment.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    held: HashMap<Principal, Vec<Grant>>,
    /// Who approves, under what, and the index of the entry that gave the role.
    approvers: Vec<(Principal, Scope, u64)>,
}

impl Holdings {
    pub fn of(&self, principal: &Principal) -> &[Grant] {
        self.held.get(principal).map_or(&[], Vec::as_slice)
    }

    /// How many principals hold exactly this.
    pub(super) fn holders(&self, grant: &Grant) -> usize {
        self.held.values().filter(|held| held.contains(grant)).count()
    }

    /// Who approves under a namespace.
    pub(super) fn approvers(&self, namespace: &Namespace) -> BTreeSet<Principal> {
        let there = self.approvers.iter().filter(|(_, scope, _)| scope.covers(namespace));
        there.map(|(principal, ..)| principal.clone()).collect()
    }

    /// What somebody approves under.
    pub(super) fn seats(&self, principal: &Principal) -> Vec<Scope> {
        let own = self.approvers.iter().filter(|(who, ..)| who == principal);
        own.map(|(_, scope, _)| scope.clone()).collect()
    }

    /// All that anybody approves under.
    pub(super) fn all_seats(&self) -> impl Iterator<Item = &Scope> {
        self.approvers.iter().map(|(_, scope, _)| scope)
    }

    /// Whether somebody approves under a namespace, and did so when the log had so many entries.
    pub(super) fn approves_since(&self, principal: &Principal, namespace: &Namespace, size: u64) -> bool {
        let holds = |(who, scope, given): &(Principal, Scope, u64)| {
            who == principal && scope.covers(namespace) && *given < size
        };
        self.approvers.iter().any(holds)
    }

    /// Whether nobody holds a role.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// Why somebody may not do something.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    #[error("`{principal}` may not do this: it takes the role {role} on `{scope}`")]
    Role { principal: Principal, role: Role, scope: Scope },
    #[error("`{principal}` may not do this with these credentials: they are for less than the principal holds")]
    Narrowed { principal: Principal },
    #[error("what `{principal}` was let in with does not hold any more")]
    Ended { principal: Principal },
}

/// Who asks: a principal, with what it holds and what its credentials may be used for.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Principal,
    standing: Standing,
    /// What was asked of it, and allowed: a role on a namespace.
    permit: Option<(Role, Namespace)>,
}

#[derive(Clone, Debug)]
enum Standing {
    /// In a registry in which nobody holds a role.
    Open,
    /// The command that gives the first manager its role.
    Bootstrap,
    Held {
        holdings: Arc<Holdings>,
        epoch: u64,
        /// What the credentials may be used for, where that is less than all that is held.
        limits: Option<Arc<[Grant]>>,
        /// The token that was shown, if one was.
        token: Option<Arc<str>>,
        /// When the credentials end: Unix time in milliseconds.
        until_ms: u64,
    },
}

impl Caller {
    /// Whoever asks in a registry in which nobody holds a role; may do everything.
    pub fn open() -> Self {
        Self { principal: Principal::open(), standing: Standing::Open, permit: None }
    }

    /// The same, by a name of its own choosing, `open:li.wei`; none where credentials say who it is.
    pub fn named(&self, name: &Principal) -> Option<Self> {
        let principal = format!("open:{name}").parse().ok().filter(|_| self.is_open())?;
        Some(Self { principal, ..self.clone() })
    }

    pub(super) fn bootstrap() -> Self {
        Self { principal: Principal::bootstrap(), standing: Standing::Bootstrap, permit: None }
    }

    /// Somebody of whom nothing is known, and who holds nothing.
    pub fn nobody() -> Self {
        let (holdings, limits, token) = (Arc::default(), None, None);
        let standing = Standing::Held { holdings, epoch: 0, limits, token, until_ms: u64::MAX };
        Self { principal: Principal::anyone(), standing, permit: None }
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The token that was shown, by its id.
    pub(super) fn token(&self) -> Option<&str> {
        match &self.standing {
            Standing::Held { token, .. } => token.as_deref(),
            Standing::Open | Standing::Bootstrap => None,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Open)
    }

    /// Whether no credentials were shown.
    pub fn is_anyone(&self) -> bool {
        self.principal == Principal::anyone()
    }

    /// Whether it showed who it is, or everybody may do something.
    pub fn is_known(&self) -> bool {
        match &self.standing {
            Standing::Held { holdings, .. } => !self.is_anyone() || !holdings.of(&Principal::anyone()).is_empty(),
            Standing::Open | Standing::Bootstrap => true,
        }
    }

    /// What everybody may do.
    pub fn grants_of_anyone(&self) -> &[Grant] {
        match &self.standing {
            Standing::Held { holdings, .. } => holdings.of(&Principal::anyone()),
            Standing::Open | Standing::Bootstrap => &[],
        }
    }

    /// Whether it may act in a role on a namespace.
    pub fn may(&self, role: Role, namespace: &Namespace) -> bool {
        self.any(|grant| grant.allows(role, namespace))
    }

    /// Whether it may act in a role on all that a scope covers.
    pub fn may_over(&self, role: Role, scope: &Scope) -> bool {
        self.any(|grant| grant.role.implies(role) && grant.scope.contains(scope))
    }

    /// Whether it may act in a role somewhere.
    pub fn may_somewhere(&self, role: Role) -> bool {
        self.any(|grant| grant.role.implies(role))
    }

    /// Whether what is published under a namespace may be shown to it.
    pub fn may_see(&self, namespace: &Namespace) -> bool {
        self.may(Role::Reader, namespace)
    }

    /// Whether drafts under a namespace may be shown to it.
    pub fn may_see_drafts(&self, namespace: &Namespace) -> bool {
        self.any(|grant| grant.role.sees_drafts() && grant.scope.covers(namespace))
    }

    /// Whether something under a namespace may be shown to it.
    fn sees_some(&self, namespace: &Namespace) -> bool {
        let place = Scope::Under(namespace.clone());
        self.any(|grant| {
            let touches = grant.scope.covers(namespace) || place.contains(&grant.scope);
            grant.role.implies(Role::Reader) && touches
        })
    }

    /// Whether who holds what there is for it to know.
    pub(super) fn may_look_after(&self, scope: &Scope) -> bool {
        self.may_over(Role::Manager, scope) || self.may_over(Role::Auditor, scope)
    }

    /// Whether it is the command that acts on the data folder of a stopped server.
    pub(super) fn is_bootstrap(&self) -> bool {
        matches!(self.standing, Standing::Bootstrap)
    }

    fn any(&self, allows: impl Fn(&Grant) -> bool) -> bool {
        match &self.standing {
            Standing::Open | Standing::Bootstrap => true,
            Standing::Held { holdings, limits, .. } => {
                let limited = limits.as_ref().is_none_or(|limits| limits.iter().any(&allows));
                (limited && holdings.of(&self.principal).iter().any(&allows))
                    || holdings.of(&Principal::anyone()).iter().any(&allows)
            }
        }
    }

    /// What it may do with its credentials, for people to read.
    pub fn grants(&self) -> Vec<Grant> {
        let Standing::Held { holdings, limits, .. } = &self.standing else { return Vec::new() };
        let held = holdings.of(&self.principal).iter();
        let narrowed = |grant: &Grant| match limits {
            None => vec![grant.clone()],
            Some(limits) => limits.iter().filter_map(|limit| narrower(grant, limit)).collect(),
        };
        let mut all: Vec<Grant> = held.flat_map(narrowed).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The same caller, for one deed that takes a role on a namespace; or why it may not.
    pub fn acting(&self, role: Role, namespace: &Namespace) -> Result<Self, Denied> {
        match self.may(role, namespace) {
            true => Ok(Self { permit: Some((role, namespace.clone())), ..self.clone() }),
            false => Err(self.denied(role, Scope::Under(namespace.clone()))),
        }
    }

    /// Whether it may act in a role on all that a scope covers, or why not.
    pub fn over(&self, role: Role, scope: Scope) -> Result<(), Denied> {
        match self.may_over(role, &scope) {
            true => Ok(()),
            false => Err(self.denied(role, scope)),
        }
    }

    pub(super) fn denied(&self, role: Role, scope: Scope) -> Denied {
        let holds = |grant: &Grant| grant.role.implies(role) && grant.scope.contains(&scope);
        match &self.standing {
            Standing::Held { holdings, .. } if holdings.of(&self.principal).iter().any(holds) => {
                Denied::Narrowed { principal: self.principal.clone() }
            }
            _ => Denied::Role { principal: self.principal.clone(), role, scope },
        }
    }

    /// Whether it was allowed to act on a namespace.
    pub(super) fn acts_on(&self, namespace: &Namespace) -> Result<(), Denied> {
        match (&self.standing, &self.permit) {
            (Standing::Open | Standing::Bootstrap, _) => Ok(()),
            (_, Some((_, permitted))) if namespace.is_under(permitted) => Ok(()),
            (_, Some((role, _))) => Err(self.denied(*role, Scope::Under(namespace.clone()))),
            (_, None) => Err(self.denied(Role::Manager, Scope::Under(namespace.clone()))),
        }
    }
}

/// What two grants allow both.
fn narrower(one: &Grant, other: &Grant) -> Option<Grant> {
    let role = match (one.role.implies(other.role), other.role.implies(one.role)) {
        (true, _) => other.role,
        (false, true) => one.role,
        (false, false) => return None,
    };
    let scope = match (one.scope.contains(&other.scope), other.scope.contains(&one.scope)) {
        (true, _) => other.scope.clone(),
        (false, true) => one.scope.clone(),
        (false, false) => return None,
    };
    Some(Grant { role, scope })
}

impl Registry {
    /// Whether an entry of the log may be shown to a caller. The steps of a proposal are shown to who sees drafts there, and once it is
    /// published to who may read it. All else is shown to who reads everything; what was published and what became of it, to who may
    /// read it; how many must approve, to who may read something under that namespace; and what else there is, to who looks after the
    /// place.
    pub fn shows_entry(&self, caller: &Caller, index: u64, entry: &[u8]) -> Result<bool, StoreError> {
        let reads_all = caller.may_over(Role::Reader, &Scope::All);
        let Ok(entry) = Entry::decode(entry) else { return Ok(reads_all) };
        let is_ours = !matches!(entry.event, Some(Event::Mirrored(_)));
        let is_own = is_ours && !caller.is_anyone() && entry.principal == caller.principal().as_str();
        let under = |standard: &str| Some(standard.parse::<StandardId>().ok()?.namespace().clone());
        let scope = |scope: &str| scope.parse::<Scope>().ok();
        let look_after = |scope: Option<Scope>| scope.is_some_and(|scope| caller.may_look_after(&scope));
        Ok(match entry.meaning().event {
            Some(Event::ProposalStepped(event)) => match under(&event.standard) {
                Some(name) if caller.may_see_drafts(&name) => true,
                Some(name) if is_ours && caller.may_see(&name) => {
                    let proposal = self.view().proposal(event.proposal.unwrap_or(index))?;
                    proposal.is_some_and(|proposal| proposal.stage == Stage::Published)
                }
                _ => false,
            },
            _ if reads_all => true,
            Some(Event::VersionPublished(event)) => under(&event.standard).is_some_and(|name| caller.may_see(&name)),
            Some(Event::StatusChanged(event)) => under(&event.standard).is_some_and(|name| caller.may_see(&name)),
            Some(Event::QuorumSet(event)) => event.namespace.parse().is_ok_and(|name| caller.sees_some(&name)),
            Some(Event::CommitteeAgreed(event)) => match event.change.parse::<CommitteeChange>() {
                Ok(change) => {
                    let decides = |scope: &Scope| match scope {
                        Scope::Under(namespace) => caller.may_see_drafts(namespace),
                        Scope::All => caller.may_look_after(scope),
                    };
                    let scopes = self.scopes_of(&change)?;
                    // Whose token it is may approve nothing any more.
                    !scopes.is_empty() && scopes.iter().all(decides)
                }
                Err(_) => false,
            },
            Some(Event::RoleGranted(event)) => look_after(scope(&event.scope)),
            Some(Event::RoleRevoked(event)) => look_after(scope(&event.scope)),
            Some(Event::TokenCreated(event)) => {
                let scope = |grant: &String| grant.parse::<Grant>().ok().map(|grant| grant.scope);
                event.grants.iter().all(|grant| look_after(scope(grant)))
            }
            Some(Event::UseRegistered(event)) => {
                let sees = |name: Namespace| caller.may_see_drafts(&name);
                is_own
                    || (!event.uses.is_empty() && event.uses.iter().all(|used| under(&used.standard).is_some_and(sees)))
            }
            _ => false,
        })
    }

    /// Who holds what by now.
    pub fn holdings(&self) -> Result<(u64, Arc<Holdings>), StoreError> {
        let view = self.view();
        let epoch = view.access_epoch();
        let (known, holdings) = self.holdings.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        if known == epoch {
            return Ok((epoch, holdings));
        }
        let Holdings { mut held, mut approvers } = Holdings::default();
        for info in view.grants()?.into_iter().filter(|info| info.revoked.is_none()) {
            if info.grant.role == Role::Approver {
                approvers.push((info.principal.clone(), info.grant.scope.clone(), info.granted.log_index));
            }
            held.entry(info.principal).or_default().push(info.grant);
        }
        let fresh = (epoch, Arc::new(Holdings { held, approvers }));
        *self.holdings.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = fresh.clone();
        Ok(fresh)
    }

    /// A principal that showed who it is, without more limits than what it holds.
    pub fn caller(&self, principal: Principal) -> Result<Caller, StoreError> {
        self.held_caller(principal, None, None, u64::MAX)
    }

    /// The same, with credentials that end at a time (Unix, in milliseconds).
    pub fn caller_until(&self, principal: Principal, until_ms: u64) -> Result<Caller, StoreError> {
        self.held_caller(principal, None, None, until_ms)
    }

    pub(super) fn held_caller(
        &self,
        principal: Principal,
        limits: Option<Arc<[Grant]>>,
        token: Option<Arc<str>>,
        until_ms: u64,
    ) -> Result<Caller, StoreError> {
        let (epoch, holdings) = self.holdings()?;
        let standing = Standing::Held { holdings, epoch, limits, token, until_ms };
        Ok(Caller { principal, standing, permit: None })
    }

    /// The same caller with what holds by now; or nothing where its credentials, or an open registry's openness, have ended.
    pub fn renewed(&self, caller: &Caller) -> Result<Option<Caller>, StoreError> {
        let (epoch, holdings) = self.holdings()?;
        match &caller.standing {
            Standing::Open => Ok(holdings.is_empty().then(|| caller.clone())),
            Standing::Bootstrap => Ok(Some(caller.clone())),
            Standing::Held { until_ms, .. } if (self.clock_ms)() >= *until_ms => Ok(None),
            Standing::Held { epoch: known, .. } if *known == epoch => Ok(Some(caller.clone())),
            Standing::Held { limits, token, until_ms, .. } => {
                if let Some(token) = token
                    && self.view().token(token)?.is_none_or(|token| token.revoked.is_some())
                {
                    return Ok(None);
                }
                let (limits, token) = (limits.clone(), token.clone());
                let standing = Standing::Held { holdings, epoch, limits, token, until_ms: *until_ms };
                Ok(Some(Caller { standing, ..caller.clone() }))
            }
        }
    }

    /// How long ago it was last certain that the view has every role and token that was taken back; nothing where it always is, or where
    /// nobody holds a role.
    pub fn roles_are_old(&self) -> Result<Option<Duration>, StoreError> {
        let may_be = self.is_shared() && !self.holdings()?.1.is_empty();
        Ok(may_be.then(|| self.whole_as_of().map_or(Duration::MAX, |at| at.elapsed())))
    }

    /// Whether what was allowed is allowed by now.
    pub fn still_may(&self, caller: &Caller) -> Result<(), super::PublishError> {
        let renewed = self.renewed(caller)?.ok_or_else(|| Denied::Ended { principal: caller.principal.clone() })?;
        if let Some((role, namespace)) = &renewed.permit {
            renewed.acting(*role, namespace)?;
        }
        Ok(())
    }
}
