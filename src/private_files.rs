//! Files that are this program's alone: how those with a secret are read, and how new ones are made.
//!
//! The rule is that of OpenSSH: what counts is who could have written a file and who can read it. Imports no other
//! module; `store`, `config`, `http` and `cli` use it.

use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{fmt, fs};
use zeroize::Zeroizing;

const ROOT: u32 = 0;
/// Links that one path may lead over.
const LINKS: usize = 16;
const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
const READABLE_BY_ALL: u32 = 0o004;
const OPEN_TO_OTHERS: u32 = 0o077;
/// In such a folder nobody removes or renames what belongs to somebody else.
const STICKY: u32 = 0o1000;
/// Where a container's engine mounts the secrets of that one container, as root's and readable.
const HANDED_IN: &str = "/run/secrets";
/// `statfs(2)`: a file system in memory, as Kubernetes mounts secrets from.
const TMPFS: i64 = 0x0102_1994;

/// Why a file is not used.
#[derive(Debug)]
pub enum Fault {
    /// The system refuses.
    Io(PathBuf, io::Error),
    /// It's no regular file.
    Irregular(PathBuf),
    /// It's a link to what isn't there.
    Dangling(PathBuf),
    /// It belongs to somebody else: file or link, and their uid.
    Foreign(PathBuf, u32),
    /// Others may read or write it: its mode.
    Open(PathBuf, u32),
    /// Others can put another file in its place: the folder, and its mode or owner.
    Folder(PathBuf, FolderFault),
}

/// Why a folder is not safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderFault {
    /// It belongs to this uid.
    Foreign(u32),
    /// Others may write it: its mode.
    Open(u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = us();
        match self {
            Self::Io(path, error) => {
                let path = path.display();
                write!(
                    f,
                    "{path} can't be read ({error}): check the path and its permissions"
                )
            }
            Self::Irregular(path) => {
                let path = path.display();
                write!(f, "{path} is no regular file: name one that is")
            }
            Self::Dangling(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} is a link to a file that isn't there: remove the link, or bring the file back"
                )
            }
            Self::Foreign(path, uid) => {
                let path = path.display();
                write!(
                    f,
                    "{path} belongs to uid {uid}, and this program runs as uid {us}: make sure that it is yours, then \
                     run `chown -h {us} {path}`"
                )
            }
            Self::Open(path, mode) => {
                let path = path.display();
                write!(
                    f,
                    "{path} is open to others (mode {mode:04o}): run `chmod 600 {path}`; if it is mounted as a secret, \
                     mount it with mode 0400"
                )
            }
            Self::Folder(path, FolderFault::Open(mode)) => {
                let path = path.display();
                write!(
                    f,
                    "the folder {path} can be written by others (mode {mode:04o}), who can put another file in the \
                     place of this one: run `chmod go-w {path}`, or use a folder of your own"
                )
            }
            Self::Folder(path, FolderFault::Foreign(uid)) => {
                let path = path.display();
                write!(
                    f,
                    "the folder {path} belongs to uid {uid}, who can put another file in the place of this one, and \
                     this program runs as uid {us}: use a folder of your own"
                )
            }
        }
    }
}

impl std::error::Error for Fault {}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Somebody, as far as files know them.
#[derive(Clone, Copy)]
struct Who {
    uid: u32,
    gid: u32,
}

impl Who {
    fn here() -> Self {
        Self {
            uid: us(),
            gid: rustix::process::getegid().as_raw(),
        }
    }

    /// What we made ourselves, or root, who can do anything to us anyway.
    fn trusts(self, uid: u32) -> bool {
        uid == self.uid || uid == ROOT
    }

    /// Whether somebody else may write what has this group and mode. Our own group is as good as we are.
    fn shares(self, gid: u32, mode: u32) -> bool {
        mode & WRITABLE_BY_ALL != 0 || (mode & WRITABLE_BY_GROUP != 0 && gid != self.gid)
    }

    /// Whether a file with a secret is ours alone: nobody else writes it; and nobody else reads it, unless root
    /// `handed` it to us, who then knows for whom it is.
    fn owns(self, uid: u32, mode: u32, handed: bool) -> bool {
        if mode & (WRITABLE_BY_GROUP | WRITABLE_BY_ALL) != 0 {
            return false;
        }
        match uid {
            ROOT if handed => true,
            // Root lets a group read it, and we are in that group.
            ROOT if self.uid != ROOT => mode & READABLE_BY_ALL == 0,
            _ => mode & OPEN_TO_OTHERS == 0,
        }
    }
}

/// Reads a file with a secret, after making sure that nobody else could have written it or can read it.
///
/// # Errors
/// [`Fault`] that says how to mend it.
pub fn read(path: &Path) -> Result<Zeroizing<String>, Fault> {
    let mut file = open(path)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)
        .map_err(|error| Fault::Io(path.to_owned(), error))?;
    Ok(text)
}

/// Looks at a file with a secret as [`read`] does.
///
/// # Errors
/// [`Fault`] that says how to mend it.
pub fn check(path: &Path) -> Result<(), Fault> {
    open(path).map(drop)
}

