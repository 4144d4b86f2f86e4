//! What an operator can set, and where each value came from.
//!
//! One table says it all: the flags, the environment variables, the keys of the TOML file and the reference page are made
//! from it. `--listen` is `GUIJU_LISTEN` and `listen`; a flag wins over a variable, a variable over the file.
//!
//! # Invariants
//! - A value that cannot be read is refused with the name of the flag, variable or key that held it.
//! - An unknown key is refused with the nearest one; nothing is ignored.

use crate::log::EtcdOptions;
use guiju_model::Namespace;
use guiju_validator::near;
use std::{
    collections::BTreeMap,
    env, fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// One thing that can be set.
#[derive(Debug)]
pub struct Setting {
    /// The key in the file: `address_file`.
    pub key: &'static str,
    /// What stands for the value in the help.
    pub value: &'static str,
    pub default: &'static str,
    /// Sentences, each beginning with a space.
    help: &'static str,
}

/// Makes the struct, the table and the reader from one list.
macro_rules! settings {
    ($($(#[doc = $help:literal])+ $key:ident: $type:ty = $default:literal, $value:literal;)+) => {
        /// Everything an operator can set, read and in force.
        #[derive(Clone, Debug)]
        pub struct Settings { $($(#[doc = $help])+ pub $key: $type),+ }

        /// In the order of the reference page.
        pub const SETTINGS: &[Setting] = &[
            $(Setting { key: stringify!($key), value: $value, default: $default, help: concat!($($help),+) }),+
        ];

        impl Settings {
            fn read(given: &Given) -> Result<Self, SettingsError> {
                Ok(Self { $($key: given.value(stringify!($key))?),+ })
            }
        }
    };
}

settings! {
    /// Folder of the log and the view. Made where it is missing. One server at a time uses it.
    data: PathBuf = "guiju-data", "DIR";
    /// Which log engine: `journal` keeps entries in files, `etcd` on a cluster that many servers share, `memory` forgets them at
    /// the end.
    engine: Engine = "journal", "ENGINE";
    /// Members of the etcd cluster: `http://` or `https://`, host and port each, with commas between them.
    etcd_endpoints: Optional<Urls> = "", "URLS";
    /// Before the names of all keys of this log in the cluster.
    etcd_prefix: Prefix = "/guiju/", "PREFIX";
    /// Certificate in PEM of the authority that signed those of the etcd members.
    etcd_ca: Optional<PathBuf> = "", "FILE";
    /// Certificate in PEM by which the etcd cluster knows this server.
    etcd_certificate: Optional<PathBuf> = "", "FILE";
    /// Private key of that certificate in PEM.
    etcd_key: Optional<PathBuf> = "", "FILE";
    /// User of the etcd cluster.
    etcd_user: Optional<String> = "", "NAME";
    /// File with the password of that user.
    etcd_password_file: Optional<PathBuf> = "", "FILE";
    /// How long one member of the etcd cluster may take before the next is asked.
    etcd_try_timeout: Duration = "1500ms", "TIME";
    /// How long the etcd cluster may take before a request is refused with UNAVAILABLE.
    etcd_timeout: Duration = "10s", "TIME";
    /// How old the state of the log may be by which a caller is let in who takes stale answers, where several servers share a log and
    /// somebody holds a role: a role that was taken back is good for no longer on a server that does not reach the log. A stream under
    /// way there ends after as long, 2 s at least.
    staleness_max: Duration = "10s", "TIME";
    /// Name of the transparency log, at its first start: the address under which others know it, without a scheme. One of its own
    /// where none is given.
    log_origin: Optional<String> = "", "NAME";
    /// Policy file (C2SP tlog-policy) with the witnesses that are asked to cosign the log: `witness NAME KEY ADDRESS` each.
    witnesses: Optional<PathBuf> = "", "FILE";
    /// Certificate in PEM of the authority that signed those of the witnesses.
    witnesses_authority: Optional<PathBuf> = "", "FILE";
    /// Policy file with the logs that this registry cosigns as a witness: `log KEY` each, one more for each change of key.
    witness_logs: Optional<PathBuf> = "", "FILE";
    /// Name of this witness, at its first start: the address under which others know it, without a scheme.
    witness_name: Optional<String> = "", "NAME";
    /// Another registry that this one follows: its entries are proved and taken over, and served also while it is away.
    upstream: Optional<String> = "", "URL";
    /// Namespaces that are taken over from there, with all below them, in a list with commas; all where none is named. Each standard that
    /// one of these refers to is taken over, too.
    upstream_namespaces: Namespaces = "", "LIST";
    /// Namespaces that are published here, although they lie among those that are taken over.
    own_namespaces: Namespaces = "", "LIST";
    /// Certificate in PEM of the authority that signed that of `upstream`.
    upstream_authority: Optional<PathBuf> = "", "FILE";
    /// File with the token that shows `upstream` who asks, for one that is closed: it takes reader on `*` there. Read again at each
    /// connection. Without it the token is the environment variable `GUIJU_UPSTREAM_TOKEN`, where that is set.
    upstream_token_file: Optional<PathBuf> = "", "FILE";
    /// Send that token to another machine without TLS: where something else protects the way.
    upstream_token_in_clear: bool = "false", "BOOL";
    /// Policy file (C2SP tlog-policy) with the key that the log of `upstream` began with, and its witnesses. Without it the key that
    /// is seen first is believed.
    upstream_policy: Optional<PathBuf> = "", "FILE";
    /// Follow no further where `upstream` shows of an entry its hash alone: for a mirror that is to hold everything.
    upstream_whole_log: bool = "false", "BOOL";
    /// How often `upstream` is asked for what is new.
    upstream_interval: Duration = "5s", "TIME";
    /// Bytes of the log that are read again each second, to find damage before anybody asks for what is damaged.
    scrub_bytes_per_second: u64 = "1048576", "BYTES";
    /// Address for gRPC and HTTP. Port 0 takes a free one. Other than a loopback address needs TLS or `insecure`.
    listen: SocketAddr = "127.0.0.1:8420", "IP:PORT";
    /// File that gets the bound address once the server answers.
    address_file: Optional<PathBuf> = "", "FILE";
    /// Certificate chain in PEM. With `tls_key` it turns TLS on.
    tls_certificate: Optional<PathBuf> = "", "FILE";
    /// Private key of the certificate in PEM.
    tls_key: Optional<PathBuf> = "", "FILE";
    /// Certificate in PEM of the authority that signs those of callers. Who shows one is the principal `cert:` and its name.
    tls_client_authority: Optional<PathBuf> = "", "FILE";
    /// TOML file with the issuers (OpenID Connect) whose JSON Web Tokens are taken.
    issuers: Optional<PathBuf> = "", "FILE";
    /// Serve on an address that others reach though nobody holds a role: whoever reaches it may do everything.
    open: bool = "false", "BOOL";
    /// Requests a second of one principal, twice as many at once. One more is refused with RESOURCE_EXHAUSTED.
    principal_rate_max: u32 = "5000", "COUNT";
    /// The same of one address; of IPv6, of one /64. Callers on loopback are not counted.
    address_rate_max: u32 = "10000", "COUNT";
    /// Serve in clear on an address that others reach. For a network that something else protects.
    insecure: bool = "false", "BOOL";
    /// Largest message that is accepted or sent, in bytes.
    message_bytes_max: usize = "4194304", "BYTES";
    /// Largest header list of a request, in bytes.
    header_bytes_max: u32 = "16384", "BYTES";
    /// Connections at a time. One more is closed at once. One address (of IPv6, one /64) has half of them at most; callers on loopback
    /// are not counted so.
    connections_max: usize = "1024", "COUNT";
    /// Requests at a time on one connection. One more waits.
    streams_per_connection_max: u32 = "128", "COUNT";
    /// Streams that check records, at a time. One more is refused with RESOURCE_EXHAUSTED. One principal has half of them at most, and
    /// so has one address, not loopback, of which nobody is known.
    check_streams_max: usize = "64", "COUNT";
    /// Streams that watch the log, at a time. One more is refused with RESOURCE_EXHAUSTED. Shared as the streams that check.
    watch_streams_max: usize = "4096", "COUNT";
    /// Comparisons of versions at a time, each of which may take a core and a good deal of memory; never more than half of `work_max`. One
    /// more is refused with RESOURCE_EXHAUSTED. Shared as the streams that check.
    compare_max: usize = "16", "COUNT";
    /// Bytes on their way: versions in parts, either way, until they are published or read, and answers of one message until their caller
    /// has taken them. More is refused with RESOURCE_EXHAUSTED. Shared as the streams that check.
    transfer_bytes_max: usize = "268435456", "BYTES";
    /// Questions at a time that may wait for the disk or take their time, publications among them. One more is refused with
    /// RESOURCE_EXHAUSTED and told when to try again, so that those under way are answered in time. Shared as the streams that check.
    work_max: usize = "256", "COUNT";
    /// How long a request may take until its answer begins, and how long a new connection may be silent.
    request_timeout: Duration = "30s", "TIME";
    /// How long a stream may stand still, because its caller neither sends nor reads, until it is ended.
    stream_idle_timeout: Duration = "5m", "TIME";
    /// How long a TLS handshake may take.
    handshake_timeout: Duration = "10s", "TIME";
    /// A connection that is silent for so long is asked whether it lives.
    keepalive_interval: Duration = "30s", "TIME";
    /// How long that answer may take.
    keepalive_timeout: Duration = "10s", "TIME";
    /// How long requests in flight may go on after SIGTERM or SIGINT.
    shutdown_timeout: Duration = "20s", "TIME";
    /// A stream that checks records tells its counts after so many of them.
    progress_records: u64 = "10000", "COUNT";
    /// Collector of traces that takes OTLP over gRPC (OpenTelemetry), for example `http://127.0.0.1:4317`. None are made without it.
    traces: Optional<String> = "", "URL";
    /// Certificate in PEM of the authority that signed that of the collector.
    traces_authority: Optional<PathBuf> = "", "FILE";
    /// Of so many calls one is traced; where its caller traces it, or says that it does not, that holds.
    traces_one_in: u32 = "1", "COUNT";
    /// `text` for people, `json` for collectors.
    log_format: LogFormat = "text", "FORMAT";
    /// Least important lines that are logged: `error`, `warn`, `info`, `debug` or `trace`.
    log_level: Level = "info", "LEVEL";
}

/// Namespaces in a list with commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(pub Vec<Namespace>);

/// A value that may be left out, written as nothing.
pub type Optional<T> = Option<T>;

/// Which log engine keeps the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Journal,
    Etcd,
    Memory,
}

impl Engine {
    /// The engine of that name.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::read(name)
    }
}

/// Addresses, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls(pub Vec<String>);

/// What the names of keys begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub tracing::Level);

/// Why the settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{from}: `{text}` is not usable: {why}")]
    Value { from: String, text: String, why: String },
    #[error("{}: there is no setting `{key}`{}", file.display(), nearest(key))]
    UnknownKey { file: PathBuf, key: String },
    #[error("the settings file {} cannot be read: {why}", file.display())]
    File { file: PathBuf, why: String },
    #[error("`tls_certificate` and `tls_key` go together; `{0}` is missing")]
    HalfTls(&'static str),
    #[error("the engine is `etcd` and `etcd_endpoints` names no member")]
    NoEndpoints,
    #[error("`{0}` and `{1}` go together; `{1}` is missing")]
    Half(&'static str, &'static str),
    #[error("`etcd_endpoints` names {0}, and `etcd_ca` is missing")]
    NoAuthority(String),
    #[error("`{0}` is not a loopback address and TLS is off, so records would travel in clear")]
    Clear(SocketAddr),
    #[error("`tls_client_authority` is of no use without TLS")]
    NoTls,
}

impl SettingsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Value { .. } => "`guiju-server settings` prints every setting, its value and where that came from",
            Self::UnknownKey { .. } => "`guiju-server settings` prints every setting",
            Self::File { .. } => "name a readable TOML file with --config, or none",
            Self::HalfTls(_) => "set both to files in PEM, or neither",
            Self::NoTls => "set --tls-certificate and --tls-key, too",
            Self::NoEndpoints => "for example --etcd-endpoints http://10.0.0.1:2379,http://10.0.0.2:2379",
            Self::Half(..) => "set both, or neither",
            Self::NoAuthority(_) => "name the certificate of the authority that signed those of the members",
            Self::Clear(_) => {
                "set --tls-certificate and --tls-key, listen on 127.0.0.1, or say --insecure where something else protects it"
            }
        }
    }
}

fn nearest(key: &str) -> String {
    match near::nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    }
}

