//! Code, severity and wording of every lint.

use guiju_model::{Severity, Text};

/// One thing that lint looks for.
#[derive(Clone, Copy, Debug)]
pub struct LintRule {
    pub code: &'static str,
    pub severity: Severity,
    /// What, and what to do, with `{placeholders}`.
    pub en: &'static str,
    pub zh: &'static str,
}

/// All of them, in order of their codes.
pub fn rules() -> &'static [LintRule] {
    RULES
}

pub(crate) fn message(code: &str, args: &[(&str, &str)]) -> (Severity, Text) {
    let Ok(place) = RULES.binary_search_by_key(&code, |rule| rule.code) else {
        return (Severity::Error, Text { en: code.into(), zh: code.into() });
    };
    let LintRule { severity, en, zh, .. } = RULES[place];
    let fill = |template: &str| {
        args.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    };
    (severity, Text { en: fill(en), zh: fill(zh) })
}

const fn error(code: &'static str, en: &'static str, zh: &'static str) -> LintRule {
    LintRule { code, severity: Severity::Error, en, zh }
}

const fn warning(code: &'static str, en: &'static str, zh: &'static str) -> LintRule {
    LintRule { code, severity: Severity::Warning, en, zh }
}

const fn info(code: &'static str, en: &'static str, zh: &'static str) -> LintRule {
    LintRule { code, severity: Severity::Info, en, zh }
}

