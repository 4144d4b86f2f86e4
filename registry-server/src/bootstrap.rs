//! Gives the first manager its role: in a registry in which nobody holds one there is nobody to give any.

use crate::{Fault, registry::PublishError, settings::Settings, store::Store, upkeep::Lines};
use guiju_model::Principal;
use std::time::Duration;

/// What the command was told.
pub struct Bootstrap {
    pub principal: Principal,
    /// How long the token holds that is made for it; none where it shows who it is by a certificate or an issuer.
    pub token_life: Option<Duration>,
    pub reason: String,
    /// Though there is a manager, whose credentials are lost.
    pub again: bool,
}

pub fn bootstrap(settings: &Settings, given: Bootstrap) -> Result<Lines, Fault> {
    let store = Store::open(settings)?;
    let Bootstrap { principal, token_life, reason, again } = given;
    let (grant, token) = store.registry.bootstrap(principal, token_life, &reason, again).map_err(|error| {
        let hint = match error {
            PublishError::Access(_) => "if all its credentials are lost, say --again: the log keeps that it was said",
            _ => "`guiju-server verify` says whether the log is sound",
        };
        Fault::new(error, hint)
    })?;
    let mut lines = vec![format!("granted: {} to {}, entry {}", grant.grant, grant.principal, grant.granted.log_index)];
    if let Some(token) = token {
        lines.push(format!("token {}, told this once:", token.info.id));
        lines.push(token.secret.text().to_owned());
    }
    Ok(lines)
}
