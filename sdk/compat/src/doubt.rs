//! What defeats the engine. A doubt is made where it arises, with its words in both languages, the keyword and the place.

use crate::normal::NormalError;
use guiju_model::Text;
use std::fmt;

/// Why something is undecided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub cause: Cause,
    /// None where no place says more, as of two kinds of standard.
    pub at: Option<At>,
}

/// What the engine was looking at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// None where the cause is itself a keyword.
    pub keyword: Option<String>,
    /// A JSON Pointer; after `standard@version#` where it leads into another standard.
    pub place: String,
}

/// What defeated the engine. Each has a code that never changes its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A keyword that the engine knows too little of.
    Keyword(String),
    Format(String),
    Pattern(String),
    BudgetUsedUp,
    NestedTooDeeply,
    ManyDigits,
    /// A number whose spelling decides.
    Spelling,
    LongInterval,
    BetweenIntegers,
    /// A text that something opaque refuses or admits.
    AnyText,
    LongText(u64),
    NoAutomaton(String),
    AutomatonNotStarted,
    AutomatonGaveUp,
    ManyStates,
    PatternOfGreatLength,
    ManyArrays,
    LongArray(u64),
    CompetingItems,
    LargeObject(u64),
    MemberName,
    ManyMemberNames,
    /// Rules between fields that no values were found for.
    Rules,
    /// The validator judged a value otherwise than the engine.
    RefusedByValidator,
    AcceptedByValidator,
    /// A proof that its own checker does not follow, and which step: a defect of the engine.
    Unchecked(Text),
    Unread(NormalError),
    OtherDraft,
    OtherKind,
    /// A rule between records that is new, by the name of the list that it stands in.
    BetweenRecords(&'static str),
    ElementChanged(String),
    NoCodes,
    CodeJudgedOtherwise,
    /// A change of a contract, by its code, for which there is no message.
    NoMessage(String),
    OtherDescriptors,
    /// A schema of a contract that cannot be compiled, and why.
    NotCompiled(String),
    ManySchemas(usize),
    /// What an undecided change of a contract says.
    Change(Text),
}

impl Cause {
    /// The code, and the words.
    fn told(&self) -> (&'static str, Text) {
        let said = |en: &str, zh: &str| Text { en: en.to_owned(), zh: zh.to_owned() };
        match self {
            Self::Keyword(keyword) => ("keyword", Text { en: keyword.clone(), zh: keyword_zh(keyword).to_owned() }),
            Self::Format(format) => {
                ("format", Text { en: format!("format `{format}`"), zh: format!("格式 `{format}`") })
            }
            Self::Pattern(pattern) => {
                ("pattern", Text { en: format!("pattern `{pattern}`"), zh: format!("模式串 `{pattern}`") })
            }
            Self::BudgetUsedUp => ("budget-used-up", said("the work budget is used up", "工作量预算用尽")),
            Self::NestedTooDeeply => ("nested-too-deeply", said("values nested too deeply", "取值嵌套过深")),
            Self::ManyDigits => ("many-digits", said("a number of many digits", "位数过多的数")),
            Self::Spelling => ("spelling", said("a number that may be written in another way", "可能有其他写法的数")),
            Self::LongInterval => ("long-interval", said("a long interval of multiples", "倍数所在区间过长")),
            Self::BetweenIntegers => ("between-integers", said("a number between integers", "介于整数之间的数")),
            Self::AnyText => ("any-text", said("a string", "文本")),
            Self::LongText(length) => (
                "long-text",
                Text {
                    en: format!("a string of {length} code points is too long to write down"),
                    zh: format!("{length} 个字符的文本过长"),
                },
            ),
            Self::NoAutomaton(pattern) => (
                "no-automaton",
                Text {
                    en: format!("pattern `{pattern}` has no automaton"),
                    zh: format!("模式串 `{pattern}` 无法构成自动机"),
                },
            ),
            Self::AutomatonNotStarted => {
                ("automaton-not-started", said("an automaton could not be started", "自动机无法启动"))
            }
            Self::AutomatonGaveUp => ("automaton-gave-up", said("an automaton gave up", "自动机放弃")),
            Self::ManyStates => {
                ("many-states", said("the patterns together have too many states", "各模式合并后状态过多"))
            }
            Self::PatternOfGreatLength => (
                "pattern-of-great-length",
                said("a pattern together with a very long minimum length", "模式与过长的最小长度并用"),
            ),
            Self::ManyArrays => ("many-arrays", said("too many ways to fill an array", "数组的填法过多")),
            Self::LongArray(count) => (
                "long-array",
                Text { en: format!("an array of {count} items"), zh: format!("有 {count} 个元素的数组") },
            ),
            Self::CompetingItems => {
                ("competing-items", said("unique items that compete for few values", "须互不相同的元素可取的值太少"))
            }
            Self::LargeObject(count) => (
                "large-object",
                Text { en: format!("an object of {count} members"), zh: format!("有 {count} 个成员的对象") },
            ),
            Self::MemberName => ("member-name", said("a pattern of member names", "成员名称的模式")),
            Self::ManyMemberNames => ("many-member-names", said("many patterns of member names", "成员名称的模式过多")),
            Self::Rules => ("rules", said("a rule between fields", "字段间规则")),
            Self::RefusedByValidator => {
                ("refused-by-validator", said("a value that the validator refuses", "校验器拒绝的值"))
            }
            Self::AcceptedByValidator => {
                ("accepted-by-validator", said("a value that the validator accepts", "校验器接受的值"))
            }
            Self::Unchecked(Text { en, zh }) => (
                "unchecked",
                Text {
                    en: format!("a proof that its checker refuses: {en}"), zh: format!("证明未通过复核：{zh}")
                },
            ),
            Self::Unread(error) => ("unread", error.text()),
            Self::OtherDraft => (
                "other-draft",
                said("a document that follows another draft than what refers to it", "文档所用草案与引用者不同"),
            ),
            Self::OtherKind => (
                "other-kind",
                said("the kinds of the two cannot be compared with each other", "两者的种类不可相互比较"),
            ),
            Self::BetweenRecords(list) => (
                "between-records",
                Text {
                    en: format!("x-guiju/{list}: a rule between records, which no single record shows"),
                    zh: format!("x-guiju/{list}：记录间规则，单条记录无法显示"),
                },
            ),
            Self::ElementChanged(name) => (
                "element-changed",
                Text {
                    en: format!("the data element `{name}`, which was changed or removed"),
                    zh: format!("数据元 `{name}` 已修改或删除"),
                },
            ),
            Self::NoCodes => ("no-codes", said("a code list without codes", "没有代码的代码表")),
            Self::CodeJudgedOtherwise => (
                "code-judged-otherwise",
                said("the validator judges a lost code otherwise", "校验器对失去的代码另有判定"),
            ),
            Self::NoMessage(code) => (
                "no-message",
                Text {
                    en: format!("{code}: no single message shows it"), zh: format!("{code}：单条消息无法显示")
                },
            ),
            Self::OtherDescriptors => {
                ("other-descriptors", said("the descriptors, which are not the same", "描述符不相同"))
            }
            Self::NotCompiled(why) => (
                "not-compiled",
                Text {
                    en: format!("a schema that does not compile: {why}"), zh: format!("模式无法编译：{why}")
                },
            ),
            Self::ManySchemas(max) => (
                "many-schemas",
                Text {
                    en: format!("more than {max} schemas that were changed; compare the contract in parts"),
                    zh: format!("有改动的模式多于 {max} 个；请分部分比较该契约"),
                },
            ),
            Self::Change(text) => ("change", text.clone()),
        }
    }
}

