//! A verdict in words, as JSON, as Markdown.

use super::{Allowed, Came, Compared, corpus::Replayed};
use crate::{
    context::Context,
    terminal::{Lang, plain},
};
use guiju_compat::{Bump, Change, Fit, Inclusion, Line, Verdict, Witness};
use guiju_model::{Kind, Severity};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Longest record shown on one line, in code points; all of it is in the JSON form.
const RECORD_MAX: usize = 400;

pub fn text(
    out: &mut impl Write,
    compared: &[Compared],
    came: &Came,
    allow: Option<Allowed>,
    context: &Context,
) -> io::Result<()> {
    let (lang, paint) = (context.lang, context.paint);
    if compared.is_empty() {
        writeln!(out, "{}", lang.pick("nothing that both sides have was changed", "双方共有的标准均无改动"))?;
    }
    for removed in &came.removed {
        let severity = match allow {
            Some(Allowed::Major) => paint.good(lang.pick("fine:", "可以：")),
            _ => paint.error(lang.pick("error:", "错误：")),
        };
        writeln!(out, "{severity} {}", said_removed(removed, lang))?;
        let instead = lang.pick(
            "Keep its folder, and deprecate or withdraw the version in the registry: who refers to it is told then.",
            "保留其目录，并在登记系统中弃用或撤回该版本，以便引用者得知。",
        );
        writeln!(out, "    {} {instead}", paint.help(lang.pick("instead:", "改法：")))?;
    }
    for added in &came.added {
        writeln!(out, "{} {}", paint.good(lang.pick("fine:", "可以：")), said_added(added, lang))?;
    }
    for compared in compared {
        let severity = match compared.fit {
            _ if compared.is_contradicted() => paint.error(lang.pick("error:", "错误：")),
            Fit::Enough | Fit::Ample => paint.good(lang.pick("fine:", "可以：")),
            Fit::TooSmall | Fit::Forbidden => paint.error(lang.pick("error:", "错误：")),
            Fit::Unknown => paint.severity(Severity::Warning, lang.pick("undecided:", "未能判定：")),
        };
        writeln!(out, "{severity} {}", headline(compared, lang))?;
        for change in &compared.verdict.changes {
            let bump = change.bump.map_or(lang.pick("undecided", "未定"), |bump| named(bump, lang));
            writeln!(out, "  [{}] {} {}: {}", bump, change.code, at(change, lang), plain(lang.of(&change.message)))?;
            if let Some(witness) = &change.witness {
                writeln!(out, "    {}", shown(witness, change, &compared.verdict, lang))?;
            }
            if change.bump != Some(Bump::Patch) && !lang.of(&change.remedy).is_empty() {
                writeln!(
                    out,
                    "    {} {}",
                    paint.help(lang.pick("instead:", "改法：")),
                    plain(lang.of(&change.remedy))
                )?;
            }
        }
        for (line, proof) in directions(compared, lang) {
            writeln!(out, "  {line}")?;
            proof.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
        }
        if let Some(replayed) = &compared.replayed {
            writeln!(out, "  {}", corpus(replayed, lang))?;
        }
        if compared.is_contradicted() {
            writeln!(out, "  {}", lang.pick(CONTRADICTED.0, CONTRADICTED.1))?;
        }
        writeln!(out, "  {}", reading(&compared.verdict, lang))?;
    }
    Ok(())
}

fn said_removed(removed: &str, lang: Lang) -> String {
    let en = format!("`{removed}` was removed: whoever refers to it finds nothing");
    lang.pick(&en, &format!("`{removed}` 已被删除：引用它的各方将找不到该标准")).to_owned()
}

fn said_added(added: &str, lang: Lang) -> String {
    let en = format!("`{added}` was added");
    lang.pick(&en, &format!("新增 `{added}`")).to_owned()
}

