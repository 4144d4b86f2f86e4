//! Rules and conditions over the fields of an object, told from the bytes of these fields where the answer is soon had.
//!
//! # Invariants
//! - What is told here, [`Rules::check`] and [`Condition::holds`] tell of the same record. What is not told here is asked there.

use super::{
    Texts,
    moment::Moment,
    scan::{self, members},
};
use crate::{
    decimal::Few,
    record::Pointer,
    rules::{Comparison, Condition, Holds, Literal, Operand, Reading, Rules, Tolerance},
};

/// The rules of which something can be told.
#[derive(Debug)]
pub(super) struct Between {
    rules: Box<[Rule]>,
    /// Whether one is about what stands within a field.
    pub is_within: bool,
}

#[derive(Debug)]
struct Rule {
    when: Box<[Question]>,
    then: Box<[Question]>,
}

/// Conditions, of which it is asked whether all of them hold.
#[derive(Clone, Debug)]
pub(crate) struct Together(Box<[Question]>);

/// A condition over fields by their places among the kept ones.
#[derive(Clone, Debug)]
enum Question {
    Present {
        field: Field,
        wanted: bool,
    },
    OneOf(Box<[Field]>),
    /// Whether a text is among these, as it is written.
    Among {
        piece: Piece,
        texts: Texts,
        wanted: bool,
    },
    Amounts {
        op: Comparison,
        left: Amount,
        right: Amount,
        tolerance: Option<Tolerance>,
        form: Form,
    },
    Days {
        op: Comparison,
        left: Piece,
        right: Piece,
    },
    Moments {
        op: Comparison,
        left: Field,
        right: Field,
    },
    /// Two texts, or two days, or two moments.
    Alike {
        op: Comparison,
        left: Field,
        right: Field,
    },
    Prefix {
        piece: Piece,
        begin: Begin,
    },
    SameParity(Piece, Piece),
    /// Not told here.
    Elsewhere,
}

#[derive(Clone, Debug)]
enum Amount {
    Piece(Piece),
    Literal(Few),
    Sum(Box<[Field]>),
    Difference(Field, Field),
    Length(Field),
}

#[derive(Clone, Debug)]
enum Begin {
    Piece(Piece),
    Text(Box<[u8]>),
}

/// A member by its place among the kept ones, or what stands within it.
#[derive(Clone, Debug)]
struct Field {
    member: u8,
    within: Box<[Box<str>]>,
}

/// A field, or some characters of it.
#[derive(Clone, Debug)]
struct Piece {
    field: Field,
    part: Option<(usize, usize)>,
}

/// How an amount may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Number,
    /// As text, too.
    Decimal,
    /// The same, without a point.
    Integer,
}

