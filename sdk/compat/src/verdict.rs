//! What follows for the next version number, with the evidence.

use crate::{
    change::{self, Change},
    doubt::{Cause, Doubt},
    exact,
    lists::{self, Referred},
    normal::{Graph, Id, Node, NormalError},
    proof::{self, Line, Theorem, Why},
    replay,
    side::{Contract, Pair, Side},
    solve::{Literal, Outcome, Solver, fails, holds},
    text::Patterns,
    value::Days,
};
use guiju_model::{Date, Finding, Kind, Text, pointer};
use semver::Version;
use serde_json::{Map, Value, json};
use std::{fmt, rc::Rc, sync::Arc};

/// Records tried as a witness, for one question.
const CANDIDATES_MAX: usize = 400;

/// How much work is spent. Steps of the engine, never time: the same question gets the same answer everywhere.
#[derive(Clone, Debug)]
pub struct Budget {
    /// For each direction.
    pub steps: u64,
    /// For each single change.
    pub change_steps: u64,
    pub changes_max: usize,
    /// Records tried while a witness is made smaller.
    pub shrink_tries: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: 50_000, change_steps: 10_000, changes_max: 100, shrink_tries: 200 }
    }
}

/// What the next version number must at least raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bump {
    Patch,
    Minor,
    Major,
}

impl Bump {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }

    pub fn zh(self) -> &'static str {
        match self {
            Self::Patch => "修订号",
            Self::Minor => "次版本号",
            Self::Major => "主版本号",
        }
    }
}

impl Bump {
    /// What one version number raises over another: as in SemVer, before 1.0.0 a break raises the minor number.
    pub fn declared(old: &Version, new: &Version) -> Self {
        match (new.major > old.major, new.minor > old.minor) {
            (true, _) => Self::Major,
            (false, true) if old.major == 0 => Self::Major,
            (false, true) => Self::Minor,
            (false, false) if old.major == 0 => Self::Minor,
            (false, false) => Self::Patch,
        }
    }

    /// The lowest version after `old` that raises so much.
    pub fn after(self, old: &Version) -> Version {
        match (self, old.major) {
            (Self::Major, 1..) => Version::new(old.major + 1, 0, 0),
            (Self::Major, 0) | (Self::Minor, 1..) => Version::new(old.major, old.minor + 1, 0),
            _ => Version::new(old.major, old.minor, old.patch + 1),
        }
    }
}

impl fmt::Display for Bump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that one side accepts and the other refuses; both validators have said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    pub record: Value,
    /// The day on which it was checked, where the day matters.
    pub day: Option<Date>,
    /// Why the other side refuses it.
    pub refused_for: Vec<Finding>,
}

/// Why there is no such record. Of two schemas, every step of it has been checked again before it is reported.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Branches that were all closed.
    pub steps: u64,
    /// Parts of both schemas, each counted once.
    pub parts: usize,
    /// None: no search was needed, what both say was compared one by one.
    theorem: Option<Theorem>,
    graph: Option<Arc<Graph>>,
}

impl Proof {
    /// By comparing one by one.
    pub(crate) fn compared(steps: u64, parts: usize) -> Self {
        Self { steps, parts, theorem: None, graph: None }
    }

    fn whole(&self) -> Option<(&Graph, &Theorem)> {
        self.graph.as_deref().zip(self.theorem.as_ref())
    }

    /// Checks every step again, with nothing of the search: how many lemmas there were, or the step that does not hold. A
    /// proof by comparing has none.
    pub fn replay(&self) -> Result<usize, Doubt> {
        let Some((graph, theorem)) = self.whole() else { return Ok(0) };
        let checked = replay::check(graph, theorem, Patterns::default());
        checked.map(|()| theorem.lemmas.len()).map_err(|why| Cause::Unchecked(why).into())
    }

    /// The chain of rules, for people; empty where all was compared one by one.
    pub fn lines(&self) -> Vec<Line> {
        self.whole().map(|(graph, theorem)| proof::lines(graph, theorem)).unwrap_or_default()
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        (self.steps, self.parts, &self.theorem) == (other.steps, other.parts, &other.theorem)
    }
}

