//! `guiju.governance.v1.Access`: roles on namespaces, tokens, and what was denied.

use super::{Answer, Service};
use crate::{
    registry::{RoleChange, TokenRequest},
    status::Refusal,
};
use guiju_model::{Grant, Scope};
use guiju_proto::{
    convert::{ConvertError, parsed, timestamp},
    governance::{self as wire, access_server::Access},
};
use std::time::Duration;
use tonic::{Request, Response};

const TOKEN_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
const DENIALS: usize = 100;
const DENIALS_MAX: usize = 1000;

#[tonic::async_trait]
impl Access for Service {
    async fn who_am_i(&self, request: Request<wire::WhoAmIRequest>) -> Answer<wire::WhoAmIResponse> {
        let (deed, _) = self.called(request);
        let texts = |grants: &[Grant]| grants.iter().map(ToString::to_string).collect();
        Ok(Response::new(wire::WhoAmIResponse {
            principal: deed.principal().to_string(),
            grants: texts(&deed.grants()),
            grants_of_anyone: texts(deed.grants_of_anyone()),
        }))
    }

    async fn grant(&self, request: Request<wire::GrantRequest>) -> Answer<wire::GrantResponse> {
        let (deed, request) = self.called(request);
        let wire::GrantRequest { operation_id, principal, grant, reason } = request;
        let change = role_change(operation_id, &principal, &grant, reason)?;
        if let Scope::Under(namespace) = &change.grant.scope {
            deed.on(namespace).map_err(Refusal::from)?;
        }
        let (grant, is_new) = self.ask(move |registry| registry.grant(deed.caller(), change)).await?;
        Ok(Response::new(wire::GrantResponse { grant: Some(grant.into()), is_new }))
    }

    async fn revoke(&self, request: Request<wire::RevokeRequest>) -> Answer<wire::RevokeResponse> {
        let (deed, request) = self.called(request);
        let wire::RevokeRequest { operation_id, principal, grant, reason } = request;
        let change = role_change(operation_id, &principal, &grant, reason)?;
        if let Scope::Under(namespace) = &change.grant.scope {
            deed.on(namespace).map_err(Refusal::from)?;
        }
        let grant = self.ask(move |registry| registry.revoke(deed.caller(), change)).await?;
        Ok(Response::new(wire::RevokeResponse { grant: Some(grant.into()) }))
    }

    async fn list_grants(&self, request: Request<wire::ListGrantsRequest>) -> Answer<wire::ListGrantsResponse> {
        let (deed, wire::ListGrantsRequest { with_revoked }) = self.called(request);
        let grants = self.ask(move |registry| registry.grants(deed.caller(), with_revoked)).await?;
        Ok(Response::new(wire::ListGrantsResponse { grants: grants.into_iter().map(Into::into).collect() }))
    }

    async fn create_token(&self, request: Request<wire::CreateTokenRequest>) -> Answer<wire::CreateTokenResponse> {
        let (deed, request) = self.called(request);
        let wire::CreateTokenRequest { operation_id, principal, grants, expires_after, reason } = request;
        let life = match expires_after {
            None => TOKEN_LIFE,
            Some(prost_types::Duration { seconds, nanos }) => {
                let fault = || Refusal::from(ConvertError::new("expires_after", "it is not a length of time"));
                let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
                let parts = u64::try_from(seconds).ok().zip(nanos);
                parts.map(|(seconds, nanos)| Duration::new(seconds, nanos)).ok_or_else(fault)?
            }
        };
        let grants = grants.iter().map(|grant| parsed("grants", grant)).collect::<Result<Vec<Grant>, _>>();
        let request = TokenRequest {
            operation_id: parsed("operation_id", &operation_id).map_err(Refusal::from)?,
            principal: parsed("principal", &principal).map_err(Refusal::from)?,
            grants: grants.map_err(Refusal::from)?,
            life,
            reason,
        };
        let made = self.ask(move |registry| registry.create_token(deed.caller(), request)).await?;
        let (token, secret) = (Some(made.info.into()), made.secret.text().to_owned());
        Ok(Response::new(wire::CreateTokenResponse { token, secret }))
    }

    async fn list_tokens(&self, request: Request<wire::ListTokensRequest>) -> Answer<wire::ListTokensResponse> {
        let (deed, _) = self.called(request);
        let tokens = self.ask(move |registry| registry.tokens(deed.caller())).await?;
        Ok(Response::new(wire::ListTokensResponse { tokens: tokens.into_iter().map(Into::into).collect() }))
    }

    async fn revoke_token(&self, request: Request<wire::RevokeTokenRequest>) -> Answer<wire::RevokeTokenResponse> {
        let (deed, request) = self.called(request);
        let wire::RevokeTokenRequest { operation_id, id, reason } = request;
        let operation_id = parsed("operation_id", &operation_id).map_err(Refusal::from)?;
        let revoke =
            move |registry: &crate::registry::Registry| registry.revoke_token(deed.caller(), operation_id, &id, reason);
        let token = self.ask(revoke).await?;
        Ok(Response::new(wire::RevokeTokenResponse { token: Some(token.into()) }))
    }

    async fn list_denials(&self, request: Request<wire::ListDenialsRequest>) -> Answer<wire::ListDenialsResponse> {
        let (_, wire::ListDenialsRequest { page_size, before }) = self.called(request);
        let count = match page_size as usize {
            0 => DENIALS,
            count if count > DENIALS_MAX => {
                let fault = ConvertError::new("page_size", format!("it is more than {DENIALS_MAX}"));
                return Err(Refusal::from(fault).into());
            }
            count => count,
        };
        let before = if before == 0 { u64::MAX } else { before };
        let denials = self.denials.list(before, count).into_iter().map(|denial| wire::Denial {
            number: denial.number,
            time: Some(timestamp(denial.time_ms)),
            principal: denial.principal,
            address: denial.address,
            method: denial.method,
            reason: denial.reason,
            about: denial.about,
            why: denial.why,
            count: denial.count,
        });
        Ok(Response::new(wire::ListDenialsResponse { denials: denials.collect() }))
    }
}

fn role_change(operation_id: String, principal: &str, grant: &str, reason: String) -> Result<RoleChange, Refusal> {
    Ok(RoleChange {
        operation_id: parsed("operation_id", &operation_id)?,
        principal: parsed("principal", principal)?,
        grant: parsed("grant", grant)?,
        reason,
    })
}
