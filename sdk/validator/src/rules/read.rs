//! JSON of our own vocabulary, read with every fault at its pointer and a remedy.

use crate::record::Pointer;
use crate::{json::escape, near::nearest};
use serde_json::Value;
use std::str::FromStr;

/// What is wrong with a declaration, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer into the standard's document.
    pub pointer: String,
    pub message: String,
}

/// Whether a pointer may mean every item of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Items {
    Allowed,
    Refused,
}

/// Collects faults while it reads, so that an author sees all of them at once.
#[derive(Default)]
pub(crate) struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    pub fn fault(&mut self, pointer: String, message: String) {
        self.faults.push(Fault { pointer, message });
    }

    pub fn finish<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.faults.is_empty() { Ok(value) } else { Err(self.faults) }
    }

    /// The items of an array, each with its pointer.
    pub fn items<'a>(&mut self, value: &'a Value, pointer: &str, max: usize, what: &str) -> Vec<(String, &'a Value)> {
        let Some(items) = value.as_array() else {
            self.fault(pointer.into(), format!("an array of {what} is wanted here"));
            return Vec::new();
        };
        if items.len() > max {
            self.fault(pointer.into(), format!("{} {what} are too many; at most {max} may stand here", items.len()));
        }
        let item = |(index, item)| (format!("{pointer}/{index}"), item);
        items.iter().enumerate().map(item).take(max).collect()
    }

    /// Whether it is an object; each member that is not known is a fault with the nearest name that is.
    pub fn members(&mut self, value: &Value, pointer: &str, known: &[&str]) -> bool {
        let Some(members) = value.as_object() else {
            self.fault(pointer.into(), "an object is wanted here".into());
            return false;
        };
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            let remedy = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of {}", known.join(", ")),
            };
            self.fault(member(pointer, name), format!("`{name}` is not known here; {remedy}"));
        }
        true
    }

    /// A member that is text, where it is there.
    pub fn text(&mut self, value: &Value, pointer: &str, name: &str) -> Option<String> {
        match value.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.fault(member(pointer, name), format!("`{name}` wants a text that is not empty"));
                None
            }
        }
    }

    /// A member that is one of a closed list of words, where it is there.
    pub fn word<T: FromStr<Err: std::fmt::Display>>(&mut self, value: &Value, pointer: &str, name: &str) -> Option<T> {
        let text = self.text(value, pointer, name)?;
        text.parse().map_err(|error: T::Err| self.fault(member(pointer, name), error.to_string())).ok()
    }

    /// A member that points at a field, where it is there.
    pub fn field(&mut self, value: &Value, pointer: &str, name: &str) -> Option<Pointer> {
        let field = value.get(name)?;
        self.pointer(field, member(pointer, name), Items::Refused)
    }

    /// A member that is an array of pointers to fields, where it is there; at least one.
    pub fn fields(&mut self, value: &Value, pointer: &str, name: &str, max: usize) -> Option<Vec<Pointer>> {
        self.pointers(value, pointer, name, max, Items::Refused)
    }

    /// The same, where `*` may stand for every item of an array.
    pub fn fields_of_items(&mut self, value: &Value, pointer: &str, name: &str, max: usize) -> Option<Vec<Pointer>> {
        self.pointers(value, pointer, name, max, Items::Allowed)
    }

    fn pointers(
        &mut self,
        value: &Value,
        pointer: &str,
        name: &str,
        max: usize,
        of_items: Items,
    ) -> Option<Vec<Pointer>> {
        let place = member(pointer, name);
        let items = self.items(value.get(name)?, &place, max, "pointers");
        if items.is_empty() && value.get(name).is_some_and(Value::is_array) {
            self.fault(place, format!("`{name}` wants at least one pointer"));
        }
        let count = items.len();
        let fields: Vec<_> =
            items.into_iter().filter_map(|(place, item)| self.pointer(item, place, of_items)).collect();
        (count > 0 && fields.len() == count).then_some(fields)
    }

    fn pointer(&mut self, value: &Value, place: String, of_items: Items) -> Option<Pointer> {
        let text = value.as_str().unwrap_or_default();
        let is_one = of_items == Items::Allowed || !text.split('/').any(|token| token == "*");
        if let Some(pointer) = Pointer::parse(text).filter(|_| !text.is_empty() && is_one) {
            return Some(pointer);
        }
        let message = match text {
            "" => "a JSON Pointer to a field is wanted here, for example \"/birth_date\"".into(),
            text if text.contains('*') => {
                format!("`{text}` would mean many fields; put a rule about an item on the item's own schema")
            }
            text if text.starts_with('/') => {
                format!("`{text}` is not a JSON Pointer; write ~ as ~0 and / as ~1 in names")
            }
            text => format!("`{text}` is not a JSON Pointer; write `/{text}`"),
        };
        self.fault(place, message);
        None
    }
}

/// The pointer of a member.
pub(crate) fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", escape(name))
}