/// What stands at a field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen<'r> {
    /// Nothing, or null.
    Absent,
    /// Without its quotes; nothing in it is escaped.
    Text(&'r [u8]),
    Number(&'r [u8]),
    /// Something else is there.
    Other(&'r [u8]),
    /// What is there, if anything, is not told here.
    Unknown,
}

/// Where the fields of a record stand.
struct Fields<'r> {
    bytes: &'r [u8],
    places: &'r [(u32, u32)],
}

/// Of a condition: none where it has to be asked elsewhere.
type Told = Option<Holds>;

/// Digits of a number of which the last is asked.
const DIGITS_MAX: usize = 18;
/// Characters of a day as it is usually written.
const DAY: usize = 10;

/// Goes on with what is there. What is absent leaves a condition unjudged.
macro_rules! seen {
    ($seen:expr, $pattern:pat => $value:expr) => {
        match $seen {
            $pattern => $value,
            Seen::Absent => return Some(Holds::Unjudged),
            _ => return None,
        }
    };
}

impl Between {
    /// `places` says where the first name of each pointer is kept.
    pub fn of(rules: &Rules, places: &[(Pointer, u8)]) -> Self {
        let all =
            |conditions: &[Condition]| conditions.iter().map(|condition| Question::of(condition, places)).collect();
        let rules = rules.conditions().map(|(when, then)| Rule { when: all(when), then: all(then) }).collect();
        Self { rules, is_within: places.iter().any(|(field, _)| field.tokens().count() > 1) }
    }

    /// Whether each rule holds, or says nothing of this object, for certain.
    pub fn hold(&self, bytes: &[u8], places: &[(u32, u32)]) -> bool {
        let fields = Fields { bytes, places };
        let is_off = |question: &Question| matches!(question.told(&fields), Some(Holds::No | Holds::Unjudged));
        let is_kept = |question: &Question| matches!(question.told(&fields), Some(Holds::Yes | Holds::Unjudged));
        self.rules.iter().all(|rule| rule.when.iter().any(is_off) || rule.then.iter().all(is_kept))
    }
}

impl Together {
    pub fn of(conditions: &[Condition], places: &[(Pointer, u8)]) -> Self {
        Self(conditions.iter().map(|condition| Question::of(condition, places)).collect())
    }

    /// None where it has to be asked elsewhere.
    pub fn hold(&self, bytes: &[u8], places: &[(u32, u32)]) -> Option<bool> {
        let fields = Fields { bytes, places };
        for question in &self.0 {
            if question.told(&fields)? != Holds::Yes {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl Question {
    fn of(condition: &Condition, places: &[(Pointer, u8)]) -> Self {
        Self::told_here(condition, &|field| {
            let (_, member) = *places.iter().find(|(known, _)| known == field)?;
            Some(Field { member, within: field.tokens().skip(1).map(Into::into).collect() })
        })
        .unwrap_or(Self::Elsewhere)
    }

    fn told_here(condition: &Condition, place: &dyn Fn(&Pointer) -> Option<Field>) -> Option<Self> {
        let all = |fields: &[Pointer]| fields.iter().map(place).collect::<Option<Box<[Field]>>>();
        let piece = |operand: &Operand| match operand {
            Operand::Field { pointer, part, .. } => Some(Piece { field: place(pointer)?, part: *part }),
            _ => None,
        };
        let whole = |operand: &Operand| piece(operand).filter(|piece| piece.part.is_none()).map(|piece| piece.field);
        let amount = |operand: &Operand| {
            Some(match operand {
                Operand::Field { .. } => Amount::Piece(piece(operand)?),
                Operand::Literal(literal) => Amount::Literal(literal.value().decimal().ok()?.few()?),
                Operand::Sum(fields) => Amount::Sum(all(fields)?),
                Operand::Difference([from, taken]) => Amount::Difference(place(from)?, place(taken)?),
                Operand::Length(field) => Amount::Length(place(field)?),
                Operand::Literals(_) => return None,
            })
        };
        Some(match condition {
            Condition::Present { field, wanted } => Self::Present { field: place(field)?, wanted: *wanted },
            Condition::OneOf { fields } => Self::OneOf(all(fields)?),
            Condition::Prefix { left, right: Operand::Literal(Literal::Text(text)) } => {
                Self::Prefix { piece: piece(left)?, begin: Begin::Text(text.as_bytes().into()) }
            }
            Condition::Prefix { left, right } => {
                Self::Prefix { piece: piece(left)?, begin: Begin::Piece(piece(right)?) }
            }
            Condition::SameParity { left, right } => Self::SameParity(piece(left)?, piece(right)?),
            Condition::In { left, values } => {
                let texts: Vec<&str> =
                    values.iter().map(|literal| plain(literal, left.reading())).collect::<Option<_>>()?;
                Self::Among { piece: piece(left)?, texts: Texts::of(texts), wanted: true }
            }
            Condition::Compare { op, left, right, reading, tolerance: tolerance @ Some(_) } => Self::Amounts {
                op: *op,
                left: amount(left)?,
                right: amount(right)?,
                tolerance: tolerance.clone(),
                form: if *reading == Some(Reading::Integer) { return None } else { Form::Decimal },
            },
            Condition::Compare { op, left, right, reading, tolerance: None } => match (reading, right) {
                (Some(Reading::Text) | None, Operand::Literal(literal @ Literal::Text(_)))
                    if !op.is_order() && reading == &left.reading() =>
                {
                    let texts = Texts::of([plain(literal, *reading)?]);
                    Self::Among { piece: piece(left)?, texts, wanted: *op == Comparison::Eq }
                }
                (Some(reading @ (Reading::Decimal | Reading::Integer)), _) => {
                    let form = if *reading == Reading::Integer { Form::Integer } else { Form::Decimal };
                    Self::Amounts { op: *op, left: amount(left)?, right: amount(right)?, tolerance: None, form }
                }
                (Some(Reading::Date), _) => Self::Days { op: *op, left: piece(left)?, right: piece(right)? },
                (Some(Reading::Datetime), _) => Self::Moments { op: *op, left: whole(left)?, right: whole(right)? },
                (None, Operand::Field { .. }) if matches!(left, Operand::Field { .. }) => {
                    Self::Alike { op: *op, left: whole(left)?, right: whole(right)? }
                }
                // A text that stands for a number may be a code: `01`.
                (None, Operand::Literal(Literal::Number(_)) | Operand::Difference(_) | Operand::Sum(_))
                    if !matches!(left, Operand::Literal(Literal::Text(_))) =>
                {
                    let (left, right) = (amount(left)?, amount(right)?);
                    Self::Amounts { op: *op, left, right, tolerance: None, form: Form::Number }
                }
                _ => return None,
            },
        })
    }

    fn told(&self, fields: &Fields<'_>) -> Told {
        let is = |holds: bool| Some(if holds { Holds::Yes } else { Holds::No });
        match self {
            Self::Present { field, wanted } => is(fields.at(field).is_present()? == *wanted),
            Self::OneOf(all) => {
                let mut present = 0;
                for field in all {
                    present += u32::from(fields.at(field).is_present()?);
                }
                is(present == 1)
            }
            Self::Among { piece, texts, wanted } => {
                let text = seen!(fields.piece(piece)?, Seen::Text(text) => text);
                is(texts.has(text) == *wanted)
            }
            Self::Amounts { op, left, right, tolerance, form } => {
                let (left, right) = (left.of(fields, *form)?, right.of(fields, *form)?);
                let (Some(left), Some(right)) = (left, right) else { return Some(Holds::Unjudged) };
                is(match tolerance {
                    Some(tolerance) => op.within(&left.into(), &right.into(), tolerance),
                    None => op.admits(left.order(right)?),
                })
            }
            Self::Days { op, left, right } => {
                let (left, right) = (fields.piece(left)?, fields.piece(right)?);
                let (left, right) =
                    (seen!(left, Seen::Text(text) => day(text)?), seen!(right, Seen::Text(text) => day(text)?));
                is(op.admits(left.cmp(&right)))
            }
            Self::Moments { op, left, right } => {
                let left = seen!(fields.at(left), Seen::Text(text) => text);
                let right = seen!(fields.at(right), Seen::Text(text) => text);
                is(op.admits(moments(left, right)?))
            }
            Self::Alike { op, left, right } => match (fields.at(left), fields.at(right)) {
                (Seen::Number(left), Seen::Number(right)) => {
                    is(op.admits(number(left, Form::Number)?.order(number(right, Form::Number)?)?))
                }
                (Seen::Text(left), Seen::Text(right)) => {
                    if !op.is_order() && (left == right || is_never_a_day(left) || is_never_a_day(right)) {
                        return is((left == right) == (*op == Comparison::Eq));
                    }
                    let is_day = left.len() == DAY || right.len() == DAY;
                    is(op.admits(match is_day {
                        true => whole_day(left)?.cmp(&whole_day(right)?),
                        false => moments(left, right)?,
                    }))
                }
                (Seen::Absent, Seen::Absent | Seen::Text(_) | Seen::Number(_)) | (_, Seen::Absent) => {
                    Some(Holds::Unjudged)
                }
                _ => None,
            },
            Self::Prefix { piece, begin } => {
                let begin = match begin {
                    Begin::Text(text) => text,
                    Begin::Piece(piece) => seen!(fields.piece(piece)?, Seen::Text(text) => text),
                };
                is(seen!(fields.piece(piece)?, Seen::Text(text) => text).starts_with(begin))
            }
            Self::SameParity(left, right) => {
                let odd = |piece: &Piece| {
                    Some(match fields.piece(piece)? {
                        Seen::Text(digits) | Seen::Number(digits) if is_digits(digits) => Some(digits.last()? & 1),
                        Seen::Absent => None,
                        _ => return None,
                    })
                };
                match (odd(left)?, odd(right)?) {
                    (Some(left), Some(right)) => is(left == right),
                    _ => Some(Holds::Unjudged),
                }
            }
            Self::Elsewhere => None,
        }
    }
}

impl Amount {
    /// None within where nothing is there.
    #[inline]
    fn of(&self, fields: &Fields<'_>, form: Form) -> Option<Option<Few>> {
        let told = |seen: Seen<'_>, form: Form| {
            Some(match seen {
                Seen::Number(digits) => Some(number(digits, form)?),
                Seen::Text(digits) if form != Form::Number => Some(number(digits, form)?),
                Seen::Absent => None,
                _ => return None,
            })
        };
        // What is computed of fields reads their text as numbers as well.
        let whole = |field: &Field| told(fields.at(field), Form::Decimal);
        Some(match self {
            Self::Piece(piece) => told(fields.piece(piece)?, form)?,
            Self::Literal(number) => Some(*number),
            _ if form == Form::Integer => return None,
            Self::Difference(from, taken) => {
                let (from, taken) = (whole(from)?, whole(taken)?);
                match from.zip(taken) {
                    Some((from, taken)) => Some(from.minus(taken)?),
                    None => None,
                }
            }
            Self::Length(field) => match fields.at(field) {
                Seen::Text(text) => Some(Few::from_count(std::str::from_utf8(text).ok()?.chars().count())?),
                Seen::Other(array @ [b'[', ..]) => Some(Few::from_count(scan::count(array)?)?),
                Seen::Absent => None,
                _ => return None,
            },
            Self::Sum(terms) => {
                let mut total: Option<Few> = None;
                for term in terms {
                    if let Some(term) = whole(term)? {
                        total = Some(total.map_or(Some(term), |total| total.plus(term))?);
                    }
                }
                total
            }
        })
    }
}

impl Seen<'_> {
    fn is_present(self) -> Option<bool> {
        (self != Self::Unknown).then_some(self != Self::Absent)
    }
}

impl<'r> Fields<'r> {
    #[inline]
    fn at(&self, Field { member, within }: &Field) -> Seen<'r> {
        let (from, to) = self.places[usize::from(*member)];
        let mut spelled = self.bytes.get(from as usize..to as usize).unwrap_or_default();
        for name in within {
            // Where the member itself is absent, so is what stands within it.
            if spelled.is_empty() {
                return Seen::Absent;
            }
            let mut found = (0, 0);
            let read = members(spelled, |known, from, to| {
                let is_it = known == name.as_bytes();
                if is_it {
                    found = (from, to);
                }
                !is_it
            });
            let (from, to) = found;
            if read.is_none() {
                return Seen::Unknown;
            }
            spelled = &spelled[from as usize..to as usize];
        }
        match spelled {
            [] | b"null" => Seen::Absent,
            [b'"', ..] => scan::plain_text(spelled).map_or(Seen::Other(spelled), Seen::Text),
            number @ [b'-' | b'0'..=b'9', ..] => Seen::Number(number),
            other => Seen::Other(other),
        }
    }

    /// None where it has to be asked elsewhere.
    fn piece(&self, Piece { field, part }: &Piece) -> Option<Seen<'r>> {
        let seen = self.at(field);
        let (Some((from, to)), Seen::Text(text)) = (*part, seen) else {
            return part.is_none_or(|_| seen == Seen::Absent).then_some(seen);
        };
        // Characters are bytes where all before are ASCII.
        if let Some(cut) = text.get(..to).filter(|cut| cut.is_ascii()) {
            return Some(Seen::Text(&cut[from..]));
        }
        let text = std::str::from_utf8(text).ok()?;
        let place = |count| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(count);
        Some(Seen::Text(&text.as_bytes()[place(from)?..place(to)?]))
    }
}

/// A text that is compared as it is written, and with nothing else.
fn plain(literal: &Literal, reading: Option<Reading>) -> Option<&str> {
    match (literal, reading) {
        (Literal::Text(text), Some(Reading::Text)) => Some(text),
        (Literal::Text(text), None) if is_never_a_day(text.as_bytes()) => Some(text),
        _ => None,
    }
}

/// Whether no day and no moment is written in such a way.
fn is_never_a_day(text: &[u8]) -> bool {
    text.len() != DAY && !matches!(text.get(DAY), Some(b'T' | b't'))
}

fn is_digits(text: &[u8]) -> bool {
    text.len() <= DIGITS_MAX && text.iter().all(u8::is_ascii_digit)
}

#[inline]
fn number(text: &[u8], form: Form) -> Option<Few> {
    Few::plain(text).filter(|_| form != Form::Integer || !text.contains(&b'.'))
}

/// The day of a text in any of the ways that days are read, as it would be written in the usual one.
fn day(text: &[u8]) -> Option<[u8; DAY]> {
    match *text {
        [a, b, c, d, e, f, g, h] => whole_day(&[a, b, c, d, b'-', e, f, b'-', g, h]),
        _ => whole_day(text),
    }
}

/// A day, or that of a moment.
fn whole_day(text: &[u8]) -> Option<[u8; DAY]> {
    let (day, rest) = text.split_first_chunk()?;
    let is_known = if rest.is_empty() { Moment::Date.holds(day) } else { Moment::DateTime.holds(text) };
    is_known.then_some(*day)
}

/// How two moments stand to each other that are written in the same way, with the same offset.
fn moments(left: &[u8], right: &[u8]) -> Option<std::cmp::Ordering> {
    const WHOLE: usize = 19;
    let is_alike = left.len() == right.len() && left.get(WHOLE)? != &b'.' && left[WHOLE..] == right[WHOLE..];
    (is_alike && Moment::DateTime.holds(left) && Moment::DateTime.holds(right))
        .then(|| left[..WHOLE].cmp(&right[..WHOLE]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Reader, conditions};
    use proptest::{prelude::*, sample::select};
    use serde_json::{Value, json};

    /// Values as they stand in records, near each other in every way that a condition tells apart.
    const VALUES: [&str; 54] = [
        "null",
        "true",
        "false",
        "1",
        "1.0",
        "-1",
        "0.5",
        "10",
        "9.5",
        "-0",
        "1e1",
        "1.50",
        "999999999999999999",
        "9999999999999999999",
        "\"1\"",
        "\"01\"",
        "\"1.0\"",
        "\"9.5\"",
        "\"10.2\"",
        "\"-1\"",
        "\"1.\"",
        "\"\"",
        "\"D\"",
        "\"DD\"",
        "\"\\u0044\"",
        "\"京A12345\"",
        "\"110105\"",
        "\"110105190306151234\"",
        "\"20260101\"",
        "\"20261301\"",
        "\"2026-01-01\"",
        "\"2026-01-02\"",
        "\"2026-02-30\"",
        "\"2026-01-01T00:00:00+08:00\"",
        "\"2026-01-01T23:30:00+08:00\"",
        "\"2026-01-01T16:00:00Z\"",
        "\"2026-01-01T16:00:00z\"",
        "\"2025-12-31T16:00:00Z\"",
        "\"2026-01-01T00:00:00.5+08:00\"",
        "\"2026-01-01T00:00:60+08:00\"",
        "\"2026-01-01T00:00:00\"",
        "\"2026-01-02T00:00:00+08:00\"",
        "\"2026-01-01T24:00:00+08:00\"",
        "[]",
        "[1]",
        "{}",
        "{\"a\": 1}",
        "{\"b\": 1, \"a\": \"2026-01-01\"}",
        "{\"\\u0061\": 1}",
        "{\"a\": null}",
        "{\"a\": {\"a\": 1}}",
        "17",
        "\"17\"",
        "\"2026/01/01\"",
    ];

    fn operand() -> impl Strategy<Value = Value> {
        let field = || select(vec!["/a", "/a", "/b", "/b", "/c", "/c", "/c/a", "/c/0"]);
        let part = select(vec![json!([0, 2]), json!([6, 14]), json!([0, 1]), json!([0, 4])]);
        let reading = select(vec!["text", "integer", "decimal", "date", "datetime"]);
        let read = (field(), prop::option::weighted(0.3, part), prop::option::weighted(0.5, reading));
        let literals = vec![
            json!(1),
            json!(0.5),
            json!("D"),
            json!("1"),
            json!("2026-01-01"),
            json!("110105"),
            json!("京A"),
            json!("01"),
            json!("1e1"),
            json!(""),
        ];
        prop_oneof![
            6 => read.prop_map(|(field, part, reading)| {
                let mut operand = json!({"field": field});
                part.into_iter().for_each(|part| operand["part"] = part);
                reading.into_iter().for_each(|reading| operand["as"] = reading.into());
                operand
            }),
            2 => select(literals.clone()).prop_map(|value| json!({"value": value})),
            1 => prop::collection::vec(select(literals), 1..4).prop_map(|values| json!({"values": values})),
            1 => prop::collection::vec(field(), 1..4).prop_map(|fields| json!({"sum": fields})),
            1 => (field(), field()).prop_map(|(from, taken)| json!({"difference": [from, taken]})),
            1 => field().prop_map(|field| json!({"length": field})),
        ]
    }

    fn condition() -> impl Strategy<Value = Value> {
        let op = select(vec!["eq", "ne", "lt", "le", "gt", "ge", "in", "prefix", "sameParity", "present", "absent"]);
        let tolerance = select(vec![json!({"absolute": 0.5}), json!({"ratio": 0.1})]);
        prop_oneof![
            9 => (op, operand(), operand(), prop::option::weighted(0.2, tolerance)).prop_map(|(op, left, right, tolerance)| {
                let mut condition = json!({"op": op, "left": left});
                if !matches!(op, "present" | "absent") {
                    condition["right"] = right;
                }
                tolerance.into_iter().for_each(|tolerance| condition["tolerance"] = tolerance);
                condition
            }),
            1 => Just(json!({"op": "oneOf", "fields": ["/a", "/b", "/c"]})),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_told_here_is_told_there(
            declared in condition(),
            values in prop::collection::vec(prop::option::weighted(0.9, select(VALUES.to_vec())), 3),
        ) {
            let mut reader = Reader::default();
            let read = conditions(&mut reader, &json!({"if": [declared]}), "", "if");
            // What could never be judged is no condition.
            let read = reader.finish(read).unwrap_or_default();
            let places: Vec<(Pointer, u8)> =
                [("/a", 0), ("/b", 1), ("/c", 2), ("/c/a", 2), ("/c/0", 2)].map(|(field, at)| (Pointer::parse(field).unwrap(), at)).into();
            let (mut bytes, mut stand, mut record) = (Vec::new(), Vec::new(), json!({}));
            for (value, name) in values.iter().zip(["a", "b", "c"]) {
                let from = bytes.len() as u32;
                if let Some(value) = value {
                    bytes.extend_from_slice(value.as_bytes());
                    record[name] = serde_json::from_str(value).unwrap();
                }
                stand.push((if value.is_some() { from } else { 0 }, if value.is_some() { bytes.len() as u32 } else { 0 }));
            }
            let text = record.to_string();
            let document = crate::json::read(text.as_bytes(), 8).document.unwrap();
            for condition in &read {
                let told = Question::of(condition, &places).told(&Fields { bytes: &bytes, places: &stand });
                let wanted = condition.holds(&document.root());
                prop_assert!(told.is_none_or(|told| told == wanted), "{declared} of {record}: {told:?}, not {wanted:?}");
            }
        }
    }

    /// Of what is usual, something is told.
    #[test]
    fn what_is_usual_is_told() {
        let record = br#"{"a": 8.312, "b": 1284.512, "c": 1276.2, "t": "2026-10-31T02:00:00+08:00", "u": "2026-10-31T18:00:00+08:00", "d": "1990-03-07", "i": "110101199003075232"}"#;
        let names = ["a", "b", "c", "t", "u", "d", "i", "none"];
        let places: Vec<(Pointer, u8)> =
            names.iter().zip(0..).map(|(name, at)| (Pointer::parse(&format!("/{name}")).unwrap(), at)).collect();
        let mut stand = vec![(0, 0); names.len()];
        super::super::members(record, |name, from, to| {
            stand[names.iter().position(|known| known.as_bytes() == name).unwrap()] = (from, to);
            true
        })
        .unwrap();
        for (declared, wanted) in [
            (json!({"op": "absent", "left": {"field": "/none"}}), Holds::Yes),
            (
                json!({"op": "eq", "left": {"field": "/a"}, "right": {"difference": ["/b", "/c"]}, "tolerance": {"absolute": 0.001}}),
                Holds::Yes,
            ),
            (json!({"op": "ge", "left": {"field": "/c"}, "right": {"field": "/b"}}), Holds::No),
            (json!({"op": "le", "left": {"field": "/t", "as": "datetime"}, "right": {"field": "/u"}}), Holds::Yes),
            (json!({"op": "le", "left": {"field": "/d", "as": "date"}, "right": {"field": "/u"}}), Holds::Yes),
            (
                json!({"op": "eq", "left": {"field": "/d"}, "right": {"field": "/i", "part": [6, 14], "as": "date"}}),
                Holds::Yes,
            ),
            (json!({"op": "prefix", "left": {"field": "/i"}, "right": {"value": "1101"}}), Holds::Yes),
            (json!({"op": "ne", "left": {"field": "/none"}, "right": {"value": "D"}}), Holds::Unjudged),
            (json!({"op": "in", "left": {"field": "/i"}, "right": {"values": ["D"]}}), Holds::No),
        ] {
            let read = conditions(&mut Reader::default(), &json!({"if": [declared]}), "", "if");
            let told = Question::of(&read[0], &places).told(&Fields { bytes: record, places: &stand });
            assert_eq!(told, Some(wanted), "{declared}");
        }
    }
}
