//! The runs of Schemathesis, one for each kind of key, at the same time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::realm::Realm;
use super::virtualenv::Virtualenv;

/// What is looked at in every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,\
    missing_required_header";

/// How many failures are shown before it stops looking for more.
const FAILURES_MAX: &str = "20";

/// A run that was begun.
struct Pass {
    routes: &'static str,
    output: PathBuf,
    child: Child,
}

/// Sends requests to the routes below each of these paths, with the key that opens them; what is said is shown for those
/// that fail, and then this fails.
pub(super) fn run(
    python: &Virtualenv,
    url: &str,
    keys: &[(&'static str, &str)],
    realm: &Realm,
    folder: &Path,
    (examples, seed): (u32, u64),
) -> Result<()> {
    let start = Instant::now();
    let configuration = folder.join("schemathesis.toml");
    fs::write(&configuration, realm.configuration()).context("cannot write the settings of Schemathesis")?;
    let document = folder.join("without-security.json");
    fs::write(&document, realm.document_without_security()).context("cannot write the document")?;
    let mut passes = Vec::new();
    for &(routes, key) in keys {
        let output = folder.join(format!("{}.log", routes.trim_matches('/')));
        let log = File::create(&output).with_context(|| format!("cannot create {}", output.display()))?;
        let mut command = python.program("schemathesis");
        command.current_dir(folder).arg("--config-file").arg(&configuration).arg("run");
        command.arg(&document).args(["--url", url, "--include-path-regex", &format!("^{routes}")]);
        command.args(["--header", &format!("X-API-Key: {key}")]);
        command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", &examples.to_string()]);
        command.args(["--seed", &seed.to_string(), "--generation-database", "none", "--no-color"]);
        command.args(["--checks", CHECKS, "--continue-on-failure", "--max-failures", FAILURES_MAX, "--no-shrink"]);
        command.stderr(log.try_clone().context("cannot share a file")?).stdout(log);
        let child = command.spawn().context("cannot start Schemathesis")?;
        passes.push(Pass { routes, output, child });
    }
    let mut failed = Vec::new();
    for mut pass in passes {
        // Nothing else is to be done meanwhile: the server is another process.
        let status = pass.child.wait().context("Schemathesis is gone")?;
        let said = fs::read_to_string(&pass.output).context("cannot read what Schemathesis said")?;
        match said.lines().find(|line| line.contains(" generated, ")) {
            Some(cases) if status.success() => println!("{}: {}", pass.routes, cases.trim()),
            Some(_) | None => {
                println!("{said}");
                failed.push(pass.routes);
            }
        }
    }
    println!("took {:.0} s", start.elapsed().as_secs_f64());
    ensure!(failed.is_empty(), "the server does not keep what its document says of routes below {}", failed.join(", "));
    Ok(())
}
