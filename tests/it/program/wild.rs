//! Large schemas that others wrote for files of their own, of continuous integration, packaging and the like: most have to take the
//! quick road, or it would be one for our own standards alone.

use crate::support::root;
use guiju_validator::{CompileOptions, Validator};
use std::{fmt::Write as _, fs};

/// Smaller ones tell little.
const BYTES_MIN: u64 = 15_000;

#[test]
fn most_large_schemas_in_the_wild_take_the_quick_road() {
    let folder = root().join("target/schemas-in-the-wild/check_jsonschema/builtin_schemas/vendor");
    let files = fs::read_dir(&folder).expect("the schemas are not installed; run `bash tests/run`");
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files
        .retain(|path| path.extension().is_some_and(|end| end == "json") && path.metadata().unwrap().len() > BYTES_MIN);
    files.sort();
    assert!(files.len() > 20, "only {} schemas", files.len());
    let (mut told, mut whole) = (String::new(), 0);
    for path in &files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let schema = fs::read(path).unwrap();
        let road = match Validator::compile_schema(&schema, &CompileOptions::default()) {
            Err(error) => format!("not compiled: {}", error.faults[0].message),
            Ok(validator) => {
                let program = validator.inspect();
                let states = program.lines().next().unwrap_or_default().to_owned();
                let exact: Vec<&str> = program.lines().filter(|line| line.contains("go to the exact engine")).collect();
                let is_whole = states.contains(" states,") && exact.is_empty();
                whole += usize::from(is_whole);
                match exact.first() {
                    None => states,
                    Some(first) => format!("{states}; {} of them exact: {}", exact.len(), first.trim()),
                }
            }
        };
        writeln!(told, "{name}: {road}").unwrap();
    }
    assert!(2 * whole > files.len(), "{whole} of {}:\n{told}", files.len());
}
