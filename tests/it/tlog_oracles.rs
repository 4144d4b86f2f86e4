//! Our notes, tiles and proofs in the hands of others: Go's `golang.org/x/mod/sumdb`, and two Rust crates.

use crate::support::root as workspace;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use guiju_tlog::{
    Checkpoint, Hash, Note, Proof, SigningKey, TILE_WIDTH, TilePath, Tree, hash_tile, prove_consistency,
    prove_inclusion, root, tiles_of,
};
use serde_json::{Value, json};
use signed_note::{StandardVerifier, VerifierList};
use std::{
    io::Write,
    process::{Command, Stdio},
};

const ORIGIN: &str = "registry.example.org/log";
const LARGEST: u64 = 65_900;

fn sizes() -> impl Iterator<Item = u64> {
    (1..=40).chain([255, 256, 257, 511, 512, 513, 1000, 4095, 65_535, 65_536, 65_537, 65_793, LARGEST])
}

/// A question and whether it must be answered with yes.
type Asked = (Value, bool);

#[test]
fn go_takes_what_we_sign_and_prove_and_nothing_else() {
    let tree: Tree = (0..LARGEST).map(leaf).collect();
    let questions: Vec<Asked> = sizes().flat_map(|size| asked(&tree, size)).collect();
    let answers = ask_go(questions.iter().map(|(question, _)| question));
    for ((question, expected), answer) in questions.iter().zip(&answers) {
        let mut shown = question.clone();
        shown["Tiles"] = Value::Null;
        assert_eq!(answer == "ok", *expected, "{answer}: {shown}");
        assert!(answer == "ok" || answer.starts_with("refused: "), "{answer}: {shown}");
    }
    let refused = questions.iter().filter(|(_, expected)| !expected).count();
    assert!(refused > 300 && questions.len() - refused > 200, "{refused} of {} are tampered with", questions.len());
}

#[test]
fn two_crates_take_what_we_sign_and_prove_and_nothing_else() {
    let tree: Tree = (0..LARGEST).map(leaf).collect();
    for (question, expected) in sizes().flat_map(|size| asked(&tree, size)) {
        let answer = match question["Do"].as_str().expect("a verb") {
            "note" => opened_by_crate(&question),
            "inclusion" => checked_by_crate(&question),
            "consistency" => grown_by_crate(&question),
            _ => continue,
        };
        assert_eq!(answer, expected, "{question}");
    }
}

/// A note that Go signs with a key of ours is the note that we sign.
#[test]
fn go_signs_as_we_do() {
    let text = checkpoint(7, Hash::of_nothing()).to_string();
    let mut note = Note::unsigned(text.clone()).expect("text");
    note.sign(&key());
    let question = json!({"Do": "sign", "Key": key().secret_text(), "Note": text});
    assert_eq!(ask_go([&question].into_iter()), [STANDARD.encode(note.to_string())]);
}

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[42; 32]).expect("a key")
}

fn leaf(index: u64) -> Hash {
    Hash::of_entry(format!("entry {index}").as_bytes())
}

fn checkpoint(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size, root }
}

/// What is asked about a tree of that size: each thing as it is, and with something changed.
fn asked(tree: &Tree, size: u64) -> Vec<Asked> {
    let head = root(tree, size).expect("a root");
    let mut note = Note::unsigned(checkpoint(size, head).to_string()).expect("text");
    note.sign(&key());
    note.cosign(&key(), 1_700_000_000);
    let note = note.to_string();
    let vkey = key().verifier().to_string();
    let about_note = |note: String| json!({"Do": "note", "Key": vkey, "Note": note});
    let other_signature = note.replacen("— registry.example.org/log ", "— registry.example.org/log A", 1);
    let mut asked = vec![
        (about_note(note.clone()), true),
        (about_note(note.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1)), false),
        (about_note(note.replacen(ORIGIN, "registry.example.com/log", 1)), false),
        (about_note(other_signature), false),
    ];
    let index = size * 2 / 3;
    let tiles: serde_json::Map<String, Value> = tiles_of(size)
        .map(|path| (path.to_string(), STANDARD.encode(hash_tile(tree, &path).expect("a tile")).into()))
        .collect();
    let about_tiles = |tiles: &serde_json::Map<String, Value>, leaf: Hash| json!({"Do": "tiles", "Key": vkey, "Note": note, "Tiles": tiles, "Index": index, "Leaf": leaf.to_string()});
    asked.push((about_tiles(&tiles, leaf(index)), true));
    asked.push((about_tiles(&tiles, leaf(index + 1)), false));
    let of_index = index / TILE_WIDTH;
    let width = TILE_WIDTH.min(size - of_index * TILE_WIDTH);
    let path = TilePath::hashes(0, of_index, width).expect("a path");
    let mut bytes = hash_tile(tree, &path).expect("a tile");
    let at = (index % TILE_WIDTH * 32 + size % 32) as usize;
    bytes[at] ^= 1 << (size % 8);
    let mut tampered = tiles.clone();
    tampered.insert(path.to_string(), STANDARD.encode(bytes).into());
    asked.push((about_tiles(&tampered, leaf(index)), false));
    for index in [0, index, size - 1] {
        let proof = prove_inclusion(tree, index, size).expect("a proof");
        let about = |proof: &Proof, index: u64, leaf: Hash| {
            json!({"Do": "inclusion", "Size": size, "Root": head.to_string(), "Index": index, "Leaf": leaf.to_string(),
                   "Proof": listed(proof)})
        };
        asked.push((about(&proof, index, leaf(index)), true));
        asked.push((about(&proof, index, leaf(size)), false));
        asked.extend(tampered_with(&proof).iter().map(|proof| (about(proof, index, leaf(index)), false)));
    }
    for old in [1, size / 2, size].into_iter().filter(|old| *old > 0) {
        let proof = prove_consistency(tree, old, size).expect("a proof");
        let was = root(tree, old).expect("a root");
        let about = |proof: &Proof, was: Hash| {
            json!({"Do": "consistency", "Size": size, "Root": head.to_string(), "Old": old, "Was": was.to_string(),
                   "Proof": listed(proof)})
        };
        asked.push((about(&proof, was), true));
        asked.push((about(&proof, leaf(size)), false));
        asked.extend(tampered_with(&proof).iter().map(|proof| (about(proof, was), false)));
    }
    asked
}

