//! One record through the engine and the plan, and what comes of it.

use crate::{
    codes,
    compile::Judging,
    dataset::{DataSet, DataSetRules, Reading, Scope, Shares},
    explain::{self, Hit},
    json::{self, DEPTH_MAX, Document, Node, Places, escape},
    nearest::nearest,
    plan::{Engine, Plan},
    program::{ABREAST, Cut, Doubt, Memory, Program, Row, Sign, Span, Spans, StateId, Step, What, Within},
    survey::{SchemaId, Way},
};
use guiju_model::{CodeList, Date, Digest, Finding, Report, Resolution, Severity, StandardId, Unlisted};
use semver::Version;
use serde_json::{Value, json};
use std::{
    array,
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::{Arc, OnceLock},
};

/// How one record is checked.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// "Today", for what asks: a date in the future, a code valid now. None: such questions are not judged.
    pub reference_date: Option<Date>,
    /// Findings listed; all are counted.
    pub findings_max: usize,
    /// Puts offending values into findings.
    pub with_values: bool,
    pub record_bytes_max: usize,
    /// Nesting; at most 256, so that no stack is exhausted.
    pub depth_max: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { reference_date: None, findings_max: 100, with_values: false, record_bytes_max: 1 << 20, depth_max: 128 }
    }
}

/// A field of the record, for readers of tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// JSON Pointer from the record's root.
    pub pointer: String,
    pub title_en: Option<String>,
    pub title_zh: Option<String>,
    /// Other header names for it.
    pub synonyms: Vec<String>,
    /// JSON types it may have; empty: any.
    pub types: Vec<String>,
    /// For an array, the types of its items.
    pub item_types: Vec<String>,
    pub null_words: Vec<String>,
    pub input_formats: Vec<String>,
    /// Whether every record has it, whatever else it has; told of the record's own members only.
    pub is_required: bool,
}

/// A standard, compiled.
pub struct Validator {
    subject: Arc<Resolution>,
    judge: Judge,
    fields: Vec<Field>,
    data_set: DataSetRules,
}

enum Judge {
    Record { engine: Box<Judging>, plan: Box<Plan>, program: Box<Program>, leaves: Box<Leaves> },
    List(Box<CodeList>),
}

impl Validator {
    pub(crate) fn of_record(
        subject: Resolution,
        engine: Judging,
        plan: Plan,
        mut program: Program,
        leaves: Leaves,
        data_set: DataSetRules,
    ) -> Self {
        if let Some(names) = data_set.asked(&subject.standard) {
            program.ask_for(names);
        }
        let mut fields = Vec::new();
        gather_fields(&plan, plan.survey.root, "", 0, &mut fields);
        let (engine, plan, program, leaves) = (Box::new(engine), Box::new(plan), Box::new(program), Box::new(leaves));
        Self { subject: Arc::new(subject), judge: Judge::Record { engine, plan, program, leaves }, fields, data_set }
    }

    pub(crate) fn of_list(subject: Resolution, list: CodeList) -> Self {
        Self {
            subject: Arc::new(subject),
            judge: Judge::List(Box::new(list)),
            fields: Vec::new(),
            data_set: DataSetRules::default(),
        }
    }

    pub fn standard(&self) -> &StandardId {
        &self.subject.standard
    }

    pub fn version(&self) -> &Version {
        &self.subject.version
    }

    pub fn digest(&self) -> Digest {
        self.subject.digest
    }

    /// The record's fields in order of their names, members of nested objects behind their parent.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What must hold between records; empty for most standards.
    pub fn data_set_rules(&self) -> &DataSetRules {
        &self.data_set
    }

