//! How the registry is reached, and what shows it who asks: flags over environment over `guiju.toml`.

use crate::{context::Context, failure::Failure};
use guiju::{ConnectOptions, Token};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The token itself; there is no flag for it, since others on this machine can read the arguments of a program.
const TOKEN: &str = "GUIJU_TOKEN";

pub fn options(context: &Context) -> Result<ConnectOptions, Failure> {
    let (shared, settings) = (&context.shared, &context.settings);
    let path = |flag: &Option<PathBuf>, setting: &Option<PathBuf>| {
        flag.clone().or_else(|| setting.as_ref().map(|path| settings.folder.join(path)))
    };
    let authority = path(&shared.authority, &settings.authority);
    let certificate = path(&shared.client_certificate, &settings.client_certificate);
    let key = path(&shared.client_key, &settings.client_key);
    let identity_pem = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((bytes(&certificate)?, bytes(&key)?)),
        (Some(_), None) => return Err(half("--client-key")),
        (None, Some(_)) => return Err(half("--client-certificate")),
    };
    Ok(ConnectOptions {
        authority_pem: authority.as_deref().map(bytes).transpose()?,
        identity_pem,
        token: token(path(&shared.token_file, &settings.token_file).as_deref(), shared.token_file.is_some())?,
        token_in_clear: shared.token_in_clear,
        staleness_max: shared.max_staleness_ms.or(settings.max_staleness_ms).map(Duration::from_millis),
        ..ConnectOptions::default()
    })
}

/// That of a flag's file, else of the environment, else of the settings' file.
fn token(file: Option<&Path>, is_flag: bool) -> Result<Option<Token>, Failure> {
    let of_file = |path: &Path| Token::of_file(path).map_err(|error| Failure::file("read", path.display(), &error));
    if let Some(path) = file.filter(|_| is_flag) {
        return of_file(path).map(Some);
    }
    match Token::of_variable(TOKEN).map_err(|why| Failure::new(format!("{TOKEN}: {why}")))? {
        Some(token) => Ok(Some(token)),
        None => file.map(of_file).transpose(),
    }
}

fn half(missing: &str) -> Failure {
    Failure::new(format!("a client certificate goes with its key, and {missing} is missing"))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::file("read", path.display(), &error))
}