/// Said where the records of a corpus show a proof to be wrong.
const CONTRADICTED: (&str, &str) = (
    "these records break although it is proved that none can: take the new version as breaking, \
     and report this as a defect of guiju with both schemas and one such record (of a table: each version may read \
     a cell with another type, and then neither is wrong)",
    "证明称没有记录会不再合格，而这些记录确已不合格：请视新版本为不兼容，并将两版模式与其中一条记录作为 guiju 的缺陷报告\
     （若为表格：两版可能以不同类型读取同一单元格，则二者均无误）",
);

fn headline(compared: &Compared, lang: Lang) -> String {
    let Compared { verdict, fit, required, .. } = compared;
    let (old, new) = (&verdict.old, &verdict.new);
    let required = required.as_ref().map(ToString::to_string);
    let en = match (verdict.bump, &required, fit) {
        (.., Fit::Forbidden) => format!("`{new}` changes what no version number allows against `{old}`"),
        (Some(Bump::Major), Some(required), _) => format!("`{new}` breaks `{old}`, so it must be {required} or higher"),
        (Some(Bump::Major), None, _) => format!("`{new}` breaks `{old}`"),
        (Some(bump), ..) if verdict.kind == Kind::Contract => {
            format!("who speaks `{old}` and who speaks `{new}` understand each other: a {bump} version")
        }
        (Some(Bump::Minor), _, _) => {
            let more = match &verdict.new_in_old {
                _ if verdict.is_shown_wider() => ", and more",
                Inclusion::Undecided(_) => "; whether it accepts more could not be decided",
                _ => "",
            };
            format!("`{new}` accepts all that `{old}` accepts{more}: a minor version")
        }
        (Some(Bump::Patch), _, _) => format!("`{new}` accepts what `{old}` accepts: a patch version"),
        (None, ..) => format!("whether `{new}` breaks `{old}` could not be decided"),
    };
    let zh = match (verdict.bump, &required, fit) {
        (.., Fit::Forbidden) => format!("`{new}` 相对 `{old}` 有任何版本号都不允许的改动"),
        (Some(Bump::Major), Some(required), _) => format!("`{new}` 破坏 `{old}`，版本号应不低于 {required}"),
        (Some(Bump::Major), None, _) => format!("`{new}` 破坏 `{old}`"),
        (Some(bump), ..) if verdict.kind == Kind::Contract => {
            format!("使用 `{old}` 与使用 `{new}` 的各方可以互通：升{}即可", bump.zh())
        }
        (Some(Bump::Minor), _, _) => {
            let more = match &verdict.new_in_old {
                _ if verdict.is_shown_wider() => "并有所增加",
                Inclusion::Undecided(_) => "，是否有所增加未能判定",
                _ => "",
            };
            format!("`{new}` 接受 `{old}` 所接受的全部记录{more}：次版本")
        }
        (Some(Bump::Patch), _, _) => format!("`{new}` 与 `{old}` 接受的记录相同：修订版本"),
        (None, ..) => format!("未能判定 `{new}` 是否破坏 `{old}`"),
    };
    lang.pick(&en, &zh).to_owned()
}

/// How both were read. What has no Chinese word of its own stands as in the JSON form.
fn reading(verdict: &Verdict, lang: Lang) -> String {
    let zh = |named: &String| {
        match named.as_str() {
            "strict" => "严格",
            "closed-writer" => "写入方封闭（closed-writer）",
            "formats asserted" => "校验格式",
            "formats not asserted" => "不校验格式",
            "version constants unpinned" => "版本常量不固定",
            "requests: old in new, answers: new in old; of webhooks and callbacks the other way round" => {
                "请求由旧版向新版看，应答由新版向旧版看，webhook 与回调则相反"
            }
            "what is sent undeclared is passed over" => "未声明而发送的内容不计",
            "clients name the media types that they accept" => "客户端写明其接受的媒体类型",
            "errors that are not told of are understood by their class (RFC 9110, section 15)" => {
                "未说明的错误按其类别理解（RFC 9110 第 15 节）"
            }
            other => other,
        }
        .to_owned()
    };
    let en = format!("reading: {}", verdict.reading.join(", "));
    lang.pick(&en, &format!("读法：{}", verdict.reading.iter().map(zh).collect::<Vec<_>>().join("、"))).to_owned()
}

