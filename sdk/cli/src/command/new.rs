use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
};
use clap::ValueEnum;
use guiju_model::{Kind, Reference, StandardId};
use guiju_validator::PLACEHOLDERS;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

mod profile; // what narrows another standard

/// Make a new standard that passes `guiju test` at once; `guiju lint` says what is to be filled in
#[derive(Debug, clap::Args)]
pub struct NewArgs {
    /// Its name: namespace/name, for example bj.example/lamp-post
    #[arg(value_name = "STANDARD")]
    standard: StandardId,
    /// What it describes
    #[arg(long, value_enum, default_value_t = Sort::Record)]
    kind: Sort,
    /// The record standard that a profile narrows, for example bj.population/person@^2; with --kind profile
    #[arg(long, value_name = "STANDARD", required_if_eq("kind", "profile"))]
    of: Option<Reference>,
    /// Folder of standards to put it in
    #[arg(long, value_name = "DIR", default_value = "standards")]
    into: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The shape of a record: a JSON Schema
    Record,
    /// Permissible values: a table of codes
    CodeList,
    /// A dictionary of data elements that other standards refer to
    Elements,
    /// What may be asked of an interface and what it answers: an OpenAPI 3.1 document
    Contract,
    /// A record that narrows another one, as a district does with the city's
    Profile,
}

const VERSION: &str = "0.1.0";

pub fn run(args: NewArgs, context: &Context) -> Answer {
    let NewArgs { standard, kind, of, into } = args;
    let home = into.join(standard.namespace().as_str()).join(standard.name().as_str());
    if home.exists() {
        return Err(Failure::new(format!("`{}` is there already", home.display()))
            .hint("choose another name, or add a version folder beside the ones it has; nothing is overwritten"));
    }
    let files = match (kind, &of) {
        (Sort::Profile, Some(of)) => profile::files(&standard, of)?,
        (_, None) => files(&standard, kind).into_iter().map(|(name, text)| (name.to_owned(), text)).collect(),
        (_, Some(of)) => {
            let failure = Failure::new(format!("--of {of} is for a profile, which narrows that standard"));
            return Err(failure.hint("add --kind profile, or leave out --of"));
        }
    };
    let mut out = context.out();
    for (name, text) in files {
        let path = home.join(name);
        write(&path, &text)?;
        writeln!(out, "wrote {}", path.display())?;
    }
    let next = context.paint.help(context.lang.pick("next: ", "下一步："));
    let lint = context.lang.pick("what to fill in before it is published", "发布前须填写的内容");
    writeln!(
        out,
        "{next}guiju test {into}; guiju lint {home}    ({lint})",
        into = into.display(),
        home = home.display()
    )?;
    out.flush()?;
    Ok(Verdict::Conforms)
}

/// Writes a new file with the folders above it.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fault = |error: std::io::Error| Failure::file("written", path.display(), &error);
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(fault)?;
    fs::write(path, text).map_err(fault)
}

fn files(standard: &StandardId, sort: Sort) -> Vec<(&'static str, String)> {
    let kind = match sort {
        Sort::Record => Kind::Record,
        Sort::CodeList => Kind::CodeList,
        Sort::Elements => Kind::Elements,
        Sort::Contract => Kind::Contract,
        Sort::Profile => Kind::Profile,
    };
    let name = standard.name().as_str().replace('-', " ");
    let [en, zh] = PLACEHOLDERS;
    let toml = TOML.replace("{kind}", kind.as_str()).replace("{name}", &name).replace("{en}", en).replace("{zh}", zh);
    let mut files = vec![("standard.toml", toml)];
    match sort {
        Sort::Record => files.extend([
            ("0.1.0/schema.json", RECORD.replace("{name}", &name)),
            ("0.1.0/examples/conforming/smallest.json", "{\"id\": \"A-0001\"}\n".into()),
            ("0.1.0/examples/conforming/full.json", FULL.into()),
            ("0.1.0/examples/failing/id-missing.json", "{\"name\": \"东单三条 7 号\"}\n".into()),
            (
                "0.1.0/examples/failing/id-missing.findings.txt",
                "# nothing names the record\nerror required-missing /id\n".into(),
            ),
        ]),
        Sort::CodeList => files.extend([
            ("0.1.0/codes.csv", CODES.into()),
            ("0.1.0/examples/conforming/first.json", "\"1\"\n".into()),
            ("0.1.0/examples/failing/unknown.json", "\"9\"\n".into()),
            ("0.1.0/examples/failing/unknown.findings.txt", "# no such code\nerror code-not-in-list\n".into()),
        ]),
        Sort::Elements => files.push(("0.1.0/schema.json", ELEMENTS.replace("{name}", &name))),
        Sort::Contract => files.push(("0.1.0/openapi.yaml", CONTRACT.replace("{name}", &name))),
        Sort::Profile => {}
    }
    debug_assert!(files[1].0.starts_with(VERSION));
    files
}

