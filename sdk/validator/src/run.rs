//! One record through the engine and the plan, and what comes of it.

use crate::{
    codes,
    compile::{Documents, Subject},
    dataset::{DataSet, DataSetRules},
    explain,
    formats::FormatFault,
    json::{self, Index, Kind, Tree, View},
    plan::{Plan, PlanId, Step, escape},
};
use guiju_model::{CodeList, Date, Digest, Finding, Report, Severity, StandardId};
use semver::Version;
use serde_json::Value;
use std::collections::HashSet;

/// How one record is checked.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// "Today", for what asks: a date in the future, a code valid now. None: such questions are not judged.
    pub reference_date: Option<Date>,
    /// Findings listed; all are counted.
    pub findings_max: usize,
    /// Puts offending values into findings.
    pub with_values: bool,
    pub record_bytes_max: usize,
    pub depth_max: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { reference_date: None, findings_max: 100, with_values: false, record_bytes_max: 1 << 20, depth_max: 128 }
    }
}

/// A field of the record, for readers of tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// JSON Pointer from the record's root.
    pub pointer: String,
    pub title_en: Option<String>,
    pub title_zh: Option<String>,
    /// Other header names for it.
    pub synonyms: Vec<String>,
    /// JSON types it may have; empty: any.
    pub types: Vec<String>,
    /// For an array, the types of its items.
    pub item_types: Vec<String>,
    pub null_words: Vec<String>,
    pub input_formats: Vec<String>,
}

/// A standard, compiled.
pub struct Validator {
    subject: Subject,
    judge: Judge,
    fields: Vec<Field>,
    data_set: DataSetRules,
}

enum Judge {
    Record { engine: Box<jsonschema::Validator>, plan: Plan, documents: Documents },
    List(Box<CodeList>),
}

impl Validator {
    pub(crate) fn of_record(
        subject: Subject,
        engine: jsonschema::Validator,
        plan: Plan,
        documents: Documents,
        data_set: DataSetRules,
    ) -> Self {
        let mut fields = Vec::new();
        gather_fields(&plan, plan.root, "", 0, &mut fields);
        Self { subject, judge: Judge::Record { engine: Box::new(engine), plan, documents }, fields, data_set }
    }

    pub(crate) fn of_list(subject: Subject, list: CodeList) -> Self {
        Self { subject, judge: Judge::List(Box::new(list)), fields: Vec::new(), data_set: DataSetRules::default() }
    }

    pub fn standard(&self) -> &StandardId {
        &self.subject.standard
    }

    pub fn version(&self) -> &Version {
        &self.subject.version
    }

    pub fn digest(&self) -> Digest {
        self.subject.digest
    }

    /// The record's fields in order of their names, members of nested objects behind their parent.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What must hold between records; empty for most standards.
    pub fn data_set_rules(&self) -> &DataSetRules {
        &self.data_set
    }

    /// An empty data set of this standard, to be fed record by record.
    pub fn data_set(&self) -> DataSet<'_> {
        let Subject { standard, version, .. } = &self.subject;
        DataSet::new(&self.data_set, Some(standard.clone())).of_document(format!("{standard}@{version}#"))
    }

    /// A report without findings yet, for what readers find before there is a record.
    pub fn empty_report(&self) -> Report {
        let Subject { standard, version, digest } = self.subject.clone();
        Report { standard, version, digest, findings: Vec::new(), errors: 0, warnings: 0, infos: 0 }
    }

    /// Checks one JSON document. The same bytes and options give the same report, byte for byte.
    pub fn check(&self, record: &[u8], options: &CheckOptions) -> Report {
        let mut report = self.empty_report();
        for finding in self.findings(record, options) {
            report.push(finding, options.findings_max);
        }
        report
    }

    fn findings(&self, record: &[u8], options: &CheckOptions) -> Vec<Finding> {
        if record.len() > options.record_bytes_max {
            let (bytes, limit) = (record.len().to_string(), options.record_bytes_max.to_string());
            return vec![codes::finding("record-too-large", "", &[("bytes", &bytes), ("limit", &limit)])];
        }
        let read = json::read(record, options.depth_max);
        let mut findings = read.findings;
        if let Some(tree) = read.tree {
            let mut judged = match &self.judge {
                Judge::Record { engine, plan, documents } => {
                    let run = Run { plan, documents, tree: &tree, source: record, options };
                    run.judge(engine)
                }
                Judge::List(list) => list_member(list, &tree, record, options),
            };
            findings.append(&mut judged);
        }
        // In the order of the record; what stands at the same place, in the order of the standard.
        findings.sort_by_key(|finding| match finding.place {
            Some(guiju_model::Place::Text { offset, .. }) => offset,
            _ => 0,
        });
        findings
    }
}

