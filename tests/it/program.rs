//! The quick road against the exact one: what it accepts, the other has nothing to say about.
//!
//! Every record goes down both, and twice down the quick one, which remembers what it told; and down that with the wide registers
//! of the processor and without. A quick road that accepts too little is slow; one that accepts too much is wrong, and that is
//! what is hunted here: with the shipped standards and their examples, and with schemas and records at random, whole and
//! damaged. `bash tests/soak 1000 program::` goes on for longer.

mod neighbours; // what lies just beside what conforms
mod wild; // large schemas of others

use crate::support::{expect_file, root, rounds};
use guiju::Folder;
use guiju_model::{Kind, Report};
use guiju_validator::{ABREAST, CheckOptions, Checker, CompileOptions, Validator};
use serde_json::{Value, json};

/// Those who check for one standard: with what the processor has, and without; and the record before.
struct Checkers<'v>([Checker<'v>; 2], Vec<u8>);

impl<'v> Checkers<'v> {
    fn of(validator: &'v Validator) -> Self {
        Self([validator.checker(), validator.checker_plainly()], Vec::new())
    }

    /// Whether the quick road accepts; it may not where the exact one finds anything.
    fn hold(&mut self, record: &[u8], options: &CheckOptions, about: &str) -> bool {
        let exact = self.0[0].validator().check_exactly(record, options);
        // Whatever stands around it.
        let behind: &[u8] = [&b"\""[..], b"}", b" ", b"0", b"\n", record][record.len() % 6];
        let around = [b"[{\"", record, &behind.repeat(80)].concat();
        let found = self.0[0].tell_within(&around, 3..3 + record.len(), options);
        assert!(
            found.as_deref().map_or(exact.errors + exact.warnings + exact.infos == 0, |found| *found == exact),
            "{found:?}"
        );
        found.into_iter().for_each(|found| self.0[0].take_back(found));
        let [one, other] = self.0.each_mut().map(|checker| hold(checker, (record, &exact), options, about));
        assert_eq!(
            one,
            other,
            "the processor accepts another\nrecord: {}\nof: {about}",
            String::from_utf8_lossy(record)
        );
        self.hold_abreast((record, &exact), options, about);
        one
    }

    /// Beside each other, with the one before among them, so that some are out of step and some are not.
    fn hold_abreast(&mut self, (record, exact): (&[u8], &Report), options: &CheckOptions, about: &str) {
        let before = std::mem::replace(&mut self.1, record.to_vec());
        let turn = (record.len() + before.len()) % (ABREAST + 1);
        let all: [&[u8]; ABREAST] = std::array::from_fn(|at| if at == turn { &before } else { record });
        let (mut bytes, mut records) = (vec![b'['], [const { 0..0 }; ABREAST]);
        for (place, record) in records.iter_mut().zip(all) {
            *place = bytes.len()..bytes.len() + record.len();
            bytes.extend_from_slice(record);
            bytes.push(b"\n ,]"[record.len() % 4]);
        }
        bytes.extend_from_slice(&record.repeat(200 / (record.len() + 1)));
        bytes.extend_from_slice(&[b' '; 100]);
        for checker in &mut self.0 {
            let other = checker.validator().check_exactly(&before, options);
            let (mut next, mut told) = (0, Vec::new());
            // Anew each time: one that was out of step too often does not try again soon.
            let validator = checker.validator();
            for checker in [checker, &mut validator.checker(), &mut validator.checker_plainly()] {
                checker.tell_abreast(&bytes, &records, options, |at, found, _| {
                    let exact = if at == turn { &other } else { exact };
                    assert!(
                        found.as_deref().map_or(exact.errors + exact.warnings + exact.infos == 0, |found| found == exact),
                        "another report abreast\nrecord: {}\nof: {about}\nbeside: {}\nquick: {found:#?}\nexact: {exact:#?}",
                        String::from_utf8_lossy(all[at]),
                        String::from_utf8_lossy(all[(at + 1) % ABREAST]),
                    );
                    assert_eq!(at, next % ABREAST, "out of turn");
                    next += 1;
                    told.extend(found);
                });
                told.drain(..).for_each(|found| checker.take_back(found));
            }
            assert_eq!(next, 3 * ABREAST);
        }
    }
}

