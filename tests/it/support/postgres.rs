//! A throw-away PostgreSQL for the whole test run: found on this machine, started once, ended with the run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static SERVER: OnceLock<Option<Server>> = OnceLock::new();

struct Server {
    socket_dir: PathBuf,
}

/// The URL of a database on the test server. `None` if there is no PostgreSQL here, which is a failure where
/// everything is demanded.
pub fn url(database: &str) -> Option<String> {
    if let Ok(base) = std::env::var("GATEWRIGHT_TEST_POSTGRES") {
        let (head, query) = base.split_once('?').unwrap_or((&base, ""));
        let head = head.rsplit_once('/').map_or(head, |(head, _)| head);
        let query = if query.is_empty() {
            String::new()
        } else {
            format!("?{query}")
        };
        return Some(format!("{head}/{database}{query}"));
    }
    let server = SERVER.get_or_init(start);
    match server {
        Some(server) => {
            let dir = server.socket_dir.display();
            Some(format!(
                "postgres://postgres@localhost/{database}?host={dir}"
            ))
        }
        None => {
            assert!(
                std::env::var("GATEWRIGHT_TEST_ALL").is_err(),
                "PostgreSQL is demanded, and no initdb was found: install postgresql"
            );
            eprintln!("left out: PostgreSQL is not installed on this machine");
            None
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let mut dirs: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        dirs.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    dirs.into_iter()
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

/// Root may not run PostgreSQL: then the user `postgres` does. The server dies with the thread that started it.
fn as_postgres(program: &Path, dies_with_us: bool) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    if dies_with_us {
        command.arg("--pdeathsig=KILL");
    }
    command.arg("--").arg(program);
    command
}

fn start() -> Option<Server> {
    let initdb = find("initdb")?;
    let postgres = find("postgres")
        .or_else(|| Some(initdb.canonicalize().ok()?.with_file_name("postgres")))?;
    let dir = std::env::temp_dir().join(format!("gatewright-test-pg-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // A run leaves gigabytes.
    super::database::remove_afterwards(&dir);
    if is_root() {
        let owned = Command::new("chown")
            .arg("postgres")
            .arg(&dir)
            .status()
            .unwrap();
        assert!(owned.success());
    }
    let data = dir.join("data");
    let made = as_postgres(&initdb, false)
        .arg("-D")
        .arg(&data)
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "initdb failed");

    let socket_dir = dir.clone();
    let (ready, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut server = as_postgres(&postgres, true)
            .arg("-D")
            .arg(&data)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "synchronous_commit=off",
            ])
            .args(["-c", "full_page_writes=off", "-c", "max_connections=400"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", dir.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        ready.send(()).unwrap();
        // This thread lives as long as the server: its end would be the server's.
        let _ = server.wait();
    });
    started.recv().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::os::unix::net::UnixStream::connect(socket_dir.join(".s.PGSQL.5432")).is_err() {
        assert!(Instant::now() < deadline, "PostgreSQL did not start");
        std::thread::yield_now();
    }
    Some(Server { socket_dir })
}