fn list_member(list: &CodeList, tree: &Tree<'_>, source: &[u8], options: &CheckOptions) -> Vec<Finding> {
    let root = tree.node(tree.root());
    let Kind::Text(text) = &root.kind else {
        let mut finding =
            codes::finding("type-mismatch", "", &[("expected", "string"), ("found", type_name(&root.kind))]);
        finding.place = Some(json::place(source, root.start));
        return vec![finding];
    };
    let found = match list.get(text) {
        None => Some(codes::finding("code-not-in-list", "", &[("list", "this list")])),
        Some(code) => options.reference_date.filter(|date| code.on(*date).is_none()).map(|date| {
            codes::finding(
                "code-not-valid-on-date",
                "",
                &[("list", "this list"), ("date", &date.to_string()), ("periods", "other days")],
            )
        }),
    };
    let at = |mut finding: Finding| {
        finding.place = Some(json::place(source, root.start));
        finding
    };
    found.map(at).into_iter().collect()
}

pub(crate) fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool(_) => "boolean",
        Kind::Number => "number",
        Kind::Text(_) => "string",
        Kind::Array(_) => "array",
        Kind::Object(_) => "object",
    }
}

fn gather_fields(plan: &Plan, id: PlanId, prefix: &str, depth: usize, fields: &mut Vec<Field>) {
    if depth > 4 {
        return;
    }
    let step = &plan.steps[id];
    for (name, child) in &step.named {
        let pointer = format!("{prefix}/{}", escape(name));
        if fields.iter().any(|field| field.pointer == pointer) {
            continue;
        }
        let mut field = Field { pointer: pointer.clone(), ..Field::default() };
        describe(plan, *child, &mut field, 0);
        fields.push(field);
        gather_fields(plan, *child, &pointer, depth + 1, fields);
    }
    for other in &step.all {
        gather_fields(plan, *other, prefix, depth + 1, fields);
    }
}

/// The nearest schema wins: a title beside a `$ref` is more telling than the title behind it.
fn describe(plan: &Plan, id: PlanId, field: &mut Field, depth: usize) {
    let step = &plan.steps[id];
    if let Some(title) = &step.title {
        field.title_en.get_or_insert_with(|| title.en.clone());
        field.title_zh.get_or_insert_with(|| title.zh.clone());
    }
    field.synonyms.extend(step.synonyms.iter().cloned());
    field.null_words.extend(step.null_words.iter().cloned());
    field.input_formats.extend(step.input_formats.iter().cloned());
    if field.types.is_empty() {
        field.types.clone_from(&step.types);
    }
    if let Some(items) = step.items
        && field.item_types.is_empty()
    {
        let mut item = Field::default();
        describe(plan, items, &mut item, depth + 1);
        field.item_types = item.types;
    }
    if depth < 8 {
        step.all.iter().for_each(|other| describe(plan, *other, field, depth + 1));
    }
}

/// One record under judgement.
pub(crate) struct Run<'r, 's> {
    pub plan: &'r Plan,
    pub documents: &'r Documents,
    pub tree: &'r Tree<'s>,
    pub source: &'s [u8],
    pub options: &'r CheckOptions,
}

impl Run<'_, '_> {
    fn judge(&self, engine: &jsonschema::Validator) -> Vec<Finding> {
        let value = self.tree.to_value(self.tree.root());
        let mut findings = Vec::new();
        let mut told = HashSet::new();
        if self.plan.asks {
            self.walk(self.plan.root, self.tree.root(), "", &value, &mut findings, &mut told);
        }
        let own = findings.len();
        for error in engine.iter_errors(&value) {
            explain::error(self, &error, &mut findings);
        }
        // The plan tells more of what the engine refused by our own keyword or format at the same place.
        let mut rest = findings.split_off(own);
        rest.retain(|finding| !findings.iter().any(|told| told.path == finding.path && told.rule == finding.rule));
        rest.append(&mut findings);
        rest
    }

    /// What a schema asks of a value, below our vocabulary.
    fn walk(
        &self,
        id: PlanId,
        at: Index,
        path: &str,
        value: &Value,
        findings: &mut Vec<Finding>,
        told: &mut HashSet<(PlanId, Index)>,
    ) {
        if !told.insert((id, at)) {
            return;
        }
        let step = &self.plan.steps[id];
        self.scalar(step, at, path, findings);
        for (validator, then, otherwise) in &step.branches {
            if let Some(next) = if validator.is_valid(value) { then } else { otherwise } {
                self.walk(*next, at, path, value, findings, told);
            }
        }
        for next in &step.all {
            self.walk(*next, at, path, value, findings, told);
        }
        match (&self.tree.node(at).kind, value) {
            (Kind::Object(members), Value::Object(values)) => {
                for (name, _, member) in members {
                    let Some(value) = values.get(name) else { continue };
                    let below = format!("{path}/{}", escape(name));
                    for next in step.for_member(name) {
                        self.walk(next, *member, &below, value, findings, told);
                    }
                }
                self.rules(step, at, path, findings);
            }
            (Kind::Array(items), Value::Array(values)) => {
                for (index, (item, value)) in items.iter().zip(values).enumerate() {
                    let next = step.prefix.get(index).copied().or(step.items);
                    let below = format!("{path}/{index}");
                    for next in next.into_iter() {
                        self.walk(next, *item, &below, value, findings, told);
                    }
                }
            }
            _ => {}
        }
    }