fn hold(checker: &mut Checker<'_>, (record, exact): (&[u8], &Report), options: &CheckOptions, about: &str) -> bool {
    let is_clean = checker.is_clean(record, options);
    let found = exact.errors + exact.warnings + exact.infos;
    for quick in [checker.check(record, options), checker.check(record, options)] {
        assert!(
            quick == *exact,
            "another report\nrecord: {}\nof: {about}\nquick: {quick:#?}\nexact: {exact:#?}",
            String::from_utf8_lossy(record),
        );
    }
    assert!(
        !is_clean || found == 0,
        "accepted, but the exact road finds {:?}\nrecord: {}\nof: {about}",
        exact.findings,
        String::from_utf8_lossy(record),
    );
    is_clean
}

fn options() -> CheckOptions {
    CheckOptions { reference_date: "2026-11-01".parse().ok(), ..CheckOptions::default() }
}

/// The usual options most of the time, and now and then others.
fn some_options(dice: &mut Dice) -> CheckOptions {
    match dice.below(12) {
        0 => CheckOptions { with_values: true, ..options() },
        1 => CheckOptions { findings_max: 1, ..options() },
        2 => CheckOptions::default(),
        3 => CheckOptions { depth_max: 1 + dice.below(4), ..options() },
        4 => CheckOptions { record_bytes_max: 20 * dice.below(40), ..options() },
        _ => options(),
    }
}

