//! The account of the operating system that a cluster runs under.

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// PostgreSQL refuses to run as root, so root lends it the account that its package has made.
const NAME: &str = "postgres";

/// Who runs the cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// We ourselves.
    Ourselves,
    /// Another account, because we are root.
    Lent {
        /// Its number.
        user: u32,
        /// The number of its group.
        group: u32,
    },
}

impl Account {
    /// The account for a process that runs as `user`; none when that is root and there is no account to lend.
    pub(crate) fn of(user: u32) -> Option<Self> {
        if user != 0 {
            return Some(Self::Ourselves);
        }
        Some(Self::Lent { user: number("-u")?, group: number("-g")? })
    }

    /// Makes `command` run under this account.
    pub(crate) fn applied(self, mut command: Command) -> Command {
        match self {
            Self::Ourselves => command,
            Self::Lent { user, group } => {
                command.uid(user).gid(group);
                command
            }
        }
    }

    /// Gives a file or folder of ours to this account.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Lent { user, group } => chown(path, Some(user), Some(group)),
        }
    }
}

fn number(which: &str) -> Option<u32> {
    let output = Command::new("id").args([which, NAME]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