    /// An empty data set of this standard, to be fed record by record.
    pub fn data_set(&self) -> DataSet<'_> {
        let Resolution { standard, version, .. } = &*self.subject;
        // The rules of a bare schema are named by their pointers alone.
        let document = if standard.is_bare() { "#".into() } else { format!("{standard}@{version}#") };
        DataSet::new(&self.data_set, Some(standard.clone())).of_document(document)
    }

    /// Keeps what the rules between records read of this one. Nothing of bytes that are no JSON.
    pub fn share_of_bytes(&self, record: &[u8], scope: Scope, shares: &mut Shares) {
        shares.push_bytes(self.reading(scope), record);
    }

    /// The same of bytes in which nothing was found, so that they need not be read anew.
    pub fn share_of_clean_bytes(&self, record: &[u8], scope: Scope, shares: &mut Shares) {
        shares.push_clean_bytes(self.reading(scope), record);
    }

    /// The same of a record that was judged, by where its members stand; whether that tells it. If not, its bytes do.
    pub fn share_of_members(&self, record: &[u8], members: Members<'_>, scope: Scope, shares: &mut Shares) -> bool {
        let places = members.memory.members(members.lane);
        places.is_some_and(|places| shares.push_members(self.reading(scope), record, places))
    }

    /// The same of a row: its cells as JSON spells them, and where the value of each stands, an empty place of none. Whether these
    /// tell it; if not, its bytes do.
    pub fn share_of_row(
        &self,
        shape: &RowShape,
        row: (&[u8], impl Fn(usize) -> (u32, u32)),
        scope: Scope,
        shares: &mut Shares,
    ) -> bool {
        shape.kept.as_ref().is_some_and(|cells| shares.push_row(self.reading(scope), cells, row))
    }

    fn reading(&self, scope: Scope) -> Reading<'_> {
        Reading { rules: &self.data_set, own: Some(&self.subject.standard), scope }
    }

    /// A report without findings yet, for what readers find before there is a record.
    pub fn empty_report(&self) -> Report {
        Report::against(self.subject.clone())
    }

    /// Checks one JSON document. The same bytes and options give the same report, byte for byte.
    pub fn check(&self, record: &[u8], options: &CheckOptions) -> Report {
        self.checker().check(record, options)
    }

    /// The program that this standard became, as text for people.
    pub fn inspect(&self) -> String {
        match &self.judge {
            Judge::Record { program, .. } => program.to_string(),
            Judge::List(list) => format!("a code list of {} rows\n", list.rows().len()),
        }
    }

    /// What rows of a table are to this standard whose cells stand at these paths (names on the way down, in their order; none
    /// the beginning of another). None where rows have to be written as records first.
    pub fn row_shape(&self, paths: &[Vec<String>]) -> Option<RowShape> {
        match &self.judge {
            Judge::Record { program, .. } => {
                let kept = self.data_set.cells(paths);
                program.row(paths).map(|row| RowShape { row, kept })
            }
            Judge::List(_) => None,
        }
    }

    /// For many records, one after another.
    pub fn checker(&self) -> Checker<'_> {
        let memory = match &self.judge {
            Judge::Record { program, .. } => Memory::of(program),
            Judge::List(_) => Memory::default(),
        };
        // Threads that shared one over and over would wait for each other.
        let against = Arc::new(Resolution::clone(&self.subject));
        Checker { validator: self, memory, told: Told::default(), against, spent: Vec::new() }
    }

    /// The same without the wide registers of this processor: what tests hold the other against.
    pub fn checker_plainly(&self) -> Checker<'_> {
        let mut checker = self.checker();
        checker.memory.read_plainly();
        checker
    }

    /// The same report by the exact road, even where the quick one would do: what tests hold that one against.
    pub fn check_exactly(&self, record: &[u8], options: &CheckOptions) -> Report {
        let mut report = self.empty_report();
        if record.len() > options.record_bytes_max {
            let (bytes, limit) = (record.len().to_string(), options.record_bytes_max.to_string());
            let finding = codes::finding("record-too-large", "", &[("bytes", &bytes), ("limit", &limit)]);
            report.push(finding, options.findings_max);
            return report;
        }
        let json::Read { document, faults, twice } = json::read(record, options.depth_max.min(DEPTH_MAX));
        let mut hits: Vec<Hit> = faults.into_iter().map(Hit::of_text).collect();
        let mut places = Places::new(record);
        match document {
            None => self.tell(None, "", hits, options, &mut places, &mut report),
            Some(mut document) => {
                document.reference_date = options.reference_date;
                if let Judge::Record { plan, .. } = &self.judge {
                    document.wording = plan.wording;
                }
                hits.extend(Hit::of_twice(&twice, &document));
                let beyond = self.judge(&document, &mut hits);
                self.tell(Some(&document), "", hits, options, &mut places, &mut report);
                beyond.into_iter().for_each(|more| report.count(more));
            }
        }
        report
    }

    /// Reports on a record of which all is proved but some values and members. None where the exact road has to be taken.
    fn check_doubts(
        &self,
        (record, lane, is_placed): (&[u8], u8, bool),
        memory: &Memory,
        options: &CheckOptions,
        (told, report): (&mut Told, &mut Report),
    ) -> Option<()> {
        let Judge::Record { program, plan, .. } = &self.judge else { return None };
        let mut places = Places::new(record);
        let mut room = 0;
        for doubt in memory.doubts.iter().filter(|doubt| doubt.record == lane) {
            let way = memory.way(doubt);
            let place = is_placed.then(|| places.of(doubt.at));
            // What the exact road might have no room for, it tells of itself.
            room += program.room(doubt, way, plan.wording);
            if room >= json::ROOM {
                return None;
            }
            let key = Key::of(program, doubt, way, record, options)?;
            let tell = || self.tell_doubt(record, doubt, &program.path(way), options);
            for finding in &*told.get_or_tell(key, tell)? {
                if report.findings.len() < options.findings_max {
                    report.push(Finding { place: place.clone(), ..finding.clone() }, options.findings_max);
                } else {
                    report.count(Unlisted { code: finding.code.clone(), severity: finding.severity, count: 1 });
                }
            }
        }
        Some(())
    }

    /// All that there is to say of a doubt; none where more than that was found.
    fn tell_doubt(&self, record: &[u8], doubt: &Doubt, path: &str, options: &CheckOptions) -> Option<Vec<Finding>> {
        let mut found = self.tell_alone(&record[doubt.from..doubt.to], doubt.state, path, options)?;
        match doubt.what {
            What::Value => return Some(found),
            What::Missing(_) => {
                let is_here = |finding: &Finding| {
                    finding.code == "required-missing"
                        && finding.path.rsplit_once('/').is_some_and(|(above, _)| above == path)
                };
                found.retain(is_here);
            }
            What::Stranger { name: (from, to), .. } => {
                let name = std::str::from_utf8(&record[from as usize..to as usize]).ok()?;
                let path = format!("{path}/{}", escape(name));
                found.retain(|finding| finding.path == path);
                if found.iter().any(|finding| finding.code != "undeclared-field") {
                    return None;
                }
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// All that is to be found at a value that stands alone.
    fn tell_alone(&self, value: &[u8], state: StateId, path: &str, options: &CheckOptions) -> Option<Vec<Finding>> {
        let Judge::Record { plan, program, leaves, .. } = &self.judge else { return None };
        let json::Read { document, faults, twice } = json::read(value, DEPTH_MAX);
        let mut document = document.filter(|_| faults.is_empty() && twice.is_empty())?;
        (document.reference_date, document.wording) = (options.reference_date, plan.wording);
        document.refuel();
        let errors: Vec<_> = leaves.engine(state, program, plan)?.iter_errors(document.root()).collect();
        if document.is_spent() {
            return None;
        }
        let mut hits = Vec::new();
        errors.iter().for_each(|error| explain::hits(plan, document.root(), error, &mut hits));
        let mut walk = Walk { plan, told: HashSet::new(), hits: &mut hits, beyond: BTreeMap::new() };
        document.refuel();
        program.schemas(state).iter().for_each(|schema| walk.schema(*schema, document.root()));
        if document.is_spent() || !walk.beyond.is_empty() {
            return None;
        }
        let options = CheckOptions { findings_max: usize::MAX, ..options.clone() };
        let mut report = self.empty_report();
        self.tell(Some(&document), path, hits, &options, &mut Places::new(value), &mut report);
        // Where that is more than a report lists, what is not listed has to be counted with all else that is wrong.
        report.unlisted.is_empty().then_some(report.findings)
    }

    /// Gives how many remarks there are beside those that there was room for.
    fn judge(&self, document: &Document<'_>, hits: &mut Vec<Hit>) -> Vec<Unlisted> {
        let (plan, engine, leaves) = match &self.judge {
            Judge::List(list) => {
                hits.extend(list_member(list, &self.subject.standard, document));
                return Vec::new();
            }
            Judge::Record { engine, plan, leaves, .. } => (plan, engine.engine(), leaves),
        };
        refusals((engine, leaves), plan, document, hits);
        if !plan.may_remark(plan.survey.root) {
            return Vec::new();
        }
        let mut walk = Walk { plan, told: HashSet::new(), hits, beyond: BTreeMap::new() };
        document.refuel();
        walk.schema(plan.survey.root, document.root());
        if document.is_spent() {
            walk.hits.push(Hit::new("record-too-costly", document.root()));
        }
        let counted = walk.beyond.into_iter();
        counted.map(|((code, severity), count)| Unlisted { code: code.into(), severity, count }).collect()
    }

    /// Puts findings in order: that of the record; what stands at one place, in the order of the standard.
    fn tell<'s>(
        &self,
        document: Option<&Document<'s>>,
        base: &str,
        mut hits: Vec<Hit>,
        options: &CheckOptions,
        places: &mut Places<'s>,
        report: &mut Report,
    ) {
        hits.sort_by(Hit::order);
        hits.dedup_by(|b, a| a.is_same(b));
        let plan = match &self.judge {
            Judge::Record { plan, .. } => Some(&**plan),
            Judge::List(_) => None,
        };
        let mut teller = explain::Teller { plan, document, places, with_values: options.with_values, base };
        for hit in hits {
            if report.findings.len() < options.findings_max {
                report.push(teller.finding(hit), options.findings_max);
            } else {
                report.count(Unlisted { code: hit.code().into(), severity: hit.severity(), count: 1 });
            }
        }
    }
}

/// Checks records one after another. What it learned of those before makes it faster, and never another verdict.
pub struct Checker<'v> {
    validator: &'v Validator,
    memory: Memory,
    told: Told,
    /// What reports are of, shared with no other checker.
    against: Arc<Resolution>,
    /// Empty ones of these, to be filled again.
    #[expect(clippy::vec_box, reason = "they are given out in their boxes")]
    spent: Vec<Box<Report>>,
}

