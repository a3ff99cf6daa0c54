//! Takes the body of a request off its connection: all of it, unless it is too large or takes too long.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use crate::field_errors::FieldErrors;
use crate::over_limit::OverLimit;
use crate::pace::{self, BodyStage};
use crate::problem::Problem;

/// How much of a body that is too large is read past its limit and thrown away before answering, so that a client which
/// writes all of it before it reads still gets the answer.
const DISCARDED_BYTES_MAX: usize = 7 * 1024 * 1024;

/// The body of `request`.
///
/// # Errors
/// [`OverLimit::BodySize`], [`OverLimit::BodyTime`], or [`Problem::Invalid`] when the connection fails on the way.
pub(crate) async fn receive(
    request: &HttpRequest,
    payload: Payload,
    bytes_max: usize,
    time_max: Duration,
) -> Result<Bytes, Problem> {
    let mut reading = pin!(read(request, payload, bytes_max));
    if let Poll::Ready(read) = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
        if read.is_ok() {
            pace::note(BodyStage::AtOnce);
        }
        return read;
    }
    pace::note(BodyStage::Awaited);
    let Ok(read) = timeout(time_max, reading).await else {
        pace::note(BodyStage::GivenUp);
        return Err(OverLimit::BodyTime { time_max }.into());
    };
    pace::note(if read.is_ok() { BodyStage::Since(Instant::now()) } else { BodyStage::Unread });
    read
}

async fn read(request: &HttpRequest, mut payload: Payload, bytes_max: usize) -> Result<Bytes, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| u64::try_from(bytes_max).is_ok_and(|max| max < length)) {
        return Err(refuse_large(payload, 0, bytes_max).await);
    }
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let first = first.map_err(broken_off)?;
    let Some(second) = payload.next().await else { return within(bytes_max, first, payload).await };
    let mut whole = BytesMut::from(&*first);
    whole.extend_from_slice(&second.map_err(broken_off)?);
    while let Some(chunk) = payload.next().await {
        if bytes_max < whole.len() {
            return Err(refuse_large(payload, whole.len(), bytes_max).await);
        }
        whole.extend_from_slice(&chunk.map_err(broken_off)?);
    }
    within(bytes_max, whole.freeze(), payload).await
}

async fn within(bytes_max: usize, bytes: Bytes, payload: Payload) -> Result<Bytes, Problem> {
    if bytes.len() <= bytes_max { Ok(bytes) } else { Err(refuse_large(payload, bytes.len(), bytes_max).await) }
}

async fn refuse_large(mut payload: Payload, read: usize, bytes_max: usize) -> Problem {
    let mut discarded = read;
    while discarded < bytes_max.saturating_add(DISCARDED_BYTES_MAX) {
        match payload.next().await {
            Some(Ok(chunk)) => discarded = discarded.saturating_add(chunk.len()),
            Some(Err(_)) | None => break,
        }
    }
    OverLimit::BodySize { bytes_max }.into()
}

fn broken_off(error: actix_web::error::PayloadError) -> Problem {
    let mut errors = FieldErrors::default();
    errors.add("", format_args!("could not be read: {error}"));
    errors.into()
}
