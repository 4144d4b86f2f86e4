//! What defeats the engine, in Chinese: the engine's own words, one after another, and keywords and places as they stand.

/// Longer ones first where one holds another.
const WORDS: &[(&str, &str)] = &[
    ("a proof that its checker refuses: ", "证明未通过复核："),
    ("the work budget is used up", "工作量预算用尽"),
    ("values nested too deeply", "取值嵌套过深"),
    ("a number of many digits", "位数过多的数"),
    ("too many ways to fill an array", "数组的填法过多"),
    ("unique items that compete for few values", "须互不相同的元素可取的值太少"),
    ("a long interval of multiples", "倍数所在区间过长"),
    ("a number between integers", "介于整数之间的数"),
    ("many patterns of member names", "成员名称的模式过多"),
    ("a pattern of member names", "成员名称的模式"),
    ("a rule between fields", "字段间规则"),
    ("an automaton could not be started", "自动机无法启动"),
    ("a pattern together with a very long minimum length", "模式与过长的最小长度并用"),
    ("an automaton gave up", "自动机放弃"),
    ("the patterns together have too many states", "各模式合并后状态过多"),
    (" has no automaton", " 无法构成自动机"),
    (" code points is too long to write down", " 个字符的文本过长"),
    ("an array of ", "元素个数为以下数目的数组："),
    ("an object of ", "成员个数为以下数目的对象："),
    ("a string of ", "文本："),
    ("a string", "文本"),
    (" items", ""),
    (" members", ""),
    ("a number that may be written with a fraction", "可写作小数的整数"),
    ("a value that the validator refuses", "校验器拒绝的值"),
    ("a value that the validator accepts", "校验器接受的值"),
    ("a part of the schema", "模式的一部分"),
    ("a rule between records, which no single record shows", "记录间规则，单条记录无法显示"),
    ("it was changed or removed", "已修改或删除"),
    ("the data element", "数据元"),
    ("the kinds of the two cannot be compared with each other", "两者的种类不可相互比较"),
    ("it follows another draft than what refers to it", "其所用草案与引用者不同"),
    ("no single message shows it", "单条消息无法显示"),
    ("the descriptors, which are not the same", "描述符不相同"),
    ("the document has more than ", "文档的组成部分多于 "),
    (" parts", ""),
    ("schema", "模式"),
    ("format", "格式"),
    ("pattern", "模式串"),
    ("codeList", "代码表"),
    ("rule", "字段间规则"),
];

/// Why something is undecided, in Chinese. Names between backquotes, and what stands behind the last ` at `, stay as they are.
pub fn in_chinese(why: &str) -> String {
    let (what, place) = match why.rsplit_once(" at ") {
        Some((what, place)) => (what, Some(place)),
        None => (why, None),
    };
    let mut said = String::new();
    for (index, part) in what.split('`').enumerate() {
        if index % 2 == 1 {
            said += &format!("`{part}`");
            continue;
        }
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let known = WORDS.iter().filter(|(en, _)| rest.starts_with(en)).max_by_key(|(en, _)| en.len());
            match known {
                Some((en, zh)) => {
                    said += zh;
                    rest = &rest[en.len()..];
                }
                None => {
                    said.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
    }
    let said = said.replace(": ", "：").trim().to_owned();
    place.map_or(said.clone(), |place| format!("{said}，位于 {place}"))
}

#[cfg(test)]
mod tests {
    use super::in_chinese;

    #[test]
    fn what_defeated_the_engine_is_said_in_chinese() {
        for (en, zh) in [
            ("format `uri` at /properties/a/format", "格式 `uri`，位于 /properties/a/format"),
            ("rule at /x-guiju/rules", "字段间规则，位于 /x-guiju/rules"),
            ("the work budget is used up: oneOf at /oneOf", "工作量预算用尽：oneOf，位于 /oneOf"),
            ("pattern `a rule` has no automaton at /pattern", "模式串 `a rule` 无法构成自动机，位于 /pattern"),
        ] {
            assert_eq!(in_chinese(en), zh);
        }
    }
}