#[test]
fn shipped_standards_take_the_quick_road() {
    let folder = Folder::read(&root().join("standards")).expect("the standards");
    let (mut dice, mut slow, mut records) = (Dice(7), Vec::new(), 0);
    for (package, bundle) in
        folder.versions().filter(|(package, _)| matches!(package.kind, Kind::Record | Kind::Profile))
    {
        let name = format!("{} {}", package.standard, package.version);
        let validator =
            Validator::compile(bundle, &CompileOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let mut checkers = Checkers::of(&validator);
        let examples =
            package.files.iter().filter(|(file, _)| file.starts_with("examples/") && file.ends_with(".json"));
        for (file, record) in examples {
            let is_clean = checkers.hold(record, &options(), &name);
            let exact = validator.check_exactly(record, &options());
            if !is_clean && exact.errors + exact.warnings + exact.infos == 0 {
                slow.push(format!("{name} {file}"));
            }
            for _ in 0..rounds(12) {
                let options = some_options(&mut dice);
                checkers.hold(&damaged(record, &mut dice), &options, &name);
                records += 1;
            }
        }
    }
    assert!(records > 500, "only {records} records");
    assert!(slow.is_empty(), "conforming examples that leave the quick road:\n{}", slow.join("\n"));
}

#[test]
fn random_schemas_and_records() {
    let mut dice = Dice(20_261_123);
    let (mut accepted, mut judged) = (0, 0);
    for _ in 0..rounds(800) {
        let schema =
            json!({"$schema": dialect(&mut dice), "$defs": {"a": schema(&mut dice, 2), "b": schema(&mut dice, 1)}});
        let (mut schema, inner) = (schema, self::schema(&mut dice, 3));
        match (schema.as_object_mut(), inner) {
            (Some(members), Value::Object(inner)) => members.extend(inner),
            _ => continue,
        }
        let bytes = schema.to_string().into_bytes();
        let Ok(validator) = Validator::compile_schema(&bytes, &CompileOptions::default()) else { continue };
        let mut checkers = Checkers::of(&validator);
        for _ in 0..12 {
            let record = value(&mut dice, 3).to_string();
            let record = if dice.below(4) == 0 { respelled(&record, &mut dice) } else { record }.into_bytes();
            let record = if dice.below(4) == 0 { damaged(&record, &mut dice) } else { record };
            accepted += u64::from(checkers.hold(&record, &some_options(&mut dice), &schema.to_string()));
            judged += 1;
        }
    }
    assert!(accepted * 8 > judged, "only {accepted} of {judged} were accepted, so little was shown");
}

/// Whatever was written into them meanwhile, and whoever told them.
#[test]
fn reports_that_were_taken_back_say_nothing_of_before() {
    let schemas = [r#"{"properties":{"a":{"maximum":1},"b":{"maximum":1}}}"#, r#"{"properties":{"a":{"minimum":7}}}"#];
    let validators =
        schemas.map(|schema| Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).unwrap());
    let (options, records) = (CheckOptions::default(), [r#"{"a":2,"b":3}"#, r#"{"a":1}"#, r#"{"b":4}"#, r#"{"a":5}"#]);
    let mut checkers = validators.each_ref().map(Validator::checker);
    let subjects = validators.each_ref().map(|validator| validator.empty_report().against);
    assert_ne!(subjects[0], subjects[1]);
    for round in 0..32 {
        let (by, of) = (round % 2, round / 2 % 2);
        for record in records {
            let Some(mut report) = checkers[by].tell(record.as_bytes(), &options) else { continue };
            assert_eq!(*report, validators[by].check_exactly(record.as_bytes(), &options), "{round} {record}");
            match round % 3 {
                0 => report.against = subjects[1 - by].clone(),
                1 => (report.errors, report.warnings) = (9, report.warnings + 1),
                _ => report.findings.extend(report.findings.clone()),
            }
            checkers[of].take_back(report);
        }
    }
}

/// What is wrong with one value may be more than a report lists, and all of it is counted.
#[test]
fn all_that_is_wrong_below_a_long_name_is_counted() {
    let missing: Vec<String> = (0..126).map(|at| format!("m{at}")).collect();
    let patterns: Vec<Value> = (0..120).map(|_| json!({"pattern": "^0$"})).collect();
    let bounds: Vec<Value> = (0..120).map(|at| json!({"minimum": 100 + at})).collect();
    let kinds = [
        (json!({"required": missing}), json!({})),
        (json!({"allOf": patterns}), json!("x")),
        (json!({"allOf": bounds}), json!(1)),
    ];
    for length in [4_200, 8_000, 30_000] {
        for (schema, value) in &kinds {
            let name = "n".repeat(length);
            let schema = json!({"properties": {&name: schema}});
            let validator =
                Validator::compile_schema(schema.to_string().as_bytes(), &CompileOptions::default()).unwrap();
            let record = json!({name: value}).to_string();
            Checkers::of(&validator).hold(record.as_bytes(), &options(), &schema.to_string()[..100]);
        }
    }
}

/// However deep records may be, of one that is just as deep both roads say the same, and of one that is deeper.
#[test]
fn records_are_as_deep_as_they_may_be() {
    let schema = br#"{"properties":{"a":{"items":{"items":{"properties":{"b":{"items":{"type":"integer"}}}}}}}}"#;
    let validator = Validator::compile_schema(schema, &CompileOptions::default()).unwrap();
    let mut checkers = Checkers::of(&validator);
    for depth_max in 0..8 {
        for record in ["1", "{}", r#"{"a":[]}"#, r#"{"a":[[]]}"#, r#"{"a":[[{}]]}"#, r#"{"a":[[{"b":[1]}],[]]}"#] {
            checkers.hold(record.as_bytes(), &CheckOptions { depth_max, ..options() }, "depth");
        }
    }
}

/// What is remembered of one place is told of no other, though there are more of them than places to remember.
#[test]
fn what_is_wrong_at_one_place_is_told_of_that_place() {
    let schema = br#"{"type":"array","items":{"type":"integer"}}"#;
    let validator = Validator::compile_schema(schema, &CompileOptions::default()).unwrap();
    let mut checker = validator.checker();
    for at in 0..600 {
        let record = format!("[{}\"x\"]", "0,".repeat(at));
        let found = checker.check(record.as_bytes(), &options());
        let paths: Vec<&str> = found.findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, [format!("/{at}")]);
    }
}

/// Where a program has no room for a standard, or would prove what the engine has no budget for, both roads say the same.
#[test]
fn what_is_too_much_for_a_program_is_left_to_the_engine() {
    let places = json!({"prefixItems": vec![json!({"type": "integer"}); 1_003]});
    let mut items = vec![json!(1); 1_002];
    items.push(json!("x"));
    let old = json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": places["prefixItems"]});
    for schema in [&places, &old] {
        let validator = Validator::compile_schema(schema.to_string().as_bytes(), &CompileOptions::default()).unwrap();
        let record = Value::from(items.clone()).to_string();
        assert!(!validator.check(record.as_bytes(), &options()).conforms(), "the last is no integer");
        Checkers::of(&validator).hold(record.as_bytes(), &options(), "a thousand places");
    }
    let minima: Vec<Value> = (0..3_000).map(|number| json!({"minimum": -number})).collect();
    let many = json!({"properties": {"v": {"items": {"allOf": minima}}}});
    let each: Vec<Value> = (0..300).map(|number| json!({"items": {"minimum": -number}})).collect();
    let again = json!({"properties": {"v": {"anyOf": each}}});
    for (schema, item) in [(many, 1), (again, -299)] {
        let validator = Validator::compile_schema(schema.to_string().as_bytes(), &CompileOptions::default()).unwrap();
        for count in [6, 2_500] {
            let record = json!({"v": vec![item; count]}).to_string();
            Checkers::of(&validator).hold(record.as_bytes(), &options(), "many looks at one value");
        }
    }
    // A thousand branches that ask whether a member is one text.
    let tenfold = |below: &str| json!({"anyOf": vec![json!({"$ref": format!("#/$defs/{below}")}); 10]});
    let asked = json!({"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}},
            "anyOf": [{"$ref": "#/$defs/a"}, {"properties": {"k": {"const": "q"}}}]},
        "$defs": {"a": tenfold("b"), "b": tenfold("c"), "c": tenfold("d"), "d": {"type": "object", "required": ["k"],
            "dependentRequired": {"k": ["k"]}, "properties": {"k": {"type": "string", "const": "never"}}}}});
    let validator = Validator::compile_schema(asked.to_string().as_bytes(), &CompileOptions::default()).unwrap();
    for (count, conforms) in [(1_000, true), (1_200, false)] {
        let record = Value::from(vec![json!({"k": "q"}); count]).to_string();
        assert_eq!(validator.check(record.as_bytes(), &options()).conforms(), conforms, "{count} items");
        Checkers::of(&validator).hold(record.as_bytes(), &options(), "a thousand branches");
    }
}

/// A number by its digits and how many of them stand behind the point, in one of its many spellings.
fn spelled(digits: i128, scale: usize, dice: &mut Dice) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let (size, zeros) = (digits.unsigned_abs(), "0".repeat(dice.below(3)));
    let plain = |scale: usize| {
        let text = format!("{size:0>width$}", width = scale + 1);
        let (whole, part) = text.split_at(text.len() - scale);
        if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}{zeros}") }
    };
    match dice.below(4) {
        0 => format!("{sign}{size}e-{scale}"),
        1 => format!("{sign}{}E+0", plain(scale)),
        2 => {
            let inner = dice.below(scale + 1);
            format!("{sign}{}e-{}", plain(inner), scale - inner)
        }
        _ => format!("{sign}{}", plain(scale)),
    }
}

