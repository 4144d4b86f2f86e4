//! The transparency log's pure part: cases of checkpoints, known roots, and properties of proofs, tiles and notes.

use crate::support::{expect_file, root as workspace};
use guiju_tlog::{
    Checkpoint, Edge, Hash, KeyHistory, LogFault, Nodes, Note, NoteError, Policy, Proof, Rotation, Seen, SigningKey,
    TILE_WIDTH, TilePath, Tree, VerifierKey, WitnessFault, Witnessing, bundle, bundle_entries, follow, hash_tile,
    prove_consistency, prove_inclusion, root, tiles_of,
};
use proptest::prelude::*;
use std::{fs, path::Path, sync::LazyLock};

/// Each folder: a policy, a checkpoint, perhaps rotations of its key, an earlier checkpoint with a proof, and a time.
#[test]
fn checkpoints_are_judged_as_the_cases_say() {
    let cases = workspace().join("tests/cases/tlog");
    let mut folders: Vec<_> = fs::read_dir(cases).expect("cases").map(|case| case.expect("a case").path()).collect();
    folders.sort();
    assert!(folders.len() > 20, "the cases are gone");
    for folder in folders {
        let verdict = judged(&folder).unwrap_or_else(|fault| format!("refused: {fault}\n"));
        expect_file(&folder.join("expected.txt"), &verdict);
    }
}

fn judged(case: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let read = |name: &str| fs::read(case.join(name)).ok();
    let text = |name: &str| read(name).map(|bytes| String::from_utf8(bytes).expect("text"));
    let policy: Policy = text("policy.txt").expect("a policy").parse()?;
    let notes = (1..).map_while(|number| read(&format!("rotation-{number}.txt")));
    let notes: Vec<Note> = notes.map(|bytes| Note::parse(&bytes)).collect::<Result<_, _>>()?;
    let offline: Option<VerifierKey> = text("root-key.txt").map(|key| key.trim_end().parse()).transpose()?;
    let keys = KeyHistory::follow(policy.logs()[0].clone(), offline.as_ref(), &notes)?;
    let note = Note::parse(&read("checkpoint.txt").expect("a checkpoint")).map_err(LogFault::Note)?;
    let seen = Seen::verified(&note, &keys, Some(&policy))?;
    if let Some(held) = text("held.txt") {
        let proof = text("proof.txt").unwrap_or_default();
        let proof = Proof(proof.lines().map(str::parse).collect::<Result<_, _>>()?);
        follow(&held.parse()?, &seen.checkpoint, &proof)?;
    }
    if let Some(limits) = text("now.txt") {
        let (now, age_max) = limits.trim_end().split_once(' ').expect("now and the greatest age");
        seen.is_fresh(now.parse()?, age_max.parse()?)?;
    }
    let time = seen.time_s.map_or("no time".into(), |time_s| format!("time {time_s}"));
    Ok(format!("accepted: {} entries, {time}\n", seen.checkpoint.size))
}

/// The inputs and roots that implementations of RFC 6962 have in common.
#[test]
fn roots_are_those_of_the_rfc() {
    let entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let tree: Tree = entries.iter().map(|entry| Hash::of_entry(&unhex(entry))).collect();
    for (size, expected) in (0..).zip(roots) {
        assert_eq!(root(&tree, size).expect("a root").as_bytes().as_slice(), unhex(expected), "of {size}");
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ascii"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn tree_of(size: u64) -> Tree {
    (0..size).map(|index| Hash::of_entry(&entry(index))).collect()
}

/// The definition of the RFC, word for word, to hold the quick way against.
fn defined_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of_nothing(),
        [leaf] => *leaf,
        leaves => {
            let split = leaves.len().next_power_of_two() / 2;
            Hash::of_children(defined_root(&leaves[..split]), defined_root(&leaves[split..]))
        }
    }
}

