//! The transparency log as a server gives it: checkpoint and tiles over HTTP, proofs over gRPC, its key on disk.

use crate::grpc::METADATA;
use crate::support::{Server, said, server_command};
use guiju::Registry;
use guiju_model::{Digest, Kind, Package};
use guiju_proto::log::{
    GetCheckpointRequest, GetCheckpointResponse, ProveConsistencyRequest, ProveInclusionRequest, ReadBlobRequest,
    ReadEntriesRequest, log_service_client::LogServiceClient,
};
use guiju_tlog::{Hash, KeyHistory, LogFault, Note, Proof, Seen, TilePath, Tree, bundle_entries, follow, root};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
};
use tonic::{Code, transport::Channel};

/// GET over a connection of its own: status, headers, body.
fn get(server: &Server, path: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(&server.address).expect("connected");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, head, answer[end + 4..].to_vec())
}

async fn publish(server: &Server, numbers: std::ops::Range<u64>) {
    let registry = Registry::connect(&server.url()).await.expect("connected");
    for number in numbers {
        let package = Package {
            standard: "bj.test/thing".parse().expect("a standard"),
            version: semver::Version::new(1, number, 0),
            kind: Kind::Record,
            files: [(
                "schema.json".to_owned(),
                format!(r#"{{"type":"object","maxProperties":{number}}}"#).into_bytes(),
            )]
            .into(),
        };
        registry.publish(&format!("thing-{number}"), &package, METADATA, false).await.expect("published");
    }
}

/// A document that is fetched in parts is read from the disk once.
#[tokio::test]
async fn a_document_that_is_read_in_parts_is_read_once() {
    let server = Server::start();
    let registry = Registry::connect(&server.url()).await.expect("connected");
    let notes = vec![b'x'; 5 << 20];
    let digest = Digest::of(&notes);
    let package = Package {
        standard: "bj.test/large".parse().expect("a standard"),
        version: semver::Version::new(1, 0, 0),
        kind: Kind::Record,
        files: [("schema.json".to_owned(), br#"{"type":"object"}"#.to_vec()), ("notes.txt".to_owned(), notes.clone())]
            .into(),
    };
    registry.publish("large", &package, METADATA, false).await.expect("published");
    let mut log = log(&server).await;
    let mut read = async |offset: usize| {
        let request = ReadBlobRequest { digest: digest.as_bytes().to_vec().into(), offset: offset as u64 };
        log.read_blob(request).await.map(|part| part.into_inner().content)
    };
    let mut whole = read(0).await.expect("a part").to_vec();
    // Its middle is damaged on the disk; what was read and found whole is given on, and no more.
    let journal = server.folder.path().join("data/journal/00000000000000000000.seg");
    let mut bytes = fs::read(&journal).expect("a segment");
    let at = bytes.windows(64).position(|part| part == [b'x'; 64]).expect("the document") + (3 << 20);
    bytes[at] ^= 1;
    fs::write(&journal, &bytes).expect("damaged");
    while whole.len() < notes.len() {
        whole.extend(read(whole.len()).await.expect("a part"));
    }
    assert!(whole == notes, "it is what was published");
    assert!(read(0).await.is_err(), "it is damaged, and kept no longer than it is read");
}

async fn log(server: &Server) -> LogServiceClient<Channel> {
    LogServiceClient::connect(server.url()).await.expect("connected")
}

async fn seen(server: &Server) -> (Seen, GetCheckpointResponse) {
    let answer = log(server).await.get_checkpoint(GetCheckpointRequest {}).await.expect("a checkpoint").into_inner();
    (verified(&answer).expect("it verifies"), answer)
}

fn verified(answer: &GetCheckpointResponse) -> Result<Seen, LogFault> {
    let rotations: Vec<Note> =
        answer.rotations.iter().map(|note| Note::parse(note.as_bytes()).expect("a note")).collect();
    let keys = KeyHistory::follow(answer.first_key.parse().expect("a key"), None, &rotations).expect("a history");
    Seen::verified(&Note::parse(answer.note.as_bytes()).map_err(LogFault::Note)?, &keys, None)
}

fn proof(hashes: &[impl AsRef<[u8]>]) -> Proof {
    Proof(hashes.iter().map(|hash| Hash::from_bytes(hash.as_ref().try_into().expect("32 bytes"))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_proved() {
    let server = Server::start_with(&["--log-origin", "registry.example.org/log"]);
    let (empty, _) = seen(&server).await;
    assert_eq!((empty.checkpoint.size, empty.checkpoint.root), (0, Hash::of_nothing()));
    publish(&server, 1..4).await;
    let (three, _) = seen(&server).await;
    publish(&server, 4..8).await;
    let (seven, answer) = seen(&server).await;
    assert_eq!((three.checkpoint.size, seven.checkpoint.size), (3, 7));
    assert!(seven.time_s.is_some_and(|time_s| time_s > 1_700_000_000), "it says when");
    let mut client = log(&server).await;
    let request = ProveConsistencyRequest { old_size: 3, tree_size: 7 };
    let grown = client.prove_consistency(request).await.expect("a proof").into_inner();
    assert_eq!(follow(&three.checkpoint, &seven.checkpoint, &proof(&grown.hashes)), Ok(()));
    let read = client.read_entries(ReadEntriesRequest { from_index: 0, count: 0 }).await.expect("entries").into_inner();
    assert_eq!(read.entries.len(), 7);
    for (index, entry) in (0..).zip(&read.entries) {
        let request = ProveInclusionRequest { index, tree_size: 7 };
        let proved = client.prove_inclusion(request).await.expect("a proof").into_inner();
        assert_eq!(proved.entry, entry);
        assert_eq!(proof(&proved.hashes).shows_entry(entry, index, 7, seven.checkpoint.root), Ok(()));
    }
    for request in [ProveInclusionRequest { index: 7, tree_size: 0 }, ProveInclusionRequest { index: 0, tree_size: 8 }]
    {
        assert_eq!(client.prove_inclusion(request).await.expect_err("refused").code(), Code::OutOfRange);
    }
    let request = ProveConsistencyRequest { old_size: 8, tree_size: 7 };
    assert_eq!(client.prove_consistency(request).await.expect_err("refused").code(), Code::OutOfRange);

    let (status, head, note) = get(&server, "/checkpoint");
    assert_eq!((status, note), (200, answer.note.into_bytes()), "HTTP and gRPC say the same");
    assert!(
        head.contains("content-type: text/plain; charset=utf-8") && head.contains("cache-control: public, max-age=1")
    );
    let (status, head, tile) = get(&server, "/tile/0/000.p/7");
    assert!(status == 200 && head.contains("immutable") && head.contains("application/octet-stream"), "{head}");
    let tree: Tree = tile.chunks(32).map(|hash| Hash::from_bytes(hash.try_into().expect("32 bytes"))).collect();
    assert_eq!(root(&tree, 7), Ok(seven.checkpoint.root));
    let (status, _, bundle) = get(&server, "/tile/entries/000.p/7");
    let path: TilePath = "tile/entries/000.p/7".parse().expect("a path");
    assert_eq!(
        (status, bundle_entries(&path, &bundle).expect("entries")),
        (200, read.entries.iter().map(|e| &e[..]).collect())
    );
    for path in [
        "/tile/0/000",
        "/tile/0/000.p/8",
        "/tile/0/001",
        "/tile/1/000.p/1",
        "/tile/0/0",
        "/tile/entries/000",
        "/tile/x",
    ] {
        assert_eq!(get(&server, path).0, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_keeps_its_key_and_its_word() {
    let server = Server::start();
    publish(&server, 1..4).await;
    let (before, first) = seen(&server).await;
    let folder = server.kill();
    let data = folder.path().join("data");
    let mode = |name: &str| fs::metadata(data.join(name)).expect(name).permissions().mode() & 0o777;
    assert_eq!((mode("log-key"), mode("log-key/secret")), (0o700, 0o600));
    // Drafts and who may do what are for nobody else on this machine; what somebody made readable stays so.
    for folder in [".", "journal", "view"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    let files = fs::read_dir(data.join("journal")).expect("a folder").map(|file| file.expect("a file").file_name());
    for file in files.filter(|file| file != "lock") {
        assert_eq!(mode(&format!("journal/{}", file.display())), 0o600, "{}", file.display());
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("set");

    let server = Server::start_in(folder, &[]);
    let (after, again) = seen(&server).await;
    assert_eq!((&after.checkpoint, &again.first_key), (&before.checkpoint, &first.first_key));
    assert_eq!(mode("."), 0o755);
    let folder = server.kill();

    // The key changes; who knew the old one follows.
    let rotated = server_command(&["rotate-key", "--data"]).arg(&data).output().expect("it runs");
    assert!(rotated.status.success(), "{}", said(&rotated));
    let server = Server::start_in(folder, &[]);
    publish(&server, 4..6).await;
    let (grown, answer) = seen(&server).await;
    assert_eq!((answer.rotations.len(), &answer.first_key, grown.checkpoint.size), (1, &first.first_key, 5));
    let mut unrotated = answer.clone();
    unrotated.rotations.clear();
    assert!(matches!(verified(&unrotated), Err(LogFault::Unsigned { .. })), "the old key does not sign any more");
    let folder = server.kill();

    // Another history under the same key is not signed, nor begun.
    fs::remove_dir_all(data.join("journal")).expect("removed");
    fs::remove_dir_all(data.join("view")).expect("removed");
    let refused = server_command(&["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("is gone: "), "{}", said(&refused));
    let empty = tempfile::tempdir().expect("a folder");
    let other = Server::start_in(empty, &[]).stop().1;
    fs::rename(other.path().join("data/journal"), data.join("journal")).expect("put there");
    let refused = server_command(&["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output().expect("it runs");
    assert!(said(&refused).contains("the log does not begin with the 5 entries that"), "{}", said(&refused));
    drop(folder);
}
