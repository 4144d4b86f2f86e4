//! What is done with the data folder in hand and the server stopped, because nobody could do it by a role: the first manager is given
//! its role, and a quorum is set that no committee is left to agree to. Each is an entry, by `bootstrap`.

use crate::{Fault, registry::PublishError, settings::Settings, store::Store, upkeep::Lines};
use guiju_model::{Namespace, Principal};
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

/// Sets a quorum past the committee.
pub fn set_quorum(settings: &Settings, namespace: Namespace, quorum: u32, reason: String) -> Result<Lines, Fault> {
    let store = Store::open(settings)?;
    let name = namespace.clone();
    let index = store.registry.set_quorum_by_hand(namespace, quorum, reason);
    let index = index.map_err(|error| Fault::new(error, "say why: --why TEXT"))?;
    Ok(vec![format!("{name} asks for {quorum} approvals, entry {index}")])
}
