//! A standard's examples, held against what they announce.
//!
//! `examples/conforming/*.json` must conform. `examples/failing/*.json` must give exactly the findings of the
//! `*.findings.txt` beside each: one line a finding, `severity code path`, in the order of the report, the path left out
//! where it is the whole record. Lines that begin with `#` are comments; `# reference-date: 2026-11-01` sets the day of
//! the check, and `examples/options.toml` sets it for all examples of the version.

use crate::{
    CheckOptions, CompileError, CompileOptions, Validator,
    openapi::{Api, RefusedExample},
};
use guiju_model::{Bundle, Date, Finding, Kind, Package, Report, Said};
use serde::Deserialize;
use std::fmt;

/// An example that does not do what it announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleFault {
    /// Path in the package: `examples/failing/sex-as-word.json`.
    pub file: String,
    pub message: String,
    /// What the check found, as a `*.findings.txt` holds it; none where nothing could be checked.
    pub found: Option<String>,
}

impl fmt::Display for ExampleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

const CONFORMING: &str = "examples/conforming/";
const FAILING: &str = "examples/failing/";
const OPTIONS: &str = "examples/options.toml";
const FINDINGS_MAX: usize = 10_000;

/// Checks every example of a version. Those of an OpenAPI contract stand in its document; one of protobuf has none to check.
pub fn judge_examples(bundle: &Bundle, package: &Package) -> Result<Vec<ExampleFault>, CompileError> {
    if package.kind == Kind::Contract {
        let Some(api) = Api::read(bundle)? else { return Ok(Vec::new()) };
        let told = |RefusedExample { pointer, message }| {
            let line = api.line(&pointer).map_or(String::new(), |line| format!("line {line}: "));
            fault(api.file, format!("{line}the example at {pointer} is not what its schema says: {message}"), None)
        };
        return Ok(api.refused_examples(bundle).into_iter().map(told).collect());
    }
    Ok(Validator::compile(bundle, &CompileOptions::default())?.judge_examples(package))
}

impl Validator {
    /// Checks every example of the version that this validator was compiled of.
    pub fn judge_examples(&self, package: &Package) -> Vec<ExampleFault> {
        let mut faults = Vec::new();
        let date = common_date(package).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        for (file, bytes) in &package.files {
            let fault = if is_record(file, CONFORMING) {
                conforming(self, file, bytes, date)
            } else if is_record(file, FAILING) {
                failing(self, package, file, bytes, date)
            } else {
                orphan(package, file)
            };
            faults.extend(fault);
        }
        faults
    }
}

/// The findings of a report as a `*.findings.txt` holds them.
pub fn render_findings(report: &Report) -> String {
    report.findings.iter().map(|finding| line(finding) + "\n").collect()
}

fn line(finding: &Finding) -> String {
    let Said { severity, code, path, .. } = &*finding.said;
    format!("{severity} {code} {path}").trim_end().to_owned()
}

fn is_record(file: &str, folder: &str) -> bool {
    file.starts_with(folder) && file.ends_with(".json")
}

fn findings_file(record: &str) -> String {
    format!("{}.findings.txt", record.trim_end_matches(".json"))
}

fn fault(file: &str, message: String, report: Option<&Report>) -> ExampleFault {
    ExampleFault { file: file.into(), message, found: report.map(render_findings) }
}

fn conforming(validator: &Validator, file: &str, bytes: &[u8], date: Option<Date>) -> Option<ExampleFault> {
    let report = check(validator, bytes, date);
    let told = || {
        let told = |finding: &Finding| format!("\n  {}: {}", line(finding), finding.message.en);
        report.findings.iter().map(told).collect::<String>()
    };
    (!report.conforms()).then(|| fault(file, format!("it is to conform, and does not:{}", told()), Some(&report)))
}

fn failing(
    validator: &Validator,
    package: &Package,
    file: &str,
    bytes: &[u8],
    date: Option<Date>,
) -> Option<ExampleFault> {
    let name = findings_file(file);
    let announced = package.files.get(&name).map(|bytes| String::from_utf8_lossy(bytes));
    let own_date = match announced.as_deref().map(reference_date).transpose() {
        Ok(date) => date.flatten(),
        Err(why) => return Some(fault(&name, why, None)),
    };
    let report = check(validator, bytes, own_date.or(date));
    let Some(announced) = announced else {
        return Some(fault(file, format!("it announces no findings; write them to `{name}`"), Some(&report)));
    };
    let expected: Vec<&str> =
        announced.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let found: Vec<String> = report.findings.iter().map(line).collect();
    let message = if expected != found {
        format!("its findings are not those of `{name}`{}", difference(&expected, &found))
    } else if report.conforms() {
        "it is to fail, and conforms: none of its findings is an error".into()
    } else {
        return None;
    };
    Some(fault(file, message, Some(&report)))
}

fn difference(expected: &[&str], found: &[String]) -> String {
    let missing = expected.iter().filter(|line| !found.iter().any(|found| found == *line));
    let more = found.iter().filter(|line| !expected.contains(&line.as_str()));
    let lines: String =
        missing.map(|line| format!("\n  - {line}")).chain(more.map(|line| format!("\n  + {line}"))).collect();
    if lines.is_empty() {
        return format!(": they come in another order or number\n  found {}", found.join("\n  found "));
    }
    format!(" (- announced, not found; + found, not announced):{lines}")
}

