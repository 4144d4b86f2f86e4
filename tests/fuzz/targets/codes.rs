//! Any bytes as a code list.
//!
//! It is read, or refused with a line; what is read has one canonical form, which says the same, row for row.

use guiju_model::{CodeList, CodeListError, Date};

pub fn run(data: &[u8]) {
    let list = match CodeList::parse(data) {
        Ok(list) => list,
        Err(CodeListError::Row { line, why }) => return assert!(line > 0 && !why.is_empty()),
        Err(_) => return,
    };
    assert!(list.rows().len() > 0, "a list without codes is refused");
    let day: Date = "2026-11-01".parse().expect("a day");
    for row in list.rows() {
        let code = list.get(row.code()).unwrap_or_else(|| panic!("`{}` is not found by its code", row.code()));
        assert!(code.rows().any(|found| told(found) == told(row)), "its row is another");
        assert!(code.on(day).is_none_or(|found| found.code() == row.code() && found.holds_on(day)));
        let (from, to) = (row.valid_from(), row.valid_to());
        assert!(from.is_none() || to.is_none() || from < to, "`{}` is never valid", row.code());
    }
    let Ok(canonical) = list.to_canonical() else { return };
    let again = CodeList::parse(&canonical).expect("what was written can be read");
    let rows =
        |list: &CodeList| list.rows().map(|row| format!("{:?}", told(row))).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(rows(&again), rows(&list), "the canonical form says something else");
    assert_eq!(again.to_canonical().expect("it was written before"), canonical, "a list has one canonical form");
}

/// Whether it is taken, so that a seed tries more than the door.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn is_taken(data: &[u8]) -> bool {
    CodeList::parse(data).is_ok()
}

type Told<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, Option<Date>, Option<Date>, Vec<&'a str>, &'a str);

fn told(row: guiju_model::CodeRow<'_>) -> Told<'_> {
    let words = (row.code(), row.name_zh(), row.name_en(), row.parent());
    (words.0, words.1, words.2, words.3, row.valid_from(), row.valid_to(), row.aliases().collect(), row.note())
}