/// Held against whole numbers of 128 bits, which share nothing with the engine.
#[test]
fn bounds_are_exact_for_every_number() {
    const SCALE_MAX: usize = 18;
    let mut dice = Dice(20_261_127);
    let ten = |power: usize| 10_i128.pow(power as u32);
    let mut both = [0, 0];
    for _ in 0..rounds(3_000) {
        let scale = dice.below(SCALE_MAX + 1);
        let digits = dice.below(1 << 31) as i128 * ten(dice.below(11)) + dice.below(1 << 31) as i128;
        let digits = if dice.below(3) == 0 { -digits } else { digits };
        let limit = spelled(digits, scale, &mut dice);
        let (name, lower, exclusive) = [
            ("minimum", true, false),
            ("maximum", false, false),
            ("exclusiveMinimum", true, true),
            ("exclusiveMaximum", false, true),
        ][dice.below(4)];
        let old = dice.below(4) == 0;
        let schema = match (old, exclusive) {
            (false, _) => format!(r#"{{"{name}":{limit}}}"#),
            (true, _) => {
                let inclusive = if lower { "minimum" } else { "maximum" };
                let flag = if lower { "exclusiveMinimum" } else { "exclusiveMaximum" };
                let dialect = "http://json-schema.org/draft-04/schema#";
                format!(r#"{{"$schema":"{dialect}","{inclusive}":{limit},"{flag}":{exclusive}}}"#)
            }
        };
        let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect(&schema);
        let mut checkers = Checkers::of(&validator);
        for _ in 0..6 {
            // Near it, beside it, or the same.
            let (other, more) = match dice.below(3) {
                0 => (digits, scale),
                1 => (digits + dice.below(3) as i128 - 1, scale),
                _ => {
                    let more = dice.below(SCALE_MAX + 1 - scale);
                    (digits * ten(more) + dice.below(3) as i128 - 1, scale + more)
                }
            };
            let record = spelled(other, more, &mut dice);
            let order = (other * ten(SCALE_MAX - more)).cmp(&(digits * ten(SCALE_MAX - scale)));
            let holds = match (order.is_eq(), lower) {
                (true, _) => !exclusive,
                (false, true) => order.is_gt(),
                (false, false) => order.is_lt(),
            };
            checkers.hold(record.as_bytes(), &options(), &schema);
            let report = validator.check(record.as_bytes(), &options());
            assert_eq!(report.conforms(), holds, "{record} of {schema}: {:?}", report.findings);
            both[usize::from(holds)] += 1;
        }
    }
    assert!(both.iter().all(|count| *count > 2_000), "{both:?}");
}

/// The page of the two roads is made of `tests/cases/roads.txt`; `UPDATE_EXPECT=1` writes it.
#[test]
fn the_page_of_the_roads_is_up_to_date() {
    let mut page = String::from(
        "# Two roads\n\nA record is read once, without a tree, by the program that the standard was compiled to: the quick road. \
         What that cannot prove goes\nto the exact road, the `jsonschema` crate over a tree, which takes some ten times as long and \
         gives the same report, byte for byte. `guiju inspect\nREF` prints the program of a standard; every shipped one stays on \
         the quick road for a conforming record.\n\nA whole record takes the exact road where any value of it has to: nothing \
         but plain values that fail is handed over alone. A standard has\nno quick road at all with more than 128 members known \
         of one object, 4 `patternProperties` of one object, 1,000 places of an array with\nschemas of their own, 512 keywords \
         asked of one value, 8,192 states, or with `unevaluatedProperties` beside `anyOf`, `oneOf`, `if` or\n`dependentSchemas` \
         that evaluate. Of a record, what is deeper than 64, more than 32 unknown names in one object, and numbers of more than\n15 \
         digits or with an exponent take the exact road. A conforming record costs no memory of its own but for \
         these: `email`, `uri` and\nother formats without a form of their own here, formats that put a text into its plain form first \
         (telephones, plates, VIN),\n`uniqueItems` over objects or over more than 32 items, rules that read within an array, and codes by a \
         day of the record. Most large\nschemas that others wrote take the quick road whole (`tests/it/program/wild.rs`).\n\nPatterns are those of ECMA-262 with the flag `u`, but for three things, on both roads: \
         `.` stands for U+000D, U+2028 and U+2029, too,\n`\\b` goes by letters of all scripts, and `[^]`, `[]`, `\\0` and `[\\b]` are \
         refused.\n\nMade of `tests/cases/roads.txt` by trying each; \
         `UPDATE_EXPECT=1 cargo test -p guiju-tests roads` writes it.\n\n| keyword | for example | a conforming record takes |\n\
         |---|---|---|\n",
    );
    let cases = std::fs::read_to_string(root().join("tests/cases/roads.txt")).unwrap();
    for case in cases.lines().filter(|line| !line.starts_with('#')) {
        let [keyword, schema, record] = case.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("three parts: {case}")
        };
        let validator = Validator::compile_schema(schema.as_bytes(), &CompileOptions::default()).expect(case);
        let (options, mut checker) = (options(), validator.checker());
        assert!(checker.check(record.as_bytes(), &options).conforms(), "{case}");
        let road = if checker.is_clean(record.as_bytes(), &options) { "the quick road" } else { "the exact road" };
        page += &format!("| {keyword} | `{}` | {road} |\n", schema.replace('|', "\\|"));
    }
    expect_file(&root().join("docs/reference/roads.md"), &page);
}

/// Bytes of a record, damaged as bytes are: cut, doubled, swapped, replaced; or as records are.
fn damaged(record: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = record.to_vec();
    if dice.below(2) == 0
        && let Ok(mut value) = serde_json::from_slice::<Value>(record)
    {
        for _ in 0..=dice.below(2) {
            alter(&mut value, dice);
        }
        return match dice.below(4) {
            0 => format!("{value:#}").into_bytes(),
            _ => value.to_string().into_bytes(),
        };
    }
    for _ in 0..=dice.below(2) {
        if bytes.is_empty() {
            break;
        }
        let (at, other) = (dice.below(bytes.len()), dice.below(bytes.len()));
        match dice.below(6) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, bytes[other]),
            2 => bytes.swap(at, other),
            3 => bytes[at] = b"\"\\{}[],:0 -.eE\x00\x1f\x7f\x80\xff1a"[dice.below(21)],
            4 => bytes.truncate(at),
            _ => {
                let piece = bytes[at.min(other)..at.max(other)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// The same record with some of its characters as escapes, and space wherever it may be.
fn respelled(record: &str, dice: &mut Dice) -> String {
    let (mut spelled, mut in_text, mut is_escape) = (String::new(), false, false);
    for c in record.chars() {
        let is_plain = in_text && !is_escape && !matches!(c, '"' | '\\');
        if is_plain && dice.below(4) == 0 {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| spelled += &format!("\\u{unit:04x}"));
            continue;
        }
        in_text ^= c == '"' && !is_escape;
        is_escape = in_text && c == '\\' && !is_escape;
        let is_before_space = !in_text && matches!(c, ',' | ':' | '[' | '{' | ']' | '}');
        spelled.push(c);
        if is_before_space && dice.below(2) == 0 {
            spelled += [" ", "\n\t", "  \r\n"][dice.below(3)];
        }
    }
    spelled
}

fn alter(value: &mut Value, dice: &mut Dice) {
    match value {
        Value::Object(members) if !members.is_empty() && dice.below(4) > 0 => {
            let name = members.keys().nth(dice.below(members.len())).cloned().unwrap_or_default();
            match dice.below(5) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert(format!("x_{name}"), json!(1))),
                2 => drop(members.insert(name, scalar(dice))),
                _ => alter(&mut members[&name], dice),
            }
        }
        Value::Array(items) if !items.is_empty() && dice.below(4) > 0 => {
            let at = dice.below(items.len());
            match dice.below(4) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => alter(&mut items[at], dice),
            }
        }
        Value::String(text) => match dice.below(4) {
            0 => text.push_str(["x", " ", "中", "\n", "0"][dice.below(5)]),
            1 => drop(text.pop()),
            2 => {
                let digits: Vec<char> = text.chars().map(|c| if dice.below(6) == 0 { '7' } else { c }).collect();
                *text = digits.into_iter().collect();
            }
            _ => *value = scalar(dice),
        },
        other => *other = scalar(dice),
    }
}

