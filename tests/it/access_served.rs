//! Who may do what, over the network: every method as everybody who might, certificates, issuers, limits, and that secrets stay
//! secret.

use crate::{
    grpc::{METADATA, SCHEMA, ask, conformance, header},
    support::{Server, expect_file, python, root, said, server_command},
};
use base64::{Engine, prelude::*};
use guiju::{
    ConnectOptions, LogSource, Registry, RegistryError, Token,
    desk::{Hand, Move},
};
use guiju_model::{Digest, Grant, Kind, Package, Principal, Role};
use guiju_proto::{
    FILE_DESCRIPTOR_SET,
    conformance::{Format, check_stream_request::Message as Ask, conformance_client::ConformanceClient},
};
use guiju_server::permissions;
use prost::{
    Message,
    bytes::{Buf, BufMut},
};
use prost_reflect::{
    DescriptorPool, DynamicMessage,
    prost_types::{MethodOptions, method_options::IdempotencyLevel},
};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair, SanType};
use ring::{
    rand::SystemRandom,
    signature::{self, RsaKeyPair, RsaPublicKeyComponents},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A registry whose first manager is `root`, and root's token.
pub fn bootstrapped(flags: &[&str]) -> (Server, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let token = bootstrap(folder.path(), &[]).pop().expect("a token");
    (Server::start_in(folder, flags), token)
}

pub fn bootstrap(folder: &Path, flags: &[&str]) -> Vec<String> {
    let mut command = server_command(&["bootstrap", "--principal", "root", "--data"]);
    let output = command.arg(folder.join("data")).args(flags).output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

pub async fn connected(server: &Server, token: &str) -> Registry {
    let options = ConnectOptions { token: Some(token.parse().expect("a token")), ..ConnectOptions::default() };
    Registry::connect_with(&server.url(), options).await.expect("connected")
}

pub fn grant(text: &str) -> Grant {
    text.parse().expect("a role on a namespace")
}

pub fn principal(text: &str) -> Principal {
    text.parse().expect("a principal")
}

pub fn package(standard: &str, version: &str) -> Package {
    Package {
        standard: standard.parse().expect("a name"),
        version: version.parse().expect("a version"),
        kind: Kind::Record,
        files: [("schema.json".to_owned(), SCHEMA.as_bytes().to_vec())].into(),
    }
}

/// Gives a principal a role and a token for it.
pub async fn holder(root: &Registry, name: &str, role: &str) -> String {
    let (operation, who) = (format!("grant-{name}"), principal(name));
    root.grant(&operation, &who, &grant(role), "a test").await.expect("granted");
    let made = root.create_token(&format!("token-{name}"), &who, &[grant(role)], DAY, "a test").await;
    made.expect("a token").secret.text().to_owned()
}

/// Messages as they are, so that any method can be called by its name.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

/// All that was said, message after message, with the error at the end if there is one. A stream that stays open is heard for a moment.
pub async fn spoken(channel: &Channel, token: Option<&str>, method: &str, message: &[u8]) -> Vec<u8> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.expect("a connection");
    let mut request = Request::new(tokio_stream::iter([message.to_vec()]));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    let path: PathAndQuery = method.parse().expect("a path");
    let mut heard = Vec::new();
    let ended = match grpc.streaming(request, path, Raw).await {
        Ok(answer) => {
            let mut messages = answer.into_inner();
            loop {
                match tokio::time::timeout(Duration::from_millis(500), messages.message()).await {
                    Ok(Ok(Some(message))) => heard.extend(message),
                    Ok(Err(status)) => break Some(status),
                    Ok(Ok(None)) | Err(_) => break None,
                }
            }
        }
        Err(status) => Some(status),
    };
    if let Some(status) = ended {
        heard.extend_from_slice(status.message().as_bytes());
        heard.extend_from_slice(status.details());
        heard.extend(format!("{:?}", status.metadata()).into_bytes());
    }
    heard
}

/// `OK`, or code and reason; and all that was said.
pub async fn call(channel: &Channel, token: Option<&str>, method: &str, message: &[u8]) -> (String, String) {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.expect("a connection");
    let mut request = Request::new(tokio_stream::iter([message.to_vec()]));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    let path: PathAndQuery = method.parse().expect("a path");
    let answer = match grpc.streaming(request, path, Raw).await {
        Ok(answer) => answer.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    match answer {
        Ok(()) => ("OK".into(), String::new()),
        Err(status) => {
            let details = status.get_error_details();
            let reason = details.error_info().map_or("?".to_owned(), |info| info.reason.clone());
            let code = match status.code() {
                Code::NotFound => "NOT_FOUND",
                Code::PermissionDenied => "PERMISSION_DENIED",
                Code::Unauthenticated => "UNAUTHENTICATED",
                code => &format!("{code:?}"),
            };
            (format!("{code}:{reason}"), format!("{} {details:?}", status.message()))
        }
    }
}

pub async fn channel(server: &Server) -> Channel {
    Endpoint::from_shared(server.url()).expect("a URL").connect().await.expect("the server listens")
}

pub fn methods() -> Vec<(String, prost_reflect::MessageDescriptor)> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .map(|method| (format!("/{}/{}", method.parent_service().full_name(), method.name()), method.input()))
        .collect()
}

#[test]
fn every_method_has_a_row_of_its_own() {
    expect_file(&root().join("docs/reference/permissions.md"), &permissions::page());
    let methods: BTreeSet<String> = methods().into_iter().map(|(name, _)| name).collect();
    let rows: BTreeSet<String> = permissions::TABLE.iter().map(|row| row.method.to_owned()).collect();
    let missing: Vec<_> = methods.difference(&rows).collect();
    assert!(missing.is_empty(), "these methods have no row in permissions.rs: {missing:?}");
    let stale: Vec<_> = rows.iter().filter(|row| row.starts_with("/guiju.") && !methods.contains(*row)).collect();
    assert!(stale.is_empty(), "there are no such methods: {stale:?}");
    assert_eq!(rows.len(), permissions::TABLE.len(), "a method has one row");
}

/// A caller may repeat these without a thought, and an overloaded server may refuse them after all.
#[test]
fn what_changes_nothing_says_so_in_its_contract() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let methods: Vec<_> = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    for method in methods {
        let name = method.name();
        let reads = ["Get", "List", "Read", "Prove", "Check"].iter().any(|begin| name.starts_with(begin))
            || ["Resolve", "Search", "Compare", "CanPublish", "Watch", "WhoAmI"].contains(&name);
        let level = method.method_descriptor_proto().options.as_ref().map(MethodOptions::idempotency_level);
        assert_eq!(level == Some(IdempotencyLevel::NoSideEffects), reads, "{name}");
    }
}

