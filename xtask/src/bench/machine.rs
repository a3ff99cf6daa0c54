//! What the figures were measured on.

use std::fmt;
use std::fs;
use std::thread;

use serde::Serialize;

/// The facts about a machine that a reader of figures asks for first.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    memory_mb: u64,
    system: String,
}

impl Machine {
    /// Reads what Linux tells; what it does not tell stays empty.
    pub(crate) fn inspect() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory_kb = value(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse::<u64>();
        Self {
            cores: thread::available_parallelism().map_or(0, usize::from),
            processor: value(&read("/proc/cpuinfo"), "model name"),
            memory_mb: memory_kb.unwrap_or_default() / 1024,
            system: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, memory_mb, system } = self;
        write!(out, "{cores} cores of {processor}, {memory_mb} MB, {system}; the generator runs beside the server")
    }
}

/// The text after `name:` in the `name : value` lines that `/proc` is written in, or nothing.
pub(super) fn value(text: &str, name: &str) -> String {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let text = "model\t\t: 1\nmodel name\t: Some Processor @ 2: GHz\n";
        assert_eq!(value(text, "model name"), "Some Processor @ 2: GHz");
        assert_eq!(value(text, "flags"), "");
    }
}
