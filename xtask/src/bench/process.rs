//! What Linux knows about a running process: the processor time it has used and the memory it holds.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::machine::value;
use super::{output_of, real};

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    id: u32,
    ticks_per_second: f64,
}

/// The part of `/proc/<pid>/stat` that we read.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Its own time, and that of the children that it has buried.
    ticks: u64,
    ticks_of_buried: u64,
}

impl Process {
    /// The process with that number.
    pub(crate) fn new(id: u32) -> Self {
        let printed = output_of(Command::new("getconf").arg("CLK_TCK")).unwrap_or_default();
        Self { id, ticks_per_second: printed.trim().parse().unwrap_or(100.0) }
    }

    /// The processor time that it has used since its start.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        Ok(real(self.stat()?.ticks) / self.ticks_per_second)
    }

    /// The processor time that it and all its children have used, also those that are gone.
    pub(crate) fn family_cpu_seconds(&self) -> Result<f64> {
        loop {
            let before = self.stat()?;
            let children = children_ticks(self.id)?;
            let after = self.stat()?;
            // A child that was buried meanwhile may have been counted twice, or not at all.
            if before.ticks_of_buried == after.ticks_of_buried {
                return Ok(real(after.ticks + after.ticks_of_buried + children) / self.ticks_per_second);
            }
        }
    }

    /// The memory that it holds now.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let status = self.file("status")?;
        let kilobytes = value(&status, "VmRSS").trim_end_matches(" kB").parse().context("/proc says no VmRSS")?;
        Ok(real(kilobytes) / 1_024.0)
    }

    fn stat(&self) -> Result<Stat> {
        Stat::parse(&self.file("stat")?).context("/proc says nothing about its processor time")
    }

    fn file(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.id);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}: has the process ended?"))
    }
}

fn children_ticks(parent: u32) -> Result<u64> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let path = entry.context("cannot read /proc")?.path().join("stat");
        // What is no process, or is no longer there, has no such file.
        let Ok(text) = fs::read_to_string(path) else { continue };
        if let Some(child) = Stat::parse(&text).filter(|child| child.parent == parent) {
            ticks += child.ticks + child.ticks_of_buried;
        }
    }
    Ok(ticks)
}

impl Stat {
    /// The second field after the name, which may hold spaces, is the parent; from the twelfth on come user and system time,
    /// and those of the buried.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let mut times = fields.skip(9).map(|field| field.parse::<u64>().ok());
        let mut sum = || Some(times.next()?? + times.next()??);
        Some(Self { parent, ticks: sum()?, ticks_of_buried: sum()? })
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn the_processor_time_is_read_past_a_name_with_spaces() {
        let stat = "42 (a (b) c) S 7 42 42 0 -1 4194560 100 0 0 0 7 5 2 1 20 0 4 0 100 1000 10";
        assert_eq!(Stat::parse(stat), Some(Stat { parent: 7, ticks: 12, ticks_of_buried: 3 }));
        assert_eq!(Stat::parse("42 (a) S 1"), None);
    }

    #[test]
    fn a_family_has_used_at_least_what_its_head_has() {
        let ourselves = Process::new(process::id());
        let alone = ourselves.cpu_seconds().unwrap();
        assert!(alone <= ourselves.family_cpu_seconds().unwrap());
        assert!(0.0 < ourselves.resident_mb().unwrap());
    }
}
