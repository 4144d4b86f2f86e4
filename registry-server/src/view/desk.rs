//! The committee's desk: proposals, quorums, and who uses what.

use super::{View, ViewError, json};
use guiju_model::{Digest, Namespace, Scope, StandardId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an entry about the desk means.
#[derive(Clone, Debug)]
pub enum DeskFact {
    Stepped {
        proposal: u64,
        step: Box<Step>,
        /// Of what was drafted: the version's name, its standard.toml, and its days as they were said.
        draft: Option<Box<Draft>>,
        /// The blobs that it names: what was drafted, and what was said.
        documents: Vec<Digest>,
    },
    Quorum {
        index: u64,
        namespace: Namespace,
        quorum: u32,
    },
    Agreed {
        change: String,
        agreed: Agreed,
    },
    Used {
        principal: String,
        /// Standard and version.
        uses: Vec<(String, String)>,
    },
}

/// That somebody has agreed to a change of a committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    pub by: String,
    pub index: u64,
    pub time_ms: u64,
}

/// A version that is to be decided on, as its last draft has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub standard: String,
    pub version: String,
    /// Digest of standard.toml.
    pub metadata: String,
    pub effective_from: String,
    pub effective_to: String,
    pub grace_until: String,
    /// Digest of why what cannot be decided breaks nobody.
    pub waive: Option<String>,
}

/// A proposal with all that became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub id: u64,
    pub stage: Stage,
    pub draft: Draft,
    /// Of the draft's manifest; from review on of the version's.
    pub digest: String,
    pub authors: Vec<String>,
    /// Approvals that were asked for when it was submitted.
    pub quorum_then: u32,
    pub steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    Draft,
    /// Frozen. Whether it is approved follows from the quorum and the roles of the day.
    Review,
    Published,
    Rejected,
    Withdrawn,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Review => "review",
            Self::Published => "published",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub fn has_ended(self) -> bool {
        matches!(self, Self::Published | Self::Rejected | Self::Withdrawn)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub index: u64,
    pub time_ms: u64,
    pub by: String,
    pub what: Deed,
    /// Digest of what was said.
    pub text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    Drafted {
        digest: String,
        /// Digest of all that the other does not cover: standard.toml, days, and what is waived.
        terms: String,
    },
    /// With the digest of what was waived.
    Submitted {
        digest: String,
        waived: Option<String>,
    },
    Commented {
        file: String,
        pointer: String,
        is_objection: bool,
    },
    Answered {
        comment: u64,
    },
    Approved {
        digest: String,
    },
    Rejected,
    Withdrawn,
    Published {
        reason: String,
    },
}

impl Proposal {
    /// Index of the step by which it came into review, as it is now.
    pub fn submitted(&self) -> Option<u64> {
        let last = self.steps.iter().rfind(|step| matches!(step.what, Deed::Drafted { .. } | Deed::Submitted { .. }));
        last.filter(|step| matches!(step.what, Deed::Submitted { .. })).map(|step| step.index)
    }

    /// Indices of the comments that nobody has answered.
    pub fn unanswered(&self) -> impl Iterator<Item = u64> {
        let is_answered =
            |index| self.steps.iter().any(|step| matches!(step.what, Deed::Answered { comment } if comment == index));
        let comments = self.steps.iter().filter(|step| matches!(step.what, Deed::Commented { .. }));
        comments.map(|step| step.index).filter(move |index| !is_answered(*index))
    }

    /// Whether the same files were in review before under other terms: a digest alone does not say which was read.
    pub fn is_ambiguous(&self) -> bool {
        let (mut draft, mut read) = (None, Vec::new());
        for step in &self.steps {
            match &step.what {
                Deed::Drafted { digest, terms } => draft = Some((digest, terms)),
                Deed::Submitted { .. } => read.extend(draft),
                _ => {}
            }
        }
        read.iter().any(|(digest, terms)| draft.is_some_and(|last| last.0 == *digest && last.1 != *terms))
    }

