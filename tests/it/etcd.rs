//! A log on etcd: what the list of behaviours does not ask, because only a cluster can do it.

use crate::cluster::{Node, options};
use guiju_model::Digest;
use guiju_server::log::{Append, BatchMax, Etcd, EtcdOptions, Log, LogError};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

fn append(operation: &str, blobs: &[Vec<u8>]) -> Append {
    Append { operation_id: operation.into(), entry: format!("entry of {operation}").into_bytes(), blobs: blobs.into() }
}

fn open(options: &EtcdOptions) -> Etcd {
    Etcd::open(options).unwrap_or_else(|error| panic!("{error}"))
}

/// Appends at whatever size there is.
fn put(log: &Etcd, operation: &str) -> u64 {
    log.append(&[append(operation, &[])], log.head().unwrap().size).unwrap()[0]
}

fn quick(node: &Node) -> EtcdOptions {
    EtcdOptions { timeout: Duration::from_secs(2), try_timeout: Duration::from_millis(500), ..node.options("log") }
}

/// What one server has appended another one has, and what was appended before a restart is there after it.
#[test]
fn servers_share_a_log() {
    let node = Node::single();
    let (one, other) = (open(&node.options("log")), open(&node.options("log/")));
    assert_eq!((put(&one, "a"), put(&other, "b"), put(&one, "c")), (0, 1, 2));
    assert_eq!(one.head().unwrap(), other.head().unwrap());
    assert_eq!(other.entries(0, 9).unwrap(), one.entries(0, 9).unwrap());
    assert_eq!(other.append(&[append("a", &[])], 3).unwrap(), [0], "an operation of another server");
    match other.append(&[append("d", &[])], 2) {
        Err(LogError::Conflict { expected: 2, size: 3 }) => {}
        other => panic!("{other:?}"),
    }
    thread::scope(|scope| {
        let waiter = scope.spawn(|| other.wait_beyond(3, Duration::from_secs(30)));
        put(&one, "d");
        assert_eq!(waiter.join().unwrap(), 4, "the doorbell rings at the other server");
    });
    let elsewhere = open(&node.options("another"));
    assert_eq!(elsewhere.head().unwrap().size, 0, "logs with other prefixes know nothing of each other");
    drop((one, other));
    assert_eq!(open(&node.options("log")).operation("d").unwrap(), Some(3));
}

