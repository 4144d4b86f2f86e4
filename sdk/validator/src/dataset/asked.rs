//! What the rules ask of a record: several often ask the same, and are answered once.

use super::key::{self, EACH, KeyDigest, digest};
use crate::{
    program::{Together, members, plain_text, scalar_within, short_word},
    record::{Pointer, Record, Scalar},
    rules::{Condition, all_hold},
};

/// Everything that is asked, each thing once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    filters: Vec<Vec<Condition>>,
    /// The same, for the members as they stand.
    together: Vec<Together>,
    keys: Vec<Vec<Pointer>>,
    /// The same, where each field is a member of its own.
    standing: Vec<Option<Box<[usize]>>>,
    /// The record's own members in which that stands.
    members: Vec<Asking>,
    /// Whether the record as a whole is asked for.
    is_whole: bool,
}

#[derive(Clone, Debug)]
struct Asking {
    name: Box<str>,
    begin: u64,
    by: Askers,
    /// Who of these asks for something within it.
    within: Askers,
}

/// A name with its first bytes as one word, by which nearly all names are told apart.
#[derive(Clone, Copy)]
struct Name<'n> {
    name: &'n [u8],
    begin: u64,
}

impl<'n> Name<'n> {
    #[inline]
    fn of(name: &'n [u8]) -> Self {
        Self { name, begin: short_word(name) }
    }
}

impl Asking {
    #[inline]
    fn is(&self, Name { name, begin }: Name<'_>) -> bool {
        let known = self.name.as_bytes();
        self.begin == begin && known.len() == name.len() && (name.len() <= 8 || known == name)
    }
}

/// Who asks: what is asked for a reference only, need not be there where that is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Askers(u64);

impl Askers {
    /// Of every record.
    pub const ALL: Self = Self(1);

    /// A reference by its place, of records that refer.
    pub const fn referring(place: usize) -> Self {
        Self(2 << if place < 31 { place } else { 30 })
    }

    /// The same of records that are referred to.
    pub const fn referred(place: usize) -> Self {
        Self(1 << 32 << if place < 32 { place } else { 31 })
    }

    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    fn meet(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct FilterId(usize);

#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyId(usize);

impl Asked {
    /// Whether these hold for certain.
    pub fn filter(&mut self, by: Askers, conditions: Vec<Condition>) -> FilterId {
        self.fields(by, conditions.iter().flat_map(Condition::fields));
        let filter = place(&mut self.filters, conditions);
        if filter == self.together.len() {
            let fields = self.filters[filter].iter().flat_map(Condition::fields);
            let at = |name: &str| self.member(name);
            let places = fields
                .filter_map(|field| Some((field.clone(), u8::try_from(field.tokens().next().and_then(at)?).ok()?)));
            let places: Vec<(Pointer, u8)> = places.collect();
            self.together.push(Together::of(&self.filters[filter], &places));
        }
        FilterId(filter)
    }

    /// What stands at these, as a key.
    pub fn key(&mut self, by: Askers, fields: &[Pointer]) -> KeyId {
        self.fields(by, fields);
        let key = place(&mut self.keys, fields.to_vec());
        if key == self.standing.len() {
            let member = |field: &Pointer| match field.tokens().collect::<Vec<_>>()[..] {
                [name] => self.member(name),
                _ => None,
            };
            self.standing.push(fields.iter().map(member).collect());
        }
        KeyId(key)
    }

    /// Which cell of a row gives each member, of rows whose cells stand at these paths. None where the row itself has to be read.
    pub fn cells(&self, paths: &[Vec<String>]) -> Option<Box<[Option<usize>]>> {
        let cell = |member: &Asking| {
            let gives = |path: &Vec<String>| path.first().is_some_and(|name| **name == *member.name);
            match paths.iter().position(gives) {
                Some(at) if paths[at].len() > 1 => None,
                cell => Some(cell),
            }
        };
        if self.is_whole { None } else { self.members.iter().map(cell).collect() }
    }

    /// The record's own members of which these ask, and none for each that others ask for; nothing where it is asked of the record as
    /// a whole.
    pub fn names(&self, by: Askers) -> Option<impl Iterator<Item = Option<&str>>> {
        (!self.is_whole).then(|| self.members.iter().map(move |member| member.by.meet(by).then_some(&*member.name)))
    }

    fn member(&self, name: &str) -> Option<usize> {
        let name = Name::of(name.as_bytes());
        self.members.iter().position(|known| known.is(name))
    }

    /// What stands at these as it is.
    pub fn fields<'f>(&mut self, by: Askers, fields: impl IntoIterator<Item = &'f Pointer>) {
        fields.into_iter().for_each(|field| self.field(by, field));
    }

    fn field(&mut self, by: Askers, field: &Pointer) {
        let mut tokens = field.tokens();
        // Each item of the record itself is the record as a whole.
        let Some(name) = tokens.next().filter(|name| *name != EACH) else {
            self.is_whole = true;
            return;
        };
        let is_within = tokens.next().is_some();
        match self.members.iter_mut().find(|known| *known.name == *name) {
            Some(known) => {
                known.by = known.by.and(by);
                known.within = if is_within { known.within.and(by) } else { known.within };
            }
            None => {
                let begin = Name::of(name.as_bytes()).begin;
                let within = if is_within { by } else { Askers::default() };
                self.members.push(Asking { name: name.into(), begin, within, by });
            }
        }
    }
}

/// Its place, among which it is from now on.
fn place<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter().position(|known| *known == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}

/// Room for the answers of one record, used again for the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    holds: Vec<Option<bool>>,
    digests: Vec<Option<Option<KeyDigest>>>,
    spelled: Vec<u8>,
}

