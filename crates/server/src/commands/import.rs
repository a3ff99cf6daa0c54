//! `purser import`: a client of a running server, which never opens a store.

use anyhow::Context;

use super::print_json;
use crate::import_options::ImportWhat;

/// Brings in what files say, and prints the receipt; fails unless all of it is on the server.
pub(crate) async fn run(what: ImportWhat) -> anyhow::Result<()> {
    let (json, file) = (what.common().output.json, what.common().receipt.clone());
    let receipt = importer::run(&what.into_import()?).await?;
    if receipt.was_finished_before() {
        eprintln!("purser: this import was finished before, nothing was sent; --again sends it again");
    }
    if let Some(file) = file {
        let text = serde_json::to_string_pretty(&receipt)?;
        std::fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    if json {
        print_json(&receipt)?;
    } else {
        println!("{receipt}");
    }
    anyhow::ensure!(receipt.is_good(), "{}", receipt.complaint());
    Ok(())
}
