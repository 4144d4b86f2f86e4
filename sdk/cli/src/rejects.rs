//! `--rejects`: what conforms, what does not, and why, as files to work on.
//!
//! # Invariants
//! - Records are copied byte for byte from the source, in its encoding and with its line ends, and each goes to exactly one
//!   of the two files; the header of a table, and what stands before the first record, goes to both.
//! - Items of a JSON array are copied as they stand, in UTF-8; between them stands a line end.
//! - The source is read once more beside the check, or after it where rules between records may still refuse one that was
//!   read long ago: memory does not grow with it.
//! - No input is ever written over.
//! - Of an input in which no record could be judged no file is left.
//! - Each of the three files has its name only once it is whole, also where the program is killed: half a table looks like a whole
//!   one. Where one cannot be written to its end, none of them is left, nor those of an earlier run.

use crate::{failure::Failure, inputs::Job, terminal::Lang};
use guiju::readers::{self, Checked, Format, ReadOptions};
use guiju_model::{Finding, Place};
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

pub struct Rejects {
    folder: PathBuf,
    lang: Lang,
    taken: HashSet<String>,
    inputs: HashSet<PathBuf>,
}

/// The three files of one input.
pub struct Sink {
    source: BufReader<File>,
    spooled: Option<File>,
    conforming: Written,
    rejected: Written,
    errors: csv::Writer<NamedTempFile>,
    errors_path: PathBuf,
    lang: Lang,
    mode: Mode,
    /// Items of an array whose verdict is not final, each after its length.
    kept: Option<BufWriter<File>>,
    /// The line that is read next, from 1.
    line: u64,
    /// Where lines go now; `None`: to both.
    is_conforming: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Lines,
    Array,
}

struct Written {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
    items: u64,
}

impl Rejects {
    pub fn into(folder: &Path, jobs: &[Job], lang: Lang) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| Failure::file("written", folder.display(), &error))?;
        let inputs = jobs.iter().filter_map(|job| fs::canonicalize(job.path.as_ref()?).ok()).collect();
        Ok(Self { folder: folder.to_owned(), lang, taken: HashSet::new(), inputs })
    }

    /// `options`: how the input is read.
    pub fn open(&mut self, job: &Job, options: &ReadOptions) -> Result<Sink, Failure> {
        let (source, spooled) = match &job.path {
            Some(path) => (File::open(path).map_err(|error| Failure::file("read", path.display(), &error))?, None),
            None => {
                let fault = |error: io::Error| Failure::file("kept for a second reading", "standard input", &error);
                let (source, spooled) = spool().map_err(fault)?;
                (source, Some(spooled))
            }
        };
        let (stem, extension) = self.name(job);
        let path = |part: &str| self.free(format!("{stem}.{part}.{extension}"));
        let errors_path = self.free(format!("{stem}.errors.csv"))?;
        let (conforming, rejected) = (path("conforming")?, path("rejected")?);
        let mut sink = Sink {
            mode: Mode::Lines,
            source: BufReader::with_capacity(1 << 16, source),
            spooled,
            kept: None,
            conforming: Written::create(conforming)?,
            rejected: Written::create(rejected)?,
            errors: errors(&errors_path)?,
            errors_path,
            lang: self.lang,
            line: 1,
            is_conforming: None,
        };
        // Of what is no text nothing is told, and so nothing copied.
        if readers::format_of(&mut sink.source, options).is_ok_and(|format| format == Format::JsonArray) {
            sink.mode = Mode::Array;
        }
        sink.source.rewind().map_err(|error| Failure::file("read", &job.name, &error))?;
        Ok(sink)
    }

    /// The path of a file to write, where it is no input.
    fn free(&self, name: String) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        match fs::canonicalize(&path).is_ok_and(|path| self.inputs.contains(&path)) {
            true => Err(Failure::new(format!("`{}` is an input, and would be written over", path.display()))
                .hint("name another folder with --rejects")),
            false => Ok(path),
        }
    }

    /// Names for the files of an input, of which no other input has the like.
    fn name(&mut self, job: &Job) -> (String, String) {
        let path = job.path.as_deref().unwrap_or(Path::new("standard-input.txt"));
        let part = |part: Option<&std::ffi::OsStr>, or: &str| {
            part.map_or(or.to_owned(), |text| text.to_string_lossy().into_owned())
        };
        let (stem, extension) = (part(path.file_stem(), "input"), part(path.extension(), "txt"));
        let mut name = stem.clone();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{stem}-{number}");
        }
        (name, extension)
    }
}

