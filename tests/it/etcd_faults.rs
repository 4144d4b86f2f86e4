//! Three members and two servers under load, while members are killed, paused, cut off and started again: nothing that was
//! acknowledged is lost, made twice or told out of order, no watcher misses or repeats an entry, and writes come back.
//! Each fault strikes once in CI, and as often as it is told by `tests/soak`.

use crate::{
    cluster::{Cluster, options},
    etcd_servers::server,
    grpc::{SCHEMA, submission},
    history::{Told, What, faults, misheard},
    support::{Server, rounds},
};
use guiju_proto::{
    log::Entry,
    registry::{
        ListStandardsRequest, PublishRequest, WatchRequest, registry_client::RegistryClient,
        watch_response::Event::Published,
    },
};
use guiju_server::log::{Etcd, Log};
use prost::Message;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::transport::{Channel, Endpoint};

/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(4);
/// That writes come back at all is held of each strike.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// So soon is held of most strikes of each fault; where one was later, as on a busy machine, it strikes again, up to so many times.
const SOON: Duration = Duration::from_secs(5);
const STRIKES_MAX: usize = 7;
const PUBLISHERS: usize = 4;

type Fault = (&'static str, fn(&mut Cluster) -> Mend);
/// Undoes a fault.
type Mend = Box<dyn FnOnce(&mut Cluster) + Send>;

const FAULTS: &[Fault] = &[
    ("the leader is killed", |cluster| {
        let leader = cluster.leader();
        cluster.nodes[leader].kill();
        Box::new(move |cluster| cluster.start_again(leader))
    }),
    ("the leader is paused", |cluster| {
        let leader = cluster.leader();
        cluster.nodes[leader].pause();
        Box::new(move |cluster| cluster.nodes[leader].resume())
    }),
    ("a follower is paused", |cluster| {
        let follower = (cluster.leader() + 1) % 3;
        cluster.nodes[follower].pause();
        Box::new(move |cluster| cluster.nodes[follower].resume())
    }),
    ("the leader is cut off from the others", |cluster| {
        let leader = cluster.leader();
        cluster.cut_off(leader);
        Box::new(move |cluster| cluster.join_again(leader))
    }),
    ("a follower is cut off from the others", |cluster| {
        let follower = (cluster.leader() + 2) % 3;
        cluster.cut_off(follower);
        Box::new(move |cluster| cluster.join_again(follower))
    }),
    ("all members are killed and started again", |cluster| {
        cluster.nodes.iter_mut().for_each(crate::cluster::Node::kill);
        (0..3).for_each(|node| cluster.start_again(node));
        Box::new(|_| {})
    }),
];

#[allow(clippy::print_stdout, reason = "how soon writes come back is measured")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_repeated_or_out_of_order_whatever_befalls_the_cluster() {
    let rounds = rounds(1) as usize;
    let mut cluster = Cluster::start();
    let endpoints = cluster.endpoints();
    let (one, two) = (endpoints.join(","), [&endpoints[1..], &endpoints[..1]].concat().join(","));
    let first = server(&one, None, &[]);
    let second = server(&two, Some(first.folder.path()), &[]);
    let load = Load::new(&[&first, &second]);
    let mut publishers = JoinSet::new();
    (0..PUBLISHERS).for_each(|number| drop(publishers.spawn(publisher(load.clone(), number))));
    let mut readers = JoinSet::new();
    (0..2).for_each(|number| drop(readers.spawn(reader(load.clone(), number))));
    let mut watchers = JoinSet::new();
    (0..2).for_each(|number| drop(watchers.spawn(watcher(load.clone(), number))));

    let mut back_after: [Vec<Duration>; FAULTS.len()] = Default::default();
    let is_mostly_soon =
        |strikes: &[Duration]| 2 * strikes.iter().filter(|back| **back <= SOON).count() > strikes.len();
    let mut left: std::collections::VecDeque<usize> = (0..rounds).flat_map(|_| 0..FAULTS.len()).collect();
    while let Some(number) = left.pop_front() {
        let (what, strike) = FAULTS[number];
        sleep(Duration::from_secs(1)).await;
        let mut struck = cluster;
        let struck = tokio::task::spawn_blocking(move || {
            let begin = Instant::now();
            let mend = strike(&mut struck);
            (struck, begin, mend)
        });
        let (now, _, mend) = struck.await.expect("struck");
        cluster = now;
        let begin = Instant::now();
        let back = load.next_acknowledgement(begin).await;
        println!("{what}: writes are back after {:.1} s", back.as_secs_f64());
        back_after[number].push(back);
        let strikes = &back_after[number];
        if !is_mostly_soon(strikes) && strikes.len() < STRIKES_MAX && !left.contains(&number) {
            left.push_back(number);
        }
        sleep(FAULT.saturating_sub(begin.elapsed())).await;
        let mut mended = cluster;
        cluster = tokio::task::spawn_blocking(move || {
            mend(&mut mended);
            mended.await_health();
            mended
        })
        .await
        .expect("mended");
    }
    for ((what, _), strikes) in FAULTS.iter().zip(back_after) {
        assert!(is_mostly_soon(&strikes), "{what}: writes were back after {strikes:?}");
    }
    sleep(Duration::from_secs(1)).await;
    load.is_over.store(true, SeqCst);
    timeout(BACK_WITHIN, publishers.join_all()).await.expect("every publication was acknowledged in the end");
    timeout(BACK_WITHIN, readers.join_all()).await.expect("every reader is answered");

    let log = tokio::task::spawn_blocking(move || {
        let log = Etcd::open(&options(cluster.endpoints(), "/guiju/")).expect("it answers");
        let entries = log.entries(0, usize::MAX).expect("read");
        (entries, cluster)
    });
    let (entries, _cluster) = log.await.expect("read");
    let operations: Vec<String> =
        entries.iter().map(|entry| Entry::decode(entry.as_slice()).expect("an entry").operation_id).collect();
    load.size.store(operations.len(), SeqCst);
    let watched = timeout(BACK_WITHIN, watchers.join_all()).await.expect("the watchers heard of everything");
    let history = load.history.lock().expect("a history").clone();
    let count = |is: fn(&What) -> bool| history.iter().filter(|told| is(&told.what)).count();
    let appended = count(|what| matches!(what, What::Appended { .. }));
    println!("{appended} acknowledged, {} read, {} entries", history.len() - appended, operations.len());
    let faults = faults(&history, &operations);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
    assert_eq!(appended, operations.len(), "every entry was acknowledged, once");
    assert!(appended > 100 * rounds && history.len() - appended > 100 * rounds, "there was a load");
    for heard in watched {
        assert_eq!(misheard(&heard, &operations), [""; 0], "a watcher heard other entries than there are");
    }
}

