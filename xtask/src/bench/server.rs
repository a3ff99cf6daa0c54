//! The server under measurement: a child process with an empty store of its own, and what Linux knows about it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{env, str};

use anyhow::{Context, Result, bail, ensure};
use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::sleep;

use super::client::Target;
use super::machine::value;
use super::{output_of, real};

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// How often a starting server is asked whether it is there: the resolution of the time to the first answer.
const START_POLL: Duration = Duration::from_millis(5);

/// The ten seconds that the contract gives to requests in flight, and some more.
const STOP: Duration = Duration::from_secs(15);

/// The limits that would otherwise be what is measured.
const UNLIMITED: &[&str] =
    &["PURSER_RATE_LIMIT_SERVER_API", "PURSER_RATE_LIMIT_SDK_READ", "PURSER_RATE_LIMIT_SDK_WRITE"];

/// A running server.
pub(crate) struct Server {
    /// From the start of the process to the first 200 from `/healthz`.
    pub(crate) startup_ms: f64,
    /// What it holds in memory before the first request that matters.
    pub(crate) idle_mb: f64,
    binary: PathBuf,
    folder: PathBuf,
    target: Target,
    child: Child,
    ticks_per_second: f64,
}

#[derive(Deserialize)]
struct IssuedKey {
    key: String,
}

impl Server {
    /// Makes a store with one key in `folder`, starts `binary` on it and waits until it is ready.
    pub(crate) async fn start(binary: PathBuf, folder: &Path) -> Result<Self> {
        let key = issue_key(&binary, folder)?;
        let address = free_address()?;
        let target = Target::new(address, &key)?;
        let start = Instant::now();
        let child = command(&binary, folder)
            .args(["serve", "--no-demo", "--listen", &address.to_string(), "--data-dir"])
            .arg(folder)
            .stdout(log(folder, "stdout.log")?)
            .stderr(log(folder, "stderr.log")?)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let ticks_per_second = ticks_per_second();
        let folder = folder.to_path_buf();
        let mut server = Self { startup_ms: 0.0, idle_mb: 0.0, binary, folder, target, child, ticks_per_second };
        server.wait_for_200("/healthz", start).await?;
        server.startup_ms = start.elapsed().as_secs_f64() * 1_000.0;
        server.idle_mb = server.resident_mb()?;
        server.wait_for_200("/readyz", start).await?;
        Ok(server)
    }

    /// How to call it.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The processor time it has used since its start.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc("stat")?;
        let ticks = cpu_ticks(&stat).context("/proc says nothing about the server's processor time")?;
        Ok(real(ticks) / self.ticks_per_second)
    }

    /// The memory it holds now.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let status = self.proc("status")?;
        let kilobytes = value(&status, "VmRSS").trim_end_matches(" kB").parse().context("/proc says no VmRSS")?;
        Ok(real(kilobytes) / 1_024.0)
    }

    /// Asks it to stop as a service manager would, and wants a clean exit.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        output_of(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.exit_status()? {
                ensure!(status.success(), "the server stopped with {status}\n{}", self.last_words());
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("the server ignored SIGTERM for {} s", STOP.as_secs())
    }

    /// Lets the stopped server recompute every balance from its ledger.
    pub(crate) fn verify(&self) -> Result<()> {
        let mut verify = command(&self.binary, &self.folder);
        output_of(verify.arg("--data-dir").arg(&self.folder).arg("verify"))?;
        Ok(())
    }

    /// The end of what it printed, to explain a failure.
    pub(crate) fn last_words(&self) -> String {
        let mut words = String::from("the server's last words:");
        for file in ["stdout.log", "stderr.log"] {
            let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(10)) {
                words.push_str("\n  ");
                words.push_str(line);
            }
        }
        words
    }

    async fn wait_for_200(&mut self, path: &str, start: Instant) -> Result<()> {
        let mut last = String::from("no answer");
        while start.elapsed() < START {
            if let Some(status) = self.exit_status()? {
                bail!("the server stopped at once with {status}\n{}", self.last_words());
            }
            if let Ok(mut connection) = self.target.connect().await {
                match connection.get(path).await {
                    Ok((StatusCode::OK, _)) => return Ok(()),
                    Ok((status, body)) => last = format!("{status}: {}", str::from_utf8(&body).unwrap_or_default()),
                    Err(failure) => last = format!("{failure:#}"),
                }
            }
            sleep(START_POLL).await;
        }
        bail!("no 200 from {path} within {} s ({last})\n{}", START.as_secs(), self.last_words())
    }

    fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask for the server's state")
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}: has the server stopped?"))
    }
}

impl Drop for Server {
    /// After a failure nothing may stay behind. On a stopped server both calls do nothing that matters.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn issue_key(binary: &Path, folder: &Path) -> Result<String> {
    let mut issue = command(binary, folder);
    issue.arg("--data-dir").arg(folder).args(["keys", "issue", "--studio", "bench", "--game", "bench"]);
    issue.args(["--env", "sandbox", "--permissions", "server_integration", "--create", "--json"]);
    let printed = output_of(&mut issue)?;
    // The answer holds a key, so it is not repeated in the error.
    let issued: IssuedKey = serde_json::from_str(&printed).context("`purser keys issue --json` printed no key")?;
    Ok(issued.key)
}

/// The server with none of the caller's settings and no rate limits. It runs in its own folder, where no settings file is.
fn command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PURSER_") {
            command.env_remove(&name);
        }
    }
    for limit in UNLIMITED {
        command.env(limit, "0");
    }
    command
}

/// An address that was free a moment ago: the contract has no way to ask the server which port it took.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    listener.local_addr().context("no free port")
}

fn log(folder: &Path, name: &str) -> Result<File> {
    File::create(folder.join(name)).with_context(|| format!("cannot create {name}"))
}

/// User and system time from `/proc/<pid>/stat`: the twelfth and thirteenth field after the name, which may hold spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

fn ticks_per_second() -> f64 {
    let printed = output_of(Command::new("getconf").arg("CLK_TCK")).unwrap_or_default();
    printed.trim().parse().unwrap_or(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_is_read_past_a_name_with_spaces() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu_ticks(stat), Some(12));
        assert_eq!(cpu_ticks("42 (a) S 1"), None);
    }
}
