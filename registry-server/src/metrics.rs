//! What is counted, for Prometheus. Nothing here knows a record or a caller.

use crate::{
    log::{Health, Member},
    status::Reason,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{
    borrow::Cow,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

/// Upper bounds of the latency buckets, in seconds: from a look-up in memory to a long publication.
const LATENCY_S: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    method: Cow<'static, str>,
    code: Cow<'static, str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Method {
    method: Cow<'static, str>,
}

/// Of what is told by those servers only that have it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Unlabelled {}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LogMember {
    address: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Conforms {
    conforms: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SeverityLabel {
    severity: &'static str,
}

/// All counters of one server.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<Request, Counter>,
    latency: Family<Method, Histogram>,
    streams: Family<Method, Gauge>,
    published: Counter,
    checks: Family<Conforms, Counter>,
    findings: Family<SeverityLabel, Counter>,
    log_entries: Gauge,
    log_bytes: Gauge,
    view_lag: Gauge,
    log_answers: Family<Unlabelled, Gauge>,
    log_members: Family<LogMember, Gauge>,
    log_member_bytes: Family<LogMember, Gauge>,
    staleness: Family<Unlabelled, Gauge<f64, AtomicU64>>,
    log_read_only: Gauge,
    scrubbed_bytes: Counter,
    scrub_rounds: Counter,
    scrub_damaged: Gauge,
    mirror_size: Gauge,
    mirror_followed: Gauge,
    mirror_heard: Gauge,
    mirror_distrusts: Gauge,
    shed: Family<Shed, Counter>,
    refusals: Family<ByReason, Counter>,
    denials: Family<ByReason, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Shed {
    why: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

/// A stream that is open for as long as this lives.
pub struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("guiju"),
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_S)),
            streams: Family::default(),
            published: Counter::default(),
            checks: Family::default(),
            findings: Family::default(),
            log_entries: Gauge::default(),
            log_bytes: Gauge::default(),
            view_lag: Gauge::default(),
            log_answers: Family::default(),
            log_members: Family::default(),
            log_member_bytes: Family::default(),
            staleness: Family::default(),
            log_read_only: Gauge::default(),
            scrubbed_bytes: Counter::default(),
            scrub_rounds: Counter::default(),
            scrub_damaged: Gauge::default(),
            mirror_size: Gauge::default(),
            mirror_followed: Gauge::default(),
            mirror_heard: Gauge::default(),
            mirror_distrusts: Gauge::default(),
            shed: Family::default(),
            refusals: Family::default(),
            denials: Family::default(),
        };
        inner.register();
        // An alarm sees the first event only of what was there before it.
        for reason in [Reason::StoreFull, Reason::LogDamaged, Reason::LogUnavailable] {
            drop(inner.refusals.get_or_create(&ByReason { reason: reason.row().name }));
        }
        Self(Arc::new(inner))
    }
}

impl Inner {
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register("requests", "Requests that ended, by method and code", self.requests.clone());
        all.register_with_unit(
            "request",
            "Time from a request's head to the end of its answer",
            Unit::Seconds,
            self.latency.clone(),
        );
        all.register("streams_open", "Streams that are open, by method", self.streams.clone());
        all.register(
            "versions_published",
            "Versions that this server published since it started",
            self.published.clone(),
        );
        all.register("checks", "Records checked, by whether they conform", self.checks.clone());
        all.register("findings", "Findings given, by severity", self.findings.clone());
        all.register("log_entries", "Entries in the log", self.log_entries.clone());
        all.register_with_unit("log_size", "Bytes that the log takes", Unit::Bytes, self.log_bytes.clone());
        all.register("view_lag_entries", "Entries in the log that the view has not applied", self.view_lag.clone());
        all.register(
            "log_answers",
            "Whether the cluster that keeps the log answers and takes writes",
            self.log_answers.clone(),
        );
        all.register(
            "log_member_up",
            "Whether a member of that cluster answers and has a leader",
            self.log_members.clone(),
        );
        all.register_with_unit(
            "log_member_size",
            "Bytes that the store of a member takes",
            Unit::Bytes,
            self.log_member_bytes.clone(),
        );
        all.register_with_unit(
            "staleness",
            "Time since it was last certain that the view has all that the cluster has",
            Unit::Seconds,
            self.staleness.clone(),
        );
        all.register("log_read_only", "1 where the log takes no writes", self.log_read_only.clone());
        all.register_with_unit(
            "scrubbed",
            "What was read again to find damage",
            Unit::Bytes,
            self.scrubbed_bytes.clone(),
        );
        all.register("scrub_rounds", "Times that all of the log was read again", self.scrub_rounds.clone());
        all.register(
            "scrub_damaged",
            "Entries that the last whole round found damaged, or more that this one has found since",
            self.scrub_damaged.clone(),
        );
        all.register("mirror_upstream_entries", "Entries of the log that is followed", self.mirror_size.clone());
        all.register("mirror_followed_entries", "Those that were proved and followed", self.mirror_followed.clone());
        all.register_with_unit(
            "mirror_heard",
            "When the log that is followed last answered as it should, in Unix time",
            Unit::Seconds,
            self.mirror_heard.clone(),
        );
        all.register(
            "mirror_distrusts",
            "1 where the log that is followed is believed no more",
            self.mirror_distrusts.clone(),
        );
        all.register("shed", "Requests and connections that were turned away, by the bound", self.shed.clone());
        all.register(
            "refusals",
            "Requests that the registry looked into and refused, by the reason",
            self.refusals.clone(),
        );
        all.register("denials", "Requests that were denied, by the reason", self.denials.clone());
        // So that a first denial is seen to be one more.
        for reason in [Reason::CredentialsMissing, Reason::CredentialsRefused, Reason::NotAllowed] {
            drop(self.denials.get_or_create(&ByReason { reason: reason.row().name }));
        }
    }
}

