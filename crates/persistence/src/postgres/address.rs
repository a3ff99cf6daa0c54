//! Where a PostgreSQL database is, read from a URL, and how connections to it are secured.
//!
//! Must not show the URL in any message: it may hold a password.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long making a connection may take, per host of the URL, unless the URL has its own `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long data may stay unacknowledged before the connection counts as dead, unless the URL has its own
/// `tcp_user_timeout`: a network that swallows packets must not hold a batch for the system's quarter of an hour.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a database is and how to speak to it. Cheap to clone.
#[derive(Clone)]
pub struct PostgresAddress {
    config: Arc<Config>,
    tls: Option<MakeRustlsConnect>,
}

/// Why a URL is not the address of a database.
#[derive(Debug, Error)]
pub enum AddressError {
    /// It is not a PostgreSQL URL.
    #[error("the database URL is not a valid postgres://user:password@host:port/database")]
    Url(#[source] tokio_postgres::Error),
    /// Its `sslmode` is none of those that can be kept.
    #[error(
        "sslmode must be disable, require, verify-ca or verify-full; the last three all encrypt and check the server's \
         certificate and name"
    )]
    SslMode,
    /// Its `sslrootcert` cannot be read.
    #[error("cannot read certificates from sslrootcert {}", path.display())]
    RootCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The system has no certificates to trust.
    #[error("the system's trusted certificates cannot be read; name a file with ?sslrootcert=")]
    NoRoots,
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// The parameters of a URL that are ours to keep: the client library knows neither.
#[derive(Debug, Default)]
struct TlsParameters {
    mode: Option<String>,
    root_certificate: Option<PathBuf>,
}

impl PostgresAddress {
    /// Whether `url` is meant for PostgreSQL at all.
    pub fn is_meant_by(url: &str) -> bool {
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }

    /// Reads `url`: `postgres://user:password@host:port/database`, several `host:port` separated by commas, and the
    /// parameters of libpq that the client knows, such as `target_session_attrs=read-write`.
    ///
    /// TLS is used when `sslmode` asks for it, and then the server's certificate is always checked, against the system's
    /// roots or the file named by `sslrootcert`.
    ///
    /// # Errors
    /// When the URL or a certificate cannot be read. No message repeats the URL.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let (url, parameters) = take_tls_parameters(url);
        let mut config: Config = url.parse().map_err(AddressError::Url)?;
        config.application_name(config.get_application_name().unwrap_or("purser").to_owned());
        config.connect_timeout(*config.get_connect_timeout().unwrap_or(&CONNECT_TIMEOUT));
        config.tcp_user_timeout(*config.get_tcp_user_timeout().unwrap_or(&TCP_USER_TIMEOUT));
        let tls = match parameters.mode.as_deref() {
            None | Some("disable") => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            Some("require" | "verify-ca" | "verify-full") => {
                config.ssl_mode(SslMode::Require);
                Some(MakeRustlsConnect::new(tls(parameters.root_certificate)?))
            }
            Some(_) => return Err(AddressError::SslMode),
        };
        Ok(Self { config: Arc::new(config), tls })
    }

    /// What a client needs to connect.
    pub(super) fn parts(&self) -> (&Config, Option<MakeRustlsConnect>) {
        (&self.config, self.tls.clone())
    }
}

/// Without the password.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.config.get_hosts().iter().enumerate().map(|(index, host)| {
            let name = match host {
                tokio_postgres::config::Host::Tcp(name) => name.clone(),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            };
            let ports = self.config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            format!("{name}:{port}")
        });
        let hosts: Vec<String> = hosts.collect();
        write!(formatter, "PostgreSQL at {}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Splits the parameters about TLS off `url`.
fn take_tls_parameters(url: &str) -> (String, TlsParameters) {
    let mut parameters = TlsParameters::default();
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), parameters) };
    let mut others = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
        match name {
            "sslmode" => parameters.mode = Some(value()),
            "sslrootcert" => parameters.root_certificate = Some(PathBuf::from(value())),
            _ => others.push(pair),
        }
    }
    let url = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    (url, parameters)
}

fn tls(root_certificate: Option<PathBuf>) -> Result<ClientConfig, AddressError> {
    let mut roots = RootCertStore::empty();
    match root_certificate {
        Some(path) => {
            let unreadable =
                |source: Box<dyn Error + Send + Sync>| AddressError::RootCertificate { path: path.clone(), source };
            let certificates = CertificateDer::pem_file_iter(&path).map_err(|error| unreadable(Box::new(error)))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(Box::new(error)))?;
                roots.add(certificate).map_err(|error| unreadable(Box::new(error)))?;
            }
            if roots.is_empty() {
                return Err(unreadable("there is no certificate in it".into()));
            }
        }
        None => {
            let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(AddressError::NoRoots);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(AddressError::Tls)?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = PostgresAddress::parse("postgres://user:secret@db.example:6432/purser").expect("valid");
        assert_eq!(address.to_string(), "PostgreSQL at db.example:6432/purser");
        assert!(!format!("{address:?}").contains("secret"));
    }

    #[test]
    fn several_hosts_and_the_writable_one_among_them_can_be_named() {
        let url = "postgresql://u:p@a:1,b:2/purser?target_session_attrs=read-write&sslmode=disable";
        let address = PostgresAddress::parse(url).expect("valid");
        assert_eq!(address.to_string(), "PostgreSQL at a:1,b:2/purser");
    }

    #[test]
    fn tls_is_used_when_it_is_asked_for_and_never_unchecked() {
        let parse = |url: &str| PostgresAddress::parse(url);
        assert!(parse("postgres://u@h/d").expect("valid").tls.is_none());
        assert!(parse("postgres://u@h/d?sslmode=disable").expect("valid").tls.is_none());
        for refused in ["prefer", "allow", "", "REQUIRE"] {
            let error = parse(&format!("postgres://u:secret@h/d?sslmode={refused}")).expect_err("refused");
            assert!(matches!(error, AddressError::SslMode), "{error}");
        }
        let missing = parse("postgres://u@h/d?sslmode=require&sslrootcert=%2Fno%2Fsuch.pem").expect_err("refused");
        assert!(missing.to_string().contains("/no/such.pem"), "{missing}");
    }

    #[test]
    fn no_message_repeats_the_url() {
        for url in ["postgres://user:secret@host:port/db", "postgres://user:secret@host/db?nonsense=1"] {
            let error = PostgresAddress::parse(url).expect_err("refused");
            let shown = format!("{error} {:?}", error.source().map(ToString::to_string));
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
