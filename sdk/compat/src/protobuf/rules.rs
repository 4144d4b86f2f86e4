//! What each rule asks.

use super::files::{Files, Part, below, place};
use guiju_model::Text;
use prost_reflect::{Kind, Value};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileOptions,
    MethodDescriptorProto,
    field_descriptor_proto::{Label, Type},
    field_options::{CType, JsType},
    file_options::OptimizeMode,
    method_options::IdempotencyLevel,
};
use std::collections::{BTreeMap, BTreeSet};

/// A rule that was broken, and where.
pub(crate) struct Broken {
    pub rule: &'static str,
    pub old: Option<String>,
    pub new: Option<String>,
    pub detail: Text,
    pub about: About,
}

/// What a message must hold to show it.
pub(crate) enum About {
    Nothing,
    Field {
        message: String,
        number: i32,
    },
    /// What is read where the field is not there.
    Default {
        message: String,
        number: i32,
    },
    /// A field that one version requires.
    Required {
        message: String,
        number: i32,
    },
    /// A number of an enum, and the names that it has no more.
    Value {
        of: String,
        number: i32,
        names: Vec<String>,
    },
}

pub(crate) fn broken(one: &Files, other: &Files) -> Vec<Broken> {
    let mut all = Rules { one, other, found: Vec::new() };
    all.files();
    all.packages();
    all.messages();
    all.enums();
    all.services();
    all.extensions();
    all.found
}

struct Rules<'f> {
    one: &'f Files,
    other: &'f Files,
    found: Vec<Broken>,
}

type Places = [Option<String>; 2];

fn gone(name: &str) -> Text {
    Text { en: format!("`{name}`"), zh: format!("“{name}”") }
}

fn became(name: &str, from: &str, to: &str) -> Text {
    let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let (from, to) = (shown(from), shown(to));
    Text { en: format!("`{name}` was {from} and is {to}"), zh: format!("“{name}”原为 {from}，现为 {to}") }
}

impl<'f> Rules<'f> {
    fn add(&mut self, rule: &'static str, places: Places, detail: Text) {
        self.about(rule, places, detail, About::Nothing);
    }

    fn about(&mut self, rule: &'static str, [old, new]: Places, detail: Text, about: About) {
        self.found.push(Broken { rule, old, new, detail, about });
    }

    fn files(&mut self) {
        let (one, other) = (self.one, self.other);
        for old in &one.own {
            let here = Some(place(old, &[]));
            let Some(new) = other.own.iter().find(|new| new.name() == old.name()) else {
                self.add("FILE_NO_DELETE", [here, None], gone(old.name()));
                continue;
            };
            let places = [here, Some(place(new, &[]))];
            if old.package() != new.package() {
                let places = [Some(place(old, &[2])), Some(place(new, &[2]))];
                self.add("FILE_SAME_PACKAGE", places, became("package", old.package(), new.package()));
            }
            if is_proto3(old) != is_proto3(new) {
                let named = |file| if is_proto3(file) { "proto3" } else { "proto2" };
                let places = [Some(place(old, &[12])), Some(place(new, &[12]))];
                self.add("FILE_SAME_SYNTAX", places, became("syntax", named(old), named(new)));
            }
            for (rule, name, number, value) in OPTIONS {
                let (from, to) = (value(&options(old)), value(&options(new)));
                if from != to {
                    let places = [Some(place(old, &[8, *number])), Some(place(new, &[8, *number]))];
                    self.add(rule, places, became(name, &from, &to));
                }
            }
            self.kept_in_file("MESSAGE_NO_DELETE", one.messages(), &other.messages(), old, &places);
            self.kept_in_file("ENUM_NO_DELETE", one.enums(), &other.enums(), old, &places);
            self.kept_in_file("SERVICE_NO_DELETE", one.services(), &other.services(), old, &places);
            self.kept_in_file("EXTENSION_NO_DELETE", one.extensions(), &other.extensions(), old, &places);
        }
    }