/// Whether every record of the one side is a record of the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Inclusion {
    Included(Proof),
    NotIncluded(Box<Witness>),
    /// What defeated the engine, and where.
    Undecided(Doubt),
}

impl Inclusion {
    pub fn is_included(&self) -> bool {
        matches!(self, Self::Included(_))
    }

    /// With the schemas that the proof is about.
    fn over(mut self, graph: &Arc<Graph>) -> Self {
        if let Self::Included(proof) = &mut self {
            proof.graph = Some(Arc::clone(graph));
        }
        self
    }

    pub fn witness(&self) -> Option<&Witness> {
        match self {
            Self::NotIncluded(witness) => Some(witness),
            _ => None,
        }
    }
}

/// One version against another.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub old: String,
    pub new: String,
    /// What is compared: of a contract, a witness is a message that the new version reads otherwise.
    pub kind: Kind,
    /// The readings under which this holds.
    pub reading: Vec<String>,
    /// None where the engine cannot say whether the new version refuses what the old accepted.
    pub bump: Option<Bump>,
    pub old_in_new: Inclusion,
    pub new_in_old: Inclusion,
    pub changes: Vec<Change>,
    /// A change that no version number allows.
    pub forbidden: bool,
}

/// Whether a version number will do for what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Enough,
    /// More than is needed, which is allowed.
    Ample,
    TooSmall,
    /// The engine cannot say whether it breaks, and it does not raise what a break must.
    Unknown,
    /// No number will do.
    Forbidden,
}

impl Verdict {
    /// Whether raising so much will do.
    pub fn fit(&self, declared: Bump) -> Fit {
        match self.bump {
            _ if self.forbidden => Fit::Forbidden,
            None if declared == Bump::Major => Fit::Enough,
            None => Fit::Unknown,
            Some(bump) if bump > declared => Fit::TooSmall,
            Some(bump) if bump < declared => Fit::Ample,
            Some(_) => Fit::Enough,
        }
    }

    /// Whether a record shows that the new version accepts more.
    pub fn is_shown_wider(&self) -> bool {
        let shows = |change: &Change| change.bump == Some(Bump::Minor) && change.witness.is_some();
        self.new_in_old.witness().is_some() || self.changes.iter().any(shows)
    }

    /// What defeated the engine where it cannot say whether the new version breaks the old, in English.
    pub fn undecided(&self) -> Option<String> {
        match &self.old_in_new {
            Inclusion::Undecided(why) => Some(why.to_string()),
            _ => None,
        }
    }

    /// What it must raise where all that is undecided is taken to break nobody: what was proved or shown counts as before. None
    /// where there is nothing to take so.
    pub fn bump_if_waived(&self) -> Option<Bump> {
        let least = if self.new_in_old.is_included() { Bump::Patch } else { Bump::Minor };
        let shown = self.changes.iter().filter_map(|change| change.bump).fold(least, Bump::max);
        (self.bump.is_none() && !self.forbidden).then_some(shown)
    }

    /// What could not be decided where a break may be, each with the keyword and the place that defeated the engine.
    pub fn questions(&self) -> Vec<String> {
        if self.bump.is_some() {
            return Vec::new();
        }
        // Of a contract, what is answered breaks whoever asks where it is more.
        let breaks = |code: &str| self.kind == Kind::Contract || !code.ends_with("-widened");
        let of_parts = self.changes.iter().filter(|change| change.bump.is_none() && breaks(&change.code));
        let of_parts = of_parts.map(|change| {
            let place = change.new_place.as_ref().or(change.old_place.as_ref()).map_or("", String::as_str);
            format!("{} at `{place}`: {}", change.code, change.message.en)
        });
        let questions: Vec<String> = of_parts.collect();
        match (questions.is_empty(), self.undecided()) {
            (true, Some(why)) => vec![why],
            _ => questions,
        }
    }

