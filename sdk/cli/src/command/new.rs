use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
};
use clap::ValueEnum;
use guiju_model::{Kind, StandardId};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Make a new standard that passes `guiju test` at once, to be filled in
#[derive(Debug, clap::Args)]
pub struct NewArgs {
    /// Its name: namespace/name, for example bj.example/lamp-post
    #[arg(value_name = "STANDARD")]
    standard: StandardId,
    /// What it describes
    #[arg(long, value_enum, default_value_t = Sort::Record)]
    kind: Sort,
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
}

const VERSION: &str = "0.1.0";

pub fn run(args: NewArgs, context: &Context) -> Answer {
    let NewArgs { standard, kind, into } = args;
    let home = into.join(standard.namespace().as_str()).join(standard.name().as_str());
    if home.exists() {
        return Err(Failure::new(format!("`{}` is there already", home.display()))
            .hint("choose another name, or add a version folder beside the ones it has; nothing is overwritten"));
    }
    let mut out = context.out();
    for (name, text) in files(&standard, kind) {
        write(&home.join(name), &text)?;
        writeln!(out, "wrote {}", home.join(name).display())?;
    }
    writeln!(out, "{}guiju test {}", context.paint.help(context.lang.pick("next: ", "下一步：")), into.display())?;
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
    };
    let name = standard.name().as_str().replace('-', " ");
    let toml = TOML.replace("{kind}", kind.as_str()).replace("{name}", &name);
    let mut files = vec![("standard.toml", toml)];
    match sort {
        Sort::Record => files.extend([
            ("0.1.0/schema.json", RECORD.replace("{name}", &name)),
            ("0.1.0/examples/conforming/smallest.json", "{\"id\": \"A-0001\"}\n".into()),
            ("0.1.0/examples/conforming/full.json", FULL.into()),
            ("0.1.0/examples/failing/id-missing.json", "{\"name\": \"东单三条 7 号\"}\n".into()),
            ("0.1.0/examples/failing/id-missing.findings.txt", "error required-missing /id\n".into()),
        ]),
        Sort::CodeList => files.push(("0.1.0/codes.csv", CODES.into())),
        Sort::Elements => files.push(("0.1.0/schema.json", ELEMENTS.replace("{name}", &name))),
        Sort::Contract => files.push(("0.1.0/openapi.yaml", CONTRACT.replace("{name}", &name))),
    }
    debug_assert!(files[1].0.starts_with(VERSION));
    files
}

const TOML: &str = r#"kind = "{kind}"
domain = "service"            # population, legal, macro, geo, water, power, transport, service, catalogue, common
title_zh = "{name}（待定名）"
title_en = "{name}"
abstract = "用一两句话说明用途。"
abstract_en = "Say in a sentence or two what it is for."
owner = "责任单位（待填写）"
steward = "联系科室（待填写）"
registration_authority = "注册机构（待填写）"
share_class = "2"             # 1 unconditional, 2 conditional, 3 not shared
share_condition = "向有职责的部门共享"
open = false
security_level = "S2"         # S1 open, S2 government-internal, S3 personal, S4 sensitive personal
update_cycle = "Y"            # RT, D, W, M, Q, Y, N: real time to yearly, or none
basis = []                    # GB/T numbers with their years
sources = []
doubts = []
"#;

const RECORD: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "{name}",
  "type": "object",
  "required": ["id"],
  "additionalProperties": false,
  "properties": {
    "id": {"title": "identifier", "type": "string", "pattern": "^[A-Z]-[0-9]{4}$", "x-guiju": {"titleZh": "编号", "synonyms": ["标识"]}},
    "name": {"title": "name", "type": "string", "minLength": 1, "maxLength": 100, "x-guiju": {"titleZh": "名称"}},
    "set_up_on": {"title": "day it was set up", "type": "string", "format": "date", "x-guiju": {"titleZh": "设立日期", "inputFormats": ["YYYYMMDD", "YYYY/M/D"]}}
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
    "Name": {"title": "name", "type": "string", "minLength": 1, "maxLength": 100, "x-guiju": {"titleZh": "名称"}}
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