    fn kept_in_file<T>(
        &mut self,
        rule: &'static str,
        before: Vec<Part<'f, T>>,
        after: &[Part<'_, T>],
        file: &FileDescriptorProto,
        places: &Places,
    ) {
        let after: BTreeSet<&str> =
            after.iter().filter(|part| part.file.name() == file.name()).map(|part| part.nested.as_str()).collect();
        for part in before.iter().filter(|part| part.file.name() == file.name()) {
            if !after.contains(part.nested.as_str()) {
                self.add(rule, [part.place(), places[1].clone()], gone(&part.nested));
            }
        }
    }

    fn packages(&mut self) {
        let (one, other) = (self.one, self.other);
        let now: BTreeSet<&str> = other.own.iter().map(|file| file.package()).collect();
        let mut told = BTreeSet::new();
        for file in &one.own {
            if !now.contains(file.package()) && told.insert(file.package()) {
                self.add("PACKAGE_NO_DELETE", [Some(place(file, &[2])), None], gone(file.package()));
            }
        }
        self.kept_in_package("PACKAGE_MESSAGE_NO_DELETE", one.messages(), &other.messages(), &now);
        self.kept_in_package("PACKAGE_ENUM_NO_DELETE", one.enums(), &other.enums(), &now);
        self.kept_in_package("PACKAGE_SERVICE_NO_DELETE", one.services(), &other.services(), &now);
        self.kept_in_package("PACKAGE_EXTENSION_NO_DELETE", one.extensions(), &other.extensions(), &now);
    }

    fn kept_in_package<T>(
        &mut self,
        rule: &'static str,
        before: Vec<Part<'f, T>>,
        after: &[Part<'_, T>],
        packages: &BTreeSet<&str>,
    ) {
        let after: BTreeSet<String> = after.iter().map(Part::full).collect();
        for part in before.iter().filter(|part| packages.contains(part.file.package())) {
            if !after.contains(&part.full()) {
                self.add(rule, [part.place(), None], gone(&part.full()));
            }
        }
    }

    fn messages(&mut self) {
        let after = self.other.messages();
        for old in self.one.messages() {
            if let Some(new) = after.iter().find(|new| new.full() == old.full()) {
                self.message(&old, new);
            }
        }
    }

    fn message(&mut self, old: &Part<'_, DescriptorProto>, new: &Part<'_, DescriptorProto>) {
        let (one, other, name) = (old.it, new.it, old.full());
        let places = [old.place(), new.place()];
        let accessor =
            |it: &DescriptorProto| it.options.as_ref().is_some_and(|own| own.no_standard_descriptor_accessor());
        if !accessor(one) && accessor(other) {
            let detail = became("no_standard_descriptor_accessor", "false", "true");
            self.add("MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR", places.clone(), detail);
        }
        if is_proto3(old.file) && !is_proto3(new.file) {
            self.add("MESSAGE_SAME_JSON_FORMAT", places.clone(), became(&name, "ALLOW", "LEGACY_BEST_EFFORT"));
        }
        let ranges = |it: &DescriptorProto| -> Vec<(i32, i32)> {
            it.extension_range.iter().map(|range| (range.start(), range.end())).collect()
        };
        for (start, end) in lost(&ranges(one), &ranges(other)) {
            let detail = gone(&format!("{name} extensions {start} to {}", end - 1));
            self.add("EXTENSION_MESSAGE_NO_DELETE", places.clone(), detail);
        }
        for (start, end) in lost(&reserved(one), &reserved(other)) {
            let detail = gone(&format!("{name} reserved {start} to {}", end - 1));
            self.add("RESERVED_MESSAGE_NO_DELETE", places.clone(), detail);
        }
        for word in one.reserved_name.iter().filter(|word| !other.reserved_name.contains(word)) {
            self.add("RESERVED_MESSAGE_NO_DELETE", places.clone(), gone(&format!("{name} reserved \"{word}\"")));
        }
        for (index, oneof) in one.oneof_decl.iter().enumerate() {
            let is_kept = other.oneof_decl.iter().any(|other| other.name() == oneof.name());
            if !is_kept && !is_synthetic(one, index) {
                let places = [old.place_of(&[8, index as i32]), new.place()];
                self.add("ONEOF_NO_DELETE", places, gone(&format!("{name}.{}", oneof.name())));
            }
        }
        self.required(old, new);
        for (index, before) in one.field.iter().enumerate() {
            let at = old.place_of(&[2, index as i32]);
            match other.field.iter().position(|after| after.number() == before.number()) {
                Some(position) => {
                    let pair = Pair {
                        old: Field { it: before, of: Some(one), file: old.file },
                        new: Field { it: &other.field[position], of: Some(other), file: new.file },
                        name: format!("{name}.{}", before.name()),
                        message: name.clone(),
                        places: [at, new.place_of(&[2, position as i32])],
                    };
                    self.field(&pair);
                }
                None => self.field_gone(before, other, &name, [at, new.place()]),
            }
        }
    }

    fn required(&mut self, old: &Part<'_, DescriptorProto>, new: &Part<'_, DescriptorProto>) {
        let numbers = |it: &DescriptorProto| -> BTreeSet<i32> {
            it.field.iter().filter(|field| field.label() == Label::Required).map(|field| field.number()).collect()
        };
        let (before, after) = (numbers(old.it), numbers(new.it));
        for number in before.symmetric_difference(&after) {
            let (from, to) = if before.contains(number) { ("required", "-") } else { ("-", "required") };
            let detail = became(&format!("{} {number}", old.full()), from, to);
            let about = About::Required { message: old.full(), number: *number };
            self.about("MESSAGE_SAME_REQUIRED_FIELDS", [old.place(), new.place()], detail, about);
        }
    }

    fn field_gone(&mut self, field: &FieldDescriptorProto, other: &DescriptorProto, message: &str, places: Places) {
        let number = field.number();
        let about = || About::Field { message: message.to_owned(), number };
        let detail = gone(&format!("{message}.{} = {number}", field.name()));
        self.add("FIELD_NO_DELETE", places.clone(), detail.clone());
        if !reserved(other).iter().any(|(start, end)| (*start..*end).contains(&number)) {
            self.about("FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", places.clone(), detail.clone(), about());
        }
        if !other.reserved_name.iter().any(|name| name == field.name()) {
            self.about("FIELD_NO_DELETE_UNLESS_NAME_RESERVED", places, detail, about());
        }
    }

    fn field(&mut self, pair: &Pair<'_>) {
        let Pair { old, new, name, message, places } = pair;
        let number = old.it.number();
        let said = |from: &str, to: &str| became(name, from, to);
        let is_extension = old.of.is_none();
        let mut add = |rule, detail| {
            self.about(rule, places.clone(), detail, About::Field { message: message.clone(), number });
        };
        if old.it.name() != new.it.name() && !is_extension {
            add("FIELD_SAME_NAME", said(old.it.name(), new.it.name()));
        }
        if old.it.json_name() != new.it.json_name() && !is_extension {
            add("FIELD_SAME_JSON_NAME", said(old.it.json_name(), new.it.json_name()));
        }
        if old.oneof() != new.oneof() {
            add("FIELD_SAME_ONEOF", said(old.oneof().unwrap_or_default(), new.oneof().unwrap_or_default()));
        }
        let (from, to) = (old.it.r#type(), new.it.r#type());
        let is_text = |kind| matches!(kind, Type::String | Type::Bytes);
        let option = |field: &Field<'_>| field.it.options.clone().unwrap_or_default();
        let (own, others) = (option(old), option(new));
        let is_entry = old.is_entry() && new.is_entry();
        if is_text(from) && is_text(to) && own.ctype() != others.ctype() && !is_entry {
            let is_fine = own.ctype() == CType::StringPiece && others.ctype() == CType::String;
            if !is_fine {
                add("FIELD_SAME_CPP_STRING_TYPE", said(own.ctype().as_str_name(), others.ctype().as_str_name()));
            }
        }
        if from == Type::String && to == Type::String {
            let java = |field: &Field<'_>| options(field.file).java_string_check_utf8() || is_proto3(field.file);
            let named = |checks: bool| if checks { "VERIFY" } else { "NONE" };
            if java(old) != java(new) {
                add("FIELD_SAME_JAVA_UTF8_VALIDATION", said(named(java(old)), named(java(new))));
            }
            if is_proto3(old.file) != is_proto3(new.file) {
                add("FIELD_SAME_UTF8_VALIDATION", said(named(is_proto3(old.file)), named(is_proto3(new.file))));
            }
        }
        if is_long(from) && is_long(to) && own.jstype() != others.jstype() {
            let named = |kind: JsType| kind.as_str_name();
            add("FIELD_SAME_JSTYPE", said(named(own.jstype()), named(others.jstype())));
        }
        if let Some(detail) = self.default_changed(pair) {
            let about = About::Default { message: message.clone(), number };
            self.about("FIELD_SAME_DEFAULT", places.clone(), detail, about);
        }
        let (kind, other_kind) = (old.kind(), new.kind());
        let is_other_type = old.it.type_name() != new.it.type_name();
        let other_enum = from == Type::Enum && to == Type::Enum && is_other_type && !self.is_wider_enum(old.it, new.it);
        let other_message = matches!(from, Type::Message | Type::Group) && from == to && is_other_type;
        let mut add = |rule, detail| {
            self.about(rule, places.clone(), detail, About::Field { message: message.clone(), number });
        };
        if from != to || is_other_type {
            add("FIELD_SAME_TYPE", said(&kind, &other_kind));
        }
        let on_wire = |kind: Type| group(WIRE, kind);
        let in_json = |kind: Type| group(WIRE_JSON, kind);
        let to_bytes = from == Type::String && to == Type::Bytes;
        if (on_wire(from) != on_wire(to) && !to_bytes) || other_enum || other_message {
            add("FIELD_WIRE_COMPATIBLE_TYPE", said(&kind, &other_kind));
        }
        if in_json(from) != in_json(to) || other_enum || other_message {
            add("FIELD_WIRE_JSON_COMPATIBLE_TYPE", said(&kind, &other_kind));
        }
        let (from, to) = (old.cardinality(), new.cardinality());
        if from != to && !is_entry {
            add("FIELD_SAME_CARDINALITY", said(from, to));
            let group = |cardinality: &'static str| match cardinality {
                "repeated" | "map" => "many",
                "required" => "required",
                _ => "optional",
            };
            if group(from) != group(to) {
                add("FIELD_WIRE_COMPATIBLE_CARDINALITY", said(from, to));
            }
            if group(from) != group(to) || group(from) == "many" {
                add("FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY", said(from, to));
            }
        }
    }

    /// By the values that are read, not by how they are written.
    fn default_changed(&self, pair: &Pair<'_>) -> Option<Text> {
        let number = u32::try_from(pair.old.it.number()).ok()?;
        let of = |files: &Files| -> Option<(Value, String)> {
            let slot = files.slot(&pair.message, number)?;
            if slot.is_list() || slot.is_map() || slot.kind().as_message().is_some() {
                return None;
            }
            let value = slot.default();
            let said = match (&value, slot.kind()) {
                (Value::EnumNumber(number), Kind::Enum(own)) => {
                    let named = own.enum_descriptor_proto().value.iter().find(|value| value.number() == *number);
                    named.map_or(number.to_string(), |value| value.name().to_owned())
                }
                _ => value.to_string(),
            };
            Some((value, said))
        };
        let ((before, from), (after, to)) = (of(self.one)?, of(self.other)?);
        (!is_same_default(&before, &after)).then(|| became(&pair.name, &from, &to))
    }

    /// Another enumeration of the same short name that has all that the old one has.
    fn is_wider_enum(&self, old: &FieldDescriptorProto, new: &FieldDescriptorProto) -> bool {
        let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let values = |files: &Files, name: &str| -> BTreeSet<(String, i32)> {
            let found = files.pool.get_enum_by_name(name.trim_start_matches('.'));
            let found = found.iter().flat_map(|found| found.values().collect::<Vec<_>>());
            found.map(|value| (value.name().to_owned(), value.number())).collect()
        };
        let (before, after) = (values(self.one, old.type_name()), values(self.other, new.type_name()));
        short(old.type_name()) == short(new.type_name()) && before.is_subset(&after)
    }

    fn enums(&mut self) {
        let after = self.other.enums();
        for old in self.one.enums() {
            if let Some(new) = after.iter().find(|new| new.full() == old.full()) {
                self.enumeration(&old, new);
            }
        }
    }

    fn enumeration(&mut self, old: &Part<'_, EnumDescriptorProto>, new: &Part<'_, EnumDescriptorProto>) {
        let (one, other, name) = (old.it, new.it, old.full());
        let places = [old.place(), new.place()];
        if is_proto3(old.file) != is_proto3(new.file) {
            let named = |file| if is_proto3(file) { "open" } else { "closed" };
            self.add("ENUM_SAME_TYPE", places.clone(), became(&name, named(old.file), named(new.file)));
        }
        if is_proto3(old.file) && !is_proto3(new.file) {
            self.add("ENUM_SAME_JSON_FORMAT", places.clone(), became(&name, "ALLOW", "LEGACY_BEST_EFFORT"));
        }
        let ranges = |it: &EnumDescriptorProto| -> Vec<(i32, i32)> {
            it.reserved_range.iter().map(|range| (range.start(), range.end())).collect()
        };
        let ends_after = |ranges: &[(i32, i32)]| -> Vec<(i32, i32)> {
            ranges.iter().map(|(start, end)| (*start, end.saturating_add(1))).collect()
        };
        let (before, after) = (ends_after(&ranges(one)), ends_after(&ranges(other)));
        for (start, end) in lost(&before, &after) {
            let detail = gone(&format!("{name} reserved {start} to {}", end - 1));
            self.add("RESERVED_ENUM_NO_DELETE", places.clone(), detail);
        }
        for word in one.reserved_name.iter().filter(|word| !other.reserved_name.contains(word)) {
            self.add("RESERVED_ENUM_NO_DELETE", places.clone(), gone(&format!("{name} reserved \"{word}\"")));
        }
        let names = |it: &EnumDescriptorProto| {
            let mut names: BTreeMap<i32, BTreeSet<String>> = BTreeMap::new();
            for value in &it.value {
                names.entry(value.number()).or_default().insert(value.name().to_owned());
            }
            names
        };
        let (before, now) = (names(one), names(other));
        for (number, words) in &before {
            let lost = words.iter().filter(|word| now.get(number).is_none_or(|now| !now.contains(*word)));
            let lost: Vec<String> = lost.cloned().collect();
            let about = || About::Value { of: name.clone(), number: *number, names: lost.clone() };
            let index = one.value.iter().position(|value| value.number() == *number).unwrap_or_default();
            let at = old.place_of(&[2, index as i32]);
            let joined = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(", ");
            let Some(others) = now.get(number) else {
                let (places, detail) = ([at, new.place()], gone(&format!("{name}.{} = {number}", joined(words))));
                self.add("ENUM_VALUE_NO_DELETE", places.clone(), detail.clone());
                if !after.iter().any(|(start, end)| (*start..*end).contains(number)) {
                    self.about("ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED", places.clone(), detail.clone(), about());
                }
                if !words.iter().all(|word| other.reserved_name.contains(word)) {
                    self.about("ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED", places, detail, about());
                }
                continue;
            };
            if !words.is_subset(others) {
                let index = other.value.iter().position(|value| value.number() == *number).unwrap_or_default();
                let places = [at, new.place_of(&[2, index as i32])];
                let detail = became(&format!("{name} {number}"), &joined(words), &joined(others));
                self.about("ENUM_VALUE_SAME_NAME", places, detail, about());
            }
        }
    }

    fn services(&mut self) {
        let after = self.other.services();
        for old in self.one.services() {
            let Some(new) = after.iter().find(|new| new.full() == old.full()) else { continue };
            for (index, before) in old.it.method.iter().enumerate() {
                let (name, at) = (format!("{}.{}", old.full(), before.name()), old.place_of(&[2, index as i32]));
                match new.it.method.iter().position(|after| after.name() == before.name()) {
                    Some(position) => {
                        let places = [at, Some(place(new.file, &below(&new.path, 2, position)))];
                        self.method(before, &new.it.method[position], &name, places);
                    }
                    None => self.add("RPC_NO_DELETE", [at, new.place()], gone(&name)),
                }
            }
        }
    }

    fn method(&mut self, old: &MethodDescriptorProto, new: &MethodDescriptorProto, name: &str, places: Places) {
        let stream = |streams: bool| if streams { "stream" } else { "unary" }.to_owned();
        let level = |it: &MethodDescriptorProto| {
            let level = it.options.as_ref().map_or(IdempotencyLevel::IdempotencyUnknown, |own| own.idempotency_level());
            level.as_str_name().to_owned()
        };
        let asked = [
            ("RPC_SAME_CLIENT_STREAMING", stream(old.client_streaming()), stream(new.client_streaming())),
            ("RPC_SAME_SERVER_STREAMING", stream(old.server_streaming()), stream(new.server_streaming())),
            ("RPC_SAME_REQUEST_TYPE", bare(old.input_type()), bare(new.input_type())),
            ("RPC_SAME_RESPONSE_TYPE", bare(old.output_type()), bare(new.output_type())),
            ("RPC_SAME_IDEMPOTENCY_LEVEL", level(old), level(new)),
        ];
        for (rule, from, to) in asked.iter().filter(|(_, from, to)| from != to) {
            self.add(rule, places.clone(), became(name, from, to));
        }
    }

    fn extensions(&mut self) {
        let after = self.other.extensions();
        for old in self.one.extensions() {
            let is_same = |new: &&Part<'_, FieldDescriptorProto>| {
                (new.it.extendee(), new.it.number()) == (old.it.extendee(), old.it.number())
            };
            let Some(new) = after.iter().find(is_same) else { continue };
            let places = [old.place(), new.place()];
            if old.full() != new.full() {
                self.add("FIELD_SAME_NAME", places.clone(), became(&old.full(), &old.full(), &new.full()));
            }
            self.field(&Pair {
                old: Field { it: old.it, of: None, file: old.file },
                new: Field { it: new.it, of: None, file: new.file },
                name: old.full(),
                message: bare(old.it.extendee()),
                places,
            });
        }
    }
}

fn bare(name: &str) -> String {
    name.trim_start_matches('.').to_owned()
}

/// A field of both versions.
struct Pair<'p> {
    old: Field<'p>,
    new: Field<'p>,
    name: String,
    /// Of which it is a field, or which it extends.
    message: String,
    places: Places,
}