fn dialect(dice: &mut Dice) -> &'static str {
    [
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-04/schema#",
    ][dice.below(6)]
}

const NAMES: [&str; 6] = ["a", "b", "c", "long name", "名", "x_1"];
const TEXTS: [&str; 14] = [
    "",
    "a",
    "ab",
    "ba",
    "2024-02-29",
    "2023-02-29",
    "中文",
    "文",
    "a\"b",
    "a\n",
    "\u{1F600}",
    "1",
    "12345678",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];
const NUMBERS: [&str; 12] =
    ["0", "-0", "1", "1.0", "1.5", "-3", "100", "1e2", "9007199254740993", "0.1", "123456789012345678", "2.50"];

const PATTERNS: [&str; 16] = [
    "^a",
    "^[0-9]+$",
    "b",
    "^\\d{4}-\\d{2}-\\d{2}$",
    "^.$",
    "^[^a]*$",
    "^(a|b)+$",
    "中",
    "^[ab]{1,2}$",
    "^[0-9a-f]{33}$",
    "^[a-c]{0,40}$",
    "^[\\u4e00-\\u9fff]{1,2}$",
    "^(0[1-9]|1)$",
    "^[0-9]{1,4}(\\.[0-9]{1,2})?$",
    "^[\\s\\S]$",
    "\\d$",
];

