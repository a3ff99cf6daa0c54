//! Lets clients in: shakes hands, and puts their connections under watch.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::Protocol;
use actix_server::GracefulShutdownSignal;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::raw_answer::answer_and_close;
use super::stream::Stream;
use super::watch::Watch;
use super::{Speaks, Watched};
use crate::limits::{Limit, Limits};
use crate::problem::Problem;

/// What the first record of every TLS connection begins with.
const HANDSHAKE: u8 = 0x16;

/// The name of HTTP/2 in a TLS handshake.
const H2: &[u8] = b"h2";

/// The door of one worker.
pub(crate) struct Door {
    watch: Rc<Watch>,
    tls: Option<TlsAcceptor>,
    handshake_time_max: Duration,
    stopping: Cell<Option<GracefulShutdownSignal>>,
}

impl Door {
    /// Of a worker that has `share` connections at most; through TLS if there is `tls`.
    pub(crate) fn new(
        limits: &Limits,
        share: usize,
        tls: Option<TlsAcceptor>,
        stopping: GracefulShutdownSignal,
    ) -> Self {
        Self {
            watch: Watch::new(limits, share),
            tls,
            handshake_time_max: limits.tls_handshake_time_max,
            stopping: Cell::new(Some(stopping)),
        }
    }

    /// Lets the client of `stream` in.
    ///
    /// # Errors
    /// When there is nobody to talk to, or nobody who can shake hands.
    pub(crate) async fn admit(&self, stream: TcpStream) -> io::Result<(Watched, Protocol, Option<SocketAddr>)> {
        if let Some(stopping) = self.stopping.take() {
            let watch = Rc::clone(&self.watch);
            actix_web::rt::spawn(async move {
                stopping.notified().await;
                watch.stop();
            });
        }
        let connection = self.watch.opened();
        let peer = stream.peer_addr().ok();
        // An answer is written once and whole: nothing would be gained by waiting for more.
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok((Watched::new(Stream::Plain(stream), connection), Protocol::Http1, peer));
        };
        let Ok(shaken) = timeout(self.handshake_time_max, shake_hands(tls, stream)).await else {
            Limit::TlsHandshakeTime.count();
            return Err(io::ErrorKind::TimedOut.into());
        };
        let stream = shaken?;
        let (speaks, protocol) = match stream.get_ref().1.alpn_protocol() {
            Some(H2) => (Speaks::Http2, Protocol::Http2),
            Some(_) | None => (Speaks::Http1, Protocol::Http1),
        };
        connection.speaks(speaks);
        Ok((Watched::new(Stream::Tls(Box::new(stream)), connection), protocol, peer))
    }
}

async fn shake_hands(tls: &TlsAcceptor, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
        // Most likely somebody forgot the s of https.
        answer_and_close(stream, Problem::NotHttps).await;
        return Err(io::ErrorKind::InvalidData.into());
    }
    tls.accept(stream).await
}
