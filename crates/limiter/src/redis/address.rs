//! Where Redis is.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use thiserror::Error;

/// Where Redis is, and how to get in.
#[derive(Clone)]
pub struct RedisAddress {
    pub(super) connection: ConnectionInfo,
}

/// The text is no address of a Redis. It is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the Redis URL must be redis://[[user]:password@]host[:port][/database], or rediss://… for TLS")]
pub struct InvalidRedisAddress;

impl RedisAddress {
    /// Reads the address in `url`. Asks nobody.
    ///
    /// # Errors
    /// [`InvalidRedisAddress`].
    pub fn parse(url: &str) -> Result<Self, InvalidRedisAddress> {
        let is_meant = url.starts_with("redis://") || url.starts_with("rediss://");
        if !is_meant || url.contains('#') {
            return Err(InvalidRedisAddress);
        }
        let connection = url.into_connection_info().map_err(|_| InvalidRedisAddress)?;
        if matches!(connection.addr(), ConnectionAddr::TcpTls { .. }) {
            // The client asks the process for its cryptography. The error is that somebody has chosen already.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self { connection })
    }
}

/// As a person would recognise it; without a password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redis at {}/{}", self.connection.addr(), self.connection.redis_settings().db())
    }
}

/// The same.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("redis://cache", "Redis at cache:6379/0"),
            ("redis://:hunter2@10.0.0.1:7000/3", "Redis at 10.0.0.1:7000/3"),
            ("rediss://user:hunter2@cache:6380", "Redis at cache:6380/0"),
        ] {
            let address = RedisAddress::parse(url).unwrap();
            assert_eq!((address.to_string().as_str(), format!("{address:?}").as_str()), (shown, shown));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for url in [
            "",
            "cache:6379",
            "http://:hunter2@cache",
            "redis://",
            "redis://:hunter2@cache:port",
            "redis://cache/gold",
            "rediss://:hunter2@cache/#insecure",
        ] {
            let refused = RedisAddress::parse(url).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
