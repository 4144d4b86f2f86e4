//! One form for every spelling of the same schema.
//!
//! Both sides of a comparison are read into one `Graph`, whose nodes are interned: what is written alike on both sides is
//! the same node, so that "this, and not this" is seen to be empty at a glance. Applicators that look at what others have
//! evaluated (`unevaluatedProperties`, `unevaluatedItems`) are unfolded here into cases, so that nothing later knows them.
//!
//! What has no exact form here becomes `Opaque`: it equals itself and nothing else is known of it.

use crate::{conditions::Clause, exact, formats, lists::Referred, meaning::meaning};
use guiju_model::{CodeList, Date, Digest, Text, pointer};
use guiju_validator::{
    formats::{SecondForm, second_form},
    membership::Codes,
    rules::Rules,
};
use jsonschema::Draft;
use num_rational::BigRational;
use num_traits::One;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A node of the graph.
pub type Id = u32;

/// A set of JSON types. Integral numbers are apart from the others; under draft 4 so are those spelled with a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Types(u8);

impl Types {
    pub const NULL: Self = Self(1);
    pub const BOOLEAN: Self = Self(2);
    /// An integral number, written without a fraction.
    pub const INTEGER: Self = Self(4);
    /// A number that is not integral.
    pub const FRACTION: Self = Self(8);
    /// An integral number written with a fraction, `1.0`: a type of its own in draft 4 alone.
    pub const WRITTEN_FRACTION: Self = Self(16);
    pub const STRING: Self = Self(32);
    pub const ARRAY: Self = Self(64);
    pub const OBJECT: Self = Self(128);
    pub const NUMBER: Self = Self(4 + 8 + 16);
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(255);

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Display for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = Self::INTEGER.or(Self::WRITTEN_FRACTION);
        let numbers = match (self.has(whole), self.has(Self::FRACTION)) {
            (true, true) => "number",
            (true, false) => "integer",
            (false, true) => "number with a fraction",
            (false, false) => "",
        };
        let names = [
            (Self::NULL, "null"),
            (Self::BOOLEAN, "boolean"),
            (Self::NUMBER, numbers),
            (Self::STRING, "string"),
            (Self::ARRAY, "array"),
            (Self::OBJECT, "object"),
        ];
        let own: Vec<&str> = names.into_iter().filter(|(types, _)| self.has(*types)).map(|(_, name)| name).collect();
        f.write_str(&own.join(", "))
    }
}

/// What a value must be. A node about one type says nothing of values of other types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    True,
    False,
    All(Vec<Id>),
    Any(Vec<Id>),
    /// Exactly one.
    One(Vec<Id>),
    Not(Id),
    If(Id, Id, Id),
    /// A reference back into what is being read; `Graph::target` knows where to.
    Ref(u32),
    Type(Types),
    /// One of some values, by index into `Graph::value`.
    Enum(Vec<u32>),
    Minimum {
        limit: BigRational,
        exclusive: bool,
    },
    Maximum {
        limit: BigRational,
        exclusive: bool,
    },
    Multiple(BigRational),
    MinLength(u64),
    MaxLength(u64),
    Pattern(String),
    Format(String),
    /// A code of a list, by index into `Graph::listed`.
    Listed(u32),
    /// No code of a list that is not valid on the day, by index into `Graph::dated`.
    Dated(u32),
    Items {
        prefix: Vec<Id>,
        rest: Id,
    },
    MinItems(u64),
    MaxItems(u64),
    Unique,
    Contains {
        schema: Id,
        min: u64,
        max: Option<u64>,
    },
    Properties {
        named: Vec<(String, Id)>,
        patterns: Vec<(String, Id)>,
        rest: Id,
    },
    Required(String),
    MinProperties(u64),
    MaxProperties(u64),
    Names(Id),
    /// Equal to itself; says nothing of values outside `types`.
    Opaque {
        key: String,
        types: Types,
    },
}

impl Node {
    /// The types that an atom speaks of: it says nothing of values of others.
    pub fn speaks_of(&self) -> Types {
        match self {
            Self::Minimum { .. } | Self::Maximum { .. } | Self::Multiple(_) => Types::NUMBER,
            Self::MinLength(_)
            | Self::MaxLength(_)
            | Self::Pattern(_)
            | Self::Format(_)
            | Self::Listed(_)
            | Self::Dated(_) => Types::STRING,
            Self::Items { .. } | Self::MinItems(_) | Self::MaxItems(_) | Self::Unique | Self::Contains { .. } => {
                Types::ARRAY
            }
            Self::Properties { .. }
            | Self::Required(_)
            | Self::MinProperties(_)
            | Self::MaxProperties(_)
            | Self::Names(_) => Types::OBJECT,
            Self::Opaque { types, .. } => *types,
            _ => Types::ALL,
        }
    }
}

/// Why a document has no form here. The validator refuses all of these as well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalError {
    #[error("`{keyword}` at `{pointer}` does not have the form that it must")]
    Malformed { keyword: String, pointer: String },
    #[error("the reference `{reference}` at `{pointer}` leads nowhere")]
    Reference { reference: String, pointer: String },
    #[error("the document has more than {NODES_MAX} parts")]
    TooLarge,
}

impl NormalError {
    pub(crate) fn text(&self) -> Text {
        let zh = match self {
            Self::Malformed { keyword, pointer } => format!("`{pointer}` 处的 `{keyword}` 形式不当"),
            Self::Reference { reference, pointer } => format!("`{pointer}` 处的引用 `{reference}` 无所指"),
            Self::TooLarge => format!("文档的组成部分多于 {NODES_MAX}"),
        };
        Text { en: self.to_string(), zh }
    }
}

const NODES_MAX: usize = 200_000;
/// Conditions over which `unevaluated…` is unfolded: 2^6 cases at most.
const CONDITIONS_MAX: usize = 6;
/// How many `unevaluated…` are unfolded one within another.
const UNFOLDING_MAX: usize = 8;
/// Schemas that are read again, to unfold all the `unevaluated…` of a document.
const REREAD_MAX: u32 = 20_000;

/// A schema document with what it may refer to.
pub struct Document<'a> {
    pub root: &'a Value,
    /// Whether it is the newer of the two that are compared.
    pub is_new: bool,
    pub draft: Draft,
    /// Other documents by absolute URI without fragment.
    pub others: &'a BTreeMap<String, Value>,
    /// Code lists by the references to them, as the documents spell them.
    pub lists: &'a Lists,
    pub formats_asserted: bool,
}

/// Code lists by reference. The digest tells whether two are the same.
pub type Lists = BTreeMap<String, (Digest, Arc<CodeList>)>;

/// What tells the codes of one field from those of another: the list, and the format whose second form of them is taken as well.
type ListKey = (Digest, Option<&'static str>);

/// A code list as a field looks at it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub codes: Codes,
    leaf_only: bool,
}

impl Listed {
    pub fn has(&self, text: &str) -> bool {
        self.codes.get(text).is_some_and(|code| !self.leaf_only || code.is_leaf())
    }
}