/// So many reports are kept to be filled again: those of a batch of bad data, which come to less than a megabyte.
const SPENT_MAX: usize = 512;
/// Those with room for more findings are not.
const SPENT_FINDINGS_MAX: usize = 8;

/// Who is told of records, by their places among those judged together.
type Each<'e> = dyn FnMut(usize, Option<Box<Report>>, Members<'_>) + 'e;

/// Where in a record its members stand that rules between records read, if that was seen while it was judged.
#[derive(Clone, Copy, Debug)]
pub struct Members<'c> {
    memory: &'c Memory,
    /// Which of the records that were read together.
    lane: usize,
}

impl<'v> Checker<'v> {
    /// The same, which from now on keeps of each record where the members stand that rules between records read.
    pub fn keeping_members(mut self) -> Self {
        self.memory.keep_members();
        self
    }

    /// Where they stand in the record that was told last by itself.
    pub fn members(&self) -> Members<'_> {
        Members { memory: &self.memory, lane: 0 }
    }

    pub fn validator(&self) -> &'v Validator {
        self.validator
    }

    /// The same report as that of [`Validator::check`].
    pub fn check(&mut self, record: &[u8], options: &CheckOptions) -> Report {
        self.tell(record, options).map_or_else(|| self.validator.empty_report(), |report| *report)
    }

    /// The same, and none where nothing was found: for such a record nothing is allocated.
    pub fn tell(&mut self, record: &[u8], options: &CheckOptions) -> Option<Box<Report>> {
        self.tell_within(record, 0..record.len(), options)
    }

    /// The same of a record that stands among other bytes; where some dozens of them follow it, it need not be copied.
    pub fn tell_within(&mut self, bytes: &[u8], record: Range<usize>, options: &CheckOptions) -> Option<Box<Report>> {
        let record = Within { bytes, at: record };
        match self.quickly(&record, options) {
            Quick::Clean => None,
            Quick::Told(report) => Some(report),
            Quick::Unsure => Some(self.validator.check_exactly(record.own(), options)).filter(has_any).map(Box::new),
        }
    }

    /// The same of a row of a table, without its record: the cells' values stand in the bytes that are `spelled` as JSON, nothing
    /// behind a number that could be a part of it, and an empty cell is at `(0, 0)`. Findings have no places.
    pub fn tell_row(
        &mut self,
        shape: &RowShape,
        (bytes, spelled): (&[u8], Range<usize>),
        cells: &[Span],
        options: &CheckOptions,
    ) -> Quick {
        let Judge::Record { program, .. } = &self.validator.judge else { return Quick::Unsure };
        let (spelled, bounds) =
            (Within { bytes, at: spelled }, (options.depth_max.min(DEPTH_MAX), options.record_bytes_max));
        match program.proves_row(&shape.row, (&spelled, cells), options.reference_date, bounds, &mut self.memory) {
            true if self.memory.doubts.iter().all(|doubt| doubt.what == What::Value) => {
                self.told_of_doubts(spelled.own(), (0, false), options)
            }
            _ => Quick::Unsure,
        }
    }

    /// Cuts rows of a table that stand one behind another in the same bytes: where each of their cells ends, counted from the row's
    /// first byte, as far as there is room in `ends`. None where not some dozens of bytes follow them.
    pub fn cut(
        &self,
        bytes: &[u8],
        rows: &[Range<usize>; ABREAST],
        delimiter: u8,
        ends: &mut [[u32; ABREAST]],
    ) -> Option<[Cut; ABREAST]> {
        self.memory.cut(bytes, rows, delimiter, ends)
    }

    /// The same of several rows, each of whose cells stand side by side: of what is told of all together. What begins like a number
    /// may be none. A row of which it is unsure, or is not `asked`, has to be judged alone.
    pub fn tell_rows(
        &mut self,
        shape: &RowShape,
        (bytes, spelled): (&[u8], Range<usize>),
        (cells, asked): (&[Spans], [bool; ABREAST]),
        options: &CheckOptions,
    ) -> [Quick; ABREAST] {
        let Judge::Record { program, .. } = &self.validator.judge else { return [const { Quick::Unsure }; ABREAST] };
        let (spelled, bounds) =
            (Within { bytes, at: spelled }, (options.depth_max.min(DEPTH_MAX), options.record_bytes_max));
        let rows = (&spelled, cells, asked);
        let proved = program.proves_rows(&shape.row, rows, options.reference_date, bounds, &mut self.memory);
        if proved == [true; ABREAST] && self.memory.doubts.is_empty() {
            return [const { Quick::Clean }; ABREAST];
        }
        array::from_fn(|row| {
            let is_value = |doubt: &Doubt| usize::from(doubt.record) != row || doubt.what == What::Value;
            match proved[row] && self.memory.doubts.iter().all(is_value) {
                true => self.told_of_doubts(spelled.own(), (row as u8, false), options),
                false => Quick::Unsure,
            }
        })
    }

    fn quickly(&mut self, record: &Within<'_>, options: &CheckOptions) -> Quick {
        let Judge::Record { program, .. } = &self.validator.judge else { return Quick::Unsure };
        let (memory, depth_max) = (&mut self.memory, options.depth_max.min(DEPTH_MAX));
        memory.forget_members();
        let is_told = record.at.len() <= options.record_bytes_max
            && program.proves_all_but(record.clone(), options.reference_date, depth_max, memory);
        if !is_told {
            return Quick::Unsure;
        }
        if memory.doubts.is_empty() {
            return Quick::Clean;
        }
        // What an object lacks is seen at its end, and told at its beginning.
        memory.doubts.sort_by_key(|doubt| doubt.at);
        self.told_of_doubts(record.own(), (0, true), options)
    }

    /// Of the doubts about this one of the records that were read together, with the places of findings or without.
    fn told_of_doubts(&mut self, record: &[u8], (lane, is_placed): (u8, bool), options: &CheckOptions) -> Quick {
        if !self.memory.doubts.iter().any(|doubt| doubt.record == lane) {
            return Quick::Clean;
        }
        self.told.under(options);
        let mut report = self.spent.pop().unwrap_or_else(|| Box::new(Report::against(self.against.clone())));
        let about = (&mut self.told, &mut *report);
        let is_told = self.validator.check_doubts((record, lane, is_placed), &self.memory, options, about).is_some();
        if is_told && has_any(&report) {
            return Quick::Told(report);
        }
        self.take_back(report);
        if is_told { Quick::Clean } else { Quick::Unsure }
    }

    /// The same of records that stand one behind another in the same bytes, told in their order. Where they have the same members
    /// in the same order, a processor can work at all of them at once.
    #[inline]
    pub fn tell_abreast(
        &mut self,
        bytes: &[u8],
        records: &[Range<usize>; ABREAST],
        options: &CheckOptions,
        mut each: impl FnMut(usize, Option<Box<Report>>, Members<'_>),
    ) {
        match self.proves_abreast(bytes, records, options) {
            proved if proved == [true; ABREAST] && self.memory.doubts.is_empty() => {
                (0..ABREAST).for_each(|at| each(at, None, Members { memory: &self.memory, lane: at }));
            }
            proved => self.tell_apart(bytes, records, proved, options, &mut each),
        }
    }

    pub(crate) fn proves_abreast(
        &mut self,
        bytes: &[u8],
        records: &[Range<usize>; ABREAST],
        options: &CheckOptions,
    ) -> [bool; ABREAST] {
        match &self.validator.judge {
            Judge::Record { program, .. } if records.iter().all(|record| record.len() <= options.record_bytes_max) => {
                let depth_max = options.depth_max.min(DEPTH_MAX);
                program.proves_abreast(bytes, records, options.reference_date, depth_max, &mut self.memory)
            }
            _ => [false; ABREAST],
        }
    }

    /// What is left to say of records of which these are proved but for their doubts.
    fn tell_apart(
        &mut self,
        bytes: &[u8],
        records: &[Range<usize>; ABREAST],
        mut proved: [bool; ABREAST],
        options: &CheckOptions,
        each: &mut Each<'_>,
    ) {
        let mut reports = [const { None }; ABREAST];
        // First what is proved: judging one alone forgets the doubts of all.
        if self.memory.doubts.len() > 1 {
            self.memory.doubts.sort_by_key(|doubt| doubt.at);
        }
        let mut doubted = self.memory.doubts.iter().fold(0_u8, |lanes, doubt| lanes | 1 << doubt.record);
        while doubted != 0 {
            let at = doubted.trailing_zeros() as usize;
            doubted &= doubted - 1;
            if proved[at] {
                match self.told_of_doubts(&bytes[records[at].clone()], (at as u8, true), options) {
                    Quick::Clean => {}
                    Quick::Told(report) => reports[at] = Some(report),
                    Quick::Unsure => proved[at] = false,
                }
            }
        }
        for (at, record) in records.iter().enumerate() {
            // Of one that is told alone it is kept in the first place, of which nobody asks any more.
            let (report, place) = match proved[at] {
                true => (reports[at].take(), at),
                false => (self.tell_within(bytes, record.clone(), options), 0),
            };
            each(at, report, Members { memory: &self.memory, lane: place });
        }
    }

    /// Takes back a report that nobody needs any more: the next may be written into it, where it is one that was told here quickly.
    #[inline]
    pub fn take_back(&mut self, mut report: Box<Report>) {
        let is_own = Arc::ptr_eq(&report.against, &self.against);
        let is_small = report.findings.capacity() <= SPENT_FINDINGS_MAX && report.unlisted.capacity() == 0;
        if is_own && is_small && self.spent.len() < SPENT_MAX {
            report.clear();
            self.spent.push(report);
        }
    }

    /// Whether nothing at all is to be found, told without a report where it can be; false where a report would tell.
    pub fn is_clean(&mut self, record: &[u8], options: &CheckOptions) -> bool {
        let Judge::Record { program, .. } = &self.validator.judge else { return false };
        record.len() <= options.record_bytes_max
            && program.proves(
                Within { bytes: record, at: 0..record.len() },
                options.reference_date,
                options.depth_max.min(DEPTH_MAX),
                &mut self.memory,
            )
    }
}

