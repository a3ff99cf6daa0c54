//! The program under test: started, asked, stopped and started again on a store of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::harness::api::Api;
use crate::harness::patience::{PATIENCE, eventually};
use crate::store::Store;

/// The program, serving. Dropping it kills it; the last one on a store removes the store.
pub(crate) struct Purser {
    // Before the home, so that it is dead when the store goes.
    serving: Serving,
    options: Vec<String>,
    demo_key: Option<String>,
    home: Arc<Home>,
}

/// Where the programs of one test are at home: a folder that they run in, and a store.
pub(crate) struct Home {
    store: Store,
    folder: TempDir,
}

/// How a program ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A program that serves.
pub(crate) struct Serving {
    child: Child,
    out: Captured,
    err: Captured,
    pub(crate) address: SocketAddr,
}

/// What a program has said so far on one of its outputs.
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Purser {
    /// Starts it on an empty store.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it on an empty store, with more options.
    pub(crate) async fn start_with(options: &[&str]) -> Self {
        Self::start_in(Home::new().await, options).await
    }

    /// Starts it in `home`, with more options.
    pub(crate) async fn start_in(home: impl Into<Arc<Home>>, options: &[&str]) -> Self {
        let (home, options) = (home.into(), options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>());
        let serving = Serving::start(&home, &options).await;
        let demo_key = key_in(&serving.out());
        Self { serving, options, demo_key, home }
    }

    /// The key that the first run printed.
    pub(crate) fn key(&self) -> &str {
        self.demo_key.as_deref().expect("an empty store gets a key")
    }

    /// A client with that key.
    pub(crate) fn api(&self) -> Api {
        self.api_with(self.key())
    }

    /// A client with another key.
    pub(crate) fn api_with(&self, key: &str) -> Api {
        Api::new(self.address(), key)
    }

    /// Where it listens now: another port after each start.
    pub(crate) fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// Its process id.
    pub(crate) fn process(&self) -> u32 {
        self.serving.child.id().expect("it runs")
    }

    /// Where it is at home.
    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// What it has said on standard output since it was last started.
    pub(crate) fn out(&self) -> String {
        self.serving.out()
    }

    /// What it has said on standard error since it was last started.
    pub(crate) fn err(&self) -> String {
        self.serving.err.text()
    }

    /// Sends it the signal of that name, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process());
        let sent = Command::new("sh").args(["-c", &kill]).status().await.expect("sh runs");
        assert!(sent.success(), "{kill}");
    }

    /// Waits until it ends.
    pub(crate) async fn ended(&mut self) -> Ended {
        self.serving.ended().await
    }

    /// Stops it as an init system does.
    pub(crate) async fn stop(&mut self) -> Ended {
        self.signal("TERM").await;
        let ended = self.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }

    /// Kills it as a power cut does.
    pub(crate) async fn kill(&mut self) {
        self.serving.child.start_kill().expect("it runs");
        let ended = self.ended().await;
        assert_eq!(ended.code, None, "{ended:?}");
    }

    /// Starts it again on the same store. It has ended.
    pub(crate) async fn restart(&mut self) {
        self.serving = Serving::start(&self.home, &self.options).await;
    }

    /// Runs another command on the same store.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.home.run(arguments).await
    }

    /// Runs another command that must succeed, and returns what it printed.
    pub(crate) async fn must(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
        ended.out
    }

    /// Runs another command that must succeed, and reads the JSON that it printed.
    pub(crate) async fn must_json(&self, arguments: &[&str]) -> Value {
        let out = self.must(arguments).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// Issues a key, making studio and game where they do not exist, and returns what was printed of it.
    pub(crate) async fn issue(&self, game: &str, environment: &str, permissions: &str) -> Value {
        let realm = ["keys", "issue", "--studio", "demo", "--game", game, "--env", environment, "--create", "--json"];
        self.must_json(&[&realm[..], &["--permissions", permissions]].concat()).await
    }

    /// A client for the server API of another realm.
    pub(crate) async fn api_of(&self, game: &str, environment: &str) -> Api {
        let issued = self.issue(game, environment, "server_integration").await;
        self.api_with(issued["key"].as_str().unwrap())
    }

    /// Fails unless `purser verify` finds the books in order; returns how many accounts and entries it saw.
    pub(crate) async fn verified(&self) -> (u64, u64) {
        let out = self.must(&["verify"]).await;
        let mut numbers = out.split_whitespace().filter_map(|word| word.parse().ok());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }
}

