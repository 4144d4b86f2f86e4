//! Which log is trusted, and how many witnesses must have seen a checkpoint: the file of C2SP tlog-policy.
//!
//! ```text
//! log example.org/log+9c1f5d6e+AbCd…
//! witness city city.example.org/w+11a0b3c2+BEfg… https://city.example.org
//! witness district district.example.org/w+5566aa77+BHij…
//! group both 2 city district
//! quorum both
//! ```

use crate::{KeyKind, Note, NoteError, VerifierKey};
use std::{collections::BTreeSet, str::FromStr};

const POLICY_BYTES_MAX: usize = 64 << 10;

/// Logs, witnesses and a quorum over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    members: Vec<(String, Member)>,
    /// An index into `members`; none where no witness is asked for.
    quorum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    /// Its key, and where it is asked.
    Witness(Box<VerifierKey>, Option<String>),
    /// How many of which earlier members.
    Group(usize, Vec<usize>),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    #[error("the policy has more than {POLICY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("line {line} of the policy: {why}")]
    Line { line: usize, why: String },
    #[error("the policy has no quorum; write `quorum none` where no witness is asked for")]
    NoQuorum,
}

impl Policy {
    /// One log, and no witnesses.
    pub fn of_log(key: VerifierKey) -> Self {
        Self { logs: vec![key], members: Vec::new(), quorum: None }
    }

    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Whether witnesses are asked for.
    pub fn has_quorum(&self) -> bool {
        self.quorum.is_some()
    }

    /// Every witness by the policy's name for it, with its key, and the address where it is asked if there is one.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &VerifierKey, Option<&str>)> {
        self.members.iter().filter_map(|(name, member)| match member {
            Member::Witness(key, url) => Some((name.as_str(), &**key, url.as_deref())),
            Member::Group(..) => None,
        })
    }

    /// The witnesses that have cosigned a note, by the policy's names for them, and when. A forged cosignature of a known
    /// witness is an error.
    pub fn witnesses_of(&self, note: &Note) -> Result<Vec<(&str, u64)>, NoteError> {
        let times = self.witnesses().map(|(name, key, _)| Ok(note.cosigned_at(key)?.map(|time_s| (name, time_s))));
        times.filter_map(Result::transpose).collect()
    }

    /// The time since which the quorum stands: of the witnesses that make it up, chosen as late as can be, the earliest.
    /// None where too few have cosigned.
    pub fn quorum_since(&self, witnesses: &[(&str, u64)]) -> Option<u64> {
        self.member_since(self.quorum?, witnesses)
    }

    fn member_since(&self, member: usize, witnesses: &[(&str, u64)]) -> Option<u64> {
        let (name, member) = &self.members[member];
        match member {
            Member::Witness(..) => witnesses.iter().find(|(known, _)| known == name).map(|(_, time_s)| *time_s),
            Member::Group(count, members) => {
                let times = members.iter().filter_map(|member| self.member_since(*member, witnesses));
                let mut times: Vec<u64> = times.collect();
                times.sort_unstable_by(|a, b| b.cmp(a));
                times.get(count - 1).copied()
            }
        }
    }

    fn take(&mut self, words: &[&str], quorum: &mut Option<Option<usize>>) -> Result<(), String> {
        match words {
            ["log", key] | ["log", key, _] => {
                let key = self.new_key(key, KeyKind::Note)?;
                self.logs.push(key);
                Ok(())
            }
            ["witness", name, key, url @ ..] if url.len() < 2 => {
                let key = self.new_key(key, KeyKind::Cosignature)?;
                self.define(name, Member::Witness(Box::new(key), url.first().map(|url| (*url).into())))
            }
            ["group", name, count, members @ ..] if !members.is_empty() => {
                let group = self.group(count, members)?;
                self.define(name, group)
            }
            ["quorum", _] if quorum.is_some() => Err("there is a quorum already".into()),
            ["quorum", "none"] => {
                *quorum = Some(None);
                Ok(())
            }
            ["quorum", name] => {
                *quorum = Some(Some(self.member(name)?));
                Ok(())
            }
            _ => Err("write log, witness, group or quorum with what belongs to it".into()),
        }
    }

    fn new_key(&self, text: &str, kind: KeyKind) -> Result<VerifierKey, String> {
        let key: VerifierKey = text.parse().map_err(|why| format!("{why}"))?;
        let witnesses = self.witnesses().map(|(_, key, _)| key);
        let mut known = witnesses.chain(&self.logs).filter(|known| known.kind() == kind);
        match key.kind() == kind {
            false => Err("the key is of the other kind: logs sign notes, witnesses cosign them".into()),
            true if known.any(|known| known.bytes() == key.bytes()) => Err("the key is in the policy already".into()),
            true => Ok(key),
        }
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), String> {
        if name == "none" || self.member(name).is_ok() {
            return Err(format!("`{name}` has a meaning already"));
        }
        self.members.push((name.into(), member));
        Ok(())
    }

    fn member(&self, name: &str) -> Result<usize, String> {
        let found = self.members.iter().position(|(known, _)| known == name);
        found.ok_or_else(|| format!("`{name}` is not defined above"))
    }

    fn group(&self, count: &str, names: &[&str]) -> Result<Member, String> {
        let members: Vec<usize> = names.iter().map(|name| self.member(name)).collect::<Result<_, _>>()?;
        let in_groups = self.members.iter().flat_map(|(_, member)| match member {
            Member::Group(_, members) => members.as_slice(),
            Member::Witness(..) => &[],
        });
        let mut taken: BTreeSet<usize> = in_groups.copied().collect();
        if let Some(twice) = members.iter().zip(names).find(|(member, _)| !taken.insert(**member)) {
            return Err(format!("`{}` is in a group already", twice.1));
        }
        let count = match count {
            "all" => members.len(),
            "any" => 1,
            count => count.parse().map_err(|_| format!("`{count}` is not a number, `any` or `all`"))?,
        };
        match (1..=members.len()).contains(&count) {
            true => Ok(Member::Group(count, members)),
            false => Err(format!("{count} of {} can never be", members.len())),
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLarge);
        }
        let mut policy = Self { logs: Vec::new(), members: Vec::new(), quorum: None };
        let mut quorum = None;
        for (line, words) in (1..).zip(text.split('\n')) {
            let words: Vec<&str> = words.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            if words.first().is_some_and(|word| !word.starts_with('#')) {
                policy.take(&words, &mut quorum).map_err(|why| PolicyError::Line { line, why })?;
            }
        }
        policy.quorum = quorum.ok_or(PolicyError::NoQuorum)?;
        Ok(policy)
    }
}