/// Whether anything was found.
fn has_any(report: &Report) -> bool {
    report.errors + report.warnings + report.infos > 0
}

/// What the quick road says of a record.
#[derive(Debug)]
pub enum Quick {
    /// There is nothing to find.
    Clean,
    /// All that is to be found, which is something.
    Told(Box<Report>),
    /// The record itself has to be checked.
    Unsure,
}

/// What rows of a table are to a standard.
#[derive(Debug)]
pub struct RowShape {
    row: Row,
    /// The cells that rules between records read, where these tell all of it.
    kept: Option<Box<[Option<usize>]>>,
}

/// What was told of values that failed: in bad data the same value is wrong a thousand times, or in the same way.
#[derive(Default)]
struct Told {
    slots: Vec<Option<Remembered>>,
    /// What findings depend on beside the value.
    under: (Option<Date>, bool),
}

struct Remembered {
    state: StateId,
    way: Box<[Step]>,
    sign: Option<Sign>,
    value: Box<[u8]>,
    findings: Vec<Finding>,
}

/// What decides what is told of a value.
struct Key<'k> {
    state: StateId,
    way: &'k [Step],
    sign: Option<Sign>,
    /// The value itself where there is no sign; the name of a member that may not be there.
    value: &'k [u8],
}

/// One value a slot; another that falls into it takes its place.
const SLOTS: usize = 256;
/// Longer values are not remembered.
const REMEMBERED_BYTES_MAX: usize = 128;

