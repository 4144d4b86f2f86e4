//! From the survey of a bundle to states.

use super::{
    ArrayState, Bound, Branch, Contains, Matcher, Member, Moment, Names, NumberState, ObjectState, Plain, Program,
    Proof, RuleSet, Short, State, StateId, Target, TextCheck, TextState, Texts, Values, View, between::Between, types,
    windows::BLOCK,
};
use crate::{
    json,
    own::Own,
    plan::Engine,
    record::Pointer,
    survey::{Schema, SchemaId, Survey, Way, ignores_siblings},
};
use jsonschema::Draft;
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A standard beyond this is left to the engine.
const STATES_MAX: usize = 8_192;
const MEMBERS_MAX: usize = 128;
const PATTERNS_MAX: usize = 4;
/// Places of an array that have schemas of their own.
const PLACES_MAX: usize = 1_000;
/// Keywords asked of one value. The engine's budget has room for twice as many for each value ([`json::FUEL_PER_VALUE`]), so that it
/// never ends where a program proves.
pub(super) const ASKS_MAX: usize = 512;
/// Branches told by the members of an object, with all branches inside them.
const VIEWS_MAX: usize = 4_096;

pub(crate) struct Builder<'b> {
    survey: &'b Survey,
    owns: &'b [Arc<Own>],
    values: &'b [&'b Value],
    /// Compiles a format of JSON Schema's own.
    engine: &'b dyn Fn(&Value) -> Option<Engine>,
    assert_formats: bool,
    states: Vec<Option<State>>,
    known: HashMap<Vec<SchemaId>, StateId>,
    pointers: HashMap<(&'b str, &'b str), SchemaId>,
    order: Vec<u8>,
    /// Fields of the record that tell the day of a code list.
    dated: Vec<Pointer>,
    /// Whether a schema, or one below it, may remark.
    remarks: &'b [bool],
    matchers: RefCell<HashMap<String, Option<Arc<Matcher>>>>,
    /// Schemas whose view is under way; one that comes back to itself has none.
    viewing: Vec<SchemaId>,
    views: usize,
    asks_most: usize,
}

/// Why a state cannot be told: too many of something.
#[derive(Debug)]
struct Beyond;

impl Program {
    pub fn build(
        survey: &Survey,
        owns: &[Arc<Own>],
        remarks: &[bool],
        values: &[&Value],
        assert_formats: bool,
        engine: &dyn Fn(&Value) -> Option<Engine>,
    ) -> Self {
        let pointers = survey.schemas.iter().enumerate();
        let pointers = pointers.map(|(id, schema)| ((&*schema.document, &*schema.pointer), id)).collect();
        // What they say of a value may hang on what else fails in it.
        let mut ways = survey.schemas.iter().flat_map(|schema| &schema.ways);
        let asks_of_all = ways.any(|(way, _)| matches!(way, Way::Unevaluated | Way::UnevaluatedItems));
        let mut builder = Builder {
            survey,
            owns,
            values,
            engine,
            assert_formats,
            states: Vec::new(),
            known: HashMap::new(),
            pointers,
            order: Vec::new(),
            matchers: RefCell::default(),
            viewing: Vec::new(),
            views: 0,
            asks_most: 1,
            remarks,
            dated: Vec::new(),
        };
        builder.dated = builder.dated_lists();
        let root = builder.state(vec![survey.root]).ok();
        let anything = if asks_of_all { None } else { builder.state(Vec::new()).ok() };
        let Builder { states, order, dated, asks_most, .. } = builder;
        let Some((mut states, root)) = states.into_iter().collect::<Option<Vec<State>>>().zip(root) else {
            return Self::default();
        };
        let place = |field: Pointer| {
            let names = &states[root as usize].object.as_ref()?.names;
            let at = names.get(field.tokens().next()?.as_bytes())?;
            Some((field, at))
        };
        match dated.into_iter().map(place).collect::<Option<Vec<_>>>() {
            Some(dated) => {
                let plains: Vec<Plain> = states.iter().map(Plain::of).collect();
                let objects = states.iter_mut().filter_map(|state| state.object.as_deref_mut());
                for member in objects.flat_map(|object| &mut object.members) {
                    member.plain = plains[member.state as usize].clone();
                }
                let again = json::FUEL / (2 * asks_most as u64);
                Self { states, plains, root: Some(root), anything, order: order.into(), dated, asked: None, again }
            }
            None => Self::default(),
        }
    }
}

impl<'b> Builder<'b> {
    fn dated_lists(&self) -> Vec<Pointer> {
        let lists = self.owns.iter().filter_map(|own| own.list());
        let fields: BTreeSet<&Pointer> = lists.filter_map(|(membership, _)| membership.as_of()).collect();
        fields.into_iter().cloned().collect()
    }

