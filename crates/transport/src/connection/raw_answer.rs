//! Whole answers as bytes, for clients whose request no route ever sees.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::over_limit::OverLimit;
use crate::problem::Problem;

/// How long a client has for taking an answer after which its connection is closed.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// The answer to `problem` over HTTP/1.1, after which nothing follows.
fn bytes_of(problem: &Problem) -> Vec<u8> {
    let status = problem.status();
    let body = problem.json();
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Answers `problem` on `stream` and closes it. What still comes is read and thrown away for a moment: the system resets a
/// connection that is closed with bytes unread, and the client would never see the answer.
pub(super) async fn answer_and_close(mut stream: impl AsyncRead + AsyncWrite + Unpin, problem: Problem) {
    let answering = async {
        stream.write_all(&bytes_of(&problem)).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // Whoever is not there to be answered need not be.
    let _ = tokio::time::timeout(TAKEN_WITHIN, answering).await;
}

/// Closes `stream` in order.
pub(super) async fn close(mut stream: impl AsyncWrite + Unpin) {
    let _ = tokio::time::timeout(TAKEN_WITHIN, stream.shutdown()).await;
}

/// What the HTTP/1 parser beneath means when it writes `bytes` of itself: it answers what it cannot read without a body, and so
/// does no route of ours.
pub(super) fn meant_by_parser(bytes: &[u8]) -> Option<Problem> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    if rest.starts_with(b"400 Bad Request\r\ncontent-length: 0\r\n") {
        Some(Problem::NotHttp)
    } else if rest.starts_with(b"431 Request Header Fields Too Large\r\ncontent-length: 0\r\n") {
        Some(OverLimit::Head.into())
    } else {
        None
    }
}
