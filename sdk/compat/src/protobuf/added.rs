//! What the new version has besides, and whether both say the same in another order.

use super::{
    files::{Files, Part, below, place},
    rules::{About, Broken, is_entry, is_proto3, is_synthetic, lost, reserved},
};
use guiju_model::Text;
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use std::collections::BTreeSet;

pub(crate) fn added(one: &Files, other: &Files) -> Vec<Broken> {
    let mut all = Additions { found: Vec::new() };
    all.files(one, other);
    all.messages(&one.messages(), &other.messages());
    all.enums(&one.enums(), &other.enums());
    all.services(one, other);
    all.extensions(one, other);
    all.found
}

struct Additions {
    found: Vec<Broken>,
}

fn named(name: &str) -> Text {
    Text { en: format!("`{name}`"), zh: format!("“{name}”") }
}

impl Additions {
    fn add(&mut self, rule: &'static str, old: Option<String>, new: Option<String>, name: &str, about: About) {
        self.found.push(Broken { rule, old, new, detail: named(name), about });
    }

    fn besides(&mut self, rule: &'static str, new: Option<String>, name: &str) {
        self.add(rule, None, new, name, About::Nothing);
    }

    fn options(&mut self, old: Option<String>, new: Option<String>, name: &str, is_same: bool) {
        if !is_same {
            self.add("proto-options-changed", old, new, name, About::Nothing);
        }
    }

    fn files(&mut self, one: &Files, other: &Files) {
        for new in &other.own {
            match one.own.iter().find(|old| old.name() == new.name()) {
                None => self.besides("proto-file-added", Some(place(new, &[])), new.name()),
                Some(old) => {
                    let deprecated =
                        |file: &FileDescriptorProto| file.options.as_ref().is_some_and(|own| own.deprecated());
                    let is_same = deprecated(old) == deprecated(new);
                    self.options(Some(place(old, &[])), Some(place(new, &[])), new.name(), is_same);
                }
            }
        }
    }

    fn messages(&mut self, before: &[Part<'_, DescriptorProto>], after: &[Part<'_, DescriptorProto>]) {
        let names: BTreeSet<String> = before.iter().map(Part::full).collect();
        for new in after.iter().filter(|new| !is_entry(new.it)) {
            let full = new.full();
            match before.iter().find(|old| old.full() == full) {
                Some(old) => self.message(old, new, &full),
                None if is_within_new(new, &names) => {}
                None => self.besides("proto-message-added", new.place(), &full),
            }
        }
    }

    fn message(&mut self, old: &Part<'_, DescriptorProto>, new: &Part<'_, DescriptorProto>, full: &str) {
        let (one, other) = (old.it, new.it);
        for (index, field) in other.field.iter().enumerate() {
            let (name, at) =
                (format!("{full}.{} = {}", field.name(), field.number()), new.place_of(&[2, index as i32]));
            match one.field.iter().position(|before| before.number() == field.number()) {
                None => {
                    let about = About::Field { message: full.to_owned(), number: field.number() };
                    self.add("proto-field-added", None, at, &name, about);
                }
                Some(position) => {
                    let is_same = options_of(&one.field[position], old.file) == options_of(field, new.file);
                    self.options(old.place_of(&[2, position as i32]), at, &name, is_same);
                }
            }
        }
        for (index, oneof) in other.oneof_decl.iter().enumerate().filter(|(index, _)| !is_synthetic(other, *index)) {
            if !one.oneof_decl.iter().any(|before| before.name() == oneof.name()) {
                self.besides(
                    "proto-oneof-added",
                    new.place_of(&[8, index as i32]),
                    &format!("{full}.{}", oneof.name()),
                );
            }
        }
        let ranges = |it: &DescriptorProto| -> Vec<(i32, i32)> {
            it.extension_range.iter().map(|range| (range.start(), range.end())).collect()
        };
        for (start, end) in lost(&ranges(other), &ranges(one)) {
            self.besides(
                "proto-extension-range-added",
                new.place(),
                &format!("{full} extensions {start} to {}", end - 1),
            );
        }
        for (start, end) in lost(&reserved(other), &reserved(one)) {
            self.reserved(old.place(), new.place(), &format!("{full} reserved {start} to {}", end - 1));
        }
        for word in other.reserved_name.iter().filter(|word| !one.reserved_name.contains(word)) {
            self.reserved(old.place(), new.place(), &format!("{full} reserved \"{word}\""));
        }
        let deprecated = |it: &DescriptorProto| it.options.as_ref().is_some_and(|own| own.deprecated());
        self.options(old.place(), new.place(), full, deprecated(one) == deprecated(other));
    }

