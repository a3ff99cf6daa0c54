//! The options that set the limits of the server, which are the same on the command line, in the environment and in the table
//! `[limits]` of the settings file.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde::Deserialize;
use transport::Limits;

/// A duration as a person writes it, such as `10s` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Timespan(Duration);

impl FromStr for Timespan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|error| format!("'{text}' is no duration such as 10s: {error}"))
    }
}

impl TryFrom<String> for Timespan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The limits as they are set in one place, each if it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitOptions {
    /// Open connections; further clients wait until one closes. In a settings file, this and all options below are in a
    /// table `limits` [default: 10000]
    #[arg(long, env = "PURSER_CONNECTIONS_MAX", value_name = "N")]
    pub(crate) connections_max: Option<u32>,

    /// Clients that may wait for a connection; the system refuses others [default: 1024]
    #[arg(long, env = "PURSER_BACKLOG", value_name = "N")]
    pub(crate) backlog: Option<u32>,

    /// Requests of one HTTP/2 connection that may wait for their answers before further ones are answered 503 [default: 256]
    #[arg(long, env = "PURSER_STREAMS_MAX", value_name = "N")]
    pub(crate) streams_max: Option<u32>,

    /// How long a TLS handshake may take [default: 10s]
    #[arg(long, env = "PURSER_TLS_HANDSHAKE_TIMEOUT", value_name = "DURATION")]
    pub(crate) tls_handshake_timeout: Option<Timespan>,

    /// How long a client may take to send the head of a request; 408 [default: 10s]
    #[arg(long, env = "PURSER_HEAD_TIMEOUT", value_name = "DURATION")]
    pub(crate) head_timeout: Option<Timespan>,

    /// Headers of a request, at most 96; 431 [default: 64]
    #[arg(long, env = "PURSER_HEADERS_MAX", value_name = "N")]
    pub(crate) headers_max: Option<u32>,

    /// Bytes of a request's headers; 431 [default: 32768]
    #[arg(long, env = "PURSER_HEADERS_BYTES_MAX", value_name = "BYTES")]
    pub(crate) headers_bytes_max: Option<u32>,

    /// Bytes of a request's path and query; 414 [default: 8192]
    #[arg(long, env = "PURSER_URL_BYTES_MAX", value_name = "BYTES")]
    pub(crate) url_bytes_max: Option<u32>,

    /// How long a client may take to send the body of a request; 408 [default: 30s]
    #[arg(long, env = "PURSER_BODY_TIMEOUT", value_name = "DURATION")]
    pub(crate) body_timeout: Option<Timespan>,

    /// Bytes of a body; 413 [default: 1048576]
    #[arg(long, env = "PURSER_BODY_BYTES_MAX", value_name = "BYTES")]
    pub(crate) body_bytes_max: Option<u32>,

    /// How long a client may take to send the body of a bulk import; 408 [default: 2m]
    #[arg(long, env = "PURSER_BULK_BODY_TIMEOUT", value_name = "DURATION")]
    pub(crate) bulk_body_timeout: Option<Timespan>,

    /// Bytes of the body of a bulk import; 413 [default: 8388608]
    #[arg(long, env = "PURSER_BULK_BODY_BYTES_MAX", value_name = "BYTES")]
    pub(crate) bulk_body_bytes_max: Option<u32>,

    /// Arrays and objects of a body in one another; 400 [default: 64]
    #[arg(long, env = "PURSER_JSON_DEPTH_MAX", value_name = "N")]
    pub(crate) json_depth_max: Option<u32>,

    /// Members of one object of a body; 400 [default: 1000]
    #[arg(long, env = "PURSER_JSON_MEMBERS_MAX", value_name = "N")]
    pub(crate) json_members_max: Option<u32>,

    /// How long an answer may take, from the whole request on; 503 [default: 30s]
    #[arg(long, env = "PURSER_REQUEST_TIMEOUT", value_name = "DURATION")]
    pub(crate) request_timeout: Option<Timespan>,

    /// How long a client may take nothing of its answer [default: 30s]
    #[arg(long, env = "PURSER_ANSWER_TIMEOUT", value_name = "DURATION")]
    pub(crate) answer_timeout: Option<Timespan>,

    /// How long a connection is kept without a request [default: 75s]
    #[arg(long, env = "PURSER_KEEP_ALIVE", value_name = "DURATION")]
    pub(crate) keep_alive: Option<Timespan>,
}

/// The limits, complete.
#[derive(Debug, Clone)]
pub(crate) struct LimitSettings {
    /// Those of the server.
    pub(crate) limits: Limits,
    /// Clients that may wait for a connection.
    pub(crate) backlog: u32,
}

impl LimitSettings {
    /// Clients that may wait for a connection unless told otherwise.
    const BACKLOG: usize = 1024;

