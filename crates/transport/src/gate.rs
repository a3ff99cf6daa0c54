//! What a request must pass before anything of it is looked at, and what is kept of it until its answer is gone: the limits on
//! its head and its time, and the note in its connection that somebody is at work for it.
//!
//! Runs inside of [`crate::middleware`], so what is refused here is counted and logged like everything else.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};

use crate::connection::{Connection, Rest};
use crate::limits::Limits;
use crate::over_limit::OverLimit;
use crate::pace::{self, BodyStage};
use crate::problem::Problem;

/// Lets a request in, or says which limit it goes past.
pub(crate) async fn pass<B: MessageBody + Unpin>(
    limits: Data<Limits>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Held<B>>, actix_web::Error> {
    let answered = admit(&limits, request, next).await;
    let problem: Option<&Problem> = match &answered {
        Ok(response) => response.response().error().and_then(|error| error.as_error()),
        Err(error) => error.as_error(),
    };
    if let Some(limit) = problem.and_then(Problem::limit) {
        limit.count();
    }
    answered
}

async fn admit<B: MessageBody + Unpin>(
    limits: &Limits,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Held<B>>, actix_web::Error> {
    let has_body = !matches!(request.parts().1, Payload::None);
    let answering = request.conn_data::<Rc<Connection>>().map(|connection| Answering::begin(connection, has_body));
    let waiting = answering.as_ref().map_or(0, |answering| answering.connection.in_flight());
    if limits.streams_max < waiting {
        return Err(Problem::from(OverLimit::Streams { count_max: limits.streams_max }).into());
    }
    if let Some(over) = past(&request, limits) {
        return Err(Problem::from(over).into());
    }
    let time_max = limits.request_time_max;
    let (answered, stage) = pace::paced(time_max, next.call(request)).await;
    if let Some(answering) = &answering {
        answering.rest.set(match stage {
            BodyStage::Unread | BodyStage::Awaited if has_body => Rest::MayCome,
            BodyStage::GivenUp => Rest::GivenUp,
            BodyStage::Unread | BodyStage::Awaited | BodyStage::AtOnce | BodyStage::Since(_) => Rest::None,
        });
    }
    let Some(answered) = answered else { return Err(Problem::from(OverLimit::RequestTime { time_max }).into()) };
    Ok(answered?.map_body(|_, body| Held { body, _answering: answering }))
}

/// The limit that the head of `request` goes past.
fn past(request: &ServiceRequest, limits: &Limits) -> Option<OverLimit> {
    let uri_bytes = request.uri().path_and_query().map_or(0, |asked| asked.as_str().len());
    if limits.uri_bytes_max < uri_bytes {
        return Some(OverLimit::Uri { bytes_max: limits.uri_bytes_max });
    }
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for (name, value) in request.headers() {
        count += 1;
        bytes = bytes.saturating_add(name.as_str().len()).saturating_add(value.len());
    }
    if limits.headers_max < count {
        return Some(OverLimit::Headers { count_max: limits.headers_max });
    }
    (limits.headers_bytes_max < bytes).then_some(OverLimit::HeadersSize { bytes_max: limits.headers_bytes_max })
}

/// A request of a connection whose answer is not gone yet.
struct Answering {
    connection: Rc<Connection>,
    rest: Cell<Rest>,
}

impl Answering {
    fn begin(connection: &Rc<Connection>, has_body: bool) -> Self {
        connection.begin_request();
        let rest = if has_body { Rest::MayCome } else { Rest::None };
        Self { connection: Rc::clone(connection), rest: Cell::new(rest) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.connection.end_request(self.rest.get());
    }
}

/// The body of an answer, until whose end its request counts as being answered.
pub(crate) struct Held<B> {
    body: B,
    _answering: Option<Answering>,
}

impl<B: MessageBody + Unpin> MessageBody for Held<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
