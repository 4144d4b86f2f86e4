//! The `.proto` files of a version, compiled in memory.

use super::{CATEGORIES, read::Slot};
use guiju_validator::Fault;
use prost_reflect::DescriptorPool;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto, field_descriptor_proto::Type,
};
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};
use std::collections::{BTreeMap, BTreeSet};

/// Where a standard says which category it keeps to.
const SETTING: &str = "breaking.toml";

/// Brackets within brackets: the compiler follows them with its own stack.
const DEPTH_MAX: usize = 100;

pub(crate) struct Files {
    pub pool: DescriptorPool,
    /// The same with one name for each number of an enum, the first: by that one JSON tells it.
    pub told: DescriptorPool,
    /// Those of the version itself, by name.
    pub own: Vec<FileDescriptorProto>,
    /// The category of rules that the standard keeps to, where it names one.
    pub category: Option<String>,
}

/// A descriptor with where it stands.
pub(crate) struct Part<'f, T> {
    pub file: &'f FileDescriptorProto,
    /// With the names of the messages around it, without the package.
    pub nested: String,
    pub path: Vec<i32>,
    pub it: &'f T,
}

impl<T> Part<'_, T> {
    pub fn full(&self) -> String {
        match self.file.package() {
            "" => self.nested.clone(),
            package => format!("{package}.{}", self.nested),
        }
    }

    pub fn place(&self) -> Option<String> {
        self.place_of(&[])
    }

    /// Of what stands below it.
    pub fn place_of(&self, below: &[i32]) -> Option<String> {
        let path: Vec<i32> = self.path.iter().chain(below).copied().collect();
        Some(place(self.file, &path))
    }
}

/// File, line and column.
pub(crate) fn place(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let found = locations.into_iter().find(|location| location.path == path);
    match found.map(|location| location.span.as_slice()) {
        Some([line, column, ..]) if !path.is_empty() => format!("{}:{}:{}", file.name(), line + 1, column + 1),
        _ => file.name().to_owned(),
    }
}

struct Memory(BTreeMap<String, String>);

impl FileResolver for Memory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let source = self.0.get(name).ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, source)
    }
}

impl Files {
    /// None where no file is a `.proto`.
    pub fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>, Vec<Fault>> {
        let fault = |pointer: &str, message: String| {
            vec![Fault { code: "contract-malformed", pointer: pointer.to_owned(), message }]
        };
        let mut sources = BTreeMap::new();
        for (name, bytes) in files.iter().filter(|(name, _)| is_source(name)) {
            let text = String::from_utf8(bytes.clone());
            let text = text.map_err(|_| fault(name, format!("`{name}` is not UTF-8; save it as UTF-8")))?;
            if depth(&text) > DEPTH_MAX {
                return Err(fault(
                    name,
                    format!("`{name}` nests deeper than {DEPTH_MAX}; take messages out of one another"),
                ));
            }
            if let Some((line, column)) = edition(&text) {
                return Err(fault(
                    name,
                    format!(
                        "{name}:{line}:{column}: editions are not supported yet; write `syntax = \"proto3\";` (or \"proto2\") in \
                         place of the edition, and leave out its features"
                    ),
                ));
            }
            sources.insert(name.clone(), text);
        }
        if sources.is_empty() {
            return Ok(None);
        }
        let category =
            files.get(SETTING).map(|bytes| category(bytes)).transpose().map_err(|why| fault(SETTING, why))?;
        let names: Vec<String> = sources.keys().cloned().collect();
        let mut resolver = ChainFileResolver::new();
        resolver.add(Memory(sources));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.include_source_info(true).include_imports(true);
        for name in &names {
            let told = |error: protox::Error| fault(name, told(&error));
            compiler.open_file(name).map_err(told)?;
        }
        let (all, pool) = (compiler.file_descriptor_set(), compiler.descriptor_pool());
        let told = if all.file.iter().any(has_aliases) { without_aliases(all.clone()) } else { None };
        let told = told.unwrap_or_else(|| pool.clone());
        let own = all.file.into_iter().filter(|file| names.iter().any(|name| name == file.name()));
        let mut own: Vec<FileDescriptorProto> = own.collect();
        own.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(Some(Self { pool, told, own, category }))
    }

    /// A field of a message, or an extension of it.
    pub fn slot(&self, message: &str, number: u32) -> Option<Slot> {
        Slot::of(&self.pool.get_message_by_name(message)?, number)
    }

