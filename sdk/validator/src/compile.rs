//! From a bundle to a validator: bounds first, then references and our vocabulary, then the engine.

use crate::{
    bounds, codes,
    dataset::DataSetRules,
    json::{self, Places, Tree},
    limits, multiple,
    needed::{self, Given},
    own::{self, KEYWORD, Own},
    plain,
    plan::{Engine, Plan},
    program::Program,
    run::{Leaves, Validator},
    survey::{Source, Survey, Surveyor},
};
use guiju_model::{Bundle, CodeList, Content, Digest, Kind, Place, Resolution, StandardId};
use jsonschema::{Draft, PatternOptions, Retrieve, Uri, ValidationError, ValidationOptions};
use semver::Version;
use serde_json::Value;
use std::{
    cell::OnceCell,
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// How a standard is compiled.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Whether `format` refuses values; the standard's reading says so.
    pub assert_formats: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self { assert_formats: true }
    }
}

/// One thing that is wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A stable code, for example `pattern-unusable`.
    pub code: &'static str,
    /// JSON Pointer into the document.
    pub pointer: String,
    /// What, and what to do.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, pointer: &str, message: impl Into<String>) -> Self {
        Self { code, pointer: pointer.into(), message: message.into() }
    }
}

/// Why a standard cannot be compiled: every fault, in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    pub subject: String,
    pub faults: Vec<Fault>,
}

impl Error for CompileError {}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be compiled", self.subject)?;
        for Fault { code, pointer, message } in &self.faults {
            write!(f, "\n  {code} at {}: {message}", if pointer.is_empty() { "/" } else { pointer })?;
        }
        Ok(())
    }
}

/// Why no record can be checked against a standard: it is of a kind that describes none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCheckable {
    pub standard: StandardId,
    pub kind: Kind,
}

impl NotCheckable {
    /// Refuses a standard of such a kind. Every road from a record to its report begins here.
    pub fn refuse(standard: &StandardId, kind: Kind) -> Result<(), Self> {
        match kind {
            Kind::Record | Kind::Profile | Kind::CodeList => Ok(()),
            Kind::Elements | Kind::Contract => Err(Self { standard: standard.clone(), kind }),
        }
    }

    fn why(&self) -> &'static str {
        match self.kind {
            Kind::Elements => "data elements are definitions; name the record standard",
            _ => "a contract describes an interface; name a record, a profile or a code list",
        }
    }
}

impl Error for NotCheckable {}

impl fmt::Display for NotCheckable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "records cannot be checked against `{}`: {}", self.standard, self.why())
    }
}

impl From<NotCheckable> for CompileError {
    fn from(error: NotCheckable) -> Self {
        Self { subject: error.standard.to_string(), faults: vec![Fault::new("not-checkable", "", error.why())] }
    }
}

/// Documents as the engine reads them, by URI; nothing else is ever fetched. They are written when it first asks for one.
#[derive(Clone)]
struct Documents(Arc<Written>);

struct Written {
    all: OnceLock<BTreeMap<String, Value>>,
    from: Mutex<Option<Unwritten>>,
}

/// What they are written from.
struct Unwritten {
    sources: Arc<BTreeMap<String, Source>>,
    survey: Arc<Survey>,
    owns: Arc<Vec<Arc<Own>>>,
}

impl Documents {
    fn of(unwritten: Unwritten) -> Self {
        Self(Arc::new(Written { all: OnceLock::new(), from: Mutex::new(Some(unwritten)) }))
    }

    fn all(&self) -> &BTreeMap<String, Value> {
        self.0.all.get_or_init(|| {
            let from = self.0.from.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(Unwritten { sources, survey, owns }) = from else { return BTreeMap::new() };
            own::for_engine(&survey, Arc::unwrap_or_clone(sources), &owns)
        })
    }
}

impl Retrieve for Documents {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        self.all().get(uri.as_str()).cloned().ok_or_else(|| {
            format!("`{uri}` is neither inside the document nor a registered standard; nothing else is ever fetched")
                .into()
        })
    }
}