    /// Who has approved what is in review, once each, and no author.
    pub fn approvers(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        // What was approved before is void, even where a new draft has the old one's bytes.
        let since = self.steps.iter().rposition(|step| matches!(step.what, Deed::Drafted { .. })).unwrap_or(0);
        for step in &self.steps[since..] {
            let counts = matches!(&step.what, Deed::Approved { digest } if *digest == self.digest);
            if counts && !self.authors.contains(&step.by) && !found.contains(&step.by.as_str()) {
                found.push(&step.by);
            }
        }
        found
    }

    fn take(&mut self, step: Step) {
        match &step.what {
            Deed::Drafted { digest, .. } => {
                (self.stage, self.digest) = (Stage::Draft, digest.clone());
                if !self.authors.contains(&step.by) {
                    self.authors.push(step.by.clone());
                }
            }
            Deed::Submitted { digest, .. } => (self.stage, self.digest) = (Stage::Review, digest.clone()),
            Deed::Rejected => self.stage = Stage::Rejected,
            Deed::Withdrawn => self.stage = Stage::Withdrawn,
            Deed::Published { .. } => self.stage = Stage::Published,
            Deed::Commented { .. } | Deed::Answered { .. } | Deed::Approved { .. } => {}
        }
        self.steps.push(step);
    }
}

impl View {
    pub(super) fn take_desk(&self, changes: &mut BTreeMap<Vec<u8>, Vec<u8>>, fact: &DeskFact) -> Result<(), ViewError> {
        match fact {
            DeskFact::Stepped { proposal: id, step, draft, documents } => {
                let (key, step) = (proposal_key(*id), Step::clone(step));
                let is_submitted = matches!(step.what, Deed::Submitted { .. });
                let known: Option<Proposal> = self.changed(changes, &key)?;
                let mut proposal = match (known, draft) {
                    (Some(mut known), draft) => {
                        if let Some(draft) = draft {
                            known.draft = Draft::clone(draft);
                        }
                        known.take(step);
                        known
                    }
                    (None, Some(draft)) => {
                        let (authors, steps, digest, quorum_then) = Default::default();
                        let draft = Draft::clone(draft);
                        let mut new =
                            Proposal { id: *id, stage: Stage::Draft, draft, digest, authors, quorum_then, steps };
                        new.take(step);
                        new
                    }
                    (None, None) => return Ok(()),
                };
                let (namespace, _) = proposal.draft.standard.rsplit_once('/').unwrap_or_default();
                let namespace = namespace.to_owned();
                if is_submitted && let Ok(place) = namespace.parse() {
                    proposal.quorum_then =
                        self.quorums_in(changes, &place)?.first().map_or(0, |(_, quorum): &(Namespace, u32)| *quorum);
                }
                changes.insert(key, json(&proposal));
                changes.insert(place_key(*id), json(&namespace));
                self.name_documents(changes, documents, Some(&namespace))?;
            }
            DeskFact::Quorum { index, namespace, quorum } => {
                changes.insert(format!("q/{namespace}").into_bytes(), json(quorum));
                changes.insert(committee_key(&Scope::Under(namespace.clone())), json(&(index + 1)));
            }
            DeskFact::Agreed { change, agreed } => {
                let key = format!("c/{change}").into_bytes();
                let mut all: Vec<Agreed> = self.changed(changes, &key)?.unwrap_or_default();
                // Who says it again says it anew.
                all.retain(|known| known.by != agreed.by);
                all.push(agreed.clone());
                changes.insert(key, json(&all));
            }
            DeskFact::Used { principal, uses } => {
                let key = format!("u/{principal}").into_bytes();
                changes.insert(key, json(uses));
            }
        }
        Ok(())
    }

    pub fn proposal(&self, id: u64) -> Result<Option<Proposal>, ViewError> {
        self.row(&proposal_key(id))
    }

    /// Proposals that are wanted, newest first, at most `count`.
    pub fn proposals(&self, count: usize, keep: impl Fn(&Proposal) -> bool) -> Result<Vec<Proposal>, ViewError> {
        let mut found = Vec::new();
        for item in self.items(self.db.range(b"p/".to_vec()..b"p0".to_vec())) {
            let (_, value) = item?;
            let proposal: Proposal = serde_json::from_slice(&value).map_err(|error| self.fault(error))?;
            if keep(&proposal) {
                found.push(proposal);
            }
        }
        found.reverse();
        found.truncate(count);
        Ok(found)
    }

