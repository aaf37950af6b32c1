//! Migrations: one set for both databases, applied by one node at a time.

use super::{Store, StoreError};
use sqlx::migrate::{Migration, Migrator};
use std::path::PathBuf;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

impl Store {
    /// Names of the migrations that the database lacks, oldest first.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Internal`] also for a database that a newer version migrated.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let exists = match self {
            Self::Sqlite { .. } => {
                "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'"
            }
            Self::Postgres(_) => {
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
        let lock = match self {
            Self::Sqlite { path, .. } => Some(migration_lock(path.clone()).await?),
            Self::Postgres(_) => None,
        };
        let pending = self.pending_migrations().await?;
        if !pending.is_empty() {
            let outcome = match self {
                Self::Sqlite { write, .. } => MIGRATIONS.run(write).await,
                Self::Postgres(pool) => MIGRATIONS.run(pool).await,
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

async fn migration_lock(path: PathBuf) -> Result<std::fs::File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.into_os_string();
    name.push(".lock");
    tokio::task::spawn_blocking(move || {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .map_err(|error| StoreError::Internal(error.to_string()))?
    .map_err(|error: std::io::Error| StoreError::Unavailable(format!("migration lock: {error}")))
}