/// Proposals for `bj.water`, each at the stage that its name in the cases says, with what else the cases name.
async fn proposals(root: &Registry, server: &Server) -> Vec<(&'static str, String)> {
    let mut author = (String::new(), String::new());
    for (token, name, role) in
        [(&mut author.0, "drafts", "author:bj.water"), (&mut author.1, "agrees", "approver:bj.water")]
    {
        *token = holder(root, name, role).await;
    }
    let (author, approver) = (connected(server, &author.0).await, connected(server, &author.1).await);
    let blob = |bytes: &[u8]| BASE64_STANDARD.encode(Digest::of(bytes).as_bytes());
    let mut names = vec![("WHYBLOB", blob(b"a test")), ("PUBLISHEDBLOB", blob(METADATA.as_bytes()))];
    for name in ["REVISED", "DRAFTED", "COMMENTED", "OBJECTED", "REVIEWED", "REJECTED", "RETRACTED", "APPROVED"] {
        let operation = |what: &str| format!("{what}-{name}");
        let standard = format!("bj.water/{}", name.to_lowercase());
        let (draft, package) = (operation("draft"), package(&standard, "1.9.0"));
        let hand = Hand { operation_id: &draft, name: "" };
        let opened =
            author.draft(&hand, None, &package, METADATA, guiju::Terms::default(), "a test").await.expect("drafted");
        names.push((name, opened.id.to_string()));
        if matches!(name, "REVISED" | "DRAFTED") {
            continue;
        }
        let submit = operation("submit");
        let hand = Hand { operation_id: &submit, name: "" };
        let submitted = author.take_move(&hand, opened.id, &Move::Submit, "a test").await.expect("submitted");
        let next = operation("next");
        let hand = Hand { operation_id: &next, name: "" };
        match name {
            "OBJECTED" => {
                let objection = Move::Comment { file: "", pointer: "", is_objection: true };
                let objected = approver.take_move(&hand, opened.id, &objection, "a test").await.expect("said");
                names.push(("OBJECTION", objected.steps.last().expect("a step").index.to_string()));
            }
            "REVIEWED" => {
                let digest: Digest = submitted.digest.parse().expect("a digest");
                names.push(("DRAFTBLOB", BASE64_STANDARD.encode(digest.as_bytes())));
                names.push(("DIGEST", submitted.digest));
            }
            "APPROVED" => {
                let digest = submitted.digest.parse().expect("a digest");
                approver
                    .take_move(&hand, opened.id, &Move::Approve { digest, submitted: None }, "a test")
                    .await
                    .expect("approved");
            }
            _ => {}
        }
    }
    names
}

/// Holders of roles, each made when it is asked for: `author:bj.water`, or several with `+` between them.
struct Holders<'r> {
    root: &'r Registry,
    tokens: BTreeMap<String, String>,
}

impl Holders<'_> {
    async fn token(&mut self, roles: &str) -> String {
        if let Some(token) = self.tokens.get(roles) {
            return token.clone();
        }
        let name = roles.replace([':', '+'], ".").replace('*', "all");
        let (who, grants) = (principal(&name), roles.split('+').map(grant).collect::<Vec<_>>());
        for (number, grant) in grants.iter().enumerate() {
            self.root.grant(&format!("grant-{name}-{number}"), &who, grant, "a test").await.expect("granted");
        }
        let made = self.root.create_token(&format!("token-{name}"), &who, &grants, DAY, "a test").await;
        let token = made.expect("a token").secret.text().to_owned();
        self.tokens.insert(roles.to_owned(), token.clone());
        token
    }
}

