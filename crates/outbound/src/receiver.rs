//! A receiver for tests: listens on a port of this machine, remembers what it was sent and answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
    pub(crate) request_line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// What is answered.
pub(crate) enum Reply {
    /// This, as it is.
    Raw(Vec<u8>),
    /// Nothing, and the connection stays open.
    Nothing,
    /// Nothing, and the connection is closed.
    HangUp,
}

/// A complete answer of that status.
pub(crate) fn status(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes())
}

/// Listens until the test is over.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Receiver {
    pub(crate) async fn answering(reply: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (heard, reply) = (Arc::new(Mutex::new(Vec::new())), Arc::new(reply));
        let receiver = Self { address, heard: Arc::clone(&heard) };
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.expect("it listens");
                tokio::spawn(converse(stream, connection, Arc::clone(&heard), Arc::clone(&reply)));
            }
        });
        receiver
    }

    /// What it was sent so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("nobody panicked").clone()
    }
}

/// Answers what comes over one connection until it is closed.
pub(crate) async fn converse<R: Fn(&Heard) -> Reply>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    heard: Arc<Mutex<Vec<Heard>>>,
    reply: Arc<R>,
) {
    let mut unread = Vec::new();
    while let Some(request) = read(&mut stream, &mut unread, connection).await {
        let answer = reply(&request);
        heard.lock().expect("nobody panicked").push(request);
        match answer {
            Reply::Raw(bytes) => {
                if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
            Reply::Nothing => std::future::pending().await,
            Reply::HangUp => return,
        }
    }
}

/// The next request, unless the connection is closed before.
async fn read(stream: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>, connection: usize) -> Option<Heard> {
    let head_end = loop {
        if let Some(at) = unread.windows(4).position(|part| part == b"\r\n\r\n") {
            break at;
        }
        more(stream, unread).await?;
    };
    let head = String::from_utf8(unread.drain(..head_end + 4).collect()).expect("a head is text");
    let mut lines = head.lines();
    let request_line = lines.next().unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut heard = Heard { connection, request_line, headers, body: String::new() };
    let length: usize = heard.header("content-length").parse().unwrap_or(0);
    while unread.len() < length {
        more(stream, unread).await?;
    }
    heard.body = String::from_utf8(unread.drain(..length).collect()).expect("a body is text");
    Some(heard)
}

async fn more(stream: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(unread).await.ok()? != 0).then_some(())
}