/// Every entry of every tree up to 70, and every pair of trees; then each with one thing wrong.
#[test]
fn every_proof_of_small_trees_holds_and_no_other_does() {
    let tree = tree_of(70);
    let leaves: Vec<Hash> = (0..70).map(|index| Hash::of_entry(&entry(index))).collect();
    let roots: Vec<Hash> = (0..=70).map(|size| root(&tree, size).expect("a root")).collect();
    let mut edge = Edge::default();
    for size in 0..=70u64 {
        let root = roots[size as usize];
        assert_eq!(root, defined_root(&leaves[..size as usize]), "the root of {size}");
        assert_eq!((edge.root(), edge.size()), (root, size), "the edge of {size}");
        assert_eq!(Edge::of(&tree, size), Ok(edge.clone()));
        edge.push(Hash::of_entry(&entry(size)));
        for index in 0..size {
            let proof = prove_inclusion(&tree, index, size).expect("a proof");
            assert_eq!(proof.shows_entry(&entry(index), index, size, root), Ok(()), "{index} in {size}");
            assert!(proof.shows_entry(b"other", index, size, root).is_err());
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(proof.shows_entry(&entry(index), other, size, root).is_err(), "{index} as {other} in {size}");
            }
        }
        for old in 0..=size {
            let proof = prove_consistency(&tree, old, size).expect("a proof");
            let (from, to) = ((old, roots[old as usize]), (size, root));
            assert_eq!(proof.shows_growth(from, to), Ok(()), "{old} to {size}");
            assert!(proof.shows_growth((old, leaves[69]), to).is_err(), "{old} to {size} from another root");
            assert!(
                old == 0 || proof.shows_growth(from, (size, leaves[69])).is_err(),
                "{old} to {size} to another root"
            );
            assert!(size == old || proof.shows_growth(to, from).is_err(), "{size} back to {old}");
        }
        assert!(prove_inclusion(&tree, size, size).is_err());
        assert!(prove_consistency(&tree, size + 1, size).is_err());
    }
    assert!(root(&tree, 71).is_err() && prove_inclusion(&tree, 3, 71).is_err() && root(&tree, u64::MAX).is_err());
}

/// One tree for all: the hashes of a smaller one are among those of a larger.
fn grown() -> &'static Tree {
    static TREE: LazyLock<Tree> = LazyLock::new(|| tree_of(65_600));
    &TREE
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![1..600u64, 65_500..65_601u64, Just(256), Just(65_536)]
}

fn key(name: &str, number: u8) -> SigningKey {
    SigningKey::from_seed(name, &[number; 32]).expect("a key")
}