impl Setting {
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    pub fn variable(&self) -> String {
        format!("GUIJU_{}", self.key.to_uppercase())
    }

    pub fn help(&self) -> &'static str {
        self.help.trim_start()
    }

    fn is_switch(&self) -> bool {
        self.value == "BOOL"
    }

    fn argument(&'static self) -> clap::Arg {
        let default = if self.default.is_empty() { String::new() } else { format!(" [default: {}]", self.default) };
        let help = format!("{} [env: {}]{default}", self.help(), self.variable());
        let argument = clap::Arg::new(self.key).long(self.flag()).value_name(self.value).help(help);
        match self.is_switch() {
            true => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
            false => argument,
        }
    }
}

/// The flags for a command's line: one a setting, and `--config`.
pub fn arguments() -> impl Iterator<Item = clap::Arg> {
    let config = clap::Arg::new("config").long("config").value_name("FILE");
    let config = config.help("TOML file with settings, its keys as the flags with `_` for `-` [env: GUIJU_CONFIG]");
    std::iter::once(config).chain(SETTINGS.iter().map(Setting::argument))
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Flag,
    Variable,
    File(PathBuf),
    Default,
}

/// What was said, before it is understood.
#[derive(Debug)]
pub struct Given(BTreeMap<&'static str, (String, Source)>);

impl Given {
    /// Collects flags over environment over file over defaults.
    pub fn collect(matches: &clap::ArgMatches) -> Result<Self, SettingsError> {
        let config = matches.get_one::<String>("config").cloned().or(variable("GUIJU_CONFIG")?);
        let mut file = config.map(|path| read_file(Path::new(&path))).transpose()?.unwrap_or_default();
        let mut given = BTreeMap::new();
        for setting in SETTINGS {
            let from_file = file.remove(setting.key);
            let value = match (matches.get_one::<String>(setting.key), variable(&setting.variable())?) {
                (Some(text), _) => (text.clone(), Source::Flag),
                (None, Some(text)) => (text, Source::Variable),
                (None, None) => from_file.unwrap_or_else(|| (setting.default.to_owned(), Source::Default)),
            };
            given.insert(setting.key, value);
        }
        Ok(Self(given))
    }

    /// Reads every value, and checks those that depend on each other.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        Settings::read(self)
    }

    /// One line a setting: key, value, where it came from.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        SETTINGS.iter().map(|setting| {
            let (text, source) = &self.0[setting.key];
            format!("{} = {text:?}  # {}", setting.key, source.describe(setting))
        })
    }

    fn value<T: Value>(&self, key: &str) -> Result<T, SettingsError> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        let (Some(setting), Some((text, source))) = (setting, self.0.get(key)) else {
            unreachable!("`{key}` is in the table, and every key of the table was collected")
        };
        let fault = |why| SettingsError::Value { from: source.describe(setting), text: text.clone(), why };
        T::read(text).map_err(fault)
    }
}

