//! Clients that stop halfway, one way or another: they are answered if they can be, and let go.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::socket::serving_as;
use super::world::{Key, World};
use crate::{Limits, Serving};

const CREDIT: &str = "/server/v1/players/p-1/wallet/gold/credit";
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const SOON: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(60 * 60);

fn started(limits: Limits) -> SocketAddr {
    serving_as(World::default().open().0, Serving { limits, ..Serving::default() })
}

fn half_body() -> Vec<u8> {
    let key = Key::Server.text();
    format!("POST {CREDIT} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 12\r\n\r\n{{\"amo").into_bytes()
}

async fn opened(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// All that is answered until the server closes the connection.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// One answer with a body.
async fn answered(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8(answer).unwrap()
}

#[track_caller]
fn check(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!(r#"{{"error":{{"code":"{code}","message":""#)), "{answer}");
    assert!(answer.contains("Content-Type: application/json") || answer.contains("content-type: application/json"));
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[actix_web::test]
async fn half_a_head_is_answered_408_and_silence_is_not_answered() {
    let address = started(Limits { head_time_max: SOON, ..Limits::default() });
    let halves = [&b"G"[..], b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: "];
    for half in halves {
        check(&until_closed(opened(address, half).await).await, 408, "request_timeout");
    }
    assert_eq!(until_closed(opened(address, b"").await).await, "");
}

#[actix_web::test]
async fn the_later_heads_of_a_connection_have_their_time_too() {
    let address = started(Limits { head_time_max: SOON, ..Limits::default() });
    let mut kept = opened(address, HEALTH).await;
    answered(&mut kept).await;
    kept.write_all(&HEALTH[..20]).await.unwrap();
    check(&until_closed(kept).await, 408, "request_timeout");
}

#[actix_web::test]
async fn half_a_body_is_answered_408_whether_it_has_a_length_or_chunks() {
    let address = started(Limits { body_time_max: SOON, ..Limits::default() });
    check(&until_closed(opened(address, &half_body()).await).await, 408, "request_timeout");
    let key = Key::Server.text();
    let chunked = format!(
        "POST {CREDIT} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{\"am"
    );
    check(&until_closed(opened(address, chunked.as_bytes()).await).await, 408, "request_timeout");
}

#[actix_web::test]
async fn a_body_that_drips_is_not_waited_for_longer_than_one_that_stops() {
    let address = started(Limits { body_time_max: SOON, ..Limits::default() });
    let endless = String::from_utf8(half_body()).unwrap().replace("Length: 12", "Length: 1000000");
    let (mut reader, mut writer) = opened(address, endless.as_bytes()).await.into_split();
    let dripping = actix_web::rt::spawn(async move {
        // Ends when the server has closed the connection.
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(SOON / 4).await;
        }
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    drop(reader);
    dripping.await.unwrap();
}

#[actix_web::test]
async fn what_is_left_of_a_refused_body_does_not_hold_the_connection() {
    let limits = Limits { head_time_max: SOON, keep_alive_time_max: SOON, ..Limits::default() };
    let address = started(limits);
    for framing in ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"] {
        let half = format!("POST {CREDIT} HTTP/1.1\r\nHost: x\r\n{framing}");
        let answer = until_closed(opened(address, half.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "nothing more is said: {answer}");
    }
}

#[actix_web::test]
async fn hundreds_that_stop_halfway_keep_nobody_waiting() {
    let limits = Limits { head_time_max: NEVER, body_time_max: NEVER, ..Limits::default() };
    let address = started(limits);
    let mut stuck = Vec::new();
    for _ in 0..200 {
        stuck.push(opened(address, &HEALTH[..20]).await);
        stuck.push(opened(address, &half_body()).await);
    }
    let mut kept = opened(address, b"").await;
    for _ in 0..100 {
        kept.write_all(HEALTH).await.unwrap();
        assert!(answered(&mut kept).await.starts_with("HTTP/1.1 200 "));
    }
    for stream in &stuck {
        assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[actix_web::test]
async fn a_client_that_does_not_take_its_answer_is_let_go() {
    let limits = Limits { answer_time_max: SOON, ..Limits::default() };
    let address = started(limits);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    // More than the buffers of both ends hold.
    let asked = b"GET /openapi.server.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(64);
    stream.write_all(&asked).await.unwrap();
    let whole = 64 * crate::openapi_json().len();
    // The server closes it while nobody reads: a write fails only then.
    while stream.write_all(b" ").await.is_ok() {
        tokio::time::sleep(SOON / 4).await;
    }
    let mut rest = Vec::new();
    // Whether the end is told in order or not is the system's business.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < whole, "{} of {whole}", rest.len());
}

#[actix_web::test]
async fn the_next_client_is_served_when_another_has_gone() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let address = started(limits);
    let mut first = opened(address, HEALTH).await;
    let mut second = opened(address, HEALTH).await;
    answered(&mut first).await;
    answered(&mut second).await;
    let mut third = opened(address, HEALTH).await;
    // Whoever is in is served on; who waits is not, and is not refused either.
    for _ in 0..20 {
        first.write_all(HEALTH).await.unwrap();
        answered(&mut first).await;
    }
    assert_eq!(third.try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(second);
    assert!(answered(&mut third).await.starts_with("HTTP/1.1 200 "));
}

#[actix_web::test]
async fn what_the_parser_refuses_is_answered_in_the_one_shape() {
    let address = started(Limits::default());
    let headers = |count: usize| (0..count).map(|number| format!("X-{number}: v\r\n")).collect::<String>();
    let with =
        |headers: &str| format!("POST {CREDIT} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{{\"amount\":5}}").into_bytes();
    for (name, bytes, status, code) in [
        ("no HTTP at all", b"HELLO\r\n\r\n".to_vec(), 400, "bad_request"),
        ("a handshake of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400, "bad_request"),
        ("no host", b"GET /healthz HTTP/1.1\r\n\r\n".to_vec(), 400, "bad_request"),
        ("two hosts", with("Host: y\r\n"), 400, "bad_request"),
        ("negative length", with("Content-Length: -5\r\n"), 400, "bad_request"),
        ("signed length", with("Content-Length: +12\r\n"), 400, "bad_request"),
        ("two lengths", with("Content-Length: 12\r\nContent-Length: 13\r\n"), 400, "bad_request"),
        ("the same length twice", with("Content-Length: 12\r\nContent-Length: 12\r\n"), 400, "bad_request"),
        ("a list of lengths", with("Content-Length: 12, 12\r\n"), 400, "bad_request"),
        ("length and chunks", with("Content-Length: 12\r\nTransfer-Encoding: chunked\r\n"), 400, "bad_request"),
        ("chunks and length", with("Transfer-Encoding: chunked\r\nContent-Length: 12\r\n"), 400, "bad_request"),
        ("chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400, "bad_request"),
        ("gzip and chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 400, "bad_request"),
        ("a space before the colon", with("Content-Length : 12\r\n"), 400, "bad_request"),
        ("a folded header", with("X-Long: a\r\n b\r\n"), 400, "bad_request"),
        ("a NUL in a header", with("X-Nul: a\0b\r\n"), 400, "bad_request"),
        ("many headers", with(&headers(97)), 431, "headers_too_large"),
        ("a head without end", with(&format!("X-Long: {}", "x".repeat(1_000_000))), 431, "headers_too_large"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may have closed it before it has all.
        let _ = stream.write_all(&bytes).await;
        let answer = until_closed(stream).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{name}: {answer}");
        check(&answer, status, code);
        assert_eq!(answer.matches("HTTP/1.1 4").count(), 1, "{name}: {answer}");
    }
}

#[actix_web::test]
async fn garbage_in_headers_is_no_trouble() {
    let address = started(Limits::default());
    for header in [
        &b"Cookie: a=b; \xff\xfe; c"[..],
        b"Cookie: =;=;=;",
        b"Accept: */*;q=nonsense,,,",
        b"X-API-Key: \xf0\x9f\x8e\xae",
        b"Authorization: Basic \xff",
        b"Authorization: Bearer",
        b"Content-Type: \x80/json; charset=\"",
        b"Accept-Encoding: gzip;q=9, \x80",
        b"Connection: upgrade\r\nUpgrade: websocket",
        b"Connection: close, keep-alive, \xff",
        b"Expect: 100-nonsense",
        b"Range: bytes=9-1",
        b"X-Forwarded-For: \xff, unix:, [::1",
    ] {
        let head = [b"GET /server/v1/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", header, b"\r\n\r\n"].concat();
        let answer = until_closed(opened(address, &head).await).await;
        let name = String::from_utf8_lossy(header);
        assert!(answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
        assert!(answer.contains("{\"error\":{\"code\":"), "{name}: {answer}");
    }
}

#[actix_web::test]
async fn a_panic_harms_no_other_request_of_its_connection() {
    let address = started(Limits::default());
    let key = Key::Server.text();
    // A mock that expects nothing panics when it is asked.
    let panics = format!("GET /server/v1/players/p-1/wallet HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n");
    let mut kept = opened(address, HEALTH).await;
    for _ in 0..3 {
        answered(&mut kept).await;
        kept.write_all(panics.as_bytes()).await.unwrap();
        let answer = answered(&mut kept).await;
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("\"code\":\"internal_error\""), "{answer}");
        kept.write_all(HEALTH).await.unwrap();
    }
    assert!(answered(&mut kept).await.starts_with("HTTP/1.1 200 "));
}