const TOML: &str = r#"kind = "{kind}"
domain = "service"            # population, legal, macro, geo, water, power, transport, service, catalogue, common
title_zh = "{name}（{zh}）"
title_en = "{name}"
abstract = "用一两句话说明用途（{zh}）。"
abstract_en = "What it is for, in a sentence or two ({en})."
owner = "责任单位（{zh}）"
# owner_code = ""             # unified social credit code of the owner, 18 characters
steward = "联系科室（{zh}）"    # a unit, no person's telephone
registration_authority = "注册机构（{zh}）"
share_class = "2"             # 1 unconditional, 2 conditional, 3 not shared
share_condition = "向有职责的部门共享（{zh}）"
open = false                  # true only where the share class is 1 and the level S1
security_level = "S2"         # S1 open, S2 government-internal, S3 personal, S4 sensitive personal: the highest of its fields
update_cycle = "Y"            # RT, D, W, M, Q, Y, N: real time to yearly, or none
basis = []                    # GB/T numbers with their years, "GB/T 2260-2007"
sources = ["where the facts come from ({en})"]
doubts = []                   # what whoever relies on it should know is not certain

# What each later version changed, for whoever holds the one before:
# [changes."0.2.0"]
# en = "The day of setting up is mandatory."
# zh = "设立日期改为必填。"
"#;

const RECORD: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "{name}",
  "type": "object",
  "required": ["id"],
  "additionalProperties": false,
  "patternProperties": {"^x_[a-z0-9]+_[a-z0-9_]+$": true},
  "properties": {
    "id": {
      "title": "identifier", "description": "Names the thing that the record is about.",
      "type": "string", "pattern": "^[A-Z]-[0-9]{4}$",
      "x-guiju": {"titleZh": "编号", "descriptionZh": "所述对象的编号。", "synonyms": ["标识"]}
    },
    "name": {
      "title": "name", "description": "What people call it.",
      "type": "string", "minLength": 1, "maxLength": 100,
      "x-guiju": {"titleZh": "名称", "descriptionZh": "通用名称。"}
    },
    "set_up_on": {
      "title": "day it was set up", "description": "The first day on which it stood.",
      "type": "string", "format": "date",
      "x-guiju": {"titleZh": "设立日期", "descriptionZh": "设立的日期。", "inputFormats": ["YYYYMMDD", "YYYY/M/D"]}
    }
  },
  "x-guiju": {"vocabulary": "1", "keys": [{"id": "id", "fields": ["/id"]}]}
}
"##;

const FULL: &str = "{\"id\": \"A-0002\", \"name\": \"东单三条 7 号\", \"set_up_on\": \"2026-03-01\"}\n";

const CODES: &str = "\
code,name_zh,name_en,parent,valid_from,valid_to,alias,note
1,第一,first,,,,,
2,第二,second,,,,,
";

const ELEMENTS: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "{name}",
  "$defs": {
    "Name": {
      "title": "name", "description": "What people call a thing.",
      "type": "string", "minLength": 1, "maxLength": 100,
      "x-guiju": {"titleZh": "名称", "descriptionZh": "通用名称。"}
    }
  },
  "x-guiju": {"vocabulary": "1"}
}
"##;

const CONTRACT: &str = r##"openapi: 3.1.1
info:
  title: "{name}"
  version: 0.1.0
security:
  - key: []
paths:
  /persons/{person_id}:
    get:
      operationId: getPerson
      summary: One person
      parameters:
        - name: person_id
          in: path
          required: true
          schema: {type: string, pattern: "^[0-9A-Za-z-]{1,36}$"}
          example: P-0001
      responses:
        "200":
          description: The person
          content:
            application/json:
              # A standard is referred to by name and requirement; the digest of this version pins the one that it meets.
              schema: {$ref: "guiju:bj.population/person@^2"}
        "404":
          description: There is none
          content:
            application/problem+json:
              schema: {$ref: "#/components/schemas/Problem"}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Api-Key}
  schemas:
    Problem:
      type: object
      required: [title, status]
      properties:
        title: {type: string, maxLength: 200}
        status: {type: integer, minimum: 400, maximum: 599}
"##;
