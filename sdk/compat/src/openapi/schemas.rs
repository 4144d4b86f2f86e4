//! Questions about schemas, each asked once.

use super::Contract;
use crate::{
    change::Change,
    doubt::{Cause, Doubt},
    side::Side,
    verdict::{Budget, Inclusion, compare, lies_in},
};
use guiju_model::{Bundle, Date, Finding, Properties};
use guiju_validator::openapi::{Direction, In, MessageSide, SchemaDocument};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

/// Different questions of one comparison.
const QUESTIONS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Which {
    Old,
    New,
}

impl Which {
    pub fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

/// A schema of one side, ready to be asked of.
pub(super) struct Schema {
    /// Why not, where it is not.
    pub side: Result<Side, String>,
    pub document: SchemaDocument,
    bundle: Option<Bundle>,
    /// The same for whatever means the same.
    key: String,
}

impl Schema {
    pub fn accepts(&self, value: &Value, day: Option<Date>) -> bool {
        self.side.as_ref().is_ok_and(|side| side.accepts(value, day))
    }

    /// Whether it is a value that a writer by this version may write.
    pub fn writes(&self, value: &Value, day: Option<Date>) -> bool {
        self.side.as_ref().is_ok_and(|side| side.writes(value, day))
    }

    pub fn findings(&self, value: &Value, day: Option<Date>) -> Vec<Finding> {
        self.side.as_ref().map(|side| side.findings(value, day)).unwrap_or_default()
    }
}

/// What was found out about a schema against another, with places in the contracts.
pub(super) struct Answer {
    pub old_in_new: Inclusion,
    pub new_in_old: Inclusion,
    pub changes: Vec<Change>,
}

/// Of which side, where, for which messages, and for which kind of parameter.
type Place = (Which, Option<String>, Direction, Option<In>);

pub(super) struct Questions<'c> {
    pub old: &'c Contract,
    pub new: &'c Contract,
    pub budget: &'c Budget,
    schemas: HashMap<Place, Rc<Schema>>,
    answers: HashMap<(String, String, Direction), Rc<Answer>>,
    samples: HashMap<(String, Option<String>), Option<Value>>,
    pub steps: u64,
    pub parts: usize,
    /// How often values were sent one by one.
    pub sent: usize,
    /// Whether the old side here is the new version: then changes are told the other way round.
    pub is_turned: bool,
}

impl<'c> Questions<'c> {
    pub fn new(old: &'c Contract, new: &'c Contract, budget: &'c Budget) -> Self {
        let (schemas, answers, samples) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { old, new, budget, schemas, answers, samples, steps: 0, parts: 0, sent: 0, is_turned: false }
    }

