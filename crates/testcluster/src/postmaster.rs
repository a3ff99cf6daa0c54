//! The server's first process, which is a child of ours, and the signals that it and its own children understand.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::ClusterError;

/// How long the server may take to start, recovery after a crash included, and to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long to leave the processor to others before asking again.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// The running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Postmaster(Child);

/// How a server stops.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stop {
    /// In order: `pg_ctl stop -m fast`.
    Fast,
    /// As in a crash: `pg_ctl stop -m immediate`.
    Immediate,
}

impl Postmaster {
    pub(crate) fn new(child: Child) -> Self {
        Self(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Stops it and waits for its end. `pg_ctl` would see a child that we have not waited for as one that still runs.
    pub(crate) fn stop(&mut self, how: Stop) -> Result<(), ClusterError> {
        if !self.is_running() {
            return Ok(());
        }
        let name = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        signal(name, self.id())?;
        let start = Instant::now();
        while self.is_running() {
            if PATIENCE < start.elapsed() {
                return Err(ClusterError::NotStopped { process: self.id() });
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        if self.stop(Stop::Immediate).is_err() {
            // Nothing more can be done if this fails too.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Through the shell, whose `kill` is built in: the program of that name is not on every machine.
pub(crate) fn signal(signal: &'static str, process: u32) -> Result<(), ClusterError> {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s \"$0\" \"$1\"", signal, &process.to_string()]).stderr(Stdio::null());
    match kill.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => Err(ClusterError::Signal { signal, process }),
    }
}