impl Metrics {
    pub fn request(&self, method: Cow<'static, str>, code: Cow<'static, str>, took: Duration) {
        self.0.requests.get_or_create(&Request { method: method.clone(), code }).inc();
        self.0.latency.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    pub fn open_stream(&self, method: &'static str) -> OpenStream {
        let gauge = self.0.streams.get_or_create(&Method { method: method.into() }).clone();
        gauge.inc();
        OpenStream(gauge)
    }

    pub fn published(&self) {
        self.0.published.inc();
    }

    /// Records, conforming and failing, and their findings: errors, warnings, infos.
    pub fn checked(&self, records: [u64; 2], findings: [u64; 3]) {
        for (conforms, count) in [true, false].into_iter().zip(records).filter(|(_, count)| *count > 0) {
            self.0.checks.get_or_create(&Conforms { conforms }).inc_by(count);
        }
        let severities = ["error", "warning", "info"];
        for (severity, count) in severities.into_iter().zip(findings).filter(|(_, count)| *count > 0) {
            self.0.findings.get_or_create(&SeverityLabel { severity }).inc_by(count);
        }
    }

    /// Sizes as they are now; asked for when somebody looks.
    pub fn sizes(&self, log_entries: u64, log_bytes: u64, applied: u64) {
        self.0.log_entries.set(clamped(log_entries));
        self.0.log_bytes.set(clamped(log_bytes));
        self.0.view_lag.set(clamped(log_entries.saturating_sub(applied)));
    }

    /// How the cluster that keeps the log is.
    pub fn cluster(&self, health: &Health, whole_as_of: Option<Instant>) {
        self.0.log_answers.get_or_create(&Unlabelled {}).set(i64::from(health.trouble.is_none()));
        for Member { address, answers } in &health.members {
            let label = LogMember { address: address.clone() };
            let is_up = answers.as_ref().is_some_and(|state| state.has_leader);
            self.0.log_members.get_or_create(&label).set(i64::from(is_up));
            if let Some(state) = answers {
                self.0.log_member_bytes.get_or_create(&label).set(clamped(state.bytes));
            }
        }
        if let Some(as_of) = whole_as_of {
            self.0.staleness.get_or_create(&Unlabelled {}).set(as_of.elapsed().as_secs_f64());
        }
    }

    /// Whether the log takes writes, as last heard of.
    pub fn log_health(&self, health: &Health) {
        self.0.log_read_only.set(i64::from(health.trouble.is_some()));
    }

    pub fn scrubbed(&self, bytes: u64) {
        self.0.scrubbed_bytes.inc_by(bytes);
    }

    /// Damage is told as it is found; that there is none, once all was read again.
    pub fn scrub_found(&self, damaged: u64) {
        if self.scrub_damaged() < damaged {
            self.0.scrub_damaged.set(clamped(damaged));
        }
    }

    pub fn scrub_damaged(&self) -> u64 {
        self.0.scrub_damaged.get().unsigned_abs()
    }

    pub fn scrub_ended(&self, damaged: u64) {
        self.0.scrub_rounds.inc();
        self.0.scrub_damaged.set(clamped(damaged));
    }

    pub fn mirror(&self, size: u64, followed: u64, heard_s: u64, distrusts: bool) {
        self.0.mirror_size.set(clamped(size));
        self.0.mirror_followed.set(clamped(followed));
        self.0.mirror_heard.set(clamped(heard_s));
        self.0.mirror_distrusts.set(i64::from(distrusts));
    }

    /// One more was turned away; `why` is a bound, by the name of its setting.
    pub fn shed(&self, why: &'static str) {
        self.0.shed.get_or_create(&Shed { why }).inc();
    }

    /// One more was refused after a look at what it asks for.
    pub fn refused(&self, reason: Reason) {
        self.0.refusals.get_or_create(&ByReason { reason: reason.row().name }).inc();
    }

    /// One more was denied; whoever asked for what may not be seen was told that it is not there, and is counted as not allowed.
    pub fn denied(&self, reason: Reason) {
        self.0.denials.get_or_create(&ByReason { reason: reason.row().name }).inc();
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = text::encode(&mut text, &self.0.registry);
        text
    }
}

fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