impl Home {
    /// With an empty store.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::with(Store::create(folder.path()).await, folder)
    }

    /// With this store.
    pub(crate) fn with(store: Store, folder: TempDir) -> Self {
        Self { store, folder }
    }

    /// The current folder of the programs that run here.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Runs a command on the store until it ends.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[]).await
    }

    /// Runs a command with these environment variables.
    pub(crate) async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = self.program();
        command.args(arguments).envs(variables.iter().copied());
        let running = tokio::time::timeout(PATIENCE, command.output()).await;
        Ended::from(running.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("it starts"))
    }

    /// The program, told of the store.
    fn program(&self) -> Command {
        let mut command = program(self.path());
        command.envs(self.store.variables());
        command
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// Fails unless it was refused with `code` and exactly one line, on standard error; returns the line.
    pub(crate) fn refused(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let line = self.err.strip_suffix('\n').unwrap_or_else(|| panic!("a line: {self:?}"));
        assert!(!line.contains('\n') && line.starts_with("purser: "), "one line: {self:?}");
        line
    }
}

impl Serving {
    /// Starts it on a port that the system chooses, and waits until it says which.
    async fn start(home: &Home, options: &[String]) -> Self {
        let mut command = home.program();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options);
        Self::of(command).await
    }

    /// Starts `command`, which makes it serve, and waits until it says where.
    pub(crate) async fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let out = Captured::of(child.stdout.take().expect("its output is piped"));
        let err = Captured::of(child.stderr.take().expect("its errors are piped"));
        let address = eventually("the server says where it listens", async || {
            if let Some(exit) = child.try_wait().expect("it can be asked") {
                panic!("it ended ({exit}): {} {}", out.text(), err.text());
            }
            address_in(&out.text())
        });
        let address = address.await;
        Self { child, out, err, address }
    }

    /// What it has said on standard output so far.
    pub(crate) fn out(&self) -> String {
        self.out.text()
    }

    async fn ended(&mut self) -> Ended {
        let ending = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ending.expect("it ends in time").expect("it can be waited for");
        Ended { code: status.code(), out: self.out.whole().await, err: self.err.whole().await }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Dead before its store goes. The error is that it has ended already.
        drop(self.child.start_kill());
        for _ in 0..500 {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

impl Captured {
    fn of(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let mut chunk = [0; 8192];
            loop {
                match pipe.read(&mut chunk).await.expect("a pipe can be read") {
                    0 => break,
                    read => written.lock().unwrap().extend_from_slice(&chunk[..read]),
                }
            }
        });
        Self { text, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// All of it, once the program has ended.
    async fn whole(&mut self) -> String {
        if !self.reader.is_finished() {
            (&mut self.reader).await.expect("the reader does not fail");
        }
        self.text()
    }
}

/// The program with nothing of the environment that could configure it, its outputs piped. Nothing limits what a test sends,
/// unless the test says so by an option.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PURSER_") {
            command.env_remove(name);
        }
    }
    command.env("PURSER_RATE_LIMIT_SERVER_API", "0");
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// The address in a banner that is complete.
fn address_in(banner: &str) -> Option<SocketAddr> {
    let complete = banner.ends_with("\n\n") && (!banner.contains("store was empty") || banner.contains("curl "));
    let line = banner.lines().find_map(|line| line.trim().strip_prefix("API"))?;
    let url = line.trim().split_once("://")?.1.strip_suffix("/server/v1")?;
    complete.then(|| url.parse().expect("an address"))
}

/// The key in a banner.
pub(crate) fn key_in(banner: &str) -> Option<String> {
    banner.lines().map(str::trim).find(|line| line.starts_with("ks_") || line.starts_with("kp_")).map(str::to_owned)
}
