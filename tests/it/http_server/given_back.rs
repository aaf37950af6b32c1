//! Memory of the program itself, which has an allocator of its own.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use super::frames::{hello, post};
use crate::cli::program::Program;

const CONNECTIONS: usize = 100;
const STREAMS: u32 = 100;

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Node {
    fn resident_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.unwrap().parse::<u64>().unwrap() / 1024
    }
}

fn is_live(address: SocketAddr) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut client = TcpStream::connect(address)?;
        let host = format!("Host: {address}\r\nConnection: close\r\n\r\n");
        client.write_all(format!("GET /health/live HTTP/1.1\r\n{host}").as_bytes())?;
        let mut answer = String::new();
        client.read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_open_streams_hold_is_bounded_and_goes_back_to_the_system() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let program = Program::sqlite()
        .with("GATEWRIGHT_ISSUER", &format!("http://{address}"))
        .with("GATEWRIGHT_LISTEN", &address.to_string())
        .with("GATEWRIGHT_METRICS_LISTEN", "off")
        .with("GATEWRIGHT_LOG_LEVEL", "error");
    let node = Node(
        program
            .command(env!("CARGO_BIN_EXE_gatewright"))
            .arg("serve")
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    until("it isn't ready", || is_live(address));
    let before = node.resident_mb();
    let streams = (0..STREAMS).map(|number| post(2 * number + 1));
    let said = [hello(&[]), streams.collect::<Vec<_>>().concat()].concat();
    let held: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(&said).unwrap();
            client
        })
        .collect();
    until("it doesn't answer any more", || is_live(address));
    let during = node.resident_mb() - before;
    // Requests hold more in a program that isn't optimised.
    assert!(during < 90, "{CONNECTIONS} connections hold {during} MB");
    drop(held);
    until("it keeps what it took", || {
        // Memory of a thread goes back when it is at work again.
        is_live(address) && node.resident_mb() < before + during / 3 + 10
    });
}
