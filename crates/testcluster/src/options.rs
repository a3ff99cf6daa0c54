//! How a cluster is to be run: where, how carefully, and with which settings.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where Linux keeps files in memory. A database for a test is some hundred files and twice its size in the log; a disk
/// that is kept busy with that makes every test wait.
const IN_MEMORY: &str = "/dev/shm";

/// How much room there must be in memory: many times what tests need, so that nobody else misses it. A container that was
/// given less, usually 64 MB, uses the disk.
const IN_MEMORY_KIB_MIN: u64 = 4 * 1024 * 1024;

/// How a cluster is to be run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether what is committed survives the machine.
    pub durability: Durability,
    /// Settings for the server, as name and value.
    pub settings: Vec<(String, String)>,
    /// Where to make the folder; without, where the system keeps temporary files.
    pub parent: Option<PathBuf>,
}

/// Whether what is committed survives the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// As PostgreSQL comes.
    #[default]
    Full,
    /// Commits survive the server's processes and not the machine: nothing waits for the disk.
    ProcessOnly,
}

impl Options {
    /// For a cluster that many tests share at once: quick, in memory if there is plenty, and with room for all their
    /// connections.
    #[must_use]
    pub fn shared() -> Self {
        let settings = [("max_connections", "300"), ("max_wal_size", "256MB")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let parent = room_in_memory_kib().is_some_and(|room| IN_MEMORY_KIB_MIN <= room).then(|| IN_MEMORY.into());
        Self { durability: Durability::ProcessOnly, settings: settings.into(), parent }
    }

    /// The settings as `name=value`.
    pub(crate) fn assignments(&self) -> Vec<String> {
        let careless: &[(&str, &str)] = match self.durability {
            Durability::Full => &[],
            Durability::ProcessOnly => &[("fsync", "off"), ("full_page_writes", "off")],
        };
        let careless = careless.iter().map(|(name, value)| format!("{name}={value}"));
        careless.chain(self.settings.iter().map(|(name, value)| format!("{name}={value}"))).collect()
    }
}

fn room_in_memory_kib() -> Option<u64> {
    let output = Command::new("df").args(["-Pk", IN_MEMORY]).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    available_kib(&text)
}

/// The fourth column of what `df -Pk` says of one folder.
fn available_kib(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::available_kib;

    #[test]
    fn the_room_is_what_is_available_and_not_what_there_is() {
        let df =
            "Filesystem     1024-blocks  Used Available Capacity Mounted on\ntmpfs  25165824  3 25165821 1% /dev/shm\n";
        assert_eq!(available_kib(df), Some(25_165_821));
        assert_eq!(available_kib(""), None);
    }
}