/// That a code of a list is valid on a day; of what is no code of it, nothing is said.
#[derive(Clone, Debug)]
pub struct Dated {
    pub codes: Codes,
    /// The field, as a pointer from the record's root, that names the day; none, or where it names none: the day of the check.
    pub as_of: Option<String>,
}

impl Dated {
    /// Without a day any row of a code will do.
    pub fn holds(&self, text: &str, day: Option<Date>) -> bool {
        self.codes.get(text).is_none_or(|code| day.is_none_or(|day| code.on(day).is_some()))
    }

    /// Days one of which is like any other day to a code of this list: where a row begins or ends, and one before them all.
    pub fn days(&self, text: &str) -> BTreeSet<Date> {
        let rows = self.codes.get(text).into_iter().flat_map(|code| code.rows().collect::<Vec<_>>());
        let mut days: BTreeSet<Date> = rows.flat_map(|row| [row.valid_from(), row.valid_to()]).flatten().collect();
        days.extend(days.first().copied().and_then(day_before));
        days
    }
}

/// Whether a field takes only codes that have none below them.
fn is_of_leaves(declared: &Value) -> bool {
    declared.get("level").is_some_and(|level| level == "leaf")
}

/// None where there is none: dates begin with the first year.
pub(crate) fn day_before(day: Date) -> Option<Date> {
    let in_month = Date::new(day.year(), day.month(), day.day() - 1);
    let (year, month) = if day.month() == 1 { (day.year().checked_sub(1)?, 12) } else { (day.year(), day.month() - 1) };
    in_month.or_else(|| (28..=31).rev().find_map(|last| Date::new(year, month, last)))
}

#[derive(Default, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    interned: HashMap<Node, Id>,
    values: Vec<Value>,
    value_ids: HashMap<String, u32>,
    targets: Vec<Id>,
    /// Recursive references that both sides share, by the text of all they can reach.
    shared: HashMap<String, u32>,
    /// Where a node was first read, for people, and whether that was in the newer document.
    places: HashMap<Id, (String, bool)>,
    /// All code lists that were met, whatever becomes of a value that is not in them.
    pub referred: Vec<Referred>,
    listed: Vec<Listed>,
    listed_ids: HashMap<(ListKey, bool), u32>,
    dated: Vec<Dated>,
    dated_ids: HashMap<(ListKey, Option<String>), u32>,
    /// Rules between fields, by the key of the opaque part that stands for each.
    rules: HashMap<String, Rule>,
    /// What texts must hold, likewise.
    contents: HashMap<String, Value>,
    /// What rules mean in the parts that keywords are made of, of the nodes before `meant`.
    meanings: HashMap<Id, Id>,
    meant: usize,
}

/// A rule between fields, with one condition in `then`.
#[derive(Debug)]
struct Rule {
    /// For a record at hand.
    rules: Rules,
    written: Value,
    /// What other rules say of it.
    clause: Option<Clause>,
}

impl Graph {
    pub fn rule(&self, key: &str) -> Option<&Rules> {
        self.rules.get(key).map(|rule| &rule.rules)
    }

    /// The rule that an opaque part stands for, as it is written.
    pub fn rule_of(&self, id: Id) -> Option<&Value> {
        match self.node(id) {
            Node::Opaque { key, .. } => self.rules.get(key).map(|rule| &rule.written),
            _ => None,
        }
    }

    /// The node of a rule: `if`, and one condition in `then`.
    pub fn add_rule(&mut self, written: Value) -> Id {
        let clause = Clause::read(&written);
        // Rules that say the same in other words are one.
        let words = clause.as_ref().map_or_else(|| written.to_string(), |clause| format!("{clause:?}"));
        let key = format!("rule {words}");
        if !self.rules.contains_key(&key) {
            let mut named = written.clone();
            if let Value::Object(members) = &mut named {
                members.insert("id".into(), "r".into());
            }
            if let Ok(rules) = Rules::compile(&Value::Array(vec![named]), "") {
                self.rules.insert(key.clone(), Rule { rules, written, clause });
            }
        }
        self.add(Node::Opaque { key, types: Types::OBJECT })
    }

    /// Adds what each rule means where that is more than the rule; whether any does.
    pub fn give_meanings(&mut self) -> bool {
        while self.meant < self.nodes.len().min(NODES_MAX) {
            let id = self.meant as Id;
            if let Some(written) = self.rule_of(id).cloned()
                && let Some(meaning) = meaning(self, &written).filter(|meaning| *meaning != id)
            {
                self.meanings.insert(id, meaning);
            }
            self.meant += 1;
        }
        !self.meanings.is_empty()
    }

    pub fn meaning(&self, id: Id) -> Option<Id> {
        self.meanings.get(&id).copied()
    }

    pub fn clause(&self, id: Id) -> Option<&Clause> {
        match self.node(id) {
            Node::Opaque { key, .. } => self.rules.get(key)?.clause.as_ref(),
            _ => None,
        }
    }

    /// That there is a field at the pointer, and that it has one of these values.
    pub fn field(&mut self, pointer: &str, values: &[Value]) -> Id {
        let mut id = self.values(values.iter());
        for name in pointer::tokens(pointer).rev() {
            let name = name.into_owned();
            let (rest, required) = (self.truth(true), self.add(Node::Required(name.clone())));
            let member = self.add(Node::Properties { named: vec![(name, id)], patterns: Vec::new(), rest });
            id = self.all(vec![required, member]);
        }
        id
    }

    pub fn content(&self, key: &str) -> Option<&Value> {
        self.contents.get(key)
    }

    pub fn listed(&self, index: u32) -> &Listed {
        &self.listed[index as usize]
    }

    pub fn dated(&self, index: u32) -> &Dated {
        &self.dated[index as usize]
    }

    /// All fields that name the day of a code; none: the day of the check.
    pub fn as_of(&self) -> BTreeSet<&Option<String>> {
        self.dated.iter().map(|dated| &dated.as_of).collect()
    }

    fn listed_node(&mut self, key: ListKey, listed: Listed) -> Id {
        let next = self.listed.len() as u32;
        let index = *self.listed_ids.entry((key, listed.leaf_only)).or_insert(next);
        if index == next {
            self.listed.push(listed);
        }
        self.add(Node::Listed(index))
    }