#[tokio::test]
async fn every_method_is_tried_as_everybody_who_might() {
    let (server, root_token) = bootstrapped(&[]);
    let root_registry = connected(&server, &root_token).await;
    let published = root_registry.publish("p", &package("bj.water/meter", "1.0.0"), METADATA, false).await;
    let index = published.expect("published").version.log_index;
    let marked = root_registry.create_token("t", &principal("qian"), &[grant("reader:bj.water")], DAY, "a test").await;
    let marked = marked.expect("a token");

    // Shown later: by then it has expired.
    let who = principal("late");
    root_registry.grant("late", &who, &grant("manager:*"), "a test").await.expect("granted");
    let brief =
        root_registry.create_token("brief", &who, &[grant("manager:*")], Duration::from_secs(1), "a test").await;
    let expired = brief.expect("a token").secret.text().to_owned();
    let gone = root_registry.create_token("gone", &who, &[grant("manager:*")], DAY, "a test").await.expect("a token");
    root_registry.revoke_token("gone-1", &gone.info.id, "a test").await.expect("revoked");
    let gone = gone.secret.text().to_owned();
    // Whoever approves is an approver before there is something to approve.
    let mut holders = Holders { root: &root_registry, tokens: BTreeMap::new() };
    holders.token("approver:bj.water").await;
    let names = proposals(&root_registry, &server).await;

    let text = fs::read_to_string(root().join("tests/cases/access/methods.txt")).expect("cases");
    let known = methods();
    let mut left: BTreeSet<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let channel = channel(&server).await;
    let who = Registry::connect(&server.url()).await.expect("connected");
    while !matches!(connected(&server, &expired).await.who_am_i().await, Err(error) if code(&error) == Some(Code::Unauthenticated))
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        code(&who.who_am_i().await.expect_err("nobody is known without credentials")),
        Some(Code::Unauthenticated)
    );
    let unknown = format!("guiju_{}", "0".repeat(64));
    let bad = [expired.as_str(), gone.as_str(), &unknown, "a.b.c", "x"];

    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (method, rest) = line.split_once(' ').expect("a method");
        let (role, rest) = rest.trim_start().split_once(' ').expect("a role");
        let (elsewhere, request) = rest.trim_start().split_once(' ').expect("what is said elsewhere");
        let mut request = request
            .replace("\"METADATA\"", &json!(METADATA).to_string())
            .replace("SCHEMA", &BASE64_STANDARD.encode(SCHEMA))
            .replace("INDEX", &index.to_string())
            .replace("TOKEN", &marked.info.id);
        let mut proposal = None;
        for (name, value) in &names {
            if request.contains(&format!("\"proposal\": \"{name}\"")) {
                proposal = Some(value);
            }
            request = request.replace(&format!("\"{name}\""), &format!("\"{value}\""));
        }
        let (_, input) = known.iter().find(|(name, _)| name == method).unwrap_or_else(|| panic!("no method {method}"));
        left.remove(method);
        let encoded = |request: &str| {
            let mut json = serde_json::Deserializer::from_str(request);
            let message = DynamicMessage::deserialize(input.clone(), &mut json);
            message.unwrap_or_else(|why| panic!("{method}: {why}")).encode_to_vec()
        };
        let message = encoded(&request);

        let ask = async |token: Option<&str>| call(&channel, token, method, &message).await.0;
        assert_eq!(ask(None).await, "UNAUTHENTICATED:CREDENTIALS_MISSING", "{method} without credentials");
        for token in bad {
            assert_eq!(ask(Some(token)).await, "UNAUTHENTICATED:CREDENTIALS_REFUSED", "{method} with {token}");
        }
        let (roles, answer) = role.split_once('>').unwrap_or((role, "OK"));
        let (roles, scope) = roles.split_once(':').unwrap_or((roles, "bj.water"));
        let enough: Vec<Role> = match roles {
            "-" => Role::ALL.to_vec(),
            roles => roles.split('|').map(|role| role.parse().expect("a role")).collect(),
        };
        let will_do = |held: Role| enough.iter().any(|role| held.implies(*role));
        // With a role that will not do on the very namespace, and with one that would do elsewhere.
        for held in Role::ALL.iter().copied().filter(|held| !will_do(*held)) {
            let wrong = match elsewhere {
                // An auditor sees whose it is.
                "NOT_FOUND:UNKNOWN_TOKEN" if held != Role::Auditor => elsewhere,
                _ => "PERMISSION_DENIED:NOT_ALLOWED",
            };
            // An operator runs the whole registry.
            let place = if held == Role::Operator { "*" } else { "bj.water" };
            let token = holders.token(&format!("{held}:{place}")).await;
            assert_eq!(ask(Some(&token)).await, wrong, "{method} as {held} on {place}");
        }
        let first = if roles == "-" { Role::Reader } else { enough[0] };
        let there = holders.token(&format!("{first}:bj.power")).await;
        let (given, said) = call(&channel, Some(&there), method, &message).await;
        assert_eq!(given, elsewhere, "{method} as {first} on bj.power: {said}");
        if let (Some(id), true) = (proposal, elsewhere == "NOT_FOUND:UNKNOWN_PROPOSAL") {
            let absent = encoded(&request.replace(&format!("\"proposal\": \"{id}\""), "\"proposal\": \"999999\""));
            let absent = call(&channel, Some(&there), method, &absent).await.1;
            assert_eq!(said.replace(id.as_str(), "…"), absent.replace("999999", "…"), "{method} tells what is hidden");
        }
        if first != Role::Reader && scope != "*" {
            let crossed = match elsewhere {
                "NOT_FOUND:UNKNOWN_STANDARD" => "PERMISSION_DENIED:NOT_ALLOWED",
                elsewhere => elsewhere,
            };
            let token = holders.token(&format!("{first}:bj.power+reader:bj.water")).await;
            assert_eq!(ask(Some(&token)).await, crossed, "{method} as {first} on bj.power, reader on bj.water");
        }
        let here = holders.token(&format!("{first}:{scope}")).await;
        let (given, said) = call(&channel, Some(&here), method, &message).await;
        assert_eq!(given, answer, "{method} as {first}: {said}");
    }
    assert!(left.is_empty(), "these methods have no line in cases/access/methods.txt: {left:?}");

    // The paths of HTTP, and the services that are not ours.
    let mut tried = BTreeSet::new();
    let pages = fs::read_to_string(root().join("tests/cases/access/pages.txt")).expect("cases");
    let mut rows = pages.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace());
    let callers: Vec<&str> = rows.next().expect("a head").skip(1).collect();
    for mut row in rows {
        let path = row.next().expect("a path");
        tried.extend(permissions::find(path).map(|row| row.method));
        for (caller, expected) in callers.iter().zip(row.by_ref()) {
            let expected: u16 = expected.parse().expect("a status");
            let tokens: Vec<Option<String>> = match *caller {
                "nobody" => vec![None],
                "refused" => bad.iter().map(|token| Some((*token).to_owned())).collect(),
                roles => vec![Some(holders.token(roles).await)],
            };
            for token in tokens {
                assert_eq!(http(&server, path, token.as_deref()).0, expected, "{path} as {caller}");
            }
        }
    }
    let all = holders.token("reader:*").await;
    for path in ["/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1"] {
        let told = http(&server, path, Some(&all)).1;
        assert!(told.contains("cache-control: private, max-age"), "others would be given it on the way: {told}");
    }
    let reader = holders.token("reader:bj.water").await;
    for (method, needs_to_be_known) in [
        ("/grpc.health.v1.Health/Check", false),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true),
    ] {
        tried.extend(permissions::find(method).map(|row| row.method));
        let is_turned_away =
            async |token: Option<&str>| call(&channel, token, method, &[]).await.0.starts_with("UNAUTH");
        assert_eq!(is_turned_away(None).await, needs_to_be_known, "{method}");
        for token in bad {
            assert_eq!(is_turned_away(Some(token)).await, needs_to_be_known, "{method} with {token}");
        }
        assert!(!is_turned_away(Some(&reader)).await, "{method}");
    }
    let others = permissions::TABLE.iter().map(|row| row.method).filter(|method| !method.starts_with("/guiju."));
    let untried: Vec<&str> = others.filter(|method| !tried.contains(method)).collect();
    assert!(untried.is_empty(), "these rows have no line in cases/access/pages.txt: {untried:?}");

    // More than fifty new denials a second are one line that counts them; those that are looked for come after.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let operator = holders.token("operator:*").await;
    let resolve = "/guiju.registry.v1.Registry/Resolve";
    let there = holders.token("manager:bj.power").await;
    let asked = guiju_proto::registry::ResolveRequest { reference: "bj.water/meter@1".into(), ..Default::default() };
    let asked = asked.encode_to_vec();
    let asked_of_desk = guiju_proto::governance::GetProposalRequest {
        proposal: names.iter().find(|(name, _)| *name == "REVIEWED").expect("there").1.parse().expect("a number"),
    };
    let desk = "/guiju.governance.v1.Proposals/GetProposal";
    for token in [None, Some(unknown.as_str()), Some(operator.as_str()), Some(there.as_str())] {
        call(&channel, token, resolve, &asked).await;
    }
    call(&channel, Some(&there), desk, &asked_of_desk.encode_to_vec()).await;
    let auditor = holders.token("auditor:*").await;
    let denials = connected(&server, &auditor).await.denials(1000, None).await.expect("denials");
    let has = |principal: &str, method: &str, reason: &str, about: &str| {
        denials.iter().any(|denial| {
            (denial.principal.as_str(), denial.method.as_str()) == (principal, method)
                && (denial.reason.as_str(), denial.about.as_str()) == (reason, about)
                && denial.address == "127.0.0.1"
        })
    };
    assert!(has("anyone", resolve, "CREDENTIALS_MISSING", ""), "{denials:?}");
    assert!(has("anyone", resolve, "CREDENTIALS_REFUSED", ""), "{denials:?}");
    assert!(has("operator.all", resolve, "NOT_ALLOWED", ""), "{denials:?}");
    assert!(has("manager.bj.power", resolve, "NOT_ALLOWED", "bj.water"), "{denials:?}");
    assert!(has("manager.bj.power", desk, "NOT_ALLOWED", "bj.water"), "a hidden proposal is a denial: {denials:?}");

    let metrics = http(&server, "/metrics", Some(&operator)).1;
    for reason in ["CREDENTIALS_MISSING", "CREDENTIALS_REFUSED", "NOT_ALLOWED"] {
        let line = format!("guiju_denials_total{{reason=\"{reason}\"}} ");
        let count = metrics.lines().find_map(|found| found.strip_prefix(&line)).and_then(|count| count.parse().ok());
        assert!(count.is_some_and(|count: u64| count > 40), "{reason}: {count:?}");
    }
    let mut secrets = vec![root_token.clone(), expired.clone(), gone.clone()];
    secrets.extend(holders.tokens.into_values());
    let mut told = vec![("the metrics".to_owned(), metrics.into_bytes())];
    files(server.folder.path(), &mut told);
    for (place, bytes) in told {
        for secret in &secrets {
            let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds, "{place} holds a token");
        }
    }
}

fn code(error: &RegistryError) -> Option<Code> {
    error.status().map(Status::code)
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path().is_dir() {
            true => files(&entry.path(), found),
            false => found.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap_or_default())),
        }
    }
}

