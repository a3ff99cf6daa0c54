//! `fuzz`: one of the tests that take any input, for longer than the test run gives it.
//!
//! In the test run each replays its corpus, which is kept beside it in `__fuzz__`, and goes on for a second or two with random
//! inputs. Here it goes on as long as one likes: by itself on random inputs, guided by what they reach with `--guided`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::workspace;

/// What to fuzz, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(value_enum)]
    target: Target,
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Look for inputs that reach more of the code, by libFuzzer, which needs `cargo install cargo-bolero` and a C++ compiler;
    /// what it finds is added to the corpus
    #[arg(long)]
    guided: bool,
}

/// A test that takes any input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// What is presented as an API key
    KeyParsing,
    /// Bodies of requests
    RequestParsing,
    /// Fingerprints of requests, by which repeats are known
    Fingerprinting,
    /// How bots behave, and where they stand
    BotBehaviours,
    /// Files of other platforms
    ImportFiles,
    /// What the files of other platforms sum to
    ImportSums,
    /// URLs of webhooks
    WebhookUrls,
}

impl Target {
    /// Its package, its file in there, and the module of that.
    fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::KeyParsing => ("domain", "keys/form/fuzz.rs", "keys::form::fuzz"),
            Self::RequestParsing => ("transport", "tests/fuzz.rs", "tests::fuzz"),
            Self::Fingerprinting => ("transport", "body/fuzz.rs", "body::fuzz"),
            Self::BotBehaviours => ("domain", "lobbies/bots/fuzz.rs", "lobbies::bots::fuzz"),
            Self::ImportFiles | Self::ImportSums => ("importer", "reader_fuzz.rs", "reader_fuzz"),
            Self::WebhookUrls => ("outbound", "guard/fuzz.rs", "guard::fuzz"),
        }
    }

    /// What its corpus is called.
    fn name(self) -> &'static str {
        match self {
            Self::KeyParsing => "key_parsing",
            Self::RequestParsing => "request_parsing",
            Self::Fingerprinting => "fingerprinting",
            Self::BotBehaviours => "bot_behaviours",
            Self::ImportFiles => "import_files",
            Self::ImportSums => "import_sums",
            Self::WebhookUrls => "webhook_urls",
        }
    }

    /// The full name of its test: the one above the name of its corpus.
    fn test(self) -> Result<String> {
        let (package, file, module) = self.place();
        let path = workspace::root().join("crates").join(package).join("src").join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = format!("check!(name = \"{}\")", self.name());
        let before = text.split_once(&name).map(|(before, _)| before);
        let test = before.and_then(|before| before.rsplit_once("\nfn ")).and_then(|(_, test)| test.split_once('('));
        let (test, _) = test.with_context(|| format!("{} has no test with {name}", path.display()))?;
        Ok(format!("{module}::{test}"))
    }
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (package, _, _) = options.target.place();
    let test = options.target.test()?;
    let command =
        if options.guided { guided(package, &test, options.seconds)? } else { random(package, &test, options.seconds) };
    workspace::run(command)
}

fn random(package: &str, test: &str, seconds: u32) -> Command {
    let mut command = workspace::cargo();
    command.args(["test", "--locked", "--package", package, "--lib", "--", "--exact", test, "--nocapture"]);
    command.env("BOLERO_RANDOM_TEST_TIME_MS", format!("{seconds}000"));
    command.env("BOLERO_RANDOM_ITERATIONS", usize::MAX.to_string());
    command
}

fn guided(package: &str, test: &str, seconds: u32) -> Result<Command> {
    ensure!(
        workspace::has_cargo_tool("bolero"),
        "cargo-bolero is missing: install it with `cargo install cargo-bolero --locked`"
    );
    let mut command = workspace::cargo();
    // The stable compiler instruments as well as any other, but must be told that it may.
    command.args(["bolero", "test", "--package", package, "--engine", "libfuzzer", "--rustc-bootstrap"]);
    command.args(["--sanitizer", "NONE", "--time", &format!("{seconds}s"), test]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_test_and_a_corpus() {
        for target in Target::value_variants() {
            let (package, file, module) = target.place();
            assert!(target.test().unwrap().starts_with(module), "{target:?}");
            let file = workspace::root().join("crates").join(package).join("src").join(file);
            let corpus = file.with_file_name("__fuzz__").join(target.name()).join("corpus");
            assert!(fs::read_dir(&corpus).is_ok_and(|mut files| files.next().is_some()), "{}", corpus.display());
        }
    }
}
