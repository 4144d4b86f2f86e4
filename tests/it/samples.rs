//! The two files of the quick start: each has the mistakes that its page promises, and no others.
//!
//! `UPDATE_EXPECT=1` rewrites `tests/cases/samples/*.txt`; the diff is what is reviewed.

use crate::support::{expect_file, root};
use guiju::{
    Folder, Validator,
    readers::{ReadOptions, Told, check},
};
use guiju_model::{Finding, Place};
use guiju_validator::{
    CheckOptions, CompileOptions,
    dataset::{DataSet, DataSetFinding, Scope},
};
use std::{fs, ops::ControlFlow, path::Path};

#[test]
fn residents() {
    assert_found("residents.csv", "bj.population/person");
}

#[test]
fn readings() {
    assert_found("readings.ndjson", "bj.water/meter-reading");
}

fn assert_found(file: &str, standard: &str) {
    let found = found(&root().join("docs/quickstart").join(file), standard);
    expect_file(&root().join("tests/cases/samples").join(format!("{file}.txt")), &found);
}

/// A line for each finding: where, how grave, what; and the counts.
fn found(file: &Path, standard: &str) -> String {
    let validator = newest(standard);
    let check_options = CheckOptions { reference_date: Some("2026-11-01".parse().unwrap()), ..CheckOptions::default() };
    let options = ReadOptions { check: check_options, shares: Some(Scope::All), ..ReadOptions::default() };
    let mut between = DataSet::new(validator.data_set_rules(), Some(validator.standard().clone()));
    let (mut lines, mut starts, mut late) = (Vec::new(), Vec::new(), Vec::new());
    let totals = check(fs::File::open(file).unwrap(), &validator, &options, |told| {
        match told {
            Told::Input(finding) => lines.push(line(0, &finding)),
            Told::Record(checked) => {
                starts.push(checked.line);
                late.extend(between.take(checked.index, checked.share));
                lines.extend(checked.report.findings.iter().map(|finding| line(checked.line, finding)));
            }
            Told::Clean(_) => panic!("nobody asked for that"),
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    late.extend(between.finish());
    lines.extend(late.iter().map(|DataSetFinding { record, finding }| line(starts[*record as usize], finding)));
    lines.push(format!(
        "{} records, {} conforming by themselves, {} failing, {} blank lines",
        totals.records, totals.conforming, totals.failing, totals.blank_lines
    ));
    lines.join("\n") + "\n"
}

fn line(line: u64, finding: &Finding) -> String {
    let place = match &finding.place {
        Some(Place::Cell { column, .. }) if !column.is_empty() => column.trim().to_owned(),
        _ => finding.path.clone(),
    };
    format!("line {line}: {} {} {place}", finding.severity.as_str(), finding.code).trim_end().to_owned()
}

fn newest(standard: &str) -> Validator {
    let folder = Folder::read(&root().join("standards")).unwrap();
    let of = folder.versions().filter(|(package, _)| package.standard.to_string() == standard);
    let (_, bundle) = of.max_by_key(|(package, _)| package.version.clone()).unwrap();
    Validator::compile(bundle, &CompileOptions::default()).unwrap()
}
