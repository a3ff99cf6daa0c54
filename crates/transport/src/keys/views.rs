//! API keys as those who hand them out see them.

use domain::keys::{KeyRecord, MintedKey};
use domain::limits::RateLimit;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::instant::Instant;

/// The parameter of every route about one key.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct KeyParams {
    /// The key's id.
    #[param(rename = "keyId", format = Uuid)]
    key_id: String,
}

/// An API key.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyResponse {
    data: KeyView,
}

impl From<KeyRecord> for KeyResponse {
    fn from(record: KeyRecord) -> Self {
        Self { data: record.into() }
    }
}

/// What is known of an API key, which is not the key itself: only its SHA-256 is kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyView {
    /// Its id.
    id: String,
    /// The part of it that may be shown.
    #[schema(example = "ks_sandbox_0A1b2C3d4E")]
    prefix: String,
    /// What its owner calls it.
    name: String,
    /// The environment that it opens: that of the key that made it.
    #[schema(value_type = KeyEnvironmentName)]
    environment: &'static str,
    /// What it opens there.
    #[schema(value_type = PermissionSetName)]
    permission_set: &'static str,
    /// The limits that are its own.
    rate_limits: RateLimitsView,
    /// When it was issued.
    created_at: Instant,
    /// From when on it is refused; null for never.
    #[schema(required = true)]
    expires_at: Option<Instant>,
    /// About when it was used last, at most a minute behind; null for one that never was.
    #[schema(required = true)]
    last_used_at: Option<Instant>,
    /// When it was revoked; null for one that was not.
    #[schema(required = true)]
    revoked_at: Option<Instant>,
    /// Why.
    #[schema(required = true)]
    revoked_reason: Option<String>,
    /// The id of the key that it replaces.
    #[schema(required = true)]
    rotated_from: Option<String>,
}

impl From<KeyRecord> for KeyView {
    fn from(record: KeyRecord) -> Self {
        let reason = record.revocation.as_ref().and_then(|revocation| revocation.reason.as_ref());
        Self {
            id: record.id.0.to_string(),
            prefix: record.display_prefix(),
            name: record.name.as_str().to_owned(),
            environment: record.realm.environment.as_str(),
            permission_set: record.permissions.as_str(),
            rate_limits: RateLimitsView { server_api_per_minute: record.limits.server_api.map(RateLimit::per_minute) },
            created_at: Instant(record.created_at),
            expires_at: record.expires_at.map(Instant),
            last_used_at: record.last_used_at.map(Instant),
            revoked_at: record.revocation.as_ref().map(|revocation| Instant(revocation.at)),
            revoked_reason: reason.map(|reason| reason.as_str().to_owned()),
            rotated_from: record.rotated_from.map(|id| id.0.to_string()),
        }
    }
}

/// The limits of a key where it has its own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimitsView {
    /// How many calls of the server API it may make in any minute, 0 for any number; null where it has no limit of its own,
    /// and the server's holds.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 6000)]
    server_api_per_minute: Option<u32>,
}

/// An API key that was issued now.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuedKeyResponse {
    data: IssuedKeyView,
}

/// An API key and its text, which is shown this once.
#[derive(Serialize, ToSchema)]
struct IssuedKeyView {
    /// The key itself. Keep it: it is not shown again.
    #[schema(pattern = "^k[sp]_(sandbox|prod)_[0-9A-Za-z]{48}$")]
    key: String,
    #[serde(flatten)]
    record: KeyView,
}

impl From<(MintedKey, KeyRecord)> for IssuedKeyResponse {
    fn from((minted, record): (MintedKey, KeyRecord)) -> Self {
        Self { data: IssuedKeyView { key: minted.reveal().to_owned(), record: record.into() } }
    }
}

/// What a key opens.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum PermissionSetName {
    /// `/server/v1`, for studio backends.
    ServerIntegration,
    /// `/sdk/v1`, for game clients.
    ClientSdk,
    /// `/admin/v1`, for operators.
    Admin,
}

/// The environments of a game.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum KeyEnvironmentName {
    Sandbox,
    Live,
}
