//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use domain::clock::Timestamp;
use domain::keys::PermissionSet;
use domain::limits::RateLimit;
use domain::tenancy::{Environment, Slug};
use domain::webhooks::{DeliveryStatus, Dialect};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::BAD_USAGE;
use crate::import_options::ImportWhat;
use crate::limit_options::LimitOptions;

/// Keeps players' money and items for game studios: an exact, replay-safe ledger in one program.
///
/// Without a command it serves, on a SQLite file under ./purser-data. Every option can also be set by the environment
/// variable named beside it, or in a TOML file (--config) under its own name with `_` for `-`; an option wins over the
/// environment, and the environment over the file.
#[derive(Debug, Parser)]
#[command(name = "purser", version, arg_required_else_help = false, override_usage = "purser [OPTIONS] [COMMAND]")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// The folder that holds the embedded store [default: ./purser-data]
    #[arg(long, env = "PURSER_DATA_DIR", value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,

    /// The store: sqlite:PATH of a file, or postgres://user:password@host:port/database
    /// [default: sqlite:DATA_DIR/purser.sqlite3]
    #[arg(long, env = "PURSER_DATABASE_URL", value_name = "URL", global = true)]
    pub(crate) database_url: Option<String>,

    /// A TOML file with settings
    #[arg(long, env = "PURSER_CONFIG", value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// The installation's secret, 64 hexadecimal digits, the same for every server on one database; better given by the
    /// environment, where nobody sees it [default: read from --secret-file]
    #[arg(long, env = "PURSER_SECRET", hide_env_values = true, value_name = "HEX", global = true)]
    pub(crate) secret: Option<String>,

    /// The file with the installation's secret, which is made if it is not there
    /// [default: beside the embedded store, else DATA_DIR/purser.secret]
    #[arg(long, env = "PURSER_SECRET_FILE", value_name = "FILE", global = true)]
    pub(crate) secret_file: Option<PathBuf>,

    /// Where webhooks may go besides public addresses over https: networks such as 10.0.0.0/8, addresses, and host names,
    /// between commas; http is allowed there too [default: nowhere]
    #[arg(long, env = "PURSER_WEBHOOK_ALLOW", value_name = "LIST", global = true)]
    pub(crate) webhook_allow: Option<String>,

    /// What to log: error, warn, info, debug, trace, or targets such as info,transport=debug [default: info]
    #[arg(long, env = "PURSER_LOG", value_name = "FILTER", global = true)]
    pub(crate) log: Option<String>,

    /// How to log: auto means human on a terminal and json otherwise [default: auto]
    #[arg(long, env = "PURSER_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// One line for a person.
    Human,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the HTTP API (the default)
    Serve(Box<ServeArgs>),
    /// Show, apply or revert the schema's migrations
    Migrate {
        /// [default: status]
        #[command(subcommand)]
        action: Option<MigrateAction>,
    },
    /// Create or list studios
    Studio {
        #[command(subcommand)]
        action: StudioAction,
    },
    /// Create or list games
    Game {
        #[command(subcommand)]
        action: GameAction,
    },
    /// Issue, list, change, rotate or revoke API keys
    Keys {
        #[command(subcommand)]
        action: KeysAction,
    },
    /// Make, list, change, try or remove webhook endpoints, and queue what they missed again
    Webhooks {
        #[command(subcommand)]
        action: WebhooksAction,
    },
    /// Print the OpenAPI document that the server serves at /openapi.server.json
    Openapi,
    /// Recompute every balance from the ledger and name what differs
    Verify,
    /// Copy the embedded store as it is at one instant, beside a running server, and look through the copy
    Backup(BackupArgs),
    /// Ask a running server whether it is ready, as a health check of a container without a shell
    Health(HealthArgs),
    /// Move in: bring what another platform exported to a running server, each row once
    Import {
        #[command(subcommand)]
        what: Box<ImportWhat>,
    },
}