    pub(crate) fn of(
        old: &Side,
        new: &Side,
        old_in_new: Inclusion,
        new_in_old: Inclusion,
        changes: Vec<Change>,
    ) -> Self {
        let bump = match (&old_in_new, &new_in_old) {
            (Inclusion::NotIncluded(_), _) => Some(Bump::Major),
            (Inclusion::Undecided(_), _) => None,
            (Inclusion::Included(_), Inclusion::Included(_)) => Some(Bump::Patch),
            // Whether anything was gained is not known; a minor version promises no more than what was shown.
            (Inclusion::Included(_), _) => Some(Bump::Minor),
        };
        let forbidden = changes.iter().any(|change| change.is_forbidden());
        let bump = changes.iter().map(|change| change.bump).fold(bump, |bump, own| match (bump, own) {
            (Some(bump), Some(own)) => Some(bump.max(own)),
            (bump, _) => bump,
        });
        let reading = old.reading();
        let (kind, old, new) = (old.kind, old.name.clone(), new.name.clone());
        Self { old, new, kind, reading, bump, old_in_new, new_in_old, changes, forbidden }
    }
}

/// Compares two versions: both directions, the bump that follows, and what was changed.
pub fn compare(old: &Side, new: &Side, budget: &Budget) -> Verdict {
    match (&old.contract, &new.contract) {
        (Some(Contract::Protobuf(one)), Some(Contract::Protobuf(other))) => {
            return crate::protobuf::compare(old, new, one, other);
        }
        (Some(Contract::OpenApi(one)), Some(Contract::OpenApi(other))) => {
            return crate::openapi::compare(old, new, one, other, budget);
        }
        _ => {}
    }
    match (old.kind, new.kind) {
        (Kind::CodeList, Kind::CodeList) => lists::compare(old, new),
        (Kind::Contract, _) | (_, Kind::Contract) | (Kind::CodeList, _) | (_, Kind::CodeList) => {
            let undecided = || Inclusion::Undecided(Cause::OtherKind.into());
            Verdict::of(old, new, undecided(), undecided(), Vec::new())
        }
        (Kind::Elements, Kind::Elements) => elements(old, new),
        _ => records(old, new, budget),
    }
}

/// A dictionary refuses no record by itself: what others refer to in it must stay as it is, and more may come.
fn elements(old: &Side, new: &Side) -> Verdict {
    let definitions = |side: &Side| side.root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let (one, other) = (definitions(old), definitions(new));
    let kept = |from: &Map<String, Value>, to: &Map<String, Value>| {
        let changed = from.iter().find(|(name, element)| to.get(*name).map(plain) != Some(plain(element)));
        match changed {
            None => Inclusion::Included(Proof::compared(from.len() as u64, from.len())),
            Some((name, _)) => {
                let place = format!("/$defs/{}", pointer::escape(name));
                Inclusion::Undecided(Doubt::at(Cause::ElementChanged(name.clone()), None, place))
            }
        }
    };
    Verdict::of(old, new, kept(&one, &other), kept(&other, &one), Vec::new())
}

/// A schema without what refuses nothing.
fn plain(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(members) = &mut schema {
        ["title", "description", "examples", "$comment", "default"].iter().for_each(|name| drop(members.remove(*name)));
    }
    schema
}

/// Rules over whole data sets: none may come that was not there, since no single record shows whom it breaks.
fn data_set_rule(from: &Side, to: &Side) -> Option<Doubt> {
    ["keys", "references", "dataset"].iter().find_map(|name| {
        let rules = |side: &Side| -> Vec<Value> {
            let all = side.root.get("x-guiju").and_then(|own| own.get(*name)).and_then(Value::as_array).cloned();
            let mut all = all.unwrap_or_default();
            all.retain(|rule| rule.get("severity").is_none_or(|severity| severity == "error"));
            for rule in all.iter_mut().filter_map(Value::as_object_mut) {
                ["id", "messageEn", "messageZh", "dimension"].iter().for_each(|name| drop(rule.remove(*name)));
            }
            all
        };
        let known = rules(from);
        let is_new = rules(to).iter().any(|rule| !known.contains(rule));
        is_new.then(|| Cause::BetweenRecords(name).into())
    })
}