fn named(bump: Bump, lang: Lang) -> &'static str {
    lang.pick(bump.as_str(), bump.zh())
}

fn at(change: &Change, lang: Lang) -> String {
    let place = |place: &str| if place.is_empty() { "/".to_owned() } else { place.to_owned() };
    match (change.old_place.as_deref(), change.new_place.as_deref()) {
        (Some(old), Some(new)) if old != new => {
            format!("{} {} -> {}", lang.pick("at", "位于"), place(old), place(new))
        }
        (Some(old), None) => format!("{} {}", lang.pick("at old", "位于旧版"), place(old)),
        (None, Some(new)) => format!("{} {}", lang.pick("at new", "位于新版"), place(new)),
        (Some(both), _) => format!("{} {}", lang.pick("at", "位于"), place(both)),
        (None, None) => String::new(),
    }
}

fn record(witness: &Witness) -> String {
    let text = witness.record.to_string();
    match text.char_indices().nth(RECORD_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

fn shown(witness: &Witness, change: &Change, verdict: &Verdict, lang: Lang) -> String {
    let (accepts, refuses) = match change.bump {
        Some(Bump::Minor) => (&verdict.new, &verdict.old),
        _ => (&verdict.old, &verdict.new),
    };
    let record = record(witness);
    if witness.record.get("call").is_some() {
        let (old, new) = (&verdict.old, &verdict.new);
        let is_reply = witness.record.get("status").is_some();
        let (en, zh) = match (is_reply, change.code.as_str()) {
            (true, _) => (
                format!("witness: {record} is an answer by {old} that {new} does not take"),
                format!("例证：{record} 是按 {old} 作出而 {new} 不接受的应答"),
            ),
            (false, "webhook-removed") => (
                format!("witness: {record} is a call by {old} that {new} does not make"),
                format!("例证：{record} 是 {old} 发出而 {new} 不再发出的调用"),
            ),
            (false, _) => (
                format!("witness: {record} is a call by {new} that {old} does not tell of"),
                format!("例证：{record} 是 {new} 发出而 {old} 未说明的调用"),
            ),
        };
        return lang.pick(&en, &zh).to_owned();
    }
    if witness.record.get("request").is_some() {
        // An answer that breaks comes from the new version, one that is no longer given from the old.
        let is_reply = witness.record.get("status").is_some();
        let (takes, refuses) = if is_reply { (refuses, accepts) } else { (accepts, refuses) };
        let (en, zh) = match is_reply {
            true => (
                format!("witness: {record} is an answer that {takes} tells of and {refuses} does not"),
                format!("例证：{record} 是 {takes} 说明而 {refuses} 未说明的应答"),
            ),
            false => (
                format!("witness: {record} is taken by {takes} and not by {refuses}"),
                format!("例证：{record} 为 {takes} 接受，而 {refuses} 不接受"),
            ),
        };
        return lang.pick(&en, &zh).to_owned();
    }
    if verdict.kind == Kind::Contract {
        let en = format!("witness: {record} is what {} and {} see in the same message", verdict.old, verdict.new);
        let zh = format!("例证：{record}，为 {} 与 {} 对同一消息的读取结果", verdict.old, verdict.new);
        return lang.pick(&en, &zh).to_owned();
    }
    let day = |before: &str| witness.day.map_or(String::new(), |day| format!("{before}{day}"));
    let en = format!("witness: {record} conforms to {accepts} and not to {refuses}{}", day(" on "));
    let zh = format!("例证：{record} 符合 {accepts}，不符合 {refuses}{}", day("，日期 "));
    lang.pick(&en, &zh).to_owned()
}

/// What is said of each direction, with the lines of its proof where they are wanted.
fn directions(compared: &Compared, lang: Lang) -> Vec<(String, Vec<String>)> {
    let verdict = &compared.verdict;
    // A contract has rules instead; each that is broken has been told.
    if verdict.kind == Kind::Contract {
        return Vec::new();
    }
    let said = |inclusion: &Inclusion, en: &str, zh: &str| {
        let en = match inclusion {
            Inclusion::Included(proof) => format!("{en}: proved (branches: {}, parts: {})", proof.steps, proof.parts),
            Inclusion::NotIncluded(_) => format!("{en}: no, as shown"),
            Inclusion::Undecided(why) => format!("{en}: undecided, because of {why}"),
        };
        let zh = match inclusion {
            Inclusion::Included(proof) => format!("{zh}：已证明（分支：{}，部分：{}）", proof.steps, proof.parts),
            Inclusion::NotIncluded(_) => format!("{zh}：否，见例证"),
            Inclusion::Undecided(why) => format!("{zh}：未能判定，原因：{}", why.text().zh),
        };
        let lines = proof(inclusion, compared).map(|line| format!("{:1$}{2}", "", 2 * line.depth, lang.of(&line.text)));
        (lang.pick(&en, &zh).to_owned(), lines.collect())
    };
    vec![
        said(&verdict.old_in_new, "every record of the old is one of the new", "旧版的记录都是新版的记录"),
        said(&verdict.new_in_old, "every record of the new is one of the old", "新版的记录都是旧版的记录"),
    ]
}

fn proof(inclusion: &Inclusion, compared: &Compared) -> impl Iterator<Item = Line> + use<> {
    let lines = match inclusion {
        Inclusion::Included(proof) if compared.with_proof => proof.lines(),
        _ => Vec::new(),
    };
    lines.into_iter()
}

fn corpus(replayed: &Replayed, lang: Lang) -> String {
    let Replayed { file, records, unreadable, both, neither, broken, gained, first_broken, .. } = replayed;
    let first: Vec<String> = first_broken.iter().map(u64::to_string).collect();
    let first = first.join(", ");
    let en = format!(
        "{file}: of {records} records {broken} break{}, {gained} conform now, {both} conform to both, {neither} to neither, \
         {unreadable} unreadable",
        if first.is_empty() { String::new() } else { format!(" (first: {first})") }
    );
    let zh = format!(
        "{file}：{records} 条记录中 {broken} 条不再合格{}，{gained} 条变为合格，{both} 条两版均合格，{neither} 条均不合格，\
         {unreadable} 条无法读取",
        if first.is_empty() { String::new() } else { format!("（首例：{first}）") }
    );
    lang.pick(&en, &zh).to_owned()
}

pub fn json(out: &mut impl Write, compared: &[Compared], came: &Came) -> io::Result<()> {
    let all: Vec<Value> = compared.iter().map(as_json).collect();
    let Came { removed, added } = came;
    serde_json::to_writer_pretty(&mut *out, &json!({"comparisons": all, "removed": removed, "added": added}))?;
    writeln!(out)
}

fn as_json(compared: &Compared) -> Value {
    let Compared { verdict, fit, required, replayed, .. } = compared;
    let fit = match fit {
        Fit::Enough => "enough",
        Fit::Ample => "ample",
        Fit::TooSmall => "too-small",
        Fit::Unknown => "unknown",
        Fit::Forbidden => "forbidden",
    };
    let mut document = json!({
        "old": verdict.old, "new": verdict.new, "reading": verdict.reading, "fit": fit,
        "bump": verdict.bump.map(Bump::as_str), "required": required.as_ref().map(ToString::to_string),
        "old_in_new": inclusion(&verdict.old_in_new, compared),
        "new_in_old": inclusion(&verdict.new_in_old, compared),
        "changes": verdict.changes.iter().map(change).collect::<Vec<_>>(),
    });
    if let Some(replayed) = replayed {
        let Replayed { file, records, unreadable, both, neither, broken, gained, first_broken, .. } = replayed;
        document["corpus"] = json!({"file": file, "records": records, "unreadable": unreadable, "both": both,
            "neither": neither, "broken": broken, "gained": gained, "first_broken": first_broken});
        if compared.is_contradicted() {
            document["contradicted"] = json!(true);
        }
    }
    document
}

fn inclusion(inclusion: &Inclusion, compared: &Compared) -> Value {
    match inclusion {
        Inclusion::Included(found) => {
            let mut document = json!({"answer": "included", "steps": found.steps, "parts": found.parts});
            if compared.with_proof {
                let lines = proof(inclusion, compared);
                let line = |line: Line| json!({"depth": line.depth, "rule": line.rule, "en": line.text.en, "zh": line.text.zh});
                document["proof"] = lines.map(line).collect();
            }
            document
        }
        Inclusion::NotIncluded(found) => json!({"answer": "not-included", "witness": witness(found)}),
        Inclusion::Undecided(why) => {
            let (text, place) = (why.text(), why.at.as_ref().map(|at| &at.place));
            json!({"answer": "undecided", "why": text.en, "why_zh": text.zh, "cause": why.code(), "place": place})
        }
    }
}

fn witness(witness: &Witness) -> Value {
    let findings = witness.refused_for.iter().map(|finding| {
        json!({"code": finding.code, "path": finding.path, "rule": finding.rule, "en": finding.message.en,
               "zh": finding.message.zh})
    });
    let day = witness.day.map(|day| day.to_string());
    json!({"record": witness.record, "day": day, "refused_for": findings.collect::<Vec<_>>()})
}

fn change(change: &Change) -> Value {
    json!({
        "code": change.code, "bump": change.bump.map(Bump::as_str), "forbidden": change.is_forbidden(),
        "old": change.old_place, "new": change.new_place,
        "message": {"en": change.message.en, "zh": change.message.zh},
        "remedy": {"en": change.remedy.en, "zh": change.remedy.zh},
        "witness": change.witness.as_ref().map(witness),
    })
}

pub fn markdown(out: &mut impl Write, compared: &[Compared], came: &Came, lang: Lang) -> io::Result<()> {
    if compared.is_empty() {
        writeln!(out, "{}", lang.pick("Nothing that both sides have was changed.", "双方共有的标准均无改动。"))?;
    }
    for removed in &came.removed {
        writeln!(out, "### {}\n", said_removed(removed, lang))?;
    }
    for added in &came.added {
        writeln!(out, "- {}\n", said_added(added, lang))?;
    }
    for compared in compared {
        writeln!(out, "### {}\n", headline(compared, lang))?;
        let head = lang.pick("| bump | change | where | what |", "| 版本 | 改动 | 位置 | 内容 |");
        if !compared.verdict.changes.is_empty() {
            writeln!(out, "{head}\n|---|---|---|---|")?;
        }
        for change in &compared.verdict.changes {
            let bump = change.bump.map_or(lang.pick("undecided", "未定"), |bump| named(bump, lang));
            let cell = |text: &str| plain(&text.replace('\n', " ")).replace('|', "\\|");
            let (place, message) = (cell(&at(change, lang)), cell(lang.of(&change.message)));
            writeln!(out, "| {bump} | `{}` | {place} | {message} |", change.code)?;
        }
        writeln!(out)?;
        for change in compared.verdict.changes.iter().filter(|change| change.bump == Some(Bump::Major)) {
            let Some(witness) = &change.witness else { continue };
            writeln!(out, "<details><summary><code>{}</code> {}</summary>\n", change.code, at(change, lang))?;
            writeln!(out, "```json\n{}\n```\n", record(witness))?;
            writeln!(out, "{}\n", plain(lang.of(&change.remedy)))?;
            writeln!(out, "</details>\n")?;
        }
        for (line, proof) in directions(compared, lang) {
            writeln!(out, "- {line}")?;
            if !proof.is_empty() {
                let summary = lang.pick("the proof", "证明");
                let lines = proof.join("\n");
                writeln!(out, "\n<details><summary>{summary}</summary>\n\n```text\n{lines}\n```\n\n</details>\n")?;
            }
        }
        if let Some(replayed) = &compared.replayed {
            writeln!(out, "- {}", corpus(replayed, lang))?;
        }
        if compared.is_contradicted() {
            writeln!(out, "- {}", lang.pick(CONTRADICTED.0, CONTRADICTED.1))?;
        }
        writeln!(out, "- {}\n", reading(&compared.verdict, lang))?;
    }
    Ok(())
}
