//! Roles and tokens: given, taken back.
//!
//! # Invariants
//! - Nobody gives what lies outside the namespaces that they manage, nor a token that does more than they could grant.
//! - Nobody holds operator with author, approver or manager, on whatever namespaces: neither is given beside the other.
//! - There is always a manager of all, once there was one.
//! - A token is told once; the log holds its hash.
//! - What changes a committee is made once it has agreed (`committee.rs`).

use super::{Caller, Denied, PublishError, Registry, StoreError, check_operation_id, commit};
use crate::view::AccessFact;
use guiju_model::{CommitteeChange, Digest, Grant, GrantInfo, Principal, Role, Scope, Step, TokenInfo};
use guiju_proto::convert::timestamp;
use guiju_proto::log::{Entry, RoleGranted, RoleRevoked, TokenCreated, TokenRevoked, entry::Event};
use prost::Message;
use std::{fmt, sync::Arc, time::Duration};

/// Roles of one principal.
const GRANTS_MAX: usize = 256;
/// Tokens of one principal that hold at a time.
const TOKENS_MAX: usize = 64;
/// Roles that one token is for.
const TOKEN_GRANTS_MAX: usize = 32;
const REASON_BYTES_MAX: usize = 1024;
/// An entry may stand a moment behind the look at the clock by which its token ends.
const CLOCK_SLACK: Duration = Duration::from_secs(1);
const TOKEN_LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// A role to give or take back.
#[derive(Clone, Debug)]
pub struct RoleChange {
    pub operation_id: String,
    pub principal: Principal,
    pub grant: Grant,
    pub reason: String,
}

/// A token to make.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub operation_id: String,
    pub principal: Principal,
    /// All that it may be used for; at least one.
    pub grants: Vec<Grant>,
    pub life: Duration,
    pub reason: String,
}

/// Bytes that nobody can guess.
pub(super) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], StoreError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|why| StoreError::Broken(format!("there is no randomness: {why}")))?;
    Ok(bytes)
}

/// The name of an operation that no caller can take before it: what an operator does must not be stopped by a name in use.
pub(super) fn unguessed(begin: &str) -> Result<String, StoreError> {
    let bytes = random::<8>()?;
    Ok(bytes.iter().fold(format!("{begin}-"), |text, byte| text + &format!("{byte:02x}")))
}

/// A token as its holder shows it. `Debug` keeps it to itself.
#[derive(Clone)]
pub struct TokenSecret(String);

impl TokenSecret {
    pub fn text(&self) -> &str {
        &self.0
    }

    fn random() -> Result<Self, StoreError> {
        let bytes = random::<32>()?;
        Ok(Self(bytes.iter().fold(TOKEN_PREFIX.to_owned(), |text, byte| text + &format!("{byte:02x}"))))
    }

    fn hash(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// How every token begins, so that programs that look for secrets find it.
const TOKEN_PREFIX: &str = "guiju_";

/// A token that was made.
#[derive(Debug)]
pub struct NewToken {
    pub info: TokenInfo,
    pub secret: TokenSecret,
}

/// Why who may do what was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    #[error(
        "the registry is open: nobody holds a role in it; stop it and run `guiju-server bootstrap` to give the first manager its role"
    )]
    IsOpen,
    #[error("there is a manager of all already; it grants what is wanted")]
    IsBootstrapped,
    #[error("`{0}` is a name that the registry uses itself")]
    Reserved(Principal),
    #[error("`anyone` can only be a reader or an agency: whoever reaches the registry would hold the role")]
    ForAnyone,
    #[error("an operator runs the whole registry: grant the role on `*`")]
    OperatorScope,
    #[error(
        "`{principal}` holds {held}, and no one holds operator with author, approver or manager: who runs the registry does \
         not decide what stands in it"
    )]
    Separation { principal: Principal, held: Grant },
    #[error("`{principal}` does not hold {grant}")]
    NotHeld { principal: Principal, grant: Grant },
    #[error("`{0}` is the last manager of all: grant manager on `*` to another first")]
    LastManager(Principal),
    #[error("a reason is missing: say why, for the record")]
    NoReason,
    #[error("the {what} has {count} {unit}, at most {max} are taken")]
    TooMuch { what: &'static str, count: usize, unit: &'static str, max: usize },
    #[error("a token is for at least one role on a namespace")]
    NoGrants,
    #[error("a token holds between a second and 366 days")]
    Life,
    #[error(
        "a token that one makes for oneself by a token holds no longer than that was made for, {} days; ask for less, or ask a \
         manager for it", whole.as_secs_f64() / 86_400.0
    )]
    LongerThanOwn { whole: Duration },
    #[error("there is no token `{0}`")]
    UnknownToken(String),
    #[error("the token `{0}` was told once, when it was made; revoke it and make another")]
    ToldOnce(String),
}