struct Field<'p> {
    it: &'p FieldDescriptorProto,
    /// None: an extension.
    of: Option<&'p DescriptorProto>,
    file: &'p FileDescriptorProto,
}

impl<'p> Field<'p> {
    fn is_entry(&self) -> bool {
        self.of.is_some_and(is_entry)
    }

    /// The name of the oneof that it is in, where someone wrote one.
    fn oneof(&self) -> Option<&'p str> {
        let index = self.it.oneof_index.filter(|_| !self.it.proto3_optional())? as usize;
        self.of?.oneof_decl.get(index).map(|oneof| oneof.name())
    }

    fn kind(&self) -> String {
        match self.it.type_name().trim_start_matches('.') {
            "" => self.it.r#type().as_str_name().trim_start_matches("TYPE_").to_ascii_lowercase(),
            name => name.to_owned(),
        }
    }

    fn cardinality(&self) -> &'static str {
        match self.it.label() {
            Label::Required => "required",
            Label::Repeated if self.is_map() => "map",
            Label::Repeated => "repeated",
            Label::Optional if self.has_presence() => "optional with presence",
            Label::Optional => "optional without presence",
        }
    }

    fn is_map(&self) -> bool {
        let short = self.it.type_name().rsplit('.').next().unwrap_or_default();
        self.of.is_some_and(|of| of.nested_type.iter().any(|inner| inner.name() == short && is_entry(inner)))
    }

    fn has_presence(&self) -> bool {
        !is_proto3(self.file)
            || self.of.is_none()
            || self.it.oneof_index.is_some()
            || matches!(self.it.r#type(), Type::Message | Type::Group)
    }
}

