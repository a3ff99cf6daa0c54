//! Requests as bytes, for what no proper client would send.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::api::check_error;
use crate::harness::patience::PATIENCE;

/// How long a connection that the server has no reason to answer is listened to.
const SILENCE: Duration = Duration::from_millis(100);

/// An answer to raw bytes.
#[derive(Debug)]
pub(crate) struct RawReply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The head of a request with a key that lets the connection be closed after it; `headers` end in `\r\n` each.
pub(crate) fn head(method: &str, target: &[u8], key: &str, headers: &str) -> Vec<u8> {
    let mut bytes = format!("{method} ").into_bytes();
    bytes.extend_from_slice(target);
    let rest = format!(" HTTP/1.1\r\nHost: purser\r\nX-API-Key: {key}\r\nConnection: close\r\n{headers}\r\n");
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// A whole request with a body.
pub(crate) fn request(method: &str, target: &[u8], key: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let mut bytes = head(method, target, key, &headers);
    bytes.extend_from_slice(body);
    bytes
}

/// Writes `bytes` and reads until the server closes the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> RawReply {
    let exchanged = tokio::time::timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        stream.write_all(bytes).await.expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the server answers");
        answer
    });
    RawReply::of(&exchanged.await.expect("the server answers in time"))
}

/// Opens a connection, writes `bytes` and leaves it open.
pub(crate) async fn opened(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(bytes).await.expect("the server reads");
    stream
}

/// Reads one answer with a `Content-Length` from a connection that stays open.
pub(crate) async fn answered(stream: &mut TcpStream) -> RawReply {
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, async {
        let mut chunk = [0; 4096];
        while !is_whole(&answer) {
            let read = stream.read(&mut chunk).await.expect("the server answers");
            assert_ne!(read, 0, "the server closed the connection: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&chunk[..read]);
        }
    });
    reading.await.expect("the server answers in time");
    RawReply::of(&answer)
}

/// Whether nothing was answered yet on a connection that waits for the rest of a request.
pub(crate) async fn is_silent(stream: &TcpStream) -> bool {
    tokio::time::timeout(SILENCE, stream.readable()).await.is_err()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    header(head, "content-length").is_some_and(|length| length.parse().is_ok_and(|length: usize| length <= body.len()))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

impl RawReply {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).expect("the server writes UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Checks that this is an error of the one shape that all errors have, and returns its `details`.
    pub(crate) fn error(&self, status: u16, code: &str, error_code: Option<&str>) -> Value {
        check_error(self.status, self.header("content-type"), &self.body, (status, code, error_code))
    }

    /// The paths of the fields that this error says are wrong.
    pub(crate) fn wrong_fields(&self) -> Vec<String> {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let details = self.error(400, "validation_failed", body["errorCode"].as_str());
        let fields = details["fields"].as_array().unwrap_or_else(|| panic!("fields: {self:?}"));
        fields.iter().map(|field| field["path"].as_str().unwrap().to_owned()).collect()
    }
}