/// Sorted by code.
static RULES: &[LintRule] = &[
    warning(
        "alias-ambiguous",
        "`{alias}` stands for `{first}` and for `{second}`; only the first would be suggested, so keep one",
        "`{alias}` 同时表示 `{first}` 和 `{second}`，提示时只会给出前者；请只保留一个",
    ),
    warning(
        "basis-missing",
        "neither `basis` nor `sources` says what the standard rests on; name the documents",
        "`basis` 和 `sources` 均为空；请写明所依据的文件",
    ),
    error(
        "code-list-on-number",
        "codes are text and may begin with a zero, but the type here is {type}; use \"type\": \"string\"",
        "代码是文本，可能以零开头，此处类型却是 {type}；请使用 \"type\": \"string\"",
    ),
    error(
        "code-list-without-source",
        "neither `basis` nor `sources` says where the codes come from; name the document or who made them",
        "`basis` 和 `sources` 均为空，代码来源不明；请写明文件或编制者",
    ),
    info("component-unused", "nothing refers to `{name}`; use it or leave it out", "`{name}` 未被引用；请使用或删去"),
    error("dataset-rule-malformed", "{why}", "数据集规则有误：{why}"),
    info(
        "description-missing",
        "`{name}` has no `description`; say in a sentence what the field holds",
        "`{name}` 没有 `description`；请用一句话说明该字段的含义",
    ),
    warning(
        "domain-unknown",
        "`{word}` is no domain; use one of {choices}",
        "`{word}` 不是已知的领域；可用：{choices}",
    ),
    error("enum-duplicate", "{value} is listed twice; remove one", "{value} 重复列出；请删去一个"),
    warning(
        "enum-number-and-text",
        "{value} is listed as a number and as text; keep the one that senders are to write",
        "{value} 既列为数字又列为文本；请只保留报送方应填写的一种",
    ),
    warning(
        "example-not-read",
        "no check reads this file; examples are `conforming/*.json`, and `failing/*.json` each with its `*.findings.txt`",
        "没有检查会读取此文件；示例应为 `conforming/*.json`，以及各带 `*.findings.txt` 的 `failing/*.json`",
    ),
    warning(
        "examples-missing",
        "`{folder}` holds no example; show at least one",
        "`{folder}` 中没有示例；请至少给出一个",
    ),
    warning(
        "extension-names-other",
        "the pattern `{pattern}` lets in names that are not of the form x_<district>_<name>; begin it with ^x_",
        "模式 `{pattern}` 允许了不符合 x_<区>_<名称> 形式的字段名；请以 ^x_ 开头",
    ),
    warning(
        "extension-names-refused",
        "a district cannot add fields of its own; allow them with patternProperties ^x_[a-z0-9]+_[a-z0-9_]+$",
        "区级无法增加自有字段；请用 patternProperties ^x_[a-z0-9]+_[a-z0-9_]+$ 允许",
    ),
    warning(
        "field-name-form",
        "`{name}` is not lower-case letters, digits and underscores; such names survive every system",
        "`{name}` 不是由小写字母、数字和下划线组成；这种形式的名称在各系统间最稳妥",
    ),
    error(
        "format-unknown",
        "`{name}` is no known format, so nothing would be checked{near}",
        "`{name}` 不是已知的格式，因此不会有任何检查{near_zh}",
    ),
    warning(
        "header-ambiguous",
        "the column header `{word}` means `{first}` and `{second}`; a table could not be read, so keep it at one of them",
        "列名 `{word}` 同时表示 `{first}` 和 `{second}`，表格将无法读取；请只在其中一处使用",
    ),
    warning(
        "keys-missing",
        "no `x-guiju.keys` says which fields name a record; without one, duplicates are not seen",
        "没有 `x-guiju.keys` 说明由哪些字段标识一条记录，重复将无法发现",
    ),
    warning(
        "name-zh-missing",
        "{count} codes have no Chinese name, the first is `{code}`",
        "{count} 个代码没有中文名称，首个为 `{code}`",
    ),
    warning(
        "nullable-ignored",
        "`nullable` says nothing in OpenAPI 3.1; write \"type\": [\"string\", \"null\"]",
        "`nullable` 在 OpenAPI 3.1 中无意义；请写 \"type\": [\"string\", \"null\"]",
    ),
    warning(
        "object-open",
        "fields that are not declared pass unseen, a misspelt one too; close it with \"additionalProperties\": false, or say in `x-guiju.allowOpen` why not",
        "未声明的字段（包括拼错的）会被放过；请用 \"additionalProperties\": false 关闭，或在 `x-guiju.allowOpen` 中说明原因",
    ),
    error(
        "open-not-public",
        "what is open to the public is of share class 1 and security level S1, not {class} and {level}",
        "向社会开放的须为共享类型 1、安全级别 S1，而非 {class} 和 {level}",
    ),
    warning(
        "operation-id-missing",
        "{operation} has no `operationId`; programs name calls by it",
        "{operation} 没有 `operationId`；程序以它称呼调用",
    ),
    error(
        "operation-id-twice",
        "the `operationId` `{id}` stands already at `{first}`; give each operation its own",
        "`operationId` `{id}` 已用于 `{first}`；请各用不同的名称",
    ),
    warning("owner-code-doubtful", "the code of the owner is doubtful: {why}", "责任单位代码存疑：{why_zh}"),
    error(
        "owner-code-wrong",
        "this is no unified social credit code: {why}; compare it with the certificate, or leave it out",
        "不是统一社会信用代码：{why_zh}；请与证书核对，或删去该项",
    ),
    error(
        "parent-loops",
        "`{code}` is its own ancestor; mend the column `parent`",
        "`{code}` 是自身的上级；请更正 `parent` 列",
    ),
    warning(
        "parent-unknown",
        "{count} codes have a parent that is not in the list, the first is `{code}` under `{parent}`",
        "{count} 个代码的上级不在表中，首个为 `{parent}` 之下的 `{code}`",
    ),
    error(
        "path-parameter-undeclared",
        "`{name}` stands in the path and is not declared; add a parameter with \"in\": \"path\" and \"required\": true",
        "`{name}` 出现在路径中而未声明；请添加 \"in\": \"path\"、\"required\": true 的参数",
    ),
    error(
        "path-parameter-unused",
        "`{name}` is declared and does not stand in the path; put it there in braces, or remove it",
        "`{name}` 已声明但不在路径中；请以花括号写入路径，或删去",
    ),
    warning(
        "pattern-unanchored",
        "the pattern `{pattern}` may match any part of the text; begin each alternative with ^ and end it with $",
        "模式 `{pattern}` 可匹配文本的任意一段；请使每个分支以 ^ 开头、以 $ 结尾",
    ),
    warning(
        "placeholder-left",
        "what `guiju new` wrote to be replaced still stands in {fields}; fill it in before the standard is published",
        "{fields_zh} 仍为 `guiju new` 写入的占位文字；请在发布前填写",
    ),
    error(
        "pointer-undeclared",
        "`{pointer}` leads to no declared field; declare the field or mend the pointer",
        "`{pointer}` 未指向任何已声明的字段；请声明该字段或更正指针",
    ),
    error(
        "profile-of-missing",
        "a profile says in `x-guiju.profileOf` which record it narrows",
        "专规（profile）须在 `x-guiju.profileOf` 中说明所收窄的记录标准",
    ),
    warning(
        "reference-unpinned",
        "`{reference}` admits every version, also one that breaks; ask for one, for example @^1",
        "`{reference}` 允许任何版本，包括不兼容的；请指定要求，例如 @^1",
    ),
    error(
        "required-undeclared",
        "`{name}` is required and not declared in `properties`{near}; declare it",
        "`{name}` 为必填，却未在 `properties` 中声明{near_zh}；请声明",
    ),
    warning(
        "response-success-missing",
        "{operation} says nothing of how it succeeds; add a response 2XX",
        "{operation} 未说明成功时的应答；请添加 2XX 应答",
    ),
    error(
        "rule-id-twice",
        "the rule `{id}` exists already at `{first}`; give each its own id",
        "规则 `{id}` 已存在于 `{first}`；请各用不同的 id",
    ),
    warning(
        "schema-dialect-missing",
        "`$schema` does not say which JSON Schema this is; add \"https://json-schema.org/draft/2020-12/schema\"",
        "缺少 `$schema`，不明所用的 JSON Schema 版本；请加上 \"https://json-schema.org/draft/2020-12/schema\"",
    ),
    error(
        "security-level-too-low",
        "the standard says {standard}, its field `{name}` {field}; a resource has the level of its highest field",
        "标准的级别为 {standard}，其字段 `{name}` 为 {field}；资源的级别取字段中的最高者",
    ),
    warning(
        "security-missing",
        "nothing says who may call {operation}; add `security`, or `security: []` if everyone may",
        "未说明谁可以调用 {operation}；请添加 `security`，人人可用时写 `security: []`",
    ),
    error(
        "share-class-too-wide",
        "`{name}` is {level}, so the standard cannot be of share class 1",
        "`{name}` 为 {level} 级，因此标准不能是无条件共享",
    ),
    error("share-condition-missing", "share class 2 needs a `share_condition`", "有条件共享须写明 `share_condition`"),
    error(
        "successor-unknown",
        "the note of `{code}` names the successor `{successor}`, which is not in the list",
        "`{code}` 备注中的后续代码 `{successor}` 不在表中",
    ),
    info(
        "summary-missing",
        "{operation} has no `summary`; say in a few words what it does",
        "{operation} 没有 `summary`；请用几个字说明其用途",
    ),
    info(
        "text-unbounded",
        "`{name}` may be text of any length; set maxLength, a pattern, a format, an enum or a code list",
        "`{name}` 可为任意长度的文本；请设 maxLength、pattern、format、enum 或代码表",
    ),
    warning(
        "title-missing",
        "`{name}` has no `title`; reports name fields by it",
        "`{name}` 没有 `title`；报告以它称呼字段",
    ),
    warning(
        "title-zh-missing",
        "`{name}` has no `x-guiju.titleZh`; Chinese reports name fields by it",
        "`{name}` 没有 `x-guiju.titleZh`；中文报告以它称呼字段",
    ),
    warning("type-missing", "`{name}` may be anything; give it a type", "`{name}` 可为任意值；请指定类型"),
    warning(
        "update-cycle-unknown",
        "`{word}` is no update cycle; use one of {choices}",
        "`{word}` 不是已知的更新周期；可用：{choices}",
    ),
    error(
        "vocabulary-version-missing",
        "`x-guiju` is used, so the root needs \"x-guiju\": {\"vocabulary\": \"1\"}",
        "使用了 `x-guiju`，根上须有 \"x-guiju\": {\"vocabulary\": \"1\"}",
    ),
    error("word-unknown", "{why}", "取值不在允许范围内：{why}"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_single() {
        assert!(RULES.is_sorted_by(|a, b| a.code < b.code));
    }

    #[test]
    fn both_languages_have_the_same_places() {
        let places = |text: &str| {
            let names = text.split('{').skip(1).filter_map(|rest| rest.split('}').next());
            let mut names: Vec<String> = names
                .filter(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
                .map(|n| n.replace("_zh", ""))
                .collect();
            names.sort();
            names
        };
        for rule in RULES {
            assert_eq!(places(rule.en), places(rule.zh), "{}", rule.code);
        }
    }
}