/// Standard input can be read once; what is kept can be read twice.
fn spool() -> io::Result<(File, File)> {
    let kept = NamedTempFile::new()?;
    io::copy(&mut io::stdin(), &mut kept.as_file())?;
    let (mut one, mut other) = (kept.reopen()?, kept.reopen()?);
    one.rewind()?;
    other.rewind()?;
    Ok((one, other))
}

/// A file beside the one that it becomes, which does not stay where it becomes none.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".guiju-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))
}

fn errors(path: &Path) -> Result<csv::Writer<NamedTempFile>, Failure> {
    let fault = |error: io::Error| Failure::file("written", path.display(), &error);
    let mut file = beside(path).map_err(fault)?;
    // Spreadsheets take a table without this mark for another encoding.
    file.write_all(b"\xef\xbb\xbf").map_err(fault)?;
    let mut table = csv::Writer::from_writer(file);
    let head = ["record", "line", "column", "path", "severity", "code", "message", "suggestion", "value"];
    table.write_record(head).map_err(|error| fault(of_table(error)))?;
    Ok(table)
}

/// What the system said, which `From` would wrap: a full disk has a name and a remedy.
fn of_table(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

impl Written {
    fn create(path: PathBuf) -> Result<Self, Failure> {
        let file = beside(&path).map_err(|error| Failure::file("written", path.display(), &error))?;
        Ok(Self { path, out: BufWriter::with_capacity(1 << 16, file), items: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(|error| Failure::file("written", self.path.display(), &error))
    }

    fn item(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write(if self.items == 0 { b"[\n" } else { b",\n" })?;
        self.items += 1;
        self.write(bytes)
    }

    /// The whole file, and the name that it is to have.
    fn finished(mut self, mode: Mode) -> Result<(NamedTempFile, PathBuf), Failure> {
        if mode == Mode::Array {
            self.write(if self.items == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        let Self { path, out, .. } = self;
        match out.into_inner() {
            Ok(file) => Ok((file, path)),
            Err(error) => Err(Failure::file("written", path.display(), error.error())),
        }
    }
}

impl Sink {
    /// For standard input, what was kept of it.
    pub fn spooled(&mut self) -> Option<File> {
        self.spooled.take()
    }

    /// Writes a record to where it belongs.
    pub fn put(&mut self, checked: &Checked<'_>) -> Result<(), Failure> {
        match self.mode {
            Mode::Array => self.item(checked.source, checked.report.conforms()),
            Mode::Lines => self.line(checked.line, checked.report.conforms()),
        }
    }

    /// Keeps a record until its verdict is final.
    pub fn keep(&mut self, checked: &Checked<'_>) -> Result<(), Failure> {
        if self.mode == Mode::Lines {
            return Ok(());
        }
        let fault = |error: io::Error| Failure::file("written", "a temporary file", &error);
        let kept = match &mut self.kept {
            Some(kept) => kept,
            kept => kept.insert(BufWriter::new(tempfile::tempfile().map_err(fault)?)),
        };
        kept.write_all(&checked.source.len().to_le_bytes()).map_err(fault)?;
        kept.write_all(checked.source).map_err(fault)
    }

    /// Writes the next of the records that were kept; `line` is the one on which it begins.
    pub fn put_kept(&mut self, line: u64, conforms: bool) -> Result<(), Failure> {
        match self.mode {
            Mode::Array => {
                let item = self.next_kept().map_err(|error| Failure::file("read", "a temporary file", &error))?;
                self.item(&item, conforms)
            }
            Mode::Lines => self.line(line, conforms),
        }
    }

    fn next_kept(&mut self) -> io::Result<Vec<u8>> {
        if let Some(kept) = self.kept.take() {
            let mut file = kept.into_inner()?;
            file.rewind()?;
            self.source = BufReader::with_capacity(1 << 16, file);
        }
        let mut length = [0; size_of::<usize>()];
        self.source.read_exact(&mut length)?;
        let mut item = vec![0; usize::from_le_bytes(length)];
        self.source.read_exact(&mut item)?;
        Ok(item)
    }

    fn item(&mut self, item: &[u8], conforms: bool) -> Result<(), Failure> {
        if conforms { self.conforming.item(item) } else { self.rejected.item(item) }
    }

    fn line(&mut self, line: u64, conforms: bool) -> Result<(), Failure> {
        self.copy(line)?;
        self.is_conforming = Some(conforms);
        Ok(())
    }

    /// What comes behind the last record was not judged, so it does not count as conforming.
    pub fn refuse_rest(&mut self) -> Result<(), Failure> {
        match self.mode {
            Mode::Array => Ok(()),
            Mode::Lines => self.line(self.line + 1, false),
        }
    }

    /// Copies lines to where they belong, up to and without this one.
    fn copy(&mut self, until: u64) -> Result<(), Failure> {
        let mut line = Vec::new();
        while self.line < until {
            line.clear();
            let mut piece = self.source.by_ref().take(1 << 20);
            let read = piece.read_until(b'\n', &mut line);
            let count = read.map_err(|error| Failure::file("read a second time", "the source", &error))?;
            if count == 0 {
                return Ok(());
            }
            self.line += u64::from(line.ends_with(b"\n"));
            if self.is_conforming != Some(false) {
                self.conforming.write(&line)?;
            }
            if self.is_conforming != Some(true) {
                self.rejected.write(&line)?;
            }
        }
        Ok(())
    }

    /// Writes a line of the errors table for each finding; `record` from 1.
    pub fn tell(&mut self, record: u64, first_line: u64, findings: &[Finding]) -> Result<(), Failure> {
        for finding in findings {
            let row = self.row(record, first_line, finding);
            let written = self.errors.write_record(row);
            written.map_err(|error| Failure::file("written", self.errors_path.display(), &of_table(error)))?;
        }
        Ok(())
    }

    fn row(&self, record: u64, first_line: u64, finding: &Finding) -> [String; 9] {
        let (line, column) = match &finding.place {
            Some(Place::Cell { line, column, .. }) => (*line, column.clone()),
            Some(Place::Text { line, column, .. }) => (*line, column.to_string()),
            None => (first_line, String::new()),
        };
        [
            record.to_string(),
            line.to_string(),
            column,
            finding.path.clone(),
            finding.severity.as_str().into(),
            finding.code.to_string(),
            self.lang.of(&finding.message).into(),
            finding.suggestion.as_ref().map_or("", |text| self.lang.of(text)).into(),
            finding.value.as_deref().unwrap_or_default().into(),
        ]
    }

    pub fn close(mut self) -> Result<(), Failure> {
        if self.mode == Mode::Lines {
            self.copy(u64::MAX)?;
        }
        let Self { conforming, rejected, errors, errors_path, mode, .. } = self;
        let errors = match errors.into_inner() {
            Ok(file) => file,
            Err(error) => return Err(Failure::file("written", errors_path.display(), error.error())),
        };
        // All are whole before the first has its name.
        let all = [(errors, errors_path), rejected.finished(mode)?, conforming.finished(mode)?];
        let mut named: Vec<PathBuf> = Vec::new();
        for (file, path) in all {
            if let Err(fault) = file.persist(&path) {
                // What failed is said; that it could not be tidied up would say no more.
                named.iter().for_each(|path| drop(fs::remove_file(path)));
                return Err(Failure::file("written", path.display(), &fault.error));
            }
            named.push(path);
        }
        Ok(())
    }
}
