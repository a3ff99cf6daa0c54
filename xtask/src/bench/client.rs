//! One HTTP connection with one request at a time, as thin as it can be made: it shares two cores with the server.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any request may take; a server that needs more has stopped answering.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the server listens and the headers that every request carries.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    headers: HeaderMap,
}

/// An open connection, kept alive between requests.
pub(crate) struct Connection {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Target {
    /// A server that is called with `key`.
    pub(crate) fn new(address: SocketAddr, key: &str) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(address.to_string()).context("an address is a header value")?);
        headers.insert("x-api-key", HeaderValue::try_from(key).context("the key is no header value")?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { address, headers })
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address).await.context("cannot connect to the server")?;
        stream.set_nodelay(true).context("cannot set up a connection")?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("cannot speak HTTP")?;
        // Its failures show in the requests it carries.
        tokio::task::spawn_local(connection);
        Ok(Connection { target: self.clone(), sender })
    }
}

impl Connection {
    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        request.headers_mut().clone_from(&self.target.headers);
        self.sender.ready().await.context("the connection was closed")?;
        self.sender.send_request(request).await.context("the connection failed")
    }

    /// Reads `path` and returns the status and the body.
    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes)> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::try_from(path).context("not a path")?;
        let answer = async {
            let response = self.send(request).await?;
            let status = response.status();
            Ok((status, read(response).await?))
        };
        timeout(PATIENCE, answer).await.with_context(|| format!("no answer to GET {path}"))?
    }

    /// From now on this calls with the key of `target`, which is the same server.
    pub(crate) fn call_as(&mut self, target: &Target) {
        self.target.headers.clone_from(&target.headers);
    }

    /// Opens the connection anew after a failure.
    pub(crate) async fn reopen(&mut self) -> Result<()> {
        *self = self.target.connect().await?;
        Ok(())
    }
}

/// Reads an answer to its end and keeps it.
pub(crate) async fn read(response: Response<Incoming>) -> Result<Bytes> {
    Ok(response.into_body().collect().await.context("the answer was cut off")?.to_bytes())
}

/// Reads an answer to its end without keeping it, so that the connection can be used again.
pub(crate) async fn drain(response: Response<Incoming>) -> Result<()> {
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.context("the answer was cut off")?;
    }
    Ok(())
}