fn signed(size: u64, root: Hash) -> Note {
    let text = Checkpoint { origin: "example.org/log".into(), size, root }.to_string();
    let mut note = Note::unsigned(text).expect("text");
    note.sign(&key("example.org/log", 1));
    note.cosign(&key("example.org/witness", 2), 1_700_000_000);
    note
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One bit, one hash more or less, two exchanged: none of them is a proof any more.
    #[test]
    fn a_tampered_proof_is_refused(size in sizes(), index: u64, bit: usize, old: u64) {
        let tree = grown();
        let (index, old) = (index % size, old % size + 1);
        let (here, before) = (root(tree, size).expect("a root"), root(tree, old).expect("a root"));
        let inclusion = prove_inclusion(tree, index, size).expect("a proof");
        prop_assert_eq!(inclusion.shows_entry(&entry(index), index, size, here), Ok(()));
        for tampered in tamperings(&inclusion, bit) {
            prop_assert!(tampered.shows_entry(&entry(index), index, size, here).is_err());
        }
        let consistency = prove_consistency(tree, old, size).expect("a proof");
        prop_assert_eq!(consistency.shows_growth((old, before), (size, here)), Ok(()));
        for tampered in tamperings(&consistency, bit) {
            prop_assert!(tampered.shows_growth((old, before), (size, here)).is_err());
        }
    }

    /// Where any byte of a note is another, it is no note, or not signed by one of the two, or forged; never both signed as
    /// before and another text.
    #[test]
    fn a_tampered_note_is_refused(size in sizes(), at: usize, bit in 0..8u32) {
        let note = signed(size, Hash::of_entry(&entry(size)));
        let mut bytes = note.to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let keys = [key("example.org/log", 1).verifier(), key("example.org/witness", 2).verifier()];
        if let Ok(tampered) = Note::parse(&bytes) {
            let log = tampered.is_signed_by(&keys[0]);
            let witness = tampered.cosigned_at(&keys[1]);
            let whole = log == Ok(true) && witness == Ok(Some(1_700_000_000));
            prop_assert!(!whole, "{}", String::from_utf8_lossy(&bytes));
            prop_assert!(tampered.text() == note.text() || log != Ok(true) && !matches!(witness, Ok(Some(_))));
        }
    }

    /// Anything read as a note, checkpoint, policy, key or path is written back as it was.
    #[test]
    fn what_is_read_has_one_spelling(path in "tile/(entries|[0-9x]{1,3})(/x?[0-9+]{1,4}){1,4}(\\.p/[0-9]{1,4})?", size in sizes()) {
        if let Ok(tile) = path.parse::<TilePath>() {
            prop_assert_eq!(tile.to_string(), path);
        }
        let note = signed(size, Hash::of_entry(&entry(size)));
        prop_assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note.clone()));
        let checkpoint: Checkpoint = note.text().parse().expect("a checkpoint");
        prop_assert_eq!(checkpoint.to_string(), note.text());
    }

    /// The tiles of a tree say what its root is, and each of their hashes counts.
    #[test]
    fn tiles_make_the_tree(size in prop_oneof![1..1100u64, Just(256), Just(512)], bit: usize) {
        let tree = tree_of(size);
        let expected = root(&tree, size).expect("a root");
        let mut tiles: Vec<(TilePath, Vec<u8>)> =
            tiles_of(size).map(|path| (path, hash_tile(&tree, &path).expect("a tile"))).collect();
        prop_assert_eq!(root_of_tiles(&tiles), expected);
        let bytes: usize = tiles.iter().filter(|(path, _)| path.level() == Some(0)).map(|(_, bytes)| bytes.len()).sum();
        let (mut at, bit) = (bit / 8 % bytes, bit % 8);
        for (_, bytes) in tiles.iter_mut().filter(|(path, _)| path.level() == Some(0)) {
            match at.checked_sub(bytes.len()) {
                Some(rest) => at = rest,
                None => {
                    bytes[at] ^= 1 << bit;
                    break;
                }
            }
        }
        prop_assert_ne!(root_of_tiles(&tiles), expected);
    }
}

/// Of the leaves that the tiles of level 0 hold.
fn root_of_tiles(tiles: &[(TilePath, Vec<u8>)]) -> Hash {
    let leaves = tiles.iter().filter(|(path, _)| path.level() == Some(0)).flat_map(|(_, bytes)| bytes.chunks(32));
    let tree: Tree = leaves.map(|leaf| Hash::from_bytes(leaf.try_into().expect("32 bytes"))).collect();
    for (path, bytes) in tiles {
        let level = path.level().expect("a tile of hashes") * 8;
        for (index, hash) in (path.first()..).zip(bytes.chunks(32)) {
            if level > 0 && tree.node(level, index).is_none_or(|known| known.as_bytes() != hash) {
                return Hash::of_nothing();
            }
        }
    }
    root(&tree, tree.size()).expect("a root")
}

fn tamperings(proof: &Proof, bit: usize) -> Vec<Proof> {
    let hash = Hash::of_entry(b"another");
    let mut tampered =
        vec![Proof([proof.0.as_slice(), &[hash]].concat()), Proof([&[hash], proof.0.as_slice()].concat())];
    if !proof.0.is_empty() {
        let at = bit / 256 % proof.0.len();
        let mut bytes = *proof.0[at].as_bytes();
        bytes[bit / 8 % 32] ^= 1 << (bit % 8);
        let mut flipped = proof.clone();
        flipped.0[at] = Hash::from_bytes(bytes);
        tampered.extend([flipped, Proof(proof.0[1..].to_vec()), Proof(proof.0[..proof.0.len() - 1].to_vec())]);
    }
    if proof.0.len() > 1 {
        let mut swapped = proof.clone();
        swapped.0.swap(0, 1);
        tampered.push(swapped);
    }
    tampered
}

