//! What surrounds every request: a panic becomes a 500, HEAD is answered as GET, and metrics and the log are told how it
//! went. Never a key, never a body. This is on the path of every request, so handles to metrics are looked up once.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use domain::store::causes;
use futures_util::FutureExt;
use metrics::{Counter, Histogram};

use crate::client_address;
use crate::problem::Problem;
use crate::rate_limits::{self, Paid};
use crate::routes::{ROUTES, Route};

/// The name of a path that no route has.
const UNMATCHED: &str = "unmatched";

/// The metrics of one worker, by route; those of [`UNMATCHED`] come last.
pub(crate) struct Observer(RefCell<Vec<Option<RouteMetrics>>>);

struct RouteMetrics {
    seconds: Histogram,
    requests: Vec<(&'static str, StatusCode, Counter)>,
}

impl Default for Observer {
    fn default() -> Self {
        Self(RefCell::new((0..=ROUTES.len()).map(|_| None).collect()))
    }
}

/// Marks a HEAD request, which is handled as a GET.
struct WantsNoBody;

/// Whether only the head of the answer to `request` will be sent. Asked by routes whose body is not made for nothing.
pub(crate) fn wants_no_body(request: &HttpRequest) -> bool {
    request.extensions().contains::<WantsNoBody>()
}

/// Answers one request, whatever happens.
pub(crate) async fn observe<B: MessageBody>(
    observer: Data<Observer>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let started = Instant::now();
    let method = name_of_method(request.method());
    let route = Route::find(request.uri().path());
    let client = client_address::of(request.request());
    if *request.method() == Method::HEAD {
        // Whatever answers GET answers HEAD; the connection leaves the body out.
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(WantsNoBody);
    }
    let paid = Paid::default();
    request.extensions_mut().insert(paid.clone());
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let answered = answered.unwrap_or_else(|panic| {
        tracing::error!(method, route = name_of(route), panic = message_of(&*panic), "a handler panicked");
        Err(Problem::Panicked.into())
    });
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    log(method, name_of(route), status, client, cause_of(&answered));
    observer.count(method, route, status, started);
    rate_limits::announce(&paid, answered)
}

impl Observer {
    fn count(&self, method: &'static str, route: Option<usize>, status: StatusCode, started: Instant) {
        let index = route.unwrap_or(ROUTES.len());
        let mut all = self.0.borrow_mut();
        let Some(known) = all.get_mut(index) else { return };
        let known = known.get_or_insert_with(|| RouteMetrics {
            seconds: metrics::histogram!("purser_http_request_seconds", "route" => name_of(route)),
            requests: Vec::new(),
        });
        known.seconds.record(started.elapsed());
        let counted = known.requests.iter().find(|(of, with, _)| *of == method && *with == status);
        if let Some((_, _, requests)) = counted {
            return requests.increment(1);
        }
        let requests = metrics::counter!(
            "purser_http_requests_total",
            "method" => method, "route" => name_of(route), "status" => status.as_str().to_owned()
        );
        requests.increment(1);
        known.requests.push((method, status, requests));
    }
}

fn name_of(route: Option<usize>) -> &'static str {
    route.and_then(|index| ROUTES.get(index)).map_or(UNMATCHED, |route| route.pattern.as_str())
}

/// The name of a method, from a closed set: callers can make up methods.
fn name_of_method(method: &Method) -> &'static str {
    const KNOWN: [(Method, &str); 7] = [
        (Method::GET, "GET"),
        (Method::POST, "POST"),
        (Method::HEAD, "HEAD"),
        (Method::PUT, "PUT"),
        (Method::PATCH, "PATCH"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
    ];
    KNOWN.iter().find(|(known, _)| known == method).map_or("other", |(_, name)| name)
}

/// The error behind an answer, if there is one.
fn cause_of<B>(answered: &Result<ServiceResponse<B>, actix_web::Error>) -> Option<&Problem> {
    match answered {
        Ok(response) => response.response().error()?.as_error(),
        Err(error) => error.as_error(),
    }
}

fn log(method: &str, route: &str, status: StatusCode, client: Option<IpAddr>, problem: Option<&Problem>) {
    let client = client.map(tracing::field::display);
    let cause = problem.and_then(Error::source).map(causes);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(method, route, status = status.as_u16(), client, cause, "a request could not be served");
    } else if status.is_server_error() {
        tracing::error!(method, route, status = status.as_u16(), client, cause, "a request failed");
    } else {
        tracing::debug!(method, route, status = status.as_u16(), client, "answered");
    }
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}