impl Validator {
    /// Compiles a version with all it depends on. One of data elements compiles, as its author and what refers to it need;
    /// whether records may be checked against a version is for [`NotCheckable::refuse`].
    pub fn compile(bundle: &Bundle, options: &CompileOptions) -> Result<Self, CompileError> {
        let manifest = &bundle.root().manifest;
        let subject = Resolution {
            standard: manifest.standard.clone(),
            version: manifest.version.clone(),
            digest: bundle.digest(),
        };
        let bare = if manifest.kind == Kind::CodeList { "the code list" } else { "the schema" };
        let name = named(&subject.standard, &subject.version, bare);
        let failed = |faults| CompileError { subject: name.clone(), faults };
        match manifest.kind {
            Kind::CodeList => {
                let list = code_list(bundle.root()).map_err(|fault| failed(vec![fault]))?;
                Ok(Self::of_list(subject, list))
            }
            Kind::Contract => Err(NotCheckable { standard: subject.standard, kind: manifest.kind }.into()),
            Kind::Record | Kind::Profile | Kind::Elements => {
                let root = uri(&subject.standard, &subject.version);
                let (sources, lists) = gather(bundle, &root).map_err(failed)?;
                build(subject, sources, &lists, &root, options).map_err(failed)
            }
        }
    }

    /// Compiles a schema that is no registered standard. Reports name it `schema/bare` 0.0.0 and its digest.
    pub fn compile_schema(schema: &[u8], options: &CompileOptions) -> Result<Self, CompileError> {
        Self::compile_schema_with(schema, BTreeMap::new(), options)
    }

    /// The same with other documents by URI, for schemas that refer to them.
    pub fn compile_schema_with(
        schema: &[u8],
        others: BTreeMap<String, Value>,
        options: &CompileOptions,
    ) -> Result<Self, CompileError> {
        let failed = |faults| CompileError { subject: "the schema".into(), faults };
        let value = read(schema).map_err(failed)?;
        let (standard, version) = (StandardId::bare(), Version::new(0, 0, 0));
        let subject = Resolution { standard, version, digest: Digest::of(schema) };
        let root = uri(&subject.standard, &subject.version);
        let mut sources: BTreeMap<String, Source> =
            others.into_iter().map(|(uri, value)| (uri.clone(), Source::new(value, uri))).collect();
        sources.insert(root.clone(), Source::new(value, String::new()));
        build(subject, sources, &Lists::new(), &root, options).map_err(failed)
    }
}

const CONDITION: &str = "guiju:/schema/condition@=0.0.0";

/// A version as people name it; a schema that is none has only the name that its holder gives it.
fn named(standard: &StandardId, version: &Version, bare: &str) -> String {
    if standard.is_bare() { bare.to_owned() } else { format!("{standard}@{version}") }
}

/// The URI under which a version's schema is known to the engine. The path is rooted, so that a relative `$id` resolves.
fn uri(standard: &StandardId, version: &Version) -> String {
    format!("guiju:/{standard}@={version}")
}

fn read(schema: &[u8]) -> Result<Value, Vec<Fault>> {
    read_strictly(schema).map(|document| document.root().value())
}

/// Reads a schema as strictly as a record.
fn read_strictly(schema: &[u8]) -> Result<json::Document<'_>, Vec<Fault>> {
    bounds::size(schema.len()).map_err(|fault| vec![fault])?;
    let json::Read { document, faults, twice } = json::read(schema, bounds::DEPTH_MAX + 1);
    let said = |code, args: &[(&'static str, String)], offset: usize| {
        let args: Vec<(&str, &str)> = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let place = match Places::new(schema).of(offset) {
            Place::Text { line, column, .. } => format!("line {line}, column {column}: "),
            Place::Cell { .. } => String::new(),
        };
        if code == "json-too-deep" {
            return bounds::too_deep(&place);
        }
        Fault::new("schema-malformed", "", format!("{place}{}", codes::finding(code, "", &args).message.en))
    };
    match document {
        Some(document) if twice.is_empty() => Ok(document),
        Some(document) => Err(twice
            .iter()
            .map(|twice| {
                let (_, second) = twice.offsets(&document);
                let name = twice.name(&document);
                let mut fault = said("json-malformed", &[], second);
                fault.message = fault.message.split(": ").next().unwrap_or_default().to_owned();
                fault.message = format!("{}: the member `{name}` is given twice; keep one", fault.message);
                fault.pointer = document.node(twice.object).pointer();
                fault
            })
            .collect()),
        None => {
            let last = faults.last().map(|fault| said(fault.code, &fault.args, fault.offset));
            Err(last.into_iter().collect())
        }
    }
}

fn code_list(content: &Content) -> Result<CodeList, Fault> {
    let name = Some(&content.manifest.standard).filter(|standard| !standard.is_bare()).map(ToString::to_string);
    read_list(content.document().unwrap_or_default(), name.as_deref())
}