/// Status and answer of a GET.
pub fn http(server: &Server, path: &str, token: Option<&str>) -> (u16, String) {
    let answer = String::from_utf8_lossy(&http_bytes(server, path, token)).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer)
}

/// The same, as it came.
pub fn http_bytes(server: &Server, path: &str, token: Option<&str>) -> Vec<u8> {
    let mut stream = TcpStream::connect(&server.address).expect("the server listens");
    let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{token}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    answer
}

/// What may not be seen is answered as if it were not there, and near names tell nothing either.
#[tokio::test]
async fn what_may_not_be_seen_is_not_found() {
    let (server, token) = bootstrapped(&[]);
    let root = connected(&server, &token).await;
    for (number, standard) in ["bj.water/meter", "bj.power/meter", "bj.power/secret"].into_iter().enumerate() {
        root.publish(&format!("p{number}"), &package(standard, "1.0.0"), METADATA, false).await.expect("published");
    }
    let water = connected(&server, &holder(&root, "li.wei", "manager:bj.water").await).await;
    let told = async |reference: &str| {
        let error = water.resolve(&reference.parse().expect("a reference")).await.expect_err("it is not told");
        let status = error.status().expect("a refusal").clone();
        let about = status.get_details_resource_info().expect("what it is about");
        format!("{:?} {} {about:?} {:?}", status.code(), status.message(), status.get_error_details().error_info())
    };
    let (hidden, absent) = (told("bj.power/secret@1").await, told("bj.power/sicret@1").await);
    assert_eq!(hidden.replace("secret", "…"), absent.replace("sicret", "…"));
    assert!(
        told("bj.water/secret").await.contains("UNKNOWN_STANDARD")
            && !told("bj.water/secret").await.contains("bj.power")
    );
    let names: Vec<String> =
        water.standards("", None).await.expect("a list").iter().map(|info| info.standard.to_string()).collect();
    assert_eq!(names, ["bj.water/meter"]);
    assert_eq!(water.search("card").await.expect("hits").len(), 1);
    // A reference to what may not be seen is a reference to nothing.
    let mut package = package("bj.water/other", "1.0.0");
    let schema = SCHEMA.replace(r#""maxLength": 8"#, r#""$ref": "guiju:bj.power/secret@1.0#/properties/card""#);
    package.files.insert("schema.json".into(), schema.into_bytes());
    let refused = water.publish("other", &package, METADATA, false).await.expect_err("it refers to nothing");
    assert!(refused.places().iter().any(|place| place.contains("bj.power/secret")), "{refused}");
    root.publish("other-2", &package, METADATA, false).await.expect("published");
    // What everybody may read everybody reads, and nothing more.
    root.grant("all", &Principal::anyone(), &grant("reader:bj.power"), "it is public").await.expect("granted");
    let anyone = Registry::connect(&server.url()).await.expect("connected");
    anyone.resolve(&"bj.power/secret".parse().expect("a reference")).await.expect("it is public");
    assert_eq!(anyone.standards("", None).await.expect("a list").len(), 2);
    let water = anyone.resolve(&"bj.water/meter".parse().expect("a reference")).await;
    assert!(water.expect_err("it is not public").is_not_found());
}

/// Who reads one namespace is shown its entries, and of the others the hashes: so it proves all, and learns nothing of them.
#[tokio::test]
async fn who_reads_a_part_of_a_log_proves_all_of_it() {
    let (server, token) = bootstrapped(&[]);
    let root = connected(&server, &token).await;
    let mut tokens = BTreeMap::new();
    for (name, role) in [
        ("author", "author:bj.water"),
        ("approver", "approver:bj.water"),
        ("reader", "reader:bj.water"),
        ("city", "reader:bj.water.city"),
        ("power", "manager:bj.power"),
        ("auditor", "auditor:*"),
        ("everybody", "reader:*"),
    ] {
        tokens.insert(name, holder(&root, name, role).await);
    }
    for (number, standard) in ["bj.water/meter", "bj.power/secret"].into_iter().enumerate() {
        let terms = guiju::Terms { reason: "decision 7", ..Default::default() };
        let (operation, package) = (format!("p{number}"), package(standard, "1.0.0"));
        root.publish_for(&operation, &package, METADATA, terms, false).await.expect("published");
    }
    let (author, approver) =
        (connected(&server, &tokens["author"]).await, connected(&server, &tokens["approver"]).await);
    let hand = |operation_id: &'static str| Hand { operation_id, name: "" };
    for (operations, standard, is_published) in
        [(["d1", "s1", "a1", "u1"], "bj.water/new", true), (["d2", "s2", "a2", "u2"], "bj.water/draft", false)]
    {
        let package = package(standard, "1.0.0");
        let (of, text) = (hand(operations[0]), "said in the committee");
        let drafted = author.draft(&of, None, &package, METADATA, Default::default(), text).await.expect("drafted");
        let submitted = author.take_move(&hand(operations[1]), drafted.id, &Move::Submit, "").await.expect("submitted");
        let approve = Move::Approve { digest: submitted.digest.parse().expect("a digest"), submitted: None };
        if is_published {
            approver.take_move(&hand(operations[2]), drafted.id, &approve, "").await.expect("approved");
            root.publish_proposal(&hand(operations[3]), drafted.id, "decision 8").await.expect("published");
        }
    }
    root.set_quorum(&hand("q"), &"bj.water".parse().expect("a name"), 1, "law").await.expect("set");

    // Whoever must read everything is told where that is not so.
    let home = tempfile::tempdir().expect("a folder");
    for (who, code, words) in [
        ("auditor", Some(0), "entries are what the log signed"),
        ("power", Some(1), "entries are not shown to you but their hashes alone, and --whole-log asks for all"),
    ] {
        for command in ["monitor", "history bj.power/secret"] {
            let mut guiju = Command::new(crate::support::guiju());
            guiju.args(command.split(' ')).arg("--whole-log").current_dir(&home).env("GUIJU_LANG", "en");
            guiju.env("GUIJU_CACHE", home.path().join("cache")).env("GUIJU_REGISTRY", server.url());
            let output = guiju.env("GUIJU_TOKEN", &tokens[who]).output().expect("it runs");
            let text = said(&output);
            assert_eq!(output.status.code(), code, "{who}: {text}");
            assert!(text.contains(words) || (command != "monitor" && code == Some(0)), "{who}: {text}");
        }
    }

    let head = guiju::log_head(&root, None, &guiju::LogDemands::default()).await.expect("a head").checkpoint;
    for (who, shown) in [
        (
            "reader",
            &["published", "proposal-drafted", "proposal-submitted", "proposal-approved", "published", "quorum-set"][..],
        ),
        ("city", &["quorum-set"]),
        ("power", &["granted", "token-created", "published"]),
        (
            "author",
            &[
                "published",
                "proposal-drafted",
                "proposal-submitted",
                "proposal-approved",
                "published",
                "proposal-drafted",
                "proposal-submitted",
                "quorum-set",
            ],
        ),
    ] {
        let registry = connected(&server, &tokens[who]).await;
        let mut told = Vec::new();
        let withheld = guiju::replay(&registry, None, &head, |entry| told.push(entry)).await.expect("it is proved");
        let events: Vec<&str> = told.iter().map(|entry| entry.event.as_str()).collect();
        assert_eq!(events, shown, "{who}");
        assert_eq!(withheld.count + told.len() as u64, head.size, "{who}");
        assert!(
            told.iter().all(|entry| entry.event != "published" || entry.reason.starts_with("decision ")),
            "{told:?}"
        );
        for leaf in registry.leaves(0).await.expect("leaves") {
            let guiju::Leaf::Entry(entry) = leaf else { continue };
            let secret = entry.windows(6).any(|window| window == b"secret");
            assert!(!secret || who == "power", "{who} is told of another namespace");
        }
        // One entry with its proof is shown to the same.
        let first = told.first().expect("an entry").index;
        registry.proved_entry(first, head.size).await.expect("it is shown");
        let hidden = registry.proved_entry(0, head.size).await.expect_err("it is not");
        assert!(hidden.is_not_found(), "{hidden}");
        // Nor does a checkpoint of another log pass.
        let other = guiju::tlog::Checkpoint { root: guiju::tlog::Hash::of_entry(b"other"), ..head.clone() };
        let refused = guiju::replay(&registry, None, &other, |_| {}).await.expect_err("another log");
        assert!(refused.is_distrust(), "{refused}");
    }
    let auditor = connected(&server, &tokens["auditor"]).await;
    assert_eq!(guiju::replay(&auditor, None, &head, |_| {}).await.expect("all").count, 0);
    // Who reads all that is published is told all but the two steps of the draft.
    let everybody = connected(&server, &tokens["everybody"]).await;
    assert_eq!(guiju::replay(&everybody, None, &head, |_| {}).await.expect("what is published").count, 2);
}

/// Auditors read whose credentials were not taken and which check they failed; the caller is told no more than before.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_names_whose_token_it_was() {
    let issuer = TokenIssuer::new();
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("issuers.toml");
    let text = format!("[[issuer]]\nname = \"sso\"\nissuer = \"{}\"\naudience = \"guiju\"\n", issuer.url);
    fs::write(&list, text).expect("written");
    let (server, token) = bootstrapped(&["--issuers", &list.display().to_string()]);
    let root = connected(&server, &token).await;
    let auditor = holder(&root, "auditor", "auditor:*").await;
    let who = principal("late");
    root.grant("late", &who, &grant("reader:bj"), "a test").await.expect("granted");
    let brief = root.create_token("brief", &who, &[grant("reader:bj")], Duration::from_secs(1), "a test").await;
    let brief = brief.expect("a token");
    let gone = root.create_token("gone", &who, &[grant("reader:bj")], DAY, "a test").await.expect("a token");
    root.revoke_token("gone-1", &gone.info.id, "a test").await.expect("revoked");
    let (channel, method) = (channel(&server).await, "/guiju.governance.v1.Access/WhoAmI");
    while call(&channel, Some(brief.secret.text()), method, &[]).await.0 == "OK" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refused = "UNAUTHENTICATED:CREDENTIALS_REFUSED";
    let (code, said) = call(&channel, Some(gone.secret.text()), method, &[]).await;
    assert!(code == refused && said.contains("the token was revoked") && !said.contains("late"), "{said}");
    let (code, said) = call(&channel, Some(&format!("guiju_{}", "0".repeat(64))), method, &[]).await;
    assert!(code == refused && said.contains("the token is not one of this registry"), "{said}");
    let claims = |audience: &str, exp: u64| json!({"iss": issuer.url, "aud": audience, "sub": "8842", "iat": now() - 900, "exp": exp});
    for (kid, claims) in [
        ("es", claims("other", now() + 600)),
        ("es", claims("guiju", now() - 120)),
        ("another", claims("guiju", now() + 600)),
    ] {
        let shown = issuer.signed(&json!({"alg": "ES256", "kid": kid}), &claims);
        let (code, said) = call(&channel, Some(&shown), method, &[]).await;
        assert!(code == refused && !said.contains("8842"), "{said}");
    }

    let denials = connected(&server, &auditor).await.denials(1000, None).await.expect("denials");
    let has = |principal: &str, words: &[&str]| {
        let is_it = |why: &str| words.iter().all(|word| why.contains(word)) && words.is_empty() == why.is_empty();
        denials.iter().any(|denial| {
            let found = (denial.principal.as_str(), denial.reason.as_str());
            found == (principal, "CREDENTIALS_REFUSED") && is_it(&denial.why)
        })
    };
    assert!(has("late", &["the token was revoked", &gone.info.id]), "{denials:?}");
    assert!(has("late", &["the token expired at 20", "Z: ", &brief.info.id]), "{denials:?}");
    assert!(has("anyone", &[]), "{denials:?}");
    assert!(has("sso:8842", &["issuer `sso`: `aud` is", "other", "`guiju` is wanted"]), "{denials:?}");
    let expired = ["issuer `sso`: `exp` is 20", "and it is 20", "clocks may differ by 60 s"];
    assert!(has("sso:8842", &expired), "{denials:?}");
    assert!(has("anyone", &["issuer `sso`: no key `another` for `ES256`"]), "{denials:?}");
    let text = format!("{denials:?}");
    assert!(!text.contains(gone.secret.text()) && !text.contains(brief.secret.text()));
}