impl<'k> Key<'k> {
    /// None where the exact road is to be taken.
    #[inline(always)]
    fn of(program: &Program, doubt: &Doubt, way: &'k [Step], record: &'k [u8], options: &CheckOptions) -> Option<Self> {
        let sign = match (doubt.what, options.with_values) {
            (What::Value, true) => None,
            (What::Stranger { .. }, true) => return None,
            // Which names were meant is known of the whole record alone.
            (What::Stranger { .. }, false) if !way.is_empty() => return None,
            _ => program.sign(doubt, record, options.reference_date),
        };
        let value = match doubt.what {
            What::Stranger { name: (from, to), .. } => &record[from as usize..to as usize],
            _ if sign.is_some() => &[],
            _ => &record[doubt.from..doubt.to],
        };
        Some(Self { state: doubt.state, way, sign, value })
    }

    fn is_of(&self, known: &Remembered) -> bool {
        // Where a sign says it all there is no value, and comparing two that hold nothing is dear: they lie nowhere.
        let is_same_value =
            || known.value.len() == self.value.len() && (self.value.is_empty() || *known.value == *self.value);
        known.state == self.state && known.sign == self.sign && is_same_value() && *known.way == *self.way
    }

    /// Whoever makes values fall into one slot gains nothing but to be told of each anew.
    fn slot(&self) -> usize {
        let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let way = self.way.iter().fold(0_u64, |way, (_, place)| way.rotate_left(7) ^ u64::from(*place));
        let sign = self.sign.map_or(0, Sign::word);
        let signed = mix(u64::from(self.state) ^ sign.rotate_left(24), way);
        (self.value.iter().fold(signed, |hash, byte| mix(hash, (*byte).into())) >> 32) as usize
    }
}