fn read_list(bytes: &[u8], standard: Option<&str>) -> Result<CodeList, Fault> {
    CodeList::parse(bytes).map_err(|error| {
        let of = standard.map_or(String::new(), |standard| format!("`{standard}`: "));
        Fault::new("code-list-malformed", "", format!("{of}{error}"))
    })
}

/// A code list of a bundle, read when a schema first asks for it: of the types that a standard takes from another, it needs few.
pub(crate) struct List<'b> {
    standard: String,
    bytes: &'b [u8],
    read: OnceCell<Result<Arc<CodeList>, Fault>>,
}

impl<'b> List<'b> {
    fn of(content: &'b Content) -> Self {
        let (standard, bytes) = (content.manifest.standard.to_string(), content.document().unwrap_or_default());
        Self { standard, bytes, read: OnceCell::new() }
    }

    pub fn read(&self) -> Result<Arc<CodeList>, Fault> {
        self.read.get_or_init(|| read_list(self.bytes, Some(&self.standard)).map(Arc::new)).clone()
    }
}

/// By their digests.
pub(crate) type Lists<'b> = BTreeMap<Digest, List<'b>>;

/// What the root needs of all schemas of a bundle, by URI, each with what its references were resolved to; and the code lists.
fn gather<'b>(bundle: &'b Bundle, root: &str) -> Result<(BTreeMap<String, Source>, Lists<'b>), Vec<Fault>> {
    let (mut all, mut lists) = (BTreeMap::new(), Lists::new());
    for content in bundle.contents().filter(|content| content.manifest.kind != Kind::CodeList) {
        let manifest = &content.manifest;
        let Some(bytes) = content.document() else { continue };
        let mut given = Given::new(read_strictly(bytes)?, named(&manifest.standard, &manifest.version, ""));
        for dependency in &manifest.dependencies {
            let written = dependency.reference.clone();
            match bundle.get(&dependency.digest).filter(|found| found.manifest.kind == Kind::CodeList) {
                Some(list) => {
                    lists.entry(dependency.digest).or_insert_with(|| List::of(list));
                    given.lists.insert(written, dependency.digest);
                }
                None => drop(given.targets.insert(written, uri(&dependency.standard, &dependency.version))),
            }
        }
        all.insert(uri(&manifest.standard, &manifest.version), given);
    }
    Ok((needed::sources(all, root), lists))
}

fn build(
    subject: Resolution,
    sources: BTreeMap<String, Source>,
    lists: &Lists<'_>,
    root: &str,
    options: &CompileOptions,
) -> Result<Validator, Vec<Fault>> {
    let assert_formats = options.assert_formats;
    bounds::shape(&sources[root].value).map_err(|fault| vec![fault])?;
    dialect(&sources[root].value).map_err(|fault| vec![fault])?;
    let is_plain = plain::is_plain(&sources[root].value);
    if !is_plain {
        well_formed(&sources[root].value)?;
    }
    let is_plain = is_plain && sources.values().all(|source| plain::is_plain(&source.value));
    let sources = Arc::new(sources);
    let (survey, values) = Surveyor::survey(&sources, root)?;
    bounds::ways(&survey).map_err(|fault| vec![fault])?;
    let faults = bounds::patterns(&survey, &values, &sources, root);
    if !faults.is_empty() {
        return Err(faults);
    }
    let owns = own::read(&survey, &values, &sources, lists, root, options.assert_formats);
    let (owns, data_set) = match (owns, data_set(&sources[root].value)) {
        (Ok(owns), Ok(data_set)) => (Arc::new(owns), data_set),
        (owns, data_set) => return Err([owns.err(), data_set.err()].into_iter().flatten().flatten().collect()),
    };
    let survey = Arc::new(survey);
    let unwritten = Unwritten { sources: Arc::clone(&sources), survey: Arc::clone(&survey), owns: Arc::clone(&owns) };
    let documents = Documents::of(unwritten);
    let (known, options, all) = (Arc::clone(&owns), options.clone(), documents.clone());
    let engine = move |schema: &Value, base: &str| {
        let owns = Arc::clone(&known);
        let with_limit = |options: ValidationOptions<'static, Arc<dyn Retrieve>, Tree>, name: &'static str| {
            options.with_keyword(name, move |beside, value, _| {
                limits::keyword(name, beside, value)
                    .ok_or_else(|| ValidationError::custom(format!("`{name}` wants a number")))
            })
        };
        let plain = engine_options(&documents, base, &options);
        // A dialect of one's own says which vocabularies count, and only the engine knows whether these are among them.
        let is_known = Draft::default().detect(schema) != Draft::Unknown;
        let names = limits::KEYWORDS.iter().filter(|_| is_known);
        let exact = names.fold(plain, |options, (name, _)| with_limit(options, name));
        exact
            .with_keyword(KEYWORD, move |_, value, _| {
                own::keyword(&owns, value)
                    .ok_or_else(|| ValidationError::custom("`x-guiju` stands where no schema is read"))
            })
            .with_keyword(multiple::KEYWORD, |_, value, _| {
                multiple::keyword(value).ok_or_else(|| ValidationError::custom("`multipleOf` wants a number above 0"))
            })
            .build(schema)
            .map_err(|error| {
                of_own_dialect(schema).unwrap_or_else(|| {
                    Fault::new("schema-malformed", error.instance_path().as_str(), error.to_string())
                })
            })
    };
    let engine: Arc<MakeEngine> = Arc::new(engine);
    let when = if is_plain { When::Needed } else { When::Now };
    let (make, name) = (Arc::clone(&engine), root.to_owned());
    let judge = when.make(move || make(&all.all()[&name], &name)).map_err(|fault| vec![fault])?;
    // A condition is a document of its own: under the root's name it would be looked up in itself.
    let condition = |condition: Value| {
        let make = Arc::clone(&engine);
        when.make(move || make(&condition, CONDITION))
    };
    let plan = Plan::new(survey, &owns, &values, &condition).map_err(|fault| vec![fault])?;
    let format = |schema: &Value| {
        jsonschema::options_for::<Tree>()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .build(schema)
            .ok()
    };
    let program = Program::build(&plan.survey, &owns, plan.all_that_may_remark(), &values, assert_formats, &format);
    let leaves = Leaves::new(program.len(), move |schema| engine(schema, CONDITION).ok());
    Ok(Validator::of_record(subject, judge, plan, program, leaves, data_set))
}