fn scalar(dice: &mut Dice) -> Value {
    match dice.below(8) {
        0 => Value::Null,
        1 => Value::Bool(dice.below(2) == 0),
        2..=4 => serde_json::from_str(NUMBERS[dice.below(12)]).expect("a number"),
        _ => json!(TEXTS[dice.below(TEXTS.len())]),
    }
}

fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 4 } else { 10 }) {
        0..=3 => scalar(dice),
        4 | 5 => (0..dice.below(4)).map(|_| value(dice, depth - 1)).collect(),
        _ => Value::Object(
            (0..dice.below(5)).map(|_| (NAMES[dice.below(6)].to_owned(), value(dice, depth - 1))).collect(),
        ),
    }
}

/// A schema of a few keywords, which often say something of the same value.
fn schema(dice: &mut Dice, depth: usize) -> Value {
    let mut members = serde_json::Map::new();
    for _ in 0..dice.below(4) {
        let (keyword, said) = keyword(dice, depth);
        members.insert(keyword.to_owned(), said);
    }
    if dice.below(40) == 0 { Value::Bool(dice.below(4) > 0) } else { Value::Object(members) }
}

fn keyword(dice: &mut Dice, depth: usize) -> (&'static str, Value) {
    let count = |dice: &mut Dice| json!(dice.below(4));
    let names = |dice: &mut Dice| -> Value {
        let mut names: Vec<&str> = (0..dice.below(3)).map(|_| NAMES[dice.below(6)]).collect();
        names.sort_unstable();
        names.dedup();
        json!(names)
    };
    if depth > 0 && dice.below(2) == 0 {
        let some = |dice: &mut Dice| -> Value { (0..1 + dice.below(3)).map(|_| schema(dice, depth - 1)).collect() };
        let named = |dice: &mut Dice| -> Value {
            Value::Object(
                (0..1 + dice.below(4)).map(|_| (NAMES[dice.below(6)].to_owned(), schema(dice, depth - 1))).collect(),
            )
        };
        return match dice.below(25) {
            19 => ("unevaluatedItems", schema(dice, depth - 1)),
            20 => ("items", some(dice)),
            21 => ("additionalItems", schema(dice, depth - 1)),
            22 => ("dependencies", named(dice)),
            23 => ("$defs", named(dice)),
            0..=4 => ("properties", named(dice)),
            5 => ("patternProperties", json!({(["^x_", "a", "^[a-c]$"][dice.below(3)]): schema(dice, depth - 1)})),
            6 if dice.below(2) == 0 => ("additionalProperties", json!(false)),
            6 => ("additionalProperties", schema(dice, depth - 1)),
            7 => ("items", schema(dice, depth - 1)),
            8 => ("prefixItems", some(dice)),
            9 => ("allOf", some(dice)),
            10 => ("anyOf", some(dice)),
            11 => ("oneOf", some(dice)),
            12 => ("not", schema(dice, depth - 1)),
            13 => ("if", schema(dice, depth - 1)),
            14 => ("then", schema(dice, depth - 1)),
            15 => ("else", schema(dice, depth - 1)),
            16 => ("contains", schema(dice, depth - 1)),
            17 => ("dependentSchemas", named(dice)),
            18 => ("propertyNames", schema(dice, depth - 1)),
            _ => ("unevaluatedProperties", schema(dice, depth - 1)),
        };
    }
    match dice.below(29) {
        23 => ("maxContains", count(dice)),
        24 => ("exclusiveMinimum", serde_json::from_str(NUMBERS[dice.below(12)]).expect("a number")),
        25 => ("maximum", serde_json::from_str(NUMBERS[dice.below(12)]).expect("a number")),
        26 => ([("$dynamicRef", json!("#a")), ("$dynamicAnchor", json!("a"))][dice.below(2)]).clone(),
        27 => ([("$recursiveRef", json!("#")), ("$recursiveAnchor", json!(true))][dice.below(2)]).clone(),
        0..=2 => ("type", json!(["object", "array", "string", "integer", "number", "boolean", "null"][dice.below(7)])),
        3 => ("type", json!([["object", "string"], ["array", "integer"], ["number", "null"]][dice.below(3)])),
        4 => ("enum", (0..1 + dice.below(4)).map(|_| value(dice, 1)).collect()),
        5 => ("const", value(dice, 1)),
        6 => ("minLength", count(dice)),
        7 => ("maxLength", count(dice)),
        8 => ("pattern", json!(PATTERNS[dice.below(PATTERNS.len())])),
        9 => ("format", json!(["date", "date-time", "email", "ipv4", "cn-mobile", "decimal", "uuid"][dice.below(7)])),
        10 => ("minimum", serde_json::from_str(NUMBERS[dice.below(12)]).expect("a number")),
        11 => ("exclusiveMaximum", serde_json::from_str(NUMBERS[dice.below(12)]).expect("a number")),
        12 => ("multipleOf", serde_json::from_str(["1", "2", "0.5", "3"][dice.below(4)]).expect("a number")),
        13 => ("required", names(dice)),
        14 => ("minProperties", count(dice)),
        15 => ("maxProperties", count(dice)),
        16 => ("minItems", count(dice)),
        17 => ("maxItems", count(dice)),
        18 => ("uniqueItems", json!(true)),
        19 => ("minContains", count(dice)),
        20 => ("dependentRequired", json!({(NAMES[dice.below(6)]): names(dice)})),
        21 => ("$ref", json!(["#/$defs/a", "#/$defs/b", "#"][dice.below(3)])),
        22 => {
            let (severity, op) = (["error", "warning"][dice.below(2)], ["eq", "le", "ne"][dice.below(3)]);
            let (left, right) = (format!("/{}", NAMES[dice.below(3)]), format!("/{}", NAMES[dice.below(3)]));
            let condition = json!({"op": op, "left": {"field": left}, "right": {"field": right}});
            ("x-guiju", json!({"rules": [{"id": "one", "severity": severity, "then": [condition]}]}))
        }
        _ => ("maximum", count(dice)),
    }
}

/// xorshift64*: the same cases on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}
