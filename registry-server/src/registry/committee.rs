//! Who decides under a namespace is not changed over the heads of those who decide, nor is what they decided ended.
//!
//! # Invariants
//! - A committee is who approves under one namespace, with the quorum that holds there, whether it was set there or above. Where a
//!   quorum is lowered, or an approver comes or goes, every committee at or under that place is asked which it would change: as many of
//!   each must agree as its own quorum asks for; all of them, where there are fewer. Nobody is asked where nobody approves yet.
//! - A token of an approver, for whatever role, that another makes or revokes, changes the committees that the approver is in. Their
//!   agreement is not asked for the first one by which somebody approves: it comes with the role.
//! - A version ends (it is withdrawn, or deprecated with its last day) once as many of the approvers of its namespace agree as the quorum
//!   asks for: what took a quorum to publish, and others rely on, is not taken back by one manager. Where nobody approves there, it waits
//!   until somebody does, or until the quorum is lowered: by an entry of its own.
//! - What was agreed to holds for one change: it is void once that committee, or the status of that version, changes, and after
//!   [`AGREED_FOR_MS`].
//! - Whoever has the data folder in hand, with the server stopped, may set a quorum past all that, by an entry.

use super::{
    Caller, DeskError, PublishError, Registry, StoreError,
    access::{check_reason, unguessed},
    check_operation_id,
};
use guiju_model::{CommitteeChange, Date, Namespace, Principal, Role, Scope, Status};
use guiju_proto::log::{CommitteeAgreed, entry::Event};
use std::collections::BTreeSet;

/// 30 days.
const AGREED_FOR_MS: u64 = 30 * 24 * 3600 * 1000;
const CHANGE_BYTES_MAX: usize = 4096;

