//! What servers answer, and what becomes of it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::client::{Answer, Client, Refusal};
use crate::kind::Kind;
use crate::sender::Sender;
use crate::stop::Stop;
use crate::trouble::Trouble;

const GOOD: &str = r#"{"data":{"applied":1,"skipped":0,"failed":1,"failures":[{"rowIndex":1,"externalPlayerId":"p","error":{"code":"conflict","message":"no"}}]}}"#;

/// An answer with this status, these headers and this body.
fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

/// Serves these answers, one a connection; an empty one breaks it.
async fn serving(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                let mut chunk = [0; 1024];
                let count = stream.read(&mut chunk).await.unwrap();
                read.extend_from_slice(&chunk[..count]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/")
}

async fn send_for(give_up_after: Duration, answers: Vec<String>) -> Result<Answer, Trouble> {
    let (_never, stop) = watch::channel(0);
    let client = Client::new(&serving(answers).await, "ks_sandbox_x").unwrap();
    let sender = Sender { client, kind: Kind::Wallet, give_up_after, stop: Stop::by(stop) };
    sender.send(2, "{}".into()).await
}

async fn send(answers: Vec<String>) -> Result<Answer, Trouble> {
    send_for(Duration::from_secs(30), answers).await
}

#[tokio::test]
async fn what_is_not_known_to_have_happened_is_sent_again() {
    let busy = r#"{"error":{"code":"overloaded","message":"too many"}}"#;
    let answers = vec![
        String::new(),
        answer("503 Service Unavailable", "retry-after: 0\r\n", busy),
        answer("429 Too Many Requests", "", busy),
        answer("502 Bad Gateway", "", "<html>"),
        answer("200 OK", "", GOOD),
    ];
    let refusal = Refusal { row_index: 1, error: "conflict: no".to_owned() };
    assert_eq!(send(answers).await.unwrap(), Answer { applied: 1, skipped: 0, failures: vec![refusal] });
}

#[tokio::test]
async fn what_will_never_work_is_said_at_once() {
    let body = r#"{"error":{"code":"unauthenticated","message":"the key was revoked"}}"#;
    let cases = [
        (answer("401 Unauthorized", "", body), "refused the API key (401: the key was revoked)"),
        (answer("403 Forbidden", "", body), "PURSER_API_KEY"),
        (answer("308 Permanent Redirect", "location: https://elsewhere/\r\n", ""), "answered with a redirect"),
        (answer("404 Not Found", "", "nothing here"), "is no Purser"),
        (answer("200 OK", "", "<html>"), "is no Purser"),
        (answer("400 Bad Request", "", body), "refused the call (400: the key was revoked)"),
        (answer("200 OK", "", r#"{"data":{"applied":1,"skipped":0,"failed":0,"failures":[]}}"#), "does not add up"),
    ];
    for (answer, said) in cases {
        let trouble = send(vec![answer]).await.unwrap_err();
        assert!(trouble.to_string().contains(said) && !trouble.to_string().contains('\n'), "{trouble}");
    }
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up_and_going_on_is_explained() {
    let trouble = send_for(Duration::ZERO, vec![String::new()]).await.unwrap_err();
    let said = trouble.to_string();
    assert!(said.contains("run the same command again") && matches!(trouble, Trouble::GaveUp { .. }), "{said}");
}

#[tokio::test]
async fn a_wish_to_stop_ends_the_waiting() {
    let (asking, stop) = watch::channel(1);
    let client = Client::new(&serving(vec![answer("503 Away", "retry-after: 100\r\n", "")]).await, "k").unwrap();
    let sender = Sender { client, kind: Kind::Wallet, give_up_after: Duration::MAX, stop: Stop::by(stop) };
    assert!(matches!(sender.send(1, "{}".into()).await, Err(Trouble::Stopped { .. })));
    drop(asking);
}

#[test]
fn addresses_and_keys_that_are_none_are_refused_without_being_repeated() {
    for server in ["localhost:8080", "ftp://x", "http://", "http://x/?a=b"] {
        assert!(Client::new(server, "k").is_err_and(|trouble| trouble.is_usage()), "{server}");
    }
    let said = Client::new("http://x", "sec\nret").map(drop).unwrap_err().to_string();
    assert!(!said.contains("sec"), "{said}");
}
