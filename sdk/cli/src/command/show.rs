use crate::{
    command::deprecate::days,
    context::Context,
    failure::{Answer, Failure, Verdict},
    shelf::{Found, Shelf, not_compiled},
    terminal::plain,
};
use guiju_model::{CodeList, Content, Date, Kind, Metadata, Waiver};
use guiju_validator::{
    CompileOptions, Field, Validator,
    openapi::{Api, Operation},
};
use serde_json::Value;
use std::io::{self, Write};

/// Show a standard: who answers for it, its versions, its fields or codes
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// For example bj.population/person, or with a version bj.population/person@^2
    standard: String,
    /// Print one file of it instead, as published: schema.json, codes.csv, …
    #[arg(long, value_name = "NAME")]
    file: Option<String>,
    /// Codes shown of a code list; 0: all
    #[arg(long, value_name = "N", default_value_t = 40)]
    codes: usize,
    /// The version that governs a record of this day, YYYY-MM-DD, rather than the highest; needs a registry
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
}

pub fn run(args: ShowArgs, context: &Context) -> Answer {
    let shelf = Shelf::open(context)?;
    let reference = context.settings.reference(&args.standard)?;
    let found = shelf.find(&reference, args.as_of)?;
    let mut out = context.out();
    if let Some(name) = &args.file {
        out.write_all(file(found.content(), name)?)?;
        out.flush()?;
        return Ok(Verdict::Conforms);
    }
    head(&mut out, &found, context)?;
    match found.content().manifest.kind {
        Kind::CodeList => codes(&mut out, found.content(), args.codes, context)?,
        Kind::Record | Kind::Profile => fields(&mut out, &found, context)?,
        Kind::Contract => operations(&mut out, &found)?,
        Kind::Elements => files(&mut out, found.content())?,
    }
    out.flush()?;
    Ok(Verdict::Conforms)
}

/// A file of a version, or what it has instead.
pub fn file<'c>(content: &'c Content, name: &str) -> Result<&'c [u8], Failure> {
    let missing = || {
        let names: Vec<&str> = content.files.keys().map(String::as_str).collect();
        let failure = Failure::new(format!("`{}` has no file `{name}`", content.manifest.standard));
        failure.hint(format!("it has {}", names.join(", ")))
    };
    content.files.get(name).map(Vec::as_slice).ok_or_else(missing)
}

fn head(out: &mut impl Write, found: &Found, context: &Context) -> Result<(), Failure> {
    let (lang, manifest) = (context.lang, &found.content().manifest);
    let name = format!("{} {}", manifest.standard, manifest.version);
    if let Some(metadata) = &found.metadata {
        let title = lang.pick(&metadata.title_en, &metadata.title_zh);
        writeln!(out, "{}  {title}", context.paint.strong(&name))?;
        writeln!(out, "  {}", lang.pick(&metadata.abstract_en, &metadata.abstract_zh))?;
        about(out, metadata, context)?;
    } else {
        writeln!(out, "{}", context.paint.strong(&name))?;
    }
    let mut line = |en: &str, zh: &str, value: &str| writeln!(out, "  {}: {value}", lang.pick(en, zh));
    line("kind", "类型", manifest.kind.as_str())?;
    line("digest", "摘要", &found.content().digest().to_string())?;
    line("versions", "版本", &found.versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))?;
    let told = found.metadata.as_ref().and_then(|metadata| metadata.changes.get(&manifest.version));
    if let Some(told) = told {
        line("changed", "变更", lang.pick(&told.en, &told.zh))?;
    }
    for info in &found.infos {
        let successor = if info.successor.is_empty() { String::new() } else { format!("; use {}", info.successor) };
        line(
            &info.version.to_string(),
            &info.version.to_string(),
            &format!("{}, {}{successor}", info.status, days(info)),
        )?;
        if let Some(Waiver { by, reason, questions }) = &info.waiver {
            line("  waived", "  豁免", &format!("by {}: {}", plain(by), plain(reason)))?;
            questions.iter().try_for_each(|question| line("  undecided", "  未能判定", &plain(question)))?;
        }
    }
    line("found in", "来源", &found.place)?;
    for dependency in &manifest.dependencies {
        line("refers to", "引用", &format!("{} {}", dependency.standard, dependency.version))?;
    }
    Ok(())
}

