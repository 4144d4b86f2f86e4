//! What a committee agrees to: changes of who decides under a namespace, and the end of what it decided.

use crate::{Date, Grant, IdError, Namespace, Principal, Role, Scope, StandardId};
use semver::Version;
use std::{fmt, str::FromStr};

/// A change of a committee, or of what it decided, to which the committee agrees before a manager makes it.
///
/// ```
/// use guiju_model::CommitteeChange;
/// let change: CommitteeChange = "grant li.wei approver:bj.water".parse()?;
/// assert_eq!(change.to_string(), "grant li.wei approver:bj.water");
/// assert!("grant li.wei reader:bj.water".parse::<CommitteeChange>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitteeChange {
    /// So many approvals are asked for from then on.
    Quorum { namespace: Namespace, quorum: u32 },
    /// An approver more.
    Grant { principal: Principal, grant: Grant },
    /// An approver less.
    Revoke { principal: Principal, grant: Grant },
    /// A token of somebody who is an approver, or by which it acts as one, made by another; with all that it is for, in order.
    Token { principal: Principal, grants: Vec<Grant> },
    /// The end of a token of an approver, by another.
    RevokeToken { principal: Principal, id: String },
    /// No reference means a version any more.
    Withdraw { standard: StandardId, version: Version },
    /// From a day on a version governs no more.
    End { standard: StandardId, version: Version, day: Date },
}

impl CommitteeChange {
    /// Under what approvers come or go, a quorum changes or a version ends, as far as the change itself says it: what is done to a token
    /// touches whatever its principal approves, too.
    pub fn scopes(&self) -> Vec<Scope> {
        let of = |grants: &[Grant]| {
            let approvers = grants.iter().filter(|grant| grant.role == Role::Approver);
            approvers.map(|grant| grant.scope.clone()).collect()
        };
        match self {
            Self::Quorum { namespace, .. } => vec![Scope::Under(namespace.clone())],
            Self::Grant { grant, .. } | Self::Revoke { grant, .. } => of(std::slice::from_ref(grant)),
            Self::Token { grants, .. } => of(grants),
            Self::RevokeToken { .. } => Vec::new(),
            Self::Withdraw { standard, .. } | Self::End { standard, .. } => {
                vec![Scope::Under(standard.namespace().clone())]
            }
        }
    }

    /// The version that it ends.
    pub fn version(&self) -> Option<(&StandardId, &Version)> {
        match self {
            Self::Withdraw { standard, version } | Self::End { standard, version, .. } => Some((standard, version)),
            _ => None,
        }
    }

    /// Whose token it is about.
    pub fn token_of(&self) -> Option<&Principal> {
        match self {
            Self::Token { principal, .. } | Self::RevokeToken { principal, .. } => Some(principal),
            _ => None,
        }
    }
}

impl FromStr for CommitteeChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let why = || {
            format!(
                "`{text}` is nothing that a committee agrees to: write `quorum NAMESPACE NUMBER`, `grant NAME approver:NAMESPACE`, \
                 `revoke NAME approver:NAMESPACE`, `token NAME ROLE:NAMESPACE` with all else that the token is for, \
                 `revoke-token NAME ID`, `withdraw STANDARD@=VERSION`, or `end STANDARD@=VERSION DAY`"
            )
        };
        let plain = |error: IdError| error.to_string();
        let version = |text: &str| {
            let (standard, version) = text.split_once("@=").ok_or_else(why)?;
            Ok::<_, String>((standard.parse().map_err(plain)?, version.parse().map_err(|_| why())?))
        };
        let mut words = text.split(' ');
        let (verb, name) = (words.next().unwrap_or_default(), words.next().ok_or_else(why)?);
        let rest: Vec<&str> = words.collect();
        let change = match (verb, rest.as_slice()) {
            ("quorum", [number]) => {
                let quorum = number.parse().map_err(|_| why())?;
                Self::Quorum { namespace: name.parse().map_err(plain)?, quorum }
            }
            ("grant", [grant]) => Self::Grant { principal: name.parse().map_err(plain)?, grant: grant.parse()? },
            ("revoke", [grant]) => Self::Revoke { principal: name.parse().map_err(plain)?, grant: grant.parse()? },
            ("token", grants @ [_, ..]) => {
                let mut grants: Vec<Grant> = grants.iter().map(|grant| grant.parse()).collect::<Result<_, _>>()?;
                grants.sort();
                grants.dedup();
                Self::Token { principal: name.parse().map_err(plain)?, grants }
            }
            ("revoke-token", [id]) if is_id(id) => {
                Self::RevokeToken { principal: name.parse().map_err(plain)?, id: (*id).to_owned() }
            }
            ("withdraw", []) => {
                let (standard, version) = version(name)?;
                Self::Withdraw { standard, version }
            }
            ("end", [day]) => {
                let (standard, version) = version(name)?;
                Self::End { standard, version, day: day.parse().map_err(|_| why())? }
            }
            _ => return Err(why()),
        };
        if change.scopes().is_empty() && change.token_of().is_none() { Err(why()) } else { Ok(change) }
    }
}

/// As ids of tokens are spelled.
fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for CommitteeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quorum { namespace, quorum } => write!(f, "quorum {namespace} {quorum}"),
            Self::Grant { principal, grant } => write!(f, "grant {principal} {grant}"),
            Self::Revoke { principal, grant } => write!(f, "revoke {principal} {grant}"),
            Self::Token { principal, grants } => {
                write!(f, "token {principal}")?;
                grants.iter().try_for_each(|grant| write!(f, " {grant}"))
            }
            Self::RevokeToken { principal, id } => write!(f, "revoke-token {principal} {id}"),
            Self::Withdraw { standard, version } => write!(f, "withdraw {standard}@={version}"),
            Self::End { standard, version, day } => write!(f, "end {standard}@={version} {day}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_one_spelling() {
        let token: CommitteeChange = "token li reader:bj approver:bj.water reader:bj".parse().unwrap();
        assert_eq!(token.to_string(), "token li reader:bj approver:bj.water");
        for text in [
            "quorum bj.water 0",
            "grant li approver:*",
            "revoke li approver:bj",
            "token li approver:bj",
            "token li reader:bj",
            "revoke-token li 0123456789abcdef",
            "withdraw bj.water/meter@=1.0.0-rc.1",
            "end bj.water/meter@=1.0.0 2099-01-01",
        ] {
            assert_eq!(text.parse::<CommitteeChange>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "quorum bj",
            "quorum bj x",
            "grant li manager:bj",
            "token li",
            "revoke-token li 12",
            "revoke-token li 0123456789ABCDEF",
            "give li approver:bj",
            "grant  li approver:bj",
            "withdraw bj.water/meter",
            "withdraw bj.water/meter@^1",
            "end bj.water/meter@=1.0.0",
            "end bj.water/meter@=1.0.0 2099-02-30",
        ] {
            assert!(text.parse::<CommitteeChange>().is_err(), "{text}");
        }
    }
}
