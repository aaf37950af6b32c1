//! The program itself: set up by its commands, started in its own process, asked over sockets, killed.

use crate::cli::program::{Program, Said};
use crate::support::Answer;
use crate::support::app::{form, onward};
use crate::support::browser::form_of;
use crate::support::fixtures::{PASSWORD, REDIRECT, VERIFIER, authorize_url};
use http::{HeaderMap, HeaderName, StatusCode};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything that is waited for may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A durable SQLite database with Ada and the client `web`, and the address of the node to be.
pub struct Installation {
    pub address: SocketAddr,
    program: Program,
}

/// A running `gatewright serve`. It is killed with the value.
pub struct Node(Child);

impl Installation {
    /// With some settings, named by their variables.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let mut program = Program::sqlite()
            .with("GATEWRIGHT_ISSUER", &format!("http://{address}"))
            .with("GATEWRIGHT_LISTEN", &address.to_string())
            .with("GATEWRIGHT_LOG_LEVEL", "warn");
        for (name, value) in settings {
            program = program.with(name, value);
        }
        program
            .run_with(&["user", "create", "ada", "--password-stdin"], PASSWORD)
            .succeeds();
        let web = [
            "client",
            "create",
            "web",
            "--type",
            "public",
            "--first-party",
            "--redirect-uri",
            REDIRECT,
            "--grant",
            "authorization_code",
            "--grant",
            "refresh_token",
            "--scope",
            "openid offline_access",
        ];
        program.run(&web).succeeds();
        Self { address, program }
    }

    pub fn database_url(&self) -> &str {
        &self.program.url
    }

    /// Runs a command on it.
    pub fn run(&self, args: &[&str]) -> Said {
        self.program.run(args)
    }

    /// Starts a node and waits until it is ready.
    pub fn start(&self) -> Node {
        let mut node = Node(
            self.program
                .command(env!("CARGO_BIN_EXE_gatewright"))
                .arg("serve")
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        );
        until("the node is ready", || {
            assert!(
                node.0.try_wait().unwrap().is_none(),
                "the node ended by itself"
            );
            self.get("/health/ready")
                .is_ok_and(|answer| answer.status == 200)
                .then_some(())
        });
        node
    }

    pub fn get(&self, path: &str) -> io::Result<Answer> {
        ask(self.address, "GET", path, &[], "")
    }

    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> io::Result<Answer> {
        ask(self.address, "POST", path, &[FORM], &form(fields))
    }

    /// Ada logs in once; `count` families of refresh tokens, the first token of each.
    pub fn refresh_tokens(&self, count: usize) -> Vec<String> {
        let url = authorize_url("web", "openid offline_access", &[]);
        let page = self.get(&url).unwrap();
        let login = form_of(&page, "login-form");
        let mut fields: Vec<(&str, &str)> = login
            .hidden
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        fields.extend([("login", "ada"), ("password", PASSWORD)]);
        let origin = format!("http://{}", self.address);
        let headers = [FORM, ("cookie", &cookies(&page)), ("origin", &origin)];
        let answer = ask(
            self.address,
            "POST",
            &login.action,
            &headers,
            &form(&fields),
        )
        .unwrap();
        let session = cookies(&answer);
        let token = |_| {
            let answer = ask(self.address, "GET", &url, &[("cookie", &session)], "").unwrap();
            let code = answer.parameter("code").unwrap();
            let answer = self
                .post(
                    "/token",
                    &[
                        ("grant_type", "authorization_code"),
                        ("client_id", "web"),
                        ("code", &code),
                        ("redirect_uri", REDIRECT),
                        ("code_verifier", VERIFIER),
                    ],
                )
                .unwrap();
            answer.json()["refresh_token"]
                .as_str()
                .unwrap_or_else(|| panic!("{}", answer.body))
                .to_owned()
        };
        (0..count).map(token).collect()
    }
}

impl Node {
    /// SIGKILL: nothing of the process runs any more.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn terminate(&self) {
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {}", self.0.id()))
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub fn ended(&mut self) -> ExitStatus {
        until("the node has ended", || self.0.try_wait().unwrap())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until there is an answer.
pub fn until<T>(what: &str, mut asked: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = asked() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The head of a request whose connection serves no other.
pub fn head(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    length: usize,
) -> String {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

/// One request, one connection. An answer that didn't come whole is an error.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all((head(address, method, path, headers, body.len()) + body).as_bytes())?;
    read(stream)
}

/// Reads the one answer of a connection.
pub fn read(mut stream: TcpStream) -> io::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    if body.len() != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Answer {
        status: status.parse::<StatusCode>().unwrap(),
        headers,
        onward: onward(body),
        body: body.to_owned(),
    })
}

/// The cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &Answer) -> String {
    let set = answer.headers.get_all("set-cookie").iter();
    let pairs: Vec<&str> = set
        .map(|header| header.to_str().unwrap().split(';').next().unwrap())
        .collect();
    pairs.join("; ")
}
