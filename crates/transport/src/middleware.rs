//! What surrounds every request: it gets its id and its place in a trace, a panic becomes a 500, HEAD is answered as GET, and
//! metrics, the log and spans are told how it went. Never a key, never a body. This is on the path of every request, so
//! handles to metrics are looked up once.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use domain::store::causes;
use futures_util::FutureExt;
use metrics::{Counter, Histogram};

use crate::client_address;
use crate::problem::Problem;
use crate::rate_limits::{self, Paid};
use crate::routes::{ROUTES, Route};
use crate::trace::{AnsweredRequest, RequestTrace, Tracing};

/// The name of a path that no route has.
const UNMATCHED: &str = "unmatched";

/// What one worker tells of its requests.
pub(crate) struct Observer {
    /// By route; those of [`UNMATCHED`] come last.
    metrics: RefCell<Vec<Option<RouteMetrics>>>,
    tracing: Tracing,
}

struct RouteMetrics {
    seconds: Histogram,
    requests: Vec<(&'static str, StatusCode, Counter)>,
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
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let started = Instant::now();
    let method = name_of_method(request.method());
    let route = Route::find(request.uri().path());
    let client = client_address::of(request.request());
    let trace = Rc::new(RequestTrace::of(request.headers(), (observer.tracing.random)()));
    request.extensions_mut().insert(Rc::clone(&trace));
    if *request.method() == Method::HEAD {
        // Whatever answers GET answers HEAD; the connection leaves the body out.
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(WantsNoBody);
    }
    let paid = Paid::default();
    request.extensions_mut().insert(paid.clone());
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let answered = answered.unwrap_or_else(|panic| {
        let (request_id, trace_id) = (trace.request_id(), trace.context.trace_id());
        let (route, panic) = (name_of(route), message_of(&*panic));
        tracing::error!(method, route, request_id, %trace_id, panic, "a handler panicked");
        Err(Problem::Panicked.into())
    });
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    log(method, name_of(route), status, (client, &trace), cause_of(&answered));
    observer.count(method, route, status, started);
    let is_recorded = observer.tell(method, route, status, started, &trace);
    match answered {
        Ok(response) => {
            let mut response = naming(response, &trace);
            trace.write(response.headers_mut(), is_recorded);
            rate_limits::announce(&paid, response.headers_mut());
            Ok(response)
        }
        Err(error) => Err(Unanswered { error, trace, paid, is_recorded }.into()),
    }
}

/// The answer, which says what the request is called if that is all that can be said.
fn naming<B: MessageBody>(response: ServiceResponse<B>, trace: &RequestTrace) -> ServiceResponse<EitherBody<B>> {
    if response.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return response.map_into_left_body();
    }
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    let answer = problem.unwrap_or(&Problem::Panicked).answer(Some(trace.request_id()));
    response.into_response(answer.map_into_right_body())
}

/// A failure that there is no answer to yet: the server makes one of it.
#[derive(Debug)]
struct Unanswered {
    error: actix_web::Error,
    trace: Rc<RequestTrace>,
    paid: Paid,
    is_recorded: bool,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl ResponseError for Unanswered {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = match self.error.as_error::<Problem>() {
            Some(problem) => problem.answer(Some(self.trace.request_id())),
            None => self.error.error_response(),
        };
        self.trace.write(response.headers_mut(), self.is_recorded);
        rate_limits::announce(&self.paid, response.headers_mut());
        response
    }
}

impl Observer {
    /// One that has told nothing yet.
    pub(crate) fn new(tracing: Tracing) -> Self {
        Self { metrics: RefCell::new((0..=ROUTES.len()).map(|_| None).collect()), tracing }
    }

    /// Tells of a request where spans are exported; whether one of it is recorded.
    fn tell(
        &self,
        method: &'static str,
        route: Option<usize>,
        status: StatusCode,
        started: Instant,
        trace: &RequestTrace,
    ) -> bool {
        let Some(spans) = &self.tracing.spans else { return false };
        spans.answered(&AnsweredRequest {
            context: trace.context,
            request_id: trace.request_id(),
            method,
            route: name_of(route),
            status: status.as_u16(),
            took: started.elapsed(),
            caller: trace.caller(),
        })
    }

    fn count(&self, method: &'static str, route: Option<usize>, status: StatusCode, started: Instant) {
        let index = route.unwrap_or(ROUTES.len());
        let mut all = self.metrics.borrow_mut();
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

fn log(
    method: &str,
    route: &str,
    status: StatusCode,
    (client, trace): (Option<IpAddr>, &RequestTrace),
    problem: Option<&Problem>,
) {
    let client = client.map(tracing::field::display);
    let (request_id, trace_id) = (trace.request_id(), trace.context.trace_id());
    let cause = problem.and_then(Error::source).map(causes);
    let code = status.as_u16();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(method, route, status = code, client, request_id, %trace_id, cause, "a request could not be served");
    } else if status.is_server_error() {
        tracing::error!(method, route, status = code, client, request_id, %trace_id, cause, "a request failed");
    } else {
        tracing::debug!(method, route, status = code, client, request_id, %trace_id, "answered");
    }
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}
