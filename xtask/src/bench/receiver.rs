//! A studio's server that takes webhooks as fast as it can, on a thread of its own, and notes when each came.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::LocalSet;

/// A receiver that runs until the program ends.
pub(crate) struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How often each event came, by its id.
    pub(crate) events: HashMap<String, u32>,
    /// Of each first coming, how many microseconds after what it tells of was decided.
    pub(crate) delays_us: Vec<u64>,
}

/// As much of an envelope as is needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    id: String,
    occurred_at: String,
}

impl Receiver {
    /// Starts one on a free port.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
        listener.set_nonblocking(true).context("cannot set up a port")?;
        let address = listener.local_addr().context("no free port")?;
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        std::thread::spawn(move || LocalSet::new().block_on(&runtime, serve(listener, noted)));
        Ok(Self { address, seen })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// How many different events came since the last [`Self::take`].
    pub(crate) fn count(&self) -> usize {
        self.seen().events.len()
    }

    /// What came, which is forgotten here.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, seen: Arc<Mutex<Seen>>) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context("cannot listen")?;
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true).context("cannot set up a connection")?;
        let seen = Arc::clone(&seen);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| answer(request, now_us(), Arc::clone(&seen)));
            // A connection that breaks is delivered on another one.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    came_us: u64,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    if let Ok(body) = request.into_body().collect().await {
        note(&body.to_bytes(), came_us, &mut seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(Response::new(Empty::new()))
}

fn note(body: &[u8], came_us: u64, seen: &mut Seen) {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else { return };
    let times = seen.events.entry(envelope.id).or_default();
    *times += 1;
    if *times == 1 {
        let occurred =
            OffsetDateTime::parse(&envelope.occurred_at, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp_nanos);
        let occurred_us = u64::try_from(occurred / 1_000).unwrap_or(0);
        seen.delays_us.push(came_us.saturating_sub(occurred_us));
    }
}

#[expect(clippy::disallowed_methods, reason = "what comes is noted by the clock of this machine, as what happened was")]
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_coming_of_an_event_tells_how_long_it_took() {
        let body = br#"{"id":"e-1","eventName":"wallet.changed","occurredAt":"1970-01-01T00:00:01.000Z","data":{}}"#;
        let mut seen = Seen::default();
        note(body, 1_002_500, &mut seen);
        note(body, 9_000_000, &mut seen);
        note(b"not an envelope", 1, &mut seen);
        assert_eq!((seen.events.get("e-1"), seen.delays_us), (Some(&2), vec![2_500]));
    }
}