/// Why credentials are not taken. Never what they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialFault {
    #[error("the token is not one of this registry")]
    Unknown,
    #[error("the token expired at {}", date(*expired_ms))]
    Expired { id: String, principal: Principal, expired_ms: u64 },
    #[error("the token was revoked")]
    Revoked { id: String, principal: Principal },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CredentialFault {
    /// Whose the token was, and which; none of one that is not known.
    pub fn of(&self) -> Option<(&str, &Principal)> {
        match self {
            Self::Expired { id, principal, .. } | Self::Revoked { id, principal } => Some((id, principal)),
            Self::Unknown | Self::Store(_) => None,
        }
    }
}

/// `2026-11-01T08:30:00Z`.
fn date(ms: u64) -> String {
    timestamp(ms / 1000 * 1000).to_string()
}

impl Registry {
    /// Gives the first manager its role on all namespaces, and a token where one is wanted. Only with nobody else about: this asks
    /// for no role. `again` where there is a manager, and what it showed who it is with is lost.
    pub fn bootstrap(
        &self,
        principal: Principal,
        token_life: Option<Duration>,
        reason: &str,
        again: bool,
    ) -> Result<(GrantInfo, Option<NewToken>), PublishError> {
        let grant = Grant { role: Role::Manager, scope: Scope::All };
        let is_managed = self.view().grants()?.iter().any(|info| info.revoked.is_none() && info.grant == grant);
        if is_managed && !again {
            return Err(AccessError::IsBootstrapped.into());
        }
        let (caller, name) = (Caller::bootstrap(), unguessed("bootstrap")?);
        let change = RoleChange { operation_id: name.clone(), principal, grant, reason: reason.into() };
        let (info, _) = self.grant(&caller, change)?;
        let token = token_life.map(|life| {
            let (principal, grants) = (info.principal.clone(), vec![info.grant.clone()]);
            let operation_id = format!("{name}-token");
            self.create_token(&caller, TokenRequest { operation_id, principal, grants, life, reason: reason.into() })
        });
        Ok((info, token.transpose()?))
    }

    /// Gives a role. Whether this call wrote the entry: it is no error where the principal holds it already.
    pub fn grant(&self, caller: &Caller, change: RoleChange) -> Result<(GrantInfo, bool), PublishError> {
        let RoleChange { operation_id, principal, grant, reason } = change;
        check_operation_id(&operation_id)?;
        check_reason(&reason)?;
        self.catch_up()?;
        self.now(caller)?.may_give(&grant)?;
        let (principal_text, role, scope) = (principal.to_string(), grant.role.to_string(), grant.scope.to_string());
        let event = Event::RoleGranted(RoleGranted { principal: principal_text, role, scope, reason });
        if self.done_before(caller, &operation_id, &event)?.is_none() {
            if let Some(info) = self.held_grant(&principal, &grant)? {
                return Ok((info, false));
            }
            let (caller_then, principal, grant) = (caller.clone(), principal.clone(), grant.clone());
            let admit = move |registry: &Registry| registry.may_grant(&caller_then, &principal, &grant);
            admit(self)?;
            self.act(caller, operation_id, event, admit)?;
        }
        let found = self.view().grants()?.into_iter().find(|info| info.principal == principal && info.grant == grant);
        Ok((found.ok_or_else(|| StoreError::Broken("a role without a row".into()))?, true))
    }