/// Keywords stand as they are spelled; what stands for several of them has a word.
fn keyword_zh(keyword: &str) -> &str {
    match keyword {
        "schema" => "模式",
        "codeList" => "代码表",
        "rule" => "字段间规则",
        "format" => "格式",
        "pattern" => "模式串",
        other => other,
    }
}

impl Doubt {
    pub(crate) fn at(cause: Cause, keyword: Option<&str>, place: impl Into<String>) -> Self {
        Self { cause, at: Some(At { keyword: keyword.map(str::to_owned), place: place.into() }) }
    }

    /// What defeated the engine, as a word for programs: `budget-used-up`, `format`.
    pub fn code(&self) -> &'static str {
        self.cause.told().0
    }

    pub fn text(&self) -> Text {
        let (_, Text { en, zh }) = self.cause.told();
        match &self.at {
            None => Text { en, zh },
            Some(At { keyword: None, place }) => {
                Text { en: format!("{en} at {place}"), zh: format!("{zh}，位于 {place}") }
            }
            Some(At { keyword: Some(keyword), place }) => Text {
                en: format!("{en}: {keyword} at {place}"),
                zh: format!("{zh}：{}，位于 {place}", keyword_zh(keyword)),
            },
        }
    }

    /// Whether a proof was found that its checker does not follow: no schema may bring that about.
    pub fn is_unchecked(&self) -> bool {
        matches!(self.cause, Cause::Unchecked(_))
    }
}

impl From<Cause> for Doubt {
    fn from(cause: Cause) -> Self {
        Self { cause, at: None }
    }
}

/// In English.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_defeated_the_engine_is_said_in_both_languages() {
        let pattern = || Cause::Pattern("a rule at /b".into());
        for (doubt, en, zh) in [
            (
                Doubt::at(Cause::Format("uri".into()), None, "/properties/a/format"),
                "format `uri` at /properties/a/format",
                "格式 `uri`，位于 /properties/a/format",
            ),
            (
                Doubt::at(Cause::Keyword("rule".into()), None, "/x-guiju/rules"),
                "rule at /x-guiju/rules",
                "字段间规则，位于 /x-guiju/rules",
            ),
            (
                Doubt::at(Cause::BudgetUsedUp, Some("oneOf"), "/oneOf"),
                "the work budget is used up: oneOf at /oneOf",
                "工作量预算用尽：oneOf，位于 /oneOf",
            ),
            // What the author wrote stands as it was written, whatever words it holds.
            (
                Doubt::at(pattern(), Some("pattern"), "/pattern"),
                "pattern `a rule at /b`: pattern at /pattern",
                "模式串 `a rule at /b`：模式串，位于 /pattern",
            ),
            (pattern().into(), "pattern `a rule at /b`", "模式串 `a rule at /b`"),
        ] {
            assert_eq!(doubt.text(), Text { en: en.into(), zh: zh.into() });
            assert_eq!(doubt.to_string(), en);
        }
    }
}
