//! Any bytes as `mirror/held`, what a mirror believes of the log that it follows.
//!
//! They are tried as the file, and as what stands in it behind a first line with their digest, since nearly all else ends at that.
//! What is taken is written the same way again, and its edge, where it has come so far, is that of its checkpoint.

use guiju::{
    HeldLog,
    tlog::{Checkpoint, Edge, Hash, KeyHistory, SigningKey},
};
use guiju_model::Digest;
use guiju_server::{Held, Part, Walk};

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for text in [text.to_string(), sealed(&text)] {
        let Some(held) = Held::of_text(&text) else { continue };
        let (checkpoint, edge) = (&held.log.checkpoint, &held.walk.edge);
        assert!(edge.size() <= checkpoint.size, "it was followed beyond its end");
        assert!(edge.size() < checkpoint.size || edge.root() == checkpoint.root, "an edge of another tree");
        let again = Held::of_text(&held.to_text());
        assert_eq!(again.as_ref(), Some(&held), "it was written otherwise than it is read");
    }
}

/// Behind the line that says that it is whole.
fn sealed(text: &str) -> String {
    format!("{}\n{text}", Digest::of(text.as_bytes()))
}

/// Whether it is taken, so that a seed tries more than the door.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn is_taken(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    Held::of_text(&text).or_else(|| Held::of_text(&sealed(&text))).is_some()
}

/// As a mirror writes it that has followed a log to an index, without the first line.
#[allow(dead_code)] // the libFuzzer target has no use for it
pub fn honest(size: u64, followed: u64) -> Vec<u8> {
    let key = |number: u8| SigningKey::from_seed("example.org/log", &[number; 32]).expect("a key").verifier();
    let edge_at = |size: u64| {
        let mut edge = Edge::default();
        (0..size).for_each(|index| edge.push(Hash::of_entry(&index.to_be_bytes())));
        edge
    };
    let checkpoint = Checkpoint { origin: "example.org/log".into(), size, root: edge_at(size).root() };
    let part = |text: &str| Part::of_text(text).expect("a part");
    let taken = match followed < size {
        true => [(part("bj.water"), followed + 3), (part("cn.codes/colour"), followed)].into(),
        false => [(part("*"), followed)].into(),
    };
    let walk = Walk { edge: edge_at(followed), taken, own: vec!["bj.own".parse().expect("a namespace")] };
    let keys = KeyHistory::remembered(key(7), vec![(1, key(8))]).expect("a history");
    let held = Held { log: HeldLog { keys, checkpoint }, walk };
    let text = held.to_text();
    text.split_once('\n').map_or(Vec::new(), |(_, text)| text.into())
}