#[test]
fn a_tile_has_the_path_of_the_specification() {
    for (path, level, index, width) in [
        ("tile/0/000", Some(0), 0, 256),
        ("tile/0/x001/x234/067", Some(0), 1_234_067, 256),
        ("tile/2/x001/000.p/1", Some(2), 1000, 1),
        ("tile/entries/x273/007.p/112", None, 273_007, 112),
    ] {
        let tile: TilePath = path.parse().expect(path);
        assert_eq!((tile.level(), tile.index(), tile.width(), tile.to_string().as_str()), (level, index, width, path));
    }
    let refused = [
        "",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/00/000",
        "tile/+0/000",
        "tile/0/000.p/0",
        "tile/7/000",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/0/xx1/000",
        "/tile/0/000",
        "tile/0/001/000",
        "tile/entries",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/-1/000",
        "tile/0/000.p/",
        "tile/0/0٣0",
    ];
    for path in refused {
        assert!(path.parse::<TilePath>().is_err(), "{path}");
    }
    let paths: Vec<String> = tiles_of(70_000).skip(272).map(|path| path.to_string()).collect();
    assert_eq!(paths, ["tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(tiles_of(256).map(|path| path.to_string()).collect::<Vec<_>>(), ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(tiles_of(0).count(), 0);
}

#[test]
fn a_bundle_holds_its_entries_and_nothing_else() {
    let entries: Vec<Vec<u8>> = vec![entry(0), Vec::new(), vec![7; 65_535]];
    let bytes = bundle(entries.iter().map(Vec::as_slice)).expect("a bundle");
    let path = TilePath::entries(0, 3).expect("a path");
    assert_eq!(bundle_entries(&path, &bytes).expect("entries"), entries);
    assert!(bundle_entries(&TilePath::entries(0, TILE_WIDTH).expect("a path"), &bytes).is_err());
    assert!(
        bundle_entries(&path, &bytes[..bytes.len() - 1]).is_err()
            && bundle_entries(&path, &[&bytes[..], &[0]].concat()).is_err()
    );
    assert!(bundle([vec![0; 65_536].as_slice()]).is_err());
}

/// The pair of keys and the note that the documentation of Go's `note` shows.
#[test]
fn keys_and_notes_are_those_of_others() {
    let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let signature =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let key = SigningKey::from_secret_text(secret).expect("a key");
    assert_eq!((key.secret_text().as_str(), key.verifier().to_string().as_str()), (secret, public));
    let mut note = Note::unsigned(text.into()).expect("text");
    note.sign(&key);
    assert_eq!(note.to_string(), format!("{text}\n{signature}"));
    assert_eq!(note.is_signed_by(&public.parse().expect("a key")), Ok(true));
    assert!(!format!("{key:?}").contains("PRIVATE"), "a secret is shown");
    for wrong in [
        &public[1..],
        &public.replace("c74f", "c74e"),
        &public.replace("+AR", "+BR"),
        "a+b",
        "",
        &public.replace("TW", "TX"),
    ] {
        assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
    }
}

/// The example of the cosignature specification.
#[test]
fn a_cosignature_has_the_form_of_the_specification() {
    let mut note = signed(20_852_163, Hash::of_nothing());
    let witness = key("example.org/witness", 2);
    assert_eq!(note.cosigned_at(&witness.verifier()), Ok(Some(1_700_000_000)));
    note.cosign(&witness, 1_700_000_060);
    assert_eq!(
        note.cosigned_at(&witness.verifier()),
        Ok(Some(1_700_000_060)),
        "a newer one takes the place of the older"
    );
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(note.is_signed_by(&witness.verifier()), Ok(false), "a cosignature is no signature of the note");
    let other = Note::parse(note.to_string().replace("20852163", "20852164").as_bytes()).expect("a note");
    assert_eq!(other.cosigned_at(&witness.verifier()), Err(NoteError::Forged { name: "example.org/witness".into() }));
}

/// Signatures that hold loosely and not strictly: a weak key signs everything.
#[test]
fn weak_keys_are_refused() {
    use std::fmt::Write;
    let neutral = [&[1u8, 1][..], &[0; 31]].concat();
    let mut text = String::new();
    // The neutral element as a key, which others take; the id is right.
    write!(text, "weak+{}", weak_id(&neutral)).expect("text");
    let base64 = "AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(
        format!("{text}+{base64}").parse::<VerifierKey>().unwrap_err().to_string(),
        "the key is none of Ed25519, or a weak one"
    );
}

fn weak_id(key: &[u8]) -> String {
    let digest = guiju_model::Digest::of(&[b"weak\n", key].concat());
    digest.hex()[..8].into()
}

#[test]
fn keys_change_in_order_and_each_signs_its_own_sizes() {
    let [first, second, third] = [1, 2, 3].map(|number| key("example.org/log", number));
    let rotation =
        |size: u64, old: &SigningKey, key: &SigningKey| Rotation { size, old: old.verifier(), key: key.verifier() };
    let notes = [
        rotation(10, &first, &second).note(&first, &second).expect("a note"),
        rotation(20, &second, &third).note(&second, &third).expect("a note"),
    ];
    let keys = KeyHistory::follow(first.verifier(), None, &notes).expect("a history");
    let at = |size: u64| keys.keys_at(size).map(VerifierKey::id).collect::<Vec<_>>();
    let [a, b, c] = [&first, &second, &third].map(|key| key.verifier().id());
    assert_eq!((at(0), at(10), at(15), at(20), at(21)), (vec![a], vec![a, b], vec![b], vec![b, c], vec![c]));
    let refused = |notes: &[Note], root: Option<&VerifierKey>| {
        KeyHistory::follow(first.verifier(), root, notes).expect_err("refused").to_string()
    };
    assert_eq!(refused(&notes[1..], None), "rotation 1 ends another key than the one that signed ahead of it");
    let stolen = rotation(10, &first, &third).note(&third, &third).expect("a note");
    assert_eq!(refused(&[stolen], None), "rotation 1 is not signed by the key before it");
    assert_eq!(refused(&notes, Some(&third.verifier())), "rotation 1 is not signed by the root key");
    let back = rotation(9, &second, &third).note(&second, &third).expect("a note");
    assert_eq!(refused(&[notes[0].clone(), back], None), "rotation 2 takes effect before the one ahead of it");
    let unproven = rotation(10, &first, &second).note(&first, &first).expect("a note");
    assert_eq!(refused(&[unproven], None), "rotation 1 is not signed by the new key");
    let elsewhere = key("example.org/other", 4);
    let elsewhere = rotation(10, &first, &elsewhere).note(&first, &elsewhere).expect("a note");
    assert_eq!(refused(&[elsewhere], None), "rotation 1 is of the log `example.org/other`, not of `example.org/log`");
    let rooted = rotation(10, &first, &second).note(&third, &second).expect("a note");
    let keys = KeyHistory::follow(first.verifier(), Some(&third.verifier()), &[rooted]).expect("a history");
    assert_eq!(keys.current(), &second.verifier());
}

#[test]
fn a_witness_cosigns_what_begins_with_what_it_saw() {
    let tree = tree_of(12);
    let checkpoint =
        |size| Checkpoint { origin: "example.org/log".into(), size, root: root(&tree, size).expect("a root") };
    let asked = |old_size: u64, size: u64, by: &SigningKey| {
        let mut note = Note::unsigned(checkpoint(size).to_string()).expect("text");
        note.sign(by);
        let proof = prove_consistency(&tree, old_size, size).unwrap_or_default();
        Witnessing { old_size, proof, note }
    };
    let [log, other] = [1, 3].map(|number| key("example.org/log", number));
    let logs = [log.verifier(), key("example.org/elsewhere", 4).verifier()];
    let (seven, request) = (checkpoint(7), asked(7, 12, &log));
    assert_eq!(Witnessing::parse(request.to_string().as_bytes()), Ok(request.clone()));
    assert_eq!(request.judge(&logs, Some(&seven)), Ok(checkpoint(12)));
    assert_eq!(asked(0, 12, &log).judge(&logs, None), Ok(checkpoint(12)));
    assert_eq!(asked(7, 7, &log).judge(&logs, Some(&seven)), Ok(seven.clone()), "again, for the time");
    assert_eq!(request.judge(&logs[1..], None), Err(WitnessFault::UnknownLog("example.org/log".into())));
    assert!(matches!(asked(7, 12, &other).judge(&logs, Some(&seven)), Err(WitnessFault::Unsigned(_))));
    for (request, held, size) in [
        (&asked(6, 12, &log), Some(&seven), 7),
        (&request, None, 0),
        (&asked(0, 12, &log), Some(&seven), 7),
        (&asked(7, 7, &log), Some(&Checkpoint { root: Hash::of_nothing(), ..seven.clone() }), 7),
    ] {
        assert_eq!(request.judge(&logs, held), Err(WitnessFault::Conflict { held: size }));
    }
    let mut unproved = request.clone();
    unproved.proof.0.pop();
    assert_eq!(unproved.judge(&logs, Some(&seven)), Err(WitnessFault::Inconsistent));
    assert!(matches!(asked(12, 7, &log).judge(&logs, Some(&checkpoint(12))), Err(WitnessFault::Form(_))));
    let body = request.to_string();
    for wrong in [
        body.replacen("old 7", "old 07", 1),
        body.replacen("old ", "", 1),
        body.replacen("\n\n", "\n", 1),
        body.replacen("old 7\n", "old 7\nx\n", 1),
        body.replacen("old 7\n", &format!("old 7\n{}", format!("{}\n", Hash::of_nothing()).repeat(64)), 1),
        body.replace("12\n", "x\n"),
    ] {
        let judged = Witnessing::parse(wrong.as_bytes()).and_then(|request| request.judge(&logs, Some(&seven)));
        assert!(matches!(judged, Err(WitnessFault::Form(_))), "{wrong}");
    }
}

#[test]
fn a_policy_with_a_fault_says_where() {
    let [log, witness] =
        [key("example.org/log", 1).verifier(), key("w", 2).verifier().of_kind(guiju_tlog::KeyKind::Cosignature)];
    for (text, expected) in [
        ("", "the policy has no quorum"),
        ("quorum none\nquorum none\n", "line 2 of the policy: there is a quorum already"),
        ("quorum w\n", "line 1 of the policy: `w` is not defined above"),
        (&format!("log {witness}\n"), "line 1 of the policy: the key is of the other kind"),
        (&format!("log {log}\nlog {log}\n"), "line 2 of the policy: the key is in the policy already"),
        (&format!("witness none {witness}\n"), "line 1 of the policy: `none` has a meaning already"),
        (&format!("witness w {witness}\ngroup g 2 w\n"), "line 2 of the policy: 2 of 1 can never be"),
        (&format!("witness w {witness}\ngroup g any w w\n"), "line 2 of the policy: `w` is in a group already"),
        (&format!("witness w {witness}\ngroup g 0 w\n"), "line 2 of the policy: 0 of 1 can never be"),
        ("guess\n", "line 1 of the policy: write log, witness, group or quorum"),
    ] {
        let fault = text.parse::<Policy>().expect_err(text).to_string();
        assert!(fault.starts_with(expected), "{text}: {fault}");
    }
}
