//! Calls pay before anything is done for them, and every answer says how the budget of its key stands.
//!
//! Must not know how it is counted: that is [`RateLimits`].

mod headers;

pub(crate) use headers::{announce, documented, retry_after_s};

use std::cell::Cell;
use std::rc::Rc;

use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use domain::keys::Caller;
use domain::limits::{Bucket, RateLimits, Standing};

use crate::problem::Problem;

/// How the budget of the key of a request stands, once it has paid. The middleware puts it among what belongs to the request
/// and keeps a copy, because of a handler that panics nothing else is left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paid(Rc<Cell<Option<Standing>>>);

/// Spends `cost` of the budget of `caller`, whole or not at all; 0 only looks whether anything is left.
///
/// # Errors
/// [`Problem::RateLimited`] when that is not there.
pub(crate) async fn spend(request: &HttpRequest, caller: &Caller, cost: u32) -> Result<(), Problem> {
    let limits = request.app_data::<Data<RateLimits>>().expect("the limits are registered with the routes");
    let Some(standing) = limits.spend(caller, Bucket::ServerApi, cost).await else { return Ok(()) };
    if let Some(Paid(told)) = request.extensions().get() {
        told.set(Some(standing));
    }
    if standing.spending.admitted {
        return Ok(());
    }
    metrics::counter!("purser_rate_limited_total", "bucket" => standing.bucket.as_str()).increment(1);
    Err(Problem::RateLimited(standing))
}
