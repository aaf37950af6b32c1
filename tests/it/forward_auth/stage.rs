//! Everything around a proxy: an authorizer in its own process, an API that tells what it got, and tokens.

use crate::cli::program::Program;
use crate::journey::process::until;
use crate::support::database::TempDir;
use gatewright::crypto::Entropy;
use gatewright::crypto::jwt::{TokenType, sign};
use gatewright::crypto::signing_key::{SigningKey, generate};
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

pub const POLICY: &str = r#"
[[issuer]]
url = "https://issuer.example"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]
jwks = { pinned = "jwks.json" }

[context]
claims = ["tenant"]

[[rule]]
id = "orders-read"
methods = ["GET", "HEAD"]
path = "/orders/{id}"
scopes = ["orders:read"]

[[rule]]
id = "orders-write"
methods = ["POST"]
path = "/orders"
scopes = ["orders:write"]

[[rule]]
id = "admin"
methods = ["ANY"]
path = "/admin/{rest+}"
scopes = ["admin"]

[[rule]]
id = "open"
methods = ["GET", "OPTIONS"]
path = "/open/{page}"
effect = "public"

[[rule]]
id = "inside"
methods = ["GET"]
path = "/inside"
when = 'request.source_ip in ["203.0.113.9", "10.0.0.1", "127.0.0.1"]'
"#;

/// The issuer of all tokens here.
pub struct Issuer(SigningKey);

impl Issuer {
    pub fn new() -> Self {
        let private = generate(Algorithm::Es256, &Entropy::system()).unwrap();
        Self(SigningKey::parse(Algorithm::Es256, &private).unwrap())
    }

    pub fn jwks(&self) -> Value {
        json!({"keys": [self.0.public_jwk()]})
    }

    pub fn token(&self, scope: &str) -> String {
        self.token_with(scope, json!({}))
    }

    pub fn token_with(&self, scope: &str, more: Value) -> String {
        let now = unix_now();
        let mut claims = json!({
            "iss": "https://issuer.example", "sub": "w\u{f6}rker 1", "client_id": "worker", "jti": "1",
            "aud": "https://api.example.com", "iat": now - 60, "exp": now + 600, "scope": scope,
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        sign(&self.0, TokenType::AccessToken, &claims).unwrap()
    }
}

/// A process that ends with the value, or with the thread that started it.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// A command that dies with this thread.
    pub fn command(program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig=KILL", "--"])
            .arg(program.as_ref());
        command
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `gatewright authorizer serve` on a port of its own.
pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    pub fn start(program: &Program, args: &[&str]) -> Self {
        let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
        command
            .env("GATEWRIGHT_LOG_FORMAT", "json")
            .args(["authorizer", "serve", "--policy", "policy.toml"])
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let mut lines = BufReader::new(process.child().stderr.take().unwrap()).lines();
        let mut seen = String::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            seen.push_str(&line);
            let line: Value = serde_json::from_str(&line).ok()?;
            field(&line, "listen")?.as_str()?.parse().ok()
        });
        let log = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock()
                    .unwrap()
                    .push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self {
            process,
            address: address.unwrap_or_else(|| panic!("it doesn't start: {seen}")),
            log,
        }
    }

    /// Waits for so many decisions on calls of a client.
    pub fn decisions(&self, client: &str, count: usize) -> Vec<Value> {
        until("the decisions are logged", || {
            let log = self.log.lock().unwrap();
            let of_client = |line: &&Value| {
                line["log.logger"] == "gatewright::decision"
                    && field(line, "client").is_some_and(|own| own == client)
            };
            let decisions: Vec<Value> = log.iter().filter(of_client).cloned().collect();
            (decisions.len() >= count).then_some(decisions)
        })
    }
}

/// A field of a log line, wherever its format has it.
pub fn field<'l>(line: &'l Value, name: &str) -> Option<&'l Value> {
    line.get(name).or_else(|| line.get("fields")?.get(name))
}

/// An installation with the policy and the issuer's keys.
pub fn installed(issuer: &Issuer) -> Program {
    let dir = TempDir::new();
    let mut program = Program::on(dir, String::new());
    program.env.clear();
    program.file("policy.toml", POLICY);
    program.file("jwks.json", &issuer.jwks().to_string());
    program
}

/// What the API got.
#[derive(Clone, Debug)]
pub struct Got {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Got {
    /// The headers whose names begin like this, whether with hyphens or with underscores.
    pub fn named(&self, prefix: &str) -> Vec<(String, String)> {
        let mut named: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| name.replace('_', "-").starts_with(prefix))
            .cloned()
            .collect();
        named.sort();
        named
    }
}

/// An API that answers 200 to everything and remembers it.
pub struct Api {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Api {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&stream, &kept));
            }
        });
        Self { address, got }
    }

    /// What it got since it was last asked.
    pub fn got(&self) -> Vec<Got> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

fn serve(mut stream: &TcpStream, kept: &Mutex<Vec<Got>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        headers.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    kept.lock().unwrap().push(Got {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nseen")
        .ok()
}

/// Where programs are; the folders of servers are often not in the path.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .collect()
}

/// Where a program is. `None`, and a line that says so, if it isn't installed, which is a failure where everything is
/// demanded.
pub fn find(program: &str, package: &str) -> Option<PathBuf> {
    find_in(folders(), program, package)
}

/// The same for a file in one of these folders.
pub fn find_in(
    folders: impl IntoIterator<Item = PathBuf>,
    file: &str,
    package: &str,
) -> Option<PathBuf> {
    let found = search_in(folders, file);
    assert!(
        found.is_some() || std::env::var("GATEWRIGHT_TEST_ALL").is_err(),
        "{file} is demanded and was not found: install {package}"
    );
    found
}

/// The same for a program that is never demanded.
pub fn search(program: &str) -> Option<PathBuf> {
    search_in(folders(), program)
}

fn search_in(folders: impl IntoIterator<Item = PathBuf>, file: &str) -> Option<PathBuf> {
    let found = folders
        .into_iter()
        .map(|folder| folder.join(file))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("left out: {file} is not installed on this machine");
    }
    found
}

/// A port that was free just now.
pub fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap()
}