    fn scalar(&self, step: &Step, at: Index, path: &str, findings: &mut Vec<Finding>) {
        let Kind::Text(text) = &self.tree.node(at).kind else { return };
        if let Some(format) = step.format {
            for fault in format.check(text, self.options.reference_date) {
                findings.push(self.fault(fault, step, at, path, "format"));
            }
        }
        if let Some((membership, list)) = &step.membership {
            let root = View { tree: self.tree, at: self.tree.root() };
            let day = membership.day(&root, self.options.reference_date);
            if let Some(fault) = membership.check(list, text, day) {
                findings.push(self.fault(fault, step, at, path, "x-guiju/codeList"));
            }
        }
    }

    fn fault(&self, fault: FormatFault, step: &Step, at: Index, path: &str, keyword: &str) -> Finding {
        let FormatFault { code, severity, dimension, args, suggestion } = fault;
        let args: Vec<(&str, &str)> = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut finding = self.place_at(codes::finding(code, path, &args), at);
        (finding.severity, finding.dimension, finding.suggestion) = (severity, dimension, suggestion);
        finding.rule = rule_name(&format!("{}/{keyword}", step.rule));
        finding
    }

    fn rules(&self, step: &Step, at: Index, path: &str, findings: &mut Vec<Finding>) {
        for breach in step.rules.check(&View { tree: self.tree, at }) {
            let below = format!("{path}{}", breach.at);
            let tokens =
                below.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect::<Vec<_>>();
            let (node, _) = self.tree.nearest(tokens.iter().map(String::as_str));
            let mut finding = self.place_at(codes::finding("rule-not-met", &below, &[("rule", breach.id)]), node);
            (finding.severity, finding.dimension, finding.message) =
                (breach.severity, breach.dimension, breach.message);
            finding.rule = rule_name(&format!("{}/x-guiju/rules/{}", step.rule, breach.index));
            findings.push(finding);
        }
    }

    /// Adds place, field titles and, where asked for, the value.
    pub fn place_at(&self, mut finding: Finding, at: Index) -> Finding {
        finding.place = Some(json::place(self.source, self.tree.node(at).start));
        finding.field = self.title(&finding.path);
        if self.options.with_values && !matches!(self.tree.node(at).kind, Kind::Object(_) | Kind::Array(_)) {
            finding.value = Some(self.tree.spelled(at).chars().take(200).collect());
        }
        finding
    }

    /// Titles of the field at a path, by the schemas that always apply to it.
    fn title(&self, path: &str) -> Option<guiju_model::Text> {
        let mut at = vec![self.plan.root];
        for token in path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")) {
            let open = self.with_all(at);
            at = open
                .iter()
                .flat_map(|id| {
                    let step = &self.plan.steps[*id];
                    let item =
                        token.parse::<usize>().ok().and_then(|index| step.prefix.get(index).copied().or(step.items));
                    step.for_member(&token).chain(item)
                })
                .collect();
        }
        (!path.is_empty())
            .then(|| self.with_all(at).into_iter().find_map(|id| self.plan.steps[id].title.clone()))
            .flatten()
    }

    fn with_all(&self, mut steps: Vec<PlanId>) -> Vec<PlanId> {
        let mut index = 0;
        while index < steps.len() {
            for next in &self.plan.steps[steps[index]].all {
                if !steps.contains(next) {
                    steps.push(*next);
                }
            }
            index += 1;
        }
        steps
    }
}

impl Step {
    /// The schemas for a member of this name.
    fn for_member<'n>(&'n self, name: &'n str) -> impl Iterator<Item = PlanId> + 'n {
        let named = self.named.get(name).copied();
        let matched = self.patterns.iter().filter(move |(regex, _)| regex.is_match(name)).map(|(_, id)| *id);
        let declared = named.is_some() || self.patterns.iter().any(|(regex, _)| regex.is_match(name));
        named.into_iter().chain(matched).chain(self.additional.filter(|_| !declared))
    }
}

/// The place of a rule as people write it: `bj.population/person@2.0.0#/properties/sex`.
pub(crate) fn rule_name(uri: &str) -> String {
    uri.strip_prefix("guiju:").unwrap_or(uri).replacen("@=", "@", 1)
}

/// Whether a finding refuses.
pub(crate) fn refuses(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}
