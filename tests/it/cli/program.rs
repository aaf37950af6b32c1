//! Runs the binary on a database of its own.

use crate::support::database::{self, MASTER, TempDir};
use gatewright::store::{Store, StoreOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An installation: a folder, a database and an environment.
pub struct Program {
    pub dir: TempDir,
    pub url: String,
    pub env: BTreeMap<String, String>,
}

/// What one run said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// The JSON on standard output of a run that went well.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Asserts a failure: nothing on standard output, and `error: …` with these words on the other.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (code, ""),
            "{}",
            self.stderr
        );
        assert!(self.stderr.contains("error: "), "{}", self.stderr);
        for word in words {
            assert!(
                self.stderr.contains(word),
                "{word:?} is not in: {}",
                self.stderr
            );
        }
    }

    /// Asserts that all went well.
    #[track_caller]
    pub fn succeeds(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.stderr);
        &self.stdout
    }
}

impl Program {
    /// On an SQLite database that isn't there yet.
    pub fn sqlite() -> Self {
        let dir = TempDir::new();
        let url = format!("sqlite://{}", dir.0.join("data/gatewright.db").display());
        Self::on(dir, url)
    }

    /// On a PostgreSQL database with its schema; `None` where there is no PostgreSQL.
    pub async fn postgres() -> Option<Self> {
        let url = database::postgres().await?;
        let mut program = Self::on(TempDir::new(), url);
        let hex: String = MASTER.iter().map(|byte| format!("{byte:02x}")).collect();
        program.env.insert("GATEWRIGHT_MASTER_KEY".to_owned(), hex);
        Some(program)
    }

    /// On the database of a URL.
    pub fn on(dir: TempDir, url: String) -> Self {
        let env = [
            ("GATEWRIGHT_DATABASE_URL", url.as_str()),
            ("GATEWRIGHT_PASSWORD_MEMORY_KIB", "8192"),
            ("GATEWRIGHT_PASSWORD_ITERATIONS", "1"),
        ];
        let env = env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        Self { dir, url, env }
    }

    /// The same with another variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.env).current_dir(&self.dir.0);
        command
    }

    /// Runs the program.
    pub fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, "")
    }

    /// Runs the program with something on its standard input.
    pub fn run_with(&self, args: &[&str], stdin: &str) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_gatewright"));
        command.args(args);
        finish(command, stdin)
    }

    /// Runs a line in a shell that finds `gatewright`.
    pub fn shell(&self, line: &str) -> Said {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_gatewright"));
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let mut command = self.command("/bin/sh");
        command.env("PATH", path).args(["-c", line]);
        finish(command, "")
    }

    /// Makes a user with a password.
    pub fn user(&self, name: &str) -> Value {
        let email = format!("{name}@example.com");
        self.run_with(
            &[
                "user",
                "create",
                name,
                "--email",
                &email,
                "--password-stdin",
                "--json",
            ],
            PASSWORD,
        )
        .json()
    }

    /// Makes a machine client.
    pub fn machine(&self, name: &str) -> Value {
        let args = [
            "client",
            "create",
            name,
            "--grant",
            "client_credentials",
            "--scope",
            "orders:read",
            "--json",
        ];
        self.run(&args).json()
    }

    /// The database behind the program's back.
    pub async fn store(&self) -> Store {
        let options = StoreOptions {
            url: self.url.clone(),
            max_connections: 2,
            durable: false,
        };
        Store::open(&options).await.unwrap()
    }

    /// A file in the installation's folder.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.0.join(name);
        std::fs::write(&path, text).unwrap();
        // Some hold secrets.
        let own = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, own).unwrap();
        path.display().to_string()
    }

    /// Every byte of the installation's SQLite files, except the master key's.
    pub fn database_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.dir.0.join("data"))
            .unwrap()
            .flatten();
        let mut bytes = Vec::new();
        for file in files.filter(|file| !file.file_name().to_string_lossy().contains("master-key"))
        {
            bytes.extend(std::fs::read(file.path()).unwrap());
        }
        bytes
    }
}

pub const PASSWORD: &str = "correct horse battery staple";

fn finish(mut command: Command, stdin: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that doesn't read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Whether the bytes hold the text.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Declares one test that runs on SQLite and on PostgreSQL.
macro_rules! on_either {
    ($(async fn $name:ident($program:ident) $body:block)+) => {
        $(
            mod $name {
                #[allow(unused_imports)]
                use super::*;

                async fn claim($program: $crate::cli::program::Program) $body

                #[tokio::test]
                async fn sqlite() {
                    claim($crate::cli::program::Program::sqlite()).await;
                }

                #[tokio::test]
                async fn postgres() {
                    if let Some(program) = $crate::cli::program::Program::postgres().await {
                        claim(program).await;
                    }
                }
            }
        )+
    };
}
pub(crate) use on_either;