/// Whoever comes with the operation id of another is told nothing of what that made.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operation_made_is_told_to_who_made_it() {
    let (server, token) = bootstrapped(&[]);
    let root = connected(&server, &token).await;
    let other = connected(&server, &holder(&root, "other", "manager:*").await).await;
    let (who, roles) = (principal("qian"), [grant("reader:bj.water")]);
    let made = root.create_token("t", &who, &roles, DAY, "a test").await.expect("a token");
    let again = root.create_token("t", &who, &roles, DAY, "a test").await.expect_err("told once").to_string();
    assert!(again.contains(&made.info.id), "{again}");
    let another = other.create_token("t", &who, &roles, DAY, "a test").await.expect_err("another's").to_string();
    assert!(!another.contains(&made.info.id) && another.contains("operation"), "{another}");
    root.grant("g", &who, &roles[0], "a test").await.expect("granted");
    assert!(other.grant("g", &who, &roles[0], "a test").await.is_err(), "another's");
}

/// A watch that was allowed ends when what allowed it does.
#[tokio::test]
async fn a_watch_ends_with_the_role_that_allowed_it() {
    let (server, token) = bootstrapped(&[]);
    let root = connected(&server, &token).await;
    root.publish("p0", &package("bj.water/meter", "1.0.0"), METADATA, false).await.expect("published");
    let made = root.create_token("t", &principal("li.wei"), &[grant("reader:bj.water")], DAY, "a test").await;
    let made = made.expect("a token");
    root.grant("g", &principal("li.wei"), &grant("reader:bj.water"), "a test").await.expect("granted");
    let mut watch = connected(&server, made.secret.text()).await.watch_events(0, "").await.expect("a watch");
    watch.next().await.expect("published").expect("an event");
    watch.next().await.expect("caught up").expect("an event");
    root.revoke_token("r", &made.info.id, "lost").await.expect("revoked");
    let ended = watch.next().await.expect_err("it ends");
    assert_eq!(code(&ended), Some(Code::Unauthenticated), "{ended}");
}

