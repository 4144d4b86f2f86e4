use crate::{
    command::test,
    context::Context,
    failure::{Answer, Verdict},
    terminal::{Lang, counted},
};
use guiju::tree::Sealed;
use guiju_model::{Bundle, Kind, Package, Severity, Text};
use guiju_validator::{CompileOptions, Fault, Lint, Validator, lint, openapi::Api};
use serde_json::json;
use std::{io::Write, path::PathBuf};

/// Tell the author of a standard what to mend before publishing it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An error keeps a version from being published, and is exit code 1; warnings and infos are advice.
docs/reference/lints.md lists them all. `guiju test` holds the examples against what they announce.")]
pub struct LintArgs {
    /// A tree of standards, one standard, or one version folder
    #[arg(value_name = "DIR", default_value = "standards")]
    folder: PathBuf,
    /// Exit code 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Counts {
    errors: u64,
    warnings: u64,
    infos: u64,
}

pub fn run(args: LintArgs, context: &Context) -> Answer {
    let tree = test::read(&args.folder)?;
    let (all, metadata) = (tree.packages.len(), tree.metadata.clone());
    let Sealed { versions, unsealed } = test::sealed(tree)?;
    let mut out = context.out();
    let mut counts = Counts::default();
    for fault in &unsealed {
        counts.errors += 1;
        let place = format!("{}/{}", fault.standard, fault.version);
        match args.json {
            true => writeln!(out, "{}", json!({"severity": "error", "version": place, "message": {"en": fault.why}}))?,
            false => {
                let head = context.paint.severity(Severity::Error, "error");
                writeln!(out, "{head} {place}: {}", fault.why)?;
            }
        }
    }
    for (package, bundle) in &versions {
        let (_, metadata) = &metadata[&package.standard];
        let mut lints = lint(package, metadata, bundle);
        let refused: Vec<Lint> = refused(package, bundle).into_iter().filter(|fault| !is_said(&lints, fault)).collect();
        lints.extend(refused);
        for found in lints {
            counts.add(found.severity);
            match args.json {
                true => writeln!(out, "{}", in_json(package, &found))?,
                false => tell(&mut out, package, &found, context)?,
            }
        }
    }
    if !args.json {
        writeln!(out, "{}", counts.text(all, context.lang))?;
    }
    out.flush()?;
    let is_refused = counts.errors > 0 || (args.strict && counts.warnings > 0);
    Ok(if is_refused { Verdict::DoesNot } else { Verdict::Conforms })
}

/// What keeps a version from being compiled, which no lint is about: `guiju test` and a registry refuse it.
fn refused(package: &Package, bundle: &Bundle) -> Vec<Lint> {
    let compiled = match package.kind {
        Kind::Contract => Api::read(bundle).map(drop),
        _ => Validator::compile(bundle, &CompileOptions::default()).map(drop),
    };
    let faults = compiled.err().map_or(Vec::new(), |error| error.faults);
    let file = guiju_model::document_name(package.kind).or(guiju_model::contract_document(&package.files));
    let told = |Fault { code, pointer, message }: Fault| {
        let (file, message) = (file.unwrap_or_default().to_owned(), Text { zh: message.clone(), en: message });
        Lint { code, severity: Severity::Error, file, pointer, message }
    };
    faults.into_iter().map(told).collect()
}

fn is_said(lints: &[Lint], fault: &Lint) -> bool {
    lints.iter().any(|lint| lint.severity == Severity::Error && lint.pointer == fault.pointer)
}

fn tell(out: &mut impl Write, package: &Package, found: &Lint, context: &Context) -> std::io::Result<()> {
    let head = context.paint.severity(found.severity, &format!("{}[{}]", found.severity, found.code));
    writeln!(out, "{head} {}: {}", place(package, found), context.lang.of(&found.message))
}

/// Where to mend it: the file below the folder of standards, and the place in it.
fn place(package: &Package, found: &Lint) -> String {
    let Package { standard, version, .. } = package;
    let pointer = if found.pointer.is_empty() { String::new() } else { format!("#{}", found.pointer) };
    match found.file.as_str() {
        file @ "standard.toml" => format!("{standard}/{file}{pointer}"),
        file => format!("{standard}/{version}/{file}{pointer}"),
    }
}

fn in_json(package: &Package, found: &Lint) -> serde_json::Value {
    json!({
        "code": found.code, "severity": found.severity.as_str(), "place": place(package, found),
        "version": format!("{}/{}", package.standard, package.version),
        "file": found.file, "pointer": found.pointer,
        "message": {"en": found.message.en, "zh": found.message.zh},
    })
}

impl Counts {
    fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Info => self.infos += 1,
        }
    }

    fn text(&self, all: usize, lang: Lang) -> String {
        let Self { errors, warnings, infos } = self;
        match lang {
            Lang::En => {
                format!("{} linted; errors: {errors}, warnings: {warnings}, infos: {infos}", counted(all, "version"))
            }
            Lang::Zh => format!("{all} 个版本：{errors} 个错误，{warnings} 个警告，{infos} 个提示"),
        }
    }
}