fn about(out: &mut impl Write, metadata: &Metadata, context: &Context) -> io::Result<()> {
    let lang = context.lang;
    let lines = [
        ("owner", "责任单位", metadata.owner.clone()),
        ("owner's code", "责任单位代码", metadata.owner_code.clone().unwrap_or_default()),
        ("steward", "联系单位", metadata.steward.clone()),
        ("share class", "共享类型", metadata.share_class.as_str().to_owned()),
        ("security level", "安全级别", metadata.security_level.as_str().to_owned()),
        ("basis", "依据", metadata.basis.join(", ")),
    ];
    for (en, zh, value) in lines.iter().filter(|(.., value)| !value.is_empty()) {
        writeln!(out, "  {}: {value}", lang.pick(en, zh))?;
    }
    metadata.doubts.iter().try_for_each(|doubt| writeln!(out, "  {}: {doubt}", lang.pick("doubt", "存疑")))
}

fn codes(out: &mut impl Write, content: &Content, show: usize, context: &Context) -> Result<(), Failure> {
    let bytes = content.document().unwrap_or_default();
    let list = CodeList::parse(bytes).map_err(|error| Failure::new(error.to_string()))?;
    let all = list.rows().len();
    let show = if show == 0 { all } else { show };
    writeln!(out)?;
    for row in list.rows().take(show) {
        writeln!(out, "  {:12}  {}  {}", row.code(), row.name_zh(), row.name_en())?;
    }
    if all > show {
        let more = all - show;
        let text = match context.lang {
            crate::terminal::Lang::En => format!("… and {more} more (--codes 0 lists all)"),
            crate::terminal::Lang::Zh => format!("……另有 {more} 个（--codes 0 全部列出）"),
        };
        writeln!(out, "  {text}")?;
    }
    Ok(())
}

/// Each field with its types, whether it is required, its level, title and code list; then what must hold over several.
fn fields(out: &mut impl Write, found: &Found, context: &Context) -> Result<(), Failure> {
    let validator = Validator::compile(&found.bundle, &CompileOptions::default())
        .map_err(|error| Failure::new(error.to_string()))?;
    let read = |content: &Content| serde_json::from_slice(content.document().unwrap_or_default()).unwrap_or_default();
    let document: Value = read(found.content());
    // A profile declares few of its fields itself; what it narrows declares the others.
    let narrowed = found.bundle.contents().filter(|content| content.manifest.kind == Kind::Record).map(read);
    let documents: Vec<Value> = [document.clone()].into_iter().chain(narrowed).collect();
    writeln!(out)?;
    let width = validator.fields().iter().map(|field| field.pointer.len()).max().unwrap_or_default();
    for field in validator.fields() {
        let said = |name: &str| {
            let mut schemas = documents.iter().filter_map(|document| declared(document, &field.pointer));
            schemas.find_map(|schema| schema.get("x-guiju")?.get(name))
        };
        let list = said("codeList").and_then(|list| list.get("ref")?.as_str());
        let list = list.map_or(String::new(), |list| format!("  = {list}"));
        let level = said("securityLevel").and_then(Value::as_str).unwrap_or_default();
        let mark = if field.is_required { '*' } else { ' ' };
        let (types, title) = (field.types.join("|"), title(field, context));
        writeln!(out, "  {:width$}{mark} {types:8}  {level:2}  {title}{list}", field.pointer)?;
    }
    if validator.fields().iter().any(|field| field.is_required) {
        writeln!(out, "  * {}", context.lang.pick("required", "必填"))?;
    }
    rules(out, &document, context)
}