    /// What `given` and, where it says nothing, `file` say, and the defaults.
    pub(crate) fn resolve(given: &LimitOptions, file: &LimitOptions) -> anyhow::Result<Self> {
        let default = Limits::default();
        let count = |name, pick: fn(&LimitOptions) -> Option<u32>, range, default| {
            count(name, pick(given).or(pick(file)), range, default)
        };
        let time = |name, pick: fn(&LimitOptions) -> Option<Timespan>, default| {
            time(name, pick(given).or(pick(file)), default)
        };
        let backlog = count("backlog", |from| from.backlog, 1..=65_535, Self::BACKLOG)?;
        let limits = Limits {
            connections_max: count(
                "connections_max",
                |from| from.connections_max,
                1..=1_000_000,
                default.connections_max,
            )?,
            streams_max: count("streams_max", |from| from.streams_max, 1..=10_000, default.streams_max)?,
            tls_handshake_time_max: time(
                "tls_handshake_timeout",
                |from| from.tls_handshake_timeout,
                default.tls_handshake_time_max,
            )?,
            head_time_max: time("head_timeout", |from| from.head_timeout, default.head_time_max)?,
            headers_max: count("headers_max", |from| from.headers_max, 8..=96, default.headers_max)?,
            headers_bytes_max: count(
                "headers_bytes_max",
                |from| from.headers_bytes_max,
                1_024..=131_072,
                default.headers_bytes_max,
            )?,
            uri_bytes_max: count("url_bytes_max", |from| from.url_bytes_max, 256..=65_534, default.uri_bytes_max)?,
            body_time_max: time("body_timeout", |from| from.body_timeout, default.body_time_max)?,
            body_bytes_max: count("body_bytes_max", |from| from.body_bytes_max, BODY_BYTES, default.body_bytes_max)?,
            bulk_body_time_max: time("bulk_body_timeout", |from| from.bulk_body_timeout, default.bulk_body_time_max)?,
            bulk_body_bytes_max: count(
                "bulk_body_bytes_max",
                |from| from.bulk_body_bytes_max,
                BODY_BYTES,
                default.bulk_body_bytes_max,
            )?,
            // The JSON parser itself goes down to 128.
            json_depth_max: count("json_depth_max", |from| from.json_depth_max, 4..=120, default.json_depth_max)?,
            json_members_max: count(
                "json_members_max",
                |from| from.json_members_max,
                32..=1_000_000,
                default.json_members_max,
            )?,
            request_time_max: time("request_timeout", |from| from.request_timeout, default.request_time_max)?,
            answer_time_max: time("answer_timeout", |from| from.answer_timeout, default.answer_time_max)?,
            keep_alive_time_max: time("keep_alive", |from| from.keep_alive, default.keep_alive_time_max)?,
        };
        Ok(Self { limits, backlog: u32::try_from(backlog)? })
    }
}

/// Bytes that a body may be allowed to have.
const BODY_BYTES: RangeInclusive<u32> = 1_024..=1_073_741_824;

/// Times that may be set.
const TIMES: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60 * 60);

fn count(
    name: impl fmt::Display,
    given: Option<u32>,
    range: RangeInclusive<u32>,
    default: usize,
) -> anyhow::Result<usize> {
    match given {
        Some(given) if range.contains(&given) => Ok(usize::try_from(given)?),
        Some(_) => bail!("{name} must be from {} to {}", range.start(), range.end()),
        None => Ok(default),
    }
}

fn time(name: impl fmt::Display, given: Option<Timespan>, default: Duration) -> anyhow::Result<Duration> {
    match given {
        Some(Timespan(given)) if TIMES.contains(&given) => Ok(given),
        Some(_) => bail!("{name} must be from 50ms to 1h"),
        None => Ok(default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(text: &str) -> LimitOptions {
        toml::from_str(text).expect("readable")
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_default() {
        let file = in_file("head_timeout = \"5s\"\nheaders_max = 20\n");
        let given = LimitOptions { headers_max: Some(30), ..LimitOptions::default() };
        let limits = LimitSettings::resolve(&given, &file).expect("valid").limits;
        let default = Limits::default();
        assert_eq!((limits.head_time_max, limits.headers_max), (Duration::from_secs(5), 30));
        assert_eq!(limits, Limits { head_time_max: limits.head_time_max, headers_max: 30, ..default });
    }

    #[test]
    fn what_would_shut_everybody_out_is_refused_by_name() {
        for (text, name) in [
            ("connections_max = 0", "connections_max"),
            ("headers_max = 97", "headers_max"),
            ("url_bytes_max = 0", "url_bytes_max"),
            ("json_depth_max = 128", "json_depth_max"),
            ("keep_alive = \"0s\"", "keep_alive"),
            ("request_timeout = \"2h\"", "request_timeout"),
        ] {
            let refused = LimitSettings::resolve(&LimitOptions::default(), &in_file(text)).expect_err("refused");
            assert!(refused.to_string().starts_with(name), "{refused}");
        }
        assert!(toml::from_str::<LimitOptions>("head_timeout = \"soon\"").is_err());
        assert!(toml::from_str::<LimitOptions>("head_timout = \"1s\"").is_err());
    }
}