/// Text and bytes among each other, numbers among each other, whatever their widths; else only zeros are the same, as buf has it.
fn is_same_default(before: &Value, after: &Value) -> bool {
    match (Absent::of(before), Absent::of(after)) {
        (Absent::Text(one), Absent::Text(other)) => one == other,
        (one @ Absent::Text(_), other) | (other, one @ Absent::Text(_)) => one.is_zero() && other.is_zero(),
        (Absent::Whole(one), Absent::Whole(other)) => one == other,
        (Absent::Whole(whole), real) | (real, Absent::Whole(whole)) => {
            // Wide enough for all that fields hold; a real with a fraction is not met by its whole part.
            let real = real.wide();
            real.fract() == 0.0 && real as i128 == whole
        }
        (Absent::Double(one), Absent::Double(other)) => one == other || (one.is_nan() && other.is_nan()),
        (one, other) => {
            let (one, other) = (one.wide() as f32, other.wide() as f32);
            one == other || (one.is_nan() && other.is_nan())
        }
    }
}

/// What is read where a field is not there.
enum Absent {
    Text(Vec<u8>),
    Whole(i128),
    Float(f32),
    Double(f64),
}

impl Absent {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.as_bytes().to_vec()),
            Value::Bytes(bytes) => Self::Text(bytes.to_vec()),
            Value::Bool(value) => Self::Whole((*value).into()),
            Value::I32(value) | Value::EnumNumber(value) => Self::Whole((*value).into()),
            Value::I64(value) => Self::Whole((*value).into()),
            Value::U32(value) => Self::Whole((*value).into()),
            Value::U64(value) => Self::Whole((*value).into()),
            Value::F32(value) => Self::Float(*value),
            Value::F64(value) => Self::Double(*value),
            Value::Message(_) | Value::List(_) | Value::Map(_) => Self::Text(Vec::new()),
        }
    }

    fn is_zero(&self) -> bool {
        match self {
            Self::Text(bytes) => bytes.is_empty(),
            Self::Whole(value) => *value == 0,
            _ => self.wide() == 0.0 && self.wide().is_sign_positive(),
        }
    }

    fn wide(&self) -> f64 {
        match self {
            Self::Text(_) => f64::NAN,
            Self::Whole(value) => *value as f64,
            Self::Float(value) => f64::from(*value),
            Self::Double(value) => *value,
        }
    }
}