/// The schema that declares a field in the document itself.
fn declared<'d>(document: &'d Value, pointer: &str) -> Option<&'d Value> {
    pointer.split('/').skip(1).try_fold(document, |schema, name| schema.get("properties")?.as_object()?.get(name))
}

/// What the standard says over several fields, and between records.
fn rules(out: &mut impl Write, document: &Value, context: &Context) -> Result<(), Failure> {
    let lang = context.lang;
    let own = document.get("x-guiju");
    let all = |name: &str| own.and_then(|own| own.get(name)?.as_array()).map(Vec::as_slice).unwrap_or_default();
    let text = |rule: &Value, name: &str| rule.get(name).and_then(Value::as_str).map(str::to_owned);
    let fields = |rule: &Value, name: &str| {
        let fields = rule.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        fields.collect::<Vec<_>>().join(", ")
    };
    let message = |rule: &Value| {
        let message = text(rule, lang.pick("messageEn", "messageZh")).unwrap_or_default();
        let severity = text(rule, "severity").unwrap_or_else(|| "error".into());
        format!("{severity:7}  {message}")
    };
    let reference = |rule: &Value| {
        let to = text(rule, "to").unwrap_or_default();
        format!("{} -> {to} {}", fields(rule, "fields"), fields(rule, "toFields"))
    };
    let told = |name: &str, rule: &Value| match name {
        "keys" => fields(rule, "fields"),
        "references" => reference(rule),
        _ => message(rule),
    };
    let groups = [
        ("keys", "keys", "标识"),
        ("references", "references", "引用"),
        ("dataset", "between records", "记录之间的规则"),
        ("rules", "rules", "规则"),
    ];
    for (name, en, zh) in groups.into_iter().filter(|(name, ..)| !all(name).is_empty()) {
        writeln!(out, "\n{}", context.paint.strong(lang.pick(en, zh)))?;
        let ids: Vec<String> = all(name).iter().map(|rule| text(rule, "id").unwrap_or_default()).collect();
        let width = ids.iter().map(String::len).max().unwrap_or_default();
        for (id, rule) in ids.iter().zip(all(name)) {
            writeln!(out, "{}", format!("  {id:width$}  {}", told(name, rule)).trim_end())?;
        }
    }
    Ok(())
}

fn title(field: &Field, context: &Context) -> String {
    let lang = context.lang;
    let title = match lang {
        crate::terminal::Lang::En => field.title_en.as_ref().or(field.title_zh.as_ref()),
        crate::terminal::Lang::Zh => field.title_zh.as_ref().or(field.title_en.as_ref()),
    };
    title.cloned().unwrap_or_default()
}

/// What may be asked, where the contract is an OpenAPI document.
fn operations(out: &mut impl Write, found: &Found) -> Result<(), Failure> {
    let api = Api::read(&found.bundle).map_err(|error| not_compiled(&error))?;
    let Some(api) = api else { return files(out, found.content()) };
    writeln!(out)?;
    let called = |operation: &Operation| format!("{} {}", operation.method, operation.path);
    let width = api.operations.iter().map(|operation| called(operation).len()).max().unwrap_or_default();
    for operation in &api.operations {
        let summary = api.document.pointer(&format!("{}/summary", operation.place));
        let summary = summary.and_then(Value::as_str).unwrap_or_default();
        let mark = if operation.deprecated { "deprecated  " } else { "" };
        writeln!(out, "{}", format!("  {:width$}  {mark}{summary}", called(operation)).trim_end())?;
    }
    files(out, found.content())
}

fn files(out: &mut impl Write, content: &Content) -> Result<(), Failure> {
    writeln!(out)?;
    content.files.iter().try_for_each(|(name, bytes)| writeln!(out, "  {name}  {} bytes", bytes.len()))?;
    Ok(())
}
