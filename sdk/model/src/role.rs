//! Who may do what: principals, roles, and the namespaces on which a role is held.

use crate::{IdError, Namespace};
use std::{fmt, str::FromStr};

crate::words::words!(
    /// What a principal may do under a namespace.
    Role, "role", {
        /// Reads what is published.
        Reader = "reader",
        /// Checks records, says what it uses.
        Agency = "agency",
        /// Proposes versions.
        Author = "author",
        /// Approves what others propose.
        Approver = "approver",
        /// Publishes, deprecates, withdraws; grants roles and takes them back.
        Manager = "manager",
        /// Runs the registry: health, counters, back-ups. Has no part in what is published.
        Operator = "operator",
        /// Reads everything, drafts and denials too, and changes nothing.
        Auditor = "auditor",
    }
);

impl Role {
    /// Whether whoever holds this role may do what `other` may.
    pub fn implies(self, other: Self) -> bool {
        use Role::*;
        self == other
            || match self {
                Agency | Auditor => other == Reader,
                Author | Approver | Manager => matches!(other, Reader | Agency),
                Reader | Operator => false,
            }
    }

    /// Whether no one may hold both, on whatever namespaces: who runs the registry does not decide what stands in it (管运分离).
    pub fn excludes(self, other: Self) -> bool {
        let decides = |role| matches!(role, Self::Author | Self::Approver | Self::Manager);
        (self == Self::Operator && decides(other)) || (other == Self::Operator && decides(self))
    }

    /// Whether drafts under the role's namespaces are shown.
    pub fn sees_drafts(self) -> bool {
        matches!(self, Self::Author | Self::Approver | Self::Manager | Self::Auditor)
    }
}

/// Where a role is held: a namespace with all under it, or `*` for every namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    All,
    Under(Namespace),
}

impl Scope {
    pub fn covers(&self, namespace: &Namespace) -> bool {
        match self {
            Self::All => true,
            Self::Under(prefix) => namespace.is_under(prefix),
        }
    }

    /// Whether all that `other` covers is covered.
    pub fn contains(&self, other: &Self) -> bool {
        match other {
            Self::All => *self == Self::All,
            Self::Under(namespace) => self.covers(namespace),
        }
    }
}

impl FromStr for Scope {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "*" { Ok(Self::All) } else { text.parse().map(Self::Under) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Under(namespace) => namespace.fmt(f),
        }
    }
}

/// A role on a namespace: `manager:bj.population`, `auditor:*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    pub role: Role,
    pub scope: Scope,
}

impl Grant {
    /// Whether it lets its holder act in a role on a namespace.
    pub fn allows(&self, role: Role, namespace: &Namespace) -> bool {
        self.role.implies(role) && self.scope.covers(namespace)
    }
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((role, scope)) = text.split_once(':') else {
            return Err(format!(
                "`{text}` is not a role on a namespace: write for example manager:bj.population or auditor:*"
            ));
        };
        let role = role.parse().map_err(|error: crate::WordError| error.to_string())?;
        Ok(Self { role, scope: scope.parse().map_err(|error: IdError| error.to_string())? })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.role, self.scope)
    }
}

/// Who acts: a person or a program, by a name that the log keeps.
///
/// 1 to 200 of `A-Z a-z 0-9 . _ - @ : / + = ,`, beginning with a letter or digit. `li.wei` is known by a token,
/// `cert:gateway.bj.example` by a certificate, `sso:8842` by the name that an issuer gives it.
///
/// ```
/// use guiju_model::Principal;
/// let principal: Principal = "li.wei".parse()?;
/// assert_eq!(principal.as_str(), "li.wei");
/// assert!("李伟".parse::<Principal>().is_err());
/// # Ok::<(), guiju_model::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(Box<str>);

impl Principal {
    /// Whoever reaches a registry in which nobody holds a role.
    pub fn open() -> Self {
        Self("open".into())
    }

    /// Whoever shows no credentials, and everybody else besides: what is granted to it is for all.
    pub fn anyone() -> Self {
        Self("anyone".into())
    }

    /// The command that gives the first manager its role.
    pub fn bootstrap() -> Self {
        Self("bootstrap".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the registry itself uses the name, so that no credentials can be for it.
    pub fn is_reserved(&self) -> bool {
        matches!(&*self.0, "open" | "anyone" | "bootstrap")
    }
}

impl FromStr for Principal {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@:/+=,".contains(&byte);
        let why = match text.as_bytes() {
            [] => "it is empty",
            bytes if bytes.len() > 200 => "it holds at most 200 bytes",
            [first, ..] if !first.is_ascii_alphanumeric() => "it begins with a letter or digit",
            bytes if !bytes.iter().all(|byte| plain(*byte)) => "it is made of A-Z a-z 0-9 . _ - @ : / + = ,",
            _ => return Ok(Self(text.into())),
        };
        Err(IdError::new(text, "principal", why))
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A step about who may do what: by whom, when, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub by: String,
    pub time_ms: u64,
    pub log_index: u64,
    pub reason: String,
}

/// A role that a principal holds or held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantInfo {
    pub principal: Principal,
    pub grant: Grant,
    pub granted: Step,
    pub revoked: Option<Step>,
}

/// A token, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// 16 hexadecimal digits.
    pub id: String,
    pub principal: Principal,
    /// All that it may be used for.
    pub grants: Vec<Grant>,
    pub expires_ms: u64,
    pub created: Step,
    pub revoked: Option<Step>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_the_registry_decides_nothing_in_it() {
        for role in Role::ALL {
            let decides = matches!(role, Role::Author | Role::Approver | Role::Manager);
            assert_eq!((role.excludes(Role::Operator), Role::Operator.excludes(*role)), (decides, decides), "{role}");
            assert!(role.implies(*role) && (!Role::Operator.implies(*role) || *role == Role::Operator), "{role}");
        }
    }

    #[test]
    fn a_grant_covers_its_namespace_and_all_under_it() {
        let namespace = |text: &str| text.parse::<Namespace>().unwrap();
        let grant: Grant = "manager:bj.population".parse().unwrap();
        assert_eq!(grant.to_string(), "manager:bj.population");
        assert!(grant.allows(Role::Reader, &namespace("bj.population.census")));
        assert!(
            !grant.allows(Role::Manager, &namespace("bj")) && !grant.allows(Role::Author, &namespace("bj.population"))
        );
        let all: Scope = "*".parse().unwrap();
        assert!(all.contains(&grant.scope) && !grant.scope.contains(&all) && all.contains(&all));
        assert!("manager".parse::<Grant>().is_err() && "king:bj".parse::<Grant>().is_err());
    }

    #[test]
    fn a_wrong_principal_says_why() {
        let long = "a".repeat(201);
        for (text, why) in
            [("", "empty"), ("-a", "begins with"), ("a b", "made of"), ("李", "begins with"), (&long, "200")]
        {
            let error = text.parse::<Principal>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!("cert:CN=a/b".parse::<Principal>().unwrap().to_string(), "cert:CN=a/b");
    }
}
