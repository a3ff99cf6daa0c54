//! A private cluster: PostgreSQL as a child process on a folder, a port and a password of its own.
//!
//! It listens on 127.0.0.1 only. Everything here blocks: an asynchronous test that has other things to do meanwhile calls
//! it from a thread of its own.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs, io, thread};

use crate::account::Account;
use crate::failure::ClusterError;
use crate::home::Home;
use crate::log::Log;
use crate::options::Options;
use crate::postmaster::{self, PATIENCE, PAUSE, Postmaster, Stop};
use crate::programs::Programs;
use crate::{port, random};

/// The superuser.
const USER: &str = "purser";

/// How many ports are tried.
const PORTS_TRIED: usize = 5;

/// The longest path of a socket that every system takes, its own name and a 0 at the end included.
const SOCKET_PATH_MAX: usize = 100;

/// A running cluster. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    options: Options,
    account: Account,
    password: String,
    port: u16,
    log: Log,
    // Before the folder, so that it is dead when the folder goes.
    postmaster: Option<Postmaster>,
    home: Home,
}

impl Cluster {
    /// Makes a cluster in a new folder and waits until it accepts connections.
    ///
    /// # Errors
    /// [`ClusterError`] with what PostgreSQL said. Nothing is left behind.
    pub fn start(programs: &Programs, options: Options) -> Result<Self, ClusterError> {
        let parent = options.parent.clone().unwrap_or_else(env::temp_dir);
        let home = Home::create(&parent).map_err(failed("make a folder in", &parent))?;
        let account = Account::of(home.user()).ok_or(ClusterError::NoAccount)?;
        account.own(home.path()).map_err(failed("give away", home.path()))?;
        let password = random::hexadecimal::<16>();
        let log = Log::create().map_err(failed("make a log in", &env::temp_dir()))?;
        let programs = programs.clone();
        let mut cluster = Self { programs, options, account, password, port: 0, log, postmaster: None, home };
        cluster.initialise()?;
        let mut tried = 0;
        loop {
            cluster.port = port::free().ok_or(ClusterError::NoPort)?;
            tried += 1;
            match cluster.launch() {
                Err(failure) if failure.may_pass() && tried < PORTS_TRIED => {}
                launched => return launched.map(|()| cluster),
            }
        }
    }

    /// How to reach `database` as the superuser. Also works when the cluster is stopped: it keeps its port.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// The port, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The programs that it runs.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The cluster's data.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.home.data()
    }

    /// All that the server has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.after(0)
    }

    /// The server's first process, while it runs.
    #[must_use]
    pub fn postmaster_pid(&self) -> Option<u32> {
        self.postmaster.as_ref().map(Postmaster::id)
    }

    /// Ends a process of the server without warning, as the kernel does when memory runs out. The server then ends all
    /// other connections and recovers.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill_backend(&self, process: u32) -> Result<(), ClusterError> {
        postmaster::signal("KILL", process)
    }

    /// Stops the server in order, as `pg_ctl stop -m fast`: clients are disconnected and everything is written.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop_fast(&mut self) -> Result<(), ClusterError> {
        self.stop(Stop::Fast)
    }

    /// Stops the server as a crash would, as `pg_ctl stop -m immediate`: the next start recovers.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop_immediate(&mut self) -> Result<(), ClusterError> {
        self.stop(Stop::Immediate)
    }

    /// Starts a stopped server on the same port and data, and waits until it accepts connections. Does nothing when it
    /// runs.
    ///
    /// # Errors
    /// [`ClusterError`] with what PostgreSQL said.
    pub fn start_again(&mut self) -> Result<(), ClusterError> {
        if self.postmaster.as_mut().is_some_and(Postmaster::is_running) {
            return Ok(());
        }
        let start = Instant::now();
        loop {
            match self.launch() {
                Err(failure) if failure.may_pass() && start.elapsed() < PATIENCE => thread::sleep(PAUSE),
                launched => return launched,
            }
        }
    }

    /// Stops the server in order and starts it again.
    ///
    /// # Errors
    /// As for its two halves.
    pub fn restart(&mut self) -> Result<(), ClusterError> {
        self.stop_fast()?;
        self.start_again()
    }

    /// A program of PostgreSQL as whoever runs the cluster, without settings of ours for other clusters.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.path(program));
        command.current_dir(self.home.path()).stdin(Stdio::null());
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(&name);
            }
        }
        // The log is searched for sentences.
        command.env("LC_ALL", "C");
        self.account.applied(command)
    }

    fn initialise(&self) -> Result<(), ClusterError> {
        let password = self.home.path().join("password");
        fs::write(&password, &self.password).map_err(failed("write", &password))?;
        self.account.own(&password).map_err(failed("give away", &password))?;
        let mut initdb = self.command("initdb");
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(self.data_folder());
        let program = self.programs.path("initdb");
        let output = initdb.output().map_err(|source| ClusterError::Program { program, source })?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(ClusterError::Initdb { output: String::from_utf8_lossy(&said).into_owned() });
        }
        fs::remove_file(&password).map_err(failed("remove", &password))
    }

    fn launch(&mut self) -> Result<(), ClusterError> {
        let program = self.programs.path("postgres");
        let cannot_start = |source| ClusterError::Program { program: program.clone(), source };
        let logged = self.log.length();
        let mut server = self.command("postgres");
        server.stdout(self.log.output().map_err(cannot_start)?).stderr(self.log.output().map_err(cannot_start)?);
        server.arg("-D").arg(self.data_folder());
        for setting in self.connection_settings().into_iter().chain(self.options.assignments()) {
            server.arg("-c").arg(setting);
        }
        // Ours to stop, also when somebody interrupts us from the keyboard.
        server.process_group(0);
        let postmaster = self.postmaster.insert(Postmaster::new(server.spawn().map_err(cannot_start)?));
        let state = self.home.data().join("postmaster.pid");
        let start = Instant::now();
        while postmaster.is_running() && start.elapsed() < PATIENCE {
            if is_ready(&state, postmaster.id()) {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        self.postmaster = None;
        Err(ClusterError::NotReady { log: self.log.after(logged) })
    }

    fn connection_settings(&self) -> Vec<String> {
        let folder = self.home.path().display().to_string();
        let longest = format!("{folder}/.s.PGSQL.{}.lock", self.port).len();
        let folder = if longest <= SOCKET_PATH_MAX { folder } else { String::new() };
        vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={folder}"),
        ]
    }

    fn stop(&mut self, how: Stop) -> Result<(), ClusterError> {
        if let Some(postmaster) = &mut self.postmaster {
            postmaster.stop(how)?;
        }
        self.postmaster = None;
        Ok(())
    }
}

/// The server writes its process and its state into a file, where `pg_ctl` reads it too. The file of a server that was
/// killed stays until the next one writes its own.
fn is_ready(state: &Path, process: u32) -> bool {
    let text = fs::read_to_string(state).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(process.to_string().as_str()) && lines.nth(6) == Some("ready")
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> ClusterError + 'a {
    move |source| ClusterError::Folder { action, path: path.to_path_buf(), source }
}