    /// How many must approve under a namespace: what was said of the nearest namespace at or above it; 0 where nothing was.
    pub fn quorum(&self, namespace: &Namespace) -> Result<u32, ViewError> {
        Ok(self.quorums(namespace)?.first().map_or(0, |(_, quorum)| *quorum))
    }

    /// What was said of a namespace and of those above it, the nearest first.
    pub fn quorums(&self, namespace: &Namespace) -> Result<Vec<(Namespace, u32)>, ViewError> {
        self.quorums_in(&BTreeMap::new(), namespace)
    }

    fn quorums_in(
        &self,
        changes: &BTreeMap<Vec<u8>, Vec<u8>>,
        namespace: &Namespace,
    ) -> Result<Vec<(Namespace, u32)>, ViewError> {
        let (mut found, mut name) = (Vec::new(), Some(namespace.as_str()));
        while let Some(here) = name {
            let quorum = self.changed(changes, format!("q/{here}").as_bytes())?;
            if let (Some(quorum), Ok(place)) = (quorum, here.parse()) {
                found.push((place, quorum));
            }
            name = here.rsplit_once('.').map(|(above, _)| above);
        }
        Ok(found)
    }

    /// All that was said of how many must approve.
    pub fn all_quorums(&self) -> Result<Vec<(Namespace, u32)>, ViewError> {
        let mut found = Vec::new();
        for item in self.keys("q/") {
            let (key, value) = item?;
            let quorum = serde_json::from_slice(&value).map_err(|error| self.fault(error))?;
            found.extend(key[2..].parse().ok().map(|namespace| (namespace, quorum)));
        }
        Ok(found)
    }

    /// Who has agreed to a change of a committee, whether or not that still holds.
    pub fn agreed_to(&self, change: &str) -> Result<Vec<Agreed>, ViewError> {
        Ok(self.row(format!("c/{change}").as_bytes())?.unwrap_or_default())
    }

    /// Changes that anybody ever agreed to.
    pub fn changes_agreed_to(&self) -> Result<Vec<String>, ViewError> {
        self.keys("c/").map(|item| item.map(|(key, _)| key[2..].to_owned())).collect()
    }

    /// The size of the log when the committee of a namespace changed last: who is in it, or how many must approve.
    pub fn committee_since(&self, namespace: &Namespace) -> Result<u64, ViewError> {
        let (mut since, place) = (0, Scope::Under(namespace.clone()));
        for item in self.keys("e/") {
            let (key, value) = item?;
            let size: u64 = serde_json::from_slice(&value).map_err(|error| self.fault(error))?;
            let touches = |scope: Scope| scope.covers(namespace) || place.contains(&scope);
            if key[2..].parse().is_ok_and(touches) {
                since = since.max(size);
            }
        }
        Ok(since)
    }

    /// The namespace of a proposal. As little is read to say it as that there is none.
    pub fn place_of_proposal(&self, id: u64) -> Result<Option<String>, ViewError> {
        self.row(&place_key(id))
    }

    /// Who said that it uses a standard, and which version.
    pub fn users(&self, standard: &StandardId) -> Result<Vec<(String, String)>, ViewError> {
        let standard = standard.to_string();
        let mut found = Vec::new();
        for item in self.keys("u/") {
            let (key, value) = item?;
            let uses: Vec<(String, String)> = serde_json::from_slice(&value).map_err(|error| self.fault(error))?;
            let versions = uses.into_iter().filter(|(used, _)| *used == standard).map(|(_, version)| version);
            found.extend(versions.map(|version| (key[2..].to_owned(), version)));
        }
        Ok(found)
    }
}

/// Where the index after the last change of a committee is kept.
pub(super) fn committee_key(scope: &Scope) -> Vec<u8> {
    format!("e/{scope}").into_bytes()
}

fn place_key(id: u64) -> Vec<u8> {
    format!("n/{id:020}").into_bytes()
}

/// Numbers of one length, so that their order is that of the rows.
fn proposal_key(id: u64) -> Vec<u8> {
    format!("p/{id:020}").into_bytes()
}