impl Source {
    fn describe(&self, setting: &Setting) -> String {
        match self {
            Self::Flag => format!("--{}", setting.flag()),
            Self::Variable => setting.variable(),
            Self::File(path) => format!("`{}` in {}", setting.key, path.display()),
            Self::Default => "default".into(),
        }
    }
}

/// An empty variable counts as none: that is how compose files and units unset one.
fn variable(name: &str) -> Result<Option<String>, SettingsError> {
    match env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(text)) => Err(SettingsError::Value {
            from: name.into(),
            text: text.to_string_lossy().into(),
            why: "it is not UTF-8".into(),
        }),
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, (String, Source)>, SettingsError> {
    let fault = |why: String| SettingsError::File { file: path.into(), why };
    let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error| fault(one_line(&text, &error)))?;
    table
        .into_iter()
        .map(|(key, value)| Ok((file_key(path, key)?, value)))
        .map(|pair| file_value(path, pair?))
        .collect()
}

/// The first fault with its line, without the library's drawing of it.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let message = error.message().replace('\n', "; ");
    format!("line {}: {message}", before.matches('\n').count() + 1)
}

fn file_key(path: &Path, key: String) -> Result<String, SettingsError> {
    match SETTINGS.iter().any(|setting| setting.key == key) {
        true => Ok(key),
        false => Err(SettingsError::UnknownKey { file: path.into(), key }),
    }
}