    fn dated_node(&mut self, key: ListKey, dated: Dated) -> Id {
        let next = self.dated.len() as u32;
        let index = *self.dated_ids.entry((key, dated.as_of.clone())).or_insert(next);
        if index == next {
            self.dated.push(dated);
        }
        self.add(Node::Dated(index))
    }

    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// How many parts there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn value(&self, index: u32) -> &Value {
        &self.values[index as usize]
    }

    /// Whether the value is one of those at these places, which are in order.
    pub fn is_among(&self, value: &Value, indices: &[u32]) -> bool {
        let index = self.value_ids.get(&exact::key(value));
        index.is_some_and(|index| indices.binary_search(index).is_ok())
    }

    pub fn target(&self, reference: u32) -> Id {
        self.targets[reference as usize]
    }

    pub fn place(&self, id: Id) -> Option<&str> {
        self.places.get(&id).map(|(place, _)| place.as_str())
    }

    /// Whether the node stands in the newer document alone.
    pub fn is_new(&self, id: Id) -> bool {
        self.places.get(&id).is_some_and(|(_, is_new)| *is_new)
    }

    pub fn add(&mut self, node: Node) -> Id {
        if let Some(id) = self.interned.get(&node) {
            return *id;
        }
        let id = self.nodes.len() as Id;
        self.nodes.push(node.clone());
        self.interned.insert(node, id);
        id
    }

    /// The node, where there is one of its kind.
    pub fn find(&self, node: &Node) -> Option<Id> {
        self.interned.get(node).copied()
    }

    /// What an array or object is, part by part: whatever has all of these parts is that value.
    pub fn described(&mut self, value: u32) -> Option<Id> {
        let value = self.value(value).clone();
        let rest = self.truth(true);
        let parts = match &value {
            Value::Array(items) => {
                let count = items.len() as u64;
                let mut parts = vec![Node::Type(Types::ARRAY), Node::MaxItems(count)];
                if count > 0 {
                    let prefix = items.iter().map(|item| self.values([item])).collect();
                    parts.extend([Node::MinItems(count), Node::Items { prefix, rest }]);
                }
                parts
            }
            Value::Object(members) => {
                let mut parts = vec![Node::Type(Types::OBJECT), Node::MaxProperties(members.len() as u64)];
                if !members.is_empty() {
                    parts.extend(members.keys().map(|name| Node::Required(name.clone())));
                    let mut named: Vec<(String, Id)> =
                        members.iter().map(|(name, member)| (name.clone(), self.values([member]))).collect();
                    named.sort();
                    parts.push(Node::Properties { named, patterns: Vec::new(), rest });
                }
                parts
            }
            _ => return None,
        };
        let parts = parts.into_iter().map(|part| self.add(part)).collect();
        Some(self.all(parts))
    }

    pub fn truth(&mut self, truth: bool) -> Id {
        self.add(if truth { Node::True } else { Node::False })
    }

    pub fn all(&mut self, parts: Vec<Id>) -> Id {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match self.node(part) {
                Node::True => {}
                Node::False => return self.truth(false),
                Node::All(inner) => flat.extend(inner.iter().copied()),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        match flat.as_slice() {
            [] => self.truth(true),
            [only] => *only,
            _ => self.add(Node::All(flat)),
        }
    }

    pub fn any(&mut self, parts: Vec<Id>) -> Id {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match self.node(part) {
                Node::False => {}
                Node::True => return self.truth(true),
                Node::Any(inner) => flat.extend(inner.iter().copied()),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        match flat.as_slice() {
            [] => self.truth(false),
            [only] => *only,
            _ => self.add(Node::Any(flat)),
        }
    }

    pub fn not(&mut self, part: Id) -> Id {
        match self.node(part) {
            Node::True => self.truth(false),
            Node::False => self.truth(true),
            Node::Not(inner) => *inner,
            _ => self.add(Node::Not(part)),
        }
    }

    pub fn when(&mut self, condition: Id, then: Id, otherwise: Id) -> Id {
        match self.node(condition) {
            Node::True => then,
            Node::False => otherwise,
            _ if then == otherwise => then,
            _ => self.add(Node::If(condition, then, otherwise)),
        }
    }

    /// One of these values.
    pub fn values<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> Id {
        let mut indices: Vec<u32> = values.into_iter().map(|value| self.value_index(value)).collect();
        indices.sort_unstable();
        indices.dedup();
        match indices.is_empty() {
            true => self.truth(false),
            false => self.add(Node::Enum(indices)),
        }
    }

    fn value_index(&mut self, value: &Value) -> u32 {
        let next = self.values.len() as u32;
        let index = *self.value_ids.entry(exact::key(value)).or_insert(next);
        if index == next {
            self.values.push(value.clone());
        }
        index
    }

    /// Reads a document; the node of its root.
    pub fn read(&mut self, document: &Document<'_>) -> Result<Id, NormalError> {
        let mut reader = Reader {
            graph: self,
            document,
            resources: BTreeMap::new(),
            anchors: HashMap::new(),
            open: HashMap::new(),
            done: HashMap::new(),
            base: String::new(),
            identity: None,
            dynamic: BTreeMap::new(),
            scope: BTreeMap::new(),
            unfolding: Vec::new(),
            reread_left: REREAD_MAX,
        };
        reader.index(document.root, "", 0);
        for (uri, other) in document.others {
            reader.index(other, uri, 0);
        }
        reader.find_dynamic();
        let base = reader.own_base(document.root, "");
        reader.target(&base, "", "#")
    }
}

/// What a schema and its in-place parts evaluate, for `unevaluated…`.
#[derive(Clone, Default)]
struct Evaluated {
    everything: bool,
    names: BTreeSet<String>,
    patterns: BTreeSet<String>,
    items: usize,
    /// Items that satisfy one of these are evaluated, wherever they stand.
    containing: Vec<Id>,
    /// Only where the condition holds.
    conditional: Vec<(Id, Evaluated)>,
}

struct Reader<'g, 'd> {
    graph: &'g mut Graph,
    document: &'d Document<'d>,
    /// Absolute URI to schema with an identifier of its own.
    resources: BTreeMap<String, &'d Value>,
    /// `uri#anchor` to schema and the base it stands under.
    anchors: HashMap<String, (&'d Value, String, bool)>,
    /// Targets being read: their reference, once somebody refers back to them.
    open: HashMap<String, Option<u32>>,
    done: HashMap<String, Id>,
    base: String,
    /// The digest of the whole document, made where something opaque depends on more than its own words.
    identity: Option<String>,
    /// Names that a resource offers to dynamic references.
    dynamic: BTreeMap<String, BTreeSet<String>>,
    /// For each such name, the outermost resource on the way here that offers it.
    scope: BTreeMap<String, String>,
    /// The schemas whose `unevaluated…` are being unfolded, outermost first, with which of the two keywords.
    unfolding: Vec<(&'d Map<String, Value>, &'static str)>,
    reread_left: u32,
}

/// What `$recursiveAnchor` offers: no anchor has this name.
const RECURSIVE: &str = "\0";

fn malformed<T>(keyword: &str, pointer: &str) -> Result<T, NormalError> {
    Err(NormalError::Malformed { keyword: keyword.into(), pointer: pointer.into() })
}

impl<'d> Reader<'_, 'd> {
    fn draft(&self) -> Draft {
        self.document.draft
    }

    fn is_old(&self) -> bool {
        matches!(self.draft(), Draft::Draft4 | Draft::Draft6 | Draft::Draft7)
    }

    fn id_keyword(&self) -> &'static str {
        if self.draft() == Draft::Draft4 { "id" } else { "$id" }
    }

    /// Finds every part with an identifier or an anchor.
    fn index(&mut self, schema: &'d Value, base: &str, depth: usize) {
        if depth > 256 {
            return;
        }
        // Beside a lone reference an identifier says nothing, and must not take the place of what it stands in.
        let lone_reference = self.is_old() && schema.get("$ref").is_some();
        let has_own = schema.get(self.id_keyword()).and_then(Value::as_str).is_some_and(|id| !id.starts_with('#'));
        let base = self.own_base(schema, base);
        if depth == 0 || has_own && !lone_reference {
            self.resources.insert(base.clone(), schema);
        }
        match schema {
            Value::Object(members) => {
                if let Some(id) = members.get(self.id_keyword()).and_then(Value::as_str)
                    && let Some(anchor) = id.strip_prefix('#')
                    && !anchor.is_empty()
                {
                    self.anchors.insert(format!("{base}#{anchor}"), (schema, base.clone(), false));
                }
                for (keyword, dynamic) in [("$anchor", false), ("$dynamicAnchor", true)] {
                    if let Some(anchor) = members.get(keyword).and_then(Value::as_str) {
                        self.anchors.insert(format!("{base}#{anchor}"), (schema, base.clone(), dynamic));
                    }
                }
                for (name, member) in members {
                    if !matches!(name.as_str(), "enum" | "const" | "default" | "examples" | "x-guiju") {
                        self.index(member, &base, depth + 1);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.index(item, &base, depth + 1)),
            _ => {}
        }
    }

    /// The base URI inside a schema that stands under `base`.
    fn own_base(&self, schema: &Value, base: &str) -> String {
        let lone_reference = self.is_old() && schema.get("$ref").is_some();
        match schema.get(self.id_keyword()).and_then(Value::as_str) {
            Some(id) if !lone_reference && !id.starts_with('#') => join(base, id).trim_end_matches('#').to_owned(),
            _ => base.to_owned(),
        }
    }

    /// The node of the schema at a resource and JSON Pointer, read once.
    fn target(&mut self, resource: &str, fragment: &str, pointer: &str) -> Result<Id, NormalError> {
        let scope = self.enter(resource);
        let found = self.target_here(resource, fragment, pointer);
        self.scope = scope;
        found
    }

    fn find_dynamic(&mut self) {
        for (key, (.., is_dynamic)) in &self.anchors {
            if let (true, Some((resource, anchor))) = (is_dynamic, key.rsplit_once('#')) {
                self.dynamic.entry(resource.to_owned()).or_default().insert(anchor.to_owned());
            }
        }
        for (resource, schema) in &self.resources {
            if schema.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
                self.dynamic.entry(resource.clone()).or_default().insert(RECURSIVE.to_owned());
            }
        }
    }

    /// Adds what a resource offers to the dynamic scope; the scope of before, to be put back.
    fn enter(&mut self, resource: &str) -> BTreeMap<String, String> {
        let outer = self.scope.clone();
        for anchor in self.dynamic.get(resource).into_iter().flatten() {
            self.scope.entry(anchor.clone()).or_insert_with(|| resource.to_owned());
        }
        outer
    }

    fn target_here(&mut self, resource: &str, fragment: &str, pointer: &str) -> Result<Id, NormalError> {
        let key = match self.scope.is_empty() {
            true => format!("{resource}#{fragment}"),
            false => format!("{resource}#{fragment} {:?}", self.scope),
        };
        if let Some(id) = self.done.get(&key) {
            return Ok(*id);
        }
        let lost = || NormalError::Reference { reference: key.clone(), pointer: pointer.into() };
        if let Some(reference) = self.open.get(&key).copied() {
            let reference = match reference {
                Some(reference) => reference,
                None => self.back_reference(&key),
            };
            return Ok(self.graph.add(Node::Ref(reference)));
        }
        let (schema, base) = self.locate(resource, fragment).ok_or_else(lost)?;
        self.open.insert(key.clone(), None);
        let outer = std::mem::replace(&mut self.base, base);
        let place = format!("{resource}#{fragment}");
        let read = self.schema(schema, &place);
        self.base = outer;
        let reference = self.open.remove(&key).flatten();
        let id = read?;
        if let Some(reference) = reference {
            self.graph.targets[reference as usize] = id;
        }
        self.done.insert(key, id);
        Ok(id)
    }

    fn back_reference(&mut self, key: &str) -> u32 {
        let closure = self.closure(key);
        let next = self.graph.targets.len() as u32;
        let reference = match closure {
            Some(text) => *self.graph.shared.entry(text).or_insert(next),
            None => next,
        };
        if reference == next {
            self.graph.targets.push(0);
        }
        self.open.insert(key.to_owned(), Some(reference));
        reference
    }

    /// The text of all that a target can reach; none where identifiers make references hard to compare.
    fn closure(&self, key: &str) -> Option<String> {
        if self.resources.len() > 1 || !self.anchors.is_empty() || !self.dynamic.is_empty() {
            return None;
        }
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        let fragment = key.split_once('#')?.1;
        let mut wanted = vec![format!("#{fragment}")];
        while let Some(reference) = wanted.pop() {
            if texts.contains_key(&reference) {
                continue;
            }
            let schema = self.document.root.pointer(&unescape(reference.strip_prefix('#')?))?;
            collect_references(schema, &mut wanted)?;
            texts.insert(reference, schema.to_string());
        }
        let settings = (self.document.formats_asserted, format!("{:?}", self.draft()));
        Some(format!("{key} {settings:?} {texts:?}"))
    }

    fn locate(&self, resource: &str, fragment: &str) -> Option<(&'d Value, String)> {
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let (schema, base, _) = self.anchors.get(&format!("{resource}#{fragment}"))?;
            return Some((schema, base.clone()));
        }
        let mut schema = *self.resources.get(resource)?;
        let mut base = resource.to_owned();
        for token in pointer::tokens(fragment) {
            schema = match schema {
                Value::Object(members) => members.get(&*token)?,
                Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
            // The part may stand under an identifier of its own; `schema` adds the part's own when it is read.
            base = if schema.is_object() { self.own_base(schema, &base) } else { base };
        }
        Some((schema, base))
    }

    fn reference(&mut self, reference: &str, pointer: &str) -> Result<Id, NormalError> {
        let absolute = join(&self.base, reference);
        let (resource, fragment) = absolute.split_once('#').unwrap_or((&absolute, ""));
        let (resource, fragment) = (resource.to_owned(), unescape(fragment));
        self.target(&resource, &fragment, pointer)
    }

    /// A dynamic reference leads to the outermost resource on the way here that offers the name.
    fn dynamic(&mut self, reference: &str, pointer: &str) -> Result<Id, NormalError> {
        let absolute = join(&self.base, reference);
        let (resource, anchor) = absolute.split_once('#').unwrap_or((&absolute, ""));
        let is_offered = self.dynamic.get(resource).is_some_and(|names| names.contains(anchor));
        match self.scope.get(anchor).cloned() {
            Some(outermost) if is_offered => self.target(&outermost, anchor, pointer),
            _ => self.reference(reference, pointer),
        }
    }

    fn recursive(&mut self, pointer: &str) -> Result<Id, NormalError> {
        let is_offered = self.dynamic.get(&self.base).is_some_and(|names| names.contains(RECURSIVE));
        match self.scope.get(RECURSIVE).cloned() {
            Some(outermost) if is_offered => self.target(&outermost, "", pointer),
            _ => self.reference("#", pointer),
        }
    }

    fn opaque(&mut self, keyword: &str, value: &Value, types: Types) -> Id {
        self.graph.add(Node::Opaque { key: format!("{keyword} {}", exact::key(value)), types })
    }

    /// What a text holds, under the drafts that judge it: opaque, but a text at hand can be tried.
    fn content(&mut self, members: &Map<String, Value>) -> Option<Id> {
        if !matches!(self.draft(), Draft::Draft6 | Draft::Draft7) {
            return None;
        }
        let picked = ["contentEncoding", "contentMediaType"].into_iter();
        let picked: Map<String, Value> =
            picked.filter_map(|name| Some((name.to_owned(), members.get(name)?.clone()))).collect();
        if picked.is_empty() {
            return None;
        }
        let schema = Value::Object(picked);
        let id = self.opaque("content", &schema, Types::STRING);
        if let Node::Opaque { key, .. } = self.graph.node(id) {
            let key = key.clone();
            self.graph.contents.insert(key, schema);
        }
        Some(id)
    }

    /// Opaque, and equal only to the same place of the same document: what its words mean hangs on the rest.
    fn opaque_here(&mut self, keyword: &str, members: &Map<String, Value>, pointer: &str, types: Types) -> Id {
        let document = self.document;
        let whole = || {
            let others: Vec<String> =
                document.others.iter().map(|(uri, other)| format!("{uri} {}", exact::key(other))).collect();
            let whole = format!("{:?} {} {others:?}", document.draft, exact::key(document.root));
            Digest::of(whole.as_bytes()).to_string()
        };
        let identity = self.identity.get_or_insert_with(whole);
        // The branches of a condition are read under one pointer: the words tell them apart.
        let words = Digest::of(Value::Object(members.clone()).to_string().as_bytes());
        let key = format!("{keyword} {pointer} {} {:?} {words} {identity}", self.base, self.scope);
        self.graph.add(Node::Opaque { key, types })
    }

    fn schema(&mut self, schema: &'d Value, pointer: &str) -> Result<Id, NormalError> {
        if self.graph.nodes.len() > NODES_MAX {
            return Err(NormalError::TooLarge);
        }
        if !self.unfolding.is_empty() {
            self.reread_left = self.reread_left.saturating_sub(1);
        }
        let members = match schema {
            Value::Bool(truth) => return Ok(self.graph.truth(*truth)),
            Value::Object(members) => members,
            _ => return malformed("schema", pointer),
        };
        if self.is_old()
            && let Some(Value::String(reference)) = members.get("$ref")
        {
            return self.reference(reference, pointer);
        }
        let outer = self.base.clone();
        self.base = self.own_base(schema, &outer);
        let scope = match self.base == outer {
            true => None,
            false => Some(self.enter(&self.base.clone())),
        };
        let parts = self.parts(members, pointer);
        self.base = outer;
        if let Some(scope) = scope {
            self.scope = scope;
        }
        let parts = parts?;
        let id = self.graph.all(parts);
        let is_new = self.document.is_new;
        self.graph.places.entry(id).or_insert_with(|| (pointer.to_owned(), is_new));
        Ok(id)
    }

    fn parts(&mut self, members: &'d Map<String, Value>, pointer: &str) -> Result<Vec<Id>, NormalError> {
        let mut parts = Vec::new();
        for (keyword, value) in members {
            let place = format!("{pointer}/{keyword}");
            let part = self.keyword(keyword, value, members, &place)?;
            if let Some(part) = part {
                self.graph.places.entry(part).or_insert((place, self.document.is_new));
                parts.push(part);
            }
        }
        let composite =
            [self.properties(members, pointer)?, self.items(members, pointer)?, self.conditional(members, pointer)?];
        parts.extend(composite.into_iter().flatten());
        parts.extend(self.content(members));
        if !self.is_old() {
            parts.extend(self.unevaluated(members, pointer)?);
        }
        Ok(parts)
    }

    fn keyword(
        &mut self,
        keyword: &str,
        value: &'d Value,
        members: &'d Map<String, Value>,
        place: &str,
    ) -> Result<Option<Id>, NormalError> {
        let draft = self.draft();
        let node = match (keyword, value) {
            ("type", value) => Node::Type(self.types(value, place)?),
            ("enum", Value::Array(values)) => return Ok(Some(self.graph.values(values))),
            ("const", value) if draft != Draft::Draft4 => return Ok(Some(self.graph.values([value]))),
            ("minimum", value) => self.minimum(value, members, place)?,
            ("maximum", value) => self.maximum(value, members, place)?,
            ("exclusiveMinimum", Value::Number(_)) => Node::Minimum { limit: limit(value, place)?, exclusive: true },
            ("exclusiveMaximum", Value::Number(_)) => Node::Maximum { limit: limit(value, place)?, exclusive: true },
            ("multipleOf", value) => Node::Multiple(limit(value, place)?),
            ("minLength", value) => Node::MinLength(count(value, place)?),
            ("maxLength", value) => Node::MaxLength(count(value, place)?),
            ("pattern", Value::String(pattern)) => Node::Pattern(pattern.clone()),
            // A format that nobody knows refuses nothing, nor does one that only warns.
            ("format", Value::String(format)) if self.document.formats_asserted && self.judges(format) => {
                Node::Format(format.clone())
            }
            ("minItems", value) => Node::MinItems(count(value, place)?),
            ("maxItems", value) => Node::MaxItems(count(value, place)?),
            ("uniqueItems", Value::Bool(true)) => Node::Unique,
            ("minProperties", value) => Node::MinProperties(count(value, place)?),
            ("maxProperties", value) => Node::MaxProperties(count(value, place)?),
            ("required", Value::Array(names)) => return self.required(names, place).map(Some),
            ("propertyNames", value) if draft != Draft::Draft4 => Node::Names(self.schema(value, place)?),
            ("contains", value) if draft != Draft::Draft4 => self.contains(value, members, place)?,
            ("dependentRequired" | "dependentSchemas", Value::Object(all)) if !self.is_old() => {
                return self.dependencies(all, place).map(Some);
            }
            ("dependencies", Value::Object(all)) => return self.dependencies(all, place).map(Some),
            ("allOf", Value::Array(all)) => {
                let parts = self.list(all, place)?;
                return Ok(Some(self.graph.all(parts)));
            }
            ("anyOf", Value::Array(all)) => {
                let parts = self.list(all, place)?;
                return Ok(Some(self.graph.any(parts)));
            }
            ("oneOf", Value::Array(all)) => {
                let mut parts = self.list(all, place)?;
                parts.sort_unstable();
                return Ok(Some(if parts.len() == 1 { parts[0] } else { self.graph.add(Node::One(parts)) }));
            }
            ("not", value) => {
                let part = self.schema(value, place)?;
                return Ok(Some(self.graph.not(part)));
            }
            ("$ref", Value::String(reference)) => return self.reference(reference, place).map(Some),
            ("$dynamicRef", Value::String(reference)) if draft == Draft::Draft202012 => {
                return self.dynamic(reference, place).map(Some);
            }
            ("$recursiveRef", Value::String(_)) if draft == Draft::Draft201909 => {
                return self.recursive(place).map(Some);
            }
            ("x-guiju", Value::Object(own)) => {
                let format = members.get("format").and_then(Value::as_str);
                return Ok(self.vocabulary(own, format.and_then(second_form), place));
            }
            _ => return Ok(None),
        };
        Ok(Some(self.graph.add(node)))
    }

    fn judges(&self, format: &str) -> bool {
        !formats::refuses_nothing(format) && self.knows(format)
    }

    fn knows(&self, format: &str) -> bool {
        guiju_validator::formats::is_known(format) || jsonschema::options().is_known_format(self.draft(), format)
    }

    /// Of our vocabulary only what can refuse a record counts.
    fn vocabulary(&mut self, own: &Map<String, Value>, form: Option<SecondForm>, place: &str) -> Option<Id> {
        let mut parts = Vec::new();
        let is_new = self.document.is_new;
        self.referred(own, place);
        if let Some(list) = own.get("codeList").filter(|list| is_required(list)) {
            match self.listed(list, form) {
                Some(listed) => parts.extend(listed),
                None => {
                    let list = json!([list, form.map(|form| form.format)]);
                    parts.push(self.opaque("codeList", &list, Types::STRING));
                }
            }
            for part in &parts {
                self.graph.places.entry(*part).or_insert_with(|| (format!("{place}/codeList"), is_new));
            }
        }
        for (index, rule) in own.get("rules").and_then(Value::as_array).into_iter().flatten().enumerate() {
            if rule.get("severity").is_none_or(|severity| severity == "error") {
                // Each condition of `then` is a rule by itself.
                for then in rule.get("then").and_then(Value::as_array).into_iter().flatten() {
                    let when = rule.get("if").map(|when| ("if".to_owned(), when.clone()));
                    let then = ("then".to_owned(), Value::Array(vec![then.clone()]));
                    let rule = self.graph.add_rule(Value::Object(when.into_iter().chain([then]).collect()));
                    self.graph.places.entry(rule).or_insert_with(|| (format!("{place}/rules/{index}"), is_new));
                    parts.push(rule);
                }
            }
        }
        (!parts.is_empty()).then(|| self.graph.all(parts))
    }

    fn referred(&mut self, own: &Map<String, Value>, place: &str) {
        let Some(declared) = own.get("codeList") else { return };
        let Some(reference) = declared.get("ref").and_then(Value::as_str) else { return };
        let Some((digest, list)) = self.document.lists.get(reference) else { return };
        let standard = reference.split('@').next().unwrap_or_default().to_owned();
        let leaf_only = is_of_leaves(declared);
        let place = format!("{}/codeList", place.strip_prefix('#').unwrap_or(place));
        self.graph.referred.push(Referred { standard, digest: *digest, list: Arc::clone(list), leaf_only, place });
    }

    /// That a text is a code of the list and, where that is asked, valid on the day.
    fn listed(&mut self, declared: &Value, form: Option<SecondForm>) -> Option<Vec<Id>> {
        let (digest, list) = self.document.lists.get(declared.get("ref")?.as_str()?)?;
        let leaf_only = is_of_leaves(declared);
        let (key, codes) = ((*digest, form.map(|form| form.format)), Codes::new(Arc::clone(list), form));
        let listed = self.graph.listed_node(key, Listed { codes: codes.clone(), leaf_only });
        let is_dated = list.rows().any(|row| row.valid_from().is_some() || row.valid_to().is_some());
        if !is_dated || declared.get("status").is_some_and(|status| status == "ever") {
            return Some(vec![listed]);
        }
        let as_of = declared.get("asOf").and_then(Value::as_str).map(str::to_owned);
        let dated = self.graph.dated_node(key, Dated { codes, as_of });
        Some(vec![listed, dated])
    }

    fn list(&mut self, all: &'d [Value], place: &str) -> Result<Vec<Id>, NormalError> {
        all.iter().enumerate().map(|(index, part)| self.schema(part, &format!("{place}/{index}"))).collect()
    }

    fn types(&self, value: &Value, place: &str) -> Result<Types, NormalError> {
        let one = |name: &Value| match name.as_str() {
            Some("null") => Ok(Types::NULL),
            Some("boolean") => Ok(Types::BOOLEAN),
            Some("integer") if self.draft() == Draft::Draft4 => Ok(Types::INTEGER),
            Some("integer") => Ok(Types::INTEGER.or(Types::WRITTEN_FRACTION)),
            Some("number") => Ok(Types::NUMBER),
            Some("string") => Ok(Types::STRING),
            Some("array") => Ok(Types::ARRAY),
            Some("object") => Ok(Types::OBJECT),
            _ => malformed("type", place),
        };
        match value {
            Value::Array(names) => names.iter().try_fold(Types::NONE, |types, name| Ok(types.or(one(name)?))),
            name => one(name),
        }
    }

    fn minimum(&self, value: &Value, members: &Map<String, Value>, place: &str) -> Result<Node, NormalError> {
        let exclusive = members.get("exclusiveMinimum") == Some(&Value::Bool(true));
        Ok(Node::Minimum { limit: limit(value, place)?, exclusive })
    }

    fn maximum(&self, value: &Value, members: &Map<String, Value>, place: &str) -> Result<Node, NormalError> {
        let exclusive = members.get("exclusiveMaximum") == Some(&Value::Bool(true));
        Ok(Node::Maximum { limit: limit(value, place)?, exclusive })
    }

    fn required(&mut self, names: &[Value], place: &str) -> Result<Id, NormalError> {
        let mut parts = Vec::new();
        for name in names {
            let Some(name) = name.as_str() else { return malformed("required", place) };
            parts.push(self.graph.add(Node::Required(name.into())));
        }
        Ok(self.graph.all(parts))
    }

    fn contains(
        &mut self,
        value: &'d Value,
        members: &'d Map<String, Value>,
        place: &str,
    ) -> Result<Node, NormalError> {
        let schema = self.schema(value, place)?;
        let (mut min, mut max) = (1, None);
        if !self.is_old() {
            min = members.get("minContains").map_or(Ok(1), |value| count(value, place))?;
            max = members.get("maxContains").map(|value| count(value, place)).transpose()?;
        }
        Ok(Node::Contains { schema, min, max })
    }

    fn dependencies(&mut self, all: &'d Map<String, Value>, place: &str) -> Result<Id, NormalError> {
        let mut parts = Vec::new();
        for (name, value) in all {
            let place = format!("{place}/{name}");
            let then = match value {
                Value::Array(names) => self.required(names, &place)?,
                Value::String(name) => self.graph.add(Node::Required(name.clone())),
                schema => self.schema(schema, &place)?,
            };
            let condition = self.has_member(name);
            let truth = self.graph.truth(true);
            parts.push(self.graph.when(condition, then, truth));
        }
        Ok(self.graph.all(parts))
    }

    /// An object with this member: `Required` alone also holds for what is no object.
    fn has_member(&mut self, name: &str) -> Id {
        let object = self.graph.add(Node::Type(Types::OBJECT));
        let required = self.graph.add(Node::Required(name.into()));
        self.graph.all(vec![object, required])
    }

    fn properties(&mut self, members: &'d Map<String, Value>, pointer: &str) -> Result<Option<Id>, NormalError> {
        let map = |keyword: &str| match members.get(keyword) {
            None => Ok(None),
            Some(Value::Object(all)) => Ok(Some(all)),
            Some(_) => malformed(keyword, pointer),
        };
        let (declared, matched) = (map("properties")?, map("patternProperties")?);
        let additional = members.get("additionalProperties");
        if declared.is_none() && matched.is_none() && additional.is_none() {
            return Ok(None);
        }
        let mut read = |keyword: &str, all: Option<&'d Map<String, Value>>| -> Result<Vec<(String, Id)>, NormalError> {
            let each = |(name, schema): (&'d String, &'d Value)| {
                Ok((name.clone(), self.schema(schema, &format!("{pointer}/{keyword}/{}", pointer::escape(name)))?))
            };
            all.into_iter().flatten().map(each).collect()
        };
        let (named, patterns) = (read("properties", declared)?, read("patternProperties", matched)?);
        let rest = match additional {
            Some(schema) => self.schema(schema, &format!("{pointer}/additionalProperties"))?,
            None => self.graph.truth(true),
        };
        Ok(Some(self.members(named, patterns, rest)))
    }

    /// Drops what says nothing: a name that may hold anything, where nothing else would judge it.
    fn members(&mut self, mut named: Vec<(String, Id)>, mut patterns: Vec<(String, Id)>, rest: Id) -> Id {
        let truth = self.graph.truth(true);
        if rest == truth {
            named.retain(|(_, schema)| *schema != truth);
            patterns.retain(|(_, schema)| *schema != truth);
        }
        if named.is_empty() && patterns.is_empty() && rest == truth {
            return truth;
        }
        named.sort();
        patterns.sort();
        self.graph.add(Node::Properties { named, patterns, rest })
    }

    fn items(&mut self, members: &'d Map<String, Value>, pointer: &str) -> Result<Option<Id>, NormalError> {
        let modern = self.draft() == Draft::Draft202012;
        let (prefix, rest) = match (modern, members.get("prefixItems"), members.get("items")) {
            (true, Some(Value::Array(prefix)), items) => {
                (Some(("prefixItems", prefix)), items.map(|items| ("items", items)))
            }
            (true, Some(_), _) => return malformed("prefixItems", pointer),
            (true, None, items) => (None, items.map(|items| ("items", items))),
            (false, _, Some(Value::Array(prefix))) => {
                (Some(("items", prefix)), members.get("additionalItems").map(|items| ("additionalItems", items)))
            }
            (false, _, items) => (None, items.map(|items| ("items", items))),
        };
        if prefix.is_none() && rest.is_none() {
            return Ok(None);
        }
        let mut prefix = match prefix {
            Some((keyword, all)) => self.list(all, &format!("{pointer}/{keyword}"))?,
            None => Vec::new(),
        };
        let rest = match rest {
            Some((keyword, schema)) => self.schema(schema, &format!("{pointer}/{keyword}"))?,
            None => self.graph.truth(true),
        };
        while prefix.last() == Some(&rest) {
            prefix.pop();
        }
        let truth = self.graph.truth(true);
        let says_nothing = prefix.is_empty() && rest == truth;
        Ok(Some(if says_nothing { truth } else { self.graph.add(Node::Items { prefix, rest }) }))
    }

    fn conditional(&mut self, members: &'d Map<String, Value>, pointer: &str) -> Result<Option<Id>, NormalError> {
        let Some(condition) = members.get("if").filter(|_| !matches!(self.draft(), Draft::Draft4 | Draft::Draft6))
        else {
            return Ok(None);
        };
        let condition = self.schema(condition, &format!("{pointer}/if"))?;
        let mut branch = |keyword: &str| match members.get(keyword) {
            Some(schema) => self.schema(schema, &format!("{pointer}/{keyword}")),
            None => Ok(self.graph.truth(true)),
        };
        let (then, otherwise) = (branch("then")?, branch("else")?);
        Ok(Some(self.graph.when(condition, then, otherwise)))
    }

    fn unevaluated(&mut self, members: &'d Map<String, Value>, pointer: &str) -> Result<Vec<Id>, NormalError> {
        let mut parts = Vec::new();
        for keyword in ["unevaluatedProperties", "unevaluatedItems"] {
            let Some(schema) = members.get(keyword) else { continue };
            let place = format!("{pointer}/{keyword}");
            let rest = self.schema(schema, &place)?;
            let of_items = keyword == "unevaluatedItems";
            // What it leaves to be judged may hang, through a reference, on what itself leaves: that has no end.
            let again = |(other, own): &(&Map<String, Value>, &str)| std::ptr::eq(*other, members) && *own == keyword;
            let evaluated = match self.unfolding.iter().any(again) || self.unfolding.len() >= UNFOLDING_MAX {
                true => None,
                false => {
                    self.unfolding.push((members, keyword));
                    let evaluated = self.evaluated(members, of_items, pointer, 0);
                    self.unfolding.pop();
                    evaluated?
                }
            };
            parts.push(match evaluated {
                Some(evaluated) if evaluated.conditions() <= CONDITIONS_MAX => self.unfold(evaluated, rest, of_items),
                _ => {
                    let types = if of_items { Types::ARRAY } else { Types::OBJECT };
                    self.opaque_here(keyword, members, &place, types)
                }
            });
        }
        Ok(parts)
    }

    /// What the keywords of one schema evaluate; none where that cannot be said.
    fn evaluated(
        &mut self,
        members: &'d Map<String, Value>,
        of_items: bool,
        pointer: &str,
        depth: usize,
    ) -> Result<Option<Evaluated>, NormalError> {
        if depth > 16
            || self.reread_left == 0
            || members.contains_key("$dynamicRef")
            || members.contains_key("$recursiveRef")
        {
            return Ok(None);
        }
        let mut found = Evaluated::default();
        match of_items {
            true => {
                let prefix = if self.draft() == Draft::Draft202012 { "prefixItems" } else { "items" };
                if let Some(Value::Array(prefix)) = members.get(prefix) {
                    found.items = prefix.len();
                }
                let whole = members.get("items").is_some_and(|items| !items.is_array());
                let is_rest_judged = self.draft() != Draft::Draft202012
                    && members.get("items").is_some_and(Value::is_array)
                    && members.contains_key("additionalItems");
                found.everything = whole || is_rest_judged;
                // At depth 0 the keyword is the one being unfolded.
                found.everything |= depth > 0 && members.contains_key("unevaluatedItems");
                // Under 2019-09 the validator goes further than that draft's text, and it is the validator that decides.
                if let Some(contained) = members.get("contains") {
                    found.containing.push(self.schema(contained, &format!("{pointer}/contains"))?);
                }
            }
            false => {
                let names = |keyword: &str| members.get(keyword).and_then(Value::as_object).into_iter().flatten();
                found.names = names("properties").map(|(name, _)| name.clone()).collect();
                found.patterns = names("patternProperties").map(|(pattern, _)| pattern.clone()).collect();
                found.everything = members.contains_key("additionalProperties")
                    || depth > 0 && members.contains_key("unevaluatedProperties");
            }
        }
        let mut below: Vec<(Option<Id>, &'d Value, String)> = Vec::new();
        for part in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            below.push((None, part, pointer.to_owned()));
        }
        for keyword in ["anyOf", "oneOf"] {
            for part in members.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                below.push((Some(self.schema(part, pointer)?), part, pointer.to_owned()));
            }
        }
        if let Some(condition) = members.get("if") {
            let holds = self.schema(condition, pointer)?;
            let fails = self.graph.not(holds);
            below.push((Some(holds), condition, pointer.to_owned()));
            below.extend(members.get("then").map(|then| (Some(holds), then, pointer.to_owned())));
            below.extend(members.get("else").map(|otherwise| (Some(fails), otherwise, pointer.to_owned())));
        }
        for (name, part) in members.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten() {
            below.push((Some(self.has_member(name)), part, pointer.to_owned()));
        }
        for (condition, part, place) in below {
            let Value::Object(members) = part else { continue };
            let Some(inner) = self.evaluated(members, of_items, &place, depth + 1)? else { return Ok(None) };
            found.take(condition, inner);
        }
        if let Some(Value::String(reference)) = members.get("$ref") {
            let absolute = join(&self.base, reference);
            let (resource, fragment) = absolute.split_once('#').unwrap_or((&absolute, ""));
            let Some((schema, base)) = self.locate(resource, &unescape(fragment)) else { return Ok(None) };
            if let Value::Object(members) = schema {
                let outer = std::mem::replace(&mut self.base, base);
                let inner = self.evaluated(members, of_items, pointer, depth + 1);
                self.base = outer;
                let Some(inner) = inner? else { return Ok(None) };
                found.take(None, inner);
            }
        }
        Ok(Some(found))
    }

    /// Case by case: which conditions hold decides what is evaluated, and the rest is judged.
    fn unfold(&mut self, mut evaluated: Evaluated, rest: Id, of_items: bool) -> Id {
        if evaluated.everything {
            return self.graph.truth(true);
        }
        if let Some((condition, inner)) = evaluated.conditional.pop() {
            let mut with = evaluated.clone();
            with.take(None, inner);
            let (with, without) = (self.unfold(with, rest, of_items), self.unfold(evaluated, rest, of_items));
            return self.graph.when(condition, with, without);
        }
        let truth = self.graph.truth(true);
        match of_items {
            true => {
                let mut judged = evaluated.containing;
                judged.push(rest);
                match self.graph.any(judged) {
                    rest if rest == truth => truth,
                    rest => self.graph.add(Node::Items { prefix: vec![truth; evaluated.items], rest }),
                }
            }
            false => {
                let named = evaluated.names.into_iter().map(|name| (name, truth)).collect();
                let patterns = evaluated.patterns.into_iter().map(|pattern| (pattern, truth)).collect();
                self.members(named, patterns, rest)
            }
        }
    }
}

