//! Distribution by realm over several machines, by the Citus extension.

use diesel::QueryResult;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::migrations::Migrations;
use super::statement::statement;
use crate::migrations::MigrationError;

/// Also for a person with psql: the documentation points at it.
const DISTRIBUTE: &str = include_str!("distribute_by_realm.sql");

statement! {
    /// Whether the database has the functions of Citus.
    HasCitus {} -> (Bool,) = "SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'create_distributed_table')"
}

impl Migrations {
    /// Distributes the tables by realm. Running it again changes nothing, and finishes what was interrupted.
    ///
    /// # Errors
    /// [`MigrationError::NoCitus`] when the database lacks the extension, [`MigrationError::Pending`] when it is not
    /// migrated; nothing is changed then.
    pub async fn distribute(&self) -> Result<(), MigrationError> {
        let mut connection = self.locked().await?;
        let run = |error: diesel::result::Error| MigrationError::Run(Box::new(error));
        if !has_citus(&connection).await.map_err(run)? {
            return Err(MigrationError::NoCitus);
        }
        let pending = super::migrations::pending_names(&connection).await.map_err(run)?;
        if !pending.is_empty() {
            return Err(MigrationError::Pending(pending.join(", ")));
        }
        // One by one: together they would be one transaction, which Citus does not allow all of them in.
        for statement in statements() {
            connection.batch_execute(&statement).await.map_err(run)?;
        }
        Ok(())
    }
}

async fn has_citus(mut connection: &AsyncPgConnection) -> QueryResult<bool> {
    let (has,) = HasCitus {}.get_result::<(bool,)>(&mut connection).await?;
    Ok(has)
}

/// The statements of the script, without its comments.
fn statements() -> Vec<String> {
    let lines: Vec<&str> = DISTRIBUTE.lines().filter(|line| !line.starts_with("--")).collect();
    let script = lines.join("\n");
    script.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_run_statement_by_statement() {
        let statements = statements();
        assert_eq!(statements.len(), 86);
        assert!(statements.iter().all(|statement| statement.starts_with("ALTER ") || statement.starts_with("SELECT ")));
        assert!(!statements.iter().any(|statement| statement.contains("--")));
    }
}
