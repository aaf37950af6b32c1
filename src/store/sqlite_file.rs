//! The file of SQLite: where it is, who may read it, who is making it.

use super::{Store, StoreError, StoreOptions};
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

/// Whether a `gatewright` made this file: opening it makes nothing, and changes nothing of somebody else's.
fn is_made(path: &Path) -> bool {
    use std::io::Read as _;
    /// Bytes 18 and 19 of an SQLite file are 2 once it has a write-ahead log, as each of ours has from the beginning.
    const WAL: [u8; 2] = [2, 2];
    let mut header = [0; 20];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok()
        && header.starts_with(b"SQLite format 3\0")
        && header.ends_with(&WAL)
        && lock_name(path).exists()
}

impl Store {
    /// Opens a database that is there already, and makes nothing: `None` if it's not.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_existing(options: &StoreOptions) -> Result<Option<Self>, StoreError> {
        match sqlite_path(&options.url) {
            Some(path) if !is_made(&path) => Ok(None),
            _ => Self::open(options).await.map(Some),
        }
    }
}

fn lock_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Held by the one process that makes or migrates a SQLite file.
pub(super) async fn lock(path: &Path) -> Result<std::fs::File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let name = lock_name(path);
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