/// What those who load the servers share.
#[derive(Clone)]
struct Load {
    channels: Vec<Channel>,
    begin: Instant,
    history: Arc<Mutex<Vec<Told>>>,
    is_over: Arc<AtomicBool>,
    /// Of the log at the end; before it is known, more than there will be.
    size: Arc<std::sync::atomic::AtomicUsize>,
}

impl Load {
    fn new(servers: &[&Server]) -> Self {
        let channel = |server: &&Server| Endpoint::from_shared(server.url()).expect("a URL").connect_lazy();
        let (history, is_over) = Default::default();
        let size = Arc::new(usize::MAX.into());
        Self { channels: servers.iter().map(channel).collect(), begin: Instant::now(), history, is_over, size }
    }

    fn client(&self, number: usize) -> RegistryClient<Channel> {
        RegistryClient::new(self.channels[number % self.channels.len()].clone())
    }

    fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }

    fn now_us(&self) -> u64 {
        self.begin.elapsed().as_micros() as u64
    }

    fn tell(&self, begin_us: u64, what: What) {
        let told = Told { begin_us, end_us: self.now_us(), what };
        self.history.lock().expect("a history").push(told);
    }

    /// How long it takes until something is acknowledged that was sent after a time.
    async fn next_acknowledgement(&self, after: Instant) -> Duration {
        let after_us = after.duration_since(self.begin).as_micros() as u64;
        let is_one = |told: &Told| told.begin_us >= after_us && matches!(told.what, What::Appended { .. });
        loop {
            if let Some(told) = self.history.lock().expect("a history").iter().rev().find(|told| is_one(told)) {
                return Duration::from_micros(told.end_us - after_us);
            }
            assert!(after.elapsed() < BACK_WITHIN, "writes did not come back");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Publishes one version after the other. One that is not acknowledged is sent again, to the other server.
async fn publisher(load: Load, number: usize) {
    let mut server = number;
    for count in 0.. {
        if load.is_over() {
            return;
        }
        let operation_id = format!("p{number}-{count}");
        let standard = format!("bj.load/p{number}-{count}");
        let request = PublishRequest { operation_id: operation_id.clone(), standard, ..submission("1.0.0", SCHEMA) };
        let begin_us = load.now_us();
        loop {
            match timeout(Duration::from_secs(15), load.client(server).publish(request.clone())).await {
                Ok(Ok(answer)) => {
                    let index = answer.into_inner().version.expect("a version").log_index;
                    load.tell(begin_us, What::Appended { operation: operation_id, index });
                    break;
                }
                _ => {
                    server += 1;
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Asks one server how much it knows of.
async fn reader(load: Load, number: usize) {
    while !load.is_over() {
        let begin_us = load.now_us();
        let request = ListStandardsRequest { page_size: 1, ..Default::default() };
        if let Ok(Ok(answer)) = timeout(Duration::from_secs(15), load.client(number).list_standards(request)).await {
            load.tell(begin_us, What::Read { size: answer.into_inner().log_size });
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Follows one server from the first entry on, and goes on where it was when the stream breaks. The operations in order.
async fn watcher(load: Load, number: usize) -> Vec<String> {
    let mut heard: Vec<String> = Vec::new();
    while heard.len() < load.size.load(SeqCst) {
        let request = WatchRequest { from_index: heard.len() as u64, namespace: String::new() };
        let Ok(Ok(answer)) = timeout(Duration::from_secs(15), load.client(number).watch(request)).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut events = answer.into_inner();
        // The end becomes known while nothing more is heard.
        while let Ok(Ok(Some(event))) = timeout(Duration::from_secs(2), events.message()).await {
            if let Some(Published(version)) = event.event {
                assert_eq!(event.index, heard.len() as u64, "no entry is skipped or repeated");
                heard.push(version.standard.trim_start_matches("bj.load/").to_owned());
            }
        }
    }
    heard
}