/// Whether every record that `inner` accepts is one that `outer` accepts: what a profile must keep to. Rules between records,
/// which judge no single one, have no say.
pub fn lies_in(inner: &Side, outer: &Side, budget: &Budget) -> Inclusion {
    let contains_records = |kind: Kind| matches!(kind, Kind::Record | Kind::Profile);
    if !contains_records(inner.kind) || !contains_records(outer.kind) {
        return Inclusion::Undecided(Cause::OtherKind.into());
    }
    let judged = with_judge(inner, outer, budget, |judge, ids| {
        let Ids { old, new, .. } = ids;
        judge.direction(Way { from: inner, to: outer, is_gain: false }, old, new)
    });
    judged.map_or_else(Inclusion::Undecided, |(inclusion, graph)| inclusion.over(&graph))
}

fn records(old: &Side, new: &Side, budget: &Budget) -> Verdict {
    let between = |inclusion: Inclusion, from: &Side, to: &Side| match (inclusion, data_set_rule(from, to)) {
        (Inclusion::Included(_), Some(why)) => Inclusion::Undecided(why),
        (inclusion, _) => inclusion,
    };
    let judged = with_judge(old, new, budget, |judge, ids| {
        let (loss, gain) = (Way { from: old, to: new, is_gain: false }, Way { from: new, to: old, is_gain: true });
        let old_in_new = between(judge.direction(loss, ids.old, ids.new), old, new);
        let new_in_old = between(judge.direction(gain, ids.new_written, ids.old), new, old);
        let mut changes = change::explain(judge, &ids, &old_in_new, &new_in_old);
        changes.extend(lists::through(&ids.lists[0], &ids.lists[1]));
        changes.sort_by_key(|change| std::cmp::Reverse(change.bump));
        // A part may show by itself what the search did not find in the whole.
        let shown = |inclusion: Inclusion, bump: Bump| match inclusion {
            Inclusion::Undecided(why) => {
                let mut of_parts = changes.iter().filter(|change| change.bump == Some(bump));
                let witness = of_parts.find_map(|change| change.witness.clone());
                witness.map_or(Inclusion::Undecided(why), |witness| Inclusion::NotIncluded(Box::new(witness)))
            }
            inclusion => inclusion,
        };
        (shown(old_in_new, Bump::Major), shown(new_in_old, Bump::Minor), changes)
    });
    match judged {
        Ok(((old_in_new, new_in_old, changes), graph)) => {
            Verdict::of(old, new, old_in_new.over(&graph), new_in_old.over(&graph), changes)
        }
        Err(why) => Verdict::of(old, new, Inclusion::Undecided(why.clone()), Inclusion::Undecided(why), Vec::new()),
    }
}

/// Reads both sides into one graph and asks something of them; the answer with the graph, or why one cannot be read.
fn with_judge<T>(
    old: &Side,
    new: &Side,
    budget: &Budget,
    ask: impl FnOnce(&mut Judge<'_, '_>, Ids) -> T,
) -> Result<(T, Arc<Graph>), Doubt> {
    let pair = Pair::new(old, new);
    if let Some(uri) = pair.other_draft() {
        return Err(Doubt::at(Cause::OtherDraft, Some("$schema"), uri));
    }
    let mut graph = Graph::default();
    let said = |error: NormalError| Doubt::from(Cause::Unread(error));
    let written_old = pair.read_written(&mut graph, &old.root, old).map_err(said)?;
    let lists_old = std::mem::take(&mut graph.referred);
    let accepted = pair.read(&mut graph, &new.root, new).map_err(said)?;
    let lists = [lists_old, std::mem::take(&mut graph.referred)];
    let new_written = pair.written(&mut graph, accepted, &new.root, new).map_err(said)?;
    let ids = Ids { old: written_old, new: accepted, new_written, lists };
    let solver = Solver::new(&mut graph, old.draft, budget.steps)
        .telling_spelling(pair.tells_spelling())
        .with_samples(pair.samples());
    let told = ask(&mut Judge { pair: &pair, solver, budget }, ids);
    Ok((told, Arc::new(graph)))
}