    fn reserved(&mut self, old: Option<String>, new: Option<String>, name: &str) {
        self.add("proto-reservation-added", old, new, name, About::Nothing);
    }

    fn enums(&mut self, before: &[Part<'_, EnumDescriptorProto>], after: &[Part<'_, EnumDescriptorProto>]) {
        for new in after {
            let full = new.full();
            let Some(old) = before.iter().find(|old| old.full() == full) else {
                self.besides("proto-enum-added", new.place(), &full);
                continue;
            };
            let names = |it: &EnumDescriptorProto, number: i32| -> BTreeSet<String> {
                it.value.iter().filter(|value| value.number() == number).map(|value| value.name().to_owned()).collect()
            };
            for (index, value) in new.it.value.iter().enumerate() {
                let (number, at) = (value.number(), new.place_of(&[2, index as i32]));
                let (had, has) = (names(old.it, number), names(new.it, number));
                let name = format!("{full}.{} = {number}", value.name());
                // One that is called otherwise is told as that.
                if !had.contains(value.name()) && had.is_subset(&has) {
                    let about = match had.is_empty() {
                        true => About::Value { of: full.clone(), number, names: Vec::new() },
                        false => About::Value { of: full.clone(), number, names: vec![value.name().to_owned()] },
                    };
                    self.add("proto-enum-value-added", None, at, &name, about);
                } else if let Some(position) = old.it.value.iter().position(|before| before.name() == value.name()) {
                    let before = &old.it.value[position];
                    let is_same = before.number() != number || before.options == value.options;
                    self.options(old.place_of(&[2, position as i32]), at, &name, is_same);
                }
            }
            let ranges = |it: &EnumDescriptorProto| -> Vec<(i32, i32)> {
                it.reserved_range.iter().map(|range| (range.start(), range.end().saturating_add(1))).collect()
            };
            for (start, end) in lost(&ranges(new.it), &ranges(old.it)) {
                self.reserved(old.place(), new.place(), &format!("{full} reserved {start} to {}", end - 1));
            }
            for word in new.it.reserved_name.iter().filter(|word| !old.it.reserved_name.contains(word)) {
                self.reserved(old.place(), new.place(), &format!("{full} reserved \"{word}\""));
            }
            let deprecated = |it: &EnumDescriptorProto| it.options.as_ref().is_some_and(|own| own.deprecated());
            self.options(old.place(), new.place(), &full, deprecated(old.it) == deprecated(new.it));
        }
    }

    fn services(&mut self, one: &Files, other: &Files) {
        let before = one.services();
        for new in other.services() {
            let full = new.full();
            let Some(old) = before.iter().find(|old| old.full() == full) else {
                self.besides("proto-service-added", new.place(), &full);
                continue;
            };
            for (index, method) in new.it.method.iter().enumerate() {
                let (name, path) = (format!("{full}.{}", method.name()), below(&new.path, 2, index));
                let at = Some(place(new.file, &path));
                match old.it.method.iter().position(|before| before.name() == method.name()) {
                    None => self.besides("proto-rpc-added", at, &name),
                    Some(position) => {
                        let deprecated =
                            |it: &MethodDescriptorProto| it.options.as_ref().is_some_and(|own| own.deprecated());
                        let is_same = deprecated(&old.it.method[position]) == deprecated(method);
                        self.options(old.place_of(&[2, position as i32]), at, &name, is_same);
                    }
                }
            }
            self.options(old.place(), new.place(), &full, old.it.options == new.it.options);
        }
    }

    fn extensions(&mut self, one: &Files, other: &Files) {
        let before = one.extensions();
        for new in other.extensions() {
            let (extendee, number) = (new.it.extendee(), new.it.number());
            let name = format!("{} = {number}", new.full());
            match before.iter().find(|old| (old.it.extendee(), old.it.number()) == (extendee, number)) {
                None => {
                    let about = About::Field { message: extendee.trim_start_matches('.').to_owned(), number };
                    self.add("proto-extension-added", None, new.place(), &name, about);
                }
                Some(old) => {
                    let is_same = options_of(old.it, old.file) == options_of(new.it, new.file);
                    self.options(old.place(), new.place(), &name, is_same);
                }
            }
        }
    }
}