impl Told {
    fn under(&mut self, options: &CheckOptions) {
        let under = (options.reference_date, options.with_values);
        if self.slots.is_empty() || self.under != under {
            self.slots = (0..SLOTS).map(|_| None).collect();
            self.under = under;
        }
    }

    fn get_or_tell(&mut self, key: Key<'_>, tell: impl FnOnce() -> Option<Vec<Finding>>) -> Option<Cow<'_, [Finding]>> {
        if key.value.len() > REMEMBERED_BYTES_MAX {
            return tell().map(Cow::Owned);
        }
        let slot = self.slots.get_mut(key.slot() % SLOTS)?;
        if !slot.as_ref().is_some_and(|known| key.is_of(known)) {
            let Key { state, way, sign, value } = key;
            *slot = Some(Remembered { state, way: way.into(), sign, value: value.into(), findings: tell()? });
        }
        slot.as_ref().map(|known| Cow::Borrowed(known.findings.as_slice()))
    }
}

/// Engines that judge one value by itself, each made when a value of its state first fails.
pub(crate) struct Leaves {
    engines: Box<[OnceLock<Option<Engine>>]>,
    make: Box<MakeEngine>,
}

/// From a schema, which may refer to those of the standard.
pub(crate) type MakeEngine = dyn Fn(&Value) -> Option<Engine> + Send + Sync;

impl Leaves {
    pub fn new(states: usize, make: impl Fn(&Value) -> Option<Engine> + Send + Sync + 'static) -> Self {
        Self { engines: (0..states).map(|_| OnceLock::new()).collect(), make: Box::new(make) }
    }

