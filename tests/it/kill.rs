//! kill -9 at any moment of publishing under load: what was acknowledged is there afterwards, and the view mends itself.

use crate::{
    grpc::{SCHEMA, registry, submission},
    support::{Server, folder_in_memory, rounds, said, server_command},
};
use guiju_proto::registry::{PublishRequest, ResolveRequest, VersionInfo, registry_client::RegistryClient};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};
use tonic::transport::Channel;

/// After so many a new log is begun: making the view anew takes its time, above all in a build for tests.
const ROUNDS_PER_LOG: u64 = 25;
const PUBLISHERS: u64 = 8;

/// What a disk or an operator may do to the view between two starts: in words, and done.
type Mishap = (&'static str, fn(&Path));

const MISHAPS: &[Mishap] = &[
    ("nothing", |_| {}),
    ("the folder is deleted", |view| fs::remove_dir_all(view).expect("removed")),
    ("a snapshot was being made", |view| {
        fs::write(view.join("snap.0000000000000000.generating"), "").expect("written");
    }),
    ("a snapshot is torn", |view| each(view, "snap", |file| truncate(file, 2))),
    ("a snapshot has a flipped bit", |view| each(view, "snap", |file| flip(file, 3))),
    ("nothing", |_| {}),
    ("the pages are torn", |view| each(view, "db", |file| truncate(file, 2))),
    ("the pages are gone", |view| each(view, "db", |file| truncate(file, u64::MAX))),
    ("the pages have flipped bits", |view| each(view, "db", |file| (1..40).for_each(|at| flip(file, at)))),
    ("the configuration is gone", |view| each(view, "conf", |file| fs::remove_file(file).expect("removed"))),
    ("the configuration has a flipped bit", |view| each(view, "conf", |file| flip(file, 2))),
    ("every file is empty", |view| each(view, "", |file| truncate(file, u64::MAX))),
    ("a file stands in its place", |view| {
        fs::remove_dir_all(view).expect("removed");
        fs::write(view, "not a folder").expect("written");
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_and_a_lost_view() {
    let rounds = rounds(500);
    let logs: Vec<u64> = (0..rounds).step_by(ROUNDS_PER_LOG as usize).collect();
    let half = |which: usize| {
        let firsts: Vec<u64> = logs.iter().skip(which).step_by(2).copied().collect();
        tokio::spawn(async move {
            let mut published = 0;
            for first in firsts {
                published += one_log(first..first + ROUNDS_PER_LOG).await;
            }
            published
        })
    };
    let (one, other) = (half(0), half(1));
    let published = one.await.expect("it holds") + other.await.expect("it holds");
    assert!(published > rounds, "only {published} were published");
}

/// The number of versions that were acknowledged.
async fn one_log(rounds: Range<u64>) -> u64 {
    let mut folder = folder_in_memory();
    let mut known = Known::default();
    for round in rounds {
        let mishap = &MISHAPS[(round % MISHAPS.len() as u64) as usize];
        let view = folder.path().join("data/view");
        if view.exists() {
            (mishap.1)(&view);
        }
        let server = Server::start_in(folder, &[]);
        known.settle(&server, &format!("round {round}, {}", mishap.0)).await;
        let load = known.load(&server, round).await;
        // From before the first append to well into the load, in steps that no timer of the server shares.
        sleep(Duration::from_micros(round * 7_919 % 60_000)).await;
        folder = server.kill();
        known.take(load).await;
    }
    let data = folder.path().join("data");
    let server = Server::start_in(folder, &[]);
    known.settle(&server, "the end").await;
    known.all_are_there(&server).await;
    let verified = said(&server_command(&["verify", "--data"]).arg(&data).output().expect("it runs"));
    let expected = format!("sound: {} entries, ", known.acknowledged.len());
    assert!(verified.starts_with(&expected), "expected {expected}, got {verified}");
    known.acknowledged.len() as u64
}

/// What the publishers know: what they were told, and what they sent without hearing of it.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<String, VersionInfo>,
    unheard: Vec<PublishRequest>,
    /// Of the last round: asked for at once, all others at the end.
    fresh: Vec<String>,
}

type Load = JoinSet<(Vec<VersionInfo>, Option<PublishRequest>)>;

impl Known {
    /// Asks for what was acknowledged last, and sends what nobody heard of again, under the same operation id.
    async fn settle(&mut self, server: &Server, when: &str) {
        let mut client = registry(server).await;
        for reference in std::mem::take(&mut self.fresh) {
            let found = client.resolve(ResolveRequest { reference: reference.clone(), as_of: String::new() }).await;
            let found = found.unwrap_or_else(|status| panic!("{when}: {reference}: {status}\n{}", server.log()));
            assert_eq!(found.into_inner().version.as_ref(), self.acknowledged.get(&reference), "{when}");
        }
        for request in std::mem::take(&mut self.unheard) {
            let answer = client.publish(request).await;
            let answer = answer.unwrap_or_else(|status| panic!("{when}: again: {status}\n{}", server.log()));
            self.acknowledge(answer.into_inner().version.expect("a version"));
        }
    }

    fn acknowledge(&mut self, version: VersionInfo) {
        let reference = format!("{}@={}", version.standard, version.version);
        self.fresh.push(reference.clone());
        assert_eq!(self.acknowledged.insert(reference, version), None);
    }

    /// Publishers that go on until the server is gone.
    async fn load(&self, server: &Server, round: u64) -> Load {
        let client = registry(server).await;
        let mut load = JoinSet::new();
        for publisher in 0..PUBLISHERS {
            load.spawn(publish(client.clone(), format!("bj.load/r{round}-p{publisher}")));
        }
        load
    }

    async fn take(&mut self, load: Load) {
        for (acknowledged, unheard) in load.join_all().await {
            acknowledged.into_iter().for_each(|version| self.acknowledge(version));
            self.unheard.extend(unheard);
        }
    }

    async fn all_are_there(&self, server: &Server) {
        let mut client = registry(server).await;
        let mut indices = Vec::new();
        for (reference, version) in &self.acknowledged {
            let found = client.resolve(ResolveRequest { reference: reference.clone(), as_of: String::new() }).await;
            assert_eq!(found.expect("it is there").into_inner().version.as_ref(), Some(version));
            indices.push(version.log_index);
        }
        indices.sort_unstable();
        assert!(
            indices.into_iter().eq(0..self.acknowledged.len() as u64),
            "each has an index of its own, without gaps"
        );
    }
}

async fn publish(mut client: RegistryClient<Channel>, standard: String) -> (Vec<VersionInfo>, Option<PublishRequest>) {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let version = format!("1.{number}.0");
        let operation_id = format!("{}-{number}", standard.replace('/', "-"));
        let request = PublishRequest { operation_id, standard: standard.clone(), ..submission(&version, SCHEMA) };
        match client.publish(request.clone()).await {
            Ok(answer) => acknowledged.extend(answer.into_inner().version),
            Err(_) => return (acknowledged, Some(request)),
        }
    }
    (acknowledged, None)
}

/// Does something to every file of a folder whose name begins so.
fn each(folder: &Path, name: &str, change: impl Fn(&Path)) {
    let files = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        path.is_file() && path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name))
    };
    files.filter(fits).for_each(|path| change(&path));
}

/// Leaves one part of so many.
fn truncate(file: &Path, parts: u64) {
    let file = fs::File::options().write(true).open(file).expect("opened");
    let length = file.metadata().expect("a length").len();
    file.set_len(length / parts).expect("cut");
}

/// Flips a bit at the n-th fortieth.
fn flip(file: &Path, fortieth: usize) {
    let mut bytes = fs::read(file).expect("read");
    let at = bytes.len() * fortieth / 40;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x10;
        fs::File::create(file).and_then(|mut file| file.write_all(&bytes)).expect("written");
    }
}