/// Options of `purser serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "PURSER_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<std::net::SocketAddr>,

    /// Do not make the demo studio, game and sandbox key on an empty store
    #[arg(long, env = "PURSER_NO_DEMO", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub(crate) no_demo: bool,

    /// Threads that serve requests [default: one for each processor]
    #[arg(long, env = "PURSER_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) workers: Option<u16>,

    /// Writes that may wait for the store before further ones are answered 503 [default: 8192]
    #[arg(long, env = "PURSER_QUEUE_DEPTH", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) queue_depth: Option<u32>,

    /// On PostgreSQL, apply pending migrations before serving instead of refusing to start (SQLite always does)
    #[arg(long, env = "PURSER_MIGRATE", value_parser = BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub(crate) migrate: bool,

    /// Serve although the database was used with another secret, which is lost: this one counts from now on
    #[arg(long)]
    pub(crate) accept_new_secret: bool,

    /// On PostgreSQL, connections that write, each storing a batch of its own [default: 2]
    #[arg(long, env = "PURSER_LANES", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) lanes: Option<u16>,

    /// On PostgreSQL, connections that read [default: 4]
    #[arg(long, env = "PURSER_READ_CONNECTIONS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) read_connections: Option<u16>,

    /// Requests that one webhook endpoint may have to answer at once [default: 16]
    #[arg(long, env = "PURSER_WEBHOOK_IN_FLIGHT", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) webhook_in_flight: Option<u16>,

    /// For how many days events, deliveries and their attempts are kept, at least as long as deliveries are retried
    /// [default: 7]
    #[arg(long, env = "PURSER_EVENT_RETENTION_DAYS", value_name = "DAYS", value_parser = clap::value_parser!(u16).range(4..=365))]
    pub(crate) event_retention_days: Option<u16>,

    /// Calls of the server API that a key without a limit of its own may make in any minute; 0 for any number
    /// [default: 6000]
    #[arg(long, env = "PURSER_RATE_LIMIT_SERVER_API", value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(RateLimit::MAX)))]
    pub(crate) rate_limit_server_api: Option<u32>,

    /// The Redis in which several servers count calls together: redis://user:password@host:port/database, or rediss://… for
    /// TLS; better given by the environment, where nobody sees it [default: each server counts for itself]
    #[arg(long, env = "PURSER_REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) redis_url: Option<String>,

    /// Speak HTTPS with the certificate in this file (PEM, the server's own first, then its chain), which is read again when
    /// it changes and at SIGHUP [default: plain HTTP]
    #[arg(long, env = "PURSER_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The file with the private key of that certificate (PEM, not encrypted)
    #[arg(long, env = "PURSER_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Proxies in front of the server, which are believed on whose behalf they ask: networks such as 10.0.0.0/8 and addresses,
    /// between commas [default: none]
    #[arg(long, env = "PURSER_TRUSTED_PROXIES", value_name = "LIST")]
    pub(crate) trusted_proxies: Option<String>,

    /// The header in which they tell it; the other one is ignored [default: x-forwarded-for]
    #[arg(long, env = "PURSER_PROXY_HEADER", value_name = "HEADER")]
    pub(crate) proxy_header: Option<ProxyHeaderName>,

    /// Where spans of requests and batches go: a collector that speaks OTLP over HTTP, such as http://localhost:4318
    /// [default: nowhere]
    #[arg(long, env = "PURSER_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,

    /// Which part of the traces that begin here is recorded, from 0 to 1; callers decide on theirs [default: 0.05]
    #[arg(long, env = "PURSER_OTLP_SAMPLE_RATIO", value_name = "RATIO")]
    pub(crate) otlp_sample_ratio: Option<f64>,

    /// What this server is called in traces [default: purser]
    #[arg(long, env = "PURSER_OTLP_SERVICE_NAME", value_name = "NAME")]
    pub(crate) otlp_service_name: Option<String>,

    #[command(flatten)]
    pub(crate) limits: LimitOptions,
}

/// In which header proxies tell on whose behalf they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProxyHeaderName {
    /// X-Forwarded-For.
    XForwardedFor,
    /// Forwarded (RFC 7239).
    Forwarded,
}

/// Options of `purser backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The folder that the copy goes to, made if it is not there; nothing in it is overwritten
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,

    /// Copy the installation's secret too; keep the two apart afterwards, because with both, everything can be read
    #[arg(long)]
    pub(crate) with_secret: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Options of `purser health`.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Where the server listens [default: 127.0.0.1:8080]
    #[arg(long, env = "PURSER_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<std::net::SocketAddr>,

    /// The certificate that the server has, if it speaks HTTPS; it is asked over TLS then, and may have any
    #[arg(long, env = "PURSER_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The file with its private key, which is not read
    #[arg(long, env = "PURSER_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// Verbs of `purser migrate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum MigrateAction {
    /// List the migrations and whether each is applied
    Status,
    /// Apply what is pending
    Up,
    /// Revert the newest one, with the data that it holds
    Down,
    /// On PostgreSQL with the Citus extension, distribute the tables by realm over its nodes
    Distribute,
}

/// Verbs of `purser studio`.
#[derive(Debug, Subcommand)]
pub(crate) enum StudioAction {
    /// Create a studio
    Create {
        /// Its short name: lower-case letters, digits and '-'
        #[arg(value_parser = slug)]
        name: Slug,
        #[command(flatten)]
        output: Output,
    },
    /// List the studios
    List {
        #[command(flatten)]
        output: Output,
    },
}

/// Verbs of `purser game`.
#[derive(Debug, Subcommand)]
pub(crate) enum GameAction {
    /// Create a game, with its sandbox and its live realm
    Create {
        /// The studio that owns it
        #[arg(long, value_parser = slug)]
        studio: Slug,
        /// Its short name: lower-case letters, digits and '-'
        #[arg(value_parser = slug)]
        name: Slug,
        #[command(flatten)]
        output: Output,
    },
    /// List the games
    List {
        #[command(flatten)]
        output: Output,
    },
}

