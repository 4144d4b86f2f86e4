//! Records for the benches, the same on every machine: shapes of real data, a stated share of which fail.

#![allow(dead_code, reason = "each bench takes what it needs")]

use guiju_model::Report;
use guiju_validator::{ABREAST, CheckOptions, Checker, LineEnds};
use std::{
    ops::Range,
    path::{Path, PathBuf},
};

/// xorshift64*: enough spread for test data, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn date(&mut self) -> String {
        format!("{}-{:02}-{:02}", 1940 + self.below(80), 1 + self.below(12), 1 + self.below(28))
    }

    fn han(&mut self, count: u64) -> String {
        const HAN: &str = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎建国永华小明丽芳";
        let all: Vec<char> = HAN.chars().collect();
        (0..count).map(|_| all[self.below(all.len() as u64) as usize]).collect()
    }
}

/// Judges each line of a text, as many at once as may be, and tells in their order what was found.
pub fn judge(text: &[u8], checker: &mut Checker<'_>, options: &CheckOptions, mut each: impl FnMut(Option<&Report>)) {
    let (mut ends, mut from, mut told) = (LineEnds::of(text), 0, Vec::new());
    loop {
        let (mut lines, mut filled) = ([const { 0..0 }; ABREAST], 0);
        for (line, end) in lines.iter_mut().zip(&mut ends) {
            *line = from..end;
            (from, filled) = (end + 1, filled + 1);
        }
        if filled < ABREAST {
            let tell = |line: &Range<usize>| each(checker.tell_within(text, line.clone(), options).as_deref());
            return lines[..filled].iter().for_each(tell);
        }
        checker.tell_abreast(text, &lines, options, |_, report, _| {
            each(report.as_deref());
            told.extend(report);
        });
        told.drain(..).for_each(|report| checker.take_back(report));
    }
}

/// A shape: its name (also the folder of its schema) and how one record of it is written.
pub struct Shape {
    pub name: &'static str,
    write: fn(&mut Dice, bool) -> String,
}

pub const SHAPES: [Shape; 3] = [
    Shape { name: "resident", write: resident },
    Shape { name: "entity", write: entity },
    Shape { name: "reading", write: reading },
];

/// How the same record is spelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spelling {
    /// Members always in one order, no space.
    Stable,
    /// Members of the record in another order each time.
    Shuffled,
    /// A space after each comma and colon.
    Spaced,
    /// All but ASCII as `\uXXXX`.
    Escaped,
}

impl Shape {
    /// NDJSON of about `bytes` bytes, of whose records about `failing` in a thousand do not conform.
    pub fn ndjson(&self, spelling: Spelling, bytes: usize, failing_per_mille: u64) -> Vec<u8> {
        let mut dice = Dice::new(20_261_123);
        let mut out = Vec::with_capacity(bytes + 4096);
        while out.len() < bytes {
            let fails = dice.below(1000) < failing_per_mille;
            let record = (self.write)(&mut dice, fails);
            out.extend_from_slice(spelling.spell(record, &mut dice).as_bytes());
            out.push(b'\n');
        }
        out
    }

    /// Where its schema is.
    pub fn schema_path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/data").join(self.name).join("schema.json")
    }

    pub fn schema(&self) -> Vec<u8> {
        let path = self.schema_path();
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Spelling {
    fn spell(self, record: String, dice: &mut Dice) -> String {
        match self {
            Self::Stable => record,
            Self::Shuffled => shuffled(&record, dice),
            Self::Spaced => spaced(&record),
            Self::Escaped => escaped(&record),
        }
    }
}

/// Each character that stands outside of a string, with its place and the depth there.
fn structure(record: &str) -> impl Iterator<Item = (usize, u8, usize)> {
    let (mut depth, mut in_string) = (0_usize, false);
    // No record of ours has a quote or a backslash within a string.
    record.bytes().enumerate().filter_map(move |(at, byte)| {
        in_string ^= byte == b'"';
        match byte {
            _ if in_string => return None,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        Some((at, byte, depth))
    })
}

fn shuffled(record: &str, dice: &mut Dice) -> String {
    let commas = structure(record).filter(|(_, byte, depth)| (*byte, *depth) == (b',', 1)).map(|(at, ..)| at);
    let edges: Vec<usize> = [0].into_iter().chain(commas).chain([record.len() - 1]).collect();
    let mut members: Vec<&str> = edges.windows(2).map(|edge| &record[edge[0] + 1..edge[1]]).collect();
    for last in (1..members.len()).rev() {
        members.swap(last, dice.below(last as u64 + 1) as usize);
    }
    format!("{{{}}}", members.join(","))
}

fn spaced(record: &str) -> String {
    let mut out = String::with_capacity(record.len() + 64);
    let mut done = 0;
    for (at, ..) in structure(record).filter(|(_, byte, _)| matches!(byte, b',' | b':')) {
        out += &record[done..=at];
        out.push(' ');
        done = at + 1;
    }
    out + &record[done..]
}

fn escaped(record: &str) -> String {
    let spell = |letter: char| match letter.is_ascii() {
        true => letter.to_string(),
        false => letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    record.chars().map(spell).collect()
}

/// A table of the records of a file, one a row: members of an object within are columns of their own, items of an array are
/// parted by semicolons. All records have the members of the first.
pub fn table(ndjson: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ndjson.len());
    for (number, line) in ndjson.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let record: serde_json::Value = serde_json::from_slice(line).expect("records are JSON");
        let mut cells = Vec::new();
        flatten("", &record, &mut cells);
        let row = |cell: fn(&(String, String)) -> &str| cells.iter().map(cell).collect::<Vec<_>>().join(",");
        if number == 0 {
            out.extend_from_slice(row(|(name, _)| name).as_bytes());
            out.push(b'\n');
        }
        // No cell of ours has a comma or a quote in it.
        out.extend_from_slice(row(|(_, value)| value).as_bytes());
        out.push(b'\n');
    }
    out
}

fn flatten(name: &str, value: &serde_json::Value, cells: &mut Vec<(String, String)>) {
    use serde_json::Value;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Object(members) => {
            let below = |member: &String| if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
            members.iter().for_each(|(member, value)| flatten(&below(member), value, cells));
        }
        Value::Array(items) => cells.push((name.into(), items.iter().map(text).collect::<Vec<_>>().join(";"))),
        other => cells.push((name.into(), text(other))),
    }
}