/// So does a stream of records: who may check no more is told no more, even in the middle of a file.
#[tokio::test]
async fn a_stream_of_records_ends_with_the_role_that_allowed_it() {
    let (server, token) = bootstrapped(&[]);
    let root = connected(&server, &token).await;
    root.publish("p0", &package("bj.library/card", "1.0.0"), METADATA, false).await.expect("published");
    let agency = holder(&root, "agency", "agency:bj.library").await;
    let (records, messages) = tokio::sync::mpsc::channel(4);
    records.send(header(Format::Unspecified, false)).await.expect("taken");
    let mut stream = Request::new(tokio_stream::wrappers::ReceiverStream::new(messages));
    stream.metadata_mut().insert("authorization", format!("Bearer {agency}").parse().expect("a value"));
    let mut reports = conformance(&server).await.check_stream(stream).await.expect("a stream").into_inner();
    records.send(ask(Ask::Record(r#"{"card":"A-1"}"#.into()))).await.expect("taken");
    reports.message().await.expect("it goes on").expect("a report");
    let revoked = root.revoke("r", &principal("agency"), &grant("agency:bj.library"), "left").await;
    revoked.expect("revoked");
    let ended = loop {
        match reports.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it looks whole"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::PermissionDenied, "{ended:?}");
    drop(records);
}

/// Also while it is told what was found in a chunk, however slowly he reads: what is on its way is all that comes after.
#[tokio::test]
async fn a_chunk_is_told_no_further_than_the_role_that_allowed_it() {
    let (server, token) = bootstrapped(&[]);
    let root = connected(&server, &token).await;
    root.publish("p0", &package("bj.library/card", "1.0.0"), METADATA, false).await.expect("published");
    let agency = holder(&root, "agency", "agency:bj.library").await;
    let records = 80_000;
    let chunk = ask(Ask::Chunk("{}\n".repeat(records).into()));
    let (sender, messages) = tokio::sync::mpsc::channel(2);
    for message in [header(Format::Ndjson, false), chunk] {
        sender.send(message).await.expect("there is room");
    }
    let mut stream = Request::new(tokio_stream::wrappers::ReceiverStream::new(messages));
    stream.metadata_mut().insert("authorization", format!("Bearer {agency}").parse().expect("a value"));
    let window = 65_535;
    let endpoint = Endpoint::from_shared(server.url()).expect("a URL");
    let endpoint = endpoint.initial_stream_window_size(window).initial_connection_window_size(window);
    let mut client = ConformanceClient::new(endpoint.connect().await.expect("the server listens"));
    let mut reports = client.check_stream(stream).await.expect("a stream").into_inner();
    reports.message().await.expect("it goes on").expect("a report");
    let revoked = root.revoke("r", &principal("agency"), &grant("agency:bj.library"), "left").await;
    revoked.expect("revoked");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut told = 1;
    let ended = loop {
        match reports.message().await {
            Ok(Some(_)) => told += 1,
            Ok(None) => panic!("it looks whole"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::PermissionDenied, "{ended:?}");
    assert!(told < records / 10, "{told} records were told of");
    drop(sender);
}

#[test]
fn the_first_manager_is_made_once_and_an_open_server_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder, &[]);
    assert!(server.log().contains("OPEN: nobody holds a role"), "{}", server.log());
    let mut command = server_command(&["bootstrap", "--principal", "root", "--data"]);
    let busy = command.arg(server.folder.path().join("data")).output().expect("it runs");
    assert!(said(&busy).contains("in use by another server"), "{}", said(&busy));
    let (_, folder) = server.stop();
    let data = folder.path().join("data");
    bootstrap(folder.path(), &[]);
    for (flags, expected) in [
        (&["--principal", "mallory"][..], "there is a manager of all already"),
        (&["--principal", "cert:a.example"], "say --no-token"),
        (&["--principal", "two words"], "principal"),
        (&[], "--principal"),
    ] {
        let output = server_command(&["bootstrap", "--data"]).arg(&data).args(flags).output().expect("it runs");
        assert!(!output.status.success() && said(&output).contains(expected), "{flags:?}: {}", said(&output));
    }
    // Where nobody is left to agree to it, a quorum is set with the data folder in hand; with a reason, and never beside a server.
    let by_hand = |why: &[&str]| {
        let output = server_command(&["quorum", "bj.water", "2", "--data"]).arg(&data).args(why).output();
        said(&output.expect("it runs"))
    };
    assert!(by_hand(&["--why", "a test"]).starts_with("bj.water asks for 2 approvals, entry 2"), "{}", by_hand(&[]));
    assert!(by_hand(&[]).contains("--why <TEXT>") && by_hand(&["--why", " "]).contains("the text is missing"));
    let again = server_command(&["bootstrap", "--principal", "cert:a.example", "--no-token", "--again", "--data"])
        .arg(&data)
        .output();
    assert!(said(&again.expect("it runs")).starts_with("granted: manager:* to cert:a.example, entry "));
    let server = Server::start_in(folder, &[]);
    assert!(!server.log().rsplit("stopped").next().expect("a log").contains("OPEN"), "{}", server.log());
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let (server, token) = bootstrapped(&["--principal-rate-max", "5"]);
    let root = connected(&server, &token).await;
    let mut refusals = 0;
    for _ in 0..40 {
        if let Err(error) = root.who_am_i().await {
            let status = error.status().expect("a refusal").clone();
            assert_eq!(
                (status.code(), status.get_details_error_info().expect("info").reason.as_str()),
                (Code::ResourceExhausted, "RATE_LIMITED")
            );
            assert!(
                status
                    .get_details_retry_info()
                    .and_then(|info| info.retry_delay)
                    .is_some_and(|wait| wait < Duration::from_secs(1))
            );
            refusals += 1;
        }
    }
    assert!(refusals > 0, "40 requests at once are more than 5 a second");
    // The client waits as it is told.
    root.standards("", None).await.expect("answered in the end");
}

#[tokio::test]
async fn a_token_does_not_travel_in_clear() {
    let options =
        ConnectOptions { token: Some("guiju_x".parse::<Token>().expect("a token")), ..ConnectOptions::default() };
    for url in ["http://192.0.2.1:8420", "http://registry.example:8420", "http://127.0.0.1.example:1"] {
        let refused = Registry::connect_with(url, options.clone()).await.map(drop);
        assert!(matches!(refused, Err(RegistryError::Clear { .. })), "{url}: {refused:?}");
    }
}

/// An authority with certificates that it signed.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority of a test");
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { folder: tempfile::tempdir().expect("a folder"), issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key in PEM.
    fn signs(&self, common_name: &str, names: Vec<SanType>) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = names;
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.issuer).expect("a certificate").pem(), key.serialize_pem())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }
}

#[tokio::test]
async fn a_certificate_shows_who_asks() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let dns = |name: &str| SanType::DnsName(name.try_into().expect("a name"));
    let uri = |name: &str| SanType::URI(name.try_into().expect("a name"));
    let (certificate, key) = authority.signs("localhost", vec![dns("localhost")]);
    let folder = tempfile::tempdir().expect("a folder");
    let token = bootstrap(folder.path(), &[]).pop().expect("a token");
    let server = Server::start_in(
        folder,
        &[
            "--tls-certificate",
            &authority.file("server.pem", &certificate),
            "--tls-key",
            &authority.file("server.key", &key),
            "--tls-client-authority",
            &authority.file("authority.pem", &authority.pem),
        ],
    );
    let url = format!("https://localhost:{}", server.address.rsplit(':').next().expect("a port"));
    let with = async |identity: Option<(String, String)>, token: Option<&str>| {
        let options = ConnectOptions {
            authority_pem: Some(authority.pem.clone().into_bytes()),
            identity_pem: identity.map(|(certificate, key)| (certificate.into_bytes(), key.into_bytes())),
            token: token.map(|token| token.parse().expect("a token")),
            ..ConnectOptions::default()
        };
        let registry = Registry::connect_with(&url, options).await?;
        registry.who_am_i().await.map(|identity| (identity.principal.to_string(), registry))
    };
    let root = with(None, Some(&token)).await.expect("a token over TLS").1;
    for (identity, expected) in [
        (
            authority.signs("Gateway", vec![dns("gateway.bj.example"), uri("spiffe://bj.example/gateway")]),
            "cert:spiffe://bj.example/gateway",
        ),
        (authority.signs("Gateway", vec![dns("gateway.bj.example")]), "cert:gateway.bj.example"),
        (authority.signs("gateway", vec![]), "cert:gateway"),
    ] {
        let (principal, registry) = with(Some(identity.clone()), None).await.expect("known");
        assert_eq!(principal, expected);
        assert_eq!(
            with(Some(identity), Some(&token)).await.expect("known").0,
            "root",
            "a token stands above a certificate"
        );
        let list = registry.standards("", None).await.expect_err("it holds nothing");
        assert_eq!(code(&list), Some(Code::PermissionDenied));
        root.grant(
            &format!("g-{}", expected.len()),
            &expected.parse().expect("a principal"),
            &grant("reader:bj"),
            "a test",
        )
        .await
        .expect("granted");
        registry.standards("", None).await.expect("it is a reader by now");
    }
    let nameless = with(Some(authority.signs("水务局", vec![])), None).await.map(|(name, _)| name);
    assert_eq!(code(&nameless.expect_err("no principal is called so")), Some(Code::Unauthenticated));
    assert_eq!(code(&with(None, None).await.map(|(name, _)| name).expect_err("nobody")), Some(Code::Unauthenticated));
    let foreign =
        with(Some(stranger.signs("gateway", vec![dns("gateway.bj.example")])), None).await.map(|(name, _)| name);
    assert!(foreign.is_err(), "another authority's certificate is nobody's: {foreign:?}");
}

