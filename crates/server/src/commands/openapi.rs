//! `purser openapi`.

/// Prints the document that the server serves.
pub(crate) fn run() -> anyhow::Result<()> {
    print!("{}", transport::openapi_json());
    Ok(())
}