    pub fn contract(&self, which: Which) -> &'c Contract {
        match which {
            Which::Old => self.old,
            Which::New => self.new,
        }
    }

    pub fn schema(
        &mut self,
        which: Which,
        pointer: Option<&str>,
        direction: Direction,
        parameter: Option<In>,
    ) -> Rc<Schema> {
        let key = (which, pointer.map(str::to_owned), direction, parameter);
        if let Some(known) = self.schemas.get(&key) {
            return Rc::clone(known);
        }
        let contract = self.contract(which);
        // Requests are written by the old version, answers by the new.
        let side = match (which, direction) {
            (Which::Old, Direction::Request) | (Which::New, Direction::Response) => MessageSide::Writer,
            _ => MessageSide::Reader(Some(&self.contract(which.other()).api)),
        };
        let document = contract.api.schema_document(pointer, direction, parameter, side);
        let schema = Rc::new(schema(contract, document));
        self.schemas.insert(key, Rc::clone(&schema));
        schema
    }

    pub fn ask(&mut self, old: &Schema, new: &Schema, direction: Direction) -> Rc<Answer> {
        let key = (old.key.clone(), new.key.clone(), direction);
        if let Some(known) = self.answers.get(&key) {
            return Rc::clone(known);
        }
        let answer = Rc::new(self.answered(old, new, direction));
        for inclusion in [&answer.old_in_new, &answer.new_in_old] {
            if let Inclusion::Included(proof) = inclusion {
                self.steps += proof.steps;
                self.parts += proof.parts;
            }
        }
        self.answers.insert(key, Rc::clone(&answer));
        answer
    }

    fn answered(&self, old: &Schema, new: &Schema, direction: Direction) -> Answer {
        let undecided = |cause: Cause| Answer {
            old_in_new: Inclusion::Undecided(Doubt::from(cause.clone())),
            new_in_old: Inclusion::Undecided(Doubt::from(cause)),
            changes: Vec::new(),
        };
        if old.key == new.key {
            let proof = super::proof(1, 1);
            let same = Inclusion::Included(proof);
            return Answer { old_in_new: same.clone(), new_in_old: same, changes: Vec::new() };
        }
        let (one, other) = match (&old.side, &new.side) {
            (Ok(one), Ok(other)) => (one, other),
            (Err(why), _) | (_, Err(why)) => return undecided(Cause::NotCompiled(why.clone())),
        };
        if self.answers.len() >= QUESTIONS_MAX {
            return undecided(Cause::ManySchemas(QUESTIONS_MAX));
        }
        let verdict = compare(one, other, self.budget);
        let turned = self.is_turned.then(|| compare(other, one, self.budget));
        let mut changes = turned.as_ref().map_or(verdict.changes, |turned| turned.changes.clone());
        let (old, new) = if self.is_turned { (new, old) } else { (old, new) };
        for change in &mut changes {
            let place = |place: &Option<String>, document: &SchemaDocument| {
                let place = place.as_ref()?;
                document.places.place(place).or_else(|| document.places.place("/$defs/value"))
            };
            change.old_place = place(&change.old_place, &old.document);
            change.new_place = place(&change.new_place, &new.document);
        }
        // Of an answer the new version is the writer, which matters where writers are presumed to write less than is accepted.
        let is_written_less = self.old.reading.properties != Properties::Strict;
        if is_written_less && direction == Direction::Response {
            let turned = turned.unwrap_or_else(|| compare(other, one, self.budget));
            return Answer { old_in_new: turned.new_in_old, new_in_old: turned.old_in_new, changes };
        }
        Answer { old_in_new: verdict.old_in_new, new_in_old: verdict.new_in_old, changes }
    }

    /// A value that the schema accepts, if it can be, one that the other accepts, too.
    pub fn sample(&mut self, schema: &Schema, also: Option<&Schema>) -> Option<Value> {
        let key = (schema.key.clone(), also.map(|also| also.key.clone()));
        if let Some(known) = self.samples.get(&key) {
            return known.clone();
        }
        let found = self.sampled(schema, also);
        self.samples.insert(key, found.clone());
        found
    }

    fn sampled(&mut self, schema: &Schema, also: Option<&Schema>) -> Option<Value> {
        let side = schema.side.as_ref().ok()?;
        let beside = |outer: &Side| match lies_in(side, outer, self.budget) {
            Inclusion::NotIncluded(witness) => Some(witness.record),
            _ => None,
        };
        let nothing = Side::of_schema("nothing", b"false", BTreeMap::new(), true).ok()?;
        let own = beside(&nothing);
        let Some(also) = also else { return own };
        if own.as_ref().is_some_and(|value| also.accepts(value, None)) {
            return own;
        }
        let both = also.denied().and_then(|denied| beside(&denied));
        both.or(own)
    }

    /// Whether it is known that no value fits.
    pub fn is_empty(&mut self, schema: &Schema) -> bool {
        if self.sample(schema, None).is_some() {
            return false;
        }
        let nothing = Side::of_schema("nothing", b"false", BTreeMap::new(), true).ok();
        let sides = schema.side.as_ref().ok().zip(nothing);
        sides.is_some_and(|(side, nothing)| lies_in(side, &nothing, self.budget).is_included())
    }

    /// A value of the schema that is as this says, too.
    pub fn sample_such(&self, schema: &Schema, such: &Value) -> Option<Value> {
        let narrowed = schema.rooted(|root| json!({"allOf": [root, such]}))?;
        let nothing = Side::of_schema("nothing", b"false", BTreeMap::new(), true).ok()?;
        lies_in(&narrowed, &nothing, self.budget).witness().map(|witness| witness.record.clone())
    }
}

impl Schema {
    /// All that this one refuses.
    fn denied(&self) -> Option<Side> {
        self.rooted(|root| json!({"not": root}))
    }

    pub fn rooted(&self, root: impl FnOnce(Value) -> Value) -> Option<Side> {
        let mut members: Map<String, Value> = self.document.value.as_object()?.clone();
        let (dialect, definitions) = (members.remove("$schema")?, members.remove("$defs")?);
        let mut value = root(Value::Object(members));
        value["$schema"] = dialect;
        value["$defs"] = definitions;
        let mut content = self.bundle.as_ref()?.root().clone();
        let bytes = value.to_string().into_bytes();
        content.manifest.files = [("schema.json".to_owned(), guiju_model::Digest::of(&bytes))].into();
        content.files = [("schema.json".to_owned(), bytes)].into();
        let bundle = Bundle::gather(content, self.bundle.as_ref()?).ok()?;
        Side::new(&bundle, true).ok()
    }
}

fn schema(contract: &Contract, document: SchemaDocument) -> Schema {
    let bundle = contract.api.bundle(&contract.bundle, &document);
    let side = bundle
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|bundle| Side::read(bundle, &contract.reading).map_err(|error| error.to_string().replace('\n', " ")));
    let bundle = bundle.ok();
    let bound = bundle.iter().flat_map(|bundle| &bundle.root().manifest.dependencies);
    let bound: String = bound.map(|dependency| format!("\n{} {}", dependency.reference, dependency.digest)).collect();
    let key = format!("{}{bound}", document.value);
    Schema { side, document, bundle, key }
}
