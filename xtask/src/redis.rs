//! The Redis that tests start for themselves: its program must be there.

use anyhow::Result;
use testcluster::RedisProgram;

/// Installs Redis when it is missing.
pub(crate) fn require() -> Result<()> {
    RedisProgram::find_or_install()?;
    Ok(())
}