impl Evaluated {
    fn take(&mut self, condition: Option<Id>, inner: Evaluated) {
        match condition {
            Some(condition) => self.conditional.push((condition, inner)),
            None => {
                self.everything |= inner.everything;
                self.names.extend(inner.names);
                self.patterns.extend(inner.patterns);
                self.items = self.items.max(inner.items);
                self.containing.extend(inner.containing);
                self.conditional.extend(inner.conditional);
            }
        }
    }

    fn conditions(&self) -> usize {
        self.conditional.iter().map(|(_, inner)| 1 + inner.conditions()).sum()
    }
}

/// Whether a code that is not in the list refuses the record.
pub(crate) fn is_required(list: &Value) -> bool {
    list.get("binding").is_none_or(|binding| binding == "required")
}

fn limit(value: &Value, place: &str) -> Result<BigRational, NormalError> {
    let exact = value.as_number().and_then(exact::rational);
    exact.map_or_else(|| malformed(place.rsplit('/').next().unwrap_or(""), place), Ok)
}

fn count(value: &Value, place: &str) -> Result<u64, NormalError> {
    let whole = value.as_number().and_then(exact::rational).filter(|exact| exact.denom().is_one());
    let whole = whole.and_then(|exact| u64::try_from(exact.to_integer()).ok());
    whole.map_or_else(|| malformed(place.rsplit('/').next().unwrap_or(""), place), Ok)
}

