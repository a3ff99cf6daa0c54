//! Who is asking, as an argument of each handler. Runs before anything else of the request is looked at, its body least
//! of all: with a bad key nothing can be learnt about any path or field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use domain::keys::{Denied, KeyRing, PermissionSet};
use utoipa::IntoParams;

use crate::path;
use crate::problem::Problem;
use crate::rate_limits;
use crate::trace;

static API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
const BEARER: &str = "bearer";

/// The caller of a route under `/server/v1`, whose key was checked.
pub(crate) struct Caller(pub(crate) domain::keys::Caller);

/// The caller of a bulk import, whose key was checked and has something left to spend. What the import costs is known only once
/// its rows are: it has not paid yet.
pub(crate) struct BulkCaller(pub(crate) domain::keys::Caller);

/// The caller of a route under `/server/v1/games/{gameId}`, whose key was checked and is one of that game.
pub(crate) struct GameCaller(pub(crate) domain::keys::Caller);

/// The caller of a route under `/admin/v1/games/{gameId}`, whose key was checked and is one of that game.
pub(crate) struct AdminCaller(pub(crate) domain::keys::Caller);

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = check(&request).await?;
            if opens_server_api(&caller) { Ok(Self(caller)) } else { Err(Problem::Forbidden) }
        })
    }
}

impl FromRequest for BulkCaller {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = authenticate(&request).await?;
            if opens_server_api(&caller) {
                rate_limits::spend(&request, &caller, 0).await?;
                return Ok(Self(caller));
            }
            rate_limits::spend(&request, &caller, 1).await?;
            Err(Problem::Forbidden)
        })
    }
}

impl FromRequest for GameCaller {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let caller = Caller::from_request(&request, payload);
        Box::pin(async move {
            let Caller(caller) = caller.await?;
            if path::game(&request) == Some(caller.realm.game) { Ok(Self(caller)) } else { Err(Problem::Forbidden) }
        })
    }
}

impl FromRequest for AdminCaller {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = check(&request).await?;
            match caller.permissions {
                PermissionSet::Admin if path::game(&request) == Some(caller.realm.game) => Ok(Self(caller)),
                PermissionSet::Admin | PermissionSet::ServerIntegration | PermissionSet::ClientSdk => {
                    Err(Problem::Forbidden)
                }
            }
        })
    }
}

fn opens_server_api(caller: &domain::keys::Caller) -> bool {
    match caller.permissions {
        PermissionSet::ServerIntegration => true,
        PermissionSet::ClientSdk | PermissionSet::Admin => false,
    }
}

/// Whose key it is, after paying for the call: whatever becomes of it, it counts.
async fn check(request: &HttpRequest) -> Result<domain::keys::Caller, Problem> {
    let caller = authenticate(request).await?;
    rate_limits::spend(request, &caller, 1).await?;
    Ok(caller)
}

async fn authenticate(request: &HttpRequest) -> Result<domain::keys::Caller, Problem> {
    let ring = request.app_data::<Data<KeyRing>>().expect("the key ring is registered with the routes");
    let presented = presented_key(request.headers()).map_err(Problem::Denied)?;
    let caller = ring.check(presented).await.map_err(Problem::Denied)?;
    trace::note_caller(request, &caller);
    Ok(caller)
}

/// The parameter of every route about one game.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(crate) struct GameParams {
    /// The id of the key's own game; any other is refused with 403.
    #[param(rename = "gameId", format = Uuid)]
    game_id: String,
}

/// The one key in `headers`, wherever it stands and however often. Two different ones are none.
fn presented_key(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut presented = None;
    for value in headers.get_all(&API_KEY_HEADER) {
        note(&mut presented, value.to_str().map_err(|_| Denied::Invalid)?)?;
    }
    for value in headers.get_all(AUTHORIZATION) {
        let value = value.to_str().map_err(|_| Denied::Invalid)?;
        let (scheme, key) = value.split_once(' ').ok_or(Denied::Invalid)?;
        if !scheme.eq_ignore_ascii_case(BEARER) {
            return Err(Denied::Invalid);
        }
        note(&mut presented, key)?;
    }
    Ok(presented)
}

fn note<'h>(presented: &mut Option<&'h str>, key: &'h str) -> Result<(), Denied> {
    let key = key.trim();
    match presented.replace(key) {
        Some(other) if other != key => Err(Denied::Invalid),
        Some(_) | None => Ok(()),
    }
}