/// An issuer of JSON Web Tokens: three keys, and a place where they are published.
struct TokenIssuer {
    es256: KeyPair,
    ed25519: KeyPair,
    rsa: RsaKeyPair,
    url: String,
    asked: Arc<AtomicUsize>,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl TokenIssuer {
    fn new() -> Self {
        let text = fs::read_to_string(root().join("tests/cases/access/rsa-key-for-tests.b64")).expect("a key");
        let der = BASE64_STANDARD.decode(text.replace('\n', "")).expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let made = Self {
            es256: KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key"),
            ed25519: KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key"),
            rsa: RsaKeyPair::from_der(&der).expect("a key"),
            url: format!("http://{}", listener.local_addr().expect("an address")),
            asked: Arc::default(),
        };
        let (url, keys, asked) = (made.url.clone(), made.key_set().to_string(), made.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                asked.fetch_add(1, Relaxed);
                let body = match first.split(' ').nth(1) {
                    Some("/.well-known/openid-configuration") => {
                        json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string()
                    }
                    _ => keys.clone(),
                };
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        made
    }

    fn key_set(&self) -> Value {
        let point = self.es256.public_key_raw();
        let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        json!({"keys": [
            {"kty": "EC", "crv": "P-256", "use": "sig", "kid": "es", "x": b64(&point[1..33]), "y": b64(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "ed", "x": b64(self.ed25519.public_key_raw())},
            {"kty": "RSA", "kid": "rs", "n": b64(n), "e": b64(e)},
            {"kty": "oct", "kid": "hs", "k": b64("a secret that is none")},
        ]})
    }

    fn signed(&self, head: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", b64(head.to_string()), b64(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match head["kid"].as_str() {
            Some("ed") => {
                let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.ed25519.serialize_der());
                pair.expect("a key").sign(message.as_bytes()).as_ref().to_vec()
            }
            Some("rs") => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa
                    .sign(&signature::RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
                    .expect("signed");
                signature
            }
            _ => {
                let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, &self.es256.serialize_der(), &random);
                pair.expect("a key").sign(&random, message.as_bytes()).expect("signed").as_ref().to_vec()
            }
        };
        format!("{message}.{}", b64(signature))
    }
}

