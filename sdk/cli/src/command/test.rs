use crate::{
    context::Context,
    failure::{Answer, Failure, Verdict},
    shelf::Carried,
    terminal::counted,
};
use guiju::tree::{Sealed, Tree};
use guiju_model::{Bundle, Package};
use guiju_validator::{ExampleFault, judge_examples};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Hold standards against their own examples
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// A tree of standards, one standard, or one version folder
    #[arg(value_name = "DIR", default_value = "standards")]
    folder: PathBuf,
    /// Write what was found into the *.findings.txt of failing examples; look at the difference
    #[arg(long)]
    update: bool,
}

pub fn run(args: TestArgs, context: &Context) -> Answer {
    let tree = read(&args.folder)?;
    let (versions, examples) = (tree.packages.len(), tree.packages.iter().map(examples).sum::<usize>());
    let Sealed { versions: sealed, unsealed } = sealed(tree)?;
    let mut out = context.out();
    let mut failed = unsealed.len();
    let error = context.paint.error("error:");
    for fault in &unsealed {
        writeln!(out, "{error} `{}` {}: {}", fault.standard, fault.version, fault.why)?;
    }
    for (package, bundle) in &sealed {
        let faults = faults(package, bundle, args.update.then_some(&args.folder))?;
        failed += usize::from(!faults.is_empty());
        for fault in faults {
            writeln!(out, "{error} `{}` {}: {fault}", package.standard, package.version)?;
        }
    }
    let held = versions.saturating_sub(failed);
    let does = if held == 1 { "does what it announces" } else { "do what they announce" };
    let does_not = if failed == 1 { "does not" } else { "do not" };
    let (versions, examples) = (counted(versions, "version"), counted(examples, "example"));
    writeln!(out, "{versions} with {examples}: {held} {does}, {failed} {does_not}")?;
    out.flush()?;
    Ok(if failed == 0 { Verdict::Conforms } else { Verdict::DoesNot })
}

/// Reads a folder that must hold standards.
pub fn read(path: &Path) -> Result<Tree, Failure> {
    if !path.exists() {
        return Err(Failure::new(format!("there is no folder `{}`", path.display()))
            .hint("name a tree of standards, one standard, or one version folder; `guiju new` makes one"));
    }
    if path.is_file() {
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Err(Failure::new(format!("`{}` is a file", path.display())).hint(format!(
            "name the folder that it lies in, `{}`: a version is read with all its files",
            above.display()
        )));
    }
    let folder = Tree::read(path).map_err(|error| Failure::new(error.why).at(error.path.display()))?;
    match folder.packages.is_empty() {
        true => Err(Failure::new(format!("`{}` holds no standards", path.display()))
            .hint("a standard lies in namespace/name/ with a standard.toml and a folder for each version")),
        false => Ok(folder),
    }
}

/// Seals what was read; what it refers to is looked for in the same tree, then in the program.
pub fn sealed(tree: Tree) -> Result<Sealed, Failure> {
    tree.sealed(&Carried).map_err(|error| Failure::new(error.why).at(error.path.display()))
}

fn examples(package: &Package) -> usize {
    let is_example = |name: &&String| name.starts_with("examples/") && name.ends_with(".json");
    package.files.keys().filter(is_example).count()
}

fn faults(package: &Package, bundle: &Bundle, update: Option<&PathBuf>) -> Result<Vec<String>, Failure> {
    let faults = match judge_examples(bundle, package) {
        Ok(faults) => faults,
        Err(error) => return Ok(vec![error.to_string()]),
    };
    let mut left = Vec::new();
    for fault in faults {
        let updated = match update {
            Some(folder) => rewrite(folder, package, &fault)?,
            None => false,
        };
        if !updated {
            left.push(fault.to_string());
        }
    }
    Ok(left)
}

/// Writes what a failing example gives into the file beside it. A conforming one that fails is for its author to mend.
fn rewrite(folder: &Path, package: &Package, fault: &ExampleFault) -> Result<bool, Failure> {
    let (Some(found), true) = (&fault.found, fault.file.starts_with("examples/failing/")) else { return Ok(false) };
    let Some(version) = version_folder(folder, package) else { return Ok(false) };
    let path = version.join(format!("{}.findings.txt", fault.file.trim_end_matches(".json")));
    let before = fs::read_to_string(&path).unwrap_or_default();
    let comments: String =
        before.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let write = fs::write(&path, comments + found);
    write.map_err(|error| Failure::file("written", path.display(), &error)).map(|()| true)
}

fn version_folder(folder: &Path, package: &Package) -> Option<PathBuf> {
    let (namespace, name) = (package.standard.namespace().as_str(), package.standard.name().as_str());
    let version = package.version.to_string();
    let below = [
        folder.join(namespace).join(name).join(&version),
        folder.join(name).join(&version),
        folder.join(&version),
        folder.to_owned(),
    ];
    below.into_iter().find(|path| path.join("examples").is_dir())
}