fn listed(proof: &Proof) -> Vec<String> {
    proof.0.iter().map(ToString::to_string).collect()
}

fn tampered_with(proof: &Proof) -> Vec<Proof> {
    let mut tampered = vec![Proof([proof.0.as_slice(), &[Hash::of_nothing()]].concat())];
    if let Some((last, rest)) = proof.0.split_last() {
        let mut bytes = *last.as_bytes();
        bytes[31] ^= 0x80;
        tampered.push(Proof([rest, &[Hash::from_bytes(bytes)]].concat()));
        tampered.push(Proof(rest.to_vec()));
    }
    tampered
}

/// Go and its module, as Debian packages them; `tests/run` installs both. Without them this fails.
fn ask_go<'a>(questions: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let (program, cache) = (workspace().join("tests/oracles/tlog/main.go"), workspace().join("target/go"));
    let mut go = Command::new("go");
    go.arg("run").arg(program).current_dir(workspace()).env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", std::path::absolute(cache).expect("a path")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = go.spawn().expect("go is not installed: run `bash tests/run`");
    let mut input = child.stdin.take().expect("a pipe");
    let lines: Vec<String> = questions.map(Value::to_string).collect();
    let count = lines.len();
    let writer = std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(input, "{line}")));
    let output = child.wait_with_output().expect("go ends");
    assert!(output.status.success(), "go or golang.org/x/mod is missing or broken: run `bash tests/run`");
    writer.join().expect("it was written").expect("it was read");
    let answers: Vec<String> = String::from_utf8(output.stdout).expect("text").lines().map(Into::into).collect();
    assert_eq!(answers.len(), count, "an answer for each question");
    answers
}

fn text<'q>(question: &'q Value, name: &str) -> &'q str {
    question[name].as_str().expect(name)
}

fn number(question: &Value, name: &str) -> u64 {
    question[name].as_u64().expect(name)
}

fn their_hash(text: &str) -> tlog_tiles::Hash {
    tlog_tiles::Hash::parse_hash(text).expect("a hash")
}

fn their_proof(question: &Value) -> Vec<tlog_tiles::Hash> {
    let proof = question["Proof"].as_array().expect("a proof").iter();
    proof.map(|hash| their_hash(hash.as_str().expect("a hash"))).collect()
}

fn opened_by_crate(question: &Value) -> bool {
    let verifier = StandardVerifier::new(text(question, "Key")).expect("a key");
    let Ok(note) = signed_note::Note::from_bytes(text(question, "Note").as_bytes()) else { return false };
    let signed = note.verify(&VerifierList::new(vec![Box::new(verifier)])).is_ok_and(|(signed, _)| signed.len() == 1);
    signed && tlog_tiles::Checkpoint::from_bytes(note.text()).is_ok()
}

fn checked_by_crate(question: &Value) -> bool {
    let (root, leaf) = (their_hash(text(question, "Root")), their_hash(text(question, "Leaf")));
    let (size, index) = (number(question, "Size"), number(question, "Index"));
    tlog_tiles::check_record(&their_proof(question), size, root, index, leaf).is_ok()
}

fn grown_by_crate(question: &Value) -> bool {
    let (root, was) = (their_hash(text(question, "Root")), their_hash(text(question, "Was")));
    tlog_tiles::check_tree(&their_proof(question), number(question, "Size"), root, number(question, "Old"), was).is_ok()
}