/// Who decides under a namespace.
struct Committee {
    namespace: Namespace,
    quorum: u32,
    /// At least one, but where a version is to end.
    members: BTreeSet<Principal>,
}

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
    /// Agrees to a change of a committee, or to the end of a version. The index of the entry, and how far the change has come.
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
        let Some(first) = committees.first() else {
            // Before it is known whether there is a committee, whoever is no approver there is told only that.
            for scope in self.scopes_of(change)? {
                if let Scope::Under(namespace) = scope {
                    self.acts(caller, Role::Approver, &namespace)?;
                }
            }
            return Err(DeskError::NothingToAgree { change: change.to_string() }.into());
        };
        let holds = |namespace: &Namespace| self.acts(caller, Role::Approver, namespace);
        if !committees.iter().any(|committee| holds(&committee.namespace).is_ok()) {
            return holds(&first.namespace);
        }
        match change.version() {
            Some((standard, version)) => {
                let info = self.known(standard, version)?;
                let (standard, version, status) = (standard.clone(), version.clone(), Status::Withdrawn);
                if info.status == status {
                    return Err(PublishError::Status { standard, version, status, wanted: status });
                }
                match change {
                    // What nobody could do any more is not agreed to.
                    CommitteeChange::End { day, .. } => {
                        let today = Date::in_china((self.clock_ms)());
                        let fault = |source| PublishError::Term { standard, version, source };
                        info.term.ending(*day, today).map(drop).map_err(fault)
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing stands against a change of a committee that somebody is about to make.
    pub(super) fn committee_agrees(&self, caller: &Caller, change: &CommitteeChange) -> Result<(), PublishError> {
        if caller.is_bootstrap() {
            return Ok(());
        }
        let what = match change.version() {
            Some(_) => "ends a version on which others may rely",
            None => "changes who decides",
        };
        for Agreement { namespace, wanted, agreed_by, .. } in self.agreements_on(change)? {
            if agreed_by.len() < wanted {
                let (change, have) = (change.to_string(), agreed_by.len());
                if self.holdings()?.1.approvers(&namespace).is_empty() {
                    return Err(DeskError::NobodyApproves { what, change, namespace, wanted }.into());
                }
                return Err(DeskError::CommitteeFirst { what, change, namespace, wanted, have }.into());
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
        let (view, now) = (self.view(), (self.clock_ms)());
        let said = view.agreed_to(&change.to_string())?;
        let used = self.used_since(change)?;
        let mut found = Vec::new();
        for Committee { namespace, quorum, members } in committees {
            let since = view.committee_since(&namespace)?.max(used);
            let holds = |name: &str| name.parse::<Principal>().is_ok_and(|name| members.contains(&name));
            let counts = said
                .iter()
                .filter(|one| one.index >= since && now.saturating_sub(one.time_ms) < AGREED_FOR_MS && holds(&one.by));
            let agreed_by: BTreeSet<String> = counts.map(|one| one.by.clone()).collect();
            let wanted = if members.is_empty() { quorum as usize } else { members.len().min(quorum as usize) };
            let (change, agreed_by) = (change.clone(), agreed_by.into_iter().collect());
            found.push(Agreement { change, namespace, wanted, agreed_by });
        }
        Ok(found)
    }

    /// The size of the log when somebody got a token from another last, or a version another status: what was agreed to of another is
    /// used up by it.
    fn used_since(&self, change: &CommitteeChange) -> Result<u64, StoreError> {
        if let Some((standard, version)) = change.version() {
            return Ok(self.view().status_since(standard, version)?);
        }
        let CommitteeChange::Token { principal, .. } = change else { return Ok(0) };
        let tokens = self.view().tokens()?.into_iter();
        let given =
            tokens.filter(|token| token.principal == *principal && token.created.by != token.principal.as_str());
        Ok(given.map(|token| token.created.log_index + 1).max().unwrap_or(0))
    }

    /// Under what a change touches committees.
    pub(super) fn scopes_of(&self, change: &CommitteeChange) -> Result<Vec<Scope>, StoreError> {
        let mut scopes = change.scopes();
        if let Some(principal) = change.token_of() {
            scopes.extend(self.holdings()?.1.seats(principal));
        }
        Ok(scopes)
    }

    /// The committees that a change touches: where a quorum holds, and would be lowered or have other approvers.
    fn committees(&self, change: &CommitteeChange) -> Result<Vec<Committee>, StoreError> {
        let (view, (_, holdings), scopes) = (self.view(), self.holdings()?, self.scopes_of(change)?);
        if let Some((standard, _)) = change.version() {
            let (namespace, quorum) = (standard.namespace().clone(), view.quorum(standard.namespace())?);
            let members = holdings.approvers(&namespace);
            // As nothing is published under a quorum that nobody can meet, nothing ends under it.
            return Ok((quorum > 0).then_some(Committee { namespace, quorum, members }).into_iter().collect());
        }
        // Who approves, and what quorum holds, differs from the namespace above only where somebody approves or a quorum was set. So
        // these are all the committees under a scope, and under any other namespace the nearest of them decides.
        let mut places = BTreeSet::new();
        for (namespace, _) in view.all_quorums()? {
            places.insert(namespace);
        }
        for scope in holdings.all_seats().chain(&scopes) {
            if let Scope::Under(namespace) = scope {
                places.insert(namespace.clone());
            }
        }
        places.retain(|place| scopes.iter().any(|scope| scope.covers(place)));
        let mut found = Vec::new();
        for namespace in places {
            let Some((set_at, quorum)) = view.quorums(&namespace)?.into_iter().next() else { continue };
            if let CommitteeChange::Quorum { namespace: changed, quorum: wanted } = change {
                let has_its_own = set_at != *changed && set_at.is_under(changed);
                if has_its_own || *wanted >= quorum {
                    continue;
                }
            }
            let members = holdings.approvers(&namespace);
            if quorum > 0 && !members.is_empty() {
                found.push(Committee { namespace, quorum, members });
            }
        }
        Ok(found)
    }

    /// Sets a quorum with the server stopped, past the committee: where too few of it are left to agree to anything.
    pub fn set_quorum_by_hand(&self, namespace: Namespace, quorum: u32, reason: String) -> Result<u64, PublishError> {
        let operation = unguessed("quorum-by-hand")?;
        self.set_quorum(&Caller::bootstrap(), operation, namespace, quorum, reason)
    }
}
