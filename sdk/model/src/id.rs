//! Names. A namespace says who answers for a name, a name says what it is.

use std::{fmt, str::FromStr, sync::Arc};

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what}: {why}")]
pub struct IdError {
    given: String,
    what: &'static str,
    why: &'static str,
}

impl IdError {
    pub(crate) fn new(given: &str, what: &'static str, why: &'static str) -> Self {
        Self { given: given.into(), what, why }
    }
}

/// Dotted labels that say who answers for a name: `cn.gb`, `bj.population`. Cheap to clone, since every report names a standard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

/// One label: `person`, `gbt-2260`. As cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// The name of a standard: `namespace/name`, for example `bj.house/building`.
///
/// Labels are lower-case ASCII letters, digits and hyphens, begin with a letter, and hold at most 63 bytes; a namespace
/// has at most 8 of them.
///
/// ```
/// use guiju_model::StandardId;
/// let id: StandardId = "bj.house/building".parse()?;
/// assert_eq!(id.namespace().as_str(), "bj.house");
/// assert!("bj.house".parse::<StandardId>().is_err());
/// # Ok::<(), guiju_model::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StandardId {
    namespace: Namespace,
    name: Name,
}

impl Namespace {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this namespace is `prefix` or lies under it: `bj.population` lies under `bj`.
    pub fn is_under(&self, prefix: &Namespace) -> bool {
        self.0.strip_prefix(&*prefix.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const BARE: (&str, &str) = ("schema", "bare");

impl StandardId {
    pub fn new(namespace: Namespace, name: Name) -> Self {
        Self { namespace, name }
    }

    /// What stands for the name of a schema or code list that is no registered standard. It is not shown to people.
    pub fn bare() -> Self {
        Self { namespace: Namespace(BARE.0.into()), name: Name(BARE.1.into()) }
    }

    pub fn is_bare(&self) -> bool {
        (&*self.namespace.0, &*self.name.0) == BARE
    }

    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub fn name(&self) -> &Name {
        &self.name
    }
}

fn label_fault(label: &str) -> Option<&'static str> {
    let mut bytes = label.bytes();
    match bytes.next() {
        None => Some("a label is empty"),
        Some(first) if !first.is_ascii_lowercase() => Some("each label begins with a lower-case letter"),
        Some(_) if label.len() > 63 => Some("a label holds at most 63 bytes"),
        Some(_) if !bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') => {
            Some("labels are lower-case ASCII letters, digits and hyphens")
        }
        Some(_) => None,
    }
}

impl FromStr for Namespace {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fault = match text.split('.').count() {
            0..=8 => text.split('.').find_map(label_fault),
            _ => Some("it has at most 8 labels"),
        };
        match fault {
            None => Ok(Self(text.into())),
            Some(why) => Err(IdError { given: text.into(), what: "namespace", why }),
        }
    }
}

impl FromStr for Name {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match label_fault(text) {
            None => Ok(Self(text.into())),
            Some(why) => Err(IdError { given: text.into(), what: "name", why }),
        }
    }
}

impl FromStr for StandardId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let Some((namespace, name)) = text.split_once('/') else {
            let why = "write namespace/name, for example bj.population/person";
            return Err(IdError { given: text.into(), what: "standard", why });
        };
        Ok(Self { namespace: namespace.parse()?, name: name.parse()? })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for StandardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for text in ["a/b", "cn.gb/gbt-2260", "bj.population/person", "a1.b-2.c/d-e-9"] {
            assert_eq!(text.parse::<StandardId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_name_says_why() {
        let long = "a".repeat(64);
        let deep = "a.".repeat(8) + "a/b";
        for (text, why) in [
            ("person", "write namespace/name"),
            ("/person", "a label is empty"),
            ("bj./person", "a label is empty"),
            ("bj/", "a label is empty"),
            ("Bj/person", "begins with a lower-case letter"),
            ("bj/1person", "begins with a lower-case letter"),
            ("bj/per_son", "lower-case ASCII letters, digits and hyphens"),
            ("bj/a/b", "lower-case ASCII letters, digits and hyphens"),
            ("北京/person", "begins with a lower-case letter"),
            (&format!("bj/{long}"), "at most 63 bytes"),
            (&deep, "at most 8 labels"),
        ] {
            let error = text.parse::<StandardId>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_namespace_lies_under_its_whole_labels_only() {
        let namespace = |text: &str| text.parse::<Namespace>().unwrap();
        assert!(namespace("bj.population").is_under(&namespace("bj")));
        assert!(namespace("bj").is_under(&namespace("bj")));
        assert!(!namespace("bjx.population").is_under(&namespace("bj")));
        assert!(!namespace("bj").is_under(&namespace("bj.population")));
    }
}