/// What one record answers.
pub(super) struct Answers<'a> {
    asked: &'a Asked,
    pub record: &'a dyn Record,
    /// The same, where its members are known as they stand.
    standing: Option<&'a Standing<'a>>,
    room: &'a mut Room,
}

impl<'a> Answers<'a> {
    pub fn of(asked: &'a Asked, record: &'a dyn Record, room: &'a mut Room) -> Self {
        room.holds.clear();
        room.holds.resize(asked.filters.len(), None);
        room.digests.clear();
        room.digests.resize(asked.keys.len(), None);
        Self { asked, record, standing: None, room }
    }

    pub fn of_standing(standing: &'a Standing<'a>, room: &'a mut Room) -> Self {
        Self { standing: Some(standing), ..Self::of(standing.asked, standing, room) }
    }

    pub fn holds(&mut self, FilterId(filter): FilterId) -> bool {
        *self.room.holds[filter].get_or_insert_with(|| {
            let told =
                self.standing.and_then(|standing| self.asked.together[filter].hold(standing.record, standing.places));
            told.unwrap_or_else(|| all_hold(&self.asked.filters[filter], self.record))
        })
    }

    /// None where a field is absent or not a scalar.
    pub fn key(&mut self, KeyId(key): KeyId) -> Option<KeyDigest> {
        let Room { digests, spelled, .. } = &mut *self.room;
        *digests[key].get_or_insert_with(|| {
            let standing = self.standing.zip(self.asked.standing[key].as_ref());
            standing
                .and_then(|(record, members)| record.key(members, spelled))
                .or_else(|| digest(self.record, &self.asked.keys[key], spelled))
        })
    }
}

/// A record by the members of which is asked.
pub(super) struct Standing<'a> {
    asked: &'a Asked,
    record: &'a [u8],
    /// Where each stands; an empty place of what is not there.
    places: &'a [(u32, u32)],
}

impl<'a> Standing<'a> {
    /// Of a record that is well-formed and has no name twice. None where its members as they stand do not tell all that is asked.
    pub fn of(asked: &'a Asked, by: Askers, record: &'a [u8], places: &'a mut Vec<(u32, u32)>) -> Option<Self> {
        if asked.is_whole {
            return None;
        }
        places.clear();
        places.resize(asked.members.len(), (0, 0));
        let is_meant = |member: &&Asking| member.by.meet(by);
        let (mut missing, mut is_within) = (asked.members.iter().filter(is_meant).count(), false);
        members(record, |name, from, to| {
            let name = Name::of(name);
            let found = asked.members.iter().position(|known| known.is(name));
            if let Some(at) = found.filter(|at| asked.members[*at].by.meet(by)) {
                places[at] = (from, to);
                is_within |= asked.members[at].within.meet(by);
                missing -= 1;
            }
            missing > 0 && !is_within
        })?;
        (!is_within).then_some(Self { asked, record, places })
    }
}

impl<'a> Standing<'a> {
    /// Of a record of which it is known where each of the members stands that are asked for. None where they do not tell all.
    pub fn of_members(asked: &'a Asked, by: Askers, record: &'a [u8], places: &'a [(u32, u32)]) -> Option<Self> {
        let mut all = asked.members.iter().zip(places);
        let is_told = all.all(|(member, (from, to))| from == to || !member.within.meet(by));
        is_told.then_some(Self { asked, record, places })
    }

    /// Of a row by its cells, as JSON spells them. None where they do not tell all that is asked.
    pub fn of_row(
        (asked, by): (&'a Asked, Askers),
        cells: &[Option<usize>],
        (spelled, cell): (&'a [u8], impl Fn(usize) -> (u32, u32)),
        places: &'a mut Vec<(u32, u32)>,
    ) -> Option<Self> {
        places.clear();
        places.extend(cells.iter().map(|at| at.map_or((0, 0), &cell)));
        let mut all = asked.members.iter().zip(&*places);
        let is_told = all.all(|(member, (from, to))| from == to || !member.within.meet(by));
        is_told.then_some(Self { asked, record: spelled, places })
    }
}

impl Standing<'_> {
    /// A member as it is written; nothing where it is not there.
    fn spelled(&self, at: usize) -> &[u8] {
        let (from, to) = self.places[at];
        &self.record[from as usize..to as usize]
    }

    /// None where a value is not a scalar that means what is written.
    fn key(&self, members: &[usize], spelled: &mut Vec<u8>) -> Option<KeyDigest> {
        key::of(
            members.iter().map(|at| match self.spelled(*at) {
                text @ [b'"', ..] => plain_text(text).map(|text| (b't', text)),
                number @ [b'-' | b'0'..=b'9', ..] => Some((b'n', number)),
                _ => None,
            }),
            spelled,
        )
    }
}

impl Record for Standing<'_> {
    fn get(&self, pointer: &Pointer) -> Option<Scalar<'_>> {
        let name = pointer.tokens().next()?;
        let spelled = self.spelled(self.asked.member(name)?);
        if spelled.is_empty() { None } else { scalar_within(spelled, []) }
    }
}
