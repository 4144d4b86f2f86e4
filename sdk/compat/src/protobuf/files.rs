//! The `.proto` files of a version, compiled in memory.

use super::CATEGORIES;
use guiju_validator::Fault;
use prost_reflect::DescriptorPool;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};
use std::collections::BTreeMap;

/// Where a standard says which category it keeps to.
const SETTING: &str = "breaking.toml";

/// Brackets within brackets: the compiler follows them with its own stack.
const DEPTH_MAX: usize = 100;

pub(crate) struct Files {
    pub pool: DescriptorPool,
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
        let own =
            compiler.file_descriptor_set().file.into_iter().filter(|file| names.iter().any(|name| name == file.name()));
        let mut own: Vec<FileDescriptorProto> = own.collect();
        own.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(Some(Self { pool: compiler.descriptor_pool(), own, category }))
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

/// What the compiler says, with file, line and column, and what to do.
fn told(error: &protox::Error) -> String {
    let said = format!("{error:?}");
    let said = said.lines().next().unwrap_or_default();
    if error.is_file_not_found() || said.contains("import") {
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