    pub fn messages(&self) -> Vec<Part<'_, DescriptorProto>> {
        let mut found = Vec::new();
        for file in &self.own {
            for (index, message) in file.message_type.iter().enumerate() {
                walk(file, "", vec![4, index as i32], message, &mut found);
            }
        }
        found
    }

    pub fn enums(&self) -> Vec<Part<'_, EnumDescriptorProto>> {
        let mut found = Vec::new();
        for file in &self.own {
            for (index, it) in file.enum_type.iter().enumerate() {
                found.push(Part { file, nested: it.name().to_owned(), path: vec![5, index as i32], it });
            }
        }
        for message in self.messages() {
            for (index, it) in message.it.enum_type.iter().enumerate() {
                let nested = format!("{}.{}", message.nested, it.name());
                found.push(Part { file: message.file, nested, path: below(&message.path, 4, index), it });
            }
        }
        found
    }

    pub fn extensions(&self) -> Vec<Part<'_, FieldDescriptorProto>> {
        let mut found = Vec::new();
        for file in &self.own {
            for (index, it) in file.extension.iter().enumerate() {
                found.push(Part { file, nested: it.name().to_owned(), path: vec![7, index as i32], it });
            }
        }
        for message in self.messages() {
            for (index, it) in message.it.extension.iter().enumerate() {
                let nested = format!("{}.{}", message.nested, it.name());
                found.push(Part { file: message.file, nested, path: below(&message.path, 6, index), it });
            }
        }
        found
    }

    pub fn services(&self) -> Vec<Part<'_, ServiceDescriptorProto>> {
        let mut found = Vec::new();
        for file in &self.own {
            for (index, it) in file.service.iter().enumerate() {
                found.push(Part { file, nested: it.name().to_owned(), path: vec![6, index as i32], it });
            }
        }
        found
    }
}

pub(crate) fn below(path: &[i32], field: i32, index: usize) -> Vec<i32> {
    path.iter().copied().chain([field, index as i32]).collect()
}

fn walk<'f>(
    file: &'f FileDescriptorProto,
    outer: &str,
    path: Vec<i32>,
    it: &'f DescriptorProto,
    found: &mut Vec<Part<'f, DescriptorProto>>,
) {
    let nested = if outer.is_empty() { it.name().to_owned() } else { format!("{outer}.{}", it.name()) };
    for (index, inner) in it.nested_type.iter().enumerate() {
        walk(file, &nested, below(&path, 3, index), inner, found);
    }
    found.push(Part { file, nested, path, it });
}

fn is_source(name: &str) -> bool {
    name.ends_with(".proto") && !name.starts_with("examples/")
}

fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for sign in text.lines().flat_map(|line| line.split("//").next().unwrap_or_default().bytes()) {
        match sign {
            b'{' | b'[' | b'<' | b'(' => now += 1,
            b'}' | b']' | b'>' | b')' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// Line and column of the edition that a file names in the place of a syntax.
fn edition(text: &str) -> Option<(usize, usize)> {
    let mut left = text.trim_start_matches('\u{feff}');
    loop {
        left = left.trim_start();
        left = match (left.strip_prefix("//"), left.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n')?.1,
            (_, Some(comment)) => comment.split_once("*/")?.1,
            _ => break,
        };
    }
    let is_end = |sign: char| sign.is_whitespace() || sign == '=' || sign == '/';
    left.strip_prefix("edition").filter(|rest| rest.starts_with(is_end))?;
    let before = &text[..text.len() - left.len()];
    let line = before.rsplit('\n').next().unwrap_or_default();
    Some((before.matches('\n').count() + 1, line.chars().count() + 1))
}

fn has_aliases(file: &FileDescriptorProto) -> bool {
    fn of(message: &DescriptorProto) -> bool {
        message.enum_type.iter().any(is_alias) || message.nested_type.iter().any(of)
    }
    fn is_alias(it: &EnumDescriptorProto) -> bool {
        it.options.as_ref().is_some_and(|options| options.allow_alias())
    }
    file.enum_type.iter().any(is_alias) || file.message_type.iter().any(of)
}

/// With the first name of each number of an enum alone.
fn without_aliases(mut all: FileDescriptorSet) -> Option<DescriptorPool> {
    fn first(it: &mut EnumDescriptorProto) {
        let mut seen = BTreeSet::new();
        it.value.retain(|value| seen.insert(value.number()));
        if let Some(options) = &mut it.options {
            options.allow_alias = None;
        }
    }
    fn below(message: &mut DescriptorProto) {
        message.enum_type.iter_mut().for_each(first);
        message.nested_type.iter_mut().for_each(below);
        // It may be one of the names that are left out; what is read of absent fields comes from the other pool.
        for field in message.field.iter_mut().chain(&mut message.extension).filter(|field| field.r#type() == Type::Enum)
        {
            field.default_value = None;
        }
    }
    for file in &mut all.file {
        file.enum_type.iter_mut().for_each(first);
        file.message_type.iter_mut().for_each(below);
        for field in file.extension.iter_mut().filter(|field| field.r#type() == Type::Enum) {
            field.default_value = None;
        }
    }
    DescriptorPool::from_file_descriptor_set(all).ok()
}

/// What the compiler says, with file, line and column, and what to do.
fn told(error: &protox::Error) -> String {
    let said = format!("{error:?}");
    let said = said.lines().next().unwrap_or_default();
    if error.is_file_not_found() || (!error.is_parse() && said.contains("import")) {
        return format!("{said}; put the file into the version's folder, and import it by its path from there");
    }
    format!("{said}; correct the file there")
}

fn category(bytes: &[u8]) -> Result<String, String> {
    let hint = format!("write `category = \"WIRE_JSON\"`, or another of {}", CATEGORIES.join(", "));
    let table: toml::Table = toml::from_str(&String::from_utf8_lossy(bytes))
        .map_err(|error| format!("`{SETTING}`: {}; {hint}", error.message()))?;
    match table.get("category").and_then(toml::Value::as_str) {
        Some(category) if CATEGORIES.contains(&category) => Ok(category.to_owned()),
        _ => Err(format!("`{SETTING}` names no category of rules; {hint}")),
    }
}