/// Verbs of `purser keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysAction {
    /// Issue a key and print it, this once
    Issue {
        /// The studio
        #[arg(long, value_parser = slug)]
        studio: Slug,
        /// The game
        #[arg(long, value_parser = slug)]
        game: Slug,
        /// sandbox or live
        #[arg(long, value_parser = environment)]
        env: Environment,
        /// server_integration, client_sdk or admin
        #[arg(long, value_parser = permissions)]
        permissions: PermissionSet,
        /// What to call it
        #[arg(long, default_value = "")]
        name: String,
        /// For how long it works, such as 90d or 12h [default: for ever]
        #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
        expires_in: Option<Duration>,
        /// Calls that it may make in any minute, 0 for any number, or 'default' [default: as the server says]
        #[arg(long, value_parser = own_limit, value_name = "N")]
        rate_limit: Option<OwnLimit>,
        /// Create the studio and the game when they do not exist
        #[arg(long)]
        create: bool,
        #[command(flatten)]
        output: Output,
    },
    /// List the keys (never their secrets)
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Replace a key by a new one with the same settings; the old one goes on working for a while
    Rotate {
        /// The key's id
        id: Uuid,
        /// For how long the old key goes on working
        #[arg(long, value_parser = humantime::parse_duration, default_value = "24h", value_name = "DURATION")]
        overlap: Duration,
        #[command(flatten)]
        output: Output,
    },
    /// Change what a key is called, its limit and when it expires
    Change {
        /// The key's id
        id: Uuid,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
        /// For how long it works from now on, such as 90d or 12h
        #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION", conflicts_with = "never_expires")]
        expires_in: Option<Duration>,
        /// It works for ever
        #[arg(long)]
        never_expires: bool,
        /// Calls that it may make in any minute, 0 for any number, or 'default' for as many as the server says
        #[arg(long, value_parser = own_limit, value_name = "N")]
        rate_limit: Option<OwnLimit>,
        #[command(flatten)]
        output: Output,
    },
    /// End a key: every server refuses it within 5 seconds
    Revoke {
        /// The key's id
        id: Uuid,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        output: Output,
    },
}

/// Whose webhook endpoints are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct RealmArgs {
    /// The studio
    #[arg(long, value_parser = slug)]
    pub(crate) studio: Slug,
    /// The game
    #[arg(long, value_parser = slug)]
    pub(crate) game: Slug,
    /// sandbox or live
    #[arg(long, value_parser = environment)]
    pub(crate) env: Environment,
}

/// One webhook endpoint.
#[derive(Debug, Clone, Args)]
pub(crate) struct EndpointArgs {
    #[command(flatten)]
    pub(crate) realm: RealmArgs,
    /// The endpoint's id
    pub(crate) id: Uuid,
}

