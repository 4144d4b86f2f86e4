//! Who holds what: roles and tokens, those of the past too.

use super::{View, ViewError, desk::committee_key, json};
use guiju_model::{Digest, Grant, GrantInfo, Principal, Role, Scope, Step, TokenInfo};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

/// What an entry about who may do what means.
#[derive(Clone, Debug)]
pub enum AccessFact {
    Granted { principal: Principal, grant: Grant, step: Step },
    Revoked { principal: Principal, grant: Grant, step: Step },
    TokenCreated { token: Box<TokenInfo>, hash: Digest },
    TokenRevoked { id: String, step: Step },
}

impl AccessFact {
    fn index(&self) -> u64 {
        match self {
            Self::Granted { step, .. } | Self::Revoked { step, .. } | Self::TokenRevoked { step, .. } => step.log_index,
            Self::TokenCreated { token, .. } => token.created.log_index,
        }
    }

    /// Where others approve from now on.
    fn committees(&self) -> Vec<&Scope> {
        match self {
            Self::Granted { grant, .. } | Self::Revoked { grant, .. } if grant.role == Role::Approver => {
                vec![&grant.scope]
            }
            Self::TokenCreated { token, .. } if token.created.by != token.principal.as_str() => {
                let approvers = token.grants.iter().filter(|grant| grant.role == Role::Approver);
                approvers.map(|grant| &grant.scope).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StepRow {
    by: String,
    time_ms: u64,
    log_index: u64,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct GrantRow {
    granted: StepRow,
    revoked: Option<StepRow>,
}

#[derive(Serialize, Deserialize)]
struct TokenRow {
    principal: String,
    grants: Vec<String>,
    expires_ms: u64,
    created: StepRow,
    revoked: Option<StepRow>,
}

const EPOCH: &[u8] = b"a/epoch";

impl View {
    /// Grows each time that who may do what changes.
    pub fn access_epoch(&self) -> u64 {
        self.access_epoch.load(Relaxed)
    }

    pub(super) fn load_access_epoch(&self) -> Result<(), ViewError> {
        let epoch = self.get(EPOCH)?.and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)));
        self.access_epoch.store(epoch.unwrap_or(0), Relaxed);
        Ok(())
    }

    pub(super) fn take_access(
        &self,
        changes: &mut BTreeMap<Vec<u8>, Vec<u8>>,
        fact: &AccessFact,
    ) -> Result<(), ViewError> {
        changes.insert(EPOCH.to_vec(), (fact.index() + 1).to_be_bytes().to_vec());
        for scope in fact.committees() {
            changes.insert(committee_key(scope), json(&(fact.index() + 1)));
        }
        match fact {
            AccessFact::Granted { principal, grant, step } => {
                changes.insert(grant_key(principal, grant), json(&GrantRow { granted: step.into(), revoked: None }));
            }
            AccessFact::Revoked { principal, grant, step } => {
                let key = grant_key(principal, grant);
                if let Some(mut row) = self.changed::<GrantRow>(changes, &key)? {
                    row.revoked = Some(step.into());
                    changes.insert(key, json(&row));
                }
            }
            AccessFact::TokenCreated { token, hash } => {
                let TokenInfo { id, principal, grants, expires_ms, created, revoked } = &**token;
                let row = TokenRow {
                    principal: principal.to_string(),
                    grants: grants.iter().map(ToString::to_string).collect(),
                    expires_ms: *expires_ms,
                    created: created.into(),
                    revoked: revoked.as_ref().map(StepRow::from),
                };
                changes.insert(token_key(id), json(&row));
                changes.insert(hash_key(hash), id.clone().into_bytes());
            }
            AccessFact::TokenRevoked { id, step } => {
                let key = token_key(id);
                if let Some(mut row) = self.changed::<TokenRow>(changes, &key)? {
                    row.revoked = Some(step.into());
                    changes.insert(key, json(&row));
                }
            }
        }
        Ok(())
    }

    /// Roles as they were given, those taken back too, in order of principal, role and namespace.
    pub fn grants(&self) -> Result<Vec<GrantInfo>, ViewError> {
        let mut found = Vec::new();
        for item in self.keys("a/g/") {
            let (key, value) = item?;
            let row: GrantRow = serde_json::from_slice(&value).map_err(|error| self.fault(error))?;
            let mut parts = key["a/g/".len()..].split('|');
            let mut part = || parts.next().unwrap_or_default();
            let (principal, role, scope) = (part().parse(), part().parse(), part().parse());
            let (Ok(principal), Ok(role), Ok(scope)) = (principal, role, scope) else {
                return Err(self.fault("a row cannot be read"));
            };
            let (granted, revoked) = (row.granted.into(), row.revoked.map(Step::from));
            found.push(GrantInfo { principal, grant: Grant { role, scope }, granted, revoked });
        }
        Ok(found)
    }

    pub fn token(&self, id: &str) -> Result<Option<TokenInfo>, ViewError> {
        let row: Option<TokenRow> = self.row(&token_key(id))?;
        row.map(|row| row.info(id).ok_or_else(|| self.fault("a row cannot be read"))).transpose()
    }

    pub fn token_by_hash(&self, hash: &Digest) -> Result<Option<TokenInfo>, ViewError> {
        let Some(id) = self.get(&hash_key(hash))? else { return Ok(None) };
        self.token(&String::from_utf8_lossy(&id))
    }

    /// Tokens, those revoked or expired too, in order of their ids.
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, ViewError> {
        let mut found = Vec::new();
        for item in self.keys("a/k/") {
            let (key, value) = item?;
            let row: TokenRow = serde_json::from_slice(&value).map_err(|error| self.fault(error))?;
            found.push(row.info(&key["a/k/".len()..]).ok_or_else(|| self.fault("a row cannot be read"))?);
        }
        Ok(found)
    }
}

impl TokenRow {
    fn info(self, id: &str) -> Option<TokenInfo> {
        Some(TokenInfo {
            id: id.into(),
            principal: self.principal.parse().ok()?,
            grants: self.grants.iter().map(|grant| grant.parse().ok()).collect::<Option<_>>()?,
            expires_ms: self.expires_ms,
            created: self.created.into(),
            revoked: self.revoked.map(Step::from),
        })
    }
}

impl From<&Step> for StepRow {
    fn from(step: &Step) -> Self {
        let Step { by, time_ms, log_index, reason } = step.clone();
        Self { by, time_ms, log_index, reason }
    }
}

impl From<StepRow> for Step {
    fn from(row: StepRow) -> Self {
        let StepRow { by, time_ms, log_index, reason } = row;
        Self { by, time_ms, log_index, reason }
    }
}

fn grant_key(principal: &Principal, grant: &Grant) -> Vec<u8> {
    format!("a/g/{principal}|{}|{}", grant.role, grant.scope).into_bytes()
}

fn token_key(id: &str) -> Vec<u8> {
    format!("a/k/{id}").into_bytes()
}

fn hash_key(hash: &Digest) -> Vec<u8> {
    [b"a/h/", hash.as_bytes().as_slice()].concat()
}
