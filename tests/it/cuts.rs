//! Connections cut at any byte while versions are published and published again: each is there exactly once.

use crate::{
    fuzz::Dice,
    grpc::{SCHEMA, registry, submission},
    support::{Server, folder_in_memory, rounds},
};
use guiju_proto::registry::{ListVersionsRequest, PublishRequest, registry_client::RegistryClient};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tonic::{Code, transport::Endpoint};

const PUBLISHERS: u64 = 4;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes after which a connection is cut, at most: enough for a few publications.
const BYTES_MAX: usize = 6_000;

/// Passes bytes on to a server, and cuts each connection after some.
pub struct Scissors {
    pub address: String,
    pub cuts: Arc<AtomicU64>,
}

impl Scissors {
    async fn before(server: &Server) -> Self {
        let dice = Mutex::new(Dice(0x0c07_0c07));
        Self::after(server, move || [BYTES_MAX, BYTES_MAX / 4].map(|most| dice.lock().expect("dice").below(most))).await
    }

    /// Each after so many bytes to the server, or from it.
    pub async fn after(server: &Server, bytes: impl Fn() -> [usize; 2] + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, cuts) = (listener.local_addr().expect("an address").to_string(), Arc::new(AtomicU64::new(0)));
        let (to, count) = (server.address.clone(), cuts.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let [up, down] = bytes();
                let Ok(far) = TcpStream::connect(&to).await else { continue };
                let count = count.clone();
                tokio::spawn(async move {
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    // Both ends are dropped when one direction has used up its bytes.
                    let is_cut = tokio::select! {
                        is_cut = pass(near_in, far_out, up) => is_cut,
                        is_cut = pass(far_in, near_out, down) => is_cut,
                    };
                    count.fetch_add(u64::from(is_cut), Relaxed);
                });
            }
        });
        Self { address, cuts }
    }
}

/// Whether it was cut; else it ended by itself.
async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut left: usize,
) -> bool {
    let mut bytes = vec![0; 4096];
    loop {
        match from.read(&mut bytes).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => {
                let passed = count.min(left);
                if to.write_all(&bytes[..passed]).await.is_err() {
                    return false;
                }
                left -= passed;
                if left == 0 {
                    return true;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_that_is_tried_until_it_is_heard_makes_one_version() {
    let server = Server::start_in(folder_in_memory(), &[]);
    let scissors = Scissors::before(&server).await;
    let wanted = rounds(1_000);
    let publishers = (0..PUBLISHERS).map(|publisher| {
        let (address, cuts) = (scissors.address.clone(), scissors.cuts.clone());
        tokio::spawn(async move {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
            let (mut client, mut told) = (RegistryClient::new(endpoint.connect_lazy()), BTreeMap::new());
            for number in 0.. {
                if cuts.load(Relaxed) >= wanted {
                    break;
                }
                let (version, standard) = (format!("1.{number}.0"), format!("bj.cut/p{publisher}"));
                let operation_id = format!("p{publisher}-{number}");
                let request = PublishRequest { operation_id, standard, ..submission(&version, SCHEMA) };
                let published = loop {
                    // A client may lose a call with its connection and never tell: whoever waits, waits for so long and tries anew.
                    let Ok(answer) = timeout(PATIENCE, client.publish(request.clone())).await else {
                        client = RegistryClient::new(endpoint.connect_lazy());
                        continue;
                    };
                    match answer {
                        Ok(published) => break published.into_inner().version.expect("a version"),
                        Err(status) => {
                            let is_cut = matches!(
                                status.code(),
                                Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled
                            );
                            assert!(is_cut, "{status}");
                        }
                    }
                };
                told.insert(version, published);
            }
            told
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let (mut indices, mut client) = (Vec::new(), registry(&server).await);
    for (publisher, told) in publishers.into_iter().enumerate() {
        let told = told.await.expect("it holds");
        let list = ListVersionsRequest { standard: format!("bj.cut/p{publisher}") };
        let listed = client.list_versions(list).await.expect("listed").into_inner().versions;
        let listed: BTreeMap<_, _> = listed.into_iter().map(|version| (version.version.clone(), version)).collect();
        assert!(listed == told, "what was told is what is there");
        indices.extend(told.into_values().map(|version| version.log_index));
    }
    indices.sort_unstable();
    let cuts = scissors.cuts.load(Relaxed);
    assert!(cuts >= wanted && indices.iter().copied().eq(0..indices.len() as u64), "{cuts} cuts: {indices:?}");
}