/// Verbs of `purser webhooks`.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksAction {
    /// Make an endpoint and print its secret, this once
    Create {
        #[command(flatten)]
        realm: RealmArgs,
        /// Where it is: https, unless its host is in --webhook-allow
        url: String,
        /// Of which events it is told, such as wallet.changed, or '*' for all; give it several times or use commas
        #[arg(long = "event", value_name = "NAME", value_delimiter = ',')]
        events: Vec<String>,
        /// json or kongregate
        #[arg(long, value_parser = dialect, default_value = "json")]
        format: Dialect,
        /// What to call it
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        output: Output,
    },
    /// List the endpoints (never their secrets)
    List {
        #[command(flatten)]
        realm: RealmArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Change an endpoint; what is not given stays
    Change {
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// Where it is
        #[arg(long)]
        url: Option<String>,
        /// Of which events it is told
        #[arg(long = "event", value_name = "NAME", value_delimiter = ',')]
        events: Vec<String>,
        /// What to call it
        #[arg(long)]
        description: Option<String>,
        /// Deliver to it (again)
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Deliver nothing to it; events are kept for it
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Remove an endpoint, and what waits for it
    Delete {
        #[command(flatten)]
        endpoint: EndpointArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Send one request to an endpoint now, and print what came back
    Ping {
        #[command(flatten)]
        endpoint: EndpointArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Replace an endpoint's secrets and print the new ones, this once; the old ones are good for a while
    RotateSecret {
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// For how long deliveries are signed with the old secret as well, at most 7d
        #[arg(long, value_parser = humantime::parse_duration, default_value = "24h", value_name = "DURATION")]
        overlap: Duration,
        #[command(flatten)]
        output: Output,
    },
    /// List the newest deliveries of an endpoint
    Deliveries {
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// Only those that are pending, delivered or failed
        #[arg(long, value_parser = delivery_status)]
        status: Option<DeliveryStatus>,
        /// Only those older than this one
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Deliver once more: one delivery, or what happened in a range of time and was not delivered
    Replay {
        #[command(flatten)]
        endpoint: EndpointArgs,
        /// The delivery
        #[arg(long, value_name = "ID", required_unless_present = "since", conflicts_with = "since")]
        delivery: Option<Uuid>,
        /// From when on, such as 2026-06-08T12:00:00Z
        #[arg(long, value_parser = instant, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Until when [default: now]
        #[arg(long, value_parser = instant, value_name = "TIME", requires = "since")]
        until: Option<Timestamp>,
        /// Also what was delivered
        #[arg(long, requires = "since")]
        all: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// How to print.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The limit of a key: its own, or none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnLimit(pub(crate) Option<RateLimit>);

fn own_limit(text: &str) -> Result<OwnLimit, String> {
    if text == "default" {
        return Ok(OwnLimit(None));
    }
    let limit = text.parse().ok().and_then(RateLimit::try_new);
    limit.map(|limit| OwnLimit(Some(limit))).ok_or_else(|| format!("must be 0 to {} or 'default'", RateLimit::MAX))
}

fn slug(text: &str) -> Result<Slug, String> {
    Slug::try_new(text).map_err(|error| error.to_string())
}

fn environment(text: &str) -> Result<Environment, String> {
    Environment::parse(text).ok_or_else(|| "must be sandbox or live".to_owned())
}

fn dialect(text: &str) -> Result<Dialect, String> {
    Dialect::parse(text).ok_or_else(|| "must be json or kongregate".to_owned())
}

fn delivery_status(text: &str) -> Result<DeliveryStatus, String> {
    DeliveryStatus::parse(text).ok_or_else(|| "must be pending, delivered or failed".to_owned())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let read = OffsetDateTime::parse(text, &Rfc3339);
    read.map(Timestamp::from)
        .map_err(|_| "must be a date and time with an offset, such as 2026-06-08T12:00:00Z".to_owned())
}

fn permissions(text: &str) -> Result<PermissionSet, String> {
    PermissionSet::parse(text).ok_or_else(|| "must be server_integration, client_sdk or admin".to_owned())
}

/// Reads the command line, with `serve` as the command when none is given. `Err` is how to exit: help and version were
/// printed, or one line about what is wrong.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    read(std::env::args_os().collect()).map_err(|error| explain(&error))
}

fn read(mut arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let known = Cli::command();
    let no_command = |error: &clap::Error| {
        matches!(
            error.kind(),
            ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                | ErrorKind::UnknownArgument
        ) && !arguments.iter().any(|argument| known.find_subcommand(argument).is_some())
    };
    match read_exactly(&arguments) {
        Err(error) if no_command(&error) => {
            arguments.insert(arguments.len().min(1), "serve".into());
            read_exactly(&arguments)
        }
        read => read,
    }
}

fn read_exactly(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches_from(arguments)?)
}

/// The command line with two changes that the derived one cannot have: the help of the program lists the options of
/// serving, which is what it does without a command, and no help shows the value of an environment variable, which may
/// hold a password.
fn command() -> clap::Command {
    let discreet = |argument: clap::Arg| argument.hide_env_values(true);
    let every = |command: clap::Command| command.mut_args(discreet);
    let derived = every(Cli::command()).mut_subcommand("serve", every);
    let derived = derived.mut_subcommand("import", |import| import.mut_subcommands(every));
    let serve = derived.find_subcommand("serve").cloned().unwrap_or_default();
    let options = serve.help_template("{options}").render_help().to_string();
    derived.after_help(format!("Options of serve:\n{}", options.trim_end()))
}

fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        drop(error.print());
        return ExitCode::from(BAD_USAGE);
    }
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let line: Vec<&str> = first.split_whitespace().collect();
    eprintln!("purser: {} (see purser --help)", line.join(" "));
    ExitCode::from(BAD_USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        for arguments in [vec!["purser"], vec!["purser", "--data-dir", "x"], vec!["purser", "--listen", "127.0.0.1:1"]]
        {
            let cli = read(arguments.iter().map(OsString::from).collect()).expect("parses");
            assert!(matches!(cli.command, Command::Serve(_)), "{arguments:?}");
        }
        assert!(read(["purser", "verify", "--listen", "127.0.0.1:1"].map(OsString::from).to_vec()).is_err());
    }

    #[test]
    fn options_of_all_commands_may_stand_before_or_after_the_command() {
        for arguments in [["purser", "--data-dir", "x", "verify"], ["purser", "verify", "--data-dir", "x"]] {
            let cli = Cli::try_parse_from(arguments).expect("parses");
            assert_eq!(cli.common.data_dir, Some(PathBuf::from("x")));
        }
    }
}