    /// Takes a role back.
    pub fn revoke(&self, caller: &Caller, change: RoleChange) -> Result<GrantInfo, PublishError> {
        let RoleChange { operation_id, principal, grant, reason } = change;
        check_operation_id(&operation_id)?;
        check_reason(&reason)?;
        self.catch_up()?;
        self.now(caller)?.may_give(&grant)?;
        let (principal_text, role, scope) = (principal.to_string(), grant.role.to_string(), grant.scope.to_string());
        let event = Event::RoleRevoked(RoleRevoked { principal: principal_text, role, scope, reason });
        if self.done_before(caller, &operation_id, &event)?.is_none() {
            let (caller_then, principal, grant) = (caller.clone(), principal.clone(), grant.clone());
            let admit = move |registry: &Registry| registry.may_revoke(&caller_then, &principal, &grant);
            admit(self)?;
            self.act(caller, operation_id, event, admit)?;
        }
        let found = self.view().grants()?.into_iter().find(|info| info.principal == principal && info.grant == grant);
        Ok(found.ok_or_else(|| StoreError::Broken("a role without a row".into()))?)
    }

    /// Makes a token and tells it, once.
    pub fn create_token(&self, caller: &Caller, request: TokenRequest) -> Result<NewToken, PublishError> {
        let TokenRequest { operation_id, principal, mut grants, life, reason } = request;
        check_operation_id(&operation_id)?;
        check_reason(&reason)?;
        grants.sort();
        grants.dedup();
        if principal.is_reserved() {
            return Err(AccessError::Reserved(principal).into());
        }
        match grants.len() {
            0 => return Err(AccessError::NoGrants.into()),
            count if count > TOKEN_GRANTS_MAX => {
                let (what, unit, max) = ("token", "roles", TOKEN_GRANTS_MAX);
                return Err(AccessError::TooMuch { what, count, unit, max }.into());
            }
            _ => {}
        }
        if !(Duration::from_secs(1)..=TOKEN_LIFE_MAX).contains(&life) {
            return Err(AccessError::Life.into());
        }
        if let Some(index) = self.log.operation(&operation_id)? {
            // What another's operation made is nobody's business who comes with its id.
            let entry = self.entry(index)?;
            let is_own = entry.principal == caller.principal().as_str();
            return Err(match entry.event {
                Some(Event::TokenCreated(event)) if is_own && event.principal == principal.as_str() => {
                    AccessError::ToldOnce(event.id).into()
                }
                _ => PublishError::OperationReused(operation_id),
            });
        }
        let (secret, now) = (TokenSecret::random()?, (self.clock_ms)());
        let hash = secret.hash();
        let id = hash.as_bytes()[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let event = Event::TokenCreated(TokenCreated {
            id: id.clone(),
            principal: principal.to_string(),
            hash: hash.as_bytes().to_vec().into(),
            expires_ms: now + life.as_millis() as u64,
            grants: grants.iter().map(ToString::to_string).collect(),
            reason,
        });
        let caller_then = caller.clone();
        let admit = move |registry: &Registry| registry.may_create_token(&caller_then, &principal, &grants, life);
        admit(self)?;
        // By one look at the clock: a life that was a moment shorter than asked could not be asked for again.
        self.commit(commit::Draft::act(caller, operation_id, now, event, commit::ACCESS, admit)?)?;
        let info = self.view().token(&id)?.ok_or_else(|| StoreError::Broken("a token without a row".into()))?;
        Ok(NewToken { info, secret })
    }

    /// Ends a token.
    pub fn revoke_token(
        &self,
        caller: &Caller,
        operation_id: String,
        id: &str,
        reason: String,
    ) -> Result<TokenInfo, PublishError> {
        check_operation_id(&operation_id)?;
        check_reason(&reason)?;
        let Some(token) = self.seen_token(caller, id)? else { return Err(AccessError::UnknownToken(id.into()).into()) };
        let principal = token.principal.to_string();
        let event = Event::TokenRevoked(TokenRevoked { id: id.into(), principal, reason });
        if self.done_before(caller, &operation_id, &event)?.is_none() && token.revoked.is_none() {
            let (caller_then, id) = (caller.clone(), id.to_owned());
            let admit = move |registry: &Registry| registry.may_revoke_token(&caller_then, &id);
            admit(self)?;
            self.act(caller, operation_id, event, admit)?;
        }
        Ok(self.view().token(id)?.ok_or_else(|| StoreError::Broken("a token without a row".into()))?)
    }

    /// Roles that a caller may know of: its own, those that could be held where it manages or audits.
    pub fn grants(&self, caller: &Caller, with_revoked: bool) -> Result<Vec<GrantInfo>, StoreError> {
        let mut grants = self.view().grants()?;
        grants.retain(|info| {
            (with_revoked || info.revoked.is_none())
                && (info.principal == *caller.principal() || caller.may_look_after(&info.grant.scope))
        });
        Ok(grants)
    }

    /// Tokens that a caller may know of.
    pub fn tokens(&self, caller: &Caller) -> Result<Vec<TokenInfo>, StoreError> {
        let mut tokens = self.view().tokens()?;
        tokens.retain(|token| caller.may_know(token));
        Ok(tokens)
    }

    fn seen_token(&self, caller: &Caller, id: &str) -> Result<Option<TokenInfo>, StoreError> {
        Ok(self.view().token(id)?.filter(|token| caller.may_know(token)))
    }

    /// Who shows a token.
    pub fn bearer(&self, token: &str) -> Result<Caller, CredentialFault> {
        let found = self.view().token_by_hash(&Digest::of(token.as_bytes())).map_err(StoreError::from)?;
        let TokenInfo { id, principal, grants, expires_ms, revoked, .. } = found.ok_or(CredentialFault::Unknown)?;
        if revoked.is_some() {
            return Err(CredentialFault::Revoked { id, principal });
        }
        if (self.clock_ms)() >= expires_ms {
            return Err(CredentialFault::Expired { id, principal, expired_ms: expires_ms });
        }
        Ok(self.held_caller(principal, Some(grants.into()), Some(Arc::from(id)), expires_ms)?)
    }

    fn act(
        &self,
        caller: &Caller,
        operation_id: String,
        event: Event,
        admit: impl Fn(&Registry) -> Result<(), PublishError> + Send + Sync + 'static,
    ) -> Result<commit::Committed, PublishError> {
        self.commit(commit::Draft::act(caller, operation_id, (self.clock_ms)(), event, commit::ACCESS, admit)?)
    }

    pub(super) fn entry(&self, index: u64) -> Result<Entry, StoreError> {
        let bytes = self.log.entries(index, 1)?.pop().unwrap_or_default();
        Entry::decode(bytes.as_slice()).map_err(|error| StoreError::Entry { index, why: error.to_string() })
    }

    fn held_grant(&self, principal: &Principal, grant: &Grant) -> Result<Option<GrantInfo>, StoreError> {
        let mut grants = self.view().grants()?.into_iter();
        Ok(grants.find(|info| info.revoked.is_none() && info.principal == *principal && info.grant == *grant))
    }

    /// The same caller with what holds by now.
    fn now(&self, caller: &Caller) -> Result<Caller, PublishError> {
        let ended = || Denied::Ended { principal: caller.principal().clone() };
        Ok(self.renewed(caller)?.ok_or_else(ended)?)
    }

    fn may_grant(&self, caller: &Caller, principal: &Principal, grant: &Grant) -> Result<(), PublishError> {
        self.now(caller)?.may_give(grant)?;
        if *principal == Principal::anyone() {
            if !matches!(grant.role, Role::Reader | Role::Agency) {
                return Err(AccessError::ForAnyone.into());
            }
        } else if principal.is_reserved() {
            return Err(AccessError::Reserved(principal.clone()).into());
        }
        if grant.role == Role::Operator && grant.scope != Scope::All {
            return Err(AccessError::OperatorScope.into());
        }
        let (_, holdings) = self.holdings()?;
        let held = holdings.of(principal);
        if let Some(held) = held.iter().find(|held| held.role.excludes(grant.role)) {
            return Err(AccessError::Separation { principal: principal.clone(), held: held.clone() }.into());
        }
        let change = CommitteeChange::Grant { principal: principal.clone(), grant: grant.clone() };
        self.committee_agrees(caller, &change)?;
        match held.len() {
            count if count >= GRANTS_MAX => {
                Err(AccessError::TooMuch { what: "principal", count, unit: "roles", max: GRANTS_MAX }.into())
            }
            _ => Ok(()),
        }
    }

    fn may_revoke(&self, caller: &Caller, principal: &Principal, grant: &Grant) -> Result<(), PublishError> {
        self.now(caller)?.may_give(grant)?;
        let (_, holdings) = self.holdings()?;
        if !holdings.of(principal).contains(grant) {
            return Err(AccessError::NotHeld { principal: principal.clone(), grant: grant.clone() }.into());
        }
        let change = CommitteeChange::Revoke { principal: principal.clone(), grant: grant.clone() };
        self.committee_agrees(caller, &change)?;
        let all = Grant { role: Role::Manager, scope: Scope::All };
        match *grant == all && holdings.holders(&all) == 1 {
            true => Err(AccessError::LastManager(principal.clone()).into()),
            false => Ok(()),
        }
    }

    fn may_create_token(
        &self,
        caller: &Caller,
        principal: &Principal,
        grants: &[Grant],
        life: Duration,
    ) -> Result<(), PublishError> {
        let caller = self.now(caller)?;
        if caller.is_open() {
            return Err(AccessError::IsOpen.into());
        }
        for grant in grants {
            // One's own token may do what one's credentials may; another's, what one could grant.
            if *principal != *caller.principal() || !caller.may_over(grant.role, &grant.scope) {
                caller.may_give(grant)?;
            }
        }
        // Whoever was given a day's token would otherwise give itself a year's.
        if let Some(id) = caller.token().filter(|_| principal == caller.principal()) {
            let shown = self.view().token(id)?;
            let whole = shown.map_or(Duration::ZERO, |shown| {
                Duration::from_millis(shown.expires_ms.saturating_sub(shown.created.time_ms))
            });
            if life > whole + CLOCK_SLACK {
                return Err(AccessError::LongerThanOwn { whole }.into());
            }
        }
        // With credentials by which one does not approve, one is another: somebody else may have made them.
        let approves = |grant: &Grant| grant.role != Role::Approver || caller.may_over(grant.role, &grant.scope);
        let is_own = principal == caller.principal() && grants.iter().all(approves);
        if !is_own && !self.is_first_token(principal, grants)? {
            let change = CommitteeChange::Token { principal: principal.clone(), grants: grants.to_vec() };
            self.committee_agrees(&caller, &change)?;
        }
        let now = (self.clock_ms)();
        let live =
            |token: &TokenInfo| token.principal == *principal && token.revoked.is_none() && token.expires_ms > now;
        match self.view().tokens()?.iter().filter(|token| live(token)).count() {
            count if count >= TOKENS_MAX => {
                Err(AccessError::TooMuch { what: "principal", count, unit: "tokens", max: TOKENS_MAX }.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether by it somebody gets to act for the first time as the approver that the committee has agreed to: who makes it sees it, as
    /// whoever would make it once the committee had agreed again. Whoever shows a certificate, or what an issuer gave it, needs none.
    fn is_first_token(&self, principal: &Principal, grants: &[Grant]) -> Result<bool, PublishError> {
        if principal.as_str().contains(':') {
            return Ok(false);
        }
        let seats = self.holdings()?.1.seats(principal);
        let asked: Vec<&Scope> = approved(grants).collect();
        let holds = |scope: &&Scope| seats.iter().any(|seat| seat.contains(scope));
        if asked.is_empty() || !asked.iter().all(holds) {
            return Ok(false);
        }
        // One that was ever made, by whomever and before whatever role; also where the role is another one than that of the token.
        let is_near = |scope: &Scope| seats.iter().any(|seat| seat.contains(scope) || scope.contains(seat));
        let tokens = self.view().tokens()?;
        let mut earlier = tokens.iter().filter(|token| token.principal == *principal);
        Ok(!earlier.any(|token| approved(&token.grants).any(is_near)))
    }

    fn may_revoke_token(&self, caller: &Caller, id: &str) -> Result<(), PublishError> {
        let caller = self.now(caller)?;
        let token = self.seen_token(&caller, id)?.ok_or_else(|| AccessError::UnknownToken(id.into()))?;
        let is_own = token.principal == *caller.principal();
        if !is_own {
            token.grants.iter().try_for_each(|grant| caller.may_give(grant))?;
        }
        // By what it revokes somebody approves there; with lesser credentials one is another.
        let seats = self.holdings()?.1.seats(&token.principal);
        let approves = |scope: &Scope| {
            let there = seats.iter().filter_map(|seat| match seat.contains(scope) {
                true => Some(scope),
                false => scope.contains(seat).then_some(seat),
            });
            there.into_iter().all(|scope| caller.may_over(Role::Approver, scope))
        };
        if !(is_own && approved(&token.grants).all(approves)) {
            let change = CommitteeChange::RevokeToken { principal: token.principal, id: id.into() };
            self.committee_agrees(&caller, &change)?;
        }
        Ok(())
    }
}

/// What is approved under by what one holds.
fn approved(grants: &[Grant]) -> impl Iterator<Item = &Scope> {
    grants.iter().filter(|grant| grant.role == Role::Approver).map(|grant| &grant.scope)
}

impl Caller {
    /// Whether it may give and take back a role: by managing all that the role is held on.
    fn may_give(&self, grant: &Grant) -> Result<(), PublishError> {
        match self.may_over(Role::Manager, &grant.scope) {
            _ if self.is_open() => Err(AccessError::IsOpen.into()),
            true => Ok(()),
            false => Err(self.denied(Role::Manager, grant.scope.clone()).into()),
        }
    }

    fn may_know(&self, token: &TokenInfo) -> bool {
        token.principal == *self.principal() || token.grants.iter().all(|grant| self.may_look_after(&grant.scope))
    }
}

pub(super) fn check_reason(reason: &str) -> Result<(), AccessError> {
    match reason.trim().len() {
        0 => Err(AccessError::NoReason),
        count if count > REASON_BYTES_MAX => {
            Err(AccessError::TooMuch { what: "reason", count, unit: "bytes", max: REASON_BYTES_MAX })
        }
        _ => Ok(()),
    }
}

/// What an entry about who may do what means; none where a name in it is malformed, or it is about something else.
pub(super) fn fact(index: u64, time_ms: u64, by: &str, event: Event) -> Option<AccessFact> {
    let step = |reason: String| Step { by: by.into(), time_ms, log_index: index, reason };
    let grant = |role: &str, scope: &str| Some(Grant { role: role.parse().ok()?, scope: scope.parse().ok()? });
    Some(match event {
        Event::RoleGranted(RoleGranted { principal, role, scope, reason }) => {
            AccessFact::Granted { principal: principal.parse().ok()?, grant: grant(&role, &scope)?, step: step(reason) }
        }
        Event::RoleRevoked(RoleRevoked { principal, role, scope, reason }) => {
            AccessFact::Revoked { principal: principal.parse().ok()?, grant: grant(&role, &scope)?, step: step(reason) }
        }
        Event::TokenCreated(TokenCreated { id, principal, hash, expires_ms, grants, reason }) => {
            let token = TokenInfo {
                id,
                principal: principal.parse().ok()?,
                grants: grants.iter().map(|grant| grant.parse().ok()).collect::<Option<_>>()?,
                expires_ms,
                created: step(reason),
                revoked: None,
            };
            let hash = Digest::from_bytes(hash.as_ref().try_into().ok()?);
            AccessFact::TokenCreated { token: Box::new(token), hash }
        }
        Event::TokenRevoked(TokenRevoked { id, reason, .. }) => AccessFact::TokenRevoked { id, step: step(reason) },
        _ => return None,
    })
}
