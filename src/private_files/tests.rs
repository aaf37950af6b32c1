use super::*;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::process::Command;

const SOMEBODY: u32 = 12_345;

/// A folder of our own that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let output = Command::new("mktemp").arg("-d").output().unwrap();
        Self(String::from_utf8(output.stdout).unwrap().trim().into())
    }

    fn file(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, "secret\n").unwrap();
        set_mode(&path, mode);
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    us() == ROOT
}

#[test]
fn who_could_have_written_a_file_and_who_can_read_it_decides() {
    let us = Who {
        uid: 1000,
        gid: 1000,
    };
    let root = Who { uid: ROOT, gid: 0 };
    for (who, uid, mode, handed, used) in [
        (us, 1000, 0o600, false, true),
        (us, 1000, 0o400, false, true),
        (us, 1000, 0o640, false, false),
        (us, 1000, 0o644, false, false),
        (us, 1000, 0o660, false, false),
        // systemd's LoadCredential, a Kubernetes secret with a group, and one that a container's engine mounts.
        (us, ROOT, 0o440, false, true),
        (us, ROOT, 0o444, false, false),
        (us, ROOT, 0o444, true, true),
        (us, ROOT, 0o664, true, false),
        (us, ROOT, 0o666, true, false),
        (root, ROOT, 0o600, false, true),
        (root, ROOT, 0o440, false, false),
        (root, ROOT, 0o444, true, true),
    ] {
        let told = who.trusts(uid) && who.owns(uid, mode, handed);
        assert_eq!(told, used, "uid {uid} mode {mode:04o} handed in: {handed}");
    }
    assert!(!us.trusts(SOMEBODY) && !root.trusts(1000));
    for (gid, mode, shared) in [
        (1000, 0o755, false),
        (1000, 0o775, false),
        (50, 0o775, true),
        (1000, 0o757, true),
    ] {
        assert_eq!(us.shares(gid, mode), shared, "group {gid} mode {mode:04o}");
    }
}

#[test]
fn a_file_that_others_can_read_or_write_is_refused_with_the_command_that_mends_it() {
    let folder = Folder::new();
    assert_eq!(*read(&folder.file("well", 0o600)).unwrap(), "secret\n");
    for mode in [0o604, 0o640, 0o644, 0o622, 0o666] {
        let path = folder.file("open", mode);
        let told = read(&path).unwrap_err().to_string();
        assert!(
            told.contains(&format!("chmod 600 {}", path.display())),
            "{told}"
        );
    }
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let folder = Folder::new();
    let inner = folder.0.join("inner");
    create_folder(&inner).unwrap();
    fs::write(inner.join("key"), "secret").unwrap();
    set_mode(&inner.join("key"), 0o600);
    for (mode, safe) in [(0o755, true), (0o777, false), (0o1777, true)] {
        set_mode(&inner, mode);
        assert_eq!(read(&inner.join("key")).is_ok(), safe, "{mode:04o}");
        assert_eq!(
            check_folders(&inner.join("new")).is_ok(),
            safe,
            "{mode:04o}"
        );
    }
    set_mode(&inner, 0o777);
    // A link from a safe place leads to an unsafe one all the same.
    symlink(inner.join("key"), folder.0.join("link")).unwrap();
    let told = read(&folder.0.join("link")).unwrap_err().to_string();
    assert!(told.contains("chmod go-w"), "{told}");
}

#[test]
fn what_somebody_else_planted_is_refused() {
    if !is_root() {
        eprintln!("left out: only root can give a file away");
        return;
    }
    let folder = Folder::new();
    let planted = folder.file("planted", 0o600);
    chown(&planted, Some(SOMEBODY), None).unwrap();
    assert!(matches!(read(&planted), Err(Fault::Foreign(_, SOMEBODY))));
    assert!(matches!(
        tighten(&planted),
        Err(Fault::Foreign(_, SOMEBODY))
    ));

    let ours = folder.file("ours", 0o600);
    let link = folder.0.join("link");
    symlink(&ours, &link).unwrap();
    assert!(read(&link).is_ok());
    std::os::unix::fs::lchown(&link, Some(SOMEBODY), None).unwrap();
    assert!(matches!(read(&link), Err(Fault::Foreign(_, SOMEBODY))));

    let theirs = folder.0.join("theirs");
    create_folder(&theirs).unwrap();
    fs::rename(&ours, theirs.join("ours")).unwrap();
    chown(&theirs, Some(SOMEBODY), None).unwrap();
    assert!(matches!(
        read(&theirs.join("ours")),
        Err(Fault::Folder(_, FolderFault::Foreign(SOMEBODY)))
    ));
}

#[test]
fn pipes_and_folders_are_no_files_with_secrets() {
    let folder = Folder::new();
    let pipe = folder.0.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg("-m600")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert!(matches!(read(&pipe), Err(Fault::Irregular(_))));
    assert!(matches!(read(&folder.0), Err(Fault::Irregular(_))));
    assert!(matches!(read(&folder.0.join("absent")), Err(Fault::Io(..))));
}

#[test]
fn nothing_is_made_through_a_link() {
    let folder = Folder::new();
    let (link, target) = (folder.0.join("link"), folder.0.join("target"));
    symlink(&target, &link).unwrap();
    assert!(matches!(read(&link), Err(Fault::Dangling(_))));
    assert_eq!(
        create_new(&link).unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    assert!(create(&link).is_err());
    assert!(!target.exists());
    let made = folder.0.join("made");
    for _ in 0..2 {
        create(&made).unwrap();
    }
    assert_eq!(mode(&fs::metadata(&made).unwrap()), 0o600);
}

#[test]
fn what_others_may_do_with_our_file_is_taken_away() {
    let folder = Folder::new();
    let file = folder.file("open", 0o666);
    assert_eq!(tighten(&file).unwrap(), Some(0o666));
    assert_eq!(mode(&fs::metadata(&file).unwrap()), 0o600);
    assert_eq!(tighten(&file).unwrap(), None);
}
