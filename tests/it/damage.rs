//! Every file of the store damaged: a bit flipped, a block zeroed, an end cut off. Each damage is found, mended or refused, and
//! nothing damaged is ever served.

use crate::{
    fuzz::Dice,
    grpc::{SCHEMA, published, submission},
    simulated::Simulated,
    support::{Server, folder_in_memory, rounds, said, server_command},
    verify::publish,
    witness::{key, text, witness},
};
use guiju::HeldLog;
use guiju_model::{Digest, Reference};
use guiju_proto::registry::{PublishRequest, SetStatusRequest, Status};
use guiju_server::{
    Denial, Denials, Held, Part, Walk,
    disk::{Access, Disk},
    log::{Append, Journal, Log, LogError, Survey},
    registry::Caller,
    settings::Settings,
    store::Store,
};
use guiju_tlog::{Checkpoint, Edge, Hash, KeyHistory, Note, SigningKey, Tree, Witnessing, root};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Small, so that the log has several.
const SEGMENT_BYTES: u64 = 8 << 10;
const BLOCK_BYTES: usize = 4096;

/// A store that has all kinds of files: it holds standards, has signed, and is a witness of another log.
struct Template {
    folder: tempfile::TempDir,
    settings: Settings,
    /// By which another log could ask for a cosignature of a second history.
    fork: Vec<u8>,
}

async fn template() -> Template {
    let other = Server::start();
    publish(&other, &[("a", 1)]).await;
    let first = key(&other, "log-key/first");
    let folder = other.kill();
    let server = witness("witness.example.org", tempfile::tempdir().expect("a folder"), &[&first]);
    filled(&server).await;
    // The other log asks this one for its cosignature.
    let path = folder.path().join("policy");
    let policy = format!("log {first}\nwitness w {} {}\nquorum w\n", key(&server, "witness/public"), server.url());
    fs::write(&path, policy).expect("written");
    let other = Server::start_in(folder, &["--witnesses", text(&path)]);
    let held = |server: &Server| {
        let names = fs::read_dir(server.folder.path().join("data/witness")).expect("a witness").flatten();
        names.filter(|entry| entry.file_name().len() == 16).count()
    };
    let begin = Instant::now();
    while held(&server) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(60), "nobody asked:\n{}", other.log());
        publish(&other, &[("b", 1)]).await;
    }
    let secret = key(&other, "log-key/secret");
    drop(other);
    guiju::LogSource::checkpoint(&guiju::Registry::connect(&server.url()).await.expect("connected"))
        .await
        .expect("signed");
    let (status, folder) = tokio::task::spawn_blocking(move || server.stop()).await.expect("stopped");
    assert!(status.success(), "{status}");
    let data = folder.path().join("data");
    in_small_segments(&data.join("journal"));
    let ended = server_command(&["rotate-key", "--data"]).arg(&data).output().expect("it runs");
    assert!(ended.status.success(), "{}", said(&ended));
    denied(&data);
    followed(&data);
    let settings = Settings {
        data,
        witness_logs: Some(folder.path().join("logs")),
        witness_name: Some("witness.example.org".into()),
        ..Settings::defaults().expect("defaults")
    };
    Template { folder, settings, fork: fork(&secret) }
}

/// As many denials as there are days in a week, none like another.
fn denied(data: &Path) {
    let denials = Denials::open(Some(data));
    for day in 1..=7 {
        let [principal, address, method, reason, about, why] =
            ["li", "10.0.0.1", &format!("/day{day}"), "NOT_ALLOWED", "bj", ""].map(str::to_owned);
        let (number, count, time_ms) = (0, 0, day * 86_400_000);
        denials.keep(Denial { number, time_ms, principal, address, method, reason, about, why, count });
    }
}

/// What a mirror would hold that has followed this very log to where it was signed last.
fn followed(data: &Path) {
    let read = |name: &str| fs::read_to_string(data.join(name)).expect("read");
    let checkpoint: Checkpoint = read("checkpoint").parse().expect("signed");
    let (journal, _) = Journal::read(&data.join("journal")).expect("whole");
    let mut edge = Edge::default();
    (0..checkpoint.size).for_each(|index| edge.push(Hash::of_entry(&journal.entries(index, 1).expect("read")[0])));
    let keys =
        KeyHistory::follow(read("log-key/first").trim_end().parse().expect("a key"), None, &[]).expect("one key");
    let walk = Walk { edge, taken: [(Part::All, checkpoint.size)].into(), own: Vec::new() };
    fs::create_dir(data.join("mirror")).expect("made");
    fs::write(data.join("mirror/held"), Held { log: HeldLog { keys, checkpoint }, walk }.to_text()).expect("written");
}