fn collect_references(schema: &Value, found: &mut Vec<String>) -> Option<()> {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("$ref", Value::String(reference)) => {
                        reference.starts_with('#').then(|| found.push(reference.clone()))?;
                    }
                    ("$dynamicRef" | "$recursiveRef", Value::String(_)) => return None,
                    _ => collect_references(member, found)?,
                }
            }
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect_references(item, found))?,
        _ => {}
    }
    Some(())
}

/// Percent-decoding of a fragment.
fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let decoded = (*first == b'%' && tail.len() >= 2)
            .then(|| std::str::from_utf8(&tail[..2]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// RFC 3986 section 5.2 for what stands in schemas; a URN keeps its own identity.
fn join(base: &str, reference: &str) -> String {
    let base = base.split('#').next().unwrap_or("");
    if reference.is_empty() {
        return base.to_owned();
    }
    if reference.starts_with('#') {
        return format!("{base}{reference}");
    }
    let has_scheme = reference.split(['/', '?', '#']).next().is_some_and(|head| head.contains(':'));
    if has_scheme || base.is_empty() {
        return reference.to_owned();
    }
    let path_start =
        base.find("://").map_or(0, |at| base[at + 3..].find('/').map_or(base.len(), |slash| at + 3 + slash));
    let (authority, path) = base.split_at(path_start);
    let merged = match reference.strip_prefix('/') {
        Some(_) => reference.to_owned(),
        None => format!("{}/{reference}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    let (path, tail) = merged.split_at(merged.find(['#', '?']).unwrap_or(merged.len()));
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts.len() > 1 => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let path = if authority.is_empty() { path.trim_start_matches('/').to_owned() } else { path };
    format!("{authority}{path}{tail}")
}
