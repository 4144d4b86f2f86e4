//! YAML 1.2 read as JSON: the same values, with the line of each.
//!
//! # Invariants
//! - Any bytes give an answer. At most 256 KiB, 20,000 values and a depth of 64 are read, of 1 MiB of text, all behind aliases
//!   counted each time it is used, so that no aliases of aliases grow without bound.
//! - What JSON cannot say is refused: keys that are no text, a key given twice, infinity, tags of one's own, several documents.
//! - A plain number that begins with a zero is refused: it is a code that lost its quotes.

use crate::{JsonError, read_json};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

pub const BYTES_MAX: usize = 256 << 10;
const VALUES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 64;
/// Of keys and scalars together.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A document with the line, from 1, on which each value begins, by JSON Pointer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Yaml {
    pub value: Value,
    pub lines: BTreeMap<String, usize>,
}

/// Where the text is not YAML that JSON can say, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct YamlError {
    pub line: usize,
    pub column: usize,
    pub why: String,
}

/// What is said of a key that stands again.
const TWICE: &str = "is given twice; keep one";

/// Reads a document that may be JSON or YAML: whatever is JSON is read as JSON.
pub fn read_json_or_yaml(bytes: &[u8]) -> Result<Yaml, YamlError> {
    let yaml = read(bytes);
    let looks_like_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if !looks_like_json || bytes.len() > BYTES_MAX {
        return yaml;
    }
    // JSON says some things that YAML reads otherwise, such as characters in two escapes.
    match (read_json(bytes), yaml) {
        (Err(JsonError::Twice { line, column, pointer }), _) => {
            Err(YamlError { line, column, why: format!("the member `{pointer}` {TWICE}") })
        }
        (Ok(value), Ok(Yaml { lines, .. })) => Ok(Yaml { value, lines }),
        (Ok(value), Err(_)) => within(&value).map(|()| Yaml { value, lines: BTreeMap::new() }),
        (Err(_), yaml) => yaml,
    }
}

