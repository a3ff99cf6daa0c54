//! A private Redis: a child process on a folder, a port and a password of its own, which keeps everything in memory.
//!
//! It listens on 127.0.0.1 only. Everything here blocks, for moments.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;
use thiserror::Error;

use crate::redis_program::RedisProgram;
use crate::{port, random};

/// Runs the server until our end of its input is closed, however we ended: then it is killed. Its first line says which process
/// the server is.
const KEEPER: &str = r#""$@" >/dev/null 2>&1 & server=$!; echo "$server"; read -r _; kill -KILL "$server"; wait"#;

/// How many ports are tried.
const PORTS_TRIED: usize = 5;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to leave the processor to others before asking again.
const PAUSE: Duration = Duration::from_millis(5);

/// A Redis. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Redis {
    program: RedisProgram,
    password: String,
    port: u16,
    // Before the folder, so that it is dead when the folder goes.
    running: Option<Running>,
    folder: TempDir,
}

/// Why it does not run, or not as told.
#[derive(Debug, Error)]
pub enum RedisError {
    /// Its folder could not be made, or it could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No port is free.
    #[error("no port on 127.0.0.1 is free")]
    NoPort,
    /// It does not answer.
    #[error("Redis does not answer on port {port}")]
    NotReady {
        /// Its port.
        port: u16,
    },
    /// It could not be sent a signal.
    #[error("cannot send {signal} to Redis")]
    Signal {
        /// The signal's name.
        signal: &'static str,
    },
}

#[derive(Debug)]
struct Running {
    keeper: Child,
    server: u32,
}

impl Redis {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// [`RedisError`].
    pub fn start(program: &RedisProgram) -> Result<Self, RedisError> {
        let failed = |source| RedisError::Start { program: program.path().display().to_string(), source };
        let folder = tempfile::Builder::new().prefix("purser-redis-").tempdir().map_err(failed)?;
        let password = random::hexadecimal::<16>();
        let mut redis = Self { program: program.clone(), password, port: 0, running: None, folder };
        let mut tried = 0;
        loop {
            redis.port = port::free().ok_or(RedisError::NoPort)?;
            tried += 1;
            match redis.start_again() {
                Err(RedisError::NotReady { .. }) if tried < PORTS_TRIED => {}
                started => return started.map(|()| redis),
            }
        }
    }

    /// How to reach it. Also while it is dead: it keeps its port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/0", self.password, self.port)
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Kills it without warning. All that it knew is lost.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it after [`Self::kill`], empty, where it was.
    ///
    /// # Errors
    /// [`RedisError`].
    pub fn start_again(&mut self) -> Result<(), RedisError> {
        let path = self.program.path();
        let failed = |source| RedisError::Start { program: path.display().to_string(), source };
        // In a file, because everybody can read command lines.
        let settings = self.folder.path().join("redis.conf");
        let text = format!(
            "bind 127.0.0.1\nport {}\nrequirepass {}\ndir {}\nsave \"\"\nappendonly no\ndaemonize no\n",
            self.port,
            self.password,
            self.folder.path().display(),
        );
        fs::write(&settings, text).map_err(failed)?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(path).arg(&settings).process_group(0);
        let mut keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(output) = keeper.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(failed)?;
        }
        let server = line.trim().parse().map_err(|_| RedisError::NotReady { port: self.port })?;
        self.running = Some(Running { keeper, server });
        let started = Instant::now();
        while !answers(self.port, &self.password) {
            if PATIENCE < started.elapsed() {
                self.running = None;
                return Err(RedisError::NotReady { port: self.port });
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Makes it stop answering, as on a machine that hangs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> Result<(), RedisError> {
        self.signal("STOP")
    }

    /// Makes it go on after [`Self::pause`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> Result<(), RedisError> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &'static str) -> Result<(), RedisError> {
        let running = self.running.as_ref().ok_or(RedisError::Signal { signal })?;
        crate::postmaster::signal(signal, running.server).map_err(|_| RedisError::Signal { signal })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It has nothing left to do but to bury the server.
        let _ = self.keeper.wait();
    }
}

/// Whether a Redis with this password answers there.
fn answers(port: u16, password: &str) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("AUTH {password}\r\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    ask().is_ok_and(|line| line == "+OK\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis() -> Redis {
        let program = RedisProgram::find().expect("`cargo xtask test` installs Redis");
        Redis::start(&program).expect("it starts")
    }

    #[test]
    fn it_answers_to_its_password_only_and_is_dead_when_it_was_dropped() {
        let redis = redis();
        let (port, password) = (redis.port, redis.password.clone());
        assert!(answers(port, &password) && !answers(port, "other"));
        drop(redis);
        assert!(!answers(port, &password));
    }

    #[test]
    fn it_is_killed_and_started_again_where_it_was() {
        let mut redis = redis();
        let url = redis.url();
        redis.kill();
        assert!(!answers(redis.port, &redis.password));
        redis.start_again().unwrap();
        assert!(answers(redis.port, &redis.password));
        assert_eq!(redis.url(), url);
    }
}
