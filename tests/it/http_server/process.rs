//! What needs a process of its own: signals that end it, and a limit on its files. Each of these tests runs this
//! program again, with one of the `child_` tests.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use gatewright::http::signals;

use super::support::{TestServer, echo};

const CHILD: &str = "GATEWRIGHT_TEST_CHILD";

struct Started {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Started {
    /// Starts `test` with so many open files, and waits until it is ready.
    fn new(test: &str, open_files: u32) -> (Self, String) {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", &format!("ulimit -n {open_files}; exec \"$0\" \"$@\"")])
            .arg(program)
            .args([
                &format!("http_server::process::{test}"),
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut started = Self { process, output };
        let ready = started.line_with("ready ");
        (started, ready)
    }

    /// What follows `mark` on the next line that has it.
    fn line_with(&mut self, mark: &str) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.trim().to_owned();
            }
            line.clear();
        }
        panic!("the child ended without {mark:?}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(what: &str) {
    println!("{what}");
}

#[tokio::test]
async fn child_that_ignores_the_first_signal() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let told = signals::shutdown().unwrap();
    say("ready ");
    told.await;
    say("told ");
    std::future::pending::<()>().await;
}

#[test]
fn the_first_signal_is_told_and_the_second_ends_the_process() {
    for (first, second, code) in [
        ("TERM", "TERM", 143),
        ("INT", "TERM", 143),
        ("TERM", "INT", 130),
    ] {
        let (mut child, _) = Started::new("child_that_ignores_the_first_signal", 256);
        child.signal(first);
        child.line_with("told ");
        child.signal(second);
        assert_eq!(
            child.process.wait().unwrap().code(),
            Some(code),
            "{first} {second}"
        );
    }
}

#[tokio::test]
async fn child_that_counts_hangups() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let hangups = signals::on_hangup(|| say("hangup ")).unwrap();
    say("ready ");
    hangups.await.unwrap();
}

#[test]
fn every_hangup_is_acted_on() {
    let (mut child, _) = Started::new("child_that_counts_hangups", 256);
    for _ in 0..2 {
        child.signal("HUP");
        child.line_with("hangup ");
    }
}

#[tokio::test]
async fn child_that_serves() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let told = signals::shutdown().unwrap();
    let mut server = TestServer::start(echo(), |_| {}).await;
    say(&format!("ready {}", server.addr));
    told.await;
    server.signal();
    say(&format!("cut {}", server.drained().await.cut));
}

fn get(addr: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /new HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn out_of_file_descriptors_the_listener_makes_room_and_recovers() {
    let (mut child, addr) = Started::new("child_that_serves", 40);
    let addr = addr.parse().unwrap();
    let flood: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(addr).unwrap())
        .collect();
    let began = Instant::now();
    let answered = (0..20).any(|_| get(addr).is_ok_and(|answer| answer.ends_with("/new 0")));
    assert!(answered, "beside the flood");
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "only after the flood had run out of time"
    );
    drop(flood);
    let answered = (0..20).any(|_| get(addr).is_ok_and(|answer| answer.ends_with("/new 0")));
    assert!(answered, "after the flood");
    child.signal("TERM");
    child.line_with("cut 0");
}
