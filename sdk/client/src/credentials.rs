//! What each request says beside its question: who asks, and how old the answer may be.

use guiju_model::Digest;
use std::{env, fmt, fs, io, path::Path, str::FromStr, time::Duration};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

const TOKEN_BYTES_MAX: usize = 8 << 10;

/// A token as a registry or an issuer gave it. `Debug` keeps it to itself, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is no token. Never what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not 1 to {TOKEN_BYTES_MAX} visible ASCII characters; give it as it was told, and nothing else")]
pub struct TokenError;

impl Token {
    /// The one that a file holds. Nothing of what the file holds is in an error.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        text.parse().map_err(|error: TokenError| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Something that only who has the token can make, and that tells nothing of it.
    pub(crate) fn mark(&self) -> Digest {
        Digest::of(format!("guiju operations\n{}", self.0).as_bytes())
    }

    /// The one in a variable of the environment, where that is set to anything.
    pub fn of_variable(name: &str) -> Result<Option<Self>, TokenError> {
        let Some(text) = env::var_os(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.to_str().ok_or(TokenError)?.parse().map(Some)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    /// White space around it, as a file's last line has, is left out.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let fits = (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(TokenError) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Puts a token on each request, and how old its answer may be.
#[derive(Clone)]
pub(crate) struct Bearer {
    token: Option<MetadataValue<Ascii>>,
    staleness_max_ms: Option<u64>,
}

impl Bearer {
    pub fn new(token: Option<&Token>, staleness_max: Option<Duration>) -> Self {
        let token = token.and_then(|token| MetadataValue::try_from(format!("Bearer {}", token.0)).ok());
        let token = token.map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self { token, staleness_max_ms: staleness_max.map(|max| u64::try_from(max.as_millis()).unwrap_or(u64::MAX)) }
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.token {
            request.metadata_mut().insert("authorization", value.clone());
        }
        if let Some(ms) = self.staleness_max_ms {
            request.metadata_mut().insert("guiju-max-staleness-ms", ms.into());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_to_nobody() {
        let token: Token = " guiju_00ff\n".parse().unwrap();
        assert_eq!((format!("{token:?}"), token.0.as_str()), ("Token(…)".into(), "guiju_00ff"));
        for wrong in ["", " \n", "two words", "密", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(wrong.parse::<Token>(), Err(TokenError));
        }
    }
}