/// A page of findings without the record they are about.
fn orphan(package: &Package, file: &str) -> Option<ExampleFault> {
    let record = format!("{}.json", file.strip_prefix(FAILING)?.strip_suffix(".findings.txt")?);
    let lonely = !package.files.contains_key(&format!("{FAILING}{record}"));
    lonely.then(|| fault(file, format!("there is no `{record}` beside it"), None))
}

fn check(validator: &Validator, record: &[u8], reference_date: Option<Date>) -> Report {
    validator.check(record, &CheckOptions { reference_date, findings_max: FINDINGS_MAX, ..CheckOptions::default() })
}

fn reference_date(findings: &str) -> Result<Option<Date>, String> {
    let written = findings.lines().find_map(|line| line.strip_prefix("# reference-date:"));
    written.map(|date| date.trim().parse().map_err(|error| format!("reference-date: {error}"))).transpose()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    reference_date: Option<String>,
}

fn common_date(package: &Package) -> Result<Option<Date>, ExampleFault> {
    let Some(bytes) = package.files.get(OPTIONS) else { return Ok(None) };
    let options: Options = toml::from_str(&String::from_utf8_lossy(bytes))
        .map_err(|error| fault(OPTIONS, error.to_string().trim_end().to_owned(), None))?;
    let date = options.reference_date.map(|date| date.parse()).transpose();
    date.map_err(|error| fault(OPTIONS, format!("reference_date: {error}"), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use guiju_model::EmptyCatalog;
    use semver::Version;

    const SCHEMA: &str = r#"{"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "on": {"format": "cn-resident-id"}}}"#;

    fn judged(examples: &[(&str, &str)]) -> Vec<String> {
        let files = examples.iter().map(|(name, text)| (format!("examples/{name}"), text.as_bytes().to_vec()));
        let files = files.chain([("schema.json".to_owned(), SCHEMA.as_bytes().to_vec())]).collect();
        let (standard, version) = ("a.b/c".parse().unwrap(), Version::new(1, 0, 0));
        let package = Package { standard, version, kind: Kind::Record, files };
        let bundle = Bundle::seal(&package, &EmptyCatalog).unwrap();
        judge_examples(&bundle, &package).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn examples_that_do_as_they_say_have_no_fault() {
        let good = [
            ("conforming/1.json", r#"{"id": "1"}"#),
            ("failing/1.json", r#"{"id": 1}"#),
            ("failing/1.findings.txt", "# why\nerror type-mismatch /id\n"),
            ("failing/2.json", "[]"),
            ("failing/2.findings.txt", "error type-mismatch\r\n"),
        ];
        assert_eq!(judged(&good), [""; 0]);
    }

    #[test]
    fn the_day_of_the_check_may_be_set_for_one_or_for_all() {
        let record = r#"{"id": "1", "on": "110105209906171237"}"#;
        let findings = "error resident-id-date-future /on\n";
        let one = [
            ("failing/1.json", record),
            ("failing/1.findings.txt", &*format!("# reference-date: 2026-11-01\n{findings}")),
        ];
        assert_eq!(judged(&one), [""; 0]);
        let all = [
            ("options.toml", "reference_date = \"2026-11-01\""),
            ("failing/1.json", record),
            ("failing/1.findings.txt", findings),
        ];
        assert_eq!(judged(&all), [""; 0]);
        assert_eq!(judged(&[("conforming/1.json", record)]), [""; 0]);
    }

    #[test]
    fn each_broken_promise_is_told() {
        let told = |examples: &[(&str, &str)]| judged(examples).join("\n");
        let conforming = told(&[("conforming/1.json", "{}")]);
        assert!(
            conforming.starts_with(
                "examples/conforming/1.json: it is to conform, and does not:\n  error required-missing /id: "
            ),
            "{conforming}"
        );
        let other = told(&[("failing/1.json", "{}"), ("failing/1.findings.txt", "error type-mismatch /id\n")]);
        assert!(other.ends_with("\n  - error type-mismatch /id\n  + error required-missing /id"), "{other}");
        let twice = "error required-missing /id\nerror required-missing /id\n";
        let twice = told(&[("failing/1.json", "{}"), ("failing/1.findings.txt", twice)]);
        assert!(twice.contains("another order or number"), "{twice}");
        let conforms = told(&[("failing/1.json", r#"{"id": "1"}"#), ("failing/1.findings.txt", "")]);
        assert!(conforms.contains("it is to fail, and conforms"), "{conforms}");
        assert!(told(&[("failing/1.json", "{}")]).contains("write them to `examples/failing/1.findings.txt`"));
        assert!(told(&[("failing/1.findings.txt", "")]).contains("there is no `1.json` beside it"));
        assert!(told(&[("options.toml", "today = 1")]).contains("unknown field `today`"));
        assert!(told(&[("options.toml", "reference_date = \"2026-13-01\"")]).contains("reference_date: "));
        let bad_date = told(&[("failing/1.json", "{}"), ("failing/1.findings.txt", "# reference-date: soon\n")]);
        assert!(bad_date.starts_with("examples/failing/1.findings.txt: reference-date: "), "{bad_date}");
    }
}
