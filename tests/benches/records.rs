//! Records for the benches, the same on every machine: shapes of real data, a stated share of which fail.

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

impl Shape {
    /// NDJSON of about `bytes` bytes, of whose records about `failing` in a thousand do not conform.
    pub fn ndjson(&self, bytes: usize, failing_per_mille: u64) -> Vec<u8> {
        let mut dice = Dice::new(20_261_123);
        let mut out = Vec::with_capacity(bytes + 2048);
        while out.len() < bytes {
            let fails = dice.below(1000) < failing_per_mille;
            out.extend_from_slice((self.write)(&mut dice, fails).as_bytes());
            out.push(b'\n');
        }
        out
    }

    pub fn schema(&self) -> Vec<u8> {
        let path = format!("{}/benches/data/{}/schema.json", env!("CARGO_MANIFEST_DIR"), self.name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
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
            r#""point":{{"lon":116.{},"lat":39.{},"crs":"EPSG:4490"}},"phones":["1{}{}"],"tags":["常住","{}"]}}"#
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
