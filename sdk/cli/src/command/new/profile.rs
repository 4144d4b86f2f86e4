//! A district's profile of a record standard: what it narrows, with a field of the district's own.

use super::VERSION;
use crate::{carried, embedded, failure::Failure, shelf::Carried};
use guiju_model::{Bundle, Catalog, Content, Kind, Metadata, Package, Reference, StandardId, resolve};
use guiju_validator::{CheckOptions, CompileOptions, PLACEHOLDERS, Validator, render_findings};
use serde_json::Value;

pub fn files(standard: &StandardId, of: &Reference) -> Result<Vec<(String, String)>, Failure> {
    let base = resolve(&Carried, of).map_err(|error| Failure::new(error.to_string()))?;
    let none = || Failure::new(format!("`{}` is not whole in the program", base.standard));
    let content = Carried.content(&base.digest).ok_or_else(none)?;
    let metadata = carried::metadata(&base.standard).ok_or_else(none)?;
    if content.manifest.kind != Kind::Record {
        let failure = Failure::new(format!("`{}` is of kind {}", base.standard, content.manifest.kind.as_str()));
        return Err(failure.hint("a profile narrows a record standard, for example --of bj.population/person"));
    }
    let schema = schema(standard, &content);
    let mut files = vec![
        ("standard.toml".to_owned(), toml(standard, &content, &metadata)),
        (format!("{VERSION}/schema.json"), schema.clone()),
    ];
    let mut examples = embedded::archive().examples(&base.digest);
    examples.retain(|name, _| name.starts_with("examples/conforming/") || name == "examples/options.toml");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    files.extend(examples.into_iter().map(|(name, bytes)| (format!("{VERSION}/{name}"), text(bytes))));
    files.push((format!("{VERSION}/examples/failing/empty.json"), "{}\n".into()));
    let findings = format!("# what a record must have\n{}", findings(standard, schema)?);
    files.push((format!("{VERSION}/examples/failing/empty.findings.txt"), findings));
    Ok(files)
}

/// Keys and rules between records are those of the standard itself, so what it narrows keeps its own only if they are said again.
fn schema(standard: &StandardId, content: &Content) -> String {
    let base: Value = serde_json::from_slice(content.document().unwrap_or_default()).unwrap_or_default();
    let manifest = &content.manifest;
    let (of, major, minor) = (&manifest.standard, manifest.version.major, manifest.version.minor);
    let title = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = |name: &str| base.get("x-guiju").and_then(|own| own.get(name));
    let place = standard.namespace();
    let district: String =
        place.as_str().rsplit('.').next().unwrap_or_default().chars().filter(char::is_ascii_lowercase).collect();
    let text = |value: String| Value::from(value).to_string();
    let mut lines = vec![
        "{".to_owned(),
        r#"  "$schema": "https://json-schema.org/draft/2020-12/schema","#.into(),
        format!(r#"  "title": {},"#, text(format!("{}, {place}", title(base.get("title"))))),
        format!(r#"  "description": {},"#, text(format!("What {place} asks beyond {of}."))),
        r#"  "x-guiju": {"#.into(),
        r#"    "vocabulary": "1","#.into(),
        format!(r#"    "titleZh": {},"#, text(format!("{}（{place}）", title(own("titleZh"))))),
        format!(r#"    "descriptionZh": {},"#, text(format!("{place} 对 {of} 的收窄。"))),
        format!(r#"    "profileOf": "{of}@^{major}.{minor}","#),
    ];
    for name in ["keys", "references", "dataset"] {
        let rules = own(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if !rules.is_empty() {
            let rules: Vec<String> = rules.iter().map(|rule| format!("      {rule}")).collect();
            lines.push(format!("    \"{name}\": [\n{}\n    ],", rules.join(",\n")));
        }
    }
    lines.extend([
        format!(
            r#"    "allowOpen": "{of}, which this narrows, declares the other fields and refuses undeclared ones""#
        ),
        "  },".into(),
        format!(r#"  "$ref": "guiju:{of}@{major}.{minor}","#),
        r#"  "type": "object","#.into(),
        r#"  "required": [],"#.into(),
        r#"  "properties": {"#.into(),
        format!(
            r#"    "x_{district}_note": {{
      "title": "Note", "description": "A note of the district's own.",
      "type": "string", "minLength": 1, "maxLength": 200,
      "x-guiju": {{"titleZh": "区级备注", "descriptionZh": "区级自有的备注。"}}
    }}"#
        ),
        "  }".into(),
        "}\n".into(),
    ]);
    lines.join("\n")
}

/// Neither a lower level nor a wider share class than what is narrowed.
fn toml(standard: &StandardId, content: &Content, of: &Metadata) -> String {
    let [en, zh] = PLACEHOLDERS;
    let text = |text: String| toml::Value::from(text).to_string();
    let manifest = &content.manifest;
    let condition =
        of.share_condition.iter().map(|condition| format!("share_condition = {}\n", text(condition.clone())));
    format!(
        "kind = \"profile\"\ndomain = {}\ntitle_zh = {}\ntitle_en = {}\nabstract = {}\nabstract_en = {}\nowner = {}\n\
         # owner_code = \"\"             # unified social credit code of the owner, 18 characters\nsteward = {}\n\
         registration_authority = {}\nshare_class = \"{}\"\n{}open = {}\nsecurity_level = \"{}\"\nupdate_cycle = {}\n\
         basis = [{}]\nsources = [{}]\ndoubts = []\n",
        text(of.domain.clone()),
        text(format!("{}（{zh}）", of.title_zh)),
        text(format!("{}, {}", of.title_en, standard.namespace())),
        text(format!("对 {} 的收窄（{zh}）。", manifest.standard)),
        text(format!("What the district asks beyond {} ({en}).", manifest.standard)),
        text(format!("责任单位（{zh}）")),
        text(format!("联系科室（{zh}）")),
        text(format!("注册机构（{zh}）")),
        of.share_class.as_str(),
        condition.collect::<String>(),
        of.open,
        of.security_level.as_str(),
        text(of.update_cycle.clone()),
        text(format!("{} {}", manifest.standard, manifest.version)),
        text(format!("why the district asks for more ({en})")),
    )
}

/// What a record with nothing in it gets.
fn findings(standard: &StandardId, schema: String) -> Result<String, Failure> {
    let files = [("schema.json".to_owned(), schema.into_bytes())].into();
    let version = VERSION.parse().map_err(|error: semver::Error| Failure::new(error.to_string()))?;
    let package = Package { standard: standard.clone(), version, kind: Kind::Profile, files };
    let bundle = Bundle::seal(&package, &Carried).map_err(|error| Failure::new(error.to_string()))?;
    let validator =
        Validator::compile(&bundle, &CompileOptions::default()).map_err(|error| crate::shelf::not_compiled(&error))?;
    Ok(render_findings(&validator.check(b"{}", &CheckOptions::default())))
}
