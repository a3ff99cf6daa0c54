//! Settings: from options, the environment and a TOML file, in this order of precedence, checked before anything starts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use domain::limits::{DefaultLimits, RateLimit};
use limiter::RedisAddress;
use outbound::Allowances;
use persistence::postgres::{PostgresAddress, PostgresOptions};
use serde::Deserialize;
use transport::{ProxyHeader, TrustedProxies};

use crate::certificate_files::TlsFiles;
use crate::cli::{Cli, Command, LogFormat, ProxyHeaderName};
use crate::limit_options::{LimitOptions, LimitSettings};
use crate::secret::SecretSource;

/// Everything that can be set, complete.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the data is.
    pub(crate) database: Database,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Whether an empty store gets a demo studio, game and key.
    pub(crate) demo: bool,
    /// Threads that serve requests.
    pub(crate) workers: usize,
    /// Writes that may wait for the store.
    pub(crate) queue_depth: usize,
    /// Whether pending migrations are applied before serving on PostgreSQL.
    pub(crate) migrate: bool,
    /// Where the installation's secret comes from.
    pub(crate) secret: SecretSource,
    /// Whether a secret that the database does not know is taken for the one.
    pub(crate) accept_new_secret: bool,
    /// How PostgreSQL is used.
    pub(crate) postgres: PostgresOptions,
    /// How webhooks are delivered.
    pub(crate) webhooks: WebhookSettings,
    /// How calls are limited.
    pub(crate) rate_limits: RateLimitSettings,
    /// What clients may ask for.
    pub(crate) limits: LimitSettings,
    /// What the server shows to prove who it is; without it, it speaks plain HTTP.
    pub(crate) tls: Option<TlsFiles>,
    /// Who may say on whose behalf it asks.
    pub(crate) proxies: TrustedProxies,
    /// Where spans go, if anywhere.
    pub(crate) spans: Option<SpanSettings>,
    /// What to log.
    pub(crate) log: String,
    /// How to log.
    pub(crate) log_format: LogFormat,
}

/// How webhooks are delivered.
#[derive(Debug, Clone)]
pub(crate) struct WebhookSettings {
    /// Where they may go besides public addresses.
    pub(crate) allow: Allowances,
    /// Requests that one endpoint may have to answer at once.
    pub(crate) in_flight: usize,
    /// For how long events are kept.
    pub(crate) retention: Duration,
}

/// How calls are limited.
#[derive(Debug, Clone)]
pub(crate) struct RateLimitSettings {
    /// The limits of keys that have none of their own.
    pub(crate) defaults: DefaultLimits,
    /// Where several servers count together; in memory, each for itself, when absent.
    pub(crate) redis: Option<RedisAddress>,
}

/// Where spans go, and how many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SpanSettings {
    /// The address of a collector that speaks OTLP over HTTP.
    pub(crate) endpoint: String,
    /// Which part of the traces that begin here is recorded.
    pub(crate) sample_ratio: f64,
    /// What this server is called there.
    pub(crate) service_name: String,
}

/// Where the data is.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// In a file, by the embedded SQLite.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres(PostgresAddress),
}

impl Database {
    /// Where the installation's secret is unless told otherwise: beside an embedded store, so that who copies the folder has
    /// both; else in the data folder.
    fn secret_file(&self, data_dir: &Path) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_extension("secret"),
            Self::Postgres(_) => data_dir.join("purser.secret"),
        }
    }
}

/// As a person would recognise it; without a password.
impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "{}", path.display()),
            Self::Postgres(address) => write!(formatter, "{address}"),
        }
    }
}

/// The settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    listen: Option<SocketAddr>,
    no_demo: Option<bool>,
    workers: Option<u16>,
    queue_depth: Option<u32>,
    migrate: Option<bool>,
    secret_file: Option<PathBuf>,
    lanes: Option<u16>,
    read_connections: Option<u16>,
    webhook_allow: Option<String>,
    webhook_in_flight: Option<u16>,
    event_retention_days: Option<u16>,
    rate_limit_server_api: Option<u32>,
    redis_url: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    trusted_proxies: Option<String>,
    proxy_header: Option<ProxyHeaderName>,
    #[serde(default)]
    limits: LimitOptions,
    otlp_endpoint: Option<String>,
    otlp_sample_ratio: Option<f64>,
    otlp_service_name: Option<String>,
    log: Option<String>,
    log_format: Option<LogFormat>,
}

const DEFAULT_PORT: u16 = 8080;
const DEFAULT_DATA_DIR: &str = "./purser-data";
const DATABASE_FILE: &str = "purser.sqlite3";
/// The web server's own start-up lines say nothing that ours do not, and anybody could fill the log with its errors by
/// sending bytes that are not HTTP.
const DEFAULT_LOG: &str = "info,actix_server=warn,actix_http=off";

