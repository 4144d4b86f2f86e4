//! Roles and tokens.

use super::{ConvertError, parsed, required, timestamp};
use crate::governance as wire;
use guiju_model::{GrantInfo, Step, TokenInfo};
use prost_types::Timestamp;

impl From<Step> for wire::Step {
    fn from(step: Step) -> Self {
        let Step { by, time_ms, log_index, reason } = step;
        Self { by, time: Some(timestamp(time_ms)), log_index, reason }
    }
}

impl TryFrom<wire::Step> for Step {
    type Error = ConvertError;

    fn try_from(step: wire::Step) -> Result<Self, ConvertError> {
        let wire::Step { by, time, log_index, reason } = step;
        Ok(Self { by, time_ms: milliseconds("time", time)?, log_index, reason })
    }
}

impl From<GrantInfo> for wire::GrantInfo {
    fn from(info: GrantInfo) -> Self {
        Self {
            principal: info.principal.to_string(),
            grant: info.grant.to_string(),
            granted: Some(info.granted.into()),
            revoked: info.revoked.map(Into::into),
        }
    }
}

impl TryFrom<wire::GrantInfo> for GrantInfo {
    type Error = ConvertError;

    fn try_from(info: wire::GrantInfo) -> Result<Self, ConvertError> {
        Ok(Self {
            principal: parsed("principal", &info.principal)?,
            grant: parsed("grant", &info.grant)?,
            granted: required("granted", info.granted)?.try_into()?,
            revoked: info.revoked.map(Step::try_from).transpose()?,
        })
    }
}

impl From<TokenInfo> for wire::TokenInfo {
    fn from(info: TokenInfo) -> Self {
        Self {
            id: info.id,
            principal: info.principal.to_string(),
            grants: info.grants.iter().map(ToString::to_string).collect(),
            expires: Some(timestamp(info.expires_ms)),
            created: Some(info.created.into()),
            revoked: info.revoked.map(Into::into),
        }
    }
}

impl TryFrom<wire::TokenInfo> for TokenInfo {
    type Error = ConvertError;

    fn try_from(info: wire::TokenInfo) -> Result<Self, ConvertError> {
        Ok(Self {
            id: info.id,
            principal: parsed("principal", &info.principal)?,
            grants: info.grants.iter().map(|grant| parsed("grants", grant)).collect::<Result<_, _>>()?,
            expires_ms: milliseconds("expires", info.expires)?,
            created: required("created", info.created)?.try_into()?,
            revoked: info.revoked.map(Step::try_from).transpose()?,
        })
    }
}

/// Unix time in milliseconds.
fn milliseconds(field: &str, time: Option<Timestamp>) -> Result<u64, ConvertError> {
    let Timestamp { seconds, nanos } = required(field, time)?;
    let before = |_| ConvertError::new(field, "it lies before 1970");
    let (seconds, nanos) = (u64::try_from(seconds).map_err(before)?, u64::try_from(nanos).map_err(before)?);
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}