/// How an engine is made of a schema that stands under a name.
type MakeEngine = dyn Fn(&Value, &str) -> Result<Engine, Fault> + Send + Sync;

/// An engine, or how it is made when it is first asked.
pub(crate) struct Judging {
    made: OnceLock<Engine>,
    make: Box<dyn Fn() -> Result<Engine, Fault> + Send + Sync>,
}

impl Judging {
    pub fn engine(&self) -> &Engine {
        // Put off only where it is known to succeed.
        self.made.get_or_init(|| (self.make)().unwrap_or_else(|fault| panic!("a plain schema is refused: {fault:?}")))
    }
}

/// When engines are made: where it may fail, now.
#[derive(Clone, Copy, PartialEq)]
enum When {
    Now,
    Needed,
}

impl When {
    fn make(self, make: impl Fn() -> Result<Engine, Fault> + Send + Sync + 'static) -> Result<Judging, Fault> {
        let judging = Judging { made: OnceLock::new(), make: Box::new(make) };
        if self == Self::Now {
            let made = (judging.make)()?;
            judging.made.get_or_init(|| made);
        }
        Ok(judging)
    }
}

/// The rules over all records of a data set, which the root declares.
fn data_set(document: &Value) -> Result<DataSetRules, Vec<Fault>> {
    let Some(own) = document.get(KEYWORD).filter(|own| own.is_object()) else { return Ok(DataSetRules::default()) };
    let misused = |fault: crate::rules::Fault| Fault::new("vocabulary-misused", &fault.pointer, fault.message);
    DataSetRules::compile(own, "/x-guiju").map_err(|faults| faults.into_iter().map(misused).collect())
}

/// Every way in which the document is not a schema of its dialect.
fn well_formed(document: &Value) -> Result<(), Vec<Fault>> {
    if !matches!(document, Value::Object(_) | Value::Bool(_)) {
        return Err(vec![Fault::new("schema-malformed", "", "a schema is an object, or `true` or `false`")]);
    }
    // A dialect of one's own is judged by the engine, which knows its documents.
    let Ok(meta) = jsonschema::meta::validator_for(document) else { return Ok(()) };
    let fault = |error: ValidationError<'_>| {
        let (place, rule) = (error.instance_path().as_str(), error.schema_path().as_str());
        let message = match document.pointer(place).filter(|_| rule.contains("/properties/type/")) {
            Some(written) => no_type(written),
            None => match error.masked_with("the value").to_string() {
                said if said.ends_with(NO_SCHEMA) => "a schema is wanted here: an object, or `true` or `false`".into(),
                said => format!("{said}; see the meta-schema of its `$schema`"),
            },
        };
        Fault::new("schema-malformed", place, message)
    };
    let faults: Vec<Fault> = meta.iter_errors(document).take(FAULTS_MAX).map(fault).collect();
    // A meta-schema of several parts says the same thing once for each.
    let mut single: Vec<Fault> = Vec::new();
    faults.into_iter().for_each(|fault| {
        if !single.contains(&fault) {
            single.push(fault);
        }
    });
    if single.is_empty() { Ok(()) } else { Err(single) }
}

