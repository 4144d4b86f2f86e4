//! A program as text, for those who want to know what a standard became and what leaves the quick road.

use super::{Branch, Program, State, Target, TextCheck, types};
use std::fmt::{self, Display, Formatter};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(root) = self.root else {
            return writeln!(f, "no program: every record goes to the exact engine");
        };
        writeln!(f, "{} states, the record is state {root}", self.states.len())?;
        for (id, state) in self.states.iter().enumerate() {
            write!(f, "{id:>5}  {}", kinds(state.types))?;
            state.scalars(f)?;
            writeln!(f)?;
            state.containers(f)?;
            for branch in &state.branches {
                writeln!(f, "         {branch}")?;
            }
            if let Some(keyword) = state.opaque {
                writeln!(f, "         {} go to the exact engine for `{keyword}`", kinds(state.opaque_types))?;
            }
        }
        Ok(())
    }
}

impl State {
    fn scalars(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for values in &self.values {
            let count = values.texts.len() + values.integers.len();
            write!(f, ", one of {count} values")?;
        }
        match (self.text.min, self.text.max) {
            (0, None) => {}
            (min, None) => write!(f, ", {min} characters or more")?,
            (min, Some(max)) => write!(f, ", {min} to {max} characters")?,
        }
        for check in &self.text.checks {
            match check {
                TextCheck::Matcher(matcher) => write!(f, ", {}", matcher.form())?,
                TextCheck::Format(format, _) => write!(f, ", format {}", format.name())?,
                TextCheck::Engine(..) => f.write_str(", format of JSON Schema")?,
                TextCheck::List(list, _) => write!(f, ", code of {}", list.reference())?,
                TextCheck::DatedList(list, _) => write!(f, ", code of {} on a day of the record", list.reference())?,
            }
        }
        for bound in &self.number.bounds {
            let sign = if bound.is_upper { '<' } else { '>' };
            let equal = if bound.is_exclusive { "" } else { "=" };
            write!(f, ", {sign}{equal} {}e-{}", bound.limit.mantissa, bound.limit.scale)?;
        }
        for by in &self.number.multiples {
            write!(f, ", a multiple of {}e-{}", by.mantissa, by.scale)?;
        }
        Ok(())
    }

    fn containers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(object) = &self.object {
            for (at, member) in object.members.iter().enumerate() {
                let mark = if object.required >> at & 1 == 1 { "required" } else { "" };
                let kept = if object.kept >> at & 1 == 1 { "kept" } else { "" };
                let name = String::from_utf8_lossy(&member.spelled);
                let name = name.trim_start_matches(',').trim_end_matches(':');
                let line = format!("         {name}: state {} {mark} {kept}", member.state);
                writeln!(f, "{}", line.trim_end())?;
            }
            if let [others] = &object.others[..] {
                writeln!(f, "         other members: state {others}")?;
            } else {
                writeln!(
                    f,
                    "         other members by {} patterns: states {:?}",
                    object.patterns.len(),
                    object.others
                )?;
            }
            if !object.rules.is_empty() {
                let count: usize = object.rules.iter().map(|set| set.rules.severities().count()).sum();
                writeln!(f, "         {count} rules between fields")?;
            }
        }
        match &self.array {
            Some(array) => writeln!(f, "         items: states {:?}, then {}", array.first, array.rest),
            None => Ok(()),
        }
    }
}

impl Display for Branch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all = |targets: &[Target]| targets.iter().map(Target::to_string).collect::<Vec<_>>().join(" or ");
        match self {
            Self::AnyOf(targets) => write!(f, "any of {}", all(targets)),
            Self::OneOf(targets) => write!(f, "one of {}", all(targets)),
            Self::Not(target) => write!(f, "not {target}"),
            Self::If { condition, then, otherwise } => {
                write!(f, "if {condition}")?;
                then.as_ref().map_or(Ok(()), |then| write!(f, " then {then}"))?;
                otherwise.as_ref().map_or(Ok(()), |otherwise| write!(f, " else {otherwise}"))
            }
            Self::Dependent { member, target } => write!(f, "with member {member}: {target}"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.view {
            Some(view) => write!(f, "state {} by {} kept members", self.state, view.members.len()),
            None => write!(f, "state {}, read again", self.state),
        }
    }
}

fn kinds(bits: u8) -> String {
    let names = [
        (types::NULL, "null"),
        (types::BOOLEAN, "boolean"),
        (types::INTEGER, "integer"),
        (types::NUMBER, "number"),
        (types::STRING, "string"),
        (types::ARRAY, "array"),
        (types::OBJECT, "object"),
    ];
    match bits {
        types::ALL => "anything".into(),
        0 => "nothing".into(),
        bits => names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect::<Vec<_>>().join("|"),
    }
}
