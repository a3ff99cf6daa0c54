//! The Python environment of the programs that judge the API: made below the build output, of exactly the versions that
//! `requirements.txt` lists with their hashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Made by `pip-compile --generate-hashes --strip-extras --no-annotate --no-header` from the two lines that it begins with.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Says of which requirements the environment was made.
const MADE_OF: &str = "made-of.txt";

/// A Python environment.
pub(super) struct Virtualenv(PathBuf);

impl Virtualenv {
    /// Makes it below `target`, unless it is there and of the same requirements.
    pub(super) fn prepare(target: &Path) -> Result<Self> {
        let environment = Self(target.join("schemathesis"));
        let made_of = environment.0.join(MADE_OF);
        if fs::read_to_string(&made_of).is_ok_and(|made_of| made_of == REQUIREMENTS) {
            return Ok(environment);
        }
        println!("making a Python environment for Schemathesis, which takes a minute once");
        require_python()?;
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&environment.0);
        workspace::run(make)?;
        let requirements = environment.0.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS).context("cannot write the requirements")?;
        let mut install = environment.program("pip");
        install.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"]);
        install.arg(&requirements);
        workspace::run(install)?;
        // Last, so that one that was interrupted is made again.
        fs::write(made_of, REQUIREMENTS).context("cannot finish the Python environment")?;
        Ok(environment)
    }

    /// One of its programs.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut program = Command::new(self.0.join("bin").join(name));
        program.stdin(Stdio::null()).env("PYTHONDONTWRITEBYTECODE", "1");
        program
    }

    /// Fails unless the file is a valid OpenAPI document.
    pub(super) fn validate(&self, document: &Path) -> Result<()> {
        let mut validator = self.program("openapi-spec-validator");
        validator.arg(document);
        workspace::run(validator)
    }
}

/// Installs Python with the means to make environments when one of them is missing.
fn require_python() -> Result<()> {
    let can = |module: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // Debian has the second in a package of its own, and without it no environment gets a pip.
    let has_python = || can("venv") && can("ensurepip");
    if !has_python() {
        testcluster::install_python()?;
    }
    ensure!(has_python(), "Python 3 with the modules `venv` and `ensurepip` is missing: install it");
    Ok(())
}
