//! What one client may ask of this server before it is refused: every number in one place, with why it is what it is.
//!
//! The values are the operator's; nothing here enforces them. What a request asks for in content (rows of a page, entries of a
//! grant, bytes of metadata) is not here but with what it is content of.

use std::fmt;
use std::time::Duration;

const KIBIBYTE: usize = 1024;
const MEBIBYTE: usize = 1024 * KIBIBYTE;

/// The limits of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of the whole process; others wait until one closes.
    pub connections_max: usize,
    /// Requests of one HTTP/2 connection that may be waiting for their answers.
    pub streams_max: usize,
    /// How long a TLS handshake may take.
    pub tls_handshake_time_max: Duration,
    /// How long a client may take for the head of a request, once it has begun, and after connecting to begin.
    pub head_time_max: Duration,
    /// Headers of a request.
    pub headers_max: usize,
    /// Bytes of all names and values of a request's headers.
    pub headers_bytes_max: usize,
    /// Bytes of a request's path and query.
    pub uri_bytes_max: usize,
    /// How long a client may take for the body of most requests.
    pub body_time_max: Duration,
    /// Bytes of the body of most requests.
    pub body_bytes_max: usize,
    /// How long a client may take for the body of a bulk import.
    pub bulk_body_time_max: Duration,
    /// Bytes of the body of a bulk import.
    pub bulk_body_bytes_max: usize,
    /// Arrays and objects of a body in one another.
    pub json_depth_max: usize,
    /// Members of one object of a body.
    pub json_members_max: usize,
    /// How long the head of the answer may take, from the whole request on.
    pub request_time_max: Duration,
    /// How long a client may take none of an answer that is on its way.
    pub answer_time_max: Duration,
    /// How long a connection is kept without a request.
    pub keep_alive_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Each costs some 20 KiB; a fleet of game servers has a pool of tens each.
            connections_max: 10_000,
            // What nginx and Go allow on one connection is 128 and 250.
            streams_max: 256,
            // Two round trips, from anywhere, on a network that loses packets.
            tls_handshake_time_max: Duration::from_secs(10),
            // A head is one packet or two. Whoever takes longer is stuck, or means harm.
            head_time_max: Duration::from_secs(10),
            // A request of ours needs five; proxies and tracing add a dozen. The parser itself ends at 96.
            headers_max: 64,
            // What common proxies let through.
            headers_bytes_max: 32 * KIBIBYTE,
            // Two ids of 128 characters, each percent-encoded to twelve bytes, and a query, fit twice.
            uri_bytes_max: 8 * KIBIBYTE,
            // A mebibyte at 300 kbit/s.
            body_time_max: Duration::from_secs(30),
            // A grant of a hundred entries with metadata is a tenth of it.
            body_bytes_max: MEBIBYTE,
            // Eight mebibytes at 600 kbit/s.
            bulk_body_time_max: Duration::from_secs(120),
            // A thousand rows of an import with everything that a row may have.
            bulk_body_bytes_max: 8 * MEBIBYTE,
            // Half of what the JSON parser itself goes down to; no honest metadata has ten.
            json_depth_max: 64,
            // The largest object that is read, the metrics of an event or a row's metadata, has a few dozen.
            json_members_max: 1_000,
            // Whoever waits longer has given up; a write that is in its lane goes on.
            request_time_max: Duration::from_secs(30),
            // A client that takes nothing for so long is gone, or holds on to what it will not read.
            answer_time_max: Duration::from_secs(30),
            // Longer than the pools of common clients keep theirs, so that it is the client who closes, never the server while
            // a request is on its way.
            keep_alive_time_max: Duration::from_secs(75),
        }
    }
}

/// A limit that a client met, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// [`Limits::connections_max`]: the next client has to wait.
    Connections,
    /// [`Limits::streams_max`].
    Streams,
    /// [`Limits::tls_handshake_time_max`].
    TlsHandshakeTime,
    /// [`Limits::head_time_max`].
    HeadTime,
    /// [`Limits::headers_max`], [`Limits::headers_bytes_max`], or what the parser holds at most.
    Headers,
    /// [`Limits::uri_bytes_max`].
    Uri,
    /// [`Limits::body_time_max`], [`Limits::bulk_body_time_max`].
    BodyTime,
    /// [`Limits::body_bytes_max`], [`Limits::bulk_body_bytes_max`].
    BodySize,
    /// [`Limits::json_depth_max`].
    JsonDepth,
    /// [`Limits::json_members_max`].
    JsonMembers,
    /// [`Limits::request_time_max`].
    RequestTime,
    /// [`Limits::answer_time_max`].
    AnswerTime,
    /// The depth of the queues of writes, and of those who wait for a connection to the store.
    Queue,
}

impl Limit {
    /// Counts that somebody met it.
    pub(crate) fn count(self) {
        metrics::counter!("purser_limit_refusals_total", "limit" => self.as_str()).increment(1);
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Streams => "streams",
            Self::TlsHandshakeTime => "tls_handshake_time",
            Self::HeadTime => "head_time",
            Self::Headers => "headers",
            Self::Uri => "uri",
            Self::BodyTime => "body_time",
            Self::BodySize => "body_size",
            Self::JsonDepth => "json_depth",
            Self::JsonMembers => "json_members",
            Self::RequestTime => "request_time",
            Self::AnswerTime => "answer_time",
            Self::Queue => "queue",
        }
    }
}

/// A number of bytes, as a person would say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        if bytes >= MEBIBYTE && bytes.is_multiple_of(MEBIBYTE) {
            write!(formatter, "{} MiB", bytes / MEBIBYTE)
        } else if bytes >= KIBIBYTE && bytes.is_multiple_of(KIBIBYTE) {
            write!(formatter, "{} KiB", bytes / KIBIBYTE)
        } else {
            write!(formatter, "{bytes} bytes")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_is_exact() {
        for (bytes, told) in [(8 * MEBIBYTE, "8 MiB"), (1536, "1536 bytes"), (32 * KIBIBYTE, "32 KiB"), (0, "0 bytes")]
        {
            assert_eq!(Size(bytes).to_string(), told);
        }
    }
}
