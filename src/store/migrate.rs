//! Migrations: one set for both databases, applied by one node at a time.

use super::backend::Pools;
use super::sqlite_file::lock;
use super::{Store, StoreError};
use sqlx::migrate::{Migration, Migrator};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

impl Store {
    /// Names of the migrations that the database lacks, oldest first.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Internal`] also for a database that a newer version migrated.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let exists = match &self.pools {
            Pools::Sqlite { .. } => {
                "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'"
            }
            Pools::Postgres(_) => {
                "SELECT COUNT(*) FROM pg_catalog.pg_class
                  WHERE oid = to_regclass('_sqlx_migrations')"
            }
        };
        let found = self.fetch_one::<(i64,)>(exists, vec![]).await?.0;
        let applied: Vec<(i64,)> = if found == 0 {
            Vec::new()
        } else {
            self.fetch_all(
                "SELECT version FROM _sqlx_migrations ORDER BY version",
                vec![],
            )
            .await?
        };
        if let Some((newer,)) = applied
            .iter()
            .find(|(version,)| !MIGRATIONS.version_exists(*version))
        {
            return Err(StoreError::Internal(format!(
                "it has migration {newer}, which this version doesn't know: run the newer gatewright"
            )));
        }
        Ok(MIGRATIONS
            .iter()
            .filter(|m| !applied.iter().any(|(version,)| *version == m.version))
            .map(migration_name)
            .collect())
    }

    /// Names of every migration of this version, oldest first: what a database that isn't there yet lacks.
    pub fn known_migrations() -> Vec<String> {
        MIGRATIONS.iter().map(migration_name).collect()
    }

    /// Applies what is missing. Of several nodes that start together one works and the others wait.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let lock = match &self.pools {
            Pools::Sqlite { path, .. } => Some(lock(path).await?),
            Pools::Postgres(_) => None,
        };
        let pending = self.pending_migrations().await?;
        if !pending.is_empty() {
            let outcome = match &self.pools {
                Pools::Sqlite { write, .. } => MIGRATIONS.run(write).await,
                Pools::Postgres(pool) => MIGRATIONS.run(pool).await,
            };
            outcome.map_err(|error| StoreError::Internal(format!("migration failed: {error}")))?;
        }
        drop(lock);
        Ok(pending)
    }
}

fn migration_name(migration: &Migration) -> String {
    format!(
        "{:04}_{}",
        migration.version,
        migration.description.replace(' ', "_")
    )
}