impl Settings {
    /// Puts together what the command line (which has read the environment), the file and the defaults say.
    pub(crate) fn resolve(cli: &Cli) -> anyhow::Result<Self> {
        let file = cli.common.config.as_deref().map(SettingsFile::read).transpose()?.unwrap_or_default();
        let common = &cli.common;
        let serve = match &cli.command {
            Command::Serve(serve) => Some(serve),
            Command::Migrate { .. }
            | Command::Studio { .. }
            | Command::Game { .. }
            | Command::Keys { .. }
            | Command::Webhooks { .. }
            | Command::Openapi
            | Command::Verify
            | Command::Backup(_)
            | Command::Health(_)
            | Command::Import { .. } => None,
        };
        let data_dir = common.data_dir.clone().or(file.data_dir).unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR));
        let url = common.database_url.clone().or(file.database_url);
        let workers = serve.and_then(|serve| serve.workers).or(file.workers);
        let queue_depth = serve.and_then(|serve| serve.queue_depth).or(file.queue_depth);
        let lanes = serve.and_then(|serve| serve.lanes).or(file.lanes);
        let read_connections = serve.and_then(|serve| serve.read_connections).or(file.read_connections);
        let health = if let Command::Health(health) = &cli.command { Some(health) } else { None };
        let listen = serve.and_then(|serve| serve.listen).or(health.and_then(|health| health.listen)).or(file.listen);
        let database = database(url.as_deref(), &data_dir)?;
        let webhooks = WebhookSettings::resolve(
            common.webhook_allow.clone().or(file.webhook_allow),
            serve.and_then(|serve| serve.webhook_in_flight).or(file.webhook_in_flight),
            serve.and_then(|serve| serve.event_retention_days).or(file.event_retention_days),
        )?;
        let rate_limits = RateLimitSettings::resolve(
            serve.and_then(|serve| serve.rate_limit_server_api).or(file.rate_limit_server_api),
            serve.and_then(|serve| serve.redis_url.clone()).or(file.redis_url).as_deref(),
        )?;
        let limits = serve.map(|serve| serve.limits.clone()).unwrap_or_default();
        let (certificate, key) = match (serve, health) {
            (Some(serve), _) => (serve.tls_cert.clone(), serve.tls_key.clone()),
            (None, Some(health)) => (health.tls_cert.clone(), health.tls_key.clone()),
            (None, None) => (None, None),
        };
        let tls = TlsFiles::resolve(certificate.or(file.tls_cert), key.or(file.tls_key))?;
        let proxies = serve.and_then(|serve| serve.trusted_proxies.clone()).or(file.trusted_proxies);
        let proxy_header = match serve.and_then(|serve| serve.proxy_header).or(file.proxy_header) {
            Some(ProxyHeaderName::Forwarded) => ProxyHeader::Forwarded,
            Some(ProxyHeaderName::XForwardedFor) | None => ProxyHeader::XForwardedFor,
        };
        let spans = SpanSettings::resolve(
            serve.and_then(|serve| serve.otlp_endpoint.clone()).or(file.otlp_endpoint),
            serve.and_then(|serve| serve.otlp_sample_ratio).or(file.otlp_sample_ratio),
            serve.and_then(|serve| serve.otlp_service_name.clone()).or(file.otlp_service_name),
        )?;
        let secret_file = common.secret_file.clone().or(file.secret_file);
        let secret = match common.secret.clone() {
            Some(text) => SecretSource::Given(text),
            None => SecretSource::File(secret_file.unwrap_or_else(|| database.secret_file(&data_dir))),
        };
        Ok(Self {
            database,
            secret,
            accept_new_secret: serve.is_some_and(|serve| serve.accept_new_secret),
            listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))),
            demo: !(serve.is_some_and(|serve| serve.no_demo) || file.no_demo.unwrap_or(false)),
            workers: match workers {
                Some(0) => bail!("workers must be at least 1"),
                Some(513..) => bail!("workers must be at most 512"),
                Some(workers) => usize::from(workers),
                None => std::thread::available_parallelism().map_or(2, usize::from),
            },
            queue_depth: match queue_depth {
                Some(0) => bail!("queue_depth must be at least 1"),
                Some(depth) => usize::try_from(depth).context("queue_depth is too large")?,
                None => domain::economy::QUEUE_DEPTH,
            },
            migrate: serve.is_some_and(|serve| serve.migrate) || file.migrate.unwrap_or(false),
            postgres: postgres_options(lanes, read_connections)?,
            webhooks,
            rate_limits,
            limits: LimitSettings::resolve(&limits, &file.limits)?,
            tls,
            proxies: TrustedProxies::parse(proxies.as_deref().unwrap_or_default(), proxy_header)
                .context("trusted_proxies")?,
            spans,
            log: common.log.clone().or(file.log).unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: common.log_format.or(file.log_format).unwrap_or(LogFormat::Auto),
        })
    }
}