#[tokio::test]
async fn a_token_of_an_issuer_shows_who_asks() {
    let issuer = TokenIssuer::new();
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("issuers.toml");
    let text = format!(
        "[[issuer]]\nname = \"sso\"\nissuer = \"{}\"\naudience = \"guiju\"\n\n\
         [[issuer]]\nname = \"narrow\"\nissuer = \"https://narrow.example\"\naudience = \"guiju\"\nkeys = \"keys.json\"\n\
         algorithms = [\"ES256\"]\nclaim = \"email\"\n",
        issuer.url
    );
    fs::write(&list, text).expect("written");
    fs::write(folder.path().join("keys.json"), issuer.key_set().to_string()).expect("written");
    let list = list.display().to_string();
    let server = Server::start_with(&["--issuers", &list]);
    assert!(
        server.log().contains("nobody holds a role in this registry, so nothing can be done in it"),
        "{}",
        server.log()
    );
    let channel = channel(&server).await;
    let who = "/guiju.governance.v1.Access/WhoAmI";
    let good = || json!({"iss": issuer.url, "aud": "guiju", "sub": "8842", "iat": now(), "exp": now() + 600});
    let with = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good();
        claims.as_object_mut().expect("an object").remove(name);
        claims
    };
    let head = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid, "typ": "JWT"});
    for (alg, kid) in [("ES256", "es"), ("EdDSA", "ed"), ("RS256", "rs")] {
        let token = issuer.signed(&head(alg, kid), &good());
        let identity =
            connected(&server, &token).await.who_am_i().await.unwrap_or_else(|error| panic!("{alg}: {error}"));
        assert_eq!(identity.principal.as_str(), "sso:8842");
    }
    let audiences = issuer.signed(&head("ES256", "es"), &with("aud", json!(["other", "guiju"])));
    assert_eq!(call(&channel, Some(&audiences), who, &[]).await.0, "OK");
    let narrow = |mut claims: Value| {
        claims["iss"] = json!("https://narrow.example");
        claims
    };
    let named = issuer.signed(&head("ES256", "es"), &narrow(with("email", json!("li@bj.example"))));
    assert_eq!(
        connected(&server, &named).await.who_am_i().await.expect("known").principal.as_str(),
        "narrow:li@bj.example"
    );

    let es = head("ES256", "es");
    let whole = issuer.signed(&es, &good());
    let parts: Vec<&str> = whole.split('.').collect();
    let none = format!("{}.{}.", b64(head("none", "es").to_string()), parts[1]);
    let tampered = format!("{}.{}.{}", parts[0], b64(with("sub", json!("root")).to_string()), parts[2]);
    let cases: Vec<(&str, String, &str)> = vec![
        ("unsigned", none, "algorithm"),
        ("unsigned, with a signature", issuer.signed(&head("none", "es"), &good()), "algorithm"),
        ("a shared secret", issuer.signed(&head("HS256", "hs"), &good()), "algorithm"),
        ("the public key as a secret", issuer.signed(&head("HS256", "rs"), &good()), "algorithm"),
        ("another kind of key", issuer.signed(&head("RS256", "es"), &good()), "key that the issuer does not publish"),
        ("an unknown key", issuer.signed(&head("ES256", "other"), &good()), "key that the issuer does not publish"),
        ("other claims", tampered, "signature"),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), "signature"),
        ("another audience", issuer.signed(&es, &with("aud", json!("other"))), "audience"),
        ("no audience", issuer.signed(&es, &without("aud")), "audience"),
        ("another issuer", issuer.signed(&es, &with("iss", json!("https://other.example"))), "issuer"),
        ("no issuer", issuer.signed(&es, &without("iss")), "issuer"),
        ("expired", issuer.signed(&es, &with("exp", json!(now() - 120))), "expired"),
        ("for ever", issuer.signed(&es, &without("exp")), "`exp`"),
        ("for a year", issuer.signed(&es, &with("exp", json!(now() + 31_000_000))), "`exp`"),
        ("for a text", issuer.signed(&es, &with("exp", json!("tomorrow"))), "`exp`"),
        ("not yet", issuer.signed(&es, &with("nbf", json!(now() + 300))), "not hold yet"),
        ("issued tomorrow", issuer.signed(&es, &with("iat", json!(now() + 300))), "not hold yet"),
        ("nobody", issuer.signed(&es, &without("sub")), "`sub`"),
        ("nobody that can be", issuer.signed(&es, &with("sub", json!("李伟"))), "`sub`"),
        ("an extension", issuer.signed(&json!({"alg": "ES256", "kid": "es", "crit": ["b64"]}), &good()), "extension"),
        (
            "an algorithm that another issuer is allowed",
            issuer.signed(&head("EdDSA", "ed"), &narrow(good())),
            "algorithm",
        ),
        ("four parts", format!("{whole}.x"), "three parts"),
        ("padding", format!("{whole}="), "base64url"),
        ("too long", issuer.signed(&es, &with("more", json!("x".repeat(8192)))), "too long"),
    ];
    for (name, token, expected) in cases {
        let (refused, said) = call(&channel, Some(&token), who, &[]).await;
        assert_eq!(refused, "UNAUTHENTICATED:CREDENTIALS_REFUSED", "{name}");
        assert!(said.contains(expected), "{name}: {said}");
    }
    // Two questions for the keys, and as many for one that is not known, however often it is named.
    let unknown = issuer.signed(&head("ES256", "another"), &good());
    for _ in 0..20 {
        assert_ne!(call(&channel, Some(&unknown), who, &[]).await.0, "OK");
    }
    assert!(issuer.asked.load(Relaxed) <= 4, "{} questions", issuer.asked.load(Relaxed));
}

#[tokio::test]
async fn a_life_that_is_no_length_of_time_is_refused() {
    let (server, token) = bootstrapped(&[]);
    let channel = channel(&server).await;
    for (seconds, nanos) in [(i64::MIN, -1), (i64::MAX, i32::MAX), (-1, 0), (1, -1), (1, 1_000_000_000)] {
        let request = guiju_proto::governance::CreateTokenRequest {
            operation_id: "t".into(),
            principal: "li.wei".into(),
            grants: vec!["reader:bj".into()],
            expires_after: None,
            reason: "a test".into(),
        };
        let (mut message, mut life) = (request.encode_to_vec(), Vec::new());
        prost::encoding::int64::encode(1, &seconds, &mut life);
        prost::encoding::int32::encode(2, &nanos, &mut life);
        prost::encoding::bytes::encode(4, &life, &mut message);
        let method = "/guiju.governance.v1.Access/CreateToken";
        let (code, said) = call(&channel, Some(&token), method, &message).await;
        assert_eq!(code, "InvalidArgument:MALFORMED_FIELD", "{seconds} {nanos}: {said}");
    }
}

#[test]
fn an_issuer_that_cannot_be_taken_at_its_word_is_refused_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("issuers.toml");
    let data = folder.path().join("data").display().to_string();
    for (text, expected) in [
        (
            "[[issuer]]\nname = \"sso\"\nissuer = \"http://sso.example\"\naudience = \"guiju\"\n",
            "does not begin with https://",
        ),
        ("[[issuer]]\nname = \"sso\"\nissuer = \"https://sso.example\"\naudience = \"guiju\"\n", "needs `authority`"),
        (
            "[[issuer]]\nname = \"cert\"\nissuer = \"https://sso.example\"\naudience = \"guiju\"\n",
            "neither `cert` nor `open`",
        ),
        (
            "[[issuer]]\nname = \"open\"\nissuer = \"https://sso.example\"\naudience = \"guiju\"\n",
            "neither `cert` nor `open`",
        ),
        (
            "[[issuer]]\nname = \"sso\"\nissuer = \"https://sso.example\"\naudience = \"\"\nkeys = \"keys.json\"\n",
            "needs an audience",
        ),
        (
            "[[issuer]]\nname = \"sso\"\nissuer = \"https://sso.example\"\naudience = \"g\"\nalgorithms = [\"HS256\"]\n",
            "HS256",
        ),
        (
            "[[issuer]]\nname = \"sso\"\nissuer = \"http://127.0.0.1:1\"\naudience = \"guiju\"\n\
             [[issuer]]\nname = \"sso\"\nissuer = \"http://127.0.0.1:2\"\naudience = \"guiju\"\n",
            "two issuers of the name `sso`",
        ),
        (
            "[[issuer]]\nname = \"a\"\nissuer = \"http://127.0.0.1:1\"\naudience = \"guiju\"\n\
             [[issuer]]\nname = \"b\"\nissuer = \"http://127.0.0.1:1\"\naudience = \"guiju\"\n",
            "have the same `issuer`",
        ),
        ("[[issuer]]\nname = \"sso\"\nisuer = \"https://sso.example\"\n", "isuer"),
    ] {
        fs::write(&list, text).expect("written");
        let line = crate::server::refused_in_one_line(&[
            "--listen",
            "127.0.0.1:0",
            "--data",
            &data,
            "--issuers",
            &list.display().to_string(),
        ]);
        assert!(line.contains(expected), "expected `{expected}` in:\n{line}");
    }
}

#[test]
fn a_python_client_shows_its_token() {
    let (server, token) = bootstrapped(&[]);
    let script = root().join("tests/python/grpc_client.py");
    let run = |token: Option<&str>| {
        let mut command = Command::new(python());
        command.arg(&script).arg(&server.address).envs(token.map(|token| ("GUIJU_TOKEN", token)));
        command.output().expect("python runs")
    };
    let output = run(Some(&token));
    assert!(output.status.success(), "{}\nserver:\n{}", said(&output), server.log());
    let output = run(None);
    assert!(!output.status.success() && said(&output).contains("UNAUTHENTICATED"), "{}", said(&output));
}