/// The sets of records that are compared. They differ from what is accepted only under a reading that says so.
pub(crate) struct Ids {
    /// What is written by the old version.
    pub old: Id,
    /// What the new version accepts.
    pub new: Id,
    pub new_written: Id,
    /// The code lists that the old and the new version refer to.
    pub lists: [Vec<Referred>; 2],
}

/// From which side a record is looked for that the other has not: what is written by the old and refused by the new, which is
/// a loss; or what is written by the new and was not by the old, which is a gain.
#[derive(Clone, Copy)]
pub(crate) struct Way<'s> {
    pub from: &'s Side,
    pub to: &'s Side,
    pub is_gain: bool,
}

impl Way<'_> {
    fn shows(&self, record: &Value, day: Option<Date>) -> bool {
        let is_known = if self.is_gain { self.to.writes(record, day) } else { self.to.accepts(record, day) };
        !is_known && self.from.writes(record, day)
    }
}

/// The engine with both sides at hand.
pub(crate) struct Judge<'j, 's> {
    pub pair: &'j Pair<'s>,
    pub solver: Solver<'j>,
    pub budget: &'j Budget,
}

impl Judge<'_, '_> {
    fn direction(&mut self, way: Way<'_>, one: Id, other: Id) -> Inclusion {
        self.solver.refill(self.budget.steps);
        let goal = vec![holds(one), fails(other)];
        let found = self.search(way, goal.clone(), None);
        match found {
            Found::None(why, apart) => self.proved(goal, &why, apart),
            Found::Witness(witness) => Inclusion::NotIncluded(witness),
            Found::Unknown(why) => match self.on_days(way, &goal) {
                Some(witness) => Inclusion::NotIncluded(witness),
                None => Inclusion::Undecided(why),
            },
        }
    }

    /// A proof, which counts only once its checker has followed it.
    fn proved(&mut self, goal: Vec<Literal>, why: &Rc<Why>, takes_rules_apart: bool) -> Inclusion {
        let steps = self.budget.steps - self.solver.steps_left();
        let (parts, tells_spelling, draft) = (self.solver.graph.len(), self.pair.tells_spelling(), self.pair.old.draft);
        let lemmas = proof::lemmas(&goal, why)
            .ok_or_else(|| Text { en: "a lemma has no proof".into(), zh: "有引理未经证明".into() });
        let theorem = lemmas.and_then(|lemmas| {
            let theorem = Theorem { goal, lemmas, tells_spelling, takes_rules_apart, draft };
            replay::check(self.solver.graph, &theorem, self.solver.values.patterns.clone()).map(|()| theorem)
        });
        match theorem {
            Ok(theorem) => Inclusion::Included(Proof { steps, parts, theorem: Some(theorem), graph: None }),
            Err(why) => Inclusion::Undecided(Cause::Unchecked(why).into()),
        }
    }

    /// A record that `from` accepts, `to` refuses, and that is as the goal says besides.
    pub fn search(&mut self, way: Way<'_>, goal: Vec<Literal>, day: Option<Date>) -> Found {
        let why = match self.searched(way, &goal, day) {
            Found::Unknown(why) => why,
            found => return found,
        };
        // What a rule says may stand in a keyword on the other side.
        if !self.solver.take_rules_apart(true) {
            return Found::Unknown(why);
        }
        let again = self.searched(way, &goal, day);
        self.solver.take_rules_apart(false);
        match again {
            Found::None(why, _) => Found::None(why, true),
            Found::Unknown(_) => Found::Unknown(why),
            found => found,
        }
    }