impl WebhookSettings {
    /// Requests that one endpoint has to answer at once unless told otherwise.
    const IN_FLIGHT: u16 = 16;
    /// For how many days events are kept unless told otherwise.
    const RETENTION_DAYS: u16 = 7;
    /// The fewest days for which events must be kept: deliveries are attempted for a little more than three.
    const RETENTION_DAYS_MIN: u16 = 4;

    fn resolve(allow: Option<String>, in_flight: Option<u16>, days: Option<u16>) -> anyhow::Result<Self> {
        let days = days.unwrap_or(Self::RETENTION_DAYS);
        if days < Self::RETENTION_DAYS_MIN {
            bail!("event_retention_days must be at least {}", Self::RETENTION_DAYS_MIN);
        }
        let in_flight = in_flight.unwrap_or(Self::IN_FLIGHT);
        if in_flight == 0 {
            bail!("webhook_in_flight must be at least 1");
        }
        Ok(Self {
            allow: Allowances::parse(allow.as_deref().unwrap_or_default()).context("webhook_allow")?,
            in_flight: usize::from(in_flight),
            retention: Duration::from_secs(u64::from(days) * 24 * 60 * 60),
        })
    }
}

impl RateLimitSettings {
    fn resolve(server_api: Option<u32>, redis_url: Option<&str>) -> anyhow::Result<Self> {
        let mut defaults = DefaultLimits::default();
        if let Some(per_minute) = server_api {
            let limit = RateLimit::try_new(per_minute);
            defaults.server_api =
                limit.with_context(|| format!("rate_limit_server_api must be at most {}", RateLimit::MAX))?;
        }
        Ok(Self { defaults, redis: redis_url.map(RedisAddress::parse).transpose()? })
    }
}

impl SpanSettings {
    /// Which part of the traces is recorded unless told otherwise: enough to see what is slow.
    const SAMPLE_RATIO: f64 = 0.05;
    /// What this server is called unless told otherwise.
    const SERVICE_NAME: &str = "purser";

    fn resolve(endpoint: Option<String>, ratio: Option<f64>, name: Option<String>) -> anyhow::Result<Option<Self>> {
        let sample_ratio = ratio.unwrap_or(Self::SAMPLE_RATIO);
        if !(0.0..=1.0).contains(&sample_ratio) {
            bail!("otlp_sample_ratio must be between 0 and 1");
        }
        let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else { return Ok(None) };
        let uri: Option<hyper::Uri> = endpoint.parse().ok();
        let is_http = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        if !is_http {
            bail!("otlp_endpoint must be http://HOST:PORT or https://HOST, without a name and a password");
        }
        Ok(Some(Self { endpoint, sample_ratio, service_name: name.unwrap_or_else(|| Self::SERVICE_NAME.to_owned()) }))
    }
}

impl SettingsFile {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            anyhow::anyhow!("{} line {line}: {}", path.display(), error.message())
        })
    }
}

fn postgres_options(lanes: Option<u16>, read_connections: Option<u16>) -> anyhow::Result<PostgresOptions> {
    let default = PostgresOptions::default();
    let count = |name: &str, given: Option<u16>, default: usize| match given {
        Some(0) => bail!("{name} must be at least 1"),
        Some(count) => Ok(usize::from(count)),
        None => Ok(default),
    };
    Ok(PostgresOptions {
        lanes: count("lanes", lanes, default.lanes)?,
        readers: count("read_connections", read_connections, default.readers)?,
        ..default
    })
}

