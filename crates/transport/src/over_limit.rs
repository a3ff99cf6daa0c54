//! What a request is answered that goes past one of the server's limits.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;

use crate::limits::{Limit, Size};

/// A limit that a request went past, with what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverLimit {
    /// Its head took too long to come.
    HeadTime {
        /// How long it may take.
        time_max: Duration,
    },
    /// It has more headers, or more bytes of them, than the parser holds.
    Head,
    /// It has too many headers.
    Headers {
        /// How many it may have.
        count_max: usize,
    },
    /// Its headers are too large.
    HeadersSize {
        /// How many bytes they may have.
        bytes_max: usize,
    },
    /// Its path and query are too long.
    Uri {
        /// How many bytes they may have.
        bytes_max: usize,
    },
    /// Its body is too large.
    BodySize {
        /// How many bytes it may have.
        bytes_max: usize,
    },
    /// Its body took too long to come.
    BodyTime {
        /// How long it may take.
        time_max: Duration,
    },
    /// Its connection has too many others that wait for their answers.
    Streams {
        /// How many may wait.
        count_max: usize,
    },
    /// Its answer took too long.
    RequestTime {
        /// How long it may take.
        time_max: Duration,
    },
}

impl OverLimit {
    /// Its status and its code.
    pub(crate) fn verdict(self) -> (StatusCode, &'static str) {
        match self {
            Self::HeadTime { .. } | Self::BodyTime { .. } => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::Head | Self::Headers { .. } | Self::HeadersSize { .. } => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large")
            }
            Self::Uri { .. } => (StatusCode::URI_TOO_LONG, "uri_too_long"),
            Self::BodySize { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::Streams { .. } => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::RequestTime { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }

    /// The limit, as metrics name it.
    pub(crate) fn limit(self) -> Limit {
        match self {
            Self::HeadTime { .. } => Limit::HeadTime,
            Self::Head | Self::Headers { .. } | Self::HeadersSize { .. } => Limit::Headers,
            Self::Uri { .. } => Limit::Uri,
            Self::BodySize { .. } => Limit::BodySize,
            Self::BodyTime { .. } => Limit::BodyTime,
            Self::Streams { .. } => Limit::Streams,
            Self::RequestTime { .. } => Limit::RequestTime,
        }
    }
}

impl fmt::Display for OverLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTime { time_max } => {
                write!(formatter, "The request's head took longer than {time_max:?} to come")
            }
            Self::Head => formatter.write_str("The request's headers are too many or too large"),
            Self::Headers { count_max } => write!(formatter, "The request has more than {count_max} headers"),
            Self::HeadersSize { bytes_max } => {
                write!(formatter, "The request's headers are larger than {}", Size(*bytes_max))
            }
            Self::Uri { bytes_max } => {
                write!(formatter, "The request's path and query are longer than {}", Size(*bytes_max))
            }
            Self::BodySize { bytes_max } => write!(formatter, "The request body is larger than {}", Size(*bytes_max)),
            Self::BodyTime { time_max } => {
                write!(formatter, "The request body took longer than {time_max:?} to come; nothing was done")
            }
            Self::Streams { count_max } => write!(
                formatter,
                "More than {count_max} requests of this connection are waiting; nothing was done, try again"
            ),
            Self::RequestTime { time_max } => write!(
                formatter,
                "There was no answer within {time_max:?}; whether the request took effect is unknown, repeat it with the \
                 same idempotency key"
            ),
        }
    }
}