/// Many more blobs than fit a transaction, and larger ones than fit a request; all there, once the entry is.
#[test]
fn blobs_of_any_size_and_number_come_with_their_entry() {
    let node = Node::single();
    let log = open(&node.options("log"));
    let large: Vec<u8> = (0..20_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut blobs: Vec<Vec<u8>> = (0..300_u32).map(|number| format!("blob {number}").into_bytes()).collect();
    blobs.extend([
        large.clone(),
        large[1..1 << 20].to_vec(),
        large[..1 << 20].to_vec(),
        large[..(1 << 20) + 1].to_vec(),
    ]);
    assert_eq!(log.append(&[append("a", &blobs)], 0).unwrap(), [0]);
    let reader = open(&node.options("log"));
    for blob in &blobs {
        let found = reader.blob(&Digest::of(blob)).unwrap();
        assert!(found.as_ref() == Some(blob), "a blob of {} bytes", blob.len());
    }
    let BatchMax { entries, bytes } = log.batch_max();
    let many = |count: usize| (0..count).map(|number| append(&format!("m{number}"), &[])).collect::<Vec<_>>();
    assert!(matches!(log.append(&many(entries + 1), 1), Err(LogError::BatchTooLarge { .. })));
    assert_eq!(log.append(&many(entries), 1).unwrap().len(), entries, "as many as are promised");
    let long = |operation: String| Append { entry: vec![7; 65_535], ..append(&operation, &[]) };
    let longest: Vec<Append> = (0..bytes / 65_535).map(|number| long(format!("l{number}"))).collect();
    log.append(&longest, 1 + entries as u64).unwrap();
    assert_eq!(reader.entries(0, usize::MAX).unwrap().len(), 1 + entries + longest.len());
}

/// A blob of which the last chunks were written and the first was not, as a crash leaves it, is not there, and is made whole.
#[test]
fn half_a_blob_is_none_and_a_changed_one_is_damage() {
    let node = Node::single();
    let log = open(&node.options("log"));
    let blob = vec![7; 3 << 20];
    let digest = Digest::of(&blob);
    let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    node.told(&["put", &format!("log/blob/{hex}/00001"), "half"]);
    assert_eq!(log.blob(&digest).unwrap(), None);
    log.append(&[append("a", std::slice::from_ref(&blob))], 0).unwrap();
    assert!(open(&node.options("log")).blob(&digest).unwrap() == Some(blob), "it was made whole");

    node.told(&["put", &format!("log/blob/{hex}/00002"), "changed"]);
    put(&log, "b");
    node.told(&["del", "log/entry/00000000000000000000"]);
    let fresh = open(&node.options("log"));
    assert!(matches!(fresh.blob(&digest), Err(LogError::Damaged { .. })));
    match fresh.entries(0, 2) {
        Err(LogError::Damaged { path, .. }) => assert!(path.ends_with("00000000000000000000"), "{path:?}"),
        other => panic!("{other:?}"),
    }
    node.told(&["put", "log/head", "v2 something else"]);
    assert!(Etcd::open(&node.options("log")).is_err_and(|error| error.to_string().contains("newer server")));
}

/// Compaction, defragmentation and a restart in the middle of waiting: every entry is heard of, once.
#[test]
fn the_doorbell_outlives_compaction_and_restarts() {
    let mut node = Node::single();
    let (writer, reader) = (open(&node.options("log")), open(&node.options("log")));
    let mut heard = 0;
    for round in 0..30_u64 {
        assert_eq!(put(&writer, &format!("r{round}")), round);
        match round % 10 {
            3 => {
                let revision = node.told(&["get", "log/head", "-w", "fields"]);
                let revision = revision.lines().find_map(|line| line.strip_prefix("\"Revision\" : ")).unwrap();
                node.told(&["compact", "--physical", revision]);
                node.told(&["defrag"]);
            }
            7 => {
                node.kill();
                node.start(&node.member());
            }
            _ => {}
        }
        let until = Instant::now() + Duration::from_secs(30);
        while heard <= round {
            let size = reader.wait_beyond(heard, Duration::from_secs(5));
            let entries = reader.entries(heard, usize::MAX).unwrap();
            assert!(heard + entries.len() as u64 >= size, "what was heard of can be read");
            for entry in entries {
                assert_eq!(entry, format!("entry of r{heard}").into_bytes());
                heard += 1;
            }
            assert!(Instant::now() < until, "entry {round} was not heard of");
        }
    }
    assert_eq!(reader.operation("r29").unwrap(), Some(29));
}

/// No member answers: an error that names one, within the time; and once it is back, all goes on.
#[test]
fn a_cluster_that_is_away_is_an_error_in_time() {
    let mut node = Node::single();
    let log = open(&quick(&node));
    put(&log, "a");
    node.pause();
    let begin = Instant::now();
    match log.append(&[append("b", &[])], 1) {
        Err(LogError::Unavailable { why }) => assert!(why.contains(&node.client_url), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert!(log.health().trouble.is_some());
    node.resume();
    // Whether the lost append took effect is settled by asking again.
    let slow = open(&node.options("log"));
    assert_eq!(slow.append(&[append("b", &[])], 1).unwrap(), [1]);
    assert_eq!((slow.head().unwrap().size, slow.operation("b").unwrap()), (2, Some(1)));
    node.kill();
    assert!(matches!(Etcd::open(&quick(&node)), Err(LogError::Unavailable { .. })));
    assert!(matches!(log.head(), Err(LogError::Unavailable { .. })));
    node.start(&node.member());
    node.await_health();
    assert_eq!((log.head().unwrap().size, log.health().trouble), (2, None));
}

/// The store's quota is reached: an error of its own, health that says so, reads that go on; then room is made.
#[test]
fn a_full_cluster_says_so() {
    let node = Node::single_with("http", &["--quota-backend-bytes", "16777216"]);
    let log = open(&quick(&node));
    let blob = |number: u32| (0..1_000_000_u32).map(|at| (at.wrapping_mul(number + 7) >> 11) as u8).collect::<Vec<_>>();
    let mut size = 0;
    let refused =
        (0..40).find_map(|number| match log.append(&[append(&format!("a{number}"), &[blob(number)])], size) {
            Ok(_) => {
                size += 1;
                None
            }
            Err(error) => Some(error),
        });
    assert!(matches!(refused, Some(LogError::NoSpace { .. })), "{refused:?}");
    let until = Instant::now() + Duration::from_secs(30);
    while !log.health().trouble.is_some_and(|trouble| trouble.contains("NOSPACE")) {
        assert!(Instant::now() < until, "{:?}", log.health());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!((log.head().unwrap().size, log.entries(0, 1).unwrap().len()), (size, 1), "reads go on");
    let members = log.health().members;
    assert!(members.len() == 1 && members[0].answers.as_ref().is_some_and(|state| state.is_leader), "{members:?}");

    node.told(&["del", "--prefix", "log/blob/"]);
    let revision = node.told(&["get", "log/head", "-w", "fields"]);
    let revision = revision.lines().find_map(|line| line.strip_prefix("\"Revision\" : ")).unwrap();
    node.told(&["compact", "--physical", revision]);
    node.told(&["defrag"]);
    node.told(&["alarm", "disarm"]);
    log.append(&[append("after", &[])], size).unwrap();
    while log.health().trouble.is_some() {
        assert!(Instant::now() < until + Duration::from_secs(30), "{:?}", log.health());
        thread::sleep(Duration::from_millis(100));
    }
}

/// User and password; a token that runs out is asked for anew; who may not is told so.
#[test]
fn users_and_passwords() {
    let node = Node::single_with("http", &["--auth-token-ttl", "1"]);
    for command in [
        "user add root:rootpw",
        "user add guiju:secret",
        "user add other:secret",
        "role add log",
        "role grant-permission log --prefix=true readwrite log/",
        "user grant-role guiju log",
        "user grant-role root root",
        "auth enable",
    ] {
        node.told(&command.split(' ').collect::<Vec<_>>());
    }
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (folder.path().join("right"), folder.path().join("wrong"));
    fs::write(&right, "secret\n").unwrap();
    fs::write(&wrong, "wrong").unwrap();
    let with = |user: &str, password: &std::path::Path| EtcdOptions {
        user: Some((user.into(), password.into())),
        ..quick(&node)
    };
    let log = open(&with("guiju", &right));
    put(&log, "a");
    thread::sleep(Duration::from_millis(2500));
    assert_eq!((put(&log, "b"), log.wait_beyond(1, Duration::from_secs(10))), (1, 2), "the token was asked for anew");
    for (what, refused) in [
        ("a wrong password", with("guiju", &wrong)),
        ("an unknown user", with("nobody", &right)),
        ("a user who may not", with("other", &right)),
        ("nobody", quick(&node)),
        ("no file", with("guiju", &folder.path().join("none"))),
    ] {
        match Etcd::open(&refused).map(|_| ()) {
            Err(LogError::Denied { why }) => assert!(!why.is_empty(), "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// TLS both ways: the members prove who they are, and so do the servers.
#[test]
fn certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(path("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let authority = rcgen::Issuer::new(params, key);
    for name in ["member", "server"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        params.extended_key_usages =
            vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        fs::write(path(&format!("{name}.pem")), params.signed_by(&key, &authority).unwrap().pem()).unwrap();
        fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let [client, peer] = crate::cluster::free_ports();
    let mut node = Node::new("one", format!("https://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"), &[]);
    let arguments = ["--client-cert-auth", "--trusted-ca-file", &text("ca.pem"), "--cert-file", &text("member.pem")];
    node.with(&arguments);
    node.with(&["--key-file", &text("member.key")]);
    node.start(&node.member());
    let whole = EtcdOptions {
        authority: Some(path("ca.pem")),
        identity: Some((path("server.pem"), path("server.key"))),
        ..options(vec![node.client_url.clone()], "log")
    };
    let log = open(&whole);
    assert_eq!((put(&log, "a"), log.wait_beyond(0, Duration::from_secs(10))), (0, 1));
    let quick = EtcdOptions { timeout: Duration::from_secs(1), ..whole.clone() };
    let unknown = EtcdOptions { identity: None, ..quick.clone() };
    assert!(matches!(Etcd::open(&unknown), Err(LogError::Unavailable { .. })), "without a certificate of its own");
    let other = EtcdOptions { authority: Some(path("server.pem")), ..quick };
    assert!(Etcd::open(&other).is_err(), "an authority that did not sign the member's");
}
