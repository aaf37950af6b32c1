//! The file of SQLite: where it is, who may read it, who is making it.

use super::StoreError;
use std::path::{Path, PathBuf};

/// The path of a `sqlite://` URL: `sqlite://relative.db`, `sqlite:///absolute.db`.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or_default();
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// Makes the file and its folder, readable by the owner only.
pub(super) fn prepare_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path
        .parent()
        .filter(|f| !f.as_os_str().is_empty() && !f.exists())
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    if !path.exists() {
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
    }
    Ok(())
}

/// Held by the one process that makes or migrates a SQLite file.
pub(super) async fn lock(path: &Path) -> Result<std::fs::File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.as_os_str().to_owned();
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

/// How much of a file system is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Of all of it, percent, rounded down.
    pub free_percent: i64,
    /// Mebibytes, rounded down.
    pub free_mib: u64,
}

/// How much is free where a file is; `None` if the system doesn't say.
pub(super) fn disk_space(path: &Path) -> Option<DiskSpace> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    let state = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).ok()?;
    let free_percent = (state.f_bavail.saturating_mul(100)).checked_div(state.f_blocks)?;
    Some(DiskSpace {
        free_percent: i64::try_from(free_percent).ok()?,
        free_mib: state.f_bavail.saturating_mul(state.f_frsize) >> 20,
    })
}