fn resident(dice: &mut Dice, fails: bool) -> String {
    let sex = if fails { "男" } else { dice.pick(&["0", "1", "2", "9"]) };
    format!(
        concat!(
            r#"{{"record_id":"R{}","person_id":"{}","cert_type":"111","cert_no":"110105{}{}{}","name":"{}","sex":"{}","#,
            r#""birth_date":"{}","nationality":"CHN","ethnic":"{}","marital":"{}","education":"{}","#,
            r#""domicile_division":"1101{}","domicile_address":"北京市朝阳区{}街道{}号院{}号楼{}单元{}室","#,
            r#""house_code":"{}","reside_from":"{}","household_size":{},"income":{}.{},"#,
            r#""point":{{"lon":116.{},"lat":39.{},"crs":"EPSG:4490"}},"phones":["1{}{}"],"tags":["常住","{}","登记在册","社区网格服务对象","租住房屋","流动人口动态核查"]}}"#
        ),
        dice.digits(12),
        dice.digits(32),
        1940 + dice.below(80),
        dice.pick(&["0101", "0615", "1131"]),
        dice.digits(4),
        {
            let length = 2 + dice.below(2);
            dice.han(length)
        },
        sex,
        dice.date(),
        dice.pick(&["01", "02", "11", "56"]),
        dice.pick(&["10", "20", "21", "40"]),
        dice.pick(&["10", "20", "21", "60"]),
        dice.pick(&["01", "02", "05", "08"]),
        dice.han(3),
        dice.below(100),
        dice.below(40),
        dice.below(9),
        dice.below(2000),
        dice.digits(25),
        dice.date(),
        1 + dice.below(9),
        dice.below(90_000),
        dice.below(100),
        dice.digits(7),
        dice.digits(7),
        dice.pick(&["38", "59", "86"]),
        dice.digits(8),
        dice.han(2),
    )
}

fn entity(dice: &mut Dice, fails: bool) -> String {
    let industry = if fails { dice.digits(3) } else { dice.digits(4) };
    format!(
        concat!(
            r#"{{"record_id":"E{}","uscc":"91110{}","org_name":"北京{}科技有限公司","org_kind":"91","#,
            r#""reg_authority":"北京市{}区市场监督管理局","legal_rep_name":"{}","reg_capital":"{}.00","currency":"CNY","#,
            r#""estab_date":"{}","term_from":"{}","term_to":"{}","industry":"{}","#,
            r#""business_scope":"技术开发、技术咨询、技术服务；{}；销售电子产品、机械设备、通讯设备；{}；计算机系统服务；数据处理；组织文化艺术交流活动；会议服务；承办展览展示活动；企业管理咨询。","#,
            r#""reg_division":"1101{}","reg_address":"北京市{}区{}路{}号{}层{}","house_code":"{}","#,
            r#""op_house_codes":["{}","{}"],"employees":{},"status":"{}"}}"#
        ),
        dice.digits(12),
        dice.digits(13),
        dice.han(4),
        dice.han(2),
        dice.han(3),
        1 + dice.below(9_000_000),
        dice.date(),
        dice.date(),
        dice.date(),
        industry,
        dice.han(12),
        dice.han(16),
        dice.pick(&["01", "02", "05", "08"]),
        dice.han(2),
        dice.han(3),
        dice.below(300),
        dice.below(30),
        dice.digits(4),
        dice.digits(25),
        dice.digits(25),
        dice.digits(25),
        dice.below(5000),
        dice.pick(&["1", "2", "3"]),
    )
}

fn reading(dice: &mut Dice, fails: bool) -> String {
    let minute = if fails { 60 } else { dice.below(60) };
    format!(
        r#"{{"meter_no":"{}","read_at":"2026-{:02}-{:02}T{:02}:{:02}:00+08:00","reading_m3":{}.{},"read_kind":"{}"}}"#,
        dice.digits(12),
        1 + dice.below(12),
        1 + dice.below(28),
        dice.below(24),
        minute,
        dice.below(100_000),
        dice.digits(3),
        dice.pick(&["1", "2", "3"]),
    )
}