fn file_value(path: &Path, (key, value): (String, toml::Value)) -> Result<(String, (String, Source)), SettingsError> {
    let source = Source::File(path.into());
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(is) => is.to_string(),
        other => {
            let why = "write a string, a whole number, true or false".into();
            return Err(SettingsError::Value {
                from: format!("`{key}` in {}", path.display()),
                text: other.to_string(),
                why,
            });
        }
    };
    Ok((key, (text, source)))
}

impl Settings {
    /// Checks what only matters to a server that listens.
    pub fn check_serving(&self) -> Result<(), SettingsError> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => Err(SettingsError::HalfTls("tls_key")),
            (None, Some(_)) => Err(SettingsError::HalfTls("tls_certificate")),
            (None, None) if !self.listen.ip().is_loopback() && !self.insecure => Err(SettingsError::Clear(self.listen)),
            (None, None) if self.tls_client_authority.is_some() => Err(SettingsError::NoTls),
            _ => Ok(()),
        }
    }

    /// Where the etcd cluster is, and who asks.
    pub fn etcd(&self) -> Result<EtcdOptions, SettingsError> {
        let Some(Urls(endpoints)) = self.etcd_endpoints.clone() else { return Err(SettingsError::NoEndpoints) };
        let identity = both(("etcd_certificate", self.etcd_certificate.clone()), ("etcd_key", self.etcd_key.clone()))?;
        let user =
            both(("etcd_user", self.etcd_user.clone()), ("etcd_password_file", self.etcd_password_file.clone()))?;
        if let (Some(url), None) = (endpoints.iter().find(|url| url.starts_with("https:")), &self.etcd_ca) {
            return Err(SettingsError::NoAuthority(url.clone()));
        }
        Ok(EtcdOptions {
            endpoints,
            prefix: self.etcd_prefix.0.clone(),
            authority: self.etcd_ca.clone(),
            identity,
            user,
            try_timeout: self.etcd_try_timeout,
            timeout: self.etcd_timeout,
        })
    }

    /// The defaults, for embedding the server in a test or a bench.
    pub fn defaults() -> Result<Self, SettingsError> {
        let default = |setting: &'static Setting| (setting.key, (setting.default.to_owned(), Source::Default));
        Self::read(&Given(SETTINGS.iter().map(default).collect()))
    }
}