/// It stands in a message that is new itself.
fn is_within_new(part: &Part<'_, DescriptorProto>, names: &BTreeSet<String>) -> bool {
    let full = part.full();
    part.nested.contains('.') && full.rsplit_once('.').is_some_and(|(outer, _)| !names.contains(outer))
}

/// What no rule of buf asks for: whether it is deprecated, whether a list is packed.
fn options_of(field: &FieldDescriptorProto, file: &FileDescriptorProto) -> (bool, bool) {
    let options = field.options.clone().unwrap_or_default();
    (options.deprecated(), is_packed(field, file))
}

fn is_packed(field: &FieldDescriptorProto, file: &FileDescriptorProto) -> bool {
    let is_plain = !matches!(field.r#type(), Type::String | Type::Bytes | Type::Message | Type::Group);
    let written = field.options.as_ref().and_then(|own| own.packed);
    field.label() == Label::Repeated && is_plain && written.unwrap_or(is_proto3(file))
}

/// The descriptors without comments, places and reservations, in an order of our own.
pub(crate) fn plain(files: &Files) -> Vec<Vec<u8>> {
    let bare = files.own.iter().map(|file| {
        let mut bare = file.clone();
        bare.source_code_info = None;
        // What is imported shows in the types; what is imported for others stays.
        let public: Vec<String> =
            file.public_dependency.iter().filter_map(|index| file.dependency.get(*index as usize).cloned()).collect();
        bare.dependency = public.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        bare.public_dependency.clear();
        bare.weak_dependency.clear();
        bare.message_type.iter_mut().for_each(|message| sort_message(message, file));
        bare.enum_type.iter_mut().for_each(sort_enum);
        bare.message_type.sort_by(|a, b| a.name().cmp(b.name()));
        bare.enum_type.sort_by(|a, b| a.name().cmp(b.name()));
        bare.service.sort_by(|a, b| a.name().cmp(b.name()));
        for service in &mut bare.service {
            service.method.sort_by(|a, b| a.name().cmp(b.name()));
        }
        sort_extensions(&mut bare.extension, file);
        bare.encode_to_vec()
    });
    bare.collect()
}

fn sort_message(message: &mut DescriptorProto, file: &FileDescriptorProto) {
    let mut names: Vec<String> = message.oneof_decl.iter().map(|oneof| oneof.name().to_owned()).collect();
    let before = names.clone();
    names.sort();
    message.oneof_decl.sort_by(|a, b| a.name().cmp(b.name()));
    for field in &mut message.field {
        let name = field.oneof_index.and_then(|index| before.get(index as usize));
        let index = name.and_then(|name| names.binary_search(name).ok()).map(|index| index as i32);
        field.oneof_index = index.or(field.oneof_index);
        sort_options(field, file);
    }
    message.field.sort_by_key(|field| field.number());
    message.nested_type.iter_mut().for_each(|inner| sort_message(inner, file));
    message.enum_type.iter_mut().for_each(sort_enum);
    message.nested_type.sort_by(|a, b| a.name().cmp(b.name()));
    message.enum_type.sort_by(|a, b| a.name().cmp(b.name()));
    sort_extensions(&mut message.extension, file);
    message.extension_range.sort_by_key(|range| range.start());
    message.reserved_range.clear();
    message.reserved_name.clear();
}

fn sort_options(field: &mut FieldDescriptorProto, file: &FileDescriptorProto) {
    let packed = is_packed(field, file);
    let mut options = field.options.take().unwrap_or_default();
    options.packed = Some(packed);
    options.deprecated = Some(options.deprecated());
    field.options = Some(options);
    // A rule speaks of what is read where it is not there, however that is written.
    field.default_value = None;
}

fn sort_extensions(extensions: &mut [FieldDescriptorProto], file: &FileDescriptorProto) {
    extensions.iter_mut().for_each(|extension| sort_options(extension, file));
    extensions.sort_by(|a, b| (a.extendee(), a.number()).cmp(&(b.extendee(), b.number())));
}

/// The first stays: it is what a closed enum reads where nothing is written. So do those of one number: JSON tells the first.
fn sort_enum(it: &mut EnumDescriptorProto) {
    if let Some((_, others)) = it.value.split_first_mut() {
        others.sort_by_key(|value| value.number());
    }
    it.reserved_range.clear();
    it.reserved_name.clear();
}