    fn engine(&self, state: StateId, program: &Program, plan: &Plan) -> Option<&Engine> {
        let make = || {
            let all: Vec<Value> = program.schemas(state).iter().map(|schema| plan.reference(*schema)).collect();
            (self.make)(&json!({"allOf": all}))
        };
        self.engines.get(state as usize)?.get_or_init(make).as_ref()
    }
}

/// What the engine refuses. First whether it does: most records conform, and that is told without a word.
fn refusals((engine, leaves): (&Engine, &Leaves), plan: &Plan, document: &Document<'_>, hits: &mut Vec<Hit>) {
    document.refuel();
    let is_valid = engine.is_valid(document.root());
    if document.is_spent() {
        hits.push(Hit::new("record-too-costly", document.root()));
        return;
    }
    if is_valid {
        return;
    }
    document.refuel();
    let (errors, is_spent) = (engine.iter_errors(document.root()), document.is_spent());
    // What is found once the budget is spent is not true. Of what was found before, as much as there is room for is told.
    let told = hits.len();
    if document.is_full() || !is_spent {
        errors.filter(json::is_true).for_each(|error| explain::hits(plan, document.root(), &error, hits));
    }
    if is_spent {
        let nearest = if hits.len() == told { nearest(plan, document, &*leaves.make) } else { None };
        hits.push(explain::unexplained(document.root(), nearest));
    }
}

fn list_member(list: &CodeList, name: &StandardId, document: &Document<'_>) -> Option<Hit> {
    let root = document.root();
    let Some(text) = root.text() else {
        return Some(Hit::new("type-mismatch", root).with("expected", "string").with("found", root.type_name()));
    };
    let Some(code) = list.get(text) else {
        return Some(Hit::new("code-not-in-list", root).with("list", name));
    };
    let day: Date = document.reference_date.filter(|date| code.on(*date).is_none())?;
    let periods = crate::membership::periods(&code);
    Some(Hit::new("code-not-valid-on-date", root).with("list", name).with("date", day).with("periods", periods))
}

/// Looks along the record for what remarks without refusing.
struct Walk<'w> {
    plan: &'w Plan,
    told: HashSet<(SchemaId, u32)>,
    hits: &'w mut Vec<Hit>,
    /// What there was no room for.
    beyond: BTreeMap<(&'static str, Severity), u64>,
}

impl Walk<'_> {
    fn schema(&mut self, schema: SchemaId, node: Node<'_>) {
        if !self.plan.may_remark(schema) || !node.ask() || !self.told.insert((schema, node.at())) {
            return;
        }
        for remark in self.plan.owns[schema].remarks(node) {
            let has_room = node.keep_remark(remark.bytes());
            let hit = Hit::of_remark(remark, node);
            match has_room {
                true => self.hits.push(hit),
                false => *self.beyond.entry((hit.code(), hit.severity())).or_default() += 1,
            }
        }
        for (way, to) in &self.plan.survey.schemas[schema].ways {
            let applies = match way {
                Way::Always | Way::Dynamic => true,
                Way::Branch => self.plan.fits(*to, node),
                Way::Then => self.plan.may_remark(*to) && self.plan.condition_fits(schema, node),
                Way::Else => self.plan.may_remark(*to) && !self.plan.condition_fits(schema, node),
                Way::Dependent(name) => node.member(name).is_some(),
                _ => false,
            };
            if applies {
                self.schema(*to, node);
            }
        }
        self.below(schema, node);
    }