const FAULTS_MAX: usize = 100;

/// How the engine says that something else stands where a schema should.
const NO_SCHEMA: &str = "is not of types \"boolean\", \"object\"";

/// A draft that the engine does not know would otherwise be read as one that it knows.
fn dialect(document: &Value) -> Result<(), Fault> {
    let Some(written) = document.get("$schema").and_then(Value::as_str) else { return Ok(()) };
    let is_draft = written.contains("//json-schema.org/draft");
    if !is_draft || Draft::default().detect(document) != Draft::Unknown {
        return Ok(());
    }
    let old = match ["draft-00", "draft-01", "draft-02", "draft-03"].iter().any(|old| written.contains(old)) {
        true => " (and say with \"required\": [names] on the object which members there must be)",
        false => "",
    };
    let message = format!(
        "`{written}` is no draft that is read here: these are draft-04, draft-06, draft-07, 2019-09 and 2020-12; \
         write \"https://json-schema.org/draft/2020-12/schema\"{old}"
    );
    Err(Fault::new("schema-dialect-unknown", "/$schema", message))
}

/// A dialect of one's own, whose meta-schema is not at hand.
fn of_own_dialect(schema: &Value) -> Option<Fault> {
    let written = schema.get("$schema").and_then(Value::as_str)?;
    let message = format!(
        "`{written}` is no dialect of JSON Schema that is known here, and nothing is fetched; \
         write \"https://json-schema.org/draft/2020-12/schema\" or that of another draft"
    );
    let is_unknown = Draft::default().detect(schema) == Draft::Unknown;
    is_unknown.then(|| Fault::new("schema-dialect-unknown", "/$schema", message))
}

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Words that other languages have for a type.
const TYPES_ELSEWHERE: [(&str, &[&str]); 6] = [
    ("array", &["list", "set", "tuple"]),
    ("boolean", &["bool", "logical"]),
    ("integer", &["int", "int32", "int64", "long", "short"]),
    ("number", &["float", "double", "decimal", "numeric", "real"]),
    ("object", &["dict", "map", "struct", "record", "json"]),
    ("string", &["str", "text", "char", "varchar", "date", "datetime", "time", "timestamp", "uuid", "enum"]),
];

/// What is wrong with what stands at `type`.
fn no_type(written: &Value) -> String {
    let words = match written {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    let is_type = |word: &&Value| word.as_str().is_some_and(|word| TYPES.contains(&word));
    let all = TYPES.join(", ");
    match words.into_iter().find(|word| !is_type(word)) {
        Some(Value::String(word)) if matches!(word.as_str(), "any" | "*") => {
            format!("`{word}` is not a type; leave `type` out where anything may stand")
        }
        Some(Value::String(word)) => {
            let lower = word.to_lowercase();
            let elsewhere = TYPES_ELSEWHERE.iter().find(|(_, words)| words.contains(&&*lower)).map(|(name, _)| *name);
            match elsewhere.or_else(|| crate::near::nearest(word, TYPES)) {
                Some(near) => format!("`{word}` is not a type; did you mean `{near}`? (the types are {all})"),
                None => format!("`{word}` is not a type; use one of {all}"),
            }
        }
        _ => format!("`type` wants one of {all}, or an array of these, each once"),
    }
}

fn engine_options<'o>(
    documents: &Documents,
    root: &str,
    options: &CompileOptions,
) -> ValidationOptions<'o, Arc<dyn Retrieve>, Tree> {
    jsonschema::options_for::<Tree>()
        .with_retriever(documents.clone())
        .with_base_uri(root.to_owned())
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(bounds::PATTERN_BYTES_MAX)
                .dfa_size_limit(bounds::PATTERN_CACHE_BYTES_MAX),
        )
        .should_validate_formats(options.assert_formats)
        .should_ignore_unknown_formats(true)
}
