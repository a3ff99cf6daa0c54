//! The parameters in a request's path, percent-decoded exactly once from the URI as it was sent.
//!
//! The router matches a path that it has decoded in its own way (it keeps `%2F` and `%25`, and replaces what is not UTF-8),
//! so the values are taken from the raw path here and never from the router: a `%2F` is a slash inside an id, `%2541` is
//! the text `%41`, and what is not UTF-8 is refused instead of being replaced.

use std::borrow::Cow;
use std::fmt;
use std::str::Split;

use actix_web::HttpRequest;
use domain::economy::{AssetKey, GrantId};
use domain::players::ExternalId;
use domain::tenancy::GameId;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::field_errors::FieldErrors;
use crate::problem::Problem;

/// The parameters of a path under `/server/v1/players/{externalId}`, read from left to right.
pub(crate) struct PlayerPath<'r>(Split<'r, char>);

/// The player that `request` is about, where there is no other parameter.
///
/// # Errors
/// [`Problem::Invalid`].
pub(crate) fn player(request: &HttpRequest) -> Result<ExternalId, Problem> {
    let mut errors = FieldErrors::default();
    PlayerPath::of(request).external_id(&mut errors).ok_or(Problem::Invalid(errors))
}

/// The game that the path of `request`, which a route under `/admin/v1/games/` or `/server/v1/games/` has matched, is about;
/// `None` when no game can have that id.
pub(crate) fn game(request: &HttpRequest) -> Option<GameId> {
    let text = percent_decode_str(request.uri().path().split('/').nth(4)?).decode_utf8().ok()?;
    Uuid::try_parse(&text).ok().map(GameId)
}

/// The parameters of a path in which each follows the name of what it names, such as
/// `/server/v1/games/{gameId}/lobbies/{lobbyId}`; read from left to right.
pub(crate) struct NamedPath<'r>(Split<'r, char>);

/// The value of a parameter is no id of ours.
struct NotAUuid;

impl fmt::Display for NotAUuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("must be a UUID")
    }
}

impl<'r> NamedPath<'r> {
    /// The path of `request`.
    pub(crate) fn of(request: &'r HttpRequest) -> Self {
        let mut parts = request.uri().path().split('/');
        // What precedes the first name: an empty part, `server` or `admin`, and `v1`.
        parts.nth(2);
        Self(parts)
    }

    /// The path of `request` after its first parameter, the game, which [`crate::keys`] has read.
    pub(crate) fn in_game(request: &'r HttpRequest) -> Self {
        let Self(mut parts) = Self::of(request);
        parts.nth(1);
        Self(parts)
    }

    /// The path after its next name, which no parameter follows.
    pub(crate) fn past_name(self) -> Self {
        let Self(mut parts) = self;
        parts.next();
        Self(parts)
    }

    /// The parameter `name`, the id of a player, which comes next.
    pub(crate) fn external_id(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<ExternalId> {
        let text = self.next_text(name, errors)?;
        errors.check(name, ExternalId::try_new(&text))
    }

    /// The parameter `name`, the key of something that is configured, which comes next.
    pub(crate) fn key(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<AssetKey> {
        let text = self.next_text(name, errors)?;
        errors.check(name, AssetKey::try_new(&text))
    }

    /// The parameter `name`, an id of ours, which comes next.
    pub(crate) fn uuid(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<Uuid> {
        let text = self.next_text(name, errors)?;
        errors.check(name, Uuid::try_parse(&text).map_err(|_| NotAUuid))
    }

    fn next_text(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<Cow<'r, str>> {
        self.0.next();
        text_of(self.0.next(), name, errors)
    }
}

/// The value of a parameter is not UTF-8.
struct NotUtf8;

impl fmt::Display for NotUtf8 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("must be percent-encoded UTF-8")
    }
}

impl<'r> PlayerPath<'r> {
    /// The path of `request`, which a route under `/server/v1/players/` has matched.
    pub(crate) fn of(request: &'r HttpRequest) -> Self {
        let mut parts = request.uri().path().split('/');
        // What precedes the first parameter: an empty part, `server`, `v1` and `players`.
        parts.nth(3);
        Self(parts)
    }

    /// The parameter `externalId`, which comes first.
    pub(crate) fn external_id(&mut self, errors: &mut FieldErrors) -> Option<ExternalId> {
        self.external_id_named("externalId", errors)
    }

    /// The parameter `name`, the id of a player, which comes next.
    pub(crate) fn external_id_named(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<ExternalId> {
        let text = self.next_text(name, errors)?;
        errors.check(name, ExternalId::try_new(&text))
    }

    /// The parameter `name`, the id of another player, which follows the name of what is done with it.
    pub(crate) fn second_external_id(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<ExternalId> {
        self.0.next();
        self.external_id_named(name, errors)
    }

    /// The parameter `name`, an asset key, which follows the name of the view.
    pub(crate) fn asset_key(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<AssetKey> {
        self.0.next();
        let text = self.next_text(name, errors)?;
        errors.check(name, AssetKey::try_new(&text))
    }

    /// The parameter `grantId`, which follows `grants`; `None` when no grant can have that id.
    pub(crate) fn grant_id(&mut self) -> Option<GrantId> {
        self.0.next();
        let text = percent_decode_str(self.0.next()?).decode_utf8().ok()?;
        Uuid::try_parse(&text).ok().map(GrantId)
    }

    fn next_text(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<Cow<'r, str>> {
        text_of(self.0.next(), name, errors)
    }
}

fn text_of<'r>(part: Option<&'r str>, name: &'static str, errors: &mut FieldErrors) -> Option<Cow<'r, str>> {
    let encoded = part.unwrap_or_default();
    errors.check(name, percent_decode_str(encoded).decode_utf8().map_err(|_| NotUtf8))
}