    fn schema(&self, id: SchemaId) -> &'b Schema {
        &self.survey.schemas[id]
    }

    fn value(&self, id: SchemaId) -> &'b Value {
        self.values[id]
    }

    /// The keywords of a schema that count.
    fn keywords(&self, id: SchemaId) -> impl Iterator<Item = (&'b String, &'b Value)> + use<'b> {
        let members = self.value(id).as_object();
        let alone =
            ignores_siblings(self.schema(id).draft) && members.is_some_and(|members| members.contains_key("$ref"));
        members.filter(|_| !alone).into_iter().flatten()
    }

    fn child(&self, id: SchemaId, step: &str) -> Option<SchemaId> {
        let Schema { document, pointer, .. } = self.schema(id);
        self.pointers.get(&(&**document, &*format!("{pointer}/{step}"))).copied()
    }

    /// These schemas and all that always apply with them.
    fn together(&self, mut set: Vec<SchemaId>) -> Vec<SchemaId> {
        let mut at = 0;
        while at < set.len() {
            for (way, to) in &self.schema(set[at]).ways {
                if *way == Way::Always && !set.contains(to) {
                    set.push(*to);
                }
            }
            at += 1;
        }
        set.sort_unstable();
        set
    }

    fn state(&mut self, schemas: Vec<SchemaId>) -> Result<StateId, Beyond> {
        let set = self.together(schemas);
        if let Some(known) = self.known.get(&set) {
            return Ok(*known);
        }
        if self.states.len() >= STATES_MAX {
            return Err(Beyond);
        }
        let id = self.states.len() as StateId;
        self.states.push(None);
        self.known.insert(set.clone(), id);
        let state = self.of(&set)?;
        self.states[id as usize] = Some(state);
        Ok(id)
    }

    fn of(&mut self, set: &[SchemaId]) -> Result<State, Beyond> {
        let asks = self.asks(set);
        if asks > ASKS_MAX {
            return Err(Beyond);
        }
        self.asks_most = self.asks_most.max(asks);
        let mut parts = Parts::default();
        for id in set {
            match self.value(*id) {
                Value::Bool(true) => {}
                Value::Object(_) => self.part(*id, &mut parts),
                _ => parts.types = 0,
            }
        }
        let (object, branches) = match parts.types & types::OBJECT {
            0 => (None, self.branches(set, &mut Vec::new())?),
            _ => self.object(set)?,
        };
        let array = if parts.types & types::ARRAY == 0 { None } else { self.array(set, &parts)? };
        let may_remark = set.iter().any(|id| self.remarks[*id]);
        Ok(State {
            schemas: set.into(),
            types: parts.types,
            values: parts.values.into(),
            text: TextState { min: parts.min_length, max: parts.max_length, checks: parts.checks.into() },
            number: NumberState { bounds: parts.bounds.into(), multiples: parts.multiples.into() },
            object: object.map(Box::new),
            array: array.map(Box::new),
            branches: branches.into(),
            opaque: parts.opaque,
            opaque_types: parts.opaque_types,
            may_remark,
        })
    }

    /// How many keywords are asked of a value, those of its branches among them.
    fn asks(&self, set: &[SchemaId]) -> usize {
        let (mut all, mut at, mut asks) = (set.to_vec(), 0, 0);
        while let Some(id) = all.get(at).copied() {
            asks += self.keywords(id).count();
            for (way, to) in &self.schema(id).ways {
                let is_here =
                    matches!(way, Way::Always | Way::Branch | Way::Dynamic | Way::Then | Way::Else | Way::Dependent(_));
                if is_here && !all.contains(to) {
                    all.push(*to);
                }
            }
            if asks > ASKS_MAX {
                break;
            }
            at += 1;
        }
        asks
    }

    /// What one schema says of its own value, but for what is in it.
    fn part(&self, id: SchemaId, parts: &mut Parts) {
        let draft = self.schema(id).draft;
        for (keyword, value) in self.keywords(id) {
            self.keyword(id, draft, keyword, value, parts);
        }
        let has = |keyword: &str| self.value(id).get(keyword).is_some();
        if has("$dynamicRef") || has("$recursiveRef") {
            parts.refuse("$dynamicRef", types::ALL);
        }
        // A reference to a published meta-schema leads out of the survey.
        let branches = self
            .keywords(id)
            .find(|(keyword, _)| *keyword == "allOf")
            .and_then(|(_, all)| all.as_array())
            .map_or(0, Vec::len);
        let always = self.schema(id).ways.iter().filter(|(way, _)| *way == Way::Always).count();
        if has("$ref") && always <= branches {
            parts.refuse("$ref", types::ALL);
        }
        let own = &self.owns[id];
        if let Some(format) = own.format() {
            parts.checks.push(TextCheck::Format(format, Moment::of(format.name())));
        }
        if let Some((membership, codes)) = own.list() {
            let (membership, codes) = (Box::new(membership.clone()), codes.clone());
            parts.checks.push(match membership.as_of() {
                None => TextCheck::List(membership, codes),
                Some(_) => TextCheck::DatedList(membership, codes),
            });
        }
    }

    fn keyword(&self, id: SchemaId, draft: Draft, keyword: &str, value: &Value, parts: &mut Parts) {
        let since = |drafts: &[Draft]| drafts.contains(&draft);
        match keyword {
            "type" => {
                let names = match value {
                    Value::Array(names) => {
                        names.iter().filter_map(Value::as_str).map(types::of).fold(0, |all, bit| all | bit)
                    }
                    name => name.as_str().map_or(0, types::of),
                };
                parts.types &= names;
            }
            "enum" => match value {
                Value::Array(values) => parts.values.push(Values::of(values.iter())),
                _ => parts.refuse("enum", types::ALL),
            },
            "const" if draft != Draft::Draft4 => parts.values.push(Values::of([value].into_iter())),
            "minLength" => match count(value) {
                Some(min) => parts.min_length = parts.min_length.max(min),
                None => parts.refuse("minLength", types::STRING),
            },
            "maxLength" => match count(value) {
                Some(max) => parts.max_length = Some(parts.max_length.map_or(max, |known| known.min(max))),
                None => parts.refuse("maxLength", types::STRING),
            },
            "pattern" => match value.as_str().and_then(|pattern| self.matcher(pattern)) {
                Some(matcher) => parts.checks.push(TextCheck::Matcher(matcher)),
                None => parts.refuse("pattern", types::STRING),
            },
            "$schema" if !value.as_str().is_some_and(is_published) => parts.refuse("$schema", types::ALL),
            "format" if !self.assert_formats || self.owns[id].format().is_some() => {}
            "format" => match (self.engine)(&serde_json::json!({"$schema": dialect(draft), "format": value})) {
                Some(engine) => {
                    let moment = value.as_str().and_then(Moment::of);
                    parts.checks.push(TextCheck::Engine(Box::new(engine), moment));
                }
                None => parts.refuse("format", types::STRING),
            },
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => match Bound::of(keyword, value) {
                Some(bound) if draft != Draft::Draft4 => parts.bounds.push(bound),
                _ => parts.refuse("minimum", types::NUMBER | types::INTEGER),
            },
            "multipleOf" => match Short::parse(&value.to_string()).filter(|by| by.mantissa > 0) {
                Some(by) => parts.multiples.push(by),
                None => parts.refuse("multipleOf", types::NUMBER | types::INTEGER),
            },
            "contentEncoding" | "contentMediaType" if !since(NEWER) => parts.refuse("contentEncoding", types::STRING),
            "dependencies" if since(NEWER) => parts.refuse("dependencies", types::OBJECT),
            "const" | "propertyNames" | "contains" if draft == Draft::Draft4 => parts.refuse("const", types::ALL),
            "if" | "then" | "else" if matches!(draft, Draft::Draft4 | Draft::Draft6) => parts.refuse("if", types::ALL),
            "dependentRequired"
            | "dependentSchemas"
            | "minContains"
            | "maxContains"
            | "unevaluatedItems"
            | "unevaluatedProperties"
                if !since(NEWER) =>
            {
                parts.refuse("dependentRequired", types::ALL);
            }
            "prefixItems" if draft != Draft::Draft202012 => parts.refuse("prefixItems", types::ARRAY),
            "items" if draft == Draft::Draft202012 && value.is_array() => parts.refuse("items", types::ARRAY),
            "additionalItems" if draft == Draft::Draft202012 => parts.refuse("additionalItems", types::ARRAY),
            "unevaluatedItems" => parts.refuse("unevaluatedItems", types::ARRAY),
            _ => {}
        }
    }

    /// Everything about the members of an object, and the branches, which may be told by its members.
    fn object(&mut self, set: &[SchemaId]) -> Result<(Option<ObjectState>, Vec<Branch>), Beyond> {
        let mut names = BTreeSet::new();
        self.names(set, &mut names, &mut Vec::new());
        if set.contains(&self.survey.root) {
            names.extend(self.dated.iter().filter_map(|field| field.tokens().next().map(str::to_owned)));
        }
        // In the order of the document, which is likely that of records.
        let mut ordered: Vec<String> = Vec::new();
        for id in set {
            for (way, _) in &self.schema(*id).ways {
                match way {
                    Way::Member(name) if !ordered.contains(name) => ordered.push(name.clone()),
                    _ => {}
                }
            }
        }
        ordered.extend(names.into_iter().filter(|name| !ordered.contains(name)).collect::<Vec<_>>());
        if ordered.len() > MEMBERS_MAX {
            return Err(Beyond);
        }
        let bit = |name: &str| ordered.iter().position(|known| known == name).map_or(0, |at| 1_u128 << at);
        let mut object = ObjectState {
            members: Box::default(),
            names: Names::of(ordered.iter().map(|name| name.as_bytes().into())),
            required: 0,
            dependent: Box::default(),
            min: 0,
            max: u32::MAX,
            patterns: Box::default(),
            others: Box::default(),
            other_names: None,
            rules: Box::default(),
            kept: 0,
            memory: self.order.len() as u32,
        };
        // Until a record has shown another order, that of the standard.
        self.order.extend((0..=ordered.len()).map(|at| at as u8));
        let mut dependent = Vec::new();
        for id in set {
            for (keyword, value) in self.keywords(*id) {
                let count = || count(value).ok_or(Beyond);
                match keyword.as_str() {
                    "required" => object.required |= strings(value).map(bit).fold(0, |all, bit| all | bit),
                    "minProperties" => object.min = object.min.max(count()?),
                    "maxProperties" => object.max = object.max.min(count()?),
                    "dependentRequired" | "dependencies" => {
                        for (name, wanted) in
                            value.as_object().into_iter().flatten().filter(|(_, wanted)| wanted.is_array())
                        {
                            dependent.push((bit(name), strings(wanted).map(bit).fold(0, |all, bit| all | bit)));
                        }
                    }
                    _ => {}
                }
            }
        }
        object.dependent = dependent.into();
        let mut members = Vec::new();
        for name in &ordered {
            let mut state = self.for_name(set, name)?;
            match self.name_fits(set, name)? {
                Proof::Yes => {}
                // The name itself is refused, so the member may not be there.
                Proof::No => state = self.never()?,
                Proof::Unknown => return Err(Beyond),
            }
            let quoted = serde_json::to_string(name).map_err(|_| Beyond)?;
            members.push(Member::new(format!(",{quoted}:").into_bytes(), members.len() as u8, state));
        }
        object.members = members.into();
        self.others(set, &mut object)?;
        object.rules = self.rules(set, &ordered, &mut object.kept);
        if set.contains(&self.survey.root) {
            object.kept |=
                self.dated.iter().filter_map(|field| field.tokens().next()).map(bit).fold(0, |all, bit| all | bit);
        }
        let mut kept = Vec::new();
        let branches = self.branches_by(set, &ordered, &mut kept)?;
        kept.into_iter().for_each(|at| object.kept |= 1 << at);
        Ok((Some(object), branches))
    }

    fn never(&mut self) -> Result<StateId, Beyond> {
        // No schema at all is `true`; this key stands for `false`.
        let key = vec![SchemaId::MAX];
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let id = self.states.len() as StateId;
        self.states.push(Some(State { types: 0, ..State::anything() }));
        self.known.insert(key, id);
        Ok(id)
    }

    /// Whether a name that the standard knows satisfies what it asks of names.
    fn name_fits(&mut self, set: &[SchemaId], name: &str) -> Result<Proof, Beyond> {
        match self.names_state(set)? {
            None => Ok(Proof::Yes),
            Some(state) => Ok(super::prove::text_fits(self.states[state as usize].as_ref().ok_or(Beyond)?, name)),
        }
    }

    fn names_state(&mut self, set: &[SchemaId]) -> Result<Option<StateId>, Beyond> {
        let asked: Vec<SchemaId> = set.iter().flat_map(|id| self.ways(*id, &Way::Names)).collect();
        if asked.is_empty() { Ok(None) } else { self.state(asked).map(Some) }
    }

    fn ways(&self, id: SchemaId, wanted: &Way) -> Vec<SchemaId> {
        self.schema(id).ways.iter().filter(|(way, _)| way == wanted).map(|(_, to)| *to).collect()
    }

    /// Names of members that a set of schemas, or its branches, speak of.
    fn names(&self, set: &[SchemaId], names: &mut BTreeSet<String>, seen: &mut Vec<SchemaId>) {
        for id in set {
            if seen.contains(id) {
                continue;
            }
            seen.push(*id);
            for (keyword, value) in self.keywords(*id) {
                match keyword.as_str() {
                    "required" => names.extend(strings(value).map(str::to_owned)),
                    "dependentRequired" | "dependencies" => {
                        for (name, wanted) in value.as_object().into_iter().flatten() {
                            names.insert(name.clone());
                            names.extend(strings(wanted).map(str::to_owned));
                        }
                    }
                    _ => {}
                }
            }
            for (_, field) in self.owns[*id].rules().fields() {
                names.extend(field.tokens().next().map(str::to_owned));
            }
            for (way, to) in &self.schema(*id).ways {
                match way {
                    Way::Member(name) => drop(names.insert(name.clone())),
                    Way::Dependent(name) => {
                        names.insert(name.clone());
                        self.names(&[*to], names, seen);
                    }
                    way if way.stays() => self.names(&[*to], names, seen),
                    _ => {}
                }
            }
        }
    }

    /// The state of a member with this name.
    fn for_name(&mut self, set: &[SchemaId], name: &str) -> Result<StateId, Beyond> {
        let mut applies = Vec::new();
        for id in set {
            let direct = self.by_name(*id, name);
            if direct.is_empty() && !self.covers(*id, name) {
                applies.extend(self.ways(*id, &Way::Additional));
            }
            applies.extend(direct);
            applies.extend(self.unevaluated(*id, &|builder, id| builder.evaluates(id, name))?);
        }
        self.state(applies)
    }

    fn by_name(&self, id: SchemaId, name: &str) -> Vec<SchemaId> {
        let ways = self.schema(id).ways.iter();
        ways.filter(|(way, _)| self.way_covers(way, name)).map(|(_, to)| *to).collect()
    }

    fn covers(&self, id: SchemaId, name: &str) -> bool {
        self.schema(id).ways.iter().any(|(way, _)| self.way_covers(way, name))
    }

    fn way_covers(&self, way: &Way, name: &str) -> bool {
        match way {
            Way::Member(member) => member == name,
            Way::Pattern(pattern) => self.matcher(pattern).is_some_and(|matcher| matcher.is_match(name)),
            _ => false,
        }
    }

    fn matcher(&self, pattern: &str) -> Option<Arc<Matcher>> {
        if let Some(known) = self.matchers.borrow().get(pattern) {
            return known.clone();
        }
        let matcher = Matcher::compile(pattern).map(Arc::new);
        self.matchers.borrow_mut().insert(pattern.to_owned(), matcher.clone());
        matcher
    }

    fn evaluates(&self, id: SchemaId, name: &str) -> bool {
        self.covers(id, name) || self.schema(id).ways.iter().any(|(way, _)| *way == Way::Additional)
    }

    /// What `unevaluatedProperties` asks of a member, where nothing beside it speaks of the member.
    fn unevaluated(&self, id: SchemaId, evaluates: &dyn Fn(&Self, SchemaId) -> bool) -> Result<Vec<SchemaId>, Beyond> {
        let asked = self.ways(id, &Way::Unevaluated);
        if asked.is_empty() {
            return Ok(asked);
        }
        let beside = self.together(vec![id]);
        let is_open = |way: &Way| way.stays() && *way != Way::Always && *way != Way::Not;
        // What a branch evaluates depends on the record.
        if beside.iter().any(|id| self.schema(*id).ways.iter().any(|(way, _)| is_open(way))) {
            return Err(Beyond);
        }
        let nested = |other: &SchemaId| *other != id && !self.ways(*other, &Way::Unevaluated).is_empty();
        let is_evaluated = beside.iter().any(|other| evaluates(self, *other) || nested(other));
        Ok(if is_evaluated { Vec::new() } else { asked })
    }

    /// States of members that are not known by name: one for each set of patterns that may match.
    fn others(&mut self, set: &[SchemaId], object: &mut ObjectState) -> Result<(), Beyond> {
        let patterns: BTreeSet<&str> = set
            .iter()
            .flat_map(|id| &self.schema(*id).ways)
            .filter_map(|(way, _)| match way {
                Way::Pattern(pattern) => Some(pattern.as_str()),
                _ => None,
            })
            .collect();
        let patterns: Vec<&str> = patterns.into_iter().collect();
        if patterns.len() > PATTERNS_MAX {
            return Err(Beyond);
        }
        let mut others = Vec::new();
        for matched in 0..1_u32 << patterns.len() {
            let is_matched = |way: &Way| match way {
                Way::Pattern(pattern) => {
                    patterns.iter().position(|known| known == pattern).is_some_and(|at| matched >> at & 1 == 1)
                }
                _ => false,
            };
            let mut applies = Vec::new();
            for id in set {
                let ways = &self.schema(*id).ways;
                let direct: Vec<SchemaId> = ways.iter().filter(|(way, _)| is_matched(way)).map(|(_, to)| *to).collect();
                if direct.is_empty() {
                    applies.extend(self.ways(*id, &Way::Additional));
                }
                applies.extend(direct);
                applies.extend(self.unevaluated(*id, &|builder, id| {
                    builder.schema(id).ways.iter().any(|(way, _)| is_matched(way) || *way == Way::Additional)
                })?);
            }
            others.push(self.state(applies)?);
        }
        object.others = others.into();
        object.patterns =
            patterns.into_iter().map(|pattern| self.matcher(pattern)).collect::<Option<_>>().ok_or(Beyond)?;
        object.other_names = self.names_state(set)?;
        Ok(())
    }

    fn rules(&self, set: &[SchemaId], ordered: &[String], kept: &mut u128) -> Box<[RuleSet]> {
        let rules = set.iter().map(|id| self.owns[*id].rules()).filter(|rules| !rules.is_empty());
        rules
            .map(|rules| {
                let mut places: Vec<(Pointer, u8)> = Vec::new();
                for (_, field) in rules.fields() {
                    let at = field.tokens().next().and_then(|first| ordered.iter().position(|name| name == first));
                    if let Some(at) = at.filter(|_| places.iter().all(|(known, _)| known != field)) {
                        *kept |= 1 << at;
                        places.push((field.clone(), at as u8));
                    }
                }
                RuleSet { between: Between::of(rules, &places), rules: rules.clone(), places }
            })
            .collect()
    }

    fn array(&mut self, set: &[SchemaId], parts: &Parts) -> Result<Option<ArrayState>, Beyond> {
        if parts.opaque_types & types::ARRAY != 0 {
            return Ok(None);
        }
        let mut array = ArrayState {
            first: Box::default(),
            rest: 0,
            min: 0,
            max: u32::MAX,
            is_unique: false,
            contains: Box::default(),
        };
        let mut contains = Vec::new();
        for id in set {
            let (mut least, mut most) = (1, u32::MAX);
            for (keyword, value) in self.keywords(*id) {
                let count = || count(value).ok_or(Beyond);
                match keyword.as_str() {
                    "minItems" => array.min = array.min.max(count()?),
                    "maxItems" => array.max = array.max.min(count()?),
                    "uniqueItems" => array.is_unique |= value.as_bool().unwrap_or(true),
                    "minContains" => least = count()?,
                    "maxContains" => most = count()?,
                    _ => {}
                }
            }
            for to in self.ways(*id, &Way::Contains) {
                contains.push(Contains { state: self.state(vec![to])?, min: least, max: most });
            }
        }
        let ways: Vec<(Way, SchemaId)> = set.iter().flat_map(|id| self.schema(*id).ways.iter().cloned()).collect();
        let end = ways.iter().map(|(way, _)| if let Way::Item(at) | Way::Items(at) = way { at + 1 } else { 0 }).max();
        let end = end.unwrap_or(0);
        if end > PLACES_MAX {
            return Err(Beyond);
        }
        let at = |place: usize| -> Vec<SchemaId> {
            let applies = |way: &Way| match way {
                Way::Item(at) => *at == place,
                Way::Items(from) => place >= *from,
                _ => false,
            };
            ways.iter().filter(|(way, _)| applies(way)).map(|(_, to)| *to).collect()
        };
        array.first = (0..end).map(|place| self.state(at(place))).collect::<Result<_, _>>()?;
        array.rest = self.state(at(usize::MAX - 1))?;
        array.contains = contains.into();
        Ok(Some(array))
    }

    fn branches(&mut self, set: &[SchemaId], kept: &mut Vec<u8>) -> Result<Vec<Branch>, Beyond> {
        self.branches_by(set, &[], kept)
    }

    /// The branches of a set of schemas; `ordered` are the members of the object that they may be told by.
    fn branches_by(&mut self, set: &[SchemaId], ordered: &[String], kept: &mut Vec<u8>) -> Result<Vec<Branch>, Beyond> {
        let mut branches = Vec::new();
        for id in set {
            let keywords: Vec<(&'b String, &'b Value)> = self.keywords(*id).collect();
            for (keyword, value) in keywords {
                match keyword.as_str() {
                    "anyOf" | "oneOf" => {
                        let count = value.as_array().map_or(0, Vec::len);
                        let mut targets = Vec::new();
                        for place in 0..count {
                            targets.push(self.target(*id, &format!("{keyword}/{place}"), ordered, kept)?);
                        }
                        branches.push(if keyword == "anyOf" {
                            Branch::AnyOf(targets.into())
                        } else {
                            Branch::OneOf(targets.into())
                        });
                    }
                    "not" => branches.push(Branch::Not(self.target(*id, "not", ordered, kept)?)),
                    "if" => {
                        let mut one = |step: &str| match self.child(*id, step) {
                            Some(_) => self.target(*id, step, ordered, kept).map(Some),
                            None => Ok(None),
                        };
                        let (then, otherwise) = (one("then")?, one("else")?);
                        let condition = self.target(*id, "if", ordered, kept)?;
                        branches.push(Branch::If { condition, then, otherwise });
                    }
                    "dependentSchemas" | "dependencies" => {
                        for (name, _) in
                            value.as_object().into_iter().flatten().filter(|(_, wanted)| !wanted.is_array())
                        {
                            let step = format!("{keyword}/{}", crate::json::escape(name));
                            let target = self.target(*id, &step, ordered, kept)?;
                            match ordered.iter().position(|known| known == name) {
                                Some(member) => {
                                    kept.push(member as u8);
                                    branches.push(Branch::Dependent { member: member as u8, target });
                                }
                                None if ordered.is_empty() => {}
                                None => return Err(Beyond),
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(branches)
    }

    fn target(&mut self, id: SchemaId, step: &str, ordered: &[String], kept: &mut Vec<u8>) -> Result<Target, Beyond> {
        let child = self.child(id, step).ok_or(Beyond)?;
        let state = self.state(vec![child])?;
        let mut places = Vec::new();
        let view = self.view(child, ordered, &mut places)?;
        if view.is_some() {
            kept.extend(places);
        }
        Ok(Target { state, view: view.map(Box::new) })
    }

    /// What a branch asks of an object, where it asks only for members by name.
    fn view(&mut self, id: SchemaId, ordered: &[String], kept: &mut Vec<u8>) -> Result<Option<View>, Beyond> {
        self.views += 1;
        if self.views > VIEWS_MAX {
            return Err(Beyond);
        }
        if ordered.is_empty() || self.viewing.contains(&id) {
            return Ok(None);
        }
        self.viewing.push(id);
        let view = self.view_of(id, ordered, kept);
        self.viewing.pop();
        view
    }

    fn view_of(&mut self, id: SchemaId, ordered: &[String], kept: &mut Vec<u8>) -> Result<Option<View>, Beyond> {
        let set = self.together(vec![id]);
        let by_name_only = |way: &Way| {
            !matches!(way, Way::Pattern(_) | Way::Additional | Way::Unevaluated | Way::Names | Way::Dynamic)
        };
        let plain = set.iter().all(|id| {
            matches!(self.value(*id), Value::Object(_) | Value::Bool(true))
                && self.schema(*id).ways.iter().all(|(way, _)| by_name_only(way))
                && self.keywords(*id).all(|(keyword, _)| !OF_WHOLE_OBJECTS.contains(&keyword.as_str()))
                && self.owns[*id].rules().is_empty()
        });
        if !plain {
            return Ok(None);
        }
        let mut parts = Parts::default();
        set.iter().filter(|id| self.value(**id).is_object()).for_each(|id| self.part(*id, &mut parts));
        if parts.opaque_types & types::OBJECT != 0
            || parts.values.iter().any(|values| values.others & types::OBJECT != 0)
        {
            return Ok(None);
        }
        if !parts.values.is_empty() {
            parts.types &= !types::OBJECT;
        }
        let place = |name: &str| ordered.iter().position(|known| known == name).map(|at| at as u8);
        let mut members: BTreeMap<u8, Vec<SchemaId>> = BTreeMap::new();
        for (way, to) in set.iter().flat_map(|id| &self.schema(*id).ways) {
            if let Way::Member(name) = way {
                let Some(at) = place(name) else { return Ok(None) };
                members.entry(at).or_default().push(*to);
            }
        }
        let (mut required, mut dependent) = (0, Vec::new());
        let bits = |value: &Value| strings(value).try_fold(0, |all, name| Some(all | 1_u128 << place(name)?));
        for (keyword, value) in set.iter().flat_map(|id| self.keywords(*id)) {
            match keyword.as_str() {
                "required" => {
                    for name in strings(value) {
                        let Some(at) = place(name) else { return Ok(None) };
                        required |= 1_u128 << at;
                    }
                }
                "dependentRequired" | "dependencies" => {
                    for (name, wanted) in
                        value.as_object().into_iter().flatten().filter(|(_, wanted)| wanted.is_array())
                    {
                        let (Some(at), Some(wanted)) = (place(name), bits(wanted)) else { return Ok(None) };
                        dependent.push((1_u128 << at, wanted));
                    }
                }
                _ => {}
            }
        }
        let branches = self.branches_by(&set, ordered, kept)?;
        kept.extend(members.keys());
        let asked = dependent.iter().fold(required, |all, (member, wanted)| all | member | wanted);
        kept.extend((0..MEMBERS_MAX as u8).filter(|member| asked >> member & 1 == 1));
        let members =
            members.into_iter().map(|(at, schemas)| Ok((at, self.state(schemas)?))).collect::<Result<_, _>>()?;
        let (dependent, branches) = (dependent.into(), branches.into());
        Ok(Some(View { types: parts.types, members, required, dependent, branches }))
    }
}

const NEWER: &[Draft] = &[Draft::Draft201909, Draft::Draft202012];
/// Keywords that ask more of an object than its named members tell.
const OF_WHOLE_OBJECTS: [&str; 2] = ["minProperties", "maxProperties"];

fn dialect(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "http://json-schema.org/draft-04/schema#",
        Draft::Draft6 => "http://json-schema.org/draft-06/schema#",
        Draft::Draft7 => "http://json-schema.org/draft-07/schema#",
        Draft::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
        _ => "https://json-schema.org/draft/2020-12/schema",
    }
}

fn is_published(dialect: &str) -> bool {
    let dialect = dialect.trim_end_matches('#').trim_start_matches("https://").trim_start_matches("http://");
    let old = ["json-schema.org/draft-04/schema", "json-schema.org/draft-06/schema", "json-schema.org/draft-07/schema"];
    let new = ["json-schema.org/draft/2019-09/schema", "json-schema.org/draft/2020-12/schema"];
    old.contains(&dialect) || new.contains(&dialect)
}

/// A count, which may be written `2.0`.
fn count(value: &Value) -> Option<u32> {
    let whole = || value.as_f64().filter(|count| count.fract() == 0.0 && *count >= 0.0).map(|count| count as u64);
    let count = value.as_u64().or_else(whole)?;
    Some(u32::try_from(count).unwrap_or(u32::MAX))
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// What the schemas of a state say together.
struct Parts {
    types: u8,
    values: Vec<Values>,
    min_length: u32,
    max_length: Option<u32>,
    checks: Vec<TextCheck>,
    bounds: Vec<Bound>,
    multiples: Vec<Short>,
    opaque: Option<&'static str>,
    opaque_types: u8,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            types: types::ALL,
            values: Vec::new(),
            min_length: 0,
            max_length: None,
            checks: Vec::new(),
            bounds: Vec::new(),
            multiples: Vec::new(),
            opaque: None,
            opaque_types: 0,
        }
    }
}

impl Parts {
    fn refuse(&mut self, keyword: &'static str, types: u8) {
        self.opaque.get_or_insert(keyword);
        self.opaque_types |= types;
    }
}

impl State {
    fn anything() -> Self {
        Self {
            schemas: Box::default(),
            types: types::ALL,
            values: Box::default(),
            text: TextState::default(),
            number: NumberState::default(),
            object: None,
            array: None,
            branches: Box::default(),
            opaque: None,
            opaque_types: 0,
            may_remark: false,
        }
    }
}

impl Values {
    fn of<'v>(values: impl Iterator<Item = &'v Value>) -> Self {
        let (mut found, mut texts, mut integers): (_, Vec<&str>, _) = (Self::default(), Vec::new(), Vec::new());
        for value in values {
            match value {
                Value::Null => found.has_null = true,
                Value::Bool(true) => found.has_true = true,
                Value::Bool(false) => found.has_false = true,
                Value::String(text) => texts.push(text.as_str()),
                Value::Number(number) => match number.as_i64().filter(|number| number.abs() < 1 << 50) {
                    Some(integer) => integers.push(integer),
                    None => found.others |= types::NUMBER | types::INTEGER,
                },
                Value::Array(_) => found.others |= types::ARRAY,
                Value::Object(_) => found.others |= types::OBJECT,
            }
        }
        (found.texts, found.integers) = (Texts::of(texts), integers.into());
        found
    }
}

impl Bound {
    fn of(keyword: &str, value: &Value) -> Option<Self> {
        let Value::Number(number) = value else { return None };
        Some(Self {
            limit: Short::parse(&number.to_string())?,
            is_upper: matches!(keyword, "maximum" | "exclusiveMaximum"),
            is_exclusive: keyword.starts_with("exclusive"),
        })
    }
}

impl Member {
    fn new(spelled: Vec<u8>, place: u8, state: StateId) -> Self {
        let (mut head, mut mask) = ([0; BLOCK], [0; BLOCK]);
        for (at, byte) in spelled.iter().take(BLOCK).enumerate() {
            (head[at], mask[at]) = (*byte, 0xFF);
        }
        let (mut bare_mask, length) = (mask, spelled.len() as u32 - 1);
        bare_mask[0] = 0;
        let (bit, plain, spelled) = (1 << place, Plain::default(), spelled.into());
        Self { head, mask, bare_mask, bit, state, plain, length, place, spelled }
    }
}