/// Twelve versions of four standards, and the end of one of them: what `answers` asks for.
pub async fn filled(server: &Server) {
    let mut client = published(server).await;
    for number in 1..12 {
        let schema =
            SCHEMA.replace("\"title\"", &format!("\"description\": \"{}\", \"title\"", "word ".repeat(number * 40)));
        let standard = format!("bj.library/card{}", number % 4);
        let request = submission(&format!("1.{number}.0"), &schema);
        client.publish(PublishRequest { standard, ..request }).await.expect("published");
    }
    let step = SetStatusRequest {
        operation_id: "step".into(),
        standard: "bj.library/card1".into(),
        version: "1.1.0".into(),
        status: Status::Deprecated.into(),
        reason: "old".into(),
        successor: String::new(),
        ..Default::default()
    };
    client.set_status(step).await.expect("deprecated");
}

/// The same log in several files.
fn in_small_segments(folder: &Path) {
    let aside = folder.with_extension("whole");
    fs::rename(folder, &aside).expect("moved");
    let (whole, _) = Journal::read(&aside).expect("whole");
    let registry_blobs = Survey::of(&aside).expect("read").blobs;
    let (small, _) = Journal::open_with(folder, SEGMENT_BYTES).expect("opened");
    let mut blobs: Vec<Vec<u8>> = registry_blobs.into_values().collect();
    for index in 0..whole.head().size {
        let entry = whole.entries(index, 1).expect("read").remove(0);
        let operation_id = <guiju_proto::log::Entry as prost::Message>::decode(&*entry).expect("an entry").operation_id;
        let take = if index + 1 == whole.head().size { blobs.len() } else { 4.min(blobs.len()) };
        let blobs = blobs.drain(..take).collect();
        let append = Append { operation_id, entry, blobs };
        small.append(&[append], index).expect("appended");
    }
    assert_eq!(small.head(), whole.head());
    fs::remove_dir_all(aside).expect("removed");
}

/// A request to cosign a history of the other log that has nothing of the first.
fn fork(secret: &str) -> Vec<u8> {
    let key = SigningKey::from_secret_text(secret).expect("a key");
    let mut tree = Tree::default();
    (0..9).for_each(|number| tree.push(Hash::of_entry(format!("forged {number}").as_bytes())));
    let checkpoint = Checkpoint { origin: key.name().into(), size: 9, root: root(&tree, 9).expect("a root") };
    let mut note = Note::unsigned(checkpoint.to_string()).expect("a note");
    note.sign(&key);
    Witnessing { old_size: 0, proof: Default::default(), note }.to_string().into_bytes()
}

/// All that the store has to say, each answer by its question; what it refuses to say is left out.
pub fn answers(store: &Store) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    let mut say = |question: String, answer: Option<String>| {
        if let Some(answer) = answer {
            answers.insert(question, answer);
        }
    };
    let registry = &store.registry;
    for number in 0..12 {
        let name = if number == 0 { "bj.library/card".to_owned() } else { format!("bj.library/card{}", number % 4) };
        let reference: Reference = format!("{name}@=1.{number}.0").parse().expect("a reference");
        say(format!("resolve {reference}"), registry.resolve(&reference).ok().map(|found| format!("{found:?}")));
        say(format!("bundle {reference}"), registry.bundle(&reference, true).ok().map(|found| format!("{found:?}")));
        let standard = reference.standard();
        say(format!("versions {standard}"), registry.versions(standard).ok().map(|found| format!("{found:?}")));
    }
    let standards = registry.standards(&Caller::open(), None, None, None, 100);
    say("standards".into(), standards.ok().map(|found| format!("{found:?}")));
    for word in ["word", "card", "library"] {
        say(
            format!("search {word}"),
            registry.search(&Caller::open(), word, 50).ok().map(|found| format!("{found:?}")),
        );
    }
    let entries = store.sequencer.entries(0, 0);
    say("entries".into(), entries.ok().map(|found| format!("{found:?}")));
    say("size".into(), Some(format!("{:?}", registry.sizes())));
    let checkpoint = store.sequencer.own_checkpoint();
    say("checkpoint".into(), checkpoint.ok().map(|note| note.text().to_owned()));
    say("key".into(), Some(store.sequencer.keys().signing.verifier().to_string()));
    say("keys before".into(), Some(store.sequencer.keys().public_text()));
    answers
}