/// Kinds that one another's readers understand.
const WIRE: &[&[Type]] = &[
    &[Type::Int32, Type::Int64, Type::Uint32, Type::Uint64, Type::Bool],
    &[Type::Sint32, Type::Sint64],
    &[Type::Fixed32, Type::Sfixed32],
    &[Type::Fixed64, Type::Sfixed64],
];
const WIRE_JSON: &[&[Type]] = &[
    &[Type::Int32, Type::Uint32],
    &[Type::Int64, Type::Uint64],
    &[Type::Fixed32, Type::Sfixed32],
    &[Type::Fixed64, Type::Sfixed64],
];

/// The first of those like it.
fn group(groups: &[&[Type]], kind: Type) -> Type {
    groups.iter().find(|group| group.contains(&kind)).and_then(|group| group.first()).copied().unwrap_or(kind)
}

fn is_long(kind: Type) -> bool {
    matches!(kind, Type::Int64 | Type::Uint64 | Type::Sint64 | Type::Fixed64 | Type::Sfixed64)
}

pub(crate) fn is_proto3(file: &FileDescriptorProto) -> bool {
    file.syntax() == "proto3"
}

pub(crate) fn is_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|own| own.map_entry())
}

/// Made by the compiler for `optional` in proto3.
pub(crate) fn is_synthetic(message: &DescriptorProto, index: usize) -> bool {
    message.field.iter().any(|field| field.proto3_optional() && field.oneof_index == Some(index as i32))
}

