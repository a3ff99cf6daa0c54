//! Installs the servers of PostgreSQL and Redis, and Python, with the package manager of this machine.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use thiserror::Error;

/// Written where Debian's packages look for it, before they do, and never over what somebody has written.
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// Installing PostgreSQL on Debian makes a cluster and starts it; the tests bring their own.
const WITHOUT_CLUSTER: &str = r#"[ -e "$0" ] || { mkdir -p "${0%/*}" && echo "create_main_cluster = false" >"$0"; }"#;

/// Installing Redis on Debian starts it as a service, which nobody has asked for, unless the policy of the machine says no. Ours
/// says so for as long as this takes, and only where there is none.
const WITHOUT_SERVICE: &str = r#"p=/usr/sbin/policy-rc.d; made=
[ -e "$p" ] || { printf '#!/bin/sh\nexit 101\n' >"$p" && chmod 755 "$p" && made=1; }
"$@"; status=$?
[ -z "$made" ] || rm -f "$p"
exit "$status""#;

const APT_INSTALL: &[&str] =
    &["apt-get", "install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"];

/// Nobody is there to answer, neither what packages ask when they are configured nor about files that were changed.
const UNATTENDED: &[&str] = &["DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1"];

/// Where `pgbench` is in the second.
const DNF_PACKAGES: &[&str] = &["postgresql-server", "postgresql-contrib"];

/// Why it could not be installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// No package manager that we know.
    #[error(
        "there is neither apt-get nor dnf: install the servers of PostgreSQL (with `pgbench`) and Redis, and Python 3, yourself"
    )]
    NoPackageManager,
    /// We are not root and cannot become it.
    #[error("there is no `sudo` to become root with: as root, run `{package_manager} install {packages}`")]
    NotRoot {
        /// What installs.
        package_manager: &'static str,
        /// What is to be installed.
        packages: String,
    },
    /// It could not be started.
    #[error("cannot start `{command}`")]
    Start {
        /// What was to be run.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It failed, and has said why.
    #[error("`{command}` failed: see above, or install it yourself")]
    Failed {
        /// What was run.
        command: String,
    },
}

/// Installs PostgreSQL, with what the package manager says on our output.
pub(crate) fn postgresql() -> Result<(), InstallError> {
    eprintln!("PostgreSQL's server is missing: installing it");
    if exists("apt-get") {
        may_become_root("apt-get", &["postgresql"])?;
        as_root("sh", &["-c", WITHOUT_CLUSTER, NO_CLUSTER])?;
        return apt_install("postgresql");
    }
    if exists("dnf") {
        may_become_root("dnf", DNF_PACKAGES)?;
        return as_root("dnf", &[&["install", "-y"], DNF_PACKAGES].concat());
    }
    Err(InstallError::NoPackageManager)
}

/// Installs Redis, with what the package manager says on our output.
pub(crate) fn redis() -> Result<(), InstallError> {
    eprintln!("Redis' server is missing: installing it");
    if exists("apt-get") {
        may_become_root("apt-get", &["redis-server"])?;
        return apt_install("redis-server");
    }
    if exists("dnf") {
        may_become_root("dnf", &["redis"])?;
        return as_root("dnf", &["install", "-y", "redis"]);
    }
    Err(InstallError::NoPackageManager)
}

/// Installs Python 3 with what makes environments, with what the package manager says on our output.
///
/// # Errors
/// When that cannot be done.
pub fn python() -> Result<(), InstallError> {
    eprintln!("Python 3 with the module `venv` is missing: installing it");
    if exists("apt-get") {
        may_become_root("apt-get", &["python3-venv"])?;
        return apt_install("python3-venv");
    }
    if exists("dnf") {
        may_become_root("dnf", &["python3"])?;
        return as_root("dnf", &["install", "-y", "python3"]);
    }
    Err(InstallError::NoPackageManager)
}

/// The lists of a fresh machine are empty, and those of an old one name packages that are gone.
fn apt_install(package: &str) -> Result<(), InstallError> {
    let arguments = [&["-c", WITHOUT_SERVICE, "sh"], APT_INSTALL, &[package]].concat();
    let install = || as_root("sh", &arguments);
    install().or_else(|_| as_root("apt-get", &["update"]).and_then(|()| install()))
}

fn may_become_root(package_manager: &'static str, packages: &[&str]) -> Result<(), InstallError> {
    if is_root() || exists("sudo") {
        return Ok(());
    }
    Err(InstallError::NotRoot { package_manager, packages: packages.join(" ") })
}

fn as_root(program: &str, arguments: &[&str]) -> Result<(), InstallError> {
    // Through `env` and not our environment, which sudo does not pass on.
    let words = ["sudo", "env"].into_iter().skip(usize::from(is_root())).chain(UNATTENDED.iter().copied());
    let words: Vec<&str> = words.chain([program]).chain(arguments.iter().copied()).collect();
    let (first, rest) = words.split_first().expect("at least the program");
    let shown = || [&[program], arguments].concat().join(" ");
    match Command::new(first).args(rest).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(InstallError::Failed { command: shown() }),
        Err(source) => Err(InstallError::Start { command: shown(), source }),
    }
}

fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