fn both<A, B>(
    (first, a): (&'static str, Option<A>),
    (second, b): (&'static str, Option<B>),
) -> Result<Option<(A, B)>, SettingsError> {
    match (a, b) {
        (Some(a), Some(b)) => Ok(Some((a, b))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(SettingsError::Half(first, second)),
        (None, Some(_)) => Err(SettingsError::Half(second, first)),
    }
}

/// A value that is written as text.
trait Value: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("a path is missing".into()),
            text => Ok(text.into()),
        }
    }
}

impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::read(text).map(Some) }
    }
}

impl Value for Urls {
    fn read(text: &str) -> Result<Self, String> {
        let read = |url: &str| {
            let url = url.trim().trim_end_matches('/');
            let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            let is_whole = host.and_then(|host| host.rsplit_once(':')).is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok()
            });
            match is_whole {
                true => Ok(url.to_owned()),
                false => Err(format!("`{url}` is not such as http://10.0.0.1:2379")),
            }
        };
        text.split(',').map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl Value for Prefix {
    fn read(text: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        match text.trim_matches('/').is_empty() || text.len() > 128 || !text.chars().all(is_plain) {
            true => Err("write 1 to 128 of A-Z a-z 0-9 / . _ -, not slashes alone".into()),
            false => Ok(Self(text.into())),
        }
    }
}