fn open(path: &Path) -> Result<File, Fault> {
    let who = Who::here();
    let place = follow(path, who)?;
    let io = |error| Fault::Io(path.to_owned(), error);
    // A pipe would wait for whoever writes it.
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(&place)
        .map_err(io)?;
    // Of what was opened, for the name may stand for something else by now.
    let found = file.metadata().map_err(io)?;
    if !found.is_file() {
        return Err(Fault::Irregular(path.to_owned()));
    }
    if !who.trusts(found.uid()) {
        return Err(Fault::Foreign(place, found.uid()));
    }
    let handed = place.starts_with(HANDED_IN) || (who.uid != ROOT && is_in_memory(&file));
    if who.owns(found.uid(), mode(&found), handed) {
        Ok(file)
    } else {
        Err(Fault::Open(place, mode(&found)))
    }
}

/// Where a path leads. Each link on the way, and each folder that one stands in, is ours or root's, and nobody else can
/// put something in its place.
fn follow(path: &Path, who: Who) -> Result<PathBuf, Fault> {
    let io = |error| Fault::Io(path.to_owned(), error);
    let mut place = std::path::absolute(path).map_err(io)?;
    for links in 0..LINKS {
        folders(&place, who)?;
        let found = match fs::symlink_metadata(&place) {
            Err(error) if links > 0 && error.kind() == io::ErrorKind::NotFound => {
                return Err(Fault::Dangling(path.to_owned()));
            }
            found => found.map_err(io)?,
        };
        if !found.is_symlink() {
            let real = fs::canonicalize(&place).map_err(io)?;
            folders(&real, who)?;
            return Ok(real);
        }
        if !who.trusts(found.uid()) {
            return Err(Fault::Foreign(place, found.uid()));
        }
        let to = fs::read_link(&place).map_err(io)?;
        place = place.parent().unwrap_or(Path::new("/")).join(to);
    }
    Err(io(io::Error::other("too many links")))
}

/// Makes sure that nobody else can put another file at this place.
///
/// # Errors
/// [`Fault::Folder`]
pub fn check_folders(path: &Path) -> Result<(), Fault> {
    let who = Who::here();
    let io = |error| Fault::Io(path.to_owned(), error);
    let place = std::path::absolute(path).map_err(io)?;
    folders(&place, who)?;
    let folder = place.parent().unwrap_or(Path::new("/"));
    let real = fs::canonicalize(folder).map_err(io)?;
    folders(&real.join("file"), who)
}

fn folders(path: &Path, who: Who) -> Result<(), Fault> {
    for folder in path.ancestors().skip(1) {
        let found =
            fs::symlink_metadata(folder).map_err(|error| Fault::Io(folder.to_owned(), error))?;
        let fault = |what| Err(Fault::Folder(folder.to_owned(), what));
        if !who.trusts(found.uid()) {
            return fault(FolderFault::Foreign(found.uid()));
        }
        let mode = mode(&found);
        let is_link = found.is_symlink();
        if !is_link && mode & STICKY == 0 && who.shares(found.gid(), mode) {
            return fault(FolderFault::Open(mode));
        }
    }
    Ok(())
}

/// Makes a file, readable by the owner only, that wasn't there: a link in its place is never followed.
///
/// # Errors
/// [`io::Error`]: `AlreadyExists` if there is something, also a link to nothing.
pub fn create_new(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Opens a file to write, or makes it, readable by the owner only: never through a link.
///
/// # Errors
/// [`io::Error`]
pub fn create(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags(OFlags::NOFOLLOW))
        .open(path)
}

/// Makes a folder and those above it that aren't there, for the owner only.
///
/// # Errors
/// [`io::Error`]
pub fn create_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Makes a folder, for the owner only, that wasn't there.
///
/// # Errors
/// [`io::Error`]: `AlreadyExists` if there is something, also a link to nothing.
pub fn create_new_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Takes away what others may do with a file of ours that is there. Returns the mode that it had, if that changed.
///
/// # Errors
/// [`Fault`]: it's somebody else's, or a link of somebody else's; then nothing changes.
pub fn tighten(path: &Path) -> Result<Option<u32>, Fault> {
    let who = Who::here();
    let place = follow(path, who)?;
    let io = |error| Fault::Io(place.clone(), error);
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(&place)
        .map_err(io)?;
    let found = file.metadata().map_err(io)?;
    let mode = mode(&found);
    if !found.is_file() {
        return Err(Fault::Irregular(place));
    }
    if !who.trusts(found.uid()) {
        return Err(Fault::Foreign(place, found.uid()));
    }
    if mode & OPEN_TO_OTHERS == 0 {
        return Ok(None);
    }
    if found.uid() != who.uid {
        // Root's own, which a group may use.
        return if who.shares(found.gid(), mode) || mode & READABLE_BY_ALL != 0 {
            Err(Fault::Open(place, mode))
        } else {
            Ok(None)
        };
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & !OPEN_TO_OTHERS))
        .map_err(|error| io(error.into()))?;
    Ok(Some(mode))
}

fn mode(found: &Metadata) -> u32 {
    found.mode() & 0o7777
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

fn is_in_memory(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == TMPFS)
}

#[cfg(test)]
mod tests;
