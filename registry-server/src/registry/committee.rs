//! Who decides under a namespace is not changed over the heads of those who decide.
//!
//! # Invariants
//! - Where a quorum holds, it is lowered, and an approver is added, taken away, or given a token by another, only once as many
//!   approvers have agreed as it asks for; all of them, where there are fewer. The first token of an approver comes with the role.
//! - What was agreed to holds for one change: it is void once that committee changes, and after [`AGREED_FOR_MS`].
//! - Whoever has the data folder in hand, with the server stopped, may set a quorum past all that, by an entry.

use super::{Caller, DeskError, PublishError, Registry, StoreError, access::check_reason, check_operation_id};
use guiju_model::{CommitteeChange, Namespace, Principal, Role, Scope};
use guiju_proto::log::{CommitteeAgreed, entry::Event};
use std::collections::BTreeSet;

/// 30 days.
const AGREED_FOR_MS: u64 = 30 * 24 * 3600 * 1000;
const CHANGE_BYTES_MAX: usize = 4096;

/// How far a change has come with one committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub change: CommitteeChange,
    /// Where the committee decides.
    pub namespace: Namespace,
    /// How many of its approvers must agree.
    pub wanted: usize,
    pub agreed_by: Vec<String>,
}

impl Registry {
    /// Agrees to a change of a committee. The index of the entry, and how far the change has come.
    pub fn agree(
        &self,
        caller: &Caller,
        operation_id: String,
        change: CommitteeChange,
        reason: String,
    ) -> Result<(u64, Vec<Agreement>), PublishError> {
        check_operation_id(&operation_id)?;
        check_reason(&reason)?;
        let text = change.to_string();
        if text.len() > CHANGE_BYTES_MAX {
            return Err(DeskError::TooMuch { what: "change, in bytes,", max: CHANGE_BYTES_MAX }.into());
        }
        let event = Event::CommitteeAgreed(CommitteeAgreed { change: text, reason });
        let (caller_then, change_then) = (caller.clone(), change.clone());
        let admit = move |registry: &Self| registry.may_agree(&caller_then, &change_then);
        let index = self.step(caller, operation_id, event, Vec::new(), admit)?;
        Ok((index, self.agreements_on(&change)?))
    }

    fn may_agree(&self, caller: &Caller, change: &CommitteeChange) -> Result<(), PublishError> {
        let committees = self.committees(change)?;
        let Some((first, _)) = committees.first() else {
            // Before it is known whether there is a committee, whoever is no approver there is told only that.
            for scope in change.scopes() {
                if let Scope::Under(namespace) = scope {
                    self.acts(caller, Role::Approver, &namespace)?;
                }
            }
            return Err(DeskError::NothingToAgree { change: change.to_string() }.into());
        };
        let holds = |namespace: &Namespace| self.acts(caller, Role::Approver, namespace);
        match committees.iter().any(|(namespace, _)| holds(namespace).is_ok()) {
            true => Ok(()),
            false => holds(first),
        }
    }

    /// Whether nothing stands against a change of a committee that somebody is about to make.
    pub(super) fn committee_agrees(&self, caller: &Caller, change: &CommitteeChange) -> Result<(), PublishError> {
        if caller.is_bootstrap() {
            return Ok(());
        }
        for Agreement { namespace, wanted, agreed_by, .. } in self.agreements_on(change)? {
            if agreed_by.len() < wanted {
                let (change, have) = (change.to_string(), agreed_by.len());
                return Err(DeskError::CommitteeFirst { change, namespace, wanted, have }.into());
            }
        }
        Ok(())
    }

    /// Changes that were agreed to and not made, of committees whose drafts a caller may see.
    pub fn agreements(&self, caller: &Caller) -> Result<Vec<Agreement>, PublishError> {
        let mut found = Vec::new();
        for change in self.view().changes_agreed_to()? {
            let Ok(change) = change.parse() else { continue };
            let open = self.agreements_on(&change)?.into_iter();
            let is_told = |one: &Agreement| !one.agreed_by.is_empty() && caller.may_see_drafts(&one.namespace);
            found.extend(open.filter(is_told));
        }
        Ok(found)
    }

    fn agreements_on(&self, change: &CommitteeChange) -> Result<Vec<Agreement>, PublishError> {
        let committees = self.committees(change)?;
        if committees.is_empty() {
            return Ok(Vec::new());
        }
        let ((_, holdings), view, now) = (self.holdings()?, self.view(), (self.clock_ms)());
        let said = view.agreed_to(&change.to_string())?;
        let mut found = Vec::new();
        for (namespace, quorum) in committees {
            let (since, members) = (view.committee_since(&namespace)?, holdings.approvers(&namespace));
            let holds = |name: &str| name.parse::<Principal>().is_ok_and(|name| members.contains(&name));
            let counts = said
                .iter()
                .filter(|one| one.index >= since && now.saturating_sub(one.time_ms) < AGREED_FOR_MS && holds(&one.by));
            let agreed_by: BTreeSet<String> = counts.map(|one| one.by.clone()).collect();
            let wanted = members.len().min(quorum as usize);
            found.push(Agreement {
                change: change.clone(),
                namespace,
                wanted,
                agreed_by: agreed_by.into_iter().collect(),
            });
        }
        Ok(found)
    }

    /// The committees that a change touches, each with its quorum: where a quorum holds, and would be lowered or have other approvers.
    fn committees(&self, change: &CommitteeChange) -> Result<Vec<(Namespace, u32)>, StoreError> {
        let view = self.view();
        if let CommitteeChange::Quorum { namespace, quorum } = change {
            let now = view.quorum(namespace)?;
            return Ok(if *quorum < now { vec![(namespace.clone(), now)] } else { Vec::new() });
        }
        let (mut found, all) = (Vec::new(), view.all_quorums()?);
        for scope in change.scopes() {
            if let Scope::Under(namespace) = &scope {
                found.push((namespace.clone(), view.quorum(namespace)?));
            }
            found.extend(all.iter().filter(|(namespace, _)| scope.covers(namespace)).cloned());
        }
        found.retain(|(_, quorum)| *quorum > 0);
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Sets a quorum with the server stopped, past the committee: where too few of it are left to agree to anything.
    pub fn set_quorum_by_hand(&self, namespace: Namespace, quorum: u32, reason: String) -> Result<u64, PublishError> {
        let operation = format!("quorum-by-hand-{}", self.sizes().0);
        self.set_quorum(&Caller::bootstrap(), operation, namespace, quorum, reason)
    }
}