/// The bounds, of a value that was read as JSON.
fn within(value: &Value) -> Result<(), YamlError> {
    let (mut values, mut pending) = (0, vec![(value, 1)]);
    while let Some((value, depth)) = pending.pop() {
        values += 1;
        if values > VALUES_MAX || depth > DEPTH_MAX + 1 {
            let why =
                format!("the document has more than {VALUES_MAX} values, or is nested more than {DEPTH_MAX} deep");
            return Err(YamlError { line: 1, column: 1, why });
        }
        match value {
            Value::Object(members) => pending.extend(members.values().map(|member| (member, depth + 1))),
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Reads one document.
pub fn read(bytes: &[u8]) -> Result<Yaml, YamlError> {
    let at_start = |why: String| YamlError { line: 1, column: 1, why };
    if bytes.len() > BYTES_MAX {
        return Err(at_start(format!("the document has {} bytes; at most {BYTES_MAX} are taken", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        YamlError { line, column: 1, why: "the text is not UTF-8; save it as UTF-8".into() }
    })?;
    let mut reader = Reader::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            YamlError { line, column, why: format!("the text is not YAML: {}", error.info()) }
        })?;
        reader.take(event, span)?;
    }
    match reader.whole {
        Some(value) => Ok(Yaml { value, lines: reader.lines }),
        None => Err(at_start("the document is empty".into())),
    }
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    whole: Option<Value>,
    lines: BTreeMap<String, usize>,
    anchors: BTreeMap<usize, (Value, Size)>,
    size: Size,
}

#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    text_bytes: usize,
}

/// A list or mapping that is not closed yet.
struct Open {
    value: Value,
    /// The key whose value comes next.
    key: Option<String>,
    pointer: String,
    anchor: usize,
    /// What was read before it.
    before: Size,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let fault = |why: String| YamlError { line: span.start.line().max(1), column: span.start.col() + 1, why };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.whole.is_some() => {
                Err(fault("a second document begins here; keep one in the file".into()))
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(open) = self.open.last_mut().filter(|open| open.value.is_object() && open.key.is_none()) {
                    if open.value.get(&*text).is_some() {
                        return Err(fault(format!("the key `{text}` {TWICE}")));
                    }
                    let size = Size { values: 0, text_bytes: text.len() };
                    open.key = Some(text.into_owned());
                    return self.count(size).map_err(fault);
                }
                let value = scalar(&text, style, tag.as_deref()).map_err(fault)?;
                let size = Size { values: 1, text_bytes: text.len() };
                self.count(size).map_err(fault)?;
                if anchor > 0 {
                    self.anchors.insert(anchor, (value.clone(), size));
                }
                self.place(value, span)
            }
            Event::Alias(anchor) => {
                if self.open.last().is_some_and(|open| open.value.is_object() && open.key.is_none()) {
                    return Err(fault("a key is an alias; write it out".into()));
                }
                let known = self.anchors.get(&anchor);
                let (value, size) =
                    known.cloned().ok_or_else(|| fault("an alias stands within what it names; write it out".into()))?;
                self.count(size).map_err(fault)?;
                self.place(value, span)
            }
            Event::SequenceStart(anchor, tag) => self.begin(Value::Array(Vec::new()), anchor, tag.as_deref(), span),
            Event::MappingStart(anchor, tag) => self.begin(Value::Object(Map::new()), anchor, tag.as_deref(), span),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { value, anchor, before, .. }) = self.open.pop() else { return Ok(()) };
                if anchor > 0 {
                    let Size { values, text_bytes } = self.size;
                    let own = Size { values: values - before.values, text_bytes: text_bytes - before.text_bytes };
                    self.anchors.insert(anchor, (value.clone(), own));
                }
                self.place_closed(value);
                Ok(())
            }
        }
    }

    fn count(&mut self, more: Size) -> Result<(), String> {
        self.size.values += more.values;
        self.size.text_bytes += more.text_bytes;
        match self.size.values > VALUES_MAX || self.size.text_bytes > TEXT_BYTES_MAX {
            true => Err(format!(
                "the document has more than {VALUES_MAX} values or {TEXT_BYTES_MAX} bytes of text up to here, those behind aliases counted each time; take \
                 parts of it into standards of their own"
            )),
            false => Ok(()),
        }
    }

    fn begin(&mut self, value: Value, anchor: usize, tag: Option<&Tag>, span: Span) -> Result<(), YamlError> {
        let fault = |why: String| YamlError { line: span.start.line().max(1), column: span.start.col() + 1, why };
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            return Err(fault("a tag of one's own has no meaning in JSON; leave it out".into()));
        }
        if self.open.last().is_some_and(|open| open.value.is_object() && open.key.is_none()) {
            return Err(fault("a key is a list or a mapping; keys are text".into()));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(fault(format!("the document is nested more than {DEPTH_MAX} deep; take parts of it out")));
        }
        let before = self.size;
        self.count(Size { values: 1, text_bytes: 0 }).map_err(fault)?;
        let pointer = self.pointer();
        self.lines.insert(pointer.clone(), span.start.line());
        self.open.push(Open { value, key: None, pointer, anchor, before });
        Ok(())
    }

    /// Where the value that comes next will stand.
    fn pointer(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some(Open { value: Value::Array(items), pointer, .. }) => format!("{pointer}/{}", items.len()),
            Some(Open { key, pointer, .. }) => {
                let key = key.as_deref().unwrap_or_default();
                format!("{pointer}/{}", crate::pointer::escape(key))
            }
        }
    }

    fn place(&mut self, value: Value, span: Span) -> Result<(), YamlError> {
        self.lines.insert(self.pointer(), span.start.line());
        self.place_closed(value);
        Ok(())
    }

    fn place_closed(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some(Open { value: Value::Array(items), .. }) => items.push(value),
            Some(Open { value: whole, key, .. }) => {
                if let (Value::Object(members), Some(key)) = (whole, key.take()) {
                    members.insert(key, value);
                }
            }
        }
    }
}

/// What a scalar is by the core schema of YAML 1.2.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    if let Some(tag) = tag {
        return match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "str") => Ok(text.into()),
            (true, "null" | "bool" | "int" | "float") => plain(text),
            _ => Err("a tag of one's own has no meaning in JSON; leave it out".into()),
        };
    }
    if style != ScalarStyle::Plain { Ok(text.into()) } else { plain(text) }
}

fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(true.into()),
        "false" | "False" | "FALSE" => return Ok(false.into()),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!("`{text}` has no form in JSON; leave it out"));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(Ok(number)) = text.strip_prefix(prefix).map(|digits| u64::from_str_radix(digits, radix)) {
            return Ok(number.into());
        }
    }
    if !is_number(unsigned) {
        return Ok(text.into());
    }
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 1 && unsigned.starts_with('0') {
        return Err(format!("the number `{text}` begins with a zero; if it is a code, put it in quotes"));
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => unsigned.split_at(at),
        None => (unsigned, ""),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    let number = format!("{sign}{whole}{point}{fraction}{exponent}").parse::<Number>();
    number.map(Value::Number).map_err(|_| format!("the number `{text}` has no form in JSON; write it out"))
}

/// `[0-9]+`, with a fraction or an exponent, or a fraction alone.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        read(text.as_bytes()).unwrap().value
    }

    fn why(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn yaml_is_read_as_json_would_say_it() {
        let text = "a: 1\nb: [true, ~, 'x', -1.50, .5e3, 0x1F, 0o17, +7]\n200: {c: \"0123\", d: 2026-01-01, e: yes}\n";
        let (half, big) = ("-1.50".parse::<Number>().unwrap(), "0.5e3".parse::<Number>().unwrap());
        assert_eq!(
            value(text),
            json!({"a": 1, "b": [true, null, "x", half, big, 31, 15, 7], "200": {"c": "0123", "d": "2026-01-01", "e": "yes"}})
        );
        assert_eq!(value("{\"a\": [1, {\"b\": null}]}"), json!({"a": [1, {"b": null}]}));
        assert_eq!(value("a: &x {n: 1}\nb: *x\n"), json!({"a": {"n": 1}, "b": {"n": 1}}));
        assert_eq!(value("a: !!str 5\nb: |\n  x\n  y\n"), json!({"a": "5", "b": "x\ny\n"}));
        let read = read(b"a:\n  b/c:\n    - 1\n    - d: 2\n").unwrap();
        assert_eq!((read.lines["/a/b~1c/1/d"], read.lines["/a/b~1c/0"]), (4, 3));
    }

    #[test]
    fn what_json_cannot_say_is_refused_with_its_place() {
        for (text, said) in [
            ("a: 1\na: 2\n", "line 2, column 1: the key `a` is given twice; keep one"),
            ("code: 0123\n", "line 1, column 7: the number `0123` begins with a zero"),
            ("a: .inf\n", "line 1, column 4: `.inf` has no form in JSON"),
            ("? [1]\n: 2\n", "a key is a list or a mapping"),
            ("a: !mine 1\n", "a tag of one's own"),
            ("a: 1\n---\nb: 2\n", "line 2, column 1: a second document"),
            ("a: &x [*x]\n", "an alias stands within what it names"),
            ("a: [1\n", "the text is not YAML"),
            ("", "line 1, column 1: the document is empty"),
        ] {
            assert!(why(text).contains(said), "{text:?}: {}", why(text));
        }
        assert!(why(&("[".repeat(100) + &"]".repeat(100))).contains("nested more than 64 deep"));
        assert!(why(&"[".repeat(100_000)).starts_with("line 1"));
        assert!(why(&" ".repeat(300_000)).contains("at most 262144"));
        assert!(read(b"a: \xff").is_err());
    }

    #[test]
    fn what_is_json_is_read_as_json() {
        let text = br#"{"a": "\ud83d\ude00", "b": [1.0, "0123"]}"#;
        assert_eq!(read_json_or_yaml(text).unwrap().value, serde_json::from_slice::<Value>(text).unwrap());
        let lines = read_json_or_yaml(b"{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}").unwrap().lines;
        assert_eq!(lines.get("/a/b"), Some(&3));
        assert!(read_json_or_yaml(br#"{"a": 1, "a": 2}"#).is_err());
        assert_eq!(read_json_or_yaml(b"{a: 1}").unwrap().value, json!({"a": 1}));
        let deep = format!("{{\"\\ud83d\\ude00\": {}{}}}", "[".repeat(100), "]".repeat(100));
        assert!(read_json_or_yaml(deep.as_bytes()).is_err());
    }

    #[test]
    fn aliases_of_aliases_do_not_grow() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..30 {
            let all = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{all}]\n");
        }
        assert!(why(&bomb).contains("more than 20000 values"), "{}", why(&bomb));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1_000].join(", "));
        assert!(why(&long).contains("1048576 bytes of text"), "{}", why(&long));
    }
}