/// Every file of the store but the lock, which is empty.
fn files(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(data).expect("a folder").flatten().map(|entry| entry.path()) {
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.ends_with("lock") => {}
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// Damages a file; in words.
fn damage(path: &Path, dice: &mut Dice) -> String {
    let mut bytes = fs::read(path).expect("read");
    // Most of sled's file is room for what comes.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = dice.below(used);
    let what = match dice.below(3) {
        0 => {
            let bit = dice.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            format!("bit {bit} of byte {at} flipped")
        }
        1 => {
            let begin = at / BLOCK_BYTES * BLOCK_BYTES;
            let end = (begin + BLOCK_BYTES).min(bytes.len());
            bytes[begin..end].fill(0);
            format!("the block at {begin} zeroed")
        }
        _ => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
    };
    fs::write(path, bytes).expect("written");
    what
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for path in fs::read_dir(from).expect("a folder").flatten().map(|entry| entry.path()) {
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy(&path, &target) } else { assert!(fs::copy(&path, &target).is_ok(), "copied") }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_anywhere_is_found_mended_or_refused_and_never_served() {
    let template = template().await;
    tokio::task::spawn_blocking(move || damaged(&template)).await.expect("it holds");
}

fn damaged(template: &Template) {
    let data = &template.settings.data;
    let names = files(data);
    let kind = |path: &Path| path.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    let relative = |path: &Path| path.strip_prefix(data).expect("below").to_owned();
    let expected = {
        let place = folder_in_memory();
        copy(data, place.path());
        answers(&open(template, place.path()).expect("the template opens"))
    };
    assert_eq!(expected.len(), 12 * 2 + 5 + 1 + 3 + 5, "{:?}", expected.keys());
    let verified = |data: &Path| guiju_server::verify(&Settings { data: data.to_owned(), ..template.settings.clone() });
    let denials = |data: &Path| Denials::open(Some(data)).list(u64::MAX, 100);
    let expected_denials = denials(data);
    assert!(verified(data).is_ok() && expected_denials.len() == 7);
    let mut dice = Dice(0x5eed_5eed_0001);
    // By part of the store: refused at the start, refused when asked, all well.
    let mut outcomes: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for round in 0..rounds(500) {
        let path = relative(&names[dice.below(names.len())]);
        let place = folder_in_memory();
        copy(data, place.path());
        let what = format!("round {round}: {}, {}", path.display(), damage(&place.path().join(&path), &mut dice));
        let outcome = outcomes.entry(kind(&path)).or_default();
        // What a crash may have cut off of the end of what was denied is missed by nobody.
        if ["denials.ndjson", "mirror"].contains(&&*kind(&path))
            && !(kind(&path) != "mirror" && what.contains(" cut at "))
        {
            let told = verified(place.path()).expect_err(&what).to_string();
            assert!(told.contains(path.to_str().expect("UTF-8")), "{what}: {told}");
        }
        match open(template, place.path()) {
            Err(refusal) => {
                assert!(!refusal.is_empty(), "{what}");
                outcome[0] += 1;
            }
            Ok(store) => {
                let found = answers(&store);
                for (question, answer) in &found {
                    assert_eq!(Some(answer), expected.get(question), "{what}: another answer to `{question}`");
                }
                let shown = denials(place.path()).into_iter().filter(|denial| denial.reason != "LINES_LOST");
                shown.for_each(|denial| assert!(expected_denials.contains(&denial), "{what}: {denial:?}"));
                let fork = store.witness.as_ref().expect("a witness").cosign(&template.fork);
                assert!(fork.is_err(), "{what}: a second history was cosigned");
                outcome[if found.len() == expected.len() { 2 } else { 1 }] += 1;
            }
        }
    }
    eprintln!("refused at the start, refused when asked, all well: {outcomes:?}");
    let of = |name: &str| outcomes.get(name).copied().unwrap_or_default();
    assert!(
        of("journal")[0] > 0 && of("view")[2] > 0 && of("log-key")[0] > 0 && of("checkpoint")[0] > 0,
        "{outcomes:?}"
    );
    assert!(of("denials.ndjson")[2] > 0 && of("mirror")[2] > 0, "{outcomes:?}");
    assert!(names.iter().any(|path| path.ends_with("log-key/rotation-1")), "{names:?}");
    assert_eq!((of("journal")[2], of("view")[0]), (0, 0), "a journal is never whole, a view never stops: {outcomes:?}");
    let _ = &template.folder;
}

fn open(template: &Template, data: &Path) -> Result<Store, String> {
    let settings = Settings { data: data.to_owned(), ..template.settings.clone() };
    Store::open(&settings).map_err(|fault| fault.to_string())
}

/// Each page of a log in turn: it is named, nothing else is missed, and who reads on is not given anything else.
#[test]
fn a_page_that_the_disk_gives_back_no_more_is_damage_at_its_place() {
    let (disk, folder) = (Simulated::new(1, None), Path::new("/journal"));
    let open =
        |disk: &Simulated| Journal::open_on(Arc::new(disk.clone()), folder, SEGMENT_BYTES).map(|(journal, _)| journal);
    let (entries, blobs): (Vec<Vec<u8>>, Vec<Vec<u8>>) =
        (0..40_u8).map(|number| (vec![number; 300], vec![number; 1000])).unzip();
    {
        let journal = open(&disk).expect("opened");
        for (index, (entry, blob)) in (0..).zip(entries.iter().zip(&blobs)) {
            let append = Append { operation_id: format!("o{index}"), entry: entry.clone(), blobs: vec![blob.clone()] };
            journal.append(&[append], index).expect("appended");
        }
    }
    let mut pages = 0;
    for segment in disk.paths(folder).expect("a folder").iter().filter(|path| path.extension().is_some()) {
        let length = disk.open(segment, Access::Read).and_then(|file| file.length()).expect("a file") as usize;
        for begin in (0..length).step_by(BLOCK_BYTES) {
            let end = (begin + BLOCK_BYTES).min(length);
            let what = format!("{} {begin} to {end}", segment.display());
            let disk = disk.found_again();
            let journal = open(&disk).expect("opened");
            disk.lose(segment, begin..end);
            let is_it = |error: &LogError| matches!(error, LogError::Damaged { path, .. } if path == segment);
            let mut lost = 0;
            for (index, entry) in (0..).zip(&entries) {
                match journal.entries(index, 1) {
                    Ok(read) => assert!(read == [entry.clone()], "{what}: entry {index}"),
                    Err(error) => {
                        assert!(is_it(&error), "{what}: {error}");
                        lost += 1;
                    }
                }
            }
            for blob in &blobs {
                match journal.blob(&Digest::of(blob)) {
                    Ok(read) => assert!(read.as_ref() == Some(blob), "{what}"),
                    Err(error) => assert!(is_it(&error), "{what}: {error}"),
                }
            }
            drop(journal);
            match open(&disk) {
                Err(LogError::Damaged { path, offset, .. }) => assert_eq!((&path, offset), (segment, begin as u64)),
                opened => panic!("{what}: {:?}", opened.map(|journal| journal.head())),
            }
            let survey = Survey::on(&disk, folder).expect("surveyed");
            let told = survey.damage.iter().map(|damage| (damage.bytes.end > begin as u64, &damage.path));
            assert!(told.clone().any(|place| place == (true, segment)), "{what}: {:?}", survey.damage);
            assert!(told.clone().all(|(_, path)| path == segment), "{what}: {:?}", survey.damage);
            assert_eq!(survey.entries.len() + lost, entries.len(), "{what}: what can be read is read");
            for (index, (_, entry)) in &survey.entries {
                assert!(*entry == entries[*index as usize], "{what}: entry {index}");
            }
            for index in (0..entries.len() as u64).filter(|index| !survey.entries.contains_key(index)) {
                // What follows the last commit that can be read is not told by its number.
                let is_told = survey.damage.iter().any(|damage| damage.entries.contains(&index));
                assert!(is_told || survey.head.is_none_or(|head| head.size <= index), "{what}: entry {index}");
            }
            pages += 1;
        }
    }
    assert!(pages > 12, "{pages}");
}
