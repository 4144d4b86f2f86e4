//! A registry to measure.

#![allow(dead_code, reason = "each bench takes what it needs")]

use crate::built;
use guiju_proto::registry::{ResolveRequest, registry_client::RegistryClient};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tonic::transport::Channel;

/// What is said of a standard that only serves to measure.
pub const METADATA: &str = r#"
kind = "record"
domain = "common"
title_zh = "基准"
title_en = "Bench"
abstract = "只用于测量"
abstract_en = "Only for measuring"
owner = "bench"
steward = "bench"
registration_authority = "bench"
share_class = "1"
open = false
security_level = "S2"
update_cycle = "D"
"#;

/// The real server, release build, on loopback.
pub struct Server {
    child: Child,
    address: String,
    pub channel: Channel,
    pub started_in: Duration,
}

impl Server {
    pub async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The same, with more flags.
    pub async fn start_with(data: &Path, flags: &[&str]) -> Self {
        let program = built::built("guiju-server", "guiju-server");
        let address_file = data.join("address");
        let _ = std::fs::remove_file(&address_file);
        let begin = Instant::now();
        let child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data"])
            .arg(data.join("registry"))
            .arg("--address-file")
            .arg(&address_file)
            .args(flags)
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        let address = loop {
            match std::fs::read_to_string(&address_file) {
                Ok(address) if !address.trim().is_empty() => break address.trim().to_owned(),
                _ if begin.elapsed() > Duration::from_secs(120) => panic!("the server did not start"),
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let address = format!("http://{address}");
        let channel = connection(&address).await;
        let _ = RegistryClient::new(channel.clone())
            .resolve(ResolveRequest { reference: "a/b".into(), ..Default::default() })
            .await;
        Self { child, address, channel, started_in: begin.elapsed() }
    }

    /// As of a caller of its own.
    pub async fn connection(&self) -> Channel {
        connection(&self.address).await
    }

    /// CPU seconds of all its threads, to a hundredth. The system counts what those spent that have ended since; summed up over the
    /// threads that live it would run backwards when an idle one is let go.
    pub fn cpu_seconds(&self) -> f64 {
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name: state and others, then at 11 and 12 what was spent in the program and in the system.
        let behind = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        behind.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() as f64 / TICKS_A_SECOND
    }

    pub fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

async fn connection(address: &str) -> Channel {
    Channel::from_shared(address.to_owned()).expect("an address").connect().await.expect("the server answers")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