    fn below(&mut self, schema: SchemaId, node: Node<'_>) {
        let plan = self.plan;
        for (name, member) in node.members() {
            plan.for_member(schema, name).for_each(|to| self.schema(to, member));
        }
        for (place, item) in node.items().enumerate() {
            plan.for_item(schema, place).for_each(|to| self.schema(to, item));
            let contained = plan.survey.schemas[schema].ways.iter().filter(|(way, _)| *way == Way::Contains);
            contained.filter(|(_, to)| plan.fits(*to, item)).for_each(|(_, to)| self.schema(*to, item));
        }
    }
}

fn gather_fields(plan: &Plan, schema: SchemaId, prefix: &str, depth: usize, fields: &mut Vec<Field>) {
    if depth > 4 {
        return;
    }
    for (way, to) in &plan.survey.schemas[schema].ways {
        match way {
            Way::Member(name) => {
                let pointer = format!("{prefix}/{}", escape(name));
                if fields.len() >= FIELDS_MAX || fields.iter().any(|field| field.pointer == pointer) {
                    continue;
                }
                let is_required = prefix.is_empty() && plan.is_required(name);
                let mut field = Field { pointer: pointer.clone(), is_required, ..Field::default() };
                describe(plan, *to, &mut field);
                fields.push(field);
                gather_fields(plan, *to, &pointer, depth + 1, fields);
            }
            Way::Always => gather_fields(plan, *to, prefix, depth + 1, fields),
            _ => {}
        }
    }
}

/// A table has no more columns than that.
const FIELDS_MAX: usize = 2_000;

/// The nearest schema wins: a title beside a `$ref` is more telling than the title behind it, and stands for its synonyms
/// too, or else two fields of one type would share their column names.
fn describe(plan: &Plan, schema: SchemaId, field: &mut Field) {
    for schema in plan.together(schema) {
        let own = &plan.owns[schema];
        if field.title_en.is_none() && field.title_zh.is_none() {
            field.synonyms.extend(own.synonyms.iter().cloned());
        }
        if let Some(title) = &own.title {
            field.title_en.get_or_insert_with(|| title.en.clone());
            field.title_zh.get_or_insert_with(|| title.zh.clone());
        }
        field.null_words.extend(own.null_words.iter().cloned());
        field.input_formats.extend(own.input_formats.iter().cloned());
        if field.types.is_empty() {
            field.types = plan.types(schema).to_vec();
        }
        if field.item_types.is_empty() {
            let items = plan.for_item(schema, 0).flat_map(|items| plan.together(items));
            field.item_types =
                items.map(|items| plan.types(items).to_vec()).find(|types| !types.is_empty()).unwrap_or_default();
        }
    }
}