    fn searched(&mut self, way: Way<'_>, goal: &[Literal], day: Option<Date>) -> Found {
        let Way { from, to, .. } = way;
        let (candidate, why) = match self.solver.solve(goal.to_vec()) {
            Outcome::Empty(why) => return Found::None(why, false),
            Outcome::Unknown(why) => (None, why),
            Outcome::Sure(value) => {
                let why = judged_otherwise(from, &value, day);
                (Some(value), why)
            }
            Outcome::Maybe(value, why) => (Some(value), why),
        };
        let mut candidates: Vec<Value> = candidate.iter().cloned().collect();
        for record in from.records.iter().chain(&to.records) {
            candidates.push(record.clone());
            candidates.extend(candidate.iter().flat_map(|value| blended(record, value)));
        }
        let shows = |judge: &mut Self, value: &Value| {
            let named = named_days(judge.solver.graph, value, day);
            let outer = judge.solver.values.days.replace(named);
            let as_said = goal
                .iter()
                .all(|literal| judge.solver.is(literal >> 1, value).is_none_or(|truth| truth == (literal & 1 == 0)));
            judge.solver.values.days = outer;
            as_said && way.shows(value, day)
        };
        let mut tries = self.budget.shrink_tries;
        for value in candidates.into_iter().take(CANDIDATES_MAX) {
            if shows(self, &value) {
                let record = shrunk(value, &mut tries, &mut |value| shows(self, value));
                let refused_for = to.findings(&record, day);
                return Found::Witness(Box::new(Witness { record, day, refused_for }));
            }
        }
        Found::Unknown(why)
    }

    /// The same question on days on which a code would be as it asks.
    pub fn on_days(&mut self, way: Way<'_>, goal: &[Literal]) -> Option<Box<Witness>> {
        for mut days in self.solver.days_found() {
            let checked = days.get(&None).copied().flatten();
            let named = days.values().copied().flatten().next();
            let mut fields = Vec::new();
            for as_of in self.solver.graph.as_of().into_iter().cloned().collect::<Vec<_>>() {
                let Some(pointer) = &as_of else { continue };
                match (days.get(&as_of).copied(), named) {
                    (Some(Some(day)), _) => fields.push(holds(on_day(self.solver.graph, pointer, day, true))),
                    // Whatever else hangs on a day hangs on the same one.
                    (None, Some(day)) => {
                        fields.push(holds(on_day(self.solver.graph, pointer, day, false)));
                        days.insert(as_of, Some(day));
                    }
                    _ => {}
                }
            }
            self.solver.refill(self.budget.change_steps);
            self.solver.on(Some(days));
            let found = self.search(way, goal.iter().copied().chain(fields).collect(), checked);
            self.solver.on(None);
            if let Found::Witness(witness) = found {
                return Some(witness);
            }
        }
        None
    }
}

/// Where the validator and the engine are not of one mind about a value.
fn judged_otherwise(from: &Side, value: &Value, day: Option<Date>) -> Doubt {
    match from.findings(value, day).into_iter().next() {
        Some(finding) => {
            let keyword = finding.rule.rsplit('/').next().unwrap_or_default();
            Doubt::at(Cause::RefusedByValidator, Some(keyword), finding.rule.to_string())
        }
        None => Doubt::at(Cause::AcceptedByValidator, Some("schema"), "/"),
    }
}

/// The days that a record names, checked on a day.
fn named_days(graph: &Graph, record: &Value, day: Option<Date>) -> Days {
    let named = |as_of: &Option<String>| match as_of {
        None => day,
        Some(pointer) => {
            let text = record.pointer(pointer).and_then(Value::as_str);
            text.and_then(guiju_validator::rules::day).or(day)
        }
    };
    graph.as_of().into_iter().map(|as_of| (as_of.clone(), named(as_of))).collect()
}

pub(crate) enum Found {
    /// Why there is none, and whether rules counted by what they mean.
    None(Rc<Why>, bool),
    Witness(Box<Witness>),
    Unknown(Doubt),
}

/// That the field at the pointer names the day, where it is there; or that it is there besides.
fn on_day(graph: &mut Graph, pointer: &str, day: Date, must_be: bool) -> Id {
    let compact = day.to_string().replace('-', "");
    let spellings = [json!(day.to_string()), json!(compact), json!(format!("{day}T00:00:00+08:00"))];
    if must_be {
        return graph.field(pointer, &spellings);
    }
    let mut id = graph.values(spellings.iter());
    for token in pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
        let name = pointer::unescape(token).into_owned();
        let rest = graph.truth(true);
        id = graph.add(Node::Properties { named: vec![(name, id)], patterns: Vec::new(), rest });
    }
    id
}

