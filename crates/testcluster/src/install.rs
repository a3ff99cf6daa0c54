//! Installs PostgreSQL's server with the package manager of this machine.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use thiserror::Error;

/// Written where Debian's packages look for it, before they do, and never over what somebody has written.
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// Installing PostgreSQL on Debian makes a cluster and starts it; the tests bring their own.
const WITHOUT_CLUSTER: &str = r#"[ -e "$0" ] || { mkdir -p "${0%/*}" && echo "create_main_cluster = false" >"$0"; }"#;

const APT_INSTALL: &[&str] =
    &["install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "postgresql"];

/// Nobody is there to answer, neither what packages ask when they are configured nor about files that were changed.
const UNATTENDED: &[&str] = &["DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1"];

/// Where `pgbench` is in the second.
const DNF_PACKAGES: &[&str] = &["postgresql-server", "postgresql-contrib"];

/// Why it could not be installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// No package manager that we know.
    #[error("there is neither apt-get nor dnf: install the PostgreSQL server with `initdb` and `pgbench` yourself")]
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
    #[error("`{command}` failed: see above, or install the PostgreSQL server yourself")]
    Failed {
        /// What was run.
        command: String,
    },
}

/// Installs it, with what the package manager says on our output.
pub(crate) fn run() -> Result<(), InstallError> {
    eprintln!("PostgreSQL's server is missing: installing it");
    if exists("apt-get") {
        may_become_root("apt-get", &["postgresql"])?;
        as_root("sh", &["-c", WITHOUT_CLUSTER, NO_CLUSTER])?;
        // The lists of a fresh machine are empty, and those of an old one name packages that are gone.
        return as_root("apt-get", APT_INSTALL)
            .or_else(|_| as_root("apt-get", &["update"]).and_then(|()| as_root("apt-get", APT_INSTALL)));
    }
    if exists("dnf") {
        may_become_root("dnf", DNF_PACKAGES)?;
        return as_root("dnf", &[&["install", "-y"], DNF_PACKAGES].concat());
    }
    Err(InstallError::NoPackageManager)
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