impl Value for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "write an IP address and a port, for example 127.0.0.1:8420 or [::1]:8420".into())
    }
}

impl Value for Namespaces {
    fn read(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| name.parse().map_err(|why| format!("`{name}`: {why}"))).collect::<Result<_, _>>().map(Self)
    }
}

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("write true or false".into()),
        }
    }
}

macro_rules! counts {
    ($($type:ty),+) => {$(
        impl Value for $type {
            fn read(text: &str) -> Result<Self, String> {
                let fault = || format!("write a whole number from 1 to {}", Self::MAX);
                text.parse().ok().filter(|number| *number > 0).ok_or_else(fault)
            }
        }
    )+};
}
counts!(u32, u64, usize);

impl Value for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let fault = || "write a whole number and a unit, for example 500ms, 30s, 5m or 1h".to_owned();
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let number: u64 = text[..unit_at].parse().map_err(|_| fault())?;
        let scale = match &text[unit_at..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(fault()),
        };
        let ms = number.checked_mul(scale).filter(|ms| (1..=86_400_000).contains(ms));
        ms.map(Duration::from_millis).ok_or_else(|| "it must lie between 1ms and 24h".into())
    }
}

impl Value for Engine {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "journal" => Ok(Self::Journal),
            "etcd" => Ok(Self::Etcd),
            "memory" => Ok(Self::Memory),
            _ => Err("write journal, etcd or memory".into()),
        }
    }
}

impl Value for LogFormat {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("write text or json".into()),
        }
    }
}

impl Value for Level {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| "write error, warn, info, debug or trace".into())
    }
}

/// The reference page, in Markdown. A test holds it against `docs/reference/settings.md`.
pub fn page() -> String {
    let mut page = PAGE_HEAD.to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "none".into() } else { format!("`{}`", setting.default) };
        let (key, flag, variable, help) = (setting.key, setting.flag(), setting.variable(), setting.help());
        page += &format!("| `{key}` | `--{flag}` | `{variable}` | {default} | {help} |\n");
    }
    page
}

const PAGE_HEAD: &str = "# Settings of guiju-server

Made from `registry-server/src/settings.rs`; a test says when this page is stale.

A value is looked for in the flag, then in the environment variable, then in the TOML file named by `--config` or
`GUIJU_CONFIG`, then the default holds. An empty variable counts as none. An unknown key in the file is refused with the
nearest one. `guiju-server settings` prints every value in force and where it came from.

Times are a whole number with a unit: `500ms`, `30s`, `5m`, `1h`. Counts and sizes are whole numbers from 1.

| key in the file | flag | environment | default | what it does |
|---|---|---|---|---|
";

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Journal => "journal",
            Self::Etcd => "etcd",
            Self::Memory => "memory",
        })
    }
}
