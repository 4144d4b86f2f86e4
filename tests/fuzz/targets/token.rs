//! Any bytes as what an issuer publishes and what somebody shows: a JWK set, and behind the first newline a JWT.
//!
//! Nothing of it stops the server, and who is let in is one whom the issuer's own key has named.

use guiju_server::issuers::Issuers;
use std::fs;

/// When the tokens of the seeds hold.
const NOW_S: u64 = 1_790_000_000;
const LISTED: &str =
    "[[issuer]]\nname = \"sso\"\nissuer = \"https://sso.example\"\naudience = \"guiju\"\nkeys = \"keys.json\"\n";

pub fn run(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("issuers.toml");
    fs::write(folder.path().join("keys.json"), &data[..at]).expect("the temporary folder takes a file");
    fs::write(&list, LISTED).expect("the temporary folder takes a file");
    let Ok(issuers) = Issuers::read(Some(&list)) else { return };
    let token = String::from_utf8_lossy(data.get(at + 1..).unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    if let Ok((principal, until_s)) = runtime.block_on(issuers.verify(&token, NOW_S)) {
        assert!(principal.as_str().starts_with("sso:") && until_s >= NOW_S - 60, "{principal} until {until_s}");
        assert!(token.matches('.').count() == 2, "it was signed");
    }
}
