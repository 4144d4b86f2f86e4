//! Two tasks behind the engine: one that hears when the head moves, and one that asks how the members are.
//!
//! # Invariants
//! - A ring is only a reason to look: the head that counts is read, and entries are read by their index. So a watch that breaks,
//!   is compacted away or rings twice loses and repeats nothing.

use super::{
    Shared,
    client::jittered,
    locked,
    rpc::{
        AlarmRequest, AlarmType, StatusRequest, WatchCreateRequest, WatchRequest, WatchResponse,
        maintenance_client::MaintenanceClient, watch_client::WatchClient, watch_request::RequestUnion,
    },
};
use crate::log::{Member, MemberState};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};
use tokio_stream::StreamExt;
use tonic::Status;

/// How long nothing rings before the head is looked at all the same.
const QUIET: Duration = Duration::from_secs(1);
const BETWEEN_WATCHES: Duration = Duration::from_millis(200);
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(2);

/// Both end when the engine is dropped.
pub fn start(shared: &Arc<Shared>, runtime: &Handle) {
    runtime.spawn(listen(Arc::downgrade(shared)));
    runtime.spawn(look_after(Arc::downgrade(shared)));
}

async fn listen(shared: Weak<Shared>) {
    let mut member = 0;
    while let Some(shared) = shared.upgrade() {
        let ended = watch(&shared, member).await;
        tracing::debug!(member = shared.client.address(member), "the watch ended: {}", ended.message());
        member += 1;
        // Meanwhile it is this look that rings.
        let _ = shared.head().await;
        sleep(jittered(BETWEEN_WATCHES)).await;
    }
}

/// Until the watch ends, and why it did.
async fn watch(shared: &Arc<Shared>, member: usize) -> Status {
    match watch_until_broken(shared, member).await {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

enum Never {}

async fn watch_until_broken(shared: &Arc<Shared>, member: usize) -> Result<Never, Status> {
    let create = WatchCreateRequest { key: shared.key("head") };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    // A stream without an end: the watch lasts as long as what is asked.
    let asked = tokio_stream::once(create).chain(tokio_stream::pending());
    let request = shared.client.request(member, asked).await?;
    let mut client = WatchClient::new(shared.client.channel(member));
    let opened = timeout(LOOK, client.watch(request)).await;
    let mut rings = opened.map_err(|_| gone(shared, member))??.into_inner();
    loop {
        match timeout(QUIET, rings.message()).await {
            Ok(Ok(Some(WatchResponse { canceled: true, cancel_reason, .. }))) => {
                return Err(Status::aborted(cancel_reason));
            }
            Ok(Ok(None)) => return Err(Status::unavailable("it was closed")),
            Ok(Err(status)) => return Err(status),
            Ok(Ok(Some(ring))) => heard(shared, ring).await,
            Err(_quiet) => heard(shared, WatchResponse { created: true, ..Default::default() }).await,
        }
    }
}

fn gone(shared: &Shared, member: usize) -> Status {
    shared.client.renew(member);
    Status::unavailable("no answer in time")
}

/// Takes the head out of a ring, or reads it where the ring does not hold it.
async fn heard(shared: &Arc<Shared>, ring: WatchResponse) {
    let last = ring.events.last().and_then(|event| event.kv.as_ref());
    match last.map(|row| shared.parsed_head(Some(row))) {
        Some(Ok(head)) => shared.heard(head),
        _ if ring.created || !ring.events.is_empty() => drop(shared.head().await),
        _ => {}
    }
}

async fn look_after(shared: Weak<Shared>) {
    let mut said = None;
    while let Some(shared) = shared.upgrade() {
        let mut members = Vec::new();
        for number in 0..shared.client.members() {
            let answers = state(&shared, number).await;
            members.push(Member { address: shared.client.address(number).to_owned(), answers });
        }
        let alarm = alarm(&shared).await;
        if alarm != said {
            match &alarm {
                Some(alarm) => tracing::error!("{alarm}"),
                None => tracing::info!("the alarms of the log's cluster are over"),
            }
            said.clone_from(&alarm);
        }
        *locked(&shared.members) = (members, alarm);
        drop(shared);
        sleep(BETWEEN_LOOKS).await;
    }
}

async fn state(shared: &Shared, member: usize) -> Option<MemberState> {
    let ask = async {
        let request = shared.client.request(member, StatusRequest {}).await?;
        MaintenanceClient::new(shared.client.channel(member)).status(request).await
    };
    let status = timeout(LOOK, ask).await.ok()?.ok()?.into_inner();
    let own = status.header.map_or(0, |header| header.member_id);
    Some(MemberState {
        is_leader: own != 0 && own == status.leader,
        has_leader: status.leader != 0,
        bytes: status.db_size.max(0).unsigned_abs(),
        version: status.version,
    })
}

/// What the cluster says that it has not room for, or has damaged. The first member that answers speaks for all.
async fn alarm(shared: &Shared) -> Option<String> {
    for member in 0..shared.client.members() {
        let ask = async {
            let request = shared.client.request(member, AlarmRequest {}).await?;
            MaintenanceClient::new(shared.client.channel(member)).alarm(request).await
        };
        let Ok(Ok(answer)) = timeout(LOOK, ask).await else { continue };
        let alarms = answer.into_inner().alarms;
        let alarm = alarms.iter().find(|alarm| alarm.alarm() != AlarmType::None)?;
        return Some(match alarm.alarm() {
            AlarmType::Nospace => {
                "alarm NOSPACE: the store has reached its quota and takes no writes; compact, defragment, then disarm the alarm".into()
            }
            _ => format!("alarm CORRUPT: the store of member {:x} differs from the others'", alarm.member_id),
        });
    }
    None
}
