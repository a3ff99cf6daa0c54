//! The server under measurement: a child process with an empty store of its own, and what Linux knows about it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::str;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hyper::StatusCode;
use tokio::time::sleep;

use super::client::Target;
use super::output_of;
use super::process::Process;
use super::program::Program;

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// How often a starting server is asked whether it is there: the resolution of the time to the first answer.
const START_POLL: Duration = Duration::from_millis(5);

/// The ten seconds that the contract gives to requests in flight, and some more.
const STOP: Duration = Duration::from_secs(15);

/// A running server.
pub(crate) struct Server {
    /// From the start of the process to the first 200 from `/healthz`.
    pub(crate) startup_ms: f64,
    /// What it holds in memory before the first request that matters.
    pub(crate) idle_mb: f64,
    program: Program,
    address: SocketAddr,
    key: String,
    target: Target,
    child: Child,
    process: Process,
}

impl Server {
    /// Makes the schema and one key in the store of `program`, starts the server on it and waits until it is ready.
    pub(crate) async fn start(program: Program) -> Result<Self> {
        program.migrate()?;
        let key = program.issue_key()?;
        let address = free_address()?;
        let target = Target::new(address, &key)?;
        let start = Instant::now();
        let child = spawn(&program, address)?;
        let process = Process::new(child.id());
        let mut server = Self { startup_ms: 0.0, idle_mb: 0.0, program, address, key, target, child, process };
        server.wait_for_200("/healthz", start).await?;
        server.startup_ms = start.elapsed().as_secs_f64() * 1_000.0;
        server.idle_mb = server.process.resident_mb()?;
        server.wait_for_200("/readyz", start).await?;
        Ok(server)
    }

    /// Kills it as a power cut does, and starts it again where it was.
    pub(crate) async fn kill_and_start(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill the server")?;
        self.child.wait().context("cannot bury the server")?;
        let start = Instant::now();
        self.child = spawn(&self.program, self.address)?;
        self.process = Process::new(self.child.id());
        self.wait_for_200("/readyz", start).await
    }

    /// Where it is, as a client is told.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What opens it.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// How to call it.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// What Linux knows about it.
    pub(crate) fn process(&self) -> &Process {
        &self.process
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

    /// The end of what it printed, to explain a failure.
    pub(crate) fn last_words(&self) -> String {
        let mut words = String::from("the server's last words:");
        for file in ["stdout.log", "stderr.log"] {
            let text = fs::read_to_string(self.program.folder.join(file)).unwrap_or_default();
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
}

impl Drop for Server {
    /// After a failure nothing may stay behind. On a stopped server both calls do nothing that matters.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Program, address: SocketAddr) -> Result<Child> {
    program
        .command()
        .args(["serve", "--migrate", "--no-demo", "--listen", &address.to_string()])
        .stdout(log(&program.folder, "stdout.log")?)
        .stderr(log(&program.folder, "stderr.log")?)
        .spawn()
        .with_context(|| format!("cannot start {}", program.binary.display()))
}

/// An address that was free a moment ago: the contract has no way to ask the server which port it took.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    listener.local_addr().context("no free port")
}

fn log(folder: &Path, name: &str) -> Result<File> {
    File::create(folder.join(name)).with_context(|| format!("cannot create {name}"))
}