pub(crate) fn reserved(message: &DescriptorProto) -> Vec<(i32, i32)> {
    message.reserved_range.iter().map(|range| (range.start(), range.end())).collect()
}

/// Ranges of `from` of which some number is in no range of `to`.
pub(crate) fn lost(from: &[(i32, i32)], to: &[(i32, i32)]) -> Vec<(i32, i32)> {
    let mut sorted = to.to_vec();
    sorted.sort_unstable();
    let is_kept = |(start, end): &(i32, i32)| {
        let mut next = *start;
        for (own, until) in &sorted {
            if *own <= next && next < *until {
                next = *until;
            }
        }
        next >= *end
    };
    from.iter().filter(|range| !is_kept(range)).copied().collect()
}

fn options(file: &FileDescriptorProto) -> FileOptions {
    file.options.clone().unwrap_or_default()
}

/// Rule, option, its number in `FileOptions`, its value.
type FileOption = (&'static str, &'static str, i32, fn(&FileOptions) -> String);
const OPTIONS: &[FileOption] = &[
    ("FILE_SAME_CC_ENABLE_ARENAS", "cc_enable_arenas", 31, |own| own.cc_enable_arenas().to_string()),
    ("FILE_SAME_CC_GENERIC_SERVICES", "cc_generic_services", 16, |own| own.cc_generic_services().to_string()),
    ("FILE_SAME_CSHARP_NAMESPACE", "csharp_namespace", 37, |own| own.csharp_namespace().to_owned()),
    ("FILE_SAME_GO_PACKAGE", "go_package", 11, |own| own.go_package().to_owned()),
    ("FILE_SAME_JAVA_GENERIC_SERVICES", "java_generic_services", 17, |own| own.java_generic_services().to_string()),
    ("FILE_SAME_JAVA_MULTIPLE_FILES", "java_multiple_files", 10, |own| own.java_multiple_files().to_string()),
    ("FILE_SAME_JAVA_OUTER_CLASSNAME", "java_outer_classname", 8, |own| own.java_outer_classname().to_owned()),
    ("FILE_SAME_JAVA_PACKAGE", "java_package", 1, |own| own.java_package().to_owned()),
    ("FILE_SAME_OBJC_CLASS_PREFIX", "objc_class_prefix", 36, |own| own.objc_class_prefix().to_owned()),
    ("FILE_SAME_OPTIMIZE_FOR", "optimize_for", 9, |own| OptimizeMode::as_str_name(&own.optimize_for()).to_owned()),
    ("FILE_SAME_PHP_CLASS_PREFIX", "php_class_prefix", 40, |own| own.php_class_prefix().to_owned()),
    ("FILE_SAME_PHP_METADATA_NAMESPACE", "php_metadata_namespace", 44, |own| own.php_metadata_namespace().to_owned()),
    ("FILE_SAME_PHP_NAMESPACE", "php_namespace", 41, |own| own.php_namespace().to_owned()),
    ("FILE_SAME_PY_GENERIC_SERVICES", "py_generic_services", 18, |own| own.py_generic_services().to_string()),
    ("FILE_SAME_RUBY_PACKAGE", "ruby_package", 45, |own| own.ruby_package().to_owned()),
    ("FILE_SAME_SWIFT_PREFIX", "swift_prefix", 39, |own| own.swift_prefix().to_owned()),
];