/// Where the data is, by `url` or in the embedded store's file under `data_dir`. No message repeats the URL, which may hold
/// a password.
fn database(url: Option<&str>, data_dir: &Path) -> anyhow::Result<Database> {
    let Some(url) = url else { return Ok(Database::Sqlite(data_dir.join(DATABASE_FILE))) };
    if PostgresAddress::is_meant_by(url) {
        return Ok(Database::Postgres(PostgresAddress::parse(url)?));
    }
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    match path {
        Some(path) if !path.is_empty() => Ok(Database::Sqlite(PathBuf::from(path))),
        Some(_) | None => bail!("the database URL must be sqlite:PATH or postgres://user:password@host:port/database"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn resolve(arguments: &[&str]) -> anyhow::Result<Settings> {
        Settings::resolve(&Cli::try_parse_from(arguments)?)
    }

    #[test]
    fn nothing_need_be_configured() {
        let settings = resolve(&["purser", "serve"]).expect("defaults are valid");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.database.to_string(), "./purser-data/purser.sqlite3");
        assert!(settings.demo);
    }

    #[test]
    fn an_option_wins_over_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("purser.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\nqueue_depth = 7\nno_demo = true\n").expect("written");
        let file = file.to_str().expect("a plain path");
        let settings = resolve(&["purser", "serve", "--config", file, "--listen", "127.0.0.1:2"]).expect("valid");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
        assert_eq!(settings.queue_depth, 7);
        assert!(!settings.demo);
    }

    #[test]
    fn a_bad_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("purser.toml");
        std::fs::write(&file, "log = \"info\"\nlissten = \"127.0.0.1:1\"\n").expect("written");
        let error =
            resolve(&["purser", "serve", "--config", file.to_str().expect("a plain path")]).expect_err("refused");
        let text = format!("{error:#}");
        assert!(text.contains("purser.toml line 2") && text.contains("lissten"), "{text}");
    }

    #[test]
    fn a_database_url_names_a_sqlite_file_or_a_postgresql_database() {
        let folder = Path::new("data");
        for url in ["sqlite:/a/b.db", "sqlite:///a/b.db"] {
            assert_eq!(database(Some(url), folder).expect("valid").to_string(), "/a/b.db");
        }
        for url in ["postgres://user:secret@host/db", "postgresql://user:secret@host:5432/db"] {
            assert_eq!(database(Some(url), folder).expect("valid").to_string(), "PostgreSQL at host:5432/db");
        }
        for url in [
            "postgres://user:secret@host:port/db",
            "postgres://user:secret@host/db?sslmode=x",
            "mysql://x",
            "sqlite:",
            "",
        ] {
            let error = database(Some(url), folder).expect_err("refused");
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
    }

    #[test]
    fn calls_are_limited_as_told_and_to_6000_a_minute_otherwise() {
        let limit = |arguments: &[&str]| {
            let settings = resolve(&[&["purser", "serve"], arguments].concat());
            settings.map(|settings| settings.rate_limits.defaults.server_api.per_minute())
        };
        assert_eq!(limit(&[]).expect("valid"), 6_000);
        assert_eq!(limit(&["--rate-limit-server-api", "0"]).expect("valid"), 0);
        assert!(limit(&["--rate-limit-server-api", "1000000001"]).is_err());
        assert!(limit(&["--rate-limit-server-api", "-1"]).is_err());
    }

    #[test]
    fn a_redis_url_that_is_none_is_refused_without_being_repeated() {
        let good = resolve(&["purser", "serve", "--redis-url", "redis://:hunter2@cache:7000/1"]).expect("valid");
        let shown = format!("{:?}", good.rate_limits.redis);
        assert!(shown.contains("cache:7000") && !shown.contains("hunter2"), "{shown}");
        let error = resolve(&["purser", "serve", "--redis-url", "redis://:hunter2@cache:port"]).expect_err("refused");
        assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
    }

    #[test]
    fn spans_go_nowhere_unless_a_collector_is_named() {
        assert_eq!(resolve(&["purser", "serve"]).expect("valid").spans, None);
        let named = resolve(&["purser", "serve", "--otlp-endpoint", "http://collector:4318"]).expect("valid");
        let expected = SpanSettings {
            endpoint: "http://collector:4318".to_owned(),
            sample_ratio: 0.05,
            service_name: "purser".to_owned(),
        };
        assert_eq!(named.spans, Some(expected));
        for endpoint in ["collector:4318", "grpc://collector", "http://user:secret@collector", "http://c?token=secret"]
        {
            let error = resolve(&["purser", "serve", "--otlp-endpoint", endpoint]).expect_err("refused");
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
        for ratio in ["1.1", "-1", "NaN"] {
            assert!(resolve(&["purser", "serve", &format!("--otlp-sample-ratio={ratio}")]).is_err(), "{ratio}");
        }
    }

    #[test]
    fn nothing_can_be_done_with_no_connection() {
        for option in ["--lanes", "--read-connections"] {
            assert!(resolve(&["purser", "serve", option, "0"]).is_err(), "{option}");
        }
        let settings = resolve(&["purser", "serve", "--lanes", "2", "--read-connections", "3"]).expect("valid");
        assert_eq!((settings.postgres.lanes, settings.postgres.readers), (2, 3));
    }
}
