//! Who may do what in a registry.

use crate::{Registry, RegistryError};
use guiju_model::{Grant, GrantInfo, Principal, TokenInfo};
use guiju_proto::{convert::ConvertError, governance as wire};
use std::time::Duration;

/// Who the registry takes the caller for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `open` in a registry in which nobody holds a role.
    pub principal: Principal,
    /// What may be done with the credentials that were shown.
    pub grants: Vec<Grant>,
    /// What everybody may do.
    pub grants_of_anyone: Vec<Grant>,
}

/// Something that was denied, or several of the same within a minute.
pub type Denial = wire::Denial;

/// A token that was made, and what its holder shows.
#[derive(Debug)]
pub struct MadeToken {
    pub info: TokenInfo,
    /// Told this once.
    pub secret: Secret,
}

/// A text that is told on purpose alone.
pub struct Secret(String);

impl Secret {
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Registry {
    pub async fn who_am_i(&self) -> Result<Identity, RegistryError> {
        let answer = self.access().who_am_i(wire::WhoAmIRequest {}).await?.into_inner();
        let grants = |texts: Vec<String>| texts.iter().map(|text| grant(text)).collect::<Result<_, _>>();
        Ok(Identity {
            principal: answer.principal.parse().map_err(|why| ConvertError::new("principal", why))?,
            grants: grants(answer.grants)?,
            grants_of_anyone: grants(answer.grants_of_anyone)?,
        })
    }

    /// Gives a role; whether this call wrote the entry.
    pub async fn grant(
        &self,
        operation_id: &str,
        principal: &Principal,
        grant: &Grant,
        reason: &str,
    ) -> Result<(GrantInfo, bool), RegistryError> {
        let (principal, grant) = (principal.to_string(), grant.to_string());
        let request = wire::GrantRequest { operation_id: operation_id.into(), principal, grant, reason: reason.into() };
        let answer = self.access().grant(request).await?.into_inner();
        Ok((grant_info(answer.grant)?, answer.is_new))
    }

    /// Takes a role back.
    pub async fn revoke(
        &self,
        operation_id: &str,
        principal: &Principal,
        grant: &Grant,
        reason: &str,
    ) -> Result<GrantInfo, RegistryError> {
        let (principal, grant) = (principal.to_string(), grant.to_string());
        let request =
            wire::RevokeRequest { operation_id: operation_id.into(), principal, grant, reason: reason.into() };
        grant_info(self.access().revoke(request).await?.into_inner().grant)
    }

    /// Roles that the caller may know of.
    pub async fn grants(&self, with_revoked: bool) -> Result<Vec<GrantInfo>, RegistryError> {
        let answer = self.access().list_grants(wire::ListGrantsRequest { with_revoked }).await?.into_inner();
        Ok(answer.grants.into_iter().map(GrantInfo::try_from).collect::<Result<_, _>>()?)
    }

    pub async fn create_token(
        &self,
        operation_id: &str,
        principal: &Principal,
        grants: &[Grant],
        life: Duration,
        reason: &str,
    ) -> Result<MadeToken, RegistryError> {
        let request = wire::CreateTokenRequest {
            operation_id: operation_id.into(),
            principal: principal.to_string(),
            grants: grants.iter().map(ToString::to_string).collect(),
            expires_after: Some(prost_types::Duration { seconds: life.as_secs() as i64, nanos: 0 }),
            reason: reason.into(),
        };
        let answer = self.access().create_token(request).await?.into_inner();
        Ok(MadeToken { info: token_info(answer.token)?, secret: Secret(answer.secret) })
    }

    /// Tokens that the caller may know of.
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>, RegistryError> {
        let answer = self.access().list_tokens(wire::ListTokensRequest {}).await?.into_inner();
        Ok(answer.tokens.into_iter().map(TokenInfo::try_from).collect::<Result<_, _>>()?)
    }

    pub async fn revoke_token(&self, operation_id: &str, id: &str, reason: &str) -> Result<TokenInfo, RegistryError> {
        let request =
            wire::RevokeTokenRequest { operation_id: operation_id.into(), id: id.into(), reason: reason.into() };
        token_info(self.access().revoke_token(request).await?.into_inner().token)
    }

    /// What was denied, newest first; `before` a number, or from the newest.
    pub async fn denials(&self, count: u32, before: Option<u64>) -> Result<Vec<Denial>, RegistryError> {
        let request = wire::ListDenialsRequest { page_size: count, before: before.unwrap_or(0) };
        Ok(self.access().list_denials(request).await?.into_inner().denials)
    }
}

fn grant(text: &str) -> Result<Grant, ConvertError> {
    text.parse().map_err(|why| ConvertError::new("grants", why))
}

fn grant_info(info: Option<wire::GrantInfo>) -> Result<GrantInfo, RegistryError> {
    Ok(info.ok_or_else(|| ConvertError::new("grant", "it is missing"))?.try_into()?)
}

fn token_info(info: Option<wire::TokenInfo>) -> Result<TokenInfo, RegistryError> {
    Ok(info.ok_or_else(|| ConvertError::new("token", "it is missing"))?.try_into()?)
}
