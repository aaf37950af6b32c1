//! The file of SQLite: where it is, who may read it, who is making it.

use super::{Store, StoreError, StoreOptions};
use crate::private_files::{self, Fault};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The path of a `sqlite://` URL: `sqlite://relative.db`, `sqlite:///absolute.db`.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or_default();
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// Makes the file and its folder, readable by the owner only. Of a file that is there, others lose what they may do.
pub(super) fn prepare_file(path: &Path) -> Result<(), StoreError> {
    let unusable = |fault: Fault| StoreError::Unavailable(fault.to_string());
    let failed = |error: std::io::Error| {
        StoreError::Unavailable(format!(
            "{} can't be made ({error}): check the path and its permissions",
            path.display()
        ))
    };
    if let Some(folder) = path
        .parent()
        .filter(|f| !f.as_os_str().is_empty() && !f.exists())
    {
        private_files::create_folder(folder).map_err(failed)?;
    }
    private_files::check_folders(path).map_err(unusable)?;
    match private_files::create_new(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = beside(path, suffix);
        if !suffix.is_empty() && file.symlink_metadata().is_err() {
            continue;
        }
        match private_files::tighten(&file) {
            Ok(None) => {}
            Ok(Some(mode)) => tracing::warn!(
                file = %file.display(),
                "the database was open to others (mode {mode:04o}): from now on it is its owner's alone"
            ),
            // Gone since: whoever used it last has closed the database.
            Err(Fault::Io(_, error)) if error.kind() == ErrorKind::NotFound => {}
            Err(fault) => return Err(unusable(fault)),
        }
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

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn lock_name(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

/// Held by the one process that makes or migrates a SQLite file.
pub(super) async fn lock(path: &Path) -> Result<std::fs::File, StoreError> {
    let name = lock_name(path);
    tokio::task::spawn_blocking(move || {
        let file = private_files::create(&name)?;
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