/// A record that conforms, with one member taken from a value that was built, or without one member.
fn blended(record: &Value, built: &Value) -> Vec<Value> {
    let (Value::Object(record), Value::Object(built)) = (record, built) else { return Vec::new() };
    let with = built.iter().map(|(name, member)| {
        let mut record = record.clone();
        record.insert(name.clone(), member.clone());
        Value::Object(record)
    });
    let without = record.keys().filter(|name| !built.contains_key(*name)).map(|name| {
        let mut record = record.clone();
        record.remove(name);
        Value::Object(record)
    });
    with.chain(without).take(200).collect()
}

/// The smallest record found that still shows it: parts are dropped or replaced by plainer ones, one after another.
fn shrunk(mut value: Value, tries: &mut usize, shows: &mut dyn FnMut(&Value) -> bool) -> Value {
    let mut again = true;
    while again {
        again = false;
        for pointer in pointers(&value) {
            for smaller in smaller(&value, &pointer) {
                if *tries == 0 {
                    return value;
                }
                *tries -= 1;
                if shows(&smaller) {
                    value = smaller;
                    again = true;
                    break;
                }
            }
        }
    }
    value
}

fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut index = 0;
    while index < found.len() {
        let pointer = found[index].clone();
        match value.pointer(&pointer) {
            Some(Value::Object(members)) => {
                found.extend(members.keys().map(|name| format!("{pointer}/{}", pointer::escape(name))));
            }
            Some(Value::Array(items)) => found.extend((0..items.len()).map(|item| format!("{pointer}/{item}"))),
            _ => {}
        }
        index += 1;
    }
    found
}

fn smaller(value: &Value, pointer: &str) -> Vec<Value> {
    let mut found = Vec::new();
    if let Some((parent, last)) = pointer.rsplit_once('/') {
        let mut without = value.clone();
        let last = pointer::unescape(last).into_owned();
        let removed = match without.pointer_mut(parent) {
            Some(Value::Object(members)) => members.remove(&last).is_some(),
            Some(Value::Array(items)) => last.parse::<usize>().is_ok_and(|index| {
                index < items.len() && {
                    items.remove(index);
                    true
                }
            }),
            _ => false,
        };
        found.extend(removed.then_some(without));
    }
    let plainer = match value.pointer(pointer) {
        Some(Value::Object(members)) if !members.is_empty() => vec![json!({})],
        Some(Value::Array(items)) if !items.is_empty() => vec![json!([])],
        Some(Value::Number(number)) => exact::shorter(number).map(Value::Number).into_iter().collect(),
        Some(Value::String(text)) if text.chars().count() > 1 => {
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            vec![json!(""), json!("a"), json!(half)]
        }
        _ => Vec::new(),
    };
    for plain in plainer {
        let mut simpler = value.clone();
        if let Some(part) = simpler.pointer_mut(pointer) {
            *part = plain;
            found.push(simpler);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::Step;

    /// A proof that says too little is not believed, and is told apart from what the engine could not find out.
    #[test]
    fn a_proof_that_its_checker_refuses_decides_nothing() {
        let side = |schema: &str| Side::of_schema("schema", schema.as_bytes(), Default::default(), true).unwrap();
        let (old, new) = (side(r#"{"type": "integer"}"#), side(r#"{"type": "number"}"#));
        let claimed = |judge: &mut Judge<'_, '_>, ids: Ids| {
            let goal = vec![holds(ids.old), fails(ids.new)];
            let Outcome::Empty(found) = judge.solver.solve(goal.clone()) else { panic!("it lies inside") };
            let backward = vec![holds(ids.new), fails(ids.old)];
            [judge.proved(goal, &found, false), judge.proved(backward, &Step::Clash.why(), false)]
        };
        let ([sound, unsound], _) = with_judge(&old, &new, &Budget::default(), claimed).unwrap();
        assert!(sound.is_included());
        assert!(matches!(&unsound, Inclusion::Undecided(why) if why.is_unchecked()), "{unsound:?}");
    }
}
