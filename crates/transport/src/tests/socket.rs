//! What only a real connection shows: bodies that are larger than anyone wants to read, and shutting down.

use std::net::{SocketAddr, TcpListener};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::{Key, World};
use crate::{App, Serving, serve};

const CREDIT: &str = "/server/v1/players/p-1/wallet/gold/credit";

/// A server on a port of its own.
async fn started() -> SocketAddr {
    serving(World::default().open().0)
}

/// A server of `app` on a port of its own.
pub(super) fn serving(app: App) -> SocketAddr {
    serving_as(app, Serving::default())
}

/// A server of `app` on a port of its own, served as `serving` says.
pub(super) fn serving_as(app: App, serving: Serving) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    actix_web::rt::spawn(serve(app, listener, serving).unwrap());
    address
}

/// Writes all of `request` before it reads anything, as simple clients do.
async fn write_then_read(address: SocketAddr, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&answer).ends_with('}') {
        match connection.read(&mut chunk).await.unwrap() {
            0 => break,
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
    String::from_utf8(answer).unwrap()
}

fn head(headers: &str) -> Vec<u8> {
    let key = Key::Server.text();
    format!("POST {CREDIT} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n{headers}\r\n\r\n").into_bytes()
}

#[actix_web::test]
async fn a_client_that_writes_two_mebibytes_first_still_reads_the_answer() {
    let address = started().await;
    let body = vec![b' '; 2 * 1024 * 1024];
    let mut announced = head(&format!("Content-Length: {}", body.len()));
    announced.extend_from_slice(&body);
    let mut chunked = head("Transfer-Encoding: chunked");
    for part in body.chunks(64 * 1024) {
        chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for request in [announced, chunked] {
        let answer = write_then_read(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("\"code\":\"payload_too_large\""), "{answer}");
    }
}

#[actix_web::test]
async fn a_client_without_a_key_that_writes_two_mebibytes_first_still_reads_the_answer() {
    let address = started().await;
    let body = vec![b' '; 2 * 1024 * 1024];
    let length = body.len();
    let mut request = format!("POST {CREDIT} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    request.extend_from_slice(&body);
    let answer = write_then_read(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[actix_web::test]
async fn a_path_that_is_not_utf_8_is_answered() {
    let address = started().await;
    let mut request = b"GET /server/v1/players/\xff/wallet HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec();
    request.extend_from_slice(b"");
    let answer = write_then_read(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[actix_web::test]
async fn an_acknowledgement_with_a_body_keeps_the_connection() {
    let address = started().await;
    let key = Key::Server.text();
    let path = "/server/v1/players/p/grants/x/ack";
    let ack = format!("POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 2\r\n\r\n{{}}");
    let answer = write_then_read(address, ack.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
}

#[actix_web::test]
async fn a_head_request_is_answered_without_a_body() {
    let address = started().await;
    let request = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = write_then_read(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}
