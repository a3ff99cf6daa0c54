//! Who is asking, as an argument of each handler. Runs before anything else of the request is looked at, its body least
//! of all: with a bad key nothing can be learnt about any path or field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use domain::keys::{Denied, KeyRing, PermissionSet};

use crate::problem::Problem;

static API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
const BEARER: &str = "bearer";

/// The caller of a route under `/server/v1`, whose key was checked.
pub(crate) struct Caller(pub(crate) domain::keys::Caller);

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let ring = request.app_data::<Data<KeyRing>>().expect("the key ring is registered with the routes");
            let presented = presented_key(request.headers()).map_err(Problem::Denied)?;
            let caller = ring.check(presented).await.map_err(Problem::Denied)?;
            match caller.permissions {
                PermissionSet::ServerIntegration => Ok(Self(caller)),
                PermissionSet::ClientSdk | PermissionSet::Admin => Err(Problem::Forbidden),
            }
        })
    }
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
