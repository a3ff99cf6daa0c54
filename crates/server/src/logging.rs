//! Structured logs on standard error: for a person on a terminal, JSON otherwise.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use anyhow::Context;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::LogFormat;
use crate::config::Settings;

/// Libraries that show what passes through them at the levels debug and trace: the parameters of statements, the heads and
/// errors of requests. Those hold what nobody may read in a log.
const TALKATIVE: [&str; 4] = ["tokio_postgres", "actix_http", "actix_web", "h2"];

/// Starts logging as `settings` say.
pub(crate) fn start(settings: &Settings) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&settings.log).with_context(|| format!("'{}' is not a log filter", settings.log))?;
    let json = match settings.log_format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        lines.json().flatten_event(true).finish().with(discreet()).try_init()
    } else {
        lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).finish().with(discreet()).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    if json {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// Lets nothing through in which a library shows what it was given, whatever the settings say.
fn discreet() -> FilterFn {
    filter_fn(|line| {
        *line.level() <= Level::INFO || !TALKATIVE.iter().any(|library| line.target().starts_with(library))
    })
}

/// A panic as one line among the others. Who catches it says what came of it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let thread = std::thread::current().name().map(ToOwned::to_owned);
    tracing::error!(location, thread, panic = panic.payload_as_str(), "a thread panicked");
}
