//! Where the workspace is, what cargo says is in it, and how a task runs cargo.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The part of `cargo metadata --no-deps` that the tasks read.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// The members of the workspace.
    pub(crate) packages: Vec<Package>,
    /// Where cargo puts what it builds.
    pub(crate) target_directory: PathBuf,
}

/// One member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name in the manifest.
    pub(crate) name: String,
    /// The absolute path of its `Cargo.toml`.
    pub(crate) manifest_path: PathBuf,
    /// What it directly depends on, workspace inheritance already resolved.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One direct dependency of a member.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package's real name, also when it is renamed here.
    pub(crate) name: String,
    /// `dev` and `build` are named, an ordinary dependency has none.
    pub(crate) kind: Option<String>,
    /// Whether only a feature brings it in.
    pub(crate) optional: bool,
    /// The features that this dependency asks for by name.
    pub(crate) features: Vec<String>,
}

/// The root of the workspace: the folder above this package.
///
/// Where cargo runs us, not where it compiled us: two clones that share a build folder also share this binary.
pub(crate) fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().expect("xtask is a folder of the workspace").to_path_buf()
}

/// A cargo that starts at the root as a person's would.
///
/// `cargo run` describes this package to us in the environment. Passed on, that makes build scripts that watch those
/// variables run again, and with them everything that depends on them, at each switch between `cargo` and `cargo xtask`.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_BIN_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs `command` with its output where ours goes, and fails when it does.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let shown = shown(&command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed: {status}");
    Ok(())
}

/// Whether `cargo <tool>` is installed.
pub(crate) fn has_cargo_tool(tool: &str) -> bool {
    cargo()
        .args([tool, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Installs `cargo <tool>` when it is missing, from the registry.
pub(crate) fn require_cargo_tool(tool: &str) -> Result<()> {
    if has_cargo_tool(tool) {
        return Ok(());
    }
    println!("cargo-{tool} is missing: installing it, which takes some minutes once");
    let mut install = cargo();
    // It is built apart from what is built here.
    install.args(["install", &format!("cargo-{tool}"), "--locked"]).env_remove("CARGO_TARGET_DIR");
    run(install)
}

/// Asks cargo for the members of the workspace. Needs no network and no lock file.
pub(crate) fn metadata() -> Result<Metadata> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("cannot start `cargo metadata`")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("`cargo metadata` answered something unexpected")
}

/// The command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| format!(" {}", argument.to_string_lossy()));
    std::iter::once(program).chain(arguments).collect()
}
